//! What an asset type must hold to. Whatever passes here can be written as TSL and read back unchanged. Pure.

use std::collections::{BTreeMap, HashSet};

use types::{AssetType, EventType, Fault, FunctionType, Label, Parameter, PropertyType, ValueType, codes};

use crate::names::{check_bounds, check_full_label, check_key, check_label, check_unit};

/// Properties, functions or events of one type, and parameters of one function or event.
pub(crate) const MEMBERS_MAX: usize = 1_000;
/// Named values of one state.
pub(crate) const STATES_MAX: usize = 64;
/// What an event may be called.
pub(crate) const EVENT_LEVELS: [&str; 3] = ["info", "alert", "error"];

/// Checks everything and brings units to their codes.
pub(crate) fn check_type(of: &mut AssetType) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    faults.extend(check_key(&of.key, "/key").err());
    faults.extend(check_full_label(&of.name, "/name").err());
    check_members(&of.properties, |member| &member.key, "/properties", &mut faults);
    for (at, property) in of.properties.iter_mut().enumerate() {
        check_property(property, &format!("/properties/{at}"), &mut faults);
    }
    check_members(&of.functions, |member| &member.key, "/functions", &mut faults);
    for (at, FunctionType { name, inputs, outputs, .. }) in of.functions.iter_mut().enumerate() {
        let path = format!("/functions/{at}");
        faults.extend(check_full_label(name, &format!("{path}/name")).err());
        check_parameters(inputs, &format!("{path}/inputs"), &mut faults);
        check_parameters(outputs, &format!("{path}/outputs"), &mut faults);
    }
    check_members(&of.events, |member| &member.key, "/events", &mut faults);
    for (at, EventType { name, level, outputs, .. }) in of.events.iter_mut().enumerate() {
        let path = format!("/events/{at}");
        faults.extend(check_full_label(name, &format!("{path}/name")).err());
        if !EVENT_LEVELS.contains(&level.as_str()) {
            let detail = format!("`{level}` is no level: choose info, alert or error");
            faults.push(Fault::new(codes::INVALID, detail).at(format!("{path}/level")));
        }
        check_parameters(outputs, &format!("{path}/outputs"), &mut faults);
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn check_members<T>(members: &[T], key: fn(&T) -> &String, path: &str, faults: &mut Vec<Fault>) {
    if members.len() > MEMBERS_MAX {
        let detail = format!("{} members, the limit is {MEMBERS_MAX}: split the type", members.len());
        faults.push(Fault::new(codes::LIMIT, detail).arg("limit", MEMBERS_MAX).at(path));
    }
    let mut seen = HashSet::new();
    for (at, member) in members.iter().enumerate() {
        let place = format!("{path}/{at}/key");
        faults.extend(check_key(key(member), &place).err());
        if !seen.insert(key(member)) {
            let detail = format!("`{}` is there twice: choose another key", key(member));
            faults.push(Fault::new(codes::EXISTS, detail).arg("value", key(member).as_str()).at(place));
        }
    }
}

fn check_property(property: &mut PropertyType, path: &str, faults: &mut Vec<Fault>) {
    faults.extend(check_full_label(&property.name, &format!("{path}/name")).err());
    check_measure(property.value_type, &mut property.unit, path, faults);
    if let Some([low, high]) = property.range {
        faults.extend(check_bounds(low, high, &format!("{path}/range")).err());
        if !measures(property.value_type) || !property.states.is_empty() {
            let detail = "only a number without states has a range: leave the range out";
            faults.push(Fault::new(codes::INVALID, detail).at(format!("{path}/range")));
        }
    }
    faults.extend(check_states(&property.states, property.value_type, &format!("{path}/states")).err());
    if !property.states.is_empty() && property.unit != "1" {
        let detail = "a state has no unit: leave the unit out";
        faults.push(Fault::new(codes::INVALID, detail).at(format!("{path}/unit")));
    }
}

fn check_parameters(parameters: &mut [Parameter], path: &str, faults: &mut Vec<Fault>) {
    check_members(parameters, |member| &member.key, path, faults);
    for (at, parameter) in parameters.iter_mut().enumerate() {
        let path = format!("{path}/{at}");
        faults.extend(check_full_label(&parameter.name, &format!("{path}/name")).err());
        check_measure(parameter.value_type, &mut parameter.unit, &path, faults);
    }
}

fn check_measure(value_type: ValueType, unit: &mut String, path: &str, faults: &mut Vec<Fault>) {
    let path = format!("{path}/unit");
    match check_unit(unit, &path) {
        Ok(code) if code != "1" && !measures(value_type) => {
            let detail = format!("a {value_type:?} value has no unit: leave the unit out");
            faults.push(Fault::new(codes::INVALID, detail).at(path));
        }
        Ok(code) => *unit = code.to_string(),
        Err(fault) => faults.push(fault),
    }
}

/// Whether values of this type measure a quantity.
pub(crate) fn measures(value_type: ValueType) -> bool {
    value_type.is_numeric() && value_type != ValueType::Bool
}

/// Names of states belong to whole numbers and to on and off.
pub(crate) fn check_states(
    states: &BTreeMap<i64, Label>,
    value_type: ValueType,
    path: &str,
) -> Result<(), Fault> {
    if states.is_empty() {
        return Ok(());
    }
    let allowed = match value_type {
        ValueType::Bool => 0..=1,
        ValueType::U64 => 0..=i64::MAX,
        ValueType::I64 => i64::MIN..=i64::MAX,
        _ => {
            let detail = "only whole numbers and bool values have named states: leave the states out";
            return Err(Fault::new(codes::INVALID, detail).at(path));
        }
    };
    if states.len() > STATES_MAX {
        let detail = format!("{} states, the limit is {STATES_MAX}: remove some", states.len());
        return Err(Fault::new(codes::LIMIT, detail).arg("limit", STATES_MAX).at(path));
    }
    for (value, label) in states {
        if !allowed.contains(value) {
            let detail = format!("a {value_type:?} value is never {value}: remove this state");
            return Err(Fault::new(codes::INVALID, detail)
                .arg("value", *value)
                .at(format!("{path}/{value}")));
        }
        if label.is_empty() {
            let detail = format!("the state {value} has no name: enter one");
            return Err(Fault::new("name.invalid", detail).at(format!("{path}/{value}")));
        }
        check_label(label, &format!("{path}/{value}"))?;
    }
    Ok(())
}
