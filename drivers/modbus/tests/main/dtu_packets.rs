//! Registration packets and heartbeats: cases that a plant engineer can read, and any bytes at all.

use driver_modbus::{
    dtu::{
        heartbeat::{HeartbeatPattern, Heartbeats, LEFT_OUT_MAX},
        registration::{Judgement, Reading, Registration, Registrations},
    },
    frame::{Framing, Side, match_reply},
    pdu::{Exception, FrameError, Reply, Request, Table},
};
use proptest::prelude::*;

/// Text with escapes as the bytes that it stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match (first, rest.chars().nth(1)) {
            ('\\', Some('x')) => {
                bytes.push(u8::from_str_radix(&rest[2..4], 16).unwrap());
                length = 4;
            }
            ('\\', Some(escape)) => {
                let at = "rnt0\\{".find(escape).unwrap_or_else(|| panic!("{text}: \\{escape}"));
                bytes.push(b"\r\n\t\0\\{"[at]);
                length = 2;
            }
            _ => bytes.extend(rest[..length].bytes()),
        }
        rest = &rest[length..];
    }
    bytes
}

fn cases(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn registrations_are_read_as_the_cases_say() {
    let mut seen = 0;
    for case in cases(include_str!("../cases/registrations.txt")) {
        let (pattern, rest) = case.split_once(" <-").unwrap();
        let (sent, wanted) = rest.split_once("=> ").unwrap();
        let sent = bytes(sent.strip_prefix(' ').unwrap_or(sent).strip_suffix(' ').unwrap_or_default());
        let got = match Registration::parse(pattern) {
            Ok(registration) => match registration.read(&sent) {
                Reading::Whole(r) if r.bytes < sent.len() => format!("{} + {}", r.id, sent.len() - r.bytes),
                Reading::Whole(r) => r.id,
                Reading::Open(r) => {
                    assert_eq!(r.bytes, sent.len());
                    format!("{} ...", r.id)
                }
                Reading::Partial => "more".into(),
                Reading::No => "no".into(),
            },
            Err(error) => {
                let message = wanted.strip_prefix("! ").unwrap_or_else(|| panic!("{case}: {error}"));
                assert!(error.to_string().contains(message), "{case}: {error}");
                wanted.to_string()
            }
        };
        assert_eq!(got, wanted, "{case}");
        seen += 1;
    }
    assert!(seen >= 50, "{seen} cases");
}

/// However a packet is cut up, it is waited for, and then it is known.
#[test]
fn a_packet_may_come_byte_by_byte() {
    let patterns = ["REG:{id},{*}\r\n", "\\x7E{hex:4}\\x7E", "{imei}", "{id}"].map(String::from);
    let registrations = Registrations::parse(&patterns).unwrap();
    for (sent, id) in [
        (&b"REG:13800001234,CSQ=20\r\n"[..], "13800001234"),
        (b"\x7E\x01\x02\x03\x04\x7E", "01020304"),
        (b"490154203237518", "490154203237518"),
        (b"13800001234", "13800001234"),
    ] {
        for end in 1..sent.len() {
            assert_eq!(registrations.judge(&sent[..end], false), Judgement::Wait, "{id} after {end}");
        }
        match registrations.judge(sent, true) {
            Judgement::Known(registered) => assert_eq!(registered.id, id),
            other => panic!("{id}: {other:?}"),
        }
    }
    assert_eq!(registrations.judge(b"\xFE\xFE", true), Judgement::Unknown);
    assert_eq!(registrations.judge(&[b'R'; 200], false), Judgement::Unknown, "never-ending");
    assert!(matches!(Registrations::parse(&["{id}".into(), "x".into()]), Err((1, _))));
}

const REQUEST: Request = Request::Read { table: Table::HoldingRegisters, start: 0, count: 2 };

fn frame(unit: u8, reply: &Reply) -> Vec<u8> {
    let mut frame = Vec::new();
    Framing::Rtu.encode(0, unit, &mut frame, |to| reply.encode(&REQUEST, to));
    frame
}

fn good() -> Vec<u8> {
    frame(1, &Reply::Data(vec![0x11, 0x22, 0x33, 0x44]))
}

fn heartbeats(patterns: &[&str]) -> Heartbeats {
    let patterns: Vec<_> = patterns.iter().map(|p| HeartbeatPattern::parse(p.trim()).unwrap()).collect();
    Heartbeats::of(&patterns, b"1001", b"REG:1001")
}

#[test]
fn heartbeats_are_left_out_as_the_cases_say() {
    let mut seen = 0;
    for case in cases(include_str!("../cases/heartbeats.txt")) {
        let (patterns, rest) = case.split_once(" ; ").unwrap();
        let (wire, wanted) = rest.split_once(" => ").unwrap();
        let heartbeats = heartbeats(&patterns.split(" | ").collect::<Vec<_>>());
        let replies = [
            ("\\R", good()),
            ("\\E", frame(1, &Reply::Refused(Exception::ILLEGAL_ADDRESS))),
            ("\\D", frame(1, &Reply::Data(b"HBHB".to_vec()))),
        ];
        let which = replies.iter().find(|(mark, _)| wire.contains(mark));
        let came = match which {
            Some((mark, reply)) => {
                let (before, behind) = wire.split_once(mark).unwrap();
                [bytes(before), reply.clone(), bytes(behind)].concat()
            }
            None => bytes(wire),
        };
        match (heartbeats.reply(&came, 1, &REQUEST), wanted) {
            (Ok(Some(found)), "whole") => assert_eq!(Some(&found), which.map(|(_, reply)| reply), "{case}"),
            (Ok(None), "more") | (Err(_), "no") => {}
            (got, _) => panic!("{case}: {got:02x?}"),
        }
        seen += 1;
    }
    assert!(seen >= 20, "{seen} cases");
}

#[test]
fn a_heartbeat_has_a_fixed_length_and_some_text() {
    for wrong in ["", "{*}", "{*:3}", "{hex:2}", "{imei}", "HB{*}\\r\\n", "{id"] {
        assert!(HeartbeatPattern::parse(wrong).is_err(), "{wrong}");
    }
    let nobody = Heartbeats::of_anybody(&[
        HeartbeatPattern::parse("HB").unwrap(),
        HeartbeatPattern::parse("HB:{id}").unwrap(),
    ]);
    assert_eq!(nobody.leading(b"HBHB:1001"), 4, "without a name, only what needs none");
}

/// A heartbeat at every place of a reply, and the whole cut at every byte.
#[test]
fn a_heartbeat_anywhere_is_left_out_wherever_the_packets_end() {
    for heartbeat in ["www.usr.cn", "HB", "\u{1}", "\u{1}\u{3}"] {
        let heartbeats = heartbeats(&[heartbeat]);
        for data in [[0x11, 0x22, 0x33, 0x44], [0, 0, 0, 0], *b"HBHB", [1, 3, 4, 1]] {
            let reply = frame(1, &Reply::Data(data.to_vec()));
            for at in 0..=reply.len() {
                let wire = [&reply[..at], heartbeat.as_bytes(), &reply[at..]].concat();
                for end in 0..wire.len() {
                    match heartbeats.reply(&wire[..end], 1, &REQUEST) {
                        // Complete before the last heartbeat is.
                        Ok(Some(found)) => assert_eq!(found, reply, "{heartbeat:?} at {at}, cut at {end}"),
                        Ok(None) => {}
                        Err(error) => panic!("{heartbeat:?} at {at}, cut at {end}: {error}"),
                    }
                }
                assert_eq!(
                    heartbeats.reply(&wire, 1, &REQUEST),
                    Ok(Some(reply.clone())),
                    "{heartbeat:?} at {at}"
                );
            }
        }
    }
}

#[test]
fn what_another_unit_says_is_no_reply() {
    let heartbeats = heartbeats(&["HB"]);
    let other = frame(2, &Reply::Data(vec![1, 2, 3, 4]));
    let found = heartbeats.reply(&other, 1, &REQUEST).unwrap().unwrap();
    let cut = Framing::Rtu.decode(&found, Side::Reply).unwrap().unwrap();
    assert_eq!(match_reply(&cut, (0, 1), &REQUEST), Err(FrameError::Unit { wanted: 1, got: 2 }));
    let glued = [b"HB", &other[..]].concat();
    assert!(!matches!(heartbeats.reply(&glued, 1, &REQUEST), Ok(Some(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Several heartbeats at any places, cut into any packets: the reply comes out, or nothing yet.
    #[test]
    fn any_heartbeats_are_left_out(
        data: [u8; 4],
        places in prop::collection::vec((0..10usize, 0..2usize), 0..=LEFT_OUT_MAX),
    ) {
        let heartbeats = heartbeats(&["www.usr.cn", "HB:{id}\\r\\n"]);
        let reply = frame(1, &Reply::Data(data.to_vec()));
        let mut wire = reply.clone();
        let mut places = places;
        places.sort_unstable();
        for (at, which) in places.into_iter().rev() {
            let heartbeat: &[u8] = [&b"www.usr.cn"[..], b"HB:1001\r\n"][which];
            wire.splice(at.min(reply.len())..at.min(reply.len()), heartbeat.iter().copied());
        }
        for end in 0..wire.len() {
            if let Ok(Some(found)) = heartbeats.reply(&wire[..end], 1, &REQUEST) {
                prop_assert_eq!(&found, &reply);
            }
        }
        prop_assert_eq!(heartbeats.reply(&wire, 1, &REQUEST), Ok(Some(reply)));
    }

    /// Whatever comes, nothing but a frame with a right checksum comes out.
    #[test]
    fn any_bytes_give_a_right_frame_or_none(came in prop::collection::vec(prop_oneof![any::<u8>(), Just(1), Just(3), Just(0xFE)], 0..80)) {
        let heartbeats = heartbeats(&["\\xFE", "\\x01\\x03", "HB"]);
        if let Ok(Some(found)) = heartbeats.reply(&came, 1, &REQUEST) {
            let cut = Framing::Rtu.decode(&found, Side::Reply);
            prop_assert!(matches!(cut, Ok(Some(frame)) if frame.bytes == found.len()));
        }
        let registrations = Registrations::parse(&["{id}", "{hex:3}{*}\\xFE", "{imei}", "\\x01{id}\\x03"].map(String::from)).unwrap();
        for silent in [false, true] {
            if let Judgement::Known(registered) = registrations.judge(&came, silent) {
                prop_assert!(registered.bytes <= came.len() && !registered.id.is_empty());
            }
        }
    }

    /// Any text is a pattern or a message.
    #[test]
    fn any_pattern_is_survived(text in "[{}\\\\:*a-z0-9é]{0,20}", came in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(registration) = Registration::parse(&text) {
            let _read = registration.read(&came);
        }
        let _parsed = HeartbeatPattern::parse(&text);
    }
}
