//! One vector for a text.

use burn::tensor::{DType, FloatDType, Tensor};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};
use probes::{Span, Taps};
use recordings::Site;
use serde::{Deserialize, Serialize};
use tensor_backend::bridge;

use crate::finite::finite;
use crate::model::{Forward, Head, HookedLm, Tokens};
use crate::score::batches;
use crate::{Error, Result};

/// How the units of a text's tokens become those of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SentenceEmbedding {
    /// Half the mean over the tokens and half the last token (the paper's definition 3.1).
    #[default]
    MeanLast,
    /// The last token (INSIDE).
    LastToken,
    /// The last token but one (the published code's SLT).
    SecondToLast,
    /// The mean over the tokens.
    Mean,
}

/// Of which layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EmbeddingLayer {
    /// What the last block reads: `hidden_states[-2]` of Hugging Face.
    #[default]
    Penultimate,
    /// `hidden_states[(layers + 1) / 2]` (INSIDE).
    Middle,
}

impl SentenceEmbedding {
    /// The weights of a text's tokens, which sum to 1.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no token, or one where the last but one is asked for.
    pub fn weights(self, tokens: usize) -> Result<Vec<f64>> {
        let needed = if self == Self::SecondToLast { 2 } else { 1 };
        if tokens < needed {
            return Err(Error::TooFew { what: "tokens of a text that is embedded", needed, found: tokens });
        }
        let each = match self {
            Self::MeanLast => 0.5 / tokens as f64,
            Self::Mean => 1.0 / tokens as f64,
            Self::LastToken | Self::SecondToLast => 0.0,
        };
        let mut weights = vec![each; tokens];
        match self {
            Self::MeanLast => weights[tokens - 1] += 0.5,
            Self::LastToken => weights[tokens - 1] = 1.0,
            Self::SecondToLast => weights[tokens - 2] = 1.0,
            Self::Mean => {}
        }
        Ok(weights)
    }

    /// The embedding of a text's hidden states `[tokens, units]`.
    ///
    /// # Errors
    /// Those of [`SentenceEmbedding::weights`]; [`Error::NotFinite`].
    pub fn of(self, hidden: &ArrayView2<'_, f64>) -> Result<Array1<f64>> {
        finite("hidden states", hidden)?;
        Ok(Array1::from(self.weights(hidden.nrows())?).dot(hidden))
    }
}

impl EmbeddingLayer {
    /// Where a model of this many blocks has it.
    #[must_use]
    pub fn site(self, layers: usize) -> Site {
        let entry = match self {
            Self::Penultimate => layers.saturating_sub(1),
            Self::Middle => layers.div_ceil(2),
        };
        match entry {
            // Hugging Face's last entry is the final norm's output.
            _ if entry == layers => Site::FinalNorm,
            0 => Site::Embed,
            _ => Site::ResidPost(entry - 1),
        }
    }
}

/// The embeddings `[texts, units]` of texts, with the taps in place. At most `batch_tokens` tokens go through the model at
/// a time, padding among them, and no further than the layer; the weighted sum is taken where the tensors are.
///
/// # Errors
/// Those of [`SentenceEmbedding::weights`]; [`Error::NotFinite`] (row: text, column: unit); [`Error::TooFew`] for no text;
/// [`Error::Missing`] when a hook stops the model before the layer; [`Error::Parameter`] for `batch_tokens = 0`; those of
/// [`HookedLm::forward`].
pub fn sentence_embeddings<S: AsRef<[u32]>, T: Taps>(
    model: &HookedLm,
    texts: &[S],
    embedding: SentenceEmbedding,
    layer: EmbeddingLayer,
    batch_tokens: usize,
    taps: &mut T,
) -> Result<Array2<f64>> {
    let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
    if texts.is_empty() {
        return Err(Error::TooFew { what: "texts", needed: 1, found: 0 });
    }
    let lengths: Vec<usize> = texts.iter().map(|t| t.len()).collect();
    let weights = lengths.iter().map(|n| embedding.weights(*n)).collect::<Result<Vec<Vec<f64>>>>()?;
    let mut found = Array2::zeros((texts.len(), model.config().hidden));
    for batch in batches(&lengths, batch_tokens)? {
        let read: Vec<&[u32]> = batch.iter().map(|i| texts[*i]).collect();
        let time = read.iter().map(|t| t.len()).max().unwrap_or(0);
        let at = |b: usize, t: usize| weights[batch[b]].get(t).copied().unwrap_or(0.0);
        let weights = Array3::from_shape_fn((batch.len(), 1, time), |(b, _, t)| at(b, t));
        let mut watch = Watch { inner: taps, site: layer.site(model.config().layers), weights, rows: None };
        let with = Forward { head: Head::None, ..Forward::default() };
        model.forward(&Tokens::padded(&read, false), with, &mut watch)?;
        let rows =
            watch.rows.ok_or(Error::Missing { what: "embeddings: a hook stops the model before them" })?;
        for (b, i) in batch.into_iter().enumerate() {
            found.row_mut(i).assign(&rows.row(b));
        }
    }
    finite("embeddings", &found.view())?;
    Ok(found)
}

/// Sums the tokens of one site, after the taps that it stands around.
struct Watch<'a, T> {
    inner: &'a mut T,
    site: Site,
    /// `[batch, 1, time]`.
    weights: Array3<f64>,
    rows: Option<Array2<f64>>,
}

impl<T: Taps> Taps for Watch<'_, T> {
    fn tap(&mut self, site: Site, x: Tensor<3>, span: &Span) -> probes::Result<Tensor<3>> {
        let here = site == self.site;
        let x = self.inner.tap(site, x, span)?;
        if here {
            let seen = x.clone().inner();
            let (seen, dtype) = match seen.dtype() {
                DType::F64 => (seen, FloatDType::F64),
                DType::F32 => (seen, FloatDType::F32),
                _ => (seen.cast(FloatDType::F32), FloatDType::F32),
            };
            let weights: Tensor<3> = bridge::float_tensor(self.weights.view(), dtype, &seen.device())?;
            let rows = bridge::float_array::<f64, 3>(weights.matmul(seen))?;
            self.rows = Some(rows.index_axis_move(Axis(1), 0));
        }
        Ok(x)
    }

    fn stop_after(&self) -> Option<usize> {
        let own = match self.site {
            Site::ResidPost(layer) => Some(layer),
            Site::Embed => Some(0),
            _ => None,
        };
        match (own, self.inner.stop_after()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn wants(&self, site: &Site) -> bool {
        *site == self.site || self.inner.wants(site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_those_of_the_published_code() {
        // hidden_states of L blocks: Embed, ResidPost(0) .. ResidPost(L - 2), FinalNorm.
        assert_eq!(EmbeddingLayer::Penultimate.site(4), Site::ResidPost(2));
        assert_eq!(EmbeddingLayer::Penultimate.site(2), Site::ResidPost(0));
        assert_eq!(EmbeddingLayer::Penultimate.site(1), Site::Embed);
        for layers in 2..9 {
            assert_eq!(
                EmbeddingLayer::Middle.site(layers),
                Site::ResidPost(layers.div_ceil(2) - 1),
                "{layers}"
            );
        }
        assert_eq!(EmbeddingLayer::Middle.site(1), Site::FinalNorm);
    }

    #[test]
    fn weights_sum_to_one_and_short_texts_are_refused() {
        use SentenceEmbedding::{LastToken, Mean, MeanLast, SecondToLast};
        for embedding in [MeanLast, LastToken, SecondToLast, Mean] {
            for tokens in 2..9 {
                let sum: f64 = embedding.weights(tokens).unwrap().iter().sum();
                assert!((sum - 1.0).abs() < 1e-12);
            }
            assert!(matches!(embedding.weights(0), Err(Error::TooFew { .. })));
            assert_eq!(embedding.weights(1).is_err(), embedding == SecondToLast);
        }
        assert_eq!(MeanLast.weights(2).unwrap(), [0.25, 0.75]);
        assert_eq!(SecondToLast.weights(3).unwrap(), [0.0, 1.0, 0.0]);
        let bad = ndarray::arr2(&[[1.0, f64::NAN]]);
        assert!(matches!(Mean.of(&bad.view()), Err(Error::NotFinite { .. })));
    }
}
