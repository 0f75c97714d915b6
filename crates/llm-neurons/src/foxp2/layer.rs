//! One steered layer: its autoencoder, its language neurons and its directions.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use probes::SparseWeights;
use serde::{Deserialize, Serialize};

use super::neurons::{check_features, finite};
use super::subspace::{SteeringSubspace, bootstrap_stability, restricted_difference, steering_subspace};
use crate::{Error, Result};

/// Added to the length of a direction before it is divided by it (the published code).
const DIRECTION_EPSILON: f64 = 1e-8;

/// How good a layer's subspace is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerQuality {
    /// Dimensions of the subspace.
    pub rank: usize,
    /// Share of the squared singular values in them.
    pub mass: f64,
    /// Effective rank of the differences.
    pub effective_rank: f64,
    /// Where the spectrum has its largest gap.
    pub eigengap: usize,
    /// Median overlap of bootstrap draws.
    pub stability: f64,
}

impl LayerQuality {
    /// `mass * stability`: what windows of layers are chosen by.
    #[must_use]
    pub fn score(&self) -> f64 {
        self.mass * self.stability
    }
}

/// What steering needs of a layer. All vectors are over the F features.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSteer {
    /// The layer whose `ResidPost` is read and edited.
    pub layer: usize,
    /// Its sparse autoencoder, trained on residuals of unit length.
    pub weights: SparseWeights,
    /// Its language neurons, by falling score.
    pub features: Vec<usize>,
    /// `V_r [F, r]`, `P = V_r V_r^T`.
    pub basis: Array2<f64>,
    /// Direction of the target language, `[F]`.
    pub mu_target: Array1<f64>,
    /// Direction of the English attractor, `[F]`.
    pub mu_english: Array1<f64>,
    /// Mean residual norm of the layer, which relative strengths are multiplied with.
    pub mean_norm: f64,
    /// How good the subspace is.
    pub quality: LayerQuality,
}

/// How a layer is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LayerFit {
    /// Largest rank (12, the published code).
    pub r_max: usize,
    /// Bootstrap draws (20, likewise).
    pub resamples: usize,
    /// Seed of the draws (0).
    pub seed: u64,
}

impl Default for LayerFit {
    fn default() -> Self {
        Self { r_max: 12, resamples: 20, seed: 0 }
    }
}

/// Stage II for one layer, from codes of unit residuals: `target` and `english` `[n, F]` of paired sentences, `weak`
/// `[m, F]` of neutral English prompts.
///
/// # Errors
/// [`Error::TooFew`] when there is no language neuron (such a layer is not steered), no weak prompt, or no difference;
/// [`Error::Shape`] when sentences are not paired or widths differ; those of [`steering_subspace`],
/// [`bootstrap_stability`] and [`LayerSteer::validate`].
#[allow(
    clippy::too_many_arguments,
    reason = "three matrices of codes, each of its own prompts, and the layer's own"
)]
pub fn fit_layer(
    layer: usize,
    weights: SparseWeights,
    features: &[usize],
    target: &ArrayView2<'_, f64>,
    english: &ArrayView2<'_, f64>,
    weak: &ArrayView2<'_, f64>,
    mean_norm: f64,
    fit: LayerFit,
) -> Result<LayerSteer> {
    if features.is_empty() {
        return Err(Error::TooFew { what: "language neurons", needed: 1, found: 0 });
    }
    let count = weights.config.latents;
    for (what, codes) in [("codes of target text", target), ("codes of weak prompts", weak)] {
        if codes.ncols() != count {
            return Err(Error::Shape {
                what,
                expected: format!("{count} columns"),
                found: codes.ncols().to_string(),
            });
        }
    }
    finite("codes of weak prompts", weak)?;
    let dz = restricted_difference(target, english, features)?;
    let subspace = steering_subspace(&dz.view(), fit.r_max)?;
    let stability = bootstrap_stability(&dz.view(), subspace.rank, fit.resamples, fit.seed)?;
    let mean = |what, rows: &ArrayView2<'_, f64>| {
        rows.mean_axis(Axis(0)).ok_or(Error::TooFew { what, needed: 1, found: 0 })
    };
    let mut attractor = Array1::zeros(count);
    let weak_mean = mean("weak prompts", weak)?;
    features.iter().for_each(|j| attractor[*j] = weak_mean[*j]);
    let steer = LayerSteer {
        layer,
        mu_target: projected(&subspace, mean("pairs", &dz.view())?)?,
        mu_english: projected(&subspace, attractor)?,
        features: features.to_vec(),
        quality: LayerQuality {
            rank: subspace.rank,
            mass: subspace.mass,
            effective_rank: subspace.effective_rank,
            eigengap: subspace.eigengap,
            stability,
        },
        basis: subspace.basis,
        weights,
        mean_norm,
    };
    steer.validate()?;
    Ok(steer)
}

impl LayerSteer {
    /// `P mu_en [F]`.
    #[must_use]
    pub fn english_pull(&self) -> Array1<f64> {
        self.basis.dot(&self.basis.t().dot(&self.mu_english))
    }

    /// Whether parts and values fit together.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`], [`Error::Parameter`], [`Error::TooFew`], [`Error::Probes`] for the
    /// autoencoder.
    pub fn validate(&self) -> Result<()> {
        self.weights.validate()?;
        let count = self.weights.config.latents;
        let shape = |what: &'static str, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => {
                let (expected, found) = (expected.to_string(), found.to_string());
                Err(Error::Shape { what, expected, found })
            }
        };
        if self.features.is_empty() {
            return Err(Error::TooFew { what: "language neurons", needed: 1, found: 0 });
        }
        check_features(&self.features, count)?;
        shape("steering basis: features", count, self.basis.nrows())?;
        shape("steering basis: dimensions", self.quality.rank, self.basis.ncols())?;
        shape("target direction", count, self.mu_target.len())?;
        shape("English direction", count, self.mu_english.len())?;
        finite("steering basis", &self.basis.view())?;
        finite("target direction", &self.mu_target.view().insert_axis(Axis(0)))?;
        finite("English direction", &self.mu_english.view().insert_axis(Axis(0)))?;
        if !(self.mean_norm.is_finite() && self.mean_norm > 0.0) {
            let expected = "a positive number";
            return Err(Error::Parameter { name: "mean_norm", value: self.mean_norm, expected });
        }
        let quality = [self.quality.mass, self.quality.effective_rank, self.quality.stability];
        match quality.iter().find(|x| !x.is_finite()) {
            Some(x) => Err(Error::Parameter { name: "quality of a layer", value: *x, expected: "finite" }),
            None => Ok(()),
        }
    }
}

/// `normalise(P normalise(v))`.
fn projected(subspace: &SteeringSubspace, vector: Array1<f64>) -> Result<Array1<f64>> {
    Ok(normalised(subspace.project(&normalised(vector))?))
}

fn normalised(vector: Array1<f64>) -> Array1<f64> {
    let length = vector.dot(&vector).sqrt();
    vector / (length + DIRECTION_EPSILON)
}
