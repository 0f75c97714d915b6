//! How a simulation is stepped: time step, seed, threads, and the two conventions in which simulators differ.

use crate::{Error, Result};

/// When arrivals of a step act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepOrder {
    /// Step `k` covers `(t_k, t_k + h]`: update from the inputs present at `t_k`, then add the arrivals of the step to
    /// the synaptic state, from where they act on the potential in the next step. Arrivals that jump the potential
    /// itself are added inside the update.
    #[default]
    Nest,
    /// Arrivals of a step are added before its update and may fire the neuron in the same step.
    #[serde(rename = "spinnaker")]
    SpiNNaker,
}

/// What a refractory period of `x` ms means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefractoryConvention {
    /// The potential is held for `round(x / h)` whole steps after the step of the spike.
    #[default]
    Nest,
    /// The potential is held for `round(x / h) - 1` whole steps: `x` counts the step of the spike.
    Brian,
}

/// Settings of a simulation.
///
/// | field | unit | default |
/// |---|---|---|
/// | `dt_ms` | ms | 0.1 (NEST and Brian2) |
/// | `seed` | | 1 |
/// | `threads` | | 1 |
/// | `order` | | [`StepOrder::Nest`] |
/// | `refractory` | | [`RefractoryConvention::Nest`] |
///
/// The seed decides every random number together with the purpose and the index of its draw, so results do not depend
/// on `threads`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time step in milliseconds.
    pub dt_ms: f64,
    /// Seed of every random number.
    pub seed: u64,
    /// Threads among which the target neurons are dealt.
    pub threads: usize,
    /// Order of arrival and update.
    pub order: StepOrder,
    /// Meaning of a refractory period.
    pub refractory: RefractoryConvention,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dt_ms: 0.1,
            seed: 1,
            threads: 1,
            order: StepOrder::default(),
            refractory: RefractoryConvention::default(),
        }
    }
}

impl Config {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time step that is not finite and positive, or a number of threads outside 1 to 1024.
    pub fn validate(&self) -> Result<()> {
        if !(self.dt_ms.is_finite() && self.dt_ms > 0.0) {
            return Err(Error::parameter("dt_ms", self.dt_ms, "finite and positive"));
        }
        if !(1..=1024).contains(&self.threads) {
            return Err(Error::parameter("threads", self.threads as f64, "1 to 1024"));
        }
        Ok(())
    }

    /// Whole steps in a duration, ties away from zero.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a duration that is negative, not finite, or longer than 2^52 steps.
    pub fn steps(&self, name: &str, duration_ms: f64) -> Result<i64> {
        let steps = (duration_ms / self.dt_ms).round();
        if !(duration_ms >= 0.0 && steps < 4.5e15) {
            return Err(Error::parameter(name, duration_ms, "finite and not negative"));
        }
        Ok(steps as i64)
    }

    /// A delay in steps, ties away from zero.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a delay that is not finite, shorter than a step, or longer than 65535 steps.
    pub fn delay_steps(&self, delay_ms: f64) -> Result<u16> {
        let steps = (delay_ms / self.dt_ms).round();
        // A delay of one step may be written with an error in its last digits.
        if !(delay_ms >= self.dt_ms * (1.0 - 1e-9) && steps <= f64::from(u16::MAX)) {
            let expected = format!("{} (one step) to 65535 steps", self.dt_ms);
            return Err(Error::parameter("delay_ms", delay_ms, expected));
        }
        Ok(steps as u16)
    }

    /// Steps for which the potential is held after the step of a spike.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a period that is negative, not finite, or between 0 and one step.
    pub fn refractory_steps(&self, t_ref_ms: f64) -> Result<u32> {
        let steps = (t_ref_ms / self.dt_ms).round();
        let valid = t_ref_ms == 0.0 || t_ref_ms >= self.dt_ms * (1.0 - 1e-9);
        if !(valid && steps <= f64::from(u32::MAX)) {
            let expected = format!("0, or {} (one step) and more", self.dt_ms);
            return Err(Error::parameter("t_ref_ms", t_ref_ms, expected));
        }
        Ok(match self.refractory {
            RefractoryConvention::Nest => steps as u32,
            RefractoryConvention::Brian => (steps as u32).saturating_sub(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_away_from_zero_and_nonsense_is_refused() {
        let config = Config::default();
        assert_eq!(config.delay_steps(0.25).unwrap(), 3);
        assert_eq!(config.delay_steps(0.1).unwrap(), 1);
        for delay in [0.0, -1.0, 0.09, f64::NAN, f64::INFINITY, 6554.0] {
            assert!(matches!(config.delay_steps(delay), Err(Error::Parameter { .. })), "{delay}");
        }
        assert_eq!(config.refractory_steps(5.0).unwrap(), 50);
        assert_eq!(config.refractory_steps(0.0).unwrap(), 0);
        for t_ref in [-1.0, 0.05, f64::NAN, f64::INFINITY] {
            assert!(matches!(config.refractory_steps(t_ref), Err(Error::Parameter { .. })), "{t_ref}");
        }
        let brian = Config { refractory: RefractoryConvention::Brian, ..config };
        assert_eq!(brian.refractory_steps(5.0).unwrap(), 49);
        assert_eq!(brian.refractory_steps(0.0).unwrap(), 0);
        assert!(Config { dt_ms: 0.0, ..config }.validate().is_err());
        assert!(Config { dt_ms: f64::NAN, ..config }.validate().is_err());
        assert!(Config { threads: 0, ..config }.validate().is_err());
        assert!(config.steps("t", -0.1).is_err() && config.steps("t", f64::INFINITY).is_err());
    }
}
