//! Logits to a token: pure and seeded.
//!
//! Order: logit bias, penalties, temperature, top-k, top-p, min-p, draw. The random number of step n is a
//! function of the seed and n alone, so the same seed gives the same text, and a GPU can compute it too.

use std::collections::HashMap;

use crate::kernels::argmax::argmax;

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; above, logits are divided by it.
    pub temperature: f32,
    /// Only the k likeliest; 0 is all.
    pub top_k: usize,
    /// Only the likeliest whose probabilities sum up to p.
    pub top_p: f32,
    /// Only those at least `min_p` times as likely as the likeliest.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens in prompt or answer (Keskar et al. 2019).
    pub repetition_penalty: f32,
    /// Subtracted from logits of tokens in the answer.
    pub presence_penalty: f32,
    /// Subtracted once per occurrence in the answer.
    pub frequency_penalty: f32,
    /// Added to logits.
    pub logit_bias: Vec<(u32, f32)>,
    /// Where the random numbers come from.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

/// Chooses the tokens of one answer.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    step: u64,
    /// How often each token occurs in the answer so far; 0 for those of the prompt alone.
    counts: HashMap<u32, u32>,
    /// Scratch: candidates with their weights.
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler for an answer to `prompt`.
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Self {
        let penalises = sampling.repetition_penalty != 1.0;
        let counts = if penalises { prompt.iter().map(|&id| (id, 0)).collect() } else { HashMap::new() };
        Self { sampling, step: 0, counts, candidates: Vec::new() }
    }

    /// Whether every token will be the likeliest one, from logits as the network computed them.
    pub fn is_plainly_greedy(&self) -> bool {
        let Sampling { temperature, repetition_penalty, presence_penalty, frequency_penalty, .. } =
            self.sampling;
        let penalises = repetition_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0;
        temperature <= 0.0 && !penalises && self.sampling.logit_bias.is_empty()
    }

    /// Chooses the next token; `logits`, `[vocabulary]`, are changed in place.
    pub fn sample(&mut self, logits: &mut [f32]) -> u32 {
        self.adjust(logits);
        let id = if self.sampling.temperature <= 0.0 { argmax(logits) } else { self.draw(logits) };
        self.step += 1;
        self.note(id);
        id
    }

    /// Takes note of a token of the answer that was not drawn here: penalties count it.
    pub fn note(&mut self, id: u32) {
        *self.counts.entry(id).or_insert(0) += 1;
    }

    /// Bias and penalties.
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    fn adjust(&self, logits: &mut [f32]) {
        let Sampling { repetition_penalty, presence_penalty, frequency_penalty, .. } = self.sampling;
        for &(id, bias) in &self.sampling.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        if repetition_penalty == 1.0 && presence_penalty == 0.0 && frequency_penalty == 0.0 {
            return;
        }
        for (&id, &count) in &self.counts {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
            if count > 0 {
                *logit -= presence_penalty + frequency_penalty * count as f32;
            }
        }
    }

    /// Draws from what top-k, top-p and min-p leave.
    fn draw(&mut self, logits: &[f32]) -> u32 {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.sampling;
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let candidates = &mut self.candidates;
        candidates.clear();
        // Forbidden tokens must not even be there: rounding could leave the draw at the last candidate.
        let allowed = (0..).zip(logits).filter(|(_, logit)| logit.is_finite());
        candidates.extend(allowed.map(|(id, logit)| (id, ((logit - max) / temperature).exp())));
        let likelier = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if top_k > 0 && top_k < candidates.len() {
            candidates.select_nth_unstable_by(top_k - 1, likelier);
            candidates.truncate(top_k);
        }
        if min_p > 0.0 {
            // The likeliest has weight 1.
            candidates.retain(|(_, weight)| *weight >= min_p);
        }
        if top_p < 1.0 {
            candidates.sort_unstable_by(likelier);
            let total: f32 = candidates.iter().map(|(_, weight)| weight).sum();
            let mut sum = 0.0;
            let enough = candidates.iter().position(|(_, weight)| {
                sum += weight;
                sum >= top_p * total
            });
            candidates.truncate(enough.map_or(candidates.len(), |last| last + 1));
        }
        pick(candidates, uniform(self.sampling.seed, self.step))
    }
}

/// The first candidate at which the running sum of weights passes `fraction` of their total.
fn pick(candidates: &[(u32, f32)], fraction: f64) -> u32 {
    let total: f64 = candidates.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let mut left = fraction * total;
    for (id, weight) in candidates {
        left -= f64::from(*weight);
        if left < 0.0 {
            return *id;
        }
    }
    candidates.last().map_or(0, |(id, _)| *id)
}

/// A number in 0..1 from a seed and a counter: two rounds of splitmix64 (Steele, Lea and Flood, 2014).
#[allow(clippy::cast_precision_loss, reason = "53 bits fit into an f64")]
fn uniform(seed: u64, step: u64) -> f64 {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (mix(mix(seed) ^ step) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(sampling: &Sampling, logits: &[f32], draws: u64) -> Vec<f64> {
        let mut counts = vec![0.0; logits.len()];
        for seed in 0..draws {
            let mut sampler = Sampler::new(Sampling { seed, ..sampling.clone() }, &[]);
            counts[sampler.sample(&mut logits.to_vec()) as usize] += 1.0 / draws as f64;
        }
        counts
    }

    /// Probabilities 1/2, 1/4, 1/8, 1/8.
    fn logits() -> Vec<f32> {
        [0.5f32, 0.25, 0.125, 0.125].map(f32::ln).to_vec()
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let found = frequencies(&Sampling::default(), &logits(), 20_000);
        for (found, expected) in found.iter().zip([0.5, 0.25, 0.125, 0.125]) {
            assert!((found - expected).abs() < 0.02, "{found} for {expected}");
        }
    }

    #[test]
    fn filters_leave_what_they_should() {
        let never = |sampling: Sampling, ids: &[usize]| {
            let found = frequencies(&sampling, &logits(), 2_000);
            for id in 0..4 {
                assert_eq!(found[id] == 0.0, ids.contains(&id), "{sampling:?}: {found:?}");
            }
        };
        never(Sampling { top_k: 2, ..Sampling::default() }, &[2, 3]);
        never(Sampling { top_p: 0.7, ..Sampling::default() }, &[2, 3]);
        never(Sampling { min_p: 0.4, ..Sampling::default() }, &[2, 3]);
        never(Sampling { temperature: 0.0, ..Sampling::default() }, &[1, 2, 3]);
        never(Sampling { logit_bias: vec![(0, -100.0)], ..Sampling::default() }, &[0]);
    }

    #[test]
    fn penalties_turn_to_other_tokens() {
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        let choose = |sampling: Sampling, prompt: &[u32], steps: usize| {
            let mut sampler = Sampler::new(sampling, prompt);
            (0..steps).map(|_| sampler.sample(&mut [2.0, 1.5, -1.0])).collect::<Vec<_>>()
        };
        assert_eq!(choose(greedy.clone(), &[], 3), [0, 0, 0]);
        assert_eq!(choose(Sampling { presence_penalty: 1.0, ..greedy.clone() }, &[], 3), [0, 1, 0]);
        assert_eq!(choose(Sampling { frequency_penalty: 0.4, ..greedy.clone() }, &[], 4), [0, 0, 1, 0]);
        assert_eq!(choose(Sampling { repetition_penalty: 2.0, ..greedy }, &[0], 1), [1]);
    }

    #[test]
    fn a_seed_determines_the_draws() {
        let run = |seed| {
            let mut sampler = Sampler::new(Sampling { seed, ..Sampling::default() }, &[]);
            (0..50).map(|_| sampler.sample(&mut vec![0.0; 100])).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
