//! Goals, verdicts, a table for people and a JSON file for everything else.

use serde_json::{Value, json};
use std::fmt::Write;

use super::{
    contest::{Contest, OURS},
    machine,
    options::Options,
};
use crate::calibration::Calibration;

/// What a figure of ours has to reach: M1 is the first release, M2 the one after.
pub(crate) struct Goal {
    /// The contest it belongs to.
    pub(crate) title: String,
    pub(crate) figure: &'static str,
    pub(crate) bound: Bound,
    pub(crate) m1: f64,
    pub(crate) m2: f64,
}

pub(crate) enum Bound {
    /// Ours is at least so many times this peer's.
    TimesPeer(&'static str),
    /// Ours is at most so much.
    AtMost,
    /// Ours is at least so much.
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    M2,
    M1,
    Missed,
    NotMeasured,
}

impl Goal {
    /// The figure the goal is about: a ratio, or ours itself.
    fn value(&self, contests: &[Contest]) -> Option<f64> {
        let contest = contests.iter().find(|c| c.title == self.title)?;
        match self.bound {
            Bound::TimesPeer(peer) => contest.ratio(self.figure, peer),
            Bound::AtMost | Bound::AtLeast => contest.median(OURS, self.figure),
        }
    }
    fn verdict(&self, value: Option<f64>) -> Verdict {
        let reaches = |value: f64, goal: f64| match self.bound {
            Bound::TimesPeer(_) | Bound::AtLeast => value >= goal,
            Bound::AtMost => value <= goal,
        };
        match value {
            Some(value) if reaches(value, self.m2) => Verdict::M2,
            Some(value) if reaches(value, self.m1) => Verdict::M1,
            Some(_) => Verdict::Missed,
            None => Verdict::NotMeasured,
        }
    }
    fn words(&self) -> String {
        match self.bound {
            Bound::TimesPeer(peer) => {
                format!("{}: {} at least {} x {peer} (later {} x)", self.title, self.figure, self.m1, self.m2)
            }
            Bound::AtMost => {
                format!("{}: {} at most {} (later {})", self.title, self.figure, self.m1, self.m2)
            }
            Bound::AtLeast => {
                format!("{}: {} at least {} (later {})", self.title, self.figure, self.m1, self.m2)
            }
        }
    }
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Verdict::M2 => "M2 met",
            Verdict::M1 => "M1 met",
            Verdict::Missed => "MISSED",
            Verdict::NotMeasured => "not measured",
        }
    }
}

/// All that a case found out.
pub(crate) struct Report<'a> {
    pub(crate) case: &'static str,
    pub(crate) options: &'a Options,
    pub(crate) versions: Vec<(String, String)>,
    pub(crate) before: Calibration,
    pub(crate) load_before: String,
    pub(crate) contests: Vec<Contest>,
    pub(crate) goals: Vec<Goal>,
    /// The columns of the table, of all the figures.
    pub(crate) columns: &'static [&'static str],
}

/// Counts of ours that differ, or ours not run at all, end the program with 1; counts of a peer alone with 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    // In order of weight, which is not that of the codes.
    Good,
    PeersCounts,
    OurCounts,
}

impl Exit {
    pub(crate) fn code(self) -> i32 {
        match self {
            Exit::Good => 0,
            Exit::OurCounts => 1,
            Exit::PeersCounts => 2,
        }
    }
}

impl Report<'_> {
    /// Prints the table and writes `bench/results/<case>.json`, unless a stand-in ran or the run was short.
    pub(crate) fn publish(mut self) -> Exit {
        let after = Calibration::take();
        let quiet = self.before.is_quiet() && after.is_quiet();
        println!("\n== {} ==", self.case);
        for contest in &self.contests {
            print!("{}", table(contest, self.columns));
        }
        // A goal about a load that was not asked for says nothing.
        self.goals.retain(|goal| self.contests.iter().any(|c| c.title == goal.title));
        let judged: Vec<(&Goal, Option<f64>, Verdict)> =
            self.goals.iter().map(|goal| self.judge(goal, quiet)).collect();
        for (goal, value, verdict) in &judged {
            let value = value.map_or_else(|| "-".into(), short);
            println!("{:<12} {value:>8}  {}", verdict.words(), goal.words());
        }
        println!(
            "calibration  {} before, {} after; load {}",
            self.before.words(),
            after.words(),
            machine::load()
        );
        if !quiet {
            println!("NOT MEASURED: the machine is too busy (see calibration); run it again");
        }
        let text = serde_json::to_string_pretty(&self.to_json(&after, quiet, &judged)).expect("plain JSON");
        if self.options.short || self.options.stand_in.is_some() {
            println!("a short run or a stand-in: nothing is written");
        } else {
            crate::write_result(self.case, &text);
        }
        self.exit()
    }

    fn judge<'g>(&self, goal: &'g Goal, quiet: bool) -> (&'g Goal, Option<f64>, Verdict) {
        let value = goal.value(&self.contests);
        (goal, value, if quiet { goal.verdict(value) } else { Verdict::NotMeasured })
    }

    fn to_json(&self, after: &Calibration, quiet: bool, judged: &[(&Goal, Option<f64>, Verdict)]) -> Value {
        let goals = judged.iter().map(|(goal, value, verdict)| {
            json!({ "goal": goal.words(), "value": value, "verdict": verdict.words() })
        });
        json!({
            "name": self.case, "date": machine::said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            "commit": machine::commit(), "machine": machine::describe(), "seed": self.options.seed,
            "pinned": self.options.pinned, "versions": self.versions.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "load": { "before": self.load_before, "after": machine::load() },
            "calibration": { "before": self.before.to_json(), "after": after.to_json() },
            "measured": quiet, "valid": self.exit() == Exit::Good,
            "goals": goals.collect::<Vec<_>>(),
            "contests": self.contests.iter().map(Contest::to_json).collect::<Vec<_>>(),
        })
    }

    fn exit(&self) -> Exit {
        let of = |contest: &Contest, program: &str| match contest.faults(program).next() {
            None if program == OURS && contest.runs(OURS).is_empty() => Exit::OurCounts,
            None => Exit::Good,
            Some(_) if program == OURS => Exit::OurCounts,
            Some(_) => Exit::PeersCounts,
        };
        let all = self.contests.iter().flat_map(|c| c.programs().map(move |p| of(c, p)));
        all.max().unwrap_or(Exit::Good)
    }
}

/// One line a program: medians, the spread of the first figure, and how many times the peer ours is in it.
fn table(contest: &Contest, columns: &[&str]) -> String {
    let mut text = format!("\n{}\n{:<14}", contest.title, "");
    for column in columns {
        let _infallible = write!(text, "{column:>21}");
    }
    text += "   spread  ours/it  runs\n";
    let first = columns.first().copied().unwrap_or_default();
    for program in contest.programs() {
        let _infallible = write!(text, "{program:<14}");
        for column in columns {
            let value = contest.median(program, column).map_or_else(|| "-".into(), short);
            let _infallible = write!(text, "{value:>21}");
        }
        let spread =
            contest.spread(program, first).map_or_else(|| "-".into(), |s| format!("{:.0} %", s * 100.0));
        let ratio = contest.ratio(first, program).map_or_else(|| "-".into(), |r| format!("{r:.2}"));
        let (runs, faults) = (contest.runs(program).len(), contest.faults(program).count());
        let _infallible = writeln!(text, "{spread:>9}{ratio:>9}{:>6}", format!("{}/{runs}", runs - faults));
        if let Some(fault) = contest.faults(program).next() {
            let _infallible = writeln!(text, "  INVALID in {faults} of {runs} runs: {fault}");
        }
    }
    for (program, why) in &contest.absent {
        let _infallible = writeln!(text, "  {program} did not run: {why}");
    }
    text
}

/// Three or four digits are all a bench can tell.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.2} M", value / 1e6),
        size if size >= 1e4 => format!("{:.1} k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Contest, Exit, Goal, OURS, Verdict, short};
    use crate::harness::contest::Run;
    use serde_json::json;

    fn goal(bound: Bound, m1: f64, m2: f64) -> Goal {
        Goal { title: "t".into(), figure: "work", bound, m1, m2 }
    }

    #[test]
    fn a_goal_without_its_peer_is_not_measured() {
        let run = |name: &str| match name {
            OURS => Ok(Run { figures: vec![("work", 30.0)], fault: None }),
            "slow" => Ok(Run { figures: vec![("work", 10.0)], fault: None }),
            _ => Err("absent".into()),
        };
        let contests = [Contest::hold("t".into(), json!({}), &["slow", "gone"], 1, run)];
        let verdict = |goal: Goal| goal.verdict(goal.value(&contests));
        assert_eq!(verdict(goal(Bound::TimesPeer("slow"), 2.0, 4.0)), Verdict::M1);
        assert_eq!(verdict(goal(Bound::TimesPeer("slow"), 2.0, 3.0)), Verdict::M2);
        assert_eq!(verdict(goal(Bound::TimesPeer("slow"), 3.1, 4.0)), Verdict::Missed);
        assert_eq!(verdict(goal(Bound::TimesPeer("gone"), 1.0, 1.0)), Verdict::NotMeasured);
        assert_eq!(verdict(goal(Bound::AtMost, 30.0, 20.0)), Verdict::M1);
        assert_eq!(verdict(goal(Bound::AtMost, 29.0, 20.0)), Verdict::Missed);
        assert_eq!(verdict(goal(Bound::AtLeast, 30.0, 31.0)), Verdict::M1);
        assert_eq!(verdict(goal(Bound::AtLeast, 31.0, 31.0)), Verdict::Missed);
    }

    #[test]
    fn our_losses_weigh_more_than_a_peers() {
        assert_eq!([Exit::Good, Exit::OurCounts, Exit::PeersCounts].into_iter().max(), Some(Exit::OurCounts));
        assert_eq!([Exit::Good, Exit::PeersCounts].into_iter().max(), Some(Exit::PeersCounts));
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([1_083_000.0, 45_120.0, 612.4, 1.724].map(short), ["1.08 M", "45.1 k", "612", "1.72"]);
    }
}
