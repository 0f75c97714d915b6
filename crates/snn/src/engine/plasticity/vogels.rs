//! Inhibitory plasticity.

use super::super::real::Real;
use super::{Event, Plasticity, Trace, check};
use crate::Result;

/// The symmetric rule of inhibitory synapses that balances their targets at a rate.
///
/// Presynaptic spike: `w += eta (y - 2 rho tau)`; postsynaptic spike: `w += eta x`; both traces jump by 1 and decay with
/// `tau`. The weight is a magnitude, clipped to `[0, w_max]`: with a projection on an inhibitory port of positive weights, or
/// see `negative` for ports where inhibition is negative.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `eta` | weight | 0.005 | Vogels et al. 2011, in units of their 0.35 nS |
/// | `target_hz` | Hz | 3 | " |
/// | `tau_ms` | ms | 20 | " |
/// | `w_max` | weight | 100 | |
/// | `negative` | | false: weights are magnitudes; true: their negatives | |
///
/// **Reference.** Vogels, Sprekeler, Zenke, Clopath and Gerstner, Science 334 (2011).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VogelsSprekeler {
    /// Learning rate.
    pub eta: f64,
    /// Rate of the targets, `rho`.
    pub target_hz: f64,
    /// Time constant of both traces.
    pub tau_ms: f64,
    /// Greatest magnitude.
    pub w_max: f64,
    /// Whether weights are negative.
    pub negative: bool,
}

impl Default for VogelsSprekeler {
    fn default() -> Self {
        Self { eta: 0.005, target_hz: 3.0, tau_ms: 20.0, w_max: 100.0, negative: false }
    }
}

impl VogelsSprekeler {
    #[inline(always)]
    fn change<R: Real>(&self, weight: &mut R, by: R) {
        let sign = if self.negative { -R::ONE } else { R::ONE };
        *weight = sign * (sign * *weight + by).greatest(R::ZERO).least(R::of(self.w_max));
    }
}

impl<R: Real> Plasticity<R> for VogelsSprekeler {
    fn prepare(&mut self, _dt_ms: f64) -> Result<()> {
        check("eta", self.eta, "finite", |_| true)?;
        check("target_hz", self.target_hz, "finite and 0 or more", |x| x >= 0.0)?;
        check("tau_ms", self.tau_ms, "finite and positive", |x| x > 0.0)?;
        check("w_max", self.w_max, "finite and positive", |x| x > 0.0)
    }

    fn pre_traces(&self) -> Vec<Trace> {
        vec![Trace { tau_ms: self.tau_ms, nearest: false }]
    }

    fn post_traces(&self) -> Vec<Trace> {
        vec![Trace { tau_ms: self.tau_ms, nearest: false }]
    }

    #[inline(always)]
    fn on_pre(&self, event: Event<'_, R>) {
        let alpha = 2.0 * self.target_hz * 1e-3 * self.tau_ms;
        self.change(event.weight, R::of(self.eta) * (event.post[0] - R::of(alpha)));
    }

    #[inline(always)]
    fn on_post(&self, event: Event<'_, R>) {
        self.change(event.weight, R::of(self.eta) * event.pre[0]);
    }
}
