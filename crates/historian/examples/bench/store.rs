//! Opening a store, and asking it for everything back.

use std::{ops::Range, path::Path, sync::Arc, time::UNIX_EPOCH};

use historian::{AggregateQuery, Historian, Options, Recovery};
use types::{PointId, Time};

use crate::{Failure, arguments::Arguments};

/// Points of one counting query.
const POINTS_EACH: u32 = 10_000;
/// Points that are asked for their rows, and how many of them lie side by side.
const ASKED_MAX: u32 = 100_000;
const ASKED_EACH: u32 = 2_000;

#[allow(clippy::disallowed_methods, reason = "a binary makes the real clock once")]
pub(crate) fn now() -> Time {
    Time(UNIX_EPOCH.elapsed().map_or(0, |at| at.as_nanos() as i64))
}

pub(crate) fn open(folder: &Path, arguments: &Arguments) -> Result<(Historian, Recovery), Failure> {
    let mut options = Options::new(folder, Arc::new(now), [1; 16]);
    if let Some(mb) = arguments.maybe::<usize>("memory-mb")? {
        options.memory_bytes = mb << 20;
    }
    Ok(Historian::open(options)?)
}

/// Leaves nothing in memory that belongs on disk, and the files as compaction leaves them.
///
/// # Errors
/// The disk refuses.
pub(crate) async fn settle(historian: &Historian) -> Result<(), Failure> {
    historian.flush().await?;
    historian.compact().await?;
    Ok(())
}

/// Usable rows, Bad rows, and the sum of the usable ones, of the points 0 to `points`.
pub(crate) async fn count(historian: &Historian, points: u32) -> Result<(u64, u64, f64), Failure> {
    count_of(historian, std::slice::from_ref(&(0..points))).await
}

/// The same of several ranges of points.
pub(crate) async fn count_of(historian: &Historian, of: &[Range<u32>]) -> Result<(u64, u64, f64), Failure> {
    let (mut usable, mut bad, mut sum) = (0, 0, 0.0);
    for range in of {
        for first in range.clone().step_by(POINTS_EACH as usize) {
            let points = (first..range.end.min(first + POINTS_EACH)).map(PointId).collect();
            let query = AggregateQuery { points, from: Time(0), to: Time(i64::MAX), buckets: 1 };
            for bucket in historian.aggregate(query).await?.iter().flat_map(|answer| &answer.buckets) {
                usable += bucket.count;
                bad += bucket.bad;
                sum += bucket.sum;
            }
        }
    }
    Ok((usable, bad, sum))
}

/// The points that are asked for their rows: all, or of very many some that lie apart.
pub(crate) fn asked(points: u32) -> Vec<Range<u32>> {
    if points <= ASKED_MAX {
        return std::iter::once(0..points).collect();
    }
    let start = |n: u32| {
        (u64::from(points - ASKED_EACH) * u64::from(n) / u64::from(ASKED_MAX / ASKED_EACH - 1)) as u32
    };
    (0..ASKED_MAX / ASKED_EACH).map(|n| start(n)..start(n) + ASKED_EACH).collect()
}

/// # Errors
/// The rows that the store has are not those that were sent.
pub(crate) fn equal(found: (u64, u64, f64), sent: (u64, u64, f64)) -> Result<(), Failure> {
    let near = (found.2 - sent.2).abs() <= 1e-9 * sent.2.abs().max(1.0);
    if (found.0, found.1) == (sent.0, sent.1) && near {
        return Ok(());
    }
    Err(format!("sent {sent:?} (usable rows, Bad rows, sum), and the store has {found:?}").into())
}
