//! The events handle: what happened, in order, at least once. Publishing goes with a change: [`crate::Records::commit`].

use std::sync::Arc;
use types::{Event, Fault};

use crate::BoxFuture;

/// What stands behind an [`Events`].
pub trait EventsPort: Send + Sync {
    /// Up to `limit` events of the organisation after a sequence, in order; at once, empty when there are none.
    fn after(&self, sequence: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, Fault>>;
    /// Waits for events that `subscriber` has not yet taken. The same events come again until [`EventsPort::taken`].
    fn next(&self, subscriber: &'static str) -> BoxFuture<'_, Result<Vec<Event>, Fault>>;
    /// Moves the durable cursor of `subscriber`; never back.
    fn taken(&self, subscriber: &'static str, sequence: u64) -> BoxFuture<'_, Result<(), Fault>>;
}

/// The events handle.
#[derive(Clone)]
pub struct Events(Arc<dyn EventsPort>);

impl Events {
    /// Events one call returns at most.
    pub const BATCH_MAX: usize = 500;

    /// Over a port.
    pub fn new(port: Arc<dyn EventsPort>) -> Events {
        Events(port)
    }
    /// See [`EventsPort::after`].
    pub fn after(&self, sequence: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, Fault>> {
        self.0.after(sequence, limit)
    }
    /// See [`EventsPort::next`].
    pub fn next(&self, subscriber: &'static str) -> BoxFuture<'_, Result<Vec<Event>, Fault>> {
        self.0.next(subscriber)
    }
    /// See [`EventsPort::taken`].
    pub fn taken(&self, subscriber: &'static str, sequence: u64) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.taken(subscriber, sequence)
    }
}
