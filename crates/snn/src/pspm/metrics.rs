//! How near a model's spikes are to the targets'.

use super::Raster;
use super::network::fits;
use super::training::mean_distance;
use super::{Matching, match_spikes};
use crate::analysis::{Branching, avalanches, branching_ratio, ks_two_sample, wasserstein};
use crate::{Error, Result};

/// Measures of a model's raster against a target. Where one of the two has too few spikes for a measure it is `None`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Similarity {
    /// Mean over neurons of van Rossum's distance on the grid of steps ([`van_rossum_steps`](crate::analysis::van_rossum_steps)).
    pub van_rossum: f64,
    /// `1 - D / D(target, silence)`: 1 for equal rasters, 0 for silence, negative beyond.
    pub similarity: Option<f64>,
    /// F1 of spikes paired within the window; 1 where both are silent.
    pub f1: f64,
    /// Share of the model's spikes that answer a target.
    pub precision: Option<f64>,
    /// Share of the targets that are answered.
    pub recall: Option<f64>,
    /// Spikes of the model over those of the target.
    pub count_ratio: Option<f64>,
    /// Kolmogorov-Smirnov distance of the intervals between spikes of one neuron, all neurons together.
    pub isi_ks: Option<f64>,
    /// 1-Wasserstein distance of these intervals, in steps.
    pub isi_wasserstein_steps: Option<f64>,
    /// Kolmogorov-Smirnov distance of the sizes of avalanches (runs of steps with a spike).
    pub avalanche_size_ks: Option<f64>,
    /// Kolmogorov-Smirnov distance of their durations.
    pub avalanche_duration_ks: Option<f64>,
    /// The target's branching ratio (mean of ratios).
    pub branching_target: Option<f64>,
    /// The model's.
    pub branching_model: Option<f64>,
}

/// Compares two rasters of one size.
///
/// # Errors
/// [`Error::Shape`] for different sizes; [`Error::Parameter`] unless `tau_steps` is finite and positive.
pub fn similarity(target: &Raster, model: &Raster, window: u32, tau_steps: f64) -> Result<Similarity> {
    fits("model's raster", target.neurons(), target.steps(), model.neurons(), model.steps())?;
    if !(tau_steps.is_finite() && tau_steps > 0.0) {
        return Err(Error::parameter("tau in steps", tau_steps, "finite and positive"));
    }
    let van_rossum = mean_distance(target, model, tau_steps);
    let silence = mean_distance(target, &Raster::silent(target.neurons(), target.steps())?, tau_steps);
    let (hits, missed, extra) = matched(target, model, window)?;
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    let (intervals, other) = (target.intervals(), model.intervals());
    let (counts, other_counts) = (target.population(), model.population());
    let (bursts, other_bursts) = (avalanches(&counts), avalanches(&other_counts));
    let sizes = |all: &[crate::analysis::Avalanche]| all.iter().map(|a| a.size as f64).collect::<Vec<_>>();
    let durations =
        |all: &[crate::analysis::Avalanche]| all.iter().map(|a| a.duration as f64).collect::<Vec<_>>();
    Ok(Similarity {
        van_rossum,
        similarity: (silence > 0.0).then(|| 1.0 - van_rossum / silence),
        f1: share(2 * hits, 2 * hits + missed + extra).unwrap_or(1.0),
        precision: share(hits, hits + extra),
        recall: share(hits, hits + missed),
        count_ratio: share(model.spikes(), target.spikes()),
        isi_ks: ks_two_sample(&intervals, &other).ok(),
        isi_wasserstein_steps: wasserstein(&intervals, &other).ok(),
        avalanche_size_ks: ks_two_sample(&sizes(&bursts), &sizes(&other_bursts)).ok(),
        avalanche_duration_ks: ks_two_sample(&durations(&bursts), &durations(&other_bursts)).ok(),
        branching_target: branching_ratio(&counts, Branching::MeanOfRatios).ok(),
        branching_model: branching_ratio(&other_counts, Branching::MeanOfRatios).ok(),
    })
}

/// F1 of spikes paired within a window: `2 hits / (2 hits + missed + extra)` over all neurons; 1 where both are silent.
///
/// # Errors
/// [`Error::Shape`] for different sizes.
pub fn f1(target: &Raster, model: &Raster, window: u32) -> Result<f64> {
    fits("model's raster", target.neurons(), target.steps(), model.neurons(), model.steps())?;
    let (hits, missed, extra) = matched(target, model, window)?;
    let all = 2 * hits + missed + extra;
    Ok(if all == 0 { 1.0 } else { 2.0 * hits as f64 / all as f64 })
}

/// Hits, missed targets and extra spikes of all neurons.
fn matched(target: &Raster, model: &Raster, window: u32) -> Result<(usize, usize, usize)> {
    let mut sum = (0, 0, 0);
    for (a, b) in target.trains().iter().zip(model.trains()) {
        let Matching { hits, missed, extra } = match_spikes(a, b, window)?;
        sum = (sum.0 + hits.len(), sum.1 + missed.len(), sum.2 + extra.len());
    }
    Ok(sum)
}
