//! Growing delay on failed attempts, per name and per peer. Pure: the time comes in.
//!
//! An attempt during a delay is refused without looking at it and does not lengthen the delay, so that nobody can
//! lock a user out for longer than [`NAME_DELAY_MAX`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use types::{Fault, Time};

/// The code of a refusal that time will lift; `wait_s` says when.
pub(crate) const WAIT: &str = "session.wait";
/// Names and peers remembered; the one that is free again soonest makes room.
const DELAYS_MAX: usize = 10_000;
/// Failures in a row on one name before it is delayed.
const NAME_FREE: u32 = 3;
/// Failures in a row from one peer before it is delayed: many people can share an address.
const PEER_FREE: u32 = 10;
/// The longest delay of a name.
const NAME_DELAY_MAX: Duration = Duration::from_secs(60);
/// The longest delay of a peer and of setup.
const PEER_DELAY_MAX: Duration = Duration::from_secs(300);
/// The first delay; doubles with each further failure.
const DELAY_FIRST: Duration = Duration::from_secs(1);
/// Failures older than this are forgotten.
const FORGET: Duration = Duration::from_secs(3_600);

/// What attempts are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A folded name, whether or not anybody has it.
    Name(String),
    /// An address; of IPv6 the network of 64 bits, which is what one person gets.
    Peer(IpAddr),
    /// The setup code.
    Setup,
}

impl Key {
    pub(crate) fn peer(peer: IpAddr) -> Key {
        Key::Peer(match peer.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
            v4 => v4,
        })
    }

    fn bounds(&self) -> (u32, Duration) {
        match self {
            Key::Name(_) => (NAME_FREE, NAME_DELAY_MAX),
            Key::Setup => (NAME_FREE, PEER_DELAY_MAX),
            Key::Peer(_) => (PEER_FREE, PEER_DELAY_MAX),
        }
    }
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Time,
    free: Time,
}

/// Remembered failures.
#[derive(Default)]
pub(crate) struct Delays(HashMap<Key, Failures>);

impl Delays {
    /// Refuses while any of the keys is delayed, saying for how long.
    pub(crate) fn check(&self, keys: &[Key], now: Time) -> Result<(), Fault> {
        let free = keys.iter().filter_map(|key| self.0.get(key)).map(|failures| failures.free).max();
        let wait = free.map_or(Duration::ZERO, |free| free.since(now));
        if wait.is_zero() {
            return Ok(());
        }
        let wait_s = wait.as_secs_f64().ceil() as u64;
        let detail = format!("too many failed attempts: wait {wait_s} s and try again");
        Err(Fault::new(WAIT, detail).arg("wait_s", wait_s))
    }

    pub(crate) fn failed(&mut self, keys: &[Key], now: Time) {
        for key in keys {
            if !self.0.contains_key(key) {
                self.make_room(now);
            }
            let (free_attempts, longest) = key.bounds();
            let fresh = Failures { count: 0, last: now, free: now };
            let failures = self.0.entry(key.clone()).or_insert(fresh);
            if now.since(failures.last) > FORGET {
                *failures = fresh;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
            if let Some(doublings) = failures.count.checked_sub(free_attempts) {
                let delay = DELAY_FIRST.saturating_mul(2_u32.saturating_pow(doublings));
                failures.free = now.plus(delay.min(longest));
            }
        }
    }

    /// A success clears the name, but not the peer: one good password does not excuse guessing at others.
    pub(crate) fn succeeded(&mut self, keys: &[Key]) {
        for key in keys.iter().filter(|key| !matches!(key, Key::Peer(_))) {
            self.0.remove(key);
        }
    }

    fn make_room(&mut self, now: Time) {
        if self.0.len() < DELAYS_MAX {
            return;
        }
        self.0.retain(|_, failures| now.since(failures.last) <= FORGET);
        if self.0.len() >= DELAYS_MAX
            && let Some(soonest) = self.0.iter().min_by_key(|(_, f)| f.free).map(|(key, _)| key.clone())
        {
            self.0.remove(&soonest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Time {
        Time::from_unix_ms(s * 1_000)
    }

    #[test]
    fn delays_double_up_to_a_bound_and_are_forgotten() {
        let (mut delays, keys) = (Delays::default(), [Key::Name("anna".into())]);
        let mut now = at(1_000);
        let mut waits = Vec::new();
        for _ in 0..11 {
            delays.failed(&keys, now);
            let wait = delays.check(&keys, now).err().map_or(0, |fault| match fault.args["wait_s"] {
                types::Arg::Int(wait) => wait,
                _ => -1,
            });
            waits.push(wait);
            now = now.plus(Duration::from_secs(wait.cast_unsigned()));
            assert_eq!(delays.check(&keys, now), Ok(()));
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        now = now.plus(FORGET).plus(DELAY_FIRST);
        delays.failed(&keys, now);
        assert_eq!(delays.check(&keys, now), Ok(()));
    }

    #[test]
    fn a_success_clears_the_name_but_not_the_peer() {
        let mut delays = Delays::default();
        let keys = [Key::Name("anna".into()), Key::peer("192.0.2.7".parse().unwrap())];
        (0..PEER_FREE).for_each(|_| delays.failed(&keys, at(0)));
        delays.succeeded(&keys);
        assert_eq!(delays.check(&keys[..1], at(0)), Ok(()));
        assert!(delays.check(&keys[1..], at(0)).is_err());
    }

    #[test]
    fn one_person_is_one_peer() {
        let same = [("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::1", "2001:db8::ffff")];
        for (a, b) in same {
            assert_eq!(Key::peer(a.parse().unwrap()), Key::peer(b.parse().unwrap()));
        }
        assert_ne!(Key::peer("192.0.2.7".parse().unwrap()), Key::peer("192.0.2.8".parse().unwrap()));
    }

    #[test]
    fn memory_is_bounded_and_the_longest_delays_stay() {
        let mut delays = Delays::default();
        let target = [Key::Name("admin".into())];
        (0..9).for_each(|_| delays.failed(&target, at(0)));
        for n in 0..DELAYS_MAX + 100 {
            delays.failed(&[Key::Name(n.to_string())], at(0));
        }
        assert_eq!(delays.0.len(), DELAYS_MAX);
        assert!(delays.check(&target, at(1)).is_err());
    }
}
