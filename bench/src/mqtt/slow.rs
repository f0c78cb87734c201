//! What one subscriber that hardly reads costs the broker and the others.

use serde_json::json;
use std::time::{Duration, Instant};

use super::{
    Case,
    client::Client,
    flood::{self, Load, Outcome},
    packets::{self, Qos},
};
use crate::{
    harness::{
        contest::{Contest, OURS, Run},
        figures::rate,
        options::Options,
        report::{Bound, Goal},
    },
    peers::brokers::{Broker, Brokers},
};

const ROUNDS: usize = 3;
const PUBLISHERS: usize = 100;
const LASTING: Duration = Duration::from_secs(3);
const SHORT: Duration = Duration::from_millis(500);
/// Where mosquitto publishes how many messages it dropped, retained.
const DROPPED: &str = "$SYS/broker/publish/messages/dropped";
/// As long as such a figure may lag behind.
const DROPPED_WITHIN: Duration = Duration::from_millis(2_500);

pub(super) const CASE: Case = Case {
    name: "mqtt-slow",
    peers: &["mosquitto", "rumqttd"],
    columns: &["peak_rss_mb", "others_kept", "messages_per_s", "messages_per_cpu_s"],
    hold,
    goals: |contests| {
        let Some(title) = contests.first().map(|c| c.title.clone()) else { return Vec::new() };
        let at_most = |figure, m1, m2| Goal { title: title.clone(), figure, bound: Bound::AtMost, m1, m2 };
        vec![
            at_most("peak_rss_mb", 256.0, 256.0),
            at_most("others_lose", 0.1, 0.1),
            at_most("uncounted", 0.0, 0.0),
        ]
    },
};

fn hold(options: &Options, peers: &[&str], brokers: &Brokers) -> Vec<Contest> {
    let bytes = options.bytes.first().copied().unwrap_or(100);
    let publishers = options.publishers.first().copied().unwrap_or(PUBLISHERS);
    let lasting = if options.short { SHORT } else { LASTING };
    let load = Load {
        publishers,
        bytes,
        topics: 1,
        batched: true,
        qos: Qos::AtMostOnce,
        lasting,
        seed: options.seed,
        with_slow: false,
    };
    let mut settings = load.settings();
    settings["subscribers"] =
        json!("one that reads all, then the same beside one that reads one message of a hundred");
    let title = format!("{publishers} publishers, 1 subscriber and 1 at 1 %");
    let run = |name: &str| {
        // The broker is another one each time, so that nothing of one run is left for the other.
        let without = flood::run(&brokers.start(name)?, &load)?;
        let broker = brokers.start(name)?;
        let with = flood::run(&broker, &Load { with_slow: true, ..load })?;
        Ok(show(name, &without, &with, dropped(broker)))
    };
    vec![Contest::hold(title, settings, peers, options.rounds_or(ROUNDS), run)]
}

fn show(name: &str, without: &Outcome, with: &Outcome, dropped: Option<u64>) -> Run {
    let kept = with.while_publishing_per_s / without.while_publishing_per_s;
    let mut figures = vec![
        ("peak_rss_mb", with.memory.peak_rss_mb),
        ("peak_rss_without_mb", without.memory.peak_rss_mb),
        ("others_kept", kept),
        ("others_lose", (1.0 - kept).max(0.0)),
        ("messages_per_s", with.while_publishing_per_s),
        ("messages_per_s_without", without.while_publishing_per_s),
        ("messages_per_cpu_s_without", rate(without.received, without.cpu_s).unwrap_or(f64::NAN)),
        ("messages_per_cpu_s", rate(with.received, with.cpu_s).unwrap_or(f64::NAN)),
        ("sent", with.sent as f64),
        ("received", with.received as f64),
        ("slow_received", with.slow_received as f64),
    ];
    if let Some(dropped) = dropped {
        let missing = with.sent.abs_diff(with.slow_received + dropped);
        figures.extend([("dropped", dropped as f64), ("uncounted", missing as f64)]);
    }
    // A peer may treat its subscribers as it likes here; ours owes the well-behaved one everything, and a count of the rest.
    let fault = if name == OURS { fault(without, with, dropped) } else { None };
    Run { figures, fault }
}

fn fault(without: &Outcome, with: &Outcome, dropped: Option<u64>) -> Option<String> {
    let broken = with.broken.iter().chain(&without.broken).next().cloned();
    let lost = [without, with].iter().map(|o| o.sent.abs_diff(o.received)).sum::<u64>();
    let lost = (lost > 0).then(|| format!("the subscriber that reads lost {lost} messages"));
    let other = (!without.same || !with.same).then(|| "the messages received are not those sent".to_string());
    let uncounted = dropped.is_none().then(|| "it does not say how much it dropped".to_string());
    broken.or(lost).or(other).or(uncounted)
}

/// How many messages the broker says it dropped: under `$SYS`, or as its last word. `None` when it says nothing.
fn dropped(broker: Broker) -> Option<u64> {
    published(&broker).or_else(|| count(&broker.process.interrupt(), "dropped"))
}

/// The figure under `$SYS`, once it rests.
fn published(broker: &Broker) -> Option<u64> {
    let mut client = Client::connect(broker.address, "auditor").ok()?;
    client.subscribe(DROPPED, Qos::AtMostOnce).ok()?;
    client.stream.set_read_timeout(Some(Duration::from_millis(100))).ok()?;
    let (start, mut last) = (Instant::now(), None);
    while start.elapsed() < DROPPED_WITHIN {
        let seen = client.read(|packet| {
            if packet.kind() == packets::PUBLISH {
                let text = packet.payload().and_then(|p| std::str::from_utf8(p).ok());
                last = text.and_then(|t| t.trim().parse().ok()).or(last);
            }
        });
        seen.ok()?;
    }
    last
}

/// The whole number that follows a name, whatever stands between them but letters and other numbers.
fn count(text: &str, name: &str) -> Option<u64> {
    let (_, after) = text.rsplit_once(name)?;
    let after = after.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let digits = after.find(|c: char| !c.is_ascii_digit()).map_or(after, |end| &after[..end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_count_is_found_in_a_last_word() {
        assert_eq!(count("{\"port\": 1}\n{\"messages_in\": 9, \"dropped\": 412}\n", "dropped"), Some(412));
        assert_eq!(count("View { dropped: 0, refused: 3 }", "dropped"), Some(0));
        assert_eq!(count("View { dropped: none, refused: 3 }", "dropped"), None);
        assert_eq!(count("interrupted", "dropped"), None);
    }
}
