//! The record store in memory, as far as this app asks: one index, no paging. The real one is tested on its own.

use sdk::{BoxFuture, Records, RecordsPort};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use types::{
    Change, EventDraft, Expected, Fault, Filter, Index, IndexValue, ObjectId, Page, Query, Stored, Time, codes,
};

type Row = (Stored<serde_json::Value>, Vec<Option<IndexValue>>);

#[derive(Default)]
struct State {
    rows: BTreeMap<ObjectId, Row>,
    events: Vec<&'static str>,
}

/// Clones share what is kept.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

impl Memory {
    pub(crate) fn handle(&self) -> Records {
        Records::new(Arc::new(self.clone()))
    }
    pub(crate) fn events(&self) -> Vec<&'static str> {
        self.0.lock().expect("no test panicked while it held this").events.clone()
    }
}

fn holds(row: &Row, filter: &Filter) -> bool {
    let value = row.1.first().cloned().flatten();
    match (filter, value) {
        (Filter::Between(_, from, to), Some(value)) => {
            from.as_ref().is_none_or(|from| value >= *from) && to.as_ref().is_none_or(|to| value < *to)
        }
        (Filter::Between(..), None) => false,
        (other, _) => panic!("this store does not know {other:?}: extend it"),
    }
}

impl RecordsPort for Memory {
    fn get(
        &self,
        _: &'static str,
        id: ObjectId,
    ) -> BoxFuture<'_, Result<Option<Stored<serde_json::Value>>, Fault>> {
        let found = self.0.lock().expect("no test panicked while it held this").rows.get(&id).map(|row| row.0.clone());
        Box::pin(async move { Ok(found) })
    }

    fn list(
        &self,
        _: &'static str,
        _: &'static [Index],
        query: Query,
    ) -> BoxFuture<'_, Result<Page<Stored<serde_json::Value>>, Fault>> {
        assert!(query.after.is_none(), "this store has no pages: extend it");
        let state = self.0.lock().expect("no test panicked while it held this");
        let rows = state.rows.values().filter(|row| query.filters.iter().all(|filter| holds(row, filter)));
        let items = rows.map(|row| row.0.clone()).collect();
        Box::pin(async move { Ok(Page { items, next: None }) })
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<EventDraft>) -> BoxFuture<'_, Result<(), Fault>> {
        let mut state = self.0.lock().expect("no test panicked while it held this");
        for change in changes {
            match change {
                Change::Put { id, expected, body, indexes, .. } => {
                    let revision = state.rows.get(&id).map(|row| row.0.revision);
                    let fine = match expected {
                        Expected::Absent => revision.is_none(),
                        Expected::At(at) => revision == Some(at),
                        Expected::Any => true,
                    };
                    if !fine {
                        return Box::pin(async { Err(Fault::new(codes::CONFLICT, "changed meanwhile")) });
                    }
                    let body = serde_json::from_str(&body).expect("a change holds JSON");
                    let stored = Stored { id, revision: revision.unwrap_or(0) + 1, changed: Time(0), body };
                    state.rows.insert(id, (stored, indexes.into_iter().map(|(_, value)| value).collect()));
                }
                Change::Delete { id, .. } => {
                    state.rows.remove(&id);
                }
                other => panic!("this store does not know {other:?}: extend it"),
            }
        }
        state.events.extend(events.iter().map(|event| event.name));
        Box::pin(async { Ok(()) })
    }
}
