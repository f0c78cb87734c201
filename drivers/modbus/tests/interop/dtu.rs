//! Behind a DTU that dials in: libmodbus on a serial line, joined to the network as a DTU joins it.

use sdk::{
    Arrivals, BoxFuture, DeviceDraft, DoorStatus, DoorTask, Enrolment, EnrolmentPort, Hall,
    contract::driver::host_reach,
};
use serde_json::json;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_serial::SerialPortBuilderExt;
use types::{Fault, ObjectId, PointId, Quality, Value, ValueType};

use crate::{
    peers::{Server, libmodbus, unless_ci},
    running::{Running, point},
    serial::Cable,
};

struct NoEnrolment;

impl EnrolmentPort for NoEnrolment {
    fn enrol(&self, _: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>> {
        Box::pin(async { panic!("DTUs are claimed by people") })
    }
}

/// A DTU: says its packet, then passes bytes on both ways, and a heartbeat now and then.
struct Dtu(JoinHandle<std::io::Result<()>>);

impl Dtu {
    fn dial(port: u16, line: &Path) -> Dtu {
        let line = tokio_serial::new(line.display().to_string(), 19_200).open_native_async().unwrap();
        Dtu(tokio::spawn(bridge(port, line)))
    }
    /// Gives the serial line back when it returns.
    async fn hang_up(self) {
        self.0.abort();
        let _aborted = self.0.await;
    }
}

async fn bridge(port: u16, mut line: tokio_serial::SerialStream) -> std::io::Result<()> {
    let mut wire = TcpStream::connect(("127.0.0.1", port)).await?;
    wire.set_nodelay(true)?;
    wire.write_all(b"REG:13800001234;").await?;
    // Few bytes at a time, so that a heartbeat often comes in the middle of a reply.
    let (mut down, mut up) = ([0; 256], [0; 5]);
    let mut passed_on = 0;
    loop {
        tokio::select! {
            read = wire.read(&mut down) => match read? {
                0 => return Ok(()),
                bytes => line.write_all(&down[..bytes]).await?,
            },
            read = line.read(&mut up) => {
                wire.write_all(&up[..read?]).await?;
                passed_on += 1;
                if passed_on % 3 == 0 {
                    wire.write_all(b"www.usr.cn").await?;
                }
            }
            () = tokio::time::sleep(Duration::from_millis(37)) => wire.write_all(b"www.usr.cn").await?,
        }
    }
}

/// The listener at work on a free port.
async fn door() -> (Hall, u16, JoinHandle<sdk::Outage>) {
    let hall = (driver_modbus::door().hall)();
    let status = DoorStatus::default();
    let task = DoorTask {
        config: json!({"listen": "127.0.0.1:0", "registrations": ["REG:{id};"], "heartbeats": ["www.usr.cn"]}),
        reach: host_reach(hall.clone()),
        arrivals: Arrivals::default(),
        enrolment: Enrolment::new(Arc::new(NoEnrolment)),
        status: status.clone(),
    };
    let task = tokio::spawn((driver_modbus::door().run)(task));
    while status.addresses().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (hall, status.addresses()[0].port(), task)
}

#[tokio::test]
async fn libmodbus_behind_a_dtu_that_dials_in() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let end = |name: &str| folder.join(format!("modbus-{}-dtu-{name}", std::process::id()));
    let (ours, theirs) = (end("ours"), end("theirs"));
    let Some(_cable) = unless_ci(Cable::between([&ours, &theirs])) else { return };
    let Some(program) = unless_ci(libmodbus(&theirs.display().to_string())) else { return };
    let _server = Server::start(&program, 0);
    let (hall, port, door) = door().await;
    let config = json!({"transport": "dtu", "dtu_id": "13800001234", "unit_id": 17, "timeout_ms": 1500});
    let points = vec![
        point(0, "40001", ValueType::U64),
        point(1, "30005 uint32 cdab", ValueType::U64),
        point(2, "co:3", ValueType::Bool),
        point(3, "40041", ValueType::U64),
        point(4, "hr:12.1", ValueType::Bool),
        point(5, "hr:14 float32 dcba", ValueType::F32),
    ];
    let running = Running::start_on(host_reach(hall), config, points);

    let dtu = Dtu::dial(port, &ours);
    let rows = running.outbox.wait_for_points(6).await;
    let of = |id: u32| rows.iter().find(|r| r.0 == PointId(id)).map(|r| (r.2.clone(), r.3)).unwrap();
    assert_eq!(of(0), (Some(Value::U64(1_000)), Quality::GOOD));
    assert_eq!(of(1), (Some(Value::U64(1_005 << 16 | 1_004)), Quality::GOOD));
    assert_eq!(of(2), (Some(Value::Bool(true)), Quality::GOOD));
    assert_eq!(of(3), (None, Quality::BAD_ADDRESS));
    let writes = [
        (0, Value::U64(7)),
        (2, Value::Bool(false)),
        (4, Value::Bool(true)),
        (4, Value::Bool(false)),
        (5, Value::F32(-1.5)),
        (0, Value::U64(1_000)),
    ];
    for (id, value) in writes {
        assert_eq!(running.write(id, value.clone()).await.unwrap().read_back, Some(value));
    }
    dtu.hang_up().await;
    for _ in 0..3 {
        dtu_is_replaced(&running, port, &ours).await;
    }
    assert!(!running.task.is_finished(), "one run all along");
    door.abort();
}

/// The line is handed to a new DTU with the same id, as after a power cut of the old one.
async fn dtu_is_replaced(running: &Running, port: u16, line: &Path) {
    let start = Instant::now();
    let dtu = Dtu::dial(port, line);
    running.outbox.clear();
    let rows = running.outbox.wait_for_rows(20).await;
    assert!(start.elapsed() < Duration::from_secs(5), "resumed after {:?}", start.elapsed());
    let good = |row: &&sdk::contract::driver::Row| row.0 == PointId(0) && row.3.is_good();
    assert!(rows.iter().filter(good).all(|row| row.2 == Some(Value::U64(1_000))));
    let before = running.outbox.offline_faults().len();
    dtu.hang_up().await;
    running.outbox.wait_until("the loss", |outbox| outbox.offline_faults().len() > before).await;
}
