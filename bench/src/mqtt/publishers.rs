//! Publishers at full rate: at most once as fast as the broker takes it, at least once in a window.

use std::{
    sync::{Barrier, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    client::Client,
    flood::{Counters, Load},
    packets::{self, Qos},
};
use crate::harness::random::Seeded;

/// What a publisher at most once hands to the kernel at a time, unless it writes each message by itself.
pub(super) const BATCH: usize = 32 << 10;
/// Bytes of payload that publishers together may be ahead of the subscriber that counts. That is plenty to keep any broker
/// busy; without it the publishers starve the subscriber of the core they share, and a run measures how many gigabytes
/// the kernel buffers for a hundred connections.
pub(super) const AHEAD: u64 = 16 << 20;
/// How long a publisher that is ahead rests.
const RESTS: Duration = Duration::from_millis(2);
/// Messages in flight of a publisher at least once.
pub(super) const WINDOW: u16 = 20;

/// A PUBLISH as it goes out, and the digest of what it carries.
struct Message {
    packet: Vec<u8>,
    digest: u64,
}

/// One publisher: the same bytes for every broker, from the seed and its number.
pub(super) fn publish(
    mut client: Client,
    n: usize,
    load: &Load,
    counters: &Counters,
    barrier: &Barrier,
) -> Result<Client, String> {
    let mut random = Seeded::new(load.seed.wrapping_add(n as u64));
    let mut topics = (0..load.topics.max(1)).map(|topic| format!("bench/{n:03}/{topic:03}")).cycle();
    let mut message = |packet_id| {
        let (topic, payload) = (topics.next().unwrap_or_default(), random.bytes(load.bytes));
        let packet = packets::publish(&topic, load.qos, packet_id, &payload);
        Message { packet, digest: packets::digest(&payload) }
    };
    match load.qos {
        Qos::AtMostOnce => {
            let writes = writes(load, || message(0));
            barrier.wait();
            publish_in_writes(&mut client, &writes, load, counters)?;
        }
        Qos::AtLeastOnce => {
            let messages: Vec<Message> = (1..=WINDOW).map(&mut message).collect();
            barrier.wait();
            publish_in_a_window(&mut client, &messages, counters)?;
        }
    }
    Ok(client)
}

/// Some messages that go out at once.
struct Write {
    bytes: Vec<u8>,
    messages: u64,
    digest: u64,
}

/// As much as a batch holds, in one write or in one write for each message.
fn writes(load: &Load, mut message: impl FnMut() -> Message) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut write = Write { bytes: Vec::new(), messages: 0, digest: 0 };
    let mut total = 0;
    while total < BATCH {
        let Message { packet, digest } = message();
        total += packet.len();
        write.bytes.extend_from_slice(&packet);
        (write.messages, write.digest) = (write.messages + 1, write.digest.wrapping_add(digest));
        if !load.batched || total >= BATCH {
            writes.push(std::mem::replace(&mut write, Write { bytes: Vec::new(), messages: 0, digest: 0 }));
        }
    }
    writes
}

/// At most once: as fast as the broker takes it, until the run is over.
fn publish_in_writes(
    client: &mut Client,
    writes: &[Write],
    load: &Load,
    counters: &Counters,
) -> Result<(), String> {
    let ahead = AHEAD / load.bytes.max(1) as u64;
    for write in writes.iter().cycle() {
        while counters.sent.load(Relaxed) > counters.received.load(Relaxed) + ahead
            && !counters.stop.load(Relaxed)
        {
            std::thread::sleep(RESTS);
        }
        if counters.stop.load(Relaxed) {
            break;
        }
        counters.sending(write.messages, write.digest);
        client.send(&write.bytes)?;
    }
    Ok(())
}

/// At least once: each acknowledgement lets its packet id go out again.
fn publish_in_a_window(client: &mut Client, messages: &[Message], counters: &Counters) -> Result<(), String> {
    let mut due: Vec<u8> = messages.iter().flat_map(|m| m.packet.iter().copied()).collect();
    let mut in_flight = messages.len() as u64;
    counters.sending(in_flight, messages.iter().fold(0, |sum, m| sum.wrapping_add(m.digest)));
    client.send(&due)?;
    while in_flight > 0 {
        due.clear();
        let (mut acknowledged, mut again, mut digest) = (0, 0, 0_u64);
        let more = !counters.stop.load(Relaxed);
        let seen = client.read(|packet| {
            let message = packet.packet_id().and_then(|id| messages.get(usize::from(id).wrapping_sub(1)));
            if let (packets::PUBACK, Some(message)) = (packet.kind(), message) {
                acknowledged += 1;
                if more {
                    due.extend_from_slice(&message.packet);
                    (again, digest) = (again + 1, digest.wrapping_add(message.digest));
                }
            }
        })?;
        if seen.is_none() {
            return Err(format!("{in_flight} messages were never acknowledged"));
        }
        in_flight = (in_flight + again).saturating_sub(acknowledged);
        if again > 0 {
            counters.sending(again, digest);
            client.send(&due)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BATCH, Load, Message, writes};
    use crate::mqtt::packets::Qos;
    use std::time::Duration;

    fn load(batched: bool) -> Load {
        let qos = Qos::AtMostOnce;
        Load {
            publishers: 1,
            bytes: 100,
            topics: 1,
            batched,
            qos,
            lasting: Duration::ZERO,
            seed: 0,
            with_slow: false,
        }
    }

    #[test]
    fn the_same_messages_go_out_in_one_write_or_in_many() {
        let message = || Message { packet: vec![0; 115], digest: 3 };
        let (one, many) = (writes(&load(true), message), writes(&load(false), message));
        let expected = BATCH.div_ceil(115) as u64;
        assert_eq!((one.len(), one[0].messages, one[0].digest), (1, expected, 3 * expected));
        assert_eq!(one[0].bytes.len(), 115 * expected as usize);
        assert_eq!(many.len() as u64, expected);
        assert!(many.iter().all(|w| (w.messages, w.digest, w.bytes.len()) == (1, 3, 115)));
    }
}
