//! The secrets handle: small blobs such as a private key, sealed at rest, seen by one leaf of one organisation.

use std::sync::Arc;
use types::Fault;

use crate::BoxFuture;

/// What stands behind a [`Secrets`].
pub trait SecretsPort: Send + Sync {
    /// The blob of this name.
    fn get(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Fault>>;
    /// Keeps a blob under a name, in place of the one before.
    fn put(&self, name: &str, blob: &[u8]) -> BoxFuture<'_, Result<(), Fault>>;
}

/// The secrets handle.
#[derive(Clone)]
pub struct Secrets(Arc<dyn SecretsPort>);

impl Secrets {
    /// The longest blob, in bytes.
    pub const BLOB_BYTES_MAX: usize = 64 * 1024;
    /// The longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 100;

    /// Over a port.
    pub fn new(port: Arc<dyn SecretsPort>) -> Secrets {
        Secrets(port)
    }
    /// See [`SecretsPort::get`].
    pub fn get(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Fault>> {
        self.0.get(name)
    }
    /// See [`SecretsPort::put`].
    pub fn put(&self, name: &str, blob: &[u8]) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.put(name, blob)
    }
}
