//! Operations on events and on the cursors of their subscribers.

use types::{Event, OrgId, Time};

use super::{EVENT_COUNTER, int};
use crate::RecordsError;
use crate::session::{Arg, Operation, Row, Session};

const COLUMNS: &str = "sequence, id, org, name, object, recorded, actor, payload";

/// See [`crate::Records::events_after`].
pub(crate) struct EventsAfter {
    pub(crate) org: Option<OrgId>,
    pub(crate) after: u64,
    pub(crate) limit: usize,
}

impl Operation for EventsAfter {
    type Output = Vec<Event>;
    const WRITES: bool = false;

    async fn run<S: Session>(&self, on: &mut S) -> Result<Vec<Event>, RecordsError> {
        let after = Arg::Int(i64::try_from(self.after).unwrap_or(i64::MAX));
        let limit = Arg::Int(self.limit as i64);
        let rows = match &self.org {
            None => {
                let sql =
                    format!("SELECT {COLUMNS} FROM events WHERE sequence > $1 ORDER BY sequence LIMIT $2");
                on.query(&sql, &[after, limit]).await?
            }
            Some(org) => {
                let sql = format!(
                    "SELECT {COLUMNS} FROM events WHERE org = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
                );
                on.query(&sql, &[Arg::Bytes(&org.bytes()), after, limit]).await?
            }
        };
        rows.into_iter().map(event).collect()
    }
}

fn event(mut row: Row) -> Result<Event, RecordsError> {
    let sequence = row.count()?;
    Ok(Event {
        sequence,
        id: row.object()?,
        org: row.org()?,
        name: row.text()?,
        object: row.object()?,
        recorded: Time(row.int()?),
        actor: row.text()?,
        payload: serde_json::from_str(&row.text()?).map_err(|error| RecordsError::Corrupt {
            place: format!("event {sequence}"),
            reason: error.to_string(),
        })?,
    })
}

/// The sequence of the newest event.
pub(crate) struct NewestEvent;

impl Operation for NewestEvent {
    type Output = u64;
    const WRITES: bool = false;

    async fn run<S: Session>(&self, on: &mut S) -> Result<u64, RecordsError> {
        let rows =
            on.query("SELECT value FROM counters WHERE name = $1", &[Arg::Text(EVENT_COUNTER)]).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.count())
    }
}

/// See [`crate::Records::subscriber_cursor`].
pub(crate) struct SubscriberCursor {
    pub(crate) subscriber: String,
}

impl Operation for SubscriberCursor {
    type Output = u64;
    const WRITES: bool = false;

    async fn run<S: Session>(&self, on: &mut S) -> Result<u64, RecordsError> {
        let sql = "SELECT sequence FROM subscribers WHERE name = $1";
        let rows = on.query(sql, &[Arg::Text(&self.subscriber)]).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.count())
    }
}

/// See [`crate::Records::advance`].
pub(crate) struct Advance {
    pub(crate) subscriber: String,
    pub(crate) sequence: u64,
}

impl Operation for Advance {
    type Output = ();
    const WRITES: bool = true;

    async fn run<S: Session>(&self, on: &mut S) -> Result<(), RecordsError> {
        let sql = "INSERT INTO subscribers (name, sequence) VALUES ($1, $2) ON CONFLICT (name) \
             DO UPDATE SET sequence = excluded.sequence WHERE excluded.sequence > subscribers.sequence";
        on.query(sql, &[Arg::Text(&self.subscriber), Arg::Int(int(self.sequence)?)]).await?;
        Ok(())
    }
}
