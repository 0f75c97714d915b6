//! What a sparse autoencoder is.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What keeps the codes sparse. `v = ReLU((x - bias) W_enc + b_enc)` in all three.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Sparsity {
    /// `z = v`, and the loss has `coefficient * mean over rows of sum_j z_j` (Bricken et al. 2023).
    L1 {
        /// Weight of the sum of the codes.
        coefficient: f64,
    },
    /// `z` keeps the `k` largest of `v` in each row (Gao et al. 2024).
    TopK {
        /// Codes that stay in a row.
        k: usize,
    },
    /// `z` keeps the `k n` largest of `v` in a batch of `n` rows while training; afterwards those from a threshold on,
    /// the mean over training batches of the smallest code that was kept (Bussmann et al. 2024).
    BatchTopK {
        /// Codes that stay in a row on average.
        k: usize,
    },
}

/// What is done to the lengths of the decoder's directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DecoderNorm {
    /// Nothing. With [`Sparsity::L1`] and an untied decoder the penalty can then be evaded by small codes and long
    /// directions.
    Free,
    /// Unit length from the start and after every step; the part of a gradient along its direction is taken out before
    /// the step.
    #[default]
    PerStep,
    /// Unit length after every epoch.
    PerEpoch,
}

/// Where the directions start. Biases start at zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Initialisation {
    /// Uniformly random directions of unit length; an untied encoder starts as the decoder's transpose.
    #[default]
    UnitDirections,
    /// Independent normal entries; an untied encoder starts as the decoder's transpose.
    Normal {
        /// Their standard deviation.
        deviation: f64,
    },
}

/// The shape and kind of a sparse autoencoder of `inputs` units and `latents` directions.
///
/// | field | default of [`SparseAutoencoderConfig::new`] | source |
/// |---|---|---|
/// | `sparsity` | given | |
/// | `tied` | no | Bricken et al. 2023 |
/// | `pre_bias` | yes | Bricken et al. 2023, Gao et al. 2024 |
/// | `norm` | per step | Bricken et al. 2023, Gao et al. 2024 |
/// | `initialisation` | unit directions, encoder = decoder transposed | Gao et al. 2024 |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SparseAutoencoderConfig {
    /// D, units of the site that is read.
    pub inputs: usize,
    /// F, directions.
    pub latents: usize,
    /// What keeps the codes sparse.
    pub sparsity: Sparsity,
    /// Whether the decoder is the encoder transposed.
    #[serde(default)]
    pub tied: bool,
    /// Whether one bias is taken off before encoding and added after decoding.
    #[serde(default = "yes")]
    pub pre_bias: bool,
    /// What is done to the lengths of the decoder's directions.
    #[serde(default)]
    pub norm: DecoderNorm,
    /// Where the directions start.
    #[serde(default)]
    pub initialisation: Initialisation,
}

impl SparseAutoencoderConfig {
    /// The defaults above.
    #[must_use]
    pub fn new(inputs: usize, latents: usize, sparsity: Sparsity) -> Self {
        Self {
            inputs,
            latents,
            sparsity,
            tied: false,
            pre_bias: true,
            norm: DecoderNorm::default(),
            initialisation: Initialisation::default(),
        }
    }

    /// The autoencoder of Neural FOXP2's code: tied, without pre-bias, `W ~ 0.01 N(0, 1)`, unit columns after each epoch.
    #[must_use]
    pub fn foxp2(inputs: usize, latents: usize, coefficient: f64) -> Self {
        Self {
            tied: true,
            pre_bias: false,
            norm: DecoderNorm::PerEpoch,
            initialisation: Initialisation::Normal { deviation: 0.01 },
            ..Self::new(inputs, latents, Sparsity::L1 { coefficient })
        }
    }

    /// Whether the figures make sense.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names the field.
    pub fn validate(&self) -> Result<()> {
        if self.inputs == 0 {
            return Err(Error::parameter("inputs", 0, "at least 1"));
        }
        if self.latents == 0 {
            return Err(Error::parameter("latents", 0, "at least 1"));
        }
        if self.inputs.checked_mul(self.latents).is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err(Error::parameter("inputs * latents", "too many", "few enough to address"));
        }
        match self.sparsity {
            Sparsity::L1 { coefficient } if !(coefficient.is_finite() && coefficient >= 0.0) => {
                return Err(Error::parameter("coefficient", coefficient, "a number of zero or more"));
            }
            Sparsity::TopK { k } | Sparsity::BatchTopK { k } if k == 0 || k > self.latents => {
                return Err(Error::parameter("k", k, "between 1 and the number of latents"));
            }
            _ => {}
        }
        match self.initialisation {
            Initialisation::Normal { deviation } if !(deviation.is_finite() && deviation > 0.0) => {
                Err(Error::parameter("deviation", deviation, "a positive number"))
            }
            _ => Ok(()),
        }
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_figures_are_refused() {
        let good = SparseAutoencoderConfig::new(4, 8, Sparsity::TopK { k: 8 });
        assert!(good.validate().is_ok());
        for bad in [
            SparseAutoencoderConfig { inputs: 0, ..good.clone() },
            SparseAutoencoderConfig { latents: 0, ..good.clone() },
            SparseAutoencoderConfig { inputs: usize::MAX, ..good.clone() },
            SparseAutoencoderConfig { sparsity: Sparsity::TopK { k: 9 }, ..good.clone() },
            SparseAutoencoderConfig { sparsity: Sparsity::BatchTopK { k: 0 }, ..good.clone() },
            SparseAutoencoderConfig { sparsity: Sparsity::L1 { coefficient: -1.0 }, ..good.clone() },
            SparseAutoencoderConfig { sparsity: Sparsity::L1 { coefficient: f64::NAN }, ..good.clone() },
            SparseAutoencoderConfig {
                initialisation: Initialisation::Normal { deviation: 0.0 },
                ..good.clone()
            },
        ] {
            assert!(matches!(bad.validate(), Err(Error::Parameter { .. })), "{bad:?}");
        }
    }

    #[test]
    fn it_is_read_from_json_and_unknown_fields_are_refused() {
        let whole = SparseAutoencoderConfig::foxp2(96, 256, 5e-4);
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<SparseAutoencoderConfig>(&text).unwrap(), whole);
        let short = r#"{"inputs": 3, "latents": 5, "sparsity": {"kind": "top-k", "k": 2}}"#;
        let read: SparseAutoencoderConfig = serde_json::from_str(short).unwrap();
        assert_eq!(read, SparseAutoencoderConfig::new(3, 5, Sparsity::TopK { k: 2 }));
        assert!(serde_json::from_str::<SparseAutoencoderConfig>(&short.replace("inputs", "in")).is_err());
        assert!(serde_json::from_str::<SparseAutoencoderConfig>(&short.replace("\"k\"", "\"kk\"")).is_err());
    }
}
