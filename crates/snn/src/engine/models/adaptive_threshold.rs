//! Leaky integrate-and-fire with a moving threshold.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Scale,
    Tick, chunk_of, padded, state_access, vectorised,
};
use super::super::propagators;
use super::super::real::Real;
use super::super::values::Values;
use crate::Result;

/// Leaky integrate-and-fire with exponential currents, a threshold that rises with each spike, and a slow one that holds the
/// rate.
///
/// Membrane and currents as [`IafPscExp`](super::IafPscExp). The threshold is `v_th + theta + homeostat`:
/// `dtheta/dt = -theta/tau_theta`, `theta += jump` at a spike (spike-frequency adaptation), and
/// `dhomeostat/dt = -rate r*`, `homeostat += rate` at a spike (intrinsic plasticity: at rest exactly when the neuron fires at
/// `r*`).
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `c_m_pf` | pF | 250 | NEST |
/// | `tau_m_ms` | ms | 10 | NEST |
/// | `e_l_mv` | mV | -70 | NEST |
/// | `v_th_mv` | mV | -55 | NEST |
/// | `v_reset_mv` | mV | -70 | NEST |
/// | `t_ref_ms` | ms | 2 | NEST |
/// | `tau_syn_ex_ms`, `tau_syn_in_ms` | ms | 2 | NEST |
/// | `i_e_pa` | pA | 0 | NEST |
/// | `tau_theta_ms` | ms | 100 | of the order of slow adaptation currents |
/// | `theta_jump_mv` | mV | 2 | " |
/// | `target_rate_hz` | Hz | 0 | |
/// | `homeostatic_rate_mv` | mV per spike | 0 (off) | |
///
/// Variables: `v` (mV), `i_ex`, `i_in` (pA), `theta`, `homeostat` (mV). Ports: `ex`, `in` (pA, any sign).
///
/// **Numerics.** Exact.
///
/// **Reference.** Bellec et al., NeurIPS 2018 (adaptive threshold); Diehl and Cook, Frontiers in Computational Neuroscience 9
/// (2015) (homeostatic threshold).
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptiveThresholdLif {
    /// Capacitance.
    pub c_m_pf: Values,
    /// Membrane time constant.
    pub tau_m_ms: Values,
    /// Resting potential.
    pub e_l_mv: Values,
    /// Threshold at rest.
    pub v_th_mv: Values,
    /// Reset potential.
    pub v_reset_mv: Values,
    /// Refractory period.
    pub t_ref_ms: Values,
    /// Time constant of the excitatory current.
    pub tau_syn_ex_ms: Values,
    /// Time constant of the inhibitory current.
    pub tau_syn_in_ms: Values,
    /// Constant current.
    pub i_e_pa: Values,
    /// Time constant of the threshold.
    pub tau_theta_ms: Values,
    /// Rise of the threshold at a spike.
    pub theta_jump_mv: Values,
    /// Rate at which the slow threshold rests.
    pub target_rate_hz: Values,
    /// Rise of the slow threshold at a spike; 0 switches it off.
    pub homeostatic_rate_mv: Values,
}

impl Default for AdaptiveThresholdLif {
    fn default() -> Self {
        Self {
            c_m_pf: 250.0.into(),
            tau_m_ms: 10.0.into(),
            e_l_mv: (-70.0).into(),
            v_th_mv: (-55.0).into(),
            v_reset_mv: (-70.0).into(),
            t_ref_ms: 2.0.into(),
            tau_syn_ex_ms: 2.0.into(),
            tau_syn_in_ms: 2.0.into(),
            i_e_pa: 0.0.into(),
            tau_theta_ms: 100.0.into(),
            theta_jump_mv: 2.0.into(),
            target_rate_hz: 0.0.into(),
            homeostatic_rate_mv: 0.0.into(),
        }
    }
}

impl<R: Real> NeuronModel<R> for AdaptiveThresholdLif {
    fn name(&self) -> &'static str {
        "adaptive_threshold_lif"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "i_ex", "i_in", "theta", "homeostat"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 2] = [Port::any("ex", "pA"), Port::any("in", "pA")];
        &PORTS
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        let h = context.config.dt_ms;
        let c_m = context.positive("c_m_pf", &self.c_m_pf)?;
        let tau_m = context.positive("tau_m_ms", &self.tau_m_ms)?;
        let e_l = context.finite("e_l_mv", &self.e_l_mv)?;
        let v_th = context.finite("v_th_mv", &self.v_th_mv)?;
        let v_reset = context.finite("v_reset_mv", &self.v_reset_mv)?;
        context.reset_below_threshold(&v_reset, &v_th)?;
        let tau_ex = context.positive("tau_syn_ex_ms", &self.tau_syn_ex_ms)?;
        let tau_in = context.positive("tau_syn_in_ms", &self.tau_syn_in_ms)?;
        let i_e = context.finite("i_e_pa", &self.i_e_pa)?;
        let tau_theta = context.positive("tau_theta_ms", &self.tau_theta_ms)?;
        let jump = context.finite("theta_jump_mv", &self.theta_jump_mv)?;
        let target = context.non_negative("target_rate_hz", &self.target_rate_hz)?;
        let rate = context.non_negative("homeostatic_rate_mv", &self.homeostatic_rate_mv)?;
        let set = |i: usize| {
            let (c, tau) = (c_m.at(i), tau_m.at(i));
            let gain = tau / c * propagators::decayed(h / tau);
            Set {
                leak: R::of((-h / tau).exp()),
                ex: R::of(propagators::exponential(h, tau, tau_ex.at(i), c)),
                inh: R::of(propagators::exponential(h, tau, tau_in.at(i), c)),
                decay_ex: R::of((-h / tau_ex.at(i)).exp()),
                decay_in: R::of((-h / tau_in.at(i)).exp()),
                drive: R::of(propagators::decayed(h / tau) * e_l.at(i) + gain * i_e.at(i)),
                gain: R::of(gain * (h / tau).exp()),
                threshold: R::of(v_th.at(i)),
                decay_theta: R::of((-h / tau_theta.at(i)).exp()),
                jump: R::of(jump.at(i)),
                drift: R::of(rate.at(i) * target.at(i) * h * 1e-3),
                rate: R::of(rate.at(i)),
            }
        };
        let all = [&c_m, &tau_m, &e_l, &v_th, &tau_ex, &tau_in, &i_e, &tau_theta, &jump, &target, &rate];
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &all, set),
            refractory: Refractory::new(context, &self.t_ref_ms, &v_reset)?,
            v: padded(context, |i| e_l.at(i)),
            ex: padded(context, |_| 0.0),
            inh: padded(context, |_| 0.0),
            theta: padded(context, |_| 0.0),
            homeostat: padded(context, |_| 0.0),
            arrival: context.config.order.into(),
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    leak: R,
    ex: R,
    inh: R,
    decay_ex: R,
    decay_in: R,
    drive: R,
    gain: R,
    threshold: R,
    decay_theta: R,
    jump: R,
    drift: R,
    rate: R,
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    ex: Vec<R>,
    inh: Vec<R>,
    theta: Vec<R>,
    homeostat: Vec<R>,
    arrival: Arrival,
}

/// A chunk of neurons over one step.
#[inline(always)]
fn kernel<R: Real>(
    set: impl Fn(usize) -> Set<R>,
    v: &mut [R; CHUNK],
    ex: &mut [R; CHUNK],
    inh: &mut [R; CHUNK],
    theta: &mut [R; CHUNK],
    homeostat: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let x = (k.leak * v[lane] + k.drive) + (k.ex * ex[lane] + k.inh * inh[lane]);
        v[lane] = x;
        ex[lane] *= k.decay_ex;
        inh[lane] *= k.decay_in;
        let fast = theta[lane] * k.decay_theta;
        let slow = homeostat[lane] - k.drift;
        theta[lane] = fast;
        homeostat[lane] = slow;
        any |= R::mask(x >= k.threshold + fast + slow);
    }
    any != R::Mask::default()
}

impl<R: Real> NeuronBlock<R> for Block<R> {
    #[inline(always)]
    fn update(&mut self, tick: Tick<'_, R>) {
        if let Some(current) = tick.current {
            for (i, (v, current)) in self.v.iter_mut().zip(current).enumerate() {
                *v += self.coefficients.at(i).gain * *current;
            }
        }
        for chunk in 0..self.v.len() / CHUNK {
            let coefficients = &self.coefficients;
            let crossed = kernel(
                |lane| coefficients.at(chunk * CHUNK + lane),
                chunk_of(&mut self.v, chunk),
                chunk_of(&mut self.ex, chunk),
                chunk_of(&mut self.inh, chunk),
                chunk_of(&mut self.theta, chunk),
                chunk_of(&mut self.homeostat, chunk),
            );
            if !crossed {
                continue;
            }
            for neuron in chunk * CHUNK..(chunk + 1) * CHUNK {
                let k = self.coefficients.at(neuron);
                let threshold = k.threshold + self.theta[neuron] + self.homeostat[neuron];
                if self.v[neuron] >= threshold && self.refractory.is_free(neuron, tick.step) {
                    self.v[neuron] = self.refractory.start(neuron, tick.step);
                    self.theta[neuron] += k.jump;
                    self.homeostat[neuron] += k.rate;
                    tick.fired.push(neuron as u32);
                }
            }
        }
        self.refractory.hold(&mut self.v, tick.step);
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        let values = if port == 0 { &mut self.ex } else { &mut self.inh };
        PortState { values, scale: Scale::Uniform(R::ONE), arrival: self.arrival, mirror: None }
    }

    state_access!(v, ex, inh, theta, homeostat);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
