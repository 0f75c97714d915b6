//! The spike response model.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Scale,
    Tick, chunk_of, padded, vectorised,
};
use super::super::real::Real;
use super::super::values::Values;
use crate::Result;

/// The spike response model SRM0 with an alpha-shaped potential and an exponential after-potential.
///
/// `V(t) = E_L + sum_i w_i sum_f eps(t - t_i^f) + sum_f eta(t - t^f)`, `eps(s) = s/tau e^{1 - s/tau}` (peak 1 at
/// `s = tau`), `eta(s) = -(V_th - E_L) e^{-s/tau_r}`. `V >= V_th`: spike. Nothing is reset: the after-potential is added.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `tau_ms` | ms | 10 | Gerstner and Kistler 2002 |
/// | `tau_r_ms` | ms | 20 | Gerstner and Kistler 2002 |
/// | `e_l_mv` | mV | 0 | potentials from rest |
/// | `v_th_mv` | mV | 1 | unit threshold |
/// | `t_ref_ms` | ms | 0 | absolute refractory period: no spike |
///
/// Variables: `v` (mV), `psp`, `psp_rate`, `after` (mV). Ports: `psp` (mV of peak, any sign).
///
/// **Numerics.** Exact: each kernel is the solution of a linear system, propagated in closed form. A stimulus current is
/// refused by the engine: the model has no capacitance.
///
/// **Reference.** Gerstner and Kistler, Spiking Neuron Models (2002), chapter 4.
#[derive(Debug, Clone, PartialEq)]
pub struct SpikeResponse {
    /// Time constant of the post-synaptic potential.
    pub tau_ms: Values,
    /// Time constant of the after-potential.
    pub tau_r_ms: Values,
    /// Resting potential.
    pub e_l_mv: Values,
    /// Threshold.
    pub v_th_mv: Values,
    /// Absolute refractory period.
    pub t_ref_ms: Values,
}

impl Default for SpikeResponse {
    fn default() -> Self {
        Self {
            tau_ms: 10.0.into(),
            tau_r_ms: 20.0.into(),
            e_l_mv: 0.0.into(),
            v_th_mv: 1.0.into(),
            t_ref_ms: 0.0.into(),
        }
    }
}

impl<R: Real> NeuronModel<R> for SpikeResponse {
    fn name(&self) -> &'static str {
        "spike_response"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "psp", "psp_rate", "after"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 1] = [Port::any("psp", "mV")];
        &PORTS
    }

    fn accepts_current(&self) -> bool {
        false
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        let h = context.config.dt_ms;
        let tau = context.positive("tau_ms", &self.tau_ms)?;
        let tau_r = context.positive("tau_r_ms", &self.tau_r_ms)?;
        let e_l = context.finite("e_l_mv", &self.e_l_mv)?;
        let v_th = context.finite("v_th_mv", &self.v_th_mv)?;
        context.reset_below_threshold(&e_l, &v_th)?;
        let set = |i: usize| Set {
            decay: R::of((-h / tau.at(i)).exp()),
            decay_after: R::of((-h / tau_r.at(i)).exp()),
            h: R::of(h),
            rest: R::of(e_l.at(i)),
            threshold: R::of(v_th.at(i)),
        };
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &[&tau, &tau_r, &e_l, &v_th], set),
            refractory: Refractory::new(context, &self.t_ref_ms, &e_l)?,
            v: padded(context, |i| e_l.at(i)),
            psp: padded(context, |_| 0.0),
            psp_rate: padded(context, |_| 0.0),
            after: padded(context, |_| 0.0),
            jump: Coefficients::new(context, &[&tau], |i| R::of(std::f64::consts::E / tau.at(i))),
            arrival: context.config.order.into(),
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    decay: R,
    decay_after: R,
    h: R,
    rest: R,
    threshold: R,
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    psp: Vec<R>,
    psp_rate: Vec<R>,
    after: Vec<R>,
    jump: Coefficients<R>,
    arrival: Arrival,
}

/// A chunk of neurons over one step.
#[inline(always)]
fn kernel<R: Real>(
    set: impl Fn(usize) -> Set<R>,
    v: &mut [R; CHUNK],
    psp: &mut [R; CHUNK],
    psp_rate: &mut [R; CHUNK],
    after: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let response = k.decay * (psp[lane] + k.h * psp_rate[lane]);
        let fading = after[lane] * k.decay_after;
        psp[lane] = response;
        psp_rate[lane] *= k.decay;
        after[lane] = fading;
        let x = k.rest + response + fading;
        v[lane] = x;
        any |= R::mask(x >= k.threshold);
    }
    any != R::Mask::default()
}

impl<R: Real> NeuronBlock<R> for Block<R> {
    #[inline(always)]
    fn update(&mut self, tick: Tick<'_, R>) {
        for chunk in 0..self.v.len() / CHUNK {
            let coefficients = &self.coefficients;
            let crossed = kernel(
                |lane| coefficients.at(chunk * CHUNK + lane),
                chunk_of(&mut self.v, chunk),
                chunk_of(&mut self.psp, chunk),
                chunk_of(&mut self.psp_rate, chunk),
                chunk_of(&mut self.after, chunk),
            );
            if !crossed {
                continue;
            }
            for neuron in chunk * CHUNK..(chunk + 1) * CHUNK {
                let k = self.coefficients.at(neuron);
                if self.v[neuron] >= k.threshold && self.refractory.is_free(neuron, tick.step) {
                    self.refractory.start(neuron, tick.step);
                    self.after[neuron] += k.rest - k.threshold;
                    self.v[neuron] += k.rest - k.threshold;
                    tick.fired.push(neuron as u32);
                }
            }
        }
        self.refractory.expire(tick.step);
    }

    fn port(&mut self, _port: usize) -> PortState<'_, R> {
        let scale: Scale<'_, R> = (&self.jump).into();
        PortState { values: &mut self.psp_rate, scale, arrival: self.arrival, mirror: None }
    }

    super::super::model::state_access!(v, psp, psp_rate, after);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
