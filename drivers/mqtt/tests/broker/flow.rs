//! Bounds: what a client may have at once, and what a slow one costs the others.

use driver_mqtt::{
    broker::{Account, Admitted, Seen, limits},
    wire::{Outgoing, Properties, Version},
};
use std::time::Duration;
use tokio::task::JoinHandle;

use crate::peer::{Hello, House, Peer, message, properties};

#[tokio::test]
async fn no_more_in_flight_than_the_client_allows() {
    let house = House::open();
    let (mut client, _) = house.join(&Hello::new("c").receive_max(2)).await;
    client.subscribe("a", 1).await;
    let mut from = house.client("from").await;
    for i in 0..5 {
        from.publish_acked(message("a", &i.to_string(), 1)).await;
    }
    let (first, second) = (client.got().await, client.got().await);
    client.hears_nothing().await;
    for got in [second, first] {
        let [high, low] = got.id.to_be_bytes();
        client.send(&[0x40, 2, high, low]).await;
    }
    assert_eq!(client.take().await.payload, "2");
    assert_eq!(client.take().await.payload, "3");
    assert_eq!(client.take().await.payload, "4");
    // QoS 0 does not count.
    from.publish(message("a", "free", 0)).await;
    assert_eq!(client.take().await.payload, "free");
}

#[tokio::test]
async fn who_sends_more_qos_2_than_we_take_is_cut() {
    let house = House::open();
    let mut client = house.client("c").await;
    for id in 1..=10 {
        client.publish(Outgoing { packet_id: id, ..message("a", "x", 2) }).await;
        client.next().await;
    }
    client.publish(Outgoing { packet_id: 11, ..message("a", "x", 2) }).await;
    assert_eq!(client.reason().await, 0x93);
}

#[tokio::test]
async fn the_longest_packet_is_what_each_side_says() {
    let house = House::open();
    let (mut small, _) = house.join(&Hello::new("small").packet_bytes_max(60)).await;
    let (mut large, mut from) = (house.client("large").await, house.client("from").await);
    small.subscribe("a", 1).await;
    large.subscribe("a", 1).await;
    for (length, arrives) in [(40, true), (100, false), (41, true)] {
        for qos in [0, 1] {
            from.publish(message("a", &"x".repeat(length), qos)).await;
            assert_eq!(large.take().await.payload.len(), length);
            if arrives {
                assert_eq!(small.take().await.payload.len(), length);
            }
        }
    }
    small.hears_nothing().await;
    assert_eq!(house.broker.view().dropped, 2);
    from.ping().await;
    from.send(&[0x30, 0xff, 0xff, 0x7f]).await;
    assert_eq!(from.reason().await, 0x95);
}

#[tokio::test]
async fn a_long_message_in_many_parts_arrives() {
    let house = House::open();
    let (mut from, mut to) = (house.client("from").await, house.client("to").await);
    to.subscribe("a", 1).await;
    let long = "x".repeat(900_000);
    let receiving = tokio::spawn(async move {
        assert_eq!(to.take().await.payload.len(), 900_000);
        assert_eq!(to.take().await.payload, "behind");
    });
    from.publish_acked(message("a", &long, 1)).await;
    from.publish_acked(message("a", "behind", 1)).await;
    receiving.await.unwrap();
}

#[tokio::test]
async fn aliases_shorten_both_ways() {
    let house = House::open();
    let mut from = house.client("from").await;
    let (mut to, _) = house.join(&Hello::new("to").alias_max(1)).await;
    to.subscribe("#", 1).await;
    let aliased = |topic, alias| Outgoing { alias: Some(alias), ..message(topic, "x", 1) };
    from.publish_acked(aliased("long/topic", 3)).await;
    from.publish_acked(aliased("", 3)).await;
    from.publish_acked(aliased("other", 3)).await;
    from.publish_acked(aliased("", 3)).await;
    let got = [to.take().await, to.take().await, to.take().await, to.take().await];
    let topics: Vec<&str> = got.iter().map(|g| g.topic.as_str()).collect();
    assert_eq!(topics, ["long/topic", "", "other", "other"]);
    let aliases: Vec<usize> = got.iter().map(|g| properties(&g.properties).len()).collect();
    assert_eq!(aliases, [1, 1, 0, 0]);
    for unknown in [aliased("", 4), aliased("a", limits::ALIASES_IN_MAX + 1)] {
        let mut client = house.client("from").await;
        client.publish(unknown).await;
        assert_eq!(client.reason().await, 0x94);
    }
    let mut client = house.client("from").await;
    client.send(b"\x30\x07\x00\x01a\x03\x23\x00\x00").await;
    assert_eq!(client.reason().await, 0x94);
}

#[tokio::test]
async fn a_slow_client_loses_its_own_messages_and_nobody_elses() {
    let mut house = House::open();
    house.pipe_bytes = 4_096;
    let (mut slow, mut fast) =
        (house.join(&Hello::v3("slow")).await.0, house.join(&Hello::v3("fast")).await.0);
    slow.subscribe("a", 0).await;
    fast.subscribe("a", 0).await;
    let mut from = house.join(&Hello::v3("from")).await.0;
    let n = 8_000;
    let payload = "x".repeat(1_000);
    let reading = tokio::spawn(async move {
        for _ in 0..n {
            fast.got().await;
        }
        fast
    });
    let sending = tokio::spawn(async move {
        for _ in 0..n {
            from.publish(message("a", &payload, 0)).await;
        }
        from.ping().await;
        from
    });
    // Publishers wait for the slow one for a moment only.
    while !sending.is_finished() || !reading.is_finished() {
        house.clock.advance(Duration::from_millis(100)).await;
    }
    let mut fast = reading.await.unwrap();
    sending.await.unwrap();
    fast.hears_nothing().await;
    let view = house.broker.view();
    assert!(view.dropped > 0 && view.messages_out == 2 * n - view.dropped, "{view:?}");
    let mut got = 0;
    slow.send(&[0xc0, 0]).await;
    while slow.next().await[0] != 0xd0 {
        got += 1;
    }
    assert_eq!(got, n - view.dropped);
    assert!(got as usize * 1_000 <= 2 * limits::OUT_BYTES_MAX);
}

/// Long enough for everything that can happen without the clock.
async fn settle() {
    for _ in 0..5_000 {
        tokio::task::yield_now().await;
    }
}

/// Sends `n` messages of 1,000 bytes of QoS 0.
fn flood(mut from: Peer, n: u64) -> JoinHandle<Peer> {
    tokio::spawn(async move {
        for i in 0..n {
            from.publish(message("a", &format!("{i:01000}"), 0)).await;
        }
        from.ping().await;
        from
    })
}

#[tokio::test]
async fn a_reader_that_pauses_loses_nothing() {
    for (others, pause) in [(false, limits::STALL_TICKS_ALONE - 2), (true, 1)] {
        let mut house = House::open();
        house.pipe_bytes = 4_096;
        let mut to = house.join(&Hello::v3("to")).await.0;
        to.subscribe("a", 0).await;
        let mut other = house.join(&Hello::v3("other")).await.0;
        if others {
            other.subscribe("a", 0).await;
        }
        let n = 4_000;
        let reading = tokio::spawn(async move {
            for _ in 0..if others { n } else { 0 } {
                other.got().await;
            }
        });
        let sending = flood(house.join(&Hello::v3("from")).await.0, n);
        settle().await;
        assert!(!sending.is_finished(), "it waits for the one that does not read now");
        house.clock.advance(limits::TICK * pause).await;
        for i in 0..n {
            assert_eq!(to.got().await.payload, format!("{i:01000}"));
        }
        sending.await.unwrap();
        reading.await.unwrap();
        assert_eq!(house.broker.view().dropped, 0);
    }
}

#[tokio::test]
async fn nobody_waits_again_for_a_client_that_lagged_a_moment_ago() {
    let mut house = House::open();
    house.pipe_bytes = 4_096;
    let mut slow = house.join(&Hello::v3("slow")).await.0;
    slow.subscribe("a", 0).await;
    let mut sending = flood(house.join(&Hello::v3("from")).await.0, 4_000);
    while !sending.is_finished() {
        house.clock.advance(limits::TICK).await;
    }
    for _ in 0..3 {
        slow.ping().await;
        let dropped = house.broker.view().dropped;
        sending = flood(sending.await.unwrap(), 4_000);
        settle().await;
        assert!(sending.is_finished(), "without the clock: nobody waited");
        assert!(house.broker.view().dropped > dropped);
    }
    // It keeps up for long enough: publishers wait for it again.
    let mut from = sending.await.unwrap();
    for _ in 0..2 {
        slow.ping().await;
        house.clock.advance(limits::PROBATION).await;
        from.publish(message("a", "x", 0)).await;
        from.ping().await;
    }
    let dropped = house.broker.view().dropped;
    let sending = flood(from, 4_000);
    settle().await;
    assert!(!sending.is_finished());
    slow.ping().await;
    assert_eq!(house.broker.view().dropped, dropped);
}

#[tokio::test]
async fn a_publisher_of_qos_1_waits_for_receivers_that_are_full() {
    for filter in ["a", "$share/g/a"] {
        let house = House::open();
        let n = 25_000_u16;
        let mut members = vec![house.client("one").await, house.client("two").await];
        for member in &mut members {
            assert_eq!(member.subscribe(filter, 1).await, 1);
        }
        let mut burst = Vec::new();
        for id in 1..=n {
            Outgoing { packet_id: id, ..message("a", "x", 1) }.put(Version::V3, &mut burst);
        }
        let mut from = house.join(&Hello::v3("from")).await.0;
        let sending = tokio::spawn(async move {
            from.send(&burst).await;
            from
        });
        settle().await;
        assert!(!sending.is_finished(), "{filter}");
        let mut reading = Vec::new();
        for mut member in members {
            let each = if filter == "a" { n } else { n / 2 };
            reading.push(tokio::spawn(async move {
                for _ in 0..each {
                    member.take().await;
                }
                member
            }));
        }
        for reading in reading {
            reading.await.unwrap();
        }
        sending.await.unwrap();
        assert_eq!(house.broker.view().dropped, 0, "{filter}");
    }
}

#[tokio::test]
async fn a_publisher_that_is_held_back_is_not_blamed_for_its_silence() {
    let mut house = House::open();
    house.pipe_bytes = 4_096;
    let mut admitted = house.broker.admit(Account { client_id: Some("d".into()), ..all() }).unwrap();
    let mut device = house.join(&Hello::v3("d").by("u", None).keep_alive(10)).await.0;
    let n = limits::UNSETTLED_MAX as u16 + 1_000;
    let sending = tokio::spawn(async move {
        for id in 1..=n {
            device.publish(Outgoing { packet_id: id, ..message("a", "x", 1) }).await;
        }
        for _ in 1..=n {
            device.next().await;
        }
        device
    });
    settle().await;
    house.clock.advance(Duration::from_secs(100)).await;
    // They are taken, and for as long the disk keeps none of them.
    take(&mut admitted, limits::UNSETTLED_MAX, false).await;
    settle().await;
    house.clock.advance(Duration::from_secs(100)).await;
    admitted.settle(admitted.ticket(), true);
    take(&mut admitted, usize::from(n) - limits::UNSETTLED_MAX, true).await;
    let device = sending.await.unwrap();
    house.clock.advance(Duration::from_secs(14)).await;
    assert_eq!(house.broker.view().clients, 1);
    house.clock.advance(Duration::from_secs(2)).await;
    assert_eq!(house.broker.view().clients, 0, "its silence counts again");
    drop(device);
}

/// Takes so many messages of a client that stays, and may keep each for good.
async fn take(admitted: &mut Admitted, messages: usize, kept: bool) {
    let mut taken = 0;
    while taken < messages {
        match admitted.next().await {
            Seen::Message(_) => taken += 1,
            Seen::Online { .. } => {}
            Seen::Offline { reason } => panic!("{reason} after {taken}"),
        }
        if kept {
            admitted.settle(admitted.ticket(), true);
        }
    }
}

fn all() -> Account {
    Account { publish: vec!["#".into()], subscribe: vec!["#".into()], ..Account::default() }
}

#[tokio::test]
async fn messages_for_a_client_that_is_away_are_bounded() {
    let house = House::open();
    let (mut client, _) = house.join(&Hello::new("c").expiry(1_000)).await;
    client.subscribe("a", 1).await;
    client.vanish().await;
    let mut from = house.client("from").await;
    let n = limits::QUEUE_MESSAGES_MAX + 10;
    for i in 0..n {
        from.publish(Outgoing { packet_id: i as u16 % 60_000 + 1, ..message("a", "x", 1) }).await;
        from.next().await;
    }
    assert_eq!(house.broker.view().dropped, 10);
    let (mut client, _) = house.join(&Hello::new("c").expiry(1_000).again()).await;
    for _ in 0..limits::QUEUE_MESSAGES_MAX {
        client.take().await;
    }
    client.hears_nothing().await;
    let properties = Properties { user: vec![("k".into(), "v".repeat(60_000)); 10], ..Properties::default() };
    client.vanish().await;
    for _ in 0..20 {
        from.publish(Outgoing { properties: Some(&properties), ..message("a", "x", 1) }).await;
        from.next().await;
    }
    assert!(house.broker.view().dropped > 10, "bytes are bounded too");
}

#[tokio::test]
async fn subscriptions_and_ids_are_bounded() {
    let house = House::open();
    let mut client = house.client("c").await;
    for i in 0..limits::SUBSCRIPTIONS_MAX {
        assert_eq!(client.subscribe(&format!("a/{i}"), 0).await, 0);
    }
    assert_eq!(client.subscribe("b", 0).await, 0x97);
    assert_eq!(client.subscribe("a/0", 1).await, 1, "one that is there may be changed");
    let deep = "a/".repeat(limits_depth());
    assert_eq!(client.subscribe(&deep, 0).await, 0x8f);
    assert_eq!(house.refusal(&Hello::new(&"i".repeat(300))).await, 0x85);
}

fn limits_depth() -> usize {
    driver_mqtt::broker::topic::TOPIC_LEVELS_MAX
}
