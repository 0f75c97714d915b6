//! The Hodgkin-Huxley neuron of Traub and Miles.

use super::super::model::{
    Arrival, BuildContext, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Scale, Tick,
    padded, state_access, vectorised,
};
use super::super::real::Real;
use super::super::values::Values;
use crate::{Error, Result};

/// Neurons advanced side by side.
const GROUP: usize = 8;

/// Hodgkin-Huxley dynamics after Traub and Miles with exponential conductances (`hh_cond_exp_traub`).
///
/// `C dV/dt = -g_Na m^3 h (V - E_Na) - g_K n^4 (V - E_K) - g_L (V - E_L) - g_ex (V - E_ex) - g_in (V - E_in) + I_e`;
/// for each gate `dx/dt = alpha_x (1 - x) - beta_x x`, with `U = V - V_T`:
/// `alpha_n = .032 (15 - U)/(e^{(15-U)/5} - 1)`, `beta_n = .5 e^{(10-U)/40}`,
/// `alpha_m = .32 (13 - U)/(e^{(13-U)/4} - 1)`, `beta_m = .28 (U - 40)/(e^{(U-40)/5} - 1)`,
/// `alpha_h = .128 e^{(17-U)/18}`, `beta_h = 4/(1 + e^{(40-U)/5})`.
/// A spike is the first fall of `V` above `V_T + 30` mV, at least a refractory period after the last one.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `c_m_pf` | pF | 200 | NEST, Brette et al. 2007 |
/// | `g_na_ns`, `g_k_ns`, `g_l_ns` | nS | 20000, 6000, 10 | " |
/// | `e_na_mv`, `e_k_mv`, `e_l_mv` | mV | 50, -90, -60 | " |
/// | `v_t_mv` | mV | -63 | " |
/// | `e_ex_mv`, `e_in_mv` | mV | 0, -80 | " |
/// | `tau_syn_ex_ms`, `tau_syn_in_ms` | ms | 5, 10 | " |
/// | `t_ref_ms` | ms | 2 | NEST |
/// | `i_e_pa` | pA | 0 | |
/// | `sub_step_ms` | ms | 0.01 | |
///
/// Variables: `v` (mV), `m`, `h`, `n`, `g_ex`, `g_in` (nS). Ports: `ex`, `in` (nS, 0 or more). `V` starts at `E_L`, the
/// gates in their steady state.
///
/// **Numerics.** Runge-Kutta of order 4 in sub-steps of at most `sub_step_ms`; conductances exact.
///
/// **Reference.** Traub and Miles, Neuronal Networks of the Hippocampus (1991).
#[derive(Debug, Clone, PartialEq)]
pub struct HodgkinHuxley {
    /// Capacitance.
    pub c_m_pf: Values,
    /// Sodium conductance.
    pub g_na_ns: Values,
    /// Potassium conductance.
    pub g_k_ns: Values,
    /// Leak conductance.
    pub g_l_ns: Values,
    /// Reversal potential of sodium.
    pub e_na_mv: Values,
    /// Reversal potential of potassium.
    pub e_k_mv: Values,
    /// Resting potential.
    pub e_l_mv: Values,
    /// Shift of the gates.
    pub v_t_mv: Values,
    /// Reversal potential of excitation.
    pub e_ex_mv: Values,
    /// Reversal potential of inhibition.
    pub e_in_mv: Values,
    /// Time constant of the excitatory conductance.
    pub tau_syn_ex_ms: Values,
    /// Time constant of the inhibitory conductance.
    pub tau_syn_in_ms: Values,
    /// Least time between two spikes.
    pub t_ref_ms: Values,
    /// Constant current.
    pub i_e_pa: Values,
    /// Longest sub-step.
    pub sub_step_ms: f64,
}

impl Default for HodgkinHuxley {
    fn default() -> Self {
        Self {
            c_m_pf: 200.0.into(),
            g_na_ns: 20_000.0.into(),
            g_k_ns: 6_000.0.into(),
            g_l_ns: 10.0.into(),
            e_na_mv: 50.0.into(),
            e_k_mv: (-90.0).into(),
            e_l_mv: (-60.0).into(),
            v_t_mv: (-63.0).into(),
            e_ex_mv: 0.0.into(),
            e_in_mv: (-80.0).into(),
            tau_syn_ex_ms: 5.0.into(),
            tau_syn_in_ms: 10.0.into(),
            t_ref_ms: 2.0.into(),
            i_e_pa: 0.0.into(),
            sub_step_ms: 0.01,
        }
    }
}

impl<R: Real> NeuronModel<R> for HodgkinHuxley {
    fn name(&self) -> &'static str {
        "hh_cond_exp_traub"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "m", "h", "n", "g_ex", "g_in"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 2] = [Port::non_negative("ex", "nS"), Port::non_negative("in", "nS")];
        &PORTS
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        let c = context.positive("c_m_pf", &self.c_m_pf)?;
        let g_na = context.non_negative("g_na_ns", &self.g_na_ns)?;
        let g_k = context.non_negative("g_k_ns", &self.g_k_ns)?;
        let g_l = context.non_negative("g_l_ns", &self.g_l_ns)?;
        let e_na = context.finite("e_na_mv", &self.e_na_mv)?;
        let e_k = context.finite("e_k_mv", &self.e_k_mv)?;
        let e_l = context.finite("e_l_mv", &self.e_l_mv)?;
        let v_t = context.finite("v_t_mv", &self.v_t_mv)?;
        let e_ex = context.finite("e_ex_mv", &self.e_ex_mv)?;
        let e_in = context.finite("e_in_mv", &self.e_in_mv)?;
        let tau_ex = context.positive("tau_syn_ex_ms", &self.tau_syn_ex_ms)?;
        let tau_in = context.positive("tau_syn_in_ms", &self.tau_syn_in_ms)?;
        let i_e = context.finite("i_e_pa", &self.i_e_pa)?;
        if !(self.sub_step_ms > 0.0 && self.sub_step_ms.is_finite()) {
            return Err(Error::parameter("sub_step_ms", self.sub_step_ms, "finite and positive"));
        }
        let sub_steps = (context.config.dt_ms / self.sub_step_ms * (1.0 - 1e-9)).ceil().max(1.0);
        if sub_steps > 1e6 {
            return Err(Error::parameter("sub_step_ms", self.sub_step_ms, "at least a millionth of a step"));
        }
        let set = |i: usize| Set {
            inverse_c: R::of(1.0 / c.at(i)),
            g_na: R::of(g_na.at(i)),
            g_k: R::of(g_k.at(i)),
            g_l: R::of(g_l.at(i)),
            e_na: R::of(e_na.at(i)),
            e_k: R::of(e_k.at(i)),
            e_l: R::of(e_l.at(i)),
            v_t: R::of(v_t.at(i)),
            e_ex: R::of(e_ex.at(i)),
            e_in: R::of(e_in.at(i)),
            rate_ex: R::of(-1.0 / tau_ex.at(i)),
            rate_in: R::of(-1.0 / tau_in.at(i)),
            drive: R::of(i_e.at(i)),
        };
        let all = [&c, &g_na, &g_k, &g_l, &e_na, &e_k, &e_l, &v_t, &e_ex, &e_in, &tau_ex, &tau_in, &i_e];
        let coefficients = Coefficients::new(context, &all, set);
        let gate = |i: usize, gate: usize| {
            let k = coefficients.at(i);
            let (open, close) = rates(R::of(e_l.at(i)) - k.v_t)[gate];
            (open / (open + close)).to_f64()
        };
        Ok(vectorised(Block {
            refractory: Refractory::new(context, &self.t_ref_ms, &e_l)?,
            v: padded(context, |i| e_l.at(i)),
            m: padded(context, |i| gate(i, 0)),
            h: padded(context, |i| gate(i, 1)),
            n: padded(context, |i| gate(i, 2)),
            ex: padded(context, |_| 0.0),
            inh: padded(context, |_| 0.0),
            before: padded(context, |i| e_l.at(i)),
            coefficients,
            len: context.len(),
            step: context.config.dt_ms / sub_steps,
            sub_steps: sub_steps as usize,
            arrival: context.config.order.into(),
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    inverse_c: R,
    g_na: R,
    g_k: R,
    g_l: R,
    e_na: R,
    e_k: R,
    e_l: R,
    v_t: R,
    e_ex: R,
    e_in: R,
    rate_ex: R,
    rate_in: R,
    drive: R,
}

/// `x / (e^x - 1)`, continued through 0.
#[inline(always)]
fn bernoulli<R: Real>(x: R) -> R {
    let small = x.greatest(-x) < R::of(1e-4);
    let safe = if small { R::ONE } else { x };
    let quotient = safe / (safe.exponential() - R::ONE);
    if small { R::ONE - R::of(0.5) * x } else { quotient }
}

/// Rates of opening and closing of `m`, `h` and `n`.
#[inline(always)]
fn rates<R: Real>(u: R) -> [(R, R); 3] {
    let c = R::of;
    let m = (
        c(0.32 * 4.0) * bernoulli((c(13.0) - u) * c(0.25)),
        c(0.28 * 5.0) * bernoulli((u - c(40.0)) * c(0.2)),
    );
    let h = (
        c(0.128) * ((c(17.0) - u) * c(1.0 / 18.0)).exponential(),
        c(4.0) / (R::ONE + ((c(40.0) - u) * c(0.2)).exponential()),
    );
    let n = (
        c(0.032 * 5.0) * bernoulli((c(15.0) - u) * c(0.2)),
        c(0.5) * ((c(10.0) - u) * c(1.0 / 40.0)).exponential(),
    );
    [m, h, n]
}

impl<R: Real> Set<R> {
    /// Slopes of `V`, `m`, `h`, `n`.
    #[inline(always)]
    fn slopes(&self, [v, m, h, n]: [R; 4], ex: R, inh: R, current: R) -> [R; 4] {
        let gates = rates(v - self.v_t);
        let sodium = self.g_na * m * m * m * h * (v - self.e_na);
        let potassium = self.g_k * (n * n) * (n * n) * (v - self.e_k);
        let leak = self.g_l * (v - self.e_l);
        let synapses = ex * (v - self.e_ex) + inh * (v - self.e_in);
        let slope = |(open, close): (R, R), x: R| open * (R::ONE - x) - close * x;
        let dv = (self.drive + current - sodium - potassium - leak - synapses) * self.inverse_c;
        [dv, slope(gates[0], m), slope(gates[1], h), slope(gates[2], n)]
    }
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    m: Vec<R>,
    h: Vec<R>,
    n: Vec<R>,
    ex: Vec<R>,
    inh: Vec<R>,
    // The potential at the start of the step, for the fall that marks a spike.
    before: Vec<R>,
    len: usize,
    step: f64,
    sub_steps: usize,
    arrival: Arrival,
}

impl<R: Real> NeuronBlock<R> for Block<R> {
    #[inline(always)]
    fn update(&mut self, tick: Tick<'_, R>) {
        let step = R::of(self.step);
        let half = R::of(0.5) * step;
        for group in 0..self.len.div_ceil(GROUP) {
            let first = group * GROUP;
            let set: [Set<R>; GROUP] = std::array::from_fn(|l| self.coefficients.at(first + l));
            let current: [R; GROUP] = std::array::from_fn(|l| tick.current.map_or(R::ZERO, |c| c[first + l]));
            let v = &mut self.v.as_chunks_mut::<GROUP>().0[group];
            let m = &mut self.m.as_chunks_mut::<GROUP>().0[group];
            let h = &mut self.h.as_chunks_mut::<GROUP>().0[group];
            let n = &mut self.n.as_chunks_mut::<GROUP>().0[group];
            let ex = &mut self.ex.as_chunks_mut::<GROUP>().0[group];
            let inh = &mut self.inh.as_chunks_mut::<GROUP>().0[group];
            let before = *v;
            for _ in 0..self.sub_steps {
                for l in 0..GROUP {
                    let k = &set[l];
                    let (fade_ex, fade_in) =
                        ((k.rate_ex * half).exponential(), (k.rate_in * half).exponential());
                    let (e1, i1) = (ex[l] * fade_ex, inh[l] * fade_in);
                    let (e2, i2) = (e1 * fade_ex, i1 * fade_in);
                    let y = [v[l], m[l], h[l], n[l]];
                    let add = |s: [R; 4], by: R| [0, 1, 2, 3].map(|j| y[j] + by * s[j]);
                    let k1 = k.slopes(y, ex[l], inh[l], current[l]);
                    let k2 = k.slopes(add(k1, half), e1, i1, current[l]);
                    let k3 = k.slopes(add(k2, half), e1, i1, current[l]);
                    let k4 = k.slopes(add(k3, step), e2, i2, current[l]);
                    let sixth = R::of(1.0 / 6.0) * step;
                    let next = |j: usize| y[j] + sixth * (k1[j] + R::of(2.0) * (k2[j] + k3[j]) + k4[j]);
                    (v[l], m[l], h[l], n[l]) = (next(0), next(1), next(2), next(3));
                    (ex[l], inh[l]) = (e2, i2);
                }
            }
            for l in 0..GROUP {
                let neuron = first + l;
                self.before[neuron] = before[l];
                let peak = v[l] >= set[l].v_t + R::of(30.0) && before[l] > v[l];
                if peak && self.refractory.is_free(neuron, tick.step) {
                    self.refractory.start(neuron, tick.step);
                    tick.fired.push(neuron as u32);
                }
            }
        }
        self.refractory.expire(tick.step);
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        let values = if port == 0 { &mut self.ex } else { &mut self.inh };
        PortState { values, scale: Scale::Uniform(R::ONE), arrival: self.arrival, mirror: None }
    }

    state_access!(v, m, h, n, ex, inh, before);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
