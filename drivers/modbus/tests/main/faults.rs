//! Whatever the wire does, no wrong value ever comes out: a reading is right or there is none.

use driver_modbus::{
    frame::Framing,
    pdu::{Exception, Table},
    sim::{Behaviour, Registers, serve},
};
use sdk::{
    BoxFuture, Hall, Inspect, OutageKind, Probe,
    contract::driver::{Peer, host_clock, host_reach},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use types::{Value, ValueType};

use crate::{
    plant::{SimPeer, TIMEOUT_MS, image},
    running::{Running, point},
};

type Switch = fn(&driver_modbus::sim::Faults) -> &AtomicBool;

/// Fault, code of the outage that it causes; `None` when the driver bears it.
const FAULTS: [(&str, Switch, Option<&str>); 7] = [
    ("split", |f| &f.split, None),
    ("silent", |f| &f.silent, Some("modbus.timeout")),
    ("truncate", |f| &f.truncate, Some("modbus.timeout")),
    ("garbage", |f| &f.garbage, Some("modbus.bad-frame")),
    ("wrong transaction", |f| &f.wrong_transaction, Some("modbus.bad-frame")),
    ("drop", |f| &f.drop_connections, Some("modbus.closed")),
    ("duplicate", |f| &f.duplicate, Some("modbus.bad-frame")),
];

async fn one_fault(framing: Framing, name: &str, switch: Switch, code: Option<&str>) {
    let peer = SimPeer::start(image(), framing).await;
    let points = vec![
        point(1, "40001", ValueType::U64),
        point(2, "30002 uint16", ValueType::U64),
        point(3, "00003", ValueType::Bool),
    ];
    let mut running = Running::start(peer.config(), points);
    running.outbox.wait_for_rows(6).await;
    switch(&peer.faults).store(true, Relaxed);
    match code {
        None => {
            running.outbox.clear();
            running.outbox.wait_for_rows(9).await;
        }
        Some(code) => {
            let outage = running.outage().await;
            assert_eq!((outage.fault.code.as_ref(), outage.kind), (code, OutageKind::Connection), "{name}");
            assert!(running.counters.failures.load(Relaxed) > 0, "{name} is counted");
        }
    }
    for (point, _, value, quality) in running.outbox.rows() {
        let wanted = [1_000.0, 1_001.0, 1.0][point.0 as usize - 1];
        assert_eq!((value.and_then(|v| v.as_f64()), quality.is_good()), (Some(wanted), true), "{name}");
    }
}

#[tokio::test]
async fn on_modbus_tcp() {
    for (name, switch, code) in FAULTS {
        one_fault(Framing::Mbap, name, switch, code).await;
    }
}

#[tokio::test]
async fn on_rtu_over_tcp() {
    for (name, switch, code) in FAULTS {
        // A doubled frame in one piece is seen; RTU has no number by which to know a later one.
        one_fault(Framing::Rtu, name, switch, code).await;
    }
}

#[tokio::test]
async fn a_slow_device_is_borne_within_its_timeout() {
    let peer = SimPeer::start(image(), Framing::Mbap).await;
    peer.faults.delay_ms.store(TIMEOUT_MS as u32 / 3, Relaxed);
    let mut running = Running::start(peer.config(), vec![point(1, "40001", ValueType::U64)]);
    running.outbox.wait_for_rows(2).await;
    assert!(running.counters.late_cycles.load(Relaxed) > 0);
    peer.faults.delay_ms.store(TIMEOUT_MS as u32 * 2, Relaxed);
    assert_eq!(running.outage().await.fault.code, "modbus.timeout");
}

#[tokio::test]
async fn exceptions_become_qualities_not_outages() {
    let peer = SimPeer::start(image(), Framing::Mbap).await;
    let mut running = Running::start(peer.config(), vec![point(1, "40001", ValueType::U64)]);
    running.outbox.wait_for_rows(1).await;
    peer.faults.exception.store(6, Relaxed);
    let failing =
        |rows: &[sdk::contract::driver::Row]| rows.iter().any(|r| r.3 == types::Quality::BAD_DEVICE_FAILURE);
    running.outbox.wait_for("a busy device", failing).await;
    peer.faults.exception.store(0x0B, Relaxed);
    assert_eq!(running.outage().await.fault.code, "modbus.wrong-unit");
}

fn probe(config: serde_json::Value) -> BoxFuture<'static, Result<sdk::ProbeReport, types::Fault>> {
    (driver_modbus::driver().probe)(Probe { config, reach: host_reach(Hall::none()) })
}

#[tokio::test]
async fn a_probe_tells_the_failures_apart() {
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let config = json!({"transport": "tcp", "host": "127.0.0.1", "port": closed});
    let fault = probe(config).await.unwrap_err();
    assert_eq!((fault.code.as_ref(), fault.args["reason"].clone()), ("modbus.no-tcp", "refused".into()));
    let config = json!({"transport": "tcp", "host": "no-such-host.invalid", "timeout_ms": 2000});
    let fault = probe(config).await.unwrap_err();
    assert_eq!(
        (fault.code.as_ref(), fault.args["reason"].clone()),
        ("modbus.no-tcp", "host-unknown".into()),
        "{fault}"
    );

    let peer = SimPeer::start(image(), Framing::Mbap).await;
    let report = probe(peer.config()).await.unwrap();
    assert!(report.round_trip_ms < 300.0 && report.suggested_config.is_none());
    let report = probe(peer.config_with(json!({"unit_id": 9}))).await.unwrap();
    assert_eq!(report.suggested_config.unwrap()["unit_id"], 1);
    peer.faults.exception.store(2, Relaxed);
    assert!(probe(peer.config()).await.is_ok(), "a refusal is a sign of life");
    peer.faults.exception.store(4, Relaxed);
    let quick = peer.config_with(json!({"timeout_ms": 20}));
    assert_eq!(probe(quick.clone()).await.unwrap().suggested_config, None, "failing, but there");
    peer.faults.exception.store(0x0B, Relaxed);
    let fault = probe(quick.clone()).await.unwrap_err();
    assert_eq!(fault.code, "modbus.wrong-unit");
    peer.faults.exception.store(0, Relaxed);
    peer.faults.garbage.store(true, Relaxed);
    assert_eq!(probe(peer.config()).await.unwrap_err().code, "modbus.no-modbus");
    peer.faults.garbage.store(false, Relaxed);
    peer.faults.silent.store(true, Relaxed);
    let fault = probe(quick).await.unwrap_err();
    assert_eq!(fault.code, "modbus.wrong-unit");
    assert!(fault.detail.contains("check the unit id"), "{fault}");
}

#[tokio::test]
async fn a_probe_finds_the_other_framing() {
    let peer = SimPeer::start(image(), Framing::Rtu).await;
    let report = probe(peer.config_with(json!({"transport": "tcp", "timeout_ms": 50}))).await.unwrap();
    assert_eq!(report.suggested_config.unwrap()["transport"], "rtu_over_tcp");
}

#[tokio::test]
async fn an_inspection_shows_cells_holes_and_readings() {
    let peer = SimPeer::start(image(), Framing::Mbap).await;
    peer.image.set(1, Table::HoldingRegisters, 15, &[0x0000, 0x41A4]);
    let inspect = Inspect {
        config: peer.config(),
        address: "40016".into(),
        cells: 10,
        reach: host_reach(Hall::none()),
    };
    let shown = (driver_modbus::driver().inspect)(inspect).await.unwrap();
    let hex: Vec<Option<&str>> = shown.raw.iter().map(|cell| cell.hex.as_deref()).collect();
    assert_eq!(
        hex[..7],
        [Some("0000"), Some("41a4"), Some("03f9"), Some("03fa"), Some("03fb"), None, Some("03fd")]
    );
    assert_eq!(shown.raw[5].address, "40021");
    let first = &shown.candidates[0];
    assert_eq!((first.address.as_str(), first.value.to_string()), ("40016 float32 cdab", "20.5".into()));
}

/// Takes longer than the timeout over the first read after a write, and a while over each that follows.
struct SlowAfterWrite {
    image: driver_modbus::sim::Image,
    written: AtomicBool,
    late: AtomicBool,
}

impl Registers for SlowAfterWrite {
    fn read(&self, unit: u8, table: Table, start: u16, count: u16) -> Result<Vec<u16>, Exception> {
        if self.written.swap(false, Relaxed) {
            std::thread::sleep(Duration::from_millis(TIMEOUT_MS * 6 / 5));
        } else if self.late.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(TIMEOUT_MS / 6));
        }
        self.image.read(unit, table, start, count)
    }
    fn write(&self, unit: u8, table: Table, start: u16, values: &[u16]) -> Result<(), Exception> {
        self.image.write(unit, table, start, values)?;
        self.written.store(true, Relaxed);
        self.late.store(true, Relaxed);
        Ok(())
    }
}

#[tokio::test]
async fn a_late_read_back_is_not_taken_for_the_next_reply() {
    for (framing, transport) in [(Framing::Mbap, "tcp"), (Framing::Rtu, "rtu_over_tcp")] {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        // A thread of its own, because it sleeps; it ends with the test program.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let units = SlowAfterWrite {
                    image: image(),
                    written: AtomicBool::new(false),
                    late: AtomicBool::new(false),
                };
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                serve(listener, Arc::new(units), Behaviour { framing, ..Behaviour::tcp(host_clock()) }).await
            })
        });
        let config =
            json!({"transport": transport, "host": "127.0.0.1", "port": port, "timeout_ms": TIMEOUT_MS});
        // Two requests of the same shape, so that only the order tells their replies apart.
        let points = vec![point(0, "hr:0", ValueType::U64), point(1, "hr:40", ValueType::U64)];
        let mut running = Running::start(config, points);
        running.outbox.wait_for_rows(4).await;
        let written = running.write(0, Value::U64(7)).await.unwrap();
        assert_eq!(written.read_back, None, "written, but not read back in time");
        assert_eq!(running.outage().await.kind, OutageKind::Connection);
        for (point, _, value, _) in running.outbox.rows() {
            assert_eq!(value, Some(Value::U64([1_000, 1_040][point.0 as usize])), "{transport}");
        }
    }
}
