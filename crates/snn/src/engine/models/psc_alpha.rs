//! Leaky integrate-and-fire with alpha-shaped currents.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Tick,
    chunk_of, fire_chunk, padded, state_access, sweep, vectorised,
};
use super::super::propagators;
use super::super::real::Real;
use super::super::values::Values;
use crate::Result;

/// Leaky integrate-and-fire with alpha-shaped post-synaptic currents (`iaf_psc_alpha`).
///
/// As [`IafPscExp`](super::IafPscExp), with `I_x(t) = w (e/tau_x) t e^{-t/tau_x}` after a spike of weight `w` (pA), which is
/// the peak of the current.
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
///
/// Variables: `v` (mV), `i_ex`, `i_in` (pA), `di_ex`, `di_in` (pA/ms). Ports: `ex`, `in` (pA, any sign).
///
/// **Numerics.** Exact, also where `tau_m = tau_x` ([`propagators::alpha`]).
///
/// **Reference.** Rotter and Diesmann, Biological Cybernetics 81 (1999).
#[derive(Debug, Clone, PartialEq)]
pub struct IafPscAlpha {
    /// Capacitance.
    pub c_m_pf: Values,
    /// Membrane time constant.
    pub tau_m_ms: Values,
    /// Resting potential.
    pub e_l_mv: Values,
    /// Threshold.
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
}

impl Default for IafPscAlpha {
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
        }
    }
}

impl<R: Real> NeuronModel<R> for IafPscAlpha {
    fn name(&self) -> &'static str {
        "iaf_psc_alpha"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "i_ex", "i_in", "di_ex", "di_in"]
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
        let set = |i: usize| {
            let (c, tau) = (c_m.at(i), tau_m.at(i));
            let gain = tau / c * propagators::decayed(h / tau);
            let (ex, ex_rate) = propagators::alpha(h, tau, tau_ex.at(i), c);
            let (inh, inh_rate) = propagators::alpha(h, tau, tau_in.at(i), c);
            Set {
                leak: R::of((-h / tau).exp()),
                ex: R::of(ex),
                ex_rate: R::of(ex_rate),
                inh: R::of(inh),
                inh_rate: R::of(inh_rate),
                decay_ex: R::of((-h / tau_ex.at(i)).exp()),
                decay_in: R::of((-h / tau_in.at(i)).exp()),
                h: R::of(h),
                drive: R::of(propagators::decayed(h / tau) * e_l.at(i) + gain * i_e.at(i)),
                gain: R::of(gain * (h / tau).exp()),
                threshold: R::of(v_th.at(i)),
            }
        };
        let all = [&c_m, &tau_m, &e_l, &v_th, &tau_ex, &tau_in, &i_e];
        let jump = |tau: &super::super::model::Parameter| {
            Coefficients::new(context, &[tau], |i| R::of(std::f64::consts::E / tau.at(i)))
        };
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &all, set),
            refractory: Refractory::new(context, &self.t_ref_ms, &v_reset)?,
            v: padded(context, |i| e_l.at(i)),
            ex: padded(context, |_| 0.0),
            inh: padded(context, |_| 0.0),
            ex_rate: padded(context, |_| 0.0),
            inh_rate: padded(context, |_| 0.0),
            jump: [jump(&tau_ex), jump(&tau_in)],
            arrival: context.config.order.into(),
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    leak: R,
    ex: R,
    ex_rate: R,
    inh: R,
    inh_rate: R,
    decay_ex: R,
    decay_in: R,
    h: R,
    drive: R,
    gain: R,
    threshold: R,
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    ex: Vec<R>,
    inh: Vec<R>,
    ex_rate: Vec<R>,
    inh_rate: Vec<R>,
    jump: [Coefficients<R>; 2],
    arrival: Arrival,
}

/// A chunk of neurons over one step.
#[inline(always)]
fn kernel<R: Real>(
    set: &impl Fn(usize) -> Set<R>,
    v: &mut [R; CHUNK],
    ex: &mut [R; CHUNK],
    inh: &mut [R; CHUNK],
    ex_rate: &mut [R; CHUNK],
    inh_rate: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let currents =
            (k.ex * ex[lane] + k.ex_rate * ex_rate[lane]) + (k.inh * inh[lane] + k.inh_rate * inh_rate[lane]);
        let x = (k.leak * v[lane] + k.drive) + currents;
        v[lane] = x;
        ex[lane] = k.decay_ex * (ex[lane] + k.h * ex_rate[lane]);
        inh[lane] = k.decay_in * (inh[lane] + k.h * inh_rate[lane]);
        ex_rate[lane] *= k.decay_ex;
        inh_rate[lane] *= k.decay_in;
        any |= R::mask(x >= k.threshold);
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
        sweep!(self, tick, kernel; v, ex, inh, ex_rate, inh_rate);
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        let (values, jump) = match port {
            0 => (&mut self.ex_rate, &self.jump[0]),
            _ => (&mut self.inh_rate, &self.jump[1]),
        };
        PortState { values, scale: jump.into(), arrival: self.arrival, mirror: None }
    }

    state_access!(v, ex, inh, ex_rate, inh_rate);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
