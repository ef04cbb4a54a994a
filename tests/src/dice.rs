//! Chance that can be repeated.

use std::time::Duration;

/// The same numbers for the same seed.
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % sides as u64).expect("fewer sides than that")
    }

    /// A time of at most `longest`, to the millisecond.
    pub fn time(&mut self, longest: Duration) -> Duration {
        let most = u64::try_from(longest.as_millis()).expect("a time of this age of the world");
        Duration::from_millis(self.next() % (most + 1))
    }

    fn next(&mut self) -> u64 {
        // SplitMix64, public domain.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
