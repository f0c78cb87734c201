//! TSL coming in. Pure; never panics, whatever the JSON holds.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use types::{AssetType, EventType, Fault, FunctionType, Label, Parameter, PropertyType, ValueType, codes};

use super::TslType;
use crate::type_check::check_type;

/// Members that are understood to say nothing we keep, wherever they stand.
const LEFT_OUT: [&str; 8] =
    ["required", "desc", "method", "callType", "abilityId", "custom", "step", "length"];

/// Reads an asset type from TSL and checks it.
///
/// # Errors
/// One fault for each mistake, with its place such as `/properties/3/dataType/type`.
pub fn tsl_in(json: &Json) -> Result<TslType, Vec<Fault>> {
    let mut reader = Reader::default();
    let asset_type = reader.asset_type(json);
    let Reader { mut faults, left_out } = reader;
    let Some(mut asset_type) = asset_type.filter(|_| faults.is_empty()) else {
        if faults.is_empty() {
            faults.push(wrong("", "an object"));
        }
        return Err(faults);
    };
    check_type(&mut asset_type)?;
    Ok(TslType { asset_type, left_out })
}

#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
    left_out: Vec<Fault>,
}

/// An object, and which of its members were asked for.
struct Members<'a> {
    of: &'a Map<String, Json>,
    path: String,
}

impl Members<'_> {
    fn at(&self, member: &str) -> String {
        format!("{}/{member}", self.path)
    }
}

fn wrong(path: &str, wanted: &str) -> Fault {
    let detail = format!("expected {wanted} here: correct the thing model and read it again");
    Fault::new(codes::INVALID, detail).at(path)
}

impl Reader {
    fn members<'a>(&mut self, json: &'a Json, path: &str, known: &[&str]) -> Option<Members<'a>> {
        let Some(of) = json.as_object() else {
            self.faults.push(wrong(path, "an object"));
            return None;
        };
        let members = Members { of, path: path.to_string() };
        for member in of.keys().filter(|member| !known.contains(&member.as_str())) {
            let place = members.at(member);
            if LEFT_OUT.contains(&member.as_str()) {
                let detail = format!("`{member}` is not kept");
                self.left_out
                    .push(Fault::new("tsl.left-out", detail).arg("member", member.as_str()).at(place));
            } else {
                let detail =
                    format!("`{member}` cannot be kept: remove it from the thing model and read it again");
                self.faults
                    .push(Fault::new("tsl.unknown-member", detail).arg("member", member.as_str()).at(place));
            }
        }
        Some(members)
    }

    fn text(&mut self, members: &Members<'_>, member: &str) -> Option<String> {
        let text = members.of.get(member).and_then(Json::as_str).map(str::to_string);
        if text.is_none() {
            self.faults.push(wrong(&members.at(member), "a text"));
        }
        text
    }

    fn each<T>(
        &mut self,
        members: &Members<'_>,
        member: &str,
        mut one: impl FnMut(&mut Reader, &Json, &str) -> Option<T>,
    ) -> Vec<T> {
        let path = members.at(member);
        match members.of.get(member) {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(items)) => {
                let places = items.iter().enumerate();
                places.filter_map(|(at, item)| one(self, item, &format!("{path}/{at}"))).collect()
            }
            Some(_) => {
                self.faults.push(wrong(&path, "a list"));
                Vec::new()
            }
        }
    }

    fn asset_type(&mut self, json: &Json) -> Option<AssetType> {
        let known = [
            "schema",
            "link",
            "profile",
            "properties",
            "services",
            "events",
            "functionBlockId",
            "functionBlockName",
        ];
        let members = self.members(json, "", &known)?;
        let profile = members.of.get("profile").unwrap_or(&Json::Null);
        let profile = self.members(profile, "/profile", &["version", "productKey", "name", "nameEn"])?;
        let key = self.text(&profile, "productKey")?;
        // TSL keeps the product's name elsewhere: without one the key has to do.
        let name = match profile.of.contains_key("name") {
            true => self.name(&profile)?,
            false => Label::plain(key.as_str()),
        };
        Some(AssetType {
            key,
            name,
            properties: self.each(&members, "properties", Reader::property),
            functions: self.each(&members, "services", Reader::function),
            events: self.each(&members, "events", Reader::event),
        })
    }

    /// One name is Chinese when it holds anything but ASCII.
    fn name(&mut self, members: &Members<'_>) -> Option<Label> {
        let name = self.text(members, "name")?;
        match members.of.get("nameEn") {
            Some(_) => Some(Label::both(name, self.text(members, "nameEn")?)),
            None => Some(one_language(name)),
        }
    }

    fn property(&mut self, json: &Json, path: &str) -> Option<PropertyType> {
        let members =
            self.members(json, path, &["identifier", "name", "nameEn", "accessMode", "dataType"])?;
        let key = self.text(&members, "identifier");
        let name = self.name(&members);
        let writable = match members.of.get("accessMode").and_then(Json::as_str) {
            Some("rw" | "w" | "wr") => true,
            Some("r") | None => false,
            Some(_) => {
                self.faults.push(wrong(&members.at("accessMode"), "r or rw"));
                false
            }
        };
        let data = self.data(&members)?;
        let (value_type, unit, range, states) = (data.value_type, data.unit, data.range, data.states);
        Some(PropertyType { key: key?, name: name?, value_type, unit, range, states, writable })
    }

    fn function(&mut self, json: &Json, path: &str) -> Option<FunctionType> {
        let members =
            self.members(json, path, &["identifier", "name", "nameEn", "inputData", "outputData"])?;
        let (key, name) = (self.text(&members, "identifier"), self.name(&members));
        let inputs = self.each(&members, "inputData", Reader::parameter);
        let outputs = self.each(&members, "outputData", Reader::parameter);
        Some(FunctionType { key: key?, name: name?, inputs, outputs })
    }

    fn event(&mut self, json: &Json, path: &str) -> Option<EventType> {
        let members = self.members(json, path, &["identifier", "name", "nameEn", "type", "outputData"])?;
        let (key, name) = (self.text(&members, "identifier"), self.name(&members));
        let level = self.text(&members, "type");
        let outputs = self.each(&members, "outputData", Reader::parameter);
        Some(EventType { key: key?, name: name?, level: level?, outputs })
    }

    fn parameter(&mut self, json: &Json, path: &str) -> Option<Parameter> {
        let members = self.members(json, path, &["identifier", "name", "nameEn", "dataType"])?;
        let (key, name) = (self.text(&members, "identifier"), self.name(&members));
        let data = self.data(&members)?;
        let place = members.at("dataType/specs");
        if data.range.is_some() {
            self.left_out.push(Fault::new("tsl.left-out", "the range of a parameter is not kept").at(&place));
        }
        if !data.states.is_empty() {
            self.left_out
                .push(Fault::new("tsl.left-out", "the states of a parameter are not kept").at(place));
        }
        Some(Parameter { key: key?, name: name?, value_type: data.value_type, unit: data.unit })
    }

    fn data(&mut self, owner: &Members<'_>) -> Option<Data> {
        let path = owner.at("dataType");
        let Some(json) = owner.of.get("dataType") else {
            self.faults.push(wrong(&path, "a data type"));
            return None;
        };
        let members = self.members(json, &path, &["type", "specs", "valueType"])?;
        let name = self.text(&members, "type")?;
        let ours = members.of.get("valueType").and_then(Json::as_str);
        let value_type = match (name.as_str(), ours) {
            ("bool", None) => ValueType::Bool,
            ("int" | "enum", None) => ValueType::I64,
            ("int" | "enum", Some("u64")) => ValueType::U64,
            ("float", None) => ValueType::F32,
            ("double", None) => ValueType::F64,
            ("text", None) => ValueType::String,
            ("text", Some("bytes")) => ValueType::Bytes,
            ("date", None) => {
                let detail = "a date is kept as a whole number: milliseconds since 1970, UTC";
                self.left_out.push(Fault::new("tsl.left-out", detail).at(members.at("type")));
                ValueType::I64
            }
            _ => {
                let name: String = name.chars().take(40).collect();
                let detail = format!(
                    "`{name}` values have no place in a history: use int, float, double, bool, enum, text or date, one property for each part"
                );
                self.faults.push(Fault::new("tsl.type", detail).arg("type", name).at(members.at("type")));
                return None;
            }
        };
        let named = matches!(name.as_str(), "bool" | "enum");
        let mut data = match members.of.get("specs") {
            None | Some(Json::Null) => Data::of(value_type),
            Some(specs) => self.specs(specs, &members.at("specs"), Data::of(value_type), named)?,
        };
        if name == "date" {
            data.unit = "ms".into();
        }
        Some(data)
    }

    fn specs(&mut self, json: &Json, path: &str, mut data: Data, named: bool) -> Option<Data> {
        if named {
            let Some(of) = json.as_object() else {
                self.faults.push(wrong(path, "an object"));
                return None;
            };
            for (value, name) in of {
                match (value.parse(), self.state_name(name)) {
                    (Ok(value), Some(name)) => drop(data.states.insert(value, name)),
                    _ => self.faults.push(wrong(&format!("{path}/{value}"), "a whole number and its name")),
                }
            }
            return Some(data);
        }
        let members = self.members(json, path, &["min", "max", "unit", "unitName"])?;
        let (low, high) = (self.number(&members, "min"), self.number(&members, "max"));
        data.range = match (low, high) {
            (Some(low), Some(high)) => Some([low, high]),
            (None, None) => None,
            _ => {
                self.faults.push(wrong(path, "both min and max, or neither"));
                None
            }
        };
        if let Some(unit) = members.of.get("unit").filter(|unit| !unit.is_null()) {
            // Alibaba writes 无 for none.
            let unit = unit.as_str().filter(|unit| !matches!(*unit, "无" | "/")).unwrap_or("1");
            data.unit = unit.to_string();
        }
        Some(data)
    }

    fn state_name(&self, json: &Json) -> Option<Label> {
        match json {
            Json::String(name) => Some(one_language(name.clone())),
            Json::Object(names) if names.len() == 2 => {
                Some(Label::both(names.get("name")?.as_str()?, names.get("nameEn")?.as_str()?))
            }
            _ => None,
        }
    }

    /// A number, also as text; an empty text is none.
    fn number(&mut self, members: &Members<'_>, member: &str) -> Option<f64> {
        let number = match members.of.get(member)? {
            Json::Null => return None,
            Json::String(text) if text.is_empty() => return None,
            Json::String(text) => text.trim().parse().ok(),
            Json::Number(number) => number.as_f64(),
            _ => None,
        };
        if number.is_none() {
            self.faults.push(wrong(&members.at(member), "a number"));
        }
        number
    }
}

fn one_language(name: String) -> Label {
    if name.is_ascii() { Label::plain(name) } else { Label::both(name, "") }
}

/// What a `dataType` says.
struct Data {
    value_type: ValueType,
    unit: String,
    range: Option<[f64; 2]>,
    states: BTreeMap<i64, Label>,
}

impl Data {
    fn of(value_type: ValueType) -> Data {
        Data { value_type, unit: "1".into(), range: None, states: BTreeMap::new() }
    }
}
