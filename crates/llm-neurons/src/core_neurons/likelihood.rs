//! How likely a text is to a model that reads its first half and goes on with the core neurons of that.

use tensor_backend::bridge::float_array;

use super::agreement::surprise;
use super::{CoreConfig, CoreInferSession, Strategy};
use crate::model::HookedLm;
use crate::score::Nll;
use crate::{Error, Result};

/// Mean negative log-likelihood of second halves, and with how much of the model it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CoreNll {
    /// Of the tokens of the second halves.
    pub nll: Nll,
    /// Share of the MLPs' weight rows that a step read, whole layers included; the mean over texts.
    pub active_fraction: f64,
}

/// Reads the first half of each text (`floor(n / 2)` tokens of n) with every neuron, then the known tokens of the second
/// half with the core neurons of the first, and gives how likely they were. The first of them is predicted by the whole
/// model, as the first token of an answer is; the last one is predicted and not read, so that a text may be one token
/// longer than the context.
///
/// # Errors
/// [`Error::TooFew`] for no text; [`Error::Prompt`] for a text of fewer than two tokens, or longer than the context and
/// one; [`Error::TokenOutOfVocabulary`]; [`Error::NotFinite`] (row: text, column: place in it) for a model that gives NaN, or
/// zero to what comes next; those of [`CoreInferSession::prefill`].
pub fn second_halves<S: AsRef<[u32]>>(
    model: &HookedLm,
    texts: &[S],
    config: CoreConfig,
    strategy: Strategy<'_>,
) -> Result<CoreNll> {
    let (mut logprobs, mut active) = (Vec::with_capacity(texts.len()), 0.0);
    for (row, text) in texts.iter().enumerate() {
        let (found, share) = second_half(model, row, text.as_ref(), config, strategy)?;
        logprobs.push(found);
        active += share;
    }
    let nll = Nll::of(&logprobs)?;
    Ok(CoreNll { nll, active_fraction: active / texts.len() as f64 })
}

/// `ln p` of each token of a second half, and the share of the weights.
fn second_half(
    model: &HookedLm,
    row: usize,
    text: &[u32],
    config: CoreConfig,
    strategy: Strategy<'_>,
) -> Result<(Vec<f64>, f64)> {
    let (vocabulary, context) = (model.config().vocab, model.config().context);
    if text.len() < 2 || text.len() > context + 1 {
        return Err(Error::Prompt {
            what: format!("text {row}"),
            found: text.len(),
            expected: format!("from 2 to {}", context + 1),
        });
    }
    if let Some(position) = text.iter().position(|token| *token as usize >= vocabulary) {
        return Err(Error::TokenOutOfVocabulary { token: text[position], position, vocabulary });
    }
    let (prompt, answer) = text.split_at(text.len() / 2);
    let mut session = CoreInferSession::prefill(model, prompt, text.len() - 1, config, strategy)?;
    let mut logprobs = Vec::with_capacity(answer.len());
    let first = float_array::<f32, 1>(session.next_logits()).map_err(Error::from_tensor)?;
    logprobs.push(-surprise(first.view(), answer[0] as usize));
    if answer.len() > 1 {
        let logits = float_array::<f32, 2>(session.decode(&answer[..answer.len() - 1])?);
        let logits = logits.map_err(Error::from_tensor)?;
        let pairs = logits.outer_iter().zip(&answer[1..]);
        logprobs.extend(pairs.map(|(logits, token)| -surprise(logits, *token as usize)));
    }
    match logprobs.iter().position(|x| !x.is_finite()) {
        None => Ok((logprobs, session.active_fraction())),
        Some(place) => {
            let (what, column, value) = ("log-probabilities", prompt.len() + place, logprobs[place]);
            Err(Error::NotFinite { what, row, column, value })
        }
    }
}
