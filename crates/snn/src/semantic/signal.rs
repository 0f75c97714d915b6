//! The diffusive learning signal.

use super::SignalParams;

/// `S' = G_d+ q (1 - S) - G_d- S`: it rises while input changes the course of a transition and fades afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LearningSignal {
    level: f64,
}

impl LearningSignal {
    /// A signal at this level.
    #[must_use]
    pub fn new(level: f64) -> Self {
        Self { level }
    }

    /// Its level, in \[0, 1\].
    #[must_use]
    pub fn level(&self) -> f64 {
        self.level
    }

    /// One Euler step.
    #[inline]
    pub fn step(&mut self, input_decided: bool, p: &SignalParams, dt: f64) {
        let rise = if input_decided { p.growth * (1.0 - self.level) } else { 0.0 };
        self.level = (self.level + dt * (rise - p.decay * self.level)).clamp(0.0, 1.0);
    }
}
