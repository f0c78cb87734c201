//! What polling costs: so many devices of so many float32 points at one second, driver and simulated devices on one
//! thread each, so that their CPU can be told apart. Linux only: reads `/proc/thread-self/schedstat`.
//!
//! `cargo run -p driver-modbus --example load -- [devices] [points per device] [seconds]`

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people at a terminal")]

use driver_modbus::{
    pdu::Table,
    sim::{Behaviour, Image, serve},
};
use sdk::{
    BoundPoint,
    contract::driver::{Recorder, device_task, host_clock},
};
use serde_json::json;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use types::{PointId, ValueType};

/// CPU time of this thread.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn single_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<u32>().unwrap());
    let devices = arguments.next().unwrap_or(500);
    let points = arguments.next().unwrap_or(30);
    let seconds = arguments.next().unwrap_or(10);

    let (report_port, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        single_thread().block_on(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            report_port.send(listener.local_addr().unwrap().port()).unwrap();
            let image = Image::new();
            image.set(1, Table::HoldingRegisters, 0, &vec![16_968; 2 * points as usize]);
            serve(listener, Arc::new(image), Behaviour::tcp(host_clock())).await
        })
    });
    let port = port.recv().unwrap();
    let config = json!({"transport": "tcp", "host": "127.0.0.1", "port": port});

    single_thread().block_on(async {
        let clock = host_clock();
        let mut running = Vec::new();
        for device in 0..devices {
            let bound = (0..points).map(|i| BoundPoint {
                id: PointId(device * points + i),
                address: format!("hr:{} float32", 2 * i),
                value_type: ValueType::F32,
                scaling: None,
                period_ms: 1_000,
            });
            let outbox = Recorder::new();
            let (mut task, writes) = device_task(config.clone(), bound.collect(), &outbox, clock.clone());
            task.phase_seed = u64::from(device);
            let counters = task.counters.clone();
            running.push((tokio::spawn((driver_modbus::driver().run)(task)), outbox, counters, writes));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let requests = || running.iter().map(|r| r.2.requests.load(Relaxed)).sum::<u64>();
        let (cpu_before, requests_before) = (cpu(), requests());
        tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
        let (used, polls) = (cpu() - cpu_before, requests() - requests_before);
        let late: u64 = running.iter().map(|r| r.2.late_cycles.load(Relaxed)).sum();
        let lost = running.iter().filter(|r| r.0.is_finished()).count();
        println!(
            "{devices} devices x {points} points at 1 s: {:.1} requests/s, {:.2} % of one core, {:.1} us a request, \
             {late} late cycles, {lost} lost",
            polls as f64 / f64::from(seconds),
            100.0 * used.as_secs_f64() / f64::from(seconds),
            used.as_secs_f64() * 1e6 / polls as f64,
        );
        if let Some(ended) = running.into_iter().find(|r| r.0.is_finished()) {
            println!("one of the lost: {}", ended.0.await.unwrap().fault);
        }
    });
}
