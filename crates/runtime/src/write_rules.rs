//! The rules of the write path as plain functions.

use std::time::Duration;
use types::{Scaling, Time, Value, WritePolicy, WriteRefusal};

/// Over which span commands are counted.
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Range and step. Text has neither.
pub(crate) fn check(policy: &WritePolicy, new: &Value, old: Option<&Value>) -> Result<(), WriteRefusal> {
    let Some(value) = new.as_f64() else { return Ok(()) };
    let WritePolicy { min, max, step, .. } = *policy;
    // Written so that NaN is refused.
    if !(min <= value && value <= max) {
        return Err(WriteRefusal::OutOfRange { value, min, max });
    }
    let Some(step) = step else { return Ok(()) };
    let old = old.and_then(Value::as_f64).ok_or(WriteRefusal::OldValueUnknown)?;
    let change = (value - old).abs();
    // A step of 0.1 from 0.2 to 0.3 must not fail by the last bit.
    if change > step * (1.0 + 1e-9) {
        return Err(WriteRefusal::StepTooLarge { change, step });
    }
    Ok(())
}

/// At most `limit` within [`RATE_WINDOW`]. `times` ascend.
pub(crate) fn check_rate(times: &[Time], now: Time, limit: u32) -> Result<(), WriteRefusal> {
    let recent: Vec<Time> = times.iter().copied().filter(|t| now.since(*t) < RATE_WINDOW).collect();
    if recent.len() < limit as usize {
        return Ok(());
    }
    let frees = recent.len().saturating_sub((limit as usize).max(1));
    let wait = recent.get(frees).map_or(RATE_WINDOW, |t| RATE_WINDOW.saturating_sub(now.since(*t)));
    Err(WriteRefusal::TooOften { limit, wait_s: wait.as_secs() + 1 })
}

/// Whether what was read back is what was written: exactly, or for floats within what the device's number can hold
/// (half a raw step of a scaled point, else 1e-6 of the value, which f32 keeps).
pub(crate) fn reads_back(written: &Value, got: &Value, scaling: Option<Scaling>) -> bool {
    if written == got {
        return true;
    }
    let (Value::F32(_) | Value::F64(_), Some(a), Some(b)) = (written, written.as_f64(), got.as_f64()) else {
        return false;
    };
    let half_step = scaling.map_or(0.0, |s| s.gain.abs() * 0.5);
    (a - b).abs() <= half_step.max(a.abs() * 1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: WritePolicy = WritePolicy { min: 0.0, max: 8.0, step: Some(0.1), per_minute: 2 };

    #[test]
    fn range_and_step() {
        let f = Value::F64;
        assert_eq!(check(&POLICY, &f(0.3), Some(&f(0.2))), Ok(()));
        assert!(matches!(check(&POLICY, &f(0.4), Some(&f(0.2))), Err(WriteRefusal::StepTooLarge { .. })));
        assert!(matches!(check(&POLICY, &f(9.0), Some(&f(0.2))), Err(WriteRefusal::OutOfRange { .. })));
        assert!(matches!(check(&POLICY, &f(f64::NAN), Some(&f(0.2))), Err(WriteRefusal::OutOfRange { .. })));
        assert_eq!(check(&POLICY, &f(0.3), None), Err(WriteRefusal::OldValueUnknown));
    }

    #[test]
    fn rate() {
        let at = |s: i64| Time(s * 1_000_000_000);
        assert_eq!(check_rate(&[at(0)], at(1), 2), Ok(()));
        assert_eq!(
            check_rate(&[at(0), at(10)], at(20), 2),
            Err(WriteRefusal::TooOften { limit: 2, wait_s: 41 })
        );
        assert_eq!(check_rate(&[at(0), at(10)], at(61), 2), Ok(()));
        assert!(check_rate(&[], at(0), 0).is_err());
    }

    #[test]
    fn read_back_within_what_the_device_can_hold() {
        let scaled = Some(Scaling { gain: 0.1, offset: 0.0 });
        assert!(reads_back(&Value::F64(5.04), &Value::F64(5.0), scaled));
        assert!(!reads_back(&Value::F64(5.2), &Value::F64(5.0), scaled));
        assert!(!reads_back(&Value::I64(5), &Value::I64(6), None));
        assert!(reads_back(&Value::F32(0.1), &Value::F32(0.1), None));
    }
}
