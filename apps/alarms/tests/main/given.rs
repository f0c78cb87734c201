//! What the tests start from.

use app_alarms::{
    condition::Units,
    evaluate::Evaluator,
    rule::{Condition, Level, OnBad, Priority, Rationale, Rule},
};
use serde_json::{Value as Json, json};
use types::{Label, ObjectId, Point, Quality, Time, Unit, Value, ValueType};

/// The n-th object.
pub(crate) fn object(n: u8) -> ObjectId {
    ObjectId::born(Time(0), [0, 0, 0, 0, 0, 0, 0, 0, 0, n])
}

/// `hi` at 80 of a point, nothing else.
pub(crate) fn rule(point: ObjectId) -> Rule {
    Rule {
        point,
        condition: Condition::Limit { level: Level::Hi, limit: 80.0, deadband: 0.0 },
        unit: String::new(),
        on_delay_ms: 0,
        off_delay_ms: 0,
        on_bad: OnBad::Hold,
        priority: Priority::High,
        latching: false,
        message: Label::both("排气温度高", "Discharge temperature high"),
        class: String::new(),
        rationale: Rationale::default(),
    }
}

/// That rule with some fields replaced.
pub(crate) fn rule_with(point: ObjectId, fields: &Json) -> Rule {
    let mut json = serde_json::to_value(rule(point)).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        json[name] = value.clone();
    }
    sdk::parse_json(&json).unwrap_or_else(|fault| panic!("{fields}: {fault}"))
}

/// A temperature in °C.
pub(crate) fn point(name: &str, value_type: ValueType) -> Point {
    let unit = if value_type == ValueType::F64 { "Cel" } else { "1" };
    let json = json!({ "name": name, "value_type": value_type, "unit": unit });
    sdk::parse_json(&json).unwrap()
}

/// `12.5s` as a time.
pub(crate) fn time(text: &str) -> Time {
    let seconds: f64 =
        text.strip_suffix('s').and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("`{text}` is no time"));
    Time((seconds * 1e9).round() as i64)
}

/// A figure, or `bad`.
pub(crate) fn value(text: &str) -> (Option<Value>, Quality) {
    match text {
        "bad" => (None, Quality::BAD_NO_COMMUNICATION),
        figure => (Some(Value::F64(figure.parse().unwrap())), Quality::GOOD),
    }
}

/// Of a rule in °C on points in °C.
pub(crate) fn evaluator(rule: &Rule) -> Evaluator {
    let unit = |code| Unit::parse(code).unwrap();
    let units = Units { rule: unit("Cel"), point: unit("Cel"), setpoint: Some(unit("Cel")) };
    Evaluator::new(rule, units).unwrap()
}
