//! Recurrent language models with the sites of a transformer: RWKV-4 and a character LSTM.
//!
//! Both stand behind [`LanguageModel`](crate::LanguageModel) and load from a folder of `config.json` and
//! `model.safetensors`. A sequence may go on from a state, so that a text of any length is read in pieces.
//!
//! Padding stands at the right alone: a recurrence reads from left to right, and what comes before a text would be part of
//! its state.

mod lstm;
mod rwkv;
mod source;
mod wkv;

use burn::tensor::{Int, Tensor, TensorData};
use ndarray::Array2;
use probes::Span;

pub use lstm::{CharLstm, CharLstmConfig, LstmState};
pub use rwkv::{Rwkv, RwkvConfig, RwkvState};
pub(crate) use source::config as read_config;

use crate::model::Tokens;
use crate::{Error, Result};

/// What the layers of one call share.
#[derive(Debug)]
struct Frame {
    span: Span,
    /// Tokens of each sequence without its padding.
    lengths: Vec<usize>,
}

impl Frame {
    /// Checks tokens: some, within the vocabulary, padded at the right only, and as many sequences as the state has.
    /// `before` counts the tokens that the state has read of each.
    fn new(tokens: &Tokens, vocabulary: usize, before: Option<&[usize]>) -> Result<Self> {
        let (batch, time) = tokens.ids.dim();
        if batch == 0 || time == 0 {
            return Err(Error::Prompt {
                what: "text".to_owned(),
                found: time,
                expected: "at least 1".to_owned(),
            });
        }
        if let Some((at, token)) = tokens.ids.iter().enumerate().find(|(_, t)| **t as usize >= vocabulary) {
            return Err(Error::TokenOutOfVocabulary { token: *token, position: at % time, vocabulary });
        }
        if let Some(before) = before.filter(|b| b.len() != batch) {
            return Err(Error::shape(
                "state of a recurrence",
                format!("{} sequences", before.len()),
                format!("{batch}"),
            ));
        }
        let lengths = match &tokens.valid {
            None => vec![time; batch],
            Some(valid) => valid.rows().into_iter().map(|row| row.iter().filter(|v| **v).count()).collect(),
        };
        let leading = |valid: &Array2<bool>| {
            valid.rows().into_iter().zip(&lengths).all(|(row, n)| row.iter().take(*n).all(|v| *v))
        };
        if tokens.valid.as_ref().is_some_and(|valid| !leading(valid)) {
            return Err(Error::shape(
                "padding",
                "at the right only, for a recurrence",
                "a padding token before a token",
            ));
        }
        let before = before.map_or_else(|| vec![0; batch], <[usize]>::to_vec);
        Ok(Self { span: Span::new(batch, time, before, tokens.valid.clone())?, lengths })
    }

    fn dims(&self) -> (usize, usize) {
        self.span.dims()
    }

    /// Whether some sequence ends before the others.
    fn ragged(&self) -> bool {
        self.lengths.iter().any(|n| *n != self.dims().1)
    }

    /// Of `x [batch, 1 + time, units]`, whose first row is the state before, each sequence's row after its last token:
    /// `[batch, 1, units]`.
    fn last(&self, x: Tensor<3>) -> Tensor<3> {
        let (batch, time) = self.dims();
        if !self.ragged() {
            return x.narrow(1, time, 1);
        }
        let [_, rows, units] = x.dims();
        let places: Vec<i64> = self.lengths.iter().enumerate().map(|(b, n)| (b * rows + n) as i64).collect();
        let places: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(places, [batch]), &x.device().without_autodiff());
        x.reshape([batch * rows, units]).select(0, places).reshape([batch, 1, units])
    }

    /// The counts of tokens after this call.
    fn advanced(&self, before: &[usize]) -> Vec<usize> {
        before.iter().zip(&self.lengths).map(|(b, n)| b + n).collect()
    }
}

/// Rows of an embedding `[vocabulary, units]`: `[batch, time, units]`.
fn embedded(table: Tensor<2>, ids: &Array2<u32>) -> Tensor<3> {
    let (batch, time) = ids.dim();
    let units = table.dims()[1];
    let values: Vec<i64> = ids.iter().map(|t| i64::from(*t)).collect();
    let ids: Tensor<1, Int> = Tensor::from_data(TensorData::new(values, [batch * time]), &table.device());
    table.select(0, ids).reshape([batch, time, units])
}
