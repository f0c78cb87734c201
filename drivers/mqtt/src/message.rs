//! Messages, and what comes of one: rows, replies, answers, faults. Pure.

use bytes::Bytes;
use std::sync::Arc;
use types::{Fault, PointId, Quality, Section, Time, Value};

/// The largest payload that is read. A larger one is refused whole.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where it was sent to.
    pub(crate) topic: Arc<str>,
    /// What was sent.
    pub(crate) payload: Bytes,
    /// It was kept by the broker, so it is of unknown age.
    pub(crate) retained: bool,
    /// When it came.
    pub(crate) received: Time,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// Where to.
    pub(crate) topic: String,
    /// What.
    pub(crate) payload: String,
}

/// A device's answer to something we asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The id of the request.
    pub(crate) request: String,
    /// The JSON that came back, or the reason for which it was refused.
    pub(crate) outcome: Result<String, String>,
}

/// What came of one message.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Rows that are newer than any before.
    pub(crate) rows: Rows,
    /// Rows that are older than one that was taken before: stored, not live.
    pub(crate) late: Rows,
    /// What the device waits for.
    pub(crate) replies: Vec<Outgoing>,
    /// What we wait for.
    pub(crate) answers: Vec<Answer>,
    /// The first thing that was wrong.
    pub(crate) fault: Option<Fault>,
    /// How many things were wrong.
    pub(crate) failures: u64,
}

impl Taken {
    /// Notes something wrong; the message goes on.
    pub(crate) fn wrong(&mut self, fault: impl FnOnce() -> Fault) {
        self.failures += 1;
        self.fault.get_or_insert_with(fault);
    }
}

/// Rows by type.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rows(pub(crate) Vec<Section>);

impl Rows {
    /// One more row.
    pub(crate) fn push(&mut self, point: PointId, time: Time, value: Option<Value>, quality: Quality) {
        let of = value.as_ref().map(Value::value_type);
        let at = self.0.iter().position(|section| section.values.value_type() == of).unwrap_or_else(|| {
            self.0.push(Section::empty(of));
            self.0.len() - 1
        });
        self.0[at].push(point, time, value, quality);
    }
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Section::len).sum()
    }
    /// Takes over the rows of `other`, behind its own.
    pub(crate) fn append(&mut self, other: Rows) {
        if self.0.is_empty() {
            self.0 = other.0;
            return;
        }
        for section in other.0 {
            for (point, time, value, quality) in section.rows() {
                self.push(point, time, value, quality);
            }
        }
    }
}
