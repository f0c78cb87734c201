//! The PostgreSQL door with clients that other people wrote: psycopg with pandas, pgjdbc, and what Grafana sends through both.
//! What each finds is compared with what HTTP says. `known.json` beside the programs names the checks that do not pass.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use access::Role;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    peers::{cache, peer, python, run, unless_ci},
    support::{client::Client, node::Node, skipped},
};

/// pgjdbc and the program that asks with it: where their classes are.
fn jdbc() -> Result<[PathBuf; 2], String> {
    let (sources, cache) = (peer("postgres"), cache("postgres")?);
    let (jars, classes) = (cache.join("jars"), cache.join(format!("classes-{}", std::process::id())));
    let pinned = std::fs::read_to_string(sources.join("jars.sha256")).map_err(|e| e.to_string())?;
    let jar = jars.join(pinned.split_whitespace().nth(1).ok_or("jars.sha256 names no jar")?);
    if !jar.exists() {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "dependency:copy-dependencies"]).current_dir(&cache);
        maven.arg(format!("-DoutputDirectory={}", jars.display())).arg("-f").arg(sources.join("pom.xml"));
        run(&mut maven, "pgjdbc could not be fetched: install Maven, and connect to its repository once")?;
    }
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--quiet"]).arg(sources.join("jars.sha256")).current_dir(&jars);
    run(&mut check, "pgjdbc is not the one that is pinned: remove it and fetch it again")?;
    let mut compile = Command::new("javac");
    compile.arg("-cp").arg(&jar).arg("-d").arg(&classes);
    compile.args(["Ask.java", "Peer.java"].map(|name| sources.join(name)));
    run(&mut compile, "the program for pgjdbc does not compile: install a JDK of 17 or later")?;
    Ok([jar, classes])
}

/// Rows of each point, a second apart, the newest ten seconds ago: the programs look at what came last.
const ROWS: i64 = 900;

/// Points of every type; some values are Bad, infinite, or none.
fn fill(client: &Client) {
    let types = [
        ("level", "f64"),
        ("speed", "f32"),
        ("total", "u64"),
        ("offset", "i64"),
        ("on", "bool"),
        ("state", "string"),
        ("raw", "bytes"),
    ];
    let config = json!({ "transport": "tcp", "host": "127.0.0.1", "port": 1, "unit_id": 1 });
    let meter = json!({ "name": "meter", "driver": "modbus", "enabled": false, "config": config });
    let meter = client.post("/devices", meter);
    let points = types.map(|(name, of)| match of {
        "f64" => json!({ "name": name, "value_type": of, "unit": "m", "device": meter["id"], "address": "40001 float64" }),
        "f32" => json!({ "name": name, "value_type": of, "device": meter["id"], "address": "40011 float32" }),
        _ => json!({ "name": name, "value_type": of }),
    });
    let made = client.post("/points", json!({ "points": points }))["items"].clone();
    #[allow(clippy::disallowed_methods, reason = "the node beside it goes by the clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let newest_ns = (now.as_secs() as i64 - 10) * 1_000_000_000;
    let mut rows = Vec::new();
    for (point, (_, of)) in made.as_array().unwrap().iter().zip(types) {
        for row in 0..ROWS {
            let value = match of {
                "f64" | "f32" if row % 100 == 7 => json!("inf"),
                "f64" | "f32" => json!((row % 40) as f64 / 4.0 - 2.0),
                "u64" | "i64" => json!((row * 1_000).to_string()),
                "bool" => json!(row % 3 == 0),
                "string" => json!(["run", "idle", "3 号, \"停\""][(row / 60 % 3) as usize]),
                _ => json!("00ff"),
            };
            let quality = if row % 50 == 3 { 0x8000_0000_u32 } else { 0 };
            let time = types::Time(newest_ns - (ROWS - row) * 1_000_000_000);
            rows.push(json!({ "point": point["id"], "time": time, "value": value, "quality": quality }));
        }
    }
    client.post("/samples", json!({ "rows": rows }));
    client.post("/assets", json!({ "kind": "site", "name": { "en": "North" }, "zone": "Europe/Berlin" }));
}

/// A node with data, and a token for who only reads.
struct Rig {
    node: Node,
    token: String,
    api: String,
}

impl Rig {
    fn new(name: &str) -> Rig {
        let node = Node::start(name);
        let client = node.client(node.organisation("Works One"), Role::Admin);
        fill(&client);
        let token = client.post("/tokens", json!({ "name": "bi", "role": "viewer" }))["token"].clone();
        let api = format!("http://{}/api/v1", client.address());
        Rig { node, token: token.as_str().unwrap().into(), api }
    }

    /// Runs a program with more arguments; gives how many it checked. Nothing fails but what is known to.
    fn check(&self, which: &str, command: &mut Command) -> u64 {
        let output = command
            .env("PGPASSWORD", &self.token)
            .env("SINEW_API", &self.api)
            // Other tests run beside it: what is cancelled ends long before the limit of a query, no more.
            .env("LIMIT_S", "30")
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let found: Value =
            said.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| {
                panic!("{said}{}", String::from_utf8_lossy(&output.stderr));
            });
        let known = std::fs::read_to_string(peer("postgres").join("known.json")).expect("known.json");
        let known: Value = serde_json::from_str(&known).expect("known.json is JSON");
        let known: BTreeSet<&str> =
            known[which].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let failed = found["failed"].as_array().unwrap();
        let names: BTreeSet<&str> = failed.iter().filter_map(|failed| failed["what"].as_str()).collect();
        let news: Vec<&Value> =
            failed.iter().filter(|failed| !known.contains(failed["what"].as_str().unwrap())).collect();
        assert!(news.is_empty(), "{which}: {}", serde_json::to_string_pretty(&news).unwrap());
        // One that has come to pass leaves the list.
        assert_eq!(names, known, "{which}");
        println!("{which}: {} checked, {} of them known not to pass", found["checked"], failed.len());
        found["checked"].as_u64().unwrap()
    }

    fn psycopg(&self, python: &Path) -> u64 {
        let at = self.node.postgres();
        let mut command = Command::new(python);
        command.arg("-B").arg(peer("postgres").join("ask.py"));
        command.args([at.ip().to_string(), at.port().to_string(), "anybody".into()]);
        self.check("psycopg", &mut command)
    }

    fn pgjdbc(&self, program: &[PathBuf; 2]) -> u64 {
        let at = self.node.postgres();
        let mut command = Command::new("java");
        command.arg("-cp").arg(std::env::join_paths(program).expect("paths")).arg("Ask");
        command.args([at.ip().to_string(), at.port().to_string(), "anybody".into()]);
        command.arg(peer("postgres").join("grafana.sql"));
        self.check("pgjdbc", &mut command)
    }
}

#[test]
fn clients_of_postgresql_get_what_they_ask_for() {
    let Some(python) = unless_ci(python("postgres")) else { return };
    let rig = Rig::new("clients");
    assert!(rig.psycopg(&python) > 250);
    match jdbc() {
        Ok(jdbc) => assert!(rig.pgjdbc(&jdbc) > 200),
        Err(why) => skipped("pgjdbc", &why),
    }
}
