//! All rules of an organisation at once: who watches which point, what is remembered, what turned. Pure.

use sdk::LatestSample;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use types::{Document, ObjectId, PointId, Revision, Time};

use crate::evaluate::{Evaluator, Memory, Operand, Turn};

/// A rule with the points it watches on this node.
pub struct Watch {
    /// The rule.
    pub rule: ObjectId,
    /// Which version of it.
    pub revision: Revision,
    /// Its alarm latches.
    pub latching: bool,
    /// Its watched point.
    pub point: PointId,
    /// The point that gives its setpoint.
    pub setpoint: Option<PointId>,
    /// What it does with rows.
    pub evaluator: Evaluator,
    /// What it remembers.
    pub memory: Memory,
}

/// A rule's alarm turned.
#[derive(Debug, Clone, PartialEq)]
pub struct Turned {
    /// Whose.
    pub rule: ObjectId,
    /// Its alarm latches.
    pub latching: bool,
    /// How.
    pub turn: Turn,
    /// What the rule remembers right after: kept with the turn, so that a restart goes on from there.
    pub kept: Kept,
}

/// What a rule remembers, as it is stored under the rule's id. Of use to the same version of the rule only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The version of the rule.
    pub revision: Revision,
    /// What it remembers.
    pub memory: Memory,
}

impl Document for Kept {
    const COLLECTION: &'static str = "alarms_memory";
}

/// The rules, found by point. A row that no rule watches costs one look-up and allocates nothing.
#[derive(Default)]
pub struct Engine {
    watches: Vec<Watch>,
    by_point: HashMap<PointId, Vec<(u32, Operand)>>,
}

impl Engine {
    /// Of these rules.
    pub fn new(watches: Vec<Watch>) -> Engine {
        let mut by_point: HashMap<PointId, Vec<(u32, Operand)>> = HashMap::new();
        for (at, watch) in (0..).zip(&watches) {
            by_point.entry(watch.point).or_default().push((at, Operand::Measured));
            if let Some(setpoint) = watch.setpoint {
                by_point.entry(setpoint).or_default().push((at, Operand::Setpoint));
            }
        }
        Engine { watches, by_point }
    }

    /// The watched points, in order.
    pub fn points(&self) -> Vec<PointId> {
        let points: BTreeSet<PointId> = self.by_point.keys().copied().collect();
        points.into_iter().collect()
    }

    /// From when on rows of each point are needed so that none of its rules misses any.
    pub fn resume_from(&self) -> Vec<(PointId, Time)> {
        let from = |point: PointId| {
            let rules = self.by_point.get(&point).into_iter().flatten();
            rules.map(|(at, operand)| self.watches[*at as usize].memory.seen(*operand)).min()
        };
        self.points().into_iter().filter_map(|point| Some((point, from(point)?))).collect()
    }

    /// Takes rows in, in their order; what turned is appended to `turned`. Says how many times a rule was given a row
    /// that is older than one it had.
    pub fn rows(&mut self, rows: &[LatestSample], turned: &mut Vec<Turned>) -> u64 {
        let mut late = 0;
        for row in rows {
            for (at, operand) in self.by_point.get(&row.point).into_iter().flatten() {
                late += u64::from(!self.watches[*at as usize].row(*operand, row, turned));
            }
        }
        late
    }

    /// Time went on for everybody.
    pub fn tick(&mut self, to: Time, turned: &mut Vec<Turned>) {
        for watch in self.watches.iter_mut().filter(|watch| watch.memory.due().is_some_and(|due| due <= to)) {
            watch.meet(turned, |evaluator, memory, turns| evaluator.tick(memory, to, turns));
        }
    }

    /// Rules that remember something from later than `limit` saw a clock that was set back since: without this they would
    /// take every row as late until that time comes again. Whether there were any.
    pub fn set_back(&mut self, limit: Time, now: Time) -> bool {
        let ahead = self.watches.iter_mut().filter(|watch| watch.memory.latest() > limit);
        ahead.map(|watch| watch.memory.set_back(now)).count() > 0
    }

    /// What every rule remembers.
    pub fn kept(&self) -> impl Iterator<Item = (ObjectId, Kept)> {
        self.watches
            .iter()
            .map(|watch| (watch.rule, Kept { revision: watch.revision, memory: watch.memory.clone() }))
    }

    /// The rules, with what they remember.
    pub fn into_watches(self) -> Vec<Watch> {
        self.watches
    }
}

impl Watch {
    /// Takes one row in. `false`, and nothing changed, when it is older than one already taken.
    pub fn row(&mut self, operand: Operand, row: &LatestSample, turned: &mut Vec<Turned>) -> bool {
        self.meet(turned, |evaluator, memory, turns| evaluator.row(memory, operand, row, turns))
    }

    /// Lets the evaluator work on the memory and keeps what turns.
    fn meet<T>(
        &mut self,
        turned: &mut Vec<Turned>,
        work: impl FnOnce(&Evaluator, &mut Memory, &mut dyn FnMut(Turn, &Memory)) -> T,
    ) -> T {
        let Watch { rule, revision, latching, evaluator, memory, .. } = self;
        work(evaluator, memory, &mut |turn, memory| {
            let kept = Kept { revision: *revision, memory: memory.clone() };
            turned.push(Turned { rule: *rule, latching: *latching, turn, kept });
        })
    }
}
