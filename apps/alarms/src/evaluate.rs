//! One rule against one point, row by row in event time: when the alarm is raised and when it clears. Pure.
//!
//! The same rows in the same order give the same turns at the same times, however they were cut into batches and
//! whenever the clock ticked in between. A turn has the time at which it became true (condition plus delay), not the
//! time at which a row or a tick revealed it. What is remembered of a rule has a fixed size.

use sdk::LatestSample;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::Time;

use crate::{
    condition::{Inputs, Reading, Test, Units, Verdict, figure},
    rule::{OnBad, Rule},
};

/// What a row is to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// A value of the watched point.
    Measured,
    /// A value of the point that gives the setpoint.
    Setpoint,
}

/// The alarm was raised, or cleared.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// When, in event time.
    pub at: Time,
    /// Raised, else cleared.
    pub raised: bool,
    /// The newest row of the watched point by then.
    pub reading: Option<Reading>,
}

/// What is remembered of a rule between rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Evaluated up to here; nothing of this rule happens earlier any more.
    pub at: Time,
    /// Raised and not cleared.
    pub active: bool,
    /// Whether the condition holds, leaving delays aside; `None` while it is not known.
    holds: Option<bool>,
    /// When `active` turns, unless the condition turns back before.
    due: Option<Time>,
    /// What the condition is judged from.
    inputs: Inputs,
    /// When the newest usable value came.
    good: Time,
}

impl Memory {
    /// The newest row of an operand; rows from there on are needed to go on.
    pub fn seen(&self, operand: Operand) -> Time {
        self.newest(operand).unwrap_or(self.at)
    }
    /// Whether a row of an operand was ever taken.
    pub fn knows(&self, operand: Operand) -> bool {
        self.newest(operand).is_some()
    }
    /// The latest time at which something that is remembered happened.
    pub fn latest(&self) -> Time {
        let rows =
            [Operand::Measured, Operand::Setpoint].into_iter().filter_map(|operand| self.newest(operand));
        rows.fold(self.at, Time::max)
    }
    /// The clock was set back: all that is remembered moves by one span, so that nothing of it is later than `now`.
    pub fn set_back(&mut self, now: Time) {
        let by = self.latest().since(now);
        let Inputs { reading, setpoint, anchor } = &mut self.inputs;
        let times = [Some(&mut self.at), Some(&mut self.good), self.due.as_mut()];
        let inputs = [
            reading.as_mut().map(|reading| &mut reading.time),
            setpoint.as_mut().map(|(time, _)| time),
            anchor.as_mut().map(|(time, _)| time),
        ];
        times.into_iter().chain(inputs).flatten().for_each(|time| *time = time.minus(by));
    }
    fn newest(&self, operand: Operand) -> Option<Time> {
        match operand {
            Operand::Measured => self.inputs.reading.as_ref().map(|reading| reading.time),
            Operand::Setpoint => self.inputs.setpoint.map(|(time, _)| time),
        }
    }
    /// When something happens by the clock alone, if no row comes before.
    pub const fn due(&self) -> Option<Time> {
        self.due
    }
}

/// A rule made ready to meet rows.
pub struct Evaluator {
    test: Test,
    on_delay: Duration,
    off_delay: Duration,
    on_bad: OnBad,
}

impl Evaluator {
    /// Of a checked rule; `None` when its units do not convert into each other.
    pub fn new(rule: &Rule, units: Units) -> Option<Evaluator> {
        let (on_delay, off_delay) = (rule.on_delay(), rule.off_delay());
        Some(Evaluator { test: Test::new(rule, units)?, on_delay, off_delay, on_bad: rule.on_bad })
    }

    /// What is remembered before the first row. `active`: the alarm is raised already, by an earlier version of the rule.
    pub fn begin(&self, at: Time, active: bool) -> Memory {
        let mut memory = Memory { at, active, holds: None, due: None, inputs: Inputs::default(), good: at };
        memory.due = self.stale_due(&memory);
        memory
    }

    /// Takes one row in. `false`, and nothing changed, when it is older than one already taken.
    pub fn row(
        &self,
        memory: &mut Memory,
        operand: Operand,
        row: &LatestSample,
        turns: &mut dyn FnMut(Turn, &Memory),
    ) -> bool {
        if memory.newest(operand).is_some_and(|newest| row.time < newest) {
            return false;
        }
        // It may be older than what the clock, or the other point, made happen: then it counts from there.
        let at = row.time.max(memory.at);
        self.advance(memory, at, turns);
        memory.at = at;
        let usable = row.value.as_ref().filter(|_| !row.quality.is_bad());
        match operand {
            Operand::Measured => {
                let (time, value, quality) = (row.time, row.value.clone(), row.quality);
                memory.inputs.reading = Some(Reading { time, value, quality });
            }
            Operand::Setpoint => memory.inputs.setpoint = Some((row.time, usable.and_then(figure))),
        }
        match &self.test {
            Test::Stale { .. } if usable.is_some() => self.freshen(memory, at),
            Test::Stale { .. } => {}
            test => {
                let verdict = test.judge(&mut memory.inputs, row.time, usable);
                self.take(memory, verdict, at);
            }
        }
        self.advance(memory, at, turns);
        true
    }

    /// Time went on: what fell due up to and at `to` happens at its own time.
    pub fn tick(&self, memory: &mut Memory, to: Time, turns: &mut dyn FnMut(Turn, &Memory)) {
        self.advance(memory, to, turns);
    }

    fn advance(&self, memory: &mut Memory, to: Time, turns: &mut dyn FnMut(Turn, &Memory)) {
        while let Some(due) = memory.due {
            if let Test::Stale { after } = self.test
                && memory.active
                && memory.good.plus(after) <= due.min(to)
            {
                // Stale again before it was good for the off-delay.
                memory.due = None;
                return;
            }
            if due > to {
                return;
            }
            memory.at = memory.at.max(due);
            memory.active = !memory.active;
            memory.due = None;
            memory.due = self.stale_due(memory);
            let turn = Turn { at: memory.at, raised: memory.active, reading: memory.inputs.reading.clone() };
            turns(turn, memory);
        }
    }

    fn take(&self, memory: &mut Memory, verdict: Verdict, at: Time) {
        let holds = match (verdict, self.on_bad) {
            (Verdict::Unknown, OnBad::Hold) => {
                (memory.holds, memory.due) = (None, None);
                return;
            }
            (Verdict::Unknown, OnBad::Raise) | (Verdict::Holds, _) => true,
            (Verdict::Over, _) => false,
            (Verdict::Same, _) => memory.holds.unwrap_or(memory.active),
        };
        memory.holds = Some(holds);
        if holds == memory.active {
            memory.due = None;
        } else {
            let delay = if holds { self.on_delay } else { self.off_delay };
            memory.due.get_or_insert(at.plus(delay));
        }
    }

    /// A good value came to a rule that waits for their absence.
    fn freshen(&self, memory: &mut Memory, at: Time) {
        memory.good = at;
        if memory.active {
            memory.due.get_or_insert(at.plus(self.off_delay));
        } else {
            memory.due = self.stale_due(memory);
        }
    }

    fn stale_due(&self, memory: &Memory) -> Option<Time> {
        match self.test {
            Test::Stale { after } if !memory.active => Some(memory.good.plus(after).plus(self.on_delay)),
            _ => None,
        }
    }
}
