//! The contract of every driver, with this node as a client of a broker, in both versions of the protocol.

use driver_mqtt::sim::Style;
use sdk::{
    BoxFuture,
    contract::driver::{Case, Peer, check},
};
use serde_json::{Value as Json, json};
use std::{sync::Arc, time::Duration};
use types::{PointId, Value, ValueType};

use crate::harness::{Ended, Memory, OwnBroker, Wire, point, sim, simulate};

struct Plant {
    _broker: OwnBroker,
    _device: Ended,
    wire: Wire,
    version: &'static str,
}

impl Peer for Plant {
    fn config(&self) -> Json {
        json!({
            "via": "client", "host": "127.0.0.1", "port": self.wire.port, "client_id": "sinew", "version": self.version,
            "payload": {"profile": "json"},
        })
    }
    fn connections(&self) -> usize {
        self.wire.connections()
    }
    fn kill(&self) {
        self.wire.cut();
    }
}

fn start(version: &'static str) -> BoxFuture<'static, Arc<dyn Peer>> {
    Box::pin(async move {
        let broker = OwnBroker::open().await;
        let memory = Memory::of(&[
            ("temperature", Value::F64(21.5)),
            ("count", Value::U64(u64::MAX)),
            ("running", Value::Bool(true)),
            ("recipe", Value::String("steel 42".into())),
        ]);
        let device = simulate(sim(broker.address, "pump", Style::Json("plant/1/state".into())), memory);
        let wire = Wire::to(broker.address).await;
        Arc::new(Plant { _broker: broker, _device: device, wire, version }) as Arc<dyn Peer>
    })
}

/// The cases that every driver has, for MQTT.
pub(crate) fn case(start: sdk::contract::driver::StartPeer) -> Case {
    let set = r#"plant/1/state /temperature f64 set:plant/1/state/set {"temperature":$value}"#;
    Case {
        driver: driver_mqtt::driver(),
        bad_configs: vec![
            (json!({"via": "client", "client_id": "a", "payload": {"profile": "json"}}), "/host"),
            (
                json!({"via": "client", "host": "h", "client_id": "a", "payload": {"profile": "tsl"}}),
                "/payload/root",
            ),
            (json!({"via": "pigeon", "payload": {"profile": "json"}}), "/via"),
        ],
        bad_addresses: vec![
            ("", "write a topic"),
            ("plant/1 /t flt", "write bool"),
            ("a/#/b /t", "whole level"),
        ],
        start,
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
async fn mqtt_3_1_1_keeps_the_contract() {
    check(&case(Box::new(|| start("3.1.1")))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_5_keeps_the_contract() {
    check(&case(Box::new(|| start("5")))).await;
}
