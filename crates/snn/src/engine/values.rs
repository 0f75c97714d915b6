//! Values of many neurons or synapses: one for all, one each, or drawn from a distribution.

use numerics::rng::{Stream, stream};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How often a value is redrawn before the bounds are held to be unreachable.
const REDRAWS: usize = 10_000;

/// A distribution with optional bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Its shape.
    pub shape: Shape,
    /// Values outside `[low, high]` are drawn again.
    #[serde(default)]
    pub redraw: Option<[f64; 2]>,
    /// Values outside `[low, high]` are moved to the nearer bound.
    #[serde(default)]
    pub clip: Option<[f64; 2]>,
}

/// The shape of a [`Distribution`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Shape {
    /// Uniform on `[low, high)`.
    Uniform {
        /// Least value.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// `exp` of a normal variable of mean `mu` and standard deviation `sigma`.
    LogNormal {
        /// Mean of the logarithm.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: f64,
    },
}

impl Distribution {
    /// Uniform on `[low, high)`.
    #[must_use]
    pub fn uniform(low: f64, high: f64) -> Self {
        Self { shape: Shape::Uniform { low, high }, redraw: None, clip: None }
    }

    /// Normal.
    #[must_use]
    pub fn normal(mean: f64, sd: f64) -> Self {
        Self { shape: Shape::Normal { mean, sd }, redraw: None, clip: None }
    }

    /// The same, redrawn until it lies in `[low, high]`.
    #[must_use]
    pub fn redrawn(mut self, low: f64, high: f64) -> Self {
        self.redraw = Some([low, high]);
        self
    }

    /// The same, moved into `[low, high]`.
    #[must_use]
    pub fn clipped(mut self, low: f64, high: f64) -> Self {
        self.clip = Some([low, high]);
        self
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] with `name` for parameters that are not finite, a negative spread, or bounds out of order.
    pub fn validate(&self, name: &str) -> Result<()> {
        let refuse = |part: &str, value, expected: &str| {
            Err(Error::parameter(format!("{name}: {part}"), value, expected))
        };
        let (first, second) = match self.shape {
            Shape::Uniform { low, high } if low > high => return refuse("high", high, "low or more"),
            Shape::Uniform { low, high } => (low, high),
            Shape::Normal { sd, .. } if sd < 0.0 => return refuse("sd", sd, "0 or more"),
            Shape::Normal { mean, sd } => (mean, sd),
            Shape::LogNormal { sigma, .. } if sigma < 0.0 => return refuse("sigma", sigma, "0 or more"),
            Shape::LogNormal { mu, sigma } => (mu, sigma),
            Shape::Exponential { mean } if mean < 0.0 => return refuse("mean", mean, "0 or more"),
            Shape::Exponential { mean } => (mean, mean),
        };
        for value in [first, second] {
            if !value.is_finite() {
                return refuse("a parameter", value, "finite");
            }
        }
        for [low, high] in self.redraw.iter().chain(&self.clip) {
            if low.is_nan() || high.is_nan() || low > high {
                return refuse("upper bound", *high, "a number not below the lower bound");
            }
        }
        Ok(())
    }

    /// One draw.
    ///
    /// # Errors
    /// [`Error::Parameter`] when ten thousand draws all fall outside the redraw bounds.
    pub fn draw(&self, rng: &mut Stream, name: &str) -> Result<f64> {
        for _ in 0..REDRAWS {
            let x = match self.shape {
                Shape::Uniform { low, high } => low + (high - low) * rng.random::<f64>(),
                Shape::Normal { mean, sd } => mean + sd * rng.sample::<f64, _>(StandardNormal),
                Shape::LogNormal { mu, sigma } => (mu + sigma * rng.sample::<f64, _>(StandardNormal)).exp(),
                Shape::Exponential { mean } => -mean * (1.0 - rng.random::<f64>()).ln(),
            };
            match self.redraw {
                Some([low, high]) if x < low || x > high => {}
                _ => return Ok(self.clip.map_or(x, |[low, high]| x.clamp(low, high))),
            }
        }
        let low = self.redraw.map_or(f64::NEG_INFINITY, |[low, _]| low);
        Err(Error::parameter(format!("{name}: redraw bounds"), low, "bounds that the distribution reaches"))
    }
}

/// A value for each of many neurons or synapses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// The same for all.
    Constant(f64),
    /// One each.
    Each(Vec<f64>),
    /// Drawn.
    Drawn(Distribution),
}

impl From<f64> for Values {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        Self::Each(values)
    }
}

impl From<&[f64]> for Values {
    fn from(values: &[f64]) -> Self {
        Self::Each(values.to_vec())
    }
}

impl From<Distribution> for Values {
    fn from(distribution: Distribution) -> Self {
        Self::Drawn(distribution)
    }
}

impl Values {
    /// The value, where it is the same for all.
    #[must_use]
    pub fn constant(&self) -> Option<f64> {
        match self {
            Self::Constant(x) => Some(*x),
            _ => None,
        }
    }

    /// `n` values; draws come from the stream of `(seed, purpose, 0)`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a list of another length, [`Error::Parameter`] for values that are not finite and for
    /// distributions that are refused.
    pub fn resolve(&self, n: usize, seed: u64, purpose: &str) -> Result<Vec<f64>> {
        let values = match self {
            Self::Constant(x) => vec![*x; n],
            Self::Each(values) if values.len() != n => {
                return Err(Error::shape(purpose, format!("{n} values"), values.len()));
            }
            Self::Each(values) => values.clone(),
            Self::Drawn(distribution) => {
                distribution.validate(purpose)?;
                let mut rng = stream(seed, purpose, 0);
                (0..n).map(|_| distribution.draw(&mut rng, purpose)).collect::<Result<_>>()?
            }
        };
        match values.iter().find(|x| !x.is_finite()) {
            Some(bad) => Err(Error::parameter(purpose, *bad, "finite")),
            None => Ok(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_what_cannot_be_drawn_is_refused() {
        let redrawn = Values::from(Distribution::normal(0.0, 1.0).redrawn(-0.5, 2.0));
        let x = redrawn.resolve(4000, 3, "x").unwrap();
        assert!(x.iter().all(|x| (-0.5..=2.0).contains(x)) && !x.contains(&-0.5));
        let clipped =
            Values::from(Distribution::normal(0.0, 1.0).clipped(0.0, 9.0)).resolve(4000, 3, "x").unwrap();
        let at_bound = clipped.iter().filter(|x| **x == 0.0).count();
        assert!((1800..2200).contains(&at_bound), "{at_bound}");
        assert_eq!(redrawn.resolve(4000, 3, "x").unwrap(), x);
        for bad in [
            Values::from(f64::NAN),
            Values::from(vec![1.0]),
            Values::from(Distribution::normal(0.0, -1.0)),
            Values::from(Distribution::normal(f64::NAN, 1.0)),
            Values::from(Distribution::uniform(1.0, 0.0)),
            Values::from(Distribution::uniform(0.0, 1.0).redrawn(2.0, 3.0)),
            Values::from(Distribution::uniform(0.0, 1.0).clipped(3.0, 2.0)),
        ] {
            assert!(bad.resolve(2, 1, "x").is_err(), "{bad:?}");
        }
    }
}
