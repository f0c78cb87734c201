//! What `data/*.toml` says: the tree, the asset types, the register maps, the devices. The simulator serves it and
//! provisioning reads it, so that there is one truth about every address.

use std::collections::BTreeMap;

use driver_modbus::address::{Address, AddressError};
use driver_modbus::pdu::Table;
use driver_modbus::value::Encoding;
use serde::Deserialize;
use types::{Label, NodeKind, Unit, UnitError, Zone};

/// The files, one an area, in the order of the tree.
const FILES: [(&str, &str); 5] = [
    ("site.toml", include_str!("../data/site.toml")),
    ("machining.toml", include_str!("../data/machining.toml")),
    ("air.toml", include_str!("../data/air.toml")),
    ("water.toml", include_str!("../data/water.toml")),
    ("power.toml", include_str!("../data/power.toml")),
];

/// A mistake in a data file. Each says what to correct.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum ManifestError {
    #[error("data/{file}: {error}")]
    Toml { file: &'static str, error: toml::de::Error },
    #[error("`{by}` names {kind} `{key}`, which no file defines: correct the key or add it")]
    Missing { kind: &'static str, key: String, by: String },
    #[error("map `{map}`, `{text}`: {error}")]
    Address { map: String, text: String, error: AddressError },
    #[error(
        "map `{map}`: `{text}` is no hole: write a table and the first and last address, such as hr:10-19"
    )]
    Hole { map: String, text: String },
    #[error("property `{property}`: {error}")]
    Unit { property: String, error: UnitError },
    #[error(
        "map `{map}`, property `{property}`: {from} cannot be given in {to}: choose a unit of the same kind"
    )]
    Dimension { map: String, property: String, from: &'static str, to: &'static str },
}

/// A place in the tree.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) kind: NodeKind,
    pub(crate) name: Label,
    pub(crate) parent: Option<String>,
    #[serde(rename = "type")]
    pub(crate) asset_type: Option<String>,
    pub(crate) zone: Option<Zone>,
    #[serde(default)]
    pub(crate) notes: BTreeMap<String, String>,
}

/// What a property's values are, whatever a register makes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Number,
    Count,
    State,
    Switch,
    Text,
}

/// Bounds of a set-point.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setpoint {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) step: f64,
}

/// A property of an asset type; the simulation gives it in `unit`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Property {
    pub(crate) key: String,
    pub(crate) name: Label,
    #[serde(default)]
    pub(crate) kind: Kind,
    #[serde(default = "no_unit")]
    pub(crate) unit: String,
    pub(crate) range: Option<[f64; 2]>,
    /// Names of a state's values, from 0.
    #[serde(default)]
    pub(crate) states: Vec<Label>,
    pub(crate) write: Option<Setpoint>,
}

fn no_unit() -> String {
    "1".into()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Type {
    pub(crate) key: String,
    pub(crate) name: Label,
    pub(crate) properties: Vec<Property>,
}

/// One line of a register map.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapRow {
    property: String,
    at: String,
    /// The device's own asset when left out.
    asset: Option<String>,
    /// The property's when left out.
    unit: Option<String>,
    gain: Option<f64>,
    #[serde(default = "second")]
    period_ms: u32,
}

fn second() -> u32 {
    1_000
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    key: String,
    /// Order of numbers wider than a register, where a row does not say.
    #[serde(default = "high_word_first")]
    order: String,
    /// Addresses that the device refuses, between those it knows.
    #[serde(default)]
    holes: Vec<String>,
    rows: Vec<MapRow>,
}

fn high_word_first() -> String {
    "abcd".into()
}

/// Something that speaks Modbus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceEntry {
    pub(crate) key: String,
    pub(crate) name: String,
    /// Devices of one endpoint share a TCP port, as behind a gateway.
    pub(crate) endpoint: String,
    pub(crate) unit_id: u8,
    map: String,
    asset: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    places: Vec<Place>,
    types: Vec<Type>,
    maps: Vec<Map>,
    devices: Vec<DeviceEntry>,
}

/// All files together.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) places: Vec<Place>,
    pub(crate) types: Vec<Type>,
    maps: Vec<Map>,
    pub(crate) devices: Vec<DeviceEntry>,
}

/// One register of one device, bound to one quantity of the simulation.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Key within the device.
    pub(crate) name: String,
    pub(crate) asset: String,
    pub(crate) property: Property,
    pub(crate) address: Address,
    /// The address as people and drivers write it.
    pub(crate) notation: String,
    /// What the simulation gives it in.
    pub(crate) simulated: &'static Unit,
    /// What the register gives it in.
    pub(crate) unit: &'static Unit,
    pub(crate) gain: Option<f64>,
    pub(crate) period_ms: u32,
}

/// Addresses of one table, first and last.
pub(crate) type Hole = (Table, u16, u16);

impl Manifest {
    /// Reads the files that are compiled in.
    pub(crate) fn load() -> Result<Manifest, ManifestError> {
        let mut all = Manifest { places: vec![], types: vec![], maps: vec![], devices: vec![] };
        for (file, text) in FILES {
            let part: File = toml::from_str(text).map_err(|error| ManifestError::Toml { file, error })?;
            all.places.extend(part.places);
            all.types.extend(part.types);
            all.maps.extend(part.maps);
            all.devices.extend(part.devices);
        }
        Ok(all)
    }

    /// Endpoint keys in the order of their first device; ports are given out in this order.
    pub(crate) fn endpoints(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for device in &self.devices {
            if !keys.contains(&device.endpoint.as_str()) {
                keys.push(&device.endpoint);
            }
        }
        keys
    }

    fn map(&self, device: &DeviceEntry) -> Result<&Map, ManifestError> {
        find(&self.maps, |map| &map.key, "map", &device.map, &device.key)
    }

    /// What the device holds where.
    pub(crate) fn rows(&self, device: &DeviceEntry) -> Result<Vec<Row>, ManifestError> {
        let map = self.map(device)?;
        map.rows.iter().map(|row| self.row(device, map, row)).collect()
    }

    fn row(&self, device: &DeviceEntry, map: &Map, row: &MapRow) -> Result<Row, ManifestError> {
        let asset = row.asset.as_ref().unwrap_or(&device.asset);
        let place = find(&self.places, |place| &place.key, "place", asset, &device.key)?;
        let type_key = place.asset_type.clone().unwrap_or_default();
        let asset_type = find(&self.types, |t| &t.key, "type", &type_key, asset)?;
        let property = find(&asset_type.properties, |p| &p.key, "property", &row.property, &map.key)?;
        let wrong = |error| ManifestError::Unit { property: property.key.clone(), error };
        let simulated = Unit::parse(&property.unit).map_err(wrong)?;
        let unit = Unit::parse(row.unit.as_ref().unwrap_or(&property.unit)).map_err(wrong)?;
        if simulated.dimension != unit.dimension {
            let (map, property) = (map.key.clone(), property.key.clone());
            return Err(ManifestError::Dimension { map, property, from: simulated.code, to: unit.code });
        }
        let (address, notation) = address(map, &row.at)?;
        let name = match &row.asset {
            Some(asset) => format!("{asset}.{}", row.property),
            None => row.property.clone(),
        };
        let (gain, period_ms, asset, property) = (row.gain, row.period_ms, asset.clone(), property.clone());
        Ok(Row { name, asset, property, address, notation, simulated, unit, gain, period_ms })
    }

    /// Addresses that the device refuses though it knows some before and after.
    pub(crate) fn holes(&self, device: &DeviceEntry) -> Result<Vec<Hole>, ManifestError> {
        let map = self.map(device)?;
        let parse = |text: &String| {
            let (place, last) = text.split_once('-')?;
            let first = Address::parse(&format!("{place} uint16")).ok()?;
            Some((first.table, first.start, last.parse().ok()?))
        };
        let hole = |text| {
            parse(text).ok_or_else(|| ManifestError::Hole { map: map.key.clone(), text: text.clone() })
        };
        map.holes.iter().map(hole).collect()
    }
}

fn address(map: &Map, at: &str) -> Result<(Address, String), ManifestError> {
    let parse = |text: &str| {
        Address::parse(text).map_err(|error| ManifestError::Address {
            map: map.key.clone(),
            text: text.into(),
            error,
        })
    };
    let plain = parse(at)?;
    // A row without an order of its own has two words: the place and the type.
    let wide = matches!(plain.encoding, Encoding::Number(number) if number.registers() > 1);
    if wide && at.split_whitespace().count() == 2 {
        let notation = format!("{at} {}", map.order);
        return Ok((parse(&notation)?, notation));
    }
    Ok((plain, at.into()))
}

fn find<'a, T>(
    all: &'a [T],
    key_of: impl Fn(&T) -> &String,
    kind: &'static str,
    key: &str,
    by: &str,
) -> Result<&'a T, ManifestError> {
    let missing = || ManifestError::Missing { kind, key: key.into(), by: by.into() };
    all.iter().find(|entry| key_of(entry) == key).ok_or_else(missing)
}
