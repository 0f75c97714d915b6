//! What one step learns from.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};
use ndarray::{Array2, Axis};
use numerics::rng::stream;
use probes::Taps;
use rand::RngExt;
use tensor_backend::bridge;

use crate::model::{Forward, HookedLm, Tokens};
use crate::{Error, Result};

/// Token ids `[sequences, tokens]` and which of them are to be predicted from those before.
#[derive(Debug, Clone, PartialEq)]
pub struct LmBatch {
    /// All tokens but each sequence's last column.
    read: Tokens,
    /// The token that follows each that is read, `[sequences, tokens - 1]`.
    targets: Array2<u32>,
    /// Which of these count.
    counted: Array2<bool>,
}

impl LmBatch {
    /// Sequences of one length; every token but the first is predicted.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no sequence, or sequences of fewer than two tokens.
    pub fn windows(ids: &Array2<u32>) -> Result<Self> {
        let counted = Array2::from_elem((ids.nrows(), ids.ncols().saturating_sub(1)), true);
        Self::new(ids, counted, None)
    }

    /// Whole texts, shorter ones padded at the right; every token of a text but its first is predicted.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no text, or a text of fewer than two tokens.
    pub fn texts<S: AsRef<[u32]>>(texts: &[S]) -> Result<Self> {
        Self::endings(texts, &vec![1; texts.len()])
    }

    /// Whole texts, of which only the tokens from `first[i]` on are predicted, such as the answer after a prompt.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no text, or one without a token to predict; [`Error::Mismatch`] for another number of
    /// `first`; [`Error::Parameter`] for `first` of 0: nothing stands before that token.
    pub fn endings<S: AsRef<[u32]>>(texts: &[S], first: &[usize]) -> Result<Self> {
        let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
        if first.len() != texts.len() {
            return Err(Error::Mismatch {
                what: "first predicted tokens",
                expected: format!("{}, one a text", texts.len()),
                found: first.len().to_string(),
            });
        }
        if first.contains(&0) {
            return Err(Error::Parameter { name: "first", value: 0.0, expected: "at least 1" });
        }
        if let Some((text, first)) = texts.iter().zip(first).find(|(text, first)| text.len() <= **first) {
            return Err(Error::TooFew { what: "tokens of a text", needed: first + 1, found: text.len() });
        }
        let time = texts.iter().map(|t| t.len()).max().unwrap_or(0);
        let ids = Array2::from_shape_fn((texts.len(), time), |(b, t)| texts[b].get(t).copied().unwrap_or(0));
        let shape = (texts.len(), time.saturating_sub(1));
        let counted = Array2::from_shape_fn(shape, |(b, t)| t + 1 >= first[b] && t + 1 < texts[b].len());
        // The last token of a text is predicted and not read, and so is what follows it.
        let valid = Array2::from_shape_fn(shape, |(b, t)| t + 1 < texts[b].len());
        Self::new(&ids, counted, valid.iter().any(|v| !v).then_some(valid))
    }

    /// `count` windows of `window` tokens at random places of a stream, the draws of `step`.
    ///
    /// # Errors
    /// [`Error::TooFew`] for a stream shorter than a window; those of [`LmBatch::windows`].
    pub fn draw(tokens: &[u32], count: usize, window: usize, seed: u64, step: u64) -> Result<Self> {
        if tokens.len() < window {
            return Err(Error::TooFew { what: "tokens of the text", needed: window, found: tokens.len() });
        }
        let mut draws = stream(seed, "llm.training.windows", step);
        let starts: Vec<usize> = (0..count).map(|_| draws.random_range(0..=tokens.len() - window)).collect();
        Self::windows(&Array2::from_shape_fn((count, window), |(b, t)| tokens[starts[b] + t]))
    }

    /// Tokens that are predicted.
    #[must_use]
    pub fn predicted(&self) -> usize {
        self.counted.iter().filter(|c| **c).count()
    }

    fn new(ids: &Array2<u32>, counted: Array2<bool>, valid: Option<Array2<bool>>) -> Result<Self> {
        if !counted.iter().any(|c| *c) {
            return Err(Error::TooFew { what: "tokens to predict", needed: 1, found: 0 });
        }
        let time = ids.ncols() - 1;
        let read = ids.slice_axis(Axis(1), (0..time).into()).to_owned();
        let read = match valid {
            Some(valid) => Tokens::masked(read, valid)?,
            None => Tokens::new(read),
        };
        Ok(Self { read, targets: ids.slice_axis(Axis(1), (1..).into()).to_owned(), counted })
    }
}

/// Mean cross-entropy in nats over the tokens that a batch predicts, `[1]`: `-mean ln p(x[t] | x[..t])`. It may be
/// differentiated, through the edits of `taps` too.
///
/// # Errors
/// Those of [`HookedLm::forward`]; [`Error::TokenOutOfVocabulary`]; [`Error::Missing`] when a hook stops the model before
/// its head.
pub fn next_token_loss<T: Taps>(model: &HookedLm, batch: &LmBatch, taps: &mut T) -> Result<Tensor<1>> {
    let vocabulary = model.config().vocab;
    let (rows, time) = batch.targets.dim();
    if let Some((at, token)) =
        batch.targets.iter().enumerate().find(|(i, t)| counted(batch, *i) && **t as usize >= vocabulary)
    {
        return Err(Error::TokenOutOfVocabulary { token: *token, position: at % time + 1, vocabulary });
    }
    let logits = model.forward(&batch.read, Forward::default(), taps)?;
    let logits = logits.ok_or(Error::Missing { what: "logits: a hook stops the model before its head" })?;
    let logits = logits.reshape([rows * time, vocabulary]);
    let (logits, dtype) = match logits.dtype() {
        DType::F64 => (logits, FloatDType::F64),
        DType::F32 => (logits, FloatDType::F32),
        _ => (logits.cast(FloatDType::F32), FloatDType::F32),
    };
    let chosen = |(i, token): (usize, &u32)| if counted(batch, i) { i64::from(*token) } else { 0 };
    let targets: Vec<i64> = batch.targets.iter().enumerate().map(chosen).collect();
    let targets: Tensor<2, Int> =
        Tensor::from_data(TensorData::new(targets, [rows * time, 1]), &logits.device());
    let found = log_softmax(logits, 1).gather(1, targets);
    let predicted = batch.predicted();
    if predicted == rows * time {
        return Ok(found.mean().neg());
    }
    // What does not count weighs nothing.
    let share = -1.0 / predicted as f64;
    let weights =
        Array2::from_shape_fn((rows * time, 1), |(i, _)| if counted(batch, i) { share } else { 0.0 });
    let weights: Tensor<2> = bridge::float_tensor(weights.view(), dtype, &found.device().without_autodiff())?;
    let weights = if found.is_autodiff() { weights.autodiff() } else { weights };
    Ok((found * weights).sum())
}

fn counted(batch: &LmBatch, i: usize) -> bool {
    let time = batch.counted.ncols();
    batch.counted[[i / time, i % time]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_lie_in_the_stream_and_depend_on_seed_and_step_alone() {
        let tokens: Vec<u32> = (0..50).collect();
        let draw = |seed, step| LmBatch::draw(&tokens, 6, 9, seed, step).unwrap();
        assert_eq!(draw(3, 4), draw(3, 4));
        assert!(draw(3, 4) != draw(3, 5) && draw(3, 4) != draw(4, 4));
        let batch = draw(1, 1);
        assert_eq!((batch.targets.dim(), batch.predicted()), ((6, 8), 48));
        assert!(batch.read.ids.iter().zip(&batch.targets).all(|(a, b)| a + 1 == *b));
        // A stream of one window has one place for it.
        assert!(LmBatch::draw(&tokens, 2, 50, 0, 0).is_ok());
        assert!(matches!(LmBatch::draw(&tokens, 2, 51, 0, 0), Err(Error::TooFew { .. })));
    }

    #[test]
    fn padding_and_prompts_do_not_count() {
        let texts = [vec![5, 6, 7, 8], vec![1, 2]];
        let whole = LmBatch::texts(&texts).unwrap();
        assert_eq!(whole.counted, ndarray::arr2(&[[true, true, true], [true, false, false]]));
        assert_eq!(whole.read.valid.as_ref().unwrap(), &whole.counted);
        let endings = LmBatch::endings(&texts, &[3, 1]).unwrap();
        assert_eq!(endings.counted, ndarray::arr2(&[[false, false, true], [true, false, false]]));
        assert_eq!(endings.targets, ndarray::arr2(&[[6, 7, 8], [2, 0, 0]]));
        for bad in [
            LmBatch::texts(&[vec![1_u32]]),
            LmBatch::texts::<Vec<u32>>(&[]),
            LmBatch::endings(&texts, &[1]),
            LmBatch::endings(&texts, &[0, 1]),
            LmBatch::endings(&texts, &[4, 1]),
            LmBatch::windows(&Array2::zeros((0, 4))),
            LmBatch::windows(&Array2::zeros((2, 1))),
            LmBatch::windows(&Array2::zeros((2, 0))),
        ] {
            assert!(bad.is_err());
        }
    }
}
