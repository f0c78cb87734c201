//! Polling, shared by every driver that asks: planner, schedule, loop.

use types::{Scaling, Value};

/// From raw to shown: `raw * gain + offset` in f64. Without scaling the value stays as it is.
/// `None` when there is no number to scale.
pub fn scale(raw: Value, scaling: Option<Scaling>) -> Option<Value> {
    match scaling {
        None => Some(raw),
        Some(s) => raw.as_f64().map(|v| Value::F64(v * s.gain + s.offset)),
    }
}
