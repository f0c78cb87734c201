//! As many samples over more and more points: what one of them costs.

use serde_json::json;
use std::time::Duration;

use super::{
    Case,
    lines::{FIELDS, Lines},
    ours::Programs,
    samples::Samples,
};
use crate::{
    harness::{
        contest::{Contest, OURS, Run},
        options::Options,
        report::{Bound, Goal},
    },
    peers::servers::INFLUXDB,
};

const ROUNDS: usize = 3;
const SAMPLES: usize = 10_000_000;
const SAMPLES_SHORT: usize = 1_000_000;
const POINTS: [usize; 3] = [10_000, 100_000, 1_000_000];
const POINTS_SHORT: [usize; 3] = [1_000, 10_000, 100_000];
/// A server that has not taken all samples by then did not finish.
const WITHIN: Duration = Duration::from_secs(120);
const WITHIN_SHORT: Duration = Duration::from_secs(20);

/// Names of the figures of each of the three.
const COST: [&str; 3] = ["cpu_ns_few", "cpu_ns_more", "cpu_ns_most"];
const RATE: [&str; 3] = ["samples_per_s_few", "samples_per_s_more", "samples_per_s_most"];
const PEAK: [&str; 3] = ["peak_rss_mb_few", "peak_rss_mb_more", "peak_rss_mb_most"];
const TAKEN: [&str; 3] = ["taken_share_few", "taken_share_more", "taken_share_most"];

pub(super) const CASE: Case = Case {
    name: "historian-series",
    peers: &[INFLUXDB],
    columns: &["growth", "cpu_ns_few", "cpu_ns_more", "cpu_ns_most", "taken_share_most", "peak_rss_mb_most"],
    hold,
    goals: |contests| {
        let title = contests.first().map(|c| c.title.clone()).unwrap_or_default();
        vec![Goal { title, figure: "growth", bound: Bound::AtMost, m1: 1.3, m2: 1.3 }]
    },
};

/// What one number of points showed.
struct One {
    cpu_ns: f64,
    samples_per_s: f64,
    peak_rss_mb: f64,
    taken_share: f64,
    fault: Option<String>,
}

fn hold(options: &Options, peers: &[&str], programs: &Programs) -> Result<Vec<Contest>, String> {
    let (samples, points, within) =
        if options.short { (SAMPLES_SHORT, POINTS_SHORT, WITHIN_SHORT) } else { (SAMPLES, POINTS, WITHIN) };
    let title = format!("{} M samples over {points:?} points (few, more, most)", samples as f64 / 1e6);
    let settings = json!({ "samples": samples, "points": points, "within_s": within.as_secs(),
        "growth": "CPU of a sample over most points / over few", "ours": "batches of 10,000, flush included" });
    let run = |name: &str| {
        let mut all = Vec::new();
        for points in points {
            let one = match name {
                OURS => ours(programs, points, samples, options.seed),
                _ => server(programs, name, points, samples, options.seed, within),
            };
            all.push(one?);
        }
        Ok(joined(&all))
    };
    Ok(vec![Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run)])
}

/// Growth only where all samples were taken: a server that gives up has no cost of a sample.
fn joined(all: &[One]) -> Run {
    let mut figures = Vec::new();
    if let [few, .., most] = all
        && most.taken_share >= 1.0
    {
        figures.push(("growth", most.cpu_ns / few.cpu_ns));
    }
    for (n, one) in all.iter().enumerate() {
        figures.push((COST[n], one.cpu_ns));
        figures.push((RATE[n], one.samples_per_s));
        figures.push((PEAK[n], one.peak_rss_mb));
        figures.push((TAKEN[n], one.taken_share));
    }
    Run { figures, fault: all.iter().find_map(|one| one.fault.clone()) }
}

fn ours(programs: &Programs, points: usize, samples: usize, seed: u64) -> Result<One, String> {
    let text = |n: usize| n.to_string();
    let said = programs.ours(
        "series",
        &[("points", text(points)), ("samples", text(samples)), ("seed", seed.to_string())],
    )?;
    let figure = |name: &str| said[name].as_f64().unwrap_or(f64::NAN);
    let taken_share = figure("samples") / samples as f64;
    Ok(One {
        cpu_ns: figure("cpu_ns_per_sample"),
        samples_per_s: figure("all_samples_per_s"),
        peak_rss_mb: figure("peak_rss_mb"),
        taken_share,
        fault: None,
    })
}

fn server(
    programs: &Programs,
    name: &str,
    points: usize,
    count: usize,
    seed: u64,
    within: Duration,
) -> Result<One, String> {
    let samples = Samples::make(programs, "walk", points, count / points, seed)?;
    let lines = Lines::wide(&samples)?;
    let server = programs.server(name)?;
    let loaded = lines.load(&server, within, || server.counted(FIELDS, lines.until_s()))?;
    let all = loaded.taken == lines.values();
    let fault = if all {
        samples.fault(loaded.found.0, loaded.found.1)
    } else {
        let (taken, found) = (loaded.taken, loaded.found.0);
        (taken != found).then(|| format!("{taken} samples were taken, {found} came back"))
    };
    Ok(One {
        cpu_ns: loaded.cpu_s * 1e9 / loaded.taken.max(1) as f64,
        samples_per_s: loaded.taken as f64 / loaded.wall_s,
        peak_rss_mb: loaded.memory.peak_rss_mb,
        taken_share: loaded.taken as f64 / samples.count as f64,
        fault,
    })
}
