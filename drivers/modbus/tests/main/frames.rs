//! Frames: known ones from the specification, and any bytes at all.

use driver_modbus::{
    frame::{Framing, Side, crc16, fuzz, match_reply},
    pdu::{Exception, FrameError, Reply, Request, Table},
};
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: String =
        text.lines().map(|l| l.split('#').next().unwrap_or("")).flat_map(str::split_whitespace).collect();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn pdu(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    bytes
}

/// The worked examples of MODBUS Application Protocol V1.1b3, section 6: request, reply.
fn examples() -> Vec<(Request, &'static str, &'static str, Reply)> {
    let read = |table, start, count| Request::Read { table, start, count };
    vec![
        (read(Table::Coils, 19, 19), "01 0013 0013", "01 03 CD6B05", Reply::Data(hex("CD6B05"))),
        (read(Table::DiscreteInputs, 196, 22), "02 00C4 0016", "02 03 ACDB35", Reply::Data(hex("ACDB35"))),
        (
            read(Table::HoldingRegisters, 107, 3),
            "03 006B 0003",
            "03 06 022B 0000 0064",
            Reply::Data(hex("022B00000064")),
        ),
        (read(Table::InputRegisters, 8, 1), "04 0008 0001", "04 02 000A", Reply::Data(hex("000A"))),
        (Request::WriteCoil { address: 172, value: true }, "05 00AC FF00", "05 00AC FF00", Reply::Written),
        (Request::WriteRegister { address: 1, value: 3 }, "06 0001 0003", "06 0001 0003", Reply::Written),
        (
            Request::WriteCoils {
                start: 19,
                values: [1, 0, 1, 1, 0, 0, 1, 1, 1, 0].map(|b| b == 1).to_vec(),
            },
            "0F 0013 000A 02 CD01",
            "0F 0013 000A",
            Reply::Written,
        ),
        (
            Request::WriteRegisters { start: 1, values: vec![10, 0x0102] },
            "10 0001 0002 04 000A 0102",
            "10 0001 0002",
            Reply::Written,
        ),
        (
            Request::MaskWrite { address: 4, and: 0xF2, or: 0x25 },
            "16 0004 00F2 0025",
            "16 0004 00F2 0025",
            Reply::Written,
        ),
        (
            Request::ReadWrite { read_start: 3, read_count: 6, write_start: 14, values: vec![255, 255, 255] },
            "17 0003 0006 000E 0003 06 00FF 00FF 00FF",
            "17 0C 00FE 0ACD 0001 0003 000D 00FF",
            Reply::Data(hex("00FE 0ACD 0001 0003 000D 00FF")),
        ),
    ]
}

#[test]
fn the_specification_is_met_to_the_byte() {
    for (request, sent, answered, reply) in examples() {
        assert_eq!(pdu(&request), hex(sent));
        assert_eq!(Request::decode(&hex(sent)), Ok(request.clone()));
        assert_eq!(Reply::decode(&hex(answered), &request), Ok(reply.clone()));
        let mut again = Vec::new();
        reply.encode(&request, &mut again);
        assert_eq!(again, hex(answered));
        let refused = [request.function() | 0x80, 2];
        assert_eq!(Reply::decode(&refused, &request), Ok(Reply::Refused(Exception::ILLEGAL_ADDRESS)));
    }
}

#[test]
fn nothing_that_differs_passes_for_the_reply() {
    for (request, _, answered, _) in examples() {
        let good = hex(answered);
        let mut longer = good.clone();
        longer.push(0);
        for wrong in [&good[..good.len() - 1], &longer, &[], &[good[0]], &[good[0] | 0x80]] {
            assert!(Reply::decode(wrong, &request).is_err(), "{wrong:02x?}");
        }
        let mut other = good.clone();
        other[0] = 3 + u8::from(other[0] == 3);
        assert!(Reply::decode(&other, &request).is_err());
        let mut count = good.clone();
        count[1] ^= 1;
        assert!(Reply::decode(&count, &request).is_err(), "byte count or echo");
    }
}

#[test]
fn both_wrappings() {
    // A request and reply of the serial line guide's kind, checked with the CRC of its appendix B.
    assert_eq!(crc16(&hex("02 07")), 0x1241);
    let request = Request::Read { table: Table::HoldingRegisters, start: 0, count: 1 };
    for framing in [Framing::Mbap, Framing::Rtu] {
        let mut bytes = Vec::new();
        framing.encode(7, 17, &mut bytes, |to| Reply::Data(vec![1, 2]).encode(&request, to));
        for end in 0..bytes.len() {
            assert_eq!(framing.decode(&bytes[..end], Side::Reply), Ok(None), "{end} bytes are not enough");
        }
        bytes.push(0xAA);
        let frame = framing.decode(&bytes, Side::Reply).unwrap().unwrap();
        assert_eq!((frame.unit, frame.bytes), (17, bytes.len() - 1));
        let transaction = if framing == Framing::Mbap { 7 } else { 0 };
        assert_eq!(match_reply(&frame, (transaction, 17), &request), Ok(Reply::Data(vec![1, 2])));
        assert_eq!(
            match_reply(&frame, (transaction, 1), &request),
            Err(FrameError::Unit { wanted: 1, got: 17 })
        );
        assert!(match_reply(&frame, (transaction + 1, 17), &request).is_err());
        bytes[3] ^= 0x40;
        let broken = framing.decode(&bytes, Side::Reply).map(|frame| frame.map(|f| f.pdu.len()));
        assert!(!matches!(broken, Ok(Some(_))), "{framing:?}: {broken:?}");
    }
}

/// Everything that once was interesting, replayed.
#[test]
fn the_corpus_is_survived() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = hex(&std::fs::read_to_string(&path).unwrap());
        (0..=bytes.len()).for_each(|end| fuzz(&bytes[..end]));
        replayed += 1;
    }
    assert!(replayed >= 8, "{replayed} files");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }

    /// Mostly right bytes reach deeper than random ones.
    #[test]
    fn damaged_frames_are_survived(which in 0..10usize, at in 0..40usize, byte: u8, rtu: bool, cut in 0..40usize) {
        let framing = if rtu { Framing::Rtu } else { Framing::Mbap };
        let (request, ..) = examples().swap_remove(which);
        let mut bytes = Vec::new();
        framing.encode(1, 1, &mut bytes, |to| request.encode(to));
        if let Some(damaged) = bytes.get_mut(at) {
            *damaged = byte;
        }
        bytes.truncate(bytes.len().max(cut));
        fuzz(&bytes);
    }
}
