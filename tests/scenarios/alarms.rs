//! Faults of the demo plant as an operator meets them: the real binary as `sinew demo`, values over Modbus TCP, OPC UA and
//! MQTT, and exactly the alarms that each fault should raise, which clear once it is over.

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{
    TempDir,
    binary::sinew,
    client::{Client, id},
    eventually,
};

/// A minute of the plant goes by in a second.
const SPEED: &str = "speed 60";
/// Delays of rules stay in real time: what comes and goes with the load of a machine must not do so too fast.
const SPEED_OF_LOADS: &str = "speed 10";
/// From a fault to the last of its alarms, and from its end to the last that clears. Most take a few seconds.
const RAISED_WITHIN_S: u64 = 60;
const CLEARED_WITHIN_S: u64 = 30;

/// `sinew demo` with a plant of the usual seed, on free ports.
struct Demo {
    node: Child,
    client: Client,
    control_port: u16,
    /// Name of each rule: that of the rule and of its point's device.
    rules: BTreeMap<String, String>,
    _dir: TempDir,
}

impl Demo {
    fn start(name: &str) -> Demo {
        let dir = TempDir::new(name);
        let mut node = Command::new(sinew())
            .args(["demo", "--no-browser", "--listen", "127.0.0.1:0", "--seed", "7"])
            .args(["--first-port", "0", "--control-port", "0", "--mqtt-port", "0", "--dir"])
            .arg(dir.path())
            .env("SINEW_LOG_LEVEL", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let mut said = BufReader::new(node.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let link = said.find(|line| line.contains("/#/link/")).expect("it prints a link");
        let (address, token) = link.trim().split_once("/#/link/").expect("an address and a token");
        let client = Client::new(address.trim_start_matches("http://"));
        let session = client.post("/session/link", json!({ "token": token }));
        let client = client.with_token(session["token"].as_str().expect("a session"));
        let hint =
            said.find(|line| line.contains("--port ")).expect("it says how to make something go wrong");
        let port = hint.split("--port ").nth(1).and_then(|rest| rest.split(' ').next());
        let control_port = port.and_then(|port| port.parse().ok()).expect("a port");
        let rules = rules(&client);
        let demo = Demo { node, client, control_port, rules, _dir: dir };
        demo.waits_for_everybody();
        demo
    }

    /// Every device is there, and nothing is wrong.
    fn waits_for_everybody(&self) {
        eventually("every device is online", 20, || {
            let devices = self.client.get("/devices?limit=500");
            let all = devices["items"].as_array().expect("a list");
            all.iter().all(|device| device["health"]["state"] == "online").then_some(())
        });
        assert_eq!(self.standing(), BTreeSet::new(), "nothing is wrong yet");
    }

    /// A line to the control port.
    fn say(&self, line: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control_port)).expect("the plant listens");
        stream.write_all(format!("{line}\n").as_bytes()).expect("it takes a line");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("it answers");
        assert!(answer.starts_with("ok "), "{line}: {answer}");
    }

    fn alarms(&self) -> Vec<Value> {
        let page = self.client.get("/apps/alarms?show=all&limit=500");
        page["items"].as_array().expect("a list").clone()
    }

    /// Rules whose alarm is raised and has not cleared.
    fn standing(&self) -> BTreeSet<String> {
        let alarms = self.alarms();
        let active = alarms.iter().filter(|alarm| alarm["body"]["bits"]["active"] == true);
        active.map(|alarm| self.rules[&id(alarm)].clone()).collect()
    }

    /// Rules that were ever raised.
    fn raised(&self) -> BTreeSet<String> {
        let alarms = self.alarms();
        let ever = alarms.iter().filter(|alarm| alarm["body"]["raises"].as_u64() != Some(0));
        ever.map(|alarm| self.rules[&id(alarm)].clone()).collect()
    }

    /// What there is to see of the points of some rules, for whoever has to find out why an alarm did not come.
    fn witness(&self, rules: &BTreeSet<String>) -> String {
        let alarms = self.alarms();
        let meant = alarms.iter().filter(|alarm| rules.contains(&self.rules[&id(alarm)]));
        let told = meant.map(|alarm| {
            let rule = self.client.get(&format!("/apps/alarms/rules/{}", id(alarm)));
            let point = rule["body"]["point"].as_str().unwrap_or_default();
            let latest = self.client.get(&format!("/samples/latest?points={point}"));
            format!("{}\n{}\n{alarm}", rule["body"], latest["items"][0])
        });
        let progress = self.client.get("/apps/alarms/counts");
        let devices = self.client.get("/devices?limit=500");
        let health =
            devices["items"].as_array().into_iter().flatten().map(|device| device["health"].to_string());
        told.chain([progress.to_string()]).chain(health).collect::<Vec<_>>().join("\n")
    }

    /// Does something wrong, waits for its alarms, mends it, waits until they clear; nothing else was raised.
    fn check(&self, wrong: &[&str], expected: &[&str]) {
        let started = std::time::Instant::now();
        let before = self.raised();
        let expected: BTreeSet<String> = expected.iter().map(|name| name.to_string()).collect();
        for line in wrong {
            self.say(line);
        }
        let mut last = BTreeSet::new();
        let ends = std::time::Instant::now() + Duration::from_secs(RAISED_WITHIN_S);
        while last != expected && std::time::Instant::now() < ends {
            std::thread::sleep(Duration::from_millis(100));
            last = self.standing();
        }
        assert_eq!(last, expected, "raised by {wrong:?}; {}", self.witness(&expected));
        let took = started.elapsed();
        self.say("clear");
        self.say(SPEED);
        eventually(&format!("the alarms of {wrong:?} clear"), CLEARED_WITHIN_S, || {
            self.standing().is_empty().then_some(())
        });
        let new: BTreeSet<String> = self.raised().difference(&before).cloned().collect();
        assert_eq!(new, expected, "raised by {wrong:?} and its end");
        println!("{wrong:?}: raised after {took:?}, clear after {:?}", started.elapsed());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The plant ends with its parent.
        let _gone = self.node.kill();
        let _reaped = self.node.wait();
    }
}

/// What each rule is called here: its class, and the name of its point's device.
fn rules(client: &Client) -> BTreeMap<String, String> {
    let devices = client.get("/devices?limit=500");
    let device_names: BTreeMap<String, String> = devices["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|device| (id(device), device["body"]["name"].as_str().expect("a name").to_string()))
        .collect();
    let points = client.get("/points?limit=500");
    let device_of: BTreeMap<String, String> = points["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|point| (id(point), point["body"]["device"].as_str().expect("a device").to_string()))
        .collect();
    let rules = client.get("/apps/alarms/rules?limit=500");
    rules["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rule| {
            let point = rule["body"]["point"].as_str().expect("a point");
            let class = rule["body"]["class"].as_str().expect("a class");
            (id(rule), format!("{class} @ {}", device_names[&device_of[point]]))
        })
        .collect()
}

#[test]
fn machines_that_fail_raise_their_own_alarms_and_no_others() {
    let demo = Demo::start("alarms-machines");
    demo.say(SPEED);
    demo.check(&["fault spindle-stop on"], &["machine-without-power @ 3 号加工中心"]);
    demo.check(
        &["fault bearing-wear on"],
        &[
            "bearing-hot @ 水泵房 PLC",
            "vibration-high @ 水泵房 PLC",
            "vibration-not-permissible @ 水泵房 PLC",
        ],
    );
}

#[test]
fn air_that_leaks_and_a_sensor_that_sticks_are_found_out() {
    let demo = Demo::start("alarms-air");
    demo.say(SPEED);
    demo.check(&["fault leak on"], &["air-flow-high @ 空压站 PLC"]);
    demo.check(&[SPEED_OF_LOADS, "fault stuck-sensor on"], &["temperature-implausible @ 2 号空压机"]);
}

#[test]
fn a_network_that_is_cut_is_told_of_whatever_the_protocol() {
    let demo = Demo::start("alarms-network");
    demo.check(
        &["fault network-cut comp1 120", "fault network-cut mill2 120", "fault network-cut water_meter 120"],
        &[
            // The compressors share a gateway.
            "no-values @ 1 号空压机",
            "no-values @ 2 号空压机",
            "no-values @ 3 号空压机",
            "no-values @ 4 号加工中心",
            "no-values @ 水泵房电表",
        ],
    );
    let waiting = demo.client.get("/doors/mqtt/arrivals");
    let known = waiting["items"].as_array().expect("a list").iter().any(|w| w.to_string().contains("spare"));
    assert!(known, "the meter that nobody entered waits at the broker: {waiting}");
}
