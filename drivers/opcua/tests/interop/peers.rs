//! The peers of the whole product's tests, as the tests of this driver need them.

#[path = "../peers/ready.rs"]
mod ready;
#[path = "../../../../tests/peers/start.rs"]
#[allow(dead_code, reason = "peers of other drivers are in it too")]
mod start;

use serde_json::{Value as Json, json};

pub(crate) use ready::{asyncua, node_opcua};
pub(crate) use start::{Program, Server, unless_ci};

/// The config of a device on this server: secured unless `more` says otherwise.
pub(crate) fn config(server: &Server, more: Json) -> Json {
    let mut config =
        json!({"endpoint_url": server.known["url"], "publishing_interval_ms": 100, "timeout_ms": 3000});
    config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    config
}

/// The address of a node of the peers' plant.
pub(crate) fn node(name: &str) -> String {
    format!("nsu=urn:peer:plant;s={name}")
}
