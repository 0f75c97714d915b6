//! The experiment with overlapping bars: what do the cliques of a network come to mean?

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    AfferentParams, BarsStimulus, DhanParams, FieldReport, Gate, SignalParams, Trace, TransientNet,
    bar_matches, mutual_information_bits, ring_of_cliques,
};
use crate::Result;

/// A ring of cliques that watches bars.
///
/// Defaults are the sheet's: ten cliques of four sites that share one, 5 x 5 pixels, bars present with probability 0.1,
/// a new pattern every 100 time units, 300,000 time units of learning; afterwards 30,000 without learning tell what the
/// winners say about the bars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BarsExperiment {
    /// Cliques of the ring.
    pub cliques: usize,
    /// Sites of a clique.
    pub clique_size: usize,
    /// Sites that neighbours share.
    pub shared: usize,
    /// Pixels of a side.
    pub side: usize,
    /// Probability of a bar.
    pub probability: f64,
    /// Time between patterns.
    pub interval: f64,
    /// Time of learning.
    pub duration: f64,
    /// Time of the test afterwards, with learning closed.
    pub test_duration: f64,
    /// Constants of the dynamics.
    pub dynamics: DhanParams,
    /// Constants of the afferents; `inputs` follows the side.
    pub afferents: AfferentParams,
    /// Constants of the learning signal.
    pub signal: SignalParams,
}

impl Default for BarsExperiment {
    fn default() -> Self {
        Self {
            cliques: 10,
            clique_size: 4,
            shared: 1,
            side: 5,
            probability: 0.1,
            interval: 100.0,
            duration: 300_000.0,
            test_duration: 30_000.0,
            dynamics: DhanParams::default(),
            afferents: AfferentParams::default(),
            signal: SignalParams::default(),
        }
    }
}

/// What a seed gave.
#[derive(Debug, Clone)]
pub struct BarsReport {
    /// The seed.
    pub seed: u64,
    /// Fields before learning.
    pub untrained: FieldReport,
    /// Fields after learning.
    pub learned: FieldReport,
    /// Receptive fields `[cliques, side^2]` after learning.
    pub fields: Array2<f64>,
    /// The run with learning.
    pub learning: Trace,
    /// `I(winner; bars)` of the test, in bits, summed over bars; NaN where no clique won.
    pub information_bits: f64,
    /// The same for winners and the patterns half a test later.
    pub information_control_bits: f64,
}

impl BarsExperiment {
    /// The network before learning.
    ///
    /// # Errors
    /// Those of [`ring_of_cliques`], [`TransientNet::from_cliques`] and [`TransientNet::with_afferents`].
    pub fn network(&self, seed: u64) -> Result<TransientNet> {
        let (sites, cliques) = ring_of_cliques(self.cliques, self.clique_size, self.shared)?;
        let inputs = self.side * self.side;
        let afferents = AfferentParams { inputs, ..self.afferents.clone() };
        TransientNet::from_cliques(sites, &cliques, self.dynamics.clone(), seed)?
            .with_afferents(afferents, seed)?
            .with_signal(self.signal.clone())
    }

    /// The bars that a seed's network sees.
    ///
    /// # Errors
    /// Those of [`BarsStimulus::new`].
    pub fn stimulus(&self, seed: u64) -> Result<BarsStimulus> {
        BarsStimulus::new(self.side, self.probability, self.interval, seed)
    }

    /// Learns and tests with one seed.
    ///
    /// # Errors
    /// Those of [`BarsExperiment::network`], [`BarsExperiment::stimulus`] and [`TransientNet::run`].
    pub fn run(&self, seed: u64) -> Result<BarsReport> {
        let mut stimulus = self.stimulus(seed)?;
        let mut net = self.network(seed)?;
        let untrained = bar_matches(&net.receptive_fields().view(), self.side)?;
        let learning = net.run(self.duration, &mut stimulus)?;
        let fields = net.receptive_fields();
        let learned = bar_matches(&fields.view(), self.side)?;
        net.set_gate(Gate::Off)?;
        let test = net.run(self.test_duration, &mut stimulus)?;
        let winners: Vec<usize> = test.sequence.0.iter().map(|w| w.1).collect();
        let half = winners.len() / 2;
        let shifted = test.shown.iter().cycle().skip(half).take(winners.len());
        let information = |shown: Vec<Vec<bool>>| {
            if winners.is_empty() { Ok(f64::NAN) } else { mutual_information_bits(&winners, &shown) }
        };
        Ok(BarsReport {
            seed,
            untrained,
            learned,
            fields,
            learning,
            information_bits: information(test.shown.iter().map(|i| stimulus.bars(*i)).collect())?,
            information_control_bits: information(shifted.map(|i| stimulus.bars(*i)).collect())?,
        })
    }

    /// [`BarsExperiment::run`] for each seed, in parallel; the same for any number of threads.
    ///
    /// # Errors
    /// As there.
    pub fn run_all(&self, seeds: &[u64]) -> Result<Vec<BarsReport>> {
        seeds.par_iter().map(|seed| self.run(*seed)).collect()
    }
}
