//! How long to wait before trying again. Pure: the random share comes in by argument.

use sdk::OutageKind;
use std::time::Duration;

/// First and longest wait after a lost or refused connection.
pub(crate) const CONNECTION_WAIT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// First and longest wait when a person must act first.
pub(crate) const CONFIGURATION_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Doubling waits with jitter; starts over after a success.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: doubled each time up to the bound, then shortened by up to a quarter so that
    /// many devices behind one switch do not come back in step. `share` is random in 0..=255.
    pub(crate) fn after_failure(&mut self, kind: OutageKind, share: u8) -> Duration {
        let (first, longest) = match kind {
            OutageKind::Connection => CONNECTION_WAIT,
            OutageKind::Configuration => CONFIGURATION_WAIT,
        };
        let doubled = first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(longest);
        wait - wait * u32::from(share) / (4 * 255)
    }
    /// The device answered.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_bound_and_starts_over() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> =
            (0..6).map(|_| backoff.after_failure(OutageKind::Connection, 0).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        backoff.succeeded();
        assert_eq!(backoff.after_failure(OutageKind::Connection, 0).as_millis(), 500);
    }

    #[test]
    fn jitter_only_shortens_and_never_overflows() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.after_failure(OutageKind::Configuration, 255), Duration::from_secs(45));
        assert_eq!(backoff.after_failure(OutageKind::Configuration, 0), Duration::from_secs(60));
    }
}
