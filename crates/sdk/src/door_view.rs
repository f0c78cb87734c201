//! A door as people see it: how it is set, how it is doing, who waits before it.

use serde::{Deserialize, Serialize};
use types::{Fault, Label, Time};

use crate::Waiting;

/// How a door is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorInput {
    /// Listens.
    pub enabled: bool,
    /// As the door's schema says.
    #[schema(value_type = Object)]
    pub config: serde_json::Value,
}

/// State of a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoorState {
    /// Switched off.
    Closed,
    /// Begins to listen.
    Opening,
    /// Listens.
    Open,
    /// Could not listen and tries again: see `fault` and `retry_at`.
    Waiting,
}

/// A door with all that is known of it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DoorView {
    /// The driver whose devices come through it.
    pub id: String,
    /// Shown name.
    pub name: Label,
    /// JSON schema of `config`.
    #[schema(value_type = Object)]
    pub config_schema: serde_json::Value,
    /// How it is set, or what a person starts from; secrets stay sealed.
    pub setting: DoorInput,
    /// How it is doing.
    pub state: DoorState,
    /// Since when.
    pub since: Time,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Next try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// Addresses it listens at.
    pub listening: Vec<String>,
    /// Counts by name, such as `clients`.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// How many wait to be claimed.
    pub arrivals: usize,
}

/// An unknown caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArrivalView {
    /// Names it.
    pub key: String,
    /// Where it came from.
    pub from: String,
    /// When it first knocked.
    pub first: Time,
    /// When it last knocked or sent something.
    pub last: Time,
    /// How often it knocked.
    pub knocks: u64,
    /// What it said of itself: name and text.
    pub facts: Vec<(String, String)>,
    /// A device with this configuration would be the caller's.
    #[schema(value_type = Object)]
    pub suggested_config: serde_json::Value,
    /// The newest things it sent, oldest first.
    pub heard: Vec<HeardView>,
}

/// Something an unknown caller sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HeardView {
    /// When.
    pub time: Time,
    /// Topic or other place.
    pub channel: String,
    /// As text, when it is UTF-8 without control characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// In hex, when it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl From<Waiting> for ArrivalView {
    fn from(waiting: Waiting) -> ArrivalView {
        let heard = waiting.heard.into_iter().map(|heard| {
            let text = std::str::from_utf8(&heard.payload).ok().map(str::to_string);
            let text = text.filter(|t| !t.contains(|c: char| c.is_control() && !"\r\n\t".contains(c)));
            let hex = || heard.payload.iter().map(|byte| format!("{byte:02x}")).collect();
            let hex = text.is_none().then(hex);
            HeardView { time: heard.time, channel: heard.channel, text, hex }
        });
        ArrivalView {
            key: waiting.arrival.key,
            from: waiting.arrival.from.to_string(),
            first: waiting.first,
            last: waiting.last,
            knocks: waiting.knocks,
            facts: waiting.arrival.facts,
            suggested_config: waiting.arrival.suggested_config,
            heard: heard.collect(),
        }
    }
}
