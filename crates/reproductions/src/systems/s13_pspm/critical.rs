//! Line 6: homeostasis towards the spikes of a critical network makes a student's avalanches like its.
//!
//! Both networks get the same events. In the probabilistic reference an event makes a spike a little more probable; in the
//! student it moves the potential, so that the threshold is crossed by fluctuations, as the reference's is by chance.

use numerics::summary::mean;
use rayon::prelude::*;
use snn::analysis::{Avalanche, avalanches, ks_two_sample};
use snn::pspm::{
    Drive, Lif, LifNetwork, PifNetwork, PspmConfig, Raster, SpikingNetwork, random_weights, train,
};

use super::fail;
use crate::figure::{Series, lines};
use crate::{Measurement, Outcome, Plan, Result};

const NEURONS: usize = 40;
const STEPS: usize = 4000;
/// Events per neuron and step.
const RATE: f64 = 0.05;
/// What an event adds to a spike's probability in the reference.
const PROBABILITY: f64 = 0.04;
/// What an event adds to the student's potential; its threshold is 1.
const AMPLITUDE: f64 = 0.3;
/// Gain of the student's initial weights.
const GAIN: f64 = 1.2;
const ETA_HOME: f64 = 0.02;
const EPOCHS: usize = 300;

/// What one seed gave.
struct Found {
    before: f64,
    best: f64,
    last: f64,
    /// With the last weights of a student taught by a subcritical reference.
    control: f64,
    count: f64,
    sizes: [Vec<f64>; 3],
}

pub(super) fn run(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let draws = plan.draws(5);
    let seeds = plan.seeds(5);
    let found = draws.par_iter().map(|seed| one(*seed)).collect::<Result<Vec<Found>>>()?;
    let each = |f: fn(&Found) -> f64| found.iter().map(f).collect::<Vec<f64>>();
    let drop = each(|f| 1.0 - f.last / f.before);
    outcome.measurements.push(
        Measurement::at_least("critical targets, homeostasis alone: drop of the distance of avalanche sizes, mean", mean(&drop), 0.3)
            .baseline(mean(&each(|f| f.before)))
            .control(1.0 - mean(&each(|f| f.control / f.before)))
            .seeds(&seeds)
            .interval_of(&drop)
            .note(format!(
                "last weights; the distance after is {:.3}, with the weights of least van Rossum distance {:.3}; spikes over target \
                 spikes {:.2}; baseline: the distance before; control: drop for a student of a network at half the ratio",
                mean(&each(|f| f.last)),
                mean(&each(|f| f.best)),
                mean(&each(|f| f.count)),
            )),
    );
    let names = ["critical reference", "student before", "student after"];
    let series = names.iter().enumerate().map(|(k, name)| {
        let mut sizes: Vec<f64> = found.iter().flat_map(|f| f.sizes[k].iter().copied()).collect();
        sizes.sort_by(f64::total_cmp);
        let n = sizes.len() as f64;
        let largest = sizes.last().copied().unwrap_or(1.0);
        let points = (0..40).map(|e| 1.25_f64.powi(e).floor()).filter(|s| *s <= largest);
        let share = |s: f64| (n - sizes.partition_point(|x| *x < s) as f64) / n;
        Series { name: (*name).to_owned(), points: points.map(|s| (s.log10(), share(s).log10())).collect() }
    });
    outcome.figures.push(lines(
        "Avalanches learned from a critical network",
        "Share of avalanches of a size or more, logarithms to base 10, all seeds together. Only spike counts were matched.",
        "log10 of the size",
        "log10 of the share",
        &series.collect::<Vec<_>>(),
    )?);
    Ok(())
}

fn one(seed: u64) -> Result<Found> {
    let drive = Drive::bernoulli(NEURONS, STEPS, RATE, AMPLITUDE, seed).map_err(fail)?;
    let start = random_weights(NEURONS, GAIN, 1.0, seed, 1).map_err(fail)?;
    let lif = Lif::default();
    let config = PspmConfig { eta: 0.0, eta_home: ETA_HOME, epochs: EPOCHS, seed, ..PspmConfig::default() };
    let reference = |sigma: f64| -> snn::Result<Raster> {
        let weights = PifNetwork::uniform_weights(NEURONS, sigma)?;
        let mut raster = Raster::silent(NEURONS, STEPS)?;
        PifNetwork::new(weights, 0.0, lif.refractory_steps, seed)?
            .simulate(&drive.with_amplitude(PROBABILITY)?, &mut raster)?;
        Ok(raster)
    };
    let target = reference(1.0).map_err(fail)?;
    let expected = sizes(&target);
    let distance = |raster: &Raster| ks_two_sample(&expected, &sizes(raster)).map_err(fail);
    let free = |weights: &ndarray::Array2<f64>| -> snn::Result<Raster> {
        let mut raster = Raster::silent(NEURONS, STEPS)?;
        LifNetwork::new(weights.clone(), lif)?.simulate(&drive, &mut raster)?;
        Ok(raster)
    };
    let mut student = LifNetwork::new(start.clone(), lif).map_err(fail)?;
    let taught = train(&mut student, &target, &drive, &config).map_err(fail)?;
    let mut other = LifNetwork::new(start.clone(), lif).map_err(fail)?;
    let quiet = reference(0.5).map_err(fail)?;
    let control = train(&mut other, &quiet, &drive, &config).map_err(fail)?;
    let (before, last) = (free(&start).map_err(fail)?, free(&taught.last_weights).map_err(fail)?);
    Ok(Found {
        before: distance(&before)?,
        best: distance(&free(&taught.best_weights).map_err(fail)?)?,
        last: distance(&last)?,
        control: distance(&free(&control.last_weights).map_err(fail)?)?,
        count: last.spikes() as f64 / target.spikes() as f64,
        sizes: [expected.clone(), sizes(&before), sizes(&last)],
    })
}

fn sizes(raster: &Raster) -> Vec<f64> {
    avalanches(&raster.population()).iter().map(|Avalanche { size, .. }| *size as f64).collect()
}
