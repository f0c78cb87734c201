//! Secrets and a trust list in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use types::Fault;

use crate::{BoxFuture, Presented, Secrets, SecretsPort, Trust, TrustPort, Verdict};

/// Secrets that are gone with the handle.
pub fn secrets() -> Secrets {
    Secrets::new(Arc::new(Blobs::default()))
}

#[derive(Default)]
struct Blobs(Mutex<BTreeMap<String, Vec<u8>>>);

impl SecretsPort for Blobs {
    fn get(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Fault>> {
        let blob = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        Box::pin(async move { Ok(blob) })
    }
    fn put(&self, name: &str, blob: &[u8]) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), blob.into());
        Box::pin(async { Ok(()) })
    }
}

/// A trust list that a test approves on.
#[derive(Clone, Default)]
pub struct TrustList(Arc<Mutex<Listed>>);

#[derive(Default)]
struct Listed {
    seen: BTreeMap<String, (Presented, Verdict)>,
    own: Vec<Presented>,
}

impl TrustList {
    /// The handle over it.
    pub fn handle(&self) -> Trust {
        Trust::new(Arc::new(self.clone()))
    }
    /// Certificates that were refused.
    pub fn rejected(&self) -> Vec<Presented> {
        let listed = self.lock();
        listed.seen.values().filter(|(_, v)| *v == Verdict::Rejected).map(|(p, _)| p.clone()).collect()
    }
    /// A person approves everything that was refused so far.
    pub fn approve_all(&self) {
        self.lock().seen.values_mut().for_each(|(_, verdict)| *verdict = Verdict::Trusted);
    }
    /// Certificates of our own.
    pub fn own_ones(&self) -> Vec<Presented> {
        self.lock().own.clone()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrustPort for TrustList {
    fn judge(&self, presented: Presented) -> BoxFuture<'_, Result<Verdict, Fault>> {
        let key = presented.thumbprint.clone();
        let verdict = self.lock().seen.entry(key).or_insert((presented, Verdict::Rejected)).1;
        Box::pin(async move { Ok(verdict) })
    }
    fn own(&self, presented: Presented) -> BoxFuture<'_, Result<(), Fault>> {
        let mut listed = self.lock();
        if !listed.own.iter().any(|one| one.thumbprint == presented.thumbprint) {
            listed.own.push(presented);
        }
        Box::pin(async { Ok(()) })
    }
}
