//! Index values as bytes whose order is the order of the values, so that one index table serves every type.
//!
//! First byte: the kind. Then: integers and times big-endian with the sign bit flipped, text as its bytes, ids as they are.

use types::{IndexValue, ObjectId, Time};

const INT: u8 = 1;
const TEXT: u8 = 2;
const ID: u8 = 3;
const TIME: u8 = 4;

fn signed(kind: u8, value: i64) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((value ^ i64::MIN).to_be_bytes());
    bytes
}

/// The bytes of a value.
pub(crate) fn encode(value: &IndexValue) -> Vec<u8> {
    match value {
        IndexValue::Int(value) => signed(INT, *value),
        IndexValue::Text(text) => text_prefix(text),
        IndexValue::Id(id) => [&[ID][..], &id.bytes()].concat(),
        IndexValue::Time(at) => signed(TIME, at.unix_ns()),
    }
}

/// The bytes that every text with this beginning starts with.
pub(crate) fn text_prefix(text: &str) -> Vec<u8> {
    [&[TEXT], text.as_bytes()].concat()
}

/// The value again; `None` when the bytes are not one.
pub(crate) fn decode(bytes: &[u8]) -> Option<IndexValue> {
    let (kind, rest) = bytes.split_first()?;
    let number = || Some(i64::from_be_bytes(rest.try_into().ok()?) ^ i64::MIN);
    match *kind {
        INT => number().map(IndexValue::Int),
        TEXT => String::from_utf8(rest.to_vec()).ok().map(IndexValue::Text),
        ID => Some(IndexValue::Id(ObjectId::from_bytes(rest.try_into().ok()?))),
        TIME => number().map(|ns| IndexValue::Time(Time(ns))),
        _ => None,
    }
}

/// The smallest key above every key that starts so; `None` when there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = IndexValue> {
        prop_oneof![
            any::<i64>().prop_map(IndexValue::Int),
            ".{0,12}".prop_map(IndexValue::Text),
            any::<[u8; 16]>().prop_map(|b| IndexValue::Id(ObjectId::from_bytes(b))),
            any::<i64>().prop_map(|ns| IndexValue::Time(Time(ns))),
        ]
    }

    proptest! {
        #[test]
        fn bytes_order_like_values(a in value(), b in value()) {
            if std::mem::discriminant(&a) == std::mem::discriminant(&b) {
                prop_assert_eq!(a.cmp(&b), encode(&a).cmp(&encode(&b)));
            }
            prop_assert_eq!(decode(&encode(&a)), Some(a));
        }

        #[test]
        fn a_prefix_ends_where_its_texts_end(prefix in ".{0,6}", rest in ".{0,6}", other in ".{0,6}") {
            let (from, to) = (text_prefix(&prefix), after_prefix(&text_prefix(&prefix)).unwrap());
            let within = |text: &str| { let key = text_prefix(text); key >= from && key < to };
            let joined = format!("{prefix}{rest}");
            prop_assert!(within(&joined));
            prop_assert_eq!(within(&other), other.starts_with(&prefix));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes);
        }
    }
}
