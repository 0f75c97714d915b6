//! Generation: greedy or sampled, of several prompts, or several continuations of one, in one batch.

use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use ndarray::Array2;
use numerics::rng::{Stream, stream};
use probes::Taps;
use rand::RngExt;
use tensor_backend::bridge;

use crate::model::{Forward, Head, HookedLm, KvCache, Tokens};
use crate::{Error, Result};

/// How to choose the next token.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateConfig {
    /// Most tokens to add (128); fewer where the context ends or the model ends the text.
    pub max_new_tokens: usize,
    /// Logits are divided by it; 0, the default, takes the likeliest token.
    pub temperature: f64,
    /// Only the `k` likeliest tokens (all).
    pub top_k: Option<usize>,
    /// Only the likeliest tokens whose probabilities reach it in sum (1).
    pub top_p: f64,
    /// Seed of the draws; each sequence has a stream of its own.
    pub seed: u64,
    /// Tokens that end a text.
    pub stop: Vec<u32>,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self { max_new_tokens: 128, temperature: 0.0, top_k: None, top_p: 1.0, seed: 0, stop: Vec::new() }
    }
}

impl GenerateConfig {
    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names one.
    pub fn validate(&self) -> Result<()> {
        let wrong = |name, value, expected| Err(Error::Parameter { name, value, expected });
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return wrong("temperature", self.temperature, "0 or above");
        }
        if self.top_k == Some(0) {
            return wrong("top_k", 0.0, "at least 1");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong("top_p", self.top_p, "above 0, at most 1");
        }
        Ok(())
    }
}

/// What was generated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Generation {
    /// The new tokens of each sequence, without the prompt; a token that ends the text is the last one.
    pub tokens: Vec<Vec<u32>>,
    /// Time to read the prompts.
    pub prefill: Duration,
    /// Time of all later steps.
    pub decode: Duration,
    /// Later steps, each one token of every sequence.
    pub steps: usize,
}

impl Generation {
    /// Tokens per second and sequence after the prompt; none when there was no step.
    #[must_use]
    pub fn tokens_per_second(&self) -> Option<f64> {
        (self.steps > 0).then(|| self.steps as f64 / self.decode.as_secs_f64().max(1e-9))
    }
}

/// Continues several prompts in one batch.
///
/// # Errors
/// [`Error::Prompt`] for an empty prompt or one that fills the context; those of [`GenerateConfig::validate`] and
/// [`HookedLm::forward`].
pub fn generate<T: Taps>(
    model: &HookedLm,
    prompts: &[&[u32]],
    config: &GenerateConfig,
    taps: &mut T,
) -> Result<Generation> {
    let (cache, logits, prefill, room) = read(model, prompts, config, taps)?;
    go_on(model, cache, logits, config, room, prefill, taps)
}

/// Samples `k` continuations of one prompt in one batch; the prompt is read once.
///
/// # Errors
/// Those of [`generate`]; [`Error::TooFew`] for no continuation.
pub fn sample_continuations<T: Taps>(
    model: &HookedLm,
    prompt: &[u32],
    k: usize,
    config: &GenerateConfig,
    taps: &mut T,
) -> Result<Generation> {
    if k == 0 {
        return Err(Error::TooFew { what: "continuations", needed: 1, found: 0 });
    }
    let (cache, logits, prefill, room) = read(model, &[prompt], config, taps)?;
    let logits = logits.repeat_dim(0, k);
    go_on(model, cache.repeat(k)?, logits, config, room, prefill, taps)
}

/// Reads the prompts: cache, logits of their last tokens, time, and how many tokens may follow.
fn read<T: Taps>(
    model: &HookedLm,
    prompts: &[&[u32]],
    config: &GenerateConfig,
    taps: &mut T,
) -> Result<(KvCache, Tensor<3>, Duration, usize)> {
    config.validate()?;
    let context = model.config().context;
    for (i, prompt) in prompts.iter().enumerate() {
        if prompt.is_empty() || prompt.len() >= context {
            return Err(Error::Prompt {
                what: format!("prompt {i}"),
                found: prompt.len(),
                expected: format!("from 1 to {}, one less than the context", context - 1),
            });
        }
    }
    let longest = prompts.iter().map(|p| p.len()).max();
    let longest = longest.ok_or(Error::TooFew { what: "prompts", needed: 1, found: 0 })?;
    let room = config.max_new_tokens.min(context - longest);
    let mut cache = KvCache::new(model.config(), longest + room.max(1))?;
    let clock = Instant::now();
    // Padding on the left: the newest token of every sequence stands in the last column.
    let tokens = Tokens::padded(prompts, true);
    let logits = step(model, &tokens, &mut cache, taps)?;
    model.device().sync().map_err(|e| Error::Tensor { message: format!("{e:?}") })?;
    Ok((cache, logits, clock.elapsed(), room))
}

fn step<T: Taps>(model: &HookedLm, tokens: &Tokens, cache: &mut KvCache, taps: &mut T) -> Result<Tensor<3>> {
    let with = Forward { cache: Some(cache), head: Head::Last, mlps: None };
    model.forward(tokens, with, taps)?.ok_or_else(|| Error::Shape {
        what: "generation",
        expected: "a pass through all blocks".to_owned(),
        found: "hooks that stop before the head".to_owned(),
    })
}

fn go_on<T: Taps>(
    model: &HookedLm,
    mut cache: KvCache,
    mut logits: Tensor<3>,
    config: &GenerateConfig,
    room: usize,
    prefill: Duration,
    taps: &mut T,
) -> Result<Generation> {
    let [sequences, _, vocab] = logits.dims();
    let mut draws: Vec<Stream> = (0..sequences as u64).map(|i| stream(config.seed, "generate", i)).collect();
    let mut tokens = vec![Vec::with_capacity(room); sequences];
    let mut ended = vec![false; sequences];
    let clock = Instant::now();
    let mut steps = 0;
    for added in 0..room {
        let rows =
            bridge::float_array::<f32, 2>(logits.reshape([sequences, vocab])).map_err(Error::from_tensor)?;
        let mut next = Array2::zeros((sequences, 1));
        for (i, row) in rows.rows().into_iter().enumerate() {
            let chosen = choose(row.as_slice().unwrap_or_default(), config, &mut draws[i])?;
            next[[i, 0]] = chosen;
            if !ended[i] {
                tokens[i].push(chosen);
                ended[i] = config.stop.contains(&chosen);
            }
        }
        if added + 1 == room || ended.iter().all(|e| *e) {
            break;
        }
        logits = step(model, &Tokens::new(next), &mut cache, taps)?;
        steps += 1;
    }
    Ok(Generation { tokens, prefill, decode: clock.elapsed(), steps })
}

/// The next token from the logits of the vocabulary.
///
/// Temperature first, then the `k` likeliest, then the likeliest whose sum reaches `p`; equal logits count in the order
/// of their ids.
///
/// # Errors
/// [`Error::NotFinite`] for a NaN, or when every logit is minus infinity.
pub fn choose(logits: &[f32], config: &GenerateConfig, draws: &mut Stream) -> Result<u32> {
    let bad = |column: usize, value: f32| Error::NotFinite {
        what: "logits",
        row: 0,
        column,
        value: f64::from(value),
    };
    let mut best = 0;
    for (i, x) in logits.iter().enumerate() {
        if x.is_nan() {
            return Err(bad(i, *x));
        }
        if *x > logits[best] {
            best = i;
        }
    }
    match logits.get(best) {
        Some(x) if x.is_finite() => {}
        Some(x) => return Err(bad(best, *x)),
        None => return Err(Error::TooFew { what: "logits", needed: 1, found: 0 }),
    }
    let id = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
    if config.temperature == 0.0 {
        return Ok(id(best));
    }
    let top = f64::from(logits[best]);
    let weight = |i: usize| ((f64::from(logits[i]) - top) / config.temperature).exp();
    let mut kept: Vec<usize> = (0..logits.len()).collect();
    let by_logit = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
    if let Some(k) = config.top_k.filter(|k| *k < kept.len()) {
        kept.select_nth_unstable_by(k - 1, by_logit);
        kept.truncate(k);
    }
    kept.sort_unstable_by(by_logit);
    let weights: Vec<f64> = kept.iter().map(|i| weight(*i)).collect();
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let enough = weights.iter().position(|w| {
        sum += w;
        sum >= config.top_p * total
    });
    let kept = &kept[..enough.map_or(kept.len(), |last| last + 1)];
    let mut left = draws.random_range(0.0..1.0) * weights[..kept.len()].iter().sum::<f64>();
    for (i, w) in kept.iter().zip(&weights) {
        left -= w;
        if left < 0.0 {
            return Ok(id(*i));
        }
    }
    Ok(id(kept[kept.len() - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(config: &GenerateConfig, logits: &[f32]) -> Vec<f64> {
        let mut draws = stream(3, "test", 0);
        let mut counts = vec![0.0; logits.len()];
        let n = 20_000;
        for _ in 0..n {
            counts[choose(logits, config, &mut draws).unwrap() as usize] += 1.0 / f64::from(n);
        }
        counts
    }

    #[test]
    fn draws_follow_the_softmax_and_its_cuts() {
        let logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.15_f32.ln(), 0.05_f32.ln()];
        let near = |config: &GenerateConfig, want: [f64; 4]| {
            let got = shares(config, &logits);
            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.015), "{got:?} {want:?}");
        };
        let plain = GenerateConfig { temperature: 1.0, ..GenerateConfig::default() };
        near(&plain, [0.5, 0.3, 0.15, 0.05]);
        near(&GenerateConfig { top_k: Some(2), ..plain.clone() }, [0.625, 0.375, 0.0, 0.0]);
        // 0.5 + 0.3 falls short of 0.81, so that the third is kept.
        near(&GenerateConfig { top_p: 0.81, ..plain.clone() }, [0.5263, 0.3158, 0.1579, 0.0]);
        let square = [0.25, 0.09, 0.0225, 0.0025].map(|x| x / 0.365);
        near(&GenerateConfig { temperature: 0.5, ..plain }, square);
        assert_eq!(shares(&GenerateConfig::default(), &logits)[0].round(), 1.0);
    }

    #[test]
    fn senseless_numbers_are_refused() {
        let d = GenerateConfig::default;
        for bad in [
            GenerateConfig { temperature: f64::NAN, ..d() },
            GenerateConfig { temperature: -1.0, ..d() },
            GenerateConfig { top_k: Some(0), ..d() },
            GenerateConfig { top_p: 0.0, ..d() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
        let mut draws = stream(0, "test", 0);
        for logits in [&[f32::NAN, 1.0][..], &[f32::NEG_INFINITY][..], &[]] {
            assert!(choose(logits, &d(), &mut draws).is_err());
        }
    }
}
