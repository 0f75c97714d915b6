//! Traces of one scale: z-scores over the whole recording, or over its past.

use serde::{Deserialize, Serialize};

/// Least variance of the causal normaliser.
const CAUSAL_VARIANCE_FLOOR: f64 = 1e-8;

/// How resampled traces are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Normalization {
    /// [`standardize`], as published.
    #[default]
    Standard,
    /// [`CausalNormalizer`].
    Causal,
}

impl Normalization {
    /// The name that published files give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Causal => "causal",
        }
    }
}

impl std::str::FromStr for Normalization {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        match text {
            "standard" => Ok(Self::Standard),
            "causal" => Ok(Self::Causal),
            other => Err(super::value("normalization", format!("{other:?}"), "standard or causal")),
        }
    }
}

/// `(x - mean) / std` with the population standard deviation; missing values are filled first ([`fill_missing`]).
///
/// A trace that is constant up to rounding (variance at most `n eps var + (n eps mean)^2`) is only centred.
#[must_use]
pub fn standardize(x: &[f64]) -> Vec<f64> {
    let mut out = x.to_vec();
    fill_missing(&mut out);
    let mut lanes = out.into_iter().map(|v| [v]).collect::<Vec<_>>();
    standardize_lanes(&mut lanes);
    lanes.into_flattened()
}

/// Z-scores against the past: at sample `t`, mean and variance over the samples `0..=t`.
///
/// `z_t = (x_t - m_t) / sqrt(max(v_t, 1e-8))`, where `v_t` is the population variance `E[x^2] - m^2`, computed by
/// Welford's recurrence, which loses no digits when the mean is large.
///
/// ```
/// let mut past = bio_data::activity::CausalNormalizer::new();
/// assert_eq!(past.push(2.0), 0.0);
/// assert_eq!(past.push(4.0), 1.0);
/// assert_eq!((past.mean(), past.std()), (3.0, 1.0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct CausalNormalizer {
    past: Past<1>,
}

impl CausalNormalizer {
    /// Before the first sample.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next sample in and returns its z-score.
    pub fn push(&mut self, x: f64) -> f64 {
        self.past.push([x])[0]
    }

    /// Mean so far; 0 before the first sample.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.past.mean[0]
    }

    /// Standard deviation so far, at least 1e-4.
    #[must_use]
    pub fn std(&self) -> f64 {
        self.past.std()[0]
    }

    /// The whole of `x`, from a fresh start; missing values are filled first ([`fill_missing`]).
    #[must_use]
    pub fn transform(x: &[f64]) -> Vec<f64> {
        let mut out = x.to_vec();
        fill_missing(&mut out);
        let mut past = Self::new();
        out.iter_mut().for_each(|v| *v = past.push(*v));
        out
    }
}

/// Replaces NaNs by linear interpolation over the sample index, at the ends by the nearest value.
///
/// Returns whether there was any value to go by; a trace without one is left as it is.
pub fn fill_missing(x: &mut [f64]) -> bool {
    fill_strided(x, 0, 1)
}

/// [`fill_missing`] of the values `first, first + stride, ..`.
pub(super) fn fill_strided(x: &mut [f64], first: usize, stride: usize) -> bool {
    let n = x.len().saturating_sub(first).div_ceil(stride);
    let at = |i: usize| first + i * stride;
    let mut before: Option<usize> = None;
    let mut i = 0;
    while i < n {
        if !x[at(i)].is_nan() {
            before = Some(i);
            i += 1;
            continue;
        }
        let after = (i..n).find(|j| !x[at(*j)].is_nan());
        let end = after.unwrap_or(n);
        match (before, after) {
            (None, None) => return n == 0,
            (Some(known), None) | (None, Some(known)) => {
                let v = x[at(known)];
                (i..end).for_each(|j| x[at(j)] = v);
            }
            (Some(a), Some(b)) => {
                let (left, right) = (x[at(a)], x[at(b)]);
                let step = (right - left) / (b - a) as f64;
                (i..end).for_each(|j| x[at(j)] = left + step * (j - a) as f64);
            }
        }
        i = end;
    }
    true
}

/// [`standardize`] of `L` traces side by side, in place.
#[inline(always)]
pub(super) fn standardize_lanes<const L: usize>(x: &mut [[f64; L]]) {
    let n = x.len() as f64;
    let mut mean = [0.0; L];
    for row in x.iter() {
        for l in 0..L {
            mean[l] += row[l];
        }
    }
    let mean = mean.map(|s| s / n);
    let mut squares = [0.0; L];
    let mut rest = [0.0; L];
    for row in x.iter() {
        for l in 0..L {
            let d = row[l] - mean[l];
            squares[l] += d * d;
            rest[l] += d;
        }
    }
    let mut scale = [1.0; L];
    for l in 0..L {
        // The second term takes out what rounding left in the mean.
        let variance = squares[l] / n - (rest[l] / n).powi(2);
        let rounding = n * f64::EPSILON * variance + (n * f64::EPSILON * mean[l]).powi(2);
        if variance > rounding {
            scale[l] = variance.sqrt();
        }
    }
    for row in x.iter_mut() {
        for l in 0..L {
            row[l] = (row[l] - mean[l]) / scale[l];
        }
    }
}

/// [`CausalNormalizer`] of `L` traces side by side, in place.
#[inline(always)]
pub(super) fn normalize_causally<const L: usize>(x: &mut [[f64; L]]) {
    let mut past = Past::default();
    x.iter_mut().for_each(|row| *row = past.push(*row));
}

/// Welford's running mean and sum of squares of `L` traces.
#[derive(Debug, Clone)]
struct Past<const L: usize> {
    count: f64,
    mean: [f64; L],
    squares: [f64; L],
}

impl<const L: usize> Default for Past<L> {
    fn default() -> Self {
        Self { count: 0.0, mean: [0.0; L], squares: [0.0; L] }
    }
}

impl<const L: usize> Past<L> {
    fn push(&mut self, x: [f64; L]) -> [f64; L] {
        self.count += 1.0;
        for l in 0..L {
            let d = x[l] - self.mean[l];
            self.mean[l] += d / self.count;
            self.squares[l] += d * (x[l] - self.mean[l]);
        }
        let std = self.std();
        std::array::from_fn(|l| (x[l] - self.mean[l]) / std[l])
    }

    fn std(&self) -> [f64; L] {
        let count = self.count.max(1.0);
        self.squares.map(|s| (s / count).max(CAUSAL_VARIANCE_FLOOR).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_bridged_and_ends_held() {
        let nan = f64::NAN;
        let mut x = [nan, 1.0, nan, nan, 4.0, nan];
        assert!(fill_missing(&mut x));
        assert_eq!(x, [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]);
        assert!(!fill_missing(&mut [nan, nan]));
        assert!(fill_missing(&mut []));
        let mut both = [nan, 10.0, 2.0, nan, 4.0, 30.0];
        assert!(fill_strided(&mut both, 0, 2) && fill_strided(&mut both, 1, 2));
        assert_eq!(both, [2.0, 10.0, 2.0, 20.0, 4.0, 30.0]);
    }

    #[test]
    fn constants_are_centred_only() {
        assert!(standardize(&[0.1; 777]).iter().all(|v| v.abs() < 1e-12));
        assert!(standardize(&[]).is_empty());
    }

    #[test]
    fn an_offset_does_not_disturb_the_causal_scores() {
        let x: Vec<f64> = (0..500).map(|i| (0.3 * f64::from(i)).sin()).collect();
        let far: Vec<f64> = x.iter().map(|v| v + 1e6).collect();
        let (a, b) = (CausalNormalizer::transform(&x), CausalNormalizer::transform(&far));
        assert!(a.iter().zip(&b).skip(2).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
