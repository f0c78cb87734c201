//! Writes on their way: what is sent for one, and when it counts as done. What was read back is only ever what the
//! device said after the write. Pure but for the answer it sends to whoever asked.

use sdk::{WriteOrder, Written, poll::unscale};
use std::{num::NonZeroU16, time::Duration};
use tokio::sync::oneshot;
use types::{Fault, PointId, Value, codes};

use crate::{
    address::{Setting, Source},
    fault, json,
    mapping::{Mapping, shown},
    message::{Answer, Message, Outgoing, Taken},
    profile::{thingsboard, tsl},
    stamp::Stamp,
    value,
};

/// How long a device may take to answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take until the new value is heard. What came last until then counts.
const ECHO_WITHIN: Duration = Duration::from_secs(3);

/// What is sent for a write, and what it waits for then.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) send: Outgoing,
    then: Then,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Then {
    /// Nothing comes back.
    Nothing,
    /// The point says its new value.
    Echo,
    /// The device answers this request, with the value.
    Answer(String),
    /// The device answers this request, and the point says its new value after that.
    AnswerThenEcho(String),
}

struct Open {
    item: u32,
    point: PointId,
    /// As it will be heard, if the device does what it is told.
    expected: Option<Value>,
    then: Then,
    /// Until the broker has it for good.
    untaken: Option<NonZeroU16>,
    deadline: Duration,
    heard: Option<Value>,
    reply: oneshot::Sender<Result<Written, Fault>>,
}

/// Writes on their way. Not bounded by itself: [`sdk::DeviceTask::WRITES_MAX`] wait at most, and each ends in time.
pub(crate) struct Writes {
    open: Vec<Open>,
    next_request: u32,
}

impl Writes {
    /// The most that may be on their way at once.
    pub(crate) const OPEN_MAX: usize = 16;

    /// Request ids count on from `first`, so that a late answer to an earlier run is not taken for one of this.
    pub(crate) fn new(first: u32) -> Writes {
        Writes { open: Vec::new(), next_request: first & 0x3FFF_FFFF }
    }

    /// There is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.open.len() < Self::OPEN_MAX
    }

    /// What to send for a write.
    pub(crate) fn plan(
        &mut self,
        mapping: &mut Mapping,
        point: PointId,
        shown: &Value,
    ) -> Result<Plan, Fault> {
        let found = mapping.item(point).and_then(|at| mapping.items.get(at as usize));
        let Some((item, address)) = found.and_then(|item| Some((item, item.address.clone()?))) else {
            let detail = "this device has no such point any more; look at its points and try again";
            return Err(Fault::new(codes::NOT_FOUND, detail));
        };
        let raw = unscale(shown.clone(), item.point.scaling, address.value_type).map_err(|error| {
            let fault = Fault::new("write.does-not-fit", format!("{error}; choose another value"));
            fault.arg("reason", error.to_string())
        })?;
        if !item.fits {
            return Err(fault::read_only(&item.point.address));
        }
        self.next_request = (self.next_request + 1) & 0x3FFF_FFFF;
        let request = self.next_request.to_string();
        let json = value::to_json(&raw);
        Ok(match (&address.source, &address.set) {
            (source, Some(set)) => {
                let send = Outgoing { topic: set.topic.clone(), payload: fill(set, &raw) };
                Plan { send, then: if source.is_some() { Then::Echo } else { Then::Nothing } }
            }
            (Some(Source::Attribute(key)), None) => {
                mapping.attributes.share(key, &json);
                let payload = format!("{{{}:{json}}}", serde_json::Value::from(key.as_str()));
                let send = Outgoing { topic: thingsboard::ATTRIBUTES.to_string(), payload };
                Plan { send, then: Then::Echo }
            }
            (Some(Source::Rpc(method)), None) => {
                let method = serde_json::Value::from(method.as_str());
                let payload = format!("{{\"method\":{method},\"params\":{}}}", arguments(&raw));
                let send = Outgoing { topic: format!("{}{request}", thingsboard::RPC_REQUEST), payload };
                Plan { send, then: Then::Answer(request) }
            }
            (Some(Source::Property(id)), None) => {
                let send = tsl::set_property(mapping.root(), &request, id, &json);
                Plan { send, then: Then::AnswerThenEcho(request) }
            }
            (Some(Source::Service(id)), None) => {
                let send = tsl::call(mapping.root(), &request, id, &arguments(&raw));
                Plan { send, then: Then::Answer(request) }
            }
            _ => return Err(fault::read_only(&item.point.address)),
        })
    }

    /// The message of `plan` is on its way; `untaken` when the broker will acknowledge it.
    pub(crate) fn sent(
        &mut self,
        plan: Plan,
        order: WriteOrder,
        untaken: Option<NonZeroU16>,
        mapping: &Mapping,
        now: Duration,
    ) {
        let WriteOrder { point, value: asked, reply } = order;
        let Some(item) = mapping.item(point) else { return };
        let within = if plan.then == Then::Echo { ECHO_WITHIN } else { ANSWER_WITHIN };
        let expected = expected(mapping, item, asked);
        let open = Open {
            item,
            point,
            expected,
            then: plan.then,
            untaken,
            deadline: now + within,
            heard: None,
            reply,
        };
        match (&open.then, untaken) {
            (Then::Nothing, None) => done(open, Ok(None)),
            _ => self.open.push(open),
        }
    }

    /// The broker has a message for good, or does not take it.
    pub(crate) fn taken(&mut self, id: NonZeroU16, outcome: Result<(), String>) {
        let Some(at) = self.open.iter().position(|open| open.untaken == Some(id)) else { return };
        if let Err(reason) = outcome {
            return done(self.open.swap_remove(at), Err(fault::not_taken(&reason)));
        }
        self.open[at].untaken = None;
        if self.open[at].then == Then::Nothing {
            done(self.open.swap_remove(at), Ok(None));
        }
    }

    /// A device's answer; its value becomes a row.
    pub(crate) fn answered(
        &mut self,
        answer: Answer,
        mapping: &mut Mapping,
        message: &Message,
        now: Duration,
        taken: &mut Taken,
    ) {
        let meant = |then: &Then| match then {
            Then::Answer(request) | Then::AnswerThenEcho(request) => *request == answer.request,
            Then::Nothing | Then::Echo => false,
        };
        let Some(at) = self.open.iter().position(|open| meant(&open.then)) else { return };
        let raw = match answer.outcome {
            Ok(raw) => raw,
            Err(reason) => return done(self.open.swap_remove(at), Err(fault::device_refused(&reason))),
        };
        if matches!(self.open[at].then, Then::AnswerThenEcho(_)) {
            let open = &mut self.open[at];
            open.then = Then::Echo;
            open.deadline = now + ECHO_WITHIN;
            if open.heard.is_some() && open.heard == open.expected {
                let open = self.open.swap_remove(at);
                let heard = open.heard.clone();
                done(open, Ok(heard));
            }
            return;
        }
        let open = self.open.swap_remove(at);
        let value = answer_value(mapping, open.item, &raw);
        if let Some(raw) = value.clone() {
            mapping.put(open.item, Ok(Some(raw)), &Stamp::received(message.received), message, taken);
        }
        let point = mapping.items.get(open.item as usize).map(|item| &item.point);
        let read_back = value.zip(point).and_then(|(raw, point)| shown(point, raw).0);
        done(open, Ok(read_back));
    }

    /// Looks for new values of points that were written.
    pub(crate) fn heard(&mut self, taken: &Taken) {
        if self.open.is_empty() {
            return;
        }
        for (point, _, value, quality) in taken.rows.0.iter().flat_map(|section| section.rows()) {
            for open in self.open.iter_mut().filter(|open| open.point == point && !quality.is_bad()) {
                open.heard.clone_from(&value);
            }
        }
        while let Some(at) = self
            .open
            .iter()
            .position(|open| open.then == Then::Echo && open.heard.is_some() && open.heard == open.expected)
        {
            let open = self.open.swap_remove(at);
            let heard = open.heard.clone();
            done(open, Ok(heard));
        }
    }

    /// When the next write runs out of time.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.open.iter().map(|open| open.deadline).min()
    }

    /// Ends what ran out of time.
    pub(crate) fn expire(&mut self, now: Duration) {
        while let Some(at) = self.open.iter().position(|open| open.deadline <= now) {
            let open = self.open.swap_remove(at);
            let outcome = match open.then {
                Then::Echo if open.untaken.is_none() => Ok(open.heard.clone()),
                _ => Err(fault::no_answer(ANSWER_WITHIN.as_secs())),
            };
            done(open, outcome);
        }
    }

    /// The connection is gone, and with it every answer.
    pub(crate) fn lost(&mut self, reason: &str) {
        for open in self.open.drain(..) {
            done(open, Err(fault::in_doubt(reason)));
        }
    }
}

fn done(open: Open, outcome: Result<Option<Value>, Fault>) {
    // Whoever asked may have gone; what was written stays written.
    let _gone = open.reply.send(outcome.map(|read_back| Written { read_back }));
}

/// What the point will say if the device does as it is told: through the native type and back.
fn expected(mapping: &Mapping, item: u32, asked: Value) -> Option<Value> {
    let item = mapping.items.get(item as usize)?;
    let native = item.address.as_ref()?.value_type;
    let raw = unscale(asked, item.point.scaling, native).ok()?;
    shown(&item.point, raw).0
}

/// The value at the point's place in an answer.
fn answer_value(mapping: &Mapping, item: u32, raw: &str) -> Option<Value> {
    let address = mapping.items.get(item as usize)?.address.as_ref()?;
    let mut wanted = json::Wanted::default();
    wanted.add(&address.pointer.0, item);
    let mut found = Vec::new();
    wanted.find(json::check(raw).ok()?, &mut found);
    value::from_json(found.first()?.1, address.value_type).ok().flatten()
}

/// Arguments of a method: JSON that was entered as text goes as JSON, everything else as one plain value.
fn arguments(raw: &Value) -> String {
    match raw {
        Value::String(text) if text.starts_with(['{', '[']) => match json::check(text) {
            Ok(json) => json.to_string(),
            Err(_) => value::to_json(raw),
        },
        other => value::to_json(other),
    }
}

/// The template with the value in its place. One pass, so that a value that looks like a place stays a value.
fn fill(set: &Setting, raw: &Value) -> String {
    let mut filled = String::with_capacity(set.template.len() + 24);
    let mut rest = set.template.as_str();
    while let Some(at) = rest.find('$') {
        let (before, place) = rest.split_at(at);
        filled.push_str(before);
        if let Some(after) = place.strip_prefix("$value") {
            filled.push_str(&value::to_json(raw));
            rest = after;
        } else if let Some(after) = place.strip_prefix("$text") {
            match raw {
                Value::String(text) => filled.push_str(text),
                other => filled.push_str(&value::to_json(other)),
            }
            rest = after;
        } else {
            filled.push('$');
            rest = &place[1..];
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests;
