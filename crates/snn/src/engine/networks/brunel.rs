//! Brunel's sparse random network.

use super::super::config::Config;
use super::super::models::{IafPscAlpha, IafPscDelta};
use super::super::network::{Network, Population};
use super::super::real::Real;
use super::super::rules::Rule;
use super::super::siegert::BrunelMeanField;
use super::super::stimuli::Stimulus;
use super::super::synapses::Synapse;
use crate::{Error, Result};

/// Shape of the synapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrunelSynapse {
    /// Jumps of the potential.
    #[default]
    Delta,
    /// Alpha-shaped currents of 0.5 ms, scaled to the same peak of the potential, on membranes of 250 pF.
    Alpha,
}

/// Parameters of the network; the defaults are those of NEST's example.
///
/// | field | unit | default |
/// |---|---|---|
/// | `order` | | 2500: 10000 excitatory and 2500 inhibitory neurons, in-degrees of a tenth |
/// | `j_mv` | mV | 0.1 |
/// | `g`, `eta` | | 5, 2 (asynchronous irregular) |
/// | `delay_ms` | ms | 1.5 |
/// | `tau_m_ms`, `theta_mv`, `v_reset_mv`, `t_ref_ms` | ms, mV | 20, 20, 0, 2 (the paper resets to 10) |
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Brunel {
    /// Inhibitory neurons; four times as many are excitatory.
    pub order: usize,
    /// Peak of a post-synaptic potential.
    pub j_mv: f64,
    /// Strength of inhibition by that of excitation.
    pub g: f64,
    /// External rate by the rate that just reaches threshold.
    pub eta: f64,
    /// Delay of all synapses.
    pub delay_ms: f64,
    /// Membrane time constant.
    pub tau_m_ms: f64,
    /// Threshold above rest.
    pub theta_mv: f64,
    /// Reset above rest.
    pub v_reset_mv: f64,
    /// Refractory period.
    pub t_ref_ms: f64,
    /// Shape of the synapses.
    pub synapse: BrunelSynapse,
}

impl Default for Brunel {
    fn default() -> Self {
        Self {
            order: 2500,
            j_mv: 0.1,
            g: 5.0,
            eta: 2.0,
            delay_ms: 1.5,
            tau_m_ms: 20.0,
            theta_mv: 20.0,
            v_reset_mv: 0.0,
            t_ref_ms: 2.0,
            synapse: BrunelSynapse::Delta,
        }
    }
}

impl Brunel {
    /// The network of another order, its jumps scaled by `sqrt(2500/order)` so that fluctuations stay.
    #[must_use]
    pub fn of_order(order: usize) -> Self {
        Self { order, j_mv: 0.1 * (2500.0 / order.max(1) as f64).sqrt(), ..Self::default() }
    }

    /// Excitatory inputs of a neuron.
    #[must_use]
    pub fn in_degree(&self) -> usize {
        4 * self.order / 10
    }

    /// The mean field of the delta network.
    #[must_use]
    pub fn mean_field(&self) -> BrunelMeanField {
        BrunelMeanField {
            j_mv: self.j_mv,
            c_e: self.in_degree() as f64,
            g: self.g,
            eta: self.eta,
            tau_m_ms: self.tau_m_ms,
            theta_mv: self.theta_mv,
            v_reset_mv: self.v_reset_mv,
            t_ref_ms: self.t_ref_ms,
        }
    }
}

/// The network and its populations.
pub struct BrunelNetwork<R: Real> {
    /// The network.
    pub net: Network<R>,
    /// Excitatory neurons.
    pub excitatory: Population,
    /// Inhibitory neurons.
    pub inhibitory: Population,
}

const C_M_PF: f64 = 250.0;
const TAU_SYN_MS: f64 = 0.5;

/// Brunel's network: fixed in-degrees with multapses, each neuron with a Poisson train of `eta nu_theta C_E`.
///
/// # Errors
/// [`Error::Parameter`] for an order below 10 or parameters out of range; those of [`Network`].
///
/// **Reference.** Brunel, Journal of Computational Neuroscience 8 (2000).
pub fn brunel<R: Real>(config: Config, p: &Brunel) -> Result<BrunelNetwork<R>> {
    if p.order < 10 {
        return Err(Error::parameter("order", p.order as f64, "10 or more"));
    }
    if !(p.j_mv > 0.0 && p.j_mv.is_finite()) {
        return Err(Error::parameter("j_mv", p.j_mv, "finite and positive"));
    }
    let mut net = Network::<R>::new(config)?;
    let degree = p.in_degree();
    let (weight, nu_theta, ports);
    let mut populations = Vec::new();
    for (name, size) in [("E", 4 * p.order), ("I", p.order)] {
        populations.push(match p.synapse {
            BrunelSynapse::Delta => net.population(
                name,
                IafPscDelta {
                    c_m_pf: 1.0.into(),
                    tau_m_ms: p.tau_m_ms.into(),
                    e_l_mv: 0.0.into(),
                    v_th_mv: p.theta_mv.into(),
                    v_reset_mv: p.v_reset_mv.into(),
                    t_ref_ms: p.t_ref_ms.into(),
                    i_e_pa: 0.0.into(),
                },
                size,
            )?,
            BrunelSynapse::Alpha => net.population(
                name,
                IafPscAlpha {
                    c_m_pf: C_M_PF.into(),
                    tau_m_ms: p.tau_m_ms.into(),
                    e_l_mv: 0.0.into(),
                    v_th_mv: p.theta_mv.into(),
                    v_reset_mv: p.v_reset_mv.into(),
                    t_ref_ms: p.t_ref_ms.into(),
                    tau_syn_ex_ms: TAU_SYN_MS.into(),
                    tau_syn_in_ms: TAU_SYN_MS.into(),
                    i_e_pa: 0.0.into(),
                },
                size,
            )?,
        });
    }
    match p.synapse {
        BrunelSynapse::Delta => {
            weight = p.j_mv;
            nu_theta = p.theta_mv / (p.j_mv * degree as f64 * p.tau_m_ms);
            ports = ["v", "v"];
        }
        BrunelSynapse::Alpha => {
            weight = p.j_mv / alpha_psp_peak(p.tau_m_ms, C_M_PF, TAU_SYN_MS);
            let charge = weight * std::f64::consts::E * TAU_SYN_MS;
            nu_theta = p.theta_mv * C_M_PF / (charge * degree as f64 * p.tau_m_ms);
            ports = ["ex", "in"];
        }
    }
    let (e, i) = (populations[0], populations[1]);
    for target in [e, i] {
        let synapse = |weight: f64| Synapse::new(weight).delay(p.delay_ms);
        net.connect(e, target, Rule::in_degree(degree), synapse(weight), ports[0])?;
        net.connect(i, target, Rule::in_degree(p.order / 10), synapse(-p.g * weight), ports[1])?;
        let rate_hz = 1e3 * p.eta * nu_theta * degree as f64;
        net.stimulate(target, Stimulus::poisson(rate_hz, weight, p.delay_ms, ports[0]))?;
    }
    Ok(BrunelNetwork { net, excitatory: e, inhibitory: i })
}

/// Peak in mV of the potential after an alpha current of 1 pA.
///
/// `V(t) = e/(tau_s C b) ((e^{-t/tau_m} - e^{-t/tau_s})/b - t e^{-t/tau_s})`, `b = 1/tau_s - 1/tau_m`; the maximum by golden
/// section, to the last digits that a maximum has.
#[must_use]
pub fn alpha_psp_peak(tau_m_ms: f64, c_m_pf: f64, tau_syn_ms: f64) -> f64 {
    let b = 1.0 / tau_syn_ms - 1.0 / tau_m_ms;
    let v = |t: f64| {
        let fade = (-t / tau_syn_ms).exp();
        std::f64::consts::E / (tau_syn_ms * c_m_pf * b) * (((-t / tau_m_ms).exp() - fade) / b - t * fade)
    };
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (0.0, 5.0 * (tau_m_ms + tau_syn_ms));
    for _ in 0..200 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if v(left) < v(right) { low = left } else { high = right }
    }
    v(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alpha_weight_is_that_of_the_reference() {
        let weight = 0.1 / alpha_psp_peak(20.0, 250.0, 0.5);
        assert!((weight - 20.680_155_243_678_46).abs() < 1e-9, "{weight}");
    }
}
