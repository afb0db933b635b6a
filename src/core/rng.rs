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

    /// A number in (0, 1), neither end included.
    pub fn unit(&mut self) -> f64 {
        ((self.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// A number from 0 to `end` (>= 1), which is not included. Uneven by less than `end` in 2^64.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
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
    fn a_unit_is_never_0_or_1_and_a_number_below_stays_below() {
        let mut rng = Rng::new(7);
        for _ in 0..10_000 {
            let unit = rng.unit();
            assert!(unit > 0.0 && unit < 1.0);
            assert!(rng.below(3) < 3);
            assert_eq!(rng.below(1), 0);
        }
        // The largest that could be drawn.
        assert!(((u64::MAX >> 12) as f64 + 0.5) / ((1_u64 << 52) as f64) < 1.0);
        let mut seen = [0; 3];
        (0..3_000).for_each(|_| seen[rng.below(3) as usize] += 1);
        assert!(
            seen.iter().all(|count| (900..1_100).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn chances_of_zero_and_one_are_certain() {
        let mut rng = Rng::new(7);
        assert!((0..10_000).all(|_| !rng.chance(0.0)));
        assert!((0..10_000).all(|_| rng.chance(1.0)));
    }
}
