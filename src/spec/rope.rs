//! Rotary embeddings: bases, scalings, and the table of frequencies that follows from them.
//!
//! Sources: Su et al. 2021; linear scaling: Chen et al. 2023; YaRN: Peng et al. 2023; longrope: Ding et al. 2024.

use super::keys::Keys;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::recording::RopeTable;

/// The base where no key gives it.
const DEFAULT_BASE: f32 = 10_000.0;

/// How frequencies are stretched beyond the trained context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency is divided by the factor.
    Linear(f32),
    /// Low frequencies are divided, high ones kept, with a ramp between.
    Yarn {
        /// Stretch.
        factor: f32,
        /// Trained context, in positions.
        original: usize,
        /// Rotations above which a frequency is kept.
        beta_fast: f32,
        /// Rotations below which a frequency is divided by the factor.
        beta_slow: f32,
        /// Factor of cos and sin.
        attention_factor: f32,
    },
    /// Llama 3's: low frequencies are divided, high ones kept, with a ramp between by wavelength. GGUF files carry the
    /// divisors themselves instead.
    Llama3 {
        /// Stretch.
        factor: f32,
        /// Trained context, in positions.
        original: usize,
        /// Turns within it below which a frequency is divided by the factor.
        low: f32,
        /// Turns within it above which a frequency is kept.
        high: f32,
    },
}

/// Which tensor of divisors goes with the frequencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeFactors {
    /// None.
    Absent,
    /// Llama 3's and Gemma 4's.
    Always,
    /// Longrope: one set up to the original context, another beyond.
    ByContext {
        /// Trained context, in positions.
        original: usize,
    },
}

/// One rotary embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeSpec {
    /// Rotated dimensions of a head, from the first.
    pub dims: usize,
    /// Base of the geometric series of frequencies.
    pub base: f32,
    /// Stretching.
    pub scaling: RopeScaling,
    /// Divisors.
    pub factors: RopeFactors,
    /// Factor of cos and sin (longrope).
    pub scale: f32,
}

impl RopeSpec {
    /// The rotary embedding of full attention layers.
    pub(super) fn global(keys: &Keys<'_>, dims: usize, has_freqs: bool, has_long: bool) -> Result<Self> {
        let original = keys.optional("rope.scaling.original_context_length")?;
        let factors = match (has_long, has_freqs) {
            (true, _) => match original {
                Some(original) => RopeFactors::ByContext { original },
                None => bail!(
                    CorruptFile,
                    "longrope needs the key {}",
                    keys.name("rope.scaling.original_context_length")
                ),
            },
            (false, true) => RopeFactors::Always,
            (false, false) => RopeFactors::Absent,
        };
        let scale = if has_long { keys.float("rope.scaling.attn_factor")?.unwrap_or(1.0) } else { 1.0 };
        let base = base(keys, "rope.freq_base")?;
        Ok(Self { dims, base, scaling: scaling(keys, original)?, factors, scale })
    }

    /// The rotary embedding of window layers: its own base, never scaled.
    pub(super) fn local(keys: &Keys<'_>, dims: usize) -> Result<Self> {
        let base = base(keys, "rope.freq_base_swa")?;
        Ok(Self { dims, base, scaling: RopeScaling::None, factors: RopeFactors::Absent, scale: 1.0 })
    }

    /// The frequencies; `divisors` has `dims / 2` entries where [`RopeSpec::factors`] asks for them.
    #[allow(clippy::cast_precision_loss, reason = "dimensions are small")]
    pub fn table(&self, divisors: Option<&[f32]>) -> RopeTable {
        let half = self.dims / 2;
        let base = f64::from(self.base);
        let mut frequencies: Vec<f64> = (0..half).map(|i| base.powf(-(i as f64) / half as f64)).collect();
        let mut scale = self.scale;
        match self.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear(factor) => frequencies.iter_mut().for_each(|f| *f /= f64::from(factor)),
            RopeScaling::Yarn { factor, original, beta_fast, beta_slow, attention_factor } => {
                let dims = self.dims as f64;
                // The pair that turns `rotations` times within the original context.
                let pair_of = |rotations: f32| {
                    dims * (original as f64 / (f64::from(rotations) * std::f64::consts::TAU)).ln()
                        / (2.0 * base.ln())
                };
                let low = pair_of(beta_fast).floor().max(0.0);
                let high = pair_of(beta_slow).ceil().min(dims - 1.0);
                let span = if high > low { high - low } else { 0.001 };
                for (i, frequency) in frequencies.iter_mut().enumerate() {
                    let divided = ((i as f64 - low) / span).clamp(0.0, 1.0);
                    *frequency *= (1.0 - divided) + divided / f64::from(factor);
                }
                scale *= attention_factor;
            }
            RopeScaling::Llama3 { factor, original, low, high } => {
                let (low, high) = (f64::from(low), f64::from(high));
                for frequency in &mut frequencies {
                    let turns = original as f64 * *frequency / std::f64::consts::TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    *frequency *= kept + (1.0 - kept) / f64::from(factor);
                }
            }
        }
        for (frequency, divisor) in frequencies.iter_mut().zip(divisors.unwrap_or_default()) {
            *frequency /= f64::from(*divisor);
        }
        RopeTable { frequencies, scale }
    }
}

fn base(keys: &Keys<'_>, key: &str) -> Result<f32> {
    match keys.float(key)?.unwrap_or(DEFAULT_BASE) {
        base if base > 0.0 => Ok(base),
        base => bail!(CorruptFile, "metadata key {} is {base}", keys.name(key)),
    }
}

fn scaling(keys: &Keys<'_>, original: Option<usize>) -> Result<RopeScaling> {
    let key = keys.name("rope.scaling.type");
    let Some(kind) = keys.str("rope.scaling.type") else { return Ok(RopeScaling::None) };
    let factor = keys.float("rope.scaling.factor")?.unwrap_or(1.0);
    if factor <= 0.0 {
        bail!(CorruptFile, "metadata key {} is {factor}", keys.name("rope.scaling.factor"));
    }
    match kind {
        "none" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear(factor)),
        "longrope" => Ok(RopeScaling::None),
        "llama3" => {
            let number = |key: &str| {
                keys.float(key)?.ok_or_else(|| {
                    Error::new(ErrorKind::CorruptFile, format!("metadata key {} is missing", keys.name(key)))
                })
            };
            let (low, high) =
                (number("rope.scaling.low_freq_factor")?, number("rope.scaling.high_freq_factor")?);
            if low >= high {
                bail!(
                    CorruptFile,
                    "metadata keys {} and {} are {low} and {high}",
                    keys.name("rope.scaling.low_freq_factor"),
                    keys.name("rope.scaling.high_freq_factor")
                );
            }
            Ok(RopeScaling::Llama3 {
                factor,
                original: keys.required("rope.scaling.original_context_length")?,
                low,
                high,
            })
        }
        "yarn" => {
            let Some(original) = original else {
                bail!(
                    CorruptFile,
                    "YaRN needs the key {}",
                    keys.name("rope.scaling.original_context_length")
                );
            };
            // With a log multiplier of 1 the two mscale terms of the published formula cancel out.
            let attention_factor = match keys.float("rope.scaling.yarn_log_multiplier")? {
                None | Some(0.0) => {
                    (1.0 + 0.1 * factor.ln()) * keys.float("rope.scaling.attn_factor")?.unwrap_or(1.0)
                }
                Some(1.0) => 1.0,
                Some(other) => bail!(
                    UnsupportedArchitecture,
                    "{} is {other}; only 1 is supported",
                    keys.name("rope.scaling.yarn_log_multiplier")
                ),
            };
            let beta_fast = keys.float("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0);
            let beta_slow = keys.float("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0);
            Ok(RopeScaling::Yarn { factor, original, beta_fast, beta_slow, attention_factor })
        }
        other => bail!(
            UnsupportedArchitecture,
            "{key} is {other:?}; supported are none, linear, yarn, longrope and llama3"
        ),
    }
}
