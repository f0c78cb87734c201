//! The samples handle: append, latest, range, aggregate, live. Points of other organisations do not exist here.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;
use types::{Aggregate, Fault, Latest, Origin, PointId, Quality, Section, Time, Value};

use crate::{BoxFuture, Follower};

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
    /// Each row in the bucket of its time. Without, rows near an edge may be in the bucket beside it, none is ever missing,
    /// and years are answered without reading their rows: for drawing.
    pub exact: bool,
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

/// Live values of some points from now on. A slow reader gets the newest value of each point and nothing of what it
/// missed, so it costs at most one value a point however slow it is. What was passed over is counted.
///
/// For eyes, not for rules: a function that must see every row reads the historian.
#[derive(Clone)]
pub struct Subscription(Arc<Pending>);

struct Pending {
    points: HashSet<PointId>,
    newest: Mutex<HashMap<PointId, LatestSample>>,
    passed_over: AtomicU64,
    arrived: Notify,
}

impl Subscription {
    /// To these points; the publisher calls [`Subscription::offer`].
    pub fn to(points: &[PointId]) -> Subscription {
        Subscription(Arc::new(Pending {
            points: points.iter().copied().collect(),
            newest: Mutex::default(),
            passed_over: AtomicU64::new(0),
            arrived: Notify::new(),
        }))
    }
    /// Takes what it asked for out of rows that were stored.
    pub fn offer(&self, rows: &[LatestSample]) {
        let mut newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let before = newest.len();
        let mut taken = 0;
        for row in rows.iter().filter(|row| self.0.points.contains(&row.point)) {
            newest.insert(row.point, row.clone());
            taken += 1;
        }
        let passed_over = before + taken - newest.len();
        drop(newest);
        if taken > 0 {
            self.0.passed_over.fetch_add(passed_over as u64, Ordering::Relaxed);
            self.0.arrived.notify_one();
        }
    }
    /// Waits for values and takes all there are, one a point, in the order of point ids.
    pub async fn next(&self) -> Vec<LatestSample> {
        loop {
            let taken = std::mem::take(&mut *self.0.newest.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                let mut rows: Vec<LatestSample> = taken.into_values().collect();
                rows.sort_unstable_by_key(|row| row.point);
                return rows;
            }
            self.0.arrived.notified().await;
        }
    }
    /// Values that were replaced by newer ones before they were taken.
    pub fn passed_over(&self) -> u64 {
        self.0.passed_over.load(Ordering::Relaxed)
    }
    /// Nobody but the publisher holds it any more.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
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
    /// Every row of these points stored from now on.
    fn follow(&self, points: &[PointId]) -> Follower;
}

/// The samples handle.
#[derive(Clone)]
pub struct Samples(Arc<dyn SamplesPort>);

impl Samples {
    /// Points one subscription may name; more are left out.
    pub const LIVE_POINTS_MAX: usize = 5_000;
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
    /// See [`SamplesPort::follow`].
    pub fn follow(&self, points: &[PointId]) -> Follower {
        self.0.follow(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_gets_the_newest_of_each_point() {
        let subscription = Subscription::to(&[PointId(1), PointId(2)]);
        let row = |point, v| LatestSample {
            point: PointId(point),
            time: Time(v),
            value: Some(Value::I64(v)),
            quality: Quality::GOOD,
        };
        subscription.offer(&[row(1, 10), row(2, 20), row(3, 30)]);
        subscription.offer(&[row(1, 11)]);
        assert_eq!(subscription.next().await, vec![row(1, 11), row(2, 20)]);
        assert_eq!(subscription.passed_over(), 1);
    }
}
