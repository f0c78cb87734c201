//! Stand-ins for tests of leaves: a whole [`World`] in memory behind the same handles, and a clock that is moved by hand.
//!
//! An app's `store`, `api` and `task` run on it without any engine. What a leaf can see of it is what the engines would
//! show: `tests/scenarios` holds records, events, points and samples against the real ones. No fake hides a fault: what
//! a fake cannot do, it refuses.

mod clock;
mod commands;
mod door;
mod events;
mod keys;
mod limits;
mod plant;
mod query;
mod random;
mod records;
mod samples;
mod world;

pub use clock::FakeClock;
pub use door::{Answer, call};
pub use keys::{TrustList, secrets};
pub use random::seeded_random;
pub use world::{ORG, World, caller, scope};

#[cfg(test)]
mod tests;
