//! Probe, inspect, browse: what a person sees before and while points are made.

use driver_opcua::sim::Access;
use sdk::{Browse, BrowsedKind, BrowsedNode, Inspect, Probe, fake::TrustList};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use types::{Fault, Value, ValueType};

use crate::{
    plant::{Simulated, address, node, nodes},
    running::reach,
};

async fn probe(config: Json, trust: &TrustList) -> Result<sdk::ProbeReport, Fault> {
    (driver_opcua::driver().probe)(Probe { config, reach: reach(trust) }).await
}

async fn browse(config: Json, at: &str, deep: bool) -> Vec<BrowsedNode> {
    let (out, mut found) = mpsc::channel(Browse::BATCHES_MAX);
    let browse = Browse { config, at: at.into(), deep, out, reach: reach(&TrustList::default()) };
    let walk = tokio::spawn((driver_opcua::driver().browse.unwrap())(browse));
    let mut nodes = Vec::new();
    while let Some(batch) = found.recv().await {
        assert!(batch.len() <= Browse::BATCH_NODES_MAX);
        nodes.extend(batch);
    }
    walk.await.unwrap().unwrap();
    nodes
}

#[tokio::test]
async fn a_secured_server_is_approved_and_then_probed() {
    let user = Some(("operator".to_string(), "secret".to_string()));
    let server = Simulated::start(&nodes(), Access { open: false, user }).await;
    let trust = TrustList::default();
    let config = |more: Json| {
        let mut config = json!({"endpoint_url": server.proxy.url(""), "timeout_ms": 5000, "identity": "user_name",
            "user_name": "operator", "password": "secret"});
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        config
    };
    assert_eq!(probe(config(json!({})), &trust).await.unwrap_err().code, "opcua.server-untrusted");
    let shown = &trust.rejected()[0];
    assert_eq!((shown.thumbprint.len(), shown.application_uri.as_str()), (64, "urn:sinew:simulator"));
    trust.approve_all();
    let report = probe(config(json!({})), &trust).await.unwrap();
    assert!(
        report.identity.contains(&("application_uri".into(), "urn:sinew:simulator".into())),
        "{report:?}"
    );
    let own = &trust.own_ones()[0];
    assert!(own.application_uri.starts_with("urn:sinew:"), "{own:?}");

    let wrong = probe(config(json!({"password": "guess"})), &trust).await.unwrap_err();
    assert_eq!(wrong.code, "opcua.wrong-credentials");
    let policy =
        probe(config(json!({"security_policy": "Aes128_Sha256_RsaOaep"})), &trust).await.unwrap_err();
    assert_eq!(policy.code, "opcua.not-offered");
    assert!(policy.detail.contains("Basic256Sha256 with Sign"), "{policy}");
    let none = json!({"security_policy": "None", "allow_none": true});
    assert_eq!(
        probe(config(none), &trust).await.unwrap_err().code,
        "opcua.not-offered",
        "never something else"
    );
    let anonymous = json!({"identity": "anonymous", "user_name": null, "password": null});
    assert_eq!(probe(config(anonymous), &trust).await.unwrap_err().code, "opcua.not-offered");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let trust = TrustList::default();
    let gone = json!({"endpoint_url": "opc.tcp://127.0.0.1:9", "timeout_ms": 300});
    assert_eq!(probe(gone, &trust).await.unwrap_err().code, "opcua.no-tcp");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("opc.tcp://{}", listener.local_addr().unwrap());
    let mute = json!({"endpoint_url": url, "timeout_ms": 300});
    assert_eq!(probe(mute.clone(), &trust).await.unwrap_err().code, "opcua.timeout");
    let foreign = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        }
    });
    assert_eq!(probe(mute, &trust).await.unwrap_err().code, "opcua.no-opcua");
    foreign.abort();
}

#[tokio::test]
async fn browsing_and_inspecting_show_addresses_that_points_can_have() {
    let server = Simulated::open(&nodes()).await;
    let config = server.config(json!({}));
    let all = browse(config.clone(), "", true).await;
    let of =
        |name: &str| all.iter().find(|n| n.name == name).unwrap_or_else(|| panic!("no {name} in {all:?}"));
    assert_eq!(of("Line1").kind, BrowsedKind::Folder);
    let temp = of("Temp");
    assert_eq!((temp.kind, temp.value_type, temp.writable), (BrowsedKind::Value, Some(ValueType::F32), true));
    assert_eq!(temp.address, format!("{} f32", address("Line1/Temp")));
    assert_eq!(temp.parent.as_deref(), Some(of("Line1").address.as_str()));
    assert!(!of("Running").writable);
    let level = browse(config.clone(), &of("Line1").address, false).await;
    assert_eq!(level.len(), 5);

    let inspect = |text: &str| Inspect {
        config: config.clone(),
        address: text.into(),
        cells: 8,
        reach: reach(&TrustList::default()),
    };
    let shown = (driver_opcua::driver().inspect)(inspect(&address("Line1/Temp"))).await.unwrap();
    assert_eq!(
        (shown.candidates[0].address.as_str(), &shown.candidates[0].value),
        (temp.address.as_str(), &json!(21.5))
    );
    let first = (driver_opcua::driver().inspect)(inspect("")).await.unwrap();
    assert!(first.candidates.iter().any(|c| c.address == format!("{} f64", address("Speed"))), "{first:?}");
    let absent = (driver_opcua::driver().inspect)(inspect(&address("absent"))).await.unwrap();
    assert_eq!(absent.candidates, []);
}

#[tokio::test]
async fn a_hundred_thousand_nodes_are_streamed() {
    const NODES: i64 = 100_000;
    let nodes: Vec<_> = (0..NODES).map(|i| node(&format!("Many/n{i}"), Value::I64(i), false)).collect();
    let server = Simulated::open(&nodes).await;
    let config = server.config(json!({"timeout_ms": 20000, "session_timeout_ms": 60000}));
    let (out, mut found) = mpsc::channel(Browse::BATCHES_MAX);
    let browse = Browse { config, at: String::new(), deep: true, out, reach: reach(&TrustList::default()) };
    let walk = tokio::spawn((driver_opcua::driver().browse.unwrap())(browse));
    let (mut count, mut batches) = (0, 0);
    while let Some(batch) = found.recv().await {
        count += batch.iter().filter(|n| n.name.starts_with('n')).count();
        batches += 1;
    }
    walk.await.unwrap().unwrap();
    assert_eq!((count as i64, batches >= 100), (NODES, true), "{batches} batches");
}

#[tokio::test]
async fn methods_are_called_by_writing() {
    use crate::running::{Running, point};
    let server = Simulated::open(&nodes()).await;
    let double = |given: &[Value]| match given {
        [Value::I64(v)] => Ok(vec![Value::I64(2 * v)]),
        _ => Err("one number".to_string()),
    };
    server.plant.add_method("double", &[("x", ValueType::I64)], &[("y", ValueType::I64)], Box::new(double));
    let method = "i=85 -> nsu=urn:sinew:sim;s=double()";
    let points =
        vec![point(1, &format!("{method} i64"), ValueType::I64), point(2, &address("Speed"), ValueType::F64)];
    let running = Running::start(server.config(json!({})), points, &TrustList::default());
    running.outbox.wait_for_points(1).await;
    assert_eq!(running.write(1, Value::I64(21)).await.unwrap().read_back, Some(Value::I64(42)));
}
