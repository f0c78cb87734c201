//! Historian cases: samples into, inside and out of our store and what else keeps them. Ours is called in the process
//! that measures itself; servers take text over HTTP, and DuckDB and Parquet whole columns: different doors, named so.

mod columns;
mod door;
mod ingest;
mod lines;
mod ours;
mod read;
mod samples;
mod series;
mod size;
mod sql;
mod start;

use crate::calibration::Calibration;
use crate::harness::{
    contest::Contest,
    machine,
    options::Options,
    report::{Exit, Goal, Report},
};
use ours::Programs;

/// The cases in the order of `cargo run -p bench -- historian`.
pub(crate) const CASES: [&str; 7] = [
    "historian-ingest",
    "historian-door",
    "historian-series",
    "historian-size",
    "historian-read",
    "historian-sql",
    "historian-start",
];

/// Holds the contests of a case.
type Hold = fn(&Options, &[&str], &Programs) -> Result<Vec<Contest>, String>;

/// What a case brings; the rest is the same for all.
struct Case {
    name: &'static str,
    peers: &'static [&'static str],
    columns: &'static [&'static str],
    hold: Hold,
    goals: fn(&[Contest]) -> Vec<Goal>,
}

/// `None` when there is no such case.
pub(crate) fn run(name: &str, options: &Options) -> Option<Exit> {
    let all = [ingest::CASE, door::CASE, series::CASE, size::CASE, read::CASE, sql::CASE, start::CASE];
    let case = all.into_iter().find(|case| case.name == name)?;
    // Nobody is pinned: a store in the process of its callers has no core of its own.
    let options = &Options { pinned: false, ..options.clone() };
    let peers = options.peers_or(case.peers);
    let programs = Programs::ready(&peers);
    // The reference of the calibration is that of one core.
    let _same_where_there_is_one = machine::pin_clients();
    let (before, load_before) = (Calibration::take(), machine::load());
    let _same_where_there_is_one = machine::unpin();
    let contests = match (case.hold)(options, &peers, &programs) {
        Ok(contests) => contests,
        Err(why) => {
            println!("not measured: {why}");
            return Some(Exit::OurCounts);
        }
    };
    let goals = (case.goals)(&contests);
    let versions = programs.versions();
    let _same_where_there_is_one = machine::pin_clients();
    let report = Report {
        case: case.name,
        options,
        versions,
        before,
        load_before,
        contests,
        goals,
        columns: case.columns,
    };
    Some(report.publish())
}
