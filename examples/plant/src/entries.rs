//! How `data/*.toml` is written: one struct for each kind of entry.

use std::collections::BTreeMap;

use serde::Deserialize;
use types::{Label, NodeKind, ValueType, Zone};

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

impl Kind {
    /// The type of its values where no register says otherwise.
    pub(crate) const fn value_type(self) -> ValueType {
        match self {
            Kind::Number => ValueType::F64,
            Kind::Count | Kind::State => ValueType::U64,
            Kind::Switch => ValueType::Bool,
            Kind::Text => ValueType::String,
        }
    }
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

/// An asset type.
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
pub(crate) struct MapRow {
    pub(crate) property: String,
    pub(crate) at: String,
    /// The device's own asset when left out.
    pub(crate) asset: Option<String>,
    /// The property's when left out.
    pub(crate) unit: Option<String>,
    pub(crate) gain: Option<f64>,
    #[serde(default = "second")]
    pub(crate) period_ms: u32,
}

/// A point's period where nothing is said.
pub(crate) fn second() -> u32 {
    1_000
}

/// A register map.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Map {
    pub(crate) key: String,
    /// Order of numbers wider than a register, where a row does not say.
    #[serde(default = "high_word_first")]
    pub(crate) order: String,
    /// Addresses that the device refuses, between those it knows.
    #[serde(default)]
    pub(crate) holes: Vec<String>,
    pub(crate) rows: Vec<MapRow>,
}

fn high_word_first() -> String {
    "abcd".into()
}

/// How a device is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "protocol", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Link {
    /// A unit at an endpoint; `map` says what is in which register. Devices of one endpoint share a TCP port, as behind
    /// a gateway.
    Modbus { endpoint: String, unit_id: u8, map: String },
    /// An OPC UA server of its own that shows all properties of its machine.
    Opcua { endpoint: String },
    /// A client of the node's own broker that publishes all properties of its machine, known by an access token.
    Mqtt { token: String },
}

/// Something that speaks a protocol.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceEntry {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) asset: String,
    pub(crate) link: Link,
    /// Nobody has entered it into the plant model: it knocks, and waits for a person.
    #[serde(default)]
    pub(crate) stranger: bool,
}

impl DeviceEntry {
    /// The network that it goes away with: those behind one port go together.
    pub(crate) fn network(&self) -> &str {
        match &self.link {
            Link::Modbus { endpoint, .. } | Link::Opcua { endpoint } => endpoint,
            Link::Mqtt { .. } => &self.key,
        }
    }

    /// The port that it listens at; `None` for one that connects by itself.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        match &self.link {
            Link::Modbus { endpoint, .. } | Link::Opcua { endpoint } => Some(endpoint),
            Link::Mqtt { .. } => None,
        }
    }
}

/// One rule for each of some points: what the alarm app takes, with points by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleEntry {
    /// Name of the rule; the alarm's class.
    pub(crate) key: String,
    /// `asset.property`, one rule each.
    pub(crate) points: Vec<String>,
    /// A property of the same machine that the value is compared with.
    pub(crate) setpoint: Option<String>,
    /// The rest, as the app's API takes it.
    pub(crate) rule: serde_json::Map<String, serde_json::Value>,
}

/// One file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) places: Vec<Place>,
    pub(crate) types: Vec<Type>,
    pub(crate) maps: Vec<Map>,
    pub(crate) devices: Vec<DeviceEntry>,
    pub(crate) rules: Vec<RuleEntry>,
}
