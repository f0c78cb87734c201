//! What pure code takes from outside by argument: the clock and randomness.

use std::sync::Arc;

use crate::Time;

/// Tells the time. The real one is made once, in the binary; tests hand in their own.
pub type Now = Arc<dyn Fn() -> Time + Send + Sync>;

/// Fills a slice with random bytes fit for secrets. The real one is made once, in the binary; tests hand in a seeded one.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// `N` random bytes, such as the ten that a new id needs.
pub fn random_bytes<const N: usize>(random: &Random) -> [u8; N] {
    let mut bytes = [0; N];
    random(&mut bytes);
    bytes
}
