//! What a connection does with the packets of its client.

use bytes::Bytes;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    Publish,
    accounts::Handed,
    connection::{Connection, End},
    limits,
    link::Run,
    route::{Aftermath, Route, Way},
    session::Received,
    settling::Standing,
    strangers,
};
use crate::wire::{self, Frame, Properties, PublishView, Reason, Version, control::Control, first};

/// Messages that are gathered before they are handed on together.
#[derive(Default)]
struct Batch {
    /// QoS 0 packets of one topic that lie one behind the other in the input and need no change: from, to.
    run: Option<(Arc<Route>, usize, usize)>,
    run_count: u64,
    run_longest: usize,
    /// Other messages of one topic.
    messages: Option<(Arc<Route>, Vec<Arc<Publish>>)>,
    messages_in: u64,
    denied: u64,
    after: Aftermath,
}

/// Whether to go on with the packets behind.
enum Flow {
    On,
    /// This packet has to wait; it was not acted upon.
    Wait,
}

impl Connection {
    /// Acts on all whole packets of `input`; returns how many bytes they were.
    ///
    /// # Errors
    /// When the connection must end; what came before was handed on.
    pub(super) fn process(&mut self, input: &[u8]) -> Result<usize, End> {
        let mut batch = Batch::default();
        let done = self.process_all(input, &mut batch);
        self.flush(&mut batch, input);
        let counts = &self.shared.counts;
        counts.messages_in.fetch_add(batch.messages_in, Relaxed);
        if batch.denied > 0 {
            counts.denied.fetch_add(batch.denied, Relaxed);
        }
        self.settle(batch.after);
        done
    }

    fn process_all(&mut self, input: &[u8], batch: &mut Batch) -> Result<usize, End> {
        let len_max = self.desk.policy.packet_bytes_max as usize;
        let mut at = 0;
        while let Some(frame) = wire::frame(&input[at..], len_max)? {
            let flow = match frame.first & 0xf0 {
                first::PUBLISH => self.publish(input, at, frame, batch)?,
                _ => {
                    self.flush(batch, input);
                    self.other(&input[at..at + frame.len], frame)?;
                    Flow::On
                }
            };
            match flow {
                Flow::On => at += frame.len,
                Flow::Wait => break,
            }
        }
        Ok(at)
    }

    fn publish(&mut self, input: &[u8], at: usize, frame: Frame<'_>, batch: &mut Batch) -> Result<Flow, End> {
        let view = wire::publish(self.version, frame)?;
        let plain = frame.first == first::PUBLISH
            && view.properties.is_empty()
            && self.by.account.is_none()
            && self.by.stranger.is_none();
        if !plain {
            return self.publish_one(input, view, batch);
        }
        batch.messages_in += 1;
        if let Some((route, _, to)) = &mut batch.run
            && *to == at
            && route.topic.as_bytes() == view.topic
        {
            *to = at + frame.len;
            batch.run_count += 1;
            batch.run_longest = batch.run_longest.max(frame.len);
            return Ok(Flow::On);
        }
        self.flush(batch, input);
        let route = self.find_route(view.topic)?;
        if let Some(full) = route.full() {
            batch.messages_in -= 1;
            self.full = Some(full.clone());
            return Ok(Flow::Wait);
        }
        match route.way {
            Way::Routed => {
                batch.run = Some((route, at, at + frame.len));
                (batch.run_count, batch.run_longest) = (1, frame.len);
            }
            Way::Own | Way::Refused => batch.denied += 1,
        }
        Ok(Flow::On)
    }

    fn find_route(&mut self, name: &[u8]) -> Result<Arc<Route>, Reason> {
        let routes = self.routes.get_or_insert_default();
        routes.find(&self.shared, &self.client, &self.by, name)
    }

    /// A message that is more than bytes to be passed on: with acknowledgement, properties, retained, or for a device.
    fn publish_one(&mut self, input: &[u8], view: PublishView<'_>, batch: &mut Batch) -> Result<Flow, End> {
        let (properties, alias) = match view.properties {
            [] => (None, None),
            raw => Properties::parse(raw).map(|(properties, alias)| (Some(properties), alias))?,
        };
        let route = self.route_of(view.topic, alias)?;
        if let Some(full) = route.full() {
            self.full = Some(full.clone());
            return Ok(Flow::Wait);
        }
        if view.qos == 2 {
            match self.standing(view.packet_id)? {
                Standing::New => {}
                Standing::Unsettled => return Ok(Flow::On),
                Standing::Taken => {
                    self.acknowledge(&view, Reason::SUCCESS, None)?;
                    return Ok(Flow::On);
                }
            }
        }
        if self.by.stranger.is_some() {
            // Not acknowledged, as nobody keeps it: a device that is not up yet, or is claimed soon, sends it again.
            self.hear(&route, &view);
            return Ok(Flow::On);
        }
        if route.way == Way::Refused {
            batch.denied += 1;
            // Version 3 has no way to say so.
            let reason = if self.version == Version::V5 { Reason::NOT_AUTHORIZED } else { Reason::SUCCESS };
            self.acknowledge(&view, reason, None)?;
            return Ok(Flow::On);
        }
        let publish = Arc::new(self.message(&route, &view, properties));
        let mut ticket = None;
        if let Some(account) = &self.by.account
            && view.qos > 0
        {
            match account.put(&publish) {
                Handed::Taken(taken) => ticket = Some(taken),
                Handed::Full => {
                    self.inbox_full = true;
                    return Ok(Flow::Wait);
                }
                // It sends it again to the account that takes this one's place.
                Handed::Closed => return Err(Reason::ADMINISTRATIVE.into()),
            }
        } else if let Some(account) = &self.by.account {
            // Dropped ones are counted there.
            let _handed = account.put(&publish);
        }
        batch.messages_in += 1;
        if route.way == Way::Routed {
            match &mut batch.messages {
                Some((same, messages))
                    if Arc::ptr_eq(same, &route)
                        && batch.run.is_none()
                        && messages.len() < limits::BATCH_MESSAGES_MAX =>
                {
                    messages.push(publish);
                }
                _ => {
                    self.flush(batch, input);
                    batch.messages = Some((route, vec![publish]));
                }
            }
        }
        self.acknowledge(&view, Reason::SUCCESS, ticket)?;
        Ok(Flow::On)
    }

    /// The route of a topic, or of the topic behind an alias.
    fn route_of(&mut self, name: &[u8], alias: Option<u16>) -> Result<Arc<Route>, Reason> {
        let Some(alias) = alias else { return self.find_route(name) };
        if alias > limits::ALIASES_IN_MAX {
            return Err(Reason::ALIAS);
        }
        let place = usize::from(alias) - 1;
        if !name.is_empty() {
            let route = self.find_route(name)?;
            if self.aliases.len() <= place {
                self.aliases.resize(place + 1, None);
            }
            self.aliases[place] = Some(route.topic.clone());
            return Ok(route);
        }
        let topic = self.aliases.get(place).cloned().flatten().ok_or(Reason::ALIAS)?;
        self.find_route(topic.as_bytes())
    }

    fn message(&self, route: &Route, view: &PublishView<'_>, properties: Option<Properties>) -> Publish {
        let expiry_s = properties.as_ref().and_then(|p| p.expiry_s);
        // A device's data bears the exact time; what is only passed on needs none.
        let received = match self.by.account {
            Some(_) => self.desk.clock.now(),
            None => self.shared.wall(),
        };
        Publish {
            topic: route.topic.clone(),
            payload: Bytes::copy_from_slice(view.payload),
            qos: view.qos,
            retain: view.retain,
            properties: properties.filter(|p| *p != Properties::default()).map(Box::new),
            received,
            expires: expiry_s.map(|s| self.shared.now() + Duration::from_secs(s.into())),
            is_command: false,
        }
    }

    /// Shows people what a stranger sent. Its first message tells more of what it is than CONNECT did.
    fn hear(&mut self, route: &Route, view: &PublishView<'_>) {
        let Some(key) = &self.by.stranger else { return };
        let (time, arrivals) = (self.desk.clock.now(), &self.desk.arrivals);
        let kept = view.payload.len().min(sdk::Arrivals::PAYLOAD_BYTES_MAX);
        let payload = Bytes::copy_from_slice(&view.payload[..kept]);
        arrivals.heard(key, sdk::Heard { time, channel: route.topic.to_string(), payload });
        if !std::mem::replace(&mut self.was_heard, true)
            && let Some(waiting) = arrivals.get(key)
        {
            arrivals.knock(time, strangers::told_more(waiting));
        }
    }

    /// Hands on what was gathered.
    fn flush(&mut self, batch: &mut Batch, input: &[u8]) {
        if let Some((route, from, to)) = batch.run.take() {
            let run = Run {
                version: self.version,
                packets: &input[from..to],
                count: batch.run_count,
                longest: batch.run_longest,
            };
            self.shared.deliver_run(&route, &run, &mut batch.after);
        }
        if let Some((route, messages)) = batch.messages.take() {
            self.shared.deliver(&route, &messages, &mut batch.after);
        }
    }

    fn other(&mut self, whole: &[u8], frame: Frame<'_>) -> Result<(), End> {
        match frame.first {
            first::PUBACK | first::PUBREC | first::PUBREL | first::PUBCOMP => {
                let (id, reason) = wire::ack(self.version, frame.body)?;
                self.acked(frame.first, id, reason)?;
            }
            first::PINGREQ if frame.body.is_empty() => self.replies.extend_from_slice(&[first::PINGRESP, 0]),
            _ => match wire::control::control(self.version, whole)? {
                Control::Subscribe(packet) => self.subscribe(packet)?,
                Control::Unsubscribe(id, filters) => self.unsubscribe(id, &filters)?,
                Control::Disconnect(reason, expiry_s) => {
                    // A session that was to end with its connection cannot be prolonged (MQTT 5, 3.14.2.2.2).
                    if self.expiry_s == 0 && expiry_s.is_some_and(|s| s > 0) {
                        return Err(Reason::PROTOCOL.into());
                    }
                    return Err(End::Left { with_will: reason != Reason::SUCCESS, expiry_s });
                }
            },
        }
        Ok(())
    }

    fn acked(&mut self, packet: u8, id: u16, reason: Reason) -> Result<(), End> {
        let mut state = self.client.lock();
        if state.generation != self.generation {
            return Err(Reason::TAKEN_OVER.into());
        }
        let session = &mut state.session;
        let answer = match packet {
            first::PUBACK => {
                session.acked(id);
                None
            }
            first::PUBCOMP => {
                session.completed(id);
                None
            }
            first::PUBREC => match session.received(id, reason.0 >= Reason::UNSPECIFIED.0) {
                Received::Release => Some((first::PUBREL, Reason::SUCCESS)),
                Received::Unknown => Some((first::PUBREL, Reason::NO_PACKET_ID)),
                Received::Refused => None,
            },
            _ => {
                let known = session.release(id);
                Some((first::PUBCOMP, if known { Reason::SUCCESS } else { Reason::NO_PACKET_ID }))
            }
        };
        drop(state);
        if let Some((first, reason)) = answer {
            wire::put_ack(self.version, first, id, reason, &mut self.replies);
        }
        Ok(())
    }
}
