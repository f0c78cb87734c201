//! Values of every type arrive as they are; writes and calls reach the server.

use sdk::{BoundPoint, contract::driver::Row, fake::TrustList};
use serde_json::json;
use std::time::{Duration, Instant};
use types::{PointId, Quality, Value, ValueType};

use crate::{
    peers::{Program, Server, asyncua, config, node, node_opcua, unless_ci},
    running::{Running, point, scaled},
};

#[tokio::test]
async fn asyncua_gives_and_takes_values() {
    let Some(program) = unless_ci(asyncua(&["--user-certificate", "none"])) else { return };
    gives_and_takes(&program).await;
}

#[tokio::test]
async fn node_opcua_gives_and_takes_values() {
    let Some(program) = unless_ci(node_opcua(&[])) else { return };
    gives_and_takes(&program).await;
}

async fn gives_and_takes(program: &Program) {
    let server = Server::start(program, 0);
    let trust = TrustList::default();
    let points = points();
    let started = Instant::now();
    let mut refused = Running::start(config(&server, json!({})), points.clone(), &trust);
    let outage = refused.outage(Duration::from_secs(60)).await;
    println!("own certificate and first refusal: {:?}", started.elapsed());
    assert_eq!(outage.fault.code, "opcua.server-untrusted", "{outage:?}");
    assert_eq!(outage.kind, sdk::OutageKind::Configuration);
    assert_eq!(trust.rejected().len(), 1);
    trust.approve_all();

    let started = Instant::now();
    let running = Running::start(config(&server, json!({})), points.clone(), &trust);
    let rows = running.outbox.wait_for_points(17).await;
    println!("connected and all values: {:?}", started.elapsed());
    gave(&rows, &points);
    takes(&running, &points).await;
}

fn points() -> Vec<BoundPoint> {
    let of = |id, name: &str, value_type| point(id, &node(name), value_type);
    vec![
        of(0, "bool", ValueType::Bool),
        of(1, "int16", ValueType::I64),
        of(2, "uint16", ValueType::U64),
        of(3, "int64", ValueType::I64),
        of(4, "uint64", ValueType::U64),
        of(5, "float", ValueType::F32),
        of(6, "double", ValueType::F64),
        of(7, "string", ValueType::String),
        of(8, "bytes", ValueType::Bytes),
        of(9, "time", ValueType::String),
        of(10, "array [2]", ValueType::I64),
        scaled(11, &node("int32"), 0.1, 5.0),
        of(12, "readonly", ValueType::I64),
        of(13, "absent", ValueType::F64),
        of(14, "array [9]", ValueType::I64),
        point(15, "nsu=urn:nowhere;s=x", ValueType::F64),
        of(16, "bool", ValueType::F64),
        point(17, &format!("{} -> {}()", node("Plant"), node("add")), ValueType::F64),
        point(18, &format!("{} -> {}()", node("Plant"), node("add")), ValueType::String),
    ]
}

fn gave(rows: &[Row], points: &[BoundPoint]) {
    let row =
        |id: u32| rows.iter().find(|row| row.0 == PointId(id)).unwrap_or_else(|| panic!("no row of {id}"));
    for (id, value) in [
        (0, Value::Bool(true)),
        (1, Value::I64(-7)),
        (2, Value::U64(65_535)),
        (3, Value::I64(i64::MIN)),
        (4, Value::U64(u64::MAX)),
        (5, Value::F32(21.5)),
        (6, Value::F64(0.1)),
        (7, Value::String("3 号泵".into())),
        (8, Value::Bytes([0, 255].as_slice().into())),
        (9, Value::String("2026-01-02T03:04:05Z".into())),
        (10, Value::I64(3)),
        (11, Value::F64(-70_000.0 * 0.1 + 5.0)),
        (12, Value::I64(5)),
    ] {
        assert_eq!(
            (row(id).2.as_ref(), row(id).3),
            (Some(&value), Quality::GOOD),
            "{}",
            points[id as usize].address
        );
    }
    for id in [13, 14, 15] {
        assert_eq!(
            (row(id).2.clone(), row(id).3),
            (None, Quality::BAD_ADDRESS),
            "{}",
            points[id as usize].address
        );
    }
    assert_eq!(row(16).3, Quality::BAD_CONFIGURATION, "a bool is no f64");
}

async fn takes(running: &Running, points: &[BoundPoint]) {
    for (id, value) in [
        (0, Value::Bool(false)),
        (1, Value::I64(-32_768)),
        (3, Value::I64(i64::MAX)),
        (4, Value::U64(u64::MAX - 1)),
        (5, Value::F32(-0.25)),
        (6, Value::F64(1e300)),
        (7, Value::String("ok".into())),
        (8, Value::Bytes([1].as_slice().into())),
        (11, Value::F64(17.5)),
    ] {
        let written = running.write(id, value.clone()).await.unwrap();
        assert_eq!(written.read_back, Some(value.clone()), "{}", points[id as usize].address);
        let what = points[id as usize].address.as_str();
        running
            .outbox
            .wait_for(what, |rows| rows.iter().any(|r| r.0 == PointId(id) && r.2.as_ref() == Some(&value)))
            .await;
    }
    for (id, value) in
        [(1, Value::I64(40_000)), (12, Value::I64(6)), (13, Value::F64(1.0)), (15, Value::F64(1.0))]
    {
        let fault = running.write(id, value).await.unwrap_err();
        assert_eq!(fault.code, "opcua.write-refused", "{fault}");
    }
    let sum = running.write(18, Value::String("[1.5, 2]".into())).await.unwrap();
    assert_eq!(sum.read_back, Some(Value::String(r#"[3.5]"#.into())));
    let sum = running.write(17, Value::F64(1.0)).await.unwrap_err();
    assert!(sum.detail.contains("takes 2"), "{sum}");
}
