//! Memory of a connection that does nothing but hold one subscription.

use serde_json::json;
use std::time::Duration;

use super::{
    Case,
    client::Client,
    packets::{self, Qos},
};
use crate::{
    harness::{
        contest::{Contest, Run},
        options::Options,
        report::{Bound, Goal},
    },
    peers::brokers::Brokers,
};

const CONNECTIONS: usize = 10_000;
const CONNECTIONS_SHORT: usize = 500;
/// Memory hardly varies between runs.
const ROUNDS: usize = 1;
/// A broker may tidy up first.
const SETTLES: Duration = Duration::from_secs(2);
/// Every so many connections, one is written to and has to hear it.
const SAMPLE: usize = 100;
const HEARS_WITHIN: Duration = Duration::from_secs(5);

pub(super) const CASE: Case = Case {
    name: "mqtt-idle",
    peers: &["mosquitto", "nats-server", "rumqttd"],
    columns: &["kib_per_connection", "rss_mb", "connect_cpu_us", "idle_cores"],
    hold,
    goals: |contests| {
        let title = contests.first().map(|c| c.title.clone()).unwrap_or_default();
        vec![Goal { title, figure: "kib_per_connection", bound: Bound::AtMost, m1: 8.0, m2: 3.0 }]
    },
};

fn hold(options: &Options, peers: &[&str], brokers: &Brokers) -> Vec<Contest> {
    let connections = if options.short { CONNECTIONS_SHORT } else { CONNECTIONS };
    let settings = json!({ "connections": connections, "subscriptions_each": 1, "settle_ms": SETTLES.as_millis() as u64 });
    let title = format!("{connections} idle connections, 1 subscription each");
    let run = |name: &str| one(brokers, name, connections);
    vec![Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run)]
}

fn one(brokers: &Brokers, name: &str, connections: usize) -> Result<Run, String> {
    let broker = brokers.start(name)?;
    // One client first: what a broker allocates once is none of the connections'.
    let mut publisher = Client::connect(broker.address, "publisher")?;
    publisher.subscribe("other", Qos::AtMostOnce)?;
    std::thread::sleep(SETTLES / 4);
    let (empty, cpu) = (broker.process.memory(), broker.process.cpu_s());
    let mut clients = Vec::with_capacity(connections);
    for n in 0..connections {
        let mut client = Client::connect_small(broker.address, &format!("idle-{n}"))?;
        client.subscribe(&topic(n), Qos::AtMostOnce)?;
        clients.push(client);
    }
    let connected = broker.process.cpu_s();
    std::thread::sleep(SETTLES);
    let (memory, idle_s) = (broker.process.memory(), broker.process.cpu_s() - connected);
    let heard = heard(&mut publisher, &mut clients)?;
    let asked = connections.div_ceil(SAMPLE);
    let fault = (heard != asked).then(|| format!("{heard} of {asked} idle clients heard their message"));
    let figures = vec![
        ("kib_per_connection", (memory.rss_mb - empty.rss_mb) * 1e6 / 1024.0 / connections as f64),
        ("rss_mb", memory.rss_mb),
        ("empty_rss_mb", empty.rss_mb),
        ("peak_rss_mb", memory.peak_rss_mb),
        ("connect_cpu_us", (connected - cpu) * 1e6 / connections as f64),
        ("idle_cores", idle_s / SETTLES.as_secs_f64()),
    ];
    Ok(Run { figures, fault })
}

fn topic(n: usize) -> String {
    format!("idle/{n}")
}

/// Writes to some of the clients, and counts those that hear exactly it.
fn heard(publisher: &mut Client, clients: &mut [Client]) -> Result<usize, String> {
    let mut heard = 0;
    for (n, client) in clients.iter_mut().enumerate().step_by(SAMPLE) {
        let payload = n.to_be_bytes();
        publisher.send(&packets::publish(&topic(n), Qos::AtMostOnce, 0, &payload))?;
        client.stream.set_read_timeout(Some(HEARS_WITHIN)).map_err(|e| e.to_string())?;
        let mut same = false;
        client
            .read(|packet| same = packet.kind() == packets::PUBLISH && packet.payload() == Some(&payload))?;
        heard += usize::from(same);
    }
    Ok(heard)
}
