//! What the evaluation writes: turns, memories, marks, and what time alone does.

use sdk::{Ids, Records};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use types::{Change, Document, Expected, Fault, Filter, IndexValue, ObjectId, Query, Stored, Time};

use super::{Batch, act, unwritable};
use crate::{
    alarm::{Act, Alarm},
    engine::{Kept, Turned},
    evaluate::Turn,
    journal::Entry,
    state::{Refusal, Stimulus},
};

/// Turns in one commit.
pub const TURNS_MAX: usize = 500;
/// Shelves that one pass ends, and journal entries that one pass prunes; the next pass takes the rest.
pub const PASS_MAX: usize = 500;
/// Where [`Progress`] stands.
const PROGRESS: ObjectId = ObjectId::from_bytes([0; 16]);

/// How the evaluation gets on, written once a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Since when it counts: the last start.
    pub since: Time,
    /// When it was written.
    pub at: Time,
    /// Rules that are evaluated.
    pub rules: u64,
    /// Rules that are not; their alarms say why.
    pub unwatched: u64,
    /// Rows that were looked at.
    pub rows: u64,
    /// Times a rule was given a row older than one it had, and left it alone.
    pub late: u64,
    /// Rows from too far ahead of the clock, left alone.
    pub ahead: u64,
    /// Rows that found no room on their way and were read from the history.
    pub missed: u64,
}

impl Progress {
    /// At a start.
    pub fn since(at: Time) -> Progress {
        Progress { since: at, at, rules: 0, unwatched: 0, rows: 0, late: 0, ahead: 0, missed: 0 }
    }
}

impl Document for Progress {
    const COLLECTION: &'static str = "alarms_progress";
}

/// Writes what turned, at most [`TURNS_MAX`]: alarms, journal, memories and events together. A turn that was written
/// before, or whose rule is gone, is passed over, so the same turns may be handed in again.
pub async fn record(records: &Records, ids: &Ids, turned: &[Turned], by: &str) -> Result<(), Fault> {
    let mut alarms: BTreeMap<ObjectId, (Stored<Alarm>, &Kept)> = BTreeMap::new();
    let mut batch = Batch::default();
    for Turned { rule, latching, turn, kept } in turned {
        if !alarms.contains_key(rule) {
            let Some(stored) = records.get(*rule).await? else { continue };
            alarms.insert(*rule, (stored, kept));
        }
        let Some((stored, newest)) = alarms.get_mut(rule) else { continue };
        *newest = kept;
        if let Ok(entry) = stored.body.turn(*rule, turn, *latching, by) {
            batch.journal(ids, &entry)?;
        }
    }
    for (id, (stored, kept)) in &alarms {
        batch.put(*id, Expected::At(stored.revision), &stored.body)?;
        batch.put(*id, Expected::Any, *kept)?;
    }
    batch.commit(records).await
}

/// Writes what rules remember, so that a restart has less to read again.
pub async fn keep(records: &Records, kept: &[(ObjectId, Kept)]) -> Result<(), Fault> {
    let puts = kept.iter().map(|(id, kept)| Change::put(*id, Expected::Any, kept).map_err(unwritable));
    records.commit(puts.collect::<Result<_, _>>()?, Vec::new()).await
}

/// Notes which rules are not evaluated, and why, and forgets it for those that are again. An active alarm among them
/// clears: nothing else would ever clear it.
pub async fn mark_unwatched(
    records: &Records,
    ids: &Ids,
    unwatched: &[(ObjectId, Fault)],
    by: &str,
    at: Time,
) -> Result<(), Fault> {
    let mut batch = Batch::default();
    let why: BTreeMap<ObjectId, &Fault> = unwatched.iter().map(|(id, why)| (*id, why)).collect();
    let marked = Filter::Equal(Alarm::UNWATCHED, IndexValue::Int(1));
    let query = Query { filters: vec![marked], limit: Query::LIMIT_MAX, ..Query::default() };
    let marked = records.list::<Alarm>(query).await?.items.into_iter().map(|stored| stored.id);
    let all: BTreeSet<ObjectId> = marked.chain(why.keys().copied()).collect();
    for id in all {
        let Some(mut stored) = records.get::<Alarm>(id).await? else { continue };
        let why = why.get(&id).map(|why| (*why).clone());
        if stored.body.unwatched == why {
            continue;
        }
        if why.is_some() && stored.body.bits.active {
            let cleared = Turn { at, raised: false, reading: None };
            let entry = stored.body.turn(id, &cleared, false, by).map_err(Refusal::fault)?;
            batch.journal(ids, &entry)?;
        }
        stored.body.unwatched = why;
        batch.put(id, Expected::At(stored.revision), &stored.body)?;
    }
    batch.commit(records).await
}

/// Where an alarm's point stands, and in which unit it is measured.
pub type Placed = (ObjectId, Option<ObjectId>, String);

/// Brings alarms up to date with points that moved or are measured in another unit.
pub async fn place(records: &Records, placed: &[Placed]) -> Result<(), Fault> {
    for placed in placed.chunks(TURNS_MAX) {
        let mut batch = Batch::default();
        for (id, asset, unit) in placed {
            let Some(mut stored) = records.get::<Alarm>(*id).await? else { continue };
            if (&stored.body.asset, &stored.body.unit) != (asset, unit) {
                (stored.body.asset, stored.body.unit) = (*asset, unit.clone());
                batch.put(*id, Expected::At(stored.revision), &stored.body)?;
            }
        }
        batch.commit(records).await?;
    }
    Ok(())
}

/// Writes how the evaluation gets on.
pub async fn tell_progress(records: &Records, progress: &Progress) -> Result<(), Fault> {
    let change = Change::put(PROGRESS, Expected::Any, progress).map_err(unwritable)?;
    records.commit(vec![change], Vec::new()).await
}

/// How the evaluation got on by its last minute; `None` before its first.
pub async fn progress(records: &Records) -> Result<Option<Progress>, Fault> {
    Ok(records.get(PROGRESS).await?.map(|stored| stored.body))
}

/// Ends the shelves whose time ran out, at most [`PASS_MAX`]; says how many there were.
pub async fn end_shelves(records: &Records, ids: &Ids, by: &str, now: Time) -> Result<usize, Fault> {
    // `Between` leaves its end out, and what ends now has ended.
    let until = IndexValue::Time(now.plus(Duration::from_nanos(1)));
    let query = Query {
        filters: vec![Filter::Between(Alarm::SHELF_END, None, Some(until))],
        limit: PASS_MAX,
        ..Query::default()
    };
    let ended: Vec<ObjectId> =
        records.list::<Alarm>(query).await?.items.iter().map(|stored| stored.id).collect();
    let expired = Act { stimulus: Stimulus::ShelfExpired, by, at: now, reason: "" };
    act(records, ids, &ended, expired).await?;
    Ok(ended.len())
}

/// Removes journal entries that are older than they are kept, at most [`PASS_MAX`]; says how many.
pub async fn prune(records: &Records, now: Time) -> Result<usize, Fault> {
    let oldest = IndexValue::Time(now.minus(Entry::KEPT));
    let query = Query {
        filters: vec![Filter::Between(Entry::AT, None, Some(oldest))],
        limit: PASS_MAX,
        ..Query::default()
    };
    let old = records.list::<Entry>(query).await?.items;
    let changes: Vec<Change> =
        old.iter().map(|stored| Change::delete::<Entry>(stored.id, Expected::Any)).collect();
    let pruned = changes.len();
    if pruned > 0 {
        records.commit(changes, Vec::new()).await?;
    }
    Ok(pruned)
}
