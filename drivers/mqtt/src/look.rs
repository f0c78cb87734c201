//! What messages hold, for people who map them: every leaf with its complete address, type and value. Pure.

use sdk::{BrowsedKind, BrowsedNode, Candidate, Inspection, RawCell};
use std::collections::BTreeSet;
use types::{Value, ValueType};

use crate::{
    address::{Address, Source},
    config::{Payload, Profile},
    json::{self, Pointer},
    message::Message,
    profile::thingsboard::{ATTRIBUTES, TELEMETRY},
    value,
};

/// Leaves shown of one message.
const LEAVES_MAX: usize = 256;
/// Leaves shown in all.
const CANDIDATES_MAX: usize = 2_000;
/// Bytes of a message that are shown.
const SHOWN_BYTES_MAX: usize = 4_096;
/// Bytes that are shown in hex.
const HEX_BYTES_MAX: usize = 64;
/// Integers up to here have their own f64.
const EXACT_MAX: u64 = 1 << 53;

/// One leaf.
pub(crate) struct Leaf {
    pub(crate) address: Address,
    pub(crate) value: Value,
}

/// The leaves of a message in a profile; none where the profile has no such message.
pub(crate) fn leaves(payload: &Payload, message: &Message) -> Vec<Leaf> {
    let text = std::str::from_utf8(&message.payload).ok();
    let document = text.and_then(|text| json::check(text).ok());
    let mut found = Vec::new();
    match (payload.profile, document) {
        (Profile::Raw, _) => raw_leaves(message, text, &mut found),
        (_, None) => {}
        (Profile::Json, Some(raw)) => {
            below(&Source::Topic(message.topic.to_string()), &Pointer::default(), raw, &mut found);
        }
        (Profile::Thingsboard, Some(raw)) => thingsboard_leaves(&message.topic, raw, &mut found),
        (Profile::Tsl, Some(raw)) => {
            let root = payload.root.as_deref().unwrap_or_default().trim_end_matches('/');
            if let Some(rest) = message.topic.strip_prefix(root) {
                tsl_leaves(rest, raw, &mut found);
            }
        }
    }
    found
}

/// Every leaf of `raw`.
fn below(source: &Source, at: &Pointer, raw: &str, found: &mut Vec<Leaf>) {
    for (pointer, leaf) in json::leaves(raw, LEAVES_MAX) {
        let pointer = Pointer([at.0.as_slice(), pointer.0.as_slice()].concat());
        push(source, &pointer, leaf, found);
    }
}

fn push(source: &Source, pointer: &Pointer, raw: &str, found: &mut Vec<Leaf>) {
    for value_type in likely_types(raw) {
        if let Ok(Some(value)) = value::from_json(raw, value_type) {
            let address =
                Address { source: Some(source.clone()), pointer: pointer.clone(), value_type, set: None };
            found.push(Leaf { address, value });
        }
    }
}

/// What a piece of JSON most likely is. A whole number is mostly a measurement that happens to be whole; as an integer
/// it comes second, and first only where a float would lose digits.
fn likely_types(raw: &str) -> Vec<ValueType> {
    match raw.as_bytes().first() {
        Some(b't' | b'f') => vec![ValueType::Bool],
        Some(b'"') => match json::string(raw).map(|text| value::from_text(&text, ValueType::F64)) {
            Some(Ok(_)) => vec![ValueType::F64, ValueType::String],
            _ => vec![ValueType::String],
        },
        Some(b'-' | b'0'..=b'9') => match (raw.parse::<i64>(), raw.parse::<u64>()) {
            (Ok(number), _) if number.unsigned_abs() > EXACT_MAX => vec![ValueType::I64],
            (Ok(_), _) => vec![ValueType::F64, ValueType::I64],
            (Err(_), Ok(_)) => vec![ValueType::U64],
            _ => vec![ValueType::F64],
        },
        _ => Vec::new(),
    }
}

fn raw_leaves(message: &Message, text: Option<&str>, found: &mut Vec<Leaf>) {
    let source = Source::Topic(message.topic.to_string());
    let types: &[ValueType] = match text {
        None => &[ValueType::Bytes],
        Some(text) if value::from_text(text, ValueType::F64).is_ok() => {
            &[ValueType::F64, ValueType::I64, ValueType::String]
        }
        Some(text) if value::from_text(text, ValueType::Bool).is_ok() => {
            &[ValueType::Bool, ValueType::String]
        }
        Some(_) => &[ValueType::String],
    };
    for value_type in types.iter().copied() {
        if let Ok(value) = value::from_payload(&message.payload, value_type) {
            let (source, pointer) = (Some(source.clone()), Pointer::default());
            found.push(Leaf { address: Address { source, pointer, value_type, set: None }, value });
        }
    }
}

/// Each member of an object as a source of its own.
fn named(raw: &str, source: fn(String) -> Source, found: &mut Vec<Leaf>) {
    let _checked = json::members(raw, &mut |step, value| {
        if found.len() < LEAVES_MAX {
            below(&source(step.text().into_owned()), &Pointer::default(), value, found);
        }
    });
}

fn thingsboard_leaves(topic: &str, raw: &str, found: &mut Vec<Leaf>) {
    match topic {
        TELEMETRY => {
            let mut records = Vec::new();
            if raw.starts_with('[') {
                let _checked = json::members(raw, &mut |_, record| records.push(record));
            } else {
                records.push(raw);
            }
            for record in records.iter().take(LEAVES_MAX) {
                let values = json::member(record, "values").filter(|_| json::member(record, "ts").is_some());
                named(values.unwrap_or(record), Source::Telemetry, found);
            }
        }
        ATTRIBUTES => named(raw, Source::Attribute, found),
        _ => {}
    }
}

fn tsl_leaves(rest: &str, raw: &str, found: &mut Vec<Leaf>) {
    let levels: Vec<&str> = rest.split('/').collect();
    let Some(params) = json::member(raw, "params") else { return };
    match levels.as_slice() {
        ["", "thing", "event", "property", "post"] => {
            let _checked = json::members(params, &mut |step, said| {
                let value = json::member(said, "value").unwrap_or(said);
                below(&Source::Property(step.text().into_owned()), &Pointer::default(), value, found);
            });
        }
        ["", "thing", "event", event, "post"] => {
            let output = json::member(params, "value").unwrap_or(params);
            below(&Source::Event((*event).to_string()), &Pointer::default(), output, found);
        }
        _ => {}
    }
}

/// The newest messages with all that can be read of them.
pub(crate) fn inspection(payload: &Payload, messages: &[Message]) -> Inspection {
    let raw = messages.iter().map(cell).collect();
    let mut seen = BTreeSet::new();
    let mut candidates = Vec::new();
    for leaf in messages.iter().flat_map(|message| leaves(payload, message)) {
        let address = leaf.address.to_string();
        if candidates.len() < CANDIDATES_MAX && seen.insert(address.clone()) {
            candidates.push(Candidate {
                address,
                reading: value::type_word(leaf.address.value_type).to_string(),
                value_type: leaf.address.value_type,
                value: leaf.value.to_json(),
                plausible: plausible(&leaf.value),
            });
        }
    }
    Inspection { raw, candidates }
}

fn plausible(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().count() <= 120 && !text.chars().any(char::is_control),
        Value::Bytes(_) => false,
        number => number.as_f64().is_some_and(|v| v == 0.0 || (1e-4..=1e12).contains(&v.abs())),
    }
}

fn cell(message: &Message) -> RawCell {
    let shown = &message.payload[..message.payload.len().min(SHOWN_BYTES_MAX)];
    let hex = &message.payload[..message.payload.len().min(HEX_BYTES_MAX)];
    RawCell {
        address: message.topic.to_string(),
        hex: Some(hex.iter().map(|byte| format!("{byte:02x}")).collect()),
        text: Some(String::from_utf8_lossy(shown).into_owned()),
        time: Some(message.received),
    }
}

/// Topics as a tree: levels are folders with a filter as address, leaves carry what came last.
pub(crate) fn tree(payload: &Payload, messages: &[Message], at: &str, deep: bool) -> Vec<BrowsedNode> {
    let mut sorted: Vec<&Message> = messages.iter().collect();
    sorted.sort_by(|a, b| a.topic.cmp(&b.topic));
    let mut seen = BTreeSet::new();
    let mut nodes = Vec::new();
    for message in sorted {
        let mut parent: Option<String> = None;
        for (end, _) in message.topic.match_indices('/').filter(|(end, _)| *end > 0) {
            let address = format!("{}/#", &message.topic[..end]);
            let name = message.topic[..end].rsplit('/').next().unwrap_or_default();
            if seen.insert(address.clone()) {
                nodes.push(node(&address, parent.clone(), name, BrowsedKind::Folder));
            }
            parent = Some(address);
        }
        let name = message.topic.rsplit('/').next().unwrap_or_default();
        let address = Source::Topic(message.topic.to_string()).to_string();
        if !seen.insert(address.clone()) {
            continue;
        }
        nodes.push(node(&address, parent, name, BrowsedKind::Folder));
        for leaf in leaves(payload, message) {
            let Some(name) = leaf_name(&leaf.address) else { continue };
            let key = format!("{address} {name}");
            if seen.insert(key) {
                nodes.push(BrowsedNode {
                    value_type: Some(leaf.address.value_type),
                    writable: leaf.address.is_writable(),
                    facts: vec![
                        ("value".into(), leaf.value.to_string()),
                        ("time".into(), message.received.to_string()),
                    ],
                    ..node(&leaf.address.to_string(), Some(address.clone()), &name, BrowsedKind::Value)
                });
            }
        }
    }
    let start = (!at.is_empty()).then_some(at);
    nodes.retain(|node| {
        let below = start.is_none_or(|at| node.address != at);
        below && (deep || node.parent.as_deref() == start)
    });
    nodes
}

/// What stands behind a topic; a message that is one value has no further name.
fn leaf_name(address: &Address) -> Option<String> {
    let inside = address.pointer.to_string();
    Some(match address.source.as_ref()? {
        Source::Topic(_) if inside.is_empty() => "value".to_string(),
        Source::Topic(_) => inside,
        Source::Telemetry(name)
        | Source::Attribute(name)
        | Source::Rpc(name)
        | Source::Property(name)
        | Source::Event(name)
        | Source::Service(name) => format!("{name}{inside}"),
    })
}

fn node(address: &str, parent: Option<String>, name: &str, kind: BrowsedKind) -> BrowsedNode {
    BrowsedNode {
        address: address.to_string(),
        parent,
        name: name.to_string(),
        kind,
        value_type: None,
        writable: false,
        facts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Time;

    fn payload(profile: Profile) -> Payload {
        Payload { profile, time: None, root: (profile == Profile::Tsl).then(|| "/sys/p/d".to_string()) }
    }

    fn message(topic: &str, payload: &str) -> Message {
        Message {
            topic: topic.into(),
            payload: payload.to_string().into(),
            retained: false,
            received: Time(0),
        }
    }

    fn addresses(profile: Profile, topic: &str, text: &str) -> Vec<String> {
        let inspection = inspection(&payload(profile), &[message(topic, text)]);
        inspection.candidates.into_iter().map(|c| format!("{} = {}", c.address, c.value)).collect()
    }

    #[test]
    fn every_leaf_is_offered_with_its_address() {
        assert_eq!(
            addresses(
                Profile::Json,
                "p/1",
                r#"{"t":21.5,"n":3,"on":true,"s":"x","l":[18446744073709551615,null],"q":"7.5"}"#
            ),
            [
                "p/1 /t f64 = 21.5",
                "p/1 /n f64 = 3.0",
                "p/1 /n i64 = \"3\"",
                "p/1 /on bool = true",
                "p/1 /s string = \"x\"",
                "p/1 /l/0 u64 = \"18446744073709551615\"",
                "p/1 /q f64 = 7.5",
                "p/1 /q string = \"7.5\"",
            ]
        );
        assert_eq!(addresses(Profile::Raw, "p/1", "on"), ["p/1 bool = true", "p/1 string = \"on\""]);
        assert_eq!(
            addresses(
                Profile::Thingsboard,
                TELEMETRY,
                r#"[{"ts":1,"values":{"a b":1.5}},{"c":{"d":false}}]"#
            ),
            ["telemetry:\"a b\" f64 = 1.5", "telemetry:c /d bool = false"]
        );
        assert_eq!(
            addresses(
                Profile::Tsl,
                "/sys/p/d/thing/event/property/post",
                r#"{"params":{"t":{"value":1.5,"time":1}}}"#
            ),
            ["property:t f64 = 1.5"]
        );
        assert!(addresses(Profile::Json, "p/1", "{").is_empty());
    }

    #[test]
    fn what_is_offered_reads_the_same() {
        let text = r#"{"a":{"b~":[1,{"c/":"x"}]}," ":2.5}"#;
        let sent = message("hall 1/x", text);
        for leaf in leaves(&payload(Profile::Json), &sent) {
            let again = Address::parse(&leaf.address.to_string()).unwrap();
            assert_eq!(again, leaf.address);
            let mut wanted = json::Wanted::default();
            wanted.add(&again.pointer.0, 0);
            let mut found = Vec::new();
            wanted.find(text, &mut found);
            assert_eq!(value::from_json(found[0].1, again.value_type), Ok(Some(leaf.value)));
        }
    }

    #[test]
    fn topics_are_a_tree() {
        let messages = [message("p/2/s", r#"{"t":1.5}"#), message("p/1", "5"), message("/abs", "1")];
        let names = |at: &str, deep: bool| -> Vec<String> {
            tree(&payload(Profile::Json), &messages, at, deep).into_iter().map(|n| n.address).collect()
        };
        assert_eq!(names("", false), ["/abs", "p/#"]);
        assert_eq!(names("p/#", false), ["p/1", "p/2/#"]);
        assert_eq!(names("p/2/s", false), ["p/2/s /t f64"]);
        assert_eq!(
            names("", true),
            ["/abs", "/abs f64", "p/#", "p/1", "p/1 f64", "p/2/#", "p/2/s", "p/2/s /t f64"]
        );
    }
}
