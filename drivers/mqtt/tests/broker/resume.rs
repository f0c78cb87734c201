//! Exchanges of QoS 1 and 2 that a lost connection cut in the middle: the mistakes that brokers were found to make.

use driver_mqtt::wire::{Outgoing, Properties};
use std::time::Duration;

use crate::peer::{Hello, House, message};

fn kept() -> Hello {
    Hello::new("c").expiry(1_000)
}

#[tokio::test]
async fn an_unacknowledged_message_comes_again_with_dup_and_the_same_id() {
    let house = House::open();
    let mut from = house.client("from").await;
    for (qos, hello) in [(1, kept()), (2, kept()), (1, Hello::v3("c").again()), (2, Hello::v3("c").again())] {
        let (mut client, _) = house.join(&Hello { clean_start: false, ..hello.clone() }).await;
        client.subscribe("a", 2).await;
        for payload in ["first", "second"] {
            from.publish(Outgoing { packet_id: 5, ..message("a", payload, 1.max(qos)) }).await;
            from.next().await;
            if qos == 2 {
                from.send(&[0x62, 2, 0, 5]).await;
                from.next().await;
            }
        }
        let before = [client.got().await, client.got().await];
        assert!(before.iter().all(|m| !m.dup));
        client.vanish().await;
        let (mut client, present) = house.join(&hello.clone().again()).await;
        assert!(present);
        let again = [client.got().await, client.got().await];
        for (again, wanted) in again.iter().zip(before) {
            assert!(again.dup);
            assert_eq!((again.id, &again.payload, again.qos), (wanted.id, &wanted.payload, qos));
            let [high, low] = again.id.to_be_bytes();
            client.send(&[if qos == 1 { 0x40 } else { 0x50 }, 2, high, low]).await;
        }
        if qos == 2 {
            for again in again {
                let [high, low] = again.id.to_be_bytes();
                assert_eq!(client.next().await, [0x62, 2, high, low]);
                client.send(&[0x70, 2, high, low]).await;
            }
        }
        client.hears_nothing().await;
        client.leave().await;
    }
}

#[tokio::test]
async fn an_owed_pubrel_comes_again_and_the_message_does_not() {
    let house = House::open();
    let (mut client, _) = house.join(&kept()).await;
    client.subscribe("a", 2).await;
    let mut from = house.client("from").await;
    from.publish(message("a", "x", 2)).await;
    let got = client.got().await;
    let [high, low] = got.id.to_be_bytes();
    client.send(&[0x50, 2, high, low]).await;
    assert_eq!(client.next().await, [0x62, 2, high, low]);
    for _ in 0..2 {
        client.vanish().await;
        client = house.join(&kept().again()).await.0;
        assert_eq!(client.next().await, [0x62, 2, high, low]);
    }
    client.send(&[0x70, 2, high, low]).await;
    client.vanish().await;
    client = house.join(&kept().again()).await.0;
    client.hears_nothing().await;
}

#[tokio::test]
async fn a_message_that_expires_in_the_middle_of_its_exchange_is_still_finished() {
    let house = House::open();
    let (mut client, _) = house.join(&kept()).await;
    client.subscribe("a", 2).await;
    let mut from = house.client("from").await;
    let properties = Properties { expiry_s: Some(2), ..Properties::default() };
    for id in [1, 2] {
        let outgoing = message("a", "x", 2);
        from.publish(Outgoing {
            properties: Some(&properties),
            expiry_s: Some(2),
            packet_id: id,
            ..outgoing
        })
        .await;
    }
    let (released, sent) = (client.got().await, client.got().await);
    let [high, low] = released.id.to_be_bytes();
    client.send(&[0x50, 2, high, low]).await;
    client.next().await;
    client.vanish().await;
    house.clock.advance(Duration::from_secs(10)).await;
    let (mut client, _) = house.join(&kept().again()).await;
    assert_eq!(client.next().await, [0x62, 2, high, low]);
    let again = client.got().await;
    assert!(again.dup && again.id == sent.id);
}

#[tokio::test]
async fn the_same_qos_2_packet_is_taken_once_even_over_a_lost_connection() {
    let house = House::open();
    let mut to = house.client("to").await;
    to.subscribe("a", 0).await;
    let (mut client, _) = house.join(&kept()).await;
    let again = Outgoing { dup: true, packet_id: 9, ..message("a", "x", 2) };
    client.publish(Outgoing { packet_id: 9, ..message("a", "x", 2) }).await;
    assert_eq!(client.next().await, [0x50, 2, 0, 9]);
    client.publish(again).await;
    assert_eq!(client.next().await, [0x50, 2, 0, 9]);
    client.vanish().await;
    let (mut client, _) = house.join(&kept().again()).await;
    client.publish(again).await;
    assert_eq!(client.next().await, [0x50, 2, 0, 9]);
    client.send(&[0x62, 2, 0, 9]).await;
    assert_eq!(client.next().await, [0x70, 2, 0, 9]);
    // Released twice: it is done, and unknown to version 5.
    client.send(&[0x62, 2, 0, 9]).await;
    assert_eq!(client.next().await, [0x70, 3, 0, 9, 0x92]);
    assert_eq!(to.got().await.payload, "x");
    to.hears_nothing().await;
    // The id is free: the next message under it is a new one.
    client.publish(Outgoing { packet_id: 9, ..message("a", "y", 2) }).await;
    client.next().await;
    assert_eq!(to.got().await.payload, "y");
}

#[tokio::test]
async fn a_fresh_start_owes_nothing() {
    let house = House::open();
    let (mut client, _) = house.join(&kept()).await;
    client.subscribe("a", 2).await;
    let mut from = house.client("from").await;
    from.publish(message("a", "x", 2)).await;
    client.got().await;
    client.vanish().await;
    let (mut client, present) = house.join(&kept()).await;
    assert!(!present);
    client.hears_nothing().await;
    from.publish(message("a", "y", 0)).await;
    client.hears_nothing().await;
}

#[tokio::test]
async fn an_exchange_that_the_client_refuses_is_over() {
    let house = House::open();
    let (mut client, _) = house.join(&kept().receive_max(1)).await;
    client.subscribe("a", 2).await;
    let mut from = house.client("from").await;
    for payload in ["x", "y"] {
        from.publish(message("a", payload, 2)).await;
        from.next().await;
        from.send(&[0x62, 2, 0, 1]).await;
        from.next().await;
    }
    let got = client.got().await;
    let [high, low] = got.id.to_be_bytes();
    client.send(&[0x50, 3, high, low, 0x97]).await;
    assert_eq!(client.got().await.payload, "y");
    // Nonsense is answered, and changes nothing.
    client.send(&[0x50, 2, 0x30, 0x39]).await;
    assert_eq!(client.next().await, [0x62, 3, 0x30, 0x39, 0x92]);
    client.send(&[0x40, 2, 0x30, 0x39, 0x70, 2, 0x30, 0x39]).await;
    client.hears_nothing().await;
}
