//! From publishers to subscribers.

use driver_mqtt::wire::{Outgoing, Properties};

use crate::peer::{Hello, House, all_properties, message, properties};

#[tokio::test]
async fn every_qos_and_version_reaches_every_other() {
    let house = House::open();
    for (publisher, subscriber) in [(3, 3), (3, 5), (5, 3), (5, 5)] {
        let hello = |version, id: &str| if version == 3 { Hello::v3(id) } else { Hello::new(id) };
        let mut from = house.join(&hello(publisher, "from")).await.0;
        let mut to = house.join(&hello(subscriber, "to")).await.0;
        for granted in 0..=2 {
            assert_eq!(to.subscribe("a/+", granted).await, granted);
            for sent in 0..=2 {
                from.publish(message("a/b", "x", sent)).await;
                let got = to.take().await;
                assert_eq!((got.qos, got.dup, got.retain), (sent.min(granted), false, false));
                assert_eq!((got.topic.as_str(), got.payload.as_str()), ("a/b", "x"));
                if sent == 2 {
                    from.send(&[0x62, 2, 0, 1]).await;
                }
                from.ping().await;
            }
        }
    }
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let house = House::open();
    let (mut from, mut to) = (house.join(&Hello::v3("from")).await.0, house.join(&Hello::v3("to")).await.0);
    to.subscribe("#", 0).await;
    let mut burst = Vec::new();
    for i in 0..500 {
        // Long, short, other topics in between: runs of every kind, cut anywhere by the pipe.
        let payload = format!("{i}-{}", "x".repeat(i % 300));
        let topic = if i % 7 < 5 { "a" } else { "b/c" };
        message(topic, &payload, 0).put(from.version, &mut burst);
    }
    let sending = tokio::spawn(async move {
        for part in burst.chunks(1_111) {
            from.send(part).await;
        }
        from
    });
    for i in 0..500 {
        let got = to.got().await;
        assert!(got.payload.starts_with(&format!("{i}-")), "{i}: {got:?}");
    }
    sending.await.unwrap();
    assert_eq!((house.broker.view().messages_in, house.broker.view().messages_out), (500, 500));
    assert_eq!(house.broker.view().dropped, 0);
}

#[tokio::test]
async fn overlapping_subscriptions_give_one_message_with_the_best_qos_and_all_ids() {
    let house = House::open();
    let (mut from, mut to) = (house.client("from").await, house.client("to").await);
    to.subscribe_as("a/#", 1, Some(3)).await;
    to.subscribe_as("a/+", 2, Some(5)).await;
    to.subscribe("a/b", 0).await;
    from.publish(message("a/b", "x", 2)).await;
    let got = to.take().await;
    assert_eq!(got.qos, 2);
    let mut ids: Vec<Vec<u8>> = properties(&got.properties).into_iter().map(|(_, value)| value).collect();
    ids.sort();
    assert_eq!(ids, [[3], [5]]);
    to.hears_nothing().await;
    // An id reaches a run of plain messages too.
    from.ping().await;
    from.publish(message("a/c", "x", 0)).await;
    assert_eq!(to.take().await.properties.len(), 4);
}

#[tokio::test]
async fn properties_are_passed_on_as_they_came() {
    let house = House::open();
    let (mut from, mut to) = (house.client("from").await, house.client("to").await);
    let mut old = house.join(&Hello::v3("old")).await.0;
    to.subscribe("a", 1).await;
    old.subscribe("a", 1).await;
    let wanted = all_properties();
    for qos in [0, 1] {
        from.publish(Outgoing { properties: Some(&wanted), ..message("a", "x", qos) }).await;
        let got = to.take().await;
        assert_eq!(Properties::parse(&got.properties).unwrap(), (wanted.clone(), None));
        assert_eq!(old.take().await.payload, "x");
    }
}

#[tokio::test]
async fn no_local_keeps_ones_own_messages_away() {
    let house = House::open();
    let (mut one, mut two) = (house.client("one").await, house.client("two").await);
    one.subscribe("a", 0x04).await;
    two.subscribe("a", 0).await;
    one.publish(message("a", "mine", 0)).await;
    two.publish(message("a", "yours", 0)).await;
    assert_eq!(one.got().await.payload, "yours");
    one.hears_nothing().await;
}

#[tokio::test]
async fn a_shared_subscription_gives_each_message_to_one_member() {
    let house = House::open();
    let mut from = house.client("from").await;
    let mut members = [house.client("m1").await, house.client("m2").await];
    let mut other = house.client("other").await;
    for member in &mut members {
        assert_eq!(member.subscribe("$share/group/a/+", 1).await, 1);
    }
    other.subscribe("a/+", 1).await;
    for i in 0..10 {
        from.publish_acked(message("a/b", &i.to_string(), 1)).await;
    }
    let mut seen = Vec::new();
    for member in &mut members {
        let messages = member.ping().await;
        assert_eq!(messages.len(), 5);
        seen.extend(messages.iter().map(|m| member.read(m).payload));
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(other.ping().await.len(), 10);
    // Who leaves gets no more.
    let [first, mut second] = members;
    first.leave().await;
    for _ in 0..4 {
        from.publish_acked(message("a/b", "x", 1)).await;
    }
    assert_eq!(second.ping().await.len(), 4);
    second.send(b"\x82\x16\x00\x01\x00\x00\x10$share/group/a/b\x04").await;
    assert_eq!(second.reason().await, 0x82);
}

#[tokio::test]
async fn unsubscribed_is_silent_and_says_whether_there_was_one() {
    let house = House::open();
    let (mut from, mut to) = (house.client("from").await, house.client("to").await);
    to.subscribe("a", 0).await;
    to.subscribe("b/#", 0).await;
    assert_eq!(to.unsubscribe("a").await, [0xb0, 4, 0, 9, 0, 0]);
    assert_eq!(to.unsubscribe("a").await, [0xb0, 4, 0, 9, 0, 0x11]);
    from.publish(message("a", "x", 0)).await;
    from.publish(message("b", "y", 0)).await;
    assert_eq!(to.got().await.payload, "y");
    assert_eq!(to.unsubscribe("b/#").await[5], 0);
    from.publish(message("b", "z", 0)).await;
    from.ping().await;
    to.hears_nothing().await;
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_and_counted() {
    let mut policy = crate::peer::policy();
    policy.anonymous_publish = vec!["in/#".into()];
    policy.anonymous_subscribe = vec!["out/+".into()];
    policy.deny = vec!["out/secret".into()];
    let house = House::with(policy);
    let mut client = house.client("c").await;
    for (filter, code) in [
        ("out/+", 0),
        ("out/a", 0),
        ("out/#", 0x87),
        ("#", 0x87),
        ("in/a", 0x87),
        ("out/secret", 0x80),
        ("a#", 0x8f),
    ] {
        assert_eq!(client.subscribe(filter, 0).await, code, "{filter}");
    }
    assert_eq!(client.publish_acked(message("in/a", "x", 1)).await, 0);
    assert_eq!(client.publish_acked(message("out/a", "x", 1)).await, 0x87);
    client.publish(message("out/a", "x", 0)).await;
    client.hears_nothing().await;
    let mut old = house.join(&Hello::v3("old")).await.0;
    assert_eq!(old.subscribe("in/a", 1).await, 0x80);
    assert_eq!(old.publish_acked(message("out/a", "x", 1)).await, 0);
    assert_eq!(house.broker.view().denied, 9);
}
