//! The output neuron and what follows from its equations.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A leaky integrate-and-fire neuron with exponential currents: `c_m V' = -c_m V / tau_m + I`, `I' = -I / tau_syn`; an
/// input adds its weight to `I`. Potentials are relative to rest, where the neuron is reset.
///
/// | field | unit | default | source |
/// |---|---|---|---|
/// | `tau_m_ms` | ms | 20 | choice |
/// | `c_m_nf` | nF | 0.25 | choice |
/// | `tau_syn_ms` | ms | 5 | choice |
/// | `v_threshold_mv` | mV | 15 | choice |
/// | `t_ref_ms` | ms | 2 | choice |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lif {
    /// Membrane time constant.
    pub tau_m_ms: f64,
    /// Capacitance.
    pub c_m_nf: f64,
    /// Time constant of the synaptic current.
    pub tau_syn_ms: f64,
    /// Threshold above rest.
    pub v_threshold_mv: f64,
    /// Time after a spike during which the potential is held at rest.
    pub t_ref_ms: f64,
}

impl Default for Lif {
    fn default() -> Self {
        Self { tau_m_ms: 20.0, c_m_nf: 0.25, tau_syn_ms: 5.0, v_threshold_mv: 15.0, t_ref_ms: 2.0 }
    }
}

impl Lif {
    /// Checks every constant.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless all are finite, above 0 (refractory time: not negative).
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("tau_m_ms", self.tau_m_ms),
            ("c_m_nf", self.c_m_nf),
            ("tau_syn_ms", self.tau_syn_ms),
            ("v_threshold_mv", self.v_threshold_mv),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, value, "finite and above 0"));
            }
        }
        if !(self.t_ref_ms >= 0.0 && self.t_ref_ms.is_finite()) {
            return Err(Error::parameter("t_ref_ms", self.t_ref_ms, "finite and not negative"));
        }
        Ok(())
    }

    /// When the potential after inputs at 0 peaks: `t* = tau_m tau_s / (tau_m - tau_s) ln(tau_m / tau_s)`, in ms.
    #[must_use]
    pub fn peak_time_ms(&self) -> f64 {
        // ln(tau_m / tau_s) = ln(1 + tau_m d), which has a limit where both are the same.
        let d = self.rate_gap();
        if d == 0.0 { self.tau_m_ms } else { (self.tau_m_ms * d).ln_1p() / d }
    }

    /// Peak potential of 1 nA: `kappa`, in mV.
    #[must_use]
    pub fn peak_mv_per_na(&self) -> f64 {
        self.response_mv_per_na(self.peak_time_ms())
    }

    /// Summed weight from which simultaneous inputs make the neuron fire: `w_theta = V_th / kappa`, in nA.
    #[must_use]
    pub fn threshold_na(&self) -> f64 {
        self.v_threshold_mv / self.peak_mv_per_na()
    }

    /// Potential of 1 nA after a time: `(1 / c_m) exp(-t / tau_m) (1 - exp(-t d)) / d` with `d = 1 / tau_s - 1 / tau_m`, or
    /// `t` in place of the fraction where `d` is 0.
    #[must_use]
    pub fn response_mv_per_na(&self, t_ms: f64) -> f64 {
        self.potential_mv(0.0, 1.0, t_ms)
    }

    /// When a summed weight given at 0 makes the neuron fire, in ms; `None` below the threshold.
    #[must_use]
    pub fn crossing_ms(&self, drive_na: f64) -> Option<f64> {
        self.first_crossing_ms(0.0, drive_na, f64::INFINITY)
    }

    /// Potential after `t_ms` without input or threshold.
    pub(super) fn potential_mv(&self, v_mv: f64, current_na: f64, t_ms: f64) -> f64 {
        (-t_ms / self.tau_m_ms).exp() * (v_mv + current_na / self.c_m_nf * self.lag_ms(t_ms))
    }

    /// The first time within `window_ms` at which the potential reaches the threshold, from this potential and current.
    pub(super) fn first_crossing_ms(&self, v_mv: f64, current_na: f64, window_ms: f64) -> Option<f64> {
        let threshold = self.v_threshold_mv * (1.0 - SLACK);
        if v_mv >= threshold {
            return Some(0.0);
        }
        let peak = self.peak_from_ms(v_mv, current_na)?.min(window_ms);
        if self.potential_mv(v_mv, current_na, peak) < threshold {
            return None;
        }
        // The potential rises up to its peak. Sixty halvings leave less than the last bit of a millisecond.
        let (mut before, mut after) = (0.0, peak);
        for _ in 0..60 {
            let middle = 0.5 * (before + after);
            if self.potential_mv(v_mv, current_na, middle) < threshold {
                before = middle;
            } else {
                after = middle;
            }
        }
        Some(after)
    }

    /// When a rising potential peaks; `None` where it falls.
    fn peak_from_ms(&self, v_mv: f64, current_na: f64) -> Option<f64> {
        // V' = 0 where lag = tau_s (1 - V c / (tau_m I)).
        let rest = 1.0 - v_mv * self.c_m_nf / (self.tau_m_ms * current_na);
        if !(current_na > 0.0 && rest > 0.0) {
            return None;
        }
        let (lag, d) = (self.tau_syn_ms * rest, self.rate_gap());
        if lag * d >= 1.0 {
            // From far below rest it only approaches rest.
            return None;
        }
        Some(if d == 0.0 { lag } else { -(-lag * d).ln_1p() / d })
    }

    /// `(1 - exp(-t d)) / d`, or its limit `t`.
    fn lag_ms(&self, t_ms: f64) -> f64 {
        let d = self.rate_gap();
        if d == 0.0 { t_ms } else { -(-t_ms * d).exp_m1() / d }
    }

    fn rate_gap(&self) -> f64 {
        1.0 / self.tau_syn_ms - 1.0 / self.tau_m_ms
    }
}

/// How far below the threshold counts as at it, relatively: sums of weights are off by their rounding.
pub(super) const SLACK: f64 = 1e-12;
