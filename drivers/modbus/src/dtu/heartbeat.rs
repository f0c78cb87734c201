//! Heartbeats of a DTU among the replies of the devices behind it. Pure, never panics.
//!
//! A DTU sends its heartbeat whenever it likes: before a reply, after it, or in the middle of it. The same goes for its
//! registration packet, which some send before every reply. A reply may also hold the same bytes as data. The checksum
//! decides:
//!
//! 1. What came is taken as it is. If it is a whole frame with a right checksum and only heartbeats behind it, it is the
//!    reply.
//! 2. Otherwise one heartbeat is left out at a time, wherever one stands, then two, up to [`LEFT_OUT_MAX`]. The first
//!    remainder that is a frame with a right checksum, from the unit that was asked and with the reply's exact shape, is
//!    the reply. At the very beginning the end of a heartbeat may also be left out: the rest of it was thrown away before
//!    the request.
//! 3. While any remainder may still become such a frame, more bytes are waited for.
//!
//! Behind a reply only heartbeats may follow, the last one perhaps not complete.

use super::pattern::{PACKET_BYTES_MAX, Part, PatternError, parse};
use crate::{
    frame::{FRAME_BYTES_MAX, Framing, Side, match_reply},
    pdu::{FrameError, Request},
};

/// Heartbeats that one reply may hold.
pub const LEFT_OUT_MAX: usize = 4;
/// Remainders that are looked at in one search. Each more is a chance of 1 in 65,536 that disturbed bytes pass, and only
/// if their length fits too.
pub const TRIALS_MAX: usize = 256;
/// A reply with all that may stand in it; more is no reply.
pub const REPLY_BYTES_MAX: usize = FRAME_BYTES_MAX + LEFT_OUT_MAX * PACKET_BYTES_MAX;

/// A heartbeat as people write it: fixed length, `{id}` for the id of the DTU that sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatPattern(Vec<Part>);

impl HeartbeatPattern {
    /// From a pattern of fixed length.
    pub fn parse(pattern: &str) -> Result<HeartbeatPattern, PatternError> {
        use super::pattern::IdKind::Text;
        let parts = parse(pattern)?;
        let fixed = |part: &Part| match part {
            Part::Literal(_) | Part::Id { kind: Text, .. } => true,
            Part::Any { bytes } => bytes.is_some(),
            Part::Id { .. } => false,
        };
        // Wildcards alone would fit anything.
        let blank = parts.iter().all(|part| matches!(part, Part::Any { .. }));
        if blank || !parts.iter().all(fixed) {
            Err(PatternError::Heartbeat)
        } else {
            Ok(HeartbeatPattern(parts))
        }
    }

    /// Of one DTU, by the bytes of its id; `None` when it holds an id that is not known.
    fn of(&self, raw_id: Option<&[u8]>) -> Option<Heartbeat> {
        let mut bytes = Vec::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => bytes.extend(literal.iter().map(|byte| Some(*byte))),
                Part::Id { .. } => bytes.extend(raw_id?.iter().map(|byte| Some(*byte))),
                Part::Any { bytes: length } => bytes.extend(vec![None; length.unwrap_or(0)]),
            }
        }
        (1..=PACKET_BYTES_MAX).contains(&bytes.len()).then_some(Heartbeat(bytes))
    }
}

/// One heartbeat; `None` is any byte.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heartbeat(Vec<Option<u8>>);

impl Heartbeat {
    fn fits(pattern: &[Option<u8>], bytes: &[u8]) -> bool {
        pattern.iter().zip(bytes).all(|(wanted, byte)| wanted.is_none_or(|wanted| wanted == *byte))
    }
    /// Stands at the front, whole.
    fn leads(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.0.len() && Heartbeat::fits(&self.0, bytes)
    }
    /// The bytes are the beginning of one, but not all of it.
    fn begins(&self, bytes: &[u8]) -> bool {
        bytes.len() < self.0.len() && Heartbeat::fits(&self.0, bytes)
    }
    /// Its last `length` bytes, fewer than all, stand at the front.
    fn ends(&self, bytes: &[u8], length: usize) -> bool {
        length < self.0.len()
            && length <= bytes.len()
            && Heartbeat::fits(&self.0[self.0.len() - length..], bytes)
    }
}

/// All that one DTU sends on its own account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heartbeats(Vec<Heartbeat>);

impl Heartbeats {
    /// Of a DTU that has not said who it is.
    pub fn of_anybody(patterns: &[HeartbeatPattern]) -> Heartbeats {
        Heartbeats(patterns.iter().filter_map(|pattern| pattern.of(None)).collect())
    }

    /// Of the DTU that registered with `packet`, which some send again and again.
    pub fn of(patterns: &[HeartbeatPattern], raw_id: &[u8], packet: &[u8]) -> Heartbeats {
        let mut all: Vec<Heartbeat> =
            patterns.iter().filter_map(|pattern| pattern.of(Some(raw_id))).collect();
        let packet = Heartbeat(packet.iter().take(PACKET_BYTES_MAX).map(|byte| Some(*byte)).collect());
        if !packet.0.is_empty() && !all.contains(&packet) {
            all.push(packet);
        }
        Heartbeats(all)
    }

    /// How many bytes at the front are whole heartbeats.
    pub fn leading(&self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(heartbeat) = self.0.iter().find(|heartbeat| heartbeat.leads(&bytes[at..])) {
            at += heartbeat.0.len();
        }
        at
    }

    /// Where the first whole heartbeat stands.
    pub fn first_in(&self, bytes: &[u8]) -> Option<usize> {
        (0..bytes.len()).find(|at| self.0.iter().any(|heartbeat| heartbeat.leads(&bytes[*at..])))
    }

    /// Finds the reply of `unit` to `request` in what came so far, by the rule above; `None` while it is not complete.
    ///
    /// # Errors
    /// What came is no such reply and cannot become one.
    pub fn reply(&self, bytes: &[u8], unit: u8, request: &Request) -> Result<Option<Vec<u8>>, FrameError> {
        if bytes.len() > REPLY_BYTES_MAX {
            return Err(FrameError::Unasked);
        }
        let as_it_is = match Framing::Rtu.decode(bytes, Side::Reply) {
            Ok(Some(frame)) if self.are_all_of(&bytes[frame.bytes..]) => {
                return Ok(Some(bytes[..frame.bytes].to_vec()));
            }
            // Its end may be the beginning of a heartbeat that says the same.
            Ok(Some(_)) => Err(FrameError::Unasked),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let mut search =
            Search { heartbeats: self, bytes, unit, request, trials: TRIALS_MAX, unfinished: false };
        for left_out in 1..=LEFT_OUT_MAX {
            if let Some(reply) = search.without(0, &[], left_out) {
                return Ok(Some(reply));
            }
        }
        let unfinished = search.unfinished || self.one_begins_in(bytes);
        if unfinished { Ok(None) } else { as_it_is }
    }

    /// Heartbeats and nothing else; the last one may be incomplete.
    fn are_all_of(&self, bytes: &[u8]) -> bool {
        let rest = &bytes[self.leading(bytes)..];
        rest.is_empty() || self.0.iter().any(|heartbeat| heartbeat.begins(rest))
    }

    /// The last bytes are the beginning of a heartbeat.
    fn one_begins_in(&self, bytes: &[u8]) -> bool {
        let longest = bytes.len().min(PACKET_BYTES_MAX);
        (1..=longest).any(|length| {
            let last = &bytes[bytes.len() - length..];
            self.0.iter().any(|heartbeat| heartbeat.begins(last))
        })
    }

    /// How many bytes may be left out at a place, each length once.
    fn lengths_at(&self, bytes: &[u8], at: usize) -> Vec<usize> {
        let here = &bytes[at..];
        let mut lengths: Vec<usize> = self.0.iter().filter(|h| h.leads(here)).map(|h| h.0.len()).collect();
        if at == 0 {
            let ends = |length: &usize| self.0.iter().any(|heartbeat| heartbeat.ends(here, *length));
            lengths.extend((1..PACKET_BYTES_MAX).filter(ends));
        }
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        lengths
    }
}

/// A search for a reply with heartbeats in it.
struct Search<'a> {
    heartbeats: &'a Heartbeats,
    bytes: &'a [u8],
    unit: u8,
    request: &'a Request,
    trials: usize,
    /// A remainder may still become the reply.
    unfinished: bool,
}

impl Search<'_> {
    /// Leaves out `count` heartbeats at or after `from`, of which `kept` remains so far.
    fn without(&mut self, from: usize, kept: &[u8], count: usize) -> Option<Vec<u8>> {
        for at in from..self.bytes.len() {
            for length in self.heartbeats.lengths_at(self.bytes, at) {
                let mut remainder = kept.to_vec();
                remainder.extend_from_slice(&self.bytes[from..at]);
                let found = if count > 1 {
                    self.without(at + length, &remainder, count - 1)
                } else {
                    remainder.extend_from_slice(&self.bytes[at + length..]);
                    self.judge(&remainder)
                };
                if found.is_some() || self.trials == 0 {
                    return found;
                }
            }
        }
        None
    }

    fn judge(&mut self, remainder: &[u8]) -> Option<Vec<u8>> {
        self.trials = self.trials.checked_sub(1)?;
        let frame = match Framing::Rtu.decode(remainder, Side::Reply) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                let asked = [self.unit, self.request.function()];
                let head = remainder.iter().zip([0xFF, 0x7F]).map(|(byte, mask)| byte & mask);
                self.unfinished |= head.zip(asked).all(|(got, wanted)| got == wanted);
                return None;
            }
            Err(_) => return None,
        };
        let fits = match_reply(&frame, (0, self.unit), self.request).is_ok()
            && self.heartbeats.are_all_of(&remainder[frame.bytes..]);
        fits.then(|| remainder[..frame.bytes].to_vec())
    }
}
