//! Sessions: what is kept, for how long, and whose it is.

use driver_mqtt::wire::Outgoing;
use std::time::Duration;

use crate::peer::{Hello, House, message, properties};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_kept_session_gets_what_came_meanwhile() {
    let house = House::open();
    for (stay, back) in [
        (Hello::v3("c").again(), Hello::v3("c").again()),
        (Hello::new("d").expiry(100), Hello::new("d").expiry(100).again()),
    ] {
        let (mut client, kept) = house.join(&stay).await;
        assert!(!kept);
        client.subscribe("a/#", 1).await;
        client.leave().await;
        let mut from = house.client("from").await;
        for qos in 0..=2 {
            from.publish(message("a/b", &qos.to_string(), qos)).await;
        }
        from.ping().await;
        let (mut client, kept) = house.join(&back).await;
        assert!(kept);
        assert_eq!(client.take().await.payload, "1");
        assert_eq!(client.take().await.payload, "2");
        client.hears_nothing().await;
        client.leave().await;
        let (client, kept) = house.join(&Hello { clean_start: true, ..back.clone() }).await;
        assert!(!kept);
        client.leave().await;
    }
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let house = House::open();
    for (seconds, kept_after_2, kept_after_6) in [(0, false, false), (5, true, false), (60, true, true)] {
        for (wait, kept) in [(2, kept_after_2), (6, kept_after_6)] {
            let (mut client, _) = house.join(&Hello::new("c").expiry(seconds)).await;
            client.subscribe("a", 1).await;
            client.leave().await;
            house.clock.advance(s(wait)).await;
            assert_eq!(house.broker.view().sessions, u64::from(kept));
            let (client, present) = house.join(&Hello::new("c").again()).await;
            assert_eq!(present, kept, "{seconds} {wait}");
            client.leave().await;
        }
    }
    // DISCONNECT may change it, but not prolong one that was to end at once.
    let (mut client, _) = house.join(&Hello::new("c").expiry(1)).await;
    client.send(&[0xe0, 7, 0, 5, 0x11, 0, 0, 0, 9]).await;
    assert!(client.is_closed().await);
    house.clock.advance(s(5)).await;
    let (mut client, kept) = house.join(&Hello::new("c").again()).await;
    assert!(kept);
    client.send(&[0xe0, 7, 0, 5, 0x11, 0, 0, 0, 9]).await;
    assert_eq!(client.reason().await, 0x82);
}

#[tokio::test]
async fn the_same_client_id_takes_over() {
    let house = House::open();
    let (mut first, _) = house.join(&Hello::new("c").expiry(100).will("will", "gone", 0)).await;
    first.subscribe("a", 1).await;
    let mut watch = house.client("watch").await;
    watch.subscribe("will", 0).await;
    let (mut second, kept) = house.join(&Hello::new("c").expiry(100).again()).await;
    assert!(kept);
    assert_eq!(first.reason().await, 0x8e);
    assert_eq!(watch.got().await.payload, "gone");
    let mut from = house.client("from").await;
    from.publish(message("a", "x", 1)).await;
    assert_eq!(second.take().await.payload, "x");
    assert_eq!(house.broker.view().clients, 3);
}

#[tokio::test]
async fn a_will_is_published_unless_the_client_says_goodbye() {
    let house = House::open();
    let mut watch = house.client("watch").await;
    watch.subscribe("will", 0).await;
    house.join(&Hello::new("c").will("will", "no", 0)).await.0.leave().await;
    house.join(&Hello::v3("c").will("will", "lost", 0)).await.0.vanish().await;
    assert_eq!(watch.got().await.payload, "lost");
    let (mut client, _) = house.join(&Hello::new("c").will("will", "asked for", 0)).await;
    client.send(&[0xe0, 2, 4, 0]).await;
    assert_eq!(watch.got().await.payload, "asked for");
    let (mut client, _) = house.join(&Hello::new("c").will("will", "broken", 0)).await;
    client.send(&[0xff, 0]).await;
    assert_eq!(watch.got().await.payload, "broken");
    watch.hears_nothing().await;
}

#[tokio::test]
async fn a_delayed_will_waits_for_its_client_or_for_the_end_of_the_session() {
    let house = House::open();
    let mut watch = house.client("watch").await;
    watch.subscribe("will", 0).await;
    let hello = Hello::new("c").expiry(100).will("will", "late", 10);
    house.join(&hello).await.0.vanish().await;
    house.clock.advance(s(5)).await;
    watch.hears_nothing().await;
    // Back in time: no will.
    let (client, _) = house.join(&hello.clone().again()).await;
    house.clock.advance(s(20)).await;
    watch.hears_nothing().await;
    client.vanish().await;
    house.clock.advance(s(11)).await;
    assert_eq!(watch.got().await.payload, "late");
    // The session ends first.
    let hello = Hello::new("d").expiry(3).will("will", "session", 10);
    house.join(&hello).await.0.vanish().await;
    house.clock.advance(s(4)).await;
    assert_eq!(watch.got().await.payload, "session");
    // A fresh start ends the session too.
    let hello = Hello::new("e").expiry(100).will("will", "fresh", 10);
    house.join(&hello).await.0.vanish().await;
    let _fresh = house.join(&Hello::new("e")).await;
    assert_eq!(watch.got().await.payload, "fresh");
}

#[tokio::test]
async fn a_silent_client_is_cut_after_one_and_a_half_keep_alives() {
    let house = House::open();
    let (mut silent, _) = house.join(&Hello::new("silent").keep_alive(10)).await;
    let (mut alive, _) = house.join(&Hello::v3("alive").keep_alive(10)).await;
    let mut never = house.join(&Hello::v3("never")).await.0;
    for _ in 0..3 {
        house.clock.advance(s(4)).await;
        alive.ping().await;
    }
    house.clock.advance(s(4)).await;
    assert_eq!(silent.reason().await, 0x8d);
    house.clock.advance(s(1_000)).await;
    assert!(alive.is_closed().await);
    never.ping().await;
}

#[tokio::test]
async fn a_message_is_not_delivered_after_its_time() {
    let house = House::open();
    let (mut client, _) = house.join(&Hello::new("c").expiry(1_000)).await;
    client.subscribe("a", 2).await;
    client.vanish().await;
    let mut from = house.client("from").await;
    for (payload, expiry_s) in [("short", 2), ("long", 60)] {
        let properties = driver_mqtt::wire::Properties { expiry_s: Some(expiry_s), ..Default::default() };
        // What is written is `expiry_s`; properties hold the rest.
        from.publish(Outgoing {
            properties: Some(&properties),
            expiry_s: Some(expiry_s),
            ..message("a", payload, 1)
        })
        .await;
        from.next().await;
    }
    house.clock.advance(s(10)).await;
    let (mut client, _) = house.join(&Hello::new("c").expiry(1_000).again()).await;
    let got = client.take().await;
    assert_eq!(got.payload, "long");
    let left = properties(&got.properties);
    assert_eq!(left, [(2, vec![0, 0, 0, 50])]);
    client.hears_nothing().await;
}

#[tokio::test]
async fn a_client_without_id_gets_one() {
    let house = House::open();
    for _ in 0..2 {
        let mut stream = house.stream();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &Hello::new("").again().packet()).await.unwrap();
        let mut peer =
            crate::peer::Peer { stream, input: Vec::new(), version: driver_mqtt::wire::Version::V5 };
        let welcome = peer.next().await;
        let text = String::from_utf8_lossy(&welcome).into_owned();
        assert!(welcome[3] == 0 && text.contains("auto-"), "{welcome:x?}");
        peer.leave().await;
    }
    assert_eq!(house.refusal(&Hello::v3("").again()).await, 2);
    house.join(&Hello::v3("")).await;
}

#[tokio::test]
async fn the_server_says_which_keep_alive_it_holds_to() {
    let house = House::open();
    let mut stream = house.stream();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &Hello::new("c").keep_alive(120).packet())
        .await
        .unwrap();
    let mut peer = crate::peer::Peer { stream, input: Vec::new(), version: driver_mqtt::wire::Version::V5 };
    let welcome = peer.next().await;
    assert!(welcome.windows(3).any(|w| w == [0x13, 0, 60]), "{welcome:x?}");
}
