//! The decision without simulation, for one input or for all of them.

use super::neuron::SLACK;
use super::pattern::BitPattern;
use crate::{Error, Result};

/// Inputs above which all patterns are not listed.
pub(super) const MOST_INPUTS: usize = 24;

/// Whether a drive reaches the threshold: exactly, but for the rounding of a sum.
#[inline]
pub(super) fn reaches(drive_na: f64, threshold_na: f64) -> bool {
    drive_na >= threshold_na * (1.0 - SLACK)
}

/// Summed weight of the inputs that spike.
pub(super) fn drive_na(weights: &[f64], x: &BitPattern) -> f64 {
    x.indices().map(|i| weights[i]).sum()
}

/// What a neuron with these weights decides on each code (input 0 is the most significant bit), in the order of codes.
///
/// The drive of a code is the sum of that of its upper and of its lower half, so two additions a code are enough.
pub(super) fn accepted(weights: &[f64], threshold_na: f64) -> Result<Vec<bool>> {
    if weights.len() > MOST_INPUTS {
        let found = format!("{} inputs", weights.len());
        return Err(Error::shape(
            "inputs whose patterns are all listed",
            format!("at most {MOST_INPUTS}"),
            found,
        ));
    }
    let (upper, lower) = weights.split_at(weights.len() / 2);
    let (upper, lower) = (subset_sums(upper), subset_sums(lower));
    let mut out = Vec::with_capacity(upper.len() * lower.len());
    for high in &upper {
        out.extend(lower.iter().map(|low| reaches(high + low, threshold_na)));
    }
    Ok(out)
}

/// The sum of each subset of the weights, the first weight being the most significant bit of its code.
fn subset_sums(weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for w in weights.iter().rev() {
        let with: Vec<f64> = sums.iter().map(|s| s + w).collect();
        sums.extend(with);
    }
    sums
}
