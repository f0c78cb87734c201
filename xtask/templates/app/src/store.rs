//! Everything this app keeps: the collection `@ident@_entries` and its two events. The only file that touches storage.

use sdk::Records;
use types::{
    Change, Cursor, Direction, EventDraft, Expected, Fault, Filter, IndexValue, ObjectId, Page, Query, Stored, Time,
    codes,
};

use crate::Entry;

/// An entry was added.
pub const CREATED: &str = "@name@.created.v1";
/// An entry fell due.
pub const EXPIRED: &str = "@name@.expired.v1";
/// Entries that one pass marks; the next pass takes the rest.
pub const PASS_MAX: usize = 100;

/// Adds an entry under a new id.
pub async fn create(records: &Records, id: ObjectId, entry: Entry) -> Result<Entry, Fault> {
    let entry = entry.checked()?;
    let change = Change::put(id, Expected::Absent, &entry).map_err(unwritable)?;
    let payload = serde_json::json!({ "name": entry.name, "due": entry.due });
    records.commit(vec![change], vec![EventDraft { name: CREATED, object: id, payload }]).await?;
    Ok(entry)
}

/// A page of entries, oldest first.
pub async fn list(records: &Records, after: Option<Cursor>) -> Result<Page<Stored<Entry>>, Fault> {
    records.list(Query { after, ..Query::default() }).await
}

/// Removes an entry.
pub async fn delete(records: &Records, id: ObjectId) -> Result<(), Fault> {
    records.commit(vec![Change::delete::<Entry>(id, Expected::Any)], Vec::new()).await
}

/// Marks what fell due by now, each with its event in the same transaction; says how many.
pub async fn expire(records: &Records, now: Time) -> Result<usize, Fault> {
    // `Between` leaves its end out, and what is due now is due.
    let until = Time(now.0.saturating_add(1));
    let query = Query {
        filters: vec![Filter::Between(Entry::DUE, None, Some(IndexValue::Time(until)))],
        order: Some((Entry::DUE, Direction::Ascending)),
        limit: PASS_MAX,
        ..Query::default()
    };
    let due: Vec<Stored<Entry>> = records.list::<Entry>(query).await?.items;
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for stored in due.into_iter().filter(|stored| stored.body.falls_due(now)) {
        let entry = Entry { expired: true, ..stored.body };
        // At this revision: if somebody changed it meanwhile, this pass fails and the next one looks again.
        changes.push(Change::put(stored.id, Expected::At(stored.revision), &entry).map_err(unwritable)?);
        let payload = serde_json::json!({ "name": entry.name, "due": entry.due });
        events.push(EventDraft { name: EXPIRED, object: stored.id, payload });
    }
    let marked = changes.len();
    if marked > 0 {
        records.commit(changes, events).await?;
    }
    Ok(marked)
}

fn unwritable(error: serde_json::Error) -> Fault {
    Fault::new(codes::INTERNAL, format!("an entry cannot be written: {error}; see the log"))
}
