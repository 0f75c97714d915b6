//! Leaky integrate-and-fire with exponential currents.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Scale,
    Tick, chunk_of, fire_chunk, padded, sweep, vectorised,
};
use super::super::propagators;
use super::super::real::Real;
use super::super::values::Values;
use super::lazy_exponential::{LazyExponential, Linear};
use crate::Result;

/// Leaky integrate-and-fire with exponential post-synaptic currents (`iaf_psc_exp`).
///
/// `C dV/dt = -(C/tau_m)(V - E_L) + I_ex + I_in + I_e`, `dI_x/dt = -I_x/tau_x`; a spike of weight `w` (pA) adds `w` to
/// `I_x`. `V >= V_th`: spike, `V = V_reset`, held for the refractory period, while the currents go on.
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
/// Variables: `v` (mV), `i_ex`, `i_in` (pA). Ports: `ex`, `in` (pA, any sign).
///
/// **Numerics.** Exact: the linear system is propagated over the step in closed form, also where `tau_m = tau_x`
/// ([`propagators::exponential`]). Spikes fall on the grid. Where parameters are the same for all neurons and no neuron has a
/// Poisson or current stimulus or arrivals through a ring, states are held in diagonal coordinates that only arrivals change;
/// results differ from the plain update by rounding.
///
/// **Reference.** Rotter and Diesmann, Biological Cybernetics 81 (1999).
#[derive(Debug, Clone, PartialEq)]
pub struct IafPscExp {
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

impl Default for IafPscExp {
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

impl<R: Real> NeuronModel<R> for IafPscExp {
    fn name(&self) -> &'static str {
        "iaf_psc_exp"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "i_ex", "i_in"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 2] = [Port::any("ex", "pA"), Port::any("in", "pA")];
        &PORTS
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        use super::super::model::Parameter::Same;
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
            Set {
                leak: R::of((-h / tau).exp()),
                ex: R::of(propagators::exponential(h, tau, tau_ex.at(i), c)),
                inh: R::of(propagators::exponential(h, tau, tau_in.at(i), c)),
                decay_ex: R::of((-h / tau_ex.at(i)).exp()),
                decay_in: R::of((-h / tau_in.at(i)).exp()),
                drive: R::of(propagators::decayed(h / tau) * e_l.at(i) + gain * i_e.at(i)),
                gain: R::of(gain * (h / tau).exp()),
                threshold: R::of(v_th.at(i)),
            }
        };
        let lazy = match (&c_m, &tau_m, &e_l, &v_th, &tau_ex, &tau_in, &i_e) {
            (Same(c), Same(tau), Same(e_l), Same(v_th), Same(ex), Same(inh), Same(i_e)) => {
                LazyExponential::new(&Linear {
                    leak: (-h / tau).exp(),
                    decays: [(-h / ex).exp(), (-h / inh).exp()],
                    gains: [
                        propagators::exponential(h, *tau, *ex, *c),
                        propagators::exponential(h, *tau, *inh, *c),
                    ],
                    rest: e_l + tau / c * i_e,
                    threshold: *v_th,
                })
            }
            _ => None,
        };
        let all = [&c_m, &tau_m, &e_l, &v_th, &tau_ex, &tau_in, &i_e];
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &all, set),
            refractory: Refractory::new(context, &self.t_ref_ms, &v_reset)?,
            v: padded(context, |i| e_l.at(i)),
            ex: padded(context, |_| 0.0),
            inh: padded(context, |_| 0.0),
            arrival: context.config.order.into(),
            lazy,
            in_use: false,
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
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    ex: Vec<R>,
    inh: Vec<R>,
    arrival: Arrival,
    // Other coordinates of the same states, and whether they are the ones held.
    lazy: Option<LazyExponential<R>>,
    in_use: bool,
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
        let x = (k.leak * v[lane] + k.drive) + (k.ex * ex[lane] + k.inh * inh[lane]);
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
        if let (Some(lazy), true) = (&mut self.lazy, self.in_use) {
            let currents = [self.ex.as_mut_slice(), self.inh.as_mut_slice()];
            lazy.update(&mut self.v, currents, &mut self.refractory, tick.step, tick.fired);
            return;
        }
        if let Some(current) = tick.current {
            // The leak of the step multiplies the potential: what is added before it is divided by it.
            for (i, (v, current)) in self.v.iter_mut().zip(current).enumerate() {
                *v += self.coefficients.at(i).gain * *current;
            }
        }
        sweep!(self, tick, kernel; v, ex, inh);
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        let values = if port == 0 { &mut self.ex } else { &mut self.inh };
        match (&self.lazy, self.in_use) {
            (Some(lazy), true) => {
                let (factor, shift) = lazy.arrival(port);
                let mirror = Some((self.v.as_mut_slice(), shift));
                PortState { values, scale: Scale::Uniform(factor), arrival: self.arrival, mirror }
            }
            _ => PortState { values, scale: Scale::Uniform(R::ONE), arrival: self.arrival, mirror: None },
        }
    }

    fn read(&self, variable: usize, neuron: usize) -> R {
        let stored = [self.ex[neuron], self.inh[neuron]];
        match (&self.lazy, self.in_use) {
            (Some(lazy), true) => {
                let (v, currents) = lazy.leave(self.v[neuron], stored);
                let held = self.v[neuron] == -R::of(f64::INFINITY);
                [if held { self.refractory.reset(neuron) } else { v }, currents[0], currents[1]][variable]
            }
            _ => [self.v[neuron], stored[0], stored[1]][variable],
        }
    }

    fn write(&mut self, variable: usize, neuron: usize, value: R) {
        match (&self.lazy, self.in_use) {
            (Some(lazy), true) => {
                let held = self.v[neuron] == -R::of(f64::INFINITY);
                let (v, currents) = lazy.leave(self.v[neuron], [self.ex[neuron], self.inh[neuron]]);
                let mut plain = [v, currents[0], currents[1]];
                plain[variable] = value;
                let [y, ex, inh] = lazy.enter(plain[0], [plain[1], plain[2]]);
                (self.ex[neuron], self.inh[neuron]) = (ex, inh);
                // A held neuron starts from its reset potential, whatever is written.
                if !held {
                    self.v[neuron] = y;
                }
            }
            _ => [&mut self.v, &mut self.ex, &mut self.inh][variable][neuron] = value,
        }
    }

    fn arrays(&mut self) -> Vec<&mut [R]> {
        vec![&mut self.v, &mut self.ex, &mut self.inh]
    }

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }

    fn prepare(&mut self, sparse: bool) {
        let Some(lazy) = &self.lazy else { return };
        if self.in_use || !sparse || self.arrival == Arrival::BeforeUpdate {
            return;
        }
        for ((v, ex), inh) in self.v.iter_mut().zip(&mut self.ex).zip(&mut self.inh) {
            [*v, *ex, *inh] = lazy.enter(*v, [*ex, *inh]);
        }
        self.in_use = true;
    }

    fn restored(&mut self, step: i64) {
        if let Some(lazy) = &mut self.lazy {
            lazy.rewind(step);
        }
    }
}
