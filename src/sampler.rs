//! Logits to a token: pure and seeded.
//!
//! Order: logit bias, penalties, temperature, top-k, min-p, top-p, draw. The random number of step n is a
//! function of the seed and n alone, so the same seed gives the same text, on a GPU too.

use std::collections::HashMap;

use crate::engine::Pick;
use crate::kernels::draw::Draw;

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
    scratch: Vec<f32>,
}

impl Sampler {
    /// A sampler for an answer to `prompt`.
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Self {
        let penalises = sampling.repetition_penalty != 1.0;
        let counts = if penalises { prompt.iter().map(|&id| (id, 0)).collect() } else { HashMap::new() };
        Self { sampling, step: 0, counts, scratch: Vec::new() }
    }

    /// How the next token is chosen from logits as the network computed them; none if they are to be changed first.
    pub fn pick(&self) -> Option<Pick> {
        (!self.penalises() && self.sampling.logit_bias.is_empty()).then(|| self.pick_of(self.step))
    }

    /// How the tokens after that one will be, `count` of them.
    pub fn picks_ahead(&self, count: usize) -> Vec<Pick> {
        (self.step + 1..).take(count).map(|step| self.pick_of(step)).collect()
    }

    /// Chooses the next token; `logits`, `[vocabulary]`, are changed in place.
    pub fn sample(&mut self, logits: &mut [f32]) -> u32 {
        self.adjust(logits);
        let id = self.pick_of(self.step).id(logits, &mut self.scratch);
        self.take(id);
        id
    }

    /// Takes a token that was chosen as [`pick`](Self::pick) says.
    pub fn take(&mut self, id: u32) {
        self.step += 1;
        self.note(id);
    }

    /// Takes note of a token of the answer that was not drawn here: penalties count it.
    pub fn note(&mut self, id: u32) {
        *self.counts.entry(id).or_insert(0) += 1;
    }

    /// Bias and penalties.
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    fn adjust(&self, logits: &mut [f32]) {
        for &(id, bias) in &self.sampling.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        if !self.penalises() {
            return;
        }
        let Sampling { repetition_penalty, presence_penalty, frequency_penalty, .. } = self.sampling;
        for (&id, &count) in &self.counts {
            let Some(logit) = logits.get_mut(id as usize) else { continue };
            *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
            if count > 0 {
                *logit -= presence_penalty + frequency_penalty * count as f32;
            }
        }
    }

    fn penalises(&self) -> bool {
        let Sampling { repetition_penalty, presence_penalty, frequency_penalty, .. } = self.sampling;
        repetition_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0
    }

    fn pick_of(&self, step: u64) -> Pick {
        let Sampling { temperature, top_k, top_p, min_p, seed, .. } = self.sampling;
        if temperature <= 0.0 {
            return Pick::Likeliest;
        }
        Pick::Drawn(Draw { temperature, top_k, min_p, top_p, fraction: uniform(seed, step) })
    }
}

/// A number in 0..1 from a seed and a counter: two rounds of splitmix64 (Steele, Lea and Flood, 2014).
#[allow(clippy::cast_precision_loss, reason = "24 bits fit into an f32")]
fn uniform(seed: u64, step: u64) -> f32 {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (mix(mix(seed) ^ step) >> 40) as f32 / (1u64 << 24) as f32
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
