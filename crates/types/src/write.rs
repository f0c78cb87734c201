//! The words of the write path (下发): nothing writes to a machine except through a [`Command`].

use serde::{Deserialize, Serialize};

use crate::{Document, Fault, Index, IndexValue, ObjectId, Time};

/// What may be written to a point once an engineer enabled it. Values are in shown units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WritePolicy {
    /// Smallest value; numbers only.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Largest change in one command; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Most commands a minute.
    #[serde(default = "per_minute")]
    pub per_minute: u32,
}

fn per_minute() -> u32 {
    WritePolicy::PER_MINUTE_DEFAULT
}

impl WritePolicy {
    /// Commands a minute when the engineer names no figure.
    pub const PER_MINUTE_DEFAULT: u32 = 6;
}

/// Why a command was not let through. Each has a message code.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum WriteRefusal {
    #[error("writing to machines is switched off (禁止下发): an administrator can allow it again")]
    Locked,
    #[error("writes are off for device {device}: an engineer can enable them on the device page")]
    DeviceReadOnly { device: String },
    #[error("writes are off for point {point}: an engineer can enable them on the point")]
    PointReadOnly { point: String },
    #[error(
        "{value} is outside {min} to {max}: choose a value in the range, or ask an engineer to change it"
    )]
    OutOfRange { value: f64, min: f64, max: f64 },
    #[error("a change of {change} is larger than the step of {step}: go there in smaller steps")]
    StepTooLarge { change: f64, step: f64 },
    #[error(
        "the current value is not known, so the step cannot be checked: wait until the point is good again"
    )]
    OldValueUnknown,
    #[error("{limit} commands a minute are allowed: wait {wait_s} s")]
    TooOften { limit: u32, wait_s: u64 },
    #[error("the command expired before it was confirmed: propose it again")]
    Expired,
    #[error("the command was already {}", .state.name())]
    NotProposed { state: CommandState },
    #[error("device {device} is not connected: a command is never kept for later")]
    NotConnected { device: String },
}

impl WriteRefusal {
    /// As a message by code.
    pub fn fault(&self) -> Fault {
        let detail = self.to_string();
        match self {
            WriteRefusal::Locked => Fault::new("write.locked", detail),
            WriteRefusal::DeviceReadOnly { device } => {
                Fault::new("write.device-read-only", detail).arg("device", device.as_str())
            }
            WriteRefusal::PointReadOnly { point } => {
                Fault::new("write.point-read-only", detail).arg("point", point.as_str())
            }
            WriteRefusal::OutOfRange { value, min, max } => Fault::new("write.out-of-range", detail)
                .arg("value", *value)
                .arg("min", *min)
                .arg("max", *max),
            WriteRefusal::StepTooLarge { change, step } => {
                Fault::new("write.step-too-large", detail).arg("change", *change).arg("step", *step)
            }
            WriteRefusal::OldValueUnknown => Fault::new("write.old-value-unknown", detail),
            WriteRefusal::TooOften { limit, wait_s } => {
                Fault::new("write.too-often", detail).arg("limit", *limit).arg("wait_s", *wait_s)
            }
            WriteRefusal::Expired => Fault::new("write.expired", detail),
            WriteRefusal::NotProposed { state } => {
                Fault::new("write.not-proposed", detail).arg("state", state.name())
            }
            WriteRefusal::NotConnected { device } => {
                Fault::new("write.not-connected", detail).arg("device", device.as_str())
            }
        }
    }
}

/// How far a command got. It only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Waits for its second step.
    Proposed,
    /// On its way to the device.
    Sent,
    /// The device took it and the value read back is the one asked for.
    Verified,
    /// The device took it, but what was read back differs or could not be read.
    Unverified,
    /// The device refused it or did not answer.
    Failed,
    /// Not confirmed in time; never sent.
    Expired,
    /// Not let through at the second step; never sent.
    Refused,
}

impl CommandState {
    /// As the API and the index write it.
    pub const fn name(self) -> &'static str {
        match self {
            CommandState::Proposed => "proposed",
            CommandState::Sent => "sent",
            CommandState::Verified => "verified",
            CommandState::Unverified => "unverified",
            CommandState::Failed => "failed",
            CommandState::Expired => "expired",
            CommandState::Refused => "refused",
        }
    }
}

/// One write to one point, from proposal to effect. Kept for good as the record of who did what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Command {
    /// Which point.
    pub point: ObjectId,
    /// The point's device.
    pub device: ObjectId,
    /// Who proposed it.
    pub by: String,
    /// When it was proposed.
    pub proposed: Time,
    /// After this it is void.
    pub expires: Time,
    /// The value before, as the API writes values; null when unknown.
    pub old: serde_json::Value,
    /// The value asked for.
    pub new: serde_json::Value,
    /// UCUM code of both.
    pub unit: String,
    /// How far it got.
    pub state: CommandState,
    /// When the last state was reached.
    pub changed: Time,
    /// What was read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back: Option<serde_json::Value>,
    /// Why it failed or was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl Document for Command {
    const COLLECTION: &'static str = "commands";
    const INDEXES: &'static [Index] = &[Index::on("point"), Index::on("proposed"), Index::on("state")];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        let state = IndexValue::Text(self.state.name().into());
        vec![Some(IndexValue::Id(self.point)), Some(IndexValue::Time(self.proposed)), Some(state)]
    }
}
