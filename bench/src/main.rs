//! Benches, the only place where speed is measured: programs run as processes, and /proc says what they cost.
#![allow(clippy::print_stdout, reason = "this is a command line")]

mod calibration;
#[path = "../../tests/scenarios/support/client.rs"]
#[allow(dead_code, reason = "shared with the scenarios, which use all of it")]
mod client;
mod harness;
mod historian;
mod idle;
mod mqtt;
mod node;
mod opcua;
mod peers;
mod poll;

use serde_json::{Value, json};

use harness::{machine, options::Options, report::Exit};

const USAGE: &str = "poll | idle | mqtt | mqtt-qos0 | mqtt-qos1 | mqtt-idle | mqtt-slow | opcua-read | historian | \
                     historian-ingest | historian-door | historian-series | historian-size | historian-read | historian-sql | historian-start: \
                     see bench/README.md";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().unwrap_or_default();
    let options = Options::parse(arguments).unwrap_or_else(|why| {
        println!("{why}");
        std::process::exit(64)
    });
    let exit = match case.as_str() {
        "poll" => poll::run(),
        "idle" => idle::run(),
        "simulator" => poll::simulator(),
        "opcua-read" => opcua::run(&options),
        "mqtt" => mqtt::CASES.iter().filter_map(|case| mqtt::run(case, &options)).max().unwrap_or(Exit::Good),
        "historian" => historian::CASES
            .iter()
            .filter_map(|case| historian::run(case, &options))
            .max()
            .unwrap_or(Exit::Good),
        case => mqtt::run(case, &options).or_else(|| historian::run(case, &options)).unwrap_or_else(|| {
            println!("{USAGE}");
            std::process::exit(64)
        }),
    };
    std::process::exit(exit.code());
}

/// Writes `bench/results/<name>.json`, with what any figure needs beside it.
fn report(name: &str, figures: Value, calibration: &calibration::Calibration) -> Exit {
    let result = json!({
        "name": name, "commit": machine::commit(), "load": machine::load(), "figures": figures,
        "calibration": calibration.to_json(), "measured": calibration.is_quiet(),
    });
    let text = serde_json::to_string_pretty(&result).expect("plain JSON");
    println!("{text}");
    if !calibration.is_quiet() {
        println!("NOT MEASURED: the machine is too busy (see calibration); run it again");
    }
    write_result(name, &text);
    Exit::Good
}

fn write_result(name: &str, text: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&folder).expect("the results folder can be made");
    std::fs::write(folder.join(format!("{name}.json")), format!("{text}\n"))
        .expect("the result can be written");
}
