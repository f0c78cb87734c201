//! The bounds of the store, and the checks of what a caller hands in.

use serde::de::IgnoredAny;
use types::{Change, EventDraft, Expected, IndexValue};

use crate::{RecordsError, key};

/// Changes in one commit.
pub const CHANGES_MAX: usize = 20_000;
/// Events in one commit.
pub const EVENTS_MAX: usize = 20_000;
/// JSON text of one document, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// JSON text of one event payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// One row of a compact table, in bytes.
pub const ROW_BYTES_MAX: usize = 64 << 10;
/// Rows or events in one answer.
pub const ROWS_PAGE_MAX: usize = 50_000;
/// A text in an index, in bytes. PostgreSQL refuses index entries of about 2,700 bytes, of which the rest of the key takes its part.
pub const INDEX_VALUE_BYTES_MAX: usize = 1_024;
/// Names of collections, indexes, tables, counters and subscribers, in bytes.
const NAME_BYTES_MAX: usize = 63;
/// The name of who changed something, in bytes.
const ACTOR_BYTES_MAX: usize = 256;

fn within(what: &'static str, found: usize, limit: usize, action: &'static str) -> Result<(), RecordsError> {
    if found <= limit {
        return Ok(());
    }
    Err(RecordsError::Limit { what, found: found as u64, limit: limit as u64, action })
}

/// A name that is part of a key.
pub(crate) fn name(what: &str, name: &str) -> Result<(), RecordsError> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(sound) {
        return Ok(());
    }
    Err(RecordsError::Invalid(format!(
        "`{name}` is no name for a {what}: use 1 to {NAME_BYTES_MAX} ASCII letters, digits and underscores"
    )))
}

/// A name that people and leaves choose: dots and dashes are welcome, control characters are not.
pub(crate) fn label(what: &str, text: &str) -> Result<(), RecordsError> {
    if !text.is_empty() && text.len() <= ACTOR_BYTES_MAX && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(RecordsError::Invalid(format!(
        "the name of the {what} is empty, longer than {ACTOR_BYTES_MAX} bytes or holds control characters: shorten or correct it"
    )))
}

/// A value that goes into an index or is compared with one.
pub(crate) fn index_value(value: &IndexValue) -> Result<Vec<u8>, RecordsError> {
    let bytes = key::encode(value);
    within("a text in an index, in bytes", bytes.len(), INDEX_VALUE_BYTES_MAX, "shorten it")?;
    Ok(bytes)
}

fn change(change: &Change) -> Result<(), RecordsError> {
    match change {
        Change::Put { collection, id, body, indexes, .. } => {
            name("collection", collection)?;
            within("a document, in bytes", body.len(), BODY_BYTES_MAX, "keep large content in files")?;
            serde_json::from_str::<IgnoredAny>(body).map_err(|error| {
                RecordsError::Invalid(format!("{id} for {collection} is not JSON ({error}): correct it"))
            })?;
            for (at, (index, value)) in indexes.iter().enumerate() {
                name("index", index.name)?;
                if indexes[..at].iter().any(|(earlier, _)| earlier.name == index.name) {
                    return Err(RecordsError::Invalid(format!(
                        "index {} of {collection} is declared twice: give each its own name",
                        index.name
                    )));
                }
                value.as_ref().map(index_value).transpose()?;
            }
            Ok(())
        }
        Change::Delete { collection, id, expected } => {
            name("collection", collection)?;
            if *expected == Expected::Absent {
                return Err(RecordsError::Invalid(format!(
                    "{id} in {collection} cannot be removed where it is expected absent: expect a revision or anything"
                )));
            }
            Ok(())
        }
        Change::PutRow { table, bytes, .. } => {
            name("table", table)?;
            within("a row, in bytes", bytes.len(), ROW_BYTES_MAX, "split it or keep it as a document")
        }
        Change::DeleteRow { table, .. } => name("table", table),
    }
}

/// Everything a commit brings.
pub(crate) fn commit(actor: &str, changes: &[Change], events: &[EventDraft]) -> Result<(), RecordsError> {
    label("actor", actor)?;
    within("the number of changes in a commit", changes.len(), CHANGES_MAX, "split it")?;
    within("the number of events in a commit", events.len(), EVENTS_MAX, "split it")?;
    events.iter().try_for_each(|event| label("event", event.name))?;
    changes.iter().try_for_each(change)
}

/// The JSON text of an event.
pub(crate) fn payload(payload: &serde_json::Value) -> Result<String, RecordsError> {
    let text = payload.to_string();
    within(
        "an event payload, in bytes",
        text.len(),
        PAYLOAD_BYTES_MAX,
        "send the id and let the reader load it",
    )?;
    Ok(text)
}
