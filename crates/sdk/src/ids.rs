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

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use types::Time;

    use super::*;
    use crate::fake::{FakeClock, seeded_random};

    #[tokio::test]
    async fn ids_differ_and_order_by_birth() {
        let clock = FakeClock::at(Time::from_unix_ms(1_000));
        let ids = Ids::new(clock.handle(), seeded_random(1));
        let (first, twin) = (ids.born(), ids.born());
        clock.advance(Duration::from_millis(1)).await;
        let later = ids.born();
        assert!(first != twin && first < later && twin < later);
    }
}
