//! How a sparse autoencoder is trained.

use serde::{Deserialize, Serialize};
use tensor_backend::training::Schedule;

use super::config::{SparseAutoencoderConfig, Sparsity};
use crate::{Error, Result};

/// What is done about latents that no longer fire.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Revival {
    /// Nothing.
    #[default]
    None,
    /// From time to time dead latents are pointed at rows that are rebuilt badly (Bricken et al. 2023): rows are drawn
    /// with probability proportional to their squared loss; the direction becomes the row's (less the pre-bias), an
    /// untied encoder column 0.2 times the mean length of the living ones, its bias and Adam's memory of it zero.
    Resample {
        /// Steps between two resamplings.
        every: u64,
        /// How many there are at most.
        rounds: u64,
        /// Rows without firing after which a latent is dead.
        dead_after: u64,
        /// Rows whose loss is looked at.
        rows: usize,
    },
    /// `L_aux` = mean squared error of rebuilding the error with the `k` largest activations of dead latents alone
    /// (Gao et al. 2024); for TopK and BatchTopK, where a dead latent still has activations.
    AuxiliaryLoss {
        /// Activations that rebuild the error (Gao et al.: about half the inputs).
        k: usize,
        /// Its weight (Gao et al.: 1/32).
        coefficient: f64,
        /// Rows without firing after which a latent is dead (Gao et al.: ten million tokens).
        dead_after: u64,
    },
}

/// How to train; the order of rows is drawn from `(seed, "sparse.order", epoch)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SparseTraining {
    /// Passes over the rows (150, the code of Neural FOXP2).
    pub epochs: u64,
    /// Rows of a batch (512, likewise); the last of an epoch may be smaller.
    pub batch_size: usize,
    /// Learning rate of Adam as a function of the step (constant 5e-4, likewise).
    pub rate: Schedule,
    /// Adam's decay of the mean gradient (0.9).
    pub beta_1: f64,
    /// Adam's decay of the mean squared gradient (0.999).
    pub beta_2: f64,
    /// Adam's addend to the root of the latter (1e-8).
    pub epsilon: f64,
    /// Steps over which the L1 coefficient rises from zero (0).
    pub warmup: u64,
    /// Whether the pre-bias starts at the mean of the rows (yes; Bricken et al. take the geometric median).
    pub centre: bool,
    /// What is done about dead latents (nothing).
    pub revival: Revival,
    /// Seed of the order of rows and of resampling (0).
    pub seed: u64,
    /// Bytes of rows that may lie on the device at once (1 GiB); beyond them each batch is uploaded by itself.
    pub resident_bytes: usize,
}

impl Default for SparseTraining {
    fn default() -> Self {
        Self {
            epochs: 150,
            batch_size: 512,
            rate: Schedule::Constant { rate: 5e-4 },
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            warmup: 0,
            centre: true,
            revival: Revival::None,
            seed: 0,
            resident_bytes: 1 << 30,
        }
    }
}

impl SparseTraining {
    /// Whether the figures make sense for an autoencoder.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names the field, [`Error::Tensor`] for the schedule.
    pub fn validate(&self, config: &SparseAutoencoderConfig) -> Result<()> {
        if self.epochs == 0 {
            return Err(Error::parameter("epochs", 0, "at least 1"));
        }
        if self.batch_size == 0 {
            return Err(Error::parameter("batch_size", 0, "at least 1"));
        }
        self.rate.validate()?;
        for (name, beta) in [("beta_1", self.beta_1), ("beta_2", self.beta_2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::parameter(name, beta, "at least 0 and below 1"));
            }
        }
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return Err(Error::parameter("epsilon", self.epsilon, "a positive number"));
        }
        if self.warmup > 0 && !matches!(config.sparsity, Sparsity::L1 { .. }) {
            return Err(Error::parameter("warmup", self.warmup, "0 without an L1 penalty"));
        }
        match self.revival {
            Revival::None => Ok(()),
            Revival::Resample { every, rounds, dead_after, rows } => {
                let least = every.min(rounds).min(dead_after).min(rows as u64);
                match least {
                    0 => Err(Error::parameter(
                        "revival",
                        0,
                        "at least 1 in each of every, rounds, dead_after and rows",
                    )),
                    _ => Ok(()),
                }
            }
            Revival::AuxiliaryLoss { k, coefficient, dead_after } => {
                if matches!(config.sparsity, Sparsity::L1 { .. }) {
                    let expected = "resampling or none with an L1 penalty: a dead ReLU has no activation";
                    return Err(Error::parameter("revival", "auxiliary-loss", expected));
                }
                if k == 0 || k > config.latents {
                    return Err(Error::parameter("revival.k", k, "between 1 and the number of latents"));
                }
                if !(coefficient.is_finite() && coefficient > 0.0) {
                    return Err(Error::parameter("revival.coefficient", coefficient, "a positive number"));
                }
                match dead_after {
                    0 => Err(Error::parameter("revival.dead_after", 0, "at least 1")),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Rows without firing after which a latent counts as dead; without revival never.
    pub(super) fn dead_after(&self) -> f64 {
        match self.revival {
            Revival::None => f64::from(f32::MAX),
            Revival::Resample { dead_after, .. } | Revival::AuxiliaryLoss { dead_after, .. } => {
                dead_after as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_and_contradictory_plans_are_refused() {
        let l1 = SparseAutoencoderConfig::new(4, 8, Sparsity::L1 { coefficient: 0.1 });
        let top = SparseAutoencoderConfig::new(4, 8, Sparsity::TopK { k: 2 });
        let good = SparseTraining::default();
        assert!(good.validate(&l1).is_ok() && good.validate(&top).is_ok());
        let auxiliary = |k, coefficient, dead_after| SparseTraining {
            revival: Revival::AuxiliaryLoss { k, coefficient, dead_after },
            ..good.clone()
        };
        assert!(auxiliary(4, 0.03, 10).validate(&top).is_ok());
        assert!(auxiliary(4, 0.03, 10).validate(&l1).is_err());
        let resample = Revival::Resample { every: 0, rounds: 1, dead_after: 1, rows: 1 };
        for bad in [
            SparseTraining { epochs: 0, ..good.clone() },
            SparseTraining { batch_size: 0, ..good.clone() },
            SparseTraining { rate: Schedule::Constant { rate: f64::NAN }, ..good.clone() },
            SparseTraining { beta_1: 1.0, ..good.clone() },
            SparseTraining { beta_2: f64::NAN, ..good.clone() },
            SparseTraining { epsilon: 0.0, ..good.clone() },
            SparseTraining { warmup: 5, ..good.clone() },
            SparseTraining { revival: resample, ..good.clone() },
            auxiliary(9, 0.03, 10),
            auxiliary(0, 0.03, 10),
            auxiliary(4, -1.0, 10),
            auxiliary(4, 0.03, 0),
        ] {
            assert!(bad.validate(&top).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<SparseTraining>(r#"{"epoch": 3}"#).is_err());
        let text = serde_json::to_string(&auxiliary(4, 0.03, 10)).unwrap();
        assert_eq!(serde_json::from_str::<SparseTraining>(&text).unwrap(), auxiliary(4, 0.03, 10));
    }
}
