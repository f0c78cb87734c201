//! The records handle over the record store, scoped to an organisation and a caller.

use sdk::{BoxFuture, RecordsPort};
use types::{Change, EventDraft, Fault, Index, ObjectId, OrgId, Page, Query, Stored, codes};

/// Collections that hold what nobody may read through a handle.
const SECRET: &[&str] = &["setup", "sessions", "users", "organisations", "secrets"];
/// Collections that only the kernel's own commands change: each has rules that a plain write would go round.
const KERNEL: &[&str] = &[
    "setup",
    "sessions",
    "users",
    "organisations",
    "secrets",
    "certificates",
    "doors",
    "commands",
    "write_lock",
    "sources",
    "assets",
    "asset_types",
    "devices",
];

fn may_read(collection: &str) -> Result<(), Fault> {
    if SECRET.contains(&collection) {
        let detail =
            format!("`{collection}` is not read through this handle: choose a collection of your own");
        return Err(Fault::new(codes::FORBIDDEN, detail));
    }
    Ok(())
}

fn may_write(change: &Change) -> Result<(), Fault> {
    let name = match change {
        Change::Put { collection, .. } | Change::Delete { collection, .. } => *collection,
        Change::PutRow { table, .. } | Change::DeleteRow { table, .. } => *table,
    };
    if KERNEL.contains(&name) || name == "points" {
        let detail = format!("`{name}` is changed through its own API only: choose a collection of your own");
        return Err(Fault::new(codes::FORBIDDEN, detail));
    }
    Ok(())
}

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
        if let Err(fault) = may_read(collection) {
            return Box::pin(std::future::ready(Err(fault)));
        }
        Box::pin(async move { self.store.get_raw(self.org, collection, id).await.map_err(|e| e.fault()) })
    }
    fn list(
        &self,
        collection: &'static str,
        indexes: &'static [Index],
        query: Query,
    ) -> BoxFuture<'_, Result<Page<Stored<serde_json::Value>>, Fault>> {
        if let Err(fault) = may_read(collection) {
            return Box::pin(std::future::ready(Err(fault)));
        }
        Box::pin(async move {
            self.store.list_raw(self.org, collection, indexes, query).await.map_err(|e| e.fault())
        })
    }
    fn commit(&self, changes: Vec<Change>, events: Vec<EventDraft>) -> BoxFuture<'_, Result<(), Fault>> {
        if let Some(fault) = changes.iter().find_map(|change| may_write(change).err()) {
            return Box::pin(std::future::ready(Err(fault)));
        }
        Box::pin(async move {
            self.store.commit(self.org, &self.actor, changes, events).await.map(drop).map_err(|e| e.fault())
        })
    }
}
