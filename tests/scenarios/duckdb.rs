//! SQL against DuckDB: the same questions over the same rows, and answers equal value by value.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use access::Role;
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::Command};
use types::Time;

use crate::{
    peers::{peer, python, unless_ci},
    support::{TempDir, client::Client, dice::Dice, eventually, node::Node},
};

/// Questions that are made, beside those that are written down.
const QUERIES: usize = 200;
const SEED: usize = 2026;
/// 2026-03-27T00:00:00Z: on the third of five days the clocks of Berlin change.
const START: i64 = 1_774_569_600_000_000_000;
const DAYS: i64 = 5;
const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 1_440 * MINUTE;
const STATES: [&str; 7] = ["idle", "run", "Run", "fault 7", "", "停机", "it's 50 % _off"];
const TYPES: [(&str, &str); 7] = [
    ("level", "f64"),
    ("temperature", "f32"),
    ("energy", "u64"),
    ("offset", "i64"),
    ("valve", "bool"),
    ("note", "string"),
    ("frame", "bytes"),
];

#[test]
fn answers_equal_those_of_duckdb() {
    let Some(python) = unless_ci(python("duckdb")) else { return };
    let node = Node::start("duckdb");
    let client = node.client(node.organisation("Works One"), Role::Admin);
    let mut dice = Dice::new(7);
    let rows = write_lines(&node, &client, &mut dice) + append_rows(&client, &mut dice);
    let count = |condition: &str| {
        let sql = format!("select count(*) from samples where {condition}");
        client.post("/query", json!({ "sql": sql }))["rows"][0][0].as_str().unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(count("time < '2026-05-01'"), rows);
    // Each point of a device that is off says so, once, now.
    eventually("two points of a device that is off", 10, || {
        (count("time >= '2026-05-01'") == 2).then_some(())
    });

    let folder = TempDir::new("duckdb-export");
    let parquet = folder.path().join("samples.parquet");
    let question =
        json!({ "sql": "select * from samples order by point, time", "format": "parquet" }).to_string();
    let headers = [("content-type", "application/json")];
    let (status, bytes) = client.try_send_bytes("POST", "/query", &headers, question.into_bytes()).unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    std::fs::write(&parquet, bytes).unwrap();

    // `-B`: nothing is left beside the sources.
    let output = Command::new(python)
        .arg("-B")
        .arg(peer("duckdb").join("compare.py"))
        .args(["--base", &format!("http://{}/api/v1", client.address()), "--token", client.token()])
        .args(["--seed", &SEED.to_string(), "--count", &QUERIES.to_string()])
        .arg("--parquet")
        .arg(parquet)
        .arg("--fixed")
        .arg(peer("duckdb").join("zones.sql"))
        .arg("--fixed")
        .arg(peer("duckdb").join("mended.sql"))
        .arg("--known")
        .arg(peer("duckdb").join("known.sql"))
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{}", said.trim());
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_str(&said).expect("one line of JSON");
    let empty = found["empty"].as_u64().unwrap();
    assert!(empty < QUERIES as u64 / 2, "questions should meet rows: {empty} answers are empty");
}

/// One of [`STATES`].
fn state(dice: &mut Dice) -> &'static str {
    STATES[dice.roll(STATES.len() as u32) as usize]
}

/// Fields of a line, each there or not.
fn fields(dice: &mut Dice) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if dice.roll(8) > 0 {
        let pressure = (dice.roll(4_000) - 2_000) as f64 / 100.0;
        fields.push(("pressure", if dice.roll(40) == 0 { "-0".into() } else { pressure.to_string() }));
    }
    if dice.roll(8) > 0 {
        fields.push(("speed", format!("{}i", dice.roll(4_000) - 2_000)));
    }
    fields.push(("total", format!("{}u", dice.roll(1 << 20))));
    if dice.roll(4) > 0 {
        fields.push(("on", (dice.roll(3) > 0).to_string()));
    }
    if dice.roll(2) > 0 {
        fields.push(("state", format!("\"{}\"", state(dice))));
    }
    fields
}

/// Three series at irregular times; the second day comes last, and a tenth is then written anew, over segments. Gives how
/// many rows are there in the end.
fn write_lines(node: &Node, client: &Client, dice: &mut Dice) -> usize {
    let (mut soon, mut late, mut again) = (String::new(), String::new(), String::new());
    let mut rows = BTreeSet::new();
    for host in ["a", "b", "c"] {
        let mut line = |time: i64, dice: &mut Dice| {
            let fields = fields(dice);
            rows.extend(fields.iter().map(|(name, _)| (host, *name, time)));
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("pump,host={host},line=1 {} {time}\n", fields.join(","))
        };
        let mut time = START;
        while time < START + DAYS * DAY {
            time += match dice.roll(3) {
                0 => 5 * MINUTE,
                // An hour at most, in whole microseconds or just beside.
                _ => dice.roll(3_600_000_000 / 2) * 2_000 + i64::from(dice.roll(4) == 0),
            };
            let is_late = (START + DAY..START + 2 * DAY).contains(&time);
            let body = if is_late { &mut late } else { &mut soon };
            body.push_str(&line(time, dice));
            if dice.roll(10) == 0 {
                again.push_str(&line(time, dice));
            }
        }
    }
    for (body, stays_in_memory) in [(soon, false), (late, false), (again, true)] {
        let answer = client.at_root().try_send_bytes("POST", "/write", &[], body.into_bytes());
        let (status, bytes) = answer.expect("the node answers");
        assert_eq!(status, 204, "{}", String::from_utf8_lossy(&bytes));
        if !stays_in_memory {
            node.block_on(node.historian.flush()).expect("the disk takes it");
        }
    }
    rows.len()
}

/// Points of every type, some of a device and a machine, an hour between rows: values that are Bad, uncertain, not there, no
/// number, infinite, or longer than a float can say.
fn append_rows(client: &Client, dice: &mut Dice) -> usize {
    let site =
        client.post("/assets", json!({ "kind": "site", "name": { "en": "North" }, "zone": "Europe/Berlin" }));
    let pump = |name: &str| {
        client.post("/assets", json!({ "kind": "asset", "name": { "en": name }, "parent": site["id"] }))
    };
    let (one, two) = (pump("Pump 1"), pump("Pump 2"));
    let config = json!({ "transport": "tcp", "host": "127.0.0.1", "port": 1, "unit_id": 1 });
    let meter = json!({ "name": "meter", "driver": "modbus", "enabled": false, "config": config });
    let meter = client.post("/devices", meter);
    let points = TYPES.map(|(name, of)| {
        let mut point = json!({ "name": name, "value_type": of });
        let more = match name {
            "level" => json!({ "unit": "m", "asset": one["id"], "label": { "en": "Level of the tank" } }),
            "temperature" => {
                json!({ "unit": "Cel", "asset": two["id"], "device": meter["id"], "address": "40001 float32" })
            }
            "energy" => {
                json!({ "unit": "W.h", "asset": one["id"], "device": meter["id"], "address": "40003 uint64" })
            }
            "offset" => json!({ "unit": "W.h" }),
            "valve" => json!({ "asset": two["id"] }),
            _ => json!({}),
        };
        point.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        point
    });
    let made = client.post("/points", json!({ "points": points }))["items"].clone();
    let mut rows = Vec::new();
    for (point, (_, of)) in made.as_array().unwrap().iter().zip(TYPES) {
        for hour in 0..DAYS * 24 {
            let time = Time(START + hour * 60 * MINUTE + dice.roll(1_000) * 1_000_000);
            let mut row = json!({ "point": point["id"], "time": time, "value": value(of, dice) });
            match dice.roll(20) {
                0 | 1 => row["quality"] = json!(0x8000_0000_u32),
                2 => row["quality"] = json!(0x4000_0000_u32),
                3 => {
                    row["value"] = Value::Null;
                    row["quality"] = json!(0x8031_0000_u32);
                }
                _ => {}
            }
            rows.push(row);
        }
    }
    let count = rows.len();
    client.post("/samples", json!({ "rows": rows }));
    count
}

fn value(of: &str, dice: &mut Dice) -> Value {
    match of {
        "f64" | "f32" if dice.roll(12) == 0 => {
            [json!("NaN"), json!("inf"), json!("-inf"), json!(-0.0)][dice.roll(4) as usize].clone()
        }
        "f64" | "f32" => json!((dice.roll(4_000) - 2_000) as f64 / 64.0),
        "u64" => json!(((1_i64 << 53) + 1 + dice.roll(1 << 20)).to_string()),
        "i64" => json!(((1_i64 << 53) + 1 + dice.roll(64)).to_string()),
        "bool" => json!(dice.roll(2) == 0),
        "string" => json!(state(dice)),
        _ => {
            let byte = format!("{:02x}", dice.roll(256));
            json!(byte.repeat(dice.roll(4) as usize))
        }
    }
}
