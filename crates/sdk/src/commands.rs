//! The commands handle: the only way to write to a machine. Two steps: propose, then confirm.

use std::sync::Arc;
use types::{Command, Fault, ObjectId, PointId, Stored, Value};

use crate::BoxFuture;

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Which point.
    pub point: PointId,
    /// In shown units and the point's type.
    pub value: Value,
}

/// What stands behind a [`Commands`].
pub trait CommandsPort: Send + Sync {
    /// First step: checks everything and keeps the proposal until it expires. Sends nothing.
    fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Stored<Command>, Fault>>;
    /// Second step: checks everything again, sends, reads back. Returns when the outcome is known.
    fn confirm(&self, command: ObjectId) -> BoxFuture<'_, Result<Stored<Command>, Fault>>;
}

/// The commands handle.
#[derive(Clone)]
pub struct Commands(Arc<dyn CommandsPort>);

impl Commands {
    /// Over a port.
    pub fn new(port: Arc<dyn CommandsPort>) -> Commands {
        Commands(port)
    }
    /// See [`CommandsPort::propose`].
    pub fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Stored<Command>, Fault>> {
        self.0.propose(proposal)
    }
    /// See [`CommandsPort::confirm`].
    pub fn confirm(&self, command: ObjectId) -> BoxFuture<'_, Result<Stored<Command>, Fault>> {
        self.0.confirm(command)
    }
}
