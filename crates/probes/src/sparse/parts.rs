//! The tensors of an autoencoder and what is computed with them.

use burn::tensor::{Tensor, activation};

use super::config::{SparseAutoencoderConfig, Sparsity};
use super::selection;

/// Weights: leaves while training, else plain tensors.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// `[D, F]`.
    pub(super) encoder: Tensor<2>,
    /// `[F]`.
    pub(super) encoder_bias: Tensor<1>,
    /// `[F, D]`; tied: the encoder transposed.
    pub(super) decoder: Option<Tensor<2>>,
    /// `[D]`.
    pub(super) bias: Option<Tensor<1>>,
}

/// What the loss of a batch is made of.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// `ReLU` of the pre-activations, before any are dropped, `[n, F]`.
    pub(super) activations: Tensor<2>,
    /// `[n, F]`.
    pub(super) codes: Tensor<2>,
    /// `[n, D]`.
    pub(super) output: Tensor<2>,
    /// Mean over rows and units of the squared error.
    pub(super) reconstruction: Tensor<1>,
    /// Mean over rows of the sum of the codes.
    pub(super) magnitude: Tensor<1>,
}

impl Parts {
    /// `[F, D]`.
    pub(super) fn directions(&self) -> Tensor<2> {
        match &self.decoder {
            Some(decoder) => decoder.clone(),
            None => self.encoder.clone().transpose(),
        }
    }

    /// `ReLU((x - bias) W_enc + b_enc)`.
    pub(super) fn activations(&self, x: Tensor<2>) -> Tensor<2> {
        let x = match &self.bias {
            Some(bias) => x - bias.clone().unsqueeze::<2>(),
            None => x,
        };
        activation::relu(x.matmul(self.encoder.clone()) + self.encoder_bias.clone().unsqueeze::<2>())
    }

    /// `z W_dec + bias`.
    pub(super) fn decode(&self, codes: Tensor<2>) -> Tensor<2> {
        let output = codes.matmul(self.directions());
        match &self.bias {
            Some(bias) => output + bias.clone().unsqueeze::<2>(),
            None => output,
        }
    }

    /// The training form: a batch selects by its own values.
    pub(super) fn forward(&self, x: Tensor<2>, config: &SparseAutoencoderConfig) -> Outcome {
        let activations = self.activations(x.clone());
        let codes = select(activations.clone(), config.sparsity);
        let output = self.decode(codes.clone());
        let [rows, _] = x.dims();
        Outcome {
            reconstruction: (x - output.clone()).square().mean(),
            // Times the reciprocal: Burn 0.22 rounds the gradient of a division by a number to 32 bits.
            magnitude: codes.clone().sum().mul_scalar((rows as f64).recip()),
            activations,
            codes,
            output,
        }
    }

    /// Each tensor through a function of its rank.
    pub(super) fn map(
        self,
        two: impl Fn(Tensor<2>) -> Tensor<2>,
        one: impl Fn(Tensor<1>) -> Tensor<1>,
    ) -> Self {
        Self {
            encoder: two(self.encoder),
            encoder_bias: one(self.encoder_bias),
            decoder: self.decoder.map(&two),
            bias: self.bias.map(&one),
        }
    }

    /// Directions of unit length; a direction of length zero stays what it is.
    pub(super) fn normalised(self) -> Self {
        match self.decoder {
            Some(decoder) => Self { decoder: Some(unit(decoder, 1)), ..self },
            None => Self { encoder: unit(self.encoder, 0), ..self },
        }
    }
}

/// What stays of the activations of a training batch.
pub(super) fn select(activations: Tensor<2>, sparsity: Sparsity) -> Tensor<2> {
    match sparsity {
        Sparsity::L1 { .. } => activations,
        Sparsity::TopK { k } => selection::keep_top(activations, k),
        Sparsity::BatchTopK { k } => selection::keep_top_of_batch(activations, k),
    }
}

/// The total loss of an outcome with the L1 coefficient scaled by `warmth`.
pub(super) fn total(outcome: &Outcome, sparsity: Sparsity, warmth: f64) -> Tensor<1> {
    match sparsity {
        Sparsity::L1 { coefficient } => {
            outcome.reconstruction.clone() + outcome.magnitude.clone().mul_scalar(coefficient * warmth)
        }
        _ => outcome.reconstruction.clone(),
    }
}

/// Vectors along `axis` divided by their length.
fn unit(matrix: Tensor<2>, axis: usize) -> Tensor<2> {
    let length = matrix.clone().square().sum_dim(axis).sqrt();
    let none = length.clone().equal_elem(0.0);
    matrix / length.mask_fill(none, 1.0)
}
