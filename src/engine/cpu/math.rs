//! Vectorised helpers over slices of f32.

use super::simd::F4;
use crate::kernels::activation::Activation;

/// `Σ a[i] · b[i]`, in sixteen partial sums.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    let mut sums = [F4::splat(0.0); 4];
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a.as_chunks::<4>().0, b.as_chunks::<4>().0);
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = sum.add(F4::from_slice(&a[i]).mul(F4::from_slice(&b[i])));
        }
    }
    let sum = sums[0].add(sums[1]).add(sums[2].add(sums[3])).to_array();
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sum[0] + sum[1]) + (sum[2] + sum[3]) + rest
}

/// `y += w · v`
pub fn add_scaled(y: &mut [f32], w: f32, v: &[f32]) {
    y.iter_mut().zip(v).for_each(|(y, v)| *y += w * v);
}

/// `y += w[0] · v[0] + … + w[3] · v[3]`: four rows for one pass over `y`.
#[inline(always)]
pub fn add_scaled4(y: &mut [f32], w: [f32; 4], v: [&[f32]; 4]) {
    let factors = w.map(F4::splat);
    let (heads, tail) = y.as_chunks_mut::<4>();
    let rows = v.map(|v| v.as_chunks::<4>());
    for (i, y) in heads.iter_mut().enumerate() {
        let mut sum = F4::from_slice(y);
        for (factor, (row, _)) in factors.iter().zip(&rows) {
            sum = sum.add(factor.mul(F4::from_slice(&row[i])));
        }
        sum.store(y);
    }
    for (i, y) in tail.iter_mut().enumerate() {
        for (w, (_, rest)) in w.iter().zip(&rows) {
            *y += w * rest[i];
        }
    }
}

/// `e^x`, to two units in the last place, for x in −87..=88 (clamped). Cephes' `expf` (Moshier, 1989).
#[inline(always)]
fn exp4(x: F4) -> F4 {
    let x = x.max(F4::splat(-87.0)).min(F4::splat(88.0));
    let n = x.mul(F4::splat(std::f32::consts::LOG2_E)).round();
    // ln 2 in two parts, so that the remainder is exact.
    let r = x.sub(n.mul(F4::splat(0.693_359_4))).sub(n.mul(F4::splat(-2.121_944_4e-4)));
    const COEFFICIENTS: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let polynomial = COEFFICIENTS.iter().fold(F4::splat(0.0), |sum, &c| sum.mul(r).add(F4::splat(c)));
    polynomial.mul(r).mul(r).add(r).add(F4::splat(1.0)).mul(n.exp2_whole())
}

/// Calls `f` on four values at a time; the last ones are padded.
#[inline(always)]
fn map4(values: &mut [f32], f: impl Fn(F4) -> F4) {
    let (whole, tail) = values.as_chunks_mut::<4>();
    for four in whole {
        f(F4::from_slice(four)).store(four);
    }
    if !tail.is_empty() {
        let mut four = [0.0; 4];
        four[..tail.len()].copy_from_slice(tail);
        tail.copy_from_slice(&f(F4::from_slice(&four)).to_array()[..tail.len()]);
    }
}

/// The largest of `values`, or −∞.
pub fn largest(values: &[f32]) -> f32 {
    let (whole, tail) = values.as_chunks::<4>();
    let start = F4::splat(f32::NEG_INFINITY);
    let largest = whole.iter().fold(start, |largest, four| largest.max(F4::from_slice(four)));
    largest.to_array().iter().chain(tail).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The largest magnitude among `values`, or 0.
pub fn largest_magnitude(values: &[f32]) -> f32 {
    let (whole, tail) = values.as_chunks::<4>();
    let largest = whole.iter().fold(F4::splat(0.0), |largest, four| largest.max(F4::from_slice(four).abs()));
    largest.to_array().iter().chain(tail).fold(0.0, |largest, v| largest.max(v.abs()))
}

/// Replaces `values` by `e^(value − largest)`, a softmax that is not divided yet by the sum that is returned.
pub fn exponentials(values: &mut [f32]) -> f32 {
    let max = F4::splat(largest(values));
    let mut total = 0.0;
    // Partial sums of each stretch, so that a long one loses little.
    for stretch in values.chunks_mut(64) {
        let mut sum = F4::splat(0.0);
        let (whole, tail) = stretch.as_chunks_mut::<4>();
        for four in whole {
            let powers = exp4(F4::from_slice(four).sub(max));
            powers.store(four);
            sum = sum.add(powers);
        }
        map4(tail, |x| exp4(x.sub(max)));
        total += sum.to_array().iter().chain(&*tail).sum::<f32>();
    }
    total
}

/// Replaces `values` by their softmax.
pub fn softmax(values: &mut [f32]) {
    let inverse = 1.0 / exponentials(values);
    map4(values, |x| x.mul(F4::splat(inverse)));
}

/// Replaces `values` by `act` of them.
pub fn activate(act: Activation, values: &mut [f32]) {
    match act {
        Activation::Silu => map4(values, |x| x.div(F4::splat(1.0).add(exp4(F4::splat(0.0).sub(x))))),
        _ => values.iter_mut().for_each(|value| *value = act.apply(*value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activation;

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for i in -8600..=8800i16 {
            let x = f32::from(i) / 100.0;
            let found = exp4(F4::splat(x)).to_array()[0];
            assert!((found / x.exp() - 1.0).abs() < 3e-7, "e^{x} is {found}, not {}", x.exp());
        }
    }

    #[test]
    fn softmax_and_silu_are_those_of_the_naive_twins() {
        for len in 1..40u16 {
            let values: Vec<f32> = (0..len).map(|i| (f32::from(i) * 1.7).sin() * 9.0).collect();
            let (mut found, mut expected) = (values.clone(), values.clone());
            softmax(&mut found);
            activation::softmax(&mut expected);
            found
                .iter()
                .zip(&expected)
                .for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "softmax of {len}: {a}, {b}"));
            let mut found = values.clone();
            activate(Activation::Silu, &mut found);
            let silu = values.iter().map(|&v| Activation::Silu.apply(v));
            found.iter().zip(silu).for_each(|(a, b)| assert!((a - b).abs() < 3e-6, "silu: {a}, {b}"));
        }
    }

    #[test]
    fn four_rows_are_added_at_once() {
        let rows: Vec<Vec<f32>> =
            (0..4u8).map(|r| (0..7u8).map(|i| f32::from(r * 10 + i)).collect()).collect();
        let mut y = vec![1.0; 7];
        add_scaled4(&mut y, [1.0, 2.0, 3.0, 4.0], [&rows[0], &rows[1], &rows[2], &rows[3]]);
        let expected: Vec<f32> = (0..7u8).map(|i| 1.0 + 10.0 * f32::from(i) + 20.0 + 60.0 + 120.0).collect();
        assert_eq!(y, expected);
    }
}
