//! Units of measure: a closed list with UCUM codes (ucum.org), so that a wrong unit is an error and not a label.

use serde::{Deserialize, Serialize};

/// What kind of quantity a unit measures; only units of one dimension convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Dimension {
    None,
    Temperature,
    Pressure,
    Length,
    Area,
    Volume,
    Mass,
    Time,
    Frequency,
    Speed,
    Acceleration,
    RotationalSpeed,
    Flow,
    MassFlow,
    Force,
    Torque,
    Energy,
    Power,
    ReactivePower,
    ApparentPower,
    ReactiveEnergy,
    Voltage,
    Current,
    Resistance,
    Charge,
    Angle,
    Density,
    Conductivity,
    Illuminance,
    SoundLevel,
    Concentration,
    Data,
    Money,
    Count,
}

/// One unit of the list: `value_si = value * factor + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// UCUM code, case-sensitive; how it is stored and sent.
    pub code: &'static str,
    /// How it is shown.
    pub symbol: &'static str,
    /// What it measures.
    pub dimension: Dimension,
    /// To the dimension's first unit.
    pub factor: f64,
    /// To the dimension's first unit.
    pub offset: f64,
}

/// A unit that is not in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a known unit{}", hint.map(|h| format!("; did you mean `{h}`?")).unwrap_or_default())]
pub struct UnitError {
    /// What was written.
    pub text: String,
    /// The nearest unit, if one is near.
    pub hint: Option<&'static str>,
}

const fn u(code: &'static str, symbol: &'static str, dimension: Dimension, factor: f64) -> Unit {
    Unit { code, symbol, dimension, factor, offset: 0.0 }
}

use Dimension as D;
/// Every unit, grouped by dimension; the first of a group has factor 1.
const UNITS: &[Unit] = &[
    u("1", "", D::None, 1.0),
    u("%", "%", D::None, 0.01),
    u("[ppm]", "ppm", D::None, 1e-6),
    u("K", "K", D::Temperature, 1.0),
    Unit { code: "Cel", symbol: "°C", dimension: D::Temperature, factor: 1.0, offset: 273.15 },
    Unit {
        code: "[degF]",
        symbol: "°F",
        dimension: D::Temperature,
        factor: 5.0 / 9.0,
        offset: 459.67 * 5.0 / 9.0,
    },
    u("Pa", "Pa", D::Pressure, 1.0),
    u("kPa", "kPa", D::Pressure, 1e3),
    u("MPa", "MPa", D::Pressure, 1e6),
    u("bar", "bar", D::Pressure, 1e5),
    u("mbar", "mbar", D::Pressure, 1e2),
    u("[psi]", "psi", D::Pressure, 6894.757293168),
    u("m", "m", D::Length, 1.0),
    u("mm", "mm", D::Length, 1e-3),
    u("um", "μm", D::Length, 1e-6),
    u("cm", "cm", D::Length, 1e-2),
    u("km", "km", D::Length, 1e3),
    u("m2", "m²", D::Area, 1.0),
    u("m3", "m³", D::Volume, 1.0),
    u("L", "L", D::Volume, 1e-3),
    u("mL", "mL", D::Volume, 1e-6),
    u("kg", "kg", D::Mass, 1.0),
    u("g", "g", D::Mass, 1e-3),
    u("t", "t", D::Mass, 1e3),
    u("s", "s", D::Time, 1.0),
    u("ms", "ms", D::Time, 1e-3),
    u("min", "min", D::Time, 60.0),
    u("h", "h", D::Time, 3600.0),
    u("d", "d", D::Time, 86400.0),
    u("Hz", "Hz", D::Frequency, 1.0),
    u("kHz", "kHz", D::Frequency, 1e3),
    u("m/s", "m/s", D::Speed, 1.0),
    u("mm/s", "mm/s", D::Speed, 1e-3),
    u("m/min", "m/min", D::Speed, 1.0 / 60.0),
    u("mm/min", "mm/min", D::Speed, 1e-3 / 60.0),
    u("km/h", "km/h", D::Speed, 1.0 / 3.6),
    u("m/s2", "m/s²", D::Acceleration, 1.0),
    u("[g]", "g", D::Acceleration, 9.80665),
    u("/min", "r/min", D::RotationalSpeed, 1.0),
    u("m3/s", "m³/s", D::Flow, 1.0),
    u("m3/h", "m³/h", D::Flow, 1.0 / 3600.0),
    u("m3/min", "m³/min", D::Flow, 1.0 / 60.0),
    u("L/min", "L/min", D::Flow, 1e-3 / 60.0),
    u("L/h", "L/h", D::Flow, 1e-3 / 3600.0),
    u("kg/s", "kg/s", D::MassFlow, 1.0),
    u("kg/h", "kg/h", D::MassFlow, 1.0 / 3600.0),
    u("t/h", "t/h", D::MassFlow, 1e3 / 3600.0),
    u("N", "N", D::Force, 1.0),
    u("kN", "kN", D::Force, 1e3),
    u("N.m", "N·m", D::Torque, 1.0),
    u("J", "J", D::Energy, 1.0),
    u("kJ", "kJ", D::Energy, 1e3),
    u("GJ", "GJ", D::Energy, 1e9),
    u("W.h", "Wh", D::Energy, 3.6e3),
    u("kW.h", "kWh", D::Energy, 3.6e6),
    u("MW.h", "MWh", D::Energy, 3.6e9),
    u("W", "W", D::Power, 1.0),
    u("kW", "kW", D::Power, 1e3),
    u("MW", "MW", D::Power, 1e6),
    u("var", "var", D::ReactivePower, 1.0),
    u("kvar", "kvar", D::ReactivePower, 1e3),
    u("V.A", "VA", D::ApparentPower, 1.0),
    u("kV.A", "kVA", D::ApparentPower, 1e3),
    u("var.h", "varh", D::ReactiveEnergy, 1.0),
    u("kvar.h", "kvarh", D::ReactiveEnergy, 1e3),
    u("V", "V", D::Voltage, 1.0),
    u("mV", "mV", D::Voltage, 1e-3),
    u("kV", "kV", D::Voltage, 1e3),
    u("A", "A", D::Current, 1.0),
    u("mA", "mA", D::Current, 1e-3),
    u("kA", "kA", D::Current, 1e3),
    u("Ohm", "Ω", D::Resistance, 1.0),
    u("kOhm", "kΩ", D::Resistance, 1e3),
    u("MOhm", "MΩ", D::Resistance, 1e6),
    u("C", "C", D::Charge, 1.0),
    u("A.h", "Ah", D::Charge, 3600.0),
    u("rad", "rad", D::Angle, 1.0),
    u("deg", "°", D::Angle, std::f64::consts::PI / 180.0),
    u("kg/m3", "kg/m³", D::Density, 1.0),
    u("S/m", "S/m", D::Conductivity, 1.0),
    u("uS/cm", "μS/cm", D::Conductivity, 1e-4),
    u("lx", "lx", D::Illuminance, 1.0),
    u("dB", "dB", D::SoundLevel, 1.0),
    u("mg/m3", "mg/m³", D::Concentration, 1.0),
    u("mg/L", "mg/L", D::Concentration, 1e3),
    u("By", "B", D::Data, 1.0),
    u("kBy", "kB", D::Data, 1e3),
    u("MBy", "MB", D::Data, 1e6),
    u("CNY", "元", D::Money, 1.0),
    u("{piece}", "件", D::Count, 1.0),
    u("{count}", "次", D::Count, 1.0),
];

impl Unit {
    /// The whole list.
    pub fn all() -> &'static [Unit] {
        UNITS
    }

    /// By UCUM code or by the symbol people write (`°C`, `kWh`, `m3/h`, `rpm`, `℃`).
    pub fn parse(text: &str) -> Result<&'static Unit, UnitError> {
        let t = text.trim();
        let t = match t {
            "℃" | "C°" | "degC" | "摄氏度" => "Cel",
            "℉" | "degF" => "[degF]",
            "rpm" | "RPM" | "r/min" | "rev/min" | "转/分" => "/min",
            "Nm" | "N*m" => "N.m",
            "kVAr" | "kVar" => "kvar",
            "度" | "千瓦时" => "kW.h",
            "ppm" => "[ppm]",
            "psi" => "[psi]",
            "pcs" | "个" | "piece" => "{piece}",
            "count" | "counts" => "{count}",
            "" => "1",
            other => other,
        };
        if let Some(unit) =
            UNITS.iter().find(|unit| unit.code == t).or_else(|| UNITS.iter().find(|u| u.symbol == t))
        {
            return Ok(unit);
        }
        let near = |u: &&Unit| u.code.eq_ignore_ascii_case(t) || u.symbol.eq_ignore_ascii_case(t);
        let hint = UNITS.iter().find(near).map(|u| u.code);
        Err(UnitError { text: text.chars().take(40).collect(), hint })
    }

    /// `value` of this unit in `to`; `None` when they measure different things.
    pub fn convert(&self, value: f64, to: &Unit) -> Option<f64> {
        (self.dimension == to.dimension).then(|| (value * self.factor + self.offset - to.offset) / to.factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_parse() {
        for unit in UNITS {
            assert_eq!(Unit::parse(unit.code).unwrap().code, unit.code);
            assert_eq!(UNITS.iter().filter(|u| u.code == unit.code).count(), 1, "{}", unit.code);
            assert!(Unit::parse(unit.symbol).is_ok(), "{}", unit.symbol);
        }
    }

    #[test]
    fn conversions() {
        let get = |c| Unit::parse(c).unwrap();
        assert!((get("°C").convert(100.0, get("[degF]")).unwrap() - 212.0).abs() < 1e-9);
        assert!((get("bar").convert(7.0, get("kPa")).unwrap() - 700.0).abs() < 1e-9);
        assert_eq!(get("bar").convert(7.0, get("kW")), None);
    }

    #[test]
    fn a_near_miss_gets_a_hint() {
        assert_eq!(Unit::parse("KWH").unwrap_err().hint, Some("kW.h"));
        assert_eq!(Unit::parse("furlong").unwrap_err().hint, None);
    }
}
