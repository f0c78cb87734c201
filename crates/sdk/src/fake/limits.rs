//! The bounds of the record store, as its callers meet them, and the checks of what they hand in.

use serde::de::IgnoredAny;
use types::{Change, EventDraft, Expected, Fault, IndexValue, codes};

/// Changes in one commit.
const CHANGES_MAX: usize = 20_000;
/// Events in one commit.
const EVENTS_MAX: usize = 20_000;
/// JSON text of one document, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
/// JSON text of one event payload, in bytes.
const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// A value in an index, in bytes; its kind is one of them.
const INDEX_VALUE_BYTES_MAX: usize = 1_024;
/// Names of collections and indexes, in bytes.
const NAME_BYTES_MAX: usize = 63;
/// Names of actors and events, in bytes.
const LABEL_BYTES_MAX: usize = 256;
/// Filters in one query.
const FILTERS_MAX: usize = 16;

pub(super) fn invalid(detail: String) -> Fault {
    Fault::new(codes::INVALID, detail)
}

fn within(what: &'static str, found: usize, limit: usize, action: &str) -> Result<(), Fault> {
    if found <= limit {
        return Ok(());
    }
    let detail = format!("{what} is {found}, the limit is {limit}: {action}");
    Err(Fault::new(codes::LIMIT, detail).arg("what", what).arg("found", found).arg("limit", limit))
}

/// A name that is part of a key.
pub(super) fn name(what: &str, name: &str) -> Result<(), Fault> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(sound) {
        return Ok(());
    }
    Err(invalid(format!(
        "`{name}` is no name for a {what}: use 1 to {NAME_BYTES_MAX} ASCII letters, digits and underscores"
    )))
}

fn label(what: &str, text: &str) -> Result<(), Fault> {
    if !text.is_empty() && text.len() <= LABEL_BYTES_MAX && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(invalid(format!(
        "the name of the {what} is empty, longer than {LABEL_BYTES_MAX} bytes or holds control characters: shorten or \
         correct it"
    )))
}

/// A value that goes into an index or is compared with one.
pub(super) fn index_value(value: &IndexValue) -> Result<(), Fault> {
    let bytes = match value {
        IndexValue::Int(_) | IndexValue::Time(_) => 1 + size_of::<i64>(),
        IndexValue::Id(id) => 1 + id.bytes().len(),
        IndexValue::Text(text) => 1 + text.len(),
    };
    within("a text in an index, in bytes", bytes, INDEX_VALUE_BYTES_MAX, "shorten it")
}

pub(super) fn filters(count: usize) -> Result<(), Fault> {
    within("the number of filters in a query", count, FILTERS_MAX, "filter by fewer indexes")
}

/// Everything a commit brings.
pub(super) fn commit(actor: &str, changes: &[Change], events: &[EventDraft]) -> Result<(), Fault> {
    label("actor", actor)?;
    within("the number of changes in a commit", changes.len(), CHANGES_MAX, "split it")?;
    within("the number of events in a commit", events.len(), EVENTS_MAX, "split it")?;
    events.iter().try_for_each(|event| label("event", event.name))?;
    changes.iter().try_for_each(change)?;
    events.iter().try_for_each(|event| {
        let bytes = event.payload.to_string().len();
        let action = "send the id and let the reader load it";
        within("an event payload, in bytes", bytes, PAYLOAD_BYTES_MAX, action)
    })
}

fn change(change: &Change) -> Result<(), Fault> {
    match change {
        Change::Put { collection, id, body, indexes, .. } => {
            name("collection", collection)?;
            within("a document, in bytes", body.len(), BODY_BYTES_MAX, "keep large content in files")?;
            serde_json::from_str::<IgnoredAny>(body).map_err(|error| {
                invalid(format!("{id} for {collection} is not JSON ({error}): correct it"))
            })?;
            for (at, (index, value)) in indexes.iter().enumerate() {
                name("index", index.name)?;
                if indexes[..at].iter().any(|(earlier, _)| earlier.name == index.name) {
                    let index = index.name;
                    return Err(invalid(format!(
                        "index {index} of {collection} is declared twice: give each its own name"
                    )));
                }
                value.as_ref().map(index_value).transpose()?;
            }
            Ok(())
        }
        Change::Delete { collection, id, expected } => {
            name("collection", collection)?;
            if *expected == Expected::Absent {
                return Err(invalid(format!(
                    "{id} in {collection} cannot be removed where it is expected absent: expect a revision or anything"
                )));
            }
            Ok(())
        }
        Change::PutRow { table, .. } | Change::DeleteRow { table, .. } => name("table", table),
    }
}
