//! SQLite: the suite, and what only a file can go through.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use records::{Records, RecordsError};
use serde_json::json;
use types::{Change, Direction, Expected, Filter, IndexValue, OrgId, Query};

use crate::conformance::{CHECKS, Thing, event, put};
use crate::engine::{Folder, Place, env, object, organisation};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let folder = Folder::new();
    let place = Place::Sqlite(folder.store());
    for (name, check) in CHECKS {
        let start = Instant::now();
        check(&place).await;
        println!("sqlite {name}: {:?}", start.elapsed());
    }
}

/// The program that the next test kills: says each size once its commit is acknowledged.
#[tokio::test]
#[ignore = "runs until it is killed, see what_was_acknowledged_survives_kill_9"]
async fn writes_until_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let on = Records::open_sqlite(path.as_ref(), env()).await.unwrap();
    for size in 0.. {
        let id = object();
        let change = put(id, Expected::Absent, &Thing::sized("a", size));
        on.commit(VICTIM_ORG, "tester", vec![change], vec![event(id, json!(size))]).await.unwrap();
        println!("\nacknowledged {size}");
    }
}

const VICTIM: &str = "SINEW_TEST_STORE";
const VICTIM_ORG: OrgId = OrgId::from_bytes([7; 16]);

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    const ACKNOWLEDGED: usize = 200;
    let folder = Folder::new();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::writes_until_killed", "--ignored", "--nocapture"])
        .env(VICTIM, folder.store())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
    let before_kill = told.by_ref().take(ACKNOWLEDGED).count();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let last = told.last().unwrap_or(ACKNOWLEDGED as u64 - 1);
    assert_eq!(before_kill, ACKNOWLEDGED);
    let on = Records::open_sqlite(&folder.store(), env()).await.unwrap();
    let events = on.events_after(None, 0, usize::MAX).await.unwrap();
    let sizes: Vec<_> = events.iter().map(|event| event.payload.as_u64().unwrap()).collect();
    assert_eq!(sizes, (0..sizes.len() as u64).collect::<Vec<_>>(), "no gap");
    assert!(sizes.len() as u64 > last, "{last} was acknowledged, found {}", sizes.len());
    for event in &events {
        assert!(
            on.get::<Thing>(VICTIM_ORG, event.object).await.unwrap().is_some(),
            "never one without the other"
        );
    }
}

/// The files as they are at a moment, without any closing, are what a dying machine leaves behind.
#[tokio::test]
async fn what_was_committed_is_in_the_files() {
    let (folder, org) = (Folder::new(), organisation());
    let on = Records::open_sqlite(&folder.store(), env()).await.unwrap();
    for n in 0..20 {
        let id = object();
        let change = put(id, Expected::Absent, &Thing::sized("a", n));
        on.commit(org, "tester", vec![change], vec![event(id, json!(n))]).await.unwrap();
    }
    assert_eq!(on.allocate("points", 5).await, Ok(1));
    let after_kill = Folder::new();
    for file in std::fs::read_dir(&folder.0).unwrap() {
        let file = file.unwrap();
        // The index of the log is shared memory: a power cut takes it, a kill leaves it. Without it is the harder case.
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(file.path(), after_kill.0.join(file.file_name())).unwrap();
        }
    }
    let again = Records::open_sqlite(&after_kill.store(), env()).await.unwrap();
    let found = again.list::<Thing>(org, Query::default()).await.unwrap().items;
    assert_eq!(found.iter().map(|item| item.body.size).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!(again.events_after(None, 0, 100).await.unwrap().len(), 20);
    assert_eq!(again.allocate("points", 1).await, Ok(6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_opens_of_one_file_write_side_by_side() {
    const EACH: usize = 25;
    let (folder, org) = (Folder::new(), organisation());
    let stores = [
        Records::open_sqlite(&folder.store(), env()).await.unwrap(),
        Records::open_sqlite(&folder.store(), env()).await.unwrap(),
    ];
    let writers = stores.clone().map(|on| {
        tokio::spawn(async move {
            for _ in 0..EACH {
                let id = object();
                let change = put(id, Expected::Absent, &Thing::sized("a", 1));
                on.commit(org, "tester", vec![change], vec![event(id, json!(null))]).await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    for on in stores {
        assert_eq!(on.list::<Thing>(org, Query::default()).await.unwrap().items.len(), 2 * EACH);
        let sequences: Vec<_> =
            on.events_after(None, 0, 100).await.unwrap().iter().map(|e| e.sequence).collect();
        assert_eq!(sequences, (1..=2 * EACH as u64).collect::<Vec<_>>());
        on.close().await;
    }
}

#[tokio::test]
async fn a_newer_store_and_a_foreign_file_are_refused() {
    let folder = Folder::new();
    Records::open_sqlite(&folder.store(), env()).await.unwrap().close().await;
    let raw = rusqlite::Connection::open(folder.store()).unwrap();
    raw.execute("INSERT INTO migrations (number, applied) VALUES (99, 0)", ()).unwrap();
    let error = Records::open_sqlite(&folder.store(), env()).await.err().unwrap();
    assert!(matches!(error, RecordsError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
    let foreign = folder.0.join("foreign");
    std::fs::write(&foreign, "not a database, but long enough to have a header".repeat(20)).unwrap();
    let error = Records::open_sqlite(&foreign, env()).await.err().unwrap();
    assert!(matches!(&error, RecordsError::Corrupt { place, .. } if place.ends_with("foreign")), "{error}");
    let nowhere = folder.0.join("missing").join("records.sqlite");
    let error = Records::open_sqlite(&nowhere, env()).await.err().unwrap();
    assert!(matches!(error, RecordsError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_document_of_another_shape_is_told_by_its_key() {
    let (folder, org, id) = (Folder::new(), organisation(), object());
    let on = Records::open_sqlite(&folder.store(), env()).await.unwrap();
    let change = Change::Put {
        collection: "things",
        id,
        expected: Expected::Any,
        body: "[1]".into(),
        indexes: vec![],
    };
    on.commit(org, "tester", vec![change], vec![]).await.unwrap();
    let error = on.get::<Thing>(org, id).await.unwrap_err();
    assert!(
        matches!(&error, RecordsError::Corrupt { place, .. } if place.contains(&id.to_string())),
        "{error}"
    );
}

/// `cargo test -p records figures -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, asserts nothing"]
async fn figures() {
    const WRITES: u32 = 1_000;
    const READS: u32 = 5_000;
    let (folder, org) = (Folder::new(), organisation());
    let on = Records::open_sqlite(&folder.store(), env()).await.unwrap();
    let mut ids = vec![];
    let start = Instant::now();
    for n in 0..WRITES {
        let id = object();
        ids.push(id);
        let change = put(id, Expected::Absent, &Thing::sized("a", i64::from(n)));
        on.commit(org, "tester", vec![change], vec![event(id, json!(n))]).await.unwrap();
    }
    println!("commits/s, one writer: {:.0}", f64::from(WRITES) / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let writers: Vec<_> = (0..32)
        .map(|_| {
            let on = on.clone();
            tokio::spawn(async move {
                for n in 0..WRITES / 32 {
                    let id = object();
                    let change = put(id, Expected::Absent, &Thing::sized("b", i64::from(n)));
                    on.commit(org, "tester", vec![change], vec![event(id, json!(n))]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    println!("commits/s, 32 writers: {:.0}", f64::from(WRITES / 32 * 32) / start.elapsed().as_secs_f64());
    let start = Instant::now();
    for n in 0..READS {
        on.get::<Thing>(org, ids[(n % WRITES) as usize]).await.unwrap().unwrap();
    }
    println!("get/s, one reader: {:.0}", f64::from(READS) / start.elapsed().as_secs_f64());
    let queries = [
        ("by id", Query::default()),
        ("by size", Query { order: Some(("size", Direction::Descending)), ..Query::default() }),
        (
            "group = a by size",
            Query {
                filters: vec![Filter::Equal("group", IndexValue::Text("a".into()))],
                order: Some(("size", Direction::Ascending)),
                ..Query::default()
            },
        ),
    ];
    for (name, query) in queries {
        let start = Instant::now();
        for _ in 0..50 {
            assert_eq!(on.list::<Thing>(org, query.clone()).await.unwrap().items.len(), 100);
        }
        println!("page of 100 {name}: {:?}", start.elapsed() / 50);
    }
    let rows: Vec<_> =
        (0..20_000).map(|key| Change::PutRow { table: "points", key, bytes: vec![7; 200] }).collect();
    let start = Instant::now();
    on.commit(org, "tester", rows, vec![]).await.unwrap();
    println!("20,000 rows in one commit: {:?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(on.rows("points", None, 50_000).await.unwrap().len(), 20_000);
    println!("20,000 rows read: {:?}", start.elapsed());
}
