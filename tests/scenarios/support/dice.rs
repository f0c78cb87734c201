//! Numbers that are the same each time, so that a seed says everything.

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }
    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: u32) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(sides)).cast_signed()
    }
}
