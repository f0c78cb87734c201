//! Every type in every order, written through the driver, held by the simulated device and read back.

use driver_modbus::{
    frame::Framing,
    pdu::Table,
    sim::{Image, Registers},
};
use sdk::BoundPoint;
use serde_json::json;
use types::{PointId, Value, ValueType};

use crate::{
    plant::{SimPeer, image},
    running::{Running, point, scaled},
};

fn cases() -> Vec<(String, Value)> {
    let numbers: [(&str, Vec<Value>); 10] = [
        ("int16", vec![Value::I64(-2), Value::I64(i64::from(i16::MIN))]),
        ("uint16", vec![Value::U64(65_535), Value::U64(258)]),
        ("int32", vec![Value::I64(-70_000), Value::I64(i64::from(i32::MIN))]),
        ("uint32", vec![Value::U64(4_294_967_295), Value::U64(0x0102_0304)]),
        ("int64", vec![Value::I64(i64::MIN), Value::I64(-9_007_199_254_740_993)]),
        ("uint64", vec![Value::U64(u64::MAX), Value::U64(9_007_199_254_740_993)]),
        ("float32", vec![Value::F32(-0.1), Value::F32(f32::MAX)]),
        ("float64", vec![Value::F64(0.1), Value::F64(f64::MIN_POSITIVE)]),
        ("bcd16", vec![Value::U64(9_999), Value::U64(1_203)]),
        ("bcd32", vec![Value::U64(99_999_999), Value::U64(12_345_678)]),
    ];
    let mut cases = Vec::new();
    for (name, values) in numbers {
        for order in ["abcd", "cdab", "badc", "dcba"] {
            cases.extend(values.iter().map(|value| (format!("{name} {order}"), value.clone())));
        }
    }
    cases.extend(
        ["string 8", "string 9", "string 9 ba"].map(|t| (t.to_string(), Value::String("3 号泵".into()))),
    );
    cases
}

#[tokio::test]
async fn every_type_in_every_order() {
    let cases = cases();
    let blank = Image::new();
    blank.set(1, Table::HoldingRegisters, 0, &vec![0; cases.len() * 8]);
    let peer = SimPeer::start(blank, Framing::Mbap).await;
    let points: Vec<BoundPoint> = (0..)
        .zip(&cases)
        .map(|(i, (kind, value))| point(i, &format!("hr:{} {kind}", i * 8), value.value_type()))
        .collect();
    let running = Running::start(peer.config_with(json!({"gap_max": 124})), points);
    running.outbox.wait_for_points(cases.len()).await;
    for (i, (kind, value)) in (0..).zip(&cases) {
        let written = running.write(i, value.clone()).await.unwrap();
        assert_eq!(written.read_back.as_ref(), Some(value), "{kind} read back");
    }
    running.outbox.clear();
    let rows = running.outbox.wait_for_rows(cases.len() * 2).await;
    for (i, (kind, value)) in (0..).zip(&cases) {
        let last = rows.iter().rfind(|r| r.0 == PointId(i)).unwrap();
        assert_eq!((last.2.as_ref(), last.3.is_good()), (Some(value), true), "{kind} polled");
    }
}

#[tokio::test]
async fn bits_coils_and_scaled_values() {
    for write_with in ["auto", "multiple", "read_write"] {
        let peer = SimPeer::start(image(), Framing::Mbap).await;
        let points = vec![
            point(0, "hr:0.3", ValueType::Bool),
            point(1, "co:1", ValueType::Bool),
            scaled(2, "hr:1 int16", 0.1, -40.0),
            scaled(3, "hr:2 uint32 cdab", 0.001, 0.0),
            point(4, "ir:0 uint16", ValueType::U64),
        ];
        let running = Running::start(peer.config_with(json!({"write_with": write_with})), points);
        for (id, value) in [
            (0, Value::Bool(false)),
            (0, Value::Bool(true)),
            (1, Value::Bool(true)),
            (2, Value::F64(-41.5)),
            (3, Value::F64(123_456.789)),
        ] {
            let written = running.write(id, value.clone()).await.unwrap();
            let (got, wanted) = (written.read_back.unwrap(), value);
            match (got.as_f64(), wanted.as_f64()) {
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-6, "{write_with}: {a} {b}"),
                _ => assert_eq!(got, wanted),
            }
        }
        let read = |start, count| peer.image.read(1, Table::HoldingRegisters, start, count).unwrap();
        assert_eq!(read(0, 1), [1_000 | 8], "only the one bit changed");
        assert_eq!(read(1, 1), [(-15i16) as u16]);
        assert_eq!(read(2, 2), [(123_456_789u32 & 0xFFFF) as u16, (123_456_789u32 >> 16) as u16]);
        let codes = [
            (running.write(4, Value::U64(1)).await, "modbus.read-only"),
            (running.write(2, Value::F64(1e9)).await, "write.does-not-fit"),
            (running.write(9, Value::U64(1)).await, "not-found"),
        ];
        for (answer, code) in codes {
            assert_eq!(answer.unwrap_err().code, code);
        }
    }
}

#[tokio::test]
async fn a_refused_write_says_why() {
    let peer = SimPeer::start(image(), Framing::Mbap).await;
    let points = vec![point(0, "hr:20", ValueType::U64), point(1, "hr:0.1", ValueType::Bool)];
    let running = Running::start(peer.config_with(json!({})), points);
    let fault = running.write(0, Value::U64(1)).await.unwrap_err();
    assert_eq!(fault.code, "modbus.illegal-address");
    assert!(fault.detail.contains("40021") && fault.detail.contains("manual"), "{fault}");
    peer.faults.exception.store(1, std::sync::atomic::Ordering::Relaxed);
    let fault = running.write(1, Value::Bool(true)).await.unwrap_err();
    assert_eq!(fault.code, "modbus.exception");
    assert!(fault.detail.contains("illegal function") && fault.detail.contains("write_with"), "{fault}");
}
