//! One value and its type. Native types stay what they are: no detour over f64.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The type of a point's values, fixed per point and never guessed from data.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// On or off.
    Bool,
    /// Signed integer of up to 64 bits.
    I64,
    /// Unsigned integer of up to 64 bits.
    U64,
    /// IEEE 754 single precision, as most meters and PLCs hold it.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// UTF-8 text.
    String,
    /// Anything else.
    Bytes,
}

impl ValueType {
    /// As the API and drivers' addresses write it.
    pub const fn name(self) -> &'static str {
        match self {
            ValueType::Bool => "bool",
            ValueType::I64 => "i64",
            ValueType::U64 => "u64",
            ValueType::F32 => "f32",
            ValueType::F64 => "f64",
            ValueType::String => "string",
            ValueType::Bytes => "bytes",
        }
    }

    /// Whether a trend can be drawn of it.
    pub const fn is_numeric(self) -> bool {
        !matches!(self, ValueType::String | ValueType::Bytes)
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// See [`ValueType::Bool`].
    Bool(bool),
    /// See [`ValueType::I64`].
    I64(i64),
    /// See [`ValueType::U64`].
    U64(u64),
    /// See [`ValueType::F32`].
    F32(f32),
    /// See [`ValueType::F64`].
    F64(f64),
    /// See [`ValueType::String`].
    String(Arc<str>),
    /// See [`ValueType::Bytes`].
    Bytes(Arc<[u8]>),
}

/// A text or JSON value that does not fit a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{got}` is not a {wanted:?} value")]
pub struct ValueError {
    /// What was asked for.
    pub wanted: ValueType,
    /// What came, shortened.
    pub got: String,
}

impl Value {
    /// Its type.
    pub const fn value_type(&self) -> ValueType {
        match self {
            Value::Bool(_) => ValueType::Bool,
            Value::I64(_) => ValueType::I64,
            Value::U64(_) => ValueType::U64,
            Value::F32(_) => ValueType::F32,
            Value::F64(_) => ValueType::F64,
            Value::String(_) => ValueType::String,
            Value::Bytes(_) => ValueType::Bytes,
        }
    }

    /// For drawing and comparing with limits only: integers above 2^53 lose digits. `None` for text and bytes.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Bool(v) => Some(f64::from(u8::from(*v))),
            Value::I64(v) => Some(*v as f64),
            Value::U64(v) => Some(*v as f64),
            Value::F32(v) => Some(f64::from(*v)),
            Value::F64(v) => Some(*v),
            Value::String(_) | Value::Bytes(_) => None,
        }
    }

    /// As the API sends it: i64 and u64 as strings (JavaScript numbers end at 2^53), f32 with its own
    /// shortest digits, non-finite floats as strings, bytes as hex.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Value::Bool(v) => Json::Bool(*v),
            Value::I64(v) => Json::String(v.to_string()),
            Value::U64(v) => Json::String(v.to_string()),
            Value::F32(v) => float_json(v.is_finite(), format!("{v:?}")),
            Value::F64(v) => float_json(v.is_finite(), format!("{v:?}")),
            Value::String(v) => Json::String(v.to_string()),
            Value::Bytes(v) => Json::String(v.iter().map(|b| format!("{b:02x}")).collect()),
        }
    }

    /// From the API, where the type is known: takes what [`Value::to_json`] sends, and plain numbers.
    pub fn from_json(wanted: ValueType, json: &serde_json::Value) -> Result<Value, ValueError> {
        use serde_json::Value as Json;
        let text = match json {
            Json::Bool(v) => v.to_string(),
            Json::Number(v) => v.to_string(),
            Json::String(v) => v.clone(),
            other => return Err(ValueError { wanted, got: other.to_string().chars().take(60).collect() }),
        };
        Value::parse(wanted, &text)
    }

    /// From text, where the type is known.
    pub fn parse(wanted: ValueType, text: &str) -> Result<Value, ValueError> {
        let wrong = || ValueError { wanted, got: text.chars().take(60).collect() };
        let t = text.trim();
        Ok(match wanted {
            ValueType::Bool => match t {
                "true" | "1" | "on" => Value::Bool(true),
                "false" | "0" | "off" => Value::Bool(false),
                _ => return Err(wrong()),
            },
            ValueType::I64 => Value::I64(t.parse().map_err(|_| wrong())?),
            ValueType::U64 => Value::U64(t.parse().map_err(|_| wrong())?),
            ValueType::F32 => Value::F32(t.parse().map_err(|_| wrong())?),
            ValueType::F64 => Value::F64(t.parse().map_err(|_| wrong())?),
            ValueType::String => Value::String(text.into()),
            ValueType::Bytes => Value::Bytes(parse_hex(t).ok_or_else(wrong)?.into()),
        })
    }
}

fn float_json(finite: bool, digits: String) -> serde_json::Value {
    if finite && let Ok(number) = digits.parse::<serde_json::Number>() {
        return serde_json::Value::Number(number);
    }
    serde_json::Value::String(digits)
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_json() {
            serde_json::Value::String(text) => f.write_str(&text),
            other => other.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_every_bit() {
        for value in [
            Value::Bool(true),
            Value::I64(i64::MIN),
            Value::U64(u64::MAX),
            Value::F32(0.1),
            Value::F64(f64::MAX),
            Value::F64(f64::INFINITY),
            Value::String("3 号泵".into()),
            Value::Bytes([0, 255].as_slice().into()),
        ] {
            assert_eq!(Value::from_json(value.value_type(), &value.to_json()), Ok(value));
        }
        assert_eq!(Value::F32(0.1).to_json().to_string(), "0.1");
        assert_eq!(Value::F64(5.0).to_json().to_string(), "5.0");
    }

    #[test]
    fn wrong_text_is_refused() {
        assert!(Value::parse(ValueType::I64, "1.5").is_err());
        assert!(Value::parse(ValueType::Bytes, "0g").is_err());
        assert!(Value::parse(ValueType::Bool, "maybe").is_err());
    }
}
