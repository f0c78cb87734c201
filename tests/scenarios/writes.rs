//! Writing to a machine: off by default, every rule, two steps, read-back, and 禁止下发.

use access::Role;
use driver_modbus::{
    pdu::Table,
    sim::{Behaviour, Image, serve},
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::support::{
    TempDir,
    binary::Process,
    client::{Client, id},
    eventually,
    node::Node,
};

struct Rig {
    node: Node,
    engineer: Client,
    operator: Client,
    admin: Client,
    device: String,
    point: String,
    behaviour: Behaviour,
    image: Arc<Image>,
}

/// A node, a simulated device with one register that is 50, and a point on it that is scaled by 0.1.
fn rig(name: &str) -> Rig {
    let node = Node::start(name);
    let org = node.organisation("Works One");
    let clients = [Role::Engineer, Role::Operator, Role::Admin].map(|role| node.client(org, role));
    let [engineer, operator, admin] = clients;
    let image = Arc::new(Image::default());
    image.set(1, Table::HoldingRegisters, 0, &[50]);
    let behaviour = Behaviour::tcp(runtime::host_clock());
    let port = node.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(serve(listener, image.clone(), behaviour.clone()));
        port
    });
    let config =
        json!({ "transport": "tcp", "host": "127.0.0.1", "port": port, "unit_id": 1, "timeout_ms": 4000 });
    let device =
        id(&engineer.post("/devices", json!({ "name": "pump", "driver": "modbus", "config": config })));
    let point = json!({ "name": "setpoint", "device": device, "address": "40001 uint16", "value_type": "f64",
                        "unit": "bar", "scaling": { "gain": 0.1 }, "period_ms": 100 });
    let point = id(&engineer.post("/points", json!({ "points": [point] }))["items"][0]);
    let rig = Rig { node, engineer, operator, admin, device, point, behaviour, image };
    rig.wait_for(5.0);
    rig
}

impl Rig {
    fn wait_for(&self, value: f64) {
        eventually("the value", 10, || {
            let latest =
                self.engineer.get(&format!("/samples/latest?points={}", self.point))["items"][0].clone();
            let got = latest["value"].as_f64().filter(|_| latest["quality"] == json!(0));
            got.is_some_and(|got| (got - value).abs() < 1e-9).then_some(())
        });
    }
    fn propose(&self, value: f64) -> (u16, Value) {
        self.operator.send("POST", "/commands", Some(&json!({ "point": self.point, "value": value })))
    }
    fn refused(&self, value: f64, code: &str) {
        let (status, answer) = self.propose(value);
        assert_eq!((status, answer["code"].as_str()), (409, Some(code)), "{answer}");
    }
    fn enable(&self, policy: Value) {
        let mut device = self.engineer.get(&format!("/devices/{}", self.device))["body"].clone();
        device["writes_enabled"] = json!(true);
        self.engineer.put(&format!("/devices/{}", self.device), device);
        let mut point = self.engineer.get(&format!("/points/{}", self.point))["body"].clone();
        point["write"] = policy;
        self.engineer.put(&format!("/points/{}", self.point), point);
        let online =
            || self.engineer.get(&format!("/devices/{}", self.device))["health"]["state"] == "online";
        eventually("the device online again", 10, || online().then_some(()));
        self.wait_for(5.0);
    }
    fn confirm(&self, client: &Client, proposal: &Value) -> (u16, Value) {
        client.send("POST", &format!("/commands/{}/confirm", id(proposal)), None)
    }
    fn register(&self) -> u16 {
        use driver_modbus::sim::Registers;
        self.image.read(1, Table::HoldingRegisters, 0, 1).expect("it is there")[0]
    }
}

#[test]
fn off_by_default_then_every_rule_then_read_back() {
    let rig = rig("writes");
    rig.refused(5.2, "write.device-read-only");
    let mut device = rig.engineer.get(&format!("/devices/{}", rig.device))["body"].clone();
    device["writes_enabled"] = json!(true);
    rig.engineer.put(&format!("/devices/{}", rig.device), device);
    rig.refused(5.2, "write.point-read-only");
    rig.enable(json!({ "min": 4.0, "max": 8.0, "step": 0.5, "per_minute": 2 }));
    rig.refused(9.0, "write.out-of-range");
    rig.refused(6.0, "write.step-too-large");
    let viewer = rig.node.client(rig.node.access.organisations()[0].0, Role::Viewer);
    let body = json!({ "point": rig.point, "value": 5.2 });
    assert_eq!(viewer.send("POST", "/commands", Some(&body)).0, 403);
    assert_eq!(rig.register(), 50, "nothing was sent so far");

    let (status, proposal) = rig.propose(5.2);
    assert_eq!(status, 201, "{proposal}");
    assert_eq!((&proposal["body"]["old"], &proposal["body"]["new"]), (&json!(5.0), &json!(5.2)));
    assert_eq!(proposal["body"]["state"], "proposed");
    assert_eq!(rig.register(), 50, "a proposal sends nothing");
    let (status, answer) = rig.confirm(&rig.engineer, &proposal);
    assert_eq!(
        (status, answer["code"].as_str()),
        (403, Some("forbidden")),
        "only who proposed it confirms it"
    );
    let (status, done) = rig.confirm(&rig.operator, &proposal);
    assert_eq!((status, done["body"]["state"].as_str()), (200, Some("verified")), "{done}");
    assert_eq!(rig.register(), 52);
    rig.wait_for(5.2);
    let (status, answer) = rig.confirm(&rig.operator, &proposal);
    assert_eq!((status, answer["code"].as_str()), (409, Some("write.not-proposed")), "never twice");

    // The record: who, what, old, new, and each step as an event.
    let list = rig.engineer.get("/commands");
    assert_eq!(list["items"][0]["body"]["by"], "user:demo-operator");
    let events = rig.engineer.get("/events?limit=500").to_string();
    for name in ["command.proposed.v1", "command.sent.v1", "command.verified.v1"] {
        assert!(events.contains(name), "{name}");
    }

    let (_, second) = rig.propose(5.3);
    assert_eq!(rig.confirm(&rig.operator, &second).0, 200);
    let (_, third) = rig.propose(5.4);
    let (status, answer) = rig.confirm(&rig.operator, &third);
    assert_eq!((status, answer["code"].as_str()), (409, Some("write.too-often")), "{answer}");
}

#[test]
fn the_switch_stops_all_writing_within_a_second_and_reading_goes_on() {
    let rig = rig("writes-lock");
    rig.enable(json!({ "min": 0.0, "max": 10.0 }));
    let (_, waiting) = rig.propose(6.0);
    // The device takes its time, so that the confirmed write is still under way when the switch is set.
    rig.behaviour.faults.delay_ms.store(3_000, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(200));
    let (client, path) = (rig.operator.clone(), format!("/commands/{}/confirm", id(&waiting)));
    let confirming = std::thread::spawn(move || client.send("POST", &path, None));
    std::thread::sleep(Duration::from_millis(300));
    let set = Instant::now();
    rig.operator.put("/write-lock", json!({ "locked": true }));
    let (status, stopped) = confirming.join().expect("answered");
    assert!(set.elapsed() < Duration::from_secs(1), "stopped after {:?}", set.elapsed());
    assert_eq!((status, stopped["body"]["state"].as_str()), (200, Some("failed")), "{stopped}");
    assert_eq!(stopped["body"]["fault"]["code"], "write.stopped", "it may have reached the device");
    rig.behaviour.faults.delay_ms.store(0, Ordering::Relaxed);
    rig.refused(6.0, "write.locked");
    rig.image.set(1, Table::HoldingRegisters, 0, &[47]);
    rig.wait_for(4.7);

    let (status, answer) = rig.operator.send("PUT", "/write-lock", Some(&json!({ "locked": false })));
    assert_eq!(
        (status, answer["code"].as_str()),
        (403, Some("forbidden")),
        "operators stop, administrators start"
    );
    rig.admin.put("/write-lock", json!({ "locked": false }));
    let (_, again) = rig.propose(5.0);
    assert_eq!(rig.confirm(&rig.operator, &again).1["body"]["state"], "verified");
}

#[test]
fn a_write_that_a_kill_interrupted_is_failed_and_never_sent_again() {
    let threads = tokio::runtime::Runtime::new().expect("threads");
    let image = Arc::new(Image::default());
    image.set(1, Table::HoldingRegisters, 0, &[50]);
    let behaviour = Behaviour::tcp(runtime::host_clock());
    let port = threads.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(serve(listener, image.clone(), behaviour.clone()));
        port
    });
    let dir = TempDir::new("writes-kill");
    let process = Process::serve(dir.path(), &[]);
    let admin = process.set_up();
    let config =
        json!({ "transport": "tcp", "host": "127.0.0.1", "port": port, "unit_id": 1, "timeout_ms": 5000 });
    let device = json!({ "name": "pump", "driver": "modbus", "config": config, "writes_enabled": true });
    let device = id(&admin.post("/devices", device));
    let point = json!({ "name": "setpoint", "device": device, "address": "40001 uint16", "value_type": "u64",
                        "period_ms": 60_000, "write": { "min": 0, "max": 100 } });
    let point = id(&admin.post("/points", json!({ "points": [point] }))["items"][0]);
    let online = || admin.get(&format!("/devices/{device}"))["health"]["state"] == "online";
    eventually("the device online", 10, || online().then_some(()));
    let command = eventually("a proposal", 10, || {
        let (status, answer) =
            admin.send("POST", "/commands", Some(&json!({ "point": point, "value": "60" })));
        (status == 201).then_some(answer)
    });
    behaviour.faults.silent.store(true, Ordering::Relaxed);
    let (client, path) = (admin.clone(), format!("/commands/{}/confirm", id(&command)));
    let confirming = std::thread::spawn(move || client.try_send("POST", &path, None));
    eventually("the command on its way", 5, || {
        (admin.get("/commands")["items"][0]["body"]["state"] == "sent").then_some(())
    });
    process.kill();
    assert!(confirming.join().expect("it does not panic").is_none(), "nobody was told that it worked");
    behaviour.faults.silent.store(false, Ordering::Relaxed);
    let seen = behaviour.faults.requests.load(Ordering::Relaxed);

    let process = Process::serve(dir.path(), &[]);
    let admin = process.sign_in();
    let after = admin.get("/commands")["items"][0]["body"].clone();
    assert_eq!(
        (&after["state"], &after["fault"]["code"]),
        (&json!("failed"), &json!("write.interrupted")),
        "{after}"
    );
    eventually("the device is read again", 10, || {
        (behaviour.faults.requests.load(Ordering::Relaxed) > seen).then_some(())
    });
    use driver_modbus::sim::Registers;
    assert_eq!(image.read(1, Table::HoldingRegisters, 0, 1).expect("it is there"), [50], "not sent again");
}
