//! Leaky integrate-and-fire with conductances.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Parameter, Port, PortState,
    Refractory, Scale, Tick, chunk_of, fire_chunk, padded, state_access, sweep_driven, vectorised,
};
use super::super::real::Real;
use super::super::values::Values;
use crate::{Error, Result};

/// How the potential of a conductance model is integrated; the conductances themselves are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConductanceIntegrator {
    /// Classical Runge-Kutta of order 4 in this many sub-steps.
    Rk4 {
        /// Sub-steps of a step.
        sub_steps: usize,
    },
    /// `V' = V_inf + (V - V_inf) e^{-h g_tot / C}` with the conductances as they are at the start of the step (Brian2's
    /// `exponential_euler`); order 1.
    ExponentialEuler,
}

impl Default for ConductanceIntegrator {
    fn default() -> Self {
        Self::Rk4 { sub_steps: 2 }
    }
}

/// Parameters that [`IafCondExp`] and [`IafCondAlpha`] share.
#[derive(Debug, Clone, PartialEq)]
struct Conductances {
    c_m: Parameter,
    g_l: Parameter,
    e_l: Parameter,
    v_th: Parameter,
    v_reset: Parameter,
    e_ex: Parameter,
    e_in: Parameter,
    tau_ex: Parameter,
    tau_in: Parameter,
    i_e: Parameter,
}

/// Defines a conductance model: the two differ in name, text and in the shape of the conductance.
macro_rules! conductance_model {
    ($(#[$about:meta])* $name:ident, $text:literal, $alpha:literal, $variables:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            /// Capacitance.
            pub c_m_pf: Values,
            /// Leak conductance.
            pub g_l_ns: Values,
            /// Resting potential.
            pub e_l_mv: Values,
            /// Threshold.
            pub v_th_mv: Values,
            /// Reset potential.
            pub v_reset_mv: Values,
            /// Reversal potential of excitation.
            pub e_ex_mv: Values,
            /// Reversal potential of inhibition.
            pub e_in_mv: Values,
            /// Refractory period.
            pub t_ref_ms: Values,
            /// Time constant of the excitatory conductance.
            pub tau_syn_ex_ms: Values,
            /// Time constant of the inhibitory conductance.
            pub tau_syn_in_ms: Values,
            /// Constant current.
            pub i_e_pa: Values,
            /// Integrator of the potential.
            pub integrator: ConductanceIntegrator,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    c_m_pf: 250.0.into(),
                    g_l_ns: 16.6667.into(),
                    e_l_mv: (-70.0).into(),
                    v_th_mv: (-55.0).into(),
                    v_reset_mv: (-60.0).into(),
                    e_ex_mv: 0.0.into(),
                    e_in_mv: (-85.0).into(),
                    t_ref_ms: 2.0.into(),
                    tau_syn_ex_ms: 0.2.into(),
                    tau_syn_in_ms: 2.0.into(),
                    i_e_pa: 0.0.into(),
                    integrator: ConductanceIntegrator::default(),
                }
            }
        }

        impl<R: Real> NeuronModel<R> for $name {
            fn name(&self) -> &'static str {
                $text
            }

            fn variables(&self) -> &'static [&'static str] {
                $variables
            }

            fn ports(&self) -> &'static [Port] {
                const PORTS: [Port; 2] = [Port::non_negative("ex", "nS"), Port::non_negative("in", "nS")];
                &PORTS
            }

            fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
                let p = Conductances {
                    c_m: context.positive("c_m_pf", &self.c_m_pf)?,
                    g_l: context.positive("g_l_ns", &self.g_l_ns)?,
                    e_l: context.finite("e_l_mv", &self.e_l_mv)?,
                    v_th: context.finite("v_th_mv", &self.v_th_mv)?,
                    v_reset: context.finite("v_reset_mv", &self.v_reset_mv)?,
                    e_ex: context.finite("e_ex_mv", &self.e_ex_mv)?,
                    e_in: context.finite("e_in_mv", &self.e_in_mv)?,
                    tau_ex: context.positive("tau_syn_ex_ms", &self.tau_syn_ex_ms)?,
                    tau_in: context.positive("tau_syn_in_ms", &self.tau_syn_in_ms)?,
                    i_e: context.finite("i_e_pa", &self.i_e_pa)?,
                };
                p.build::<R, $alpha>(context, &self.t_ref_ms, self.integrator)
            }
        }
    };
}

conductance_model!(
    /// Leaky integrate-and-fire with exponential conductances (`iaf_cond_exp`).
    ///
    /// `C dV/dt = -g_L (V - E_L) - g_ex (V - E_ex) - g_in (V - E_in) + I_e`, `dg_x/dt = -g_x/tau_x`; a spike of weight `w`
    /// (nS, 0 or more) adds `w` to `g_x`. `V >= V_th`: spike, `V = V_reset`, held for the refractory period.
    ///
    /// | parameter | unit | default | source |
    /// |---|---|---|---|
    /// | `c_m_pf` | pF | 250 | NEST |
    /// | `g_l_ns` | nS | 16.6667 | NEST |
    /// | `e_l_mv` | mV | -70 | NEST |
    /// | `v_th_mv` | mV | -55 | NEST |
    /// | `v_reset_mv` | mV | -60 | NEST |
    /// | `e_ex_mv`, `e_in_mv` | mV | 0, -85 | NEST |
    /// | `t_ref_ms` | ms | 2 | NEST |
    /// | `tau_syn_ex_ms`, `tau_syn_in_ms` | ms | 0.2, 2 | NEST |
    /// | `i_e_pa` | pA | 0 | NEST |
    /// | `integrator` | | RK4, 2 sub-steps | NEST integrates adaptively, Brian2 by exponential Euler |
    ///
    /// Variables: `v` (mV), `g_ex`, `g_in` (nS). Ports: `ex`, `in` (nS, 0 or more).
    ///
    /// **Numerics.** Conductances exact; the potential to order 4, or 1, see [`ConductanceIntegrator`].
    ///
    /// **Reference.** Meffin, Burkitt and Grayden, Journal of Computational Neuroscience 16 (2004).
    IafCondExp, "iaf_cond_exp", false, &["v", "g_ex", "g_in"]
);

conductance_model!(
    /// Leaky integrate-and-fire with alpha-shaped conductances (`iaf_cond_alpha`).
    ///
    /// As [`IafCondExp`], with `g_x(t) = w (e/tau_x) t e^{-t/tau_x}` after a spike of weight `w` (nS), which is the peak of
    /// the conductance.
    ///
    /// | parameter | unit | default | source |
    /// |---|---|---|---|
    /// | `c_m_pf` | pF | 250 | NEST |
    /// | `g_l_ns` | nS | 16.6667 | NEST |
    /// | `e_l_mv` | mV | -70 | NEST |
    /// | `v_th_mv` | mV | -55 | NEST |
    /// | `v_reset_mv` | mV | -60 | NEST |
    /// | `e_ex_mv`, `e_in_mv` | mV | 0, -85 | NEST |
    /// | `t_ref_ms` | ms | 2 | NEST |
    /// | `tau_syn_ex_ms`, `tau_syn_in_ms` | ms | 0.2, 2 | NEST |
    /// | `i_e_pa` | pA | 0 | NEST |
    /// | `integrator` | | RK4, 2 sub-steps | NEST integrates adaptively |
    ///
    /// Variables: `v` (mV), `g_ex`, `g_in` (nS), `dg_ex`, `dg_in` (nS/ms). Ports: `ex`, `in` (nS, 0 or more).
    ///
    /// **Numerics.** Conductances exact; the potential to order 4, or 1, see [`ConductanceIntegrator`].
    ///
    /// **Reference.** Meffin, Burkitt and Grayden, Journal of Computational Neuroscience 16 (2004).
    IafCondAlpha, "iaf_cond_alpha", true, &["v", "g_ex", "g_in", "dg_ex", "dg_in"]
);

impl Conductances {
    fn build<R: Real, const ALPHA: bool>(
        &self,
        context: &BuildContext,
        t_ref_ms: &Values,
        integrator: ConductanceIntegrator,
    ) -> Result<Box<dyn NeuronBlock<R>>> {
        context.reset_below_threshold(&self.v_reset, &self.v_th)?;
        let sub_steps = match integrator {
            ConductanceIntegrator::Rk4 { sub_steps: 0 } => {
                return Err(Error::parameter("integrator.rk4.sub_steps", 0.0, "1 or more"));
            }
            ConductanceIntegrator::Rk4 { sub_steps } => sub_steps,
            ConductanceIntegrator::ExponentialEuler => 1,
        };
        let h = context.config.dt_ms / sub_steps as f64;
        let half = |tau: f64| R::of((-0.5 * h / tau).exp());
        let set = |i: usize| Set {
            h: R::of(h),
            h_c: R::of(h / self.c_m.at(i)),
            g_l: R::of(self.g_l.at(i)),
            leak: R::of(self.g_l.at(i) * self.e_l.at(i) + self.i_e.at(i)),
            e_ex: R::of(self.e_ex.at(i)),
            e_in: R::of(self.e_in.at(i)),
            half_ex: half(self.tau_ex.at(i)),
            half_in: half(self.tau_in.at(i)),
            full_ex: R::of((-h / self.tau_ex.at(i)).exp()),
            full_in: R::of((-h / self.tau_in.at(i)).exp()),
            threshold: R::of(self.v_th.at(i)),
        };
        let all = [
            &self.c_m,
            &self.g_l,
            &self.e_l,
            &self.v_th,
            &self.e_ex,
            &self.e_in,
            &self.tau_ex,
            &self.tau_in,
            &self.i_e,
        ];
        let jump = |tau: &Parameter| {
            Coefficients::new(context, &[tau], |i| {
                R::of(if ALPHA { std::f64::consts::E / tau.at(i) } else { 1.0 })
            })
        };
        let rates = || if ALPHA { padded(context, |_| 0.0) } else { vec![R::ZERO; context.padded()] };
        let block = Block::<R, ALPHA> {
            coefficients: Coefficients::new(context, &all, set),
            refractory: Refractory::new(context, t_ref_ms, &self.v_reset)?,
            v: padded(context, |i| self.e_l.at(i)),
            ex: padded(context, |_| 0.0),
            inh: padded(context, |_| 0.0),
            ex_rate: rates(),
            inh_rate: rates(),
            jump: [jump(&self.tau_ex), jump(&self.tau_in)],
            sub_steps,
            integrator,
            arrival: context.config.order.into(),
        };
        Ok(vectorised(block))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    h: R,
    h_c: R,
    g_l: R,
    leak: R,
    e_ex: R,
    e_in: R,
    half_ex: R,
    half_in: R,
    full_ex: R,
    full_in: R,
    threshold: R,
}

struct Block<R, const ALPHA: bool> {
    coefficients: Coefficients<Set<R>>,
    refractory: Refractory<R>,
    v: Vec<R>,
    ex: Vec<R>,
    inh: Vec<R>,
    // Zero and unread unless ALPHA.
    ex_rate: Vec<R>,
    inh_rate: Vec<R>,
    jump: [Coefficients<R>; 2],
    sub_steps: usize,
    integrator: ConductanceIntegrator,
    arrival: Arrival,
}

/// A conductance after half and after a whole sub-step, and its rate after the whole.
#[inline(always)]
fn advance<R: Real, const ALPHA: bool>(g: R, rate: R, h: R, half: R, full: R) -> (R, R, R) {
    if ALPHA {
        let middle = half * (g + R::of(0.5) * h * rate);
        (middle, full * (g + h * rate), full * rate)
    } else {
        (g * half, g * full, R::ZERO)
    }
}

/// One Runge-Kutta sub-step of a chunk.
#[inline(always)]
fn runge_kutta<R: Real, const ALPHA: bool>(
    set: &impl Fn(usize) -> Set<R>,
    drive: &impl Fn(usize) -> R,
    v: &mut [R; CHUNK],
    ex: &mut [R; CHUNK],
    inh: &mut [R; CHUNK],
    ex_rate: &mut [R; CHUNK],
    inh_rate: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let constant = k.leak + drive(lane);
        let (ex_half, ex_full, ex_next) =
            advance::<R, ALPHA>(ex[lane], ex_rate[lane], k.h, k.half_ex, k.full_ex);
        let (in_half, in_full, in_next) =
            advance::<R, ALPHA>(inh[lane], inh_rate[lane], k.h, k.half_in, k.full_in);
        // The slope is linear in V: h (a - b V) / C.
        let slope = |e: R, i: R| (k.h_c * (constant + e * k.e_ex + i * k.e_in), k.h_c * (k.g_l + e + i));
        let (a0, b0) = slope(ex[lane], inh[lane]);
        let (a1, b1) = slope(ex_half, in_half);
        let (a2, b2) = slope(ex_full, in_full);
        let half = R::of(0.5);
        let x = v[lane];
        let k1 = a0 - b0 * x;
        let k2 = a1 - b1 * (x + half * k1);
        let k3 = a1 - b1 * (x + half * k2);
        let k4 = a2 - b2 * (x + k3);
        let x = x + R::of(1.0 / 6.0) * (k1 + R::of(2.0) * (k2 + k3) + k4);
        v[lane] = x;
        ex[lane] = ex_full;
        inh[lane] = in_full;
        if ALPHA {
            ex_rate[lane] = ex_next;
            inh_rate[lane] = in_next;
        }
        any |= R::mask(x >= k.threshold);
    }
    any != R::Mask::default()
}

/// One exponential Euler step of a chunk.
#[inline(always)]
fn exponential_euler<R: Real, const ALPHA: bool>(
    set: &impl Fn(usize) -> Set<R>,
    drive: &impl Fn(usize) -> R,
    v: &mut [R; CHUNK],
    ex: &mut [R; CHUNK],
    inh: &mut [R; CHUNK],
    ex_rate: &mut [R; CHUNK],
    inh_rate: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let (e, i) = (ex[lane], inh[lane]);
        let total = k.g_l + e + i;
        let target = (k.leak + drive(lane) + e * k.e_ex + i * k.e_in) / total;
        let x = target + (v[lane] - target) * (-(k.h_c * total)).exponential();
        v[lane] = x;
        let (_, e, e_rate) = advance::<R, ALPHA>(e, ex_rate[lane], k.h, k.half_ex, k.full_ex);
        let (_, i, i_rate) = advance::<R, ALPHA>(i, inh_rate[lane], k.h, k.half_in, k.full_in);
        ex[lane] = e;
        inh[lane] = i;
        if ALPHA {
            ex_rate[lane] = e_rate;
            inh_rate[lane] = i_rate;
        }
        any |= R::mask(x >= k.threshold);
    }
    any != R::Mask::default()
}

macro_rules! fire {
    ($self:ident, $tick:ident, $chunk:ident, $set:ident) => {
        fire_chunk(
            $chunk,
            chunk_of(&mut $self.v, $chunk),
            |lane| $set(lane).threshold,
            &mut $self.refractory,
            $tick.step,
            $tick.fired,
        )
    };
}

macro_rules! no_spike {
    ($self:ident, $tick:ident, $chunk:ident, $set:ident) => {{}};
}

impl<R: Real, const ALPHA: bool> NeuronBlock<R> for Block<R, ALPHA> {
    #[inline(always)]
    fn update(&mut self, tick: Tick<'_, R>) {
        match self.integrator {
            ConductanceIntegrator::ExponentialEuler => {
                sweep_driven!(self, tick, exponential_euler::<R, ALPHA>, fire; v, ex, inh, ex_rate, inh_rate);
            }
            ConductanceIntegrator::Rk4 { .. } => {
                for _ in 1..self.sub_steps {
                    sweep_driven!(self, tick, runge_kutta::<R, ALPHA>, no_spike; v, ex, inh, ex_rate, inh_rate);
                    self.refractory.hold(&mut self.v, tick.step);
                }
                sweep_driven!(self, tick, runge_kutta::<R, ALPHA>, fire; v, ex, inh, ex_rate, inh_rate);
            }
        }
        self.refractory.hold(&mut self.v, tick.step);
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        let (values, jump) = match (port, ALPHA) {
            (0, false) => (&mut self.ex, &self.jump[0]),
            (0, true) => (&mut self.ex_rate, &self.jump[0]),
            (_, false) => (&mut self.inh, &self.jump[1]),
            (_, true) => (&mut self.inh_rate, &self.jump[1]),
        };
        let scale: Scale<'_, R> = jump.into();
        PortState { values, scale, arrival: self.arrival, mirror: None }
    }

    state_access!(v, ex, inh, ex_rate, inh_rate);

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        Some(&mut self.refractory)
    }
}
