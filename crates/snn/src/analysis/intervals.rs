//! Intervals between spikes, and how irregular they are.

use super::trains::sorted;
use crate::{Error, Result};

/// The intervals between successive spikes, in milliseconds: `I_k = t_{k+1} - t_k`; none below two spikes.
///
/// # Errors
/// [`Error::SpikeTime`].
pub fn intervals_ms(times_ms: &[f64]) -> Result<Vec<f64>> {
    sorted(|| "train".to_owned(), times_ms)?;
    Ok(times_ms.windows(2).map(|pair| pair[1] - pair[0]).collect())
}

/// Coefficient of variation of intervals: their standard deviation (divided by n) over their mean. 0 for a clock, 1 for a
/// Poisson process. Biased below about four spikes.
///
/// # Errors
/// [`Error::TooFew`] below two intervals; [`Error::Parameter`] for one that is negative or not finite, or where all are 0.
pub fn cv(intervals_ms: &[f64]) -> Result<f64> {
    let mean = checked("coefficient of variation: intervals", intervals_ms)?;
    let n = intervals_ms.len() as f64;
    let variance = intervals_ms.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    Ok(variance.sqrt() / mean)
}

/// Holt's local coefficient of variation, `CV2 = mean of 2 |I_{k+1} - I_k| / (I_{k+1} + I_k)`; blind to slow changes of
/// the rate (Holt, Softky, Koch, Douglas 1996). Two intervals of 0 in a row count as equal.
///
/// # Errors
/// Those of [`cv`].
pub fn cv2(intervals_ms: &[f64]) -> Result<f64> {
    checked("CV2: intervals", intervals_ms)?;
    Ok(2.0 * mean_contrast(intervals_ms, f64::abs))
}

/// Shinomoto's local variation, `LV = 3 mean of ((I_{k+1} - I_k) / (I_{k+1} + I_k))^2`: 1 for a Poisson process of slowly
/// changing rate (Shinomoto, Shima, Tanji 2003). Two intervals of 0 in a row count as equal.
///
/// # Errors
/// Those of [`cv`].
pub fn local_variation(intervals_ms: &[f64]) -> Result<f64> {
    checked("local variation: intervals", intervals_ms)?;
    Ok(3.0 * mean_contrast(intervals_ms, |c| c * c))
}

/// The mean over neighbours of `f((b - a) / (a + b))`.
fn mean_contrast(intervals: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let contrast = |pair: &[f64]| {
        let sum = pair[0] + pair[1];
        if sum > 0.0 { f((pair[1] - pair[0]) / sum) } else { 0.0 }
    };
    intervals.windows(2).map(contrast).sum::<f64>() / (intervals.len() - 1) as f64
}

/// The mean of intervals that can be judged.
fn checked(what: &str, intervals: &[f64]) -> Result<f64> {
    if intervals.len() < 2 {
        return Err(Error::TooFew { what: what.to_owned(), needed: 2, found: intervals.len() });
    }
    if let Some(bad) = intervals.iter().find(|x| !(x.is_finite() && **x >= 0.0)) {
        return Err(Error::parameter(format!("{what} in ms"), *bad, "finite, 0 or more"));
    }
    let mean = intervals.iter().sum::<f64>() / intervals.len() as f64;
    if mean > 0.0 { Ok(mean) } else { Err(Error::parameter(format!("mean of {what}"), mean, "above 0")) }
}
