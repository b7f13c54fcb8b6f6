//! The fastest of the variants that compute right. How single tokens are computed and how many are is chosen apart: no kernel
//! is part of both, so each kernel of what is chosen was compared in one variant or the other.

use crate::engine::{Tiles, Tuning};

/// How much faster tiles of less precision have to be.
const MARGIN: f64 = 1.05;

/// Tokens per second, of what was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// One after the other.
    pub decode: Option<f64>,
    /// Many at once.
    pub prefill: Option<f64>,
}

/// Variants that compute right.
#[derive(Debug, Default)]
pub struct Variants(Vec<(Tuning, Rates)>);

impl Variants {
    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is still unknown how fast `tuning` computes single tokens, and how fast it computes many.
    pub fn wants(&self, tuning: Tuning) -> (bool, bool) {
        let decode = self.0.iter().all(|(other, _)| !other.decodes_like(tuning));
        let prefill = self.0.iter().all(|(other, _)| other.tiles != tuning.tiles);
        (decode, prefill)
    }

    /// `tuning` computes right, and so fast.
    pub fn push(&mut self, tuning: Tuning, rates: Rates) {
        self.0.push((tuning, rates));
    }

    /// The fastest for single tokens, with the fastest tiles; none if none computes right.
    pub fn best(&self) -> Option<Tuning> {
        let (first, rates) = self.0.first()?;
        let (mut decoding, mut decode) = (*first, rates.decode.unwrap_or(0.0));
        let (mut tiles, mut prefill): (Tiles, f64) = (first.tiles, rates.prefill.unwrap_or(0.0));
        for (tuning, rates) in &self.0 {
            if let Some(rate) = rates.decode.filter(|rate| *rate > decode) {
                (decoding, decode) = (*tuning, rate);
            }
            if let Some(rate) = rates.prefill.filter(|rate| *rate > MARGIN * prefill) {
                (tiles, prefill) = (tuning.tiles, rate);
            }
        }
        Some(Tuning { tiles, ..decoding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Tuning = Tuning { rows: 4, packed_dot: false, tiles: Tiles::Full, subgroup: Some(8) };
    const PACKED: Tuning = Tuning { packed_dot: true, tiles: Tiles::Packed, ..EXACT };
    const HALF: Tuning = Tuning { tiles: Tiles::Half, ..EXACT };

    fn rates(decode: f64, prefill: f64) -> Rates {
        Rates { decode: Some(decode), prefill: Some(prefill) }
    }

    #[test]
    fn nothing_is_measured_twice() {
        let mut variants = Variants::default();
        assert_eq!(variants.wants(EXACT), (true, true));
        variants.push(EXACT, rates(1.0, 1.0));
        assert_eq!(variants.wants(PACKED), (true, true));
        assert_eq!(variants.wants(HALF), (false, true));
        assert_eq!(variants.wants(Tuning { rows: 1, ..EXACT }), (true, false));
    }

    #[test]
    fn single_tokens_and_many_have_their_own_best() {
        let mut variants = Variants::default();
        assert_eq!(variants.best(), None);
        variants.push(EXACT, rates(100.0, 1000.0));
        assert_eq!(variants.best(), Some(EXACT));
        variants.push(PACKED, rates(90.0, 2000.0));
        assert_eq!(variants.best(), Some(Tuning { tiles: Tiles::Packed, ..EXACT }));
        variants.push(HALF, Rates { decode: None, prefill: Some(2050.0) });
        assert_eq!(variants.best(), Some(Tuning { tiles: Tiles::Packed, ..EXACT }), "hardly faster");
        let single = Tuning { rows: 1, ..EXACT };
        variants.push(single, Rates { decode: Some(101.0), prefill: None });
        assert_eq!(variants.best(), Some(Tuning { tiles: Tiles::Packed, ..single }));
    }

    #[test]
    fn what_was_not_measured_is_the_first_that_is_right() {
        let mut variants = Variants::default();
        variants.push(PACKED, Rates::default());
        variants.push(EXACT, Rates::default());
        assert_eq!(variants.best(), Some(PACKED));
    }
}
