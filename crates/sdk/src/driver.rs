//! A driver: one protocol. It runs one device at a time, in a task that the runtime supervises.
//!
//! The runtime owns everything around it: starting again with back-off, one Bad transition per point on a loss,
//! sequence numbers, storing, budgets. A driver connects, reads or listens, writes, and returns an [`Outage`] when the
//! connection is gone. It is stopped by dropping its future.

use serde::Serialize;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::{mpsc, oneshot};
use types::{Fault, PointId, Scaling, Section, Time, Value, ValueType};

use crate::{BoxFuture, Browse, Reach};

/// The descriptor of a driver.
#[derive(Clone, Copy)]
pub struct Driver {
    /// Protocol name, such as `modbus`; stored with every device, never changed.
    pub id: &'static str,
    /// Shown name, zh and en.
    pub name: (&'static str, &'static str),
    /// JSON schema (2020-12) of a device's `config`; the console makes the form of it.
    pub config_schema: fn() -> serde_json::Value,
    /// Checks a `config`; every fault names its place.
    pub check_config: fn(&serde_json::Value) -> Result<(), Vec<Fault>>,
    /// Reads an address in the driver's notation.
    pub check_address: fn(&str) -> Result<AddressFacts, Fault>,
    /// Runs one device until the connection is lost.
    pub run: fn(DeviceTask) -> BoxFuture<'static, Outage>,
    /// Tries a `config` once, before the device exists, and tells the failures apart.
    pub probe: fn(Probe) -> BoxFuture<'static, Result<ProbeReport, Fault>>,
    /// Shows what is at an address, raw and in every plausible reading.
    pub inspect: fn(Inspect) -> BoxFuture<'static, Result<Inspection, Fault>>,
    /// Streams what the device offers, for protocols where devices say so.
    pub browse: Option<BrowseDevice>,
}

/// Streams what a device offers.
pub type BrowseDevice = fn(Browse) -> BoxFuture<'static, Result<(), Fault>>;

/// What an address says by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AddressFacts {
    /// The same address in the driver's canonical notation.
    pub canonical: String,
    /// The native type of what is read there, before scaling.
    pub value_type: ValueType,
    /// The protocol has a way to write there.
    pub writable: bool,
}

/// A point as its driver sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundPoint {
    /// Goes into the sections.
    pub id: PointId,
    /// In the driver's notation; was checked.
    pub address: String,
    /// What must come out, after scaling.
    pub value_type: ValueType,
    /// From raw to shown; the driver applies it, with [`crate::poll::scale`].
    pub scaling: Option<Scaling>,
    /// How often.
    pub period_ms: u32,
}

/// All a driver gets for one run of one device.
pub struct DeviceTask {
    /// Was checked.
    pub config: serde_json::Value,
    /// What to read. A change of points is a new task.
    pub points: Arc<[BoundPoint]>,
    /// Where readings go.
    pub outbox: Outbox,
    /// What to write; ahead of any read. Bounded by [`DeviceTask::WRITES_MAX`].
    pub writes: mpsc::Receiver<WriteOrder>,
    /// Time, network, hall, secrets, trust.
    pub reach: Reach,
    /// Differs per device, stays for good: spreads the phases of polling.
    pub phase_seed: u64,
    /// Shown on the device page.
    pub counters: Arc<DeviceCounters>,
}

impl DeviceTask {
    /// Writes that may wait for a device; more are refused at once.
    pub const WRITES_MAX: usize = 16;
}

/// Counts since the device was enabled.
#[derive(Debug, Default)]
pub struct DeviceCounters {
    /// Requests sent.
    pub requests: AtomicU64,
    /// Requests without a usable reply: timeout, exception, broken frame.
    pub failures: AtomicU64,
    /// Cycles that were skipped because the one before took too long.
    pub late_cycles: AtomicU64,
}

impl DeviceCounters {
    /// One more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What stands behind an [`Outbox`].
pub trait OutboxPort: Send + Sync {
    /// Stores and fans out. Waits while the historian is behind, so a driver cannot run ahead of the disk. Rows that
    /// only repeat a Bad quality are left out. `Ok` once the rows are durable; what was refused (disk full) is shown live
    /// and counted, and only a driver whose device can send again need care: it must not acknowledge.
    fn publish(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>>;
    /// The device answered; shown as connected from now on.
    fn online(&self);
    /// The device left and comes back by itself: shown as waiting with this cause, one Bad row per point. The run goes on.
    fn offline(&self, fault: Fault) -> BoxFuture<'_, ()>;
    /// Stores rows that were true earlier (origin: backfill). They are not live, and change no latest value that is newer.
    fn backfill(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>>;
    /// Source time of the newest row of a point that is not Bad, also from before a restart of the node.
    fn last_good(&self, point: PointId) -> Option<Time>;
    /// Source time of the newest row of a point, also a Bad one: what comes later counts as now.
    fn newest(&self, point: PointId) -> Option<Time>;
}

/// Where a driver puts what it read.
#[derive(Clone)]
pub struct Outbox(Arc<dyn OutboxPort>);

impl Outbox {
    /// Over a port.
    pub fn new(port: Arc<dyn OutboxPort>) -> Outbox {
        Outbox(port)
    }
    /// See [`OutboxPort::publish`].
    pub fn publish(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.publish(sections)
    }
    /// See [`OutboxPort::online`].
    pub fn online(&self) {
        self.0.online();
    }
    /// See [`OutboxPort::offline`].
    pub fn offline(&self, fault: Fault) -> BoxFuture<'_, ()> {
        self.0.offline(fault)
    }
    /// See [`OutboxPort::backfill`].
    pub fn backfill(&self, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.backfill(sections)
    }
    /// See [`OutboxPort::last_good`].
    pub fn last_good(&self, point: PointId) -> Option<Time> {
        self.0.last_good(point)
    }
    /// See [`OutboxPort::newest`].
    pub fn newest(&self, point: PointId) -> Option<Time> {
        self.0.newest(point)
    }
}

/// One write, already let through by the write path.
#[derive(Debug)]
pub struct WriteOrder {
    /// Which point.
    pub point: PointId,
    /// In shown units and the point's type.
    pub value: Value,
    /// Answered once; dropped when the task ends, which counts as a failure. Never sent again.
    pub reply: oneshot::Sender<Result<Written, Fault>>,
}

/// The device took a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The value read again from the device right after, in shown units; `None` when it could not be read.
    pub read_back: Option<Value>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outage {
    /// Decides how long to wait.
    pub kind: OutageKind,
    /// For the person who has to mend it.
    pub fault: Fault,
}

/// Kinds of outage by what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageKind {
    /// Refused, timed out, reset: try again soon, 0.5 s doubling to 4 s.
    Connection,
    /// Credentials, certificate or configuration: a person must act; 1 s doubling to 60 s.
    Configuration,
}

impl Outage {
    /// See [`OutageKind::Connection`].
    pub fn connection(fault: Fault) -> Outage {
        Outage { kind: OutageKind::Connection, fault }
    }
    /// See [`OutageKind::Configuration`].
    pub fn configuration(fault: Fault) -> Outage {
        Outage { kind: OutageKind::Configuration, fault }
    }
}

/// What a probe gets.
pub struct Probe {
    /// Was checked.
    pub config: serde_json::Value,
    /// Time, network, hall, secrets, trust.
    pub reach: Reach,
}

/// The device answered.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ProbeReport {
    /// Round trip of one request, in ms.
    pub round_trip_ms: f64,
    /// A corrected `config` when the probe found a better one, such as the unit id that answers.
    #[schema(value_type = Option<Object>)]
    pub suggested_config: Option<serde_json::Value>,
    /// What the device says of itself; may be empty.
    pub identity: Vec<(String, String)>,
}

/// What an inspection gets.
pub struct Inspect {
    /// Was checked.
    pub config: serde_json::Value,
    /// Where to start, in any notation that people write; empty to let the driver find the first cells that answer.
    pub address: String,
    /// How many cells (registers, items), at most [`Inspect::CELLS_MAX`].
    pub cells: u16,
    /// Time, network, hall, secrets, trust.
    pub reach: Reach,
}

impl Inspect {
    /// The most cells one inspection shows.
    pub const CELLS_MAX: u16 = 64;
}

/// What was found at an address.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Inspection {
    /// The cells as they came.
    pub raw: Vec<RawCell>,
    /// Readings of them; plausible ones first for each address.
    pub candidates: Vec<Candidate>,
}

/// One raw cell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct RawCell {
    /// Canonical address of the cell.
    pub address: String,
    /// Raw content in hex, or `null` when the device refuses this address.
    pub hex: Option<String>,
    /// The content as people read it, for messages and texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it came, for what comes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// One reading of one or more cells.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Complete address: a point with exactly this address reads this value.
    pub address: String,
    /// Short name of the reading, such as `float32 CDAB`.
    pub reading: String,
    /// Type of the value.
    pub value_type: ValueType,
    /// The value, as the API writes values.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// Looks like something a machine would say (finite, not tiny, not huge, printable).
    pub plausible: bool,
}
