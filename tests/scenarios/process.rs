//! The binary as a process: first start, kill, start again.

use serde_json::json;
use std::time::Duration;

use crate::support::{TempDir, binary::Process, client::id};

#[test]
fn first_start_then_kill_then_everything_is_there() {
    let dir = TempDir::new("process");
    let process = Process::serve(dir.path(), &[]);
    assert_eq!(process.client.send("GET", "/devices", None).0, 401);
    let admin = process.set_up();
    let wrong = process.client.send(
        "POST",
        "/setup",
        Some(&json!({ "code": "AAAA-AAAA", "organisation": "x",
        "name": "y", "password": "correct horse battery" })),
    );
    assert!(wrong.0 >= 400, "a second setup is refused: {}", wrong.1);
    let points =
        admin.post("/points", json!({ "points": [{ "name": "level", "value_type": "f64", "unit": "m" }] }));
    let point = id(&points["items"][0]);
    admin.post(
        "/samples",
        json!({ "rows": [{ "point": point, "time": "2026-01-01T00:00:00Z", "value": 1.5 }] }),
    );
    process.kill();

    let started = std::time::Instant::now();
    let process = Process::serve(dir.path(), &[]);
    assert!(started.elapsed() < Duration::from_secs(10), "a start after a kill is quick");
    assert!(process.setup_code.is_none(), "the setup code was used");
    let admin = process.sign_in();
    let latest = admin.get(&format!("/samples/latest?points={point}"));
    assert_eq!(latest["items"][0]["value"], json!(1.5));
    assert_eq!(admin.get("/session")["organisation"]["name"], "Works One");
}

#[test]
fn a_wrong_configuration_says_where_and_what_is_right() {
    let dir = TempDir::new("process-config");
    let file = dir.path().join("sinew.toml");
    std::fs::write(&file, "[server]\nport = 1\n").expect("written");
    let output = std::process::Command::new(crate::support::binary::sinew())
        .args(["serve", "--config"])
        .arg(&file)
        .output()
        .expect("it runs");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        message.contains("line 2") && message.contains("port") && message.contains("server.listen"),
        "{message}"
    );
}

#[test]
fn an_open_address_needs_tls() {
    let dir = TempDir::new("process-tls");
    let output = std::process::Command::new(crate::support::binary::sinew())
        .arg("serve")
        .env("SINEW_SERVER_LISTEN", "0.0.0.0:0")
        .env("SINEW_STORAGE_DIR", dir.path())
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("TLS"));
}
