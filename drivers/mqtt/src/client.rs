//! An MQTT client without its socket: packets in, events out, and what is to be sent in a buffer. Pure.
//!
//! QoS 2 messages are handed on once per connection. Across connections a broker may repeat one; its rows carry the same
//! time and value then, so nothing is lost and nothing invented.

use bytes::{Buf, Bytes, BytesMut};
use rmqtt_codec::types::QoS;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroU16,
};

use crate::{
    config::Version,
    fault::Refusal,
    packet::{Codec, Hello, In, Out, PACKET_BYTES_MAX},
};

/// The most that may wait to be sent; a broker that takes nothing has lost us.
pub(crate) const OUT_BYTES_MAX: usize = 4 << 20;
/// Messages of ours that may wait for their acknowledgement.
const FLIGHTS_MAX: usize = 64;

/// Messages of the broker that may wait for their acknowledgement: packet ids are not more than that.
const OWED_MAX: usize = 65_536;

/// First byte of the packet that answers a hello (MQTT 5.0, 3.2.1).
const CONNACK: u8 = 0x20;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The broker took us.
    Accepted {
        /// It wants to hear from us this often, whatever we said.
        keep_alive_s: Option<u16>,
    },
    /// The broker does not take us.
    Refused(Refusal),
    /// The outcome for each filter that was asked for, in that order.
    Subscribed(Vec<Result<(), String>>),
    /// A message.
    Message { topic: String, payload: Bytes, retained: bool },
    /// A message too large to be read was skipped.
    Skipped,
    /// The broker has a message of ours for good, or not.
    Taken { id: NonZeroU16, outcome: Result<(), String> },
    /// The broker ends the connection.
    Disconnected(String),
}

/// How far a message of ours got.
enum Flight {
    Sent,
    Released,
}

/// One connection.
pub(crate) struct Client {
    codec: Codec,
    /// What came and was not read yet.
    pub(crate) inbox: BytesMut,
    /// What is to be sent.
    pub(crate) out: BytesMut,
    /// Bytes of an oversized message that are still to be thrown away.
    skip: usize,
    ids: u16,
    qos_max: QoS,
    flights: BTreeMap<NonZeroU16, Flight>,
    /// QoS 2 messages that were handed on and not released yet.
    received: BTreeSet<NonZeroU16>,
    /// Acknowledgements of messages that were handed on, in their order, until [`Client::settle`].
    owed: VecDeque<Out>,
    /// How many were ever owed.
    ticket: u64,
    /// A ping waits for its answer.
    pub(crate) pinged: bool,
    /// The broker has answered our hello.
    greeted: bool,
}

impl Client {
    /// Says hello.
    pub(crate) fn new(version: Version, hello: Hello) -> Result<Client, String> {
        let mut client = Client {
            codec: Codec::new(version),
            inbox: BytesMut::new(),
            out: BytesMut::new(),
            skip: 0,
            ids: 0,
            qos_max: QoS::ExactlyOnce,
            flights: BTreeMap::new(),
            received: BTreeSet::new(),
            owed: VecDeque::new(),
            ticket: 0,
            pinged: false,
            greeted: false,
        };
        client.send(Out::Connect(hello))?;
        Ok(client)
    }

    /// Asks for filters; the outcome comes as [`Event::Subscribed`].
    pub(crate) fn subscribe(&mut self, filters: Vec<String>, qos: QoS) -> Result<(), String> {
        let id = self.next_id();
        self.send(Out::Subscribe { id, filters, qos })
    }

    /// Publishes. With QoS 1 and 2 the outcome comes as [`Event::Taken`] with the id that is given back.
    pub(crate) fn publish(
        &mut self,
        topic: String,
        payload: Bytes,
        qos: QoS,
    ) -> Result<Option<NonZeroU16>, String> {
        let qos = qos.less_value(self.qos_max);
        if self.flights.len() >= FLIGHTS_MAX && qos != QoS::AtMostOnce {
            return Err(format!("{FLIGHTS_MAX} messages wait for the broker"));
        }
        let id = (qos != QoS::AtMostOnce).then(|| self.next_id());
        self.send(Out::Publish { id, topic, payload, qos })?;
        if let Some(id) = id {
            self.flights.insert(id, Flight::Sent);
        }
        Ok(id)
    }

    /// Asks whether the broker is there.
    pub(crate) fn ping(&mut self) -> Result<(), String> {
        self.pinged = true;
        self.send(Out::Ping)
    }

    /// Says goodbye.
    pub(crate) fn disconnect(&mut self) -> Result<(), String> {
        self.send(Out::Disconnect)
    }

    fn send(&mut self, packet: Out) -> Result<(), String> {
        if self.out.len() > OUT_BYTES_MAX {
            return Err("the broker takes nothing any more".into());
        }
        self.codec.write(packet, &mut self.out)
    }

    fn next_id(&mut self) -> NonZeroU16 {
        loop {
            self.ids = self.ids.wrapping_add(1);
            if let Some(id) = NonZeroU16::new(self.ids)
                && !self.flights.contains_key(&id)
            {
                return id;
            }
        }
    }

    /// The next event of what came; `None` when more must come first. An error ends the connection.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            let skipped = self.skip.min(self.inbox.len());
            self.inbox.advance(skipped);
            self.skip -= skipped;
            if self.skip > 0 {
                return Ok(None);
            }
            // Whatever else listens there would have us wait for the rest of what is no packet.
            if !self.greeted && self.inbox.first().is_some_and(|first| *first != CONNACK) {
                return Err("it does not answer as a broker does".into());
            }
            match self.oversized()? {
                Oversized::No => {}
                Oversized::Unclear => return Ok(None),
                Oversized::Yes(event) => return Ok(Some(event)),
            }
            let Some(packet) = self.codec.read(&mut self.inbox)? else { return Ok(None) };
            if let Some(event) = self.take(packet)? {
                return Ok(Some(event));
            }
        }
    }

    fn take(&mut self, packet: In) -> Result<Option<Event>, String> {
        self.greeted = true;
        Ok(match packet {
            In::Accepted { keep_alive_s, qos_max } => {
                self.qos_max = qos_max;
                Some(Event::Accepted { keep_alive_s })
            }
            In::Refused(refusal) => Some(Event::Refused(refusal)),
            In::Subscribed(outcomes) => Some(Event::Subscribed(outcomes)),
            In::Publish { id, qos, retained, topic, payload } => {
                let fresh = self.acknowledge(id, qos)?;
                fresh.then_some(Event::Message { topic, payload, retained })
            }
            In::Ack { id, outcome } => self.flights.remove(&id).map(|_| Event::Taken { id, outcome }),
            In::Received { id, outcome: Ok(()) } => {
                if let Some(flight) = self.flights.get_mut(&id) {
                    *flight = Flight::Released;
                }
                self.send(Out::Release(id))?;
                None
            }
            In::Received { id, outcome } => self.flights.remove(&id).map(|_| Event::Taken { id, outcome }),
            In::Release(id) => {
                self.received.remove(&id);
                self.send(Out::Complete(id))?;
                None
            }
            In::Complete(id) => match self.flights.remove(&id) {
                Some(Flight::Released) => Some(Event::Taken { id, outcome: Ok(()) }),
                Some(Flight::Sent) => return Err("a message was completed before it was received".into()),
                None => None,
            },
            In::Pong => {
                self.pinged = false;
                None
            }
            In::Disconnect(reason) => Some(Event::Disconnected(reason)),
        })
    }

    /// Names all messages that were handed on so far, for [`Client::settle`].
    pub(crate) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Acknowledges all messages up to a ticket.
    pub(crate) fn settle(&mut self, ticket: u64) -> Result<(), String> {
        let settled = self.ticket - self.owed.len() as u64;
        for _ in settled..ticket {
            let Some(owed) = self.owed.pop_front() else { break };
            self.send(owed)?;
        }
        Ok(())
    }

    /// Owes a message its answer by QoS; `false` when it was handed on before.
    fn acknowledge(&mut self, id: Option<NonZeroU16>, qos: QoS) -> Result<bool, String> {
        let (owed, fresh) = match (qos, id) {
            (QoS::AtLeastOnce, Some(id)) => (Out::Ack(id), true),
            (QoS::ExactlyOnce, Some(id)) => (Out::Received(id), self.received.insert(id)),
            _ => return Ok(true),
        };
        if self.owed.len() >= OWED_MAX {
            return Err(format!("the broker sends more than {OWED_MAX} messages without waiting"));
        }
        self.owed.push_back(owed);
        self.ticket += 1;
        Ok(fresh)
    }

    /// Looks at the head of what came. A message larger than what is read is acknowledged and thrown away: closing the
    /// connection would bring it again, and with it the end of every other value.
    fn oversized(&mut self) -> Result<Oversized, String> {
        let Some((first, length, head)) = head(&self.inbox) else { return Ok(Oversized::No) };
        if first >> 4 != 3 || length <= PACKET_BYTES_MAX as usize {
            return Ok(Oversized::No);
        }
        let qos = match first >> 1 & 3 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let Some([high, low]) = self.inbox.get(head..head + 2) else { return Ok(Oversized::Unclear) };
        let topic_end = head + 2 + usize::from(u16::from_be_bytes([*high, *low]));
        let id_bytes = if qos == QoS::AtMostOnce { 0 } else { 2 };
        let Some(id) = self.inbox.get(topic_end..topic_end + id_bytes) else { return Ok(Oversized::Unclear) };
        let id = id.try_into().ok().and_then(|bytes| NonZeroU16::new(u16::from_be_bytes(bytes)));
        self.acknowledge(id, qos)?;
        self.skip = head + length;
        Ok(Oversized::Yes(Event::Skipped))
    }
}

enum Oversized {
    No,
    /// More must come before it can be told from whom.
    Unclear,
    Yes(Event),
}

/// First byte, length of what follows the head, length of the head.
fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    let mut length = 0usize;
    for (at, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((*first, length, at + 2));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(version: Version) -> Client {
        let hello = Hello {
            client_id: "c".into(),
            username: None,
            password: None,
            keep_alive_s: 60,
            clean_start: true,
        };
        let mut client = Client::new(version, hello).unwrap();
        client.out.clear();
        client
    }

    /// A client that was accepted.
    fn accepted(version: Version) -> Client {
        let mut client = client(version);
        let answer: &[u8] =
            if version == Version::V5 { b"\x20\x03\x00\x00\x00" } else { b"\x20\x02\x00\x00" };
        client.inbox.extend_from_slice(answer);
        assert!(matches!(client.next(), Ok(Some(Event::Accepted { .. }))));
        client
    }

    fn feed(client: &mut Client, bytes: &[u8]) -> Vec<String> {
        client.inbox.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(event) = client.next().unwrap() {
            events.push(match event {
                Event::Message { topic, payload, .. } => {
                    format!("{topic} {}", String::from_utf8_lossy(&payload))
                }
                Event::Taken { outcome, .. } => format!("taken {outcome:?}"),
                Event::Skipped => "skipped".to_string(),
                other => format!("{other:?}"),
            });
        }
        client.settle(client.ticket()).unwrap();
        events
    }

    #[test]
    fn nothing_is_acknowledged_before_it_is_settled() {
        let mut client = accepted(Version::V5);
        client.inbox.extend_from_slice(
            b"\x32\x07\x00\x01t\x00\x05\x00v\x34\x07\x00\x01t\x00\x06\x00v\x30\x05\x00\x01t\x00v",
        );
        let mut tickets = Vec::new();
        while let Some(Event::Message { .. }) = client.next().unwrap() {
            tickets.push(client.ticket());
        }
        assert_eq!((tickets, client.out.len()), (vec![1, 2, 2], 0));
        client.settle(1).unwrap();
        assert_eq!(&client.out[..], b"\x40\x04\x00\x05\x00\x00");
        client.settle(1).unwrap();
        client.settle(2).unwrap();
        assert_eq!(&client.out[6..], b"\x50\x04\x00\x06\x00\x00");
    }

    #[test]
    fn exactly_once_is_handed_on_once() {
        let mut client = accepted(Version::V311);
        let publish = b"\x34\x06\x00\x01t\x00\x07v";
        assert_eq!(feed(&mut client, publish), ["t v"]);
        assert_eq!(&client.out[..], b"\x50\x02\x00\x07");
        let again = b"\x3c\x06\x00\x01t\x00\x07v";
        assert!(feed(&mut client, again).is_empty(), "sent again, heard once");
        client.out.clear();
        assert!(feed(&mut client, b"\x62\x02\x00\x07").is_empty());
        assert_eq!(&client.out[..], b"\x70\x02\x00\x07");
        assert_eq!(feed(&mut client, publish), ["t v"], "the id is free again");
    }

    #[test]
    fn what_we_send_is_followed_to_its_end() {
        let mut client = accepted(Version::V311);
        let id = client.publish("t".into(), Bytes::from_static(b"v"), QoS::ExactlyOnce).unwrap().unwrap();
        assert_eq!(&client.out[..], b"\x34\x06\x00\x01t\x00\x01v");
        client.out.clear();
        assert!(feed(&mut client, b"\x50\x02\x00\x01").is_empty());
        assert_eq!(&client.out[..], b"\x62\x02\x00\x01");
        assert_eq!(feed(&mut client, b"\x70\x02\x00\x01"), ["taken Ok(())"]);
        assert_eq!(id.get(), 1);
        assert!(feed(&mut client, b"\x70\x02\x00\x01").is_empty(), "unknown ids are nobody's");
        let mut client = accepted(Version::V5);
        client.publish("t".into(), Bytes::new(), QoS::AtLeastOnce).unwrap();
        assert_eq!(feed(&mut client, b"\x40\x03\x00\x01\x87"), ["taken Err(\"NotAuthorized\")"]);
    }

    #[test]
    fn flights_are_bounded() {
        let mut client = accepted(Version::V311);
        for _ in 0..FLIGHTS_MAX {
            client.publish("t".into(), Bytes::new(), QoS::AtLeastOnce).unwrap();
        }
        assert!(client.publish("t".into(), Bytes::new(), QoS::AtLeastOnce).is_err());
        assert!(client.publish("t".into(), Bytes::new(), QoS::AtMostOnce).is_ok());
        let payload = Bytes::from(vec![0; 1 << 20]);
        let sent =
            (0..100).take_while(|_| client.publish("t".into(), payload.clone(), QoS::AtMostOnce).is_ok());
        assert!(sent.count() <= 6, "a broker that takes nothing fills no memory");
    }

    #[test]
    fn an_oversized_message_is_acknowledged_and_passed_over() {
        let mut client = accepted(Version::V311);
        let length = PACKET_BYTES_MAX as usize + 1;
        let mut head = vec![0x32];
        head.extend([(length & 0x7F) as u8 | 0x80, (length >> 7 & 0x7F) as u8 | 0x80, (length >> 14) as u8]);
        head.extend(b"\x00\x01t\x00\x05");
        assert_eq!(feed(&mut client, &head[..6]), Vec::<String>::new());
        assert_eq!(feed(&mut client, &head[6..]), ["skipped"]);
        assert_eq!(&client.out[..], b"\x40\x02\x00\x05");
        let mut rest = vec![b'x'; length - 5];
        rest.extend(b"\x30\x04\x00\x01tv");
        let heard: Vec<String> = rest.chunks(65_536).flat_map(|chunk| feed(&mut client, chunk)).collect();
        assert_eq!(heard, ["t v"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            first in prop::sample::select(vec![0x20u8, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xd0, 0xe0]),
            cut in 1usize..40,
            v5 in any::<bool>(),
        ) {
            let mut client = accepted(if v5 { Version::V5 } else { Version::V311 });
            let mut bytes = vec![first, noise.len() as u8 & 0x7F];
            bytes.extend(noise);
            for chunk in bytes.chunks(cut) {
                client.inbox.extend_from_slice(chunk);
                while let Ok(Some(_)) = client.next() {}
            }
        }
    }
}
