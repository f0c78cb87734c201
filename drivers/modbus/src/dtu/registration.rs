//! Who dials in: finds the registration id in the first bytes of a connection. Pure, never panics.

use super::pattern::{IMEI_DIGITS, IdKind, PACKET_BYTES_MAX, Part, PatternError, Sought, parse, seek};

/// The longest id, in bytes as it is shown.
pub const ID_BYTES_MAX: usize = 64;

/// The registration packets of a plant's DTUs, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrations(Vec<Registration>);

/// One kind of registration packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration(Vec<Part>);

/// A registration packet that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// As people see it and write it in a device's config.
    pub id: String,
    /// The id as it stands in the packet.
    pub raw_id: Vec<u8>,
    /// Bytes of the packet.
    pub bytes: usize,
}

/// What bytes so far are to one kind of packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A whole packet, whatever follows.
    Whole(Registered),
    /// A whole packet if nothing follows.
    Open(Registered),
    /// The beginning of one.
    Partial,
    /// None.
    No,
}

/// What bytes so far are to all kinds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// This is who it is.
    Known(Registered),
    /// More may come.
    Wait,
    /// Nobody sends this.
    Unknown,
}

impl Registrations {
    /// From patterns; the error names the index of the wrong one.
    pub fn parse(patterns: &[String]) -> Result<Registrations, (usize, PatternError)> {
        let read = |(at, text): (usize, &String)| Registration::parse(text).map_err(|error| (at, error));
        patterns.iter().enumerate().map(read).collect::<Result<_, _>>().map(Registrations)
    }

    /// Judges the bytes since the last silence. `silent` says that nothing followed for a while: what may be complete is
    /// then taken as complete. The first pattern that fits wins.
    pub fn judge(&self, bytes: &[u8], silent: bool) -> Judgement {
        let mut more = false;
        for registration in &self.0 {
            match registration.read(bytes) {
                Reading::Whole(registered) if !more || silent => return Judgement::Known(registered),
                Reading::Open(registered) if silent => return Judgement::Known(registered),
                // An earlier pattern may still fit: it goes first.
                Reading::Whole(_) | Reading::Open(_) | Reading::Partial => more = true,
                Reading::No => {}
            }
        }
        if more && bytes.len() < PACKET_BYTES_MAX { Judgement::Wait } else { Judgement::Unknown }
    }
}

impl Registration {
    /// From a pattern with exactly one id.
    pub fn parse(pattern: &str) -> Result<Registration, PatternError> {
        let parts = parse(pattern)?;
        match parts.iter().filter(|part| matches!(part, Part::Id { .. })).count() {
            1 => Ok(Registration(parts)),
            ids => Err(PatternError::Ids(ids)),
        }
    }

    /// What `bytes` are.
    pub fn read(&self, bytes: &[u8]) -> Reading {
        let mut walk = Walk { bytes, at: 0, id: None, open: false };
        for (i, part) in self.0.iter().enumerate() {
            let next = match self.0.get(i + 1) {
                Some(Part::Literal(literal)) => Some(literal.as_slice()),
                _ => None,
            };
            match walk.step(part, next) {
                Step::On => {}
                Step::More => return Reading::Partial,
                Step::No => return Reading::No,
            }
        }
        let Some((id, raw_id)) = walk.id else { return Reading::No };
        let registered = Registered { id, raw_id, bytes: walk.at };
        if walk.open { Reading::Open(registered) } else { Reading::Whole(registered) }
    }
}

/// The way through a packet.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    id: Option<(String, Vec<u8>)>,
    /// The packet ends with these bytes only if no more follow.
    open: bool,
}

enum Step {
    On,
    More,
    No,
}

impl Walk<'_> {
    fn step(&mut self, part: &Part, next: Option<&[u8]>) -> Step {
        match part {
            Part::Literal(literal) => self.literal(literal),
            Part::Any { bytes } => match self.field(*bytes, next, |_| true) {
                Ok(_) => Step::On,
                Err(step) => step,
            },
            Part::Id { kind, bytes } => {
                let allowed: fn(u8) -> bool = match kind {
                    IdKind::Text => |byte| byte.is_ascii_graphic(),
                    IdKind::Hex => |_| true,
                    IdKind::Imei => |byte| byte.is_ascii_digit(),
                };
                let raw = match self.field(*bytes, next, allowed) {
                    Ok(raw) => raw,
                    Err(step) => return step,
                };
                match shown(*kind, &raw) {
                    Some(id) => {
                        self.id = Some((id, raw));
                        Step::On
                    }
                    None => Step::No,
                }
            }
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Step {
        let rest = &self.bytes[self.at..];
        let there = rest.len().min(literal.len());
        if rest[..there] != literal[..there] {
            return Step::No;
        }
        self.at += there;
        if there < literal.len() { Step::More } else { Step::On }
    }

    /// The bytes of a field: so many, or up to the text that follows, or to the end.
    fn field(
        &mut self,
        length: Option<usize>,
        next: Option<&[u8]>,
        allowed: impl Fn(u8) -> bool,
    ) -> Result<Vec<u8>, Step> {
        let rest = &self.bytes[self.at..];
        let end = match (length, next) {
            (Some(length), _) => {
                let there = &rest[..rest.len().min(length)];
                if !there.iter().all(|byte| allowed(*byte)) {
                    return Err(Step::No);
                }
                if there.len() < length {
                    return Err(Step::More);
                }
                length
            }
            (None, Some(literal)) => match seek(rest, 0, literal) {
                Sought::At(range) => range.start,
                Sought::NotYet => {
                    // The end of what came may be the beginning of the text that is waited for.
                    let sure = rest.len().saturating_sub(literal.len() - 1);
                    let hopeless =
                        rest.len() >= PACKET_BYTES_MAX || !rest[..sure].iter().all(|b| allowed(*b));
                    return Err(if hopeless { Step::No } else { Step::More });
                }
            },
            (None, None) => return self.rest(allowed),
        };
        let field = rest[..end].to_vec();
        self.at += end;
        if field.iter().all(|byte| allowed(*byte)) { Ok(field) } else { Err(Step::No) }
    }

    /// A field that is last and has no length: ended by a line end, zeros, or silence.
    fn rest(&mut self, allowed: impl Fn(u8) -> bool) -> Result<Vec<u8>, Step> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| !allowed(*byte)).unwrap_or(rest.len());
        let ends = rest[end..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
        if end == 0 && ends == 0 {
            return Err(if rest.is_empty() { Step::More } else { Step::No });
        }
        let packet = end + ends;
        if packet < rest.len() && ends == 0 {
            return Err(Step::No);
        }
        self.open = packet == rest.len() && rest.last() != Some(&b'\n');
        self.at += packet;
        Ok(rest[..end].to_vec())
    }
}

/// An id as people see it, if it is one.
fn shown(kind: IdKind, raw: &[u8]) -> Option<String> {
    let id = match kind {
        IdKind::Text => String::from_utf8(raw.to_vec()).ok()?,
        IdKind::Hex => raw.iter().map(|byte| format!("{byte:02x}")).collect(),
        IdKind::Imei if is_imei(raw) => String::from_utf8(raw.to_vec()).ok()?,
        IdKind::Imei => return None,
    };
    (1..=ID_BYTES_MAX).contains(&id.len()).then_some(id)
}

/// The check digit of an IMEI (3GPP TS 23.003, annex B): every second digit doubled, digits added up, a multiple of ten.
fn is_imei(digits: &[u8]) -> bool {
    let sum: u32 = (0..)
        .zip(digits)
        .map(|(i, digit)| {
            let value = u32::from(digit.wrapping_sub(b'0'));
            if i % 2 == 1 { value * 2 / 10 + value * 2 % 10 } else { value }
        })
        .sum();
    digits.len() == IMEI_DIGITS && digits.iter().all(u8::is_ascii_digit) && sum.is_multiple_of(10)
}
