//! Randomness that is the same every time. For tests and simulations; never for secrets.

use std::sync::{Arc, Mutex, PoisonError};
use types::Random;

/// SplitMix64 (Steele, Lea, Flood 2014) from a seed.
pub fn seeded_random(seed: u64) -> Random {
    let state = Arc::new(Mutex::new(seed));
    Arc::new(move |bytes: &mut [u8]| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    })
}
