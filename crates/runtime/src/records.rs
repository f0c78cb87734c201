//! The records handle over the record store, scoped to an organisation and a caller.

use sdk::{BoxFuture, RecordsPort};
use types::{Change, EventDraft, Fault, Index, ObjectId, OrgId, Page, Query, Stored};

pub(crate) struct ScopedRecords {
    pub(crate) org: OrgId,
    pub(crate) actor: String,
    pub(crate) store: records::Records,
}

impl RecordsPort for ScopedRecords {
    fn get(
        &self,
        collection: &'static str,
        id: ObjectId,
    ) -> BoxFuture<'_, Result<Option<Stored<serde_json::Value>>, Fault>> {
        Box::pin(async move { self.store.get_raw(self.org, collection, id).await.map_err(|e| e.fault()) })
    }
    fn list(
        &self,
        collection: &'static str,
        indexes: &'static [Index],
        query: Query,
    ) -> BoxFuture<'_, Result<Page<Stored<serde_json::Value>>, Fault>> {
        Box::pin(async move {
            self.store.list_raw(self.org, collection, indexes, query).await.map_err(|e| e.fault())
        })
    }
    fn commit(&self, changes: Vec<Change>, events: Vec<EventDraft>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            self.store.commit(self.org, &self.actor, changes, events).await.map(drop).map_err(|e| e.fault())
        })
    }
}
