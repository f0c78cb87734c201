//! The samples handle: append, latest, range, aggregate, live. Points of other organisations do not exist here.

use std::sync::Arc;
use tokio::sync::mpsc;
use types::{Aggregate, Fault, Latest, Origin, PointId, Quality, Section, Time, Value};

use crate::BoxFuture;

/// A question for stored rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeQuery {
    /// Whose rows.
    pub points: Vec<PointId>,
    /// From this source time on.
    pub from: Time,
    /// Up to, without it.
    pub to: Time,
    /// At most so many rows in all.
    pub limit_rows: usize,
    /// Start at the end.
    pub newest_first: bool,
}

/// A question for buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateQuery {
    /// Whose rows.
    pub points: Vec<PointId>,
    /// Start of the first bucket.
    pub from: Time,
    /// End of the last bucket.
    pub to: Time,
    /// How many equal spans.
    pub buckets: u32,
}

/// One live value; the newest per point when a subscriber is slow.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestSample {
    /// Which point.
    pub point: PointId,
    /// When it was true.
    pub time: Time,
    /// What it is; `None` when the quality is all there is.
    pub value: Option<Value>,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// Live values as they were stored together.
pub type LiveBatch = Arc<Vec<LatestSample>>;

/// Live values from now on. What the bound could not hold was merged to the newest per point, and counted.
pub struct Subscription {
    /// Bounded by [`Samples::LIVE_BATCHES_MAX`].
    pub batches: mpsc::Receiver<LiveBatch>,
}

/// What stands behind a [`Samples`].
pub trait SamplesPort: Send + Sync {
    /// Durable when it returns. Rows of unknown or foreign points, or of another type than the point's, refuse the
    /// whole batch and name the row.
    fn append(&self, origin: Origin, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>>;
    /// In the order asked; `None` for points without any row, unknown or foreign ones.
    fn latest(&self, points: &[PointId]) -> Vec<Option<Latest>>;
    /// Stored rows in columns.
    fn range(&self, query: RangeQuery) -> BoxFuture<'_, Result<Vec<Section>, Fault>>;
    /// Buckets.
    fn aggregate(&self, query: AggregateQuery) -> BoxFuture<'_, Result<Vec<Aggregate>, Fault>>;
    /// Live values of these points.
    fn subscribe(&self, points: &[PointId]) -> Subscription;
}

/// The samples handle.
#[derive(Clone)]
pub struct Samples(Arc<dyn SamplesPort>);

impl Samples {
    /// Batches that may wait for one subscriber.
    pub const LIVE_BATCHES_MAX: usize = 64;
    /// Rows one range query may return.
    pub const ROWS_MAX: usize = 1_000_000;

    /// Over a port.
    pub fn new(port: Arc<dyn SamplesPort>) -> Samples {
        Samples(port)
    }
    /// See [`SamplesPort::append`].
    pub fn append(&self, origin: Origin, sections: Vec<Section>) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.append(origin, sections)
    }
    /// See [`SamplesPort::latest`].
    pub fn latest(&self, points: &[PointId]) -> Vec<Option<Latest>> {
        self.0.latest(points)
    }
    /// See [`SamplesPort::range`].
    pub fn range(&self, query: RangeQuery) -> BoxFuture<'_, Result<Vec<Section>, Fault>> {
        self.0.range(query)
    }
    /// See [`SamplesPort::aggregate`].
    pub fn aggregate(&self, query: AggregateQuery) -> BoxFuture<'_, Result<Vec<Aggregate>, Fault>> {
        self.0.aggregate(query)
    }
    /// See [`SamplesPort::subscribe`].
    pub fn subscribe(&self, points: &[PointId]) -> Subscription {
        self.0.subscribe(points)
    }
}
