//! What membership inference asks of a language model.

use crate::{Error, Result};

/// A stretch of a document in which some tokens are to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenWindow<'a> {
    /// The tokens, between 2 and [`TokenScorer::longest_context`] of them. The first has no prediction.
    pub ids: &'a [u32],
    /// The first position that is to be scored, at least 1 and below the window's length; the tokens before it are context
    /// alone.
    pub from: usize,
}

impl TokenWindow<'_> {
    /// How many positions are to be scored: `ids.len() - from`.
    #[must_use]
    pub fn scored(&self) -> usize {
        self.ids.len().saturating_sub(self.from)
    }
}

/// What the model said of one window, one value for each position `from..`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WindowScores {
    /// `-ln p` of the true token, in nats; infinite where the model gave it no probability at all.
    pub nll: Vec<f32>,
    /// The largest probability at the position.
    pub pmax: Vec<f32>,
}

/// A language model as a black box.
///
/// An implementation computes the logits of a batch of windows, takes their softmax in `f32` or better, and reduces it at
/// once: to the two numbers of [`WindowScores`] and to a sum over positions. Nothing of the size of
/// `[batch, positions, vocabulary]` needs to outlive one batch.
pub trait TokenScorer {
    /// Number of token ids; every id is below it.
    fn vocabulary(&self) -> usize;

    /// The most tokens that a window may have, the first one counted.
    fn longest_context(&self) -> usize;

    /// Scores a batch of windows, in their order. Windows share no context: each begins anew.
    ///
    /// With `probability_sum` (`[vocabulary]`) the softmax of every scored position is added to it.
    ///
    /// # Errors
    /// The implementation's; what the caller checks already ([`TokenWindow`]'s bounds, ids below the vocabulary) need not
    /// be checked again.
    fn score(
        &self,
        windows: &[TokenWindow<'_>],
        probability_sum: Option<&mut [f64]>,
    ) -> Result<Vec<WindowScores>>;
}

/// Scores `windows` and holds the answer against what was asked.
pub(super) fn ask(
    scorer: &dyn TokenScorer,
    windows: &[TokenWindow<'_>],
    probability_sum: Option<&mut [f64]>,
) -> Result<Vec<WindowScores>> {
    let answers = scorer.score(windows, probability_sum)?;
    if answers.len() != windows.len() {
        return Err(Error::Shape {
            what: "answers of a token scorer",
            expected: format!("{} windows", windows.len()),
            found: answers.len().to_string(),
        });
    }
    for (window, answer) in windows.iter().zip(&answers) {
        if answer.nll.len() != window.scored() || answer.pmax.len() != window.scored() {
            return Err(Error::Shape {
                what: "answer of a token scorer",
                expected: format!("{} positions", window.scored()),
                found: format!("{} losses and {} largest probabilities", answer.nll.len(), answer.pmax.len()),
            });
        }
    }
    Ok(answers)
}

/// Refuses ids that the vocabulary does not have.
pub(super) fn check_ids(ids: &[u32], vocabulary: usize) -> Result<()> {
    match ids.iter().position(|id| *id as usize >= vocabulary) {
        Some(position) => Err(Error::TokenOutOfVocabulary { token: ids[position], position, vocabulary }),
        None => Ok(()),
    }
}
