//! The one way to change documents and rows and to record events: a transaction, all or nothing.

use std::collections::BTreeMap;

use types::{
    Change, EventDraft, Expected, Index, IndexValue, ObjectId, OrgId, Random, Revision, Time, random_bytes,
};

use super::{EVENT_COUNTER, int, row};
use crate::session::{Arg, Operation, Session};
use crate::{RecordsError, key, limits};

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The new revision for each change; 0 for removals and rows.
    pub revisions: Vec<Revision>,
    /// The sequence of the last event, when there were events.
    pub last_event: Option<u64>,
    /// The time that the documents and events carry.
    pub at: Time,
}

/// An event that still lacks its sequence.
pub(crate) struct NewEvent {
    id: ObjectId,
    name: &'static str,
    object: ObjectId,
    payload: String,
}

impl NewEvent {
    pub(crate) fn from_draft(draft: EventDraft, at: Time, random: &Random) -> Result<NewEvent, RecordsError> {
        let id = ObjectId::born(at, random_bytes(random));
        Ok(NewEvent { id, name: draft.name, object: draft.object, payload: limits::payload(&draft.payload)? })
    }
}

/// See [`crate::Records::commit`].
pub(crate) struct Commit {
    pub(crate) org: OrgId,
    pub(crate) actor: String,
    pub(crate) changes: Vec<Change>,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) at: Time,
}

/// What the index table must hold of one document when the transaction ends.
type Entries = BTreeMap<&'static str, (bool, Vec<u8>)>;

impl Operation for Commit {
    type Output = Committed;
    const WRITES: bool = true;

    async fn run<S: Session>(&self, on: &mut S) -> Result<Committed, RecordsError> {
        let mut revisions = Vec::with_capacity(self.changes.len());
        let mut touched: BTreeMap<(&'static str, ObjectId), Entries> = BTreeMap::new();
        for change in &self.changes {
            revisions.push(self.apply(on, change, &mut touched).await?);
        }
        self.index(on, touched).await?;
        let last_event = self.record(on).await?;
        Ok(Committed { revisions, last_event, at: self.at })
    }
}

impl Commit {
    async fn apply<S: Session>(
        &self,
        on: &mut S,
        change: &Change,
        touched: &mut BTreeMap<(&'static str, ObjectId), Entries>,
    ) -> Result<Revision, RecordsError> {
        let org = self.org.bytes();
        match change {
            Change::Put { collection, id, expected, body, indexes } => {
                let revision = self.put(on, collection, *id, *expected, body).await?;
                touched.insert((collection, *id), entries(indexes));
                Ok(revision)
            }
            Change::Delete { collection, id, expected } => {
                self.delete(on, collection, *id, *expected).await?;
                touched.insert((collection, *id), Entries::new());
                Ok(0)
            }
            Change::PutRow { table, key, bytes } => {
                let sql = "INSERT INTO compact (org, name, key, bytes) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (org, name, key) DO UPDATE SET bytes = excluded.bytes";
                let args = [Arg::Bytes(&org), Arg::Text(table), Arg::Int(i64::from(*key)), Arg::Bytes(bytes)];
                on.query(sql, &args).await?;
                Ok(0)
            }
            Change::DeleteRow { table, key } => {
                let sql = "DELETE FROM compact WHERE org = $1 AND name = $2 AND key = $3";
                on.query(sql, &[Arg::Bytes(&org), Arg::Text(table), Arg::Int(i64::from(*key))]).await?;
                Ok(0)
            }
        }
    }

    async fn put<S: Session>(
        &self,
        on: &mut S,
        collection: &str,
        id: ObjectId,
        expected: Expected,
        body: &str,
    ) -> Result<Revision, RecordsError> {
        let (org, key) = (self.org.bytes(), id.bytes());
        let mut args = vec![
            Arg::Bytes(&org),
            Arg::Text(collection),
            Arg::Bytes(&key),
            Arg::Int(self.at.unix_ns()),
            Arg::Text(body),
        ];
        let insert = "INSERT INTO documents (org, collection, id, revision, changed, body) \
             VALUES ($1, $2, $3, 1, $4, $5) ON CONFLICT (org, collection, id) ";
        let sql = match expected {
            Expected::Absent => format!("{insert} DO NOTHING RETURNING revision"),
            Expected::Any => format!(
                "{insert} DO UPDATE SET revision = documents.revision + 1, changed = excluded.changed, \
                 body = excluded.body RETURNING revision"
            ),
            Expected::At(revision) => {
                args.push(revision_arg(revision));
                "UPDATE documents SET revision = revision + 1, changed = $4, body = $5 \
                 WHERE org = $1 AND collection = $2 AND id = $3 AND revision = $6 RETURNING revision"
                    .into()
            }
        };
        match on.query(&sql, &args).await?.into_iter().next() {
            Some(mut row) => row.count(),
            None => Err(self.other_than(on, collection, id, expected).await),
        }
    }

    async fn delete<S: Session>(
        &self,
        on: &mut S,
        collection: &str,
        id: ObjectId,
        expected: Expected,
    ) -> Result<(), RecordsError> {
        let (org, key) = (self.org.bytes(), id.bytes());
        let mut args = vec![Arg::Bytes(&org), Arg::Text(collection), Arg::Bytes(&key)];
        let mut sql = "DELETE FROM documents WHERE org = $1 AND collection = $2 AND id = $3".to_string();
        if let Expected::At(revision) = expected {
            args.push(revision_arg(revision));
            sql.push_str(" AND revision = $4");
        }
        sql.push_str(" RETURNING revision");
        let gone = on.query(&sql, &args).await?.is_empty();
        if gone && expected != Expected::Any {
            return Err(self.other_than(on, collection, id, expected).await);
        }
        Ok(())
    }

    /// Why a change did not find what it expected.
    async fn other_than<S: Session>(
        &self,
        on: &mut S,
        collection: &str,
        id: ObjectId,
        expected: Expected,
    ) -> RecordsError {
        let sql = "SELECT revision FROM documents WHERE org = $1 AND collection = $2 AND id = $3";
        let args = [Arg::Bytes(&self.org.bytes()), Arg::Text(collection), Arg::Bytes(&id.bytes())];
        let found = match on.query(sql, &args).await {
            Ok(rows) => rows.into_iter().next().map(|mut row| row.count()).transpose(),
            Err(error) => return error,
        };
        let expected = if let Expected::At(revision) = expected { Some(revision) } else { None };
        let collection = collection.to_string();
        match (found, expected) {
            (Err(error), _) => error,
            (Ok(Some(found)), _) => RecordsError::Conflict { collection, id, expected, found },
            (Ok(None), Some(_)) => RecordsError::NotFound { collection, id },
            // Expected absent, refused, and now it is absent: it was removed in between. Another try settles it.
            (Ok(None), None) => RecordsError::Contended(format!("{id} in {collection}")),
        }
    }

    /// Brings the index table in line: first everything goes that must go, then the new comes, so that documents of one
    /// transaction can hand unique values to each other.
    async fn index<S: Session>(
        &self,
        on: &mut S,
        touched: BTreeMap<(&'static str, ObjectId), Entries>,
    ) -> Result<(), RecordsError> {
        let org = self.org.bytes();
        let mut fresh = Vec::new();
        for ((collection, id), mut wanted) in touched {
            let key = id.bytes();
            let sql =
                "SELECT name, value, exclusive FROM entries WHERE org = $1 AND collection = $2 AND id = $3";
            for mut row in on.query(sql, &[Arg::Bytes(&org), Arg::Text(collection), Arg::Bytes(&key)]).await?
            {
                let (name, value, exclusive) = (row.text()?, row.bytes()?, row.int()? == 1);
                let kept = wanted.get(name.as_str()).is_some_and(|(is, v)| (*is, v) == (exclusive, &value));
                if kept {
                    wanted.remove(name.as_str());
                    continue;
                }
                let sql = "DELETE FROM entries WHERE org = $1 AND collection = $2 AND name = $3 AND value = $4 AND id = $5";
                let args = [
                    Arg::Bytes(&org),
                    Arg::Text(collection),
                    Arg::Text(&name),
                    Arg::Bytes(&value),
                    Arg::Bytes(&key),
                ];
                on.query(sql, &args).await?;
            }
            fresh.extend(wanted.into_iter().map(|(name, entry)| (collection, id, name, entry)));
        }
        for (collection, id, name, (exclusive, value)) in fresh {
            if exclusive {
                self.refuse_double(on, collection, name, &value).await?;
            }
            let sql = "INSERT INTO entries (org, collection, name, value, id, exclusive) VALUES ($1, $2, $3, $4, $5, $6)";
            let args = [
                Arg::Bytes(&org),
                Arg::Text(collection),
                Arg::Text(name),
                Arg::Bytes(&value),
                Arg::Bytes(&id.bytes()),
                Arg::Int(i64::from(exclusive)),
            ];
            on.query(sql, &args).await?;
        }
        Ok(())
    }

    /// A look before the insert names the holder. The unique index beneath stays the judge: where two transactions race,
    /// the later one fails there, is run again and then meets the holder here.
    async fn refuse_double<S: Session>(
        &self,
        on: &mut S,
        collection: &str,
        index: &str,
        value: &[u8],
    ) -> Result<(), RecordsError> {
        let sql =
            "SELECT id FROM entries WHERE org = $1 AND collection = $2 AND name = $3 AND value = $4 LIMIT 1";
        let org = self.org.bytes();
        let args = [Arg::Bytes(&org), Arg::Text(collection), Arg::Text(index), Arg::Bytes(value)];
        let Some(mut row) = on.query(sql, &args).await?.into_iter().next() else { return Ok(()) };
        Err(RecordsError::Duplicate {
            collection: collection.into(),
            index: index.into(),
            value: readable(value),
            holder: row.object()?,
        })
    }

    async fn record<S: Session>(&self, on: &mut S) -> Result<Option<u64>, RecordsError> {
        if self.events.is_empty() {
            return Ok(None);
        }
        let count = self.events.len() as u64;
        let last = row::raise(on, EVENT_COUNTER, count).await?;
        for (sequence, event) in (last - count + 1..).zip(&self.events) {
            let sql = "INSERT INTO events (sequence, id, org, name, object, recorded, actor, payload) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let args = [
                Arg::Int(int(sequence)?),
                Arg::Bytes(&event.id.bytes()),
                Arg::Bytes(&self.org.bytes()),
                Arg::Text(event.name),
                Arg::Bytes(&event.object.bytes()),
                Arg::Int(self.at.unix_ns()),
                Arg::Text(&self.actor),
                Arg::Text(&event.payload),
            ];
            on.query(sql, &args).await?;
        }
        Ok(Some(last))
    }
}

/// A revision beyond what the engines can count is one that no document has: it conflicts like any other.
fn revision_arg(revision: Revision) -> Arg<'static> {
    Arg::Int(i64::try_from(revision).unwrap_or(i64::MAX))
}

fn entries(indexes: &[(Index, Option<IndexValue>)]) -> Entries {
    let present = indexes.iter().filter_map(|(index, value)| Some((index, value.as_ref()?)));
    present.map(|(index, value)| (index.name, (index.unique, key::encode(value)))).collect()
}

fn readable(value: &[u8]) -> String {
    match key::decode(value) {
        Some(IndexValue::Int(value)) => value.to_string(),
        Some(IndexValue::Text(value)) => value,
        Some(IndexValue::Id(id)) => id.to_string(),
        Some(IndexValue::Time(at)) => at.to_string(),
        None => format!("{value:02x?}"),
    }
}
