//! What is wrong with a rule is said at once, by code and place.

use app_alarms::check::{Surroundings, checked};
use serde_json::{Value as Json, json};
use types::{Point, ValueType};

use crate::given::{object, point, rule_with};

/// Codes and places of everything that is wrong.
fn faults(point: &Point, others: &[Json], fields: Json) -> Vec<String> {
    let others: Vec<_> = others.iter().map(|fields| rule_with(object(1), fields)).collect();
    let setpoint = self::point("setpoint", ValueType::F64);
    let rule = rule_with(object(1), &fields);
    let around = Surroundings { point, setpoint: rule.setpoint_point().map(|_| &setpoint), others: &others };
    match checked(rule, &around) {
        Ok(_) => Vec::new(),
        Err(faults) => {
            let place =
                |fault: &types::Fault| format!("{} {}", fault.code, fault.path.as_deref().unwrap_or("-"));
            faults.iter().map(place).collect()
        }
    }
}

fn limit(level: &str, limit: f64) -> Json {
    json!({ "unit": "Cel", "condition": { "kind": "limit", "level": level, "limit": limit } })
}

#[test]
fn a_good_rule_is_trimmed_and_gets_the_points_unit() {
    let point = point("t", ValueType::F64);
    let around = Surroundings { point: &point, setpoint: None, others: &[] };
    let rule = checked(rule_with(object(1), &json!({ "class": " safety " })), &around).unwrap();
    assert_eq!((rule.unit.as_str(), rule.class.as_str()), ("Cel", "safety"));
    let fahrenheit = checked(rule_with(object(1), &json!({ "unit": "°F" })), &around).unwrap();
    assert_eq!(fahrenheit.unit, "[degF]");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let number = point("t", ValueType::F64);
    let wrong = json!({
        "message": {}, "on_delay_ms": 99_999_999_999u64,
        "condition": { "kind": "rate", "limit": -1, "per": "second", "over_ms": 99_999_999_999u64 },
    });
    assert_eq!(
        faults(&number, &[], wrong),
        [
            "alarms.message-missing /message",
            "alarms.time-out-of-range /on_delay_ms",
            "alarms.time-out-of-range /condition/over_ms",
            "alarms.limit-not-positive /condition/limit",
            "alarms.deadband-too-large /condition/deadband",
        ]
    );
    let long = json!({ "rationale": { "cause": "x".repeat(2_001) } });
    assert_eq!(faults(&number, &[], long), ["alarms.text-too-long /rationale/cause"]);
}

#[test]
fn units_must_measure_the_same() {
    let number = point("t", ValueType::F64);
    assert_eq!(faults(&number, &[], json!({ "unit": "bar" })), ["alarms.unit-mismatch /unit"]);
    assert_eq!(faults(&number, &[], json!({ "unit": "furlong" })), ["alarms.unit-unknown /unit"]);
}

#[test]
fn limits_of_a_point_stand_in_order_whatever_their_units() {
    let number = point("t", ValueType::F64);
    let others = [limit("lo", 10.0), limit("hi", 80.0)];
    assert_eq!(faults(&number, &others, limit("hihi", 81.0)), [""; 0]);
    assert_eq!(faults(&number, &others, limit("hihi", 80.0)), ["alarms.limit-order /condition/limit"]);
    assert_eq!(faults(&number, &others, limit("lolo", 11.0)), ["alarms.limit-order /condition/limit"]);
    assert_eq!(faults(&number, &others, limit("hi", 90.0)), ["alarms.level-taken /condition/level"]);
    // 170 °F are less than 80 °C.
    let mut warm = limit("hihi", 170.0);
    warm["unit"] = json!("[degF]");
    assert_eq!(faults(&number, &others, warm), ["alarms.limit-order /condition/limit"]);
}

#[test]
fn a_deadband_leaves_room_to_clear() {
    let mut number = point("t", ValueType::F64);
    let hi = |deadband: f64| json!({ "unit": "Cel", "condition": { "kind": "limit", "level": "hi", "limit": 80, "deadband": deadband } });
    assert_eq!(faults(&number, &[], hi(1e9)), [""; 0]);
    assert_eq!(faults(&number, &[], hi(-1.0)), ["alarms.deadband-too-large /condition/deadband"]);
    assert_eq!(
        faults(&number, &[limit("lo", 20.0)], hi(60.0)),
        ["alarms.deadband-too-large /condition/deadband"]
    );
    number.range = Some([0.0, 100.0]);
    assert_eq!(faults(&number, &[], hi(79.0)), [""; 0]);
    assert_eq!(faults(&number, &[], hi(80.0)), ["alarms.deadband-too-large /condition/deadband"]);
}

#[test]
fn the_condition_fits_the_type_of_the_point() {
    let text = point("t", ValueType::String);
    assert_eq!(faults(&text, &[], json!({ "unit": "" })), ["alarms.point-not-numeric /point"]);
    let state = |values: Json| json!({ "condition": { "kind": "discrete", "values": values } });
    assert_eq!(faults(&text, &[], state(json!(["stop"]))), [""; 0]);
    assert_eq!(
        faults(&text, &[], state(json!(["stop", 3]))),
        ["alarms.value-not-of-point /condition/values/1"]
    );
    assert_eq!(faults(&text, &[], state(json!([]))), ["alarms.values-missing /condition/values"]);
    let switch = point("t", ValueType::Bool);
    assert_eq!(faults(&switch, &[], state(json!([true, 0]))), [""; 0]);
    assert_eq!(faults(&switch, &[], state(json!([2]))), ["alarms.value-not-of-point /condition/values/0"]);
    assert_eq!(faults(&text, &[], json!({ "condition": { "kind": "stale", "after_ms": 60000 } })), [""; 0]);
    assert_eq!(
        faults(&text, &[], json!({ "condition": { "kind": "stale", "after_ms": 5 } })),
        ["alarms.time-out-of-range /condition/after_ms"]
    );
}
