//! `neuropil snn fit-spikes`: teaches a recurrent network to fire given trains.

mod answer;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::{Array2, ArrayView1};
use recordings::SpikeTrains;
use recordings::arrays::{ArrayFile, Npz};
use snn::analysis::{Trains, raster_svg};
use snn::pspm::{
    Drive, Homeostasis, Lif, LifNetwork, Polarity, PoolSource, PspmConfig, PspmReport, Raster, Similarity,
    SpikingNetwork, Update, random_weights, similarity, train,
};

pub(crate) use self::answer::Answer;
use self::answer::Test;
use super::model_files::failure;
use super::stats::write_text;
use crate::arguments::{positive, share};
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Teach a recurrent network to fire given trains (PSPM)
#[derive(Debug, Args)]
pub(crate) struct FitSpikes {
    /// Spikes to learn (npz: times_ms, steps, neurons, population, population_names)
    #[arg(long, value_name = "SPIKES")]
    target: PathBuf,
    /// Length of a step in ms
    #[arg(long, default_value_t = 1.0, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    step_ms: f64,
    /// Where to begin in ms
    #[arg(long, default_value_t = 0.0, value_name = "MS", allow_negative_numbers = true)]
    start_ms: f64,
    /// How long to learn from and test on, in ms [default: up to the last spike]
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    duration_ms: Option<f64>,
    /// Neurons below this rate are left out
    #[arg(long, default_value_t = 0.1, value_name = "HZ", allow_negative_numbers = true)]
    min_rate_hz: f64,
    /// Share of the time, at its end, that is kept for the test; 0: none
    #[arg(long, default_value_t = 0.5, value_name = "SHARE", value_parser = share)]
    test_fraction: f64,
    /// Known input (npz: drive [neurons by global index, steps]) [default: random events]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["drive_rate", "drive_amplitude"])]
    drive: Option<PathBuf>,
    /// Probability of a random input event per neuron and step
    #[arg(long, default_value_t = 0.05, value_name = "P", value_parser = share)]
    drive_rate: f64,
    /// Size of a random input event; the threshold is 1
    #[arg(long, default_value_t = 0.55, value_name = "A", allow_negative_numbers = true)]
    drive_amplitude: f64,
    /// Weights to start from, as --out writes them [default: random]
    #[arg(long, value_name = "FILE")]
    initial: Option<PathBuf>,
    /// Gain g of the random weights, N(0, g^2 / neurons)
    #[arg(long, default_value_t = 1.2, value_name = "G", allow_negative_numbers = true)]
    gain: f64,
    /// Time constant of the membranes in ms
    #[arg(long, default_value_t = 20.0, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    tau_ms: f64,
    /// Steps after a spike for which a neuron cannot fire
    #[arg(long, default_value_t = 2, value_name = "STEPS")]
    refractory_steps: u32,
    /// Passes over the training part
    #[arg(long, default_value_t = 150, value_name = "N")]
    epochs: usize,
    /// Rate of the local update; 0: off
    #[arg(long, default_value_t = 0.15, value_name = "ETA", allow_negative_numbers = true)]
    eta: f64,
    /// Rate of the homeostatic update; 0: off (0.05 beside local updates, 0.2 alone)
    #[arg(long, default_value_t = 0.0, value_name = "ETA", allow_negative_numbers = true)]
    eta_home: f64,
    /// How many steps a spike may lie from its target
    #[arg(long, default_value_t = 2, value_name = "STEPS")]
    window: u32,
    /// How many steps before an event a neuron may have fired to be in its pool
    #[arg(long, default_value_t = 10, value_name = "STEPS")]
    pool: usize,
    /// Whose spikes make the pool; random is a control
    #[arg(long, value_enum, default_value_t = Pool::Model)]
    pool_source: Pool,
    /// How a weight moves
    #[arg(long, value_enum, default_value_t = Rule::Additive)]
    update: Rule,
    /// How inputs follow the spike count
    #[arg(long, value_enum, default_value_t = Home::Additive)]
    homeostasis: Home,
    /// What a missed target with an empty pool adds to all inputs, as a share of rate times mean weight [default: nothing]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    empty_pool: Option<f64>,
    /// Greatest size of a weight
    #[arg(long, value_name = "W", allow_negative_numbers = true, value_parser = positive)]
    max_weight: Option<f64>,
    /// Populations whose synapses inhibit, all others excite (Dale's law) [default: no law]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    inhibitory: Vec<String>,
    /// Which synapses there are (npz: mask [target, source] by global index) [default: all]
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Where to write weights and history (npz: weights, last_weights, neurons, van_rossum, f1)
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where to write the spikes that the best weights fire in the whole time (npz)
    #[arg(long, value_name = "FILE")]
    spikes: Option<PathBuf>,
    /// Where to draw them (svg)
    #[arg(long, value_name = "FILE")]
    raster: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pool {
    Model,
    Target,
    Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rule {
    Additive,
    Multiplicative,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Home {
    Additive,
    Scaling,
}

impl Verb for FitSpikes {
    const NAME: &'static str = "snn.fit-spikes";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let bad = |e: snn::Error| failure(e).or_at(&self.target);
        let task = self.task(context)?;
        let n = task.ids.len();
        let config = self.config(context, &task)?;
        let lif = Lif {
            step_ms: self.step_ms,
            tau_ms: self.tau_ms,
            refractory_steps: self.refractory_steps,
            ..Lif::default()
        };
        let initial = self.initial(context, &task, config.dale.as_deref())?;
        // Within mask, bounds and signs, where learning starts.
        let mut network = LifNetwork::new(config.constrain(&initial).map_err(bad)?, lif).map_err(bad)?;
        let cut = task.cut;
        let part = |from: usize, to: usize| -> snn::Result<(Raster, Drive)> {
            Ok((task.raster.slice(from, to)?, task.drive.slice(from, to)?))
        };
        let (targets, drive) = part(0, cut).map_err(bad)?;
        let kept =
            (cut < task.raster.steps()).then(|| part(cut, task.raster.steps())).transpose().map_err(bad)?;
        let judge =
            |network: &mut LifNetwork, (targets, drive): &(Raster, Drive)| -> snn::Result<Similarity> {
                let mut raster = Raster::silent(n, targets.steps())?;
                network.simulate(drive, &mut raster)?;
                similarity(targets, &raster, self.window, config.tau_steps)
            };
        let before = kept.as_ref().map(|kept| judge(&mut network, kept)).transpose().map_err(bad)?;
        let report = train(&mut network, &targets, &drive, &config).map_err(bad)?;
        if report.unreproducible > 0 {
            let said = format!(
                "{} target spikes fall into a refractory time and cannot be fired",
                report.unreproducible
            );
            document::warn(&said);
        }
        let test = match (kept, before) {
            (Some(kept), Some(before)) => Some(Test {
                steps: kept.0.steps(),
                before: before.into(),
                best: judge(&mut network, &kept).map_err(bad)?.into(),
            }),
            _ => None,
        };
        self.write(&task, &mut network, &report)?;
        Ok(Answer {
            neurons: n,
            dropped_neurons: task.dropped,
            steps: cut,
            target_spikes: targets.spikes(),
            merged_spikes: task.merged,
            unreproducible: report.unreproducible,
            epochs: self.epochs,
            best_epoch: report.best_epoch,
            before: report.before.into(),
            best: report.best.into(),
            last: report.last.into(),
            test,
        })
    }
}

/// What there is to learn.
struct Task {
    ids: Vec<u32>,
    population: Vec<String>,
    dropped: usize,
    raster: Raster,
    merged: usize,
    drive: Drive,
    /// Steps that are learned from.
    cut: usize,
}

impl FitSpikes {
    fn task(&self, context: &Context) -> Result<Task> {
        let bad = |e: snn::Error| failure(e).or_at(&self.target);
        let spikes = SpikeTrains::read(&self.target).map_err(file_failure_at(&self.target))?;
        let last = spikes.times_ms().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let duration = self.duration_ms.unwrap_or(last - self.start_ms);
        if !self.start_ms.is_finite() || self.start_ms < 0.0 {
            return Err(Failure::usage(format!("--start-ms {}: expected 0 or more", self.start_ms)));
        }
        if duration.is_nan() || duration <= 0.0 {
            let message = format!("no spike after {} ms", self.start_ms);
            return Err(Failure::input(message).at(&self.target));
        }
        let steps = (duration / self.step_ms - 1e-9).ceil().max(1.0);
        let neurons =
            Trains::from_recording(&spikes, None, self.start_ms, self.start_ms + duration).map_err(bad)?;
        let enough = |times: &[f64]| times.len() as f64 * 1000.0 / duration >= self.min_rate_hz;
        let kept: Vec<usize> = (0..neurons.len()).filter(|i| enough(neurons.times_ms(*i))).collect();
        if kept.is_empty() {
            let message = format!("no neuron fires at {} Hz or more", self.min_rate_hz);
            return Err(Failure::input(message).at(&self.target));
        }
        let n = kept.len() as f64;
        // Weights (this, best, last, transposed), pools, and events of the input.
        let bytes =
            40.0 * n * n + steps * (n / 64.0).ceil() * 16.0 + steps * (16.0 * n * self.drive_rate + 16.0);
        context.admit("the network and its pools", bytes.min(u64::MAX as f64) as u64)?;
        let steps = steps as usize;
        let ids: Vec<u32> = kept.iter().map(|i| neurons.ids()[*i]).collect();
        let name = |i: &usize| neurons.population_names()[usize::from(neurons.population()[*i])].clone();
        let population = kept.iter().map(name).collect();
        let (raster, merged) =
            Raster::from_recording(&spikes, &ids, self.start_ms, steps, self.step_ms).map_err(bad)?;
        let drive = self.input(context, &ids, steps)?;
        let cut = ((1.0 - self.test_fraction) * steps as f64).round() as usize;
        if cut == 0 {
            return Err(Failure::usage(format!(
                "--test-fraction {} leaves nothing to learn from",
                self.test_fraction
            )));
        }
        Ok(Task { dropped: neurons.len() - ids.len(), ids, population, raster, merged, drive, cut })
    }

    fn input(&self, context: &Context, ids: &[u32], steps: usize) -> Result<Drive> {
        let Some(path) = &self.drive else {
            let drawn =
                Drive::bernoulli(ids.len(), steps, self.drive_rate, self.drive_amplitude, context.seed);
            return drawn.map_err(failure);
        };
        let file = ArrayFile::open(path).map_err(file_failure_at(path))?;
        let all = file.read_f64_2("drive").map_err(file_failure_at(path))?;
        let rows = rows(ids, all.nrows(), "drive").map_err(|f| f.at(path))?;
        if all.ncols() < steps {
            let message = format!("drive has {} steps, the targets {steps}", all.ncols());
            return Err(Failure::input(message).at(path));
        }
        let chosen = Array2::from_shape_fn((ids.len(), steps), |(i, t)| all[[rows[i], t]]);
        Drive::from_dense(&chosen.view()).map_err(|e| failure(e).at(path))
    }

    fn config(&self, context: &Context, task: &Task) -> Result<PspmConfig> {
        for name in &self.inhibitory {
            if !task.population.contains(name) {
                let mut known = task.population.clone();
                known.sort();
                known.dedup();
                let message = format!("no population {name:?} is left; there are {}", known.join(", "));
                return Err(Failure::input(message).at(&self.target));
            }
        }
        let polarity = |name: &String| match self.inhibitory.contains(name) {
            true => Polarity::Inhibitory,
            false => Polarity::Excitatory,
        };
        let mask = match &self.mask {
            None => None,
            Some(path) => {
                let file = ArrayFile::open(path).map_err(file_failure_at(path))?;
                let all = file.read_f64_2("mask").map_err(file_failure_at(path))?;
                if all.nrows() != all.ncols() {
                    return Err(
                        Failure::input(format!("mask has shape {:?}, not square", all.dim())).at(path)
                    );
                }
                let rows = rows(&task.ids, all.nrows(), "mask").map_err(|f| f.at(path))?;
                Some(Array2::from_shape_fn((rows.len(), rows.len()), |(i, j)| all[[rows[i], rows[j]]] != 0.0))
            }
        };
        Ok(PspmConfig {
            window: self.window,
            pool: self.pool,
            eta: self.eta,
            eta_home: self.eta_home,
            epochs: self.epochs,
            pool_source: match self.pool_source {
                Pool::Model => PoolSource::Model,
                Pool::Target => PoolSource::Target,
                Pool::Random => PoolSource::Random,
            },
            update: match self.update {
                Rule::Additive => Update::Additive,
                Rule::Multiplicative => Update::Multiplicative,
            },
            homeostasis: match self.homeostasis {
                Home::Additive => Homeostasis::Additive,
                Home::Scaling => Homeostasis::Scaling,
            },
            empty_pool: self.empty_pool,
            bounds: self.max_weight.map(|w| (-w, w)),
            dale: (!self.inhibitory.is_empty()).then(|| task.population.iter().map(polarity).collect()),
            mask,
            seed: context.seed,
            ..PspmConfig::default()
        })
    }

    fn initial(&self, context: &Context, task: &Task, dale: Option<&[Polarity]>) -> Result<Array2<f64>> {
        let Some(path) = &self.initial else {
            let mut weights =
                random_weights(task.ids.len(), self.gain, 1.0, context.seed, 0).map_err(failure)?;
            // A law of signs turns the random ones, rather than losing half of them.
            for (mut column, polarity) in weights.columns_mut().into_iter().zip(dale.unwrap_or(&[])) {
                let sign = if *polarity == Polarity::Inhibitory { -1.0 } else { 1.0 };
                column.mapv_inplace(|w| sign * w.abs());
            }
            return Ok(weights);
        };
        let file = ArrayFile::open(path).map_err(file_failure_at(path))?;
        let weights = file.read_f64_2("weights").map_err(file_failure_at(path))?;
        let neurons = file.read_i64_1("neurons").map_err(file_failure_at(path))?;
        if !neurons.iter().copied().eq(task.ids.iter().map(|id| i64::from(*id)))
            || weights.nrows() != task.ids.len()
        {
            let message =
                format!("weights of {} other neurons than the {} targets", neurons.len(), task.ids.len());
            return Err(Failure::input(message).at(path));
        }
        snn::pspm::check_weights(&weights.view()).map_err(|e| failure(e).at(path))?;
        Ok(weights)
    }

    fn write(&self, task: &Task, network: &mut LifNetwork, report: &PspmReport) -> Result<()> {
        if let Some(out) = &self.out {
            let column = |f: fn(&snn::pspm::Epoch) -> f64| report.history.iter().map(f).collect::<Vec<f64>>();
            let (distance, f1) = (column(|e| e.van_rossum), column(|e| e.f1));
            Npz::new()
                .f64("weights", report.best_weights.view().into_dyn())
                .f64("last_weights", report.last_weights.view().into_dyn())
                .u32("neurons", ArrayView1::from(&task.ids).into_dyn())
                .f64("van_rossum", ArrayView1::from(&distance).into_dyn())
                .f64("f1", ArrayView1::from(&f1).into_dyn())
                .write(out)
                .map_err(file_failure_at(out))?;
        }
        if self.spikes.is_none() && self.raster.is_none() {
            return Ok(());
        }
        let mut raster = Raster::silent(task.ids.len(), task.raster.steps()).map_err(failure)?;
        network.simulate(&task.drive, &mut raster).map_err(failure)?;
        let fired = raster.to_recording("model", self.step_ms).map_err(failure)?;
        if let Some(path) = &self.spikes {
            let renamed = self.renamed(task, &raster)?;
            renamed.write(path).map_err(file_failure_at(path))?;
        }
        if let Some(path) = &self.raster {
            let ids: Vec<u32> = (0..task.ids.len() as u32).collect();
            let stop = task.raster.steps() as f64 * self.step_ms;
            let trains = Trains::from_recording(&fired, Some(&ids), 0.0, stop).map_err(failure)?;
            write_text(path, &raster_svg(&trains, "Spikes of the best weights").map_err(failure)?)?;
        }
        Ok(())
    }

    /// The model's spikes under the targets' neuron numbers and populations.
    fn renamed(&self, task: &Task, raster: &Raster) -> Result<SpikeTrains> {
        let mut names = task.population.clone();
        names.sort();
        names.dedup();
        let place = |name: &String| names.iter().position(|n| n == name).unwrap_or_default() as u16;
        let populations: Vec<u16> = task.population.iter().map(place).collect();
        let mut all: Vec<(u32, usize)> = Vec::with_capacity(raster.spikes());
        for (i, train) in raster.trains().iter().enumerate() {
            all.extend(train.iter().map(|t| (*t, i)));
        }
        all.sort_unstable();
        let mut spikes = SpikeTrains::new(names);
        let offset = (self.start_ms / self.step_ms).round() as i64;
        for (step, i) in all {
            spikes
                .push(
                    i64::from(step) + offset,
                    self.step_ms,
                    recordings::Stamp::Nest,
                    task.ids[i],
                    populations[i],
                )
                .map_err(Failure::input)?;
        }
        Ok(spikes)
    }
}

/// The rows of an array by global index.
fn rows(ids: &[u32], there: usize, what: &str) -> Result<Vec<usize>> {
    match ids.iter().find(|id| **id as usize >= there) {
        Some(id) => Err(Failure::input(format!("{what} has {there} rows, none for neuron {id}"))),
        None => Ok(ids.iter().map(|id| *id as usize).collect()),
    }
}
