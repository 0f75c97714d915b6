//! The training loop: simulate, compare, change all neurons, keep the best.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::metrics::{Similarity, similarity};
use super::network::fits;
use super::update::{Lesson, Tally};
use super::{Drive, PoolSource, Pools, PspmConfig, Raster, SpikingNetwork};
use crate::analysis::van_rossum::steps_unchecked;
use crate::{Error, Result};

/// What one epoch's simulation looked like, before its update.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Epoch {
    /// Mean van Rossum distance over neurons.
    pub van_rossum: f64,
    /// F1 of the spikes within the window.
    pub f1: f64,
    /// Targets without a spike.
    pub missed: usize,
    /// Spikes without a target.
    pub extra: usize,
    /// Spikes of the model.
    pub spikes: usize,
    /// Amounts that the update added to weights.
    pub updates: usize,
}

/// What [`train`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct PspmReport {
    /// One entry an epoch, and a last one after the last update.
    pub history: Vec<Epoch>,
    /// The entry with the least van Rossum distance, the first of equals.
    pub best_epoch: usize,
    /// The weights then. The network is left with them.
    pub best_weights: Array2<f64>,
    /// The weights after the last update.
    pub last_weights: Array2<f64>,
    /// How near the network was at first (within bounds, mask and signs).
    pub before: Similarity,
    /// How near it was with the best weights.
    pub best: Similarity,
    /// How near it was with the last weights.
    pub last: Similarity,
    /// Target spikes that follow another within the refractory time: no weights can produce them.
    pub unreproducible: usize,
}

/// Teaches a network to fire `targets` under `drive`.
///
/// In each epoch e of E the network runs freely once. Then, for every neuron i at once: each target spike at t that no spike
/// answers within `window` steps adds `r U / sqrt(N)` to the weight from every j in the pool
/// `{j != i that fired in [t - pool, t - 1]}`, each spike that answers no target takes it away, with `r = eta (1 - e / E)` and a
/// fresh U in (0, 1) for every synapse and event; and all inputs move by
/// `eta_home (n* - n) / max(1, n*) mean_j |W_ij|`. Weights start within bounds, signs and mask, and never leave them.
///
/// # Errors
/// Those of [`PspmConfig::validate`]; [`Error::Shape`] where network, targets and drive differ in neurons or steps; those of
/// the network.
pub fn train<N: SpikingNetwork>(
    network: &mut N,
    targets: &Raster,
    drive: &Drive,
    config: &PspmConfig,
) -> Result<PspmReport> {
    let (n, steps) = (network.weights().nrows(), targets.steps());
    let start = config.constrain(network.weights())?;
    fits("targets", n, steps, targets.neurons(), steps)?;
    fits("drive", n, steps, drive.neurons(), drive.steps())?;
    let mut weights: Vec<f64> = start.into_iter().collect();
    let mut model = Raster::silent(n, steps)?;
    let source = if config.pool_source == PoolSource::Target { targets } else { &model };
    let mut pools = Pools::new(source, config.pool)?;
    let mut history: Vec<Epoch> = Vec::with_capacity(config.epochs + 1);
    let mut before = None;
    let mut best = (0, weights.clone(), model.clone());
    for epoch in 0..=config.epochs {
        network.set_weights(square(&weights, n)?)?;
        network.simulate(drive, &mut model)?;
        let van_rossum = mean_distance(targets, &model, config.tau_steps);
        if before.is_none() {
            before = Some(similarity(targets, &model, config.window, config.tau_steps)?);
        }
        if epoch == 0 || van_rossum < history[best.0].van_rossum {
            best.0 = epoch;
            best.1.clone_from(&weights);
            best.2.clone_from(&model);
        }
        if config.pool_source != PoolSource::Target {
            pools.refill(&model);
        }
        let lesson = Lesson { config, targets, model: &model, pools: &pools, epoch };
        let tally = if epoch < config.epochs { lesson.apply(&mut weights) } else { lesson.look() };
        let Tally { missed, extra, updates, .. } = tally;
        history.push(Epoch { van_rossum, f1: tally.f1(), missed, extra, spikes: model.spikes(), updates });
    }
    let (best_epoch, best_weights, best_raster) = best;
    let best_weights = square(&best_weights, n)?.to_owned();
    network.set_weights(best_weights.view())?;
    let judge = |raster: &Raster| similarity(targets, raster, config.window, config.tau_steps);
    let last = judge(&model)?;
    Ok(PspmReport {
        history,
        best_epoch,
        best: judge(&best_raster)?,
        best_weights,
        last_weights: square(&weights, n)?.to_owned(),
        before: before.unwrap_or(last),
        last,
        unreproducible: targets.unreproducible(network.refractory_steps()),
    })
}

/// The mean over neurons of van Rossum's distance on the grid.
pub(super) fn mean_distance(targets: &Raster, model: &Raster, tau_steps: f64) -> f64 {
    let pairs = targets.trains().par_iter().zip(model.trains()).with_min_len(64);
    let distances: Vec<f64> = pairs.map(|(a, b)| steps_unchecked(a, b, targets.steps(), tau_steps)).collect();
    distances.iter().sum::<f64>() / distances.len() as f64
}

fn square(weights: &[f64], n: usize) -> Result<ArrayView2<'_, f64>> {
    ArrayView2::from_shape((n, n), weights).map_err(|e| Error::shape("weights", format!("[{n}, {n}]"), e))
}
