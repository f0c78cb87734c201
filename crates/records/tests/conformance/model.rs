//! Random commits and lists against a map that does the same naively.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use records::RecordsError;
use types::{Change, Direction, Expected, Filter, IndexValue, ObjectId, Query};

use super::lists::walk;
use super::{Thing, put};
use crate::engine::{Place, object, organisation};

const CASES: u32 = 24;
const DOCUMENTS: usize = 6;

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(usize, Expected, Option<Thing>)>),
    List(Vec<Filter>, Option<(&'static str, Direction)>, usize),
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![3 => Just(Expected::Any), 1 => Just(Expected::Absent), 2 => (1..4u64).prop_map(Expected::At)]
}

fn thing() -> impl Strategy<Value = Thing> {
    let name = proptest::option::of("[ab泵]{1,2}");
    (name, "[ab]", -2..3i64).prop_map(|(name, group, size)| Thing { name, ..Thing::sized(&group, size) })
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..DOCUMENTS, expected(), proptest::option::weighted(0.8, thing()));
    let filter = prop_oneof![
        "[ab]".prop_map(|group| Filter::Equal("group", IndexValue::Text(group))),
        "[ab泵]{0,1}".prop_map(|start| Filter::StartsWith("name", start)),
        (proptest::option::of(-2..3i64), proptest::option::of(-2..3i64)).prop_map(|(from, to)| {
            Filter::Between("size", from.map(IndexValue::Int), to.map(IndexValue::Int))
        }),
    ];
    let direction = prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)];
    let order = proptest::option::of((prop_oneof![Just("name"), Just("group"), Just("size")], direction));
    prop_oneof![
        3 => proptest::collection::vec(change, 1..4).prop_map(Step::Commit),
        1 => (proptest::collection::vec(filter, 0..3), order, 1..4usize)
            .prop_map(|(filters, order, limit)| Step::List(filters, order, limit)),
    ]
}

type Map = BTreeMap<ObjectId, (u64, Thing)>;

/// The name of the refusal, or the map after the commit and the revisions.
fn commit(
    map: &Map,
    ids: &[ObjectId],
    changes: &[(usize, Expected, Option<Thing>)],
) -> Result<(Map, Vec<u64>), &'static str> {
    let (mut map, mut revisions) = (map.clone(), vec![]);
    for (at, expected, thing) in changes {
        let found = map.get(&ids[*at]).map(|(revision, _)| *revision);
        match (expected, found) {
            (Expected::Absent, Some(_)) => return Err("conflict"),
            (Expected::At(_), None) => return Err("not found"),
            (Expected::At(revision), Some(found)) if *revision != found => return Err("conflict"),
            _ => {}
        }
        match thing {
            Some(thing) => {
                let revision = found.unwrap_or(0) + 1;
                map.insert(ids[*at], (revision, thing.clone()));
                revisions.push(revision);
            }
            None => {
                map.remove(&ids[*at]);
                revisions.push(0);
            }
        }
    }
    let mut names: Vec<_> = map.values().filter_map(|(_, thing)| thing.name.as_ref()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    if names.len() < count { Err("duplicate") } else { Ok((map, revisions)) }
}

fn list(map: &Map, filters: &[Filter], order: Option<(&str, Direction)>) -> Vec<ObjectId> {
    let value = |thing: &Thing, index: &str| match index {
        "name" => thing.name.clone().map(IndexValue::Text),
        "group" => Some(IndexValue::Text(thing.group.clone())),
        _ => Some(IndexValue::Int(thing.size)),
    };
    let holds = |thing: &Thing| {
        filters.iter().all(|filter| match filter {
            Filter::Equal(index, wanted) => value(thing, index).as_ref() == Some(wanted),
            Filter::Between(index, from, to) => value(thing, index).is_some_and(|v| {
                from.as_ref().is_none_or(|from| v >= *from) && to.as_ref().is_none_or(|to| v < *to)
            }),
            Filter::StartsWith(index, start) => {
                matches!(value(thing, index), Some(IndexValue::Text(text)) if text.starts_with(start))
            }
        })
    };
    let mut found: Vec<_> = map
        .iter()
        .filter(|(_, (_, thing))| holds(thing))
        .filter_map(|(id, (_, thing))| match order {
            None => Some((None, *id)),
            Some((index, _)) => value(thing, index).map(|value| (Some(value), *id)),
        })
        .collect();
    found.sort();
    if matches!(order, Some((_, Direction::Descending))) {
        found.reverse();
    }
    found.into_iter().map(|(_, id)| id).collect()
}

fn kind(error: &RecordsError) -> &'static str {
    match error {
        RecordsError::NotFound { .. } => "not found",
        RecordsError::Conflict { .. } => "conflict",
        RecordsError::Duplicate { .. } => "duplicate",
        _ => "something else",
    }
}

pub(crate) async fn the_store_behaves_like_a_map(place: &Place) {
    let on = place.open().await;
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let case = async |steps: Vec<Step>| {
        let (org, mut map) = (organisation(), Map::new());
        let ids: Vec<_> = (0..DOCUMENTS).map(|_| object()).collect();
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let real = changes.iter().map(|(at, expected, thing)| match thing {
                        Some(thing) => put(ids[*at], *expected, thing),
                        // A removal that expects nothing is refused beforehand; the map has no such rule.
                        None if *expected == Expected::Absent => {
                            Change::delete::<Thing>(ids[*at], Expected::At(u64::MAX))
                        }
                        None => Change::delete::<Thing>(ids[*at], *expected),
                    });
                    let naive = changes.iter().map(|(at, expected, thing)| match (expected, thing) {
                        (Expected::Absent, None) => (*at, Expected::At(u64::MAX), None),
                        _ => (*at, *expected, thing.clone()),
                    });
                    let done = on.commit(org, "tester", real.collect(), vec![]).await;
                    match commit(&map, &ids, &naive.collect::<Vec<_>>()) {
                        Ok((after, revisions)) => {
                            assert_eq!(done.unwrap().revisions, revisions);
                            map = after;
                        }
                        Err(refusal) => assert_eq!(kind(&done.unwrap_err()), refusal),
                    }
                }
                Step::List(filters, order, limit) => {
                    let wanted = list(&map, &filters, order);
                    let found = walk(&on, org, Query { filters, order, limit, ..Query::default() }).await;
                    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), wanted);
                    assert!(found.iter().all(|(id, thing)| map[id].1 == *thing));
                }
            }
        }
    };
    tokio::task::block_in_place(|| {
        let steps = proptest::collection::vec(step(), 1..24);
        let run = runner.run(&steps, |steps| {
            tokio::runtime::Handle::current().block_on(case(steps));
            Ok(())
        });
        run.unwrap();
    });
}
