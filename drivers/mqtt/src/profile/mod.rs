//! What messages look like, one file a profile: each finds the values of a message and answers what the device asks.

mod plain;
pub(crate) mod thingsboard;
pub(crate) mod tsl;

use types::Fault;

use crate::{fault, json, message::Message};

/// The payload as checked JSON.
fn document(message: &Message) -> Result<&str, Fault> {
    let text = std::str::from_utf8(&message.payload)
        .map_err(|error| fault::shape(&message.topic, &format!("it is no UTF-8 text: {error}")))?;
    json::check(text).map_err(|error| fault::shape(&message.topic, &format!("it is no JSON: {error}")))
}

/// The payload as a JSON object, with its raw text.
fn object(message: &Message) -> Result<&str, Fault> {
    let raw = document(message)?;
    match raw.starts_with('{') {
        true => Ok(raw),
        false => Err(fault::shape(&message.topic, "it is no JSON object")),
    }
}
