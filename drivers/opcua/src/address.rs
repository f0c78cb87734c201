//! The address notation: a node, optionally one element of its array, optionally the type of the value; or a method.
//!
//! `nsu=urn:plc;s=Line1.Temp f32` · `ns=3;s="DB1"."Speeds" [4] i64` · `ns=2;s=Machine -> ns=2;s=Reset() bool`
//!
//! A node is written as in OPC 10000-6, 5.3.1.10 and .11. Identifiers may hold blanks and brackets, so what belongs to
//! us stands behind a blank, at the end, and the canonical form always names the type.

use opcua::types::{Identifier, NodeId};
use sdk::AddressFacts;
use std::{fmt, str::FromStr};
use types::{Fault, ValueType};

/// The longest address, in bytes. Identifiers end at 4,096 characters in the standard; no plant has such.
pub const ADDRESS_BYTES_MAX: usize = 1_024;

/// The namespace of a node: an index moves when a server is configured anew, a URI stays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// As the server counts them now.
    Index(u16),
    /// By its name.
    Uri(String),
}

/// A node as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its identifier within the namespace.
    pub identifier: Identifier,
}

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A variable, or one element of its array.
    Value {
        /// The variable.
        node: Node,
        /// Which element, from 0.
        element: Option<u32>,
    },
    /// A method of an object; called by writing.
    Method {
        /// The object.
        object: Node,
        /// The method.
        method: Node,
    },
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// What it names.
    pub target: Target,
    /// What the point holds; f64 for a value and string for a method when nothing is written.
    pub value_type: ValueType,
}

/// Why a text is no address. Every message ends with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum AddressError {
    #[error(
        "the address is empty: write a node such as `ns=2;s=Line1.Temp`, or browse the server and choose one"
    )]
    Empty,
    #[error("the address is longer than {max} bytes: check that only one node was pasted", max = ADDRESS_BYTES_MAX)]
    TooLong,
    #[error("`{0}` is no node: write `ns=2;s=Line1.Temp`, `nsu=http://maker.example/;i=17` or `i=2258`")]
    Node(String),
    #[error("`{0}` is no namespace index: write a number from 0 to 65535 after ns=, or the URI after nsu=")]
    Index(String),
    #[error("`{0}` is no identifier: write i= and a number, s= and a text, g= and a GUID, or b= and base64")]
    Identifier(String),
    #[error("`{0}` is no element: write one index from 0, such as [3]; write a point for each element")]
    Element(String),
    #[error("a method is written with the object it belongs to: `ns=2;s=Machine -> ns=2;s=Reset()`")]
    NoObject,
    #[error("`{0}` names an object and a method but does not end with (): write `{0}()`")]
    NoParentheses(String),
}

impl AddressError {
    /// As a message by code.
    pub fn fault(&self, text: &str) -> Fault {
        let shown: String = text.chars().take(60).collect();
        Fault::new("opcua.address", self.to_string()).arg("address", shown).arg("reason", self.to_string())
    }
}

const ARROW: &str = " -> ";
const TYPES: [(&str, ValueType); 7] = [
    ("bool", ValueType::Bool),
    ("i64", ValueType::I64),
    ("u64", ValueType::U64),
    ("f32", ValueType::F32),
    ("f64", ValueType::F64),
    ("string", ValueType::String),
    ("bytes", ValueType::Bytes),
];

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let (rest, value_type) = match last_word(text) {
            Some((rest, word)) => match TYPES.iter().find(|(name, _)| *name == word) {
                Some((_, value_type)) => (rest, Some(*value_type)),
                None => (text, None),
            },
            None => (text, None),
        };
        if let Some((object, method)) = rest.split_once(ARROW) {
            let method =
                method.strip_suffix("()").ok_or_else(|| AddressError::NoParentheses(shorten(rest)))?;
            let target = Target::Method { object: Node::parse(object)?, method: Node::parse(method)? };
            return Ok(Address { target, value_type: value_type.unwrap_or(ValueType::String) });
        }
        let (node, element) = match last_word(rest).filter(|(_, word)| is_bracketed(word)) {
            Some((node, word)) => (node, element(word)?),
            None => (rest, None),
        };
        let node = Node::parse(node)?;
        Ok(Address {
            target: Target::Value { node, element },
            value_type: value_type.unwrap_or(ValueType::F64),
        })
    }

    /// What it says by itself. Whether a value may be written is known only to the server.
    pub fn facts(&self) -> AddressFacts {
        AddressFacts { canonical: self.to_string(), value_type: self.value_type, writable: true }
    }
}

/// What stands before and after the last blank.
fn last_word(text: &str) -> Option<(&str, &str)> {
    let at = text.rfind(char::is_whitespace)?;
    let word = text[at..].trim_start();
    Some((text[..at].trim_end(), word))
}

fn is_bracketed(word: &str) -> bool {
    word.starts_with('[') && word.ends_with(']') && word.len() > 1
}

/// `[3]`, or `[]` for none, which shields an identifier that itself ends like an element.
fn element(word: &str) -> Result<Option<u32>, AddressError> {
    let inside = &word[1..word.len() - 1];
    if inside.is_empty() {
        return Ok(None);
    }
    let digits = inside.bytes().all(|b| b.is_ascii_digit());
    let index = inside.parse().ok().filter(|_| digits);
    index.map(Some).ok_or_else(|| AddressError::Element(shorten(word)))
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Node {
    /// Reads a node id.
    pub fn parse(text: &str) -> Result<Node, AddressError> {
        let text = text.trim();
        let (namespace, identifier) = if let Some(rest) = text.strip_prefix("nsu=") {
            let (uri, identifier) = rest.split_once(';').ok_or_else(|| AddressError::Node(shorten(text)))?;
            let uri = unescape(uri).filter(|uri| !uri.is_empty());
            (Namespace::Uri(uri.ok_or_else(|| AddressError::Node(shorten(text)))?), identifier)
        } else if let Some(rest) = text.strip_prefix("ns=") {
            let (index, identifier) =
                rest.split_once(';').ok_or_else(|| AddressError::Node(shorten(text)))?;
            let digits = index.bytes().all(|b| b.is_ascii_digit());
            let parsed = index.parse().ok().filter(|_| digits);
            (Namespace::Index(parsed.ok_or_else(|| AddressError::Index(shorten(index)))?), identifier)
        } else {
            (Namespace::Index(0), text)
        };
        let known = ["i=", "s=", "g=", "b="].iter().any(|kind| identifier.starts_with(kind));
        if !known {
            // A method without its object is the likeliest slip here.
            let method = identifier.ends_with("()");
            return Err(if method { AddressError::NoObject } else { AddressError::Node(shorten(text)) });
        }
        let wrong = || AddressError::Identifier(shorten(identifier));
        if identifier.len() == 2
            || (identifier.starts_with("i=") && !identifier[2..].bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(wrong());
        }
        let identifier = Identifier::from_str(identifier).map_err(|()| wrong())?;
        Ok(Node { namespace, identifier })
    }

    /// The node that a server gave, by the URI of its namespace where that is known.
    pub fn of(id: &NodeId, namespaces: &[String]) -> Node {
        let namespace = match namespaces.get(usize::from(id.namespace)) {
            Some(uri) if id.namespace > 0 && !uri.is_empty() => Namespace::Uri(uri.clone()),
            _ => Namespace::Index(id.namespace),
        };
        Node { namespace, identifier: id.identifier.clone() }
    }

    /// As the server of these namespaces counts; `None` when it has no such namespace.
    pub fn resolve(&self, namespaces: &[String]) -> Option<NodeId> {
        let index = match &self.namespace {
            Namespace::Index(index) => *index,
            Namespace::Uri(uri) => u16::try_from(namespaces.iter().position(|known| known == uri)?).ok()?,
        };
        Some(NodeId { namespace: index, identifier: self.identifier.clone() })
    }
}

/// `%3B` and `%25` as in OPC 10000-6, 5.3.1.11; every other character stands for itself.
fn unescape(uri: &str) -> Option<String> {
    let mut plain = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3)?;
        match u8::from_str_radix(digits, 16).ok()? {
            byte @ (b';' | b'%') => plain.push(char::from(byte)),
            _ => plain.push_str(rest.get(at..at + 3)?),
        }
        rest = rest.get(at + 3..)?;
    }
    plain.push_str(rest);
    Some(plain)
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Namespace::Index(0) => write!(f, "{}", self.identifier),
            Namespace::Index(index) => write!(f, "ns={index};{}", self.identifier),
            Namespace::Uri(uri) => {
                write!(f, "nsu={};{}", uri.replace('%', "%25").replace(';', "%3B"), self.identifier)
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Value { node, element } => {
                let node = node.to_string();
                f.write_str(&node)?;
                match element {
                    Some(index) => write!(f, " [{index}]")?,
                    None if last_word(&node).is_some_and(|(_, word)| is_bracketed(word)) => {
                        f.write_str(" []")?
                    }
                    None => {}
                }
            }
            Target::Method { object, method } => write!(f, "{object}{ARROW}{method}()")?,
        }
        let name = TYPES.iter().find(|(_, of)| *of == self.value_type).map_or("", |(name, _)| name);
        write!(f, " {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
    }

    #[test]
    fn notations() {
        for (written, wanted) in [
            ("ns=2;s=Line1.Temp", "ns=2;s=Line1.Temp f64"),
            ("  i=2258   string ", "i=2258 string"),
            ("ns=0;i=2258 u64", "i=2258 u64"),
            ("nsu=http://maker.example/ua;i=17 f32", "nsu=http://maker.example/ua;i=17 f32"),
            ("nsu=a%3Bb%25c;s=x bool", "nsu=a%3Bb%25c;s=x bool"),
            ("ns=3;s=\"DB1\".\"Speeds\"[4] i64", "ns=3;s=\"DB1\".\"Speeds\"[4] i64"),
            ("ns=3;s=\"DB1\".\"Speeds\" [4] i64", "ns=3;s=\"DB1\".\"Speeds\" [4] i64"),
            ("ns=3;s=odd [4] [] i64", "ns=3;s=odd [4] [] i64"),
            ("ns=2;s=a bool bool", "ns=2;s=a bool bool"),
            ("ns=2;s=Machine -> ns=2;s=Reset()", "ns=2;s=Machine -> ns=2;s=Reset() string"),
            ("ns=2;i=5 -> ns=2;i=6() bool", "ns=2;i=5 -> ns=2;i=6() bool"),
            (
                "ns=1;g=72962b91-fa75-4ae6-8d28-b404dc7daf63",
                "ns=1;g=72962b91-fa75-4ae6-8d28-b404dc7daf63 f64",
            ),
            ("ns=1;b=aGVsbG8=", "ns=1;b=aGVsbG8= f64"),
        ] {
            assert_eq!(canonical(written), wanted);
            assert_eq!(canonical(wanted), wanted, "canonical is stable");
        }
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (written, hint) in [
            ("", "browse the server"),
            ("Line1.Temp", "ns=2;s=Line1.Temp"),
            ("ns=70000;i=1", "65535"),
            ("ns=2;i=x", "i= and a number"),
            ("ns=2;s=", "s= and a text"),
            ("ns=2;s=a [x] f32", "a point for each element"),
            ("ns=2;s=a [1:2] f32", "a point for each element"),
            ("ns=2;x=Reset()", "object it belongs to"),
            ("ns=2;s=a -> ns=2;s=b", "ns=2;s=b()"),
        ] {
            let error = Address::parse(written).unwrap_err().to_string();
            assert!(error.contains(hint), "`{written}`: {error}");
        }
        assert_eq!(Address::parse(&"x".repeat(2_000)), Err(AddressError::TooLong));
    }

    #[test]
    fn namespaces_are_found_by_name() {
        let namespaces = ["http://opcfoundation.org/UA/".to_string(), "urn:a".into(), "urn:b".into()];
        let node = Node::parse("nsu=urn:b;s=x").unwrap();
        let id = node.resolve(&namespaces).unwrap();
        assert_eq!(id.namespace, 2);
        assert_eq!(Node::of(&id, &namespaces), node);
        assert_eq!(Node::parse("nsu=urn:c;s=x").unwrap().resolve(&namespaces), None);
        assert_eq!(Node::of(&NodeId::new(0, 85u32), &namespaces).to_string(), "i=85");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            drop(Address::parse(&text));
            drop(Address::parse(&format!("nsu={text};s={text} [{text}] f32")));
        }

        #[test]
        fn what_is_read_is_written_the_same(uri in "[ -~]{1,20}", id in "[!-~]([ -~]{0,20}[!-~])?", element in prop::option::of(0u32..9), at in 0usize..7) {
            let node = Node { namespace: Namespace::Uri(uri), identifier: Identifier::from(id.as_str()) };
            prop_assume!(!node.to_string().contains(ARROW));
            let address = Address { target: Target::Value { node, element }, value_type: TYPES[at].1 };
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address.clone()));
            prop_assert_eq!(address.facts().canonical, address.to_string());
        }
    }
}
