//! `neuropil snn stats`: rates, irregularity, correlation, complexity and avalanches of spikes, and distances to others.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use numerics::rng::{stream, subset};
use rayon::prelude::*;
use recordings::{SpikeTrains, atomic};
use schemars::JsonSchema;
use serde::Serialize;
use snn::analysis::{
    Branching, Trains, VanRossum, avalanches, binarize, branching_ratio, coincidence_factor,
    count_correlation, counts, cv, cv2, fano_factor, intervals_ms, isi_distance, local_variation,
    lz_normalized, mean_event_interval_ms, power_law, raster_svg, rates_svg, spike_distance, van_rossum,
    victor_purpura,
};

use super::model_files::failure;
use crate::arguments::positive;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// An interval statistic of fewer spikes is biased.
const SPIKES_FOR_INTERVALS: usize = 4;

/// Statistics of spike trains
#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[arg(help = "Spikes (npz: times_ms, steps, neurons, population, population_names)")]
    spikes: PathBuf,
    /// Spikes to compare with, neuron by neuron
    #[arg(long, value_name = "OTHER")]
    reference: Option<PathBuf>,
    /// Begin of the window in ms
    #[arg(long, default_value_t = 0.0, value_name = "MS", allow_negative_numbers = true)]
    start_ms: f64,
    /// End of the window in ms [default: the last spike of both files]
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    stop_ms: Option<f64>,
    /// Neurons of each population, in the file's order [default: those that fired, which overstates rates]
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Bin of counts in ms, for Fano factors, correlations and the rate plot
    #[arg(long, default_value_t = 20.0, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    bin_ms: f64,
    /// Bin in ms of the binary string whose complexity is taken
    #[arg(long, default_value_t = 2.0, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    symbol_ms: f64,
    /// Bin of avalanches in ms [default: the mean interval between spikes of the whole population]
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    avalanche_bin_ms: Option<f64>,
    /// Neurons, drawn at random, whose pairs are correlated
    #[arg(long, default_value_t = 500, value_name = "N")]
    correlated: usize,
    /// Time constant of van Rossum's distance in ms
    #[arg(long, default_value_t = 20.0, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    tau_ms: f64,
    /// What Victor and Purpura's distance pays for moving a spike by 1 ms
    #[arg(long, default_value_t = 0.05, value_name = "COST", allow_negative_numbers = true, value_parser = positive)]
    cost_per_ms: f64,
    /// How far apart coincident spikes may lie, in ms
    #[arg(long, default_value_t = 2.0, value_name = "MS", allow_negative_numbers = true, value_parser = positive)]
    precision_ms: f64,
    /// Where to draw a raster (svg)
    #[arg(long, value_name = "FILE")]
    raster: Option<PathBuf>,
    /// Where to draw the rates of the populations (svg)
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
}

/// What lies between two trains.
type Distance<'a> = dyn Fn(&[f64], &[f64]) -> snn::Result<f64> + Sync + 'a;

/// A figure for each population; null where it has too few spikes.
type PerPopulation = BTreeMap<String, Option<f64>>;

/// Bursts between silences.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Avalanches {
    /// Bin in milliseconds.
    bin_ms: f64,
    /// How many there are.
    count: usize,
    /// Mean number of spikes.
    mean_size: f64,
    /// Mean duration in bins.
    mean_duration: f64,
    /// Most spikes.
    largest: u64,
    /// Mean of `A_{t+1} / A_t`.
    branching_ratio: Option<f64>,
    /// Exponent of the sizes by maximum likelihood, from 1 on.
    size_exponent: Option<f64>,
    /// Its standard error.
    size_exponent_error: Option<f64>,
    /// Kolmogorov-Smirnov distance of the sizes from that power law.
    size_ks: Option<f64>,
    /// Exponent of the durations.
    duration_exponent: Option<f64>,
}

/// Means over neurons of what lies between their trains here and there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Comparison {
    /// Neurons that fired in either.
    neurons: usize,
    /// Spikes of the reference.
    spikes: usize,
    /// Spikes here over spikes there.
    count_ratio: Option<f64>,
    /// Van Rossum's distance, one spike against none 1.
    van_rossum: f64,
    /// The same in van Rossum's own normalisation, one spike against none 1 / sqrt 2.
    van_rossum_original: f64,
    /// Victor and Purpura's distance.
    victor_purpura: f64,
    /// ISI distance, 0 to 1.
    isi_distance: f64,
    /// SPIKE distance, 0 to 1.
    spike_distance: f64,
    /// Coincidence factor, over neurons whose rate leaves it defined.
    coincidence_factor: Option<f64>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Neurons that fired in the window.
    neurons: usize,
    /// Spikes in it.
    spikes: usize,
    /// Its begin in ms.
    start_ms: f64,
    /// Its end in ms.
    stop_ms: f64,
    /// Rate in Hz by population.
    mean_rate_hz: PerPopulation,
    /// Coefficient of variation of intervals, mean over neurons with at least 4 spikes.
    cv_isi: PerPopulation,
    /// Local coefficient of variation (Holt), likewise.
    cv2_isi: PerPopulation,
    /// Local variation (Shinomoto), likewise.
    lv_isi: PerPopulation,
    /// Fano factor of counts, mean over neurons that fired.
    fano: PerPopulation,
    /// Normalised Lempel-Ziv complexity in bits per symbol, mean over neurons that fired.
    lz_complexity: PerPopulation,
    /// Mean correlation of counts over pairs of neurons.
    count_correlation: Option<f64>,
    /// Neurons whose pairs were correlated.
    correlated_neurons: usize,
    /// Avalanches of all populations together.
    avalanches: Option<Avalanches>,
    /// Distances to the reference; null without one or where neither file has a spike in the window.
    reference: Option<Comparison>,
}

impl Verb for Stats {
    const NAME: &'static str = "snn.stats";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let bad = |e: snn::Error| failure(e).or_at(&self.spikes);
        let read = |path: &PathBuf| SpikeTrains::read(path).map_err(file_failure_at(path));
        let spikes = read(&self.spikes)?;
        let other = self.reference.as_ref().map(&read).transpose()?;
        self.check(&spikes)?;
        let last = |s: &SpikeTrains| s.times_ms().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let found = last(&spikes).max(other.as_ref().map_or(f64::NEG_INFINITY, last));
        let stop_ms = self.stop_ms.unwrap_or(found);
        if self.stop_ms.is_none() && !found.is_finite() {
            return Err(Failure::input("there is no spike; --stop-ms would say how long nothing fired")
                .at(&self.spikes));
        }
        let trains = Trains::from_recording(&spikes, None, self.start_ms, stop_ms).map_err(bad)?;
        self.admit(context, &trains)?;
        let drawn = subset(&mut stream(context.seed, "snn/stats", 0), trains.len(), self.correlated);
        let answer = Answer {
            neurons: trains.len(),
            spikes: trains.spikes(),
            start_ms: self.start_ms,
            stop_ms,
            mean_rate_hz: self.rates_of(&trains),
            cv_isi: over_neurons(&trains, |t| interval_statistic(t, cv)),
            cv2_isi: over_neurons(&trains, |t| interval_statistic(t, cv2)),
            lv_isi: over_neurons(&trains, |t| interval_statistic(t, local_variation)),
            fano: over_neurons(&trains, |t| {
                fano_factor(&counts(t, self.start_ms, stop_ms, self.bin_ms).ok()?).ok()
            }),
            lz_complexity: over_neurons(&trains, |t| {
                lz_normalized(&binarize(t, self.start_ms, stop_ms, self.symbol_ms).ok()?).ok()
            }),
            count_correlation: self.correlation(&trains, &drawn),
            correlated_neurons: drawn.len(),
            avalanches: self.avalanches(&trains)?,
            reference: match (&self.reference, &other) {
                (Some(path), Some(other)) => {
                    let at = |e: snn::Error| failure(e).or_at(path);
                    self.compare(&spikes, other, stop_ms).map_err(at)?
                }
                _ => None,
            },
        };
        for (path, draw) in [(&self.raster, true), (&self.rates, false)] {
            let Some(path) = path else { continue };
            let svg = match draw {
                true => raster_svg(&trains, "Spikes"),
                false => rates_svg(&trains, self.bin_ms, "Rates"),
            };
            write_text(path, &svg.map_err(bad)?)?;
        }
        Ok(answer)
    }
}

impl Stats {
    fn check(&self, spikes: &SpikeTrains) -> Result<()> {
        let names = spikes.population_names();
        if let Some(twice) = names.iter().enumerate().find_map(|(i, n)| names[..i].contains(n).then_some(n)) {
            return Err(Failure::input(format!("two populations are called {twice:?}")).at(&self.spikes));
        }
        if !self.sizes.is_empty() && self.sizes.len() != names.len() {
            let message = format!("--sizes has {} numbers for {} populations", self.sizes.len(), names.len());
            return Err(Failure::usage(message));
        }
        Ok(())
    }

    /// Refuses bins so short that their counts would not fit.
    fn admit(&self, context: &Context, trains: &Trains) -> Result<()> {
        let bins = |width: f64| (trains.duration_ms() / width).ceil();
        let threads = rayon::current_num_threads() as f64;
        let correlated = self.correlated.min(trains.len()) as f64;
        let bytes = 8.0 * correlated * (bins(self.bin_ms) + correlated)
            + threads * (4.0 * bins(self.bin_ms) + 50.0 * bins(self.symbol_ms))
            + self.avalanche_bin_ms.map_or(0.0, |b| 4.0 * bins(b));
        context.admit("counting spikes in these bins", bytes.min(u64::MAX as f64) as u64)
    }

    fn rates_of(&self, trains: &Trains) -> PerPopulation {
        let named = trains.population_names().iter().enumerate();
        named
            .map(|(index, name)| {
                let own =
                    trains.population().iter().zip(trains.iter()).filter(|(p, _)| usize::from(**p) == index);
                let (fired, spikes) = own.fold((0, 0), |(n, s), (_, times)| (n + 1, s + times.len()));
                let size = self.sizes.get(index).copied().unwrap_or(fired);
                let rate = spikes as f64 * 1000.0 / (size as f64 * trains.duration_ms());
                (name.clone(), (size > 0).then_some(rate))
            })
            .collect()
    }

    fn correlation(&self, trains: &Trains, drawn: &[usize]) -> Option<f64> {
        let times = drawn.iter().map(|i| trains.times_ms(*i).to_vec()).collect();
        let chosen = Trains::new(times, trains.start_ms(), trains.stop_ms()).ok()?;
        let matrix = count_correlation(&chosen, self.bin_ms).ok()?;
        let above = matrix.indexed_iter().filter(|((i, j), r)| i < j && !r.is_nan()).map(|(_, r)| *r);
        let (n, sum) = above.fold((0_usize, 0.0), |(n, sum), r| (n + 1, sum + r));
        (n > 0).then(|| sum / n as f64)
    }

    fn avalanches(&self, trains: &Trains) -> Result<Option<Avalanches>> {
        let Some(bin_ms) = self.avalanche_bin_ms.or_else(|| mean_event_interval_ms(trains).ok()) else {
            return Ok(None);
        };
        let mut all: Vec<f64> = trains.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let Ok(activity) = counts(&all, trains.start_ms(), trains.stop_ms(), bin_ms) else {
            document::warn(&format!("no avalanches: the window has no or too many bins of {bin_ms} ms"));
            return Ok(None);
        };
        let found = avalanches(&activity);
        if found.is_empty() {
            return Ok(None);
        }
        let sizes: Vec<u64> = found.iter().map(|a| a.size).collect();
        let durations: Vec<u64> = found.iter().map(|a| a.duration).collect();
        let mean = |all: &[u64]| all.iter().sum::<u64>() as f64 / all.len() as f64;
        let law = power_law(&sizes, 1).ok();
        Ok(Some(Avalanches {
            bin_ms,
            count: found.len(),
            mean_size: mean(&sizes),
            mean_duration: mean(&durations),
            largest: sizes.iter().copied().max().unwrap_or(0),
            branching_ratio: branching_ratio(&activity, Branching::MeanOfRatios).ok(),
            size_exponent: law.map(|l| l.alpha),
            size_exponent_error: law.map(|l| l.standard_error),
            size_ks: law.map(|l| l.ks),
            duration_exponent: power_law(&durations, 1).ok().map(|l| l.alpha),
        }))
    }

    fn compare(
        &self,
        spikes: &SpikeTrains,
        other: &SpikeTrains,
        stop_ms: f64,
    ) -> snn::Result<Option<Comparison>> {
        let window =
            |s: &SpikeTrains, ids: Option<&[u32]>| Trains::from_recording(s, ids, self.start_ms, stop_ms);
        let mut ids: Vec<u32> = window(spikes, None)?.ids().to_vec();
        ids.extend(window(other, None)?.ids());
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(None);
        }
        let (here, there) = (window(spikes, Some(&ids))?, window(other, Some(&ids))?);
        let mean = |measure: &Distance<'_>| -> snn::Result<f64> {
            let pairs = (0..ids.len()).into_par_iter().map(|i| measure(there.times_ms(i), here.times_ms(i)));
            let values = pairs.collect::<snn::Result<Vec<f64>>>()?;
            Ok(values.iter().sum::<f64>() / values.len() as f64)
        };
        let gammas: Vec<f64> = (0..ids.len())
            .filter_map(|i| {
                let (a, b) = (there.times_ms(i), here.times_ms(i));
                coincidence_factor(a, b, here.duration_ms(), self.precision_ms).ok().map(|c| c.gamma)
            })
            .collect();
        let (start, tau) = (self.start_ms, self.tau_ms);
        Ok(Some(Comparison {
            neurons: ids.len(),
            spikes: there.spikes(),
            count_ratio: (there.spikes() > 0).then(|| here.spikes() as f64 / there.spikes() as f64),
            van_rossum: mean(&|a, b| van_rossum(a, b, tau, VanRossum::Unit))?,
            van_rossum_original: mean(&|a, b| van_rossum(a, b, tau, VanRossum::Original))?,
            victor_purpura: mean(&|a, b| victor_purpura(a, b, self.cost_per_ms))?,
            isi_distance: mean(&|a, b| isi_distance(a, b, start, stop_ms))?,
            spike_distance: mean(&|a, b| spike_distance(a, b, start, stop_ms))?,
            coincidence_factor: (!gammas.is_empty())
                .then(|| gammas.iter().sum::<f64>() / gammas.len() as f64),
        }))
    }
}

/// The mean over a population's neurons of a figure that some of them lack.
fn over_neurons(trains: &Trains, figure: impl Fn(&[f64]) -> Option<f64> + Sync) -> PerPopulation {
    let values: Vec<Option<f64>> =
        (0..trains.len()).into_par_iter().map(|i| figure(trains.times_ms(i))).collect();
    let named = trains.population_names().iter().enumerate();
    named
        .map(|(index, name)| {
            let own = trains.population().iter().zip(&values).filter(|(p, _)| usize::from(**p) == index);
            let (n, sum) = own.filter_map(|(_, v)| *v).fold((0_usize, 0.0), |(n, sum), v| (n + 1, sum + v));
            (name.clone(), (n > 0).then(|| sum / n as f64))
        })
        .collect()
}

fn interval_statistic(times_ms: &[f64], of: fn(&[f64]) -> snn::Result<f64>) -> Option<f64> {
    (times_ms.len() >= SPIKES_FOR_INTERVALS).then(|| of(&intervals_ms(times_ms).ok()?).ok())?
}

/// Writes a text file under a temporary name, then renames it.
pub(super) fn write_text(path: &std::path::Path, text: &str) -> Result<()> {
    use std::io::Write;
    atomic::write(path, |file| file.write_all(text.as_bytes())).map_err(|e| Failure::new("io", e).at(path))
}
