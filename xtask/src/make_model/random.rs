//! Seeded random numbers: the same seed writes the same file on every machine.

/// splitmix64 (Steele, Lea and Flood): a counter and a mixing function.
pub struct Random {
    counter: u64,
}

impl Random {
    /// `stream` separates what is drawn for one purpose from all else: a tensor's weights do not depend on the others.
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a: the standard library's hash may change between its versions.
        let hash = stream.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { counter: hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    pub fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.counter ^ (self.counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `range`'s numbers; its length divides 2⁶⁴ or is so short that nobody could tell.
    pub fn in_range(&mut self, range: std::ops::RangeInclusive<u8>) -> u8 {
        let len = u64::from(range.end() - range.start()) + 1;
        range.start() + (self.bits() % len) as u8
    }
}

/// A standard normal distribution as `N` equally likely numbers, in order.
pub fn normal_quantiles<const N: usize>() -> Vec<f32> {
    // The distribution function, summed up in small steps, gives each quantile where it passes the next (i + ½) / N.
    const STEP: f64 = 1e-4;
    let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let (mut x, mut below) = (-6.0, 0.0);
    let quantile = |index: usize| {
        let wanted = (index as f64 + 0.5) / N as f64;
        while below < wanted && x < 6.0 {
            below += density(x + STEP / 2.0) * STEP;
            x += STEP;
        }
        x as f32
    };
    (0..N).map(quantile).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        let quantiles = normal_quantiles::<1000>();
        // Known values: half a permille, 15.95 %, 84.15 %, 99.95 %.
        for (index, known) in [(0, -3.2905), (159, -0.99653), (841, 1.00061), (999, 3.2905)] {
            assert!((quantiles[index] - known).abs() < 2e-3, "{index}: {}", quantiles[index]);
        }
    }

    #[test]
    fn streams_and_seeds_differ() {
        let first = |seed, stream| Random::new(seed, stream).bits();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
    }
}
