//! Addresses of points: where a value is in a message, its type, and how it is set. One notation for every profile.
//!
//! ```text
//! address  = source [pointer] [type] [set]  |  [type] set
//! source   = topic filter | telemetry:key | attributes:key | rpc:method | property:id | event:id | service:id
//! pointer  = JSON pointer (RFC 6901); left out: the whole of it
//! type     = bool i64 u64 f32 f64 string bytes; f64 when left out
//! set      = set:topic [template]           the template is the rest of the line; $value is JSON, $text is plain
//! ```
//!
//! A name with spaces is written as a JSON string: `"hall 1/state" /temp f64`.

use std::fmt;
use types::{Fault, ValueType};

use sdk::AddressFacts;

use crate::{
    json::{Pointer, PointerError},
    topic::{self, TopicError},
    value::{TYPES, type_word},
};

/// Where a value comes from, and in profiles with methods also where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A topic filter: profiles `json` and `raw`.
    Topic(String),
    /// A telemetry key: profile `thingsboard`.
    Telemetry(String),
    /// A client attribute, set as the shared attribute of the same name: profile `thingsboard`.
    Attribute(String),
    /// A method of the device: profile `thingsboard`.
    Rpc(String),
    /// A property: profile `tsl`.
    Property(String),
    /// An output of an event: profile `tsl`.
    Event(String),
    /// A service: profile `tsl`.
    Service(String),
}

/// How a value is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Where to.
    pub(crate) topic: String,
    /// The message, with `$value` or `$text` in the place of the value.
    pub(crate) template: String,
}

/// One value of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Where it is read; a point without it can only be set.
    pub(crate) source: Option<Source>,
    /// The place in what the source brings.
    pub(crate) pointer: Pointer,
    /// The native type.
    pub(crate) value_type: ValueType,
    /// How it is set: profiles `json` and `raw`.
    pub(crate) set: Option<Setting>,
}

const PREFIXES: &[&str] =
    &["topic:", "telemetry:", "attributes:", "rpc:", "property:", "event:", "service:", "set:"];

/// The message when no template is written.
const TEMPLATE_DEFAULT: &str = "$text";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum AddressError {
    #[error("there is no address: write a topic and a JSON pointer, such as plant/1/state /temp f64")]
    Empty,
    #[error("the address is longer than {} bytes: shorten it", Address::BYTES_MAX)]
    Length,
    #[error("{0}")]
    Topic(#[from] TopicError),
    #[error("{0}")]
    Pointer(#[from] PointerError),
    #[error(
        "the quoted name has no end or a wrong escape: write it as a JSON string, such as \"hall 1/state\""
    )]
    Quote,
    #[error("`{0}` has no name behind the colon: write one, such as telemetry:temperature")]
    Name(&'static str),
    #[error("`{0}` is no type: write bool, i64, u64, f32, f64, string or bytes")]
    Type(String),
    #[error("the template has no $value: put $value (JSON) or $text (plain) where the value belongs")]
    Template,
    #[error(
        "only a topic can be set by set: ; attributes, methods, properties and services are set by themselves"
    )]
    SetTwice,
    #[error("`{0}` stands behind the type: write topic, pointer, type, then set:topic")]
    Rest(String),
}

impl Address {
    /// The longest address.
    pub(crate) const BYTES_MAX: usize = 4_096;

    /// Reads an address; the fault says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Address, Fault> {
        read(text).map_err(|error| {
            let shown: String = text.chars().take(60).collect();
            Fault::new("mqtt.address", error.to_string())
                .arg("address", shown)
                .arg("reason", error.to_string())
        })
    }

    /// What it says by itself.
    pub(crate) fn facts(&self) -> AddressFacts {
        AddressFacts {
            canonical: self.to_string(),
            value_type: self.value_type,
            writable: self.is_writable(),
        }
    }

    /// There is a way to set it.
    pub(crate) fn is_writable(&self) -> bool {
        use Source::{Attribute, Property, Rpc, Service};
        self.set.is_some() || matches!(self.source, Some(Attribute(_) | Rpc(_) | Property(_) | Service(_)))
    }
}

/// A word of an address: an optional prefix and a name.
struct Word {
    prefix: Option<&'static str>,
    name: String,
    quoted: bool,
}

impl Word {
    fn value_type(&self) -> Option<ValueType> {
        let plain = self.prefix.is_none() && !self.quoted;
        TYPES.iter().find(|(word, _)| plain && *word == self.name).map(|(_, of)| *of)
    }
    fn is_pointer(&self) -> bool {
        self.prefix.is_none() && self.name.starts_with('/')
    }
    fn is_set(&self) -> bool {
        self.prefix == Some("set:")
    }
}

struct Words<'a>(&'a str);

impl Words<'_> {
    fn next(&mut self) -> Result<Option<Word>, AddressError> {
        let mut rest = self.0.trim_start();
        if rest.is_empty() {
            return Ok(None);
        }
        let prefix = PREFIXES.iter().find(|prefix| rest.starts_with(**prefix)).copied();
        rest = &rest[prefix.map_or(0, str::len)..];
        let quoted = rest.starts_with('"');
        let (name, end) = if quoted {
            let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let name = strings.next().and_then(Result::ok).ok_or(AddressError::Quote)?;
            (name, strings.byte_offset())
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (rest[..end].to_string(), end)
        };
        if let Some(prefix) = prefix.filter(|_| name.is_empty()) {
            return Err(AddressError::Name(prefix));
        }
        self.0 = &rest[end..];
        if !self.0.is_empty() && !self.0.starts_with(char::is_whitespace) {
            return Err(AddressError::Quote);
        }
        Ok(Some(Word { prefix, name, quoted }))
    }
}

fn read(text: &str) -> Result<Address, AddressError> {
    if text.len() > Address::BYTES_MAX {
        return Err(AddressError::Length);
    }
    let mut words = Words(text);
    let mut word = words.next()?;
    let Some(first) = &word else { return Err(AddressError::Empty) };
    let only_set =
        first.is_set() || (first.value_type().is_some() && words.0.trim_start().starts_with("set:"));
    let source =
        if only_set { None } else { Some(read_source(std::mem::replace(&mut word, words.next()?))?) };
    let mut pointer = Pointer::default();
    if let Some(place) = word.as_ref().filter(|w| source.is_some() && w.is_pointer()) {
        pointer = Pointer::parse(&place.name)?;
        word = words.next()?;
    }
    let mut value_type = ValueType::F64;
    if let Some(found) = word.as_ref().filter(|w| !w.is_set()) {
        value_type =
            found.value_type().ok_or_else(|| AddressError::Type(found.name.chars().take(60).collect()))?;
        word = words.next()?;
    }
    let set = match word {
        None => None,
        Some(word) if word.is_set() => Some(read_set(word, words.0.trim())?),
        Some(word) => return Err(AddressError::Rest(word.name.chars().take(60).collect())),
    };
    if set.is_some() && !matches!(source, None | Some(Source::Topic(_))) {
        return Err(AddressError::SetTwice);
    }
    Ok(Address { source, pointer, value_type, set })
}

fn read_source(word: Option<Word>) -> Result<Source, AddressError> {
    let Some(Word { prefix, name, .. }) = word else { return Err(AddressError::Empty) };
    Ok(match prefix {
        Some("telemetry:") => Source::Telemetry(name),
        Some("attributes:") => Source::Attribute(name),
        Some("rpc:") => Source::Rpc(name),
        Some("property:") => Source::Property(name),
        Some("event:") => Source::Event(name),
        Some("service:") => Source::Service(name),
        _ => {
            topic::check_filter(&name)?;
            Source::Topic(name)
        }
    })
}

fn read_set(word: Word, template: &str) -> Result<Setting, AddressError> {
    topic::check_name(&word.name)?;
    let template = if template.is_empty() { TEMPLATE_DEFAULT } else { template };
    if !template.contains("$value") && !template.contains("$text") {
        return Err(AddressError::Template);
    }
    Ok(Setting { topic: word.name, template: template.to_string() })
}

/// A name as it is read again: quoted where it must be.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.0.is_empty()
            && !self.0.starts_with('"')
            && !self.0.contains(|c: char| c.is_whitespace() || c.is_control());
        if plain { f.write_str(self.0) } else { write!(f, "{}", serde_json::Value::from(self.0)) }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, name) = match self {
            // A topic that looks like something else is marked as a topic.
            Source::Topic(name) if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => ("topic:", name),
            Source::Topic(name) if TYPES.iter().any(|(word, _)| word == name) => ("topic:", name),
            Source::Topic(name) => ("", name),
            Source::Telemetry(name) => ("telemetry:", name),
            Source::Attribute(name) => ("attributes:", name),
            Source::Rpc(name) => ("rpc:", name),
            Source::Property(name) => ("property:", name),
            Source::Event(name) => ("event:", name),
            Source::Service(name) => ("service:", name),
        };
        write!(f, "{prefix}{}", Name(name))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{source} ")?;
        }
        if !self.pointer.0.is_empty() {
            write!(f, "{} ", Name(&self.pointer.to_string()))?;
        }
        f.write_str(type_word(self.value_type))?;
        match &self.set {
            None => Ok(()),
            Some(set) => write!(f, " set:{} {}", Name(&set.topic), set.template),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"(set:|topic:|rpc:|f64|/| |"|\\|a|\+|#|\$value|\PC){0,12}"#) {
            if let Ok(address) = Address::parse(&text) {
                let canonical = address.to_string();
                prop_assert_eq!(Address::parse(&canonical).map_err(|f| f.detail), Ok(address), "{}", canonical);
            }
        }

        #[test]
        fn any_topic_can_be_written(name in "[^+#\0]{1,20}", key in ".{0,10}") {
            let pointer = Pointer(vec![key]);
            let source = Some(Source::Topic(name));
            let address = Address { source, pointer, value_type: ValueType::Bool, set: None };
            prop_assert_eq!(Address::parse(&address.to_string()).map_err(|f| f.detail), Ok(address));
        }
    }
}
