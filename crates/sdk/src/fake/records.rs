//! The record store in memory: documents, their indexes and the events that go with them.

use std::collections::BTreeMap;
use types::{
    Change, Document, Event, EventDraft, Expected, Fault, Index, IndexValue, ObjectId, OrgId, Page, Query,
    Random, Revision, Stored, Time, codes, random_bytes,
};

use super::{World, limits, query};
use crate::{BoxFuture, RecordsPort};

/// What all organisations keep.
#[derive(Default)]
pub(super) struct Store {
    orgs: BTreeMap<OrgId, Documents>,
    /// In order; the first has sequence 1.
    pub(super) events: Vec<Event>,
    /// How far each subscriber of each organisation came.
    pub(super) cursors: BTreeMap<(OrgId, &'static str), u64>,
    places: query::Places,
}

/// What one organisation keeps.
#[derive(Clone, Default)]
pub(super) struct Documents {
    pub(super) bodies: BTreeMap<Key, Stored<serde_json::Value>>,
    pub(super) entries: BTreeMap<Key, Entries>,
}

type Key = (&'static str, ObjectId);

/// A document's values by index, and whether the index forbids doubles.
type Entries = BTreeMap<&'static str, (bool, IndexValue)>;

/// Who writes, and when.
pub(super) struct Author<'a> {
    pub(super) org: OrgId,
    pub(super) name: &'a str,
    pub(super) at: Time,
    pub(super) random: &'a Random,
}

impl Store {
    pub(super) fn get(
        &self,
        org: OrgId,
        collection: &'static str,
        id: ObjectId,
    ) -> Option<Stored<serde_json::Value>> {
        self.orgs.get(&org)?.bodies.get(&(collection, id)).cloned()
    }

    /// Everything in a collection, in the order of ids.
    pub(super) fn all(&self, org: OrgId, collection: &'static str) -> Vec<Stored<serde_json::Value>> {
        let bodies = self.orgs.get(&org).into_iter().flat_map(|documents| &documents.bodies);
        bodies.filter(|((of, _), _)| *of == collection).map(|(_, stored)| stored.clone()).collect()
    }

    fn list(
        &mut self,
        org: OrgId,
        collection: &'static str,
        indexes: &[Index],
        query: Query,
    ) -> Result<Page<Stored<serde_json::Value>>, Fault> {
        let none = Documents::default();
        let documents = self.orgs.get(&org).unwrap_or(&none);
        query::Asked::new(org, collection, indexes, query)?.page(documents, &mut self.places)
    }

    /// All or nothing: the changes are made to a copy, which takes the place of the old when all went well.
    pub(super) fn commit(
        &mut self,
        by: &Author<'_>,
        changes: Vec<Change>,
        events: Vec<EventDraft>,
    ) -> Result<(), Fault> {
        limits::commit(by.name, &changes, &events)?;
        let mut documents = self.orgs.get(&by.org).cloned().unwrap_or_default();
        let mut touched = BTreeMap::new();
        for change in changes {
            documents.apply(change, by.at, &mut touched)?;
        }
        documents.index(touched)?;
        self.orgs.insert(by.org, documents);
        for draft in events {
            let event = Event {
                sequence: self.events.len() as u64 + 1,
                id: ObjectId::born(by.at, random_bytes(by.random)),
                org: by.org,
                name: draft.name.to_string(),
                object: draft.object,
                recorded: by.at,
                actor: by.name.to_string(),
                payload: draft.payload,
            };
            self.events.push(event);
        }
        Ok(())
    }
}

impl Documents {
    fn apply(&mut self, change: Change, at: Time, touched: &mut BTreeMap<Key, Entries>) -> Result<(), Fault> {
        match change {
            Change::Put { collection, id, expected, body, indexes } => {
                let key = (collection, id);
                let revision = self.expect(key, expected)?.map_or(1, |there| there + 1);
                let body = serde_json::from_str(&body).map_err(|e| limits::invalid(e.to_string()))?;
                self.bodies.insert(key, Stored { id, revision, changed: at, body });
                let present = indexes.into_iter().filter_map(|(index, value)| Some((index, value?)));
                touched.insert(key, present.map(|(index, v)| (index.name, (index.unique, v))).collect());
            }
            Change::Delete { collection, id, expected } => {
                self.expect((collection, id), expected)?;
                self.bodies.remove(&(collection, id));
                touched.insert((collection, id), Entries::new());
            }
            Change::PutRow { table, .. } | Change::DeleteRow { table, .. } => {
                return Err(limits::invalid(format!(
                    "rows of compact tables, such as {table}, are the kernel's and no handle reads them: keep a document"
                )));
            }
        }
        Ok(())
    }

    /// The revision that is there, when that is what was expected.
    fn expect(&self, key: Key, expected: Expected) -> Result<Option<Revision>, Fault> {
        let there = self.bodies.get(&key).map(|stored| stored.revision);
        match (expected, there) {
            (Expected::Any, _) | (Expected::Absent, None) => Ok(there),
            (Expected::At(wanted), Some(found)) if wanted == found => Ok(there),
            (Expected::At(_), None) => Err(not_found(key)),
            (Expected::At(wanted), Some(found)) => Err(conflict(key, Some(wanted), found)),
            (Expected::Absent, Some(found)) => Err(conflict(key, None, found)),
        }
    }

    /// First everything goes that must go, then the new comes, so that documents of one transaction can hand unique
    /// values to each other.
    fn index(&mut self, touched: BTreeMap<Key, Entries>) -> Result<(), Fault> {
        let mut fresh = Vec::new();
        for (key, mut wanted) in touched {
            let mut kept = self.entries.remove(&key).unwrap_or_default();
            kept.retain(|name, entry| wanted.get(name) == Some(&*entry));
            wanted.retain(|name, _| !kept.contains_key(name));
            self.entries.insert(key, kept);
            fresh.extend(wanted.into_iter().map(|(name, entry)| (key, name, entry)));
        }
        for (key, name, (unique, value)) in fresh {
            if unique && let Some(holder) = self.holder(key.0, name, &value) {
                return Err(duplicate(key.0, name, &value, holder));
            }
            self.entries.entry(key).or_default().insert(name, (unique, value));
        }
        Ok(())
    }

    fn holder(&self, collection: &str, index: &str, value: &IndexValue) -> Option<ObjectId> {
        let mut entries = self.entries.iter().filter(|((of, _), _)| *of == collection);
        let holds = |entries: &Entries| entries.get(index).is_some_and(|(_, held)| held == value);
        entries.find(|(_, entries)| holds(entries)).map(|((_, id), _)| *id)
    }
}

/// The write of a typed document.
pub(super) fn put<T: Document>(id: ObjectId, expected: Expected, body: &T) -> Result<Change, Fault> {
    Change::put(id, expected, body)
        .map_err(|error| limits::invalid(format!("{id} has no JSON form: {error}; correct the type")))
}

fn not_found((collection, id): Key) -> Fault {
    let detail =
        format!("there is no {id} in {collection}: it was removed or never made; load the list again");
    Fault::new(codes::NOT_FOUND, detail).arg("collection", collection).arg("id", id.to_string())
}

fn conflict((collection, id): Key, expected: Option<Revision>, found: Revision) -> Fault {
    let wanted = expected.map_or("none".to_string(), |revision| revision.to_string());
    let detail = format!(
        "{id} in {collection} is at revision {found}, expected {wanted}: load it, apply the change again and write that"
    );
    Fault::new(codes::CONFLICT, detail)
        .arg("collection", collection)
        .arg("id", id.to_string())
        .arg("expected", expected.unwrap_or(0))
        .arg("found", found)
}

fn duplicate(collection: &str, index: &str, value: &IndexValue, holder: ObjectId) -> Fault {
    let value = match value {
        IndexValue::Int(value) => value.to_string(),
        IndexValue::Text(value) => value.clone(),
        IndexValue::Id(id) => id.to_string(),
        IndexValue::Time(at) => at.to_string(),
    };
    let detail = format!(
        "{collection} already holds {holder} with {index} = {value}: choose another value or change that one"
    );
    Fault::new(codes::EXISTS, detail)
        .arg("collection", collection)
        .arg("index", index)
        .arg("value", value)
        .arg("holder", holder.to_string())
}

impl World {
    /// A commit in the name of somebody; wakes who waits for its events.
    pub(super) fn commit(
        &self,
        org: OrgId,
        actor: &str,
        changes: Vec<Change>,
        events: Vec<EventDraft>,
    ) -> Result<(), Fault> {
        let mut store = self.store();
        let author = Author { org, name: actor, at: self.clock().handle().now(), random: self.random() };
        store.commit(&author, changes, events)?;
        self.newest_event().send_replace(store.events.len() as u64);
        Ok(())
    }
}

/// One caller's view.
pub(super) struct ScopedRecords {
    pub(super) org: OrgId,
    pub(super) actor: String,
    pub(super) world: World,
}

impl RecordsPort for ScopedRecords {
    fn get(
        &self,
        collection: &'static str,
        id: ObjectId,
    ) -> BoxFuture<'_, Result<Option<Stored<serde_json::Value>>, Fault>> {
        Box::pin(async move { Ok(self.world.store().get(self.org, collection, id)) })
    }
    fn list(
        &self,
        collection: &'static str,
        indexes: &'static [Index],
        query: Query,
    ) -> BoxFuture<'_, Result<Page<Stored<serde_json::Value>>, Fault>> {
        Box::pin(async move { self.world.store().list(self.org, collection, indexes, query) })
    }
    fn commit(&self, changes: Vec<Change>, events: Vec<EventDraft>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move { self.world.commit(self.org, &self.actor, changes, events) })
    }
}
