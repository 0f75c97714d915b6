//! Adam (Kingma and Ba 2015) over the tensors of an autoencoder, with a memory that can be cleared latent by latent.

use burn::tensor::{Gradients, Tensor};

use super::parts::Parts;
use super::plan::SparseTraining;
use crate::{Error, Result};

/// Running means of gradients and of their squares.
#[derive(Debug)]
pub(super) struct Adam {
    pub(super) mean: Parts,
    pub(super) square: Parts,
    steps: i32,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

impl Adam {
    pub(super) fn new(parts: &Parts, plan: &SparseTraining) -> Self {
        let zeros = || parts.clone().map(|t| t.zeros_like(), |t| t.zeros_like());
        Self {
            mean: zeros(),
            square: zeros(),
            steps: 0,
            beta_1: plan.beta_1,
            beta_2: plan.beta_2,
            epsilon: plan.epsilon,
        }
    }

    /// Goes on with the memory of another after its `steps`.
    pub(super) fn resume(&mut self, mean: Parts, square: Parts, steps: u64) {
        (self.mean, self.square) = (mean, square);
        self.steps = i32::try_from(steps).unwrap_or(i32::MAX);
    }

    /// One step; `parts` and `gradients` are plain tensors.
    pub(super) fn step(&mut self, parts: Parts, gradients: Parts, rate: f64) -> Parts {
        self.steps = self.steps.saturating_add(1);
        // m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + e) with both corrections taken out of the fraction, which saves two passes.
        let root = (1.0 - self.beta_2.powi(self.steps)).sqrt();
        let rule = Rule {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon * root,
            rate: rate * root / (1.0 - self.beta_1.powi(self.steps)),
        };
        Parts {
            encoder: rule.apply(
                parts.encoder,
                gradients.encoder,
                &mut self.mean.encoder,
                &mut self.square.encoder,
            ),
            encoder_bias: rule.apply(
                parts.encoder_bias,
                gradients.encoder_bias,
                &mut self.mean.encoder_bias,
                &mut self.square.encoder_bias,
            ),
            decoder: rule.optional(
                parts.decoder,
                gradients.decoder,
                &mut self.mean.decoder,
                &mut self.square.decoder,
            ),
            bias: rule.optional(parts.bias, gradients.bias, &mut self.mean.bias, &mut self.square.bias),
        }
    }
}

/// The gradients of leaves.
pub(super) fn gradients_of(leaves: &Parts, found: &mut Gradients) -> Result<Parts> {
    Ok(Parts {
        encoder: take("encoder", &leaves.encoder, found)?,
        encoder_bias: take("encoder bias", &leaves.encoder_bias, found)?,
        decoder: leaves.decoder.as_ref().map(|leaf| take("decoder", leaf, found)).transpose()?,
        bias: leaves.bias.as_ref().map(|leaf| take("pre-bias", leaf, found)).transpose()?,
    })
}

/// The gradients without what would only change the length of a unit direction.
pub(super) fn along_sphere(parts: &Parts, gradients: Parts) -> Parts {
    let project = |gradient: Tensor<2>, direction: &Tensor<2>, axis: usize| {
        let along = (gradient.clone() * direction.clone()).sum_dim(axis);
        gradient - direction.clone() * along
    };
    match (&parts.decoder, gradients.decoder) {
        (Some(decoder), Some(gradient)) => {
            Parts { decoder: Some(project(gradient, decoder, 1)), ..gradients }
        }
        (_, decoder) => {
            Parts { encoder: project(gradients.encoder, &parts.encoder, 0), decoder, ..gradients }
        }
    }
}

/// The numbers of one step.
struct Rule {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    rate: f64,
}

impl Rule {
    fn apply<const D: usize>(
        &self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        mean: &mut Tensor<D>,
        square: &mut Tensor<D>,
    ) -> Tensor<D> {
        mean.inplace(|m| m.mul_scalar(self.beta_1) + gradient.clone().mul_scalar(1.0 - self.beta_1));
        square.inplace(|s| s.mul_scalar(self.beta_2) + gradient.square().mul_scalar(1.0 - self.beta_2));
        let root = square.clone().sqrt().add_scalar(self.epsilon);
        value - mean.clone().div(root).mul_scalar(self.rate)
    }

    fn optional<const D: usize>(
        &self,
        value: Option<Tensor<D>>,
        gradient: Option<Tensor<D>>,
        mean: &mut Option<Tensor<D>>,
        square: &mut Option<Tensor<D>>,
    ) -> Option<Tensor<D>> {
        match (value, gradient, mean, square) {
            (Some(value), Some(gradient), Some(mean), Some(square)) => {
                Some(self.apply(value, gradient, mean, square))
            }
            (value, ..) => value,
        }
    }
}

fn take<const D: usize>(what: &str, leaf: &Tensor<D>, found: &mut Gradients) -> Result<Tensor<D>> {
    leaf.grad_remove(found).ok_or_else(|| Error::Tensor(format!("no gradient for the {what}")))
}
