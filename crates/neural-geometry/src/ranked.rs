//! Ranks of one dissimilarity matrix, sorted once for any number of ramps.

use numerics::ranks::quantile_of_sorted;

use crate::geo_topological::rank_min_max;
use crate::{Error, Result};

/// Ranks mapped onto `[0, 1]`, with their sorted copy: each ramp is then one linear pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    ranks: Vec<f64>,
    sorted: Vec<f64>,
}

impl Ranked {
    /// Ranks the dissimilarities.
    ///
    /// # Errors
    /// Those of [`rank_min_max`].
    pub fn new(values: &[f64]) -> Result<Self> {
        let ranks = rank_min_max(values)?;
        let mut sorted = ranks.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(Self { ranks, sorted })
    }

    /// The ranks in `[0, 1]`.
    #[must_use]
    pub fn ranks(&self) -> &[f64] {
        &self.ranks
    }

    /// The ramp of [`geo_topological`](crate::geo_topological) between two quantiles.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `0 <= lower <= upper <= 1`.
    pub fn ramp(&self, lower: f64, upper: f64) -> Result<Vec<f64>> {
        let mut out = vec![0.0; self.ranks.len()];
        self.ramp_into(lower, upper, &mut out)?;
        Ok(out)
    }

    /// [`Ranked::ramp`] into an array of the same length.
    ///
    /// # Errors
    /// Those of [`Ranked::ramp`]; [`Error::Length`].
    pub fn ramp_into(&self, lower: f64, upper: f64, out: &mut [f64]) -> Result<()> {
        if !(0.0..=1.0).contains(&lower) {
            return Err(Error::Parameter { name: "lower", value: lower, expected: "in [0, 1]" });
        }
        if !(lower..=1.0).contains(&upper) {
            return Err(Error::Parameter { name: "upper", value: upper, expected: "in [lower, 1]" });
        }
        if out.len() != self.ranks.len() {
            let expected = format!("{} cells", self.ranks.len());
            return Err(Error::Length { what: "ramp", expected, found: out.len() });
        }
        let (low, high) =
            (quantile_of_sorted(&self.sorted, lower)?, quantile_of_sorted(&self.sorted, upper)?);
        let gap = high - low;
        if gap == 0.0 {
            out.iter_mut().zip(&self.ranks).for_each(|(y, x)| *y = f64::from(u8::from(*x > high)));
        } else {
            // Below the lower quantile the quotient is negative, above the upper one it exceeds 1.
            out.iter_mut().zip(&self.ranks).for_each(|(y, x)| *y = ((x - low) / gap).clamp(0.0, 1.0));
        }
        Ok(())
    }
}
