//! How a detector is built and trained.

use serde::{Deserialize, Serialize};

use super::Lif;
use crate::{Error, Result};

/// How the simulation advances.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integration {
    /// Exact propagation by steps; the crossing inside a step is found.
    Exact {
        /// Step in ms.
        step_ms: f64,
    },
    /// SpiNNaker's order, usually with steps of 1 ms: the current is held for a step (its charge is kept), then decays,
    /// and the threshold is looked at between steps. Its peak per nA is not the continuous one.
    Spinnaker {
        /// Step in ms.
        step_ms: f64,
    },
}

impl Default for Integration {
    fn default() -> Self {
        Self::Exact { step_ms: 0.1 }
    }
}

impl Integration {
    /// The step in ms.
    #[must_use]
    pub fn step_ms(self) -> f64 {
        match self {
            Self::Exact { step_ms } | Self::Spinnaker { step_ms } => step_ms,
        }
    }
}

/// How weights are scaled after the presentations.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HomeostasisMode {
    /// Once, from the mean drive of the trained patterns: `w *= (1 + m) w_theta / mean_k(w.p_k)`.
    #[default]
    OneStep,
    /// Slowly, from the spikes that a presentation of the trained patterns brings: `w *= 1 + eta (1 - r)`, until each
    /// pattern brings one. The margin follows from `eta`, `m` has no part in it.
    RateTarget {
        /// Learning rate `eta`, between 0 and 1.
        rate: f64,
        /// Presentations of all patterns after which it gives up.
        most: usize,
    },
}

/// The whole detector.
///
/// | field | default | source |
/// |---|---|---|
/// | `margin` | 0 | m, how far above threshold a trained pattern lies: the trade of exactness for tolerance |
/// | `potentiation`, `depression` | 1, 1 | A+ and A-, choice; only their ratio bears on the outcome |
/// | `tau_plus_ms`, `tau_minus_ms` | 20, 20 | choice |
/// | `pairing_ms` | 1 | the protocol's delta |
/// | `interval_ms` | 50 | ten synaptic time constants |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorConfig {
    /// The output neuron.
    pub neuron: Lif,
    /// How it is simulated.
    pub integration: Integration,
    /// Homeostatic factor `m`, from 0 to 1e6.
    pub margin: f64,
    /// `A+`, above 0.
    pub potentiation: f64,
    /// `A-`, above 0.
    pub depression: f64,
    /// Time constant of potentiation.
    pub tau_plus_ms: f64,
    /// Time constant of depression.
    pub tau_minus_ms: f64,
    /// Time from the pattern to the teacher's spike, and from there to the other inputs; whole steps.
    pub pairing_ms: f64,
    /// Length of a presentation.
    pub interval_ms: f64,
    /// How weights are scaled.
    pub homeostasis: HomeostasisMode,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            neuron: Lif::default(),
            integration: Integration::default(),
            margin: 0.0,
            potentiation: 1.0,
            depression: 1.0,
            tau_plus_ms: 20.0,
            tau_minus_ms: 20.0,
            pairing_ms: 1.0,
            interval_ms: 50.0,
            homeostasis: HomeostasisMode::OneStep,
        }
    }
}

impl DetectorConfig {
    /// Checks every constant and that a presentation has room for the protocol.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that is out of its range.
    pub fn validate(&self) -> Result<()> {
        self.neuron.validate()?;
        let step = self.integration.step_ms();
        let positive = [
            ("step_ms", step),
            ("potentiation", self.potentiation),
            ("depression", self.depression),
            ("tau_plus_ms", self.tau_plus_ms),
            ("tau_minus_ms", self.tau_minus_ms),
            ("pairing_ms", self.pairing_ms),
            ("interval_ms", self.interval_ms),
        ];
        if let Some((name, value)) = positive.into_iter().find(|(_, v)| !(*v > 0.0 && v.is_finite())) {
            return Err(Error::parameter(name, value, "finite and above 0"));
        }
        if !(self.margin >= 0.0 && self.margin <= 1e6) {
            return Err(Error::parameter("margin", self.margin, "between 0 and 1e6"));
        }
        let steps = self.pairing_ms / step;
        if steps < 0.5 || (steps - steps.round()).abs() > 1e-6 {
            return Err(Error::parameter("pairing_ms", self.pairing_ms, format!("whole steps of {step} ms")));
        }
        let least = self.neuron.t_ref_ms.max(self.neuron.peak_time_ms() + 2.0 * self.pairing_ms);
        if self.interval_ms <= least {
            return Err(Error::parameter(
                "interval_ms",
                self.interval_ms,
                format!("above {least} ms: the refractory time, and the peak after both pairings"),
            ));
        }
        if self.interval_ms / step > 1e7 {
            return Err(Error::parameter("interval_ms", self.interval_ms, "at most ten million steps"));
        }
        if let HomeostasisMode::RateTarget { rate, most } = self.homeostasis {
            if !(rate > 0.0 && rate < 1.0) {
                return Err(Error::parameter("rate", rate, "above 0 and below 1"));
            }
            if most == 0 {
                return Err(Error::parameter("most", 0.0, "at least one presentation"));
            }
        }
        Ok(())
    }

    /// `pairing_ms` in steps.
    pub(super) fn pairing_steps(&self) -> usize {
        (self.pairing_ms / self.integration.step_ms()).round() as usize
    }

    /// `interval_ms` in steps.
    pub(super) fn interval_steps(&self) -> usize {
        (self.interval_ms / self.integration.step_ms()).round() as usize
    }
}
