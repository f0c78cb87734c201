//! JSON and text to values of a declared type, and back. Exact or not at all: no integer passes through a float. Pure.

use std::sync::Arc;
use types::{Value, ValueType};

use crate::json;

/// The longest text that is kept as a value. A message may be longer; such a value is refused, not cut.
pub(crate) const STRING_BYTES_MAX: usize = 64 * 1024;

/// Why something that was sent is no value of the declared type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// Another kind of thing.
    #[error("`{got}` is no {wanted} value")]
    Kind {
        /// What came, shortened.
        got: String,
        /// What the address says.
        wanted: &'static str,
    },
    /// A number that the type cannot say exactly.
    #[error("{got} does not fit into {wanted}")]
    Range {
        /// What came, shortened.
        got: String,
        /// What the address says.
        wanted: &'static str,
    },
    /// See [`STRING_BYTES_MAX`].
    #[error("a text of {0} bytes is longer than the {STRING_BYTES_MAX} that are kept")]
    Length(usize),
}

/// Types by the word that stands in an address.
pub(crate) const TYPES: &[(&str, ValueType)] = &[
    ("bool", ValueType::Bool),
    ("i64", ValueType::I64),
    ("u64", ValueType::U64),
    ("f32", ValueType::F32),
    ("f64", ValueType::F64),
    ("string", ValueType::String),
    ("bytes", ValueType::Bytes),
];

/// The word of a type.
pub(crate) fn type_word(of: ValueType) -> &'static str {
    TYPES.iter().find(|(_, known)| *known == of).map_or("f64", |(word, _)| word)
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The value of a checked piece of JSON; `None` for `null`. A string that says a number counts as that number, because
/// gateways send such; an object or array can be kept as text.
pub(crate) fn from_json(raw: &str, wanted: ValueType) -> Result<Option<Value>, Misfit> {
    let misfit = || Misfit::Kind { got: shown(raw), wanted: type_word(wanted) };
    match raw.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b't' | b'f') => match wanted {
            ValueType::Bool => Ok(Some(Value::Bool(raw == "true"))),
            ValueType::String => text(raw).map(Some),
            _ => Err(misfit()),
        },
        Some(b'"') => match json::string(raw) {
            Some(said) => from_text(&said, wanted).map(Some),
            None => Err(misfit()),
        },
        Some(b'{' | b'[') if wanted == ValueType::String => text(raw).map(Some),
        Some(b'-' | b'0'..=b'9') => from_text(raw, wanted).map(Some),
        _ => Err(misfit()),
    }
}

/// The value that a text says.
pub(crate) fn from_text(said: &str, wanted: ValueType) -> Result<Value, Misfit> {
    match wanted {
        ValueType::String => text(said),
        ValueType::Bool | ValueType::Bytes => {
            if said.len() > 2 * STRING_BYTES_MAX {
                return Err(Misfit::Length(said.len()));
            }
            let lower = said.trim().to_ascii_lowercase();
            let misfit = |_| Misfit::Kind { got: shown(said), wanted: type_word(wanted) };
            Value::parse(wanted, &lower).map_err(misfit)
        }
        ValueType::I64 | ValueType::U64 | ValueType::F32 | ValueType::F64 => number(said.trim(), wanted),
    }
}

/// The value of a whole payload.
pub(crate) fn from_payload(payload: &[u8], wanted: ValueType) -> Result<Value, Misfit> {
    if wanted == ValueType::Bytes {
        return match payload.len() {
            length if length > STRING_BYTES_MAX => Err(Misfit::Length(length)),
            _ => Ok(Value::Bytes(payload.into())),
        };
    }
    match std::str::from_utf8(payload) {
        Ok(said) => from_text(said, wanted),
        Err(_) => Err(Misfit::Kind { got: "bytes that are no UTF-8".into(), wanted: type_word(wanted) }),
    }
}

fn text(said: &str) -> Result<Value, Misfit> {
    if said.len() > STRING_BYTES_MAX {
        return Err(Misfit::Length(said.len()));
    }
    Ok(Value::String(Arc::from(said)))
}

/// Digits to a number. Only what JSON calls a number, so `NaN` and `inf` are none.
fn number(said: &str, wanted: ValueType) -> Result<Value, Misfit> {
    let range = || Misfit::Range { got: shown(said), wanted: type_word(wanted) };
    let numeric = said.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let float: f64 = match said.parse() {
        Ok(float) if numeric => float,
        _ => return Err(Misfit::Kind { got: shown(said), wanted: type_word(wanted) }),
    };
    let whole: Option<i128> = said.parse().ok();
    match wanted {
        ValueType::I64 => integer(whole, float).and_then(|v| i64::try_from(v).ok()).map(Value::I64),
        ValueType::U64 => integer(whole, float).and_then(|v| u64::try_from(v).ok()).map(Value::U64),
        ValueType::F32 => {
            // From the digits, not from the f64: rounded once.
            let single: f32 = said.parse().unwrap_or(f32::INFINITY);
            (single.is_finite() && exact(whole, f64::from(single))).then_some(Value::F32(single))
        }
        _ => (float.is_finite() && exact(whole, float)).then_some(Value::F64(float)),
    }
    .ok_or_else(range)
}

/// A whole number, also one that is written `5.0` or `1e3`.
fn integer(whole: Option<i128>, float: f64) -> Option<i128> {
    /// Up to here every whole number has its own f64.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    whole.or_else(|| (float.fract() == 0.0 && float.abs() <= EXACT_MAX).then_some(float as i128))
}

/// Whether a float says the same as the whole number that was written. Beyond 64 bits there is no integer type to turn
/// to, so there a float is what was meant.
fn exact(whole: Option<i128>, float: f64) -> bool {
    let held = |v: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(v);
    whole.filter(held).is_none_or(|whole| float as i128 == whole)
}

/// As JSON: numbers with all their digits, because that is what devices read. What is no number is `null`.
pub(crate) fn to_json(value: &Value) -> String {
    match value {
        Value::I64(v) => v.to_string(),
        Value::U64(v) => v.to_string(),
        Value::F32(v) if v.is_finite() => format!("{v:?}"),
        Value::F64(v) if v.is_finite() => format!("{v:?}"),
        Value::F32(_) | Value::F64(_) => "null".to_string(),
        other => other.to_json().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn native_types_stay() {
        let read = |raw, wanted| from_json(raw, wanted).unwrap().unwrap();
        assert_eq!(read("18446744073709551615", ValueType::U64), Value::U64(u64::MAX));
        assert_eq!(read("-9223372036854775808", ValueType::I64), Value::I64(i64::MIN));
        assert_eq!(read("5.0", ValueType::I64), Value::I64(5));
        assert_eq!(read("1e3", ValueType::U64), Value::U64(1_000));
        assert_eq!(read("0.1", ValueType::F32), Value::F32(0.1));
        assert_eq!(read("100000000000000000000", ValueType::F64), Value::F64(1e20));
        assert_eq!(read("\"21.5\"", ValueType::F64), Value::F64(21.5));
        assert_eq!(read("\"ON\"", ValueType::Bool), Value::Bool(true));
        assert_eq!(read("1", ValueType::Bool), Value::Bool(true));
        assert_eq!(read("7", ValueType::String), Value::String("7".into()));
        assert_eq!(read("{\"a\":[1]}", ValueType::String), Value::String("{\"a\":[1]}".into()));
        assert_eq!(from_json("null", ValueType::F64), Ok(None));
    }

    #[test]
    fn what_would_lose_a_digit_is_refused() {
        for (raw, wanted) in [
            ("18446744073709551616", ValueType::U64),
            ("-1", ValueType::U64),
            ("5.5", ValueType::I64),
            ("9007199254740993", ValueType::F64),
            ("16777217", ValueType::F32),
            ("1e400", ValueType::F64),
            ("1e39", ValueType::F32),
            ("1e30", ValueType::I64),
        ] {
            assert!(matches!(from_json(raw, wanted), Err(Misfit::Range { .. })), "{raw} {wanted:?}");
        }
        for (raw, wanted) in [
            ("true", ValueType::F64),
            ("\"NaN\"", ValueType::F64),
            ("\"\"", ValueType::F64),
            ("[]", ValueType::F64),
            ("2", ValueType::Bool),
        ] {
            assert!(matches!(from_json(raw, wanted), Err(Misfit::Kind { .. })), "{raw} {wanted:?}");
        }
        let long = format!("\"{}\"", "x".repeat(STRING_BYTES_MAX + 1));
        assert_eq!(from_json(&long, ValueType::String), Err(Misfit::Length(STRING_BYTES_MAX + 1)));
    }

    proptest! {
        #[test]
        fn values_come_back(i in any::<i64>(), u in any::<u64>(), f in any::<f64>(), s in any::<f32>(), t in ".{0,20}") {
            let mut values = vec![Value::I64(i), Value::U64(u), Value::String(t.as_str().into())];
            if f.is_finite() { values.push(Value::F64(f)); }
            if s.is_finite() { values.push(Value::F32(s)); }
            for value in values {
                prop_assert_eq!(from_json(&to_json(&value), value.value_type()), Ok(Some(value)));
            }
        }

        #[test]
        fn no_payload_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            for (_, wanted) in TYPES {
                let _either = from_payload(&bytes, *wanted);
            }
        }
    }
}
