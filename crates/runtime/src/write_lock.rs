//! 禁止下发: one switch an organisation that stops all writes at once and keeps reading. Survives a restart.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use types::{Change, Document, EventDraft, Expected, Fault, ObjectId, OrgId, Time, codes};

/// The switch as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WriteLockState {
    /// No write passes while true.
    pub locked: bool,
    /// Who set it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl Document for WriteLockState {
    const COLLECTION: &'static str = "write_lock";
}

/// There is one document, under this key.
const KEY: ObjectId = ObjectId::from_bytes([0; 16]);

/// The switches of all organisations: in memory for the check, in the record store for good.
#[derive(Clone)]
pub struct WriteLock {
    records: records::Records,
    known: Arc<Mutex<HashMap<OrgId, watch::Sender<WriteLockState>>>>,
    /// One change at a time, so that memory and store end in the same state.
    setting: Arc<tokio::sync::Mutex<()>>,
}

impl WriteLock {
    pub(crate) fn new(records: records::Records) -> WriteLock {
        WriteLock { records, known: Arc::default(), setting: Arc::default() }
    }

    /// How it stands.
    pub async fn state(&self, org: OrgId) -> Result<WriteLockState, Fault> {
        Ok(self.watch(org).await?.borrow().clone())
    }

    /// Sets it. Locking takes effect before it is stored: when in doubt, nothing is written.
    pub async fn set(&self, org: OrgId, locked: bool, by: &str, now: Time) -> Result<WriteLockState, Fault> {
        let state = WriteLockState { locked, by: Some(by.to_string()), since: Some(now) };
        self.watch(org).await?;
        let _one_at_a_time = self.setting.lock().await;
        if locked {
            self.publish(org, &state);
        }
        let put = Change::put(KEY, Expected::Any, &state)
            .map_err(|e| Fault::new(codes::INTERNAL, e.to_string()))?;
        let event = EventDraft {
            name: if locked { "write_lock.locked.v1" } else { "write_lock.unlocked.v1" },
            object: KEY,
            payload: serde_json::json!({ "by": by }),
        };
        self.records.commit(org, by, vec![put], vec![event]).await.map_err(|e| e.fault())?;
        self.publish(org, &state);
        Ok(state)
    }

    pub(crate) async fn is_locked(&self, org: OrgId) -> Result<bool, Fault> {
        Ok(self.watch(org).await?.borrow().locked)
    }

    /// Returns as soon as it is locked.
    pub(crate) async fn wait_locked(&self, org: OrgId) {
        // Where the store cannot say, treat it as locked: return at once.
        if let Ok(mut state) = self.watch(org).await {
            // The sender lives as long as we do, so waiting cannot fail while it is borrowed.
            drop(state.wait_for(|s| s.locked).await);
        }
    }

    fn publish(&self, org: OrgId, state: &WriteLockState) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = known.get(&org) {
            sender.send_replace(state.clone());
        }
    }

    async fn watch(&self, org: OrgId) -> Result<watch::Receiver<WriteLockState>, Fault> {
        if let Some(sender) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&org) {
            return Ok(sender.subscribe());
        }
        let stored = self.records.get::<WriteLockState>(org, KEY).await.map_err(|e| e.fault())?;
        let state = stored.map(|s| s.body).unwrap_or_default();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(org).or_insert_with(|| watch::Sender::new(state)).subscribe())
    }
}
