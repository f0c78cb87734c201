//! Callers that go away in the middle: what they started ends properly, and nobody else pays for it.

use access::Role;
use serde_json::json;
use std::{io::Write, net::TcpStream};

use crate::{
    ledger::{Damage, Ledger, make_points, post_rows, verify},
    support::{client::Client, eventually, node::Node},
};

/// Sends a whole request and hangs up without waiting for the answer.
fn send_and_hang_up(client: &Client, path: &str, body: &str) {
    let address = client.address();
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = format!(
        "POST /api/v1{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        client.token(),
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
}

#[test]
fn a_writer_that_hangs_up_costs_nobody_an_acknowledged_row() {
    let node = Node::start("gone-writer");
    let client = node.client(node.organisation("Works One"), Role::Engineer);
    let points = make_points(&client, 2);
    let mut ledger = Ledger::default();
    for round in 0..80_i64 {
        let time = types::Time::from_unix_ms(1_600_000_000_000 + round);
        let body = json!({ "rows": [{ "point": points[1], "time": time, "value": "1" }] }).to_string();
        send_and_hang_up(&client, "/samples", &body);
        assert!(post_rows(&client, &points[0], &mut ledger), "the patient writer is answered");
    }
    assert_eq!(verify(&client, &points[0], &ledger), Damage::default(), "of {} rows", ledger.rows());
}

#[test]
fn a_device_that_is_switched_off_is_marked_each_time() {
    use driver_modbus::{
        pdu::Table,
        sim::{Behaviour, Image, serve},
    };
    let node = Node::start("gone-device");
    let client = node.client(node.organisation("Works One"), Role::Engineer);
    let image = std::sync::Arc::new(Image::default());
    image.set(1, Table::HoldingRegisters, 0, &[7; 100]);
    let port = node.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(serve(listener, image, Behaviour::tcp(runtime::host_clock())));
        port
    });
    let config = json!({ "transport": "tcp", "host": "127.0.0.1", "port": port, "unit_id": 1 });
    let device = client.post("/devices", json!({ "name": "meter", "driver": "modbus", "config": config }));
    let path = format!("/devices/{}", device["id"].as_str().expect("an id"));
    let point = |n: usize| {
        json!({ "name": format!("p{n}"), "device": device["id"], "address": format!("{} uint16", 40_001 + n),
                "value_type": "u64", "period_ms": 10 })
    };
    client.post("/points", json!({ "points": (0..100).map(point).collect::<Vec<_>>() }));
    let qualities = || {
        let latest = client.get(&format!("/samples/latest?device={}", device["id"].as_str().expect("an id")));
        let items = latest["items"].as_array().cloned().unwrap_or_default();
        (items.len(), items.iter().filter(|i| i["quality"] == json!(0)).count())
    };
    for round in 0..20 {
        eventually("all points good", 10, || (qualities() == (100, 100)).then_some(()));
        let mut body = client.get(&path)["body"].clone();
        body["enabled"] = json!(false);
        client.put(&path, body.clone());
        eventually(&format!("no point good once it is off (round {round})"), 5, || {
            (qualities().1 == 0).then_some(())
        });
        body["enabled"] = json!(true);
        client.put(&path, body);
    }
}
