//! Made-up weights, for measurements and tests of a machine for which nobody has a model at hand.

use half::f16;

use super::Format;

/// The generator of all made-up numbers: splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number in 0..1.
    #[allow(clippy::cast_precision_loss, reason = "24 bits fit into an f32")]
    pub fn fraction(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Appends a block of weights whose mean is about zero and whose standard deviation about `deviation`: random bits, but
    /// for the half-precision factors of the whole block.
    pub fn block(&mut self, format: Format, deviation: f32, out: &mut Vec<u8>) {
        let uniform = deviation * 12f32.sqrt() * (self.fraction() - 0.5);
        match format {
            Format::F32 => return out.extend(uniform.to_le_bytes()),
            Format::F16 => return out.extend(f16::from_f32(uniform).to_le_bytes()),
            Format::BF16 => return out.extend(uniform.to_le_bytes().into_iter().skip(2)),
            _ => {}
        }
        let start = out.len();
        while out.len() < start + format.block_bytes() {
            out.extend(self.bits().to_le_bytes());
        }
        out.truncate(start + format.block_bytes());
        let Factors { scale_at, spread, min } = factors(format);
        let scale = deviation / spread;
        let halves = [Some((scale_at, scale)), min.map(|(at, factor)| (at, factor * scale))];
        for (at, value) in halves.into_iter().flatten() {
            for (byte, new) in out.iter_mut().skip(start + at).zip(f16::from_f32(value).to_le_bytes()) {
                *byte = new;
            }
        }
    }
}

/// A block's half-precision factors.
struct Factors {
    /// Where its scale is.
    scale_at: usize,
    /// Standard deviation of weights with random bits and a scale of 1.
    spread: f32,
    /// Where the factor of its offsets is, and the multiple of the scale that makes the mean zero.
    min: Option<(usize, f32)>,
}

fn factors(format: Format) -> Factors {
    let (scale_at, spread, min) = match format {
        // Plain numbers have no factors.
        Format::F32 | Format::F16 | Format::BF16 => (0, 1.0, None),
        Format::Q4_0 => (0, 4.6, None),
        Format::Q4_1 => (0, 4.6, Some((2, -7.5))),
        Format::Q5_0 => (0, 9.2, None),
        Format::Q5_1 => (0, 9.2, Some((2, -15.5))),
        Format::Q8_0 => (0, 74.0, None),
        Format::Q2_K => (80, 13.0, Some((82, 1.5))),
        Format::Q3_K => (108, 43.0, None),
        Format::Q4_K => (0, 258.0, Some((2, 7.5))),
        Format::Q5_K => (0, 526.0, Some((2, 15.5))),
        Format::Q6_K => (208, 1370.0, None),
    };
    Factors { scale_at, spread, min }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_the_deviation_that_is_asked_for() {
        for &format in Format::ALL {
            let mut noise = Noise::new(1);
            let mut bytes = Vec::new();
            let blocks = 40 * 256 / format.block_len();
            (0..blocks).for_each(|_| noise.block(format, 0.02, &mut bytes));
            let mut weights = vec![0.0; blocks * format.block_len()];
            format.dequantize(&bytes, &mut weights);
            let count = weights.len() as f32;
            let mean = weights.iter().sum::<f32>() / count;
            let deviation = (weights.iter().map(|w| (w - mean).powi(2)).sum::<f32>() / count).sqrt();
            assert!(mean.abs() < 0.004, "{format:?}: mean {mean}");
            assert!((0.015..0.026).contains(&deviation), "{format:?}: deviation {deviation}");
        }
    }
}
