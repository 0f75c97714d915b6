//! SpiNNaker's integrate-and-fire neuron.

use super::super::config::StepOrder;
use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Tick,
    chunk_of, fire_chunk, padded, state_access, sweep, vectorised,
};
use super::super::propagators;
use super::super::real::Real;
use super::super::values::Values;
use crate::{Error, Result};

/// `IF_curr_exp` as sPyNNaker steps it, for [`StepOrder::SpiNNaker`].
///
/// In step `t` of `h`: (1) `E += init_E sum w`, `I += init_I sum w` over the arrivals of the step, with
/// `init = (tau_syn/h)(1 - e^{-h/tau_syn})`, the mean of the decaying current over the step; (2) unless refractory,
/// `V = V_inf - e^{-h/tau_m} (V_inf - V)` with `V_inf = V_rest + (E - I + i_offset) tau_m/c_m`; (3) `V >= V_th`: spike,
/// `V = V_reset`; (4) `E` and `I` decay by `e^{-h/tau_syn}`. So a spike that arrives can fire its target in the same step.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `c_m_nf` | nF | 1 | PyNN |
/// | `tau_m_ms` | ms | 20 | PyNN |
/// | `v_rest_mv`, `v_reset_mv` | mV | -65 | PyNN |
/// | `v_th_mv` | mV | -50 | PyNN |
/// | `t_ref_ms` | ms | 0.1, at least a step | PyNN |
/// | `tau_syn_ex_ms`, `tau_syn_in_ms` | ms | 5 | PyNN |
/// | `i_offset_na` | nA | 0 | PyNN |
///
/// Variables: `v` (mV), `e`, `i` (nA). Ports: `ex`, `in` (nA, 0 or more; `in` is subtracted). A stimulus current is in nA.
///
/// **Numerics.** `V` exact for a current that is constant over the step, as on the machine, without its fixed-point rounding.
///
/// **Reference.** Rhodes et al., Frontiers in Neuroscience 12 (2018) (sPyNNaker).
#[derive(Debug, Clone, PartialEq)]
pub struct IfCurrExp {
    /// Capacitance.
    pub c_m_nf: Values,
    /// Membrane time constant.
    pub tau_m_ms: Values,
    /// Resting potential.
    pub v_rest_mv: Values,
    /// Reset potential.
    pub v_reset_mv: Values,
    /// Threshold.
    pub v_th_mv: Values,
    /// Refractory period.
    pub t_ref_ms: Values,
    /// Time constant of the excitatory current.
    pub tau_syn_ex_ms: Values,
    /// Time constant of the inhibitory current.
    pub tau_syn_in_ms: Values,
    /// Constant current.
    pub i_offset_na: Values,
}

impl Default for IfCurrExp {
    fn default() -> Self {
        Self {
            c_m_nf: 1.0.into(),
            tau_m_ms: 20.0.into(),
            v_rest_mv: (-65.0).into(),
            v_reset_mv: (-65.0).into(),
            v_th_mv: (-50.0).into(),
            t_ref_ms: 0.1.into(),
            tau_syn_ex_ms: 5.0.into(),
            tau_syn_in_ms: 5.0.into(),
            i_offset_na: 0.0.into(),
        }
    }
}

impl<R: Real> NeuronModel<R> for IfCurrExp {
    fn name(&self) -> &'static str {
        "if_curr_exp"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "e", "i"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 2] = [Port::non_negative("ex", "nA"), Port::non_negative("in", "nA")];
        &PORTS
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        if context.config.order != StepOrder::SpiNNaker {
            return Err(Error::Unsupported {
                what: format!("if_curr_exp in population {:?}", context.population),
                why: "its arrivals act within their step: it needs the SpiNNaker step order".to_owned(),
            });
        }
        let h = context.config.dt_ms;
        let c_m = context.positive("c_m_nf", &self.c_m_nf)?;
        let tau_m = context.positive("tau_m_ms", &self.tau_m_ms)?;
        let v_rest = context.finite("v_rest_mv", &self.v_rest_mv)?;
        let v_reset = context.finite("v_reset_mv", &self.v_reset_mv)?;
        let v_th = context.finite("v_th_mv", &self.v_th_mv)?;
        context.reset_below_threshold(&v_reset, &v_th)?;
        let tau_ex = context.positive("tau_syn_ex_ms", &self.tau_syn_ex_ms)?;
        let tau_in = context.positive("tau_syn_in_ms", &self.tau_syn_in_ms)?;
        let offset = context.finite("i_offset_na", &self.i_offset_na)?;
        let set = |i: usize| {
            let gain = tau_m.at(i) / c_m.at(i);
            Set {
                leak: R::of((-h / tau_m.at(i)).exp()),
                rest: R::of(v_rest.at(i) + gain * offset.at(i)),
                gain: R::of(gain),
                decay_ex: R::of((-h / tau_ex.at(i)).exp()),
                decay_in: R::of((-h / tau_in.at(i)).exp()),
                pulse: R::of(gain * (h / tau_m.at(i)).exp_m1()),
                threshold: R::of(v_th.at(i)),
            }
        };
        let charge = |tau: &super::super::model::Parameter| {
            Coefficients::new(context, &[tau], |i| R::of(tau.at(i) / h * propagators::decayed(h / tau.at(i))))
        };
        let all = [&c_m, &tau_m, &v_rest, &v_th, &tau_ex, &tau_in, &offset];
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &all, set),
            refractory: Refractory::new(context, &self.t_ref_ms, &v_reset)?,
            v: padded(context, |i| v_rest.at(i)),
            ex: padded(context, |_| 0.0),
            inh: padded(context, |_| 0.0),
            charge: [charge(&tau_ex), charge(&tau_in)],
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    leak: R,
    rest: R,
    gain: R,
    decay_ex: R,
    decay_in: R,
    pulse: R,
    threshold: R,
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    ex: Vec<R>,
    inh: Vec<R>,
    charge: [Coefficients<R>; 2],
}

/// A chunk of neurons over one step.
#[inline(always)]
fn kernel<R: Real>(
    set: &impl Fn(usize) -> Set<R>,
    v: &mut [R; CHUNK],
    ex: &mut [R; CHUNK],
    inh: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let target = k.rest + (ex[lane] - inh[lane]) * k.gain;
        let x = target - k.leak * (target - v[lane]);
        v[lane] = x;
        ex[lane] *= k.decay_ex;
        inh[lane] *= k.decay_in;
        any |= R::mask(x >= k.threshold);
    }
    any != R::Mask::default()
}

impl<R: Real> NeuronBlock<R> for Block<R> {
    #[inline(always)]
    fn update(&mut self, tick: Tick<'_, R>) {
        if let Some(current) = tick.current {
            // (1 - e^{-h/tau}) of the target, divided by the e^{-h/tau} that the step multiplies the potential by.
            for (i, (v, current)) in self.v.iter_mut().zip(current).enumerate() {
                *v += self.coefficients.at(i).pulse * *current;
            }
        }
        sweep!(self, tick, kernel; v, ex, inh);
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        let (values, charge) = match port {
            0 => (&mut self.ex, &self.charge[0]),
            _ => (&mut self.inh, &self.charge[1]),
        };
        PortState { values, scale: charge.into(), arrival: Arrival::BeforeUpdate, mirror: None }
    }

    state_access!(v, ex, inh);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
