//! How PSPM learns.

use ndarray::Array2;

use crate::{Error, Result};

/// Whose spikes make the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolSource {
    /// The model's.
    #[default]
    Model,
    /// The targets': teacher forcing of the credit, not of the simulation.
    Target,
    /// A control: as many neurons as the model's pool has, drawn at random.
    Random,
}

/// How a weight moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// By `rate U / sqrt(N)`.
    #[default]
    Additive,
    /// By `rate U |W|`: what is 0 stays so.
    Multiplicative,
}

/// How all inputs of a neuron follow its spike count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Homeostasis {
    /// `W_ij += eta_home d mean_j |W_ij|`.
    #[default]
    Additive,
    /// `W_ij *= max(0, 1 + eta_home d)`.
    Scaling,
}

/// Dale's law: what all synapses of a source do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Weights of 0 or more.
    Excitatory,
    /// Weights of 0 or less.
    Inhibitory,
}

/// Parameters of [`train`](super::train).
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `window` | steps | 2 | sheet 13, its choice |
/// | `pool` | steps | 10 | sheet 13, its choice: about as long as a synaptic potential |
/// | `eta` | weight times sqrt(N) | 0.15 | sheet 13, its choice; 0: no local updates |
/// | `eta_home` | 1 | 0 | sheet 13: 0.05 beside local updates, 0.2 alone |
/// | `epochs` | | 150 | sheet 13, its choice |
/// | `empty_pool` | mean weight | off | sheet 13: 0.1 where it is used |
/// | `tau_steps` | steps | 10 | sheet 13 |
#[derive(Debug, Clone, PartialEq)]
pub struct PspmConfig {
    /// How far a spike may lie from the target that it answers.
    pub window: u32,
    /// How long before an event a neuron may have fired to be in its pool.
    pub pool: usize,
    /// Rate of the local update; falls to 0 over the epochs, `eta (1 - e / E)`.
    pub eta: f64,
    /// Rate of the homeostatic update, `d = (n* - n) / max(1, n*)`.
    pub eta_home: f64,
    /// Simulations with an update after them.
    pub epochs: usize,
    /// Whose spikes make the pool.
    pub pool_source: PoolSource,
    /// How a weight moves.
    pub update: Update,
    /// How inputs follow the spike count.
    pub homeostasis: Homeostasis,
    /// What a target that was missed with an empty pool adds to all inputs, as a share of `rate mean |W|`.
    pub empty_pool: Option<f64>,
    /// Least and greatest weight.
    pub bounds: Option<(f64, f64)>,
    /// What each source's synapses do; weights of the other sign become 0.
    pub dale: Option<Vec<Polarity>>,
    /// Which synapses `[target, source]` there are; the others are 0 and stay so.
    pub mask: Option<Array2<bool>>,
    /// Time constant of the van Rossum distance that chooses the best weights.
    pub tau_steps: f64,
    /// Seed of the random amounts.
    pub seed: u64,
}

impl Default for PspmConfig {
    fn default() -> Self {
        Self {
            window: 2,
            pool: 10,
            eta: 0.15,
            eta_home: 0.0,
            epochs: 150,
            pool_source: PoolSource::Model,
            update: Update::Additive,
            homeostasis: Homeostasis::Additive,
            empty_pool: None,
            bounds: None,
            dale: None,
            mask: None,
            tau_steps: 10.0,
            seed: 0,
        }
    }
}

impl PspmConfig {
    /// Refuses what no network of this many neurons can be taught with.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a pool of no length, no epoch, rates that are negative or not finite, bounds that leave 0
    /// out; [`Error::Shape`] for a mask or polarities of another size.
    pub fn validate(&self, neurons: usize) -> Result<()> {
        if self.pool == 0 {
            return Err(Error::parameter("length of the pool in steps", 0.0, "1 or more"));
        }
        if self.epochs == 0 {
            return Err(Error::parameter("epochs", 0.0, "1 or more"));
        }
        let rates =
            [("eta", self.eta), ("eta_home", self.eta_home), ("empty_pool", self.empty_pool.unwrap_or(0.0))];
        for (name, value) in rates {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::parameter(name, value, "finite, 0 or more"));
            }
        }
        if !(self.tau_steps.is_finite() && self.tau_steps > 0.0) {
            return Err(Error::parameter("tau in steps", self.tau_steps, "finite and positive"));
        }
        if let Some((low, high)) = self.bounds {
            if !(low.is_finite() && low <= 0.0) {
                return Err(Error::parameter("least weight", low, "finite, 0 or less"));
            }
            if !(high.is_finite() && high >= 0.0) {
                return Err(Error::parameter("greatest weight", high, "finite, 0 or more"));
            }
        }
        if let Some(mask) = self.mask.as_ref().filter(|m| m.dim() != (neurons, neurons)) {
            let found = format!("{:?}", mask.dim());
            return Err(Error::shape("mask", format!("[{neurons}, {neurons}]"), found));
        }
        if let Some(dale) = self.dale.as_ref().filter(|d| d.len() != neurons) {
            return Err(Error::shape("polarities", neurons, dale.len()));
        }
        Ok(())
    }

    /// The nearest weights within mask, bounds and signs: what learning starts from. The diagonal becomes 0.
    ///
    /// # Errors
    /// Those of [`PspmConfig::validate`]; [`Error::Shape`] unless the weights are square.
    pub fn constrain(&self, weights: &Array2<f64>) -> Result<Array2<f64>> {
        let (rows, columns) = weights.dim();
        if rows != columns {
            return Err(Error::shape("weights", "[neurons, neurons]", format!("[{rows}, {columns}]")));
        }
        self.validate(rows)?;
        Ok(Array2::from_shape_fn((rows, rows), |(i, j)| self.allowed(i, j, weights[[i, j]])))
    }

    /// Whether there is a synapse.
    pub(super) fn has(&self, target: usize, source: usize) -> bool {
        target != source && self.mask.as_ref().is_none_or(|m| m[[target, source]])
    }

    /// The nearest weight that is allowed.
    pub(super) fn allowed(&self, target: usize, source: usize, weight: f64) -> f64 {
        if !self.has(target, source) {
            return 0.0;
        }
        let (low, high) = self.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let weight = weight.clamp(low, high);
        match self.dale.as_ref().map(|d| d[source]) {
            Some(Polarity::Excitatory) => weight.max(0.0),
            Some(Polarity::Inhibitory) => weight.min(0.0),
            None => weight,
        }
    }
}
