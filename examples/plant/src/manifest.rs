//! What `data/*.toml` says: the tree, the asset types, the register maps, the devices, the alarm rules. The simulator
//! serves it and provisioning reads it, so that there is one truth about every address.

use driver_modbus::address::{Address, AddressError};
use driver_modbus::pdu::Table;
use driver_modbus::value::Encoding;
use types::{Unit, UnitError, ValueType};

use crate::entries::{DeviceEntry, File, Link, Map, MapRow, Place, Property, RuleEntry, Type, second};

/// The files, one an area, in the order of the tree.
const FILES: [(&str, &str); 6] = [
    ("site.toml", include_str!("../data/site.toml")),
    ("machining.toml", include_str!("../data/machining.toml")),
    ("air.toml", include_str!("../data/air.toml")),
    ("water.toml", include_str!("../data/water.toml")),
    ("power.toml", include_str!("../data/power.toml")),
    ("alarms.toml", include_str!("../data/alarms.toml")),
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

/// All files together.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) places: Vec<Place>,
    pub(crate) types: Vec<Type>,
    maps: Vec<Map>,
    pub(crate) devices: Vec<DeviceEntry>,
    pub(crate) rules: Vec<RuleEntry>,
}

/// One value of one device, bound to one quantity of the simulation.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Key within the device.
    pub(crate) name: String,
    pub(crate) asset: String,
    pub(crate) property: Property,
    /// The address as people and drivers write it.
    pub(crate) address: String,
    /// Of what the device gives, before scaling.
    pub(crate) value_type: ValueType,
    /// Where it lies, in a device of registers.
    pub(crate) register: Option<Address>,
    /// What the simulation gives it in.
    pub(crate) simulated: &'static Unit,
    /// What the device gives it in.
    pub(crate) unit: &'static Unit,
    pub(crate) gain: Option<f64>,
    pub(crate) period_ms: u32,
}

/// Addresses of one table, first and last.
pub(crate) type Hole = (Table, u16, u16);

impl Manifest {
    /// Reads the files that are compiled in.
    pub(crate) fn load() -> Result<Manifest, ManifestError> {
        let mut all =
            Manifest { places: vec![], types: vec![], maps: vec![], devices: vec![], rules: vec![] };
        for (file, text) in FILES {
            let part: File = toml::from_str(text).map_err(|error| ManifestError::Toml { file, error })?;
            all.places.extend(part.places);
            all.types.extend(part.types);
            all.maps.extend(part.maps);
            all.devices.extend(part.devices);
            all.rules.extend(part.rules);
        }
        Ok(all)
    }

    /// Endpoint keys in the order of their first device; ports are given out in this order.
    pub(crate) fn endpoints(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for endpoint in self.devices.iter().filter_map(DeviceEntry::endpoint) {
            if !keys.contains(&endpoint) {
                keys.push(endpoint);
            }
        }
        keys
    }

    fn map(&self, key: &str, by: &str) -> Result<&Map, ManifestError> {
        find(&self.maps, |map| &map.key, "map", key, by)
    }

    /// What the device holds where.
    pub(crate) fn rows(&self, device: &DeviceEntry) -> Result<Vec<Row>, ManifestError> {
        match &device.link {
            Link::Modbus { map, .. } => {
                let map = self.map(map, &device.key)?;
                map.rows.iter().map(|row| self.row(device, map, row)).collect()
            }
            Link::Opcua { .. } => self.named_rows(device, |asset, key, of| {
                format!("nsu={};s={asset}/{key} {}", driver_opcua::sim::NAMESPACE, of.name())
            }),
            Link::Mqtt { .. } => {
                self.named_rows(device, |_, key, of| format!("telemetry:{key} {}", of.name()))
            }
        }
    }

    /// All properties of a device's machine, where an address follows from asset, property and type.
    fn named_rows(
        &self,
        device: &DeviceEntry,
        address: impl Fn(&str, &str, ValueType) -> String,
    ) -> Result<Vec<Row>, ManifestError> {
        let asset_type = self.type_of(&device.asset, &device.key)?;
        let row = |property: &Property| {
            let wrong = |error| ManifestError::Unit { property: property.key.clone(), error };
            let unit = Unit::parse(&property.unit).map_err(wrong)?;
            let value_type = property.kind.value_type();
            Ok(Row {
                name: property.key.clone(),
                asset: device.asset.clone(),
                address: address(&device.asset, &property.key, value_type),
                property: property.clone(),
                value_type,
                register: None,
                simulated: unit,
                unit,
                gain: None,
                period_ms: second(),
            })
        };
        asset_type.properties.iter().map(row).collect()
    }

    fn type_of(&self, asset: &str, by: &str) -> Result<&Type, ManifestError> {
        let place = find(&self.places, |place| &place.key, "place", asset, by)?;
        let type_key = place.asset_type.clone().unwrap_or_default();
        find(&self.types, |t| &t.key, "type", &type_key, asset)
    }

    fn row(&self, device: &DeviceEntry, map: &Map, row: &MapRow) -> Result<Row, ManifestError> {
        let asset = row.asset.as_ref().unwrap_or(&device.asset);
        let asset_type = self.type_of(asset, &device.key)?;
        let property = find(&asset_type.properties, |p| &p.key, "property", &row.property, &map.key)?;
        let wrong = |error| ManifestError::Unit { property: property.key.clone(), error };
        let simulated = Unit::parse(&property.unit).map_err(wrong)?;
        let unit = Unit::parse(row.unit.as_ref().unwrap_or(&property.unit)).map_err(wrong)?;
        if simulated.dimension != unit.dimension {
            let (map, property) = (map.key.clone(), property.key.clone());
            return Err(ManifestError::Dimension { map, property, from: simulated.code, to: unit.code });
        }
        let (register, address) = address(map, &row.at)?;
        let name = match &row.asset {
            Some(asset) => format!("{asset}.{}", row.property),
            None => row.property.clone(),
        };
        let (gain, period_ms, asset, property) = (row.gain, row.period_ms, asset.clone(), property.clone());
        let value_type = register.encoding.value_type();
        let register = Some(register);
        Ok(Row { name, asset, property, address, value_type, register, simulated, unit, gain, period_ms })
    }

    /// Addresses that the device refuses though it knows some before and after.
    pub(crate) fn holes(&self, device: &DeviceEntry) -> Result<Vec<Hole>, ManifestError> {
        let Link::Modbus { map, .. } = &device.link else { return Ok(Vec::new()) };
        let map = self.map(map, &device.key)?;
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
