//! Publishers at full rate, one subscriber that counts, and beside it, if asked for, one that hardly reads.

use serde_json::{Value, json};
use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    client::Client,
    packets::Qos,
    publishers::{AHEAD, BATCH, WINDOW, publish},
    subscribers::{DRAINED, count, read_slowly},
};
use crate::{harness::process::Memory, peers::brokers::Broker};

/// What a broker has not delivered so long after the last message was sent counts as lost.
const DRAINS_WITHIN: Duration = Duration::from_secs(30);

/// The work of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) publishers: usize,
    pub(crate) bytes: usize,
    /// Topics of each publisher, taken in turn.
    pub(crate) topics: usize,
    /// One write for many messages, as from a gateway; otherwise one for each, as from a device. At most once only.
    pub(crate) batched: bool,
    pub(crate) qos: Qos,
    /// How long publishers publish.
    pub(crate) lasting: Duration,
    pub(crate) seed: u64,
    pub(crate) with_slow: bool,
}

impl Load {
    /// For the result.
    pub(crate) fn settings(&self) -> Value {
        let window = (self.qos == Qos::AtLeastOnce).then_some(WINDOW);
        let (write_bytes, batched) = (BATCH, self.batched && self.qos == Qos::AtMostOnce);
        json!({
            "publishers": self.publishers, "payload_bytes": self.bytes, "topics_each": self.topics,
            "qos": self.qos as u8, "window": window, "write_bytes": batched.then_some(write_bytes),
            "publishing_ms": self.lasting.as_millis() as u64, "ahead_bytes": AHEAD, "subscribers": 1,
        })
    }
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// By the slow subscriber, after it was at last let to read all that was kept for it.
    pub(crate) slow_received: u64,
    /// From the first message sent to the last received.
    pub(crate) wall_s: f64,
    /// Of the broker, in the same time.
    pub(crate) cpu_s: f64,
    /// Received for each second while publishers published.
    pub(crate) while_publishing_per_s: f64,
    pub(crate) memory: Memory,
    /// The messages received are those sent, as far as the sums of their digests tell.
    pub(crate) same: bool,
    /// What broke off: a connection, an acknowledgement that never came.
    pub(crate) broken: Vec<String>,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) slow_received: AtomicU64,
    /// Sums of the digests of all messages.
    pub(super) sent_digest: AtomicU64,
    pub(super) received_digest: AtomicU64,
    /// Publishers stop.
    pub(super) stop: AtomicBool,
    /// The slow subscriber may read all it can.
    pub(super) hurry: AtomicBool,
    /// Subscribers end.
    pub(super) end: AtomicBool,
}

impl Counters {
    pub(super) fn sending(&self, messages: u64, digest: u64) {
        self.sent_digest.fetch_add(digest, Relaxed);
        self.sent.fetch_add(messages, Relaxed);
    }
    pub(super) fn received(&self, messages: u64, digest: u64) {
        self.received_digest.fetch_add(digest, Relaxed);
        self.received.fetch_add(messages, Relaxed);
    }
}

/// Runs a load against a broker.
///
/// # Errors
/// A client cannot connect or subscribe.
pub(crate) fn run(broker: &Broker, load: &Load) -> Result<Outcome, String> {
    let counters = Counters::default();
    let barrier = Barrier::new(load.publishers + 1);
    let mut subscriber = Client::connect(broker.address, "subscriber")?;
    subscriber.subscribe("bench/#", load.qos)?;
    let slow = load.with_slow.then(|| Client::connect(broker.address, "slow")).transpose()?;
    let slow = slow.map(|mut client| client.subscribe("bench/#", load.qos).map(|()| client)).transpose()?;
    let publishers: Vec<Client> = (0..load.publishers)
        .map(|n| Client::connect(broker.address, &format!("publisher-{n}")))
        .collect::<Result<_, _>>()?;

    std::thread::scope(|threads| {
        let counting = threads.spawn(|| count(subscriber, &counters));
        let slow = slow.map(|client| threads.spawn(|| read_slowly(client, &counters)));
        let publishing: Vec<_> = publishers
            .into_iter()
            .enumerate()
            .map(|(n, client)| {
                let (counters, barrier) = (&counters, &barrier);
                threads.spawn(move || publish(client, n, load, counters, barrier))
            })
            .collect();
        let cpu = broker.process.cpu_s();
        barrier.wait();
        let start = Instant::now();
        std::thread::sleep(load.lasting);
        counters.stop.store(true, Relaxed);
        let while_publishing_per_s = counters.received.load(Relaxed) as f64 / start.elapsed().as_secs_f64();
        let mut broken = Vec::new();
        // The clients stay connected until all is counted: a broker may drop what it owes to a client that left.
        let clients: Vec<_> =
            publishing.into_iter().map(joined).map(|r| r.map_err(|e| broken.push(e))).collect();
        drain(&counters);
        let cpu_s = broker.process.cpu_s() - cpu;
        let memory = broker.process.memory();
        counters.hurry.store(true, Relaxed);
        let slow = slow.map(joined);
        counters.end.store(true, Relaxed);
        let last = joined(counting).map_err(|e| broken.push(e)).unwrap_or_else(|()| Instant::now());
        drop(clients);
        broken.extend(slow.and_then(Result::err));
        Ok(Outcome {
            sent: counters.sent.load(Relaxed),
            received: counters.received.load(Relaxed),
            slow_received: counters.slow_received.load(Relaxed),
            wall_s: (last - start).as_secs_f64(),
            cpu_s,
            while_publishing_per_s,
            memory,
            same: counters.sent_digest.load(Relaxed) == counters.received_digest.load(Relaxed),
            broken,
        })
    })
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("a client panicked".into()))
}

/// Waits until all that was sent is received, or nothing more comes.
fn drain(counters: &Counters) {
    let start = Instant::now();
    let (mut seen, mut moved) = (0, Instant::now());
    while start.elapsed() < DRAINS_WITHIN && moved.elapsed() < DRAINED {
        let received = counters.received.load(Relaxed);
        if received >= counters.sent.load(Relaxed) {
            return;
        }
        if received != seen {
            (seen, moved) = (received, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
