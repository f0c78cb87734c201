//! Reading events: in the order of their sequence, at least once, with a durable cursor per subscriber.

use tokio::sync::watch;
use types::{Event, OrgId};

use crate::{Records, RecordsError, limits, ops};

impl Records {
    /// Events after a sequence, oldest first; of one organisation or, for the kernel, of all. At most
    /// [`crate::ROWS_PAGE_MAX`] at a time.
    ///
    /// Sequences become visible in order: once a reader has seen `n`, no event below `n` can appear.
    pub async fn events_after(
        &self,
        org: Option<OrgId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, RecordsError> {
        self.run(ops::EventsAfter { org, after, limit: limit.min(limits::ROWS_PAGE_MAX) }).await
    }

    /// The last sequence a subscriber is done with; 0 for a new one.
    pub async fn subscriber_cursor(&self, subscriber: &str) -> Result<u64, RecordsError> {
        limits::label("subscriber", subscriber)?;
        self.run(ops::SubscriberCursor { subscriber: subscriber.into() }).await
    }

    /// Remembers that a subscriber is done with everything up to `sequence`. Never moves back.
    pub async fn advance(&self, subscriber: &str, sequence: u64) -> Result<(), RecordsError> {
        limits::label("subscriber", subscriber)?;
        self.run(ops::Advance { subscriber: subscriber.into(), sequence }).await
    }

    /// The newest sequence that this process committed (or found at opening): wakes subscribers without polling.
    /// Commits of other processes do not show here; who shares a store polls as well.
    pub fn event_signal(&self) -> watch::Receiver<u64> {
        self.newest_event.subscribe()
    }

    pub(crate) fn announce(&self, sequence: u64) {
        self.newest_event.send_if_modified(|newest| {
            let rises = sequence > *newest;
            *newest = sequence.max(*newest);
            rises
        });
    }
}
