//! Plant nouns: what stands where, what speaks which protocol, which numbers it gives.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{Document, Index, IndexValue, ObjectId, PointId, SourceId, Time, ValueType, WritePolicy, Zone};

/// A name in one or both languages. `zh` falls back to `en` and the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Chinese.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zh: String,
    /// English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub en: String,
}

impl Label {
    /// One text for both languages.
    pub fn plain(text: impl Into<String>) -> Label {
        Label { zh: String::new(), en: text.into() }
    }
    /// Both languages.
    pub fn both(zh: impl Into<String>, en: impl Into<String>) -> Label {
        Label { zh: zh.into(), en: en.into() }
    }
    /// Nothing in either language.
    pub fn is_empty(&self) -> bool {
        self.zh.is_empty() && self.en.is_empty()
    }
    /// The English text, else the Chinese one.
    pub fn en(&self) -> &str {
        if self.en.is_empty() { &self.zh } else { &self.en }
    }
}

/// What a place in the tree is (IEC 62264-1, GB/T 20720.1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// 厂区: has a time zone.
    Site,
    /// 车间.
    Area,
    /// 产线.
    Line,
    /// 工位.
    Station,
    /// 设备: has a type, points and history.
    Asset,
}

/// What an [`ObjectId`] may name in the plant model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum ObjectKind {
    Asset,
    AssetType,
    Device,
    Point,
}

/// A place or a machine in the plant tree. Places and machines are one type: both have a parent, a name and points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Site, area, line, station or asset.
    pub kind: NodeKind,
    /// Shown name; unique among its siblings.
    pub name: Label,
    /// Above it in the tree; `None` for a site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ObjectId>,
    /// Its asset type (物模型), for assets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_type: Option<ObjectId>,
    /// IANA zone, for sites; everything below uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Anything else a person wants to note: maker, serial number, rated power.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
}

impl Document for Asset {
    const COLLECTION: &'static str = "assets";
    const INDEXES: &'static [Index] = &[Index::on("parent"), Index::on("asset_type")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![self.parent.map(IndexValue::Id), self.asset_type.map(IndexValue::Id)]
    }
}

/// An asset type (物模型): what every asset of this kind has, can do and reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetType {
    /// Stable key such as `screw-compressor`; unique in the organisation.
    pub key: String,
    /// Shown name.
    pub name: Label,
    /// Values it has.
    #[serde(default)]
    pub properties: Vec<PropertyType>,
    /// What it can be told to do.
    #[serde(default)]
    pub functions: Vec<FunctionType>,
    /// What it may report.
    #[serde(default)]
    pub events: Vec<EventType>,
}

impl Document for AssetType {
    const COLLECTION: &'static str = "asset_types";
    const INDEXES: &'static [Index] = &[Index::unique("key")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Text(self.key.clone()))]
    }
}

/// One property of an asset type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertyType {
    /// Identifier within the type, such as `discharge_pressure`.
    pub key: String,
    /// Shown name.
    pub name: Label,
    /// Type of its values.
    pub value_type: ValueType,
    /// UCUM code.
    #[serde(default = "no_unit")]
    pub unit: String,
    /// Usual range, for display and plausibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Names of the values of a state, such as `0: stopped`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<i64, Label>,
    /// May be set by command.
    #[serde(default)]
    pub writable: bool,
}

/// One function (service) of an asset type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionType {
    /// Identifier within the type.
    pub key: String,
    /// Shown name.
    pub name: Label,
    /// What it takes.
    #[serde(default)]
    pub inputs: Vec<Parameter>,
    /// What it gives.
    #[serde(default)]
    pub outputs: Vec<Parameter>,
}

/// One event of an asset type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventType {
    /// Identifier within the type.
    pub key: String,
    /// Shown name.
    pub name: Label,
    /// `info`, `alert` or `error`, as TSL has it.
    pub level: String,
    /// What it carries.
    #[serde(default)]
    pub outputs: Vec<Parameter>,
}

/// A typed parameter of a function or event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Identifier.
    pub key: String,
    /// Shown name.
    pub name: Label,
    /// Type.
    pub value_type: ValueType,
    /// UCUM code.
    #[serde(default = "no_unit")]
    pub unit: String,
}

fn no_unit() -> String {
    "1".into()
}

/// Caps that a single device asks for; unset ones are the driver's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceLimits {
    /// Most writes a minute over all points; protects the device.
    pub writes_per_minute: Option<u32>,
}

/// Something that speaks a protocol (接入设备).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Shown name; unique in the organisation.
    pub name: String,
    /// Driver id, such as `modbus`.
    pub driver: String,
    /// The driver's own configuration, checked by the driver.
    #[schema(value_type = Object)]
    pub config: serde_json::Value,
    /// Polled at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Writes allowed (下发). Off until an engineer enables it.
    #[serde(default)]
    pub writes_enabled: bool,
    /// Device-wide caps.
    #[serde(default)]
    pub limits: DeviceLimits,
    /// Names its batches in the historian. Given by the plant model; what a caller writes here is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub source: Option<SourceId>,
    /// When it was added. Given by the plant model; what a caller writes here is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub added: Option<Time>,
}

impl Document for Device {
    const COLLECTION: &'static str = "devices";
    const INDEXES: &'static [Index] = &[Index::unique("name"), Index::on("driver")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Text(self.name.clone())), Some(IndexValue::Text(self.driver.clone()))]
    }
}

fn yes() -> bool {
    true
}

/// `shown = raw * gain + offset`, worked out in f64 and given as f64; without it a value keeps its native type.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Shown units per raw unit; never 0.
    pub gain: f64,
    /// In shown units.
    #[serde(default)]
    pub offset: f64,
}

/// A point (测点): one number, state or text that has a history. Kept in a compact catalogue, not as a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Key within its device, such as `discharge_pressure`; unique there; letters of any script, digits, `_ - .`.
    pub name: String,
    /// Shown name; `name` when empty.
    #[serde(default, skip_serializing_if = "Label::is_empty")]
    pub label: Label,
    /// The device it is read from; `None` for points that are written by API or computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<ObjectId>,
    /// Where in the device, in the driver's own notation, such as `40001 float32 cdab`; empty without a device.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The place or machine it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<ObjectId>,
    /// Type of its stored values; `f64` whenever `scaling` is set.
    pub value_type: ValueType,
    /// UCUM code, `1` without a unit.
    #[serde(default = "no_unit")]
    pub unit: String,
    /// How raw becomes shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// Usual range in shown units, for display and plausibility; values outside are kept as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Names of the values of a state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<i64, Label>,
    /// How often it is read, in ms.
    #[serde(default = "second")]
    pub period_ms: u32,
    /// Whether and how it may be written. Off until an engineer enables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WritePolicy>,
}

fn second() -> u32 {
    1_000
}

impl Point {
    /// The shortest polling period.
    pub const PERIOD_MS_MIN: u32 = 10;
    /// The longest polling period: one day.
    pub const PERIOD_MS_MAX: u32 = 86_400_000;
}

/// A point as the catalogue gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct CataloguedPoint {
    /// Its number on this node.
    pub id: PointId,
    /// Its name everywhere.
    pub object: ObjectId,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// What it is.
    pub point: Point,
}
