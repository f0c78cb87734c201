//! The events handle over the record store's event log.

use sdk::{BoxFuture, Events, EventsPort};
use types::{Event, Fault, OrgId};

pub(crate) struct ScopedEvents {
    pub(crate) org: OrgId,
    pub(crate) caller: String,
    pub(crate) store: records::Records,
}

impl ScopedEvents {
    /// Cursors are per caller, subscriber and organisation: two apps may use the same word.
    fn cursor(&self, subscriber: &str) -> String {
        format!("{}/{subscriber}@{}", self.caller, self.org)
    }
}

impl EventsPort for ScopedEvents {
    fn after(&self, sequence: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, Fault>> {
        let limit = limit.min(Events::BATCH_MAX);
        Box::pin(async move {
            self.store.events_after(Some(self.org), sequence, limit).await.map_err(|e| e.fault())
        })
    }

    fn next(&self, subscriber: &'static str) -> BoxFuture<'_, Result<Vec<Event>, Fault>> {
        Box::pin(async move {
            let mut signal = self.store.event_signal();
            loop {
                signal.mark_unchanged();
                let cursor =
                    self.store.subscriber_cursor(&self.cursor(subscriber)).await.map_err(|e| e.fault())?;
                let events = self.after(cursor, Events::BATCH_MAX).await?;
                if !events.is_empty() {
                    return Ok(events);
                }
                if signal.changed().await.is_err() {
                    // The store is closing; the caller is about to be stopped.
                    std::future::pending::<()>().await;
                }
            }
        })
    }

    fn taken(&self, subscriber: &'static str, sequence: u64) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            self.store.advance(&self.cursor(subscriber), sequence).await.map_err(|e| e.fault())
        })
    }
}
