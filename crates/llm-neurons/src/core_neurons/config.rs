//! What is made sparse, and by how much.

use serde::{Deserialize, Serialize};

use crate::model::LmConfig;
use crate::{Error, Result};

/// Which activation ranks the neurons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoreSource {
    /// The first linear map's output before the non-linearity: ReLU models such as OPT.
    PreActivation,
    /// The down projection's input: gated models such as Llama.
    DownInput,
}

/// How core neurons are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreConfig {
    /// Share of a token's positive activations that is its core, in (0, 1] (0.2).
    pub alpha: f64,
    /// Share of the neurons that is kept, in (0, 1] (0.4).
    pub beta: f64,
    /// Layers above this one may be sparse; -1 for all (0.16 of the depth, rounded down: 5 of 32).
    pub start: i64,
    /// Layers below this one may be sparse (0.85 of the depth, rounded down: 27 of 32).
    pub end: i64,
    /// What ranks the neurons.
    pub source: CoreSource,
}

impl CoreConfig {
    /// The published program's shares, and its first and last sparse layer scaled to a model of `layers` layers. One or
    /// two layers leave none between the ends: there all are sparse.
    #[must_use]
    pub fn for_depth(layers: usize, source: CoreSource) -> Self {
        let scaled = |share: f64| (share * layers as f64).floor() as i64;
        let config = Self { alpha: 0.2, beta: 0.4, start: scaled(0.16), end: scaled(0.85), source };
        if config.end <= config.start + 1 { config.in_all_layers(layers) } else { config }
    }

    /// [`CoreConfig::for_depth`] of a model, ranked by what its kind of MLP is ranked by.
    #[must_use]
    pub fn for_model(model: &LmConfig) -> Self {
        let source = if model.gated { CoreSource::DownInput } else { CoreSource::PreActivation };
        Self::for_depth(model.layers, source)
    }

    /// With every layer sparse.
    #[must_use]
    pub fn in_all_layers(self, layers: usize) -> Self {
        Self { start: -1, end: layers as i64, ..self }
    }

    /// Whether a layer is sparse: `start < layer < end`.
    #[must_use]
    pub fn is_sparse(&self, layer: usize) -> bool {
        i64::try_from(layer).is_ok_and(|l| self.start < l && l < self.end)
    }

    /// How many of `width` neurons are kept: `floor(beta width)`.
    #[must_use]
    pub fn keep(&self, width: usize) -> usize {
        (self.beta * width as f64).floor() as usize
    }

    /// Checks the shares and, for a model of `layers` layers of `width` neurons, that some layer is sparse and some
    /// neuron kept.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self, layers: usize, width: usize) -> Result<()> {
        share("alpha", self.alpha)?;
        share("beta", self.beta)?;
        if self.keep(width) == 0 {
            let expected = "large enough to keep a neuron";
            return Err(Error::Parameter { name: "beta", value: self.beta, expected });
        }
        let depth = i64::try_from(layers).unwrap_or(i64::MAX);
        if !(-1..depth).contains(&self.start) {
            let expected = "between -1 and the last layer";
            return Err(Error::Parameter { name: "start", value: self.start as f64, expected });
        }
        if self.end > depth || self.end <= self.start + 1 {
            let expected = "at least start + 2 and at most the number of layers";
            return Err(Error::Parameter { name: "end", value: self.end as f64, expected });
        }
        Ok(())
    }
}

/// Refuses a share outside (0, 1].
pub(super) fn share(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(Error::Parameter { name, value, expected: "in (0, 1]" })
}
