//! OPC UA values and ours, both ways. Native types stay what they are: no integer passes through a float.

use opcua::types::{
    Array, ByteString, DataValue, DateTime, StatusCode, UAString, Variant, VariantScalarTypeId,
};
use sdk::poll::{ScaleError, fit, scale};
use std::{borrow::Cow, time::Duration};
use types::{Quality, Scaling, Time, Value, ValueType};

/// How far ahead of us a server's clock may be; a later source time is not believed, because it would hide every row
/// that comes after it.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Between 1601-01-01, where OPC UA time starts, and 1970-01-01 (OPC 10000-6, 5.2.2.5), in 100 ns.
const TICKS_TO_1970: i64 = 116_444_736_000_000_000;

/// A native value; `None` for what is no scalar of ours: structures, matrices, empty.
pub(crate) fn native(variant: &Variant) -> Option<Value> {
    let text = |text: String| Some(Value::String(text.into()));
    match variant {
        Variant::Boolean(v) => Some(Value::Bool(*v)),
        Variant::SByte(v) => Some(Value::I64(i64::from(*v))),
        Variant::Int16(v) => Some(Value::I64(i64::from(*v))),
        Variant::Int32(v) => Some(Value::I64(i64::from(*v))),
        Variant::Int64(v) => Some(Value::I64(*v)),
        Variant::Byte(v) => Some(Value::U64(u64::from(*v))),
        Variant::UInt16(v) => Some(Value::U64(u64::from(*v))),
        Variant::UInt32(v) => Some(Value::U64(u64::from(*v))),
        Variant::UInt64(v) => Some(Value::U64(*v)),
        Variant::StatusCode(v) => Some(Value::U64(u64::from(v.bits()))),
        Variant::Float(v) => Some(Value::F32(*v)),
        Variant::Double(v) => Some(Value::F64(*v)),
        Variant::String(v) => text(v.as_ref().to_string()),
        Variant::XmlElement(v) => text(v.to_string()),
        Variant::LocalizedText(v) => text(v.text.as_ref().to_string()),
        Variant::QualifiedName(v) => text(v.name.as_ref().to_string()),
        Variant::Guid(v) => text(v.to_string()),
        Variant::NodeId(v) => text(v.to_string()),
        Variant::ExpandedNodeId(v) => text(v.to_string()),
        Variant::DateTime(v) => Some(Value::String(time(v)?.to_string().into())),
        Variant::ByteString(v) => Some(Value::Bytes(v.as_ref().into())),
        // One element of an array comes as an array of one.
        Variant::Array(array) => match array.values.as_slice() {
            [Variant::Array(_)] => None,
            [only] => native(only),
            _ => None,
        },
        Variant::Variant(inner) if !matches!(**inner, Variant::Variant(_)) => native(inner),
        _ => None,
    }
}

/// The type in which values of a built-in data type come (ids of namespace 0, OPC 10000-6, 5.1.2).
pub(crate) fn value_type(built_in: u32) -> Option<ValueType> {
    Some(match built_in {
        1 => ValueType::Bool,
        2 | 4 | 6 | 8 => ValueType::I64,
        3 | 5 | 7 | 9 | 19 => ValueType::U64,
        10 => ValueType::F32,
        11 => ValueType::F64,
        12..=14 | 16..=18 | 20 | 21 => ValueType::String,
        15 => ValueType::Bytes,
        // Enumeration: an Int32 on the wire.
        29 => ValueType::I64,
        _ => return None,
    })
}

/// A value as its point shows it, and its quality, which is the server's status code bit by bit.
pub(crate) fn shown(
    data: &DataValue,
    scaling: Option<Scaling>,
    wanted: ValueType,
) -> (Option<Value>, Quality) {
    let quality = quality(data.status.unwrap_or(StatusCode::Good));
    if quality.is_bad() {
        return (None, quality);
    }
    let Some(variant) = &data.value else { return (None, Quality::BAD) };
    let raw = match (variant, wanted, scaling) {
        (Variant::DateTime(at), ValueType::I64, None) => time(at).map(|at| Value::I64(at.0)),
        _ => native(variant),
    };
    match raw.and_then(|raw| scale(raw, scaling)).map(|value| fit(value, wanted)) {
        Some(Ok(value)) => match value {
            Value::F32(v) if !v.is_finite() => (Some(value), Quality::BAD_OUT_OF_RANGE),
            Value::F64(v) if !v.is_finite() => (Some(value), Quality::BAD_OUT_OF_RANGE),
            value => (Some(value), quality),
        },
        Some(Err(ScaleError::OutOfRange { .. })) => (None, Quality::BAD_OUT_OF_RANGE),
        Some(Err(ScaleError::NotComparable { .. })) | None => (None, Quality::BAD_CONFIGURATION),
    }
}

/// The element that was asked for, where a server leaves the index range out of account and sends the whole array.
pub(crate) fn element_of(data: &DataValue, element: Option<u32>) -> Cow<'_, DataValue> {
    match (&data.value, element) {
        (Some(Variant::Array(array)), Some(index)) if array.values.len() > 1 => {
            let one = array.values.get(index as usize).cloned();
            let status = if one.is_some() { data.status } else { Some(StatusCode::BadIndexRangeNoData) };
            Cow::Owned(DataValue { value: one, status, ..data.clone() })
        }
        _ => Cow::Borrowed(data),
    }
}

/// A status code as a quality: the same number, but for what says that the server has no such value, which has one name
/// over all drivers.
pub(crate) fn quality(status: StatusCode) -> Quality {
    match status {
        StatusCode::BadNodeIdUnknown
        | StatusCode::BadNodeIdInvalid
        | StatusCode::BadAttributeIdInvalid
        | StatusCode::BadIndexRangeInvalid
        | StatusCode::BadIndexRangeNoData => Quality::BAD_ADDRESS,
        status => Quality(status.bits()),
    }
}

/// When a value was true: the source's time, else the server's, else now.
pub(crate) fn source_time(data: &DataValue, now: Time) -> Time {
    let latest = now.plus(AHEAD_MAX);
    let believed = |at: &Option<DateTime>| at.as_ref().and_then(time).filter(|at| *at <= latest && at.0 > 0);
    believed(&data.source_timestamp).or_else(|| believed(&data.server_timestamp)).unwrap_or(now)
}

/// When the server looked; now when it does not say.
pub(crate) fn server_time(data: &DataValue, now: Time) -> Time {
    data.server_timestamp.as_ref().and_then(time).filter(|at| at.0 > 0 && *at <= now).unwrap_or(now)
}

/// `None` outside of what nanoseconds since 1970 can hold.
pub(crate) fn time(at: &DateTime) -> Option<Time> {
    at.ticks().checked_sub(TICKS_TO_1970)?.checked_mul(100).map(Time)
}

/// To the next lower 100 ns, the finest that OPC UA writes.
pub(crate) fn date_time(at: Time) -> DateTime {
    DateTime::from(at.0.div_euclid(100) + TICKS_TO_1970)
}

/// A value as a built-in type; `None` when that type cannot say exactly the same.
pub(crate) fn variant(value: &Value, of: VariantScalarTypeId) -> Option<Variant> {
    use VariantScalarTypeId as Id;
    let signed = || match value {
        Value::I64(v) => Some(*v),
        Value::U64(v) => i64::try_from(*v).ok(),
        Value::F64(v) if v.fract() == 0.0 && v.abs() < 9.0e15 => Some(*v as i64),
        Value::F32(v) if v.fract() == 0.0 && v.abs() < 1.6e7 => Some(*v as i64),
        _ => None,
    };
    let unsigned = || match value {
        Value::U64(v) => Some(*v),
        _ => signed().and_then(|v| u64::try_from(v).ok()),
    };
    let text = || match value {
        Value::String(v) => Some(v.to_string()),
        _ => None,
    };
    Some(match of {
        Id::Boolean => match value {
            Value::Bool(v) => Variant::Boolean(*v),
            _ => return None,
        },
        Id::SByte => Variant::SByte(signed()?.try_into().ok()?),
        Id::Int16 => Variant::Int16(signed()?.try_into().ok()?),
        Id::Int32 => Variant::Int32(signed()?.try_into().ok()?),
        Id::Int64 => Variant::Int64(signed()?),
        Id::Byte => Variant::Byte(unsigned()?.try_into().ok()?),
        Id::UInt16 => Variant::UInt16(unsigned()?.try_into().ok()?),
        Id::UInt32 => Variant::UInt32(unsigned()?.try_into().ok()?),
        Id::UInt64 => Variant::UInt64(unsigned()?),
        Id::StatusCode => Variant::StatusCode(StatusCode::from(u32::try_from(unsigned()?).ok()?)),
        Id::Float => match value {
            // The nearest single: 21.5 typed as f64 and 21.5 on a Float node are the same setpoint.
            Value::F64(v) if (*v as f32).is_finite() || !v.is_finite() => Variant::Float(*v as f32),
            _ => match fit(value.clone(), ValueType::F32) {
                Ok(Value::F32(v)) => Variant::Float(v),
                _ => Variant::Float(whole(value)?),
            },
        },
        Id::Double => match fit(value.clone(), ValueType::F64) {
            Ok(Value::F64(v)) => Variant::Double(v),
            _ => return None,
        },
        Id::String => Variant::String(UAString::from(text()?)),
        Id::LocalizedText => Variant::LocalizedText(Box::new(text()?.as_str().into())),
        Id::DateTime => match value {
            Value::I64(v) => Variant::DateTime(Box::new(date_time(Time(*v)))),
            _ => Variant::DateTime(Box::new(date_time(text()?.parse().ok()?))),
        },
        Id::Guid => Variant::Guid(Box::new(text()?.parse().ok()?)),
        Id::ByteString => match value {
            Value::Bytes(v) => Variant::ByteString(ByteString::from(v.to_vec())),
            _ => return None,
        },
        _ => return None,
    })
}

/// A value in the built-in type of its own kind.
pub(crate) fn scalar_of(value: &Value) -> Option<Variant> {
    use VariantScalarTypeId as Id;
    variant(
        value,
        match value.value_type() {
            ValueType::Bool => Id::Boolean,
            ValueType::I64 => Id::Int64,
            ValueType::U64 => Id::UInt64,
            ValueType::F32 => Id::Float,
            ValueType::F64 => Id::Double,
            ValueType::String => Id::String,
            ValueType::Bytes => Id::ByteString,
        },
    )
}

/// Whole numbers that a single holds exactly.
fn whole(value: &Value) -> Option<f32> {
    const EXACT_MAX: i64 = 1 << 24;
    let number = match value {
        Value::I64(v) => *v,
        Value::U64(v) => i64::try_from(*v).ok()?,
        _ => return None,
    };
    (number.abs() <= EXACT_MAX).then_some(number as f32)
}

/// The shown value that a write means, in the built-in type of its node; an element goes as an array of one.
pub(crate) fn written(
    value: &Value,
    scaling: Option<Scaling>,
    of: VariantScalarTypeId,
    is_array: bool,
) -> Option<Variant> {
    let raw = match scaling {
        None => value.clone(),
        Some(_) => sdk::poll::unscale(value.clone(), scaling, value_type(of as u32)?).ok()?,
    };
    let scalar = variant(&raw, of)?;
    match is_array {
        true => Some(Variant::Array(Box::new(Array::new(of, vec![scalar]).ok()?))),
        false => Some(scalar),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use VariantScalarTypeId as Id;
    use proptest::prelude::*;

    #[test]
    fn native_types_keep_every_bit() {
        for (variant, value, of) in [
            (Variant::Boolean(true), Value::Bool(true), Id::Boolean),
            (Variant::Int64(i64::MIN), Value::I64(i64::MIN), Id::Int64),
            (Variant::UInt64(u64::MAX), Value::U64(u64::MAX), Id::UInt64),
            (Variant::Byte(255), Value::U64(255), Id::Byte),
            (Variant::Int32(-7), Value::I64(-7), Id::Int32),
            (Variant::Float(0.1), Value::F32(0.1), Id::Float),
            (Variant::Double(0.1), Value::F64(0.1), Id::Double),
            (Variant::String("泵".into()), Value::String("泵".into()), Id::String),
            (
                Variant::ByteString(vec![0u8, 255].into()),
                Value::Bytes([0, 255].as_slice().into()),
                Id::ByteString,
            ),
        ] {
            assert_eq!(native(&variant), Some(value.clone()));
            assert_eq!(super::variant(&value, of), Some(variant));
        }
        let one = Array::new(Id::Int16, vec![Variant::Int16(5)]).unwrap();
        assert_eq!(native(&Variant::Array(Box::new(one))), Some(Value::I64(5)));
        assert_eq!(native(&Variant::Empty), None);
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        assert_eq!(variant(&Value::I64(256), Id::Byte), None);
        assert_eq!(variant(&Value::I64(-1), Id::UInt64), None);
        assert_eq!(variant(&Value::F64(1.5), Id::Int32), None);
        assert_eq!(variant(&Value::String("x".into()), Id::Double), None);
        assert_eq!(variant(&Value::F64(21.5), Id::Float), Some(Variant::Float(21.5)));
        assert_eq!(variant(&Value::F64(1e300), Id::Float), None);
        let tenth = Some(Scaling { gain: 0.1, offset: 0.0 });
        assert_eq!(written(&Value::F64(12.3), tenth, Id::Int16, false), Some(Variant::Int16(123)));
        let element = written(&Value::I64(4), None, Id::Int16, true).unwrap();
        assert_eq!(native(&element), Some(Value::I64(4)), "an element is written as an array of one");
        assert!(element.is_array());
    }

    #[test]
    fn status_codes_are_qualities() {
        let of = |status: StatusCode| {
            shown(&DataValue { status: Some(status), ..DataValue::new_now(1i32) }, None, ValueType::I64)
        };
        assert_eq!(of(StatusCode::Good), (Some(Value::I64(1)), Quality::GOOD));
        assert_eq!(of(StatusCode::UncertainLastUsableValue).1, Quality::UNCERTAIN_LAST_USABLE);
        assert_eq!(of(StatusCode::BadSensorFailure), (None, Quality(0x808C_0000)));
        assert_eq!(of(StatusCode::BadNodeIdUnknown).1, Quality::BAD_ADDRESS);
        let limited = StatusCode::from(0x0000_0580);
        assert_eq!(of(limited).1, Quality(0x0000_0580), "limit and overflow bits stay");
        let wrong_type = shown(&DataValue::new_now(true), None, ValueType::F64);
        assert_eq!(wrong_type, (None, Quality::BAD_CONFIGURATION));
    }

    #[test]
    fn times_of_the_source_first_and_nothing_from_the_far_future() {
        let now = Time::from_unix_ms(1_700_000_000_000);
        let at = |ms: i64| Some(date_time(Time::from_unix_ms(ms)));
        let data = DataValue { source_timestamp: at(5), server_timestamp: at(7), ..DataValue::null() };
        assert_eq!(source_time(&data, now), Time::from_unix_ms(5));
        let no_source = DataValue { source_timestamp: None, ..data.clone() };
        assert_eq!(source_time(&no_source, now), Time::from_unix_ms(7));
        let far = DataValue { source_timestamp: Some(DateTime::endtimes()), ..data };
        assert_eq!(source_time(&far, now), Time::from_unix_ms(7));
        assert_eq!(source_time(&DataValue::null(), now), now);
    }

    proptest! {
        #[test]
        fn times_come_back(ns in -9_000_000_000_000_000_000i64..9_000_000_000_000_000_000) {
            prop_assert_eq!(time(&date_time(Time(ns))), Some(Time(ns.div_euclid(100) * 100)));
        }
        #[test]
        fn ticks_of_any_size_do_not_panic(ticks: i64) {
            let at = DateTime::from(ticks);
            let _nothing_panics = time(&at);
        }
    }
}
