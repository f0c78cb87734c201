//! The alarm: the document that holds where one rule's alarm stands, and what an act does to it. Pure.

use serde::{Deserialize, Serialize};
use types::{Document, Fault, Index, IndexValue, Label, ObjectId, Quality, Time};

use crate::{
    condition::Reading,
    evaluate::Turn,
    journal::{Entry, What},
    rule::{Priority, Rule},
    state::{Bits, Refusal, State, Stimulus},
};

/// Who did something, when, and in which words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// A user or an app.
    pub by: String,
    /// When.
    pub at: Time,
    /// The reason or the comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// One alarm; its id is that of its rule. It carries what lists and views show of rule and point, so that reading a
/// list asks nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// The watched point.
    pub point: ObjectId,
    /// The point's place or machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<ObjectId>,
    /// UCUM code of its values.
    pub unit: String,
    /// How urgent.
    pub priority: Priority,
    /// What the operator reads.
    pub message: Label,
    /// A group that is handled alike.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// Where it stands: derived from `bits`, kept for lists and views.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// What the state depends on.
    pub bits: Bits,
    /// When it was last raised, in event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<Time>,
    /// When it last cleared, in event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<Time>,
    /// The value that raised it, as the API writes values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// That value's quality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// How often it was raised.
    pub raises: u64,
    /// The acknowledgement of the last raise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Note>,
    /// Who hid it, and why: the shelf, else the permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Note>,
    /// The last comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Note>,
    /// Why its rule is not evaluated, while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched: Option<Fault>,
}

/// What somebody does to an alarm, in words and with its stimulus.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// What it is.
    pub stimulus: Stimulus<'a>,
    /// Who does it.
    pub by: &'a str,
    /// When.
    pub at: Time,
    /// Why; empty where nobody has to say.
    pub reason: &'a str,
}

impl Alarm {
    pub(crate) const STATE: &'static str = "state";
    pub(crate) const PRIORITY: &'static str = "priority";
    pub(crate) const ASSET: &'static str = "asset";
    pub(crate) const POINT: &'static str = "point";
    pub(crate) const SHOWN: &'static str = "shown";
    pub(crate) const URGENCY: &'static str = "urgency";
    pub(crate) const HIDDEN: &'static str = "hidden";
    pub(crate) const SHELF_END: &'static str = "shelf_end";
    pub(crate) const UNWATCHED: &'static str = "unwatched";

    /// The alarm of a new rule.
    pub fn new(rule: &Rule, asset: Option<ObjectId>, unit: &str, at: Time) -> Alarm {
        let bits = Bits::default();
        Alarm {
            point: rule.point,
            asset,
            unit: unit.to_string(),
            priority: rule.priority,
            message: rule.message.clone(),
            class: rule.class.clone(),
            state: bits.state(),
            since: at,
            bits,
            raised: None,
            cleared: None,
            value: None,
            quality: None,
            raises: 0,
            acknowledged: None,
            hidden: None,
            comment: None,
            unwatched: None,
        }
    }

    /// Its rule was changed: the state stays, what is shown of the rule is new.
    pub fn describe(&mut self, rule: &Rule, asset: Option<ObjectId>, unit: &str) {
        self.unwatched = None;
        (self.point, self.asset, self.unit) = (rule.point, asset, unit.to_string());
        (self.priority, self.message, self.class) = (rule.priority, rule.message.clone(), rule.class.clone());
    }

    /// The rule's condition turned.
    ///
    /// # Errors
    /// The alarm stands so already: the turn was taken before.
    pub fn turn(&mut self, id: ObjectId, turn: &Turn, latching: bool, by: &str) -> Result<Entry, Refusal> {
        let stimulus = if turn.raised { Stimulus::Raise { latching } } else { Stimulus::Clear };
        let before = self.state;
        self.bits = self.bits.after(stimulus, turn.at)?;
        if turn.raised {
            self.raised = Some(turn.at);
            (self.cleared, self.acknowledged) = (None, None);
            self.value = turn.reading.as_ref().and_then(Reading::json);
            self.quality = turn.reading.as_ref().map(|reading| reading.quality);
            self.raises += 1;
        } else {
            self.cleared = Some(turn.at);
        }
        self.settle(turn.at);
        let what = if turn.raised { What::Raised } else { What::Cleared };
        let mut entry = self.entry(id, what, before, by, turn.at);
        entry.value = turn.reading.as_ref().and_then(Reading::json);
        entry.quality = turn.reading.as_ref().map(|reading| reading.quality);
        Ok(entry)
    }

    /// Somebody does something to it.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn act(&mut self, id: ObjectId, act: Act<'_>) -> Result<Entry, Refusal> {
        let before = self.state;
        self.bits = self.bits.after(act.stimulus, act.at)?;
        self.settle(act.at);
        let note = || Some(Note { by: act.by.to_string(), at: act.at, text: act.reason.to_string() });
        let what = match act.stimulus {
            Stimulus::Raise { .. } => What::Raised,
            Stimulus::Clear => What::Cleared,
            Stimulus::Acknowledge => {
                self.acknowledged = note();
                What::Acknowledged
            }
            Stimulus::Reset => What::Unlatched,
            Stimulus::Shelve { .. } => What::Shelved,
            Stimulus::Unshelve | Stimulus::ShelfExpired => What::Unshelved,
            Stimulus::Suppress { .. } => What::Suppressed,
            Stimulus::Unsuppress { .. } => What::Unsuppressed,
            Stimulus::TakeOutOfService => What::Withdrawn,
            Stimulus::ReturnToService => What::Returned,
        };
        if matches!(what, What::Shelved | What::Suppressed | What::Withdrawn) {
            self.hidden = note();
        } else if !self.state.is_hidden() {
            self.hidden = None;
        }
        let mut entry = self.entry(id, what, before, act.by, act.at);
        entry.reason = act.reason.to_string();
        if let Stimulus::Shelve { until } = act.stimulus {
            entry.until = Some(until);
        }
        Ok(entry)
    }

    /// Somebody says something about it.
    pub fn remark(&mut self, id: ObjectId, note: Note) -> Entry {
        let mut entry = self.entry(id, What::Commented, self.state, &note.by, note.at);
        entry.reason = note.text.clone();
        self.comment = Some(note);
        entry
    }

    /// Its place on the operator's list: unacknowledged first, then by priority, then the newest.
    fn urgency(&self) -> i64 {
        const MS_BITS: u32 = 50;
        let newest_first = (1 << MS_BITS) - 1 - self.raised.unwrap_or(self.since).unix_ms().max(0);
        (i64::from(self.bits.acked) * 8 + i64::from(self.priority.number())) << MS_BITS | newest_first
    }

    fn settle(&mut self, at: Time) {
        let state = self.bits.state();
        if state != self.state {
            (self.state, self.since) = (state, at);
        }
    }

    fn entry(&self, id: ObjectId, what: What, before: State, by: &str, at: Time) -> Entry {
        Entry {
            alarm: id,
            point: self.point,
            asset: self.asset,
            at,
            what,
            by: by.to_string(),
            from: before,
            to: self.state,
            priority: self.priority,
            message: self.message.clone(),
            value: None,
            quality: None,
            unit: self.unit.clone(),
            reason: String::new(),
            until: None,
        }
    }
}

impl Reading {
    /// The value as the API writes values.
    fn json(&self) -> Option<serde_json::Value> {
        self.value.as_ref().map(types::Value::to_json)
    }
}

impl Document for Alarm {
    const COLLECTION: &'static str = "alarms";
    const INDEXES: &'static [Index] = &[
        Index::on(Alarm::STATE),
        Index::on(Alarm::PRIORITY),
        Index::on(Alarm::ASSET),
        Index::on(Alarm::POINT),
        Index::on(Alarm::SHOWN),
        Index::on(Alarm::URGENCY),
        Index::on(Alarm::HIDDEN),
        Index::on(Alarm::SHELF_END),
        Index::on(Alarm::UNWATCHED),
    ];
    fn index_values(&self) -> Vec<Option<IndexValue>> {
        let shown = self.state.is_shown();
        vec![
            Some(IndexValue::Text(self.state.name().into())),
            Some(IndexValue::Int(self.priority.number().into())),
            self.asset.map(IndexValue::Id),
            Some(IndexValue::Id(self.point)),
            Some(IndexValue::Int(shown.into())),
            shown.then(|| IndexValue::Int(self.urgency())),
            self.state.is_hidden().then_some(IndexValue::Time(self.since)),
            self.bits.shelved_until.map(IndexValue::Time),
            self.unwatched.as_ref().map(|_| IndexValue::Int(1)),
        ]
    }
}
