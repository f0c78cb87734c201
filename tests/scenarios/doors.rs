//! Doors, their arrivals, sealed secrets: over the API as a person's browser uses it.

use access::Role;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    client::{Client, id},
    node::Node,
};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

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

fn door(client: &Client, id: &str) -> Value {
    let doors = client.get("/doors");
    let found = doors["items"].as_array().expect("a list").iter().find(|door| door["id"] == id).cloned();
    found.unwrap_or_else(|| panic!("no door {id} in {doors}"))
}

fn open(client: &Client, config: Value) -> SocketAddr {
    client.put("/doors/mqtt", json!({ "enabled": true, "config": config }));
    until("an open door", || {
        door(client, "mqtt")["listening"][0].as_str().map(|at| at.parse().expect("an address"))
    })
}

/// An MQTT 3.1.1 client of one user name in the fewest bytes that are legal.
fn connect(at: SocketAddr, client_id: &str, username: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let body = [&b"\x00\x04MQTT\x04\x82\x00\x00"[..], &text(client_id), &text(username)].concat();
    stream.write_all(&[&[0x10, body.len() as u8][..], &body].concat()).ok()?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).ok()?;
    (answer[3] == 0).then_some(stream)
}

fn publish(stream: &mut TcpStream, topic: &str, payload: &str) -> std::io::Result<()> {
    let body = [&(topic.len() as u16).to_be_bytes()[..], topic.as_bytes(), payload.as_bytes()].concat();
    stream.write_all(&[&[0x30, body.len() as u8][..], &body].concat())
}

#[test]
fn an_unknown_client_is_seen_claimed_and_read() {
    let node = Node::start("doors-claim");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Admin);
    let at = open(&client, json!({ "listen": "127.0.0.1:0" }));
    let mut stranger =
        connect(at, "meter-7", "token-of-meter-7").expect("strangers are let in and only looked at");
    publish(&mut stranger, "v1/devices/me/telemetry", r#"{"temperature":21.5}"#).expect("it may speak");
    let arrival = until("an arrival", || {
        let arrivals = client.get("/doors/mqtt/arrivals");
        let first = arrivals["items"][0].clone();
        (!first["heard"][0].is_null()).then_some(first)
    });
    assert_eq!(arrival["heard"][0]["channel"], "v1/devices/me/telemetry");
    assert_eq!(arrival["heard"][0]["text"], r#"{"temperature":21.5}"#);

    let config = &arrival["suggested_config"];
    let look = json!({ "config": config, "address": "", "cells": 20 });
    let looked = client.post("/drivers/mqtt/inspect", look);
    let candidate = &looked["candidates"][0];
    assert_eq!(candidate["value"], 21.5, "what the stranger said can be picked from: {looked}");
    let device = client.post("/devices", json!({ "name": "meter 7", "driver": "mqtt", "config": config }));
    let points = client.post(
        "/points",
        json!({ "points": [{ "name": "temperature", "value_type": candidate["value_type"], "unit": "Cel",
            "device": id(&device), "address": candidate["address"] }] }),
    );
    // The stranger was cut when it was claimed; a device comes back by itself.
    let mut known = until("the claimed device to be let in", || connect(at, "meter-7", "token-of-meter-7"));
    let point = id(&points["items"][0]);
    let value = until("its value", || {
        let sent = publish(&mut known, "v1/devices/me/telemetry", r#"{"temperature":22.5}"#);
        if sent.is_err() {
            known = connect(at, "meter-7", "token-of-meter-7")?;
        }
        let latest = client.get(&format!("/samples/latest?points={point}"));
        latest["items"][0]["value"].as_f64()
    });
    assert_eq!(value, 22.5);
    let gone = until("the list to be empty", || {
        let arrivals = client.get("/doors/mqtt/arrivals");
        arrivals["items"].as_array().is_some_and(Vec::is_empty).then_some(true)
    });
    assert!(gone);
}

#[test]
fn a_door_is_set_closed_and_each_organisations_own() {
    let node = Node::start("doors-set");
    let (one, two) = (node.organisation("Works One"), node.organisation("Works Two"));
    let (a, b) = (node.client(one, Role::Admin), node.client(two, Role::Admin));
    assert_eq!(door(&a, "mqtt")["state"], "closed", "nothing listens until a person says so");
    let at = open(&a, json!({ "listen": "127.0.0.1:0" }));
    assert_eq!(door(&b, "mqtt")["state"], "closed", "a door is one organisation's");
    let _stranger = connect(at, "x", "y").expect("let in");
    until("an arrival", || (door(&a, "mqtt")["arrivals"] == 1).then_some(()));
    assert_eq!(b.get("/doors/mqtt/arrivals")["items"], json!([]));

    let (status, fault) =
        a.send("PUT", "/doors/mqtt", Some(&json!({ "enabled": true, "config": { "listen": 7 } })));
    assert_eq!((status, fault["path"].as_str()), (422, Some("/config/listen")), "{fault}");
    let open_to_all = json!({ "enabled": true, "config": { "listen": "0.0.0.0:0" } });
    let (status, fault) = a.send("PUT", "/doors/mqtt", Some(&open_to_all));
    assert_eq!(status, 422, "beyond this machine only with TLS or an explicit word: {fault}");
    assert_eq!(door(&a, "mqtt")["state"], "open", "a refused change changes nothing");

    a.put("/doors/mqtt", json!({ "enabled": false, "config": { "listen": "127.0.0.1:0" } }));
    assert_eq!(door(&a, "mqtt")["state"], "closed");
    assert!(TcpStream::connect(at).is_err(), "a closed door answers nobody");
}

#[test]
fn a_taken_port_is_said_and_tried_again() {
    let node = Node::start("doors-taken");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Admin);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = holder.local_addr().expect("bound").to_string();
    client.put("/doors/mqtt", json!({ "enabled": true, "config": { "listen": at } }));
    let waiting = until("a fault", || Some(door(&client, "mqtt")).filter(|door| door["state"] == "waiting"));
    assert!(waiting["fault"]["code"].is_string() && waiting["retry_at"].is_string(), "{waiting}");
    drop(holder);
    until("the door to open", || (door(&client, "mqtt")["state"] == "open").then_some(()));
}

#[test]
fn a_password_is_sealed_and_never_shown() {
    let node = Node::start("doors-secret");
    let org = node.organisation("Works One");
    let (engineer, viewer) = (node.client(org, Role::Engineer), node.client(org, Role::Viewer));
    let config = json!({ "via": "client", "host": "127.0.0.1", "port": 1, "client_id": "sinew",
        "username": "anna", "password": "hunter2-hunter2", "payload": { "profile": "json" } });
    let device = json!({ "name": "broker", "driver": "mqtt", "enabled": false, "config": config });
    let made = engineer.post("/devices", device.clone());
    let path = format!("/devices/{}", id(&made));
    for client in [&engineer, &viewer] {
        let shown = client.get(&path).to_string();
        assert!(shown.contains("$sealed") && !shown.contains("hunter2"), "{shown}");
    }
    let mut back = engineer.get(&path)["body"].clone();
    back["name"] = json!("outer broker");
    engineer.put(&path, back.clone());
    let kept = engineer.get(&path)["body"]["config"]["password"].clone();
    assert_eq!(kept, back["config"]["password"], "what comes back sealed stays as it is");
    let mut stolen = back;
    stolen["config"]["password"]["$sealed"] = json!("1.AAAA");
    let (status, fault) = engineer.send("PUT", &path, Some(&stolen));
    assert_eq!((status, fault["code"].as_str()), (422, Some("seal.foreign")), "{fault}");
    assert_eq!(fault["path"], "/config/password");
    let stored = node.stored_bytes();
    let holds = |text: &str| stored.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(
        holds("outer broker") && !holds("hunter2"),
        "the store holds the device, and its password only sealed"
    );
}
