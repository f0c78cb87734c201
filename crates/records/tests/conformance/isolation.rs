//! Organisations: keys, indexes, events and rows of one are nothing to another.

use std::collections::BTreeSet;

use serde_json::json;
use types::{Change, Direction, Expected, Filter, IndexValue, Query};

use super::{Thing, event, put};
use crate::engine::{Place, object, organisation};

pub(crate) async fn organisations_never_see_each_other(place: &Place) {
    let (on, ours, theirs, id) = (place.open().await, organisation(), organisation(), object());
    // The same id and the same unique value in both: no clash, no mix.
    for (org, size) in [(ours, 1), (theirs, 2)] {
        let thing = Thing { size, ..Thing::named("same") };
        on.commit(org, "tester", vec![put(id, Expected::Absent, &thing)], vec![event(id, json!(size))])
            .await
            .unwrap();
    }
    on.commit(theirs, "tester", vec![put(object(), Expected::Absent, &Thing::named("only"))], vec![])
        .await
        .unwrap();
    assert_eq!(on.get::<Thing>(ours, id).await.unwrap().unwrap().body.size, 1);
    assert_eq!(on.get::<Thing>(theirs, id).await.unwrap().unwrap().body.size, 2);
    let mut cursors = vec![];
    for filters in [
        vec![],
        vec![Filter::StartsWith("name", String::new())],
        vec![Filter::Equal("group", IndexValue::Text("a".into()))],
    ] {
        for order in [None, Some(("name", Direction::Ascending)), Some(("size", Direction::Descending))] {
            let query = Query { filters: filters.clone(), order, ..Query::default() };
            let seen = on.list::<Thing>(ours, query.clone()).await.unwrap().items;
            assert_eq!(seen.iter().map(|item| item.body.size).collect::<Vec<_>>(), [1]);
            let page = on.list::<Thing>(theirs, Query { limit: 1, ..query.clone() }).await.unwrap();
            cursors.push((query, page.next.unwrap()));
        }
    }
    for (query, cursor) in cursors {
        let foreign = on.list::<Thing>(ours, Query { after: Some(cursor), ..query }).await;
        assert!(foreign.is_err(), "a cursor of another organisation is refused");
    }
    let events = on.events_after(Some(ours), 0, 10).await.unwrap();
    assert_eq!(
        events.iter().map(|event| (event.org, event.payload.clone())).collect::<Vec<_>>(),
        [(ours, json!(1))]
    );
    // Changing and removing here leaves the other untouched.
    on.commit(ours, "tester", vec![Change::delete::<Thing>(id, Expected::At(1))], vec![]).await.unwrap();
    let row = |byte| Change::PutRow { table: "isolated", key: 1, bytes: vec![byte] };
    on.commit(ours, "tester", vec![row(1)], vec![]).await.unwrap();
    on.commit(theirs, "tester", vec![row(2)], vec![]).await.unwrap();
    on.commit(ours, "tester", vec![Change::DeleteRow { table: "isolated", key: 1 }], vec![]).await.unwrap();
    assert_eq!(on.rows("isolated", None, 10).await.unwrap(), [(theirs, 1, vec![2])]);
    assert_eq!(on.get::<Thing>(theirs, id).await.unwrap().unwrap().revision, 1);
}

pub(crate) async fn start_up_lists_every_organisation_once(place: &Place) {
    let on = place.open().await;
    let mut expected = BTreeSet::new();
    for count in [3, 0, 1, 2] {
        let org = organisation();
        for n in 0..count {
            let id = object();
            on.commit(org, "tester", vec![put(id, Expected::Absent, &Thing::sized("start-up", n))], vec![])
                .await
                .unwrap();
            expected.insert((org, id));
        }
    }
    let filters = vec![Filter::Equal("group", IndexValue::Text("start-up".into()))];
    for limit in [1, 2, 3, 100] {
        let mut query = Query { filters: filters.clone(), limit, ..Query::default() };
        let mut seen = vec![];
        loop {
            let page = on.list_all_orgs::<Thing>(query.clone()).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.into_iter().map(|(org, stored)| (org, stored.id)));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected.len());
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}
