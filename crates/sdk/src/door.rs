//! A door: a listener through which devices come by themselves, such as an MQTT broker or a port that DTUs dial.
//!
//! One door an organisation. What its listener and the devices of that organisation share is the [`Hall`]; who knocks and
//! is not known is an [`Arrival`], until a person adds a device for it or a template enrols it.

use bytes::Bytes;
use std::{
    any::Any,
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use types::{Fault, ObjectId, Point, Time};

use crate::{BoxFuture, Outage, Reach};

/// The descriptor of a door.
#[derive(Clone, Copy)]
pub struct Door {
    /// The driver whose devices come through it; part of the URL, never changed.
    pub id: &'static str,
    /// Shown name, zh and en.
    pub name: (&'static str, &'static str),
    /// JSON schema (2020-12) of its `config`.
    pub config_schema: fn() -> serde_json::Value,
    /// Checks a `config`; every fault names its place.
    pub check_config: fn(&serde_json::Value) -> Result<(), Vec<Fault>>,
    /// What a person starts from; reaches no further than this machine.
    pub default_config: fn() -> serde_json::Value,
    /// Makes what listener and devices share; called once an organisation.
    pub hall: fn() -> Hall,
    /// Listens until something breaks. Stopped by dropping it.
    pub run: fn(DoorTask) -> BoxFuture<'static, Outage>,
}

/// What a door's listener and the devices that come through it share. It outlives both, so neither waits for the other.
#[derive(Clone)]
pub struct Hall(Arc<dyn Any + Send + Sync>);

impl Hall {
    /// With this inside.
    pub fn of_value<T: Any + Send + Sync>(inside: T) -> Hall {
        Hall(Arc::new(inside))
    }
    /// Of a driver without a door.
    pub fn none() -> Hall {
        Hall(Arc::new(()))
    }
    /// What is inside, if it is of this type.
    pub fn of<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.clone().downcast().ok()
    }
}

/// All a door gets for one run.
pub struct DoorTask {
    /// Was checked; sealed fields are open.
    pub config: serde_json::Value,
    /// Time, network, hall, secrets, trust.
    pub reach: Reach,
    /// Whom nobody knows yet.
    pub arrivals: Arrivals,
    /// Devices that a template makes by itself.
    pub enrolment: Enrolment,
    /// What people see of the door.
    pub status: DoorStatus,
}

/// Who knocked.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Names the caller for as long as it is unknown, such as its client id.
    pub key: String,
    /// Where it came from.
    pub from: SocketAddr,
    /// What it said of itself, for people; no secrets.
    pub facts: Vec<(String, String)>,
    /// A device with this config would be the caller's.
    pub suggested_config: serde_json::Value,
}

/// Something an unknown caller sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When.
    pub time: Time,
    /// Topic or other place; may be empty.
    pub channel: String,
    /// As it came, cut at [`Arrivals::PAYLOAD_BYTES_MAX`].
    pub payload: Bytes,
}

/// An arrival with its history.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Who.
    pub arrival: Arrival,
    /// When it first knocked.
    pub first: Time,
    /// When it last knocked or sent something.
    pub last: Time,
    /// How often it knocked.
    pub knocks: u64,
    /// The newest things it sent, oldest first.
    pub heard: VecDeque<Heard>,
}

/// The list of callers that nobody knows yet (待确认). In memory: who matters knocks again.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<BTreeMap<String, Waiting>>>);

impl Arrivals {
    /// Callers in the list; the one silent for longest makes room.
    pub const CALLERS_MAX: usize = 256;
    /// Things kept of each.
    pub const HEARD_MAX: usize = 20;
    /// Bytes kept of one thing.
    pub const PAYLOAD_BYTES_MAX: usize = 4_096;
    /// Bytes kept of a text.
    const TEXT_BYTES_MAX: usize = 256;

    /// Somebody knocked.
    pub fn knock(&self, now: Time, mut arrival: Arrival) {
        cut(&mut arrival.key);
        for (name, fact) in &mut arrival.facts {
            cut(name);
            cut(fact);
        }
        let mut list = self.lock();
        if let Some(waiting) = list.get_mut(&arrival.key) {
            (waiting.arrival, waiting.last) = (arrival, now);
            waiting.knocks += 1;
            return;
        }
        if list.len() >= Self::CALLERS_MAX
            && let Some(silent) = list.iter().min_by_key(|(_, w)| w.last).map(|(key, _)| key.clone())
        {
            list.remove(&silent);
        }
        let key = arrival.key.clone();
        list.insert(key, Waiting { arrival, first: now, last: now, knocks: 1, heard: VecDeque::new() });
    }

    /// A caller in the list sent something.
    pub fn heard(&self, key: &str, mut heard: Heard) {
        let key = &key[..floor(key, Self::TEXT_BYTES_MAX)];
        if let Some(waiting) = self.lock().get_mut(key) {
            cut(&mut heard.channel);
            // A copy, so that a small part does not keep a large buffer alive.
            let kept = heard.payload.len().min(Self::PAYLOAD_BYTES_MAX);
            heard.payload = Bytes::copy_from_slice(&heard.payload[..kept]);
            waiting.last = heard.time;
            if waiting.heard.len() == Self::HEARD_MAX {
                waiting.heard.pop_front();
            }
            waiting.heard.push_back(heard);
        }
    }

    /// The caller is known now, or a person does not want to see it.
    pub fn settled(&self, key: &str) -> bool {
        self.lock().remove(&key[..floor(key, Self::TEXT_BYTES_MAX)]).is_some()
    }

    /// One caller.
    pub fn get(&self, key: &str) -> Option<Waiting> {
        self.lock().get(key).cloned()
    }

    /// All callers, the newest first.
    pub fn list(&self) -> Vec<Waiting> {
        let mut all: Vec<Waiting> = self.lock().values().cloned().collect();
        all.sort_by_key(|waiting| std::cmp::Reverse(waiting.last));
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn floor(text: &str, most: usize) -> usize {
    text.floor_char_boundary(most)
}

fn cut(text: &mut String) {
    text.truncate(floor(text, Arrivals::TEXT_BYTES_MAX));
}

/// A device that a template makes.
#[derive(Debug, Clone)]
pub struct DeviceDraft {
    /// Shown name; a number is put after it when it is taken.
    pub name: String,
    /// Of the door's driver.
    pub config: serde_json::Value,
    /// Its points; `device` is filled in.
    pub points: Vec<Point>,
}

/// What stands behind an [`Enrolment`].
pub trait EnrolmentPort: Send + Sync {
    /// Adds an enabled device with its points, or nothing.
    fn enrol(&self, draft: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>>;
}

/// Adds devices that a template vouches for.
#[derive(Clone)]
pub struct Enrolment(Arc<dyn EnrolmentPort>);

impl Enrolment {
    /// Over a port.
    pub fn new(port: Arc<dyn EnrolmentPort>) -> Enrolment {
        Enrolment(port)
    }
    /// See [`EnrolmentPort::enrol`].
    pub fn enrol(&self, draft: DeviceDraft) -> BoxFuture<'_, Result<ObjectId, Fault>> {
        self.0.enrol(draft)
    }
}

/// What people see of a running door.
#[derive(Clone, Default)]
pub struct DoorStatus(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    listening: Vec<SocketAddr>,
    counts: BTreeMap<&'static str, u64>,
    fault: Option<Fault>,
}

impl DoorStatus {
    /// It listens there.
    pub fn listening(&self, address: SocketAddr) {
        self.lock().listening.push(address);
    }
    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.lock().listening.clone()
    }
    /// A count as it stands now, such as `clients` or `dropped_messages`.
    pub fn count(&self, name: &'static str, count: u64) {
        self.lock().counts.insert(name, count);
    }
    /// All counts.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }
    /// Something people must see while it goes on listening; `None` when it is mended.
    pub fn warn(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }
    /// See [`DoorStatus::warn`].
    pub fn fault(&self) -> Option<Fault> {
        self.lock().fault.clone()
    }
    /// A new run begins.
    pub fn clear(&self) {
        *self.lock() = Seen::default();
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(key: &str) -> Arrival {
        let from = SocketAddr::from(([10, 0, 0, 1], 4_000));
        Arrival { key: key.into(), from, facts: Vec::new(), suggested_config: serde_json::json!({}) }
    }

    #[test]
    fn the_list_is_bounded_and_the_most_silent_makes_room() {
        let arrivals = Arrivals::default();
        for i in 0..Arrivals::CALLERS_MAX {
            arrivals.knock(Time(i as i64), arrival(&format!("c{i}")));
        }
        arrivals.knock(Time(1_000), arrival("c0"));
        arrivals.knock(Time(1_001), arrival("late"));
        let list = arrivals.list();
        assert_eq!(list.len(), Arrivals::CALLERS_MAX);
        assert_eq!((list[0].arrival.key.as_str(), list[1].arrival.key.as_str()), ("late", "c0"));
        assert_eq!(list[1].knocks, 2);
        assert!(arrivals.get("c1").is_none());
    }

    #[test]
    fn what_was_heard_is_bounded_in_number_and_length() {
        let arrivals = Arrivals::default();
        arrivals.knock(Time(0), arrival("c"));
        for i in 0..30 {
            let payload = Bytes::from(vec![i as u8; 10_000]);
            arrivals.heard("c", Heard { time: Time(i), channel: "测".repeat(200), payload });
        }
        let waiting = arrivals.get("c").unwrap();
        assert_eq!(waiting.heard.len(), Arrivals::HEARD_MAX);
        assert_eq!(waiting.heard[0].time, Time(10));
        assert!(waiting.heard.iter().all(|h| h.payload.len() == Arrivals::PAYLOAD_BYTES_MAX));
        assert!(arrivals.settled("c") && !arrivals.settled("c"));
    }
}
