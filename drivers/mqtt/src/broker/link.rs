//! What a connection and those who send to it share: packets on their way, and how the client wants them.

use std::{sync::Arc, task::Waker, time::Duration};

use super::{accounts::Entry, buffers, limits, pace::Pace, session::Delivery, shared::Testament};
use crate::wire::{self, Outgoing, Reason, Version};

/// One side of a connection.
pub(crate) struct Link {
    pub(super) version: Version,
    /// Whole packets, ready to be written.
    pub(super) out: Vec<u8>,
    /// Bytes that the connection took and has not written yet.
    pub(super) writing: usize,
    pub(super) waker: Option<Waker>,
    /// Publishers that wait for room.
    pub(super) room: Vec<Waker>,
    pub(super) pace: Pace,
    pub(super) cut: Option<Reason>,
    /// Exchanges in flight that the client allows.
    pub(super) window: u16,
    pub(super) packet_bytes_max: usize,
    pub(super) aliases: Option<Box<Aliases>>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) will: Option<Box<Testament>>,
    pub(crate) account: Option<Arc<Entry>>,
}

/// Topics that the client knows by number.
pub(super) struct Aliases {
    pub(super) max: u16,
    pub(super) topics: Vec<Arc<str>>,
}

/// How a connection wants to be spoken to.
pub(crate) struct Terms {
    pub(crate) version: Version,
    pub(crate) receive_max: u16,
    pub(crate) packet_bytes_max: u32,
    pub(crate) alias_max: u16,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) will: Option<Box<Testament>>,
    pub(crate) account: Option<Arc<Entry>>,
}

/// What became of messages for one client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) taken: u64,
    pub(crate) dropped: u64,
    /// Bytes that are more in the buffer.
    pub(crate) bytes: usize,
    /// The publisher had better wait for [`Client::has_room`].
    pub(crate) full: bool,
    /// It has just become full: somebody must look whether it lags.
    pub(crate) first_full: bool,
}

/// Packets of QoS 0 from one publisher on one topic, one behind the other as they came.
pub(crate) struct Run<'a> {
    pub(crate) version: Version,
    pub(crate) packets: &'a [u8],
    pub(crate) count: u64,
    pub(crate) longest: usize,
}

/// Of the broker, at the moment of putting.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Duration,
    /// Encoded bytes of one client from which on publishers wait.
    pub(crate) out_high: usize,
    /// Encoded bytes that one client may have waiting.
    pub(crate) out_max: usize,
    /// What is put goes to others too.
    pub(crate) others: bool,
}

impl Link {
    /// To a connection that has just begun.
    pub(super) fn new(terms: Terms) -> Link {
        let alias_max = terms.alias_max.min(limits::ALIASES_OUT_MAX);
        Link {
            version: terms.version,
            out: Vec::new(),
            writing: 0,
            waker: None,
            room: Vec::new(),
            pace: Pace::default(),
            cut: None,
            window: terms.receive_max.min(limits::FLIGHT_MAX),
            packet_bytes_max: terms.packet_bytes_max as usize,
            aliases: (alias_max > 0).then(|| Box::new(Aliases { max: alias_max, topics: Vec::new() })),
            keep_alive: terms.keep_alive,
            will: terms.will,
            account: terms.account,
        }
    }

    pub(super) fn make_buffer(&mut self) {
        if self.out.capacity() == 0 {
            self.out = buffers::take();
        }
    }

    pub(super) fn keep_waker(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Whether QoS 0 still goes in. A packet is never too long for an empty buffer.
    pub(super) fn has_space(&self, moment: Moment) -> bool {
        let most = if self.pace.is_lagging() { moment.out_high } else { moment.out_max };
        self.out.len() < most
    }

    /// A run that cannot go out as it came in.
    pub(super) fn put_each(&mut self, run: &Run<'_>, ids: &[u32], put: &mut Put) {
        let mut rest = run.packets;
        while let Ok(Some(frame)) = wire::frame(rest, rest.len()) {
            rest = &rest[frame.len..];
            let Ok(view) = wire::publish(run.version, frame) else { break };
            let Ok(topic) = std::str::from_utf8(view.topic) else { break };
            let outgoing = Outgoing {
                dup: false,
                qos: 0,
                retain: false,
                topic,
                alias: None,
                packet_id: 0,
                properties: None,
                expiry_s: None,
                subscription_ids: ids,
                payload: view.payload,
            };
            if self.write(outgoing, None) { put.taken += 1 } else { put.dropped += 1 }
        }
    }

    pub(super) fn encode(&mut self, packet_id: u16, delivery: &Delivery, dup: bool, now: Duration) -> bool {
        let publish = &*delivery.publish;
        let outgoing = Outgoing {
            dup: dup && delivery.qos > 0,
            qos: delivery.qos,
            retain: delivery.retain,
            topic: &publish.topic,
            alias: None,
            packet_id,
            properties: publish.properties.as_deref(),
            expiry_s: publish.expiry_left_s(now),
            subscription_ids: delivery.ids.as_deref().unwrap_or_default(),
            payload: &publish.payload,
        };
        self.write(outgoing, Some(&publish.topic))
    }

    /// Appends a packet, unless it is longer than the client takes.
    fn write(&mut self, mut outgoing: Outgoing<'_>, topic: Option<&Arc<str>>) -> bool {
        // With an alias it may become shorter by the topic or longer by the alias: measured at its longest.
        let longer = if self.aliases.is_some() { 3 } else { 0 };
        if outgoing.len(self.version) + longer > self.packet_bytes_max {
            return false;
        }
        if let Some(aliases) = &mut self.aliases {
            let name = outgoing.topic;
            match aliases.topics.iter().position(|known| &**known == name) {
                Some(at) => (outgoing.topic, outgoing.alias) = ("", Some(at as u16 + 1)),
                None if aliases.topics.len() < usize::from(aliases.max) => {
                    aliases.topics.push(topic.map_or_else(|| name.into(), Arc::clone));
                    outgoing.alias = Some(aliases.topics.len() as u16);
                }
                None => {}
            }
        }
        outgoing.put(self.version, &mut self.out);
        true
    }
}
