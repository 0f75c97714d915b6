//! STDP as sPyNNaker evaluates it.

use super::super::real::Real;
use super::{Event, Plasticity, Trace, check};
use crate::Result;

/// When the weight is clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpinnakerClip {
    /// At each event.
    #[default]
    EachEvent,
    /// Only when a presynaptic spike transmits the weight.
    AtTransmission,
}

/// Additive pair STDP in the conventions of sPyNNaker; use it with [`DelayPlacement::Dendritic`](super::DelayPlacement).
///
/// A postsynaptic spike at `u` is at the synapse at `u + d` and adds `A+ r e^{-(u + d - p)/tau+}` (`r`: trace of the last
/// presynaptic spike at `p`), not at time difference 0; a presynaptic spike at `t` subtracts `A- o e^{-(t - u - d)/tau-}`, also at
/// 0. So of two events in a step the postsynaptic one is first. The machine evaluates both only at presynaptic spikes; this
/// gives the same transmitted weights, and variable 0 of a synapse holds the weight as the machine has it: as of the last
/// presynaptic spike, later potentiation pending.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `a_plus`, `a_minus` | nA | 6 | sheet's choice for the hippocampal memory |
/// | `tau_plus_ms`, `tau_minus_ms` | ms | 3 | " |
/// | `w_min`, `w_max` | nA | 0, 6 | " |
/// | `amplitude_times_w_max` | | false | revisions of sPyNNaker differ |
/// | `nearest` | | false: all-to-all | " |
/// | `clip` | | each event | " |
///
/// **Reference.** Jin et al., IJCNN 2010 (deferred event-driven STDP).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpinnakerStdp {
    /// Potentiation.
    pub a_plus: f64,
    /// Depression, positive.
    pub a_minus: f64,
    /// Time constant of the presynaptic trace.
    pub tau_plus_ms: f64,
    /// Time constant of the postsynaptic trace.
    pub tau_minus_ms: f64,
    /// Least weight.
    pub w_min: f64,
    /// Greatest weight.
    pub w_max: f64,
    /// Whether the amplitudes are fractions of `w_max`.
    pub amplitude_times_w_max: bool,
    /// Whether only the nearest spikes pair.
    pub nearest: bool,
    /// When the weight is clipped.
    pub clip: SpinnakerClip,
}

impl Default for SpinnakerStdp {
    fn default() -> Self {
        Self {
            a_plus: 6.0,
            a_minus: 6.0,
            tau_plus_ms: 3.0,
            tau_minus_ms: 3.0,
            w_min: 0.0,
            w_max: 6.0,
            amplitude_times_w_max: false,
            nearest: false,
            clip: SpinnakerClip::EachEvent,
        }
    }
}

impl SpinnakerStdp {
    #[inline(always)]
    fn bounded<R: Real>(&self, w: R) -> R {
        w.greatest(R::of(self.w_min)).least(R::of(self.w_max))
    }

    #[inline(always)]
    fn amplitude<R: Real>(&self, a: f64) -> R {
        R::of(if self.amplitude_times_w_max { a * self.w_max } else { a })
    }
}

impl<R: Real> Plasticity<R> for SpinnakerStdp {
    fn prepare(&mut self, _dt_ms: f64) -> Result<()> {
        check("a_plus", self.a_plus, "finite", |_| true)?;
        check("a_minus", self.a_minus, "finite", |_| true)?;
        check("tau_plus_ms", self.tau_plus_ms, "finite and positive", |x| x > 0.0)?;
        check("tau_minus_ms", self.tau_minus_ms, "finite and positive", |x| x > 0.0)?;
        check("w_min", self.w_min, "finite", |_| true)?;
        let w_min = self.w_min;
        check("w_max", self.w_max, "w_min or more", |x| x >= w_min)
    }

    fn pre_traces(&self) -> Vec<Trace> {
        vec![Trace { tau_ms: self.tau_plus_ms, nearest: self.nearest }]
    }

    fn post_traces(&self) -> Vec<Trace> {
        vec![Trace { tau_ms: self.tau_minus_ms, nearest: self.nearest }]
    }

    fn variables(&self) -> usize {
        1
    }

    fn initial(&self, weight: R, variables: &mut [R]) {
        variables[0] = weight;
    }

    fn post_first(&self) -> bool {
        true
    }

    #[inline(always)]
    fn on_pre(&self, event: Event<'_, R>) {
        let w = *event.weight - self.amplitude::<R>(self.a_minus) * event.post[0];
        *event.weight = self.bounded(w);
        event.variables[0] = *event.weight;
    }

    #[inline(always)]
    fn on_post(&self, event: Event<'_, R>) {
        let w = *event.weight + self.amplitude::<R>(self.a_plus) * event.pre[0];
        *event.weight = match self.clip {
            SpinnakerClip::EachEvent => self.bounded(w),
            SpinnakerClip::AtTransmission => w,
        };
    }
}
