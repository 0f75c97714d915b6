//! Leaky integrate-and-fire with jumps of the potential.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Scale,
    Tick, chunk_of, fire_chunk, padded, state_access, sweep, vectorised,
};
use super::super::propagators;
use super::super::real::Real;
use super::super::values::Values;
use crate::Result;

/// Leaky integrate-and-fire whose potential jumps at each arrival (`iaf_psc_delta`).
///
/// `dV/dt = -(V - E_L)/tau_m + I_e/C`; a spike of weight `w` (mV) adds `w` to `V` in the step of its arrival, which it may
/// fire. `V >= V_th`: spike, `V = V_reset`; arrivals while refractory are lost.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `c_m_pf` | pF | 250 | NEST |
/// | `tau_m_ms` | ms | 10 | NEST |
/// | `e_l_mv` | mV | -70 | NEST |
/// | `v_th_mv` | mV | -55 | NEST |
/// | `v_reset_mv` | mV | -70 | NEST |
/// | `t_ref_ms` | ms | 2 | NEST |
/// | `i_e_pa` | pA | 0 | NEST |
///
/// Variables: `v` (mV). Ports: `v` (mV, any sign).
///
/// **Numerics.** Exact: `V' = E_L + (V - E_L) e^{-h/tau_m} + (tau_m/C)(1 - e^{-h/tau_m}) I_e + sum w`.
///
/// **Reference.** Brunel, Journal of Computational Neuroscience 8 (2000).
#[derive(Debug, Clone, PartialEq)]
pub struct IafPscDelta {
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
    /// Constant current.
    pub i_e_pa: Values,
}

impl Default for IafPscDelta {
    fn default() -> Self {
        Self {
            c_m_pf: 250.0.into(),
            tau_m_ms: 10.0.into(),
            e_l_mv: (-70.0).into(),
            v_th_mv: (-55.0).into(),
            v_reset_mv: (-70.0).into(),
            t_ref_ms: 2.0.into(),
            i_e_pa: 0.0.into(),
        }
    }
}

impl<R: Real> NeuronModel<R> for IafPscDelta {
    fn name(&self) -> &'static str {
        "iaf_psc_delta"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 1] = [Port::any("v", "mV")];
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
        let i_e = context.finite("i_e_pa", &self.i_e_pa)?;
        let set = |i: usize| {
            let (c, tau) = (c_m.at(i), tau_m.at(i));
            let gain = tau / c * propagators::decayed(h / tau);
            Set {
                leak: R::of((-h / tau).exp()),
                drive: R::of(propagators::decayed(h / tau) * e_l.at(i) + gain * i_e.at(i)),
                gain: R::of(gain * (h / tau).exp()),
                threshold: R::of(v_th.at(i)),
            }
        };
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &[&c_m, &tau_m, &e_l, &v_th, &i_e], set),
            refractory: Refractory::new(context, &self.t_ref_ms, &v_reset)?,
            v: padded(context, |i| e_l.at(i)),
            arrivals: padded(context, |_| 0.0),
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    leak: R,
    drive: R,
    gain: R,
    threshold: R,
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    arrivals: Vec<R>,
}

/// A chunk of neurons over one step.
#[inline(always)]
fn kernel<R: Real>(set: &impl Fn(usize) -> Set<R>, v: &mut [R; CHUNK], arrivals: &mut [R; CHUNK]) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let x = (k.leak * v[lane] + k.drive) + arrivals[lane];
        v[lane] = x;
        arrivals[lane] = R::ZERO;
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
        sweep!(self, tick, kernel; v, arrivals);
    }

    fn port(&mut self, _port: usize) -> PortState<'_, R> {
        PortState {
            values: &mut self.arrivals,
            scale: Scale::Uniform(R::ONE),
            arrival: Arrival::BeforeUpdate,
            mirror: None,
        }
    }

    state_access!(v, arrivals);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
