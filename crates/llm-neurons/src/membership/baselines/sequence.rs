//! The sequence-level numbers of a document's windows.

use super::neighbours::{MaskedModel, neighbours};
use super::{Baseline, MIN_K_PERCENT, ln_perplexity, lowercase, min_k, neighbourhood, reference, zlib};
use crate::membership::query::QueryConfig;
use crate::membership::scorer::{TokenScorer, TokenWindow, ask, check_ids};
use crate::{Error, Result};

/// Text from token ids and back.
pub trait TextCodec {
    /// The text of these tokens.
    ///
    /// # Errors
    /// The implementation's.
    fn decode(&self, ids: &[u32]) -> Result<String>;

    /// The tokens of this text.
    ///
    /// # Errors
    /// The implementation's.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;
}

/// How sequences are cut and scored.
///
/// | parameter | default | source |
/// |---|---|---|
/// | `tokens` | 128 | published code |
/// | `stride` | `tokens - 1` | published code |
/// | `min_k_percent` | 5, 10, 20, 30, 40, 50, 60 | published code |
/// | `neighbours` | 50 | published code |
/// | `candidates` | 10 | published code |
/// | `batch` | 32 windows | ours |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceConfig {
    /// Tokens of a window.
    pub tokens: usize,
    /// From one window's beginning to the next; `tokens - 1` without one. Any stride of at least 1.
    pub stride: Option<usize>,
    /// Percentages of min-k %.
    pub min_k_percent: Vec<u32>,
    /// Neighbours of a text.
    pub neighbours: usize,
    /// Candidates of the masked model for a word.
    pub candidates: usize,
    /// Windows in one call of a model.
    pub batch: usize,
}

impl Default for SequenceConfig {
    fn default() -> Self {
        Self {
            tokens: 128,
            stride: None,
            min_k_percent: MIN_K_PERCENT.to_vec(),
            neighbours: 50,
            candidates: 10,
            batch: 32,
        }
    }
}

/// The model that losses are held against.
#[derive(Clone, Copy)]
pub struct Reference<'a> {
    /// The model.
    pub scorer: &'a dyn TokenScorer,
    /// Its own tokens, where they are not those of the model under attack.
    pub codec: Option<&'a dyn TextCodec>,
}

/// Every sequence-level attack for which there is what it needs.
#[derive(Clone, Copy)]
pub struct SequenceAttack<'a> {
    /// The model under attack.
    pub target: &'a dyn TokenScorer,
    /// Its tokenizer; lowercase, zlib and neighbourhood need it.
    pub codec: Option<&'a dyn TextCodec>,
    /// For the reference attack.
    pub reference: Option<Reference<'a>>,
    /// For the neighbourhood attack.
    pub masked: Option<&'a dyn MaskedModel>,
}

/// What the attacks say of one window, or on average of one document; the table in [`super`] says what each number is.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceScores {
    /// Where the window begins; 0 for a document.
    pub begin: usize,
    /// The mean loss, the logarithm of perplexity.
    pub ln_perplexity: f64,
    /// Beside the reference model.
    pub reference: Option<f64>,
    /// Beside the lower case.
    pub lowercase: Option<f64>,
    /// Beside the compressed length.
    pub zlib: Option<f64>,
    /// For each percentage.
    pub min_k: Vec<(u32, f64)>,
    /// Beside its neighbours.
    pub neighbourhood: Option<f64>,
}

impl SequenceScores {
    /// One of the numbers, where it is there.
    #[must_use]
    pub fn get(&self, baseline: Baseline) -> Option<f64> {
        match baseline {
            Baseline::Perplexity => Some(self.ln_perplexity),
            Baseline::Reference => self.reference,
            Baseline::Lowercase => self.lowercase,
            Baseline::Zlib => self.zlib,
            Baseline::Neighbourhood => self.neighbourhood,
            Baseline::MinK(percent) => self.min_k.iter().find(|(k, _)| *k == percent).map(|(_, v)| *v),
        }
    }
}

impl SequenceAttack<'_> {
    /// The numbers of each whole window of a document.
    ///
    /// # Errors
    /// [`Error::TooFew`] for a document shorter than one window or percentages that are no whole token,
    /// [`Error::Parameter`] for windows below 2 tokens, beyond the model's context, or a stride of 0,
    /// [`Error::TokenOutOfVocabulary`], and those of the models and the tokenizer.
    pub fn score_document(&self, ids: &[u32], config: &SequenceConfig) -> Result<Vec<SequenceScores>> {
        let stride = config.stride.unwrap_or_else(|| config.tokens.saturating_sub(1));
        for (name, value, holds, expected) in [
            ("tokens", config.tokens, config.tokens >= 2, "at least 2"),
            (
                "tokens",
                config.tokens,
                config.tokens <= self.target.longest_context(),
                "within the model's context",
            ),
            ("stride", stride, stride > 0, "at least 1"),
            ("batch", config.batch, config.batch > 0, "at least 1 window"),
        ] {
            if !holds {
                return Err(Error::Parameter { name, value: value as f64, expected });
            }
        }
        check_ids(ids, self.target.vocabulary())?;
        if ids.len() < config.tokens {
            return Err(Error::TooFew {
                what: "tokens of a sequence",
                needed: config.tokens,
                found: ids.len(),
            });
        }
        (0..=ids.len() - config.tokens)
            .step_by(stride)
            .map(|begin| self.score_window(begin, &ids[begin..begin + config.tokens], config))
            .collect()
    }

    fn score_window(&self, begin: usize, ids: &[u32], config: &SequenceConfig) -> Result<SequenceScores> {
        let losses = |texts: &[Vec<u32>]| token_losses(self.target, texts, config.batch);
        let own = one(losses(&[ids.to_vec()])?)?;
        let mut scores = SequenceScores {
            begin,
            ln_perplexity: ln_perplexity(&own)?,
            reference: None,
            lowercase: None,
            zlib: None,
            min_k: Vec::with_capacity(config.min_k_percent.len()),
            neighbourhood: None,
        };
        for percent in &config.min_k_percent {
            scores.min_k.push((*percent, min_k(&own, *percent)?));
        }
        let text = self.codec.map(|codec| codec.decode(ids)).transpose()?;
        if let Some(Reference { scorer, codec }) = self.reference {
            let theirs = match (codec, &text) {
                (None, _) => ids.to_vec(),
                (Some(codec), Some(text)) => codec.encode(text)?,
                (Some(_), None) => {
                    return Err(Error::Missing { what: "tokenizer of the model under attack" });
                }
            };
            scores.reference = Some(reference(&own, &one(token_losses(scorer, &[theirs], config.batch)?)?)?);
        }
        let Some((codec, text)) = self.codec.zip(text) else {
            return match self.masked {
                Some(_) => Err(Error::Missing { what: "tokenizer of the model under attack" }),
                None => Ok(scores),
            };
        };
        scores.zlib = Some(zlib(&own, &text)?);
        scores.lowercase = Some(lowercase(&own, &one(losses(&[codec.encode(&text.to_lowercase())?])?)?)?);
        if let Some(masked) = self.masked {
            let texts = neighbours(masked, &text, config.neighbours, config.candidates)?
                .iter()
                .map(|text| codec.encode(text))
                .collect::<Result<Vec<Vec<u32>>>>()?;
            scores.neighbourhood = Some(neighbourhood(&own, &losses(&texts)?)?);
        }
        Ok(scores)
    }
}

/// The mean of each number over a document's windows.
///
/// # Errors
/// [`Error::TooFew`] without a window, [`Error::Missing`] where windows do not have the same numbers.
pub fn document_mean(windows: &[SequenceScores]) -> Result<SequenceScores> {
    let [first, ..] = windows else {
        return Err(Error::TooFew { what: "windows of a document", needed: 1, found: 0 });
    };
    let mean = |baseline: Baseline| -> Result<Option<f64>> {
        if first.get(baseline).is_none() {
            return Ok(None);
        }
        let numbers = windows
            .iter()
            .map(|w| w.get(baseline).ok_or(Error::Missing { what: "number of a window" }))
            .collect::<Result<Vec<f64>>>()?;
        Ok(Some(numbers.iter().sum::<f64>() / numbers.len() as f64))
    };
    let min_k = first
        .min_k
        .iter()
        .map(|(k, v)| Ok((*k, mean(Baseline::MinK(*k))?.unwrap_or(*v))))
        .collect::<Result<Vec<(u32, f64)>>>()?;
    Ok(SequenceScores {
        begin: 0,
        ln_perplexity: mean(Baseline::Perplexity)?.unwrap_or(first.ln_perplexity),
        reference: mean(Baseline::Reference)?,
        lowercase: mean(Baseline::Lowercase)?,
        zlib: mean(Baseline::Zlib)?,
        min_k,
        neighbourhood: mean(Baseline::Neighbourhood)?,
    })
}

/// The losses of each text, all texts' windows in common batches. A text longer than the model's context is scored in
/// several windows.
fn token_losses(scorer: &dyn TokenScorer, texts: &[Vec<u32>], batch: usize) -> Result<Vec<Vec<f32>>> {
    let longest = texts.iter().map(Vec::len).max().unwrap_or(0).max(2);
    let config = QueryConfig { context: scorer.longest_context().min(longest), ..QueryConfig::default() };
    let mut windows: Vec<(usize, TokenWindow<'_>)> = Vec::new();
    for (text, ids) in texts.iter().enumerate() {
        check_ids(ids, scorer.vocabulary())?;
        windows.extend(config.windows(ids)?.map(|window| (text, window)));
    }
    let mut losses = vec![Vec::new(); texts.len()];
    for some in windows.chunks(batch) {
        let asked: Vec<TokenWindow<'_>> = some.iter().map(|(_, window)| *window).collect();
        for ((text, _), answer) in some.iter().zip(ask(scorer, &asked, None)?) {
            losses[*text].extend(answer.nll);
        }
    }
    Ok(losses)
}

fn one(mut losses: Vec<Vec<f32>>) -> Result<Vec<f32>> {
    losses.pop().ok_or(Error::TooFew { what: "texts", needed: 1, found: 0 })
}
