//! Properties of the pure parts over made-up input.

use driver_mqtt::wire::{self, Outgoing, Properties, Version, control};
use proptest::prelude::*;

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V3), Just(Version::V5)]
}

fn made_properties() -> impl Strategy<Value = Properties> {
    let text = || prop::option::of(".{0,20}".prop_map(|t: String| t.replace('\0', "")));
    let user = prop::collection::vec(("[a-z]{0,5}", "[a-z]{0,5}"), 0..4);
    (any::<bool>(), text(), text(), prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), user)
        .prop_map(|(utf8, content_type, response_topic, correlation, user)| Properties {
            utf8,
            expiry_s: None,
            content_type,
            response_topic,
            correlation: correlation.map(Into::into),
            user,
        })
}

proptest! {
    #[test]
    fn a_publish_is_read_as_it_was_written(
        version in version(), qos in 0_u8..3, dup in any::<bool>(), retain in any::<bool>(), id in 1_u16..,
        topic in "[a-z/]{1,40}", payload in prop::collection::vec(any::<u8>(), 0..300), properties in made_properties(),
        alias in prop::option::of(1_u16..), expiry_s in prop::option::of(any::<u32>()),
    ) {
        let dup = dup && qos > 0;
        let packet_id = if qos > 0 { id } else { 0 };
        let outgoing = Outgoing {
            dup, qos, retain, topic: &topic, alias, packet_id, properties: Some(&properties), expiry_s,
            subscription_ids: &[], payload: &payload,
        };
        let mut out = vec![0xee];
        outgoing.put(version, &mut out);
        prop_assert_eq!(out.len() - 1, outgoing.len(version));
        let frame = wire::frame(&out[1..], usize::MAX).unwrap().unwrap();
        prop_assert_eq!(frame.len, out.len() - 1);
        let view = wire::publish(version, frame).unwrap();
        prop_assert_eq!((view.dup, view.qos, view.retain, view.packet_id), (dup, qos, retain, packet_id));
        prop_assert_eq!((view.topic, view.payload), (topic.as_bytes(), &payload[..]));
        if version == Version::V5 {
            let wanted = Properties { expiry_s, ..properties };
            prop_assert_eq!(Properties::parse(view.properties).unwrap(), (wanted, alias));
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), version in version()) {
        if let Ok(Some(frame)) = wire::frame(&bytes, 1_000) {
            let _ = (wire::publish(version, frame), wire::ack(version, frame.body), control::version(frame));
            let _ = (control::control(version, &bytes[..frame.len]), control::connect(version, frame, &bytes[..frame.len]));
        }
        let _ = Properties::parse(&bytes);
    }

    #[test]
    fn a_packet_is_whole_only_when_its_last_byte_is_there(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let whole = crate::peer::packet(0x30, &body);
        for end in 0..whole.len() {
            prop_assert_eq!(wire::frame(&whole[..end], usize::MAX), Ok(None));
        }
        prop_assert_eq!(wire::frame(&whole, usize::MAX).unwrap().map(|f| f.body.to_vec()), Some(body));
    }
}
