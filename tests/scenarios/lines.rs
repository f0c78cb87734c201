//! Line protocol at its door: what clients of InfluxDB 1 and 2 send is stored, and what cannot be is named.

use access::Role;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use std::io::Write;

use crate::support::{client::Client, node::Node};

fn write(client: &Client, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let answer = client.at_root().try_send_bytes("POST", path, headers, body.to_vec());
    let (status, bytes) = answer.expect("the node answers");
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn rows(client: &Client, sql: &str) -> Value {
    client.post("/query", json!({ "sql": sql }))["rows"].clone()
}

const STORED: &str = "select point, to_unixtime(time), value, text, boolean from samples order by 1, 2";

#[test]
fn both_versions_write_packed_and_plain() {
    let node = Node::start("lines");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Engineer);
    let (status, _) = write(
        &client,
        "/write?db=telegraf&precision=s&consistency=any",
        &[],
        b"cpu,host=a usage=1.5,cores=8i 10\ncpu,host=b usage=2 10",
    );
    assert_eq!(status, 204);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed
        .write_all(b"cpu,host=a usage=3 11000\nstate,host=a up=true,why=\"start, \\\"now\\\"\" 11000\n")
        .unwrap();
    let (status, _) = write(
        &client,
        "/api/v2/write?org=x&bucket=y&precision=ms",
        &[("content-encoding", "gzip"), ("content-type", "text/plain; charset=utf-8")],
        &packed.finish().unwrap(),
    );
    assert_eq!(status, 204);
    let expected = json!([
        ["cpu.host.a.cores", "10", 8.0, null, null],
        ["cpu.host.a.usage", "10", 1.5, null, null],
        ["cpu.host.a.usage", "11", 3.0, null, null],
        ["cpu.host.b.usage", "10", 2.0, null, null],
        ["state.host.a.up", "11", 1.0, null, true],
        ["state.host.a.why", "11", null, "start, \"now\"", null]
    ]);
    assert_eq!(rows(&client, STORED), expected);
    // The same lines again change nothing.
    write(&client, "/write?precision=s", &[], b"cpu,host=b usage=2 10");
    assert_eq!(rows(&client, STORED), expected);
    // Points are like any other: found, put to an asset, read through the API.
    let found = client.get("/points?search=cpu.host.b");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");

    // What an InfluxDB 1 client says before it writes.
    for (path, form) in [
        ("/query?q=CREATE%20DATABASE%20%22telegraf%22", b"".as_slice()),
        ("/query", b"q=CREATE+DATABASE+%22telegraf%22"),
    ] {
        let (status, answer) = write(&client, path, &[], form);
        assert_eq!((status, &answer["results"][0]["statement_id"]), (200, &json!(0)));
    }
    assert_eq!(write(&client, "/query?q=SELECT%20*%20FROM%20cpu", &[], b"").0, 422);
    let ping = node.anybody().at_root().try_send_bytes("GET", "/ping", &[], Vec::new());
    assert_eq!(ping.map(|answer| answer.0), Some(204));
}

#[test]
fn a_bad_line_is_named_and_the_rest_is_kept() {
    let node = Node::start("lines-bad");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Engineer);
    let body = b"m,t=a f=1 1\nm,t=a f=\nm,t=a f=2 x\n\nm,t=a g=\"open 1\nm,t=a f=3 3\nm,t=a f=t 4";
    let (status, answer) = write(&client, "/write", &[], body);
    assert_eq!(status, 400, "{answer}");
    let message = answer["error"].as_str().unwrap();
    assert_eq!(answer["error"], answer["message"]);
    for part in [
        "2 values are stored",
        "dropped=4 lines",
        "line 2: ",
        "line 3: ",
        "line 5: ",
        "line 7: `m,t=a`: field `f`",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(rows(&client, "select value from samples order by time"), json!([[1.0], [3.0]]));
    for (path, headers, status) in [
        ("/write?precision=days", &[][..], 400),
        ("/write", &[("content-encoding", "br")][..], 415),
        ("/write", &[("content-encoding", "gzip")][..], 422),
    ] {
        let (found, answer) = write(&client, path, headers, b"m f=1");
        assert_eq!(found, status, "{path}: {answer}");
        assert!(answer["message"].as_str().is_some_and(|text| text.contains(": ")), "{answer}");
    }
    assert_eq!(write(&client, "/write", &[], b"").0, 204, "nothing is no mistake");
}

#[test]
fn only_who_may_and_only_at_home() {
    let node = Node::start("lines-orgs");
    let (one, two) = (node.organisation("Works One"), node.organisation("Works Two"));
    let (a, b) = (node.client(one, Role::Engineer), node.client(two, Role::Engineer));
    assert_eq!(write(&a, "/write", &[], b"m f=1 1").0, 204);
    assert_eq!(write(&b, "/write", &[], b"m f=2 2").0, 204);
    assert_eq!(rows(&a, "select point, value from samples"), json!([["m.f", 1.0]]));
    assert_eq!(rows(&b, "select point, value from samples"), json!([["m.f", 2.0]]));
    let (status, answer) = write(&node.client(one, Role::Operator), "/write", &[], b"m f=1 1");
    assert_eq!((status, answer["code"].as_str()), (403, Some("forbidden")), "{answer}");
    // Clients show the reason that they find at these names.
    assert!(
        answer["message"].as_str().is_some_and(|why| why.contains("permission"))
            && answer["error"] == answer["message"]
    );
    assert_eq!(write(&node.anybody(), "/write", &[], b"m f=1 1").0, 401);

    // A token for the writer, by each way that clients send it.
    let made = a.post("/tokens", json!({ "name": "telegraf", "role": "engineer" }));
    let token = made["token"].as_str().unwrap();
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("telegraf:{token}")));
    for (number, header) in [format!("Token {token}"), format!("Bearer {token}"), basic].iter().enumerate() {
        let line = format!("m f={number} {}", number + 10);
        let headers = [("authorization", header.as_str())];
        assert_eq!(write(&node.anybody(), "/api/v2/write", &headers, line.as_bytes()).0, 204, "{header}");
    }
    assert_eq!(rows(&a, "select count(*) from samples"), json!([["4"]]));
    a.send("DELETE", &format!("/tokens/{}", made["id"].as_str().unwrap()), None);
    let headers = [("authorization", &*format!("Token {token}"))];
    assert_eq!(write(&node.anybody(), "/write", &headers, b"m f=1 1").0, 401);
}

#[test]
fn points_that_went_or_changed_are_found_anew() {
    let node = Node::start("lines-points");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Engineer);
    assert_eq!(write(&client, "/write", &[], b"m f=1,g=1i 1").0, 204);
    let ids = |name: &str| {
        client.get(&format!("/points?search={name}"))["items"][0]["id"].as_str().unwrap().to_string()
    };
    let (f, g) = (ids("m.f"), ids("m.g"));
    assert_eq!(client.send("DELETE", &format!("/points/{f}"), None).0, 204);
    // Its first value makes it again; the other goes on.
    assert_eq!(write(&client, "/write", &[], b"m f=2,g=2i 2").0, 204);
    assert_ne!(ids("m.f"), f);
    assert_eq!(ids("m.g"), g);
    assert_eq!(
        rows(&client, "select point, value from samples order by 1, time"),
        json!([["m.f", 2.0], ["m.g", 1.0], ["m.g", 2.0]])
    );
}

#[test]
fn two_writers_of_one_new_series_make_its_points_once() {
    let node = Node::start("lines-race");
    let org = node.organisation("Works One");
    let client = node.client(org, Role::Engineer);
    let lines = |writer: usize| -> String {
        (0..200).map(|series| format!("m,t={series} f={writer},g={writer} {}\n", writer + 1)).collect()
    };
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (client, body) = (client.clone(), lines(writer));
            scope.spawn(move || assert_eq!(write(&client, "/write", &[], body.as_bytes()).0, 204));
        }
    });
    assert_eq!(
        rows(&client, "select count(*), count(distinct point) from samples"),
        json!([["1600", "400"]])
    );
    assert_eq!(rows(&client, "select count(*) from points"), json!([["400"]]));
}
