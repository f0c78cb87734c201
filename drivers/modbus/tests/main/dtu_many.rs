//! Very many DTUs at once, with everything that goes wrong with them: no value ever shows up under another's name.

use sdk::{BoxFuture, DeviceCounters, DeviceTask, Outage, Outbox, OutboxPort};
use serde_json::{Value as Json, json};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc, task::JoinSet};
use types::{Fault, PointId, Quality, Section, Time, Value, ValueType};

use crate::{
    dial::{DoorAtWork, Manner, SimDtu, behind, numbered, random, until},
    running::point,
};

/// A DTU that is back is read again within this.
const RESUMED_WITHIN: Duration = Duration::from_secs(5);
const SEED: u64 = 0x5EED;

/// How much of it.
struct Scale {
    dtus: u16,
    period_ms: u32,
    rounds: u32,
    round: Duration,
    /// Connections of strangers meanwhile.
    strangers: u32,
}

/// What all devices saw together.
#[derive(Default)]
struct Seen {
    rows: AtomicU64,
    wrong: AtomicU64,
    offline: AtomicU64,
    resumed: Mutex<Vec<Duration>>,
}

/// One device's outbox, which knows what every value must be.
struct Checked {
    /// What registers 1 to 3 may hold, whichever of these DTUs answers.
    numbers: Vec<u16>,
    unit: u16,
    seen: Arc<Seen>,
    good: AtomicU64,
    /// Since when a DTU that dialled anew has not been read.
    awaited: Mutex<Option<Instant>>,
}

impl Checked {
    fn check(&self, point: PointId, value: Option<Value>, quality: Quality) {
        self.seen.rows.fetch_add(1, Relaxed);
        let right = |number: u16| {
            let wanted = [number, self.unit, number ^ 0x5555][point.0 as usize];
            value == Some(Value::U64(u64::from(wanted)))
        };
        if !quality.is_good() || !self.numbers.iter().any(|number| right(*number)) {
            self.seen.wrong.fetch_add(1, Relaxed);
            return;
        }
        self.good.fetch_add(1, Relaxed);
        if let Some(since) = self.awaited.lock().unwrap().take() {
            self.seen.resumed.lock().unwrap().push(since.elapsed());
        }
    }
    fn await_from_now(&self) {
        *self.awaited.lock().unwrap() = Some(Instant::now());
    }
    fn is_awaited(&self) -> bool {
        self.awaited.lock().unwrap().is_some()
    }
}

impl OutboxPort for Checked {
    fn publish(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        for (point, _, value, quality) in sections.iter().flat_map(Section::rows) {
            self.check(point, value, quality);
        }
        Box::pin(async { Ok(()) })
    }
    fn online(&self) {}
    fn offline(&self, fault: Fault) -> BoxFuture<'_, ()> {
        assert_eq!(fault.code, "modbus.dtu-away");
        self.seen.offline.fetch_add(1, Relaxed);
        Box::pin(async {})
    }
    fn backfill(&self, _: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { panic!("Modbus has no history") })
    }
    fn last_good(&self, _: PointId) -> Option<Time> {
        None
    }
    fn newest(&self, _: PointId) -> Option<Time> {
        None
    }
}

/// Runs a device as the runtime does, again and again.
fn keep_running(
    devices: &mut JoinSet<()>,
    door: &DoorAtWork,
    config: Json,
    period_ms: u32,
    outbox: &Arc<Checked>,
) {
    let names = ["40001", "40002", "40003"];
    let points: Vec<_> = (0..)
        .zip(names)
        .map(|(id, address)| sdk::BoundPoint { period_ms, ..point(id, address, ValueType::U64) })
        .collect();
    let (reach, outbox, seed) = (door.reach(), outbox.clone(), devices.len() as u64);
    devices.spawn(async move {
        loop {
            let (_orders, writes) = mpsc::channel(1);
            let task = DeviceTask {
                config: config.clone(),
                points: points.clone().into(),
                outbox: Outbox::new(outbox.clone()),
                writes,
                reach: reach.clone(),
                phase_seed: seed,
                counters: Arc::new(DeviceCounters::default()),
            };
            let _outage: Outage = (driver_modbus::driver().run)(task).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
}

/// A DTU that dials again whenever it is cut off, as a duplicate does.
async fn insist(address: std::net::SocketAddr, number: u16, id: String) {
    loop {
        let dtu = SimDtu::dial(address, numbered(number), Manner::noisy(&id, u64::from(number))).await;
        while !dtu.is_cut() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Connections that say nothing, garbage, or without end, and do not hang up by themselves.
async fn disturb(address: std::net::SocketAddr, strangers: u32) {
    let mut seed = 0xBAD;
    let mut open = std::collections::VecDeque::new();
    for i in 0..strangers {
        let Ok(mut stranger) = TcpStream::connect(address).await else { continue };
        let length = [0, 64, 4_096][i as usize % 3];
        let said: Vec<u8> = (0..length).map(|_| random(&mut seed) as u8 | 0x80).collect();
        // It may be cut off in the middle.
        let _cut = stranger.write_all(&said).await;
        open.push_back(stranger);
        if open.len() > 500 {
            open.pop_front();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn id_of(number: u16) -> String {
    format!("dtu-{number:05}")
}

/// Gives up soon enough that a silence of a quarter of a round ends a run.
fn quick(id: &str, unit: u8) -> Json {
    let mut config = behind(id, unit);
    config["timeout_ms"] = json!(400);
    config
}

/// DTUs, the devices behind them, and what all of them saw.
struct Plant<'a> {
    scale: &'a Scale,
    door: DoorAtWork,
    seen: Arc<Seen>,
    /// Stopped when dropped.
    devices: JoinSet<()>,
    outboxes: Vec<(u16, Arc<Checked>)>,
    /// `None` while one is away.
    dtus: Vec<Option<SimDtu>>,
    seed: u64,
    redials: u64,
    half_open: u64,
}

impl Plant<'_> {
    /// The listener and the devices; no DTU yet.
    async fn start(scale: &Scale) -> Plant<'_> {
        let connections_max = 4 * u32::from(scale.dtus);
        let door = DoorAtWork::start(json!({
            "dials_per_minute_max": 100_000, "idle_timeout_s": 20, "connections_max": connections_max,
        }))
        .await;
        let mut plant = Plant {
            scale,
            door,
            seen: Arc::default(),
            devices: JoinSet::new(),
            outboxes: Vec::new(),
            dtus: Vec::new(),
            seed: SEED,
            redials: 0,
            half_open: 0,
        };
        for number in 0..scale.dtus {
            // Every fourth has two devices behind it.
            for unit in 1..=(1 + u16::from(number % 4 == 0)) {
                let outbox = plant.device(&id_of(number), vec![number], unit);
                plant.outboxes.push((number, outbox));
            }
        }
        plant
    }

    fn device(&mut self, id: &str, numbers: Vec<u16>, unit: u16) -> Arc<Checked> {
        let (seen, good) = (self.seen.clone(), AtomicU64::new(0));
        let outbox = Arc::new(Checked { numbers, unit, seen, good, awaited: Mutex::default() });
        let config = quick(id, unit as u8);
        keep_running(&mut self.devices, &self.door, config, self.scale.period_ms, &outbox);
        outbox
    }

    /// Two DTUs with one id, and the device that wants it.
    fn twins(&mut self) -> Arc<Checked> {
        let twins = [self.scale.dtus, self.scale.dtus + 1];
        for number in twins {
            self.devices.spawn(insist(self.door.address, number, "twin".into()));
        }
        self.device("twin", twins.to_vec(), 1)
    }

    async fn dial(&mut self, number: u16) -> SimDtu {
        let manner = Manner::noisy(&format!("{}\r\n", id_of(number)), random(&mut self.seed));
        SimDtu::dial(self.door.address, numbered(number), manner).await
    }

    /// All dial in at once; says how long it took until all devices were read.
    async fn all_dial(&mut self) -> Duration {
        let start = Instant::now();
        for number in 0..self.scale.dtus {
            let dtu = self.dial(number).await;
            self.dtus.push(Some(dtu));
        }
        while self.outboxes.iter().any(|(_, checked)| checked.good.load(Relaxed) == 0) {
            let counts = self.door.status.counts();
            assert!(start.elapsed() < Duration::from_secs(30), "not all are read: {counts:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        start.elapsed()
    }

    /// A tenth of them goes, in this way or that, and comes back; gives the old connections that still stand.
    async fn round(&mut self) -> Vec<SimDtu> {
        let all = u64::from(self.scale.dtus);
        let mut gone: Vec<u16> = (0..all / 10).map(|_| (random(&mut self.seed) % all) as u16).collect();
        gone.sort_unstable();
        gone.dedup();
        let mut forgotten = Vec::new();
        for number in &gone {
            let Some(old) = self.dtus[usize::from(*number)].take() else { continue };
            if random(&mut self.seed).is_multiple_of(3) {
                old.hang_up();
            } else {
                // The mobile network forgets it; it does not know yet.
                old.go_dark();
                self.half_open += 1;
                forgotten.push(old);
            }
        }
        tokio::time::sleep(self.scale.round / 3).await;
        for number in &gone {
            let of = self.outboxes.iter().filter(|(of, _)| of == number);
            of.for_each(|(_, checked)| checked.await_from_now());
            self.dtus[usize::from(*number)] = Some(self.dial(*number).await);
            self.redials += 1;
        }
        tokio::time::sleep(self.scale.round * 2 / 3).await;
        forgotten
    }

    /// All that came back are read again; gives how long each took, in order.
    async fn all_resumed(&self) -> Vec<Duration> {
        let start = Instant::now();
        while self.outboxes.iter().any(|(_, checked)| checked.is_awaited()) {
            let counts = self.door.status.counts();
            assert!(start.elapsed() < RESUMED_WITHIN, "not all were resumed: {counts:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut resumed = std::mem::take(&mut *self.seen.resumed.lock().unwrap());
        resumed.sort_unstable();
        resumed
    }
}

/// Everything at once; gives figures.
async fn many(scale: &Scale) -> Json {
    let mut plant = Plant::start(scale).await;
    let contested = plant.twins();
    let strangers = tokio::spawn(disturb(plant.door.address, scale.strangers));
    let all_read = plant.all_dial().await;
    let mut forgotten = Vec::new();
    for _ in 0..scale.rounds {
        // Those of the round before hang up at last.
        forgotten = plant.round().await;
    }
    strangers.await.unwrap();
    let resumed = plant.all_resumed().await;
    drop(forgotten);

    let slowest = resumed.last().copied().unwrap_or_default();
    let (rows, wrong) = (plant.seen.rows.load(Relaxed), plant.seen.wrong.load(Relaxed));
    assert_eq!(wrong, 0, "of {rows} rows");
    assert!(slowest < RESUMED_WITHIN, "{slowest:?}");
    assert!(resumed.len() as u64 >= plant.redials && contested.good.load(Relaxed) > 0);
    until("the twins", || plant.door.status.fault().is_some()).await;
    let fault = plant.door.status.fault().unwrap();
    assert_eq!((fault.code.as_ref(), fault.args["dtu_id"].clone()), ("modbus.dtu-contested", "twin".into()));
    let ms = |share: usize| resumed[(resumed.len() - 1) * share / 100].as_millis() as u64;
    json!({
        "dtus": scale.dtus, "devices": plant.outboxes.len(), "period_ms": scale.period_ms, "counted": rows,
        "wrong": wrong, "redials": plant.redials, "half_open": plant.half_open,
        "offline": plant.seen.offline.load(Relaxed), "strangers": scale.strangers,
        "heartbeats_in_frames": plant.dtus.iter().flatten().map(SimDtu::heartbeats).sum::<u64>(),
        "all_read_ms": all_read.as_millis() as u64, "resumed_p50_ms": ms(50), "resumed_p99_ms": ms(99),
        "resumed_max_ms": ms(100), "sent_away": plant.door.count("sent_away"), "rss_mb": rss_mb(),
    })
}

/// Memory of this program with all simulated DTUs in it, in MB.
fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kb.unwrap_or(0) / 1_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_dtus_do_not_mix_and_come_back_soon() {
    let scale =
        Scale { dtus: 150, period_ms: 250, rounds: 2, round: Duration::from_millis(1_200), strangers: 300 };
    println!("{}", many(&scale).await);
}

#[ignore = "soak: 1,000 DTUs with heartbeats in frames, half-open connections, duplicate ids: nothing mixes, all come back"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_dtu() {
    let start = Instant::now();
    let scale =
        Scale { dtus: 1_000, period_ms: 1_000, rounds: 20, round: Duration::from_secs(5), strangers: 10_000 };
    let mut result = many(&scale).await;
    let commit = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = commit.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    result.as_object_mut().unwrap().extend([
        ("name".to_string(), json!("dtu")),
        ("commit".to_string(), json!(commit)),
        ("seed".to_string(), json!(SEED)),
        ("cycles".to_string(), json!(scale.rounds)),
        ("failed".to_string(), json!(0)),
        ("seconds".to_string(), json!(start.elapsed().as_secs())),
        ("load".to_string(), json!(load.trim())),
    ]);
    let text = serde_json::to_string_pretty(&result).unwrap() + "\n";
    println!("{text}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/results");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("dtu.json"), text).unwrap();
}
