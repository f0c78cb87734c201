//! What the store does, once for both engines: each operation is a plain struct and the statements it runs.

mod commit;
mod event;
mod read;
mod row;

pub use commit::Committed;
pub(crate) use commit::{Commit, NewEvent};
pub(crate) use event::{Advance, EventsAfter, NewestEvent, SubscriberCursor};
pub(crate) use read::{Get, List, NextOrg};
pub(crate) use row::{Allocate, Rows};

use crate::RecordsError;

/// The counter that numbers events. Its name is none a caller can choose.
const EVENT_COUNTER: &str = ".events";

/// A count as the engines keep it.
fn int(value: u64) -> Result<i64, RecordsError> {
    i64::try_from(value).map_err(|_| RecordsError::Limit {
        what: "a revision or sequence",
        found: value,
        limit: i64::MAX as u64,
        action: "use one that the store gave",
    })
}
