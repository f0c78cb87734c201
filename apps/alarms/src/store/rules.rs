//! Rules, each with its alarm.

use sdk::{Ids, Records};
use types::{
    Change, Cursor, Expected, Fault, Filter, IndexValue, ObjectId, Page, Query, Revision, Stored, Time,
};

use super::{Batch, Pulse, absent, alarm};
use crate::{alarm::Alarm, engine::Kept, evaluate::Turn, rule::Rule, state::Refusal};

/// A rule was made or changed.
pub const RULE_CHANGED: &str = "alarms.rule-changed.v1";
/// A rule was removed, and its alarm with it.
pub const RULE_REMOVED: &str = "alarms.rule-removed.v1";

/// Beats with every change of a rule.
const RULES_PULSE: ObjectId = ObjectId::from_bytes([1; 16]);

impl Batch {
    /// A change of a rule.
    fn rule_event(&mut self, name: &'static str, id: ObjectId, rule: &Rule) -> Result<(), Fault> {
        let Rule { point, priority, message, .. } = rule;
        self.put(RULES_PULSE, Expected::Any, &Pulse {})?;
        self.event(
            name,
            id,
            &serde_json::json!({ "rule": id, "point": point, "priority": priority, "message": message }),
        )
    }
}

/// Counts the changes of rules; 0 before the first.
pub async fn rules_revision(records: &Records) -> Result<Revision, Fault> {
    Ok(records.get::<Pulse>(RULES_PULSE).await?.map_or(0, |stored| stored.revision))
}

/// A rule with its alarm, made together.
pub async fn create_rule(records: &Records, id: ObjectId, rule: &Rule, alarm: &Alarm) -> Result<(), Fault> {
    let mut batch = Batch::default();
    batch.put(id, Expected::Absent, rule)?;
    batch.put(id, Expected::Absent, alarm)?;
    batch.rule_event(RULE_CHANGED, id, rule)?;
    batch.commit(records).await
}

/// The rule in a new version; `describe` brings its alarm up to date.
pub async fn replace_rule(
    records: &Records,
    id: ObjectId,
    expected: Expected,
    rule: &Rule,
    describe: impl FnOnce(&mut Alarm),
) -> Result<(), Fault> {
    let mut stored = alarm(records, id).await?;
    describe(&mut stored.body);
    let mut batch = Batch::default();
    batch.put(id, expected, rule)?;
    batch.put(id, Expected::At(stored.revision), &stored.body)?;
    batch.rule_event(RULE_CHANGED, id, rule)?;
    batch.commit(records).await
}

/// Removes a rule and its alarm; the journal stays. An active alarm clears first, so that nobody waits for it.
pub async fn remove_rule(
    records: &Records,
    ids: &Ids,
    id: ObjectId,
    by: &str,
    at: Time,
) -> Result<(), Fault> {
    let rule = rule(records, id).await?;
    let mut stored = alarm(records, id).await?;
    let mut batch = Batch::default();
    if stored.body.bits.active {
        let cleared = Turn { at, raised: false, reading: None };
        let entry = stored.body.turn(id, &cleared, false, by).map_err(Refusal::fault)?;
        batch.journal(ids, &entry)?;
    }
    batch.changes.push(Change::delete::<Rule>(id, Expected::At(rule.revision)));
    batch.changes.push(Change::delete::<Alarm>(id, Expected::At(stored.revision)));
    if records.get::<Kept>(id).await?.is_some() {
        batch.changes.push(Change::delete::<Kept>(id, Expected::Any));
    }
    batch.rule_event(RULE_REMOVED, id, &rule.body)?;
    batch.commit(records).await
}

/// One rule.
pub async fn rule(records: &Records, id: ObjectId) -> Result<Stored<Rule>, Fault> {
    records.get(id).await?.ok_or_else(|| absent("rule"))
}

/// A page of rules, oldest first; of one point when asked.
pub async fn rules(
    records: &Records,
    point: Option<ObjectId>,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<Stored<Rule>>, Fault> {
    let filters = point.map(|point| Filter::Equal(Rule::POINT, IndexValue::Id(point))).into_iter().collect();
    records.list(Query { filters, after, limit, ..Query::default() }).await
}
