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
    /// Share of the MLPs' weight rows that a step read, whole layers included; the mean over texts, or their
    /// windows.
    pub active_fraction: f64,
}

/// Reads the first half of each text (`floor(n / 2)` tokens of n) with every neuron, then the known tokens of the second
/// half with the core neurons of the first, and gives how likely they were. The first of them is predicted by the whole
/// model, as the first token of an answer is; the last one is predicted and not read.
///
/// A text of more tokens than the context and one is read in windows of the context, each half a window after the one
/// before: every token after the first half window is scored once, by the core neurons of the half window before its own.
///
/// # Errors
/// [`Error::TooFew`] for no text; [`Error::Prompt`] for a text of fewer than two tokens; [`Error::TokenOutOfVocabulary`];
/// [`Error::NotFinite`] (row: text, column: place in it) for a model that gives NaN, or zero to what comes next; those of
/// [`CoreInferSession::prefill`].
pub fn second_halves<S: AsRef<[u32]>>(
    model: &HookedLm,
    texts: &[S],
    config: CoreConfig,
    strategy: Strategy<'_>,
) -> Result<CoreNll> {
    let (vocabulary, context) = (model.config().vocab, model.config().context);
    let (mut logprobs, mut active, mut windows) = (Vec::with_capacity(texts.len()), 0.0, 0_usize);
    for (row, text) in texts.iter().enumerate() {
        let text = text.as_ref();
        if text.len() < 2 {
            let (what, expected) = (format!("text {row}"), "at least 2".to_owned());
            return Err(Error::Prompt { what, found: text.len(), expected });
        }
        if let Some(position) = text.iter().position(|token| *token as usize >= vocabulary) {
            return Err(Error::TokenOutOfVocabulary { token: text[position], position, vocabulary });
        }
        let half = if text.len() <= context + 1 { text.len() / 2 } else { context / 2 };
        let mut found = Vec::with_capacity(text.len() - half);
        let mut begin = 0;
        while begin + half < text.len() {
            let end = if text.len() <= context + 1 { text.len() } else { text.len().min(begin + 2 * half) };
            let (ours, share) = window(model, &text[begin..end], half, config, strategy)?;
            if let Some(place) = ours.iter().position(|x| !x.is_finite()) {
                let (what, column) = ("log-probabilities", begin + half + place);
                return Err(Error::NotFinite { what, row, column, value: ours[place] });
            }
            found.extend(ours);
            active += share;
            windows += 1;
            if end == text.len() {
                break;
            }
            begin += half;
        }
        logprobs.push(found);
    }
    let nll = Nll::of(&logprobs)?;
    Ok(CoreNll { nll, active_fraction: active / windows as f64 })
}

/// `ln p` of each token after the first `half`, and the share of the weights.
fn window(
    model: &HookedLm,
    text: &[u32],
    half: usize,
    config: CoreConfig,
    strategy: Strategy<'_>,
) -> Result<(Vec<f64>, f64)> {
    let (prompt, answer) = text.split_at(half);
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
    Ok((logprobs, session.active_fraction()))
}
