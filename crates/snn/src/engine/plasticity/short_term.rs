//! Short-term plasticity.

use super::super::real::Real;
use super::check;
use crate::Result;

/// Short-term depression and facilitation of a source's synapses.
///
/// At a presynaptic spike: `u` has decayed towards 0 with `tau_f`, `x` recovered towards 1 with `tau_d`; then `u += U (1 - u)`,
/// the spike transmits `u x` of the weight, and `x -= u x`.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `u` | | 0.5 | Tsodyks and Markram 1997, depressing |
/// | `tau_d_ms` | ms | 800 | " |
/// | `tau_f_ms` | ms | 1 | practically no facilitation |
///
/// The states belong to the source and the projection, so a synapse costs nothing more.
///
/// **Reference.** Tsodyks, Pawelzik and Markram, Neural Computation 10 (1998).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TsodyksMarkram {
    /// Fraction of the resource that a first spike uses.
    pub u: f64,
    /// Recovery of the resource.
    pub tau_d_ms: f64,
    /// Decay of facilitation.
    pub tau_f_ms: f64,
}

impl Default for TsodyksMarkram {
    fn default() -> Self {
        Self { u: 0.5, tau_d_ms: 800.0, tau_f_ms: 1.0 }
    }
}

impl TsodyksMarkram {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter).
    pub fn validate(&self) -> Result<()> {
        check("u", self.u, "in [0, 1]", |x| (0.0..=1.0).contains(&x))?;
        check("tau_d_ms", self.tau_d_ms, "finite and positive", |x| x > 0.0)?;
        check("tau_f_ms", self.tau_f_ms, "finite and positive", |x| x > 0.0)
    }
}

/// States of the sources of a projection.
pub(crate) struct ShortTermState<R> {
    rule: TsodyksMarkram,
    dt_ms: f64,
    u: Vec<R>,
    x: Vec<R>,
    last: Vec<i64>,
}

impl<R: Real> ShortTermState<R> {
    pub(crate) fn new(rule: TsodyksMarkram, sources: usize, dt_ms: f64) -> Self {
        Self { rule, dt_ms, u: vec![R::ZERO; sources], x: vec![R::ONE; sources], last: vec![0; sources] }
    }

    /// What a spike of a source in a step transmits, as a fraction of the weight.
    pub(crate) fn release(&mut self, source: usize, step: i64) -> R {
        let t = (step - self.last[source]) as f64 * self.dt_ms;
        let u = self.u[source].to_f64() * (-t / self.rule.tau_f_ms).exp();
        let x = 1.0 + (self.x[source].to_f64() - 1.0) * (-t / self.rule.tau_d_ms).exp();
        let u = u + self.rule.u * (1.0 - u);
        self.u[source] = R::of(u);
        self.x[source] = R::of(x - u * x);
        self.last[source] = step;
        R::of(u * x)
    }

    pub(crate) fn state(&mut self) -> (&mut [R], &mut [R], &mut [i64]) {
        (&mut self.u, &mut self.x, &mut self.last)
    }
}
