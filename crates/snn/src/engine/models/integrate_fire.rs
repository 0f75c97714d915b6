//! Integrate-and-fire without a leak.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Scale,
    Tick, chunk_of, fire_chunk, padded, state_access, sweep, vectorised,
};
use super::super::real::Real;
use super::super::values::Values;
use crate::Result;

/// The perfect integrator: `C dV/dt = I_e`; a spike of weight `w` (mV) adds `w` to `V`.
///
/// `V >= V_th`: spike; then `V = V_reset`, or `V - (V_th - V_reset)` where `subtract_reset` is set, which keeps the
/// overshoot. Arrivals while refractory are lost.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `c_m_pf` | pF | 250 | as [`IafPscDelta`](super::IafPscDelta) |
/// | `v_th_mv` | mV | 1 | unit threshold |
/// | `v_reset_mv` | mV | 0 | unit threshold |
/// | `t_ref_ms` | ms | 0 | |
/// | `i_e_pa` | pA | 0 | |
/// | `subtract_reset` | | false | |
///
/// Variables: `v` (mV), 0 at the start. Ports: `v` (mV, any sign).
///
/// **Numerics.** Exact up to rounding: `V' = V + h I_e / C + sum w`.
///
/// **Reference.** Lapicque (1907), without the leak.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegrateFire {
    /// Capacitance.
    pub c_m_pf: Values,
    /// Threshold.
    pub v_th_mv: Values,
    /// Reset potential.
    pub v_reset_mv: Values,
    /// Refractory period.
    pub t_ref_ms: Values,
    /// Constant current.
    pub i_e_pa: Values,
    /// Whether a spike subtracts the threshold instead of setting the reset potential.
    pub subtract_reset: bool,
}

impl Default for IntegrateFire {
    fn default() -> Self {
        Self {
            c_m_pf: 250.0.into(),
            v_th_mv: 1.0.into(),
            v_reset_mv: 0.0.into(),
            t_ref_ms: 0.0.into(),
            i_e_pa: 0.0.into(),
            subtract_reset: false,
        }
    }
}

impl<R: Real> NeuronModel<R> for IntegrateFire {
    fn name(&self) -> &'static str {
        "integrate_fire"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 1] = [Port::any("v", "mV")];
        &PORTS
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        let c_m = context.positive("c_m_pf", &self.c_m_pf)?;
        let v_th = context.finite("v_th_mv", &self.v_th_mv)?;
        let v_reset = context.finite("v_reset_mv", &self.v_reset_mv)?;
        context.reset_below_threshold(&v_reset, &v_th)?;
        let i_e = context.finite("i_e_pa", &self.i_e_pa)?;
        let set = |i: usize| {
            let gain = context.config.dt_ms / c_m.at(i);
            let drop = v_th.at(i) - v_reset.at(i);
            Set {
                drive: R::of(gain * i_e.at(i)),
                gain: R::of(gain),
                threshold: R::of(v_th.at(i)),
                drop: R::of(if self.subtract_reset { drop } else { 0.0 }),
            }
        };
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &[&c_m, &v_th, &v_reset, &i_e], set),
            refractory: Refractory::new(context, &self.t_ref_ms, &v_reset)?,
            v: padded(context, |_| 0.0),
            arrivals: padded(context, |_| 0.0),
            overshoot: if self.subtract_reset { padded(context, |_| 0.0) } else { Vec::new() },
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    drive: R,
    gain: R,
    threshold: R,
    drop: R,
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    arrivals: Vec<R>,
    // Potentials before the reset; empty where the reset forgets them.
    overshoot: Vec<R>,
}

/// A chunk of neurons over one step.
#[inline(always)]
fn kernel<R: Real>(set: &impl Fn(usize) -> Set<R>, v: &mut [R; CHUNK], arrivals: &mut [R; CHUNK]) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let x = (v[lane] + k.drive) + arrivals[lane];
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
        if self.overshoot.is_empty() {
            sweep!(self, tick, kernel; v, arrivals);
            return;
        }
        for i in 0..self.v.len() {
            self.overshoot[i] = (self.v[i] + self.coefficients.at(i).drive) + self.arrivals[i];
        }
        let before = tick.fired.len();
        sweep!(self, tick, kernel; v, arrivals);
        for neuron in &tick.fired[before..] {
            let neuron = *neuron as usize;
            // Held neurons start from the reset potential; the overshoot is kept only without a refractory period.
            if self.refractory.is_free(neuron, tick.step + 1) {
                self.v[neuron] = self.overshoot[neuron] - self.coefficients.at(neuron).drop;
            }
        }
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
