//! Writing: revisions, unique indexes, atomicity, odd content, races.

use records::{Records, RecordsError};
use serde_json::json;
use types::{Change, Document, Expected, Filter, Index, IndexValue, OrgId, Query, codes};

use super::{Thing, event, put};
use crate::engine::{Place, object, organisation};

async fn write(on: &Records, org: OrgId, changes: Vec<Change>) -> Result<Vec<u64>, RecordsError> {
    on.commit(org, "tester", changes, vec![]).await.map(|committed| committed.revisions)
}

pub(crate) async fn documents_are_written_read_and_removed(place: &Place) {
    let (on, org, id) = (place.open().await, organisation(), object());
    assert_eq!(on.get::<Thing>(org, id).await.unwrap(), None);
    let first =
        on.commit(org, "tester", vec![put(id, Expected::Absent, &Thing::named("泵"))], vec![]).await.unwrap();
    assert_eq!((first.revisions, first.last_event), (vec![1], None));
    let stored = on.get::<Thing>(org, id).await.unwrap().unwrap();
    assert_eq!((stored.id, stored.revision, stored.changed), (id, 1, first.at));
    assert_eq!(stored.body, Thing::named("泵"));
    assert_eq!(write(&on, org, vec![put(id, Expected::At(1), &Thing::named("阀"))]).await, Ok(vec![2]));
    let raw = on.get_raw(org, "things", id).await.unwrap().unwrap();
    assert_eq!((raw.revision, raw.body["name"].as_str()), (2, Some("阀")));
    assert_eq!(write(&on, org, vec![Change::delete::<Thing>(id, Expected::At(2))]).await, Ok(vec![0]));
    assert_eq!(on.get::<Thing>(org, id).await.unwrap(), None);
    assert_eq!(on.list::<Thing>(org, Query::default()).await.unwrap().items, vec![]);
    on.close().await;
    assert_eq!(on.get::<Thing>(org, id).await, Err(RecordsError::Closed));
}

pub(crate) async fn expected_revisions_hold(place: &Place) {
    let (on, org, id) = (place.open().await, organisation(), object());
    let one = Thing::sized("a", 1);
    let missing = write(&on, org, vec![put(id, Expected::At(1), &one)]).await.unwrap_err();
    assert_eq!(missing.fault().code, codes::NOT_FOUND);
    assert_eq!(write(&on, org, vec![put(id, Expected::Any, &one)]).await, Ok(vec![1]));
    assert_eq!(write(&on, org, vec![put(id, Expected::Any, &one)]).await, Ok(vec![2]));
    for expected in [Expected::Absent, Expected::At(1), Expected::At(3)] {
        let error = write(&on, org, vec![put(id, expected, &Thing::sized("b", 9))]).await.unwrap_err();
        let asked = if let Expected::At(revision) = expected { Some(revision) } else { None };
        let conflict = RecordsError::Conflict { collection: "things".into(), id, expected: asked, found: 2 };
        assert_eq!(error, conflict);
        assert_eq!(error.fault().code, codes::CONFLICT);
    }
    let stale = write(&on, org, vec![Change::delete::<Thing>(id, Expected::At(1))]).await;
    assert!(matches!(stale, Err(RecordsError::Conflict { found: 2, .. })));
    assert_eq!(on.get::<Thing>(org, id).await.unwrap().unwrap().body, one);
    // Several writes of one document in one commit build on each other.
    let twice = vec![put(id, Expected::At(2), &one), put(id, Expected::At(3), &Thing::sized("c", 3))];
    assert_eq!(write(&on, org, twice).await, Ok(vec![3, 4]));
    assert_eq!(write(&on, org, vec![Change::delete::<Thing>(id, Expected::Any)]).await, Ok(vec![0]));
    assert_eq!(write(&on, org, vec![Change::delete::<Thing>(id, Expected::Any)]).await, Ok(vec![0]));
    let gone = write(&on, org, vec![Change::delete::<Thing>(id, Expected::At(4))]).await;
    assert!(matches!(gone, Err(RecordsError::NotFound { .. })));
}

pub(crate) async fn unique_indexes_hold(place: &Place) {
    let (on, org, a, b) = (place.open().await, organisation(), object(), object());
    write(&on, org, vec![put(a, Expected::Absent, &Thing::named("x"))]).await.unwrap();
    let error = write(&on, org, vec![put(b, Expected::Absent, &Thing::named("x"))]).await.unwrap_err();
    let double = RecordsError::Duplicate {
        collection: "things".into(),
        index: "name".into(),
        value: "x".into(),
        holder: a,
    };
    assert_eq!(error, double);
    assert_eq!(error.fault().code, codes::EXISTS);
    let together = vec![
        put(object(), Expected::Absent, &Thing::named("y")),
        put(b, Expected::Absent, &Thing::named("y")),
    ];
    assert!(matches!(write(&on, org, together).await, Err(RecordsError::Duplicate { .. })));
    // Without a value there is nothing to be unique; the own value may be written again; a freed one may be taken.
    write(&on, org, vec![put(b, Expected::Absent, &Thing::sized("a", 1))]).await.unwrap();
    write(&on, org, vec![put(object(), Expected::Absent, &Thing::sized("a", 1))]).await.unwrap();
    write(&on, org, vec![put(a, Expected::At(1), &Thing { size: 5, ..Thing::named("x") })]).await.unwrap();
    write(&on, org, vec![Change::delete::<Thing>(a, Expected::Any)]).await.unwrap();
    write(&on, org, vec![put(b, Expected::At(1), &Thing::named("x"))]).await.unwrap();
    // Many at once for one value: one gets it, the others are told.
    let racers = (0..12).map(|_| {
        let (on, change) = (on.clone(), put(object(), Expected::Absent, &Thing::named("race")));
        tokio::spawn(async move { write(&on, org, vec![change]).await })
    });
    let mut won = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, RecordsError::Duplicate { .. }), "{error}"),
        }
    }
    assert_eq!(won, 1);
}

pub(crate) async fn unique_values_can_be_swapped_in_one_commit(place: &Place) {
    let (on, org, a, b) = (place.open().await, organisation(), object(), object());
    let start =
        vec![put(a, Expected::Absent, &Thing::named("1")), put(b, Expected::Absent, &Thing::named("2"))];
    write(&on, org, start).await.unwrap();
    let swap = vec![put(a, Expected::At(1), &Thing::named("2")), put(b, Expected::At(1), &Thing::named("1"))];
    assert_eq!(write(&on, org, swap).await, Ok(vec![2, 2]));
    let named = |name: &str| Query {
        filters: vec![Filter::Equal("name", IndexValue::Text(name.into()))],
        ..Query::default()
    };
    assert_eq!(on.list::<Thing>(org, named("1")).await.unwrap().items[0].id, b);
    assert_eq!(on.list::<Thing>(org, named("2")).await.unwrap().items[0].id, a);
}

pub(crate) async fn a_failing_change_leaves_no_trace(place: &Place) {
    let (on, org, id) = (place.open().await, organisation(), object());
    write(&on, org, vec![put(id, Expected::Absent, &Thing::named("kept"))]).await.unwrap();
    let before = on.events_after(None, 0, usize::MAX).await.unwrap().len();
    let changes = vec![
        put(object(), Expected::Absent, &Thing::named("new")),
        put(id, Expected::At(1), &Thing::named("changed")),
        Change::PutRow { table: "traces", key: 1, bytes: vec![1] },
        put(object(), Expected::At(7), &Thing::named("fails")),
    ];
    assert!(on.commit(org, "tester", changes, vec![event(id, json!({}))]).await.is_err());
    let items = on.list::<Thing>(org, Query::default()).await.unwrap().items;
    assert_eq!(items.iter().map(|item| (item.id, item.revision)).collect::<Vec<_>>(), [(id, 1)]);
    assert_eq!(on.rows("traces", None, 10).await.unwrap(), vec![]);
    assert_eq!(on.events_after(Some(org), 0, 10).await.unwrap(), vec![]);
    assert_eq!(on.events_after(None, 0, usize::MAX).await.unwrap().len(), before);
    // The next event takes the very next number: the failed commit used none.
    let newest = on.events_after(None, 0, usize::MAX).await.unwrap().last().map_or(0, |event| event.sequence);
    let next = on.commit(org, "tester", vec![], vec![event(id, json!({}))]).await.unwrap();
    assert_eq!(next.last_event, Some(newest + 1));
}

/// A document that is read as the text it was written as.
#[derive(serde::Serialize, serde::Deserialize)]
struct Exact(Box<serde_json::value::RawValue>);

impl Document for Exact {
    const COLLECTION: &'static str = "oddities";
}

pub(crate) async fn odd_json_comes_back_as_it_was(place: &Place) {
    let (on, org) = (place.open().await, organisation());
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let texts = [
        "18446744073709551615",
        "340282366920938463463374607431768211456",
        "1.000000000000000000000000000001",
        "-9223372036854775808",
        "0.1",
        "1e300",
        "null",
        "\"\"",
        "{}",
        "[]",
        "{\"\":\"空键\",\"a\":{\"b\":[1,{\"c\":null}]}}",
        "\"😀 筋骨 \\u0000 \\u2028 \\\\ \\\" $1 ?1 ' ; --\"",
        " { \"spaces\" : [ 1 , 2 ] } ",
        deep.as_str(),
    ];
    for text in texts {
        let id = object();
        let change = Change::Put {
            collection: "oddities",
            id,
            expected: Expected::Absent,
            body: text.into(),
            indexes: vec![(Index::on("text"), Some(IndexValue::Text("$1 ' \u{0} 😀".into())))],
        };
        let draft = event(id, serde_json::from_str(text).unwrap());
        on.commit(org, "张三 '$1'", vec![change], vec![draft]).await.unwrap();
        let expected: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(on.get_raw(org, "oddities", id).await.unwrap().unwrap().body, expected);
        let exact = on.get::<Exact>(org, id).await.unwrap().unwrap().body;
        assert_eq!(exact.0.get(), text.trim(), "byte for byte");
        let recorded = on.events_after(Some(org), 0, 100).await.unwrap().pop().unwrap();
        assert_eq!((recorded.payload, recorded.actor.as_str()), (expected, "张三 '$1'"));
    }
    let filters = vec![Filter::Equal("text", IndexValue::Text("$1 ' \u{0} 😀".into()))];
    let query = Query { filters, ..Query::default() };
    let found = on.list_raw(org, "oddities", &[Index::on("text")], query).await.unwrap();
    assert_eq!(found.items.len(), texts.len());
}

pub(crate) async fn one_of_many_writers_wins_each_revision(place: &Place) {
    const WRITERS: i64 = 6;
    const ROUNDS: u64 = 8;
    let (on, org, id) = (place.open().await, organisation(), object());
    write(&on, org, vec![put(id, Expected::Absent, &Thing::sized("a", -1))]).await.unwrap();
    for revision in 1..=ROUNDS {
        let writers = (0..WRITERS).map(|writer| {
            let (on, change) = (on.clone(), put(id, Expected::At(revision), &Thing::sized("a", writer)));
            tokio::spawn(async move { (writer, write(&on, org, vec![change]).await) })
        });
        let mut winners = vec![];
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                (writer, Ok(revisions)) => winners.push((writer, revisions)),
                (_, Err(error)) => assert!(matches!(error, RecordsError::Conflict { .. }), "{error}"),
            }
        }
        let stored = on.get::<Thing>(org, id).await.unwrap().unwrap();
        assert_eq!(winners, vec![(stored.body.size, vec![revision + 1])]);
    }
}

pub(crate) async fn limits_are_told(place: &Place) {
    let (on, org) = (place.open().await, organisation());
    let long = "長".repeat(records::INDEX_VALUE_BYTES_MAX / 3 + 1);
    let row = Change::PutRow { table: "traces", key: 1, bytes: vec![0; records::ROW_BYTES_MAX + 1] };
    for change in [put(object(), Expected::Any, &Thing::named(&long)), row] {
        let error = write(&on, org, vec![change]).await.unwrap_err();
        assert_eq!(error.fault().code, codes::LIMIT, "{error}");
    }
    let raw = |collection, body: &str| Change::Put {
        collection,
        id: object(),
        expected: Expected::Any,
        body: body.into(),
        indexes: vec![],
    };
    for change in [raw("things", "{"), raw("things; drop", "{}"), raw("", "{}"), raw("things", "{} {}")] {
        let error = write(&on, org, vec![change]).await.unwrap_err();
        assert_eq!(error.fault().code, codes::INVALID, "{error}");
    }
    assert!(on.commit(org, "a\u{0}b", vec![], vec![]).await.is_err());
    // The longest text that an index takes really fits into both engines' index pages.
    let fits = "x".repeat(records::INDEX_VALUE_BYTES_MAX - 1);
    write(&on, org, vec![put(object(), Expected::Absent, &Thing::named(&fits))]).await.unwrap();
}
