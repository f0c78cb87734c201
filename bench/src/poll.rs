//! 500 Modbus TCP connections × 30 points at 1 s, stored durably. The simulator is a process of its own.

use driver_modbus::{
    pdu::{Exception, Table},
    sim,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{calibration::Calibration, harness::report::Exit, node::Node, report};

const CONNECTIONS: usize = 500;
const POINTS: usize = 30;
const WARM_UP: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(60);

pub(crate) fn run() -> Exit {
    let program = std::env::current_exe().expect("this program has a path");
    let mut simulator =
        Command::new(program).arg("simulator").stdout(Stdio::piped()).spawn().expect("the simulator starts");
    let mut port = String::new();
    let output = simulator.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut port).expect("a port");
    let port: u16 = port.trim().parse().expect("a port");

    let node = Node::start();
    let calibration = Calibration::take();
    for n in 0..CONNECTIONS {
        add_device(&node, n, port);
    }
    std::thread::sleep(WARM_UP);
    let (cpu, rows, start) = (node.process.cpu_s(), stored(&node), Instant::now());
    std::thread::sleep(MEASURED);
    let seconds = start.elapsed().as_secs_f64();
    let (cpu, rows) = (node.process.cpu_s() - cpu, stored(&node) - rows);
    let devices = devices(&node);
    let sum = |key: &str| devices.iter().filter_map(|d| d["health"][key].as_u64()).sum::<u64>();
    let memory = node.process.memory();
    let figures = json!({
        "connections": CONNECTIONS, "points_each": POINTS, "period_ms": 1_000, "seconds": seconds,
        "online": devices.iter().filter(|d| d["health"]["state"] == "online").count(),
        "rows_stored": rows, "rows_due": (CONNECTIONS * POINTS) as f64 * seconds,
        "late_cycles": sum("late_cycles"), "failures": sum("failures"), "shed_rows": sum("shed_rows"),
        "cores": cpu / seconds, "rows_per_cpu_s": rows as f64 / cpu, "rss_mb": memory.rss_mb, "peak_rss_mb": memory.peak_rss_mb,
    });
    let _killed = simulator.kill();
    let _reaped = simulator.wait();
    report("poll", figures, &calibration)
}

fn add_device(node: &Node, n: usize, port: u16) {
    let config = json!({ "transport": "tcp", "host": "127.0.0.1", "port": port, "unit_id": 1 });
    let device = json!({ "name": format!("device {n}"), "driver": "modbus", "config": config });
    let device = node.client.post("/devices", device)["id"].clone();
    let point = |p: usize| {
        json!({ "name": format!("p{p}"), "device": device, "address": format!("{} uint16", 40_001 + p),
                "value_type": "u64", "period_ms": 1_000 })
    };
    let points: Vec<Value> = (0..POINTS).map(point).collect();
    node.client.post("/points", json!({ "points": points }));
}

fn devices(node: &Node) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = "/devices?limit=1000".to_string();
    loop {
        let page = node.client.get(&path);
        all.extend(page["items"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => path = format!("/devices?limit=1000&cursor={next}"),
            None => return all,
        }
    }
}

fn stored(node: &Node) -> u64 {
    node.client.get("/system")["historian"]["rows_appended"].as_u64().expect("a count")
}

/// Registers that count the reads, so that every value differs from the one before.
struct Counting(std::sync::atomic::AtomicU16);

impl sim::Registers for Counting {
    fn read(&self, _: u8, _: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let base = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok((start..start + count).map(|r| base.wrapping_add(r)).collect())
    }
    fn write(&self, _: u8, _: Table, _: u16, _: &[u16]) -> Result<(), Exception> {
        Err(Exception::ILLEGAL_FUNCTION)
    }
}

/// The other process: prints its port and serves until it is killed.
pub(crate) fn simulator() -> ! {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = threads.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("bound").port());
        let behaviour = sim::Behaviour::tcp(sdk::contract::driver::host_clock());
        sim::serve(listener, Arc::new(Counting(0.into())), behaviour).await
    });
    panic!("the simulator stopped listening: {ended}");
}
