//! Pair-based spike-timing-dependent plasticity.

use super::super::real::Real;
use super::{Event, Plasticity, Trace, check};
use crate::Result;

/// How a change depends on the weight.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WeightDependence {
    /// Changes do not depend on the weight; it is clipped to `[0, w_max]`.
    Additive,
    /// Potentiation times `(1 - w/w_max)^mu_plus`, depression times `(w/w_max)^mu_minus`, each times `w_max` (Gütig et al.
    /// 2003); 1 and 1 is the multiplicative rule, 0 and 0 the additive one.
    Power {
        /// Exponent of potentiation.
        mu_plus: f64,
        /// Exponent of depression.
        mu_minus: f64,
    },
}

/// Pair STDP by traces.
///
/// Presynaptic spike: `w -= A_- f_-(w) y`, then `x += 1`; postsynaptic spike: `w += A_+ f_+(w) x`, then `y += 1`; `x` and `y`
/// decay with `tau_plus`, `tau_minus`. Nearest-neighbour pairing sets the traces to 1 instead. The weight is clipped to
/// `[0, w_max]` at each event.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `a_plus`, `a_minus` | weight (`Power`: fraction of `w_max`) | 0.01, 0.0105 | Song, Miller and Abbott 2000 |
/// | `tau_plus_ms`, `tau_minus_ms` | ms | 20 | " |
/// | `w_max` | weight | 1 | |
/// | `nearest` | | false | |
/// | `dependence` | | additive | |
///
/// **Reference.** Song, Miller and Abbott, Nature Neuroscience 3 (2000); Morrison, Diesmann and Gerstner, Biological
/// Cybernetics 98 (2008).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairStdp {
    /// Potentiation.
    pub a_plus: f64,
    /// Depression, positive.
    pub a_minus: f64,
    /// Time constant of the presynaptic trace.
    pub tau_plus_ms: f64,
    /// Time constant of the postsynaptic trace.
    pub tau_minus_ms: f64,
    /// Greatest weight.
    pub w_max: f64,
    /// Whether only the nearest spikes pair.
    pub nearest: bool,
    /// Weight dependence.
    pub dependence: WeightDependence,
}

impl Default for PairStdp {
    fn default() -> Self {
        Self {
            a_plus: 0.01,
            a_minus: 0.0105,
            tau_plus_ms: 20.0,
            tau_minus_ms: 20.0,
            w_max: 1.0,
            nearest: false,
            dependence: WeightDependence::Additive,
        }
    }
}

impl<R: Real> Plasticity<R> for PairStdp {
    fn prepare(&mut self, _dt_ms: f64) -> Result<()> {
        check("a_plus", self.a_plus, "finite", |_| true)?;
        check("a_minus", self.a_minus, "finite", |_| true)?;
        check("tau_plus_ms", self.tau_plus_ms, "finite and positive", |x| x > 0.0)?;
        check("tau_minus_ms", self.tau_minus_ms, "finite and positive", |x| x > 0.0)?;
        check("w_max", self.w_max, "finite and positive", |x| x > 0.0)?;
        if let WeightDependence::Power { mu_plus, mu_minus } = self.dependence {
            check("mu_plus", mu_plus, "finite and 0 or more", |x| x >= 0.0)?;
            check("mu_minus", mu_minus, "finite and 0 or more", |x| x >= 0.0)?;
        }
        Ok(())
    }

    fn pre_traces(&self) -> Vec<Trace> {
        vec![Trace { tau_ms: self.tau_plus_ms, nearest: self.nearest }]
    }

    fn post_traces(&self) -> Vec<Trace> {
        vec![Trace { tau_ms: self.tau_minus_ms, nearest: self.nearest }]
    }

    #[inline(always)]
    fn on_pre(&self, event: Event<'_, R>) {
        let w = *event.weight;
        let factor = match self.dependence {
            WeightDependence::Additive => R::ONE,
            WeightDependence::Power { mu_minus, .. } => self.power(w.to_f64() / self.w_max, mu_minus),
        };
        *event.weight = self.clip(w - R::of(self.a_minus) * factor * event.post[0]);
    }

    #[inline(always)]
    fn on_post(&self, event: Event<'_, R>) {
        let w = *event.weight;
        let factor = match self.dependence {
            WeightDependence::Additive => R::ONE,
            WeightDependence::Power { mu_plus, .. } => self.power(1.0 - w.to_f64() / self.w_max, mu_plus),
        };
        *event.weight = self.clip(w + R::of(self.a_plus) * factor * event.pre[0]);
    }
}

impl PairStdp {
    #[inline(always)]
    fn power<R: Real>(&self, x: f64, mu: f64) -> R {
        let x = x.max(0.0);
        R::of(self.w_max * if mu == 1.0 { x } else { x.powf(mu) })
    }

    #[inline(always)]
    fn clip<R: Real>(&self, w: R) -> R {
        w.greatest(R::ZERO).least(R::of(self.w_max))
    }
}
