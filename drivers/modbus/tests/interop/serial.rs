//! Over a serial line: a pair of pseudo terminals joined by socat, libmodbus at the other end.

use sdk::{
    BoxFuture, DeviceCounters, DeviceTask, Hall, Listener, Net, NetPort, Outbox, Reach, SerialBus,
    SerialBusPort, SerialSettings, Stream, WriteOrder,
    contract::driver::{Recorder, host_reach},
};
use serde_json::json;
use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tokio_serial::SerialPortBuilderExt;
use types::{PointId, Quality, Value, ValueType};

use crate::{
    peers::{Server, libmodbus, unless_ci},
    running::point,
};

/// Two joined pseudo terminals.
pub(crate) struct Cable(Child);

impl Cable {
    pub(crate) fn between(ends: [&Path; 2]) -> Result<Cable, String> {
        let end = |path: &Path| format!("pty,raw,echo=0,link={}", path.display());
        let socat = Command::new("socat").args(ends.map(end)).spawn();
        let cable = Cable(socat.map_err(|e| format!("socat is needed for the serial test: {e}"))?);
        let start = Instant::now();
        while !ends.iter().all(|end| end.exists()) {
            if start.elapsed() > Duration::from_secs(3) {
                return Err("socat made no pseudo terminals".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(cable)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

struct Port;

impl NetPort for Port {
    fn connect_tcp(&self, _: &str, _: u16, _: Duration) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn listen_tcp(&self, _: &str) -> BoxFuture<'_, io::Result<Listener>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn serial(&self, settings: &SerialSettings) -> BoxFuture<'_, io::Result<SerialBus>> {
        let opened = tokio_serial::new(&settings.path, settings.baud).open_native_async();
        Box::pin(async move {
            let stream: Box<dyn Stream> = Box::new(opened?);
            Ok(SerialBus::new(Arc::new(Bus(Arc::new(Mutex::new(stream))))))
        })
    }
}

struct Bus(Arc<Mutex<Box<dyn Stream>>>);

impl SerialBusPort for Bus {
    fn lend(&self) -> BoxFuture<'_, io::Result<OwnedMutexGuard<Box<dyn Stream>>>> {
        Box::pin(async { Ok(self.0.clone().lock_owned().await) })
    }
}

#[tokio::test]
async fn libmodbus_over_a_serial_line() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let end = |name: &str| folder.join(format!("modbus-{}-{name}", std::process::id()));
    let (ours, theirs) = (end("ours"), end("theirs"));
    let Some(_cable) = unless_ci(Cable::between([&ours, &theirs])) else { return };
    let Some(program) = unless_ci(libmodbus(&theirs.display().to_string())) else { return };
    let _server = Server::start(&program, 0);

    let outbox = Recorder::new();
    let (writes, orders) = mpsc::channel(1);
    let counters = Arc::new(DeviceCounters::default());
    let task = DeviceTask {
        config: json!({
            "transport": "serial", "serial": {"path": ours, "baud": 19200}, "unit_id": 17, "timeout_ms": 1000,
        }),
        points: vec![
            point(0, "40001", ValueType::U64),
            point(1, "30005 uint32 cdab", ValueType::U64),
            point(2, "co:3", ValueType::Bool),
            point(3, "40041", ValueType::U64),
            point(4, "hr:12.1", ValueType::Bool),
        ]
        .into(),
        outbox: Outbox::new(outbox.clone()),
        writes: orders,
        reach: Reach { net: Net::new(Arc::new(Port)), ..host_reach(Hall::none()) },
        phase_seed: 1,
        counters: counters.clone(),
    };
    let running = tokio::spawn((driver_modbus::driver().run)(task));
    let rows = outbox.wait_for_points(5).await;
    let of = |id: u32| rows.iter().find(|r| r.0 == PointId(id)).map(|r| (r.2.clone(), r.3)).unwrap();
    assert_eq!(of(0), (Some(Value::U64(1_000)), Quality::GOOD));
    assert_eq!(of(1), (Some(Value::U64(1_005 << 16 | 1_004)), Quality::GOOD));
    assert_eq!(of(2), (Some(Value::Bool(true)), Quality::GOOD));
    assert_eq!(of(3), (None, Quality::BAD_ADDRESS));
    for (id, value) in
        [(0, Value::U64(7)), (2, Value::Bool(false)), (4, Value::Bool(true)), (4, Value::Bool(false))]
    {
        let (reply, answer) = oneshot::channel();
        writes.send(WriteOrder { point: PointId(id), value: value.clone(), reply }).await.unwrap();
        assert_eq!(answer.await.unwrap().unwrap().read_back, Some(value));
    }
    running.abort();
}
