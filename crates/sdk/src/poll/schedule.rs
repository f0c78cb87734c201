//! When to ask: fixed rate per period, phases spread over devices, late cycles skipped and counted. Pure.
//!
//! A cycle is due at `phase + n * period` on the steady clock, so it does not drift however long a cycle takes, and a
//! thousand devices with the same period do not ask in the same instant.

use std::time::Duration;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Index of the period.
    pub group: usize,
    /// Whole cycles that passed unserved before this one.
    pub late: u64,
}

/// The cycles of one device.
#[derive(Debug, Clone)]
pub struct Schedule {
    groups: Vec<Group>,
}

/// All in ns on the steady clock: 64 bits are 584 years.
#[derive(Debug, Clone)]
struct Group {
    period_ns: u64,
    phase_ns: u64,
    next_ns: u64,
}

impl Schedule {
    /// The first cycle of every period is due at once, the second at the phase that `seed` gives, at most one period
    /// later. A period of zero is taken as one millisecond.
    pub fn new(periods: &[Duration], seed: u64, now: Duration) -> Schedule {
        let groups = periods.iter().enumerate().map(|(i, period)| {
            let period_ns = nanos((*period).max(Duration::from_millis(1)));
            Group { period_ns, phase_ns: spread(seed, i as u64) % period_ns, next_ns: nanos(now) }
        });
        Schedule { groups: groups.collect() }
    }
    /// When the next cycle is due; `None` when there is nothing to do, ever.
    pub fn next(&self) -> Option<Duration> {
        self.groups.iter().map(|g| g.next_ns).min().map(Duration::from_nanos)
    }
    /// Whether any of the first `groups` is due at `now`.
    pub fn is_due(&self, now: Duration, groups: usize) -> bool {
        let now_ns = nanos(now);
        self.groups.iter().take(groups).any(|g| g.next_ns <= now_ns)
    }
    /// What of the first `groups` is due at `now`; each is then due again in the future, never twice in a row.
    pub fn take(&mut self, now: Duration, groups: usize) -> Vec<Due> {
        let now_ns = nanos(now);
        let mut due = Vec::new();
        let groups = self.groups.iter_mut().take(groups).enumerate();
        for (group, g) in groups.filter(|(_, g)| g.next_ns <= now_ns) {
            due.push(Due { group, late: (now_ns - g.next_ns) / g.period_ns });
            g.next_ns = g.first_after(now_ns);
        }
        due
    }
}

impl Group {
    /// The first instant after `now` that lies at the phase.
    fn first_after(&self, now_ns: u64) -> u64 {
        let start = now_ns - now_ns % self.period_ns + self.phase_ns;
        if start > now_ns { start } else { start + self.period_ns }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Evenly over all 64 bits (finaliser of SplitMix64: Steele, Lea, Flood 2014).
fn spread(seed: u64, group: u64) -> u64 {
    let mut z = seed.wrapping_add(group.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn fixed_rate_whatever_a_cycle_takes() {
        let mut schedule = Schedule::new(&[MS(1_000)], 7, MS(12_345));
        assert_eq!(schedule.take(MS(12_345), 1), [Due { group: 0, late: 0 }], "at once");
        let first = schedule.next().unwrap();
        assert!(first > MS(12_345) && first <= MS(13_345));
        for n in 0..5 {
            let due = first + MS(1_000) * n;
            assert_eq!(schedule.next(), Some(due));
            assert_eq!(schedule.take(due - MS(1), 1), []);
            assert_eq!(schedule.take(due + MS(300), 1), [Due { group: 0, late: 0 }]);
        }
    }

    #[test]
    fn late_cycles_are_skipped_and_counted() {
        let mut schedule = Schedule::new(&[MS(100)], 1, MS(0));
        schedule.take(MS(0), 1);
        let first = schedule.next().unwrap();
        assert_eq!(schedule.take(first + MS(350), 1), [Due { group: 0, late: 3 }]);
        assert_eq!(schedule.next(), Some(first + MS(400)));
    }

    #[test]
    fn phases_spread_over_devices() {
        let mut quarters = [0; 4];
        for seed in 0..400 {
            let mut schedule = Schedule::new(&[MS(1_000)], seed, MS(0));
            schedule.take(MS(0), 1);
            quarters[(schedule.next().unwrap().as_millis() % 1_000 / 250) as usize] += 1;
        }
        assert!(quarters.iter().all(|n| (60..140).contains(n)), "{quarters:?}");
    }

    #[test]
    fn no_points_no_cycles() {
        assert_eq!(Schedule::new(&[], 1, MS(5)).next(), None);
    }
}
