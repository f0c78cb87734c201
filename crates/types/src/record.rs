//! The vocabulary of the record store: typed documents, declared indexes, changes and events in one transaction.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{ObjectId, OrgId, Time};

/// Counts the changes of one document, from 1.
pub type Revision = u64;

/// A type whose values are kept as documents. The collection name and the indexes are part of the format on disk.
pub trait Document: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Plural noun, such as `devices`; at most 63 ASCII letters, digits and underscores.
    const COLLECTION: &'static str;
    /// Indexes: what may be filtered and ordered by.
    const INDEXES: &'static [Index] = &[];

    /// The value of each index, in the order of [`Document::INDEXES`]; `None` leaves the document out of that index.
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        Vec::new()
    }
}

/// One declared index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Column-like name, such as `parent`.
    pub name: &'static str,
    /// Two documents of one organisation may not share a value.
    pub unique: bool,
}

impl Index {
    /// An index for filter and order.
    pub const fn on(name: &'static str) -> Index {
        Index { name, unique: false }
    }
    /// An index that also forbids doubles.
    pub const fn unique(name: &'static str) -> Index {
        Index { name, unique: true }
    }
}

/// A value in an index. Orders within its kind: integers by number, text by bytes, ids by birth, times by instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IndexValue {
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// An object.
    Id(ObjectId),
    /// An instant.
    Time(Time),
}

/// A document as the store holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored<T> {
    /// Its key within organisation and collection.
    pub id: ObjectId,
    /// How often it was written.
    pub revision: Revision,
    /// When it was last written.
    pub changed: Time,
    /// The document.
    pub body: T,
}

/// What a write expects to find; anything else is a conflict and nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing there yet.
    Absent,
    /// Exactly this revision.
    At(Revision),
    /// Whatever is there.
    Any,
}

/// One change; several go together in a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Write a document. Made by [`Change::put`].
    Put {
        /// Collection name.
        collection: &'static str,
        /// Key.
        id: ObjectId,
        /// What must be there.
        expected: Expected,
        /// JSON text of the document.
        body: String,
        /// Index name, uniqueness and value.
        indexes: Vec<(Index, Option<IndexValue>)>,
    },
    /// Remove a document.
    Delete {
        /// Collection name.
        collection: &'static str,
        /// Key.
        id: ObjectId,
        /// What must be there; never [`Expected::Absent`].
        expected: Expected,
    },
    /// Write one row of a compact table (points live in one): an integer key and bytes, no index.
    PutRow {
        /// Table name.
        table: &'static str,
        /// Key.
        key: u32,
        /// Content.
        bytes: Vec<u8>,
    },
    /// Remove one row of a compact table.
    DeleteRow {
        /// Table name.
        table: &'static str,
        /// Key.
        key: u32,
    },
}

impl Change {
    /// The write of a typed document.
    pub fn put<T: Document>(id: ObjectId, expected: Expected, body: &T) -> Result<Change, serde_json::Error> {
        let values = body.index_values();
        debug_assert_eq!(values.len(), T::INDEXES.len(), "one value for each index of {}", T::COLLECTION);
        Ok(Change::Put {
            collection: T::COLLECTION,
            id,
            expected,
            body: serde_json::to_string(body)?,
            indexes: T::INDEXES.iter().copied().zip(values).collect(),
        })
    }
    /// The removal of a typed document.
    pub fn delete<T: Document>(id: ObjectId, expected: Expected) -> Change {
        Change::Delete { collection: T::COLLECTION, id, expected }
    }
}

/// A condition on one index. All conditions of a query must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Equal.
    Equal(&'static str, IndexValue),
    /// At least the first, below the second; either may be open.
    Between(&'static str, Option<IndexValue>, Option<IndexValue>),
    /// Text that starts so.
    StartsWith(&'static str, String),
}

/// Ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// Where a page ended; opaque to callers, stable while documents come and go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// A question to one collection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Conditions.
    pub filters: Vec<Filter>,
    /// By which index; by id without one. Documents without a value in it are left out.
    pub order: Option<(&'static str, Direction)>,
    /// Go on here.
    pub after: Option<Cursor>,
    /// At most so many; 0 means [`Query::LIMIT_DEFAULT`].
    pub limit: usize,
}

impl Query {
    /// When a query names no limit.
    pub const LIMIT_DEFAULT: usize = 100;
    /// The most a page can hold.
    pub const LIMIT_MAX: usize = 1_000;
}

/// A part of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// In order.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// An event to be written with a change.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDraft {
    /// Dotted, past tense, with its version: `device.created.v1`.
    pub name: &'static str,
    /// What it is about; events of one object keep their order.
    pub object: ObjectId,
    /// Tolerant JSON; an example file stands in the publisher's folder.
    pub payload: serde_json::Value,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// Rises within a store; subscribers remember the last one they took.
    pub sequence: u64,
    /// Unique for good; consumers are idempotent by it.
    pub id: ObjectId,
    /// Whose.
    pub org: OrgId,
    /// See [`EventDraft::name`].
    pub name: String,
    /// See [`EventDraft::object`].
    pub object: ObjectId,
    /// When it was written.
    pub recorded: Time,
    /// Who caused it: a user, a device or the node itself.
    pub actor: String,
    /// See [`EventDraft::payload`].
    pub payload: serde_json::Value,
}
