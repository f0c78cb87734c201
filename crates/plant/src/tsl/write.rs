//! An asset type going out as TSL. Pure.

use serde_json::{Map, Value as Json, json};
use types::{AssetType, Label, Parameter, PropertyType, Unit, ValueType};

use super::{SCHEMA, VERSION};

/// Writes an asset type as TSL. Any asset type that the plant model accepts can be written and read back unchanged, but
/// for a name in Chinese letters only or English letters only, which may change its language.
pub fn tsl_out(asset_type: &AssetType) -> Json {
    let property = |property: &PropertyType| {
        let access = if property.writable { "rw" } else { "r" };
        let mut json = named(&property.key, &property.name);
        json.insert("accessMode".into(), json!(access));
        json.insert("required".into(), json!(false));
        json.insert("dataType".into(), property_data(property));
        Json::Object(json)
    };
    let services = asset_type.functions.iter().map(|function| {
        let mut json = named(&function.key, &function.name);
        json.insert("callType".into(), json!("async"));
        json.insert("inputData".into(), parameters(&function.inputs));
        json.insert("outputData".into(), parameters(&function.outputs));
        Json::Object(json)
    });
    let events = asset_type.events.iter().map(|event| {
        let mut json = named(&event.key, &event.name);
        json.insert("type".into(), json!(event.level));
        json.insert("outputData".into(), parameters(&event.outputs));
        Json::Object(json)
    });
    let mut profile = Map::new();
    profile.insert("version".into(), json!(VERSION));
    profile.insert("productKey".into(), json!(asset_type.key));
    put_name(&mut profile, &asset_type.name);
    json!({
        "schema": SCHEMA,
        "profile": profile,
        "properties": asset_type.properties.iter().map(property).collect::<Vec<_>>(),
        "services": services.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
    })
}

fn named(key: &str, name: &Label) -> Map<String, Json> {
    let mut json = Map::new();
    json.insert("identifier".into(), json!(key));
    put_name(&mut json, name);
    json
}

fn put_name(to: &mut Map<String, Json>, name: &Label) {
    if name.zh.is_empty() || name.en.is_empty() {
        to.insert("name".into(), json!(name.en()));
    } else {
        to.insert("name".into(), json!(name.zh));
        to.insert("nameEn".into(), json!(name.en));
    }
}

fn parameters(parameters: &[Parameter]) -> Json {
    let one = |parameter: &Parameter| {
        let mut json = named(&parameter.key, &parameter.name);
        json.insert("dataType".into(), data(parameter.value_type, &parameter.unit, Map::new()));
        Json::Object(json)
    };
    parameters.iter().map(one).collect()
}

fn property_data(property: &PropertyType) -> Json {
    let mut specs = Map::new();
    if let Some([low, high]) = property.range {
        specs.insert("min".into(), json!(low.to_string()));
        specs.insert("max".into(), json!(high.to_string()));
    }
    if property.states.is_empty() {
        return data(property.value_type, &property.unit, specs);
    }
    for (value, label) in &property.states {
        let name = if label.zh.is_empty() || label.en.is_empty() {
            json!(label.en())
        } else {
            json!({"name": label.zh, "nameEn": label.en})
        };
        specs.insert(value.to_string(), name);
    }
    let mut json = data(property.value_type, &property.unit, specs);
    if property.value_type != ValueType::Bool {
        json["type"] = json!("enum");
    }
    json
}

fn data(value_type: ValueType, unit: &str, mut specs: Map<String, Json>) -> Json {
    if unit != "1" {
        specs.insert("unit".into(), json!(unit));
        if let Some(symbol) = Unit::parse(unit).ok().map(|unit| unit.symbol) {
            specs.insert("unitName".into(), json!(symbol));
        }
    }
    let (name, extra) = match value_type {
        ValueType::Bool => ("bool", None),
        ValueType::I64 => ("int", None),
        ValueType::U64 => ("int", Some("u64")),
        ValueType::F32 => ("float", None),
        ValueType::F64 => ("double", None),
        ValueType::String => ("text", None),
        ValueType::Bytes => ("text", Some("bytes")),
    };
    let mut json = json!({"type": name, "specs": specs});
    if let Some(extra) = extra {
        json["valueType"] = json!(extra);
    }
    json
}
