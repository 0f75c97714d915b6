//! Teacher and student: the experiment of sheet 13, and its controls.

use ndarray::Array2;
use rayon::prelude::*;

use super::metrics::{Similarity, similarity};
use super::{
    Drive, Lif, LifNetwork, PoolSource, PspmConfig, Raster, SpikingNetwork, random_weights, train,
    weight_correlation,
};
use crate::Result;

/// A reference network of random weights under random input, and a student of the same kind.
///
/// | parameter | default (sheet 13) |
/// |---|---|
/// | `neurons` | 40 |
/// | `steps` | 600 |
/// | `gain` | 1.2: weights from N(0, gain^2 / N) |
/// | `density` | 1: share of synapses that the reference has |
/// | `drive_rate` | 0.05 events per neuron and step |
/// | `drive_amplitude` | 0.55 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Experiment {
    /// Neurons.
    pub neurons: usize,
    /// Steps.
    pub steps: usize,
    /// Gain of the weights.
    pub gain: f64,
    /// Share of synapses that the reference has; the student's are all to all.
    pub density: f64,
    /// Probability of input per neuron and step.
    pub drive_rate: f64,
    /// Size of an input.
    pub drive_amplitude: f64,
    /// The neurons.
    pub lif: Lif,
}

impl Default for Experiment {
    fn default() -> Self {
        Self {
            neurons: 40,
            steps: 600,
            gain: 1.2,
            density: 1.0,
            drive_rate: 0.05,
            drive_amplitude: 0.55,
            lif: Lif::default(),
        }
    }
}

/// One draw of an [`Experiment`].
#[derive(Debug, Clone)]
pub struct World {
    /// Weights of the reference.
    pub truth: Array2<f64>,
    /// Weights that the student starts from: another draw.
    pub student: Array2<f64>,
    /// The input of both.
    pub drive: Drive,
    /// The reference's spikes.
    pub target: Raster,
}

impl Experiment {
    /// Draws weights and input, and runs the reference.
    ///
    /// # Errors
    /// Those of [`random_weights`], [`Drive::bernoulli`] and [`LifNetwork::new`].
    pub fn build(&self, seed: u64) -> Result<World> {
        let truth = random_weights(self.neurons, self.gain, self.density, seed, 0)?;
        let student = random_weights(self.neurons, self.gain, 1.0, seed, 1)?;
        let drive = Drive::bernoulli(self.neurons, self.steps, self.drive_rate, self.drive_amplitude, seed)?;
        let mut target = Raster::silent(self.neurons, self.steps)?;
        LifNetwork::new(truth.clone(), self.lif)?.simulate(&drive, &mut target)?;
        Ok(World { truth, student, drive, target })
    }
}

/// What is learned, or which control is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Nothing is learned.
    Untrained,
    /// Local updates alone.
    Local,
    /// Homeostatic updates alone.
    Homeostasis,
    /// Both.
    Both,
    /// Control: local updates towards targets whose intervals were shuffled.
    ShuffledTargets,
    /// Control: local updates of as many random neurons as the pool has.
    RandomPool,
}

impl Condition {
    /// The configuration with this condition's rates: homeostasis 0.2 alone, 0.05 beside local updates (sheet 13).
    #[must_use]
    pub fn config(self, base: &PspmConfig) -> PspmConfig {
        let with = |eta, eta_home, pool_source| PspmConfig { eta, eta_home, pool_source, ..base.clone() };
        match self {
            Self::Untrained => with(0.0, 0.0, base.pool_source),
            Self::Local | Self::ShuffledTargets => with(base.eta, 0.0, base.pool_source),
            Self::Homeostasis => with(0.0, 0.2, base.pool_source),
            Self::Both => with(base.eta, 0.05, base.pool_source),
            Self::RandomPool => with(base.eta, 0.0, PoolSource::Random),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Untrained => "untrained",
            Self::Local => "local",
            Self::Homeostasis => "homeostasis",
            Self::Both => "both",
            Self::ShuffledTargets => "shuffled-targets",
            Self::RandomPool => "random-pool",
        }
    }
}

/// What one run gave. All similarities are to the true targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What was learned.
    pub condition: Condition,
    /// The seed of weights, input and updates.
    pub seed: u64,
    /// Before learning.
    pub before: Similarity,
    /// With the weights of the best epoch.
    pub best: Similarity,
    /// With the last weights.
    pub last: Similarity,
    /// Which epoch was best.
    pub best_epoch: usize,
    /// Correlation of the best weights with the reference's.
    pub weight_correlation: f64,
    /// Mean van Rossum distance to what was taught, epoch by epoch.
    pub history: Vec<f64>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Run {
    /// Best van Rossum distance over that before learning.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.best.van_rossum / self.before.van_rossum
    }

    /// The columns of [`Run::csv`].
    pub const HEADER: &'static str = "condition,seed,van_rossum_before,van_rossum_best,van_rossum_last,f1_before,f1_best,f1_last,\
        count_ratio_before,count_ratio_best,best_epoch,weight_correlation,seconds";

    /// One line of a table.
    #[must_use]
    pub fn csv(&self) -> String {
        let Self { condition, seed, before, best, last, .. } = self;
        let or_empty = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
        [
            condition.name().to_owned(),
            seed.to_string(),
            before.van_rossum.to_string(),
            best.van_rossum.to_string(),
            last.van_rossum.to_string(),
            before.f1.to_string(),
            best.f1.to_string(),
            last.f1.to_string(),
            or_empty(before.count_ratio),
            or_empty(best.count_ratio),
            self.best_epoch.to_string(),
            self.weight_correlation.to_string(),
            self.seconds.to_string(),
        ]
        .join(",")
    }
}

/// Runs every condition with every seed, in parallel; condition by condition, in order.
///
/// # Errors
/// Those of [`Experiment::build`] and [`train`].
pub fn sweep(
    experiment: &Experiment,
    base: &PspmConfig,
    conditions: &[Condition],
    seeds: &[u64],
) -> Result<Vec<Run>> {
    let runs: Vec<(Condition, u64)> =
        conditions.iter().flat_map(|c| seeds.iter().map(|s| (*c, *s))).collect();
    runs.into_par_iter().map(|(condition, seed)| run(experiment, base, condition, seed)).collect()
}

fn run(experiment: &Experiment, base: &PspmConfig, condition: Condition, seed: u64) -> Result<Run> {
    let clock = std::time::Instant::now();
    let World { truth, student, drive, target } = experiment.build(seed)?;
    let config = PspmConfig { seed, ..condition.config(base) };
    let taught = match condition {
        Condition::ShuffledTargets => target.intervals_shuffled(seed),
        _ => target.clone(),
    };
    let mut network = LifNetwork::new(student, experiment.lif)?;
    let report = train(&mut network, &taught, &drive, &config)?;
    let mut judge = |weights: &Array2<f64>| {
        let mut raster = Raster::silent(experiment.neurons, experiment.steps)?;
        network.set_weights(weights.view())?;
        network.simulate(&drive, &mut raster)?;
        similarity(&target, &raster, config.window, config.tau_steps)
    };
    let (best, last) = (judge(&report.best_weights)?, judge(&report.last_weights)?);
    let before = match condition {
        Condition::ShuffledTargets => {
            judge(&random_weights(experiment.neurons, experiment.gain, 1.0, seed, 1)?)?
        }
        _ => report.before,
    };
    Ok(Run {
        condition,
        seed,
        before,
        best,
        last,
        best_epoch: report.best_epoch,
        weight_correlation: weight_correlation(&report.best_weights, &truth)?,
        history: report.history.iter().map(|e| e.van_rossum).collect(),
        seconds: clock.elapsed().as_secs_f64(),
    })
}
