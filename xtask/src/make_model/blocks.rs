//! Random weights, written as blocks of each type directly: integers that are normally distributed over the type's
//! levels, and scales that give the weights the wanted standard deviation. Every type comes out with mean zero.

use half::{bf16, f16};

use super::quant::Type;
use super::random::{Random, normal_quantiles};

/// Equally likely levels, looked up with a random byte.
struct Levels {
    table: [u8; 256],
    /// The standard deviation of the levels.
    deviation: f32,
}

impl Levels {
    /// Levels from `low` to `high`, normal around their middle. `spread` is small enough that few are cut off.
    fn new(low: i16, high: i16, spread: f32) -> Self {
        let middle = f32::from(low + high) / 2.0;
        let level = |quantile: &f32| (middle + spread * quantile).round().clamp(low.into(), high.into());
        let levels: Vec<f32> = normal_quantiles::<256>().iter().map(level).collect();
        let variance = levels.iter().map(|level| (level - middle).powi(2)).sum::<f32>() / 256.0;
        let table = std::array::from_fn(|index| levels[index] as i16 as u8);
        Self { table, deviation: variance.sqrt() }
    }

    fn draw<const N: usize>(&self, random: &mut Random) -> [u8; N] {
        let mut levels = [0; N];
        for eight in levels.chunks_mut(8) {
            let bytes = random.bits().to_le_bytes();
            for (level, byte) in eight.iter_mut().zip(bytes) {
                *level = self.table[usize::from(byte)];
            }
        }
        levels
    }
}

/// Draws the blocks of one type.
pub struct Blocks {
    kind: Type,
    levels: Levels,
    plain: Vec<f32>,
}

impl Blocks {
    pub fn new(kind: Type) -> Self {
        let levels = match kind {
            // Without an offset the lowest level has no counterpart and stays out, or the mean would not be zero.
            Type::Q4_0 => Levels::new(1, 15, 2.8),
            Type::Q5_0 => Levels::new(1, 31, 6.0),
            Type::Q3K => Levels::new(1, 7, 1.6),
            Type::Q6K => Levels::new(1, 63, 12.0),
            Type::Q8_0 => Levels::new(-127, 127, 40.0),
            Type::Q4_1 | Type::Q4K => Levels::new(0, 15, 3.0),
            Type::Q5_1 | Type::Q5K => Levels::new(0, 31, 6.0),
            Type::Q2K => Levels::new(0, 3, 1.0),
            Type::F32 | Type::F16 | Type::BF16 => Levels::new(0, 0, 0.0),
        };
        Self { kind, levels, plain: normal_quantiles::<4096>() }
    }

    /// Appends one block whose weights have this standard deviation.
    pub fn push(&self, deviation: f32, random: &mut Random, out: &mut Vec<u8>) {
        let scale = deviation / self.levels.deviation;
        match self.kind {
            Type::F32 => out.extend((deviation * self.normal(random)).to_le_bytes()),
            Type::F16 => out.extend(f16::from_f32(deviation * self.normal(random)).to_le_bytes()),
            Type::BF16 => out.extend(bf16::from_f32(deviation * self.normal(random)).to_le_bytes()),
            Type::Q8_0 => {
                put_f16(out, scale);
                out.extend(self.levels.draw::<32>(random));
            }
            Type::Q4_0 | Type::Q4_1 | Type::Q5_0 | Type::Q5_1 => self.push_small(scale, random, out),
            Type::Q2K => self.push_q2k(scale, random, out),
            Type::Q3K => self.push_q3k(scale, random, out),
            Type::Q4K | Type::Q5K => self.push_q4k_or_q5k(scale, random, out),
            Type::Q6K => self.push_q6k(scale, random, out),
        }
    }

    fn normal(&self, random: &mut Random) -> f32 {
        self.plain[random.bits() as usize % self.plain.len()]
    }

    /// Blocks of 32: scale, offset, fifth bits, then nibbles.
    fn push_small(&self, scale: f32, random: &mut Random, out: &mut Vec<u8>) {
        put_f16(out, scale);
        match self.kind {
            Type::Q4_1 => put_f16(out, -7.5 * scale),
            Type::Q5_1 => put_f16(out, -15.5 * scale),
            _ => {}
        }
        let levels = self.levels.draw::<32>(random);
        if matches!(self.kind, Type::Q5_0 | Type::Q5_1) {
            let high =
                levels.iter().enumerate().fold(0, |bits, (i, level)| bits | u32::from(level >> 4) << i);
            out.extend(high.to_le_bytes());
        }
        out.extend((0..16).map(|i| levels[i] & 15 | levels[i + 16] << 4));
    }

    /// Weight = d·s·q − dmin·m with s = m and dmin = 1.5 d, which centres the levels 0..=3.
    fn push_q2k(&self, scale: f32, random: &mut Random, out: &mut Vec<u8>) {
        let scales = RandomScales::<16>::draw(10..=15, random);
        out.extend(scales.each.map(|s| s | s << 4));
        let levels = self.levels.draw::<256>(random);
        out.extend((0..64).map(|i| (0..4).fold(0, |byte, k| byte | levels[4 * i + k] << (2 * k))));
        put_f16(out, scale / scales.root_mean_square);
        put_f16(out, 1.5 * scale / scales.root_mean_square);
    }

    /// Weight = d·(s − 32)·(q − 4): high bits, low bits, packed 6-bit scales.
    fn push_q3k(&self, scale: f32, random: &mut Random, out: &mut Vec<u8>) {
        let scales = RandomScales::<16>::draw(16..=31, random);
        let levels = self.levels.draw::<256>(random);
        let high = |i: usize| (0..8).fold(0, |byte, k| byte | (levels[32 * k + i] >> 2) << k);
        out.extend((0..32).map(high));
        let low = |i: usize, k: usize| (levels[128 * (i / 32) + 32 * k + i % 32] & 3) << (2 * k);
        out.extend((0..64).map(|i| (0..4).fold(0, |byte, k| byte | low(i, k))));
        let stored = scales.each.map(|s| s + 32);
        out.extend((0..8).map(|i| stored[i] & 15 | (stored[i + 8] & 15) << 4));
        out.extend((0..4).map(|i| (0..4).fold(0, |byte, k| byte | (stored[4 * k + i] >> 4) << (2 * k))));
        put_f16(out, scale / scales.root_mean_square);
    }

    /// Weight = d·s·q − dmin·m with s = m and dmin = d times the middle level.
    fn push_q4k_or_q5k(&self, scale: f32, random: &mut Random, out: &mut Vec<u8>) {
        let scales = RandomScales::<8>::draw(40..=63, random);
        let middle = if self.kind == Type::Q4K { 7.5 } else { 15.5 };
        put_f16(out, scale / scales.root_mean_square);
        put_f16(out, middle * scale / scales.root_mean_square);
        let s = scales.each;
        // Scales and offsets are equal, so the first eight bytes are the same four twice.
        let first = |i: usize| s[i] | (s[i + 4] >> 4) << 6;
        out.extend((0..8).map(|i| first(i % 4)));
        out.extend((4..8).map(|i| s[i] & 15 | (s[i] & 15) << 4));
        let levels = self.levels.draw::<256>(random);
        if self.kind == Type::Q5K {
            out.extend((0..32).map(|i| (0..8).fold(0, |byte, k| byte | (levels[32 * k + i] >> 4) << k)));
        }
        let pair = |i: usize| (levels[64 * (i / 32) + i % 32], levels[64 * (i / 32) + 32 + i % 32]);
        out.extend((0..128).map(pair).map(|(low, high)| low & 15 | high << 4));
    }

    /// Weight = d·s·(q − 32): low nibbles, upper two bits, signed scales.
    fn push_q6k(&self, scale: f32, random: &mut Random, out: &mut Vec<u8>) {
        let scales = RandomScales::<16>::draw(64..=127, random);
        let levels = self.levels.draw::<256>(random);
        let low = |i: usize| (levels[128 * (i / 64) + i % 64], levels[128 * (i / 64) + 64 + i % 64]);
        out.extend((0..128).map(low).map(|(low, high)| low & 15 | high << 4));
        let high = |i: usize, k: usize| (levels[128 * (i / 32) + 32 * k + i % 32] >> 4) << (2 * k);
        out.extend((0..64).map(|i| (0..4).fold(0, |byte, k| byte | high(i, k))));
        out.extend(scales.each);
        put_f16(out, scale / scales.root_mean_square);
    }
}

/// The integer scales inside a super-block.
struct RandomScales<const N: usize> {
    each: [u8; N],
    root_mean_square: f32,
}

impl<const N: usize> RandomScales<N> {
    fn draw(range: std::ops::RangeInclusive<u8>, random: &mut Random) -> Self {
        let each = std::array::from_fn(|_| random.in_range(range.clone()));
        let squares: f32 = each.iter().map(|&scale| f32::from(scale).powi(2)).sum();
        Self { each, root_mean_square: (squares / N as f32).sqrt() }
    }
}

fn put_f16(out: &mut Vec<u8>, value: f32) {
    out.extend(f16::from_f32(value).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use tabmind::kernels::formats::Format;

    /// 64 blocks of each type, read back by the crate's own reader, which the goldens hold to llama.cpp's.
    #[test]
    fn weights_have_mean_zero_and_the_wanted_deviation() {
        const WANTED: f32 = 0.02;
        for kind in Type::ALL {
            let blocks = Blocks::new(kind);
            let mut random = Random::new(7, "test");
            let count = 16384 / kind.block().0;
            let mut bytes = Vec::new();
            (0..count).for_each(|_| blocks.push(WANTED, &mut random, &mut bytes));
            assert_eq!(bytes.len() as u64, count * kind.block().1, "{kind:?}");

            let format = Format::from_ggml_id(kind.ggml_id(), "test").unwrap();
            let mut weights = vec![0.0; 16384];
            format.dequantize(&bytes, &mut weights);
            let mean = weights.iter().sum::<f32>() / 16384.0;
            let deviation = (weights.iter().map(|weight| weight * weight).sum::<f32>() / 16384.0).sqrt();
            let largest = weights.iter().fold(0.0, |largest: f32, weight| largest.max(weight.abs()));
            assert!(mean.abs() < 0.03 * WANTED, "{kind:?}: mean {mean}");
            assert!((deviation / WANTED - 1.0).abs() < 0.03, "{kind:?}: deviation {deviation}");
            assert!(largest < 5.0 * WANTED, "{kind:?}: largest {largest}");
        }
    }
}
