//! Devices and strangers.

use bytes::Bytes;
use driver_mqtt::{
    broker::{Account, Admitted, Seen, limits},
    wire::Outgoing,
};
use std::time::Duration;

use crate::peer::{Hello, House, message, policy};

fn account(client_id: &str, password: Option<&str>) -> Account {
    Account {
        client_id: Some(client_id.into()),
        password: password.map(Into::into),
        publish: vec!["plant/#".into()],
        subscribe: vec!["set/#".into()],
        ..Account::default()
    }
}

async fn online(admitted: &mut Admitted) {
    assert!(matches!(admitted.next().await, Seen::Online { .. }));
}

/// The next message, which is kept for good.
async fn heard(admitted: &mut Admitted) -> (String, String) {
    let seen = admitted.next().await;
    admitted.settle(admitted.ticket(), true);
    match seen {
        Seen::Message(m) => (m.topic.to_string(), String::from_utf8_lossy(&m.payload).into_owned()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_device_is_heard_and_told() {
    let house = House::open();
    let mut admitted = house.broker.admit(account("d1", Some("secret"))).unwrap();
    let mut watch = house.client("watch").await;
    watch.subscribe("plant/#", 0).await;
    let (mut device, _) = house.join(&Hello::v3("d1").by("anything", Some("secret"))).await;
    online(&mut admitted).await;
    assert_eq!(admitted.send("set/a", Bytes::new(), 1).await.unwrap_err().code, "mqtt.not-subscribed");
    device.subscribe("set/+", 1).await;
    admitted.send("set/a", Bytes::from_static(b"1"), 2).await.unwrap();
    let got = device.take().await;
    assert_eq!((got.topic.as_str(), got.payload.as_str(), got.qos), ("set/a", "1", 1));
    assert_eq!(admitted.send("set/+", Bytes::new(), 1).await.unwrap_err().code, "mqtt.topic");
    let (_, told) = tokio::join!(device.publish_acked(message("plant/x", "5", 1)), heard(&mut admitted));
    device.publish(message("elsewhere", "6", 0)).await;
    assert_eq!(told, ("plant/x".into(), "5".into()));
    assert_eq!(watch.got().await.payload, "5");
    device.leave().await;
    assert_eq!(admitted.next().await, Seen::Offline { reason: "normal end" });
    assert_eq!(admitted.send("set/a", Bytes::new(), 1).await.unwrap_err().code, "mqtt.offline");
    let wanted = account("d1", Some("secret"));
    assert_eq!(house.broker.recent(&wanted).len(), 1);
    assert!(house.broker.recent(&account("d2", None)).is_empty());
}

#[tokio::test]
async fn own_topics_stay_between_a_device_and_its_account() {
    let house = House::open();
    let token = |name: &str| Account { username: Some(name.into()), ..Account::default() };
    let mut one = house.broker.admit(token("T1")).unwrap();
    let mut two = house.broker.admit(token("T2")).unwrap();
    let mut watch = house.client("watch").await;
    watch.subscribe("#", 0).await;
    assert_eq!(watch.subscribe("v1/devices/me/telemetry", 0).await, 0);
    let (mut first, _) = house.join(&Hello::v3("same-id").by("T1", None)).await;
    let (mut second, _) = house.join(&Hello::v3("same-id").by("T2", None)).await;
    online(&mut one).await;
    online(&mut two).await;
    for device in [&mut first, &mut second] {
        assert_eq!(device.subscribe("v1/devices/me/rpc/request/+", 1).await, 1);
    }
    let telemetry = message("v1/devices/me/telemetry", "{}", 1);
    assert_eq!(tokio::join!(first.publish_acked(telemetry), heard(&mut one)).1.1, "{}");
    two.send("v1/devices/me/rpc/request/1", Bytes::from_static(b"go"), 1).await.unwrap();
    assert_eq!(second.take().await.payload, "go");
    first.hears_nothing().await;
    watch.hears_nothing().await;
    // Retained or not: nobody else finds it.
    first.publish(Outgoing { retain: true, ..message("v1/devices/me/attributes", "{}", 0) }).await;
    first.ping().await;
    assert_eq!(house.broker.view().retained, 0);
    // Without an account there is nobody to hear it.
    assert_eq!(watch.publish_acked(message("v1/devices/me/telemetry", "{}", 1)).await, 0x87);
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_never_let_in_as_a_stranger() {
    let house = House::open();
    let _one = house.broker.admit(account("d1", Some("secret"))).unwrap();
    let named = Account { username: Some("u".into()), password: Some("p".into()), ..Account::default() };
    let _two = house.broker.admit(named.clone()).unwrap();
    for wrong in [
        Hello::new("d1"),
        Hello::new("d1").by("x", Some("secreT")),
        Hello::new("d1").by("x", Some("secret1")),
        Hello::new("z").by("u", None),
        Hello::new("z").by("u", Some("q")),
    ] {
        assert_eq!(house.refusal(&wrong).await, 0x86);
        assert_eq!(house.refusal(&Hello { version: driver_mqtt::wire::Version::V3, ..wrong }).await, 4);
    }
    assert_eq!(house.broker.view().refused, 10);
    assert!(house.desk.arrivals.list().is_empty());
    let taken = house.broker.admit(account("d1", None)).err().unwrap();
    assert_eq!(taken.code, "mqtt.credentials-taken");
    assert_eq!(house.broker.admit(named).err().unwrap().code, "mqtt.credentials-taken");
    assert_eq!(house.broker.admit(Account::default()).err().unwrap().code, "mqtt.no-credentials");
    let wrong = Account { publish: vec!["a#".into()], ..account("d9", None) };
    assert_eq!(house.broker.admit(wrong).err().unwrap().code, "mqtt.filter");
}

#[tokio::test]
async fn dropping_the_account_cuts_its_client_and_keeps_its_session() {
    let house = House::open();
    let admitted = house.broker.admit(account("d1", None)).unwrap();
    let hello = Hello::new("d1").expiry(100).by("u", None);
    let (mut device, _) = house.join(&hello).await;
    device.subscribe("set/#", 1).await;
    drop(admitted);
    assert_eq!(device.reason().await, 0x98);
    let mut admitted = house.broker.admit(account("d1", None)).unwrap();
    let (_device, kept) = house.join(&hello.again()).await;
    assert!(kept);
    online(&mut admitted).await;
    admitted.send("set/a", Bytes::new(), 0).await.unwrap();
}

#[tokio::test]
async fn a_command_is_not_sent_late() {
    let house = House::open();
    let admitted = house.broker.admit(account("d1", None)).unwrap();
    for (wait_s, comes) in [(2, true), (60, false)] {
        let hello = Hello::new("d1").expiry(1_000).receive_max(1);
        let (mut device, _) = house.join(&hello).await;
        device.subscribe("set/#", 1).await;
        // One is in flight, one waits behind it; then the cable breaks.
        for payload in ["first", "second"] {
            admitted.send("set/a", Bytes::from(payload), 1).await.unwrap();
        }
        assert_eq!(device.got().await.payload, "first");
        device.vanish().await;
        assert_eq!(admitted.send("set/a", Bytes::new(), 1).await.unwrap_err().code, "mqtt.offline");
        house.clock.advance(Duration::from_secs(wait_s)).await;
        let (mut device, kept) = house.join(&hello.again()).await;
        assert!(kept);
        if comes {
            assert!(device.take().await.dup);
            assert_eq!(device.take().await.payload, "second");
        }
        device.hears_nothing().await;
        device.leave().await;
    }
}

#[tokio::test]
async fn one_account_has_one_client() {
    let house = House::open();
    let mut admitted =
        house.broker.admit(Account { username: Some("T".into()), ..Account::default() }).unwrap();
    let (mut first, _) = house.join(&Hello::new("x1").by("T", None)).await;
    let (mut second, _) = house.join(&Hello::new("x2").by("T", None)).await;
    assert_eq!(first.reason().await, 0x8e);
    online(&mut admitted).await;
    online(&mut admitted).await;
    second.ping().await;
    second.vanish().await;
    assert!(matches!(admitted.next().await, Seen::Offline { .. }));
}

#[tokio::test]
async fn a_device_that_is_not_read_holds_back_its_own_client_only() {
    let house = House::open();
    let mut admitted = house.broker.admit(account("d1", None)).unwrap();
    let (mut device, _) = house.join(&Hello::v3("d1").by("u", None)).await;
    let n = limits::INBOX_MESSAGES_MAX + 50;
    let sending = tokio::spawn(async move {
        for i in 0..n {
            device.publish(Outgoing { packet_id: i as u16 + 1, ..message("plant/x", "1", 1) }).await;
        }
        for _ in 0..n {
            device.next().await;
        }
        device
    });
    let mut others = house.client("other").await;
    for _ in 0..20 {
        others.ping().await;
    }
    assert!(!sending.is_finished(), "it is not acknowledged what nobody has taken");
    online(&mut admitted).await;
    for _ in 0..n {
        heard(&mut admitted).await;
    }
    let mut device = sending.await.unwrap();
    assert_eq!(house.broker.view().dropped, 0);
    // QoS 0 is dropped instead, the oldest first.
    for i in 0..n {
        device.publish(message("plant/x", &i.to_string(), 0)).await;
    }
    device.ping().await;
    assert_eq!(house.broker.view().dropped, 50);
    assert_eq!(heard(&mut admitted).await.1, "50");
}

#[tokio::test]
async fn what_is_not_kept_is_not_acknowledged() {
    let house = House::open();
    let mut admitted = house.broker.admit(account("d1", None)).unwrap();
    let hello = Hello::new("d1").expiry(1_000);
    let (mut device, _) = house.join(&hello).await;
    online(&mut admitted).await;
    let one = Outgoing { packet_id: 1, ..message("plant/x", "1", 1) };
    let two = Outgoing { packet_id: 2, ..message("plant/x", "2", 2) };
    for outgoing in [one, two, Outgoing { packet_id: 3, ..message("elsewhere", "3", 1) }] {
        device.publish(outgoing).await;
    }
    // Given out is not kept; and who is refused waits for its turn. Said twice is said once.
    admitted.next().await;
    device.publish(Outgoing { dup: true, ..two }).await;
    device.hears_nothing().await;
    let first = admitted.ticket();
    admitted.next().await;
    admitted.settle(first, true);
    assert_eq!(device.next().await[..4], [0x40, 2, 0, 1]);
    device.hears_nothing().await;
    admitted.settle(admitted.ticket(), true);
    assert_eq!(device.next().await[..4], [0x50, 2, 0, 2]);
    assert_eq!(device.next().await[..5], [0x40, 3, 0, 3, 0x87]);

    // The disk is full: nothing is acknowledged any more, whatever is kept later, until it is sent again.
    let (third, fourth) = (
        Outgoing { packet_id: 4, ..message("plant/x", "4", 1) },
        Outgoing { packet_id: 5, ..message("plant/x", "5", 2) },
    );
    device.publish(third).await;
    device.publish(fourth).await;
    admitted.next().await;
    let refused = admitted.ticket();
    admitted.next().await;
    admitted.settle(refused, false);
    admitted.settle(admitted.ticket(), true);
    assert_eq!(device.reason().await, 0x97);
    assert!(matches!(admitted.next().await, Seen::Offline { .. }));
    let (mut device, kept) = house.join(&hello.again()).await;
    assert!(kept);
    online(&mut admitted).await;
    for again in [third, fourth] {
        device.publish(Outgoing { dup: true, ..again }).await;
    }
    for payload in ["4", "5"] {
        assert_eq!(heard(&mut admitted).await.1, payload);
    }
    assert_eq!(device.next().await[..4], [0x40, 2, 0, 4]);
    assert_eq!(device.next().await[..4], [0x50, 2, 0, 5]);
}

#[tokio::test]
async fn a_stranger_is_let_in_without_effect_until_it_is_claimed() {
    let house = House::open();
    let mut watch = house.client("watch").await;
    watch.subscribe("#", 0).await;
    let hello = Hello::new("new-device").by("u", Some("pw")).expiry(1_000).will("plant/will", "x", 0);
    let (mut stranger, _) = house.join(&hello).await;
    assert_eq!(stranger.subscribe("#", 1).await, 1);
    for i in 0..30 {
        stranger.publish(Outgoing { packet_id: i + 1, ..message("plant/x", &i.to_string(), 1) }).await;
    }
    stranger.hears_nothing().await;
    stranger.publish(Outgoing { retain: true, ..message("plant/x", "kept", 0) }).await;
    watch.publish(message("plant/y", "z", 0)).await;
    assert_eq!(watch.got().await.payload, "z");
    watch.hears_nothing().await;
    stranger.hears_nothing().await;
    assert_eq!((house.broker.view().retained, house.broker.view().quarantined), (0, 1));
    let waiting = house.desk.arrivals.get("new-device").unwrap();
    assert_eq!((waiting.heard.len(), waiting.heard[0].channel.as_str()), (20, "plant/x"));
    assert_eq!(waiting.heard[19].payload, "kept");
    let config = &waiting.arrival.suggested_config;
    assert_eq!((&config["via"], &config["username"]), (&"broker".into(), &"u".into()));
    assert_eq!(config["payload"]["profile"], "raw", "its messages tell what it is: {config}");
    assert!(!config.to_string().contains("pw") && !format!("{:?}", waiting.arrival.facts).contains("pw"));

    let mut admitted = house
        .broker
        .admit(Account { username: Some("u".into()), ..account("new-device", Some("pw")) })
        .unwrap();
    assert_eq!(stranger.reason().await, 0x98);
    let (mut device, kept) = house.join(&hello.again()).await;
    assert!(!kept);
    online(&mut admitted).await;
    let real = message("plant/x", "real", 1);
    assert_eq!(tokio::join!(device.publish_acked(real), heard(&mut admitted)).1.1, "real");
    assert!(house.desk.arrivals.get("new-device").is_none());
    assert_eq!(house.broker.view().quarantined, 0);
}

#[tokio::test]
async fn without_quarantine_a_stranger_is_refused_and_listed() {
    let mut strict = policy();
    (strict.quarantine, strict.anonymous_publish, strict.anonymous_subscribe) = (false, vec![], vec![]);
    let house = House::with(strict);
    assert_eq!(house.refusal(&Hello::new("who")).await, 0x87);
    assert_eq!(house.refusal(&Hello::v3("who")).await, 5);
    assert_eq!(house.desk.arrivals.get("who").unwrap().knocks, 2);
}

#[tokio::test]
async fn strangers_are_bounded() {
    let mut closed = policy();
    (closed.anonymous_publish, closed.anonymous_subscribe) = (vec![], vec![]);
    let house = House::with(closed);
    let mut inside = Vec::new();
    for i in 0..limits::STRANGERS_MAX {
        inside.push(house.join(&Hello::new(&format!("s{i}"))).await.0);
    }
    assert_eq!(house.refusal(&Hello::new("late")).await, 0x87);
    inside.pop().unwrap().vanish().await;
    house.clock.advance(Duration::from_secs(1)).await;
    house.join(&Hello::new("late")).await;
}

#[tokio::test]
async fn a_device_that_makes_up_its_client_id_leaves_no_sessions_behind() {
    let house = House::open();
    let _admitted = house.broker.admit(Account { username: Some("T".into()), ..Account::default() }).unwrap();
    for i in 0..20 {
        let (mut device, _) =
            house.join(&Hello::new(&format!("made-up-{i}")).by("T", None).expiry(1_000)).await;
        device.subscribe("v1/devices/me/#", 1).await;
        device.vanish().await;
    }
    house.clock.advance(limits::TICK * limits::TICKS_A_SWEEP).await;
    house.clock.advance(limits::TICK * limits::TICKS_A_SWEEP).await;
    assert_eq!(house.broker.view().sessions, 1, "the newest");
}

#[tokio::test]
async fn a_kept_session_loses_the_subscriptions_that_its_account_may_not_have_any_more() {
    let house = House::open();
    let hello = Hello::new("d1").expiry(1_000).by("u", None);
    let wide = Account { subscribe: vec!["set/#".into(), "secret/#".into()], ..account("d1", None) };
    let admitted = house.broker.admit(wide).unwrap();
    let (mut device, _) = house.join(&hello).await;
    device.subscribe("set/a", 1).await;
    device.subscribe("secret/a", 1).await;
    drop(admitted);
    let _narrow = house.broker.admit(account("d1", None)).unwrap();
    let (mut device, kept) = house.join(&hello.again()).await;
    assert!(kept);
    let mut from = house.client("from").await;
    from.publish_acked(message("secret/a", "no", 1)).await;
    from.publish_acked(message("set/a", "yes", 1)).await;
    assert_eq!(device.take().await.payload, "yes");
    device.hears_nothing().await;
}

#[tokio::test]
async fn a_device_that_came_before_its_account_comes_again_with_it() {
    let house = House::open();
    let mut early = house.client("d1").await;
    let mut admitted = house.broker.admit(account("d1", None)).unwrap();
    assert_eq!(early.reason().await, 0x98);
    let _device = house.client("d1").await;
    online(&mut admitted).await;
}
