//! MQTT cases: raw MQTT 3.1.1 sockets against any broker, ours or a peer.

mod client;
mod flood;
mod idle;
mod packets;
mod publishers;
mod slow;
mod subscribers;
mod throughput;

use crate::harness::{
    contest::Contest,
    machine,
    options::Options,
    report::{Exit, Goal, Report},
};
use crate::{calibration::Calibration, peers::brokers::Brokers};

/// The cases in the order of `cargo run -p bench -- mqtt`.
pub(crate) const CASES: [&str; 4] = ["mqtt-qos0", "mqtt-qos1", "mqtt-idle", "mqtt-slow"];

/// What a case brings; the rest is the same for all.
struct Case {
    name: &'static str,
    peers: &'static [&'static str],
    columns: &'static [&'static str],
    hold: fn(&Options, &[&str], &Brokers) -> Vec<Contest>,
    goals: fn(&[Contest]) -> Vec<Goal>,
}

/// `None` when there is no such case.
pub(crate) fn run(name: &str, options: &Options) -> Option<Exit> {
    let all = [throughput::QOS0, throughput::QOS1, idle::CASE, slow::CASE];
    let case = all.into_iter().find(|c| c.name == name)?;
    let peers = options.peers_or(case.peers);
    let brokers = Brokers::ready(options, &peers);
    machine::raise_file_limit();
    // After the builds: those use every core.
    if options.pinned && !machine::pin_clients() {
        println!("cannot pin to two cores: say --unpinned to measure without");
        return Some(Exit::OurCounts);
    }
    let (before, load_before) = (Calibration::take(), machine::load());
    let contests = (case.hold)(options, &peers, &brokers);
    let goals = (case.goals)(&contests);
    let versions = brokers.versions();
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
