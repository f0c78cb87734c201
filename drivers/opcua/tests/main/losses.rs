//! Losses of every kind, and what comes back after them.

use sdk::{OutageKind, fake::TrustList};
use serde_json::json;
use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};
use types::{PointId, Value, ValueType};

use crate::{
    plant::{Simulated, address, node, nodes},
    running::{Running, point},
};

const SPEED: PointId = PointId(1);

fn speed() -> Vec<sdk::BoundPoint> {
    vec![point(1, &address("Speed"), ValueType::F64)]
}

/// Waits until this value of `Speed` came live.
async fn comes(running: &Running, server: &Simulated, value: f64) -> Duration {
    let start = Instant::now();
    server.plant.set("Speed", &Value::F64(value));
    let wanted = Some(Value::F64(value));
    running.outbox.wait_for("the new value", |rows| rows.iter().any(|r| r.0 == SPEED && r.2 == wanted)).await;
    start.elapsed()
}

#[tokio::test]
async fn a_cut_connection_comes_back_into_the_same_session_without_a_word() {
    let server = Simulated::open(&nodes()).await;
    let running = Running::start(server.config(json!({})), speed(), &TrustList::default());
    comes(&running, &server, 1.0).await;
    for round in 0..4 {
        let before = f64::from(round) + 10.0;
        server.proxy.cut();
        // While nobody listens.
        server.plant.set("Speed", &Value::F64(before));
        // Two values within one sampling interval would be one.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let took = comes(&running, &server, before + 0.5).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
        let rows = running.outbox.rows();
        assert!(rows.iter().any(|r| r.2 == Some(Value::F64(before))), "what changed meanwhile is not lost");
    }
    assert!(running.outbox.offline_faults().is_empty(), "nobody was told of a break that cost nothing");
    let rows = running.outbox.rows();
    let values: Vec<_> = rows.iter().map(|r| (r.1, r.2.clone())).collect();
    for (i, row) in values.iter().enumerate() {
        assert!(!values[..i].contains(row), "{row:?} came twice");
    }
}

#[tokio::test]
async fn a_silent_line_is_noticed_and_told() {
    let server = Simulated::open(&nodes()).await;
    let running = Running::start(server.config(json!({"timeout_ms": 300})), speed(), &TrustList::default());
    comes(&running, &server, 1.0).await;
    server.proxy.faults.silent.store(true, Relaxed);
    let start = Instant::now();
    let wait = running.outbox.wait_until("the silence to be told", |o| !o.offline_faults().is_empty());
    // Longer than the recorder's own patience: silence shows after the keep-alive.
    let _slow = tokio::time::timeout(Duration::from_secs(4), wait).await;
    while running.outbox.offline_faults().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "silence must be noticed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.proxy.faults.silent.store(false, Relaxed);
    comes(&running, &server, 2.0).await;
    assert!(running.outbox.is_online());
}

#[tokio::test]
async fn delays_and_torn_frames_end_in_a_good_session() {
    let server = Simulated::open(&nodes()).await;
    let config = server.config(json!({}));
    let mut running = Running::start(config.clone(), speed(), &TrustList::default());
    comes(&running, &server, 1.0).await;
    server.proxy.faults.delay_ms.store(200, Relaxed);
    assert!(comes(&running, &server, 2.0).await < Duration::from_secs(5));
    server.proxy.faults.delay_ms.store(0, Relaxed);
    for after in [3, 30, 150, 600] {
        server.proxy.faults.truncate_after.store(after, Relaxed);
        server.proxy.cut();
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.proxy.faults.truncate_after.store(0, Relaxed);
        if running.task.is_finished() {
            assert_eq!(
                running.outage(Duration::ZERO).await.kind,
                OutageKind::Connection,
                "after {after} bytes"
            );
            running = Running::start(config.clone(), speed(), &TrustList::default());
        }
        comes(&running, &server, after as f64).await;
    }
}

#[tokio::test]
async fn reconnects_leave_nothing_behind() {
    reconnects(60).await;
}

#[tokio::test]
#[ignore = "soak: a thousand reconnects leave no task, socket or memory behind"]
async fn soak_opcua_reconnects() {
    reconnects(1_000).await;
}

async fn reconnects(rounds: usize) {
    let server = Simulated::open(&nodes()).await;
    let running = Running::start(server.config(json!({})), speed(), &TrustList::default());
    comes(&running, &server, 1.0).await;
    let files = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut settled = (0, 0, 0);
    for round in 0..rounds {
        let accepted = server.proxy.faults.accepted.load(Relaxed);
        server.proxy.cut();
        while server.proxy.faults.accepted.load(Relaxed) == accepted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Into the session, not only up to the door: facts and publish requests are asked for again.
        let requests = running.counters.requests.load(Relaxed);
        while running.counters.requests.load(Relaxed) < requests + 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if round % 100 == 0 {
            comes(&running, &server, 10.0 + round as f64).await;
        }
        if round == rounds / 10 {
            settled = (files(), tasks(), resident_kb());
        }
    }
    comes(&running, &server, 0.25).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (files_end, tasks_end, memory) = (files(), tasks(), resident_kb());
    assert!(files_end <= settled.0 + 8, "{} then {files_end} files", settled.0);
    assert!(tasks_end <= settled.1 + 8, "{} then {tasks_end} tasks", settled.1);
    assert!(memory < settled.2 + 30_000, "{} then {memory} kB", settled.2);
    println!("{rounds} reconnects: {settled:?} then {:?} (files, tasks, kB)", (files_end, tasks_end, memory));
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn many_points_share_subscriptions_of_bounded_size() {
    let nodes: Vec<_> = (0..2_500).map(|i| node(&format!("n{i}"), Value::I64(i), false)).collect();
    let server = Simulated::open(&nodes).await;
    let points = (0..2_500).map(|i| point(i, &address(&format!("n{i}")), ValueType::I64)).collect();
    let config = server
        .config(json!({"items_per_subscription": 700, "operations_per_request": 300, "timeout_ms": 5000}));
    let running = Running::start(config, points, &TrustList::default());
    let rows = running.outbox.wait_for_points(2_500).await;
    assert!(rows.iter().all(|r| r.3.is_good() && r.2 == Some(Value::I64(i64::from(r.0.0)))));
}
