//! The real Telegraf writes line protocol into the real binary, which is killed meanwhile: every value is there afterwards.

use serde_json::{Value, json};
use std::process::Command;

use crate::{
    peers::peer,
    soak::Soak,
    support::{binary::sinew, skipped},
};

/// As `run.py` says that Telegraf could not be built.
const NOT_BUILT: i32 = 3;

/// Runs `tests/peers/telegraf/run.py`; gives what it counted, or why there is no Telegraf.
fn run(seconds: u32, down_s: u32) -> Result<Value, String> {
    let output = Command::new("python3")
        .arg("-B")
        .arg(peer("telegraf").join("run.py"))
        .arg("--sinew")
        .arg(sinew())
        .args(["--seconds", &seconds.to_string(), "--down", &down_s.to_string(), "--late", "2"])
        .output()
        .expect("Python starts");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(NOT_BUILT) {
        return Err(why.into_owned());
    }
    assert!(output.status.success(), "{said}{why}");
    Ok(serde_json::from_str(said.trim()).expect("one line of JSON"))
}

#[test]
fn nothing_is_lost() {
    match run(20, 2) {
        Ok(counted) => {
            println!("{counted}");
            assert!(counted["values"].as_u64().is_some_and(|values| values > 2_000), "{counted}");
        }
        Err(why) => skipped("telegraf", &why),
    }
}

#[test]
#[ignore = "soak: Telegraf writes for ten minutes, the node is killed twice: no value is missing or different"]
fn soak_telegraf() {
    let mut soak = Soak::long("telegraf", 1);
    let counted = run(600, 15).expect("Telegraf can be built");
    soak.count(counted["values"].as_u64().unwrap_or_default());
    soak.write(json!({ "run": counted }));
    soak.end();
}
