//! Lists: filters, orders, pages.

use std::collections::BTreeSet;

use records::Records;
use types::{Change, Direction, Expected, Filter, IndexValue, ObjectId, OrgId, Query, Time};

use super::{Thing, put};
use crate::engine::{Place, object, organisation};

async fn fill(on: &Records, org: OrgId, things: impl IntoIterator<Item = Thing>) -> Vec<ObjectId> {
    let (ids, changes): (Vec<_>, Vec<_>) = things
        .into_iter()
        .map(|thing| {
            let id = object();
            (id, put(id, Expected::Absent, &thing))
        })
        .unzip();
    on.commit(org, "tester", changes, vec![]).await.unwrap();
    ids
}

/// Every page of a query, one after the other.
pub(crate) async fn walk(on: &Records, org: OrgId, mut query: Query) -> Vec<(ObjectId, Thing)> {
    let mut all = vec![];
    loop {
        let page = on.list::<Thing>(org, query.clone()).await.unwrap();
        assert!(page.items.len() <= query.limit);
        all.extend(page.items.into_iter().map(|item| (item.id, item.body)));
        match page.next {
            Some(cursor) => query.after = Some(cursor),
            None => return all,
        }
    }
}

fn text(value: &str) -> IndexValue {
    IndexValue::Text(value.into())
}

pub(crate) async fn filters_select_and_orders_sort(place: &Place) {
    let (on, org) = (place.open().await, organisation());
    let parent = object();
    let things = [
        Thing {
            parent: Some(parent),
            made: Some(Time(-5)),
            ..Thing { size: i64::MIN, ..Thing::named("pump") }
        },
        Thing { parent: Some(parent), made: Some(Time(7)), ..Thing { size: -1, ..Thing::named("pump-2") } },
        Thing { made: Some(Time(0)), ..Thing { size: 0, ..Thing::named("pumq") } },
        Thing { group: "b".into(), size: i64::MAX, ..Thing::named("泵") },
        Thing::sized("b", 256),
    ];
    let ids = fill(&on, org, things).await;
    let found = async |filters: Vec<Filter>, order| {
        let query = Query { filters, order, limit: 2, ..Query::default() };
        let found = walk(&on, org, query).await;
        found.iter().map(|(id, _)| ids.iter().position(|i| i == id).unwrap()).collect::<Vec<_>>()
    };
    let up = |index| Some((index, Direction::Ascending));
    let down = |index| Some((index, Direction::Descending));
    assert_eq!(found(vec![], None).await, [0, 1, 2, 3, 4]);
    assert_eq!(found(vec![], up("size")).await, [0, 1, 2, 4, 3]);
    assert_eq!(found(vec![], down("size")).await, [3, 4, 2, 1, 0]);
    assert_eq!(found(vec![], up("name")).await, [0, 1, 2, 3], "without a name: left out");
    assert_eq!(found(vec![], down("made")).await, [1, 2, 0]);
    assert_eq!(found(vec![], down("group")).await, [4, 3, 2, 1, 0], "equal values: by id, same direction");
    assert_eq!(found(vec![Filter::StartsWith("name", "pump".into())], None).await, [0, 1]);
    assert_eq!(found(vec![Filter::StartsWith("name", String::new())], down("name")).await, [3, 2, 1, 0]);
    assert_eq!(found(vec![Filter::Equal("parent", IndexValue::Id(parent))], down("size")).await, [1, 0]);
    assert_eq!(found(vec![Filter::Equal("name", text("pum"))], None).await, Vec::<usize>::new());
    let int = |value| Some(IndexValue::Int(value));
    assert_eq!(found(vec![Filter::Between("size", int(-1), int(256))], up("size")).await, [1, 2]);
    assert_eq!(found(vec![Filter::Between("size", int(-1), None)], down("size")).await, [3, 4, 2, 1]);
    assert_eq!(found(vec![Filter::Between("size", None, int(0))], None).await, [0, 1]);
    assert_eq!(found(vec![Filter::Between("size", None, None)], up("size")).await, [0, 1, 2, 4, 3]);
    assert_eq!(found(vec![Filter::Between("size", int(5), int(5))], up("size")).await, Vec::<usize>::new());
    let both = vec![Filter::Equal("group", text("b")), Filter::Between("size", int(0), int(300))];
    assert_eq!(found(both.clone(), None).await, [4]);
    assert_eq!(found(both, up("group")).await, [4]);
    let three = vec![
        Filter::Equal("group", text("a")),
        Filter::StartsWith("name", "pum".into()),
        Filter::Between("made", Some(IndexValue::Time(Time(-1))), None),
    ];
    assert_eq!(found(three, down("made")).await, [1, 2]);
}

pub(crate) async fn pages_are_stable_while_documents_come_and_go(place: &Place) {
    let (on, org) = (place.open().await, organisation());
    let things = (0..1_000).map(|n| Thing::sized(if n % 2 == 0 { "even" } else { "odd" }, (n * 37) % 250));
    let ids: Vec<_> = fill(&on, org, things).await;
    let (stays, goes): (Vec<_>, Vec<_>) = ids.iter().enumerate().partition(|(n, _)| n % 10 != 9);
    let (inserter, remover) = (on.clone(), on.clone());
    let inserts = tokio::spawn(async move {
        for n in 0..60 {
            let thing = Thing::sized("even", (n * 91) % 250);
            inserter
                .commit(org, "tester", vec![put(object(), Expected::Absent, &thing)], vec![])
                .await
                .unwrap();
        }
    });
    let goes: Vec<ObjectId> = goes.into_iter().map(|(_, id)| *id).collect();
    let removals = tokio::spawn(async move {
        for id in goes {
            let change = Change::delete::<Thing>(id, Expected::At(1));
            remover.commit(org, "tester", vec![change], vec![]).await.unwrap();
        }
    });
    for order in [None, Some(("size", Direction::Ascending)), Some(("size", Direction::Descending))] {
        let seen = walk(&on, org, Query { order, limit: 50, ..Query::default() }).await;
        let distinct: BTreeSet<_> = seen.iter().map(|(id, _)| *id).collect();
        assert_eq!(distinct.len(), seen.len(), "nothing twice");
        assert!(stays.iter().all(|(_, id)| distinct.contains(id)), "nothing that stayed is missed");
        let sizes: Vec<_> = seen.iter().map(|(_, thing)| thing.size).collect();
        match order {
            Some((_, Direction::Ascending)) => assert!(sizes.is_sorted()),
            Some((_, Direction::Descending)) => assert!(sizes.iter().rev().is_sorted()),
            None => assert!(seen.is_sorted_by_key(|(id, _)| *id)),
        }
    }
    inserts.await.unwrap();
    removals.await.unwrap();
    let after = walk(&on, org, Query { limit: 1_000, ..Query::default() }).await;
    assert_eq!(after.len(), 1_000 - 100 + 60);
}

/// A filter that leaves few documents is read first, one that leaves many is probed: both ways must agree.
pub(crate) async fn few_and_many_matches_give_the_same_answer(place: &Place) {
    let (on, org) = (place.open().await, organisation());
    let things = (0..1_300).map(|n| Thing::sized(if n % 100 == 0 { "rare" } else { "usual" }, n % 97));
    fill(&on, org, things).await;
    let all = walk(&on, org, Query { limit: 1_000, ..Query::default() }).await;
    for group in ["rare", "usual"] {
        for order in [None, Some(("size", Direction::Ascending)), Some(("size", Direction::Descending))] {
            for sizes in [(0, 97), (10, 60)] {
                let mut expected: Vec<_> = all
                    .iter()
                    .filter(|(_, thing)| thing.group == group && (sizes.0..sizes.1).contains(&thing.size))
                    .map(|(id, thing)| (order.map_or(0, |_| thing.size), *id))
                    .collect();
                expected.sort();
                if matches!(order, Some((_, Direction::Descending))) {
                    expected.reverse();
                }
                let (from, to) = (IndexValue::Int(sizes.0), IndexValue::Int(sizes.1));
                let filters =
                    vec![Filter::Equal("group", text(group)), Filter::Between("size", Some(from), Some(to))];
                let found = walk(&on, org, Query { filters, order, limit: 300, ..Query::default() }).await;
                let found: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
                assert_eq!(found, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
            }
        }
    }
}
