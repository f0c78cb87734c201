//! Questions in SQL to our node, the same in InfluxQL to influxdb and in SQL to DuckDB: processor time of whoever answers,
//! over HTTP for servers and in the process for DuckDB, the answers read to their end and counted.

use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::{
    Case, columns,
    lines::{FIELDS, Lines},
    ours::{Programs, Shown},
    samples::Samples,
};
use crate::{
    harness::{
        contest::{Contest, OURS, Run},
        figures::median,
        options::Options,
        report::{Bound, Goal},
    },
    node::Node,
    peers::{
        columns::DUCKDB,
        servers::{INFLUXDB, Server},
    },
};

const ROUNDS: usize = 3;
/// 1,000 hosts of ten values each, every ten seconds.
const POINTS: usize = 10_000;
const TICKS: usize = 5_000;
const TICKS_SHORT: usize = 500;
const TICK_S: i64 = 10;
/// 2026-01-01T00:00:00Z, where the samples start.
const START_S: i64 = 1_767_225_600;
const HOUR_S: i64 = 3_600;
const LOADS_WITHIN: Duration = Duration::from_secs(900);
/// What a server has to do after a load is done by then.
const SETTLES: Duration = Duration::from_secs(20);
/// Each question is asked so often; the first time warms.
const TIMES: usize = 6;
/// Small ones cost less than the clock of /proc can tell.
const TIMES_SMALL: usize = 201;

/// What is asked.
#[derive(Clone, Copy, PartialEq)]
enum Question {
    /// Count, sum, least, greatest and mean of everything.
    All,
    /// The same for each point.
    EachPoint,
    /// The mean of one field of every host in every hour (TSBS `double-groupby-1`).
    Double,
    /// The newest value of one point.
    Last,
    /// An hour of one point.
    Hour,
}

const QUESTIONS: [Question; 5] =
    [Question::All, Question::EachPoint, Question::Double, Question::Last, Question::Hour];

const DUCKDB_SHOWN: Shown = &[
    ("all_cpu_ms", "all_cpu_ms"),
    ("each_point_cpu_ms", "each_point_cpu_ms"),
    ("double_cpu_ms", "double_cpu_ms"),
    ("all_p50_ms", "all_p50_ms"),
    ("each_point_p50_ms", "each_point_p50_ms"),
    ("double_p50_ms", "double_p50_ms"),
    ("per_cpu_s_all", "per_cpu_s_all"),
    ("per_cpu_s_each_point", "per_cpu_s_each_point"),
    ("per_cpu_s_double", "per_cpu_s_double"),
    ("peak_rss_mb", "peak_rss_mb"),
];

pub(super) const CASE: Case = Case {
    name: "historian-sql",
    peers: &[INFLUXDB, DUCKDB],
    columns: &[
        "all_cpu_ms",
        "each_point_cpu_ms",
        "double_cpu_ms",
        "last_cpu_ms",
        "hour_cpu_ms",
        "double_p50_ms",
    ],
    hold,
    goals: |contests| {
        let title = contests.first().map(|c| c.title.clone()).unwrap_or_default();
        let goal = |figure, peer, m1, m2| Goal {
            title: title.clone(),
            figure,
            bound: Bound::TimesPeer(peer),
            m1,
            m2,
        };
        vec![
            // At most 1.5 times the processor time of DuckDB, later 0.8 times.
            goal("per_cpu_s_all", DUCKDB, 1.0 / 1.5, 1.0 / 0.8),
            goal("per_cpu_s_each_point", DUCKDB, 1.0 / 1.5, 1.0 / 0.8),
            goal("per_cpu_s_double", INFLUXDB, 3.0, 3.0),
            goal("per_cpu_s_last", INFLUXDB, 1.0, 1.0),
            goal("per_cpu_s_hour", INFLUXDB, 1.0, 1.0),
        ]
    },
};

fn hold(options: &Options, peers: &[&str], programs: &Programs) -> Result<Vec<Contest>, String> {
    let ticks = if options.short { TICKS_SHORT } else { TICKS };
    let samples = Samples::make(programs, "walk", POINTS, ticks, options.seed)?;
    let lines = Lines::wide(&samples)?;
    let title = format!("questions over {} M samples of {POINTS} points", samples.count as f64 / 1e6);
    let settings = json!({
        "samples": samples.count, "points": POINTS, "times": TIMES - 1, "times_small": TIMES_SMALL - 1,
        OURS: "over HTTP, JSON", INFLUXDB: "InfluxQL over HTTP, JSON", DUCKDB: "in the process, a table of host, time and ten fields",
    });
    let run = |name: &str| match name {
        OURS => ask(&Server::of_node(Node::start())?, &samples, &lines),
        DUCKDB => {
            let more = [("fields", FIELDS.to_string()), ("times", TIMES.to_string())];
            let said = columns::said(programs.columns()?, "sql.py", name, &samples, &more)?;
            let found =
                (said["samples"].as_u64().unwrap_or_default(), said["sum"].as_f64().unwrap_or(f64::NAN));
            let figures = super::ours::figures(&said, DUCKDB_SHOWN);
            Ok(Run { figures, fault: samples.fault(found.0, found.1) })
        }
        _ => ask(&programs.server(name)?, &samples, &lines),
    };
    Ok(vec![Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run)])
}

/// Loads a server and asks it everything.
fn ask(server: &Server, samples: &Samples, lines: &Lines) -> Result<Run, String> {
    let loaded = lines.load(server, LOADS_WITHIN, || server.counted(FIELDS, lines.until_s()))?;
    std::thread::sleep(SETTLES);
    let mut fault = samples.fault(loaded.found.0, loaded.found.1);
    let mut figures = Vec::new();
    let ticks = samples.count as i64 / POINTS as i64;
    for question in QUESTIONS {
        let times = if matches!(question, Question::Last | Question::Hour) { TIMES_SMALL } else { TIMES };
        let (mut waits, mut cpu) = (Vec::new(), 0.0);
        for turn in 0..times {
            if turn == 1 {
                cpu = server.process.cpu_s();
            }
            let start = Instant::now();
            let rows = asked(server, question, turn)?;
            waits.push(start.elapsed().as_secs_f64() * 1e3);
            let due = due(question, ticks);
            if rows != due && fault.is_none() {
                fault = Some(format!("{}: {rows} rows came, {due} were due", names(question)[0]));
            }
        }
        let cpu_ms = (server.process.cpu_s() - cpu) * 1e3 / (times - 1) as f64;
        let [cpu_name, wait_name, rate_name] = names(question);
        figures.extend([
            (cpu_name, cpu_ms),
            (wait_name, median(&waits[1..]).unwrap_or(f64::NAN)),
            (rate_name, 1e3 / cpu_ms),
        ]);
    }
    figures.push(("peak_rss_mb", server.process.memory().peak_rss_mb));
    Ok(Run { figures, fault })
}

fn names(question: Question) -> [&'static str; 3] {
    match question {
        Question::All => ["all_cpu_ms", "all_p50_ms", "per_cpu_s_all"],
        Question::EachPoint => ["each_point_cpu_ms", "each_point_p50_ms", "per_cpu_s_each_point"],
        Question::Double => ["double_cpu_ms", "double_p50_ms", "per_cpu_s_double"],
        Question::Last => ["last_cpu_ms", "last_p50_ms", "per_cpu_s_last"],
        Question::Hour => ["hour_cpu_ms", "hour_p50_ms", "per_cpu_s_hour"],
    }
}

/// Rows that the answer has; influxdb's of all fields side by side count as one each.
fn due(question: Question, ticks: i64) -> usize {
    let hosts = POINTS / FIELDS;
    match question {
        Question::All | Question::Last => 1,
        Question::EachPoint => hosts,
        Question::Double => hosts * ((ticks * TICK_S + HOUR_S - 1) / HOUR_S) as usize,
        Question::Hour => (HOUR_S / TICK_S).min(ticks) as usize,
    }
}

/// Asks once; another host and field each time. Gives how many rows came.
fn asked(server: &Server, question: Question, turn: usize) -> Result<usize, String> {
    let (host, field) = (turn * 37 % (POINTS / FIELDS), turn % FIELDS);
    if server.is_ours() {
        let sums = "count(value), sum(value), min(value), max(value), avg(value)";
        let point = format!("point = 'cpu.host.h{host}.f{field}'");
        let sql = match question {
            Question::All => format!("select {sums} from samples"),
            Question::EachPoint => format!("select point, {sums} from samples group by point"),
            Question::Double => format!(
                "select point, date_bin(interval '1 hour', time), avg(value) from samples where point like '%.f{field}' group by 1, 2"
            ),
            Question::Last => format!("select time, value from latest where {point}"),
            Question::Hour => format!(
                "select time, value from samples where {point} and time >= to_timestamp({START_S}) and time < to_timestamp({})",
                START_S + HOUR_S
            ),
        };
        let answer = server.sql(&sql)?;
        let rows = answer["rows"].as_array().map_or(0, Vec::len);
        // Of each of ten fields a row, where influxdb has them side by side.
        return Ok(if question == Question::EachPoint { rows / FIELDS } else { rows });
    }
    let each = |of: &str| format!("{of}(*)");
    let sums = ["count", "sum", "min", "max", "mean"].map(each).join(", ");
    let query = match question {
        Question::All => format!("SELECT {sums} FROM cpu"),
        Question::EachPoint => format!("SELECT {sums} FROM cpu GROUP BY host"),
        Question::Double => {
            let until = START_S + 100 * HOUR_S;
            format!(
                "SELECT mean(f{field}) FROM cpu WHERE time >= {START_S}s AND time < {until}s GROUP BY time(1h), host fill(none)"
            )
        }
        Question::Last => format!("SELECT last(f{field}) FROM cpu WHERE host='h{host}'"),
        Question::Hour => format!(
            "SELECT f{field} FROM cpu WHERE host='h{host}' AND time >= {START_S}s AND time < {}s",
            START_S + HOUR_S
        ),
    };
    let text = server.get_text("/query", &[("db", "bench"), ("epoch", "ns"), ("q", &query)])?;
    let said: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
    let series = said["results"][0]["series"].as_array().cloned().unwrap_or_default();
    Ok(series.iter().map(|series| series["values"].as_array().map_or(0, Vec::len)).sum())
}
