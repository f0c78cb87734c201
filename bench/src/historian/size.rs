//! Bytes of one sample on disk, time and index included, of the same samples.

use serde_json::json;
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    Case, columns,
    lines::{FIELDS, Lines},
    ours::{Programs, Shown},
    samples::Samples,
};
use crate::{
    harness::{
        contest::{Contest, OURS, Run},
        options::Options,
        report::{Bound, Goal},
    },
    peers::{
        columns::{DUCKDB, PARQUET},
        servers::{self, INFLUXDB},
    },
};

/// Bytes do not vary.
const ROUNDS: usize = 1;
const POINTS: usize = 2_000;
const ROWS: usize = 10_000;
const ROWS_SHORT: usize = 500;
const LOADS_WITHIN: Duration = Duration::from_secs(600);
/// A server packs its files when nothing has come in for a while; nothing changes any more after that.
const SETTLES: Duration = Duration::from_secs(20);
const SETTLES_WITHIN: Duration = Duration::from_secs(180);

const SHOWN: Shown = &[
    ("bytes_per_sample", "bytes_per_sample"),
    ("segment_bytes", "bytes"),
    ("folder_bytes", "folder_bytes"),
    ("samples_per_cpu_s", "samples_per_cpu_s"),
    ("peak_rss_mb", "peak_rss_mb"),
    ("samples", "samples"),
];

/// The forms that a script tries, and what a sample takes in each.
const FORMS: Shown = &[
    ("narrow, own", "narrow_own"),
    ("wide, own", "wide_own"),
    ("narrow, plain", "narrow_plain"),
    ("wide, plain", "wide_plain"),
    ("narrow, dictionary", "narrow_dictionary"),
    ("wide, dictionary", "wide_dictionary"),
    ("narrow, split", "narrow_split"),
    ("wide, split", "wide_split"),
    ("narrow, delta", "narrow_delta"),
    ("wide, delta", "wide_delta"),
];

/// The data sets; the last two say what a sample may take.
const DATA: [(&str, f64, f64); 3] = [("walk", 0.35, 0.30), ("decimals", 0.95, 0.75), ("plant", 1.5, 1.5)];

pub(super) const CASE: Case = Case {
    name: "historian-size",
    peers: &[INFLUXDB, DUCKDB, PARQUET],
    columns: &["bytes_per_sample", "bytes", "samples"],
    hold,
    goals: |contests| {
        let goals = contests.iter().zip(DATA).map(|(contest, (_, m1, m2))| Goal {
            title: contest.title.clone(),
            figure: "bytes_per_sample",
            bound: Bound::AtMost,
            m1,
            m2,
        });
        goals.collect()
    },
};

fn hold(options: &Options, peers: &[&str], programs: &Programs) -> Result<Vec<Contest>, String> {
    let rows = if options.short { ROWS_SHORT } else { ROWS };
    let mut contests = Vec::new();
    for (data, ..) in DATA {
        let samples = Samples::make(programs, data, POINTS, rows, options.seed)?;
        let title = format!("{data}: {POINTS} points of {rows} samples");
        let settings = json!({ "data": data, "points": POINTS, "rows": rows,
            "peers": "the smallest of their forms: DuckDB narrow or wide; Parquet zstd 3, plain, dictionary, split or delta" });
        let run = |name: &str| match name {
            OURS => programs.our_run("size", &[("data", samples.path().display().to_string())], SHOWN),
            DUCKDB | PARQUET => file(programs, name, &samples, data),
            _ => server(programs, name, &samples, data),
        };
        contests.push(Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run));
    }
    Ok(contests)
}

/// Points of one clock and one type may share their time.
fn fields(data: &str) -> usize {
    if data == "plant" { 0 } else { FIELDS }
}

fn file(programs: &Programs, engine: &str, samples: &Samples, data: &str) -> Result<Run, String> {
    let fields = [("fields", fields(data).to_string())];
    let said = columns::said(programs.columns()?, "size.py", engine, samples, &fields)?;
    let forms = FORMS.iter().filter_map(|(theirs, here)| Some((*here, said["forms"].get(theirs)?)));
    let (mut figures, mut fault) = (vec![("samples", samples.count as f64)], None);
    for (name, form) in forms {
        let found = (form["samples"].as_u64().unwrap_or_default(), form["sum"].as_f64().unwrap_or(f64::NAN));
        fault = fault.or(samples.fault(found.0, found.1));
        figures.push((name, form["bytes"].as_f64().unwrap_or(f64::NAN) / samples.count as f64));
    }
    let smallest = figures.iter().skip(1).map(|(_, bytes)| *bytes).min_by(f64::total_cmp).unwrap_or(f64::NAN);
    figures.push(("bytes_per_sample", smallest));
    figures.push(("bytes", smallest * samples.count as f64));
    Ok(Run { figures, fault })
}

fn server(programs: &Programs, name: &str, samples: &Samples, data: &str) -> Result<Run, String> {
    let server = programs.server(name)?;
    let count = || -> Result<(u64, f64), String> {
        if data == "plant" {
            // No sum: influxdb adds up no booleans.
            let of = |of_type: &str| server.influx(&format!("SELECT count(v) FROM \"{of_type}\""));
            Ok(((of("bool")? + of("i64")? + of("f32")? + of("f64")?) as u64, samples.sum))
        } else {
            server.counted(FIELDS, 0)
        }
    };
    let lines = if data == "plant" { Lines::narrow(samples) } else { Lines::wide(samples) }?;
    let loaded = lines.load(&server, LOADS_WITHIN, count)?;
    let bytes = || servers::bytes_of(&server.folder, ".tsm");
    let (start, mut changed, mut before) = (Instant::now(), Instant::now(), bytes());
    while changed.elapsed() < SETTLES && start.elapsed() < SETTLES_WITHIN {
        sleep(Duration::from_secs(1));
        let now = bytes();
        if now != before {
            (changed, before) = (Instant::now(), now);
        }
    }
    Ok(run(before as f64, samples, samples.fault(loaded.found.0, loaded.found.1)))
}

fn run(bytes: f64, samples: &Samples, fault: Option<String>) -> Run {
    let count = samples.count as f64;
    Run { figures: vec![("bytes_per_sample", bytes / count), ("bytes", bytes), ("samples", count)], fault }
}
