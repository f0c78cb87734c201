//! How many requests a device sees.

use driver_modbus::frame::Framing;
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;
use types::{Quality, ValueType};

use crate::{
    plant::{SimPeer, image},
    running::{Running, point},
};

/// Requests for three cycles after the first.
async fn requests_per_cycle(more: serde_json::Value, addresses: &[&str]) -> u64 {
    let peer = SimPeer::start(image(), Framing::Mbap).await;
    let points = (0..).zip(addresses).map(|(i, a)| {
        let bits = a.starts_with("co") || a.starts_with("di");
        point(i, a, if bits { ValueType::Bool } else { ValueType::U64 })
    });
    let running = Running::start(peer.config_with(more), points.collect());
    running.outbox.wait_for_rows(addresses.len() * 3).await;
    let (requests, rows) = (peer.faults.requests.load(Relaxed), running.outbox.rows().len());
    let after = running.outbox.wait_for_rows(rows + addresses.len() * 3).await.len();
    let cycles = (after - rows) as u64 / addresses.len() as u64;
    (peer.faults.requests.load(Relaxed) - requests) / cycles
}

#[tokio::test]
async fn options_decide_the_requests() {
    let row = ["hr:0", "hr:1", "hr:5", "hr:10", "hr:30", "ir:0", "co:0", "co:9"];
    assert_eq!(requests_per_cycle(json!({}), &row).await, 4, "hr 0..11, hr 30, ir, co");
    assert_eq!(requests_per_cycle(json!({"fill_gaps": false}), &row).await, 7);
    assert_eq!(requests_per_cycle(json!({"one_request_per_point": true}), &row).await, 8);
    assert_eq!(requests_per_cycle(json!({"registers_max": 6, "max_in_flight": 8}), &row).await, 5);
}

#[tokio::test]
async fn several_requests_on_their_way() {
    let peer = SimPeer::start(image(), Framing::Mbap).await;
    let points = (0..40).map(|i| point(i, &format!("hr:{i}"), ValueType::U64)).collect();
    let more = json!({"one_request_per_point": true, "max_in_flight": 16});
    let running = Running::start(peer.config_with(more), points);
    let rows = running.outbox.wait_for_rows(80).await;
    for (point, _, value, quality) in rows {
        match point.0 {
            20 => assert_eq!(quality, Quality::BAD_ADDRESS),
            i => assert_eq!(value.and_then(|v| v.as_f64()), Some(f64::from(1_000 + i))),
        }
    }
}
