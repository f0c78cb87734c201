//! From messages to rows: which points a message feeds, with what value and time. One walk over a message finds all of
//! its values; they leave as columns. Pure: time comes in with the message, and no input makes it panic.

use sdk::{
    BoundPoint,
    poll::{ScaleError, fit, scale},
};
use std::collections::{BTreeMap, HashMap};
use types::{PointId, Quality, Time, Value};

use crate::{
    address::{Address, Source},
    config::{Config, Payload, Profile},
    fault,
    json::{Pointer, Wanted},
    message::{PAYLOAD_BYTES_MAX, Rows, Taken},
    profile::thingsboard::Attributes,
    stamp::{Stamp, TimeUnit},
    topic,
    value::{self, Misfit},
};

pub(crate) use crate::message::Message;

/// After so many messages without a point's place, the place is taken for wrong: the point gets one Bad row.
const MESSAGES_UNTIL_ABSENT: u32 = 3;
/// Stands for the place of the time among the places that are looked for.
const TIME_ITEM: u32 = u32::MAX;

/// A point and what is known of it.
pub(crate) struct Item {
    pub(crate) point: BoundPoint,
    pub(crate) address: Option<Address>,
    /// The profile knows such an address.
    pub(crate) fits: bool,
    /// Source time of its newest row.
    newest: Option<Time>,
    /// The last pass that found its place, and the last that found it twice.
    found_in: u64,
    twice_in: u64,
}

/// Places that are looked for in one kind of message.
#[derive(Default)]
pub(crate) struct Channel {
    pub(crate) wanted: Wanted,
    items: Vec<u32>,
    messages: u32,
}

/// All points of a device, ready for its messages.
pub(crate) struct Mapping {
    pub(crate) payload: Payload,
    pub(crate) items: Vec<Item>,
    pub(crate) channels: BTreeMap<Kind, Channel>,
    /// Filters with wildcards: only these have to be tried, the others are looked up.
    wild: Vec<String>,
    pub(crate) attributes: Attributes,
    time_unit: Option<TimeUnit>,
    by_point: HashMap<PointId, u32>,
    pass: u64,
}

/// Kinds of message with places of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// By topic filter.
    Topic(String),
    /// Of profile `thingsboard`.
    Telemetry,
    /// Of profile `thingsboard`.
    Attributes,
    /// Of profile `tsl`.
    Properties,
    /// Of profile `tsl`.
    Events,
}

impl Mapping {
    /// Of the points of a device. `last_good` says when a point was good last, also before this run.
    pub(crate) fn new(
        config: &Config,
        points: &[BoundPoint],
        last_good: &dyn Fn(PointId) -> Option<Time>,
    ) -> Mapping {
        let mut mapping = Mapping {
            payload: config.payload.clone(),
            items: Vec::with_capacity(points.len()),
            channels: BTreeMap::new(),
            wild: Vec::new(),
            attributes: Attributes::default(),
            time_unit: config.payload.time.as_ref().map(|time| time.unit),
            by_point: HashMap::with_capacity(points.len()),
            pass: 0,
        };
        for (item, point) in (0..).zip(points) {
            let address = Address::parse(&point.address).ok();
            let fits = address.as_ref().is_some_and(|address| mapping.bind(item, address));
            let newest = last_good(point.id);
            mapping.by_point.insert(point.id, item);
            mapping.items.push(Item {
                point: point.clone(),
                address,
                fits,
                newest,
                found_in: 0,
                twice_in: 0,
            });
        }
        if let Some(time) = &config.payload.time
            && let Ok(pointer) = Pointer::parse(&time.pointer)
        {
            mapping.channels.values_mut().for_each(|channel| channel.wanted.add(&pointer.0, TIME_ITEM));
        }
        mapping
    }

    /// Enters a point where it is looked for; `false` when the profile has no such thing.
    fn bind(&mut self, item: u32, address: &Address) -> bool {
        let inside = |name: &str| [&[name.to_string()], address.pointer.0.as_slice()].concat();
        let (kind, steps) = match (self.payload.profile, &address.source) {
            (Profile::Json, Some(Source::Topic(filter))) => {
                (Kind::Topic(filter.clone()), address.pointer.0.clone())
            }
            (Profile::Raw, Some(Source::Topic(filter))) if address.pointer.0.is_empty() => {
                (Kind::Topic(filter.clone()), Vec::new())
            }
            (Profile::Thingsboard, Some(Source::Telemetry(key))) => (Kind::Telemetry, inside(key)),
            (Profile::Thingsboard, Some(Source::Attribute(key))) => (Kind::Attributes, inside(key)),
            (Profile::Tsl, Some(Source::Property(id))) => (Kind::Properties, inside(id)),
            (Profile::Tsl, Some(Source::Event(id))) => (Kind::Events, inside(id)),
            (Profile::Thingsboard, Some(Source::Rpc(_))) | (Profile::Tsl, Some(Source::Service(_))) => {
                return true;
            }
            (Profile::Json | Profile::Raw, None) => return address.pointer.0.is_empty(),
            _ => return false,
        };
        if let Kind::Topic(filter) = &kind
            && filter.contains(['+', '#'])
            && !self.wild.contains(filter)
        {
            self.wild.push(filter.clone());
        }
        let channel = self.channels.entry(kind).or_default();
        channel.wanted.add(&steps, item);
        channel.items.push(item);
        true
    }

    /// The item of a point.
    pub(crate) fn item(&self, point: PointId) -> Option<u32> {
        self.by_point.get(&point).copied()
    }

    /// One Bad row for each point that the profile can never feed.
    pub(crate) fn unreadable(&self, now: Time) -> Rows {
        let mut rows = Rows::default();
        for item in self.items.iter().filter(|item| !item.fits) {
            rows.push(item.point.id, now, None, Quality::BAD_CONFIGURATION);
        }
        rows
    }

    /// One Bad row for each point that only a refused filter would feed.
    pub(crate) fn refused(&self, filter: &str, now: Time) -> Rows {
        let mut rows = Rows::default();
        for item in &self.items {
            if let Some(Address { source: Some(Source::Topic(own)), .. }) = &item.address
                && topic::covers(filter, own)
            {
                rows.push(item.point.id, now, None, Quality::BAD_CONFIGURATION);
            }
        }
        rows
    }

    /// What to subscribe to: no filter that another one covers.
    pub(crate) fn filters(&self) -> Vec<String> {
        let mut all = match self.payload.profile {
            Profile::Tsl => crate::profile::tsl::filters(self.root()),
            Profile::Thingsboard => crate::profile::thingsboard::filters(),
            Profile::Json | Profile::Raw => {
                let of =
                    |kind: &Kind| if let Kind::Topic(filter) = kind { Some(filter.clone()) } else { None };
                self.channels.keys().filter_map(of).collect()
            }
        };
        all.sort();
        let covered =
            |filter: &String| all.iter().any(|other| other != filter && topic::covers(other, filter));
        let kept: Vec<String> = all.iter().filter(|filter| !covered(filter)).cloned().collect();
        kept
    }

    /// The start of all topics of a `tsl` device.
    pub(crate) fn root(&self) -> &str {
        self.payload.root.as_deref().unwrap_or_default().trim_end_matches('/')
    }

    /// Takes a message.
    pub(crate) fn take(&mut self, message: &Message) -> Taken {
        let mut taken = Taken::default();
        if message.payload.len() > PAYLOAD_BYTES_MAX {
            taken.wrong(|| fault::too_large(&message.topic, message.payload.len()));
            return taken;
        }
        match self.payload.profile {
            Profile::Json => self.take_json(message, &mut taken),
            Profile::Raw => self.take_raw(message, &mut taken),
            Profile::Tsl => self.take_tsl(message, &mut taken),
            Profile::Thingsboard => self.take_thingsboard(message, &mut taken),
        }
        taken
    }

    /// The channels that a topic feeds.
    pub(crate) fn fed_by(&self, topic: &str) -> Vec<Kind> {
        let own = Kind::Topic(topic.to_string());
        let own = self.channels.contains_key(&own).then_some(own);
        let wild = self.wild.iter().filter(|filter| topic::matches(filter, topic));
        own.into_iter().chain(wild.map(|filter| Kind::Topic(filter.clone()))).collect()
    }

    /// The items of a channel.
    pub(crate) fn fed(&self, kind: &Kind) -> Vec<u32> {
        self.channels.get(kind).map(|channel| channel.items.clone()).unwrap_or_default()
    }

    /// Looks for every place of a channel in a checked document, and takes what it finds.
    pub(crate) fn gather(
        &mut self,
        kind: &Kind,
        raw: &str,
        stamp: Stamp,
        message: &Message,
        taken: &mut Taken,
    ) {
        let Some(channel) = self.channels.get(kind) else { return };
        let mut found = Vec::with_capacity(channel.items.len());
        channel.wanted.find(raw, &mut found);
        let stamp = match (found.iter().find(|(item, _)| *item == TIME_ITEM), self.time_unit) {
            (Some((_, said)), Some(unit)) => Stamp::said(said, unit, message.received),
            _ => stamp,
        };
        self.note_doubt(&stamp, message, taken);
        self.pass += 1;
        for (item, _) in &found {
            if let Some(item) = self.items.get_mut(*item as usize) {
                if item.found_in == self.pass {
                    item.twice_in = self.pass;
                }
                item.found_in = self.pass;
            }
        }
        for (item, raw) in found {
            let Some(known) = self.items.get(item as usize) else { continue };
            if known.twice_in == self.pass {
                taken.wrong(|| {
                    fault::value(&message.topic, &known.point.address, "its name stands twice in the message")
                });
                continue;
            }
            let wanted = known.address.as_ref().map(|address| address.value_type);
            let read = wanted.map_or(Ok(None), |wanted| value::from_json(raw, wanted));
            self.put(item, read, &stamp, message, taken);
        }
        self.note_absent(kind, message, taken);
    }

    /// Says once that a time was not believed.
    pub(crate) fn note_doubt(&self, stamp: &Stamp, message: &Message, taken: &mut Taken) {
        if let Some(doubt) = &stamp.doubt {
            taken.wrong(|| fault::time(&message.topic, doubt));
        }
    }

    /// Counts a message of a channel. A place that was never there, now or before, is named once.
    fn note_absent(&mut self, kind: &Kind, message: &Message, taken: &mut Taken) {
        let Some(channel) = self.channels.get_mut(kind) else { return };
        if channel.messages >= MESSAGES_UNTIL_ABSENT {
            return;
        }
        channel.messages += 1;
        if channel.messages < MESSAGES_UNTIL_ABSENT {
            return;
        }
        for item in &channel.items {
            let Some(item) = self.items.get(*item as usize) else { continue };
            if item.found_in == 0 && item.newest.is_none() {
                taken.rows.push(item.point.id, message.received, None, Quality::BAD_ADDRESS);
                taken.wrong(|| fault::absent(&message.topic, &item.point.address));
            }
        }
    }

    /// Turns what was read for a point into a row; `None` is a `null`.
    pub(crate) fn put(
        &mut self,
        item: u32,
        read: Result<Option<Value>, Misfit>,
        stamp: &Stamp,
        message: &Message,
        taken: &mut Taken,
    ) {
        let Some(item) = self.items.get_mut(item as usize) else { return };
        let (value, quality) = match read {
            Ok(None) => (None, Quality::BAD),
            Ok(Some(raw)) => shown(&item.point, raw),
            Err(misfit) => {
                taken.wrong(|| fault::value(&message.topic, &item.point.address, &misfit.to_string()));
                let wrong_kind = matches!(misfit, Misfit::Kind { .. });
                (None, if wrong_kind { Quality::BAD_CONFIGURATION } else { Quality::BAD_OUT_OF_RANGE })
            }
        };
        let quality = if quality.is_good() { stamp.quality } else { quality };
        let late = item.newest.is_some_and(|newest| stamp.time < newest);
        if late {
            taken.late.push(item.point.id, stamp.time, value, quality);
        } else {
            item.newest = Some(stamp.time);
            taken.rows.push(item.point.id, stamp.time, value, quality);
        }
    }

    /// When the values of a message were true, where it does not say so itself. A retained one is of unknown age.
    pub(crate) fn arrival(message: &Message) -> Stamp {
        let stamp = Stamp::received(message.received);
        match message.retained {
            true => Stamp { quality: Quality::UNCERTAIN_LAST_USABLE, ..stamp },
            false => stamp,
        }
    }
}

/// Raw to shown, and the quality that goes with it.
pub(crate) fn shown(point: &BoundPoint, raw: Value) -> (Option<Value>, Quality) {
    match scale(raw, point.scaling).map(|value| fit(value, point.value_type)) {
        Some(Ok(Value::F64(v))) if !v.is_finite() => (Some(Value::F64(v)), Quality::BAD_OUT_OF_RANGE),
        Some(Ok(value)) => (Some(value), Quality::GOOD),
        Some(Err(ScaleError::OutOfRange { .. })) => (None, Quality::BAD_OUT_OF_RANGE),
        Some(Err(ScaleError::NotComparable { .. })) | None => (None, Quality::BAD_CONFIGURATION),
    }
}

#[cfg(test)]
mod tests;
