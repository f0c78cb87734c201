//! Devices behind DTUs that dial in: who they are, sharing a line, leaving and coming back, strangers.

use sdk::{BoxFuture, ClockPort, Hall, Inspect, OutageKind, Probe, contract::driver::host_reach};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use types::{Value, ValueType};

use crate::{
    dial::{DoorAtWork, Manner, SimDtu, behind, numbered, until},
    running::{Running, point},
};

fn points(first: u32) -> Vec<sdk::BoundPoint> {
    vec![point(first, "40001", ValueType::U64), point(first + 1, "40002", ValueType::U64)]
}

/// A device behind a DTU at work.
fn device(door: &DoorAtWork, id: &str, unit: u8) -> Running {
    Running::start_on(door.reach(), behind(id, unit), points(0))
}

async fn reads(running: &Running, number: u64) {
    running.outbox.clear();
    for (point, _, value, quality) in running.outbox.wait_for_rows(6).await {
        if point.0 == 0 {
            assert_eq!((value, quality.is_good()), (Some(Value::U64(number)), true));
        }
    }
}

#[tokio::test]
async fn a_device_waits_for_its_dtu_and_goes_on_when_it_comes_back() {
    let door = DoorAtWork::start(json!({})).await;
    let running = device(&door, "13800001234", 1);
    running.outbox.wait_until("the wait", |outbox| outbox.offline_faults().len() == 1).await;
    let away = &running.outbox.offline_faults()[0];
    assert_eq!((away.code.as_ref(), away.args["reason"].clone()), ("modbus.dtu-away", "not-here".into()));
    let refused = running.write(0, Value::U64(1)).await.unwrap_err();
    assert_eq!(refused.code, "modbus.dtu-away", "a write does not wait for days");

    let dtu = SimDtu::dial(door.address, numbered(7), Manner::quiet("13800001234\r\n")).await;
    reads(&running, 7).await;
    assert!(running.outbox.is_online());
    assert_eq!(running.write(0, Value::U64(8)).await.unwrap().read_back, Some(Value::U64(8)));

    dtu.hang_up();
    running.outbox.wait_until("the loss", |outbox| outbox.offline_faults().len() == 2).await;
    let start = Instant::now();
    let _dtu = SimDtu::dial(door.address, numbered(9), Manner::quiet("13800001234")).await;
    reads(&running, 9).await;
    assert!(start.elapsed() < Duration::from_secs(5), "resumed after {:?}", start.elapsed());
    assert!(!running.task.is_finished(), "one run all along");
}

#[tokio::test]
async fn two_units_share_a_dtu_with_heartbeats_everywhere() {
    let door = DoorAtWork::start(json!({"registrations": ["REG:{id},{*};"]})).await;
    let manner = Manner { packet: b"www.usr.cnREG:A1,CSQ=20;".to_vec(), ..Manner::noisy("", 3) };
    let dtu = SimDtu::dial(door.address, numbered(7), manner).await;
    let both = [device(&door, "A1", 1), device(&door, "A1", 2)];
    for (unit, running) in (1..).zip(&both) {
        for (point, _, value, _) in running.outbox.wait_for_rows(200).await {
            assert_eq!(value, Some(Value::U64([7, unit][point.0 as usize])));
        }
        assert_eq!(running.counters.failures.load(Relaxed), 0, "no heartbeat disturbs a reply");
    }
    assert!(dtu.heartbeats() > 50);
}

/// Some DTUs put their registration packet before everything that they pass on.
#[tokio::test]
async fn a_registration_packet_before_every_reply_is_left_out() {
    let door = DoorAtWork::start(json!({"registrations": ["\\xAA{hex:4}"], "heartbeats": []})).await;
    let packet = b"\xAA\x01\x02\x03\x04".to_vec();
    let manner = Manner { packet: packet.clone(), heartbeat: packet, noise: 255, seed: 5 };
    let dtu = SimDtu::dial(door.address, numbered(7), manner).await;
    let running = device(&door, "01020304", 1);
    running.outbox.wait_for_rows(100).await;
    assert_eq!(running.counters.failures.load(Relaxed), 0);
    assert!(dtu.heartbeats() > 40);
}

#[tokio::test]
async fn a_new_connection_takes_the_place_of_a_dead_one() {
    let door = DoorAtWork::start(json!({})).await;
    let running = device(&door, "7", 1);
    let old = SimDtu::dial(door.address, numbered(1), Manner::quiet("7")).await;
    reads(&running, 1).await;
    old.go_dark();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // A request waits on the old connection now; it is asked again on the new one.
    let start = Instant::now();
    let _new = SimDtu::dial(door.address, numbered(2), Manner::quiet("7")).await;
    until("the old connection's end", || old.is_cut()).await;
    reads(&running, 2).await;
    assert!(start.elapsed() < Duration::from_secs(1), "resumed after {:?}", start.elapsed());
    assert_eq!(running.outbox.offline_faults().len(), 1, "only before the first dial-in");
    assert!(!running.task.is_finished(), "the run goes on");
}

#[tokio::test]
async fn a_replaced_connection_is_closed_also_while_nobody_asks() {
    let door = DoorAtWork::start(json!({})).await;
    let slow = points(0).into_iter().map(|point| sdk::BoundPoint { period_ms: 3_600_000, ..point });
    let running = Running::start_on(door.reach(), behind("7", 1), slow.collect());
    let old = SimDtu::dial(door.address, numbered(1), Manner::quiet("7")).await;
    running.outbox.wait_for_rows(2).await;
    let _new = SimDtu::dial(door.address, numbered(1), Manner::quiet("7")).await;
    until("the old connection's end", || old.is_cut()).await;
    drop(door);
    running.outbox.wait_until("the loss", |outbox| outbox.offline_faults().len() == 2).await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_closed() {
    let door = DoorAtWork::start(json!({"idle_timeout_s": 1})).await;
    let dtu = SimDtu::dial(door.address, numbered(1), Manner::quiet("7")).await;
    let running = device(&door, "7", 1);
    reads(&running, 1).await;
    dtu.go_dark();
    running.outbox.wait_until("the loss", |outbox| outbox.offline_faults().len() == 2).await;
    until("the end", || dtu.is_cut()).await;
    until("the count", || door.count("silent") == 1).await;
    assert!(!running.task.is_finished());
}

#[tokio::test]
async fn a_device_that_does_not_answer_is_not_a_dtu_that_is_away() {
    let door = DoorAtWork::start(json!({})).await;
    let dtu = SimDtu::dial(door.address, numbered(1), Manner::quiet("7")).await;
    let well = device(&door, "7", 1);
    reads(&well, 1).await;
    let mut config = behind("7", 3);
    config["timeout_ms"] = json!(100);
    let mut absent = Running::start_on(door.reach(), config, points(0));
    let outage = absent.outage().await;
    assert_eq!((outage.kind, outage.fault.code.as_ref()), (OutageKind::Connection, "modbus.timeout"));
    reads(&well, 1).await;
    assert!(!dtu.is_cut(), "its neighbours go on");
}

/// Whoever asked is gone before the reply comes, as when a device's settings are changed; the next one asks for something
/// of the same shape.
#[tokio::test]
async fn a_late_reply_is_not_taken_for_the_next_one() {
    let door = DoorAtWork::start(json!({})).await;
    let dtu = SimDtu::dial(door.address, numbered(7), Manner::quiet("7")).await;
    dtu.faults.delay_ms.store(300, Relaxed);
    for (address, wanted) in [("40001", 7), ("40003", 7 ^ 0x5555), ("40001", 7)] {
        let register = |address| vec![point(0, address, ValueType::U64)];
        let asking = Running::start_on(door.reach(), behind("7", 1), register("40002"));
        until("the dial-in", || asking.counters.requests.load(Relaxed) > 0).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(asking);
        let next = Running::start_on(door.reach(), behind("7", 1), register(address));
        let rows = next.outbox.wait_for_rows(2).await;
        assert!(rows.iter().all(|row| row.2 == Some(Value::U64(wanted))), "{rows:?}");
    }
}

#[tokio::test]
async fn two_devices_with_one_id_are_noticed_and_one_stays() {
    let door = DoorAtWork::start(json!({})).await;
    let running = device(&door, "7", 1);
    let mut dtus: Vec<SimDtu> = Vec::new();
    let (mut dials, start) = (0, Instant::now());
    while door.status.fault().is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "not noticed after {dials} dial-ins");
        dtus.retain(|dtu| !dtu.is_cut());
        dials += 1;
        dtus.push(SimDtu::dial(door.address, numbered(1), Manner::quiet("7")).await);
        reads(&running, 1).await;
    }
    let fault = door.status.fault().unwrap();
    assert_eq!(fault.code, "modbus.dtu-contested");
    assert!(fault.detail.starts_with("two devices use id 7 from 127.0.0.1:"), "{fault}");
    // From now on the one that answers is kept.
    for _ in 0..5 {
        let late = SimDtu::dial(door.address, numbered(2), Manner::quiet("7")).await;
        until("being sent away", || late.is_cut()).await;
    }
    until("the count", || door.count("sent_away") >= 5).await;
    reads(&running, 1).await;
}

#[tokio::test]
async fn a_dtu_that_nobody_knows_is_shown_and_then_used_at_once() {
    let door = DoorAtWork::start(json!({})).await;
    let _dtu = SimDtu::dial(door.address, numbered(5), Manner::quiet("DTU-5\r\n")).await;
    until("the arrival", || !door.arrivals.list().is_empty()).await;
    let waiting = door.arrivals.list().remove(0);
    assert_eq!(waiting.arrival.key, "DTU-5");
    let facts: std::collections::BTreeMap<_, _> = waiting.arrival.facts.into_iter().collect();
    assert_eq!(facts["first_bytes"], "DTU-5\\r\\n");
    assert_eq!(facts["first_bytes_hex"], "44 54 55 2d 35 0d 0a");
    assert_eq!(&waiting.heard[0].payload[..], b"DTU-5\r\n");
    let config = waiting.arrival.suggested_config;
    assert_eq!((config["transport"].clone(), config["dtu_id"].clone()), (json!("dtu"), json!("DTU-5")));

    // The wizard: probe, look, add.
    let probe = Probe { config: config.clone(), reach: door.reach() };
    assert_eq!((driver_modbus::driver().probe)(probe).await.unwrap().suggested_config, None);
    let inspect = Inspect { config: config.clone(), address: String::new(), cells: 3, reach: door.reach() };
    let shown = (driver_modbus::driver().inspect)(inspect).await.unwrap();
    assert_eq!(shown.raw[0].hex.as_deref(), Some("0005"));
    let start = Instant::now();
    let running = Running::start_on(door.reach(), config, points(0));
    reads(&running, 5).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    until("the end of the arrival", || door.arrivals.list().is_empty()).await;
    assert!(running.outbox.offline_faults().is_empty());
}

#[tokio::test]
async fn a_probe_finds_the_unit_and_says_when_the_dtu_is_away() {
    let door = DoorAtWork::start(json!({})).await;
    let _dtu = SimDtu::dial(door.address, numbered(5), Manner::quiet("7")).await;
    until("the dial-in", || door.count("dtus") == 1).await;
    let mut config = behind("7", 9);
    config["timeout_ms"] = json!(200);
    let probe = Probe { config, reach: door.reach() };
    let report = (driver_modbus::driver().probe)(probe).await.unwrap();
    assert_eq!(report.suggested_config.unwrap()["unit_id"], 1);
    for (hall, code, reason) in [
        (door.hall.clone(), "modbus.dtu-away", Some("not-here")),
        ((driver_modbus::door().hall)(), "modbus.dtu-away", Some("no-listener")),
        (Hall::none(), "modbus.no-door", None),
    ] {
        let probe = Probe { config: behind("8", 1), reach: host_reach(hall) };
        let fault = (driver_modbus::driver().probe)(probe).await.unwrap_err();
        assert_eq!(fault.code, code);
        assert_eq!(fault.args.get("reason").cloned(), reason.map(Into::into));
    }
}

#[tokio::test]
async fn whoever_says_no_name_goes_by_the_address() {
    let door = DoorAtWork::start(json!({"registration_timeout_s": 1})).await;
    let manner = Manner { packet: b"\xFE\xFE\x01".to_vec(), ..Manner::quiet("") };
    let dtu = SimDtu::dial(door.address, numbered(5), manner).await;
    until("the arrival", || !door.arrivals.list().is_empty()).await;
    let waiting = door.arrivals.list().remove(0);
    assert_eq!(waiting.arrival.key, "ip:127.0.0.1");
    assert_eq!(waiting.arrival.facts[2], ("first_bytes_hex".into(), "fe fe 01".into()));
    let running = Running::start_on(door.reach(), waiting.arrival.suggested_config, points(0));
    reads(&running, 5).await;
    drop(dtu);
    let _silent =
        SimDtu::dial(door.address, numbered(6), Manner { packet: Vec::new(), ..Manner::quiet("") }).await;
    reads(&running, 6).await;
}

/// Counts how often somebody waits.
struct CountingClock(sdk::Clock, AtomicU64);

impl ClockPort for CountingClock {
    fn now(&self) -> types::Time {
        self.0.now()
    }
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        self.1.fetch_add(1, Relaxed);
        self.0.sleep_until(at)
    }
}

#[tokio::test]
async fn those_who_wait_cost_nothing() {
    let hall = (driver_modbus::door().hall)();
    let reach = host_reach(hall);
    let clock = Arc::new(CountingClock(reach.clock.clone(), AtomicU64::new(0)));
    let reach = sdk::Reach { clock: sdk::Clock::new(clock.clone()), ..reach };
    let door = DoorAtWork::start_with(reach, "127.0.0.1:0", json!({"registrations": ["{id:4}"]})).await;
    let mut waiting = Vec::new();
    for id in ["", "12", "1234", "\u{FE}"] {
        waiting.push(SimDtu::dial(door.address, numbered(1), Manner::quiet(id)).await);
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(waiting.iter().all(|dtu| !dtu.is_cut()));
    let waits = clock.1.load(Relaxed);
    assert!((4..60).contains(&waits), "{waits} waits");
}

/// Garbage, endless registrations, slow ones, and a flood of connections: the others do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_callers_harm_nobody() {
    let config = json!({
        "registrations": ["REG:{id};"], "dials_per_minute_max": 100_000, "connections_max": 512,
    });
    let door = DoorAtWork::start(config).await;
    let _dtu = SimDtu::dial(door.address, numbered(5), Manner::noisy("REG:good;", 9)).await;
    let running = device(&door, "good", 1);
    reads(&running, 5).await;
    let mut seed = 1;
    let mut slow = Vec::new();
    for i in 0..2_000_u32 {
        let Ok(mut caller) = TcpStream::connect(door.address).await else { continue };
        let said: Vec<u8> = match i % 4 {
            0 => (0..200).map(|_| crate::dial::random(&mut seed) as u8).collect(),
            1 => b"REG:".repeat(600),
            2 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            _ => b"R".to_vec(),
        };
        // It may be cut off in the middle.
        let _cut = caller.write_all(&said).await;
        if i % 4 != 0 {
            slow.push(caller);
        }
        if slow.len() > 700 {
            slow.remove(0);
        }
    }
    reads(&running, 5).await;
    until("the bound", || (1..=256).contains(&door.count("unregistered"))).await;
    assert!(door.count("dismissed") > 500, "{:?}", door.status.counts());
    assert!(door.arrivals.list().len() <= sdk::Arrivals::CALLERS_MAX);
    assert!(running.outbox.rows().iter().all(|row| row.3.is_good()));
    assert_eq!(running.counters.failures.load(Relaxed), 0);
    // And a DTU still finds its way in.
    let _late = SimDtu::dial(door.address, numbered(6), Manner::quiet("REG:late;")).await;
    reads(&device(&door, "late", 1), 6).await;
}

/// Whoever takes all places under ids that it made up keeps no DTU out that a device wants.
#[tokio::test]
async fn made_up_ids_keep_nobody_out() {
    let door = DoorAtWork::start(json!({"connections_max": 4, "registrations": ["{id:4}"]})).await;
    let mut made_up = Vec::new();
    for i in 0..4 {
        made_up.push(SimDtu::dial(door.address, numbered(1), Manner::quiet(&format!("x{i:03}"))).await);
    }
    until("all places are taken", || door.count("dtus") == 4).await;
    let running = device(&door, "good", 1);
    let _dtu = SimDtu::dial(door.address, numbered(5), Manner::quiet("good")).await;
    reads(&running, 5).await;
    for i in 4..12 {
        made_up.push(SimDtu::dial(door.address, numbered(1), Manner::quiet(&format!("x{i:03}"))).await);
    }
    until("others made room", || door.count("dismissed") >= 9 && door.count("dtus") <= 4).await;
    reads(&running, 5).await;
    assert_eq!(running.counters.failures.load(Relaxed), 0);
}

#[tokio::test]
async fn bounds_hold_and_a_listener_that_stops_hangs_up() {
    let door = DoorAtWork::start(
        json!({"connections_max": 3, "dials_per_minute_max": 6, "registrations": ["{id:1}"]}),
    )
    .await;
    let _wanted = ["a", "b", "c"].map(|id| device(&door, id, 1));
    let mut dtus = Vec::new();
    for id in ["a", "b", "c", "d", "e"] {
        // Those that are in are known before others come.
        until("it is known", || door.count("dtus") as usize == dtus.len().min(3)).await;
        dtus.push(SimDtu::dial(door.address, numbered(1), Manner::quiet(id)).await);
    }
    until("two are refused", || door.count("refused") == 2 && door.count("dtus") == 3).await;
    drop(dtus.pop());
    drop(dtus.remove(0));
    until("one is gone", || door.count("dtus") == 2).await;
    let one = SimDtu::dial(door.address, numbered(1), Manner::quiet("f")).await;
    until("it is in", || door.count("dtus") == 3).await;
    let mut more = TcpStream::connect(door.address).await.unwrap();
    assert_eq!(more.read(&mut [0]).await.unwrap_or(0), 0, "the seventh in a minute is refused");
    let running = device(&door, "f", 1);
    reads(&running, 1).await;
    let (hall, address) = (door.hall.clone(), door.address.to_string());
    drop(door);
    until("the end", || one.is_cut()).await;
    running.outbox.wait_until("the loss", |outbox| !outbox.offline_faults().is_empty()).await;
    // The device waits on, and the next listener on the same hall serves it.
    let door = DoorAtWork::start_in(hall, &address, json!({})).await;
    let _again = SimDtu::dial(door.address, numbered(4), Manner::quiet("f")).await;
    reads(&running, 4).await;
}
