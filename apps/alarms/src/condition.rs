//! A rule's condition in the unit of its point, judged row by row; delays come on top of it in `evaluate`. Pure.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Quality, Time, Unit, Value};

use crate::rule::{Condition, Named, Rule, Setpoint, Side};

/// A row, as the journal shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// When it was true.
    pub time: Time,
    /// What it was.
    #[serde(default, with = "typed", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// How far it could be trusted.
    pub quality: Quality,
}

/// What a condition is judged from: of a fixed size, however long it goes on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inputs {
    /// The newest row of the watched point.
    pub(crate) reading: Option<Reading>,
    /// Time and usable value of the newest row of the setpoint.
    pub(crate) setpoint: Option<(Time, Option<f64>)>,
    /// Where the current rate started.
    pub(crate) anchor: Option<(Time, f64)>,
}

/// The units a rule is evaluated in.
#[derive(Clone, Copy)]
pub struct Units {
    /// Of the rule's figures.
    pub rule: &'static Unit,
    /// Of the watched point.
    pub point: &'static Unit,
    /// Of the point that gives the setpoint.
    pub setpoint: Option<&'static Unit>,
}

/// What one row says.
pub(crate) enum Verdict {
    Holds,
    Over,
    /// Within the deadband, or too early to tell: as before.
    Same,
    /// The value cannot be used.
    Unknown,
}

/// A condition in the unit of its point.
pub(crate) enum Test {
    /// `sign * value` beyond `limit`.
    Limit {
        sign: f64,
        band: Band,
    },
    Deviation {
        from: From,
        side: Side,
        band: Band,
    },
    /// Per second.
    Rate {
        side: Side,
        band: Band,
        over: Duration,
    },
    Discrete {
        values: Vec<Named>,
        others: bool,
    },
    Stale {
        after: Duration,
    },
}

pub(crate) enum From {
    Value(f64),
    /// `value * gain + offset` is in the unit of the watched point.
    Point {
        gain: f64,
        offset: f64,
    },
}

/// Beyond `limit` it holds; back by `deadband` it is over.
pub(crate) struct Band {
    limit: f64,
    deadband: f64,
}

impl Band {
    fn judge(&self, magnitude: f64) -> Verdict {
        if magnitude > self.limit {
            Verdict::Holds
        } else if magnitude <= self.limit - self.deadband {
            Verdict::Over
        } else {
            Verdict::Same
        }
    }
}

fn magnitude(side: Side, difference: f64) -> f64 {
    match side {
        Side::Above => difference,
        Side::Below => -difference,
        Side::Either => difference.abs(),
    }
}

impl Test {
    /// Of a checked rule; `None` when its units do not convert into each other.
    pub(crate) fn new(rule: &Rule, units: Units) -> Option<Test> {
        let value = |figure: f64| units.rule.convert(figure, units.point);
        // A difference scales and does not shift: 5 K are 5 °C.
        let difference = |figure: f64| figure * units.rule.factor / units.point.factor;
        let band = |limit: f64, deadband: f64| Band { limit, deadband: difference(deadband) };
        let compatible = units.rule.dimension == units.point.dimension;
        Some(match &rule.condition {
            Condition::Limit { level, limit, deadband } => {
                let sign = if level.is_high() { 1.0 } else { -1.0 };
                Test::Limit { sign, band: band(sign * value(*limit)?, *deadband) }
            }
            Condition::Deviation { setpoint, side, limit, deadband } => {
                let from = match setpoint {
                    Setpoint::Value(figure) => From::Value(value(*figure)?),
                    Setpoint::Point(_) => {
                        let unit = units.setpoint?;
                        let offset = unit.convert(0.0, units.point)?;
                        From::Point { gain: unit.factor / units.point.factor, offset }
                    }
                };
                compatible.then_some(())?;
                Test::Deviation { from, side: *side, band: band(difference(*limit), *deadband) }
            }
            Condition::Rate { side, limit, per, deadband, over_ms } => {
                compatible.then_some(())?;
                let band = band(difference(*limit / per.seconds()), *deadband / per.seconds());
                Test::Rate { side: *side, band, over: Duration::from_millis(*over_ms) }
            }
            Condition::Discrete { values, others } => {
                Test::Discrete { values: values.clone(), others: *others }
            }
            Condition::Stale { after_ms } => Test::Stale { after: Duration::from_millis(*after_ms) },
        })
    }

    /// What a row says of the condition; `usable` is its value, if that can be used at all.
    pub(crate) fn judge(&self, inputs: &mut Inputs, time: Time, usable: Option<&Value>) -> Verdict {
        let measured = usable.and_then(figure);
        match self {
            Test::Limit { sign, band } => measured.map_or(Verdict::Unknown, |value| band.judge(sign * value)),
            Test::Deviation { from, side, band } => deviation(inputs, from, *side, band),
            Test::Rate { side, band, over } => {
                let Some(value) = measured else { return Verdict::Unknown };
                let Some((since, first)) = inputs.anchor else {
                    inputs.anchor = Some((time, value));
                    return Verdict::Same;
                };
                let span = time.since(since);
                if span.is_zero() || span < *over {
                    return Verdict::Same;
                }
                inputs.anchor = Some((time, value));
                band.judge(magnitude(*side, (value - first) / span.as_secs_f64()))
            }
            Test::Discrete { values, others } => match usable {
                None => Verdict::Unknown,
                Some(value) if values.iter().any(|named| named.is(value)) != *others => Verdict::Holds,
                Some(_) => Verdict::Over,
            },
            // Judged by the clock: see `freshen`.
            Test::Stale { .. } => Verdict::Same,
        }
    }
}

/// A figure that can be compared; not-a-number and infinity cannot.
pub(crate) fn figure(value: &Value) -> Option<f64> {
    value.as_f64().filter(|figure| figure.is_finite())
}

/// From the newest row of both points, whichever came now.
fn deviation(inputs: &Inputs, from: &From, side: Side, band: &Band) -> Verdict {
    let Some(reading) = &inputs.reading else { return Verdict::Same };
    let measured = reading.value.as_ref().filter(|_| !reading.quality.is_bad()).and_then(figure);
    let wanted = match (from, inputs.setpoint) {
        (From::Value(value), _) => Some(*value),
        (From::Point { .. }, None) => return Verdict::Same,
        (From::Point { gain, offset }, Some((_, value))) => value.map(|value| value * gain + offset),
    };
    match measured.zip(wanted) {
        Some((measured, wanted)) => band.judge(magnitude(side, measured - wanted)),
        None => Verdict::Unknown,
    }
}

impl Named {
    /// Whether a value of a point is this one. A switch is also 0 or 1.
    pub fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Named::Switch(wanted), Value::Bool(got)) => wanted == got,
            (Named::State(wanted), Value::Bool(got)) => *wanted == i64::from(*got),
            (Named::State(wanted), Value::I64(got)) => wanted == got,
            (Named::State(wanted), Value::U64(got)) => i64::try_from(*got) == Ok(*wanted),
            (Named::State(wanted), Value::F32(got)) => f64::from(*got) == *wanted as f64,
            (Named::State(wanted), Value::F64(got)) => *got == *wanted as f64,
            (Named::Text(wanted), Value::String(got)) => **wanted == **got,
            _ => false,
        }
    }
}

/// A value with its type, `{"f32": 1.5}`: what is kept must come back as what it was.
mod typed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use std::collections::BTreeMap;
    use types::{Value, ValueType};

    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|value| BTreeMap::from([(value.value_type(), value.to_json())])).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
        let kept = Option::<BTreeMap<ValueType, serde_json::Value>>::deserialize(from)?;
        let first = kept.and_then(|kept| kept.into_iter().next());
        first.map(|(of, json)| Value::from_json(of, &json).map_err(D::Error::custom)).transpose()
    }
}
