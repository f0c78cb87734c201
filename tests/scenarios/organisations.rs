//! Two organisations on one node: neither sees, names or changes anything of the other.

use access::Role;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{
    client::{Client, id},
    node::Node,
};

/// Everything one organisation has, as ids.
struct Things {
    site: String,
    asset_type: String,
    device: String,
    point: String,
    user: String,
}

fn populate(client: &Client, name: &str) -> Things {
    let site =
        client.post("/assets", json!({ "kind": "site", "name": { "en": name }, "zone": "Asia/Shanghai" }));
    let asset_type = client.post("/asset-types", json!({ "key": "pump", "name": { "en": "Pump" } }));
    let device = client.post(
        "/devices",
        json!({ "name": "meter", "driver": "modbus", "enabled": false,
                "config": { "transport": "tcp", "host": "127.0.0.1", "port": 1, "unit_id": 1 } }),
    );
    let points =
        client.post("/points", json!({ "points": [{ "name": "level", "value_type": "f64", "unit": "m" }] }));
    let user = client.post(
        "/users",
        json!({ "name": "ben", "role": "viewer", "locale": "en", "enabled": true, "password": "a long enough phrase" }),
    );
    Things {
        site: id(&site),
        asset_type: id(&asset_type),
        device: id(&device),
        point: id(&points["items"][0]),
        user: id(&user),
    }
}

fn store(client: &Client, point: &str, value: f64) {
    let row = json!({ "point": point, "time": "2026-01-01T00:00:00Z", "value": value });
    client.post("/samples", json!({ "rows": [row] }));
}

const SPAN: &str = "from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z";

#[test]
fn neither_sees_the_other() {
    let node = Node::start("organisations");
    let (one, two) = (node.organisation("Works One"), node.organisation("Works Two"));
    let (a, b) = (node.client(one, Role::Admin), node.client(two, Role::Admin));
    let (mine, theirs) = (populate(&a, "One"), populate(&b, "Two"));
    store(&a, &mine.point, 1.5);
    store(&b, &theirs.point, 2.5);

    // Lists hold one's own only: the same names in both did not collide.
    for (path, own, foreign) in [
        ("/assets", &mine.site, &theirs.site),
        ("/asset-types", &mine.asset_type, &theirs.asset_type),
        ("/devices", &mine.device, &theirs.device),
        ("/points", &mine.point, &theirs.point),
        ("/users", &mine.user, &theirs.user),
        ("/events?limit=500", &mine.point, &theirs.point),
    ] {
        let text = a.get(path).to_string();
        assert!(!text.contains(foreign.as_str()), "{path} shows a foreign object: {text}");
        assert!(text.contains(own.as_str()) || path.starts_with("/events"), "{path} lacks an own object");
    }

    // A foreign object is an unknown object, whatever one tries.
    for (method, path, body) in [
        ("GET", format!("/assets/{}", theirs.site), None),
        ("PUT", format!("/assets/{}", theirs.site), Some(json!({ "kind": "site", "name": { "en": "x" } }))),
        ("DELETE", format!("/assets/{}", theirs.site), None),
        ("GET", format!("/asset-types/{}", theirs.asset_type), None),
        ("GET", format!("/asset-types/{}/tsl", theirs.asset_type), None),
        ("DELETE", format!("/asset-types/{}", theirs.asset_type), None),
        ("GET", format!("/devices/{}", theirs.device), None),
        ("DELETE", format!("/devices/{}", theirs.device), None),
        ("GET", format!("/points/{}", theirs.point), None),
        ("DELETE", format!("/points/{}", theirs.point), None),
        ("DELETE", format!("/users/{}", theirs.user), None),
        ("GET", format!("/samples?point={}&{SPAN}", theirs.point), None),
        ("POST", "/commands".into(), Some(json!({ "point": theirs.point, "value": 1.0 }))),
        (
            "POST",
            "/samples".into(),
            Some(
                json!({ "rows": [{ "point": theirs.point, "time": "2026-01-01T00:00:01Z", "value": 9.0 }] }),
            ),
        ),
    ] {
        let (status, answer) = a.send(method, &path, body.as_ref());
        assert_eq!((status, &answer["code"]), (404, &json!("not-found")), "{method} {path}: {answer}");
    }
    assert_eq!(
        a.get(&format!("/samples/latest?points={},{}", mine.point, theirs.point))["items"][1],
        Value::Null
    );
    assert_eq!(a.get(&format!("/samples/latest?points={}", mine.point))["items"][0]["value"], json!(1.5));
    let buckets =
        a.get(&format!("/samples/aggregate?points={},{}&{SPAN}&buckets=1", mine.point, theirs.point));
    assert_eq!(buckets["items"].as_array().map(Vec::len), Some(1));

    // And nothing of theirs has changed.
    let rows = b.get(&format!("/samples?point={}&{SPAN}", theirs.point));
    assert_eq!(rows["items"], json!([{ "time": "2026-01-01T00:00:00Z", "value": 2.5, "quality": 0 }]));
}

#[test]
fn live_values_stay_at_home() {
    let node = Node::start("organisations-live");
    let (one, two) = (node.organisation("Works One"), node.organisation("Works Two"));
    let (a, b) = (node.client(one, Role::Engineer), node.client(two, Role::Engineer));
    let point = |c: &Client| {
        id(&c.post("/points", json!({ "points": [{ "name": "level", "value_type": "f64" }] }))["items"][0])
    };
    let (mine, theirs) = (point(&a), point(&b));
    node.block_on(async {
        use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
        let mut request = a.websocket().into_client_request().expect("a request");
        let bearer = format!("Bearer {}", a.token());
        request.headers_mut().insert("authorization", bearer.parse().expect("a header"));
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a live connection");
        let ask = json!({ "subscribe": [mine, theirs] }).to_string();
        socket.send(Message::text(ask)).await.expect("sent");
        let first = socket.next().await.expect("a frame").expect("a frame");
        assert_eq!(first.to_text().expect("text"), r#"{"samples":[]}"#);
        let (a, b, m, t) = (a.clone(), b.clone(), mine.clone(), theirs.clone());
        tokio::task::spawn_blocking(move || {
            store(&b, &t, 2.0);
            store(&a, &m, 1.0);
        })
        .await
        .expect("stored");
        let frame = tokio::time::timeout(Duration::from_secs(5), socket.next()).await.expect("in time");
        let frame: Value =
            serde_json::from_str(frame.expect("a frame").expect("a frame").to_text().expect("text"))
                .expect("JSON");
        assert_eq!(frame["samples"].as_array().map(Vec::len), Some(1), "{frame}");
        assert_eq!(frame["samples"][0]["point"], json!(mine));
    });
}
