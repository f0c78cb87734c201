//! Subscribers: one that counts all it gets, and one that hardly reads.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{client::Client, flood::Counters, packets};

/// How long a subscriber waits before it looks whether the run is over.
const LOOK: Duration = Duration::from_millis(20);
/// A subscriber that got nothing for so long has what it will get.
pub(super) const DRAINED: Duration = Duration::from_secs(5);
/// At last the slow subscriber reads what was kept for it; a queue without a bound may take longer.
const SLOW_DRAINS_WITHIN: Duration = Duration::from_secs(5);
/// One message of a hundred is what a slow subscriber reads.
const SLOW_PART: u64 = 100;

/// Counts and acknowledges until the run is over; returns when the last message came.
pub(super) fn count(mut client: Client, counters: &Counters) -> Result<Instant, String> {
    client.stream.set_read_timeout(Some(LOOK)).map_err(|e| e.to_string())?;
    let (mut last, mut acknowledgements) = (Instant::now(), Vec::new());
    while !counters.end.load(Relaxed) {
        let (mut messages, mut digest) = (0, 0_u64);
        acknowledgements.clear();
        client.read(|packet| {
            if packet.kind() == packets::PUBLISH {
                messages += 1;
                digest = digest.wrapping_add(packet.payload().map_or(0, packets::digest));
            }
            if let Some(id) = packet.to_acknowledge() {
                acknowledgements.extend_from_slice(&packets::puback(id));
            }
        })?;
        if messages > 0 {
            counters.received(messages, digest);
            last = Instant::now();
        }
        if !acknowledgements.is_empty() {
            client.send(&acknowledgements)?;
        }
    }
    Ok(last)
}

/// Reads a hundredth of what is sent; at the end all that was kept for it.
pub(super) fn read_slowly(mut client: Client, counters: &Counters) -> Result<(), String> {
    client.stream.set_read_timeout(Some(LOOK)).map_err(|e| e.to_string())?;
    let mut read = || -> Result<bool, String> {
        let mut messages = 0;
        let seen = client.read(|packet| messages += u64::from(packet.kind() == packets::PUBLISH))?;
        counters.slow_received.fetch_add(messages, Relaxed);
        Ok(seen.is_some())
    };
    while !counters.hurry.load(Relaxed) {
        if counters.slow_received.load(Relaxed) * SLOW_PART < counters.sent.load(Relaxed) {
            read()?;
        } else {
            std::thread::sleep(LOOK);
        }
    }
    let (start, mut moved) = (Instant::now(), Instant::now());
    while moved.elapsed() < DRAINED && start.elapsed() < SLOW_DRAINS_WITHIN {
        if read()? {
            moved = Instant::now();
        }
    }
    Ok(())
}
