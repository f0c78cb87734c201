//! Browsing: what a device offers, streamed as it is found.

use serde::Serialize;
use tokio::sync::mpsc;
use types::ValueType;

use crate::Reach;

/// What a browse gets. It ends when all was sent or the receiver is gone.
pub struct Browse {
    /// Was checked.
    pub config: serde_json::Value,
    /// Below which node, by its address; empty for the root.
    pub at: String,
    /// Everything below, or only the next level.
    pub deep: bool,
    /// Where nodes go, parents before children. Bounded by [`Browse::BATCHES_MAX`]; a slow reader slows the browse.
    pub out: mpsc::Sender<Vec<BrowsedNode>>,
    /// Time, network, hall, secrets, trust.
    pub reach: Reach,
}

impl Browse {
    /// Batches that may wait for a reader.
    pub const BATCHES_MAX: usize = 8;
    /// Nodes of one batch.
    pub const BATCH_NODES_MAX: usize = 1_000;
    /// Nodes of one browse; the driver ends there.
    pub const NODES_MAX: usize = 200_000;
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BrowsedNode {
    /// Names it; a point with this address reads it when it is a value.
    pub address: String,
    /// Address of the node above; `null` right below where the browse started at the root.
    pub parent: Option<String>,
    /// Shown name.
    pub name: String,
    /// What it is.
    pub kind: BrowsedKind,
    /// Type of a value, when the device says.
    pub value_type: Option<ValueType>,
    /// The device says that it may be written.
    pub writable: bool,
    /// What else is known: unit, range, description.
    pub facts: Vec<(String, String)>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BrowsedKind {
    /// Has nodes below it.
    Folder,
    /// Can be read.
    Value,
    /// Can be called, by a write to a point with its address.
    Method,
}
