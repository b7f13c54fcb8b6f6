//! A token drawn at random: `id = min { i ∈ K : Σ_{j ∈ K, j ≤ i} w_j > fraction · Σ_{j ∈ K} w_j }`, where
//! `w = exp((l − max l) / temperature)` and K is what top-k, min-p and top-p leave, in this order.
//!
//! Each of the three is a threshold: of equally likely tokens all are kept or none. So K needs no order but that of the ids,
//! in which sums run. Sources: Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p), Nguyen et al. 2024 (min-p).

/// What a token is drawn with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Above 0.
    pub temperature: f32,
    /// Only the k likeliest; 0 is all.
    pub top_k: usize,
    /// Only those at least `min_p` times as likely as the likeliest.
    pub min_p: f32,
    /// Only the likeliest whose probabilities sum up to p.
    pub top_p: f32,
    /// The random number, in 0..1.
    pub fraction: f32,
}

impl Draw {
    /// The token's id, from `logits`, `[vocabulary]`; an infinite one is never drawn. `scratch` is overwritten.
    pub fn id(&self, logits: &[f32], scratch: &mut Vec<f32>) -> u32 {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // An infinite logit has no weight: rounding could leave the draw at it.
        let weight =
            |logit: f32| if logit.is_finite() { ((logit - max) / self.temperature).exp() } else { 0.0 };
        let least = self.least_kept(logits, weight, scratch);
        let kept = || {
            (0..).zip(logits).map(|(id, &logit)| (id, weight(logit))).filter(|(_, weight)| *weight >= least)
        };
        let mut left = f64::from(self.fraction) * kept().map(|(_, weight)| f64::from(weight)).sum::<f64>();
        let mut last = 0;
        for (id, weight) in kept() {
            left -= f64::from(weight);
            last = id;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// The smallest weight of a token that is kept.
    fn least_kept(&self, logits: &[f32], weight: impl Fn(f32) -> f32, scratch: &mut Vec<f32>) -> f32 {
        // The likeliest has weight 1; one without weight is never kept.
        let mut least = self.min_p.clamp(f32::MIN_POSITIVE, 1.0);
        if self.top_k == 0 && self.top_p >= 1.0 {
            return least;
        }
        scratch.clear();
        scratch.extend(logits.iter().map(|&logit| weight(logit)));
        if self.top_k > 0 && self.top_k < scratch.len() {
            let (_, kth, _) = scratch.select_nth_unstable_by(self.top_k - 1, |a, b| b.total_cmp(a));
            least = least.max(*kth);
        }
        scratch.retain(|weight| *weight >= least);
        if self.top_p < 1.0 {
            scratch.sort_unstable_by(|a, b| b.total_cmp(a));
            let enough = self.top_p * scratch.iter().sum::<f32>();
            let mut sum = 0.0;
            let last = scratch.iter().find(|weight| {
                sum += **weight;
                sum >= enough
            });
            least = last.copied().unwrap_or(least);
        }
        least
    }
}
