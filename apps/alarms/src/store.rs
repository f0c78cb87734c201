//! Everything this app keeps: rules, alarms, what rules remember, the journal, and a pulse that beats with every change.
//! The only place that touches storage. A change and its events are one transaction; every list has a bound.

use sdk::{Ids, Records};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use types::{
    Change, Cursor, Direction, Document, EventDraft, Expected, Fault, Filter, IndexValue, ObjectId, Page,
    Query, Revision, Stored, Time, codes,
};

use crate::{
    alarm::{Act, Alarm, Note},
    journal::Entry,
    rule::Priority,
    state::{Refusal, State},
};

mod evaluation;
mod rules;

pub use evaluation::{
    PASS_MAX, Placed, Progress, TURNS_MAX, end_shelves, keep, mark_unwatched, place, progress, prune, record,
    tell_progress,
};
pub use rules::{
    RULE_CHANGED, RULE_REMOVED, create_rule, remove_rule, replace_rule, rule, rules, rules_revision,
};

/// Alarms that one request may act on.
pub const ACTS_MAX: usize = 1_000;
/// How often an act that met another one is tried again.
const TRIES_MAX: usize = 5;
/// Alarms that are counted; beyond, a count says that there are more.
pub const COUNTED_MAX: usize = 10_000;

/// Beats with every change of an alarm: its revision tells whether anything is new, at the price of one small read.
#[derive(Serialize, Deserialize)]
struct Pulse {}

impl Document for Pulse {
    const COLLECTION: &'static str = "alarms_pulse";
}

/// Beats with every change of a rule or an alarm.
const PULSE: ObjectId = ObjectId::from_bytes([0; 16]);

/// Changes on their way into one transaction.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    events: Vec<EventDraft>,
}

impl Batch {
    fn put<T: Document>(&mut self, id: ObjectId, expected: Expected, body: &T) -> Result<(), Fault> {
        self.changes.push(Change::put(id, expected, body).map_err(unwritable)?);
        Ok(())
    }
    fn event(&mut self, name: &'static str, object: ObjectId, payload: &impl Serialize) -> Result<(), Fault> {
        let payload = serde_json::to_value(payload).map_err(unwritable)?;
        self.events.push(EventDraft { name, object, payload });
        Ok(())
    }
    /// Into the journal, and out as an event.
    fn journal(&mut self, ids: &Ids, entry: &Entry) -> Result<(), Fault> {
        self.put(ids.born(), Expected::Absent, entry)?;
        self.event(entry.what.event(), entry.alarm, entry)
    }
    async fn commit(mut self, records: &Records) -> Result<(), Fault> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.put(PULSE, Expected::Any, &Pulse {})?;
        records.commit(self.changes, self.events).await
    }
}

fn unwritable(error: serde_json::Error) -> Fault {
    Fault::new(codes::INTERNAL, format!("a document cannot be written: {error}; see the log"))
}

/// Counts the changes of rules and alarms; 0 before the first.
pub async fn pulse(records: &Records) -> Result<Revision, Fault> {
    Ok(records.get::<Pulse>(PULSE).await?.map_or(0, |stored| stored.revision))
}

/// One alarm.
pub async fn alarm(records: &Records, id: ObjectId) -> Result<Stored<Alarm>, Fault> {
    records.get(id).await?.ok_or_else(|| absent("alarm"))
}

fn absent(what: &str) -> Fault {
    Fault::new(
        codes::NOT_FOUND,
        format!("there is no such {what}: it may have been removed; reload the list"),
    )
}

/// Every document of a collection.
pub async fn all<T: Document>(records: &Records) -> Result<Vec<Stored<T>>, Fault> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = records.list(Query { after, limit: Query::LIMIT_MAX, ..Query::default() }).await?;
        found.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Which alarms a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// B to F, the most urgent first.
    Shown,
    /// G, H and I, the longest hidden first.
    Hidden,
    /// Every one, oldest first.
    All,
}

/// What narrows a list of alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Narrowed {
    /// In this state.
    pub state: Option<State>,
    /// Of this priority.
    pub priority: Option<Priority>,
    /// Of this place or machine.
    pub asset: Option<ObjectId>,
    /// Of this point.
    pub point: Option<ObjectId>,
}

/// A page of alarms.
pub async fn alarms(
    records: &Records,
    listed: Listed,
    narrowed: Narrowed,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<Stored<Alarm>>, Fault> {
    let Narrowed { state, priority, asset, point } = narrowed;
    let filters = [
        (Alarm::STATE, state.map(|state| IndexValue::Text(state.name().into()))),
        (Alarm::PRIORITY, priority.map(|priority| IndexValue::Int(priority.number().into()))),
        (Alarm::ASSET, asset.map(IndexValue::Id)),
        (Alarm::POINT, point.map(IndexValue::Id)),
    ];
    let filters =
        filters.into_iter().filter_map(|(index, value)| Some(Filter::Equal(index, value?))).collect();
    let order = match listed {
        Listed::Shown => Some((Alarm::URGENCY, Direction::Ascending)),
        Listed::Hidden => Some((Alarm::HIDDEN, Direction::Ascending)),
        Listed::All => None,
    };
    records.list(Query { filters, order, after, limit }).await
}

/// How many alarms there are, by state and priority.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct Counts {
    /// Of those on the list: how many of each priority, the most urgent first.
    pub by_priority: [u64; 4],
    /// Of those: how many wait for an acknowledgement, by priority.
    pub unacknowledged: [u64; 4],
    /// By state; states without an alarm are left out, normal ones are not counted.
    #[schema(value_type = Object)]
    pub by_state: BTreeMap<State, u64>,
    /// There are more than were counted.
    pub more: bool,
}

/// Counts what is shown and what is hidden.
pub async fn counts(records: &Records) -> Result<Counts, Fault> {
    let mut counts = Counts::default();
    for listed in [Listed::Shown, Listed::Hidden] {
        let (mut after, mut counted) = (None, 0);
        loop {
            let page = alarms(records, listed, Narrowed::default(), after, Query::LIMIT_MAX).await?;
            counted += page.items.len();
            for Stored { body, .. } in page.items {
                *counts.by_state.entry(body.state).or_default() += 1;
                let of = usize::from(body.priority.number() - 1);
                counts.by_priority[of] += u64::from(listed == Listed::Shown);
                counts.unacknowledged[of] += u64::from(listed == Listed::Shown && !body.bits.acked);
            }
            match page.next {
                Some(_) if counted >= COUNTED_MAX => counts.more = true,
                Some(next) => {
                    after = Some(next);
                    continue;
                }
                None => {}
            }
            break;
        }
    }
    Ok(counts)
}

/// What narrows the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// Of one alarm.
    pub alarm: Option<ObjectId>,
    /// Of one point.
    pub point: Option<ObjectId>,
    /// Of one place or machine.
    pub asset: Option<ObjectId>,
    /// From then on.
    pub from: Option<Time>,
    /// Up to then, without it.
    pub to: Option<Time>,
}

/// A page of the journal, newest first.
pub async fn journal(
    records: &Records,
    period: Period,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<Stored<Entry>>, Fault> {
    let Period { alarm, point, asset, from, to } = period;
    let objects = [(Entry::ALARM, alarm), (Entry::POINT, point), (Entry::ASSET, asset)];
    let mut filters: Vec<Filter> = objects
        .into_iter()
        .filter_map(|(index, id)| Some(Filter::Equal(index, IndexValue::Id(id?))))
        .collect();
    if from.is_some() || to.is_some() {
        filters.push(Filter::Between(Entry::AT, from.map(IndexValue::Time), to.map(IndexValue::Time)));
    }
    records.list(Query { filters, order: Some((Entry::AT, Direction::Descending)), after, limit }).await
}

/// What became of an act on one alarm.
pub type Outcome = (ObjectId, Result<(), Fault>);

/// Does the same to several alarms, all that allow it in one transaction; the others say why not.
pub async fn act(records: &Records, ids: &Ids, on: &[ObjectId], act: Act<'_>) -> Result<Vec<Outcome>, Fault> {
    change(records, ids, on, |id, alarm| alarm.act(id, act)).await
}

/// A comment on one alarm.
pub async fn remark(records: &Records, ids: &Ids, id: ObjectId, note: &Note) -> Result<(), Fault> {
    let outcomes = change(records, ids, &[id], |id, alarm| Ok(alarm.remark(id, note.clone()))).await?;
    outcomes.into_iter().try_for_each(|(_, outcome)| outcome)
}

async fn change(
    records: &Records,
    ids: &Ids,
    on: &[ObjectId],
    apply: impl Fn(ObjectId, &mut Alarm) -> Result<Entry, Refusal>,
) -> Result<Vec<Outcome>, Fault> {
    let mut tries = 1;
    loop {
        let mut batch = Batch::default();
        let mut outcomes = Vec::with_capacity(on.len());
        for id in on {
            let outcome = match records.get::<Alarm>(*id).await? {
                None => Err(absent("alarm")),
                Some(mut stored) => match apply(*id, &mut stored.body) {
                    Err(refusal) => Err(refusal.fault()),
                    Ok(entry) => {
                        batch.put(*id, Expected::At(stored.revision), &stored.body)?;
                        batch.journal(ids, &entry)?;
                        Ok(())
                    }
                },
            };
            outcomes.push((*id, outcome));
        }
        match batch.commit(records).await {
            Ok(()) => return Ok(outcomes),
            // Somebody else was faster with one of them: look again.
            Err(fault) if fault.code == codes::CONFLICT && tries < TRIES_MAX => tries += 1,
            Err(fault) => return Err(fault),
        }
    }
}
