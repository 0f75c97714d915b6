//! What `snn fit-spikes` answers.

use schemars::JsonSchema;
use serde::Serialize;
use snn::pspm::Similarity;

/// How near spikes are to the targets; null where one of both has too few.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Fit {
    /// Mean over neurons of van Rossum's distance on the grid of steps, tau 10 steps.
    pub(super) van_rossum: f64,
    /// `1 - D / D(target, silence)`.
    pub(super) similarity: Option<f64>,
    /// F1 of spikes within the window.
    pub(super) f1: f64,
    /// Share of spikes that answer a target.
    pub(super) precision: Option<f64>,
    /// Share of targets that are answered.
    pub(super) recall: Option<f64>,
    /// Spikes over target spikes.
    pub(super) count_ratio: Option<f64>,
    /// Kolmogorov-Smirnov distance of the intervals.
    pub(super) isi_ks: Option<f64>,
    /// 1-Wasserstein distance of the intervals in steps.
    pub(super) isi_wasserstein_steps: Option<f64>,
    /// Kolmogorov-Smirnov distance of the sizes of avalanches.
    pub(super) avalanche_size_ks: Option<f64>,
    /// Kolmogorov-Smirnov distance of their durations.
    pub(super) avalanche_duration_ks: Option<f64>,
    /// Branching ratio of the targets.
    pub(super) branching_target: Option<f64>,
    /// Branching ratio of the network.
    pub(super) branching_model: Option<f64>,
}

impl From<Similarity> for Fit {
    fn from(s: Similarity) -> Self {
        Self {
            van_rossum: s.van_rossum,
            similarity: s.similarity,
            f1: s.f1,
            precision: s.precision,
            recall: s.recall,
            count_ratio: s.count_ratio,
            isi_ks: s.isi_ks,
            isi_wasserstein_steps: s.isi_wasserstein_steps,
            avalanche_size_ks: s.avalanche_size_ks,
            avalanche_duration_ks: s.avalanche_duration_ks,
            branching_target: s.branching_target,
            branching_model: s.branching_model,
        }
    }
}

/// What fixed weights do on time that they were not learned from.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Test {
    /// Its steps.
    pub(super) steps: usize,
    /// With the weights before learning.
    pub(super) before: Fit,
    /// With the best weights.
    pub(super) best: Fit,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Neurons of the network.
    pub(super) neurons: usize,
    /// Neurons that were left out for their low rate.
    pub(super) dropped_neurons: usize,
    /// Steps that were learned from.
    pub(super) steps: usize,
    /// Target spikes in them.
    pub(super) target_spikes: usize,
    /// Spikes lost because a neuron fired several in one step.
    pub(super) merged_spikes: usize,
    /// Target spikes within the refractory time of another: no weights can fire them.
    pub(super) unreproducible: usize,
    /// Passes.
    pub(super) epochs: usize,
    /// The pass with the least van Rossum distance.
    pub(super) best_epoch: usize,
    /// Before learning.
    pub(super) before: Fit,
    /// With the best weights.
    pub(super) best: Fit,
    /// With the last weights.
    pub(super) last: Fit,
    /// On the part kept for the test.
    pub(super) test: Option<Test>,
}
