//! `kill -9` while an MQTT device publishes with QoS 1: what the broker acknowledged is in the history.

use serde_json::json;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    ledger::{BASE_MS, Damage, Ledger, verify},
    soak::Soak,
    support::{
        TempDir,
        binary::Process,
        client::{Client, id},
        eventually,
    },
};

const TOKEN: &str = "a-device-that-numbers-its-rows";
/// Messages on their way at most.
const WINDOW: usize = 64;

#[test]
fn what_the_broker_acknowledged_outlives_a_kill() {
    kill(Soak::short("mqtt_kill", 4));
}

#[test]
#[ignore = "soak: kill -9 while an MQTT device publishes with QoS 1, 50 cycles"]
fn soak_mqtt_kill() {
    kill(Soak::long("mqtt_kill", 50));
}

fn kill(mut soak: Soak) {
    let dir = TempDir::new("kill-mqtt");
    let small = [("SINEW_STORAGE_MEMORY_MIB", "1")];
    let process = Process::serve(dir.path(), &small);
    let at = free_address();
    let point = make_device(&process.set_up(), at);
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut process = Some(process);
    while soak.more() {
        let running = process.take().unwrap_or_else(|| Process::serve(dir.path(), &small));
        let device = Device::start(at, ledger.clone());
        device.first_acknowledgement();
        std::thread::sleep(Duration::from_millis(soak.random(20, 500)));
        running.kill();
        device.join();
        let again = Process::serve(dir.path(), &small);
        let known = ledger.lock().expect("the device does not panic").clone();
        let damage = verify(&again.sign_in(), &point, &known);
        assert_eq!(damage, Damage::default(), "cycle {}, {} rows sent", soak.cycle(), known.sent());
        soak.count(known.rows());
        process = Some(again);
    }
    soak.end();
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a free port")
}

/// Opens the broker's door, and makes the device and its point.
fn make_device(client: &Client, at: SocketAddr) -> String {
    client.put("/doors/mqtt", json!({ "enabled": true, "config": { "listen": at.to_string() } }));
    let payload = json!({ "profile": "json", "time": { "pointer": "/ts", "unit": "ms" } });
    let config = json!({ "via": "broker", "username": TOKEN, "payload": payload });
    let device = client.post("/devices", json!({ "name": "counter", "driver": "mqtt", "config": config }));
    let point = json!({
        "name": "row", "device": id(&device), "address": "plant/row /n u64", "value_type": "u64", "period_ms": 1000
    });
    let made = id(&client.post("/points", json!({ "points": [point] }))["items"][0]);
    // A device without points is acknowledged and keeps nothing: its run begins anew with its first point.
    let path = format!("/devices/{}", id(&device));
    eventually("the device knows its point", 20, || {
        (client.get(&path)["health"]["points"] == json!(1)).then_some(())
    });
    made
}

/// The device: a thread that publishes row after row, and comes back when it is sent away, until it is told to stop.
struct Device {
    thread: JoinHandle<()>,
    acknowledged: mpsc::Receiver<()>,
    stop: Arc<AtomicBool>,
}

impl Device {
    fn start(at: SocketAddr, ledger: Arc<Mutex<Ledger>>) -> Device {
        let (told, acknowledged) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Some(mut stream) = connect(at) else {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                // Until the connection ends: what was not acknowledged by then is in doubt, and never sent again.
                while let Ok(()) = exchange(&mut stream, &ledger) {
                    let _nobody_waits = told.send(());
                }
            }
        });
        Device { thread, acknowledged, stop }
    }

    fn first_acknowledgement(&self) {
        self.acknowledged.recv_timeout(Duration::from_secs(20)).expect("an acknowledgement");
    }

    fn join(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the device does not panic");
    }
}

fn connect(at: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let body = [&b"\x00\x04MQTT\x04\x82\x00\x00"[..], &text("counter"), &text(TOKEN)].concat();
    stream.write_all(&[&[0x10, body.len() as u8][..], &body].concat()).ok()?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).ok()?;
    (answer == [0x20, 2, 0, 0]).then_some(stream)
}

/// Sends a window of messages and waits for its acknowledgements, which come in order (MQTT 3.1.1, 4.6).
fn exchange(stream: &mut TcpStream, ledger: &Mutex<Ledger>) -> std::io::Result<()> {
    let first = ledger.lock().expect("a ledger").next;
    let rows = first..first + WINDOW as u64;
    ledger.lock().expect("a ledger").next = rows.end;
    let packets: Vec<u8> = rows.clone().flat_map(publish).collect();
    stream.write_all(&packets)?;
    for row in rows {
        let mut ack = [0; 4];
        stream.read_exact(&mut ack)?;
        let [high, low] = packet_id(row);
        assert_eq!(ack, [0x40, 2, high, low], "row {row}");
        ledger.lock().expect("a ledger").acknowledge(row);
    }
    Ok(())
}

fn packet_id(row: u64) -> [u8; 2] {
    ((row % 60_000) as u16 + 1).to_be_bytes()
}

fn publish(row: u64) -> Vec<u8> {
    let topic = "plant/row";
    let payload = format!(r#"{{"ts":{},"n":{row}}}"#, BASE_MS + row as i64);
    let body =
        [&(topic.len() as u16).to_be_bytes()[..], topic.as_bytes(), &packet_id(row), payload.as_bytes()]
            .concat();
    [&[0x32, body.len() as u8][..], &body].concat()
}
