//! Where astrocytes couple to synapses.
//!
//! Each target of a coupled projection has an astrocytic compartment that hears the synaptic events on it and sets a gain by
//! which the weights of later spikes are multiplied. A compartment's dynamics are a user's: [`Astrocyte`].

use std::fmt::Debug;
use std::sync::Arc;

use super::real::Real;
use super::state::StateVisitor;
use crate::{Error, Result};

/// Dynamics of an astrocytic compartment.
pub trait Astrocyte: Debug + Send + Sync {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    fn validate(&self) -> Result<()> {
        Ok(())
    }
    /// Initial state of a compartment.
    fn initial(&self) -> Vec<f64>;
    /// Advances a compartment over `elapsed_ms`, in which `events` presynaptic spikes came, and gives the gain from then on.
    fn update(&self, elapsed_ms: f64, events: u32, state: &mut [f64]) -> f64;
}

/// A leaky count of events that saturates the gain: `dy/dt = -y/tau`, `y += 1` per event, gain `1 + strength y/(y + half)`.
///
/// | parameter | unit | default |
/// |---|---|---|
/// | `tau_ms` | ms | 1000, the order of astrocytic calcium |
/// | `half` | events | 50 |
/// | `strength` | | 0.5; negative for depression of release, at least -1 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeakyAstrocyte {
    /// Memory.
    pub tau_ms: f64,
    /// Events at half effect.
    pub half: f64,
    /// Effect at saturation.
    pub strength: f64,
}

impl Default for LeakyAstrocyte {
    fn default() -> Self {
        Self { tau_ms: 1000.0, half: 50.0, strength: 0.5 }
    }
}

impl Astrocyte for LeakyAstrocyte {
    fn validate(&self) -> Result<()> {
        super::plasticity::check("tau_ms", self.tau_ms, "finite and positive", |x| x > 0.0)?;
        super::plasticity::check("half", self.half, "finite and positive", |x| x > 0.0)?;
        super::plasticity::check("strength", self.strength, "at least -1", |x| x >= -1.0)
    }

    fn initial(&self) -> Vec<f64> {
        vec![0.0]
    }

    fn update(&self, elapsed_ms: f64, events: u32, state: &mut [f64]) -> f64 {
        state[0] = state[0] * (-elapsed_ms / self.tau_ms).exp() + f64::from(events);
        1.0 + self.strength * state[0] / (state[0] + self.half)
    }
}

/// The compartments on the targets of a thread.
pub(crate) struct Compartments<R> {
    model: Arc<dyn Astrocyte>,
    interval: i64,
    dt_ms: f64,
    states: Vec<f64>,
    width: usize,
    events: Vec<i64>,
    pub(crate) gains: Vec<R>,
}

impl<R: Real> Compartments<R> {
    pub(crate) fn new(model: Arc<dyn Astrocyte>, interval: i64, targets: usize, dt_ms: f64) -> Self {
        let initial = model.initial();
        let width = initial.len();
        let states = initial.repeat(targets);
        Self { model, interval, dt_ms, states, width, events: vec![0; targets], gains: vec![R::ONE; targets] }
    }

    /// An event on a target: the gain of its weight.
    #[inline(always)]
    pub(crate) fn event(&mut self, target: usize) -> R {
        self.events[target] += 1;
        self.gains[target]
    }

    /// The end of a step.
    pub(crate) fn step(&mut self, step: i64) -> Result<()> {
        if (step + 1) % self.interval != 0 {
            return Ok(());
        }
        let elapsed = self.interval as f64 * self.dt_ms;
        for (target, events) in self.events.iter_mut().enumerate() {
            let state = &mut self.states[target * self.width..(target + 1) * self.width];
            let gain = self.model.update(elapsed, u32::try_from(*events).unwrap_or(u32::MAX), state);
            if !gain.is_finite() {
                return Err(Error::parameter(format!("gain of {:?}", self.model), gain, "finite"));
            }
            self.gains[target] = R::of(gain);
            *events = 0;
        }
        Ok(())
    }

    pub(crate) fn visit(&mut self, visitor: &mut dyn StateVisitor<R>) -> Result<()> {
        let mut bits: Vec<i64> = self.states.iter().map(|x| x.to_bits() as i64).collect();
        visitor.integers(&mut bits)?;
        self.states.iter_mut().zip(bits).for_each(|(x, bits)| *x = f64::from_bits(bits as u64));
        visitor.integers(&mut self.events)?;
        visitor.reals(&mut self.gains)
    }
}
