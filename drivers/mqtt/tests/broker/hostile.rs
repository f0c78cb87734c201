//! Clients that mean harm or are broken: every packet type with wrong flags, lengths and ends. None may bring the broker
//! down, hang a connection or disturb two well-behaved clients.

use driver_mqtt::{broker::limits, wire::Version};
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

use crate::peer::{Hello, House, Peer, message, packet};

/// Two clients that go on talking whatever the others do.
struct Witnesses {
    from: Peer,
    to: Peer,
    said: u32,
}

impl Witnesses {
    async fn call(house: &House) -> Witnesses {
        let (from, mut to) = (house.client("witness-1").await, house.client("witness-2").await);
        to.subscribe("witness/+", 1).await;
        Witnesses { from, to, said: 0 }
    }
    async fn are_unharmed(&mut self) {
        self.said += 1;
        let said = self.said.to_string();
        for qos in [0, 1] {
            self.from.publish(message("witness/a", &said, qos)).await;
            assert_eq!(self.to.take().await.payload, said);
        }
        self.from.next().await;
    }
}

/// One right packet of each type that a client sends, of version 5 and of 3.1.1.
fn right_packets(version: Version) -> Vec<Vec<u8>> {
    let hello = if version == Version::V5 { Hello::new("h") } else { Hello::v3("h") };
    let with_all = hello.clone().by("u", Some("p")).will("w/x", "x", 0).keep_alive(10);
    let mut all = vec![hello.packet(), with_all.packet()];
    for qos in 0..=2 {
        let mut out = Vec::new();
        message("a/b", "payload", qos).put(version, &mut out);
        all.push(out);
    }
    for first in [0x40, 0x50, 0x62, 0x70] {
        all.push(vec![first, 2, 0, 1]);
    }
    let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    all.push(packet(0x82, &[&[0, 1], none, b"\x00\x03a/#\x01"].concat()));
    all.push(packet(0xa2, &[&[0, 1], none, b"\x00\x03a/#"].concat()));
    all.push(vec![0xc0, 0]);
    all.push(vec![0xe0, 0]);
    if version == Version::V5 {
        all.push(packet(0x82, b"\x00\x01\x02\x0b\x05\x00\x03a/#\x2d"));
        all.push(packet(0xe0, b"\x04\x05\x11\x00\x00\x00\x05"));
        all.push(packet(0x40, b"\x00\x01\x10\x00"));
        all.push(packet(0xf0, b"\x18\x00"));
        all.push(packet(0x30, b"\x00\x01a\x0e\x01\x01\x02\x00\x00\x00\x05\x23\x00\x01\x09\x00\x01xpayload"));
    }
    all
}

/// Every byte string that a broken sender could make of a packet by one mistake.
fn broken(whole: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for first in 0..=255 {
        let mut other = whole.to_vec();
        other[0] = first;
        all.push(other);
    }
    for at in 1..whole.len() {
        // The length says all is there, and then it is not.
        let body = &whole[2.min(whole.len())..at.max(2).min(whole.len())];
        all.push(packet(whole[0], body));
        all.push(whole[..at].to_vec());
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut other = whole.to_vec();
            other[at] = value;
            all.push(other);
        }
    }
    for length in [
        &[0x80, 0x00][..],
        &[0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0x80, 0x80, 0x80, 1],
    ] {
        all.push([&whole[..1], length, &whole[1..]].concat());
    }
    all.push([whole, &[0; 3]].concat());
    all
}

#[tokio::test]
async fn one_mistake_in_any_packet_harms_nobody_else() {
    let house = House::open();
    let mut witnesses = Witnesses::call(&house).await;
    for version in [Version::V5, Version::V3] {
        let hello = if version == Version::V5 { Hello::new("h") } else { Hello::v3("h") };
        for right in right_packets(version) {
            for wrong in broken(&right) {
                // As the first thing said, and after a proper greeting.
                let mut stream = house.stream();
                stream.write_all(&wrong).await.unwrap();
                drop(stream);
                let mut stream = house.stream();
                stream.write_all(&[hello.packet(), wrong].concat()).await.unwrap();
                drop(stream);
            }
            tokio::task::yield_now().await;
            witnesses.are_unharmed().await;
        }
    }
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    witnesses.are_unharmed().await;
    assert_eq!(house.broker.view().clients, 2);
}

#[tokio::test]
async fn what_breaks_the_rules_is_told_so_and_cut() {
    let house = House::open();
    let cases: &[(&[u8], u8)] = &[
        // QoS 3; DUP with QoS 0; packet id 0; a length that is longer than needed.
        (b"\x36\x06\x00\x01a\x00\x01\x00", 0x81),
        (b"\x38\x04\x00\x01a\x00", 0x81),
        (b"\x32\x06\x00\x01a\x00\x00\x00", 0x81),
        (b"\xc0\x80\x00", 0x81),
        // Reserved flags.
        (b"\xc1\x00", 0x81),
        (b"\x60\x02\x00\x01", 0x81),
        (b"\x80\x07\x00\x01\x00\x00\x01a\x00", 0x81),
        // No topic, a wildcard, a broken UTF-8 topic, a null character.
        (b"\x30\x03\x00\x00\x00", 0x90),
        (b"\x30\x04\x00\x01#\x00", 0x90),
        (b"\x30\x04\x00\x01\xff\x00", 0x81),
        (b"\x30\x04\x00\x01\x00\x00", 0x90),
        // A property twice, an unknown one, a subscription id from a client, flags of a subscription.
        (b"\x30\x08\x00\x01a\x04\x01\x01\x01\x01", 0x82),
        (b"\x30\x05\x00\x01a\x01\x7e", 0x81),
        (b"\x30\x06\x00\x01a\x02\x0b\x01", 0x82),
        (b"\x82\x07\x00\x01\x00\x00\x01a\xc0", 0x81),
        (b"\x82\x07\x00\x01\x00\x00\x01a\x03", 0x81),
        // Nothing to subscribe to; a second CONNECT; packets of a server; authentication that nobody asked for.
        (b"\x82\x03\x00\x01\x00", 0x82),
        (b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01x", 0x82),
        (b"\x20\x03\x00\x00\x00", 0x82),
        (b"\x90\x04\x00\x01\x00\x00", 0x82),
        (b"\xd0\x00", 0x82),
        (b"\xf0\x00", 0x82),
        (b"\x00\x00", 0x81),
    ];
    for (bytes, reason) in cases {
        let mut client = house.client("h").await;
        client.send(bytes).await;
        assert_eq!(client.reason().await, *reason, "{bytes:x?}");
    }
}

#[tokio::test]
async fn who_never_says_connect_is_let_go() {
    let house = House::open();
    let (mut silent, mut slow) = (house.stream(), house.stream());
    slow.write_all(&[0x10]).await.unwrap();
    house.clock.advance(limits::CONNECT_TIMEOUT + Duration::from_secs(1)).await;
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(
            Duration::from_secs(5),
            tokio::io::AsyncReadExt::read_to_end(stream, &mut rest),
        );
        assert_eq!(end.await.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn other_protocols_and_versions_are_turned_away() {
    let house = House::open();
    for (bytes, answer) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], &b""[..]),
        (b"\x16\x03\x01\x02\x00\x01\x00", b""),
        (b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x00\x00\x01x", b"\x20\x02\x00\x01"),
        (b"\x10\x0c\x00\x04HTTP\x04\x02\x00\x00\x00\x00", b""),
        (b"\x10\xff\xff\xff\x7f", b""),
        (b"\x30\x04\x00\x01a\x00", b""),
    ] {
        let mut stream = house.stream();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(
            Duration::from_secs(5),
            tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest),
        );
        end.await.unwrap().unwrap();
        assert_eq!(rest, answer, "{bytes:x?}");
    }
    // 3.1 is spoken.
    let mut peer = Peer { stream: house.stream(), input: Vec::new(), version: Version::V3 };
    peer.send(b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01x").await;
    assert_eq!(peer.next().await, [0x20, 2, 0, 0]);
    // Enhanced authentication is not.
    let mut hello = Hello::new("c");
    hello.properties.extend(b"\x15\x00\x01x");
    assert_eq!(house.refusal(&hello).await, 0x8c);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn noise_after_a_greeting_harms_nobody(noise in prop::collection::vec(any::<u8>(), 0..300), v5 in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::open();
            let mut witnesses = Witnesses::call(&house).await;
            let hello = if v5 { Hello::new("h") } else { Hello::v3("h") };
            let mut stream = house.stream();
            stream.write_all(&[hello.packet(), noise].concat()).await.unwrap();
            witnesses.are_unharmed().await;
        });
    }
}
