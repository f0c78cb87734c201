//! Line protocol through the doors of servers, ours among them: the same bytes over the same connections.

use serde_json::json;

use super::{
    Case, ingest,
    lines::{BATCH_LINES, CONNECTIONS, FIELDS, Lines},
    ours::Programs,
    samples::Samples,
};
use crate::{
    harness::{
        contest::{Contest, OURS},
        options::Options,
        report::{Bound, Goal},
    },
    node::Node,
    peers::servers::{INFLUXDB, QUESTDB, Server, VICTORIAMETRICS},
};

const ROUNDS: usize = 3;
/// 1,000 hosts of ten values each.
const POINTS: usize = 10_000;
const TICKS: usize = 1_000;
const TICKS_SHORT: usize = 100;

pub(super) const CASE: Case = Case {
    name: "historian-door",
    peers: &[INFLUXDB, QUESTDB, VICTORIAMETRICS],
    columns: &["samples_per_cpu_s", "samples_per_s", "cpu_s", "peak_rss_mb"],
    hold,
    goals: |contests| {
        let title = contests.first().map(|c| c.title.clone()).unwrap_or_default();
        let bound = Bound::TimesPeer(INFLUXDB);
        vec![Goal { title, figure: "samples_per_cpu_s", bound, m1: 4.0, m2: 4.0 }]
    },
};

fn hold(options: &Options, peers: &[&str], programs: &Programs) -> Result<Vec<Contest>, String> {
    let ticks = if options.short { TICKS_SHORT } else { TICKS };
    let samples = Samples::make(programs, "walk", POINTS, ticks, options.seed)?;
    let lines = Lines::wide(&samples)?;
    let title = format!("{} M samples of {POINTS} points by line protocol", samples.count as f64 / 1e6);
    let settings = json!({
        "samples": samples.count, "points": POINTS,
        "all": format!("{FIELDS} values a line, {BATCH_LINES} lines a request, {CONNECTIONS} connections, not packed"),
        OURS: "sinew serve as it comes; its points are made by the first request; acknowledged after fdatasync",
    });
    let run = |name: &str| match name {
        OURS => ingest::load(&Server::of_node(Node::start())?, &samples, &lines),
        _ => ingest::load(&programs.server(name)?, &samples, &lines),
    };
    Ok(vec![Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run)])
}
