//! The seeded generator behind every random choice: SplitMix64 (Steele, Lea and Flood 2014,
//! "Fast splittable pseudorandom number generators"). Its sequence is part of what `--seed` promises:
//! the same seed, the same choices, in every version. Not for secrets.

/// See the module's header.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True with the chance `chance`: never at 0.0, always at 1.0. Takes one number in any case, so
    /// the sequence does not depend on the chances asked.
    pub fn chance(&mut self, chance: f64) -> bool {
        // 53 bits are what a f64 holds exactly, in [0, 1).
        let unit = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // Reference values of SplitMix64 for the seed 1234567, as printed by its authors' code.
        let mut rng = Rng::new(1_234_567);
        let first: Vec<u64> = (0..5).map(|_| rng.next_u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn a_chance_is_what_the_drawn_number_is_below() {
        let drawn = (Rng::new(7).next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        assert!(!Rng::new(7).chance(drawn));
        assert!(Rng::new(7).chance(drawn + 1e-15));
    }

    #[test]
    fn chances_of_zero_and_one_are_certain() {
        let mut rng = Rng::new(7);
        assert!((0..10_000).all(|_| !rng.chance(0.0)));
        assert!((0..10_000).all(|_| rng.chance(1.0)));
    }
}
