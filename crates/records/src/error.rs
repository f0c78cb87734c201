//! What can go wrong in the record store, each with the next action.

use types::{Fault, ObjectId, Revision, codes};

/// Why the store refused or failed. Nothing was written, except where [`RecordsError::Unavailable`] says otherwise.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecordsError {
    /// A change expected a revision of a document that is not there.
    #[error("there is no {id} in {collection}: it was removed or never made; load the list again")]
    NotFound {
        /// Collection name.
        collection: String,
        /// Key.
        id: ObjectId,
    },
    /// A change expected another revision than the one that is there.
    #[error("{id} in {collection} is at revision {found}, expected {}: load it, apply the change again and write that",
        .expected.map_or("none".to_string(), |r| r.to_string()))]
    Conflict {
        /// Collection name.
        collection: String,
        /// Key.
        id: ObjectId,
        /// What the change expected; `None` for "absent".
        expected: Option<Revision>,
        /// What is there.
        found: Revision,
    },
    /// Another document of the organisation holds this value of a unique index.
    #[error(
        "{collection} already holds {holder} with {index} = {value}: choose another value or change that one"
    )]
    Duplicate {
        /// Collection name.
        collection: String,
        /// Index name.
        index: String,
        /// The value, as text.
        value: String,
        /// The document that holds it.
        holder: ObjectId,
    },
    /// A named bound is reached.
    #[error("{what} is {found}, the limit is {limit}: {action}")]
    Limit {
        /// What is bounded.
        what: &'static str,
        /// How much was asked.
        found: u64,
        /// How much is allowed.
        limit: u64,
        /// What to do.
        action: &'static str,
    },
    /// The question or the change has no meaning here: an index nobody declared, a cursor of another query.
    #[error("{0}")]
    Invalid(String),
    /// Transactions kept colliding for as long as the store tries.
    #[error("other writers kept changing the same records ({0}): try again")]
    Contended(String),
    /// The disk, the file or the server does not answer. A commit that ends so may or may not have been written.
    #[error(
        "the record store is not available ({0}): check disk space, file permissions or the database server, then read before writing again"
    )]
    Unavailable(String),
    /// The store was closed.
    #[error("the record store is closed: start the node again")]
    Closed,
    /// Written by a newer version of Sinew.
    #[error(
        "the record store has format {found}, this version knows up to {known}: start the newer version again, or restore a backup made before the upgrade"
    )]
    Newer {
        /// Format in the store.
        found: u64,
        /// Newest format that this version reads.
        known: u64,
    },
    /// The store holds something that cannot be read.
    #[error(
        "{place} cannot be read ({reason}): restore it from a backup or correct it, and keep a copy of the store"
    )]
    Corrupt {
        /// Collection and key, or table.
        place: String,
        /// What the reader said.
        reason: String,
    },
}

impl RecordsError {
    /// The message for people and for the HTTP API.
    pub fn fault(&self) -> Fault {
        let fault = |code| Fault::new(code, self.to_string());
        match self {
            RecordsError::NotFound { collection, id } => {
                fault(codes::NOT_FOUND).arg("collection", collection.as_str()).arg("id", id.to_string())
            }
            RecordsError::Conflict { collection, id, expected, found } => fault(codes::CONFLICT)
                .arg("collection", collection.as_str())
                .arg("id", id.to_string())
                .arg("expected", expected.unwrap_or(0))
                .arg("found", *found),
            RecordsError::Duplicate { collection, index, value, holder } => fault(codes::EXISTS)
                .arg("collection", collection.as_str())
                .arg("index", index.as_str())
                .arg("value", value.as_str())
                .arg("holder", holder.to_string()),
            RecordsError::Limit { what, found, limit, .. } => {
                fault(codes::LIMIT).arg("what", *what).arg("found", *found).arg("limit", *limit)
            }
            RecordsError::Invalid(_) => fault(codes::INVALID),
            RecordsError::Contended(_) => fault(codes::CONFLICT),
            RecordsError::Unavailable(_) | RecordsError::Closed => fault(codes::STORAGE_REFUSED),
            RecordsError::Newer { found, known } => {
                fault(codes::STORAGE_REFUSED).arg("found", *found).arg("known", *known)
            }
            RecordsError::Corrupt { place, reason } => {
                fault(codes::INTERNAL).arg("place", place.as_str()).arg("reason", reason.as_str())
            }
        }
    }
}
