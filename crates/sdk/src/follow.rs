//! Every stored row of some points, in the order stored: what rules are evaluated on.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;
use types::PointId;

use crate::LatestSample;

/// Rows since the last call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Followed {
    /// In the order stored; per point in the order of arrival.
    pub rows: Vec<LatestSample>,
    /// Rows that found no room after these: read the gap with [`crate::Samples::range`].
    pub missed: u64,
}

/// Rows of some points from now on. A follower that falls behind its bound misses rows and is told how many; it slows
/// nobody. Backfilled rows do not come this way: they are history, and history is read.
#[derive(Clone)]
pub struct Follower(Arc<Queue>);

struct Queue {
    points: HashSet<PointId>,
    rows: Mutex<Followed>,
    arrived: Notify,
}

impl Follower {
    /// Rows that wait for a follower.
    pub const ROWS_MAX: usize = 100_000;

    /// Of these points; the publisher calls [`Follower::offer`].
    pub fn of(points: &[PointId]) -> Follower {
        Follower(Arc::new(Queue {
            points: points.iter().copied().collect(),
            rows: Mutex::default(),
            arrived: Notify::new(),
        }))
    }
    /// Takes its rows out of what was stored.
    pub fn offer(&self, stored: &[LatestSample]) {
        let mut queue = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = false;
        for row in stored.iter().filter(|row| self.0.points.contains(&row.point)) {
            taken = true;
            // Once a row was missed, later ones of the same call would hide where: all wait for the reader.
            if queue.missed > 0 || queue.rows.len() >= Self::ROWS_MAX {
                queue.missed += 1;
            } else {
                queue.rows.push(row.clone());
            }
        }
        drop(queue);
        if taken {
            self.0.arrived.notify_one();
        }
    }
    /// Waits for rows and takes all there are. `missed` rows came after the last of `rows`.
    pub async fn next(&self) -> Followed {
        loop {
            let taken = std::mem::take(&mut *self.0.rows.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.rows.is_empty() || taken.missed > 0 {
                return taken;
            }
            self.0.arrived.notified().await;
        }
    }
    /// Nobody but the publisher holds it any more.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Quality, Time, Value};

    fn row(point: u32, at: i64) -> LatestSample {
        LatestSample {
            point: PointId(point),
            time: Time(at),
            value: Some(Value::I64(at)),
            quality: Quality::GOOD,
        }
    }

    #[tokio::test]
    async fn every_row_comes_in_order() {
        let follower = Follower::of(&[PointId(1)]);
        follower.offer(&[row(1, 1), row(2, 2), row(1, 3)]);
        follower.offer(&[row(1, 4)]);
        assert_eq!(
            follower.next().await,
            Followed { rows: vec![row(1, 1), row(1, 3), row(1, 4)], missed: 0 }
        );
    }

    #[tokio::test]
    async fn a_follower_that_falls_behind_is_told() {
        let follower = Follower::of(&[PointId(1)]);
        let many: Vec<LatestSample> = (0..Follower::ROWS_MAX as i64 + 5).map(|at| row(1, at)).collect();
        follower.offer(&many);
        let followed = follower.next().await;
        assert_eq!((followed.rows.len(), followed.missed), (Follower::ROWS_MAX, 5));
        follower.offer(&[row(1, 9)]);
        assert_eq!(follower.next().await.missed, 0);
    }
}
