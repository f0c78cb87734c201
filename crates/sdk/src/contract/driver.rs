//! What every driver must do, checked against a real peer over real sockets: [`check`] runs all of it.
//!
//! A driver's own tests say what a wrong config is, how to start a peer and what stands in it; everything else is
//! here, so that all drivers fail, reconnect and write alike.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, mpsc, oneshot};
use types::{Fault, PointId, Quality, Section, Time, Value};

pub use super::host::{host_clock, host_net, host_reach};
use crate::{
    BoundPoint, BoxFuture, Clock, DeviceCounters, DeviceTask, Driver, Hall, Outage, OutageKind, Outbox,
    OutboxPort, Probe, Reach, WriteOrder, Written,
};

/// How long anything but an outage may take here; a broken driver fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a dropped task must have let go of its connection.
const STOP_MAX: Duration = Duration::from_secs(1);

/// A peer that a driver talks to.
pub trait Peer: Send + Sync {
    /// A `config` that reaches it.
    fn config(&self) -> serde_json::Value;
    /// Connections that are open now.
    fn connections(&self) -> usize;
    /// Ends it, with every connection.
    fn kill(&self);
    /// What its door and the driver share, when the peer comes to us by itself.
    fn hall(&self) -> Hall {
        Hall::none()
    }
}

/// Starts a peer.
pub type StartPeer = Box<dyn Fn() -> BoxFuture<'static, Arc<dyn Peer>> + Send + Sync>;

/// What the suite needs to know of a driver.
pub struct Case {
    /// The driver.
    pub driver: Driver,
    /// Wrong configs with the path that the fault must name.
    pub bad_configs: Vec<(serde_json::Value, &'static str)>,
    /// Wrong addresses with a part of the message, which tells what to write instead.
    pub bad_addresses: Vec<(&'static str, &'static str)>,
    /// Starts a fresh peer.
    pub start: StartPeer,
    /// Points that the peer holds, and their values, which do not change by themselves.
    pub points: Vec<(BoundPoint, Value)>,
    /// An address that is well written but that the peer does not have.
    pub absent_address: &'static str,
    /// One of `points` and another value that may be written to it.
    pub writable: (PointId, Value),
    /// How long a lost connection may stay unnoticed: the request timeout of the peer's config and a little.
    pub outage_within: Duration,
}

/// Runs the whole suite; panics with what the driver did not do.
pub async fn check(case: &Case) {
    refuses_bad_configs(case).await;
    refuses_bad_addresses(case);
    reads_every_value(case).await;
    names_what_is_absent_once(case).await;
    writes_and_reads_back(case).await;
    waits_for_a_slow_outbox(case).await;
    reports_a_lost_peer(case).await;
    lets_go_when_dropped(case).await;
}

async fn refuses_bad_configs(case: &Case) {
    let schema = (case.driver.config_schema)();
    assert!(schema.get("properties").is_some(), "the config schema lists no properties: {schema}");
    for (config, path) in &case.bad_configs {
        let faults = (case.driver.check_config)(config).expect_err("a wrong config must be refused");
        let named = faults.iter().any(|fault| fault.path.as_deref() == Some(path));
        assert!(named, "no fault of {config} names {path}: {faults:?}");
        assert!(faults.iter().all(|f| !f.detail.is_empty()), "a fault without a detail: {faults:?}");
    }
    let peer = (case.start)().await;
    let config = peer.config();
    assert_eq!((case.driver.check_config)(&config), Ok(()), "the peer's own config must be accepted");
    let probe = Probe { config, reach: host_reach(peer.hall()) };
    let report = within("a probe", (case.driver.probe)(probe)).await.expect("the peer answers a probe");
    assert_eq!(report.suggested_config, None, "a config that works needs no better one");
}

fn refuses_bad_addresses(case: &Case) {
    for (address, hint) in &case.bad_addresses {
        let fault = (case.driver.check_address)(address).expect_err("a wrong address must be refused");
        assert!(fault.detail.contains(hint), "`{address}`: `{}` does not say `{hint}`", fault.detail);
    }
    for (point, _) in &case.points {
        let facts = (case.driver.check_address)(&point.address).expect("the case's addresses are right");
        let again = (case.driver.check_address)(&facts.canonical).expect("canonical is right");
        assert_eq!(again, facts, "canonical is stable");
    }
}

async fn reads_every_value(case: &Case) {
    let running = Running::start(case, &[]).await;
    let rows = running.outbox.wait_for_points(case.points.len()).await;
    for (point, value) in &case.points {
        let row = rows.iter().find(|r| r.0 == point.id);
        let (_, time, got, quality) = row.expect("every point has a row");
        assert!(quality.is_good(), "{} is {quality:?}", point.address);
        assert_eq!(got.as_ref(), Some(value), "{}", point.address);
        assert!(running.started <= *time && *time <= running.clock.now(), "source time is when it was read");
    }
    assert!(running.outbox.online.load(Ordering::Relaxed), "the device was never reported as online");
}

async fn names_what_is_absent_once(case: &Case) {
    let absent =
        BoundPoint { id: PointId(u32::MAX), address: case.absent_address.into(), ..case.points[0].0.clone() };
    let running = Running::start(case, std::slice::from_ref(&absent)).await;
    running.outbox.wait_for_rows(4 * (case.points.len() + 1)).await;
    let rows = running.outbox.rows();
    let of_absent: Vec<_> = rows.iter().filter(|r| r.0 == absent.id).collect();
    assert_eq!(of_absent.len(), 1, "one row, then silence: {of_absent:?}");
    assert_eq!((of_absent[0].2.clone(), of_absent[0].3), (None, Quality::BAD_ADDRESS));
    let good = rows.iter().filter(|r| r.0 != absent.id).all(|r| r.3.is_good());
    assert!(good, "an absent address must not spoil its neighbours");
}

async fn writes_and_reads_back(case: &Case) {
    let running = Running::start(case, &[]).await;
    running.outbox.wait_for_points(case.points.len()).await;
    let (point, value) = case.writable.clone();
    let written = running.write(point, value.clone()).await.expect("the peer takes the write");
    assert_eq!(written.read_back, Some(value.clone()), "what was read back");
    running
        .outbox
        .wait_for("the new value", |rows| rows.iter().any(|r| r.0 == point && r.2.as_ref() == Some(&value)))
        .await;
    let unknown = running.write(PointId(u32::MAX - 1), value).await;
    assert!(unknown.is_err(), "a write to a point of another device is refused");
}

async fn waits_for_a_slow_outbox(case: &Case) {
    let running = Running::start(case, &[]).await;
    running.outbox.wait_for_points(case.points.len()).await;
    running.outbox.hold.store(true, Ordering::Relaxed);
    running.outbox.wait_until("a batch that waits", |o| o.waiting.load(Ordering::Relaxed) > 0).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting = running.outbox.waiting.load(Ordering::Relaxed);
    assert_eq!(waiting, 1, "a driver waits for its outbox instead of piling up batches");
    let (point, value) = case.writable.clone();
    running.write(point, value).await.expect("writes go on while the disk is behind");
    let before = running.outbox.rows().len();
    running.outbox.release();
    running.outbox.wait_until("the batch that waited", |o| o.rows().len() > before).await;
    let rows = running.outbox.rows();
    for (point, _) in &case.points {
        let times: Vec<Time> = rows.iter().filter(|r| r.0 == point.id).map(|r| r.1).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "each reading is new, and in order");
    }
}

async fn reports_a_lost_peer(case: &Case) {
    let mut running = Running::start(case, &[]).await;
    running.outbox.wait_for_points(case.points.len()).await;
    running.peer.kill();
    let outage = tokio::time::timeout(case.outage_within, &mut running.task).await;
    let outage = outage.expect("a lost peer must be noticed in time").expect("the driver does not panic");
    assert_eq!(outage.kind, OutageKind::Connection, "{outage:?}");
    assert!(!outage.fault.detail.is_empty() && outage.fault.code.contains('.'), "{outage:?}");
    // And nobody there from the start is the same.
    let outbox = Recorder::new();
    let (task, _writes) =
        device_task(running.peer.config(), Vec::new(), &outbox, host_reach(running.peer.hall()));
    let outage = within("a refused connection", (case.driver.run)(task)).await;
    assert_eq!(outage.kind, OutageKind::Connection, "{outage:?}");
}

async fn lets_go_when_dropped(case: &Case) {
    let running = Running::start(case, &[]).await;
    running.outbox.wait_for_points(case.points.len()).await;
    assert!(running.peer.connections() > 0, "the driver is connected");
    running.task.abort();
    let start = Instant::now();
    while running.peer.connections() > 0 {
        assert!(start.elapsed() < STOP_MAX, "a dropped task must close its connection");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A driver at work on a peer.
struct Running {
    peer: Arc<dyn Peer>,
    outbox: Arc<Recorder>,
    writes: mpsc::Sender<WriteOrder>,
    clock: Clock,
    started: Time,
    task: tokio::task::JoinHandle<Outage>,
}

impl Running {
    async fn start(case: &Case, more: &[BoundPoint]) -> Running {
        let ids: BTreeSet<PointId> = case.points.iter().map(|p| p.0.id).collect();
        assert_eq!(ids.len(), case.points.len(), "points of a case have ids of their own");
        let peer = (case.start)().await;
        let outbox = Recorder::new();
        let points = case.points.iter().map(|p| p.0.clone()).chain(more.iter().cloned()).collect();
        let reach = host_reach(peer.hall());
        let clock = reach.clock.clone();
        let started = clock.now();
        let (task, writes) = device_task(peer.config(), points, &outbox, reach);
        let task = tokio::spawn((case.driver.run)(task));
        Running { peer, outbox, writes, clock, started, task }
    }

    async fn write(&self, point: PointId, value: Value) -> Result<Written, Fault> {
        let (reply, answer) = oneshot::channel();
        let order = WriteOrder { point, value, reply };
        self.writes.send(order).await.expect("the driver takes orders");
        within("the answer to a write", answer).await.expect("every order is answered")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}

/// A task for a driver, and where its writes go in.
pub fn device_task(
    config: serde_json::Value,
    points: Vec<BoundPoint>,
    outbox: &Arc<Recorder>,
    reach: Reach,
) -> (DeviceTask, mpsc::Sender<WriteOrder>) {
    let (order, writes) = mpsc::channel(DeviceTask::WRITES_MAX);
    let task = DeviceTask {
        config,
        points: points.into(),
        outbox: Outbox::new(outbox.clone()),
        writes,
        reach,
        phase_seed: 1,
        counters: Arc::new(DeviceCounters::default()),
    };
    (task, order)
}

/// One row as it was published.
pub type Row = (PointId, Time, Option<Value>, Quality);

/// An outbox that keeps everything, for tests of drivers.
#[derive(Default)]
pub struct Recorder {
    rows: Mutex<Vec<Row>>,
    changed: Notify,
    online: AtomicBool,
    offline: Mutex<Vec<Fault>>,
    backfilled: Mutex<Vec<Row>>,
    /// While set, a published batch waits.
    hold: AtomicBool,
    held: Notify,
    waiting: AtomicUsize,
}

impl Recorder {
    /// Empty.
    pub fn new() -> Arc<Recorder> {
        Arc::default()
    }
    /// All rows so far, in order.
    pub fn rows(&self) -> Vec<Row> {
        self.lock(&self.rows).clone()
    }
    /// Rows that were backfilled so far.
    pub fn backfilled(&self) -> Vec<Row> {
        self.lock(&self.backfilled).clone()
    }
    /// Causes of which the device was reported as gone, while its run went on.
    pub fn offline_faults(&self) -> Vec<Fault> {
        self.lock(&self.offline).clone()
    }
    /// Forgets the rows so far.
    pub fn clear(&self) {
        self.lock(&self.rows).clear();
    }
    /// Whether the device was reported as connected.
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Relaxed)
    }
    /// Waits until so many points have a row.
    pub async fn wait_for_points(&self, points: usize) -> Vec<Row> {
        let enough = |rows: &[Row]| rows.iter().map(|r| r.0).collect::<BTreeSet<_>>().len() >= points;
        self.wait_for("a row of every point", enough).await
    }
    /// Waits until there are so many rows.
    pub async fn wait_for_rows(&self, count: usize) -> Vec<Row> {
        self.wait_for("more rows", |rows| rows.len() >= count).await
    }
    /// Waits until the rows are as wanted.
    pub async fn wait_for(&self, what: &str, wanted: impl Fn(&[Row]) -> bool) -> Vec<Row> {
        self.wait_until(what, |recorder| wanted(&recorder.rows())).await;
        self.rows()
    }
    fn lock<'a, T>(&self, part: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Waits until the recorder is as wanted; panics after a while.
    pub async fn wait_until(&self, what: &str, wanted: impl Fn(&Recorder) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if wanted(self) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("waited {PATIENCE:?} for {what}; rows so far: {:?}", self.rows());
        }
    }
    fn release(&self) {
        self.hold.store(false, Ordering::Relaxed);
        self.held.notify_waiters();
    }
}

impl OutboxPort for Recorder {
    fn publish(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.changed.notify_waiters();
            loop {
                let held = self.held.notified();
                if !self.hold.load(Ordering::Relaxed) {
                    break;
                }
                held.await;
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let rows = sections.iter().flat_map(Section::rows);
            self.lock(&self.rows).extend(rows);
            self.changed.notify_waiters();
            Ok(())
        })
    }
    fn online(&self) {
        self.online.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }
    fn offline(&self, fault: Fault) -> BoxFuture<'_, ()> {
        self.online.store(false, Ordering::Relaxed);
        self.lock(&self.offline).push(fault);
        self.changed.notify_waiters();
        Box::pin(async {})
    }
    fn backfill(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        self.lock(&self.backfilled).extend(sections.iter().flat_map(Section::rows));
        self.changed.notify_waiters();
        Box::pin(async { Ok(()) })
    }
    fn last_good(&self, point: PointId) -> Option<Time> {
        let good = |row: &&Row| row.0 == point && !row.3.is_bad();
        self.lock(&self.rows).iter().filter(good).map(|row| row.1).max()
    }
    fn newest(&self, point: PointId) -> Option<Time> {
        self.lock(&self.rows).iter().filter(|row| row.0 == point).map(|row| row.1).max()
    }
}
