//! An hour of one point, in the page cache and out of it; all latest values.

use serde_json::json;
use std::time::{Duration, Instant};

use super::{
    Case, columns,
    lines::Lines,
    ours::{Programs, Shown},
    samples::Samples,
};
use crate::{
    harness::{
        contest::{Contest, OURS, Run},
        options::Options,
        random::Seeded,
        report::{Bound, Goal},
    },
    peers::{
        columns::{DUCKDB, PARQUET},
        servers::INFLUXDB,
    },
};

/// Absolute times are medians of five.
const ROUNDS: usize = 5;
const POINTS: usize = 100;
const HOURS: usize = 24;
const HOURS_SHORT: usize = 4;
const PICKS: usize = 1_000;
const PICKS_SHORT: usize = 50;
const HOUR_S: usize = 3_600;
/// 2026-01-01T00:00:00Z, where the samples start.
const START_S: i64 = 1_767_225_600;
const LOADS_WITHIN: Duration = Duration::from_secs(600);
/// What a server has to do after a load is done by then.
const SETTLES: Duration = Duration::from_secs(20);

const WARM: Shown = &[("warm_p50_ms", "warm_p50_ms"), ("warm_p99_ms", "warm_p99_ms")];
const ALL: Shown = &[
    ("warm_p50_ms", "warm_p50_ms"),
    ("warm_p99_ms", "warm_p99_ms"),
    ("cold_p50_ms", "cold_p50_ms"),
    ("cold_p95_ms", "cold_p95_ms"),
    ("warm_tenfold_p50_ms", "warm_tenfold_p50_ms"),
    ("warm_tenfold_p99_ms", "warm_tenfold_p99_ms"),
    ("cold_tenfold_p50_ms", "cold_tenfold_p50_ms"),
    ("cold_tenfold_p95_ms", "cold_tenfold_p95_ms"),
    ("cold_resident_share_tenfold", "cold_resident_share"),
    ("latest_p50_ms", "latest_p50_ms"),
    ("latest_p99_ms", "latest_p99_ms"),
    ("segments_tenfold", "segments"),
    ("bytes_per_sample_tenfold", "bytes_per_sample"),
    ("peak_rss_mb", "peak_rss_mb"),
];

pub(super) const CASE: Case = Case {
    name: "historian-read",
    peers: &[INFLUXDB, DUCKDB, PARQUET],
    columns: &[
        "warm_p50_ms",
        "warm_p99_ms",
        "cold_p95_ms",
        "warm_tenfold_p99_ms",
        "cold_tenfold_p95_ms",
        "latest_p99_ms",
    ],
    hold,
    goals: |contests| {
        let title = contests.get(1).map(|c| c.title.clone()).unwrap_or_default();
        let goal = |figure, m1, m2| Goal { title: title.clone(), figure, bound: Bound::AtMost, m1, m2 };
        vec![
            goal("warm_p99_ms", 1.0, 0.2),
            goal("cold_p95_ms", 15.0, 3.0),
            goal("warm_tenfold_p99_ms", 1.0, 0.2),
            goal("cold_tenfold_p95_ms", 15.0, 3.0),
            goal("latest_p99_ms", 20.0, 20.0),
        ]
    },
};

fn hold(options: &Options, peers: &[&str], programs: &Programs) -> Result<Vec<Contest>, String> {
    let (hours, picks) = if options.short { (HOURS_SHORT, PICKS_SHORT) } else { (HOURS, PICKS) };
    let samples = Samples::make(programs, "decimals", POINTS, hours * HOUR_S, options.seed)?;
    let title = format!("one hour of one point of {POINTS} x {hours} h at 1 Hz, warm");
    let settings = json!({ "points": POINTS, "hours": hours, "picks": picks, "rows": HOUR_S,
        "ours": "in the process", INFLUXDB: "over HTTP, as JSON, not parsed in the time", DUCKDB: "in the process, to Arrow",
        PARQUET: "in the process, to Arrow, row groups of four hours chosen by kept statistics" });
    let run = |name: &str| match name {
        OURS => {
            let mut arguments = ours(options, hours, picks);
            arguments.extend([
                ("tenfold", "false".to_string()),
                ("latest", "1000".into()),
                ("cold", "1".into()),
            ]);
            programs.our_run("read", &arguments, WARM)
        }
        DUCKDB | PARQUET => file(programs, name, &samples, picks, options.seed),
        _ => server(programs, name, &samples, picks, options.seed),
    };
    let mut contests = vec![Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run)];

    let title = format!("ours: {POINTS} x {hours} h, then ten times as long; latest of many points");
    let settings = json!({ "points": POINTS, "hours": [hours, hours * 10], "picks": picks, "evicted": "checked with fincore" });
    let run = |_: &str| programs.our_run("read", &ours(options, hours, picks), ALL);
    contests.push(Contest::hold(title, settings, &[], options.rounds_or(ROUNDS), run));
    Ok(contests)
}

fn ours(options: &Options, hours: usize, picks: usize) -> Vec<(&'static str, String)> {
    vec![
        ("points", POINTS.to_string()),
        ("hours", hours.to_string()),
        ("warm", picks.to_string()),
        ("seed", options.seed.to_string()),
    ]
}

fn file(
    programs: &Programs,
    engine: &str,
    samples: &Samples,
    picks: usize,
    seed: u64,
) -> Result<Run, String> {
    let more = [("picks", picks.to_string()), ("seed", seed.to_string())];
    let said = columns::said(programs.columns()?, "read.py", engine, samples, &more)?;
    let wrong = said["wrong"].as_u64();
    let fault =
        (wrong != Some(0)).then(|| format!("{wrong:?} of {picks} answers differ from what was stored"));
    Ok(Run { figures: super::ours::figures(&said, WARM), fault })
}

fn server(
    programs: &Programs,
    name: &str,
    samples: &Samples,
    picks: usize,
    seed: u64,
) -> Result<Run, String> {
    let server = programs.server(name)?;
    let count =
        || Ok((server.influx("SELECT count(v) FROM f64")? as u64, server.influx("SELECT sum(v) FROM f64")?));
    let loaded = Lines::narrow(samples)?.load(&server, LOADS_WITHIN, count)?;
    std::thread::sleep(SETTLES);
    let hours = samples.count as usize / samples.points / HOUR_S;
    let mut chooser = Seeded::new(seed);
    let mut below = |n: usize| (chooser.next() % n as u64) as usize;
    let picks: Vec<(usize, usize)> = (0..picks).map(|_| (below(samples.points), below(hours))).collect();
    let (mut waits, mut wrong) = (Vec::new(), 0);
    // The first pass warms.
    for turn in 0..2 {
        for (point, hour) in &picks {
            let since = START_S + (hour * HOUR_S) as i64;
            let until = since + HOUR_S as i64;
            let query =
                format!("SELECT v FROM f64 WHERE p='{point}' AND time >= {since}s AND time < {until}s");
            let start = Instant::now();
            let text = server.get_text("/query", &[("db", "bench"), ("epoch", "ns"), ("q", &query)])?;
            let wait = start.elapsed().as_secs_f64() * 1e3;
            if turn == 1 {
                waits.push(wait);
                wrong += usize::from(rows(&text) != HOUR_S);
            }
        }
    }
    waits.sort_by(f64::total_cmp);
    let at = |share: usize| {
        waits.get((waits.len() * share / 100).min(waits.len() - 1)).copied().unwrap_or(f64::NAN)
    };
    let wrong = (wrong > 0).then(|| format!("{wrong} answers were not an hour long"));
    let fault = samples.fault(loaded.found.0, loaded.found.1).or(wrong);
    Ok(Run { figures: vec![("warm_p50_ms", at(50)), ("warm_p99_ms", at(99))], fault })
}

/// Rows in an answer of influxdb: `[time,value]` each.
fn rows(text: &str) -> usize {
    let said: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    said["results"][0]["series"][0]["values"].as_array().map_or(0, Vec::len)
}
