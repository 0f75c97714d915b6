//! Leaky integrate-and-fire neurons in discrete time.

use ndarray::{Array2, ArrayView2};

use super::network::{by_source, prepare, replace};
use super::{Drive, Raster, SpikingNetwork, check_weights};
use crate::{Error, Result};

/// Parameters of [`LifNetwork`].
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `step_ms` | ms | 1 | sheet 13 |
/// | `tau_ms` | ms | 20 | sheet 13 |
/// | `threshold` | the weights' | 1 | sheet 13 |
/// | `refractory_steps` | steps | 2 | sheet 13 |
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lif {
    /// Length of a step.
    pub step_ms: f64,
    /// Time constant of the membrane.
    pub tau_ms: f64,
    /// Potential at which a neuron fires.
    pub threshold: f64,
    /// Steps after a spike for which the potential is held at 0 and input is lost.
    pub refractory_steps: u32,
}

impl Default for Lif {
    fn default() -> Self {
        Self { step_ms: 1.0, tau_ms: 20.0, threshold: 1.0, refractory_steps: 2 }
    }
}

/// A recurrent network of leaky integrate-and-fire neurons:
/// `V_i(t) = lambda V_i(t-1) + sum_j W_ij s_j(t-1) + I_i(t)`, `lambda = exp(-h / tau)`. Where `V >= threshold` the neuron
/// fires, V becomes 0 and stays so for `refractory_steps` steps.
///
/// Spikes drive the sums: a step costs neurons + spikes x neurons, not neurons^2. No allocation per step.
#[derive(Debug, Clone)]
pub struct LifNetwork {
    weights: Array2<f64>,
    lif: Lif,
    by_source: Vec<f64>,
    potential: Vec<f64>,
    input: Vec<f64>,
    held: Vec<u32>,
    fired: Vec<u32>,
}

impl LifNetwork {
    /// A network with weights `[target, source]`.
    ///
    /// # Errors
    /// Those of [`check_weights`]; [`Error::Parameter`] unless step, time constant and threshold are finite and positive.
    pub fn new(weights: Array2<f64>, lif: Lif) -> Result<Self> {
        check_weights(&weights.view())?;
        for (name, value) in
            [("step in ms", lif.step_ms), ("tau in ms", lif.tau_ms), ("threshold", lif.threshold)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::parameter(name, value, "finite and positive"));
            }
        }
        let n = weights.nrows();
        Ok(Self {
            weights,
            lif,
            by_source: Vec::with_capacity(n * n),
            potential: vec![0.0; n],
            input: vec![0.0; n],
            held: vec![0; n],
            fired: Vec::with_capacity(n),
        })
    }
}

impl SpikingNetwork for LifNetwork {
    fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    fn set_weights(&mut self, weights: ArrayView2<'_, f64>) -> Result<()> {
        replace(&mut self.weights, &weights)
    }

    fn refractory_steps(&self) -> usize {
        self.lif.refractory_steps as usize
    }

    fn simulate(&mut self, drive: &Drive, raster: &mut Raster) -> Result<()> {
        let n = self.potential.len();
        prepare(n, drive, raster)?;
        by_source(&self.weights, &mut self.by_source);
        self.potential.fill(0.0);
        self.held.fill(0);
        self.fired.clear();
        let decay = (-self.lif.step_ms / self.lif.tau_ms).exp();
        let Self { by_source, potential, input, held, fired, lif, .. } = self;
        for step in 0..raster.steps() {
            if fired.is_empty() {
                potential.iter_mut().for_each(|v| *v *= decay);
            } else {
                input.fill(0.0);
                for source in fired.drain(..) {
                    let row = &by_source[source as usize * n..][..n];
                    input.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
                }
                potential.iter_mut().zip(&*input).for_each(|(v, sum)| *v = decay * *v + sum);
            }
            for (neuron, amplitude) in drive.at(step) {
                potential[*neuron as usize] += amplitude;
            }
            for (i, (v, held)) in potential.iter_mut().zip(held.iter_mut()).enumerate() {
                if *held > 0 {
                    *held -= 1;
                    *v = 0.0;
                } else if *v >= lif.threshold {
                    *v = 0.0;
                    *held = lif.refractory_steps;
                    fired.push(i as u32);
                    raster.trains[i].push(step as u32);
                }
            }
        }
        Ok(())
    }
}
