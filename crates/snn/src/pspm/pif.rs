//! Probabilistic integrate-and-fire neurons: the reference whose avalanches are understood.

use ndarray::{Array2, ArrayView2};
use numerics::rng::{Stream, stream};
use rand::RngExt;
use rand_distr::{Binomial, Distribution};

use super::network::{by_source, prepare, replace};
use super::{Drive, Raster, SpikingNetwork, check_weights};
use crate::analysis::Avalanche;
use crate::{Error, Result};

/// A recurrent network of binary probabilistic neurons:
/// `P(i fires at t) = min(1, max(0, sum_j W_ij s_j(t-1) + p_ext + I_i(t)))`; the drive adds to the probability, so that an event
/// of amplitude 1 makes a neuron fire. Critical where the largest eigenvalue of W is 1. Each run draws from a stream of its
/// own, numbered by how many there were before.
#[derive(Debug, Clone)]
pub struct PifNetwork {
    weights: Array2<f64>,
    external: f64,
    refractory_steps: u32,
    seed: u64,
    runs: u64,
    by_source: Vec<f64>,
    input: Vec<f64>,
    held: Vec<u32>,
    fired: Vec<u32>,
}

impl PifNetwork {
    /// A network with weights `[target, source]`, each neuron of which fires by itself with probability `external` a step and
    /// cannot for `refractory_steps` steps after a spike.
    ///
    /// # Errors
    /// Those of [`check_weights`]; [`Error::Parameter`] unless `0 <= external <= 1`.
    pub fn new(weights: Array2<f64>, external: f64, refractory_steps: u32, seed: u64) -> Result<Self> {
        check_weights(&weights.view())?;
        probability("external probability per step", external)?;
        let n = weights.nrows();
        Ok(Self {
            weights,
            external,
            refractory_steps,
            seed,
            runs: 0,
            by_source: Vec::with_capacity(n * n),
            input: vec![0.0; n],
            held: vec![0; n],
            fired: Vec::with_capacity(n),
        })
    }

    /// Weights of a network in which all feed all alike and the largest eigenvalue is `sigma`: `sigma / (N - 1)` off the
    /// diagonal.
    ///
    /// # Errors
    /// [`Error::Parameter`] below two neurons or unless `sigma` is finite and 0 or more.
    pub fn uniform_weights(neurons: usize, sigma: f64) -> Result<Array2<f64>> {
        if neurons < 2 {
            return Err(Error::parameter("neurons", neurons as f64, "2 or more"));
        }
        branching(sigma)?;
        let weight = sigma / (neurons - 1) as f64;
        Ok(Array2::from_shape_fn((neurons, neurons), |(i, j)| if i == j { 0.0 } else { weight }))
    }
}

impl SpikingNetwork for PifNetwork {
    fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    fn set_weights(&mut self, weights: ArrayView2<'_, f64>) -> Result<()> {
        replace(&mut self.weights, &weights)
    }

    fn refractory_steps(&self) -> usize {
        self.refractory_steps as usize
    }

    fn simulate(&mut self, drive: &Drive, raster: &mut Raster) -> Result<()> {
        let n = self.held.len();
        prepare(n, drive, raster)?;
        by_source(&self.weights, &mut self.by_source);
        self.held.fill(0);
        self.fired.clear();
        let mut rng = stream(self.seed, "13-pspm/pif", self.runs);
        self.runs += 1;
        let Self { by_source, input, held, fired, external, refractory_steps, .. } = self;
        for step in 0..raster.steps() {
            input.fill(*external);
            for source in fired.drain(..) {
                let row = &by_source[source as usize * n..][..n];
                input.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
            }
            for (neuron, amplitude) in drive.at(step) {
                input[*neuron as usize] += amplitude;
            }
            for (i, (p, held)) in input.iter().zip(held.iter_mut()).enumerate() {
                if *held > 0 {
                    *held -= 1;
                } else if *p >= 1.0 || (*p > 0.0 && rng.random::<f64>() < *p) {
                    *held = *refractory_steps;
                    fired.push(i as u32);
                    raster.trains[i].push(step as u32);
                }
            }
        }
        Ok(())
    }
}

/// The network in which all feed all alike (`W = sigma / N`, a neuron feeding itself too): given k spikes, each neuron fires
/// with probability `min(1, sigma k / N + p_ext)`, so the number of the next spikes is binomial and no neuron has to be looked
/// at. For `N` large its avalanches follow [Borel's law](crate::analysis::borel_probability).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniformPif {
    neurons: u64,
    sigma: f64,
}

impl UniformPif {
    /// A network of `neurons` neurons with branching ratio `sigma`.
    ///
    /// # Errors
    /// [`Error::Parameter`] without a neuron or unless `sigma` is finite and 0 or more.
    pub fn new(neurons: u64, sigma: f64) -> Result<Self> {
        if neurons == 0 {
            return Err(Error::parameter("neurons", 0.0, "1 or more"));
        }
        branching(sigma)?;
        Ok(Self { neurons, sigma })
    }

    /// The avalanche that one spike sets off, without further input; it is cut off once its size reaches `largest`.
    ///
    /// # Errors
    /// Never: the probabilities are in range by construction.
    pub fn avalanche(&self, largest: u64, seed: u64, index: u64) -> Result<Avalanche> {
        let mut rng = stream(seed, "13-pspm/avalanche", index);
        let (mut active, mut found) = (1, Avalanche { size: 1, duration: 1 });
        while active > 0 && found.size < largest {
            active = self.next(active, 0.0, &mut rng)?;
            found.size += active;
            found.duration += u64::from(active > 0);
        }
        Ok(found)
    }

    /// How many neurons fire at each of `steps` steps if each fires by itself with probability `external`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `0 <= external <= 1`.
    pub fn activity(&self, steps: usize, external: f64, seed: u64) -> Result<Vec<u32>> {
        probability("external probability per step", external)?;
        let mut rng = stream(seed, "13-pspm/activity", 0);
        let mut active = 0;
        (0..steps)
            .map(|_| {
                active = self.next(active, external, &mut rng)?;
                Ok(u32::try_from(active).unwrap_or(u32::MAX))
            })
            .collect()
    }

    fn next(&self, active: u64, external: f64, rng: &mut Stream) -> Result<u64> {
        let p = (self.sigma * active as f64 / self.neurons as f64 + external).min(1.0);
        let law = Binomial::new(self.neurons, p);
        Ok(law.map_err(|_| Error::parameter("probability of a spike", p, "from 0 to 1"))?.sample(rng))
    }
}

fn branching(sigma: f64) -> Result<()> {
    if sigma.is_finite() && sigma >= 0.0 {
        Ok(())
    } else {
        Err(Error::parameter("branching ratio", sigma, "finite, 0 or more"))
    }
}

fn probability(name: &str, p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) { Ok(()) } else { Err(Error::parameter(name, p, "from 0 to 1")) }
}
