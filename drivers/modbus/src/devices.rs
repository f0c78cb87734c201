//! Point maps of real devices: data in `devices/*.toml`, added without Rust beyond one line here.

use serde::Deserialize;
use types::Label;

/// What a device of one model holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceMap {
    /// Who makes it.
    pub vendor: String,
    /// The maker's name for it.
    pub model: String,
    /// What it is.
    pub kind: Label,
    /// What it measures.
    pub points: Vec<MappedPoint>,
}

/// One quantity of a device.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappedPoint {
    /// Key within the device.
    pub name: String,
    /// Shown name.
    pub label: Label,
    /// Canonical address.
    pub address: String,
    /// UCUM code.
    pub unit: String,
    /// How often it is worth reading, in ms; a second when the map does not say.
    #[serde(default = "second")]
    pub period_ms: u32,
}

fn second() -> u32 {
    1_000
}

const FILES: [&str; 2] =
    [include_str!("../devices/eastron-sdm120.toml"), include_str!("../devices/eastron-sdm630.toml")];

/// All maps, by vendor and model.
pub fn maps() -> Result<Vec<DeviceMap>, toml::de::Error> {
    FILES.into_iter().map(toml::from_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use std::collections::BTreeSet;

    #[test]
    fn every_map_is_right_and_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/devices");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), FILES.len(), "every file is listed above");
        for map in maps().unwrap() {
            let names: BTreeSet<&str> = map.points.iter().map(|p| p.name.as_str()).collect();
            assert_eq!(names.len(), map.points.len(), "{}: names are unique", map.model);
            let mut cells = BTreeSet::new();
            for point in &map.points {
                let address = Address::parse(&point.address).unwrap();
                assert_eq!(address.to_string(), point.address, "{}: canonical", map.model);
                assert_eq!(types::Unit::parse(&point.unit).unwrap().code, point.unit);
                assert!(!point.label.zh.is_empty() && !point.label.en.is_empty());
                for cell in address.start..address.start + address.encoding.cells() {
                    assert!(cells.insert((address.table, cell)), "{}: {} overlaps", map.model, point.name);
                }
            }
        }
    }
}
