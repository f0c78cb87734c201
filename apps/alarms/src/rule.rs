//! The alarm rule: which point, which condition, how long, how urgent, and why it deserves to be an alarm. Pure.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Document, Index, IndexValue, Label, ObjectId};

/// How urgent it is to respond. The number is shown beside colour and shape.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// 1 紧急.
    Critical,
    /// 2 高.
    High,
    /// 3 中.
    Medium,
    /// 4 低.
    Low,
}

impl Priority {
    /// Most urgent first.
    pub const ALL: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Medium, Priority::Low];

    /// 1 to 4.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// Which of the four limits of a point. Each is an alarm of its own: it has its own response, and so its own rule.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Far too low.
    Lolo,
    /// Too low.
    Lo,
    /// Too high.
    Hi,
    /// Far too high.
    Hihi,
}

impl Level {
    /// Raised above its limit, and not below.
    pub const fn is_high(self) -> bool {
        matches!(self, Level::Hi | Level::Hihi)
    }
}

/// Which way a difference counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Upwards only.
    Above,
    /// Downwards only.
    Below,
    /// Both ways.
    #[default]
    Either,
}

/// What a deviation is measured from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Setpoint {
    /// A fixed value, in the rule's unit.
    Value(f64),
    /// The newest value of another point.
    Point(ObjectId),
}

/// The time base of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
}

impl Per {
    /// In seconds.
    pub const fn seconds(self) -> f64 {
        match self {
            Per::Second => 1.0,
            Per::Minute => 60.0,
        }
    }
}

/// A value of a state, a switch or a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Named {
    /// A switch.
    Switch(bool),
    /// A state by its number.
    State(i64),
    /// A text.
    Text(String),
}

/// When the rule raises. Figures are in the rule's unit. Comparisons are strict, so a value on its limit is still fine;
/// the alarm clears once the value is back by more than nothing, or by the deadband.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Condition {
    /// The value is beyond a limit.
    Limit {
        /// Which limit.
        level: Level,
        /// The limit.
        limit: f64,
        /// How far it must come back to clear.
        #[serde(default)]
        deadband: f64,
    },
    /// The value is too far from where it should be.
    Deviation {
        /// Where it should be.
        setpoint: Setpoint,
        /// Which way.
        #[serde(default)]
        side: Side,
        /// How far is too far; positive.
        limit: f64,
        /// How far it must come back to clear.
        #[serde(default)]
        deadband: f64,
    },
    /// The value changes too fast.
    Rate {
        /// Which way.
        #[serde(default)]
        side: Side,
        /// How fast is too fast; positive, in the rule's unit a second or minute.
        limit: f64,
        /// A second or a minute.
        per: Per,
        /// How far the rate must come back to clear.
        #[serde(default)]
        deadband: f64,
        /// The rate is taken over at least this time; 0 from row to row. Longer is calmer.
        #[serde(default)]
        over_ms: u64,
    },
    /// The value is one of these, or none of them.
    Discrete {
        /// The values.
        values: Vec<Named>,
        /// Raised by any other value instead.
        #[serde(default)]
        others: bool,
    },
    /// No good value came for so long.
    Stale {
        /// How long.
        after_ms: u64,
    },
}

/// What a Bad quality means for a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBad {
    /// Nothing is known, so nothing changes; a delay that runs starts again with the next value.
    #[default]
    Hold,
    /// Not knowing is as bad as the condition.
    Raise,
}

/// Why the alarm exists, after the rationalisation of ISA-18.2. All of it may be filled in later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rationale {
    /// What usually brings it about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// What happens when nobody responds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consequence: String,
    /// What the operator does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub response: String,
    /// How long that may take, in s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_respond_s: Option<u32>,
    /// Who answers for the rule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

/// One rule: one alarm of one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The watched point.
    pub point: ObjectId,
    /// When it raises.
    pub condition: Condition,
    /// UCUM code of the figures; empty for the point's own. Kept with the rule, so that another unit of the point
    /// changes no limit.
    #[serde(default)]
    pub unit: String,
    /// The condition must hold so long, in event time, before the alarm is raised.
    #[serde(default)]
    pub on_delay_ms: u64,
    /// The condition must be over so long before the alarm clears.
    #[serde(default)]
    pub off_delay_ms: u64,
    /// What a Bad quality means.
    #[serde(default)]
    pub on_bad: OnBad,
    /// How urgent.
    pub priority: Priority,
    /// It stays on the list after it cleared, until somebody resets it.
    #[serde(default)]
    pub latching: bool,
    /// What the operator reads.
    pub message: Label,
    /// A group that is handled alike, such as `safety`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// Why it is an alarm.
    #[serde(default)]
    pub rationale: Rationale,
}

impl Rule {
    /// Rules of one organisation.
    pub const COUNT_MAX: usize = 100_000;
    /// Rules of one point.
    pub const PER_POINT_MAX: usize = 16;
    /// The longest on- or off-delay, and the longest time of a rate: one day.
    pub const DELAY_MS_MAX: u64 = 86_400_000;
    /// The longest time without a good value: 30 days.
    pub const STALE_MS_MAX: u64 = 30 * 86_400_000;
    /// Values of a discrete condition.
    pub const VALUES_MAX: usize = 64;
    /// Characters of a message, a class or an owner.
    pub const LINE_CHARS_MAX: usize = 120;
    /// Characters of a cause, a consequence or a response.
    pub const TEXT_CHARS_MAX: usize = 2_000;

    pub(crate) const POINT: &'static str = "point";

    /// As a duration.
    pub const fn on_delay(&self) -> Duration {
        Duration::from_millis(self.on_delay_ms)
    }
    /// As a duration.
    pub const fn off_delay(&self) -> Duration {
        Duration::from_millis(self.off_delay_ms)
    }
    /// The other point it depends on.
    pub fn setpoint_point(&self) -> Option<ObjectId> {
        match self.condition {
            Condition::Deviation { setpoint: Setpoint::Point(point), .. } => Some(point),
            _ => None,
        }
    }
}

impl Document for Rule {
    const COLLECTION: &'static str = "alarms_rules";
    const INDEXES: &'static [Index] = &[Index::on(Rule::POINT)];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![Some(IndexValue::Id(self.point))]
    }
}
