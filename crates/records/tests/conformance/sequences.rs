//! Events, counters and rows: what has an order.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use types::{Change, Expected};

use super::{Thing, event, put};
use crate::engine::{Place, object, organisation};

pub(crate) async fn events_keep_their_order_and_cursors_survive(place: &Place) {
    let (on, org, id) = (place.open().await, organisation(), object());
    let subscriber = format!("test.{id}");
    for n in 0..5 {
        let thing = put(id, Expected::Any, &Thing::sized("a", n));
        let events = vec![event(id, json!({ "n": n, "part": 1 })), event(id, json!({ "n": n, "part": 2 }))];
        let committed = on.commit(org, "tester", vec![thing], events).await.unwrap();
        let last = on.events_after(Some(org), 0, 100).await.unwrap().pop().unwrap();
        assert_eq!((committed.last_event, committed.at), (Some(last.sequence), last.recorded));
    }
    let events = on.events_after(Some(org), 0, 100).await.unwrap();
    assert_eq!(events.len(), 10);
    assert!(events.is_sorted_by(|a, b| a.sequence < b.sequence));
    let told: Vec<_> =
        events.iter().map(|event| (event.payload["n"].as_i64(), event.payload["part"].as_i64())).collect();
    assert_eq!(told, (0..5).flat_map(|n| [(Some(n), Some(1)), (Some(n), Some(2))]).collect::<Vec<_>>());
    assert_eq!(events.iter().map(|event| event.id).collect::<BTreeSet<_>>().len(), 10, "each has its own id");
    assert_eq!(on.subscriber_cursor(&subscriber).await, Ok(0));
    let sixth = events[5].sequence;
    on.advance(&subscriber, sixth).await.unwrap();
    on.advance(&subscriber, sixth - 3).await.unwrap();
    on.close().await;
    let on = place.open().await;
    assert_eq!(on.subscriber_cursor(&subscriber).await, Ok(sixth), "kept, and never moved back");
    let rest = on.events_after(Some(org), sixth, 2).await.unwrap();
    assert_eq!(rest, events[6..8]);
    let again = on.commit(org, "tester", vec![], vec![event(id, json!(null))]).await.unwrap();
    assert!(again.last_event > Some(events[9].sequence));
    assert!(on.events_after(None, u64::MAX, 10).await.unwrap().is_empty());
}

pub(crate) async fn readers_never_skip_an_event_of_concurrent_commits(place: &Place) {
    const WRITERS: usize = 6;
    const EACH: usize = 15;
    let (on, org) = (place.open().await, organisation());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let on = on.clone();
            tokio::spawn(async move {
                let id = object();
                for n in 0..EACH {
                    // Different lengths, so that transactions overlap.
                    let filler =
                        (0..writer * 2).map(|_| put(object(), Expected::Absent, &Thing::sized("a", 1)));
                    let drafts = vec![event(id, json!({ "writer": writer, "n": n }))];
                    on.commit(org, "tester", filler.collect(), drafts).await.unwrap();
                }
            })
        })
        .collect();
    let (mut after, mut seen) = (0, vec![0; WRITERS]);
    while seen.iter().sum::<usize>() < WRITERS * EACH {
        // A reader that trusts its cursor: what appears below it later is lost to it.
        for event in on.events_after(Some(org), after, 7).await.unwrap() {
            after = event.sequence;
            let writer = event.payload["writer"].as_u64().unwrap() as usize;
            assert_eq!(
                event.payload["n"].as_u64().unwrap() as usize,
                seen[writer],
                "in order, none left out"
            );
            seen[writer] += 1;
        }
        if writers.iter().all(|writer| writer.is_finished()) {
            let rest = on.events_after(Some(org), after, 1_000).await.unwrap().len();
            assert_eq!(seen.iter().sum::<usize>() + rest, WRITERS * EACH, "nothing was skipped");
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

pub(crate) async fn the_signal_wakes_subscribers(place: &Place) {
    let (on, org, id) = (place.open().await, organisation(), object());
    let mut signal = on.event_signal();
    let writer = on.clone();
    let wrote = tokio::spawn(async move {
        writer.commit(org, "tester", vec![], vec![event(id, json!(1))]).await.unwrap().last_event.unwrap()
    });
    let newest =
        *tokio::time::timeout(Duration::from_secs(5), signal.wait_for(|_| true)).await.unwrap().unwrap();
    let written = wrote.await.unwrap();
    let woken = tokio::time::timeout(Duration::from_secs(5), signal.wait_for(|newest| *newest >= written));
    assert!(*woken.await.unwrap().unwrap() >= newest);
    on.close().await;
    assert!(*place.open().await.event_signal().borrow() >= written, "known again at opening");
}

pub(crate) async fn numbers_are_never_given_twice(place: &Place) {
    let on = place.open().await;
    assert_eq!(on.allocate("numbers", 1).await, Ok(1));
    assert_eq!(on.allocate("numbers", 10).await, Ok(2));
    assert_eq!(on.allocate("others", 1).await, Ok(1), "each counter for itself");
    let takers: Vec<_> = (0..20)
        .map(|_| {
            let on = on.clone();
            tokio::spawn(async move { on.allocate("numbers", 3).await.unwrap() })
        })
        .collect();
    let mut taken = BTreeSet::new();
    for taker in takers {
        let first = taker.await.unwrap();
        assert!((first..first + 3).all(|number| number >= 12 && taken.insert(number)));
    }
    on.close().await;
    let on = place.open().await;
    assert_eq!(on.allocate("numbers", 1).await, Ok(72));
    assert!(on.allocate("numbers", u32::MAX).await.is_err());
    assert_eq!(on.allocate("numbers", 1).await, Ok(73), "a refused take uses nothing");
}

pub(crate) async fn rows_come_in_the_order_of_their_keys(place: &Place) {
    let on = place.open().await;
    let mut orgs = [organisation(), organisation()];
    orgs.sort();
    let put = |table, key: u32| Change::PutRow { table, key, bytes: key.to_le_bytes().to_vec() };
    for org in orgs {
        let keys = [u32::MAX, 0, 7, 256, 70_000];
        let changes = keys.map(|key| put("points", key)).into_iter().chain([put("aaa", 1), put("zzz", 1)]);
        on.commit(org, "tester", changes.collect(), vec![]).await.unwrap();
    }
    let update = vec![
        Change::PutRow { table: "points", key: 7, bytes: vec![] },
        Change::DeleteRow { table: "points", key: 256 },
    ];
    on.commit(orgs[0], "tester", update, vec![]).await.unwrap();
    let (mut after, mut all) = (None, vec![]);
    loop {
        let part = on.rows("points", after, 3).await.unwrap();
        let Some((org, key, _)) = part.last() else { break };
        after = Some((*org, *key));
        all.extend(part);
    }
    let content = |key: u32| key.to_le_bytes().to_vec();
    let first = [
        (orgs[0], 0, content(0)),
        (orgs[0], 7, vec![]),
        (orgs[0], 70_000, content(70_000)),
        (orgs[0], u32::MAX, content(u32::MAX)),
    ];
    let second = [0, 7, 256, 70_000, u32::MAX].map(|key| (orgs[1], key, content(key)));
    assert_eq!(all, first.into_iter().chain(second).collect::<Vec<_>>());
}
