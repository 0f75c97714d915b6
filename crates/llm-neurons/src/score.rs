//! How likely a model finds given texts.
//!
//! Texts go through the model in batches, padded at the right. The log-softmax is taken where the logits are, in at least
//! single precision, and one value a token comes back.
//!
//! ```no_run
//! use burn::tensor::FloatDType;
//! use llm_neurons::model::HookedLm;
//! use llm_neurons::score::{BATCH_TOKENS, mean_nll};
//! use probes::NoTaps;
//! use tensor_backend::DeviceSpec;
//!
//! let device = DeviceSpec::Cpu.open()?.device;
//! let model = HookedLm::load("model".as_ref(), FloatDType::F32, &device)?;
//! let nll = mean_nll(&model, &[[0, 17, 4, 9]], BATCH_TOKENS, &mut NoTaps)?;
//! println!("perplexity {}", nll.by_token.exp());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use probes::Taps;
use tensor_backend::bridge;

use crate::language_model::LanguageModel;
use crate::model::Tokens;
use crate::{Error, Result};

/// A number of tokens to send through a model at a time that suits most: it bounds the logits that exist at once.
pub const BATCH_TOKENS: usize = 2048;

/// Logits that exist at once: a batch of texts or windows is cut where it would have more.
pub(crate) const MOST_LOGITS: usize = 1 << 25;

/// Mean negative log-likelihood, in nats a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nll {
    /// Mean over texts of each text's mean: short texts weigh as much as long ones.
    pub by_text: f64,
    /// Mean over all predicted tokens: each token weighs the same.
    pub by_token: f64,
    /// Predicted tokens.
    pub tokens: usize,
}

impl Nll {
    /// Of log-probabilities as [`token_logprobs`] gives them.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no text, or one without a prediction.
    pub fn of(logprobs: &[Vec<f64>]) -> Result<Self> {
        let tokens = logprobs.iter().map(Vec::len).sum();
        if logprobs.is_empty() || logprobs.iter().any(Vec::is_empty) {
            return Err(Error::TooFew { what: "predicted tokens of a text", needed: 1, found: 0 });
        }
        let sums = || logprobs.iter().map(|text| -text.iter().sum::<f64>());
        let means = sums().zip(logprobs).map(|(sum, text)| sum / text.len() as f64);
        Ok(Self {
            by_text: means.sum::<f64>() / logprobs.len() as f64,
            by_token: sums().sum::<f64>() / tokens as f64,
            tokens,
        })
    }
}

/// The tokens of a text after its first, as a model predicts them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenScores {
    /// `ln p(x[t] | x[..t])` for t = 1, 2, .., in nats.
    pub logprobs: Vec<f64>,
    /// The likeliest token in each of these places, the lowest id among equals.
    pub likeliest: Vec<u32>,
}

/// `ln p(x[t] | x[..t])` for t = 1, 2, .. of each text x, in nats; the texts in their order.
///
/// At most `batch_tokens` tokens, padding among them, go through the model at a time, fewer where a vocabulary is so large
/// that their logits would be more than 2^25, and at least one text. Texts are taken by length, longest first. The last token of a text is predicted and not read: taps do not see it, and a text
/// may be one token longer than the context.
///
/// # Errors
/// [`Error::Prompt`] for a text of fewer than two tokens, or longer than the context; [`Error::TokenOutOfVocabulary`];
/// [`Error::Parameter`] for `batch_tokens = 0`; [`Error::NotFinite`] (row: text, column: place) for a model that gives
/// NaN, or zero to what comes next; else those of [`LanguageModel::read`].
pub fn token_logprobs<S: AsRef<[u32]>, T: Taps>(
    model: &impl LanguageModel,
    texts: &[S],
    batch_tokens: usize,
    taps: &mut T,
) -> Result<Vec<Vec<f64>>> {
    let scores = score(model, texts, batch_tokens, taps, false)?;
    Ok(scores.into_iter().map(|text| text.logprobs).collect())
}

/// [`token_logprobs`], and the likeliest token in each place.
///
/// # Errors
/// Those of [`token_logprobs`].
pub fn token_scores<S: AsRef<[u32]>, T: Taps>(
    model: &impl LanguageModel,
    texts: &[S],
    batch_tokens: usize,
    taps: &mut T,
) -> Result<Vec<TokenScores>> {
    score(model, texts, batch_tokens, taps, true)
}

/// Mean negative log-likelihood of texts; the exponential of one of its means is a perplexity.
///
/// # Errors
/// Those of [`token_logprobs`]; [`Error::TooFew`] for no text.
pub fn mean_nll<S: AsRef<[u32]>, T: Taps>(
    model: &impl LanguageModel,
    texts: &[S],
    batch_tokens: usize,
    taps: &mut T,
) -> Result<Nll> {
    Nll::of(&token_logprobs(model, texts, batch_tokens, taps)?)
}

/// The log-probabilities of one text of any length, which a recurrence reads in pieces of `piece` tokens.
///
/// # Errors
/// Those of [`token_logprobs`].
pub(crate) fn stream_logprobs<T: Taps>(
    model: &impl LanguageModel,
    text: &[u32],
    piece: usize,
    taps: &mut T,
) -> Result<Vec<f64>> {
    check(model, &[text])?;
    if piece == 0 {
        return Err(Error::Parameter { name: "batch_tokens", value: 0.0, expected: "at least 1" });
    }
    let mut memory = model.memory()?;
    let mut logprobs = Vec::with_capacity(text.len() - 1);
    // The last token is predicted and not read.
    for (read, next) in text[..text.len() - 1].chunks(piece).zip(text[1..].chunks(piece)) {
        let logits = model.read(&Tokens::one(read), Some(&mut memory), taps)?;
        let logits =
            logits.ok_or(Error::Missing { what: "logits: a hook stops the model before its head" })?;
        let logits = wide(logits.inner().reshape([read.len(), model.vocabulary()]));
        let targets = next.iter().map(|token| i64::from(*token)).collect();
        let device = logits.device();
        let chosen = log_softmax(logits, 1).gather(1, column(targets, &device));
        let chosen = bridge::float_array::<f64, 2>(chosen).map_err(Error::from_tensor)?;
        logprobs.extend(chosen.iter().copied());
    }
    match logprobs.iter().position(|x| !x.is_finite()) {
        Some(column) => {
            let value = logprobs[column];
            Err(Error::NotFinite { what: "log-probabilities", row: 0, column, value })
        }
        None => Ok(logprobs),
    }
}

/// Which sequences go together, longest first: at most `tokens` of them with their padding, and at least one sequence.
pub(crate) fn batches(lengths: &[usize], tokens: usize) -> Result<Vec<Vec<usize>>> {
    if tokens == 0 {
        return Err(Error::Parameter { name: "batch_tokens", value: 0.0, expected: "at least 1" });
    }
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(lengths[*i]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for i in order {
        match batches.last_mut() {
            // The first of a batch is its longest.
            Some(batch) if (batch.len() + 1).saturating_mul(lengths[batch[0]]) <= tokens => batch.push(i),
            _ => batches.push(vec![i]),
        }
    }
    Ok(batches)
}

fn score<S: AsRef<[u32]>, T: Taps>(
    model: &impl LanguageModel,
    texts: &[S],
    batch_tokens: usize,
    taps: &mut T,
    likeliest: bool,
) -> Result<Vec<TokenScores>> {
    let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
    check(model, &texts)?;
    let lengths: Vec<usize> = texts.iter().map(|text| text.len() - 1).collect();
    let batch_tokens = batch_tokens.min((MOST_LOGITS / model.vocabulary().max(1)).max(1));
    let mut scores = vec![TokenScores::default(); texts.len()];
    for batch in batches(&lengths, batch_tokens)? {
        let read: Vec<&[u32]> = batch.iter().map(|i| &texts[*i][..lengths[*i]]).collect();
        let time = read.iter().map(|text| text.len()).max().unwrap_or(0);
        let logits = model.read(&Tokens::padded(&read, false), None, taps)?;
        let logits =
            logits.ok_or(Error::Missing { what: "logits: a hook stops the model before its head" })?;
        let [rows, _, vocab] = logits.dims();
        let logits = wide(logits.inner().reshape([rows * time, vocab]));
        let best = match likeliest {
            true => Some(
                bridge::int_array::<2>(logits.clone().argmax(1).reshape([rows, time]))
                    .map_err(Error::from_tensor)?,
            ),
            false => None,
        };
        let next = |b: usize, t: usize| texts[batch[b]].get(t + 1).map_or(0, |token| i64::from(*token));
        let targets = (0..rows * time).map(|i| next(i / time, i % time)).collect();
        let chosen = log_softmax(logits.clone(), 1).gather(1, column(targets, &logits.device()));
        let chosen =
            bridge::float_array::<f64, 2>(chosen.reshape([rows, time])).map_err(Error::from_tensor)?;
        for (b, i) in batch.into_iter().enumerate() {
            let logprobs: Vec<f64> = chosen.row(b).iter().take(lengths[i]).copied().collect();
            if let Some(column) = logprobs.iter().position(|x| !x.is_finite()) {
                let value = logprobs[column];
                return Err(Error::NotFinite { what: "log-probabilities", row: i, column, value });
            }
            let likeliest = best.as_ref().map_or_else(Vec::new, |best| {
                // An index into the vocabulary, whose size fits.
                best.row(b).iter().take(lengths[i]).map(|id| u32::try_from(*id).unwrap_or(u32::MAX)).collect()
            });
            scores[i] = TokenScores { logprobs, likeliest };
        }
    }
    Ok(scores)
}

/// What the forward pass does not see: texts of one token, and the last tokens.
fn check(model: &impl LanguageModel, texts: &[&[u32]]) -> Result<()> {
    let (vocabulary, context) = (model.vocabulary(), model.context());
    for (i, text) in texts.iter().enumerate() {
        if text.len() < 2 || context.is_some_and(|most| text.len() > most + 1) {
            let expected =
                context.map_or_else(|| "at least 2".to_owned(), |most| format!("from 2 to {}", most + 1));
            return Err(Error::Prompt { what: format!("text {i}"), found: text.len(), expected });
        }
        if let Some(position) = text.iter().position(|token| *token as usize >= vocabulary) {
            return Err(Error::TokenOutOfVocabulary { token: text[position], position, vocabulary });
        }
    }
    Ok(())
}

/// In at least single precision.
pub(crate) fn wide(x: Tensor<2>) -> Tensor<2> {
    match x.dtype() {
        DType::F32 | DType::F64 => x,
        _ => x.cast(FloatDType::F32),
    }
}

fn column(values: Vec<i64>, device: &Device) -> Tensor<2, Int> {
    let rows = values.len();
    Tensor::from_data(TensorData::new(values, [rows, 1]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_sequence_once_and_keep_to_the_budget() {
        let lengths = [3, 9, 3, 1, 12, 4];
        let found = batches(&lengths, 12).unwrap();
        assert_eq!(found, [vec![4], vec![1], vec![5, 0, 2], vec![3]]);
        assert_eq!(batches(&lengths, 1).unwrap().len(), 6, "one sequence at least");
        assert!(batches(&lengths, 0).is_err());
        assert!(batches(&[], 5).unwrap().is_empty());
    }

    #[test]
    fn short_texts_weigh_as_much_by_text_and_less_by_token() {
        let nll = Nll::of(&[vec![-1.0], vec![-2.0, -4.0, -6.0]]).unwrap();
        assert_eq!((nll.by_text, nll.by_token, nll.tokens), (2.5, 3.25, 4));
        assert!(Nll::of(&[]).is_err() && Nll::of(&[vec![]]).is_err());
    }
}
