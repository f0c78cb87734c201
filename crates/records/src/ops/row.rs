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

    async fn run<S: Session>(&self, on: &mut S) -> Result<Self::Output, RecordsError> {
        // Below every row: no organisation, and a key that no row has.
        let (org, key) = self.after.map_or((OrgId::from_bytes([0; 16]), -1), |(org, key)| (org, i64::from(key)));
        let sql = "SELECT org, key, bytes FROM compact WHERE (org, name, key) > ($1, $2, $3) AND name = $4 \
             ORDER BY org, name, key LIMIT $5";
        let name = Arg::Text(self.table);
        let args = [Arg::Bytes(&org.bytes()), name, Arg::Int(key), name, Arg::Int(self.limit as i64)];
        on.query(sql, &args).await?.into_iter().map(row).collect()
    }
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
