//! Synaptic plasticity: the trait that rules implement, and the rules.
//!
//! A rule sees two kinds of events at a synapse, a presynaptic and a postsynaptic spike, with the traces of both neurons at
//! that moment. Traces are kept per neuron and decayed when they are read, so a step without spikes costs nothing.
//!
//! **Time of the events.** With [`DelayPlacement::Axonal`] (Brian2) a presynaptic spike reaches the synapse after the delay
//! and acts on the target at once, a postsynaptic spike reaches it without delay. With [`DelayPlacement::Dendritic`] (NEST)
//! the presynaptic spike is at the synapse at once and its effect travels the delay, and so does the postsynaptic spike on
//! its way back. Where both events fall into one step, the presynaptic one is first: it does not see the postsynaptic spike,
//! which then sees it with the full trace; [`Plasticity::post_first`] reverses this.

mod projection;
mod reward;
mod short_term;
mod spinnaker;
mod stdp;
mod traces;
mod triplet;
mod vogels;

use std::fmt::Debug;

pub(crate) use projection::{PlasticProjection, build};
pub use reward::RewardStdp;
pub(crate) use short_term::ShortTermState;
pub use short_term::TsodyksMarkram;
pub use spinnaker::{SpinnakerClip, SpinnakerStdp};
pub use stdp::{PairStdp, WeightDependence};
pub use traces::{TRACES, Trace};
pub use triplet::TripletStdp;
pub use vogels::VogelsSprekeler;

use super::real::Real;
use crate::{Error, Result};

/// Where the delay of a plastic synapse lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayPlacement {
    /// In the axon.
    #[default]
    Axonal,
    /// In the dendrite.
    Dendritic,
}

/// A synapse at the moment of an event.
#[derive(Debug)]
pub struct Event<'a, R> {
    /// The weight.
    pub weight: &'a mut R,
    /// The rule's own variables of the synapse.
    pub variables: &'a mut [R],
    /// Presynaptic traces, before a jump that the event itself causes.
    pub pre: [R; TRACES],
    /// Postsynaptic traces, likewise.
    pub post: [R; TRACES],
}

/// A plasticity rule. Its functions are called for each synapse of each spike, monomorphised per projection.
pub trait Plasticity<R: Real>: Debug + Clone + Send + Sync + 'static {
    /// Checks the parameters and computes what depends on the step.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    fn prepare(&mut self, dt_ms: f64) -> Result<()>;
    /// Traces of the presynaptic neuron, at most [`TRACES`].
    fn pre_traces(&self) -> Vec<Trace>;
    /// Traces of the postsynaptic neuron, at most [`TRACES`].
    fn post_traces(&self) -> Vec<Trace>;
    /// Variables of a synapse beside its weight; 0 at the start unless [`Plasticity::initial`] sets them.
    fn variables(&self) -> usize {
        0
    }
    /// Initial variables of a synapse.
    fn initial(&self, _weight: R, _variables: &mut [R]) {}
    /// A presynaptic spike is at the synapse. The weight after the call is the one that it transmits.
    fn on_pre(&self, event: Event<'_, R>);
    /// A postsynaptic spike is at the synapse.
    fn on_post(&self, event: Event<'_, R>);
    /// Whether the postsynaptic event of a step comes before the presynaptic one.
    fn post_first(&self) -> bool {
        false
    }
    /// Whether variables change between events: then [`Plasticity::settle`] is called before each.
    fn drifts(&self) -> bool {
        false
    }
    /// Advances a synapse over a time in which no event came. `modulator` is the global signal at its end.
    fn settle(&self, _weight: &mut R, _variables: &mut [R], _elapsed_ms: f64, _modulator: f64) {}
    /// Time constant of the global signal, for rules that have one.
    fn modulator_tau_ms(&self) -> Option<f64> {
        None
    }
}

/// No change at events: for projections whose weights are only scaled or normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fixed;

impl<R: Real> Plasticity<R> for Fixed {
    fn prepare(&mut self, _dt_ms: f64) -> Result<()> {
        Ok(())
    }

    fn pre_traces(&self) -> Vec<Trace> {
        Vec::new()
    }

    fn post_traces(&self) -> Vec<Trace> {
        Vec::new()
    }

    fn on_pre(&self, _event: Event<'_, R>) {}

    fn on_post(&self, _event: Event<'_, R>) {}
}

/// Slow regulation of all weights on a target.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Homeostasis {
    /// Synaptic scaling: every `interval_ms`, `w *= 1 + eta (r* - r) interval`, with the target's rate `r` as an exponential
    /// mean over `tau_ms` (Turrigiano et al. 1998; van Rossum et al. 2000). Factors below 0 count as 0.
    Scaling {
        /// Rate at which weights rest, `r*`.
        target_hz: f64,
        /// Speed, per Hz and second.
        eta: f64,
        /// Memory of the rate.
        tau_ms: f64,
        /// Time between two scalings.
        interval_ms: f64,
    },
    /// Every `interval_ms` the weights on each target are multiplied so that they sum to `total`; a target whose weights sum
    /// to 0 is left.
    Normalise {
        /// Their sum.
        total: f64,
        /// Time between two normalisations.
        interval_ms: f64,
    },
}

impl Homeostasis {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        let positive = |name, x: f64| {
            if x > 0.0 && x.is_finite() {
                Ok(())
            } else {
                Err(Error::parameter(name, x, "finite and positive"))
            }
        };
        let finite = |name, x: f64| {
            if x.is_finite() { Ok(()) } else { Err(Error::parameter(name, x, "finite")) }
        };
        match *self {
            Self::Scaling { target_hz, eta, tau_ms, interval_ms } => {
                finite("target_hz", target_hz)?;
                finite("eta", eta)?;
                positive("tau_ms", tau_ms)?;
                positive("interval_ms", interval_ms)
            }
            Self::Normalise { total, interval_ms } => {
                finite("total", total)?;
                positive("interval_ms", interval_ms)
            }
        }
    }

    pub(crate) fn interval_ms(&self) -> f64 {
        match self {
            Self::Scaling { interval_ms, .. } | Self::Normalise { interval_ms, .. } => *interval_ms,
        }
    }
}

/// Checks a number of a rule.
pub(crate) fn check(name: &str, x: f64, expected: &str, accept: impl Fn(f64) -> bool) -> Result<()> {
    if x.is_finite() && accept(x) { Ok(()) } else { Err(Error::parameter(name, x, expected)) }
}
