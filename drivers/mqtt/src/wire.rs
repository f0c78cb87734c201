//! MQTT on the wire, versions 3.1, 3.1.1 and 5: frames, PUBLISH and its acknowledgements.
//!
//! PUBLISH and what acknowledges it are read and written here and not by the codec crate: they are nearly all of the
//! traffic, and here they borrow from the read buffer and are written straight into the buffer of the one who gets them,
//! without an allocation. What is rare (CONNECT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT) is in [`control`].

pub mod control;
mod publish;

pub use publish::{Outgoing, Properties, PublishView, publish};

/// First bytes of packets that are read or written whole.
pub mod first {
    /// CONNECT.
    pub const CONNECT: u8 = 0x10;
    /// CONNACK.
    pub const CONNACK: u8 = 0x20;
    /// PUBLISH with QoS 0, not retained.
    pub const PUBLISH: u8 = 0x30;
    /// PUBACK.
    pub const PUBACK: u8 = 0x40;
    /// PUBREC.
    pub const PUBREC: u8 = 0x50;
    /// PUBREL.
    pub const PUBREL: u8 = 0x62;
    /// PUBCOMP.
    pub const PUBCOMP: u8 = 0x70;
    /// SUBSCRIBE.
    pub const SUBSCRIBE: u8 = 0x82;
    /// SUBACK.
    pub const SUBACK: u8 = 0x90;
    /// UNSUBSCRIBE.
    pub const UNSUBSCRIBE: u8 = 0xa2;
    /// UNSUBACK.
    pub const UNSUBACK: u8 = 0xb0;
    /// PINGREQ.
    pub const PINGREQ: u8 = 0xc0;
    /// PINGRESP.
    pub const PINGRESP: u8 = 0xd0;
    /// DISCONNECT.
    pub const DISCONNECT: u8 = 0xe0;
    /// AUTH, version 5 only.
    pub const AUTH: u8 = 0xf0;
}

/// Which rules a connection follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1 and 3.1.1: no properties.
    V3,
    /// 5.
    V5,
}

/// Why a connection is refused or closed; the number is the reason code of MQTT 5 (section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Reason(pub u8);

impl Reason {
    /// Done, or a normal end.
    pub const SUCCESS: Reason = Reason(0x00);
    /// DISCONNECT that asks for the will.
    pub const WITH_WILL: Reason = Reason(0x04);
    /// Nobody subscribes to it.
    pub const NO_SUBSCRIBERS: Reason = Reason(0x10);
    /// UNSUBSCRIBE of what was not subscribed.
    pub const NO_SUBSCRIPTION: Reason = Reason(0x11);
    /// No cause is given.
    pub const UNSPECIFIED: Reason = Reason(0x80);
    /// Cannot be parsed.
    pub const MALFORMED: Reason = Reason(0x81);
    /// Can be parsed, but is not allowed here.
    pub const PROTOCOL: Reason = Reason(0x82);
    /// Valid, but not taken by this broker.
    pub const IMPLEMENTATION: Reason = Reason(0x83);
    /// Neither 3.1, 3.1.1 nor 5.
    pub const VERSION: Reason = Reason(0x84);
    /// Client identifier not taken.
    pub const CLIENT_ID: Reason = Reason(0x85);
    /// User name or password is wrong.
    pub const CREDENTIALS: Reason = Reason(0x86);
    /// Not allowed.
    pub const NOT_AUTHORIZED: Reason = Reason(0x87);
    /// No room.
    pub const UNAVAILABLE: Reason = Reason(0x88);
    /// The broker stops.
    pub const SHUTTING_DOWN: Reason = Reason(0x8b);
    /// Enhanced authentication is not offered.
    pub const AUTH_METHOD: Reason = Reason(0x8c);
    /// Silent for 1.5 times the keep alive.
    pub const KEEP_ALIVE: Reason = Reason(0x8d);
    /// The same client connected again.
    pub const TAKEN_OVER: Reason = Reason(0x8e);
    /// Not a filter.
    pub const FILTER: Reason = Reason(0x8f);
    /// Not a topic.
    pub const TOPIC: Reason = Reason(0x90);
    /// No such packet identifier.
    pub const NO_PACKET_ID: Reason = Reason(0x92);
    /// More QoS 1 and 2 in flight than allowed.
    pub const RECEIVE_MAX: Reason = Reason(0x93);
    /// No such topic alias.
    pub const ALIAS: Reason = Reason(0x94);
    /// Longer than allowed.
    pub const TOO_LARGE: Reason = Reason(0x95);
    /// A bound is reached.
    pub const QUOTA: Reason = Reason(0x97);
    /// A person or the configuration ended it.
    pub const ADMINISTRATIVE: Reason = Reason(0x98);

    /// In words, for faults and logs.
    pub fn text(self) -> &'static str {
        match self.0 {
            0x00 => "normal end",
            0x04 => "end with will",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x84 => "unsupported version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorised",
            0x88 => "no room",
            0x8b => "broker stops",
            0x8c => "bad authentication method",
            0x8d => "keep alive timeout",
            0x8e => "taken over by the same client",
            0x8f => "topic filter invalid",
            0x90 => "topic name invalid",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x97 => "quota exceeded",
            0x98 => "cut by the broker's configuration",
            _ => "connection lost",
        }
    }
}

/// One packet as it lies in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Type and flags.
    pub first: u8,
    /// What follows the length.
    pub body: &'a [u8],
    /// Bytes of the whole packet.
    pub len: usize,
}

/// The first packet of `input`; `None` while it is not complete.
///
/// # Errors
/// [`Reason::TOO_LARGE`] when the whole packet would be longer than `len_max`; [`Reason::MALFORMED`] when the length takes
/// more than four bytes or more bytes than needed (MQTT 5, 1.5.5).
#[inline]
pub fn frame(input: &[u8], len_max: usize) -> Result<Option<Frame<'_>>, Reason> {
    let (&first, rest) = match input.split_first() {
        Some(split) => split,
        None => return Ok(None),
    };
    let Some((length, taken)) = varint(rest)? else { return Ok(None) };
    let start = 1 + taken;
    let len = start + length as usize;
    if len > len_max {
        return Err(Reason::TOO_LARGE);
    }
    Ok(input.get(start..len).map(|body| Frame { first, body, len }))
}

/// A variable byte integer (1.5.5) and how many bytes it takes; `None` while it is not complete.
#[inline]
fn varint(input: &[u8]) -> Result<Option<(u32, usize)>, Reason> {
    let mut value = 0;
    for (i, &byte) in input.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return if byte == 0 && i > 0 { Err(Reason::MALFORMED) } else { Ok(Some((value, i + 1))) };
        }
    }
    if input.len() >= 4 { Err(Reason::MALFORMED) } else { Ok(None) }
}

/// Writes a variable byte integer; larger ones than the format has do not come here, as packets are bounded.
#[inline]
fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

const fn varint_len(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Takes parts off the front; every lack is [`Reason::MALFORMED`].
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    fn take(&mut self, n: usize) -> Result<&'a [u8], Reason> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Reason::MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }
    #[inline]
    fn u8(&mut self) -> Result<u8, Reason> {
        Ok(self.take(1)?[0])
    }
    #[inline]
    fn u16(&mut self) -> Result<u16, Reason> {
        let two = self.take(2)?;
        Ok(u16::from_be_bytes([two[0], two[1]]))
    }
    fn u32(&mut self) -> Result<u32, Reason> {
        let four = self.take(4)?;
        Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    }
    #[inline]
    fn varint(&mut self) -> Result<u32, Reason> {
        let (value, taken) = varint(self.0)?.ok_or(Reason::MALFORMED)?;
        self.0 = &self.0[taken..];
        Ok(value)
    }
    #[inline]
    fn binary(&mut self) -> Result<&'a [u8], Reason> {
        let n = self.u16()?;
        self.take(n.into())
    }
    /// Text (1.5.4): UTF-8 without U+0000.
    fn text(&mut self) -> Result<&'a str, Reason> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| Reason::MALFORMED)?;
        if text.contains('\0') { Err(Reason::MALFORMED) } else { Ok(text) }
    }
}

/// Length and bytes. Longer parts than the length can say were never read, so they cannot come here.
#[inline]
fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Reads PUBACK, PUBREC, PUBREL or PUBCOMP: the packet id and the reason. Reason string and user properties are passed
/// over, as nobody would read them.
///
/// # Errors
/// [`Reason::MALFORMED`].
#[inline]
pub fn ack(version: Version, body: &[u8]) -> Result<(u16, Reason), Reason> {
    let mut reader = Reader(body);
    let id = reader.u16()?;
    if id == 0 {
        return Err(Reason::MALFORMED);
    }
    if reader.0.is_empty() {
        return Ok((id, Reason::SUCCESS));
    }
    if version == Version::V3 {
        return Err(Reason::MALFORMED);
    }
    let reason = Reason(reader.u8()?);
    if !reader.0.is_empty() {
        let n = reader.varint()?;
        reader.take(n as usize)?;
        if !reader.0.is_empty() {
            return Err(Reason::MALFORMED);
        }
    }
    Ok((id, reason))
}

/// Appends PUBACK, PUBREC, PUBREL or PUBCOMP.
#[inline]
pub fn put_ack(version: Version, first: u8, id: u16, reason: Reason, out: &mut Vec<u8>) {
    let [high, low] = id.to_be_bytes();
    if version == Version::V3 || reason == Reason::SUCCESS {
        out.extend_from_slice(&[first, 2, high, low]);
    } else {
        out.extend_from_slice(&[first, 3, high, low, reason.0]);
    }
}

/// Appends SUBACK or UNSUBACK with one code for each filter.
pub fn put_codes(version: Version, first: u8, id: u16, codes: &[Reason], out: &mut Vec<u8>) {
    out.push(first);
    let (properties, codes) = match (version, first) {
        // An UNSUBACK of version 3 carries no codes (3.1.1, section 3.11).
        (Version::V3, first::UNSUBACK) => (0, &[][..]),
        (Version::V3, _) => (0, codes),
        (Version::V5, _) => (1, codes),
    };
    put_varint(out, (2 + properties + codes.len()) as u32);
    out.extend_from_slice(&id.to_be_bytes());
    if version == Version::V5 {
        out.push(0);
    }
    // Version 3 knows one failure only (3.1.1, section 3.9.3).
    let code = |reason: &Reason| if version == Version::V3 && reason.0 > 2 { 0x80 } else { reason.0 };
    out.extend(codes.iter().map(code));
}

/// Appends a DISCONNECT with its reason; nothing in version 3, where a broker just closes.
pub fn put_disconnect(version: Version, reason: Reason, out: &mut Vec<u8>) {
    if version == Version::V5 {
        out.extend_from_slice(&[first::DISCONNECT, 2, reason.0, 0]);
    }
}
