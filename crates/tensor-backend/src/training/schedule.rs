//! The learning rate as a pure function of the step, so that a resumed run needs no state for it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// Always the same.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// `rate * factor^(step / every)`, the quotient rounded down.
    Staircase {
        /// The rate of the first steps.
        rate: f64,
        /// What it is multiplied with, at most 1.
        factor: f64,
        /// After how many steps each time.
        every: u64,
    },
    /// A line from `peak / warmup` to `peak` over `warmup` steps, then half a cosine down to `floor` at `steps`, and
    /// `floor` from there on (Loshchilov and Hutter 2017).
    Cosine {
        /// The highest rate.
        peak: f64,
        /// The last rate.
        floor: f64,
        /// Steps of the rise.
        warmup: u64,
        /// Steps until the floor.
        steps: u64,
    },
    /// `rate` for `hold` steps, then a line that would reach zero at `steps`; zero from there on.
    Linear {
        /// The rate of the first steps.
        rate: f64,
        /// Steps before the decay.
        hold: u64,
        /// Steps until zero.
        steps: u64,
    },
}

impl Schedule {
    /// The rate of a step, counted from 0.
    #[must_use]
    pub fn at(self, step: u64) -> f64 {
        match self {
            Self::Constant { rate } => rate,
            Self::Staircase { rate, factor, every } => rate * factor.powf((step / every.max(1)) as f64),
            Self::Cosine { peak, warmup, .. } if step < warmup => peak * (step + 1) as f64 / warmup as f64,
            Self::Cosine { peak, floor, warmup, steps } => {
                let length = steps.saturating_sub(warmup).max(1);
                let progress = ((step - warmup) as f64 / length as f64).min(1.0);
                floor + (peak - floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Self::Linear { rate, hold, .. } if step < hold => rate,
            Self::Linear { rate, hold, steps } => {
                rate * steps.saturating_sub(step) as f64 / steps.saturating_sub(hold).max(1) as f64
            }
        }
    }

    /// Whether the figures make sense.
    ///
    /// # Errors
    /// [`Error::Value`] that names the figure.
    pub fn validate(self) -> Result<()> {
        let rate = |what: &str, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(Error::value(format!("rate.{what}"), value, "a number of zero or more")),
        };
        match self {
            Self::Constant { rate: r } => rate("rate", r),
            Self::Staircase { rate: r, factor, every } => {
                rate("rate", r)?;
                rate("factor", factor)?;
                if factor > 1.0 {
                    return Err(Error::value("rate.factor", factor, "at most 1"));
                }
                if every == 0 {
                    return Err(Error::value("rate.every", 0, "at least 1"));
                }
                Ok(())
            }
            Self::Cosine { peak, floor, warmup, steps } => {
                rate("peak", peak)?;
                rate("floor", floor)?;
                if floor > peak {
                    return Err(Error::value("rate.floor", floor, "at most the peak"));
                }
                if warmup >= steps {
                    return Err(Error::value("rate.warmup", warmup, "fewer steps than rate.steps"));
                }
                Ok(())
            }
            Self::Linear { rate: r, hold, steps } => {
                rate("rate", r)?;
                if hold > steps {
                    return Err(Error::value("rate.hold", hold, "at most rate.steps"));
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_rises_peaks_halves_and_ends() {
        let s = Schedule::Cosine { peak: 1.0, floor: 0.1, warmup: 4, steps: 14 };
        assert_eq!([s.at(0), s.at(3), s.at(4)], [0.25, 1.0, 1.0]);
        assert!((s.at(9) - 0.55).abs() < 1e-12);
        assert!((s.at(14) - 0.1).abs() < 1e-12 && s.at(u64::MAX) == s.at(14));
        assert!((4..14).all(|t| s.at(t + 1) < s.at(t)));
    }

    #[test]
    fn the_staircase_steps_down() {
        let s = Schedule::Staircase { rate: 0.8, factor: 0.5, every: 10 };
        assert_eq!([s.at(0), s.at(9), s.at(10), s.at(25)], [0.8, 0.8, 0.4, 0.2]);
    }

    #[test]
    fn the_line_holds_and_falls_to_zero() {
        let s = Schedule::Linear { rate: 0.8, hold: 6, steps: 10 };
        assert_eq!([s.at(0), s.at(5), s.at(6)], [0.8; 3]);
        assert!((s.at(8) - 0.4).abs() < 1e-12 && s.at(9) > 0.0);
        assert_eq!([s.at(10), s.at(u64::MAX)], [0.0; 2]);
        let constant = Schedule::Linear { rate: 0.8, hold: 10, steps: 10 };
        assert!((0..10).all(|t| constant.at(t) == 0.8));
    }

    #[test]
    fn senseless_figures_are_refused() {
        for bad in [
            Schedule::Constant { rate: f64::NAN },
            Schedule::Constant { rate: -1.0 },
            Schedule::Staircase { rate: 1.0, factor: 2.0, every: 1 },
            Schedule::Staircase { rate: 1.0, factor: 0.5, every: 0 },
            Schedule::Cosine { peak: 0.1, floor: 0.2, warmup: 0, steps: 5 },
            Schedule::Cosine { peak: 0.1, floor: 0.0, warmup: 5, steps: 5 },
            Schedule::Linear { rate: 0.1, hold: 6, steps: 5 },
            Schedule::Linear { rate: -0.1, hold: 1, steps: 5 },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}
