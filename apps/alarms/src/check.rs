//! Whether a rule makes sense for its point: everything that is wrong with it at once, each with its place. Pure.

use types::{Fault, Label, Point, Unit, ValueType};

use crate::{
    condition::Units,
    rule::{Condition, Level, Named, Rationale, Rule, Setpoint},
};

/// What a rule is checked against.
pub struct Surroundings<'a> {
    /// The watched point.
    pub point: &'a Point,
    /// The point that gives the setpoint, if the rule names one and it exists.
    pub setpoint: Option<&'a Point>,
    /// The other rules of the point.
    pub others: &'a [Rule],
}

/// The rule as it is stored: texts trimmed, the unit filled in.
///
/// # Errors
/// Everything that is wrong with it.
pub fn checked(mut rule: Rule, around: &Surroundings<'_>) -> Result<Rule, Vec<Fault>> {
    let mut faults = Vec::new();
    texts(&mut rule, &mut faults);
    delays(&rule, &mut faults);
    if rule.unit.trim().is_empty() {
        rule.unit.clone_from(&around.point.unit);
    }
    match units(&rule, around) {
        Ok(units) => {
            rule.unit = units.rule.code.to_string();
            condition(&rule, around, units, &mut faults);
        }
        Err(fault) => faults.push(fault),
    }
    if faults.is_empty() { Ok(rule) } else { Err(faults) }
}

/// The units a rule is evaluated in.
///
/// # Errors
/// A unit that is none, or measures something else than the point.
pub fn units(rule: &Rule, around: &Surroundings<'_>) -> Result<Units, Fault> {
    let parse = |text: &str, path: &str| {
        Unit::parse(text).map_err(|error| {
            let hint = error.hint.unwrap_or("%");
            let detail = format!("{error}: write a UCUM code, such as `{hint}`");
            Fault::new("alarms.unit-unknown", detail).arg("unit", error.text).at(path)
        })
    };
    let point = parse(&around.point.unit, "/point")?;
    let unit = if rule.unit.is_empty() { point } else { parse(&rule.unit, "/unit")? };
    let setpoint = around.setpoint.map(|point| parse(&point.unit, "/condition/setpoint")).transpose()?;
    let mismatch = |unit: &Unit, path: &str| {
        let detail = format!(
            "the point is measured in `{}` and not in `{}`: choose a unit of the same kind",
            point.code, unit.code
        );
        Fault::new("alarms.unit-mismatch", detail)
            .arg("unit", unit.code)
            .arg("point_unit", point.code)
            .at(path)
    };
    if unit.dimension != point.dimension {
        return Err(mismatch(unit, "/unit"));
    }
    if let Some(setpoint) = setpoint.filter(|setpoint| setpoint.dimension != point.dimension) {
        return Err(mismatch(setpoint, "/condition/setpoint"));
    }
    Ok(Units { rule: unit, point, setpoint })
}

fn texts(rule: &mut Rule, faults: &mut Vec<Fault>) {
    let Label { zh, en } = &mut rule.message;
    let Rationale { cause, consequence, response, owner, .. } = &mut rule.rationale;
    let fields = [
        (zh, "/message/zh", Rule::LINE_CHARS_MAX),
        (en, "/message/en", Rule::LINE_CHARS_MAX),
        (&mut rule.class, "/class", Rule::LINE_CHARS_MAX),
        (owner, "/rationale/owner", Rule::LINE_CHARS_MAX),
        (cause, "/rationale/cause", Rule::TEXT_CHARS_MAX),
        (consequence, "/rationale/consequence", Rule::TEXT_CHARS_MAX),
        (response, "/rationale/response", Rule::TEXT_CHARS_MAX),
    ];
    for (text, path, limit) in fields {
        *text = text.trim().to_string();
        if text.chars().count() > limit {
            let detail = format!("the text is longer than {limit} characters: shorten it");
            faults.push(Fault::new("alarms.text-too-long", detail).arg("limit", limit).at(path));
        }
    }
    if rule.message.is_empty() {
        let detail = "the operator needs something to read: write a message in one language at least";
        faults.push(Fault::new("alarms.message-missing", detail).at("/message"));
    }
}

fn delays(rule: &Rule, faults: &mut Vec<Fault>) {
    let mut within = |value: u64, min: u64, max: u64, path: &str| {
        if value < min || value > max {
            let detail = format!("{value} ms is outside {min} to {max} ms: choose a time in between");
            let fault = Fault::new("alarms.time-out-of-range", detail);
            faults.push(fault.arg("min_ms", min).arg("max_ms", max).at(path));
        }
    };
    within(rule.on_delay_ms, 0, Rule::DELAY_MS_MAX, "/on_delay_ms");
    within(rule.off_delay_ms, 0, Rule::DELAY_MS_MAX, "/off_delay_ms");
    match rule.condition {
        Condition::Rate { over_ms, .. } => within(over_ms, 0, Rule::DELAY_MS_MAX, "/condition/over_ms"),
        Condition::Stale { after_ms } => within(after_ms, 1_000, Rule::STALE_MS_MAX, "/condition/after_ms"),
        _ => {}
    }
}

fn condition(rule: &Rule, around: &Surroundings<'_>, units: Units, faults: &mut Vec<Fault>) {
    let point = around.point;
    let numeric = point.value_type.is_numeric() && point.value_type != ValueType::Bool;
    match &rule.condition {
        Condition::Discrete { values, .. } => return discrete(values, point, faults),
        Condition::Stale { .. } => return,
        Condition::Limit { level, limit, deadband } => {
            figures(&[(*limit, "/condition/limit"), (*deadband, "/condition/deadband")], faults);
            levels(*level, *limit, *deadband, around, units, faults);
        }
        Condition::Deviation { setpoint, limit, deadband, .. } => {
            let wanted = if let Setpoint::Value(value) = setpoint { *value } else { 0.0 };
            figures(&[(wanted, "/condition/setpoint")], faults);
            distance(*limit, *deadband, faults);
            if let (Setpoint::Point(_), None) = (setpoint, around.setpoint) {
                let detail = "there is no such point: choose the point that gives the setpoint";
                faults.push(Fault::new("alarms.point-unknown", detail).at("/condition/setpoint/point"));
            }
        }
        Condition::Rate { limit, deadband, .. } => distance(*limit, *deadband, faults),
    }
    let named =
        [(point, "/point")].into_iter().chain(around.setpoint.map(|p| (p, "/condition/setpoint/point")));
    for (point, path) in named.filter(|(point, _)| !numeric || !point.value_type.is_numeric()) {
        let detail = format!("`{}` holds no figures: use a rule of kind `discrete`", point.name);
        faults
            .push(Fault::new("alarms.point-not-numeric", detail).arg("point", point.name.as_str()).at(path));
    }
}

fn figures(figures: &[(f64, &str)], faults: &mut Vec<Fault>) {
    for (_, path) in figures.iter().filter(|(figure, _)| !figure.is_finite()) {
        faults.push(Fault::new("alarms.not-a-figure", "this is no figure: write a number").at(*path));
    }
}

/// A limit that is a distance, with its deadband.
fn distance(limit: f64, deadband: f64, faults: &mut Vec<Fault>) {
    figures(&[(limit, "/condition/limit"), (deadband, "/condition/deadband")], faults);
    if limit <= 0.0 {
        let detail = "the limit is a distance: write a number above 0";
        faults.push(Fault::new("alarms.limit-not-positive", detail).at("/condition/limit"));
    }
    // Back by the whole distance is as far back as anything can come.
    deadband_within(deadband, limit, faults);
}

fn deadband_within(deadband: f64, max: f64, faults: &mut Vec<Fault>) {
    if deadband < 0.0 || deadband >= max {
        let detail = format!(
            "a deadband of {deadband} would keep the alarm from ever clearing: choose 0 or more and less than {max}"
        );
        let fault = Fault::new("alarms.deadband-too-large", detail).arg("deadband", deadband).arg("max", max);
        faults.push(fault.at("/condition/deadband"));
    }
}

/// lolo < lo < hi < hihi, one of each; and the deadband ends before the usual range and the opposite limit.
fn levels(
    level: Level,
    limit: f64,
    deadband: f64,
    around: &Surroundings<'_>,
    units: Units,
    faults: &mut Vec<Fault>,
) {
    let limits = around.others.iter().filter_map(|other| match other.condition {
        Condition::Limit { level, limit, .. } => {
            let unit = Unit::parse(&other.unit).ok()?;
            Some((level, unit.convert(limit, units.rule)?))
        }
        _ => None,
    });
    let mut room = f64::INFINITY;
    if let Some([low, high]) = around.point.range {
        let end = units.point.convert(if level.is_high() { low } else { high }, units.rule).unwrap_or(limit);
        let space = if level.is_high() { limit - end } else { end - limit };
        // A limit outside the usual range is odd, not wrong; it has no room to measure.
        room = if space > 0.0 { space } else { room };
    }
    for (other, at) in limits {
        if other == level {
            let detail = format!("the point has a rule for {level:?} already: change that one");
            faults.push(
                Fault::new("alarms.level-taken", detail)
                    .arg("level", level_name(level))
                    .at("/condition/level"),
            );
        } else if (other < level) != (at < limit) || at == limit {
            let detail = format!(
                "{level:?} {limit} and {other:?} {at} are in the wrong order: keep lolo < lo < hi < hihi"
            );
            let fault =
                Fault::new("alarms.limit-order", detail).arg("level", level_name(level)).arg("limit", limit);
            faults.push(fault.arg("other", level_name(other)).arg("other_limit", at).at("/condition/limit"));
        } else if other.is_high() != level.is_high() {
            room = room.min((limit - at).abs());
        }
    }
    deadband_within(deadband, room, faults);
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Lolo => "lolo",
        Level::Lo => "lo",
        Level::Hi => "hi",
        Level::Hihi => "hihi",
    }
}

fn discrete(values: &[Named], point: &Point, faults: &mut Vec<Fault>) {
    if values.is_empty() || values.len() > Rule::VALUES_MAX {
        let detail = format!("name 1 to {} values", Rule::VALUES_MAX);
        faults.push(
            Fault::new("alarms.values-missing", detail)
                .arg("limit", Rule::VALUES_MAX)
                .at("/condition/values"),
        );
    }
    for (at, _) in values.iter().enumerate().filter(|(_, value)| !value.fits(point.value_type)) {
        let of = format!("{:?}", point.value_type).to_lowercase();
        let detail = format!("`{}` holds values of type {of}: write one of those", point.name);
        let fault = Fault::new("alarms.value-not-of-point", detail).arg("type", of);
        faults.push(fault.at(format!("/condition/values/{at}")));
    }
}

impl Named {
    /// Whether a point of this type can ever have this value.
    fn fits(&self, of: ValueType) -> bool {
        match (self, of) {
            (Named::Switch(_), ValueType::Bool) | (Named::Text(_), ValueType::String) => true,
            (Named::State(state), ValueType::Bool) => matches!(state, 0 | 1),
            (Named::State(state), ValueType::U64) => *state >= 0,
            (Named::State(_), ValueType::I64 | ValueType::F32 | ValueType::F64) => true,
            _ => false,
        }
    }
}
