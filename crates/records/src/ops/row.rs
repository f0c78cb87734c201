//! Operations on compact tables and counters.

use types::OrgId;

use crate::RecordsError;
use crate::session::{Arg, Operation, Row, Session};

/// See [`crate::Records::rows`].
pub(crate) struct Rows {
    pub(crate) table: &'static str,
    pub(crate) after: Option<(OrgId, u32)>,
    pub(crate) limit: usize,
}

impl Operation for Rows {
    type Output = Vec<(OrgId, u32, Vec<u8>)>;
    const WRITES: bool = false;

    /// Organisation by organisation, because they are the first part of the key: other tables in between cost nothing.
    async fn run<S: Session>(&self, on: &mut S) -> Result<Self::Output, RecordsError> {
        let mut found = Vec::new();
        let (mut org, mut after) = match self.after {
            Some((org, key)) => (Some(org), i64::from(key)),
            None => (next_org(on, None).await?, BEFORE_EVERY_KEY),
        };
        while let Some(current) = org
            && found.len() < self.limit
        {
            let sql = "SELECT org, key, bytes FROM compact WHERE org = $1 AND name = $2 AND key > $3 \
                 ORDER BY key LIMIT $4";
            let room = Arg::Int((self.limit - found.len()) as i64);
            let args = [Arg::Bytes(&current.bytes()), Arg::Text(self.table), Arg::Int(after), room];
            for cells in on.query(sql, &args).await? {
                found.push(row(cells)?);
            }
            (org, after) = (next_org(on, Some(current)).await?, BEFORE_EVERY_KEY);
        }
        Ok(found)
    }
}

/// Keys are unsigned.
const BEFORE_EVERY_KEY: i64 = -1;

async fn next_org<S: Session>(on: &mut S, after: Option<OrgId>) -> Result<Option<OrgId>, RecordsError> {
    // No organisation is named by zeros alone: an id carries its version.
    let after = after.unwrap_or(OrgId::from_bytes([0; 16]));
    let sql = "SELECT org FROM compact WHERE org > $1 ORDER BY org LIMIT 1";
    let rows = on.query(sql, &[Arg::Bytes(&after.bytes())]).await?;
    rows.into_iter().next().map(|mut row| row.org()).transpose()
}

fn row(mut row: Row) -> Result<(OrgId, u32, Vec<u8>), RecordsError> {
    let (org, key, bytes) = (row.org()?, row.int()?, row.bytes()?);
    let key = u32::try_from(key).map_err(|_| RecordsError::Corrupt {
        place: "a row of a compact table".into(),
        reason: format!("key {key} does not fit in 32 bits"),
    })?;
    Ok((org, key, bytes))
}

/// See [`crate::Records::allocate`].
pub(crate) struct Allocate {
    pub(crate) counter: &'static str,
    pub(crate) count: u32,
}

impl Operation for Allocate {
    type Output = u32;
    const WRITES: bool = true;

    async fn run<S: Session>(&self, on: &mut S) -> Result<u32, RecordsError> {
        let last = raise(on, self.counter, u64::from(self.count)).await?;
        u32::try_from(last).map_err(|_| RecordsError::Limit {
            what: "a counter",
            found: last,
            limit: u64::from(u32::MAX),
            action: "start another node for more objects of this kind",
        })?;
        // Fits: not above `last`, which fits; a take of none at the very end still names the number that would be next.
        Ok(u32::try_from(last - u64::from(self.count) + 1).unwrap_or(u32::MAX))
    }
}

/// Moves a counter and gives its new value. The row stays locked until the transaction ends: who takes a later number
/// commits later, and a transaction that fails gives its numbers back before anybody saw them.
pub(super) async fn raise<S: Session>(on: &mut S, counter: &str, by: u64) -> Result<u64, RecordsError> {
    let sql = "INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) \
         DO UPDATE SET value = counters.value + excluded.value RETURNING value";
    let rows = on.query(sql, &[Arg::Text(counter), Arg::Int(super::int(by)?)]).await?;
    let missing = || RecordsError::Corrupt { place: "a counter".into(), reason: "no value came back".into() };
    rows.into_iter().next().ok_or_else(missing)?.count()
}
