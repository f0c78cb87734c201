//! Faults a plant has: a device that goes away and comes back, a disk that fills up and is freed.

use access::Role;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::{
    peers::{Program, Server, libmodbus, pymodbus, unless_ci},
    soak::Soak,
    support::{
        TempDir,
        binary::Process,
        client::{Client, id},
        eventually,
        node::Node,
    },
};

/// From accepting connections again to the first Good value.
const BACK_WITHIN: Duration = Duration::from_secs(5);

fn add_device(client: &Client, port: u64, address: &str) -> (String, String) {
    let config =
        json!({ "transport": "tcp", "host": "127.0.0.1", "port": port, "unit_id": 1, "timeout_ms": 1000 });
    let device =
        id(&client.post("/devices", json!({ "name": "meter", "driver": "modbus", "config": config })));
    let point =
        json!({ "name": "x", "device": device, "address": address, "value_type": "u64", "period_ms": 200 });
    let points = client.post("/points", json!({ "points": [point] }));
    (device, id(&points["items"][0]))
}

fn latest(client: &Client, point: &str) -> Value {
    client.get(&format!("/samples/latest?points={point}"))["items"][0].clone()
}

fn is_good(latest: &Value) -> bool {
    latest["quality"] == json!(0) && !latest["value"].is_null()
}

/// Kills and restarts a peer; each time one Bad transition, and back in time.
fn comes_back(mut soak: Soak, program: &Program) {
    let node = Node::start(soak.name());
    let client = node.client(node.organisation("Works One"), Role::Engineer);
    let mut server = Server::start(program, 0);
    let (device, point) = add_device(&client, server.port(), "40001 uint16");
    eventually("the first value", 10, || is_good(&latest(&client, &point)).then_some(()));
    let from = "2020-01-01T00:00:00Z";
    let mut slowest = Duration::ZERO;
    while soak.more() {
        server.kill();
        eventually("a Bad quality", 10, || (!is_good(&latest(&client, &point))).then_some(()));
        assert!(!latest(&client, &point)["value"].is_null(), "the last value stays");
        // One outage of 90 s in a long run: the back-off must not have grown beyond its bound.
        let long = soak.is_long() && soak.cycle() == 0;
        let away = if long { 90_000 } else { soak.random(0, 3_000) };
        std::thread::sleep(Duration::from_millis(away));
        server.start_again();
        let accepting = Instant::now();
        eventually("a Good value again", 20, || is_good(&latest(&client, &point)).then_some(()));
        let took = accepting.elapsed();
        assert!(took <= BACK_WITHIN, "back after {took:?}");
        slowest = slowest.max(took);
        soak.count(soak.cycle() + 1);
        soak.write(json!({ "slowest_back_ms": slowest.as_millis() as u64 }));
        let rows =
            client.get(&format!("/samples?point={point}&from={from}&to=2100-01-01T00:00:00Z&limit=900000"));
        let bad = rows["items"].as_array().expect("rows").iter().filter(|r| r["quality"] != json!(0)).count();
        let here = soak.cycle() as usize - soak.cycle_before() as usize;
        assert_eq!(bad, here, "one Bad row for each outage");
    }
    let health = client.get(&format!("/devices/{device}"))["health"].clone();
    assert_eq!(health["state"], "online", "{health}");
    println!("back after {slowest:?} at the slowest");
    soak.end();
}

#[test]
fn pymodbus_comes_back() {
    if let Some(program) = unless_ci(pymodbus(&["--unit", "1", "--base", "0"])) {
        comes_back(Soak::short("reconnect-pymodbus", 3), &program);
    }
}

#[test]
#[ignore = "soak: a pymodbus device killed 20 times, once for 90 s"]
fn soak_reconnect_pymodbus() {
    if let Some(program) = unless_ci(pymodbus(&["--unit", "1", "--base", "0"])) {
        comes_back(Soak::long("reconnect-pymodbus", 20), &program);
    }
}

#[test]
fn libmodbus_comes_back() {
    if let Some(program) = unless_ci(libmodbus()) {
        comes_back(Soak::short("reconnect-libmodbus", 3), &program);
    }
}

#[test]
#[ignore = "soak: a libmodbus device killed 20 times, once for 90 s"]
fn soak_reconnect_libmodbus() {
    if let Some(program) = unless_ci(libmodbus()) {
        comes_back(Soak::long("reconnect-libmodbus", 20), &program);
    }
}

/// A file system of a few MiB in memory.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn make() -> Option<SmallDisk> {
        let dir = TempDir::new("small-disk");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(dir.path())
            .status();
        mounted.is_ok_and(|s| s.success()).then_some(SmallDisk(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_goes_on_reading_and_heals() {
    let Some(disk) = SmallDisk::make() else {
        println!("mounts are not allowed here; the historian's simulated disk covers a full disk");
        return;
    };
    let node = Process::serve(&disk.0.path().join("data"), &[]);
    let client = node.set_up();
    let made = client.post("/points", json!({ "points": [{ "name": "x", "value_type": "string" }] }));
    let point = id(&made["items"][0]);
    let row = |second: u64, text: &str| {
        let time = types::Time::from_unix_ms(1_767_225_600_000 + second as i64 * 1_000);
        json!({ "rows": [{ "point": point, "time": time, "value": text }] })
    };
    client.post("/samples", row(0, "before"));
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![0_u8; 40 << 20]).expect("half the disk");
    let chunk = "x".repeat(1 << 20);
    let mut second = 0;
    let refused = eventually("a refusal", 60, || {
        second += 1;
        let (status, answer) = client.send("POST", "/samples", Some(&row(second, &chunk)));
        (status != 204).then_some((status, answer))
    });
    assert_eq!((refused.0, &refused.1["code"]), (507, &json!("storage.refused")), "{}", refused.1);
    assert!(refused.1["detail"].as_str().is_some_and(|d| d.contains("free space")), "{}", refused.1);
    let (status, health) = node.client.send("GET", "/health", None);
    assert_eq!((status, &health["status"]), (503, &json!("degraded")), "the node says so");
    let rows =
        client.get(&format!("/samples?point={point}&from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:01Z"));
    assert_eq!(rows["items"][0]["value"], "before", "reading goes on");
    std::fs::remove_file(&filler).expect("space is freed");
    eventually("appends again", 10, || {
        (client.send("POST", "/samples", Some(&row(9_000, "after"))).0 == 204).then_some(())
    });
    assert_eq!(latest(&client, &point)["value"], "after");
    assert_eq!(node.client.send("GET", "/health", None).0, 200, "healed");
}
