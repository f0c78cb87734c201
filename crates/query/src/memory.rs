//! Memory that queries may take: each so much, and all of them together so much.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{
    GreedyMemoryPool, MemoryLimit, MemoryPool, MemoryReservation, TrackConsumersPool,
};

use crate::{CONSUMERS_NAMED, MEMORY_ALL_BYTES, MEMORY_BYTES};

/// What all queries of a node take from.
pub(crate) fn of_all() -> Arc<dyn MemoryPool> {
    Arc::new(TrackConsumersPool::new(GreedyMemoryPool::new(MEMORY_ALL_BYTES), CONSUMERS_NAMED))
}

/// What one query takes from, or the queries of one connection.
#[derive(Debug)]
pub(crate) struct Share {
    own: TrackConsumersPool<GreedyMemoryPool>,
    all: Arc<dyn MemoryPool>,
}

impl Share {
    pub(crate) fn of(all: Arc<dyn MemoryPool>) -> Share {
        Share { own: TrackConsumersPool::new(GreedyMemoryPool::new(MEMORY_BYTES), CONSUMERS_NAMED), all }
    }
}

impl Display for Share {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &str {
        "share"
    }
    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.all.grow(reservation, additional);
    }
    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.all.shrink(reservation, shrink);
    }
    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.own.try_grow(reservation, additional)?;
        self.all.try_grow(reservation, additional).inspect_err(|_| self.own.shrink(reservation, additional))
    }
    fn reserved(&self) -> usize {
        self.own.reserved()
    }
    fn memory_limit(&self) -> MemoryLimit {
        self.own.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::MemoryConsumer;

    #[test]
    fn each_has_its_bound_and_so_have_all() {
        let all = of_all();
        let shares: Vec<Arc<dyn MemoryPool>> =
            (0..=MEMORY_ALL_BYTES / MEMORY_BYTES).map(|_| Arc::new(Share::of(all.clone())) as _).collect();
        let taken: Vec<_> = shares
            .iter()
            .map(|share| {
                let reservation = MemoryConsumer::new("sort").register(share);
                let is_given = reservation.try_grow(MEMORY_BYTES).is_ok();
                assert!(reservation.try_grow(1).is_err());
                (reservation, is_given)
            })
            .collect();
        let given: Vec<bool> = taken.iter().map(|(_, is_given)| *is_given).collect();
        assert_eq!(given.iter().filter(|given| **given).count(), shares.len() - 1);
        assert_eq!(all.reserved(), MEMORY_ALL_BYTES);
        drop(taken);
        assert_eq!(all.reserved(), 0);
        assert!(shares.iter().all(|share| share.reserved() == 0));
    }
}
