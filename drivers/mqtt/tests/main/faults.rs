//! What goes wrong on the way to a broker outside, and that the run ends with a cause that a person can act on.

use driver_mqtt::sim::Style;
use sdk::{OutageKind, contract::driver::host_reach};
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use types::{PointId, Quality, Value, ValueType};

use crate::harness::{Ended, Memory, OwnBroker, Running, point, sim, simulate};

fn config(port: u16) -> Json {
    json!({
        "via": "client", "host": "127.0.0.1", "port": port, "client_id": "sinew", "username": "u", "password": "p",
        "payload": {"profile": "json"},
    })
}

/// A server that reads the first packet and answers with these bytes, then stays silent.
async fn answers(bytes: &'static [u8]) -> (u16, Ended) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 256];
            let _length = stream.read(&mut hello).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            open.push(stream);
        }
    });
    (port, Ended(task.abort_handle()))
}

async fn outage(config: Json) -> sdk::Outage {
    let mut running = Running::start(config, vec![point(1, "t /a f64", ValueType::F64)], sdk::Hall::none());
    let ended = tokio::time::timeout(Duration::from_secs(8), &mut running.task).await;
    ended.expect("the run ends").expect("without a panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_told_apart() {
    use OutageKind::{Configuration, Connection};
    for (answer, version, kind, code) in [
        (&b"\x20\x02\x00\x04"[..], "3.1.1", Configuration, "mqtt.credentials"),
        (b"\x20\x02\x00\x05", "3.1.1", Configuration, "mqtt.credentials"),
        (b"\x20\x02\x00\x02", "3.1.1", Configuration, "mqtt.refused"),
        (b"\x20\x02\x00\x03", "3.1.1", Connection, "mqtt.refused"),
        (b"\x20\x03\x00\x86\x00", "5", Configuration, "mqtt.credentials"),
        (b"\x20\x03\x00\x89\x00", "5", Connection, "mqtt.refused"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "3.1.1", Connection, "mqtt.protocol"),
        // Accepted, but every topic refused.
        (b"\x20\x02\x00\x00\x90\x03\x00\x01\x80", "3.1.1", Configuration, "mqtt.nothing-allowed"),
    ] {
        let (port, _server) = answers(answer).await;
        let mut config = config(port);
        config["version"] = version.into();
        let outage = outage(config).await;
        assert_eq!((outage.kind, &*outage.fault.code), (kind, code), "{answer:?}: {}", outage.fault);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_needs_the_authority_that_was_named() {
    let authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    let (port, _server) = answers(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let mut config = config(port);
    config["tls"] = json!({"ca_pem": pem});
    let outage = outage(config).await;
    assert_eq!(
        (outage.kind, &*outage.fault.code),
        (OutageKind::Configuration, "mqtt.tls"),
        "{}",
        outage.fault
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_right_authority_all_is_well() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, key);
    let own = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["broker.plant".to_string()]).unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap().pem();
    let more = json!({
        "listen": null,
        "tls": {"listen": "127.0.0.1:0", "certificate_pem": certificate, "key_pem": own.serialize_pem()},
        "anonymous": {"publish": ["#"], "subscribe": ["#"]},
    });
    let broker = OwnBroker::start(more).await;
    let mut config = config(broker.address.port());
    config["username"] = Json::Null;
    config["password"] = Json::Null;
    config["tls"] = json!({"ca_pem": authority_pem, "server_name": "broker.plant"});
    let running = Running::start(config.clone(), Vec::new(), sdk::Hall::none());
    running.outbox.wait_until("to be online", |outbox| outbox.is_online()).await;
    config["tls"]["server_name"] = "other.plant".into();
    let outage = outage(config).await;
    assert_eq!(
        (outage.kind, &*outage.fault.code),
        (OutageKind::Configuration, "mqtt.tls"),
        "{}",
        outage.fault
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_noticed_at_the_start_and_later() {
    let (silent, _server) = answers(b"").await;
    let from_the_start = tokio::spawn(outage(config(silent)));
    let (port, _server) = answers(b"\x20\x02\x00\x00\x90\x03\x00\x01\x00").await;
    let mut config = config(port);
    config["keep_alive_s"] = 1.into();
    let outage = outage(config).await;
    assert_eq!((outage.kind, &*outage.fault.code), (OutageKind::Connection, "mqtt.closed"));
    assert!(outage.fault.detail.contains("stopped answering"), "{}", outage.fault);
    let outage = from_the_start.await.unwrap();
    assert_eq!((outage.kind, &*outage.fault.code), (OutageKind::Connection, "mqtt.silent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_late_is_stored_and_not_live() {
    let broker = OwnBroker::open().await;
    let mut config = config(broker.address.port());
    config["username"] = Json::Null;
    config["password"] = Json::Null;
    config["payload"]["time"] = json!({"pointer": "/ts", "unit": "ms"});
    let now = sdk::contract::driver::host_clock().now().unix_ms();
    let memory = Memory::of(&[("v", Value::F64(1.0)), ("ts", Value::I64(now))]);
    let values = memory.0.clone();
    let _device = simulate(sim(broker.address, "d", Style::Json("t".into())), memory);
    let running = Running::start(config, vec![point(1, "t /v f64", ValueType::F64)], sdk::Hall::none());
    running.until_good(1, &Value::F64(1.0)).await;
    let set = |v: f64, ts: i64| {
        let mut values = values.lock().unwrap();
        values.insert("v".into(), Value::F64(v));
        values.insert("ts".into(), Value::I64(ts));
    };
    set(2.0, now - 60_000);
    running.outbox.wait_until("a late row", |outbox| !outbox.backfilled().is_empty()).await;
    let (_, time, value, _) = running.outbox.backfilled()[0].clone();
    assert_eq!((time.unix_ms(), value), (now - 60_000, Some(Value::F64(2.0))));
    assert!(running.outbox.rows().iter().all(|row| row.2 != Some(Value::F64(2.0))), "not live");
    set(3.0, now + 1);
    running.until_good(1, &Value::F64(3.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_messages_are_counted_and_harm_nobody() {
    let broker = OwnBroker::open().await;
    let port = broker.address.port();
    let mut config = config(port);
    config["username"] = Json::Null;
    config["password"] = Json::Null;
    let points = vec![point(1, "good /v f64", ValueType::F64), point(2, "bad /v f64", ValueType::F64)];
    let running = Running::start(config.clone(), points, sdk::Hall::none());
    let memory = Memory::of(&[("v", Value::F64(1.0))]);
    let _good = simulate(sim(broker.address, "good", Style::Json("good".into())), memory);
    let text = Memory::of(&[("v", Value::String("broken".into()))]);
    let _bad = simulate(sim(broker.address, "bad", Style::Json("bad".into())), text);
    running.until_good(1, &Value::F64(1.0)).await;
    running.outbox.wait_for_points(2).await;
    let seen = running.outbox.rows().len();
    let rows = running.outbox.wait_for_rows(seen + 10).await;
    assert!(running.failures() > 0);
    assert!(rows.iter().filter(|r| r.0 == PointId(1)).all(|r| r.3.is_good()), "{rows:?}");
    assert!(rows.iter().filter(|r| r.0 == PointId(2)).all(|r| r.3 == Quality::BAD_CONFIGURATION));
    assert!(!running.task.is_finished());
    let probe = sdk::Probe { config, reach: host_reach(sdk::Hall::none()) };
    assert!((driver_mqtt::driver().probe)(probe).await.unwrap().round_trip_ms > 0.0);
}
