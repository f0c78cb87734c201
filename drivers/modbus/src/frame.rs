//! How it is wrapped: MBAP on TCP, unit id and CRC on a serial line or on RTU over TCP. No IO, never panics.
//!
//! Sources: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3; MODBUS over Serial Line V1.02,
//! section 2.5.1 and appendix B. A decoder is given all bytes so far and says `None` while the frame is not complete.

use crate::pdu::{FrameError, PDU_BYTES_MAX, Reply, Request};

/// Bytes of an MBAP header: transaction, protocol, length, unit id.
pub const MBAP_BYTES: usize = 7;
/// The longest frame of either kind.
pub const FRAME_BYTES_MAX: usize = MBAP_BYTES + PDU_BYTES_MAX;

/// How frames are wrapped on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus TCP.
    Mbap,
    /// Modbus RTU, on a serial line or carried over TCP.
    Rtu,
}

/// One frame cut out of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Repeated by the reply; always 0 on RTU, which has none.
    pub transaction: u16,
    /// Which unit.
    pub unit: u8,
    /// What is said.
    pub pdu: &'a [u8],
    /// Bytes of the whole frame.
    pub bytes: usize,
}

/// Which side of the conversation is being read: RTU lengths depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Bytes from a client.
    Request,
    /// Bytes from a server.
    Reply,
}

impl Framing {
    /// Appends a frame; `pdu` writes what is said.
    pub fn encode(self, transaction: u16, unit: u8, to: &mut Vec<u8>, pdu: impl FnOnce(&mut Vec<u8>)) {
        let start = to.len();
        match self {
            Framing::Mbap => {
                to.extend(transaction.to_be_bytes());
                to.extend([0, 0, 0, 0, unit]);
                pdu(to);
                let length = (to.len() - start - (MBAP_BYTES - 1)) as u16;
                to[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
            }
            Framing::Rtu => {
                to.push(unit);
                pdu(to);
                let sum = crc16(&to[start..]);
                to.extend(sum.to_le_bytes());
            }
        }
    }

    /// Cuts the first frame out of what came so far; `None` while it is not complete.
    pub fn decode(self, bytes: &[u8], side: Side) -> Result<Option<Frame<'_>>, FrameError> {
        match self {
            Framing::Mbap => decode_mbap(bytes),
            Framing::Rtu => decode_rtu(bytes, side),
        }
    }
}

fn decode_mbap(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    // The header is judged as soon as it is there: garbage must not make us wait for a length it invented.
    let word = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    if let Some(protocol) = word(2).filter(|p| *p != 0) {
        return Err(FrameError::Protocol(protocol));
    }
    let (Some(transaction), Some(length)) = (word(0), word(4)) else { return Ok(None) };
    if !(2..=PDU_BYTES_MAX as u16 + 1).contains(&length) {
        return Err(FrameError::Length(length));
    }
    let end = MBAP_BYTES - 1 + usize::from(length);
    let Some(frame) = bytes.get(..end) else { return Ok(None) };
    Ok(Some(Frame { transaction, unit: frame[MBAP_BYTES - 1], pdu: &frame[MBAP_BYTES..], bytes: end }))
}

fn decode_rtu(bytes: &[u8], side: Side) -> Result<Option<Frame<'_>>, FrameError> {
    let Some(pdu_bytes) = rtu_pdu_bytes(bytes, side)? else { return Ok(None) };
    if pdu_bytes > PDU_BYTES_MAX {
        return Err(FrameError::Count);
    }
    let (body, end) = (pdu_bytes + 1, pdu_bytes + 3);
    let Some(frame) = bytes.get(..end) else { return Ok(None) };
    if crc16(&frame[..body]).to_le_bytes() != frame[body..] {
        return Err(FrameError::Checksum);
    }
    Ok(Some(Frame { transaction: 0, unit: frame[0], pdu: &frame[1..body], bytes: end }))
}

/// RTU frames carry no length: it follows from the function, which is why unknown functions are refused here.
fn rtu_pdu_bytes(bytes: &[u8], side: Side) -> Result<Option<usize>, FrameError> {
    let Some(&function) = bytes.get(1) else { return Ok(None) };
    let counted = |head: usize| bytes.get(head).map(|count| head + usize::from(*count));
    Ok(match (side, function) {
        (Side::Reply, 0x81..=0xFF) => Some(2),
        (Side::Reply, 1..=4 | 23) => counted(2),
        (Side::Reply, 15 | 16) => Some(5),
        (Side::Request, 1..=4) | (_, 5 | 6) => Some(5),
        (_, 22) => Some(7),
        (Side::Request, 15 | 16) => counted(6),
        (Side::Request, 23) => counted(10),
        _ => return Err(FrameError::UnknownFunction(function)),
    })
}

/// CRC-16/MODBUS: polynomial 0x8005 reflected, start 0xFFFF, sent low byte first.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| CRC_TABLE[usize::from((crc as u8) ^ byte)] ^ (crc >> 8))
}

const CRC_TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// Judges a reply frame against what was asked: transaction and unit must match, then the PDU.
pub fn match_reply(frame: &Frame<'_>, wanted: (u16, u8), request: &Request) -> Result<Reply, FrameError> {
    if frame.transaction != wanted.0 {
        return Err(FrameError::Transaction { wanted: wanted.0, got: frame.transaction });
    }
    if frame.unit != wanted.1 {
        return Err(FrameError::Unit { wanted: wanted.1, got: frame.unit });
    }
    Reply::decode(frame.pdu, request)
}

/// What a fuzzer feeds: any bytes, read as every kind of frame and both sides. Must return.
pub fn fuzz(bytes: &[u8]) {
    for framing in [Framing::Mbap, Framing::Rtu] {
        for side in [Side::Request, Side::Reply] {
            let Ok(Some(frame)) = framing.decode(bytes, side) else { continue };
            assert!(frame.bytes <= bytes.len(), "a frame ends inside what came");
            if let Ok(request) = Request::decode(frame.pdu) {
                let mut again = Vec::new();
                request.encode(&mut again);
                assert_eq!(again, clean_filling(frame.pdu), "a request survives the round trip");
            }
        }
    }
    if let Ok(request) = Request::decode(bytes) {
        // The answer to a request never depends on what bytes happen to follow.
        let _judged = Reply::decode(bytes, &request);
    }
}

/// A request with the unused bits of its last coil byte cleared, which a decoder may ignore.
fn clean_filling(pdu: &[u8]) -> Vec<u8> {
    let mut pdu = pdu.to_vec();
    if let [15, _, _, high, low, _, .., last] = &mut pdu[..] {
        let used = u16::from_be_bytes([*high, *low]) % 8;
        if used > 0 {
            *last &= (1u8 << used) - 1;
        }
    }
    pdu
}
