//! SQL, case by case: the files of `tests/slt`, whose format and data its README describes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use access::Role;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

use crate::support::{client::Client, node::Node};

const HOURS: i64 = 24;
/// 2026-03-28T23:00:00Z.
const START_S: i64 = 1_774_738_800;

fn fill(client: &Client) {
    let site =
        client.post("/assets", json!({ "kind": "site", "name": { "en": "North" }, "zone": "Europe/Berlin" }));
    let pump = json!({ "kind": "asset", "name": { "en": "Pump" }, "parent": site["id"] });
    let pump = client.post("/assets", pump);
    let points = json!([
        { "name": "level", "value_type": "f64", "unit": "m", "asset": pump["id"] },
        { "name": "state", "value_type": "string" },
        { "name": "total", "value_type": "u64" },
    ]);
    let made = client.post("/points", json!({ "points": points }))["items"].clone();
    let row = |point: usize, hour: i64, value: Value, quality: u32| {
        let time = types::Time((START_S + hour * 3_600) * 1_000_000_000);
        json!({ "point": made[point]["id"], "time": time, "value": value, "quality": quality })
    };
    let mut rows = Vec::new();
    for hour in 0..HOURS {
        rows.push(row(0, hour, json!(hour as f64), if hour == 5 { 0x8000_0000 } else { 0 }));
        rows.push(row(1, hour, json!(if hour < 10 { "run" } else { "idle" }), 0));
    }
    for hour in 0..3 {
        rows.push(row(2, hour, json!((18_446_744_073_709_551_000_u64 + hour as u64).to_string()), 0));
    }
    client.post("/samples", json!({ "rows": rows }));
}

/// One record of a file.
struct Case {
    place: String,
    sql: String,
    expected: Expected,
}

enum Expected {
    Rows { lines: Vec<String>, sorted: bool },
    Error(String),
}

fn cases(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = (1..).zip(text.lines());
    let mut found = Vec::new();
    while let Some((number, head)) = lines.next() {
        if head.is_empty() || head.starts_with('#') {
            continue;
        }
        let place = format!("{}:{number}", file.file_name().unwrap().display());
        let mut words = head.split_whitespace();
        let kind = words.next().unwrap();
        let detail = words.next();
        let mut block = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.is_empty());
        let sql: Vec<&str> = block.by_ref().take_while(|line| *line != "----").collect();
        let expected = match (kind, detail) {
            ("query", None | Some("rowsort")) => {
                Expected::Rows { lines: block.map(str::to_string).collect(), sorted: detail.is_some() }
            }
            ("error", Some(code)) => Expected::Error(code.to_string()),
            _ => panic!("{place}: `{head}` is neither `query`, `query rowsort` nor `error CODE`"),
        };
        found.push(Case { place, sql: sql.join("\n"), expected });
    }
    found
}

fn cell(cell: &Value) -> String {
    match cell {
        Value::Null => "NULL".into(),
        Value::String(text) if text.is_empty() => "(empty)".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn check(client: &Client, case: &Case) -> Result<(), String> {
    let (status, answer) = client.try_send("POST", "/query", Some(&json!({ "sql": case.sql }))).unwrap();
    let wrong = |what: String| Err(format!("{}: {}\n{what}", case.place, case.sql));
    match &case.expected {
        Expected::Error(code) if answer["code"] == json!(code) => Ok(()),
        Expected::Error(code) => wrong(format!("expected {code}, got {status}: {answer}")),
        Expected::Rows { lines, sorted } => {
            let rows = answer["rows"].as_array().cloned().unwrap_or_default();
            let line = |row: &Value| -> String {
                row.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>().join(" ")
            };
            let (mut rows, mut lines) = (rows.iter().map(line).collect::<Vec<_>>(), lines.clone());
            if *sorted {
                rows.sort();
                lines.sort();
            }
            if status == 200 && rows == lines {
                return Ok(());
            }
            wrong(format!(
                "expected\n{}\ngot {status}\n{}\n{}",
                lines.join("\n"),
                rows.join("\n"),
                answer["detail"]
            ))
        }
    }
}

#[test]
fn every_case_of_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "slt"));
    files.sort();
    let node = Node::start("slt");
    let client = node.client(node.organisation("Works One"), Role::Admin);
    fill(&client);
    // In memory, and as it lies on disk.
    for _ in 0..2 {
        let cases: Vec<Case> = files.iter().flat_map(|file| cases(file)).collect();
        assert!(cases.len() > 25);
        let wrong: Vec<String> = cases.iter().filter_map(|case| check(&client, case).err()).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        node.block_on(node.historian.flush()).expect("the disk takes it");
    }
}
