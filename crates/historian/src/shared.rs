//! What the writer and the readers share.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicU32, AtomicU64},
};

use types::{Latest, PointId, Time};

use crate::{
    Damage, Deletion, Stats,
    disk::Disk,
    memory::{LatestEntry, LatestTable, Table},
    query::Sources,
    read::View,
    segment::Segment,
};

/// Damaged places that are listed; more are counted only.
const DAMAGED_MAX: usize = 1000;

/// Rows on their way to a segment: nothing is added any more.
pub(crate) struct Frozen {
    pub(crate) table: Table,
    /// The order that their segment gets: see manifest.rs.
    pub(crate) order: u64,
    /// Log records from here on are later.
    pub(crate) log_end: u64,
    /// How far each source had got then.
    pub(crate) sources: Sources,
}

/// The state after the last acknowledged batch. Changed by the writer thread alone, once a group.
pub(crate) struct State {
    pub(crate) table: Table,
    pub(crate) frozen: Option<Arc<Frozen>>,
    /// As far as segments know.
    pub(crate) latest: Arc<LatestTable>,
    /// By order: see manifest.rs.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    pub(crate) sources: Sources,
    pub(crate) deletions: Arc<[Deletion]>,
}

impl State {
    /// What a point said last.
    fn latest(&self, point: PointId) -> Option<LatestEntry> {
        let mut entry = self.latest.0.get(point).cloned().flatten();
        if let Some(frozen) = &self.frozen {
            frozen.table.latest(point, &mut entry);
        }
        self.table.latest(point, &mut entry);
        entry
    }
    /// Rows that no segment holds yet.
    pub(crate) fn memory_rows(&self) -> u64 {
        self.table.rows() + self.frozen.as_ref().map_or(0, |frozen| frozen.table.rows())
    }
    /// Their bytes, and those of the latest values.
    pub(crate) fn memory_bytes(&self) -> usize {
        let frozen = self.frozen.as_ref().map_or(0, |frozen| frozen.table.bytes());
        self.table.bytes() + frozen + self.latest.0.bytes()
    }
}

/// See the module.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    /// Groups that the disk refused, counted before their senders are told.
    pub(crate) failures: AtomicU64,
    /// The version that the store is written in.
    pub(crate) format: AtomicU32,
    /// Number of the next file of any kind.
    pub(crate) next_number: Arc<AtomicU64>,
    /// Order of the last segment that the snapshot of latest values on disk knows; 0 when that is not said.
    pub(crate) latest_order: AtomicU64,
    state: RwLock<State>,
    stats: Mutex<Stats>,
    damaged: Mutex<Vec<Damage>>,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        format: u32,
        next_number: u64,
        state: State,
        damaged: Vec<Damage>,
    ) -> Shared {
        let stats = Stats { damaged: damaged.len() as u64, ..Stats::default() };
        Shared {
            disk,
            failures: AtomicU64::new(0),
            format: AtomicU32::new(format),
            next_number: Arc::new(AtomicU64::new(next_number)),
            latest_order: AtomicU64::new(0),
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

    /// What some points said last. Reads rows only of those whose last value was replaced by none and not flushed since.
    pub(crate) fn latest(&self, points: &[PointId]) -> Vec<Option<Latest>> {
        let state = self.state();
        let mut entries: Vec<_> = points.iter().map(|point| state.latest(*point)).collect();
        drop(state);
        for (entry, point) in entries.iter_mut().zip(points) {
            let replaced = entry.as_ref().filter(|entry| entry.is_replaced).map(|entry| entry.recorded);
            if let Some(recorded) = replaced {
                let (view, mut damaged) = (self.view(&[*point], Time::MIN, Time::MAX, None), Vec::new());
                match view.latest(*point, recorded, &mut damaged) {
                    Ok(read) => *entry = read,
                    Err(error) => {
                        tracing::warn!(%error, ?point, "its latest value cannot be worked out anew")
                    }
                }
                self.report(damaged);
            }
        }
        entries.into_iter().zip(points).map(|(entry, point)| Some(entry?.of(*point))).collect()
    }

    /// What a query works on: rows in memory are copied, segments are immutable.
    pub(crate) fn view(&self, points: &[PointId], from: Time, to: Time, known_at: Option<Time>) -> View {
        let state = self.state();
        let (segments, deletions) = (state.segments.clone(), state.deletions.clone());
        let frozen = state.frozen.clone();
        let of = |table: &Table, later: usize, point: PointId| {
            let rows = table.rows_of(point, from, to, known_at, &deletions);
            rows.into_iter().map(move |rows| (later, rows)).collect::<Vec<_>>()
        };
        let mut memory: Vec<_> = points.iter().map(|point| of(&state.table, 1, *point)).collect();
        drop(state);
        if let Some(frozen) = frozen {
            for (rows, point) in memory.iter_mut().zip(points) {
                rows.extend(of(&frozen.table, 0, *point));
            }
        }
        View { segments, memory, deletions, known_at }
    }
}
