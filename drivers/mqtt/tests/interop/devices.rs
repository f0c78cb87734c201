//! Foreign devices at this node's own broker.

use serde_json::json;
use types::{Quality, Value, ValueType};

use crate::{
    harness::{OwnBroker, Running, point},
    peers::{PythonDevice, unless_ci},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thingsboard_device_needs_a_new_host_and_nothing_else() {
    const TOKEN: &str = "A1B2C3D4E5F6G7H8I9J0";
    let broker = OwnBroker::start(json!({})).await;
    let config = json!({"via": "broker", "username": TOKEN, "payload": {"profile": "thingsboard"}});
    let points = vec![
        point(1, "telemetry:temperature f64", ValueType::F64),
        point(2, "telemetry:running bool", ValueType::Bool),
        point(3, "telemetry:count u64", ValueType::U64),
        point(4, "telemetry:stamped i64", ValueType::I64),
        point(5, "telemetry:listed i64", ValueType::I64),
        point(6, "attributes:mode string", ValueType::String),
        point(7, "attributes:limit f64", ValueType::F64),
        point(8, "rpc:setSpeed /value i64", ValueType::I64),
        point(9, "rpc:fail i64", ValueType::I64),
    ];
    let running = Running::start(config, points, broker.hall.clone());
    running.outbox.wait_until("to be waited for", |outbox| !outbox.offline_faults().is_empty()).await;
    let Some(mut device) = unless_ci(PythonDevice::thingsboard(broker.address.port(), TOKEN)) else { return };
    assert_eq!(device.saw("connected").await["yes"], true);
    running.until_good(1, &Value::F64(21.5)).await;
    running.until_good(2, &Value::Bool(true)).await;
    running.until_good(4, &Value::I64(3)).await;
    running.until_good(5, &Value::I64(2)).await;
    running.until_good(6, &Value::String("auto".into())).await;
    let rows = running.outbox.rows();
    let exact = |value: &Option<Value>| matches!(value, Some(Value::U64(count)) if *count > 1 << 53);
    assert!(rows.iter().filter(|r| r.0.0 == 3).all(|r| exact(&r.2)), "all digits of large counts");
    assert!(rows.iter().filter(|r| r.0.0 == 4).all(|r| r.1.0 % 1_000_000 == 0), "the device's own stamps");

    assert!(device.saw("time").await["content"].is_number(), "the time it asked for");
    assert!(device.saw("refusal").await["content"]["error"].as_str().unwrap().contains("sing"));
    assert_eq!(device.saw("attributes").await["content"]["client"]["mode"], "auto");

    let written = running.write(7, Value::F64(9.25)).await.unwrap();
    assert_eq!(written.read_back, Some(Value::F64(9.25)), "said again by the device");
    assert_eq!(device.saw("shared").await["content"], json!({"limit": 9.25}));
    let written = running.write(8, Value::I64(1_450)).await.unwrap();
    assert_eq!(written.read_back, Some(Value::I64(1_450)));
    assert_eq!(device.saw("call").await["content"], json!({"method": "setSpeed", "params": 1450}));
    let refused = running.write(9, Value::I64(1)).await.unwrap_err();
    assert!(refused.code == "mqtt.device-refused" && refused.detail.contains("not today"), "{refused}");
    assert_eq!(running.failures(), 0, "nothing it sent was misunderstood");

    device.kill().await;
    running.outbox.wait_until("to be shown as gone", |outbox| !outbox.is_online()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paho_devices_speak_and_obey_in_both_versions() {
    for version in ["3.1.1", "5"] {
        let broker = OwnBroker::start(json!({})).await;
        let config = json!({
            "via": "broker", "client_id": "pump-1", "username": "pump", "password": "geheim-8",
            "payload": {"profile": "json"},
        });
        let set = r#"plant/1/state /temperature f64 set:plant/1/state/set {"temperature":$value}"#;
        let points = vec![
            point(1, set, ValueType::F64),
            point(2, "plant/1/state /count u64", ValueType::U64),
            point(3, "plant/1/state /recipe string", ValueType::String),
            point(4, "plant/1/state /absent f64", ValueType::F64),
        ];
        let running = Running::start(config, points, broker.hall.clone());
        running.outbox.wait_until("to be waited for", |outbox| !outbox.offline_faults().is_empty()).await;
        let port = broker.address.port().to_string();
        let device = PythonDevice::paho(&[
            "--port",
            &port,
            "--version",
            version,
            "--client-id",
            "pump-1",
            "--username",
            "pump",
            "--password",
            "geheim-8",
            "--topic",
            "plant/1/state",
            "--qos",
            "2",
        ]);
        let Some(mut device) = unless_ci(device) else { return };
        device.saw("subscribed").await;
        running.until_good(1, &Value::F64(21.5)).await;
        running.until_good(2, &Value::U64(u64::MAX)).await;
        running.until_good(3, &Value::String("steel 42".into())).await;
        let written = running.write(1, Value::F64(60.25)).await.unwrap();
        assert_eq!(written.read_back, Some(Value::F64(60.25)), "version {version}");
        assert_eq!(device.saw("set").await["content"], r#"{"temperature":60.25}"#);
        let rows = running.outbox.wait_for_points(4).await;
        let absent: Vec<_> = rows.iter().filter(|r| r.0.0 == 4).map(|r| r.3).collect();
        assert_eq!(absent, [Quality::BAD_ADDRESS]);
        device.kill().await;
        running.outbox.wait_until("to be shown as gone", |outbox| !outbox.is_online()).await;
    }
}
