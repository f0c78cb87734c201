//! Stand-ins for tests of leaves: a clock that is moved by hand. No fake hides a fault: what a fake cannot do, it refuses.

mod clock;
mod random;

pub use clock::FakeClock;
pub use random::seeded_random;
