//! The journal: one entry for everything that happened to an alarm, never changed afterwards. An entry is also what the
//! event of the same name carries. Pure.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Document, Fault, Index, IndexValue, Label, ObjectId, Quality, Time};

use crate::{rule::Priority, state::State};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The condition held for the on-delay.
    Raised,
    /// The condition was over for the off-delay.
    Cleared,
    /// Somebody took notice.
    Acknowledged,
    /// Somebody reset the latch.
    Unlatched,
    /// Put aside.
    Shelved,
    /// Brought back, or the time ran out.
    Unshelved,
    /// Suppressed by design.
    Suppressed,
    /// No longer suppressed by that.
    Unsuppressed,
    /// Taken out of service.
    Withdrawn,
    /// Back in service.
    Returned,
    /// Somebody said something.
    Commented,
}

impl What {
    /// Everything there is.
    pub const ALL: [What; 11] = [
        What::Raised,
        What::Cleared,
        What::Acknowledged,
        What::Unlatched,
        What::Shelved,
        What::Unshelved,
        What::Suppressed,
        What::Unsuppressed,
        What::Withdrawn,
        What::Returned,
        What::Commented,
    ];

    /// The event that goes out with the entry.
    pub const fn event(self) -> &'static str {
        match self {
            What::Raised => "alarms.raised.v1",
            What::Cleared => "alarms.cleared.v1",
            What::Acknowledged => "alarms.acknowledged.v1",
            What::Unlatched => "alarms.unlatched.v1",
            What::Shelved => "alarms.shelved.v1",
            What::Unshelved => "alarms.unshelved.v1",
            What::Suppressed => "alarms.suppressed.v1",
            What::Unsuppressed => "alarms.unsuppressed.v1",
            What::Withdrawn => "alarms.withdrawn.v1",
            What::Returned => "alarms.returned.v1",
            What::Commented => "alarms.commented.v1",
        }
    }
}

/// One thing that happened to one alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which alarm; its rule has the same id.
    pub alarm: ObjectId,
    /// The watched point.
    pub point: ObjectId,
    /// The point's place or machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<ObjectId>,
    /// When it was true: event time for what the process did, the clock for what people did.
    pub at: Time,
    /// What.
    pub what: What,
    /// Who: a user, or this app.
    pub by: String,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// How urgent, then.
    pub priority: Priority,
    /// What the operator read, then.
    pub message: Label,
    /// The value that did it, as the API writes values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// That value's quality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// UCUM code of the value.
    pub unit: String,
    /// Why; or the comment, or what suppresses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The end of a shelf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl Entry {
    /// Characters of a reason or a comment.
    pub const REASON_CHARS_MAX: usize = 500;
    /// How long entries are kept: two years.
    pub const KEPT: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

    pub(crate) const AT: &'static str = "at";
    pub(crate) const ALARM: &'static str = "alarm";
    pub(crate) const POINT: &'static str = "point";
    pub(crate) const ASSET: &'static str = "asset";

    /// A reason or comment that somebody wrote, trimmed.
    ///
    /// # Errors
    /// Empty, or longer than [`Entry::REASON_CHARS_MAX`].
    pub fn checked_reason(text: &str) -> Result<&str, Fault> {
        let text = text.trim();
        let limit = Entry::REASON_CHARS_MAX;
        if text.is_empty() || text.chars().count() > limit {
            let detail =
                format!("a reason has 1 to {limit} characters: say why, so that the next shift knows");
            return Err(Fault::new("alarms.reason", detail).arg("limit", limit).at("/reason"));
        }
        Ok(text)
    }
}

impl Document for Entry {
    const COLLECTION: &'static str = "alarms_journal";
    const INDEXES: &'static [Index] =
        &[Index::on(Entry::AT), Index::on(Entry::ALARM), Index::on(Entry::POINT), Index::on(Entry::ASSET)];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        vec![
            Some(IndexValue::Time(self.at)),
            Some(IndexValue::Id(self.alarm)),
            Some(IndexValue::Id(self.point)),
            self.asset.map(IndexValue::Id),
        ]
    }
}
