//! The plant as an engineer would enter it: tree, asset types, devices and points, for provisioning.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use types::{
    Asset, AssetType, Device, DeviceLimits, Label, Point, PropertyType, Scaling, ValueType, WritePolicy,
};

use crate::manifest::{Kind, Manifest, ManifestError, Property, Row};

/// Where the plant listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Address of all of them.
    pub host: IpAddr,
    /// Modbus TCP ports by endpoint key.
    pub endpoints: BTreeMap<String, u16>,
    /// The control port.
    pub control: u16,
}

/// Everything to provision. Entries name each other by key; whoever provisions makes ids and puts them in.
#[derive(Debug, Clone)]
pub struct Model {
    /// Parents come before their children.
    pub places: Vec<ModelPlace>,
    /// Asset types (物模型).
    pub types: Vec<AssetType>,
    /// Modbus devices. Writes are off: an engineer enables them.
    pub devices: Vec<ModelDevice>,
    /// All points; those of set-points carry a write policy.
    pub points: Vec<ModelPoint>,
}

/// A place or machine; `asset.parent` and `asset.asset_type` are still empty.
#[derive(Debug, Clone)]
pub struct ModelPlace {
    /// Its key.
    pub key: String,
    /// Key of the place above.
    pub parent: Option<String>,
    /// Key of its asset type.
    pub asset_type: Option<String>,
    /// The rest.
    pub asset: Asset,
}

/// A device.
#[derive(Debug, Clone)]
pub struct ModelDevice {
    /// Its key.
    pub key: String,
    /// The device, ready to store.
    pub device: Device,
}

/// A point; `point.device` and `point.asset` are still empty.
#[derive(Debug, Clone)]
pub struct ModelPoint {
    /// Key of its device.
    pub device: String,
    /// Key of the place or machine it belongs to.
    pub asset: String,
    /// The rest.
    pub point: Point,
}

/// The model of a plant that listens at `ports`.
///
/// # Errors
/// [`ManifestError`] when a data file is wrong or `ports` lacks an endpoint.
pub fn model(ports: &Ports) -> Result<Model, ManifestError> {
    let manifest = Manifest::load()?;
    let mut model = Model { places: vec![], types: vec![], devices: vec![], points: vec![] };
    model.types.extend(manifest.types.iter().map(asset_type));
    for place in &manifest.places {
        let asset = Asset {
            kind: place.kind,
            name: place.name.clone(),
            parent: None,
            asset_type: None,
            zone: place.zone.clone(),
            notes: place.notes.clone(),
        };
        let (key, parent) = (place.key.clone(), place.parent.clone());
        model.places.push(ModelPlace { key, parent, asset_type: place.asset_type.clone(), asset });
    }
    for device in &manifest.devices {
        let missing = || ManifestError::Missing {
            kind: "endpoint",
            key: device.endpoint.clone(),
            by: device.key.clone(),
        };
        let port = ports.endpoints.get(&device.endpoint).ok_or_else(missing)?;
        let config = serde_json::json!({
            "transport": "tcp",
            "host": ports.host.to_string(),
            "port": port,
            "unit_id": device.unit_id,
        });
        let key = device.key.clone();
        model.devices.push(ModelDevice { key, device: modbus(device.name.clone(), config) });
        for row in manifest.rows(device)? {
            let (device, asset) = (device.key.clone(), row.asset.clone());
            model.points.push(ModelPoint { device, asset, point: point(row) });
        }
    }
    Ok(model)
}

fn modbus(name: String, config: serde_json::Value) -> Device {
    Device {
        name,
        driver: "modbus".into(),
        config,
        enabled: true,
        writes_enabled: false,
        limits: DeviceLimits::default(),
        source: None,
        added: None,
    }
}

fn asset_type(from: &crate::manifest::Type) -> AssetType {
    let property = |p: &Property| PropertyType {
        key: p.key.clone(),
        name: p.name.clone(),
        value_type: match p.kind {
            Kind::Number => ValueType::F64,
            Kind::Count | Kind::State => ValueType::U64,
            Kind::Switch => ValueType::Bool,
            Kind::Text => ValueType::String,
        },
        unit: p.unit.clone(),
        range: p.range,
        states: states(p),
        writable: p.write.is_some(),
    };
    AssetType {
        key: from.key.clone(),
        name: from.name.clone(),
        properties: from.properties.iter().map(property).collect(),
        functions: vec![],
        events: vec![],
    }
}

fn states(property: &Property) -> BTreeMap<i64, Label> {
    (0..).zip(property.states.iter().cloned()).collect()
}

fn point(row: Row) -> Point {
    // Units of one dimension, which loading has checked, always convert; rounding keeps 0.55 from being 0.55000000001.
    let shown = |value: f64| {
        let converted = row.simulated.convert(value, row.unit).unwrap_or(value);
        (converted * 1e9).round() / 1e9
    };
    let scaled = row.gain.is_some();
    Point {
        value_type: if scaled { ValueType::F64 } else { row.address.encoding.value_type() },
        scaling: row.gain.map(|gain| Scaling { gain, offset: 0.0 }),
        range: row.property.range.map(|range| range.map(shown)),
        states: states(&row.property),
        write: row.property.write.map(|bounds| WritePolicy {
            min: shown(bounds.min),
            max: shown(bounds.max),
            step: Some(shown(bounds.step)),
            per_minute: WritePolicy::PER_MINUTE_DEFAULT,
        }),
        name: row.name,
        label: row.property.name,
        device: None,
        address: row.notation,
        asset: None,
        unit: row.unit.code.into(),
        period_ms: row.period_ms,
    }
}
