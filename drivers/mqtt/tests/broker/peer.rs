//! A broker under test, and a client that says exactly what a test wants said.

use driver_mqtt::{
    broker::{Broker, Desk, Policy},
    wire::{self, Outgoing, Properties, Version},
};
use sdk::fake::{FakeClock, seeded_random};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use types::Time;

/// A broker with a clock.
pub(crate) struct House {
    pub(crate) broker: Broker,
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: FakeClock,
    /// Bytes that a stream takes before somebody must read.
    pub(crate) pipe_bytes: usize,
}

pub(crate) fn policy() -> Policy {
    Policy {
        anonymous_publish: vec!["#".into()],
        anonymous_subscribe: vec!["#".into()],
        deny: vec!["denied/#".into()],
        receive_max: 10,
        keep_alive_max_s: 60,
        packet_bytes_max: 1_024 * 1_024,
        quarantine: true,
    }
}

impl House {
    pub(crate) fn open() -> House {
        House::with(policy())
    }

    pub(crate) fn with(policy: Policy) -> House {
        let clock = FakeClock::at(Time::from_unix_ms(1_000_000));
        let desk = Arc::new(Desk {
            clock: clock.handle(),
            ids: sdk::Ids::new(clock.handle(), seeded_random(7)),
            policy,
            arrivals: sdk::Arrivals::default(),
            enrol: None,
        });
        let broker = Broker::new();
        let (timed, desk_of_time) = (broker.clone(), desk.clone());
        tokio::spawn(async move { timed.keep_time(&desk_of_time).await });
        House { broker, desk, clock, pipe_bytes: 64 * 1_024 }
    }

    /// A stream to the broker that has not said anything.
    pub(crate) fn stream(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(self.pipe_bytes);
        let (broker, desk) = (self.broker.clone(), self.desk.clone());
        let from = SocketAddr::from(([10, 0, 0, 1], 40_000));
        tokio::spawn(async move { broker.serve(desk, Box::new(theirs), from, None).await });
        ours
    }

    /// A client that was let in; `true` when its session was kept.
    pub(crate) async fn join(&self, hello: &Hello) -> (Peer, bool) {
        let mut peer = Peer { stream: self.stream(), input: Vec::new(), version: hello.version };
        peer.send(&hello.packet()).await;
        let welcome = peer.next().await;
        assert_eq!(welcome[0], 0x20, "{welcome:x?}");
        assert_eq!(welcome[3], 0, "refused: {welcome:x?}");
        (peer, welcome[2] == 1)
    }

    /// A client of version 5 with a fresh session.
    pub(crate) async fn client(&self, id: &str) -> Peer {
        self.join(&Hello::new(id)).await.0
    }

    /// What CONNACK says to somebody who is not let in.
    pub(crate) async fn refusal(&self, hello: &Hello) -> u8 {
        let mut peer = Peer { stream: self.stream(), input: Vec::new(), version: hello.version };
        peer.send(&hello.packet()).await;
        let answer = peer.next().await;
        assert_eq!(answer[0], 0x20);
        assert!(peer.is_closed().await);
        answer[3]
    }
}

/// What CONNECT says.
#[derive(Clone)]
pub(crate) struct Hello {
    pub(crate) version: Version,
    pub(crate) id: String,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_s: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    /// Raw properties of CONNECT.
    pub(crate) properties: Vec<u8>,
    /// QoS, retain, raw properties, topic, payload.
    pub(crate) will: Option<(u8, bool, Vec<u8>, String, String)>,
}

impl Hello {
    pub(crate) fn new(id: &str) -> Hello {
        Hello {
            version: Version::V5,
            id: id.into(),
            clean_start: true,
            keep_alive_s: 0,
            username: None,
            password: None,
            properties: Vec::new(),
            will: None,
        }
    }
    pub(crate) fn v3(id: &str) -> Hello {
        Hello { version: Version::V3, ..Hello::new(id) }
    }
    /// Comes back to the session it left.
    pub(crate) fn again(mut self) -> Hello {
        self.clean_start = false;
        self
    }
    pub(crate) fn expiry(mut self, seconds: u32) -> Hello {
        self.properties.push(0x11);
        self.properties.extend(seconds.to_be_bytes());
        self
    }
    pub(crate) fn receive_max(mut self, most: u16) -> Hello {
        self.properties.push(0x21);
        self.properties.extend(most.to_be_bytes());
        self
    }
    pub(crate) fn packet_bytes_max(mut self, most: u32) -> Hello {
        self.properties.push(0x27);
        self.properties.extend(most.to_be_bytes());
        self
    }
    pub(crate) fn alias_max(mut self, most: u16) -> Hello {
        self.properties.push(0x22);
        self.properties.extend(most.to_be_bytes());
        self
    }
    pub(crate) fn keep_alive(mut self, seconds: u16) -> Hello {
        self.keep_alive_s = seconds;
        self
    }
    pub(crate) fn by(mut self, username: &str, password: Option<&str>) -> Hello {
        self.username = Some(username.into());
        self.password = password.map(Into::into);
        self
    }
    pub(crate) fn will(mut self, topic: &str, payload: &str, delay_s: u32) -> Hello {
        let mut properties = Vec::new();
        if delay_s > 0 {
            properties.push(0x18);
            properties.extend(delay_s.to_be_bytes());
        }
        self.will = Some((1, false, properties, topic.into(), payload.into()));
        self
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let v5 = self.version == Version::V5;
        let mut flags = u8::from(self.clean_start) << 1;
        flags |= u8::from(self.username.is_some()) << 7 | u8::from(self.password.is_some()) << 6;
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', if v5 { 5 } else { 4 }];
        if let Some((qos, retain, ..)) = &self.will {
            flags |= 4 | qos << 3 | u8::from(*retain) << 5;
        }
        body.push(flags);
        body.extend(self.keep_alive_s.to_be_bytes());
        if v5 {
            body.push(self.properties.len() as u8);
            body.extend(&self.properties);
        }
        text(&mut body, &self.id);
        if let Some((_, _, properties, topic, payload)) = &self.will {
            if v5 {
                body.push(properties.len() as u8);
                body.extend(properties);
            }
            text(&mut body, topic);
            text(&mut body, payload);
        }
        for part in [&self.username, &self.password].into_iter().flatten() {
            text(&mut body, part);
        }
        packet(0x10, &body)
    }
}

pub(crate) fn text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u16).to_be_bytes());
    to.extend(text.bytes());
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut whole = vec![first];
    let mut n = body.len();
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        whole.push(if n > 0 { low | 0x80 } else { low });
        if n == 0 {
            break;
        }
    }
    whole.extend(body);
    whole
}

/// A message as a client got it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) topic: String,
    pub(crate) id: u16,
    pub(crate) properties: Vec<u8>,
    pub(crate) payload: String,
}

pub(crate) fn message<'a>(topic: &'a str, payload: &'a str, qos: u8) -> Outgoing<'a> {
    Outgoing {
        dup: false,
        qos,
        retain: false,
        topic,
        alias: None,
        packet_id: if qos > 0 { 1 } else { 0 },
        properties: None,
        expiry_s: None,
        subscription_ids: &[],
        payload: payload.as_bytes(),
    }
}

/// A client.
pub(crate) struct Peer {
    pub(crate) stream: DuplexStream,
    pub(crate) input: Vec<u8>,
    pub(crate) version: Version,
}

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(5);

impl Peer {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet.
    pub(crate) async fn next(&mut self) -> Vec<u8> {
        tokio::time::timeout(PATIENCE, self.next_or_end()).await.expect("a packet").expect("no end")
    }

    async fn next_or_end(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(frame) = wire::frame(&self.input, usize::MAX).unwrap() {
                let len = frame.len;
                return Some(self.input.drain(..len).collect());
            }
            let mut part = [0; 4_096];
            match self.stream.read(&mut part).await {
                Ok(n) if n > 0 => self.input.extend(&part[..n]),
                _ => return None,
            }
        }
    }

    /// Whether the broker closed the connection; what it still said is read.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let all = async { while self.next_or_end().await.is_some() {} };
        tokio::time::timeout(PATIENCE, all).await.is_ok()
    }

    /// Answered in turn: what was sent before has been dealt with when this returns. Whatever came first is returned.
    pub(crate) async fn ping(&mut self) -> Vec<Vec<u8>> {
        self.send(&[0xc0, 0]).await;
        let mut before = Vec::new();
        loop {
            let next = self.next().await;
            if next == [0xd0, 0] {
                return before;
            }
            before.push(next);
        }
    }

    /// Nothing is on its way, after the broker has had time to send.
    pub(crate) async fn hears_nothing(&mut self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let heard = self.ping().await;
        assert_eq!(heard, Vec::<Vec<u8>>::new());
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        self.subscribe_as(filter, options, None).await
    }

    pub(crate) async fn subscribe_as(&mut self, filter: &str, options: u8, id: Option<u8>) -> u8 {
        let mut body = vec![0, 9];
        if self.version == Version::V5 {
            match id {
                Some(id) => body.extend([2, 0x0b, id]),
                None => body.push(0),
            }
        }
        text(&mut body, filter);
        body.push(options);
        self.send(&packet(0x82, &body)).await;
        let answer = self.next().await;
        assert_eq!(answer[0], 0x90, "{answer:x?}");
        *answer.last().unwrap()
    }

    pub(crate) async fn unsubscribe(&mut self, filter: &str) -> Vec<u8> {
        let mut body = vec![0, 9];
        if self.version == Version::V5 {
            body.push(0);
        }
        text(&mut body, filter);
        self.send(&packet(0xa2, &body)).await;
        self.next().await
    }

    pub(crate) async fn publish(&mut self, outgoing: Outgoing<'_>) {
        let mut out = Vec::new();
        outgoing.put(self.version, &mut out);
        self.send(&out).await;
    }

    /// Publishes with QoS 1; the reason in the answer.
    pub(crate) async fn publish_acked(&mut self, outgoing: Outgoing<'_>) -> u8 {
        self.publish(Outgoing { qos: 1, packet_id: 77, ..outgoing }).await;
        let ack = self.next().await;
        assert_eq!(&ack[..1], [0x40], "{ack:x?}");
        ack.get(4).copied().unwrap_or(0)
    }

    /// The next packet, which is a message. Not acknowledged.
    pub(crate) async fn got(&mut self) -> Got {
        let whole = self.next().await;
        self.read(&whole)
    }

    pub(crate) fn read(&self, whole: &[u8]) -> Got {
        let frame = wire::frame(whole, whole.len()).unwrap().unwrap();
        assert_eq!(frame.first & 0xf0, 0x30, "{whole:x?}");
        let view = wire::publish(self.version, frame).unwrap();
        Got {
            dup: view.dup,
            qos: view.qos,
            retain: view.retain,
            topic: String::from_utf8(view.topic.to_vec()).unwrap(),
            id: view.packet_id,
            properties: view.properties.to_vec(),
            payload: String::from_utf8_lossy(view.payload).into_owned(),
        }
    }

    /// The next message, acknowledged as its QoS wants.
    pub(crate) async fn take(&mut self) -> Got {
        let got = self.got().await;
        let [high, low] = got.id.to_be_bytes();
        match got.qos {
            1 => self.send(&[0x40, 2, high, low]).await,
            2 => {
                self.send(&[0x50, 2, high, low]).await;
                assert_eq!(self.next().await, [0x62, 2, high, low]);
                self.send(&[0x70, 2, high, low]).await;
            }
            _ => {}
        }
        got
    }

    /// Says goodbye.
    pub(crate) async fn leave(mut self) {
        self.send(&[0xe0, 0]).await;
        assert!(self.is_closed().await);
    }

    /// Is gone without a word; the broker has noticed when this returns.
    pub(crate) async fn vanish(self) {
        drop(self.stream);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// The reason of the DISCONNECT that ends the connection.
    pub(crate) async fn reason(&mut self) -> u8 {
        loop {
            let next = self.next().await;
            if next[0] == 0xe0 {
                assert!(self.is_closed().await);
                return next[2];
            }
        }
    }
}

pub(crate) fn properties(raw: &[u8]) -> Vec<(u8, Vec<u8>)> {
    // Only those that tests look at: subscription ids, alias, expiry.
    let (mut rest, mut all) = (raw, Vec::new());
    while let [name, tail @ ..] = rest {
        let n = match name {
            0x0b => 1,
            0x23 => 2,
            0x02 => 4,
            other => panic!("property {other:x}"),
        };
        all.push((*name, tail[..n].to_vec()));
        rest = &tail[n..];
    }
    all
}

/// As much as a device may say of a message.
pub(crate) fn all_properties() -> Properties {
    Properties {
        utf8: true,
        expiry_s: None,
        content_type: Some("application/json".into()),
        response_topic: Some("answers/1".into()),
        correlation: Some(bytes::Bytes::from_static(b"\x00\xff")),
        user: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
    }
}
