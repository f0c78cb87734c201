//! Retained messages.

use driver_mqtt::{
    broker::limits,
    wire::{Outgoing, Properties},
};
use std::time::Duration;

use crate::peer::{Hello, House, message};

fn kept<'a>(topic: &'a str, payload: &'a str) -> Outgoing<'a> {
    Outgoing { retain: true, ..message(topic, payload, 0) }
}

#[tokio::test]
async fn the_newest_of_each_topic_is_sent_to_new_subscribers() {
    let house = House::open();
    let mut from = house.client("from").await;
    for (topic, payload) in [("a", "1"), ("a/b", "old"), ("a/b", "2"), ("ab", "3"), ("b", "gone"), ("b", "")]
    {
        assert_eq!(from.publish_acked(kept(topic, payload)).await, 0);
    }
    assert_eq!(house.broker.view().retained, 3);
    for (filter, wanted) in [
        ("a/#", vec!["1", "2"]),
        ("a/b", vec!["2"]),
        ("+", vec!["1", "3"]),
        ("#", vec!["1", "2", "3"]),
        ("b", vec![]),
    ] {
        let mut to = house.client("to").await;
        to.subscribe(filter, 0).await;
        let mut got = Vec::new();
        for whole in to.ping().await {
            let message = to.read(&whole);
            assert!(message.retain && message.qos == 0);
            got.push(message.payload);
        }
        got.sort();
        assert_eq!(got, wanted, "{filter}");
        to.leave().await;
    }
}

#[tokio::test]
async fn the_flag_is_kept_only_where_it_was_asked_for() {
    let house = House::open();
    let (mut from, mut to) = (house.client("from").await, house.client("to").await);
    let mut exact = house.client("exact").await;
    to.subscribe("a", 0).await;
    exact.subscribe("a", 0x08).await;
    from.publish(kept("a", "x")).await;
    assert!(!to.got().await.retain);
    assert!(exact.got().await.retain);
}

#[tokio::test]
async fn retain_handling_says_when() {
    let house = House::open();
    let mut from = house.client("from").await;
    assert_eq!(from.publish_acked(kept("a", "x")).await, 0);
    for (handling, first, second) in [(0, 1, 1), (1, 1, 0), (2, 0, 0)] {
        let mut to = house.client("to").await;
        for wanted in [first, second] {
            to.subscribe("a", handling << 4).await;
            assert_eq!(to.ping().await.len(), wanted, "{handling}");
        }
        to.leave().await;
    }
    let mut shared = house.client("shared").await;
    shared.subscribe("$share/g/a", 0).await;
    shared.hears_nothing().await;
}

#[tokio::test]
async fn a_retained_message_expires() {
    let house = House::open();
    let mut from = house.client("from").await;
    let properties = Properties { expiry_s: Some(5), ..Properties::default() };
    from.publish(Outgoing { properties: Some(&properties), expiry_s: Some(5), ..kept("a", "x") }).await;
    from.ping().await;
    house.clock.advance(Duration::from_secs(6)).await;
    let mut to = house.client("to").await;
    to.subscribe("a", 0).await;
    to.hears_nothing().await;
    assert_eq!(house.broker.view().retained, 0);
}

#[tokio::test]
async fn many_retained_messages_all_arrive_with_every_qos() {
    let house = House::open();
    let mut from = house.join(&Hello::v3("from")).await.0;
    let n = 3_000;
    let big = "x".repeat(1_000);
    for i in 0..n {
        from.publish(Outgoing { retain: true, ..message(&format!("t/{i}"), &big, 0) }).await;
    }
    from.ping().await;
    assert_eq!(house.broker.view().retained, n);
    let mut to = house.client("to").await;
    to.subscribe("t/#", 1).await;
    for _ in 0..n {
        assert_eq!(to.take().await.payload.len(), 1_000);
    }
    to.hears_nothing().await;
    assert_eq!(house.broker.view().dropped, 0);
}

#[tokio::test]
async fn more_retained_messages_than_the_queue_holds_all_arrive() {
    let house = House::open();
    let mut from = house.join(&Hello::v3("from")).await.0;
    let n = limits::QUEUE_MESSAGES_MAX as u64 + 2_000;
    for i in 0..n {
        from.publish(Outgoing { packet_id: 1, retain: true, ..message(&format!("t/{i}"), "x", 1) }).await;
        from.next().await;
    }
    let (mut to, _) = house.join(&Hello::new("to").receive_max(20)).await;
    to.subscribe("t/#", 1).await;
    for _ in 0..n {
        to.take().await;
    }
    assert_eq!(house.broker.view().dropped, 0);
}
