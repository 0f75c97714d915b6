//! What is written down while a network runs.

use super::model::NeuronBlock;
use super::real::Real;

/// Samples state variables of neurons of a block.
pub(crate) struct Tap<R> {
    pub(crate) variables: Vec<usize>,
    // Block indices.
    pub(crate) neurons: Vec<usize>,
    pub(crate) interval: i64,
    // [sample][variable][neuron]
    pub(crate) values: Vec<R>,
}

impl<R: Real> Tap<R> {
    /// The end of a step: samples where it is a multiple of the interval.
    pub(crate) fn sample(&mut self, step: i64, block: &dyn NeuronBlock<R>) {
        if (step + 1) % self.interval != 0 {
            return;
        }
        for variable in &self.variables {
            self.values.extend(self.neurons.iter().map(|n| block.read(*variable, *n)));
        }
    }

    /// Makes room for the samples of so many steps, so that none allocates.
    pub(crate) fn reserve(&mut self, steps: i64) {
        let samples = (steps / self.interval + 1) as usize;
        self.values.reserve(samples.saturating_mul(self.variables.len() * self.neurons.len()).min(1 << 28));
    }
}

/// Spikes of recorded populations, in the order of step, population and neuron.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SpikeLog {
    pub(crate) steps: Vec<i64>,
    pub(crate) populations: Vec<u16>,
    pub(crate) neurons: Vec<u32>,
}

impl SpikeLog {
    pub(crate) fn extend(&mut self, step: i64, population: u16, neurons: &[u32]) {
        self.neurons.extend_from_slice(neurons);
        self.steps.resize(self.neurons.len(), step);
        self.populations.resize(self.neurons.len(), population);
    }
}

/// Spikes of a population, counted in bins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RateTap {
    pub(crate) population: usize,
    pub(crate) bin: i64,
    pub(crate) first: i64,
    pub(crate) counts: Vec<u64>,
}

impl RateTap {
    pub(crate) fn add(&mut self, step: i64, spikes: usize) {
        let bin = ((step - self.first) / self.bin) as usize;
        if self.counts.len() <= bin {
            self.counts.resize(bin + 1, 0);
        }
        self.counts[bin] += spikes as u64;
    }
}
