//! New identifiers: an object is named where it is born.

use types::{ObjectId, Random, random_bytes};

use crate::Clock;

/// The ids handle.
#[derive(Clone)]
pub struct Ids {
    clock: Clock,
    random: Random,
}

impl Ids {
    /// From a clock and randomness.
    pub fn new(clock: Clock, random: Random) -> Ids {
        Ids { clock, random }
    }
    /// A name that nothing had before; orders after those of earlier milliseconds.
    pub fn born(&self) -> ObjectId {
        ObjectId::born(self.clock.now(), random_bytes(&self.random))
    }
}
