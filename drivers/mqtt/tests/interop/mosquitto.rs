//! This node as a client of mosquitto.

use driver_mqtt::sim::Style;
use sdk::{
    BoxFuture, OutageKind,
    contract::driver::{Case, Peer, check},
};
use serde_json::{Value as Json, json};
use std::{sync::Arc, time::Duration};
use types::{PointId, Quality, Value, ValueType};

use crate::{
    harness::{Ended, Memory, Running, Wire, point, sim, simulate},
    peers::{Mosquitto, unless_ci},
};

struct Plant {
    broker: Mosquitto,
    _device: Ended,
    wire: Wire,
    version: &'static str,
    qos: u8,
}

impl Peer for Plant {
    fn config(&self) -> Json {
        json!({
            "via": "client", "host": "127.0.0.1", "port": self.wire.port, "client_id": "sinew", "version": self.version,
            "qos": self.qos, "payload": {"profile": "json"},
        })
    }
    fn connections(&self) -> usize {
        self.wire.connections()
    }
    fn kill(&self) {
        self.broker.kill();
        self.wire.cut();
    }
}

fn memory() -> Memory {
    Memory::of(&[
        ("temperature", Value::F64(21.5)),
        ("count", Value::U64(u64::MAX)),
        ("running", Value::Bool(true)),
        ("recipe", Value::String("steel 42".into())),
    ])
}

fn start(version: &'static str, qos: u8) -> BoxFuture<'static, Arc<dyn Peer>> {
    Box::pin(async move {
        let broker = Mosquitto::start("allow_anonymous true").unwrap();
        let device = simulate(sim(broker.address, "pump", Style::Json("plant/1/state".into())), memory());
        let wire = Wire::to(broker.address).await;
        Arc::new(Plant { broker, _device: device, wire, version, qos }) as Arc<dyn Peer>
    })
}

fn case(version: &'static str, qos: u8) -> Case {
    let set = r#"plant/1/state /temperature f64 set:plant/1/state/set {"temperature":$value}"#;
    Case {
        driver: driver_mqtt::driver(),
        bad_configs: vec![(
            json!({"via": "client", "client_id": "a", "payload": {"profile": "json"}}),
            "/host",
        )],
        bad_addresses: vec![("", "write a topic")],
        start: Box::new(move || start(version, qos)),
        points: vec![
            (point(1, set, ValueType::F64), Value::F64(21.5)),
            (point(2, "plant/+/state /count u64", ValueType::U64), Value::U64(u64::MAX)),
            (point(3, "plant/1/state /running bool", ValueType::Bool), Value::Bool(true)),
            (point(4, "plant/1/state /recipe string", ValueType::String), Value::String("steel 42".into())),
        ],
        absent_address: "plant/1/state /pressure f64",
        writable: (PointId(1), Value::F64(60.25)),
        outage_within: Duration::from_secs(2),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_in_both_versions_and_every_qos() {
    if unless_ci(Mosquitto::start("allow_anonymous true")).is_none() {
        return;
    }
    for (version, qos) in [("3.1.1", 0), ("3.1.1", 2), ("5", 1), ("5", 2)] {
        check(&case(version, qos)).await;
    }
}

fn config(port: u16, more: Json) -> Json {
    let mut config = json!({
        "via": "client", "host": "127.0.0.1", "port": port, "client_id": "sinew", "payload": {"profile": "json"},
    });
    config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_killed_broker_the_next_run_takes_up_again() {
    let Some(broker) = unless_ci(Mosquitto::start("allow_anonymous true")) else { return };
    let _device = simulate(sim(broker.address, "pump", Style::Json("plant/1/state".into())), memory());
    let points = || vec![point(1, "plant/1/state /temperature f64", ValueType::F64)];
    let config = config(broker.address.port(), json!({}));
    for _ in 0..3 {
        let mut running = Running::start(config.clone(), points(), sdk::Hall::none());
        running.until_good(1, &Value::F64(21.5)).await;
        broker.kill();
        let outage = tokio::time::timeout(Duration::from_secs(2), &mut running.task).await.unwrap().unwrap();
        assert_eq!(outage.kind, OutageKind::Connection);
        broker.start_again();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_and_forbidden_topics_are_told_apart() {
    let settings = "allow_anonymous false";
    let Some(broker) = unless_ci(Mosquitto::start(settings)) else { return };
    let users = broker.file("users");
    let made = std::process::Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&users)
        .args(["sinew", "right"])
        .status();
    assert!(made.is_ok_and(|status| status.success()), "mosquitto_passwd comes with mosquitto");
    let acl = broker.file("acl");
    std::fs::write(&acl, "user sinew\ntopic read open/#\ntopic write cmd/free\n").unwrap();
    let more = format!("password_file {}\nacl_file {}\n", users.display(), acl.display());
    let conf = broker.file("mosquitto.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, format!("{text}{more}user root\n")).unwrap();
    broker.kill();
    broker.start_again();

    let port = broker.address.port();
    let points = vec![point(1, "open/a /v f64", ValueType::F64)];
    let wrong = json!({"username": "sinew", "password": "wrong", "version": "5"});
    let mut running = Running::start(config(port, wrong), points.clone(), sdk::Hall::none());
    let outage = (&mut running.task).await.unwrap();
    assert_eq!(
        (outage.kind, &*outage.fault.code),
        (OutageKind::Configuration, "mqtt.credentials"),
        "{}",
        outage.fault
    );

    let right = json!({"username": "sinew", "password": "right", "version": "5"});
    let writes = vec![point(1, "set:cmd/free", ValueType::F64), point(2, "set:cmd/locked", ValueType::F64)];
    let running = Running::start(config(port, right), writes, sdk::Hall::none());
    running.outbox.wait_until("to be online", |outbox| outbox.is_online()).await;
    assert_eq!(running.write(1, Value::F64(1.0)).await.unwrap().read_back, None, "nothing can be read there");
    let refused = running.write(2, Value::F64(1.0)).await.unwrap_err();
    assert_eq!(refused.code, "mqtt.not-taken", "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_kept_is_taken_and_marked() {
    let Some(broker) = unless_ci(Mosquitto::start("allow_anonymous true")) else { return };
    let port = broker.address.port();
    let sent = std::process::Command::new("mosquitto_pub")
        .args(["-p", &port.to_string(), "-t", "plant/1/state", "-r", "-q", "1", "-m", r#"{"v":7}"#])
        .status();
    let published = sent.map_err(|e| e.to_string()).and_then(|status| match status.success() {
        true => Ok(()),
        false => Err("mosquitto_pub failed".to_string()),
    });
    if unless_ci(published.map_err(|e| format!("mosquitto_pub is needed: install mosquitto-clients ({e})")))
        .is_none()
    {
        return;
    }
    let points = vec![point(1, "plant/+/state /v f64", ValueType::F64)];
    let running = Running::start(config(port, json!({})), points, sdk::Hall::none());
    let rows = running.outbox.wait_for_points(1).await;
    assert_eq!((rows[0].2.clone(), rows[0].3), (Some(Value::F64(7.0)), Quality::UNCERTAIN_LAST_USABLE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_too_large_to_read_harms_no_other() {
    let Some(broker) = unless_ci(Mosquitto::start("allow_anonymous true")) else { return };
    let port = broker.address.port();
    let big = broker.file("big");
    std::fs::write(&big, vec![b'x'; 3 << 20]).unwrap();
    let publish = |qos: &str| {
        let mut command = std::process::Command::new("mosquitto_pub");
        command.args(["-p", &port.to_string(), "-t", "plant/big", "-q", qos, "-f"]).arg(&big);
        command.status()
    };
    let points = vec![point(1, "plant/+ /temperature f64", ValueType::F64)];
    let running = Running::start(config(port, json!({"qos": 2})), points, sdk::Hall::none());
    running.outbox.wait_until("to be online", |outbox| outbox.is_online()).await;
    for qos in ["0", "1", "2"] {
        let sent = publish(qos)
            .map(|_| ())
            .map_err(|e| format!("mosquitto_pub is needed: install mosquitto-clients ({e})"));
        if unless_ci(sent).is_none() {
            return;
        }
    }
    let _device = simulate(sim(broker.address, "pump", Style::Json("plant/1".into())), memory());
    running.until_good(1, &Value::F64(21.5)).await;
    assert_eq!(running.failures(), 3, "each is counted once");
    assert!(!running.task.is_finished());
}
