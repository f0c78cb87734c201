//! Events in memory: in order, at least once, with a cursor per subscriber and organisation.

use types::{Event, Fault, OrgId};

use super::World;
use crate::{BoxFuture, Events, EventsPort};

pub(super) struct ScopedEvents {
    pub(super) org: OrgId,
    pub(super) world: World,
}

impl ScopedEvents {
    fn read(&self, sequence: u64, limit: usize) -> Vec<Event> {
        let store = self.world.store();
        let ours = store.events.iter().filter(|event| event.org == self.org && event.sequence > sequence);
        ours.take(limit.min(Events::BATCH_MAX)).cloned().collect()
    }
}

impl EventsPort for ScopedEvents {
    fn after(&self, sequence: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, Fault>> {
        Box::pin(async move { Ok(self.read(sequence, limit)) })
    }

    fn next(&self, subscriber: &'static str) -> BoxFuture<'_, Result<Vec<Event>, Fault>> {
        Box::pin(async move {
            let mut signal = self.world.newest_event().subscribe();
            loop {
                let cursor = self.world.store().cursors.get(&(self.org, subscriber)).copied().unwrap_or(0);
                let events = self.read(cursor, Events::BATCH_MAX);
                if !events.is_empty() {
                    return Ok(events);
                }
                if signal.changed().await.is_err() {
                    // The world is gone; nothing can happen in it any more.
                    std::future::pending::<()>().await;
                }
            }
        })
    }

    fn taken(&self, subscriber: &'static str, sequence: u64) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let mut store = self.world.store();
            let cursor = store.cursors.entry((self.org, subscriber)).or_default();
            *cursor = sequence.max(*cursor);
            Ok(())
        })
    }
}
