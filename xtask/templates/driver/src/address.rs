//! Addresses as people write them: a name and a type. Pure.

use std::fmt;
use types::{Fault, ValueType};

/// One value of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// What the device calls it.
    pub(crate) name: String,
    /// What it sends.
    pub(crate) value_type: ValueType,
}

const TYPES: &[(&str, ValueType)] = &[
    ("bool", ValueType::Bool),
    ("i64", ValueType::I64),
    ("u64", ValueType::U64),
    ("f32", ValueType::F32),
    ("f64", ValueType::F64),
    ("string", ValueType::String),
];

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum AddressError {
    #[error("there is no name: write a name and a type, such as `temperature f64`")]
    Empty,
    #[error("`{0}` is no name: use at most 64 letters, digits, `_`, `-` and `.`")]
    Name(String),
    #[error("`{0}` is no type: write bool, i64, u64, f32, f64 or string")]
    Type(String),
    #[error("`{0}` is too much: write a name and a type, nothing after them")]
    Rest(String),
}

impl Address {
    /// The longest name.
    const NAME_BYTES_MAX: usize = 64;

    /// Reads a name and, if it is there, a type.
    pub(crate) fn parse(text: &str) -> Result<Address, Fault> {
        read(text).map_err(|error| {
            let shown: String = text.chars().take(60).collect();
            Fault::new("@name@.address", error.to_string()).arg("address", shown).arg("reason", error.to_string())
        })
    }
}

fn read(text: &str) -> Result<Address, AddressError> {
    let shown = |word: &str| word.chars().take(60).collect::<String>();
    let mut words = text.split_whitespace();
    let name = words.next().ok_or(AddressError::Empty)?;
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !letters || name.len() > Address::NAME_BYTES_MAX {
        return Err(AddressError::Name(shown(name)));
    }
    let value_type = match words.next() {
        None => ValueType::F64,
        Some(word) => {
            let known = TYPES.iter().find(|(name, _)| *name == word);
            known.ok_or_else(|| AddressError::Type(shown(word)))?.1
        }
    };
    match words.next() {
        None => Ok(Address { name: name.to_string(), value_type }),
        Some(rest) => Err(AddressError::Rest(shown(rest))),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only types of the list are ever read, so the name is there.
        let word = TYPES.iter().find(|(_, of)| *of == self.value_type).map_or("f64", |(name, _)| name);
        write!(f, "{} {word}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_have_one_canonical_form() {
        for (written, canonical) in [("t1", "t1 f64"), ("  a.b-c_1   bool ", "a.b-c_1 bool")] {
            assert_eq!(Address::parse(written).unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [("", "no name"), ("a b", "no type"), ("a f64 x", "too much"), ("ü", "no name:")] {
            let fault = Address::parse(text).unwrap_err();
            assert!(fault.detail.contains(part), "{text:?}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,100}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
            }
        }
    }
}
