//! How a model is fitted.

use probes::{SparseAutoencoderConfig, SparseTraining};
use serde::{Deserialize, Serialize};

use super::edit::Scale;
use super::window::WindowRule;
use crate::score::BATCH_TOKENS;
use crate::{Error, Result};

/// Which layers are steered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WindowChoice {
    /// The best contiguous layers of those that have language neurons.
    Search {
        /// Fewest layers (3, the published code).
        shortest: usize,
        /// Most layers (6, likewise).
        longest: usize,
        /// How windows are judged (sum, likewise).
        rule: WindowRule,
    },
    /// These, ascending; those without language neurons are left out.
    Layers(Vec<usize>),
}

/// Whose codes, on the language neurons, make the English attractor `mu_en`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Attractor {
    /// The weak prompts' (the published code).
    #[default]
    WeakPrompts,
    /// The source sentences' of the pairs.
    SourceText,
}

/// How a model is fitted.
///
/// | field | default | source |
/// |---|---|---|
/// | `layers` | all | choice; the published code sweeps 8 to 23 of 32 |
/// | `features` | 1024 | published code |
/// | `coefficient` | 5e-3 | likewise |
/// | `training` | 150 epochs, batches of 512, Adam at 5e-4 | likewise |
/// | `candidates` | 50 | likewise |
/// | `chance` | 0.05 | choice: see [`selectivity_floor`](super::selectivity_floor); `None` is the published code |
/// | `alphas` | 0.25, 0.5, 1, 2 | choice, in residual norms; the published code takes 0.5, 1, 2, 5, 10, 15 absolute |
/// | `scale` | relative | choice |
/// | `r_max`, `resamples` | 12, 20 | published code |
/// | `attractor` | weak prompts | likewise |
/// | `window` | 3 to 6 layers, largest sum | likewise |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitConfig {
    /// The layers that are fitted, ascending; `None` for all of the model's.
    pub layers: Option<Vec<usize>>,
    /// F, features of each layer's autoencoder.
    pub features: usize,
    /// Weight of the L1 penalty.
    pub coefficient: f64,
    /// Training of the autoencoders; its seed is replaced by one drawn from `(seed, "foxp2.layer", layer)`.
    pub training: SparseTraining,
    /// How many features of the largest selectivity are tried.
    pub candidates: usize,
    /// How often chance may make a candidate in a layer; `None` for no such floor.
    pub chance: Option<f64>,
    /// Strengths at which a feature's lift is measured.
    pub alphas: Vec<f64>,
    /// How strengths are meant.
    pub scale: Scale,
    /// Largest rank of the subspace.
    pub r_max: usize,
    /// Bootstrap draws of its stability.
    pub resamples: usize,
    /// What English is taken for when it is held back.
    pub attractor: Attractor,
    /// Which layers are steered.
    pub window: WindowChoice,
    /// Tokens that go through the model at a time.
    pub batch_tokens: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            layers: None,
            features: 1024,
            coefficient: 5e-3,
            training: SparseTraining::default(),
            candidates: 50,
            chance: Some(0.05),
            alphas: vec![0.25, 0.5, 1.0, 2.0],
            scale: Scale::default(),
            r_max: 12,
            resamples: 20,
            attractor: Attractor::default(),
            window: WindowChoice::Search { shortest: 3, longest: 6, rule: WindowRule::Sum },
            batch_tokens: BATCH_TOKENS,
            seed: 0,
        }
    }
}

impl FitConfig {
    /// Whether the figures make sense for a model of `layers` blocks.
    ///
    /// # Errors
    /// [`Error::Parameter`] or [`Error::TooFew`] with the field, [`Error::Probes`] for the autoencoder's.
    pub fn validate(&self, layers: usize) -> Result<()> {
        let outside = "below the number of the model's blocks";
        if let Some(bad) = self.layers.iter().flatten().find(|l| **l >= layers) {
            return Err(Error::Parameter { name: "layer", value: *bad as f64, expected: outside });
        }
        for (what, found) in [
            ("candidates", self.candidates),
            ("alphas", self.alphas.len()),
            ("layers", self.layers.as_ref().map_or(1, Vec::len)),
        ] {
            if found == 0 {
                return Err(Error::TooFew { what, needed: 1, found });
            }
        }
        if let Some(bad) = self.alphas.iter().find(|a| !(a.is_finite() && **a > 0.0)) {
            return Err(Error::Parameter { name: "alpha", value: *bad, expected: "a positive number" });
        }
        if let Some(bad) = self.chance.filter(|c| !(*c > 0.0 && *c < 1.0)) {
            return Err(Error::Parameter { name: "chance", value: bad, expected: "above 0 and below 1" });
        }
        if self.r_max == 0 {
            return Err(Error::Parameter { name: "r_max", value: 0.0, expected: "at least 1" });
        }
        if self.resamples < 2 {
            return Err(Error::TooFew { what: "bootstrap draws", needed: 2, found: self.resamples });
        }
        if self.batch_tokens == 0 {
            return Err(Error::Parameter { name: "batch_tokens", value: 0.0, expected: "at least 1" });
        }
        let swept = |layer: &usize| self.layers.as_ref().is_none_or(|all| all.contains(layer));
        match &self.window {
            WindowChoice::Search { shortest, longest, .. } if *shortest == 0 || longest < shortest => {
                let expected = "at least 1 and at most the longest length";
                return Err(Error::Parameter { name: "shortest window", value: *shortest as f64, expected });
            }
            WindowChoice::Layers(window) => {
                if window.is_empty() {
                    return Err(Error::TooFew { what: "layers to steer", needed: 1, found: 0 });
                }
                if let Some(bad) = window.iter().find(|l| **l >= layers || !swept(l)) {
                    let expected = "one of the layers that are fitted";
                    return Err(Error::Parameter { name: "layer to steer", value: *bad as f64, expected });
                }
            }
            WindowChoice::Search { .. } => {}
        }
        let config = SparseAutoencoderConfig::foxp2(1, self.features, self.coefficient);
        config.validate()?;
        Ok(self.training.validate(&config)?)
    }

    /// The layers that are fitted in a model of `layers` blocks.
    #[must_use]
    pub fn swept(&self, layers: usize) -> Vec<usize> {
        let mut all = self.layers.clone().unwrap_or_else(|| (0..layers).collect());
        all.sort_unstable();
        all.dedup();
        all
    }
}
