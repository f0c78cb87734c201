//! The contract of every driver, on both TCP framings.

use driver_modbus::frame::Framing;
use sdk::contract::driver::{Case, check};
use serde_json::json;
use std::time::Duration;
use types::{PointId, Value, ValueType};

use crate::{
    plant::{TIMEOUT_MS, start_peer},
    running::{point, scaled},
};

fn case(framing: Framing) -> Case {
    Case {
        driver: driver_modbus::driver(),
        bad_configs: vec![
            (json!({"transport": "tcp"}), "/host"),
            (json!({"transport": "tcp", "host": "a", "unit": 1}), "/unit"),
            (json!({"transport": "tcp", "host": "a", "registers_max": 126}), "/registers_max"),
            (json!({"transport": "pigeon"}), "/transport"),
        ],
        bad_addresses: vec![("40000", "40001"), ("107", "hr:107"), ("40001 flot", "float32")],
        start: Box::new(move || start_peer(framing)),
        points: vec![
            (point(1, "40001 uint16", ValueType::U64), Value::U64(1_000)),
            (point(2, "hr:2 uint32 cdab", ValueType::U64), Value::U64((1_003 << 16) | 1_002)),
            (scaled(3, "ir:7 int16", 0.1, -50.0), Value::F64(1_007.0 * 0.1 - 50.0)),
            (point(4, "00003", ValueType::Bool), Value::Bool(true)),
            (point(5, "10001", ValueType::Bool), Value::Bool(false)),
            (point(6, "40030.1", ValueType::Bool), Value::Bool(false)),
        ],
        absent_address: "40021 uint16",
        writable: (PointId(1), Value::U64(7)),
        outage_within: Duration::from_millis(TIMEOUT_MS + 500),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modbus_tcp_keeps_the_contract() {
    check(&case(Framing::Mbap)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtu_over_tcp_keeps_the_contract() {
    check(&case(Framing::Rtu)).await;
}
