//! Triplet STDP.

use super::super::real::Real;
use super::{Event, Plasticity, Trace, check};
use crate::Result;

/// The triplet rule, all spikes interacting.
///
/// Presynaptic spike: `w -= o1 (A2- + A3- r2)`, then `r1 += 1`, `r2 += 1`; postsynaptic spike: `w += r1 (A2+ + A3+ o2)`, then
/// `o1 += 1`, `o2 += 1`. `r1`, `r2`, `o1`, `o2` decay with `tau_plus`, `tau_x`, `tau_minus`, `tau_y`. Clipped to `[0, w_max]`.
///
/// | parameter | unit | default (visual cortex) | source |
/// |---|---|---|---|
/// | `a2_plus`, `a3_plus` | weight | 5e-10, 6.2e-3 | Pfister and Gerstner 2006, all-to-all |
/// | `a2_minus`, `a3_minus` | weight | 7e-3, 2.3e-4 | " |
/// | `tau_plus_ms`, `tau_x_ms` | ms | 16.8, 101 | " |
/// | `tau_minus_ms`, `tau_y_ms` | ms | 33.7, 125 | " |
/// | `w_max` | weight | 1 | |
///
/// **Reference.** Pfister and Gerstner, Journal of Neuroscience 26 (2006).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TripletStdp {
    /// Potentiation of a pair.
    pub a2_plus: f64,
    /// Potentiation of a triplet.
    pub a3_plus: f64,
    /// Depression of a pair, positive.
    pub a2_minus: f64,
    /// Depression of a triplet, positive.
    pub a3_minus: f64,
    /// Fast presynaptic time constant.
    pub tau_plus_ms: f64,
    /// Slow presynaptic time constant.
    pub tau_x_ms: f64,
    /// Fast postsynaptic time constant.
    pub tau_minus_ms: f64,
    /// Slow postsynaptic time constant.
    pub tau_y_ms: f64,
    /// Greatest weight.
    pub w_max: f64,
}

impl Default for TripletStdp {
    fn default() -> Self {
        Self {
            a2_plus: 5e-10,
            a3_plus: 6.2e-3,
            a2_minus: 7e-3,
            a3_minus: 2.3e-4,
            tau_plus_ms: 16.8,
            tau_x_ms: 101.0,
            tau_minus_ms: 33.7,
            tau_y_ms: 125.0,
            w_max: 1.0,
        }
    }
}

impl<R: Real> Plasticity<R> for TripletStdp {
    fn prepare(&mut self, _dt_ms: f64) -> Result<()> {
        for (name, x) in [
            ("a2_plus", self.a2_plus),
            ("a3_plus", self.a3_plus),
            ("a2_minus", self.a2_minus),
            ("a3_minus", self.a3_minus),
        ] {
            check(name, x, "finite", |_| true)?;
        }
        for (name, x) in [
            ("tau_plus_ms", self.tau_plus_ms),
            ("tau_x_ms", self.tau_x_ms),
            ("tau_minus_ms", self.tau_minus_ms),
            ("tau_y_ms", self.tau_y_ms),
            ("w_max", self.w_max),
        ] {
            check(name, x, "finite and positive", |x| x > 0.0)?;
        }
        Ok(())
    }

    fn pre_traces(&self) -> Vec<Trace> {
        [self.tau_plus_ms, self.tau_x_ms].map(|tau_ms| Trace { tau_ms, nearest: false }).to_vec()
    }

    fn post_traces(&self) -> Vec<Trace> {
        [self.tau_minus_ms, self.tau_y_ms].map(|tau_ms| Trace { tau_ms, nearest: false }).to_vec()
    }

    #[inline(always)]
    fn on_pre(&self, event: Event<'_, R>) {
        let change = event.post[0] * (R::of(self.a2_minus) + R::of(self.a3_minus) * event.pre[1]);
        *event.weight = (*event.weight - change).greatest(R::ZERO).least(R::of(self.w_max));
    }

    #[inline(always)]
    fn on_post(&self, event: Event<'_, R>) {
        let change = event.pre[0] * (R::of(self.a2_plus) + R::of(self.a3_plus) * event.post[1]);
        *event.weight = (*event.weight + change).greatest(R::ZERO).least(R::of(self.w_max));
    }
}
