//! The contract of every driver.

use sdk::{
    BoxFuture,
    contract::driver::{Case, Peer, check},
};
use serde_json::{Value as Json, json};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use types::{PointId, Value, ValueType};

use crate::{
    plant::{Simulated, address, nodes},
    running::{point, scaled},
};

struct Fresh {
    server: Simulated,
    fresh: tokio::task::JoinHandle<()>,
}

impl Peer for Fresh {
    fn config(&self) -> Json {
        self.server.config(json!({"report": "every_timestamp"}))
    }
    fn connections(&self) -> usize {
        self.server.proxy.faults.connections.load(Relaxed)
    }
    fn kill(&self) {
        self.server.stop();
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.fresh.abort();
    }
}

fn start() -> BoxFuture<'static, Arc<dyn Peer>> {
    Box::pin(async {
        let nodes = nodes();
        let server = Simulated::open(&nodes).await;
        let fresh = server.keep_fresh(&nodes);
        Arc::new(Fresh { server, fresh }) as Arc<dyn Peer>
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opcua_keeps_the_contract() {
    let url = "opc.tcp://h";
    let of = |id, name: &str, value_type| point(id, &address(name), value_type);
    let case = Case {
        driver: driver_opcua::driver(),
        bad_configs: vec![
            (json!({"endpoint_url": "10.0.0.1"}), "/endpoint_url"),
            (json!({"endpoint_url": url, "security_policy": "None"}), "/allow_none"),
            (json!({"endpoint_url": url, "security_policy": "Basic128Rsa15"}), "/security_policy"),
            (json!({"endpoint_url": url, "identity": "user_name"}), "/user_name"),
        ],
        bad_addresses: vec![
            ("Line1.Temp", "ns=2;s=Line1.Temp"),
            ("ns=x;i=1", "65535"),
            ("ns=2;s=a [b]", "[3]"),
        ],
        start: Box::new(start),
        points: vec![
            (of(1, "Line1/Temp", ValueType::F32), Value::F32(21.5)),
            (of(2, "Line1/Count", ValueType::U64), Value::U64(u64::MAX)),
            (scaled(3, &address("Line1/Level"), 0.1, -5.0), Value::F64(250.0 * 0.1 - 5.0)),
            (of(4, "Line1/Running", ValueType::Bool), Value::Bool(true)),
            (of(5, "Line1/Name", ValueType::String), Value::String("压机 3".into())),
            (of(6, "Speed", ValueType::F64), Value::F64(0.1)),
        ],
        absent_address: "nsu=urn:sinew:sim;s=absent",
        writable: (PointId(1), Value::F32(-7.25)),
        outage_within: Duration::from_secs(3),
    };
    check(&case).await;
}
