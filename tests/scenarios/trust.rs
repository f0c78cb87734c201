//! A secured OPC UA server that somebody else wrote: refused at first, approved by a person over the API, read.

use access::Role;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::{
    opcua,
    peers::{Server, unless_ci},
    support::{
        client::{Client, id},
        node::Node,
    },
};

/// A channel and a session cost several RSA operations at both ends; the peer is Python.
const PATIENCE: Duration = Duration::from_secs(30);

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn health(client: &Client, device: &str) -> Value {
    client.get(&format!("/devices/{device}"))["health"].clone()
}

#[test]
fn a_servers_certificate_is_refused_then_approved() {
    let Some(program) = unless_ci(opcua::asyncua(&[])) else { return };
    let server = Server::start(&program, 0);
    let node = Node::start("trust");
    let org = node.organisation("Works One");
    let (admin, engineer) = (node.client(org, Role::Admin), node.client(org, Role::Engineer));
    let config = json!({ "endpoint_url": server.known["url"],
        "identity": "user_name", "user_name": "operator", "password": "secret" });
    let device =
        id(&engineer.post("/devices", json!({ "name": "plc", "driver": "opcua", "config": config })));
    let point = engineer.post(
        "/points",
        json!({ "points": [{ "name": "counter", "value_type": "u64", "unit": "1", "device": device,
            "address": "nsu=urn:peer:plant;s=counter u64", "period_ms": 100 }] }),
    );
    let point = id(&point["items"][0]);
    let refused = until("a refusal", || Some(health(&admin, &device)).filter(|h| h["state"] == "failed"));
    assert_eq!(refused["fault"]["code"], "opcua.server-untrusted", "{refused}");

    let listed = admin.get("/certificates");
    let items = listed["items"].as_array().expect("a list");
    let standing = |of: &str| items.iter().find(|item| item["body"]["standing"] == of);
    let theirs = standing("rejected").expect("the server's certificate is listed");
    assert_eq!(theirs["body"]["presented"]["thumbprint"], refused["fault"]["args"]["thumbprint"]);
    assert_eq!(theirs["body"]["presented"]["application_uri"], "urn:peer:asyncua");
    assert!(standing("own").is_some(), "our own is there to be handed over: {listed}");
    let approve = format!("/certificates/{}/trust", id(theirs));
    assert_eq!(engineer.send("POST", &approve, None).0, 403, "an administrator decides whom to trust");
    admin.post(&approve, json!({}));

    let approved = Instant::now();
    until("the device to be read", || (health(&admin, &device)["state"] == "online").then_some(()));
    let value = until("a value", || {
        admin.get(&format!("/samples/latest?points={point}"))["items"][0]["value"]
            .as_str()
            .map(str::to_string)
    });
    println!("read {value} {:?} after the approval", approved.elapsed());

    let browsed =
        engineer.send("POST", "/drivers/opcua/browse", Some(&json!({ "config": config, "deep": true })));
    let lines: Vec<Value> =
        browsed.1.as_str().expect("lines").lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let (end, nodes) = lines.split_last().expect("an end");
    assert_eq!((&end["end"], &end["fault"]), (&json!(true), &Value::Null));
    assert!(
        nodes
            .iter()
            .any(|node| node["address"] == "nsu=urn:peer:plant;s=counter u64" && node["kind"] == "value")
    );

    admin.post(&format!("/certificates/{}/reject", id(theirs)), json!({}));
    engineer.put(
        &format!("/devices/{device}"),
        json!({ "name": "plc", "driver": "opcua", "config": config,
        "limits": { "writes_per_minute": 5 }, "enabled": false }),
    );
    engineer.put(
        &format!("/devices/{device}"),
        json!({ "name": "plc", "driver": "opcua", "config": config,
        "enabled": true }),
    );
    until("the refusal", || (health(&admin, &device)["state"] == "failed").then_some(()));
}
