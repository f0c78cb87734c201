//! The listener at work, and simulated DTUs that dial it: serial devices behind a connection that says who it is and
//! puts heartbeats wherever it likes.

use driver_modbus::{
    frame::Framing,
    pdu::Table,
    sim::{Behaviour, Faults, Image, Registers, serve_stream},
};
use sdk::{
    Arrivals, BoxFuture, DeviceDraft, DoorStatus, DoorTask, Enrolment, EnrolmentPort, Hall, Outage, Reach,
    contract::driver::{host_clock, host_reach},
};
use serde_json::{Value as Json, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use types::{Fault, ObjectId};

/// Nobody is enrolled by itself here.
struct NoEnrolment;

impl EnrolmentPort for NoEnrolment {
    fn enrol(&self, _: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>> {
        Box::pin(async { panic!("DTUs are claimed by people") })
    }
}

/// The listener at work.
pub(crate) struct DoorAtWork {
    pub(crate) hall: Hall,
    pub(crate) address: SocketAddr,
    pub(crate) arrivals: Arrivals,
    pub(crate) status: DoorStatus,
    /// One clock for the listener and all devices.
    reach: Reach,
    task: JoinHandle<Outage>,
}

impl DoorAtWork {
    /// On a free port, with more of a config.
    pub(crate) async fn start(more: Json) -> DoorAtWork {
        DoorAtWork::start_in((driver_modbus::door().hall)(), "127.0.0.1:0", more).await
    }
    pub(crate) async fn start_in(hall: Hall, listen: &str, more: Json) -> DoorAtWork {
        let reach = host_reach(hall);
        DoorAtWork::start_with(reach, listen, more).await
    }
    pub(crate) async fn start_with(reach: Reach, listen: &str, more: Json) -> DoorAtWork {
        let hall = reach.hall.clone();
        let mut config = json!({ "listen": listen, "heartbeats": ["www.usr.cn", "HB:{id}"] });
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        (driver_modbus::door().check_config)(&config).unwrap();
        let (arrivals, status) = (Arrivals::default(), DoorStatus::default());
        let task = DoorTask {
            config,
            reach: reach.clone(),
            arrivals: arrivals.clone(),
            enrolment: Enrolment::new(Arc::new(NoEnrolment)),
            status: status.clone(),
        };
        let task = tokio::spawn((driver_modbus::door().run)(task));
        until("the listener", || !status.addresses().is_empty()).await;
        DoorAtWork { hall, address: status.addresses()[0], arrivals, status, reach, task }
    }
    pub(crate) fn reach(&self) -> Reach {
        self.reach.clone()
    }
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.status.counts().get(name).copied().unwrap_or(0)
    }
}

impl Drop for DoorAtWork {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The config of a device behind a DTU.
pub(crate) fn behind(id: &str, unit: u8) -> Json {
    json!({ "transport": "dtu", "dtu_id": id, "unit_id": unit, "timeout_ms": 1500 })
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

/// Units 1 and 2 of which every register tells whose it is.
pub(crate) fn numbered(number: u16) -> Arc<Image> {
    let image = Image::new();
    for unit in [1, 2] {
        image.set(unit, Table::HoldingRegisters, 0, &[number, u16::from(unit), number ^ 0x5555]);
    }
    Arc::new(image)
}

/// What a simulated DTU says.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) packet: Vec<u8>,
    pub(crate) heartbeat: Vec<u8>,
    /// Puts a heartbeat before, into or behind this share of 256 of what it passes on; and between, if any.
    pub(crate) noise: u8,
    pub(crate) seed: u64,
}

impl Manner {
    pub(crate) fn quiet(id: &str) -> Manner {
        Manner { packet: id.into(), heartbeat: b"www.usr.cn".to_vec(), noise: 0, seed: 1 }
    }
    pub(crate) fn noisy(id: &str, seed: u64) -> Manner {
        Manner { noise: 100, seed, ..Manner::quiet(id) }
    }
}

/// A simulated DTU on its connection; hangs up when dropped.
pub(crate) struct SimDtu {
    pub(crate) faults: Arc<Faults>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Says and hears nothing more, but does not hang up.
    dark: AtomicBool,
    heartbeats: AtomicU64,
}

impl SimDtu {
    /// Dials in and registers.
    pub(crate) async fn dial(to: SocketAddr, units: Arc<dyn Registers>, manner: Manner) -> SimDtu {
        let mut wire = TcpStream::connect(to).await.unwrap();
        wire.set_nodelay(true).unwrap();
        wire.write_all(&manner.packet).await.unwrap();
        let faults = Arc::new(Faults::default());
        let behaviour = Behaviour { framing: Framing::Rtu, clock: host_clock(), faults: faults.clone() };
        let shared = Arc::new(Shared::default());
        let bridge = bridge(wire, manner, shared.clone(), move |line| serve_stream(line, units, behaviour));
        SimDtu { faults, shared, task: tokio::spawn(bridge) }
    }
    /// The mobile network forgets it: the connection stands, and nothing goes over it any more.
    pub(crate) fn go_dark(&self) {
        self.shared.dark.store(true, Relaxed);
    }
    pub(crate) fn hang_up(self) {
        drop(self);
    }
    /// The other side closed the connection.
    pub(crate) fn is_cut(&self) -> bool {
        self.task.is_finished()
    }
    /// Heartbeats sent so far.
    pub(crate) fn heartbeats(&self) -> u64 {
        self.shared.heartbeats.load(Relaxed)
    }
}

impl Drop for SimDtu {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// SplitMix64.
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Passes bytes on between the network and a serial line, with heartbeats among them, until the network ends.
async fn bridge<S, F>(mut wire: TcpStream, mut manner: Manner, shared: Arc<Shared>, serve: S)
where
    S: FnOnce(tokio::io::DuplexStream) -> F,
    F: Future<Output = std::io::Result<()>>,
{
    let (mut line, devices) = tokio::io::duplex(512);
    let mut devices = std::pin::pin!(serve(devices));
    let (mut down, mut up) = ([0; 512], [0; 512]);
    loop {
        let between = Duration::from_millis(100 + random(&mut manner.seed) % 900);
        tokio::select! {
            () = tokio::time::sleep(between), if manner.noise > 0 => {
                if !shared.dark.load(Relaxed) && wire.write_all(&manner.heartbeat).await.is_err() {
                    return;
                }
            }
            read = wire.read(&mut down) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if shared.dark.load(Relaxed) => {}
                Ok(bytes) => line.write_all(&down[..bytes]).await.unwrap(),
            },
            read = line.read(&mut up) => {
                let bytes = read.unwrap();
                if shared.dark.load(Relaxed) {
                    continue;
                }
                if pass_on(&mut wire, &up[..bytes], &mut manner, &shared).await.is_err() {
                    return;
                }
            }
            _ended = &mut devices => return,
        }
    }
}

async fn pass_on(
    wire: &mut TcpStream,
    bytes: &[u8],
    manner: &mut Manner,
    shared: &Shared,
) -> std::io::Result<()> {
    if random(&mut manner.seed) as u8 >= manner.noise {
        return wire.write_all(bytes).await;
    }
    shared.heartbeats.fetch_add(1, Relaxed);
    let at = random(&mut manner.seed) as usize % (bytes.len() + 1);
    let cut = random(&mut manner.seed) as usize % (bytes.len() + manner.heartbeat.len());
    let all = [&bytes[..at], &manner.heartbeat, &bytes[at..]].concat();
    let (first, rest) = all.split_at(cut);
    wire.write_all(first).await?;
    // Two packets now and then.
    tokio::time::sleep(Duration::from_millis(random(&mut manner.seed) % 3)).await;
    wire.write_all(rest).await
}
