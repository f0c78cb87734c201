//! TSL both ways, with a thing model as a vendor hands it over.

use serde_json::{Value as Json, json};
use types::{AssetType, EventType, FunctionType, Label, Parameter, PropertyType, ValueType};

use super::{tsl_in, tsl_out};
use crate::type_check::check_type;

fn property(key: &str, value_type: ValueType, unit: &str) -> PropertyType {
    PropertyType {
        key: key.into(),
        name: Label::both("属性", key),
        value_type,
        unit: unit.into(),
        range: None,
        states: [].into(),
        writable: false,
    }
}

fn compressor() -> AssetType {
    let parameter = |key: &str, value_type, unit: &str| Parameter {
        key: key.into(),
        name: Label::both("参数", key),
        value_type,
        unit: unit.into(),
    };
    AssetType {
        key: "screw-compressor".into(),
        name: Label::both("螺杆空压机", "Screw compressor"),
        properties: vec![
            PropertyType { range: Some([0.0, 1.6]), ..property("pressure", ValueType::F64, "MPa") },
            PropertyType { writable: true, ..property("setpoint", ValueType::F32, "bar") },
            PropertyType { name: Label::both("电度", ""), ..property("energy", ValueType::U64, "kW.h") },
            PropertyType {
                states: [(0, Label::both("停机", "stopped")), (1, Label::plain("running"))].into(),
                ..property("running", ValueType::Bool, "1")
            },
            PropertyType {
                states: [(-1, Label::both("故障", "")), (7, Label::plain("idle"))].into(),
                ..property("mode", ValueType::I64, "1")
            },
            PropertyType {
                states: [(7, Label::plain("idle"))].into(),
                ..property("step", ValueType::U64, "1")
            },
            property("serial", ValueType::String, "1"),
            property("raw", ValueType::Bytes, "1"),
        ],
        functions: vec![FunctionType {
            key: "start".into(),
            name: Label::both("启动", "Start"),
            inputs: vec![parameter("delay", ValueType::I64, "s")],
            outputs: vec![parameter("accepted", ValueType::Bool, "1")],
        }],
        events: vec![EventType {
            key: "hot".into(),
            name: Label::plain("Too hot"),
            level: "alert".into(),
            outputs: vec![parameter("temperature", ValueType::F32, "Cel")],
        }],
    }
}

#[test]
fn everything_supported_survives() {
    let mut asset_type = compressor();
    check_type(&mut asset_type).unwrap();
    let json = tsl_out(&asset_type);
    let read = tsl_in(&json).unwrap();
    assert_eq!(read.asset_type, asset_type);
    assert_eq!(tsl_out(&read.asset_type), json);
}

#[test]
fn a_vendor_file_is_read() {
    let json: Json = serde_json::from_str(include_str!("../../tests/fixtures/vendor.tsl.json")).unwrap();
    let read = tsl_in(&json).unwrap();
    let of = &read.asset_type;
    assert_eq!(
        (of.key.as_str(), of.properties.len(), of.functions.len(), of.events.len()),
        ("a1B2c3D4e5F", 5, 1, 1)
    );
    assert_eq!(of.properties[0].name, Label::both("排气温度", ""));
    assert_eq!((of.properties[0].unit.as_str(), of.properties[0].range), ("Cel", Some([-20.0, 120.0])));
    assert_eq!(of.properties[1].states[&1], Label::both("运行", ""));
    assert_eq!((of.properties[4].value_type, of.properties[4].unit.as_str()), (ValueType::I64, "ms"));
    let places: Vec<_> = read.left_out.iter().filter_map(|fault| fault.path.as_deref()).collect();
    assert!(places.contains(&"/properties/0/dataType/specs/step"), "{places:?}");
    assert!(places.contains(&"/properties/3/dataType/specs/length"), "{places:?}");
}

#[test]
fn what_cannot_be_kept_is_refused_with_its_place() {
    let with = |property: Json| json!({"profile": {"productKey": "k"}, "properties": [property]});
    let data =
        |data: Json| with(json!({"identifier": "a", "name": "a", "accessMode": "r", "dataType": data}));
    let cases = [
        (json!(1), "invalid", ""),
        (json!({}), "invalid", "/profile"),
        (json!({"profile": {}}), "invalid", "/profile/productKey"),
        (json!({"profile": {"productKey": "k"}, "x": 1}), "tsl.unknown-member", "/x"),
        (json!({"profile": {"productKey": "k"}, "properties": 1}), "invalid", "/properties"),
        (with(json!([])), "invalid", "/properties/0"),
        (with(json!({"identifier": "a", "name": "a"})), "invalid", "/properties/0/dataType"),
        (data(json!({"type": "struct", "specs": []})), "tsl.type", "/properties/0/dataType/type"),
        (data(json!({"type": "array"})), "tsl.type", "/properties/0/dataType/type"),
        (
            data(json!({"type": "int", "specs": {"min": "x", "max": "2"}})),
            "invalid",
            "/properties/0/dataType/specs/min",
        ),
        (data(json!({"type": "int", "specs": {"min": "1"}})), "invalid", "/properties/0/dataType/specs"),
        (data(json!({"type": "enum", "specs": {"on": "x"}})), "invalid", "/properties/0/dataType/specs/on"),
        (data(json!({"type": "int", "specs": {"unit": "furlong"}})), "unit.unknown", "/properties/0/unit"),
        (data(json!({"type": "int", "specs": {"min": 2, "max": 1}})), "invalid", "/properties/0/range"),
        (data(json!({"type": "int", "extra": 1})), "tsl.unknown-member", "/properties/0/dataType/extra"),
    ];
    for (json, code, path) in cases {
        let faults = tsl_in(&json).unwrap_err();
        assert_eq!((faults[0].code.as_ref(), faults[0].path.as_deref()), (code, Some(path)), "{json}");
    }
}

/// Every place of a JSON value.
fn places(json: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_string());
    match json {
        Json::Object(of) => of.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), found)),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| places(item, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

#[test]
fn anything_anywhere_is_an_answer_and_no_panic() {
    let sound: Json = serde_json::from_str(include_str!("../../tests/fixtures/vendor.tsl.json")).unwrap();
    let mut found = Vec::new();
    places(&sound, "", &mut found);
    let others = [
        json!(null),
        json!(true),
        json!(-1e308),
        json!(""),
        json!("x"),
        json!([]),
        json!([{}]),
        json!({}),
        json!({"x": 1}),
    ];
    let mut refused = 0;
    for place in &found {
        for other in &others {
            let mut json = sound.clone();
            *json.pointer_mut(place).unwrap() = other.clone();
            match tsl_in(&json) {
                // What is taken can be written and read again.
                Ok(read) => {
                    assert_eq!(tsl_in(&tsl_out(&read.asset_type)).unwrap().asset_type, read.asset_type)
                }
                Err(faults) => {
                    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.path.is_some()), "{json}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > found.len(), "{refused}");
}
