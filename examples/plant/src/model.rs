//! The plant as an engineer would enter it: tree, asset types, devices, points and alarm rules, for provisioning.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::json;
use types::{
    Asset, AssetType, Device, DeviceLimits, Label, Point, PropertyType, Scaling, ValueType, WritePolicy,
};

use crate::entries::{DeviceEntry, Link, Property, RuleEntry, Type};
use crate::manifest::{Manifest, ManifestError, Row};

/// Where the plant listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Address of all of them.
    pub host: IpAddr,
    /// TCP ports of what listens, by endpoint key.
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
    /// Devices, but for those that nobody has entered yet. Writes are off: an engineer enables them.
    pub devices: Vec<ModelDevice>,
    /// All points; those of set-points carry a write policy.
    pub points: Vec<ModelPoint>,
    /// Alarm rules.
    pub rules: Vec<ModelRule>,
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
    /// Key of the property that it measures.
    pub property: String,
    /// The rest.
    pub point: Point,
}

/// An alarm rule of one point.
#[derive(Debug, Clone)]
pub struct ModelRule {
    /// Its name, which rules of like points share.
    pub key: String,
    /// The watched point, by its place in [`Model::points`].
    pub point: usize,
    /// The point that a deviation is taken from, likewise; belongs at `/condition/setpoint/point`.
    pub setpoint: Option<usize>,
    /// As the alarm app takes it; `point` is missing.
    pub rule: serde_json::Value,
}

/// The model of a plant that listens at `ports`.
///
/// # Errors
/// [`ManifestError`] when a data file is wrong or `ports` lacks an endpoint.
pub fn model(ports: &Ports) -> Result<Model, ManifestError> {
    let manifest = Manifest::load()?;
    let mut model = Model { places: vec![], types: vec![], devices: vec![], points: vec![], rules: vec![] };
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
    for entry in manifest.devices.iter().filter(|entry| !entry.stranger) {
        model.devices.push(ModelDevice { key: entry.key.clone(), device: device(entry, ports)? });
        for row in manifest.rows(entry)? {
            let (device, asset, property) = (entry.key.clone(), row.asset.clone(), row.property.key.clone());
            model.points.push(ModelPoint { device, asset, property, point: point(row) });
        }
    }
    for entry in &manifest.rules {
        for name in &entry.points {
            model.rules.push(rule(entry, name, &model.points)?);
        }
    }
    Ok(model)
}

fn device(entry: &DeviceEntry, ports: &Ports) -> Result<Device, ManifestError> {
    let port = |endpoint: &String| {
        let missing =
            || ManifestError::Missing { kind: "endpoint", key: endpoint.clone(), by: entry.key.clone() };
        ports.endpoints.get(endpoint).copied().ok_or_else(missing)
    };
    let (driver, config) = match &entry.link {
        Link::Modbus { endpoint, unit_id, .. } => {
            let (host, port) = (ports.host.to_string(), port(endpoint)?);
            ("modbus", json!({ "transport": "tcp", "host": host, "port": port, "unit_id": unit_id }))
        }
        Link::Opcua { endpoint } => {
            let url = format!("opc.tcp://{}/", SocketAddr::new(ports.host, port(endpoint)?));
            // Nothing is secured on a line that never leaves this machine.
            ("opcua", json!({ "endpoint_url": url, "security_policy": "None", "allow_none": true }))
        }
        Link::Mqtt { token } => {
            ("mqtt", json!({ "via": "broker", "username": token, "payload": { "profile": "thingsboard" } }))
        }
    };
    Ok(Device {
        name: entry.name.clone(),
        driver: driver.into(),
        config,
        enabled: true,
        writes_enabled: false,
        limits: DeviceLimits::default(),
        source: None,
        added: None,
    })
}

/// The rule of one of an entry's points.
fn rule(entry: &RuleEntry, name: &str, points: &[ModelPoint]) -> Result<ModelRule, ManifestError> {
    let find = |asset: &str, property: &str| {
        let found = points.iter().position(|point| point.asset == asset && point.property == property);
        let (key, by) = (format!("{asset}.{property}"), entry.key.clone());
        found.ok_or(ManifestError::Missing { kind: "point", key, by })
    };
    let (asset, property) = name.split_once('.').unwrap_or((name, ""));
    let setpoint = entry.setpoint.as_ref().map(|other| find(asset, other)).transpose()?;
    let mut rule = serde_json::Value::Object(entry.rule.clone());
    rule["class"] = entry.key.clone().into();
    Ok(ModelRule { key: entry.key.clone(), point: find(asset, property)?, setpoint, rule })
}

fn asset_type(from: &Type) -> AssetType {
    let property = |p: &Property| PropertyType {
        key: p.key.clone(),
        name: p.name.clone(),
        value_type: p.kind.value_type(),
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
        value_type: if scaled { ValueType::F64 } else { row.value_type },
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
        address: row.address,
        asset: None,
        unit: row.unit.code.into(),
        period_ms: row.period_ms,
    }
}
