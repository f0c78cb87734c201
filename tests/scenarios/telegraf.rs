//! The real Telegraf writes line protocol into the real binary, which is killed meanwhile: every value is there afterwards.

use serde_json::{Value, json};
use std::process::Command;

use crate::{peers::peer, soak::Soak, support::binary::sinew};

/// Runs `tests/peers/telegraf/run.py`; gives what it counted.
fn run(seconds: u32, down_s: u32) -> Value {
    let output = Command::new("python3")
        .arg("-B")
        .arg(peer("telegraf").join("run.py"))
        .arg("--sinew")
        .arg(sinew())
        .args(["--seconds", &seconds.to_string(), "--down", &down_s.to_string(), "--late", "2"])
        .output()
        .expect("Python starts");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{why}");
    serde_json::from_str(said.trim()).expect("one line of JSON")
}

#[test]
fn nothing_is_lost() {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    if !is_ci && Command::new("go").arg("version").output().is_err() {
        println!("passed over: Go is needed to build Telegraf");
        return;
    }
    let counted = run(20, 2);
    println!("{counted}");
    assert!(counted["values"].as_u64().unwrap() > 2_000, "{counted}");
}

#[test]
#[ignore = "soak: Telegraf writes for ten minutes, the node is killed twice: no value is missing or different"]
fn soak_telegraf() {
    let mut soak = Soak::long("telegraf", 1);
    let counted = run(600, 15);
    soak.count(counted["values"].as_u64().unwrap());
    soak.write(json!({ "run": counted }));
    soak.end();
}
