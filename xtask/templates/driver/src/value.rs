//! Texts on the wire to values and back. Pure.

use types::{Quality, Value, ValueType};

/// The value that a device sent as text. A text of another type is a fault of the device or of the address: the point
/// has no value then, never a zero.
pub(crate) fn decode(text: &str, value_type: ValueType) -> Result<Value, Quality> {
    Value::parse(value_type, text).map_err(|_no_such_value| Quality::BAD_OUT_OF_RANGE)
}

/// As the device takes it.
pub(crate) fn encode(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_bit_by_bit() {
        for value in [Value::Bool(true), Value::I64(i64::MIN), Value::U64(u64::MAX), Value::F32(0.1)] {
            assert_eq!(decode(&encode(&value), value.value_type()), Ok(value));
        }
    }

    #[test]
    fn a_wrong_text_is_bad_and_not_zero() {
        assert_eq!(decode("n/a", ValueType::F64), Err(Quality::BAD_OUT_OF_RANGE));
    }
}
