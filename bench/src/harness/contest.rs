//! Peer, ours, peer, ours …: alternate runs of the same work, so that a change of the machine hits both.

use serde_json::{Value, json};

use super::figures::{median, ratio, spread};

/// The name of our program in tables and results.
pub(crate) const OURS: &str = "sinew";

/// What one run of one program showed.
pub(crate) struct Run {
    /// Names end in their unit.
    pub(crate) figures: Vec<(&'static str, f64)>,
    /// Why the figures do not count: messages lost, counts that differ.
    pub(crate) fault: Option<String>,
}

/// All runs of one workload.
pub(crate) struct Contest {
    pub(crate) title: String,
    pub(crate) settings: Value,
    programs: Vec<(String, Vec<Run>)>,
    /// Programs that could not be made ready or did not run, and why.
    pub(crate) absent: Vec<(String, String)>,
}

impl Contest {
    /// Runs `rounds` times: each peer, and ours after each peer.
    pub(crate) fn hold(
        title: String,
        settings: Value,
        peers: &[&str],
        rounds: usize,
        mut run: impl FnMut(&str) -> Result<Run, String>,
    ) -> Contest {
        let mut contest = Contest { title, settings, programs: Vec::new(), absent: Vec::new() };
        for name in std::iter::once(&OURS).chain(peers) {
            contest.programs.push((name.to_string(), Vec::new()));
        }
        for _ in 0..rounds {
            for name in order(peers) {
                if contest.absent.iter().any(|(absent, _)| absent == name) {
                    continue;
                }
                match run(name) {
                    Ok(run) => contest.runs_mut(name).push(run),
                    Err(why) => contest.absent.push((name.to_string(), why)),
                }
            }
        }
        contest
    }

    fn runs_mut(&mut self, program: &str) -> &mut Vec<Run> {
        let found = self.programs.iter_mut().find(|(name, _)| name == program);
        &mut found.expect("order() gives only names of the contest").1
    }
    pub(crate) fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|(name, _)| name.as_str())
    }
    pub(crate) fn runs(&self, program: &str) -> &[Run] {
        self.programs.iter().find(|(name, _)| name == program).map_or(&[], |(_, runs)| runs)
    }
    /// One figure of the valid runs.
    fn values(&self, program: &str, figure: &str) -> Vec<f64> {
        let valid = self.runs(program).iter().filter(|r| r.fault.is_none());
        valid
            .filter_map(|r| r.figures.iter().find(|(name, _)| *name == figure))
            .map(|(_, value)| *value)
            .collect()
    }
    pub(crate) fn median(&self, program: &str, figure: &str) -> Option<f64> {
        median(&self.values(program, figure))
    }
    pub(crate) fn spread(&self, program: &str, figure: &str) -> Option<f64> {
        spread(&self.values(program, figure))
    }
    /// How many times a peer's figure ours is.
    pub(crate) fn ratio(&self, figure: &str, peer: &str) -> Option<f64> {
        ratio(self.median(OURS, figure), self.median(peer, figure))
    }
    /// The faults of a program's runs.
    pub(crate) fn faults<'a>(&'a self, program: &str) -> impl Iterator<Item = &'a str> {
        self.runs(program).iter().filter_map(|r| r.fault.as_deref())
    }

    pub(crate) fn to_json(&self) -> Value {
        let program = |(name, runs): &(String, Vec<Run>)| {
            let figures: Vec<&str> =
                runs.first().map_or(Vec::new(), |r| r.figures.iter().map(|f| f.0).collect());
            let per = |value: &dyn Fn(&str) -> Option<f64>| -> Value {
                figures
                    .iter()
                    .map(|f| (f.to_string(), json!(value(f))))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            };
            let runs = runs.iter().map(|r| {
                let figures: serde_json::Map<_, _> =
                    r.figures.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
                json!({ "figures": figures, "fault": r.fault })
            });
            let value = json!({
                "median": per(&|f| self.median(name, f)), "spread": per(&|f| self.spread(name, f)),
                "ours_to_it": per(&|f| self.ratio(f, name)), "runs": runs.collect::<Vec<_>>(),
            });
            (name.clone(), value)
        };
        let absent: serde_json::Map<_, _> =
            self.absent.iter().map(|(n, why)| (n.clone(), json!(why))).collect();
        let programs: serde_json::Map<_, _> = self.programs.iter().map(program).collect();
        json!({ "title": self.title, "settings": self.settings, "programs": programs, "absent": absent })
    }
}

/// Each peer followed by ours; ours alone when there is no peer.
fn order<'a>(peers: &[&'a str]) -> Vec<&'a str> {
    if peers.is_empty() { vec![OURS] } else { peers.iter().flat_map(|peer| [*peer, OURS]).collect() }
}

#[cfg(test)]
mod tests {
    use super::{Contest, OURS, Run, order};
    use serde_json::json;

    fn run(value: f64, fault: Option<&str>) -> Result<Run, String> {
        Ok(Run { figures: vec![("work", value)], fault: fault.map(str::to_string) })
    }

    #[test]
    fn ours_follows_every_peer() {
        assert_eq!(order(&["a", "b"]), ["a", OURS, "b", OURS]);
        assert_eq!(order(&[]), [OURS]);
    }

    #[test]
    fn a_run_with_a_fault_does_not_count() {
        let mut values = [10.0, 30.0, 12.0, 36.0, 99.0, 33.0].into_iter();
        let contest = Contest::hold("t".into(), json!({}), &["peer"], 3, |_| {
            let value = values.next().unwrap();
            run(value, (value == 99.0).then_some("lost 1"))
        });
        assert_eq!(contest.median("peer", "work"), Some(11.0));
        assert_eq!(contest.median(OURS, "work"), Some(33.0));
        assert_eq!(contest.ratio("work", "peer"), Some(3.0));
        assert_eq!(contest.faults("peer").collect::<Vec<_>>(), ["lost 1"]);
        assert_eq!(contest.to_json()["programs"]["peer"]["ours_to_it"]["work"], 3.0);
    }

    #[test]
    fn a_program_that_does_not_run_is_absent_and_not_tried_again() {
        let mut tried = 0;
        let contest = Contest::hold("t".into(), json!({}), &["peer"], 3, |name| {
            tried += u32::from(name == "peer");
            if name == "peer" { Err("no such program".into()) } else { run(1.0, None) }
        });
        assert_eq!((tried, contest.runs(OURS).len()), (1, 3));
        assert_eq!(contest.absent, [("peer".to_string(), "no such program".to_string())]);
        assert_eq!(contest.ratio("work", "peer"), None);
    }
}
