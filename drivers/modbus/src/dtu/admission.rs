//! Who may come in: so many dial-ins a minute from one address. Pure.

use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Addresses that are counted at once; beyond, counting starts over.
const ADDRESSES_MAX: usize = 4_096;
/// What is counted over.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts dial-ins.
#[derive(Debug)]
pub(super) struct Admission {
    per_minute_max: u32,
    since: Duration,
    dials: HashMap<IpAddr, u32>,
}

impl Admission {
    pub(super) fn new(per_minute_max: u32, now: Duration) -> Admission {
        Admission { per_minute_max, since: now, dials: HashMap::new() }
    }

    /// Whether one more dial-in from there is within the bound.
    pub(super) fn admit(&mut self, from: IpAddr, now: Duration) -> bool {
        let full = self.dials.len() >= ADDRESSES_MAX && !self.dials.contains_key(&from);
        if full || now.saturating_sub(self.since) >= WINDOW {
            self.dials.clear();
            self.since = now;
        }
        let dials = self.dials.entry(from).or_default();
        *dials = dials.saturating_add(1);
        *dials <= self.per_minute_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_dials_too_often_waits_for_the_next_minute() {
        let mut admission = Admission::new(2, Duration::ZERO);
        let [one, other] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        let mut admit = |from, seconds| admission.admit(from, Duration::from_secs(seconds));
        assert!(admit(one, 0) && admit(one, 1) && !admit(one, 2) && admit(other, 3));
        assert!(!admit(one, 59) && admit(one, 60));
    }

    #[test]
    fn any_number_of_addresses_takes_bounded_memory() {
        let mut admission = Admission::new(1, Duration::ZERO);
        for i in 0..20_000_u32 {
            assert!(admission.admit(IpAddr::from(i.to_be_bytes()), Duration::ZERO));
            assert!(admission.dials.len() <= ADDRESSES_MAX);
        }
    }
}
