//! The records handle: typed documents of one organisation, and their changes together with events.

use std::sync::Arc;
use types::{
    Change, Cursor, Document, EventDraft, Fault, Filter, Index, IndexValue, ObjectId, Page, Query, Stored,
};

use crate::{BoxFuture, View};

/// What stands behind a [`Records`]. Documents pass as JSON values; the handle puts the types on.
pub trait RecordsPort: Send + Sync {
    /// One document.
    fn get(
        &self,
        collection: &'static str,
        id: ObjectId,
    ) -> BoxFuture<'_, Result<Option<Stored<serde_json::Value>>, Fault>>;
    /// A page of documents.
    fn list(
        &self,
        collection: &'static str,
        indexes: &'static [Index],
        query: Query,
    ) -> BoxFuture<'_, Result<Page<Stored<serde_json::Value>>, Fault>>;
    /// All changes and events, or none of them.
    fn commit(&self, changes: Vec<Change>, events: Vec<EventDraft>) -> BoxFuture<'_, Result<(), Fault>>;
}

/// The records handle.
#[derive(Clone)]
pub struct Records(Arc<dyn RecordsPort>);

impl Records {
    /// Over a port.
    pub fn new(port: Arc<dyn RecordsPort>) -> Records {
        Records(port)
    }
    /// One document.
    pub async fn get<T: Document>(&self, id: ObjectId) -> Result<Option<Stored<T>>, Fault> {
        self.0.get(T::COLLECTION, id).await?.map(typed).transpose()
    }
    /// A page of documents.
    pub async fn list<T: Document>(&self, query: Query) -> Result<Page<Stored<T>>, Fault> {
        let page = self.0.list(T::COLLECTION, T::INDEXES, query).await?;
        let items = page.items.into_iter().map(typed).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }
    /// A page of the documents behind a view.
    pub async fn view(
        &self,
        view: &View,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Stored<serde_json::Value>>, Fault> {
        let only = view.only.map(|(index, value)| Filter::Equal(index, IndexValue::Int(value)));
        let query = Query { filters: only.into_iter().collect(), order: view.order, after, limit };
        self.0.list(view.collection, view.indexes, query).await
    }
    /// All changes and events in one transaction, or none of them.
    pub async fn commit(&self, changes: Vec<Change>, events: Vec<EventDraft>) -> Result<(), Fault> {
        self.0.commit(changes, events).await
    }
}

pub(crate) fn typed<T: Document>(stored: Stored<serde_json::Value>) -> Result<Stored<T>, Fault> {
    let Stored { id, revision, changed, body } = stored;
    Ok(Stored { id, revision, changed, body: crate::parse_json(&body)? })
}
