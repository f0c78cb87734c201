//! The driver from outside: the contract of all drivers, against the simulated device over real sockets.

use driver_@ident@::{driver, sim};
use sdk::{
    BoundPoint, BoxFuture,
    contract::driver::{Case, Peer, check},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};
use types::{PointId, Value, ValueType};

struct Simulated {
    port: u16,
    device: sim::Device,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Peer for Simulated {
    fn config(&self) -> serde_json::Value {
        json!({ "host": "127.0.0.1", "port": self.port, "timeout_ms": 500 })
    }
    fn connections(&self) -> usize {
        self.device.connections()
    }
    fn kill(&self) {
        self.serving.abort();
    }
}

fn start() -> BoxFuture<'static, Arc<dyn Peer>> {
    Box::pin(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let device = sim::Device::default();
        device.set("temperature", "21.5");
        device.set("count", "18446744073709551615");
        device.set("running", "true");
        device.set("recipe", "steel 42");
        let serving = tokio::spawn(sim::serve(listener, device.clone()));
        Arc::new(Simulated { port, device, serving }) as Arc<dyn Peer>
    })
}

fn point(id: u32, address: &str, value_type: ValueType) -> BoundPoint {
    BoundPoint { id: PointId(id), address: address.into(), value_type, scaling: None, period_ms: 50 }
}

#[tokio::test]
async fn it_keeps_the_contract_of_drivers() {
    check(&Case {
        driver: driver(),
        bad_configs: vec![
            (json!({ "host": "a", "port": 0 }), "/port"),
            (json!({ "host": "", "port": 1 }), "/host"),
            (json!({ "host": "a", "timeout_ms": 0 }), "/timeout_ms"),
        ],
        bad_addresses: vec![("", "write a name and a type"), ("a complex", "write bool"), ("a b c", "is no type")],
        start: Box::new(start),
        points: vec![
            (point(1, "temperature f64", ValueType::F64), Value::F64(21.5)),
            (point(2, "count u64", ValueType::U64), Value::U64(u64::MAX)),
            (point(3, "running bool", ValueType::Bool), Value::Bool(true)),
            (point(4, "recipe string", ValueType::String), Value::String("steel 42".into())),
        ],
        absent_address: "pressure f64",
        writable: (PointId(1), Value::F64(60.25)),
        outage_within: Duration::from_secs(2),
    })
    .await;
}
