//! Messages delivered to one subscriber for each CPU-second of the broker.

use std::time::Duration;

use super::{
    Case,
    flood::{self, Load, Outcome},
    packets::Qos,
};
use crate::{
    harness::{
        contest::{Contest, Run},
        figures::rate,
        options::Options,
        report::{Bound, Goal},
    },
    peers::brokers::Brokers,
};

const ROUNDS: usize = 5;
const LASTING: Duration = Duration::from_millis(1_200);
const SHORT: Duration = Duration::from_millis(400);
const COLUMNS: &[&str] = &["messages_per_cpu_s", "messages_per_s", "cpu_s", "peak_rss_mb"];

/// How messages come in; the first is that of the goals.
const QOS0_SHAPES: &[Shape] = &[
    Shape { name: "", topics: 1, batched: true },
    Shape { name: ", 100 topics each", topics: 100, batched: true },
    Shape { name: ", one message a write", topics: 1, batched: false },
];
const QOS1_SHAPES: &[Shape] = &[Shape { name: "", topics: 1, batched: true }];

struct Shape {
    name: &'static str,
    topics: usize,
    batched: bool,
}

pub(super) const QOS0: Case = Case {
    name: "mqtt-qos0",
    peers: &["mosquitto", "rumqttd", "nats-server"],
    columns: COLUMNS,
    hold: |options, peers, brokers| hold(options, peers, brokers, Qos::AtMostOnce, &[10], QOS0_SHAPES),
    goals: |_| {
        let goal = |peer, m1, m2| goal(title(Qos::AtMostOnce, 10, 100, &QOS0_SHAPES[0]), peer, m1, m2);
        vec![goal("mosquitto", 3.0, 3.0), goal("nats-server", 1.1, 1.1), goal("rumqttd", 1.0, 1.1)]
    },
};

/// nats-server is absent: it acknowledges after writing to disk, which is another class.
pub(super) const QOS1: Case = Case {
    name: "mqtt-qos1",
    peers: &["mosquitto", "rumqttd"],
    columns: COLUMNS,
    hold: |options, peers, brokers| hold(options, peers, brokers, Qos::AtLeastOnce, &[10, 100], QOS1_SHAPES),
    goals: |_| {
        let title = |publishers| title(Qos::AtLeastOnce, publishers, 100, &QOS1_SHAPES[0]);
        vec![goal(title(10), "rumqttd", 0.8, 1.2), goal(title(100), "rumqttd", 0.8, 1.2)]
    },
};

fn goal(title: String, peer: &'static str, m1: f64, m2: f64) -> Goal {
    Goal { title, figure: "messages_per_cpu_s", bound: Bound::TimesPeer(peer), m1, m2 }
}

fn title(qos: Qos, publishers: usize, bytes: usize, shape: &Shape) -> String {
    format!("QoS {}, {publishers} publishers, {bytes} B{}", qos as u8, shape.name)
}

fn hold(
    options: &Options,
    peers: &[&str],
    brokers: &Brokers,
    qos: Qos,
    publishers: &[usize],
    shapes: &[Shape],
) -> Vec<Contest> {
    let publishers = if options.publishers.is_empty() { publishers } else { &options.publishers };
    let bytes: &[usize] = if options.bytes.is_empty() { &[100] } else { &options.bytes };
    let lasting = if options.short { SHORT } else { LASTING };
    let mut contests = Vec::new();
    let each = publishers
        .iter()
        .flat_map(|p| bytes.iter().flat_map(move |b| shapes.iter().map(move |s| (*p, *b, s))));
    for (publishers, bytes, shape) in each {
        let Shape { topics, batched, .. } = *shape;
        let load =
            Load { publishers, bytes, topics, batched, qos, lasting, seed: options.seed, with_slow: false };
        let run = |name: &str| flood::run(&brokers.start(name)?, &load).map(|outcome| show(&outcome));
        let title = title(qos, publishers, bytes, shape);
        contests.push(Contest::hold(title, load.settings(), peers, options.rounds_or(ROUNDS), run));
    }
    contests
}

fn show(outcome: &Outcome) -> Run {
    let differ = (outcome.sent != outcome.received)
        .then(|| format!("{} messages sent, {} received", outcome.sent, outcome.received));
    let other = (!outcome.same).then(|| "the messages received are not those sent".to_string());
    let fault = outcome.broken.first().cloned().or(differ).or(other);
    let per = |seconds| rate(outcome.received, seconds).unwrap_or(f64::NAN);
    let figures = vec![
        ("messages_per_cpu_s", per(outcome.cpu_s)),
        ("messages_per_s", per(outcome.wall_s)),
        ("sent", outcome.sent as f64),
        ("received", outcome.received as f64),
        ("cpu_s", outcome.cpu_s),
        ("wall_s", outcome.wall_s),
        ("rss_mb", outcome.memory.rss_mb),
        ("peak_rss_mb", outcome.memory.peak_rss_mb),
    ];
    Run { figures, fault }
}
