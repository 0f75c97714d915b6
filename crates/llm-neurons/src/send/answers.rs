//! Sampled answers to prompts, and how far they lie apart.

use ndarray::{Array2, Axis};
use probes::Taps;
use serde::{Deserialize, Serialize};

use super::embedding::{EmbeddingLayer, SentenceEmbedding, sentence_embeddings};
use crate::generate::{GenerateConfig, Generation, generate, sample_continuations};
use crate::model::HookedLm;
use crate::score::BATCH_TOKENS;
use crate::{EigenScoreConvention, Error, Result, eigenscore};

/// How answers are sampled and embedded. Defaults are INSIDE's sampling and SenD's embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleConfig {
    /// Answers to a prompt, K (10).
    pub samples: usize,
    /// Most tokens of an answer (128).
    pub max_new_tokens: usize,
    /// Logits are divided by it (0.5).
    pub temperature: f64,
    /// Among the likeliest tokens (5).
    pub top_k: Option<usize>,
    /// Among the likeliest tokens whose probabilities reach it (0.99).
    pub top_p: f64,
    /// Tokens that end an answer (none).
    pub stop: Vec<u32>,
    /// What stands for an answer; prompt and answer are read together.
    pub embedding: SentenceEmbedding,
    /// Of which layer.
    pub layer: EmbeddingLayer,
    /// Which covariance and logarithm (row-centred over D - 1, natural).
    pub convention: EigenScoreConvention,
    /// The covariance's regulariser (1e-3).
    pub alpha: f64,
    /// Seed of the draws; each answer has a stream of its own (0).
    pub seed: u64,
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self {
            samples: 10,
            max_new_tokens: 128,
            temperature: 0.5,
            top_k: Some(5),
            top_p: 0.99,
            stop: Vec::new(),
            embedding: SentenceEmbedding::default(),
            layer: EmbeddingLayer::default(),
            convention: EigenScoreConvention::InsideCodeLn,
            alpha: 1e-3,
            seed: 0,
        }
    }
}

/// The answers to one prompt.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answers {
    /// The tokens of each, without the prompt.
    pub tokens: Vec<Vec<u32>>,
    /// Their embeddings `[answers, units]`.
    pub embeddings: Array2<f64>,
}

impl SampleConfig {
    /// Whether the figures make sense.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than two answers or no token; [`Error::Parameter`] for the rest.
    pub fn validate(&self) -> Result<()> {
        if self.samples < 2 {
            return Err(Error::TooFew { what: "answers", needed: 2, found: self.samples });
        }
        if self.max_new_tokens == 0 {
            return Err(Error::TooFew { what: "tokens of an answer", needed: 1, found: 0 });
        }
        if self.temperature == 0.0 {
            let expected = "above 0: the likeliest answers are all the same";
            return Err(Error::Parameter { name: "temperature", value: 0.0, expected });
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Err(Error::Parameter { name: "alpha", value: self.alpha, expected: "a positive number" });
        }
        self.generation().validate()
    }

    fn generation(&self) -> GenerateConfig {
        GenerateConfig {
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            seed: self.seed,
            stop: self.stop.clone(),
        }
    }
}

/// Samples the answers to several prompts, all in one batch, and embeds them, with the taps in place for both.
///
/// # Errors
/// Those of [`SampleConfig::validate`], [`generate`] and [`sentence_embeddings`].
pub fn sample_answers<S: AsRef<[u32]>, T: Taps>(
    model: &HookedLm,
    prompts: &[S],
    config: &SampleConfig,
    taps: &mut T,
) -> Result<Vec<Answers>> {
    config.validate()?;
    let k = config.samples;
    let found: Generation = match prompts {
        // One prompt is read once.
        [one] => sample_continuations(model, one.as_ref(), k, &config.generation(), taps)?,
        _ => {
            let repeated: Vec<&[u32]> =
                prompts.iter().flat_map(|p| std::iter::repeat_n(p.as_ref(), k)).collect();
            generate(model, &repeated, &config.generation(), taps)?
        }
    };
    let whole: Vec<Vec<u32>> =
        found.tokens.iter().enumerate().map(|(i, new)| [prompts[i / k].as_ref(), new].concat()).collect();
    let rows = sentence_embeddings(model, &whole, config.embedding, config.layer, BATCH_TOKENS, taps)?;
    let tokens = found.tokens.chunks(k).zip(rows.axis_chunks_iter(Axis(0), k));
    Ok(tokens
        .map(|(tokens, rows)| Answers { tokens: tokens.to_vec(), embeddings: rows.to_owned() })
        .collect())
}

/// EigenScore of the answers that a model samples to a prompt: high where they disagree.
///
/// # Errors
/// Those of [`sample_answers`] and [`eigenscore()`].
pub fn answers_eigenscore<T: Taps>(
    model: &HookedLm,
    prompt: &[u32],
    config: &SampleConfig,
    taps: &mut T,
) -> Result<f64> {
    let answers = sample_answers(model, &[prompt], config, taps)?;
    let first = answers.first().ok_or(Error::TooFew { what: "prompts", needed: 1, found: 0 })?;
    eigenscore(&first.embeddings.view(), config.convention, config.alpha)
}
