//! Sequence-level attacks: what was there before documents were looked at as a whole.
//!
//! A document is cut into windows of `tokens` tokens (stride `tokens - 1`; a shorter rest is left out, its spread is
//! another), each window gets the numbers of [`SequenceScores`], and a document the mean of its windows' numbers. With
//! `L` the mean loss in nats, so that perplexity is `exp(L)`:
//!
//! | attack | number | members |
//! |---|---|---|
//! | perplexity | `L` | lower |
//! | reference | `L - L` of a reference model | lower |
//! | lowercase | `-L(lowercase text) / L` | lower |
//! | zlib | `L / ` bytes of the text compressed by zlib at its default level | lower |
//! | min-k % | mean log-probability of the k % least probable tokens | higher |
//! | neighbourhood | `-L` minus the mean `-L` of texts with one word replaced | higher |

mod deflate;
mod neighbours;
mod sequence;
mod trees;

pub use deflate::zlib_length;
pub use neighbours::{MaskedModel, WordProbabilities, neighbours};
pub use sequence::{Reference, SequenceAttack, SequenceConfig, SequenceScores, TextCodec, document_mean};

use crate::{Error, Result};

/// The published percentages of min-k %.
pub const MIN_K_PERCENT: [u32; 7] = [5, 10, 20, 30, 40, 50, 60];

/// Which number of [`SequenceScores`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// The mean loss.
    Perplexity,
    /// The loss beside a reference model's.
    Reference,
    /// The loss beside that of the text in lower case.
    Lowercase,
    /// The loss beside the compressed length.
    Zlib,
    /// The least probable tokens, in percent.
    MinK(u32),
    /// The text beside its neighbours.
    Neighbourhood,
}

impl Baseline {
    /// The number turned so that members score higher.
    #[must_use]
    pub fn member_score(self, number: f64) -> f64 {
        match self {
            Self::MinK(_) | Self::Neighbourhood => number,
            Self::Perplexity | Self::Reference | Self::Lowercase | Self::Zlib => -number,
        }
    }
}

/// `L`, the mean loss in nats: the logarithm of perplexity. An infinite loss counts as the largest 32-bit number, so that
/// ratios of two of them stay numbers.
///
/// # Errors
/// [`Error::TooFew`] without a loss, [`Error::NotFinite`] for NaN.
pub fn ln_perplexity(nll: &[f32]) -> Result<f64> {
    if nll.is_empty() {
        return Err(Error::TooFew { what: "losses", needed: 1, found: 0 });
    }
    let sum = nll.iter().map(|x| f64::from(x.min(f32::MAX))).sum::<f64>();
    if let Some(column) = nll.iter().position(|x| x.is_nan()) {
        return Err(Error::NotFinite { what: "losses", row: 0, column, value: f64::NAN });
    }
    Ok(sum / nll.len() as f64)
}

/// Perplexity, `exp(L)`; infinite where a token had no probability.
///
/// # Errors
/// Those of [`ln_perplexity`].
pub fn perplexity(nll: &[f32]) -> Result<f64> {
    Ok(ln_perplexity(nll)?.exp())
}

/// Mean log-probability of the `percent` % least probable tokens, `floor(n percent / 100)` of them.
///
/// # Errors
/// [`Error::Parameter`] unless `1 <= percent <= 100`, [`Error::TooFew`] where the percentage is no whole token,
/// [`Error::NotFinite`] for NaN.
pub fn min_k(nll: &[f32], percent: u32) -> Result<f64> {
    if !(1..=100).contains(&percent) {
        let value = f64::from(percent);
        return Err(Error::Parameter { name: "percent", value, expected: "between 1 and 100" });
    }
    let count = nll.len() * percent as usize / 100;
    if count == 0 {
        let needed = 100_usize.div_ceil(percent as usize);
        return Err(Error::TooFew { what: "losses for min-k %", needed, found: nll.len() });
    }
    let mut losses = nll.to_vec();
    // The largest losses first. NaN is found by ln_perplexity wherever it stands.
    losses.sort_unstable_by(|a, b| b.total_cmp(a));
    ln_perplexity(nll)?;
    Ok(-ln_perplexity(&losses[..count])?)
}

/// `L - L` of the reference.
///
/// # Errors
/// Those of [`ln_perplexity`].
pub fn reference(nll: &[f32], reference: &[f32]) -> Result<f64> {
    Ok(ln_perplexity(nll)? - ln_perplexity(reference)?)
}

/// `-L(lowercase) / L`.
///
/// # Errors
/// Those of [`ln_perplexity`]; [`Error::Parameter`] for a text that the model was certain of (`L` = 0).
pub fn lowercase(nll: &[f32], lowercase: &[f32]) -> Result<f64> {
    let own = ln_perplexity(nll)?;
    if own <= 0.0 {
        return Err(Error::Parameter { name: "loss", value: own, expected: "above 0 to be divided by" });
    }
    Ok(-ln_perplexity(lowercase)? / own)
}

/// `L / ` [`zlib_length`] of the text.
///
/// # Errors
/// Those of [`ln_perplexity`].
pub fn zlib(nll: &[f32], text: &str) -> Result<f64> {
    Ok(ln_perplexity(nll)? / zlib_length(text.as_bytes()) as f64)
}

/// `-L` minus the mean `-L` of the neighbours.
///
/// # Errors
/// Those of [`ln_perplexity`]; [`Error::TooFew`] without a neighbour.
pub fn neighbourhood<V: AsRef<[f32]>>(nll: &[f32], neighbours: &[V]) -> Result<f64> {
    if neighbours.is_empty() {
        return Err(Error::TooFew { what: "neighbours", needed: 1, found: 0 });
    }
    let losses = neighbours.iter().map(|n| ln_perplexity(n.as_ref())).collect::<Result<Vec<f64>>>()?;
    Ok(losses.iter().sum::<f64>() / losses.len() as f64 - ln_perplexity(nll)?)
}
