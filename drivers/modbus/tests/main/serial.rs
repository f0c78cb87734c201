//! Serial RTU over a lent line: the bus is a pipe, the device simulated.

use driver_modbus::{
    frame::Framing,
    pdu::Table,
    sim::{Behaviour, Faults, Image, Registers, serve_stream},
};
use sdk::{
    BoxFuture, DeviceCounters, DeviceTask, Hall, Listener, Net, NetPort, Outbox, Reach, SerialBus,
    SerialBusPort, SerialSettings, Stream,
    contract::driver::{Recorder, host_clock, host_reach},
};
use serde_json::json;
use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};
use types::{Value, ValueType};

use crate::running::{point, scaled};

struct Bus(Arc<Mutex<Box<dyn Stream>>>);

impl SerialBusPort for Bus {
    fn lend(&self) -> BoxFuture<'_, io::Result<OwnedMutexGuard<Box<dyn Stream>>>> {
        Box::pin(async { Ok(self.0.clone().lock_owned().await) })
    }
}

struct OneBus(SerialBus);

impl NetPort for OneBus {
    fn connect_tcp(&self, _: &str, _: u16, _: Duration) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn listen_tcp(&self, _: &str) -> BoxFuture<'_, io::Result<Listener>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn serial(&self, settings: &SerialSettings) -> BoxFuture<'_, io::Result<SerialBus>> {
        assert_eq!((settings.path.as_str(), settings.baud), ("/dev/ttyS9", 115_200));
        let bus = self.0.clone();
        Box::pin(async move { Ok(bus) })
    }
}

fn start(
    net: &Net,
    unit: u8,
    id: u32,
) -> (Arc<Recorder>, Arc<DeviceCounters>, tokio::task::JoinHandle<sdk::Outage>) {
    let outbox = Recorder::new();
    let counters = Arc::new(DeviceCounters::default());
    let (_, writes) = mpsc::channel(1);
    let task = DeviceTask {
        config: json!({
            "transport": "serial", "serial": {"path": "/dev/ttyS9", "baud": 115200},
            "unit_id": unit, "timeout_ms": 100,
        }),
        points: vec![point(id, "40001", ValueType::U64), scaled(id + 1, "30001 int16", 0.5, 0.0)].into(),
        outbox: Outbox::new(outbox.clone()),
        writes,
        reach: Reach { net: net.clone(), ..host_reach(Hall::none()) },
        phase_seed: u64::from(unit),
        counters: counters.clone(),
    };
    (outbox, counters, tokio::spawn((driver_modbus::driver().run)(task)))
}

#[tokio::test]
async fn two_devices_share_one_line() {
    let image = Image::new();
    for unit in [1, 2] {
        image.set(unit, Table::HoldingRegisters, 0, &[100 * u16::from(unit)]);
        image.set(unit, Table::InputRegisters, 0, &[7]);
    }
    let (ours, theirs) = tokio::io::duplex(512);
    let faults = Arc::new(Faults::default());
    let behaviour = Behaviour { framing: Framing::Rtu, clock: host_clock(), faults: faults.clone() };
    let units: Arc<dyn Registers> = Arc::new(image);
    tokio::spawn(serve_stream(theirs, units, behaviour));
    let bus = SerialBus::new(Arc::new(Bus(Arc::new(Mutex::new(Box::new(ours))))));
    let net = Net::new(Arc::new(OneBus(bus)));

    let (first, counters, _one) = start(&net, 1, 10);
    let (second, _, _two) = start(&net, 2, 20);
    let (absent, _, three) = start(&net, 3, 30);
    let rows = first.wait_for_rows(20).await;
    assert!(rows.iter().filter(|r| r.0.0 == 10).all(|r| r.2 == Some(Value::U64(100))));
    assert!(rows.iter().filter(|r| r.0.0 == 11).all(|r| r.2 == Some(Value::F64(3.5))));
    assert!(
        second.wait_for_rows(20).await.iter().filter(|r| r.0.0 == 20).all(|r| r.2 == Some(Value::U64(200)))
    );
    let outage = three.await.unwrap();
    assert_eq!(outage.fault.code, "modbus.timeout");
    assert!(absent.rows().is_empty());

    // A disturbed frame now and then is nothing unusual: the request is sent once more.
    let before = counters.failures.load(Relaxed);
    faults.garbage.store(true, Relaxed);
    tokio::time::timeout(Duration::from_secs(2), async {
        while counters.failures.load(Relaxed) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    faults.garbage.store(false, Relaxed);
    first.clear();
    first.wait_for_rows(6).await;
}
