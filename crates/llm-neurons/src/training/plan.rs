//! How to train.

use burn::optim::{AdamW, AdamWConfig};
use serde::{Deserialize, Serialize};
use tensor_backend::training::Schedule;

use crate::{Error, Result};

/// How to train a language model. Defaults of the optimiser are those of torch's `AdamW`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmTraining {
    /// Optimiser steps (500).
    pub steps: u64,
    /// Windows of a step (8).
    pub batch: usize,
    /// Tokens of a window, the first of which is not predicted (64).
    pub window: usize,
    /// Learning rate (1e-3).
    pub rate: f64,
    /// Decay of the means of gradient and squared gradient (0.9, 0.999).
    pub betas: [f64; 2],
    /// Added to the root of the squared gradient (1e-8).
    pub epsilon: f64,
    /// Decoupled weight decay, of every parameter (0.01).
    pub weight_decay: f64,
    /// The last share of the steps, over which the rate falls to zero in a line (0: it does not fall).
    pub decay_share: f64,
    /// Largest norm of the whole gradient (none).
    pub clip_norm: Option<f64>,
    /// Blocks from the first that do not learn (0).
    pub frozen_blocks: usize,
    /// Seed of the windows (0).
    pub seed: u64,
}

impl Default for LmTraining {
    fn default() -> Self {
        Self {
            steps: 500,
            batch: 8,
            window: 64,
            rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.01,
            decay_share: 0.0,
            clip_norm: None,
            frozen_blocks: 0,
            seed: 0,
        }
    }
}

impl LmTraining {
    /// Whether the figures make sense.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names one.
    pub fn validate(&self) -> Result<()> {
        let bad = |name, value, expected| Err(Error::Parameter { name, value, expected });
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if self.steps == 0 {
            return bad("steps", 0.0, "at least 1");
        }
        if self.batch == 0 {
            return bad("batch", 0.0, "at least 1");
        }
        if self.window < 2 {
            return bad("window", self.window as f64, "at least 2: one token to read, one to predict");
        }
        if !positive(self.rate) {
            return bad("rate", self.rate, "a positive number");
        }
        if let Some(beta) = self.betas.into_iter().find(|b| !(*b >= 0.0 && *b < 1.0)) {
            return bad("betas", beta, "from 0 to below 1");
        }
        if !positive(self.epsilon) {
            return bad("epsilon", self.epsilon, "a positive number");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return bad("weight_decay", self.weight_decay, "0 or above");
        }
        if !(0.0..=1.0).contains(&self.decay_share) {
            return bad("decay_share", self.decay_share, "from 0 to 1");
        }
        match self.clip_norm {
            Some(norm) if !positive(norm) => bad("clip_norm", norm, "a positive number"),
            _ => Ok(()),
        }
    }

    /// The learning rate of each step.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        // No more than the steps, rounded.
        let decay = (self.steps as f64 * self.decay_share).round() as u64;
        Schedule::Linear { rate: self.rate, hold: self.steps.saturating_sub(decay), steps: self.steps }
    }

    pub(crate) fn optimiser(&self) -> AdamW {
        AdamWConfig::new()
            .with_beta_1(self.betas[0] as f32)
            .with_beta_2(self.betas[1] as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(self.weight_decay as f32)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_figures_are_refused() {
        let d = LmTraining::default;
        assert!(d().validate().is_ok());
        for bad in [
            LmTraining { steps: 0, ..d() },
            LmTraining { batch: 0, ..d() },
            LmTraining { window: 1, ..d() },
            LmTraining { rate: 0.0, ..d() },
            LmTraining { rate: f64::NAN, ..d() },
            LmTraining { betas: [0.9, 1.0], ..d() },
            LmTraining { epsilon: 0.0, ..d() },
            LmTraining { weight_decay: -0.1, ..d() },
            LmTraining { decay_share: 1.5, ..d() },
            LmTraining { clip_norm: Some(0.0), ..d() },
        ] {
            assert!(matches!(bad.validate(), Err(Error::Parameter { .. })), "{bad:?}");
        }
    }

    #[test]
    fn the_rate_falls_over_the_last_share_alone() {
        let plan = LmTraining { steps: 10, rate: 0.4, decay_share: 0.4, ..LmTraining::default() };
        let rates: Vec<f64> = (0..11).map(|t| plan.schedule().at(t)).collect();
        assert_eq!(rates[..6], [0.4; 6]);
        for (t, want) in [(7, 0.3), (8, 0.2), (9, 0.1), (10, 0.0)] {
            assert!((rates[t] - want).abs() < 1e-12, "{rates:?}");
        }
        let constant = LmTraining { steps: 10, rate: 0.4, ..LmTraining::default() };
        assert!((0..10).all(|t| constant.schedule().at(t) == 0.4));
    }
}
