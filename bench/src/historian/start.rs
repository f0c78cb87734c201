//! What a start of our store costs: after a clean stop, with many points, with a log to read back.

use serde_json::json;

use super::{
    Case,
    ours::{Programs, Shown},
};
use crate::harness::{
    contest::Contest,
    options::Options,
    report::{Bound, Goal},
};

/// Each figure of a round is the median of five starts.
const ROUNDS: usize = 1;
const REPLAYED: usize = 10_000_000;

const SHOWN: Shown = &[
    ("open_samples_ms", "open_samples_ms"),
    ("open_points_ms", "open_points_ms"),
    ("replay_s_per_100_mib", "replay_s_per_100_mib"),
    ("replay_ms", "replay_ms"),
    ("log_mib", "log_mib"),
    ("replayed_rows", "replayed_rows"),
    ("idle_rss_10k_points_mb", "idle_rss_mb"),
    ("idle_rss_points_mb", "idle_rss_points_mb"),
    ("replay_peak_rss_mb", "replay_peak_rss_mb"),
    ("replay_ns_per_row", "replay_ns_per_row"),
    ("replay_s_per_100_mib_noise", "replay_s_per_100_mib_noise"),
    ("replay_ms_noise", "replay_ms_noise"),
    ("log_mib_noise", "log_mib_noise"),
    ("bytes_per_sample", "bytes_per_sample"),
];

pub(super) const CASE: Case = Case {
    name: "historian-start",
    peers: &[],
    columns: &[
        "open_samples_ms",
        "open_points_ms",
        "replay_s_per_100_mib",
        "replay_s_per_100_mib_noise",
        "idle_rss_mb",
        "idle_rss_points_mb",
    ],
    hold,
    goals: |contests| {
        let title = contests.first().map(|c| c.title.clone()).unwrap_or_default();
        let goal = |figure, m1, m2| Goal { title: title.clone(), figure, bound: Bound::AtMost, m1, m2 };
        vec![
            goal("open_samples_ms", 2_000.0, 500.0),
            goal("open_points_ms", 1_000.0, 300.0),
            goal("replay_s_per_100_mib", 1.0, 0.5),
            goal("replay_s_per_100_mib_noise", 1.0, 0.5),
            goal("idle_rss_mb", 96.0, 48.0),
        ]
    },
};

fn hold(options: &Options, _: &[&str], programs: &Programs) -> Result<Vec<Contest>, String> {
    let (samples, points) = if options.short { (1_000_000, 100_000) } else { (1_000_000_000, 1_000_000) };
    let replayed = samples.min(REPLAYED);
    let title =
        format!("start with {} M samples of 10,000 points, and with {points} points", samples as f64 / 1e6);
    let settings = json!({ "samples": samples, "points": points, "replayed_rows": replayed });
    let text = |n: usize| n.to_string();
    let arguments = [
        ("samples", text(samples)),
        ("points", text(points)),
        ("replay", text(replayed)),
        ("seed", options.seed.to_string()),
    ];
    let run = |_: &str| programs.our_run("start", &arguments, SHOWN);
    Ok(vec![Contest::hold(title, settings, &[], options.rounds_or(ROUNDS), run)])
}
