//! Benches: `poll` and `idle`. Each runs the release binary as a process and reads its CPU time and memory from /proc.
#![allow(clippy::print_stdout, reason = "this is a command line")]

mod calibration;
#[path = "../../tests/scenarios/support/client.rs"]
#[allow(dead_code, reason = "shared with the scenarios, which use all of it")]
mod client;
mod idle;
mod node;
mod poll;

use serde_json::{Value, json};

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("poll") => poll::run(),
        Some("idle") => idle::run(),
        Some("simulator") => poll::simulator(),
        _ => println!("poll | idle: see bench/README.md"),
    }
}

/// Writes `bench/results/<name>.json`, with what any figure needs beside it.
fn report(name: &str, figures: Value, calibration: &calibration::Calibration) {
    let output = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let result = json!({
        "name": name, "commit": commit, "load": load.trim(), "figures": figures,
        "calibration": { "fdatasync_p50_ms": calibration.fdatasync_p50_ms, "ping_pong_p50_us": calibration.ping_pong_p50_us },
        "measured": calibration.is_quiet(),
    });
    let text = serde_json::to_string_pretty(&result).expect("JSON");
    println!("{text}");
    if !calibration.is_quiet() {
        println!("NOT MEASURED: the machine is too busy (see calibration); run it again");
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&folder).expect("the results folder can be made");
    std::fs::write(folder.join(format!("{name}.json")), text + "\n").expect("the result can be written");
}
