//! What a driver gives the loop, and what it gets back.

use std::sync::Arc;
use tokio::sync::mpsc;
use types::{Fault, Quality, Time, Value, ValueType};

use super::{Block, Limits, Span};
use crate::{BoundPoint, BoxFuture, Clock, DeviceCounters, Outage, Outbox, WriteOrder};

/// A device that is asked. Every call keeps its own deadline: it returns an [`Outage`] rather than wait for ever.
pub trait Polled: Send {
    /// What a block's cells came as.
    type Data: Send;

    /// Opens the connection; called once, first.
    fn connect(&mut self) -> BoxFuture<'_, Result<(), Outage>>;
    /// How many blocks one [`Polled::read`] takes at most; at least 1.
    fn blocks_at_once(&self) -> usize {
        1
    }
    /// Reads blocks; one reply for each, in order.
    fn read<'a>(
        &'a mut self,
        blocks: &'a [Block],
    ) -> BoxFuture<'a, Result<Vec<BlockReply<Self::Data>>, Outage>>;
    /// The raw value of one span of a block that was read.
    fn value(&self, span: &Span, block: &Block, data: &Self::Data) -> Result<Value, Quality>;
    /// The native type of an item, before scaling.
    fn native(&self, item: u32) -> ValueType;
    /// Writes a raw value of the native type, then reads it back; `None` when that failed.
    fn write(&mut self, item: u32, raw: Value) -> BoxFuture<'_, Result<Option<Value>, WriteFailure>>;
}

/// What came of one block.
pub struct BlockReply<D> {
    /// When the reply came.
    pub at: Time,
    /// The cells, or why not.
    pub outcome: Result<D, Refusal>,
}

/// The device answered, but without values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has not all of these addresses, or gives not so many at once: ask for less.
    Address,
    /// Not now: busy or failing. The rows of this cycle get this quality.
    Passing(Quality),
}

/// Why a write failed.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteFailure {
    /// The device refused it; the connection is well.
    Refused(Fault),
    /// The connection is gone; whether the device took it is unknown.
    Lost(Outage),
}

/// What [`super::serve`] works on. The spans' `item` is the index into `points`.
pub struct Wiring {
    /// What to read.
    pub points: Arc<[BoundPoint]>,
    /// Where it is; a point without a span is reported as wrongly configured.
    pub spans: Vec<Span>,
    /// What an area bears.
    pub limits: Box<dyn Fn(u32) -> Limits + Send>,
    /// See [`crate::DeviceTask::outbox`].
    pub outbox: Outbox,
    /// See [`crate::DeviceTask::writes`].
    pub writes: mpsc::Receiver<WriteOrder>,
    /// Time.
    pub clock: Clock,
    /// See [`crate::DeviceTask::phase_seed`].
    pub phase_seed: u64,
    /// Late cycles are counted here; requests and failures are the driver's to count.
    pub counters: Arc<DeviceCounters>,
}
