//! PostgreSQL: the suite on a throw-away server, and what only a server can go through.

pub(crate) mod cluster;

use std::time::{Duration, Instant};

use cluster::Cluster;
use records::{Records, RecordsError};
use serde_json::json;
use types::{Expected, Query};

use crate::conformance::{CHECKS, Thing, event, put};
use crate::engine::{Place, env, object, organisation};

/// One test, one server: starting it is most of the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let start = Instant::now();
    let Some(mut cluster) = Cluster::start() else { return };
    println!("postgres start: {:?}", start.elapsed());
    let place = Place::Postgres(cluster.url());
    for (name, check) in CHECKS {
        let start = Instant::now();
        check(&place).await;
        println!("postgres {name}: {:?}", start.elapsed());
    }
    two_nodes_never_skip_an_event(&place).await;
    it_heals_after_the_server_went_away(&place, &mut cluster).await;
    a_newer_store_is_refused(&cluster.url()).await;
}

async fn two_nodes_never_skip_an_event(place: &Place) {
    const EACH: u64 = 30;
    let (one, two, org) = (place.open().await, place.open().await, organisation());
    let newest = *one.event_signal().borrow();
    let writers = [one.clone(), two].map(|on| {
        tokio::spawn(async move {
            for n in 0..EACH {
                let id = object();
                let filler = (0..n % 7).map(|_| put(object(), Expected::Absent, &Thing::sized("a", 1)));
                on.commit(org, "tester", filler.collect(), vec![event(id, json!(n))]).await.unwrap();
            }
        })
    });
    let (mut after, mut seen) = (newest, vec![]);
    while seen.len() < 2 * EACH as usize {
        for event in one.events_after(None, after, 5).await.unwrap() {
            after = event.sequence;
            seen.push(event.sequence);
        }
    }
    assert_eq!(seen, (newest + 1..=newest + 2 * EACH).collect::<Vec<_>>());
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn it_heals_after_the_server_went_away(place: &Place, cluster: &mut Cluster) {
    let (on, org, id) = (place.open().await, organisation(), object());
    on.commit(org, "tester", vec![put(id, Expected::Absent, &Thing::named("kept"))], vec![]).await.unwrap();
    cluster.pause();
    let error = on.get::<Thing>(org, id).await.unwrap_err();
    assert!(matches!(error, RecordsError::Unavailable(_)), "{error}");
    let refused =
        on.commit(org, "tester", vec![put(object(), Expected::Absent, &Thing::named("lost"))], vec![]).await;
    assert!(matches!(refused, Err(RecordsError::Unavailable(_))));
    cluster.resume();
    let items = on.list::<Thing>(org, Query::default()).await.unwrap().items;
    assert_eq!(items.iter().map(|item| item.id).collect::<Vec<_>>(), [id]);
    on.commit(org, "tester", vec![put(id, Expected::At(1), &Thing::named("again"))], vec![]).await.unwrap();
    // A caller that gives up in the middle leaves neither a lock nor a half transaction behind.
    for _ in 0..20 {
        let change = put(id, Expected::Any, &Thing::named("given up"));
        let _ =
            tokio::time::timeout(Duration::from_micros(300), on.commit(org, "tester", vec![change], vec![]))
                .await;
    }
    on.commit(org, "tester", vec![put(id, Expected::Any, &Thing::named("last"))], vec![]).await.unwrap();
    assert_eq!(on.get::<Thing>(org, id).await.unwrap().unwrap().body, Thing::named("last"));
}

async fn a_newer_store_is_refused(url: &str) {
    let (raw, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    raw.batch_execute("INSERT INTO sinew.migrations (number, applied) VALUES (99, 0)").await.unwrap();
    let error = Records::open_postgres(url, env()).await.err().unwrap();
    assert!(matches!(error, RecordsError::Newer { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn an_unreadable_address_and_an_absent_server_are_told() {
    let error = Records::open_postgres("postgres://host:notaport/db", env()).await.err().unwrap();
    assert!(matches!(error, RecordsError::Invalid(_)), "{error}");
    let error = Records::open_postgres("host=/nonexistent user=x", env()).await.err().unwrap();
    assert!(matches!(error, RecordsError::Unavailable(_)), "{error}");
}
