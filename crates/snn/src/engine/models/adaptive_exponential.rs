//! The adaptive exponential integrate-and-fire neuron.

use super::super::model::{
    Arrival, BuildContext, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Refractory, Scale, Tick,
    padded, state_access, vectorised,
};
use super::super::real::Real;
use super::super::values::Values;
use crate::{Error, Result};

/// Neurons advanced side by side: the sub-steps of one group stay in registers.
const GROUP: usize = 8;
/// Attempts of an adaptive step before it is accepted as it is.
const ATTEMPTS: usize = 10_000;

/// How AdEx is integrated over a step.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdExIntegrator {
    /// Classical Runge-Kutta of order 4 in this many sub-steps; a spike is taken at the end of a sub-step.
    Rk4 {
        /// Sub-steps of a step.
        sub_steps: usize,
    },
    /// Runge-Kutta-Fehlberg 4(5) with this error per sub-step, in mV and pA; a spike is taken at the end of an accepted one.
    /// Each step starts anew with the whole step, so that nothing but the state has to be saved.
    Rkf45 {
        /// Accepted error of a sub-step.
        tolerance: f64,
    },
}

impl Default for AdExIntegrator {
    fn default() -> Self {
        Self::Rk4 { sub_steps: 10 }
    }
}

/// The adaptive exponential integrate-and-fire neuron with exponential conductances (`aeif_cond_exp`).
///
/// `C dV/dt = -g_L (V - E_L) + g_L D e^{(V - V_T)/D} - w - g_ex (V - E_ex) - g_in (V - E_in) + I_e`,
/// `tau_w dw/dt = a (V - E_L) - w`, with the slope factor `D`. `V >= V_peak`: spike, `V = V_reset`, `w += b`. With `D = 0`
/// the exponential is absent and spikes are taken at `V_T`.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `c_m_pf` | pF | 281 | Brette and Gerstner 2005 |
/// | `g_l_ns` | nS | 30 | " |
/// | `e_l_mv` | mV | -70.6 | " |
/// | `v_t_mv` | mV | -50.4 | " |
/// | `delta_t_mv` | mV | 2 | " |
/// | `a_ns` | nS | 4 | " |
/// | `b_pa` | pA | 80.5 | " |
/// | `tau_w_ms` | ms | 144 | " |
/// | `v_reset_mv` | mV | -60 | NEST |
/// | `v_peak_mv` | mV | 0 | NEST |
/// | `t_ref_ms` | ms | 0 | NEST |
/// | `e_ex_mv`, `e_in_mv` | mV | 0, -85 | NEST |
/// | `tau_syn_ex_ms`, `tau_syn_in_ms` | ms | 0.2, 2 | NEST |
/// | `i_e_pa` | pA | 0 | NEST |
/// | `integrator` | | RK4, 10 sub-steps | |
///
/// Variables: `v` (mV), `w` (pA), `g_ex`, `g_in` (nS). Ports: `ex`, `in` (nS, 0 or more).
///
/// **Numerics.** Conductances exact; `V` and `w` to order 4, see [`AdExIntegrator`]. In the slopes `V` is capped at
/// `V_peak`, which bounds the exponential.
///
/// **Reference.** Brette and Gerstner, Journal of Neurophysiology 94 (2005).
#[derive(Debug, Clone, PartialEq)]
pub struct AdEx {
    /// Capacitance.
    pub c_m_pf: Values,
    /// Leak conductance.
    pub g_l_ns: Values,
    /// Resting potential.
    pub e_l_mv: Values,
    /// Potential of spike initiation.
    pub v_t_mv: Values,
    /// Slope factor.
    pub delta_t_mv: Values,
    /// Subthreshold adaptation.
    pub a_ns: Values,
    /// Adaptation of a spike.
    pub b_pa: Values,
    /// Time constant of adaptation.
    pub tau_w_ms: Values,
    /// Reset potential.
    pub v_reset_mv: Values,
    /// Peak at which a spike is taken.
    pub v_peak_mv: Values,
    /// Refractory period.
    pub t_ref_ms: Values,
    /// Reversal potential of excitation.
    pub e_ex_mv: Values,
    /// Reversal potential of inhibition.
    pub e_in_mv: Values,
    /// Time constant of the excitatory conductance.
    pub tau_syn_ex_ms: Values,
    /// Time constant of the inhibitory conductance.
    pub tau_syn_in_ms: Values,
    /// Constant current.
    pub i_e_pa: Values,
    /// Integrator.
    pub integrator: AdExIntegrator,
}

impl Default for AdEx {
    fn default() -> Self {
        Self {
            c_m_pf: 281.0.into(),
            g_l_ns: 30.0.into(),
            e_l_mv: (-70.6).into(),
            v_t_mv: (-50.4).into(),
            delta_t_mv: 2.0.into(),
            a_ns: 4.0.into(),
            b_pa: 80.5.into(),
            tau_w_ms: 144.0.into(),
            v_reset_mv: (-60.0).into(),
            v_peak_mv: 0.0.into(),
            t_ref_ms: 0.0.into(),
            e_ex_mv: 0.0.into(),
            e_in_mv: (-85.0).into(),
            tau_syn_ex_ms: 0.2.into(),
            tau_syn_in_ms: 2.0.into(),
            i_e_pa: 0.0.into(),
            integrator: AdExIntegrator::default(),
        }
    }
}

impl<R: Real> NeuronModel<R> for AdEx {
    fn name(&self) -> &'static str {
        "aeif_cond_exp"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "w", "g_ex", "g_in"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 2] = [Port::non_negative("ex", "nS"), Port::non_negative("in", "nS")];
        &PORTS
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        let c = context.positive("c_m_pf", &self.c_m_pf)?;
        let g_l = context.positive("g_l_ns", &self.g_l_ns)?;
        let e_l = context.finite("e_l_mv", &self.e_l_mv)?;
        let v_t = context.finite("v_t_mv", &self.v_t_mv)?;
        let slope = context.non_negative("delta_t_mv", &self.delta_t_mv)?;
        let a = context.finite("a_ns", &self.a_ns)?;
        let b = context.finite("b_pa", &self.b_pa)?;
        let tau_w = context.positive("tau_w_ms", &self.tau_w_ms)?;
        let v_reset = context.finite("v_reset_mv", &self.v_reset_mv)?;
        let v_peak = context.finite("v_peak_mv", &self.v_peak_mv)?;
        context.reset_below_threshold(&v_reset, &v_peak)?;
        let e_ex = context.finite("e_ex_mv", &self.e_ex_mv)?;
        let e_in = context.finite("e_in_mv", &self.e_in_mv)?;
        let tau_ex = context.positive("tau_syn_ex_ms", &self.tau_syn_ex_ms)?;
        let tau_in = context.positive("tau_syn_in_ms", &self.tau_syn_in_ms)?;
        let i_e = context.finite("i_e_pa", &self.i_e_pa)?;
        for i in 0..context.len() {
            if slope.at(i) == 0.0 && v_reset.at(i) >= v_t.at(i) {
                return Err(Error::parameter(
                    "v_reset_mv",
                    v_reset.at(i),
                    "below v_t_mv where delta_t_mv is 0",
                ));
            }
            // Beyond this the exponential at the peak leaves the range of a double, and with it the slope.
            if slope.at(i) > 0.0 && (v_peak.at(i) - v_t.at(i)) / slope.at(i) > 80.0 {
                let expected = "at least (v_peak_mv - v_t_mv) / 80, or 0";
                return Err(Error::parameter("delta_t_mv", slope.at(i), expected));
            }
        }
        match self.integrator {
            AdExIntegrator::Rk4 { sub_steps: 0 } => {
                return Err(Error::parameter("integrator.rk4.sub_steps", 0.0, "1 or more"));
            }
            AdExIntegrator::Rkf45 { tolerance } if !(tolerance > 0.0 && tolerance.is_finite()) => {
                return Err(Error::parameter("integrator.rkf45.tolerance", tolerance, "finite and positive"));
            }
            _ => {}
        }
        let set = |i: usize| {
            let exponential = slope.at(i) > 0.0;
            Set {
                inverse_c: R::of(1.0 / c.at(i)),
                g_l: R::of(g_l.at(i)),
                e_l: R::of(e_l.at(i)),
                v_t: R::of(v_t.at(i)),
                rise: R::of(g_l.at(i) * slope.at(i)),
                inverse_slope: R::of(if exponential { 1.0 / slope.at(i) } else { 0.0 }),
                a: R::of(a.at(i)),
                b: R::of(b.at(i)),
                inverse_tau_w: R::of(1.0 / tau_w.at(i)),
                reset: R::of(v_reset.at(i)),
                peak: R::of(if exponential { v_peak.at(i) } else { v_t.at(i) }),
                e_ex: R::of(e_ex.at(i)),
                e_in: R::of(e_in.at(i)),
                rate_ex: R::of(-1.0 / tau_ex.at(i)),
                rate_in: R::of(-1.0 / tau_in.at(i)),
                drive: R::of(i_e.at(i)),
            }
        };
        let all = [
            &c, &g_l, &e_l, &v_t, &slope, &a, &b, &tau_w, &v_reset, &v_peak, &e_ex, &e_in, &tau_ex, &tau_in,
            &i_e,
        ];
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &all, set),
            refractory: Refractory::new(context, &self.t_ref_ms, &v_reset)?,
            v: padded(context, |i| e_l.at(i)),
            w: padded(context, |_| 0.0),
            ex: padded(context, |_| 0.0),
            inh: padded(context, |_| 0.0),
            len: context.len(),
            h: context.config.dt_ms,
            integrator: self.integrator,
            arrival: context.config.order.into(),
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    inverse_c: R,
    g_l: R,
    e_l: R,
    v_t: R,
    rise: R,
    inverse_slope: R,
    a: R,
    b: R,
    inverse_tau_w: R,
    reset: R,
    peak: R,
    e_ex: R,
    e_in: R,
    rate_ex: R,
    rate_in: R,
    drive: R,
}

impl<R: Real> Set<R> {
    /// Slopes of `V` and `w`.
    #[inline(always)]
    fn slopes(&self, v: R, w: R, ex: R, inh: R, current: R) -> (R, R) {
        let v = v.least(self.peak);
        let leak = self.g_l * (v - self.e_l);
        let rise = self.rise * ((v - self.v_t) * self.inverse_slope).exponential();
        let synapses = ex * (v - self.e_ex) + inh * (v - self.e_in);
        let dv = (rise - leak - synapses - w + self.drive + current) * self.inverse_c;
        (dv, (self.a * (v - self.e_l) - w) * self.inverse_tau_w)
    }
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    w: Vec<R>,
    ex: Vec<R>,
    inh: Vec<R>,
    len: usize,
    h: f64,
    integrator: AdExIntegrator,
    arrival: Arrival,
}

/// What a group of neurons is advanced by.
struct Drive<'a, R> {
    set: &'a [Set<R>; GROUP],
    current: &'a [R; GROUP],
    // 0 for lanes that are held, else 1.
    free: &'a mut [R; GROUP],
}

/// Runge-Kutta over a step; `spiked` becomes 1 where the peak was reached.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "arrays apart do not alias, so the loop vectorises")]
fn runge_kutta<R: Real>(
    drive: &mut Drive<'_, R>,
    h: f64,
    sub_steps: usize,
    holds: bool,
    v: &mut [R; GROUP],
    w: &mut [R; GROUP],
    conductances: [&mut [R; GROUP]; 2],
    spiked: &mut [R; GROUP],
) {
    let [ex, inh] = conductances;
    let h = R::of(h / sub_steps as f64);
    let half = R::of(0.5) * h;
    let mut decay_ex = [R::ZERO; GROUP];
    let mut decay_in = [R::ZERO; GROUP];
    for l in 0..GROUP {
        decay_ex[l] = (drive.set[l].rate_ex * half).exponential();
        decay_in[l] = (drive.set[l].rate_in * half).exponential();
    }
    for _ in 0..sub_steps {
        for l in 0..GROUP {
            let (k, current, free) = (&drive.set[l], drive.current[l], drive.free[l]);
            let (e0, i0) = (ex[l], inh[l]);
            let (e1, i1) = (e0 * decay_ex[l], i0 * decay_in[l]);
            let (e2, i2) = (e1 * decay_ex[l], i1 * decay_in[l]);
            let (x, y) = (v[l], w[l]);
            let (v1, w1) = k.slopes(x, y, e0, i0, current);
            let (v2, w2) = k.slopes(x + free * half * v1, y + half * w1, e1, i1, current);
            let (v3, w3) = k.slopes(x + free * half * v2, y + half * w2, e1, i1, current);
            let (v4, w4) = k.slopes(x + free * h * v3, y + h * w3, e2, i2, current);
            let sixth = R::of(1.0 / 6.0) * h;
            let two = R::of(2.0);
            let x = x + free * sixth * (v1 + two * (v2 + v3) + v4);
            let y = y + sixth * (w1 + two * (w2 + w3) + w4);
            ex[l] = e2;
            inh[l] = i2;
            let peaked = x >= k.peak;
            v[l] = if peaked { k.reset } else { x };
            w[l] = if peaked { y + k.b } else { y };
            spiked[l] = if peaked { R::ONE } else { spiked[l] };
            drive.free[l] = if peaked && holds { R::ZERO } else { free };
        }
    }
}

/// Fehlberg's pair over a step of one neuron, conductances exact within; whether the peak was reached.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "arrays apart do not alias, so the loop vectorises")]
fn fehlberg<R: Real>(
    k: &Set<R>,
    current: R,
    mut free: R,
    h: f64,
    tolerance: f64,
    holds: bool,
    state: [&mut R; 2],
    conductances: [&mut R; 2],
) -> bool {
    const A: [[f64; 5]; 5] = [
        [1.0 / 4.0, 0.0, 0.0, 0.0, 0.0],
        [3.0 / 32.0, 9.0 / 32.0, 0.0, 0.0, 0.0],
        [1932.0 / 2197.0, -7200.0 / 2197.0, 7296.0 / 2197.0, 0.0, 0.0],
        [439.0 / 216.0, -8.0, 3680.0 / 513.0, -845.0 / 4104.0, 0.0],
        [-8.0 / 27.0, 2.0, -3544.0 / 2565.0, 1859.0 / 4104.0, -11.0 / 40.0],
    ];
    const C: [f64; 6] = [0.0, 0.25, 0.375, 12.0 / 13.0, 1.0, 0.5];
    const FIFTH: [f64; 6] = [16.0 / 135.0, 0.0, 6656.0 / 12825.0, 28561.0 / 56430.0, -9.0 / 50.0, 2.0 / 55.0];
    const FOURTH: [f64; 6] = [25.0 / 216.0, 0.0, 1408.0 / 2565.0, 2197.0 / 4104.0, -0.2, 0.0];
    let [v, w] = state;
    let [ex, inh] = conductances;
    let (mut done, mut size, mut spiked) = (0.0, h, false);
    for attempt in 0..ATTEMPTS {
        // What rounding leaves of a step is not worth another.
        if done >= h * (1.0 - 1e-12) {
            break;
        }
        size = size.min(h - done);
        let (mut sv, mut sw) = ([R::ZERO; 6], [R::ZERO; 6]);
        for s in 0..6 {
            let (mut x, mut y) = (*v, *w);
            if s > 0 {
                for (j, a) in A[s - 1].iter().enumerate().take(s) {
                    let a = R::of(a * size);
                    x += free * a * sv[j];
                    y += a * sw[j];
                }
            }
            let t = R::of(C[s] * size);
            let (e, i) = (*ex * (k.rate_ex * t).exponential(), *inh * (k.rate_in * t).exponential());
            (sv[s], sw[s]) = k.slopes(x, y, e, i, current);
        }
        let sum = |weights: &[f64; 6], slopes: &[R; 6]| {
            (0..6).fold(R::ZERO, |sum, s| sum + R::of(weights[s] * size) * slopes[s])
        };
        let (dv, dw) = (free * sum(&FIFTH, &sv), sum(&FIFTH, &sw));
        let errors = [(dv - free * sum(&FOURTH, &sv)).to_f64(), (dw - sum(&FOURTH, &sw)).to_f64()];
        let error = errors[0].abs().max(errors[1].abs());
        let accepted = error <= tolerance || attempt + 1 == ATTEMPTS || size <= h * 1e-9;
        if accepted {
            done += size;
            *v += dv;
            *w += dw;
            let t = R::of(size);
            *ex *= (k.rate_ex * t).exponential();
            *inh *= (k.rate_in * t).exponential();
            if *v >= k.peak {
                *v = k.reset;
                *w += k.b;
                spiked = true;
                free = if holds { R::ZERO } else { free };
            }
        }
        let factor = if error > 0.0 { 0.9 * (tolerance / error).powf(0.2) } else { 4.0 };
        size *= factor.clamp(0.2, 4.0);
    }
    spiked
}

impl<R: Real> NeuronBlock<R> for Block<R> {
    #[inline(always)]
    fn update(&mut self, tick: Tick<'_, R>) {
        for group in 0..self.len.div_ceil(GROUP) {
            let first = group * GROUP;
            let set: [Set<R>; GROUP] = std::array::from_fn(|l| self.coefficients.at(first + l));
            let current: [R; GROUP] = std::array::from_fn(|l| tick.current.map_or(R::ZERO, |c| c[first + l]));
            let mut free: [R; GROUP] = std::array::from_fn(|l| {
                if self.refractory.is_free(first + l, tick.step) { R::ONE } else { R::ZERO }
            });
            let holds = self.refractory.holds();
            let mut spiked = [R::ZERO; GROUP];
            match self.integrator {
                AdExIntegrator::Rk4 { sub_steps } => {
                    let v = &mut self.v.as_chunks_mut::<GROUP>().0[group];
                    let w = &mut self.w.as_chunks_mut::<GROUP>().0[group];
                    let ex = &mut self.ex.as_chunks_mut::<GROUP>().0[group];
                    let inh = &mut self.inh.as_chunks_mut::<GROUP>().0[group];
                    let mut drive = Drive { set: &set, current: &current, free: &mut free };
                    runge_kutta(&mut drive, self.h, sub_steps, holds, v, w, [ex, inh], &mut spiked);
                }
                AdExIntegrator::Rkf45 { tolerance } => {
                    for l in 0..GROUP.min(self.len - first) {
                        let n = first + l;
                        let state = [&mut self.v[n], &mut self.w[n]];
                        let g = [&mut self.ex[n], &mut self.inh[n]];
                        if fehlberg(&set[l], current[l], free[l], self.h, tolerance, holds, state, g) {
                            spiked[l] = R::ONE;
                        }
                    }
                }
            }
            for (l, spiked) in spiked.iter().enumerate() {
                let neuron = first + l;
                if *spiked == R::ONE && self.refractory.is_free(neuron, tick.step) {
                    self.refractory.start(neuron, tick.step);
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

    state_access!(v, w, ex, inh);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
