//! What a neuron model is: the traits that the engine runs, for the models of this crate and for those of users.
//!
//! A model is a plain type that holds parameters ([`NeuronModel`]); from it the engine builds one [`NeuronBlock`] per
//! thread, which owns the states of its neurons as arrays. The engine calls a block once per step, dynamically; inside,
//! everything is monomorphic. [`vectorised`] compiles the update for each instruction set of the machine.

use std::fmt::Debug;
use std::ops::Range;

use super::config::Config;
use super::real::Real;
use super::values::Values;
use crate::{Error, Result};

/// Neurons per chunk of a cheap update: states are padded to a multiple of it.
pub const CHUNK: usize = 64;

/// What arrives at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sign {
    /// Weights of either sign, such as currents.
    Any,
    /// Weights of 0 or more, such as conductances.
    NonNegative,
}

/// When the arrivals of a step are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Before the update of the step, which sees them.
    BeforeUpdate,
    /// After the update of the step: they act in the next one.
    AfterUpdate,
}

/// A place at which synapses end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name (`ex`, `in`, ..).
    pub name: &'static str,
    /// Unit of a weight.
    pub unit: &'static str,
    /// Which weights are accepted.
    pub sign: Sign,
}

impl Port {
    /// A port for weights of either sign.
    #[must_use]
    pub const fn any(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, sign: Sign::Any }
    }

    /// A port for weights of 0 or more.
    #[must_use]
    pub const fn non_negative(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, sign: Sign::NonNegative }
    }
}

/// By what a weight is multiplied before it is added to the state.
#[derive(Debug, Clone, Copy)]
pub enum Scale<'a, R> {
    /// The same factor for all neurons.
    Uniform(R),
    /// A factor for each neuron.
    Each(&'a [R]),
}

/// Where the arrivals of a port are added.
#[derive(Debug)]
pub struct PortState<'a, R> {
    /// One value per neuron.
    pub values: &'a mut [R],
    /// Factor of the weights.
    pub scale: Scale<'a, R>,
    /// When they are added.
    pub arrival: Arrival,
    /// A second array to which each weight is added, times a factor of its own.
    pub mirror: Option<(&'a mut [R], R)>,
}

impl<R: Real> PortState<'_, R> {
    /// Adds a weight to a neuron.
    #[inline(always)]
    pub fn add(&mut self, neuron: usize, weight: R) {
        let factor = match self.scale {
            Scale::Uniform(f) => f,
            Scale::Each(all) => all[neuron],
        };
        self.values[neuron] += weight * factor;
        if let Some((mirror, factor)) = &mut self.mirror {
            mirror[neuron] += weight * *factor;
        }
    }
}

impl From<super::config::StepOrder> for Arrival {
    fn from(order: super::config::StepOrder) -> Self {
        match order {
            super::config::StepOrder::Nest => Self::AfterUpdate,
            super::config::StepOrder::SpiNNaker => Self::BeforeUpdate,
        }
    }
}

/// One step of a block.
#[derive(Debug)]
pub struct Tick<'a, R> {
    /// The step's number, from 0.
    pub step: i64,
    /// Current of each neuron in this step, where a stimulus gives any.
    pub current: Option<&'a [R]>,
    /// Takes the neurons that fire, ascending.
    pub fired: &'a mut Vec<u32>,
}

/// Parameters of a kind of neuron. Implement it, and [`NeuronBlock`] for the states, to add a model.
pub trait NeuronModel<R: Real>: Debug + Send + Sync {
    /// Name of the model.
    fn name(&self) -> &'static str;
    /// Names of the state variables, in the order of [`NeuronBlock::read`].
    fn variables(&self) -> &'static [&'static str];
    /// The ports.
    fn ports(&self) -> &'static [Port];
    /// Whether a stimulus may give the neurons a current.
    fn accepts_current(&self) -> bool {
        true
    }
    /// Checks the parameters and builds the states of the neurons `context.range`.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::Shape`].
    fn build(&self, context: &BuildContext) -> Result<Box<dyn NeuronBlock<R>>>;
}

/// States of the neurons of one block.
pub trait NeuronBlock<R: Real>: Send {
    /// Advances all neurons by a step and names those that fire. For speed: `#[inline(always)]`, loops over
    /// [`slice::as_chunks_mut`], and the block wrapped in [`vectorised`].
    fn update(&mut self, tick: Tick<'_, R>);
    /// Where arrivals of a port are added. A block that reads arrivals in its update gives a buffer of its own and sets it
    /// to 0 once read.
    fn port(&mut self, port: usize) -> PortState<'_, R>;
    /// A state variable of a neuron, counted within the block.
    fn read(&self, variable: usize, neuron: usize) -> R;
    /// Sets a state variable of a neuron.
    fn write(&mut self, variable: usize, neuron: usize, value: R);
    /// Every array that holds state, one value per neuron first (a longer array is padding), for saving.
    fn arrays(&mut self) -> Vec<&mut [R]>;
    /// The refractory neurons, for saving.
    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        None
    }
    /// Called once before the first step: whether few neurons receive an arrival in a step and no stimulus gives a current, so
    /// that a representation pays in which arrivals cost more and steps less.
    fn prepare(&mut self, _sparse: bool) {}
    /// Called after a state was restored that was saved before `step`.
    fn restored(&mut self, _step: i64) {}
}

/// What a block is built from.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// Settings of the simulation.
    pub config: Config,
    /// Name of the population, which also names its random numbers.
    pub population: String,
    /// Neurons of the population.
    pub size: usize,
    /// Those of this block.
    pub range: Range<usize>,
}

impl BuildContext {
    /// Neurons of this block.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether the block is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Length of padded state arrays.
    #[must_use]
    pub fn padded(&self) -> usize {
        self.len().next_multiple_of(CHUNK)
    }

    /// A parameter of this block, with its check.
    ///
    /// # Errors
    /// Those of [`Values::resolve`]; [`Error::Parameter`] where `accept` fails.
    pub fn parameter(
        &self,
        name: &str,
        values: &Values,
        expected: &str,
        accept: impl Fn(f64) -> bool,
    ) -> Result<Parameter> {
        let check = |x: f64| {
            if accept(x) { Ok(()) } else { Err(Error::parameter(self.label(name), x, expected)) }
        };
        if let Some(x) = values.constant() {
            if !x.is_finite() {
                return Err(Error::parameter(self.label(name), x, "finite"));
            }
            check(x)?;
            return Ok(Parameter::Same(x));
        }
        let all = values.resolve(self.size, self.config.seed, &format!("parameter {}", self.label(name)))?;
        all.iter().try_for_each(|x| check(*x))?;
        Ok(Parameter::Each(all[self.range.clone()].to_vec()))
    }

    /// A parameter that may have any finite value.
    ///
    /// # Errors
    /// Those of [`BuildContext::parameter`].
    pub fn finite(&self, name: &str, values: &Values) -> Result<Parameter> {
        self.parameter(name, values, "finite", |_| true)
    }

    /// A parameter above 0.
    ///
    /// # Errors
    /// Those of [`BuildContext::parameter`].
    pub fn positive(&self, name: &str, values: &Values) -> Result<Parameter> {
        self.parameter(name, values, "above 0", |x| x > 0.0)
    }

    /// A parameter of 0 or more.
    ///
    /// # Errors
    /// Those of [`BuildContext::parameter`].
    pub fn non_negative(&self, name: &str, values: &Values) -> Result<Parameter> {
        self.parameter(name, values, "0 or more", |x| x >= 0.0)
    }

    /// Refuses a reset at or above the threshold.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn reset_below_threshold(&self, reset: &Parameter, threshold: &Parameter) -> Result<()> {
        for i in 0..self.len() {
            if reset.at(i) >= threshold.at(i) {
                let expected = format!("below the threshold of {}", threshold.at(i));
                return Err(Error::parameter(self.label("v_reset_mv"), reset.at(i), expected));
            }
        }
        Ok(())
    }

    fn label(&self, name: &str) -> String {
        format!("{}.{name}", self.population)
    }
}

/// A checked parameter of a block.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// The same for all neurons.
    Same(f64),
    /// One each.
    Each(Vec<f64>),
}

impl Parameter {
    /// The value of a neuron; the last one's for padding.
    #[must_use]
    pub fn at(&self, neuron: usize) -> f64 {
        match self {
            Self::Same(x) => *x,
            Self::Each(values) => values.get(neuron).or(values.last()).copied().unwrap_or(0.0),
        }
    }

    fn is_same(&self) -> bool {
        matches!(self, Self::Same(_))
    }
}

/// Coefficients of an update: one set for all neurons, or one each.
#[derive(Debug, Clone)]
pub enum Coefficients<C> {
    /// For all.
    Same(C),
    /// One each, padded.
    Each(Vec<C>),
}

impl<'a, R: Copy> From<&'a Coefficients<R>> for Scale<'a, R> {
    fn from(coefficients: &'a Coefficients<R>) -> Self {
        match coefficients {
            Coefficients::Same(x) => Self::Uniform(*x),
            Coefficients::Each(all) => Self::Each(all),
        }
    }
}

impl<C: Copy> Coefficients<C> {
    /// Computes them; `make` gives those of a neuron.
    pub fn new(context: &BuildContext, parameters: &[&Parameter], make: impl Fn(usize) -> C) -> Self {
        if parameters.iter().all(|p| p.is_same()) {
            Self::Same(make(0))
        } else {
            Self::Each((0..context.padded()).map(make).collect())
        }
    }

    /// Those of a neuron.
    #[inline(always)]
    pub fn at(&self, neuron: usize) -> C {
        match self {
            Self::Same(c) => *c,
            Self::Each(all) => all[neuron],
        }
    }
}

/// An array of states with padding.
#[must_use]
pub fn padded<R: Real>(context: &BuildContext, make: impl Fn(usize) -> f64) -> Vec<R> {
    (0..context.padded()).map(|i| R::of(make(i))).collect()
}

/// Which neurons are refractory, and the potential at which they are held.
///
/// The update runs over all neurons without asking; afterwards [`Refractory::hold`] puts the few that are refractory back.
#[derive(Debug, Clone)]
pub struct Refractory<R> {
    steps: Coefficients<u32>,
    reset: Coefficients<R>,
    until: Vec<i64>,
    active: Vec<u32>,
}

impl<R: Real> Refractory<R> {
    /// No neuron is refractory yet.
    ///
    /// # Errors
    /// [`Error::Parameter`] for periods between 0 and one step.
    pub fn new(context: &BuildContext, t_ref_ms: &Values, reset: &Parameter) -> Result<Self> {
        let t_ref = context.non_negative("t_ref_ms", t_ref_ms)?;
        for i in 0..context.len() {
            context.config.refractory_steps(t_ref.at(i))?;
        }
        let convert = |i| context.config.refractory_steps(t_ref.at(i)).unwrap_or(0);
        Ok(Self {
            steps: Coefficients::new(context, &[&t_ref], convert),
            reset: Coefficients::new(context, &[reset], |i| R::of(reset.at(i))),
            until: vec![-1; context.len()],
            active: Vec::with_capacity(context.len()),
        })
    }

    /// Whether any neuron has a refractory period.
    #[must_use]
    pub fn holds(&self) -> bool {
        match &self.steps {
            Coefficients::Same(steps) => *steps > 0,
            Coefficients::Each(all) => all.iter().any(|steps| *steps > 0),
        }
    }

    /// The last step for which each neuron is held.
    pub fn until_mut(&mut self) -> &mut [i64] {
        &mut self.until
    }

    /// The potential at which a neuron is held.
    #[inline(always)]
    pub fn reset(&self, neuron: usize) -> R {
        self.reset.at(neuron)
    }

    /// Calls `release` with each neuron that is free from this step on and its reset potential, and forgets it.
    #[inline(always)]
    pub fn release(&mut self, step: i64, mut release: impl FnMut(usize, R)) {
        let (until, reset) = (&self.until, &self.reset);
        let mut free = |neuron: u32| release(neuron as usize, reset.at(neuron as usize));
        if let Coefficients::Same(_) = self.steps {
            // Equal periods end in the order in which they began.
            let ended = self.active.iter().take_while(|neuron| until[**neuron as usize] < step).count();
            self.active.drain(..ended).for_each(free);
        } else {
            self.active.retain(|neuron| {
                let held = until[*neuron as usize] >= step;
                if !held {
                    free(*neuron);
                }
                held
            });
        }
    }

    /// Rebuilds what follows from the times, after they were changed.
    pub fn rebuild(&mut self, step: i64) {
        self.active.clear();
        let until = &self.until;
        // Those held in the last step too: a block may have to release them.
        self.active.extend((0..until.len() as u32).filter(|i| until[*i as usize] + 1 >= step && step > 0));
        self.active.sort_by_key(|i| until[*i as usize]);
    }

    /// Whether a neuron may fire in this step: it exists and is not held.
    #[inline(always)]
    pub fn is_free(&self, neuron: usize, step: i64) -> bool {
        self.until.get(neuron).is_some_and(|until| *until < step)
    }

    /// The neuron fires in this step: its reset potential.
    #[inline(always)]
    pub fn start(&mut self, neuron: usize, step: i64) -> R {
        let steps = self.steps.at(neuron);
        if steps > 0 {
            self.until[neuron] = step + i64::from(steps);
            self.active.push(neuron as u32);
        }
        self.reset.at(neuron)
    }

    /// Forgets the neurons that are refractory no more, where the model does not [`hold`](Refractory::hold) them.
    #[inline(always)]
    pub fn expire(&mut self, step: i64) {
        let until = &self.until;
        self.active.retain(|neuron| until[*neuron as usize] > step);
    }

    /// Puts the neurons that are refractory in this step back to their reset potential.
    #[inline(always)]
    pub fn hold(&mut self, v: &mut [R], step: i64) {
        let (until, reset) = (&self.until, &self.reset);
        let mut kept = 0;
        for at in 0..self.active.len() {
            let neuron = self.active[at] as usize;
            if until[neuron] >= step {
                v[neuron] = reset.at(neuron);
                self.active[kept] = neuron as u32;
                kept += 1;
            }
        }
        self.active.truncate(kept);
    }
}

/// Fires the neurons of a chunk that reached their threshold: the scalar end of a vectorised update, entered only where a
/// lane crossed.
#[inline(always)]
pub fn fire_chunk<R: Real>(
    chunk: usize,
    v: &mut [R; CHUNK],
    threshold: impl Fn(usize) -> R,
    refractory: &mut Refractory<R>,
    step: i64,
    fired: &mut Vec<u32>,
) {
    for (lane, v) in v.iter_mut().enumerate() {
        let neuron = chunk * CHUNK + lane;
        if *v >= threshold(lane) && refractory.is_free(neuron, step) {
            *v = refractory.start(neuron, step);
            fired.push(neuron as u32);
        }
    }
}

/// A chunk of a padded state array.
#[inline(always)]
pub fn chunk_of<T>(states: &mut [T], chunk: usize) -> &mut [T; CHUNK] {
    &mut states.as_chunks_mut::<CHUNK>().0[chunk]
}

/// Advances the integrate-and-fire block `$self` chunk by chunk. `$kernel` takes the coefficients of a lane (a function) and
/// a chunk of each state, and tells whether a lane crossed; as its arguments cannot alias, its loop vectorises.
macro_rules! sweep {
    ($self:ident, $tick:ident, $kernel:path; $v:ident $(, $state:ident)*) => {
        match &$self.coefficients {
            Coefficients::Same(k) => {
                let k = *k;
                sweep!(@chunks $self, $tick, $kernel; (|_: usize| move |_: usize| k); $v $(, $state)*);
            }
            Coefficients::Each(all) => {
                let all = all.as_chunks::<CHUNK>().0;
                let of = |chunk: usize| {
                    let chunk = &all[chunk];
                    move |lane: usize| chunk[lane]
                };
                sweep!(@chunks $self, $tick, $kernel; of; $v $(, $state)*);
            }
        }
        $self.refractory.hold(&mut $self.$v, $tick.step);
    };
    (@chunks $self:ident, $tick:ident, $kernel:path; $of:expr; $v:ident $(, $state:ident)*) => {
        for chunk in 0..$self.$v.len() / CHUNK {
            let set = $of(chunk);
            if $kernel(&set, chunk_of(&mut $self.$v, chunk) $(, chunk_of(&mut $self.$state, chunk))*) {
                let v = chunk_of(&mut $self.$v, chunk);
                fire_chunk(chunk, v, |lane| set(lane).threshold, &mut $self.refractory, $tick.step, $tick.fired);
            }
        }
    };
}
pub(crate) use sweep;

/// As `sweep!`, for kernels that take the stimulus current of a lane, a function, after the coefficients. What crossing is
/// and does is the block's own: `$fire` is called with the chunk's number.
macro_rules! sweep_driven {
    ($self:ident, $tick:ident, $kernel:path, $fire:ident; $($state:ident),+) => {
        match (&$self.coefficients, $tick.current) {
            (Coefficients::Same(k), None) => {
                let k = *k;
                let of = |_: usize| move |_: usize| k;
                sweep_driven!(@chunks $self, $tick, $kernel, $fire; of; (|_: usize| |_: usize| R::ZERO); $($state),+);
            }
            (Coefficients::Same(k), Some(current)) => {
                let k = *k;
                let of = |_: usize| move |_: usize| k;
                let drive = |chunk: usize| {
                    let current = &current.as_chunks::<CHUNK>().0[chunk];
                    move |lane: usize| current[lane]
                };
                sweep_driven!(@chunks $self, $tick, $kernel, $fire; of; drive; $($state),+);
            }
            (Coefficients::Each(all), current) => {
                let all = all.as_chunks::<CHUNK>().0;
                let of = |chunk: usize| {
                    let chunk = &all[chunk];
                    move |lane: usize| chunk[lane]
                };
                let drive = |chunk: usize| {
                    let current = current.map(|c| &c.as_chunks::<CHUNK>().0[chunk]);
                    move |lane: usize| current.map_or(R::ZERO, |c| c[lane])
                };
                sweep_driven!(@chunks $self, $tick, $kernel, $fire; of; drive; $($state),+);
            }
        }
    };
    (@chunks $self:ident, $tick:ident, $kernel:path, $fire:ident; $of:expr; $drive:expr; $($state:ident),+) => {
        for chunk in 0..$self.v.len() / CHUNK {
            let set = $of(chunk);
            let drive = $drive(chunk);
            if $kernel(&set, &drive, $(chunk_of(&mut $self.$state, chunk)),+) {
                $fire!($self, $tick, chunk, set);
            }
        }
    };
}
pub(crate) use sweep_driven;

/// The part of a block that only names its arrays.
macro_rules! state_access {
    ($($state:ident),+) => {
        fn read(&self, variable: usize, neuron: usize) -> R {
            [$(&self.$state),+][variable][neuron]
        }

        fn write(&mut self, variable: usize, neuron: usize, value: R) {
            [$(&mut self.$state),+][variable][neuron] = value;
        }

        fn arrays(&mut self) -> Vec<&mut [R]> {
            vec![$(&mut self.$state),+]
        }
    };
}
pub(crate) use state_access;

/// A block whose update is compiled for each instruction set of the machine and chosen when it is built.
pub fn vectorised<R: Real, B: NeuronBlock<R> + 'static>(block: B) -> Box<dyn NeuronBlock<R>> {
    Box::new(Vectorised { arch: pulp::Arch::new(), block })
}

struct Vectorised<B> {
    arch: pulp::Arch,
    block: B,
}

struct Update<'a, 'b, R, B> {
    block: &'a mut B,
    tick: Tick<'b, R>,
}

impl<R: Real, B: NeuronBlock<R>> pulp::WithSimd for Update<'_, '_, R, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.block.update(self.tick);
    }
}

impl<R: Real, B: NeuronBlock<R>> NeuronBlock<R> for Vectorised<B> {
    fn update(&mut self, tick: Tick<'_, R>) {
        self.arch.dispatch(Update { block: &mut self.block, tick });
    }

    fn port(&mut self, port: usize) -> PortState<'_, R> {
        self.block.port(port)
    }

    fn read(&self, variable: usize, neuron: usize) -> R {
        self.block.read(variable, neuron)
    }

    fn write(&mut self, variable: usize, neuron: usize, value: R) {
        self.block.write(variable, neuron, value);
    }

    fn arrays(&mut self) -> Vec<&mut [R]> {
        self.block.arrays()
    }

    fn refractory(&mut self) -> Option<&mut Refractory<R>> {
        self.block.refractory()
    }

    fn prepare(&mut self, sparse: bool) {
        self.block.prepare(sparse);
    }

    fn restored(&mut self, step: i64) {
        self.block.restored(step);
    }
}
