//! Geo-topological matrices: ranks of the dissimilarities through a monotone ramp (Lin and Kriegeskorte 2023).

use numerics::ranks::{average_ranks, min_max};

use crate::ranked::Ranked;
use crate::{Error, Result};

/// The transform of the ranks `x` in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum GeoTopological {
    /// 0 below the `lower` quantile of the ranks, 1 above the `upper` one, linear between (defaults 0.2 and 0.8).
    Ramp {
        /// Lower quantile.
        lower: f64,
        /// Upper quantile.
        upper: f64,
    },
    /// `1 / (1 + exp(-alpha (x - beta)))` (defaults 10 and 0.5).
    Sigmoid {
        /// Slope.
        alpha: f64,
        /// Midpoint.
        beta: f64,
    },
}

impl Default for GeoTopological {
    fn default() -> Self {
        Self::Ramp { lower: 0.2, upper: 0.8 }
    }
}

/// Average ranks of the values, mapped onto `[0, 1]`.
///
/// # Errors
/// [`Error::Numerics`] for NaN and for values that are all equal.
pub fn rank_min_max(values: &[f64]) -> Result<Vec<f64>> {
    Ok(min_max(&average_ranks(values)?)?)
}

/// The geo-topological transform of condensed dissimilarities.
///
/// With `g_l`, `g_u` the quantiles of the ranks (linear interpolation): `y = 0` for `x < g_l`, `(x - g_l) / (g_u - g_l)`
/// between, 1 for `x > g_u`. Where the quantiles coincide, values up to them become 0 and those above 1 (the reference
/// gives NaN there).
///
/// # Errors
/// [`Error::Parameter`] unless `0 <= lower <= upper <= 1` and slopes are finite; those of [`rank_min_max`].
pub fn geo_topological(values: &[f64], kind: GeoTopological) -> Result<Vec<f64>> {
    match kind {
        GeoTopological::Ramp { lower, upper } => Ranked::new(values)?.ramp(lower, upper),
        GeoTopological::Sigmoid { alpha, beta } => {
            for (name, value) in [("alpha", alpha), ("beta", beta)] {
                if !value.is_finite() {
                    return Err(Error::Parameter { name, value, expected: "finite" });
                }
            }
            let ranks = rank_min_max(values)?;
            Ok(ranks.into_iter().map(|x| 1.0 / (1.0 + (-alpha * (x - beta)).exp())).collect())
        }
    }
}

/// Named regions of the triangle of thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// `(l + u) / 2 <= 0.2`.
    LocalExtractor,
    /// `(l + u) / 2 >= 0.8`.
    GlobalExtractor,
    /// `u - l >= 0.8`.
    GeometrySensitive,
    /// `l >= 0.4` and `u <= 0.6`.
    TopologySensitive,
    /// None of these.
    Intermediate,
}

impl Region {
    /// The region of a pair of thresholds, with the reference's slack of 1e-3, tested in the order of the variants.
    #[must_use]
    pub fn classify(lower: f64, upper: f64) -> Self {
        const SLACK: f64 = 1e-3;
        let middle = (lower + upper) / 2.0;
        if middle <= 0.2 + SLACK {
            Self::LocalExtractor
        } else if middle >= 0.8 - SLACK {
            Self::GlobalExtractor
        } else if upper - lower >= 0.8 - SLACK {
            Self::GeometrySensitive
        } else if lower >= 0.4 - SLACK && upper <= 0.6 + SLACK {
            Self::TopologySensitive
        } else {
            Self::Intermediate
        }
    }
}
