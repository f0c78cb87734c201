//! A simulated server behind a proxy.

use driver_opcua::sim::{Access, Node, Plant, simulate};
use sdk::contract::driver::host_clock;
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::net::TcpListener;
use types::Value;

use crate::proxy::Proxy;

/// A server that runs as long as this lives.
pub(crate) struct Simulated {
    pub(crate) plant: Plant,
    pub(crate) proxy: Proxy,
    task: tokio::task::JoinHandle<std::io::Error>,
}

pub(crate) fn node(name: &str, value: Value, writable: bool) -> Node {
    Node { name: name.into(), value, unit: String::new(), writable }
}

/// The nodes of most tests.
pub(crate) fn nodes() -> Vec<Node> {
    vec![
        node("Line1/Temp", Value::F32(21.5), true),
        node("Line1/Count", Value::U64(u64::MAX), true),
        node("Line1/Level", Value::I64(250), true),
        node("Line1/Running", Value::Bool(true), false),
        node("Line1/Name", Value::String("压机 3".into()), true),
        node("Speed", Value::F64(0.1), true),
    ]
}

pub(crate) fn address(name: &str) -> String {
    format!("nsu=urn:sinew:sim;s={name}")
}

impl Simulated {
    pub(crate) async fn start(nodes: &[Node], access: Access) -> Simulated {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (plant, running) =
            simulate(listener, nodes, &access, host_clock()).expect("the simulator starts");
        let task = tokio::spawn(running);
        Simulated { plant, proxy: Proxy::start(port).await, task }
    }

    pub(crate) async fn open(nodes: &[Node]) -> Simulated {
        Simulated::start(nodes, Access { open: true, user: None }).await
    }

    /// Sets each value again, with a new time, as a controller does each cycle.
    pub(crate) fn keep_fresh(&self, nodes: &[Node]) -> tokio::task::JoinHandle<()> {
        let (plant, names) = (self.plant.clone(), nodes.iter().map(|n| n.name.clone()).collect::<Vec<_>>());
        tokio::spawn(async move {
            loop {
                for name in &names {
                    if let Some(value) = plant.get(name) {
                        plant.set(name, &value);
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    /// Without security, every sample, as fast as it goes.
    pub(crate) fn config(&self, more: Json) -> Json {
        let mut config = json!({
            "endpoint_url": self.proxy.url(""), "security_policy": "None", "allow_none": true,
            "publishing_interval_ms": 50, "timeout_ms": 1000, "session_timeout_ms": 5000,
        });
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        config
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
        self.proxy.kill();
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.stop();
    }
}
