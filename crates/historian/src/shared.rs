//! What the writer and the readers share.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64,
};

use types::{PointId, Time};

use crate::{
    Damage, Stats,
    disk::Disk,
    memory::{LatestTable, Table},
    query::Sources,
    read::View,
    segment::Segment,
};

/// Damaged places that are listed; more are counted only.
const DAMAGED_MAX: usize = 1000;

/// The state after the last acknowledged batch. Changed by the writer thread alone, once a group.
pub(crate) struct State {
    pub(crate) table: Table,
    pub(crate) latest: LatestTable,
    pub(crate) segments: Arc<[Arc<Segment>]>,
    pub(crate) sources: Sources,
}

/// See the module.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    /// Groups that the disk refused, counted before their senders are told.
    pub(crate) failures: AtomicU64,
    state: RwLock<State>,
    stats: Mutex<Stats>,
    damaged: Mutex<Vec<Damage>>,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, state: State, damaged: Vec<Damage>) -> Shared {
        let stats = Stats { damaged: damaged.len() as u64, ..Stats::default() };
        Shared {
            disk,
            failures: AtomicU64::new(0),
            state: RwLock::new(state),
            stats: Mutex::new(stats),
            damaged: Mutex::new(damaged),
        }
    }
    // A panic while a lock is held leaves counts at worst one group behind, so a poisoned lock is read on.
    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn damaged(&self) -> Vec<Damage> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers what a reader could not read, once.
    pub(crate) fn report(&self, found: Vec<Damage>) {
        if found.is_empty() {
            return;
        }
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        for damage in found {
            if damaged.contains(&damage) {
                continue;
            }
            tracing::error!(%damage, "damaged bytes: what they held is shown as a gap");
            self.stats().damaged += 1;
            if damaged.len() < DAMAGED_MAX {
                damaged.push(damage);
            }
        }
    }

    /// What a query works on: rows in memory are copied, segments are immutable.
    pub(crate) fn view(&self, points: &[PointId], from: Time, to: Time) -> View {
        let state = self.state();
        let memory = points.iter().map(|point| {
            let sorted = state.table.sorted(*point, from, Some(to));
            sorted.into_iter().map(|sorted| sorted.rows).collect()
        });
        View { disk: self.disk.clone(), segments: state.segments.clone(), memory: memory.collect() }
    }
}
