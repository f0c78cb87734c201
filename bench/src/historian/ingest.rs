//! Durable samples a second: ours by native batches, servers by text over HTTP, files of columns in bulk.

use serde_json::json;
use std::time::Duration;

use super::{
    Case, columns,
    lines::{BATCH_LINES, CONNECTIONS, FIELDS, Lines},
    ours::{Programs, Shown},
    samples::Samples,
};
use crate::{
    harness::{
        contest::{Contest, OURS, Run},
        figures::rate,
        options::Options,
        report::{Bound, Goal},
    },
    peers::{
        columns::{DUCKDB, PARQUET},
        servers::{INFLUXDB, QUESTDB, Server, VICTORIAMETRICS},
    },
};

const ROUNDS: usize = 5;
/// 1,000 hosts of ten values each.
const POINTS: usize = 10_000;
const TICKS: usize = 1_000;
const TICKS_SHORT: usize = 100;
const SECONDS: u64 = 10;
const SECONDS_SHORT: u64 = 1;
/// What is not taken by then is a fault.
const WITHIN: Duration = Duration::from_secs(300);

const SHOWN: Shown = &[
    ("all_samples_per_cpu_s", "samples_per_cpu_s"),
    ("samples_per_s", "samples_per_s"),
    ("all_samples_per_s", "flushed_samples_per_s"),
    ("all_cpu_s", "cpu_s"),
    ("seconds", "wall_s"),
    ("ack_p50_ms", "ack_p50_ms"),
    ("ack_p99_ms", "ack_p99_ms"),
    ("peak_rss_mb", "peak_rss_mb"),
    ("rss_before_mb", "rss_before_mb"),
    ("bytes_per_sample", "bytes_per_sample"),
    ("syncs", "syncs"),
    ("samples", "samples"),
];

pub(super) const CASE: Case = Case {
    name: "historian-ingest",
    peers: &[INFLUXDB, QUESTDB, VICTORIAMETRICS, DUCKDB, PARQUET],
    columns: &["samples_per_cpu_s", "samples_per_s", "cpu_s", "peak_rss_mb", "ack_p99_ms"],
    hold,
    goals: |contests| {
        let goal = |n: usize, m1, m2| Goal {
            title: contests.get(n).map(|c| c.title.clone()).unwrap_or_default(),
            figure: "samples_per_s",
            bound: Bound::AtLeast,
            m1,
            m2,
        };
        let against = |peer, m1, m2| Goal {
            figure: "samples_per_cpu_s",
            bound: Bound::TimesPeer(peer),
            ..goal(0, m1, m2)
        };
        vec![
            goal(0, 1.5e6, 3e6),
            goal(1, 0.5e6, 1.5e6),
            goal(2, 20e3, 60e3),
            against(INFLUXDB, 4.0, 4.0),
            against(DUCKDB, 0.5, 1.0),
        ]
    },
};

fn hold(options: &Options, peers: &[&str], programs: &Programs) -> Result<Vec<Contest>, String> {
    let ticks = if options.short { TICKS_SHORT } else { TICKS };
    let samples = Samples::make(programs, "walk", POINTS, ticks, options.seed)?;
    let lines = Lines::wide(&samples)?;
    let title = format!(
        "{} M samples of {POINTS} points, batches of 10,000 from 4 producers",
        samples.count as f64 / 1e6
    );
    let settings = json!({
        "samples": samples.count, "points": POINTS, "ours": "durable batches of 10,000 rows in the process, 4 producers, flushed",
        "servers": format!("line protocol over HTTP, {FIELDS} values a line, {BATCH_LINES} lines a request, {CONNECTIONS} connections"),
        DUCKDB: "CREATE TABLE from Arrow in memory, checkpointed", PARQUET: "pyarrow from memory, zstd 3, dictionary",
    });
    let run = |name: &str| match name {
        OURS => programs.our_run("ingest", &ours(options, 10_000, 4, Some(samples.count)), SHOWN),
        DUCKDB | PARQUET => columns::load(programs.columns()?, name, &samples, FIELDS),
        _ => load(&programs.server(name)?, &samples, &lines),
    };
    let mut contests = vec![Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run)];
    for (rows, producers) in [(100, 32), (1, 64)] {
        let title = format!("batches of {rows} from {producers} producers");
        let settings = json!({ "rows": rows, "producers": producers, "seconds": seconds(options) });
        let run = |_: &str| programs.our_run("ingest", &ours(options, rows, producers, None), SHOWN);
        contests.push(Contest::hold(title, settings, &[], options.rounds_or(ROUNDS), run));
    }
    Ok(contests)
}

fn seconds(options: &Options) -> u64 {
    if options.short { SECONDS_SHORT } else { SECONDS }
}

fn ours(
    options: &Options,
    rows: usize,
    producers: usize,
    samples: Option<u64>,
) -> Vec<(&'static str, String)> {
    let until = match samples {
        Some(samples) => [("samples", samples.to_string()), ("points", POINTS.to_string())].to_vec(),
        None => vec![("seconds", seconds(options).to_string())],
    };
    let mut all = vec![
        ("rows", rows.to_string()),
        ("producers", producers.to_string()),
        ("seed", options.seed.to_string()),
    ];
    all.extend(until);
    all
}

/// Everything into a server, through its door for line protocol.
pub(super) fn load(server: &Server, samples: &Samples, lines: &Lines) -> Result<Run, String> {
    let loaded = lines.load(server, WITHIN, || server.counted(FIELDS, lines.until_s()))?;
    let per = |seconds| rate(loaded.taken, seconds).unwrap_or(f64::NAN);
    let figures = vec![
        ("samples_per_cpu_s", per(loaded.cpu_s)),
        ("samples_per_s", per(loaded.wall_s)),
        ("cpu_s", loaded.cpu_s),
        ("wall_s", loaded.wall_s),
        ("peak_rss_mb", loaded.memory.peak_rss_mb),
        ("samples", loaded.taken as f64),
    ];
    Ok(Run { figures, fault: samples.fault(loaded.found.0, loaded.found.1) })
}
