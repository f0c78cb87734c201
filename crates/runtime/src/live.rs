//! Live fan-out: rows go to whoever watches their points, after the historian has answered for them. Rows it refused
//! (a full disk) are shown all the same, and counted as shed.

use sdk::{Follower, LatestSample, Subscription};
use std::sync::{Mutex, PoisonError};
use types::{PointId, Section};

/// Everyone who watches. A slow watcher holds up nobody: see [`Subscription`].
#[derive(Default)]
pub(crate) struct Live {
    watchers: Mutex<Vec<Subscription>>,
    followers: Mutex<Vec<Follower>>,
}

impl Live {
    /// A new watcher; gone when the last handle but ours is dropped.
    pub(crate) fn watch(&self, points: &[PointId]) -> Subscription {
        let subscription = Subscription::to(points);
        self.lock().push(subscription.clone());
        subscription
    }

    /// A new follower; gone when the last handle but ours is dropped.
    pub(crate) fn follow(&self, points: &[PointId]) -> Follower {
        let follower = Follower::of(points);
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(follower.clone());
        follower
    }

    /// Rows the historian has answered for.
    pub(crate) fn publish(&self, sections: &[Section]) {
        let mut watchers = self.lock();
        watchers.retain(|w| !w.is_abandoned());
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|f| !f.is_abandoned());
        if watchers.is_empty() && followers.is_empty() {
            return;
        }
        let rows: Vec<LatestSample> = sections
            .iter()
            .flat_map(Section::rows)
            .map(|(point, time, value, quality)| LatestSample { point, time, value, quality })
            .collect();
        for watcher in watchers.iter() {
            watcher.offer(&rows);
        }
        for follower in followers.iter() {
            follower.offer(&rows);
        }
    }

    /// How many watch.
    pub(crate) fn watchers(&self) -> usize {
        self.lock().iter().filter(|w| !w.is_abandoned()).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Subscription>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
