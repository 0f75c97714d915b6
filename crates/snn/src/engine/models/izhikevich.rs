//! Izhikevich's neuron.

use super::super::model::{
    Arrival, BuildContext, CHUNK, Coefficients, NeuronBlock, NeuronModel, Port, PortState, Scale, Tick,
    chunk_of, padded, state_access, sweep_driven, vectorised,
};
use super::super::real::Real;
use super::super::values::Values;
use crate::Result;

/// How the two equations are stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IzhikevichForm {
    /// Forward Euler, both right sides at the old state, any step (NEST's consistent integration).
    #[default]
    Consistent,
    /// The published form, meant for 1 ms: two half steps of `v` with `u` fixed, then `u` with the new `v`.
    Original,
}

/// Izhikevich's two-dimensional neuron.
///
/// `dv/dt = 0.04 v^2 + 5 v + 140 - u + I`, `du/dt = a (b v - u)`; `v >= v_th`: spike, `v = c`, `u += d`.
///
/// | parameter | unit | default | source |
/// |---|---|---|---|
/// | `a` | 1/ms | 0.02 | Izhikevich 2003, regular spiking |
/// | `b` | | 0.2 | " |
/// | `c_mv` | mV | -65 | " |
/// | `d` | | 8 | " |
/// | `v_th_mv` | mV | 30 | " |
/// | `i_e` | | 0 | |
/// | `form` | | consistent | NEST |
///
/// Variables: `v` (mV), starting at -65, and `u`, starting at `b v`. Ports: `v` (mV: the potential jumps), `current` (the
/// model's units of current, for the one step of the arrival). A stimulus current adds to `I`.
///
/// **Numerics.** Forward Euler of order 1, see [`IzhikevichForm`]; the results depend on the step, as in the literature.
///
/// **Reference.** Izhikevich, IEEE Transactions on Neural Networks 14 (2003).
#[derive(Debug, Clone, PartialEq)]
pub struct Izhikevich {
    /// Rate of recovery.
    pub a: Values,
    /// Sensitivity of recovery.
    pub b: Values,
    /// Reset potential.
    pub c_mv: Values,
    /// Jump of recovery.
    pub d: Values,
    /// Peak at which a spike is taken.
    pub v_th_mv: Values,
    /// Constant current.
    pub i_e: Values,
    /// Form of the step.
    pub form: IzhikevichForm,
}

impl Default for Izhikevich {
    fn default() -> Self {
        Self {
            a: 0.02.into(),
            b: 0.2.into(),
            c_mv: (-65.0).into(),
            d: 8.0.into(),
            v_th_mv: 30.0.into(),
            i_e: 0.0.into(),
            form: IzhikevichForm::default(),
        }
    }
}

impl<R: Real> NeuronModel<R> for Izhikevich {
    fn name(&self) -> &'static str {
        "izhikevich"
    }

    fn variables(&self) -> &'static [&'static str] {
        &["v", "u"]
    }

    fn ports(&self) -> &'static [Port] {
        const PORTS: [Port; 2] = [Port::any("v", "mV"), Port::any("current", "1")];
        &PORTS
    }

    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>> {
        let a = context.finite("a", &self.a)?;
        let b = context.finite("b", &self.b)?;
        let c = context.finite("c_mv", &self.c_mv)?;
        let d = context.finite("d", &self.d)?;
        let v_th = context.finite("v_th_mv", &self.v_th_mv)?;
        context.reset_below_threshold(&c, &v_th)?;
        let i_e = context.finite("i_e", &self.i_e)?;
        let set = |i: usize| Set {
            h: R::of(context.config.dt_ms),
            a: R::of(a.at(i)),
            b: R::of(b.at(i)),
            c: R::of(c.at(i)),
            d: R::of(d.at(i)),
            drive: R::of(i_e.at(i)),
            threshold: R::of(v_th.at(i)),
        };
        Ok(vectorised(Block {
            coefficients: Coefficients::new(context, &[&a, &b, &c, &d, &v_th, &i_e], set),
            v: padded(context, |_| -65.0),
            u: padded(context, |i| -65.0 * b.at(i)),
            jumps: padded(context, |_| 0.0),
            currents: padded(context, |_| 0.0),
            len: context.len(),
            form: self.form,
        }))
    }
}

#[derive(Debug, Clone, Copy)]
struct Set<R> {
    h: R,
    a: R,
    b: R,
    c: R,
    d: R,
    drive: R,
    threshold: R,
}

struct Block<R> {
    coefficients: Coefficients<Set<R>>,
    v: Vec<R>,
    u: Vec<R>,
    jumps: Vec<R>,
    currents: Vec<R>,
    len: usize,
    form: IzhikevichForm,
}

#[inline(always)]
fn slope<R: Real>(v: R, u: R, current: R) -> R {
    R::of(0.04) * v * v + R::of(5.0) * v + R::of(140.0) - u + current
}

#[inline(always)]
fn consistent<R: Real>(
    set: &impl Fn(usize) -> Set<R>,
    drive: &impl Fn(usize) -> R,
    v: &mut [R; CHUNK],
    u: &mut [R; CHUNK],
    jumps: &mut [R; CHUNK],
    currents: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let (v0, u0) = (v[lane], u[lane]);
        let x = v0 + k.h * slope(v0, u0, k.drive + drive(lane) + currents[lane]) + jumps[lane];
        v[lane] = x;
        u[lane] = u0 + k.h * k.a * (k.b * v0 - u0);
        jumps[lane] = R::ZERO;
        currents[lane] = R::ZERO;
        any |= R::mask(x >= k.threshold);
    }
    any != R::Mask::default()
}

#[inline(always)]
fn original<R: Real>(
    set: &impl Fn(usize) -> Set<R>,
    drive: &impl Fn(usize) -> R,
    v: &mut [R; CHUNK],
    u: &mut [R; CHUNK],
    jumps: &mut [R; CHUNK],
    currents: &mut [R; CHUNK],
) -> bool {
    let mut any = R::Mask::default();
    for lane in 0..CHUNK {
        let k = set(lane);
        let (mut x, u0) = (v[lane], u[lane]);
        let current = k.drive + drive(lane) + currents[lane];
        let half = R::of(0.5) * k.h;
        x += half * slope(x, u0, current);
        x += half * slope(x, u0, current);
        x += jumps[lane];
        v[lane] = x;
        u[lane] = u0 + k.h * k.a * (k.b * x - u0);
        jumps[lane] = R::ZERO;
        currents[lane] = R::ZERO;
        any |= R::mask(x >= k.threshold);
    }
    any != R::Mask::default()
}

macro_rules! fire {
    ($self:ident, $tick:ident, $chunk:ident, $set:ident) => {
        for lane in 0..CHUNK {
            let (neuron, k) = ($chunk * CHUNK + lane, $set(lane));
            if $self.v[neuron] >= k.threshold && neuron < $self.len {
                $self.v[neuron] = k.c;
                $self.u[neuron] += k.d;
                $tick.fired.push(neuron as u32);
            }
        }
    };
}

impl<R: Real> NeuronBlock<R> for Block<R> {
    #[inline(always)]
    fn update(&mut self, tick: Tick<'_, R>) {
        match self.form {
            IzhikevichForm::Consistent => {
                sweep_driven!(self, tick, consistent, fire; v, u, jumps, currents);
            }
            IzhikevichForm::Original => {
                sweep_driven!(self, tick, original, fire; v, u, jumps, currents);
            }
        }
        // Padding has no reset: it would grow without bound.
        self.v[self.len..].fill(R::ZERO);
        self.u[self.len..].fill(R::ZERO);
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        let values = if port == 0 { &mut self.jumps } else { &mut self.currents };
        PortState { values, scale: Scale::Uniform(R::ONE), arrival: Arrival::BeforeUpdate, mirror: None }
    }

    state_access!(v, u, jumps, currents);
}
