//! What one epoch does to the weights: all neurons at once, from the same simulation.

use numerics::rng::{Stream, stream, subset};
use rand::RngExt;
use rayon::prelude::*;

use super::{Homeostasis, Matching, PoolSource, Pools, PspmConfig, Raster, Update};

/// What happened in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) hits: usize,
    pub(super) missed: usize,
    pub(super) extra: usize,
    /// Amounts that were added to a weight.
    pub(super) updates: usize,
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            missed: self.missed + other.missed,
            extra: self.extra + other.extra,
            updates: self.updates + other.updates,
        }
    }

    pub(super) fn f1(self) -> f64 {
        let all = 2 * self.hits + self.missed + self.extra;
        if all == 0 { 1.0 } else { 2.0 * self.hits as f64 / all as f64 }
    }
}

/// One epoch's spikes and pools, and how they change weights.
pub(super) struct Lesson<'a> {
    pub(super) config: &'a PspmConfig,
    pub(super) targets: &'a Raster,
    pub(super) model: &'a Raster,
    pub(super) pools: &'a Pools,
    pub(super) epoch: usize,
}

/// Buffers of one thread.
struct Scratch {
    matching: Matching,
    change: Vec<f64>,
    members: Vec<usize>,
}

impl Lesson<'_> {
    /// Pairs spikes without changing anything.
    pub(super) fn look(&self) -> Tally {
        let mut matching = Matching::default();
        let mut tally = Tally::default();
        for (target, model) in self.targets.trains().iter().zip(self.model.trains()) {
            matching.fill(target, model, self.config.window);
            tally = tally.and(count(&matching));
        }
        tally
    }

    /// Changes the weights, one row a neuron. A row depends on itself and on the epoch's spikes alone, and draws from a
    /// stream of its own: the result is the same for any number of threads.
    pub(super) fn apply(&self, weights: &mut [f64]) -> Tally {
        let n = self.targets.neurons();
        let scratch = || Scratch {
            matching: Matching::default(),
            change: vec![0.0; n],
            members: Vec::with_capacity(n),
        };
        let tallies: Vec<Tally> = weights
            .par_chunks_mut(n)
            .enumerate()
            .with_min_len(16)
            .map_init(scratch, |scratch, (neuron, row)| self.row(neuron, row, scratch))
            .collect();
        tallies.into_iter().fold(Tally::default(), Tally::and)
    }

    fn row(&self, neuron: usize, row: &mut [f64], scratch: &mut Scratch) -> Tally {
        let n = row.len();
        let (target, model) = (&self.targets.trains()[neuron], &self.model.trains()[neuron]);
        scratch.matching.fill(target, model, self.config.window);
        let mut tally = count(&scratch.matching);
        let synapses = (0..n).filter(|j| self.config.has(neuron, *j)).count();
        // No weight is there where there is no synapse, so the sum over all is that over synapses.
        let mean = row.iter().map(|w| w.abs()).sum::<f64>() / synapses.max(1) as f64;
        scratch.change.fill(0.0);
        if self.config.eta > 0.0 {
            tally.updates += self.local(neuron, row, (synapses, mean), scratch);
        }
        let excess = (target.len() as f64 - model.len() as f64) / target.len().max(1) as f64;
        let pull = self.config.eta_home * excess;
        if pull != 0.0 {
            tally.updates += synapses;
            let scale = (1.0 + pull).max(0.0) - 1.0;
            for (change, w) in scratch.change.iter_mut().zip(&*row) {
                *change += match self.config.homeostasis {
                    Homeostasis::Additive => pull * mean,
                    Homeostasis::Scaling => scale * w,
                };
            }
        }
        if tally.updates > 0 {
            for (source, (w, change)) in row.iter_mut().zip(&scratch.change).enumerate() {
                *w = self.config.allowed(neuron, source, *w + change);
            }
        }
        tally
    }

    /// Adds up what missed and extra spikes do to the inputs of a neuron, of which there are some of a mean size.
    fn local(
        &self,
        neuron: usize,
        row: &[f64],
        (synapses, mean): (usize, f64),
        scratch: &mut Scratch,
    ) -> usize {
        let config = self.config;
        let rate = config.eta * (1.0 - self.epoch as f64 / config.epochs as f64);
        let unit = rate / (row.len() as f64).sqrt();
        let index = (self.epoch * row.len() + neuron) as u64;
        let mut rng = stream(config.seed, "13-pspm/update", index);
        let Scratch { matching, change, members } = scratch;
        let missed = matching.missed.iter().map(|t| (*t, 1.0));
        let extra = matching.extra.iter().map(|t| (*t, -1.0));
        let mut updates = 0;
        for (step, sign) in missed.chain(extra) {
            members.clear();
            members.extend(self.pools.members(step as usize, neuron));
            if config.pool_source == PoolSource::Random {
                redraw(members, row.len(), neuron, &mut rng);
            }
            members.retain(|j| config.has(neuron, *j));
            for j in &*members {
                let amount = rng.random::<f64>();
                change[*j] += sign
                    * match config.update {
                        Update::Additive => unit * amount,
                        Update::Multiplicative => rate * amount * row[*j].abs(),
                    };
            }
            updates += members.len();
            if let Some(share) = config.empty_pool.filter(|_| members.is_empty() && sign > 0.0) {
                change.iter_mut().for_each(|c| *c += rate * share * mean);
                updates += synapses;
            }
        }
        updates
    }
}

fn count(matching: &Matching) -> Tally {
    Tally {
        hits: matching.hits.len(),
        missed: matching.missed.len(),
        extra: matching.extra.len(),
        updates: 0,
    }
}

/// Puts as many other neurons, drawn at random, in the place of a pool's.
fn redraw(members: &mut [usize], neurons: usize, neuron: usize, rng: &mut Stream) {
    let drawn = subset(rng, neurons - 1, members.len());
    for (member, j) in members.iter_mut().zip(drawn) {
        *member = j + usize::from(j >= neuron);
    }
}
