//! From raw to shown and back. Without scaling a value stays what it is: no integer passes through a float.

use types::{Scaling, Value, ValueType};

/// From raw to shown: `raw * gain + offset` in f64. Without scaling the value stays as it is.
/// `None` when there is no number to scale.
pub fn scale(raw: Value, scaling: Option<Scaling>) -> Option<Value> {
    match scaling {
        None => Some(raw),
        Some(s) => raw.as_f64().map(|v| Value::F64(v * s.gain + s.offset)),
    }
}

/// A value that cannot be turned into another type without changing what it says.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScaleError {
    /// The number is outside what the type holds.
    #[error("{value} is outside what {wanted:?} can hold")]
    OutOfRange {
        /// What was given.
        value: String,
        /// What it should become.
        wanted: ValueType,
    },
    /// One is a number and the other is not.
    #[error("{value} cannot be made a {wanted:?}")]
    NotComparable {
        /// What was given.
        value: String,
        /// What it should become.
        wanted: ValueType,
    },
}

/// From shown to raw: `(shown - offset) / gain`, to the nearest whole number for integers, then checked against the
/// range of the native type.
pub fn unscale(shown: Value, scaling: Option<Scaling>, native: ValueType) -> Result<Value, ScaleError> {
    let Some(s) = scaling else { return fit(shown, native) };
    let Some(number) = shown.as_f64() else {
        return Err(ScaleError::NotComparable { value: shown.to_string(), wanted: native });
    };
    let raw = (number - s.offset) / s.gain;
    let out_of_range = || ScaleError::OutOfRange { value: shown.to_string(), wanted: native };
    // 2^63 and 2^64: the first f64 that the integer cannot hold.
    const I64_END: f64 = 9_223_372_036_854_775_808.0;
    const U64_END: f64 = 18_446_744_073_709_551_616.0;
    match native {
        ValueType::F64 => Ok(Value::F64(raw)),
        ValueType::F32 if raw.is_finite() && !(raw as f32).is_finite() => Err(out_of_range()),
        ValueType::F32 => Ok(Value::F32(raw as f32)),
        ValueType::I64 => match raw.round() {
            n if (-I64_END..I64_END).contains(&n) => Ok(Value::I64(n as i64)),
            _ => Err(out_of_range()),
        },
        ValueType::U64 => match raw.round() {
            n if (0.0..U64_END).contains(&n) => Ok(Value::U64(n as u64)),
            _ => Err(out_of_range()),
        },
        ValueType::Bool | ValueType::String | ValueType::Bytes => {
            Err(ScaleError::NotComparable { value: shown.to_string(), wanted: native })
        }
    }
}

/// The same value in another type, when that type can say exactly the same.
pub fn fit(value: Value, wanted: ValueType) -> Result<Value, ScaleError> {
    /// Up to here every whole number has its own f64.
    const EXACT_MAX: u64 = 1 << 53;
    let out_of_range = |value: Value| ScaleError::OutOfRange { value: value.to_string(), wanted };
    match (value, wanted) {
        (value, wanted) if value.value_type() == wanted => Ok(value),
        (Value::F32(v), ValueType::F64) => Ok(Value::F64(f64::from(v))),
        (Value::F64(v), ValueType::F32) if f64::from(v as f32) == v || v.is_nan() => Ok(Value::F32(v as f32)),
        (Value::U64(v), ValueType::I64) => {
            i64::try_from(v).map(Value::I64).map_err(|_| out_of_range(Value::U64(v)))
        }
        (Value::I64(v), ValueType::U64) => {
            u64::try_from(v).map(Value::U64).map_err(|_| out_of_range(Value::I64(v)))
        }
        (Value::U64(v), ValueType::F64) if v <= EXACT_MAX => Ok(Value::F64(v as f64)),
        (Value::I64(v), ValueType::F64) if v.unsigned_abs() <= EXACT_MAX => Ok(Value::F64(v as f64)),
        (value @ (Value::U64(_) | Value::I64(_) | Value::F64(_)), ValueType::F64 | ValueType::F32) => {
            Err(out_of_range(value))
        }
        (value, wanted) => Err(ScaleError::NotComparable { value: value.to_string(), wanted }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_to_raw_and_back() {
        let tenth = Some(Scaling { gain: 0.1, offset: 5.0 });
        assert_eq!(scale(Value::I64(123), tenth), Some(Value::F64(123.0 * 0.1 + 5.0)));
        assert_eq!(unscale(Value::F64(17.3), tenth, ValueType::I64), Ok(Value::I64(123)));
        assert!(unscale(Value::F64(4.0), tenth, ValueType::U64).is_err(), "below zero");
        assert!(unscale(Value::F64(f64::NAN), tenth, ValueType::I64).is_err());
        assert!(unscale(Value::F64(1e39), Some(Scaling { gain: 1.0, offset: 0.0 }), ValueType::F32).is_err());
        assert_eq!(scale(Value::String("x".into()), tenth), None);
    }

    #[test]
    fn integers_without_scaling_keep_every_digit() {
        assert_eq!(unscale(Value::U64(u64::MAX), None, ValueType::U64), Ok(Value::U64(u64::MAX)));
        assert_eq!(scale(Value::I64(i64::MIN), None), Some(Value::I64(i64::MIN)));
        assert_eq!(fit(Value::U64(7), ValueType::I64), Ok(Value::I64(7)));
        assert!(fit(Value::U64(u64::MAX), ValueType::I64).is_err());
        assert!(fit(Value::U64((1 << 53) + 1), ValueType::F64).is_err());
        assert!(fit(Value::F64(0.1), ValueType::F32).is_err());
        assert_eq!(fit(Value::F32(0.5), ValueType::F64), Ok(Value::F64(0.5)));
        assert!(fit(Value::Bool(true), ValueType::F64).is_err());
    }
}
