//! Bytes that are the same for every program and every run of one seed.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): enough for payloads.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Seeded {
        Seeded(seed)
    }
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next().to_le_bytes()).flatten();
        words.take(length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Seeded;

    #[test]
    fn follows_the_published_sequence() {
        let mut seeded = Seeded::new(1_234_567);
        // First two outputs of the reference program for this seed.
        assert_eq!([seeded.next(), seeded.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn one_seed_gives_one_text() {
        assert_eq!(Seeded::new(7).bytes(100), Seeded::new(7).bytes(100));
        assert_ne!(Seeded::new(7).bytes(100), Seeded::new(8).bytes(100));
        assert_eq!(Seeded::new(7).bytes(3).len(), 3);
    }
}
