//! Causal smoothers: no sample depends on a later one.

use serde::{Deserialize, Serialize};

use super::value;
use crate::{Error, Result};

/// Lags beyond this many standard deviations are left out of [`gaussian`]: what is lost is below 1e-13 of the whole.
pub const GAUSSIAN_REACH: f64 = 8.0;

/// How traces are smoothed.
///
/// On the command line: `moving:15`, `gaussian:5`, `exponential:0.5`, `none`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Smoothing {
    /// Not at all.
    None,
    /// [`moving`].
    Moving {
        /// Window in samples; the mean is over `window / 2 + 1` of them.
        window: usize,
    },
    /// [`gaussian`].
    Gaussian {
        /// Standard deviation in samples.
        sigma_samples: f64,
    },
    /// [`exponential`].
    Exponential {
        /// Weight of the newest sample.
        alpha: f64,
    },
}

impl Default for Smoothing {
    /// `moving:15`, as published.
    fn default() -> Self {
        Self::Moving { window: 15 }
    }
}

/// The mean over the newest `window / 2 + 1` samples, fewer at the start: `mean(x[max(j - window / 2, 0) ..= j])`.
///
/// This is the published rule: a window of 15 averages 8 samples, an even window counts as the next odd one. Sums are
/// built by doubling (each from two sums of half its length), in O(T log w): no long running sum that would lose
/// digits, and a NaN reaches no further than its window.
///
/// # Errors
/// [`Error::Value`] for a window of 0.
pub fn moving(x: &[f64], window: usize) -> Result<Vec<f64>> {
    one(x, Smoothing::Moving { window })
}

/// Weights `exp(-k^2 / (2 sigma^2))` over the lags `k >= 0`, renormalised to sum 1; lags beyond [`GAUSSIAN_REACH`]
/// standard deviations are left out.
///
/// # Errors
/// [`Error::Value`] unless `sigma_samples` is finite and positive.
pub fn gaussian(x: &[f64], sigma_samples: f64) -> Result<Vec<f64>> {
    one(x, Smoothing::Gaussian { sigma_samples })
}

/// `s_0 = x_0`, `s_i = alpha x_i + (1 - alpha) s_(i-1)`.
///
/// # Errors
/// [`Error::Value`] unless `0 < alpha <= 1`.
pub fn exponential(x: &[f64], alpha: f64) -> Result<Vec<f64>> {
    one(x, Smoothing::Exponential { alpha })
}

fn one(x: &[f64], how: Smoothing) -> Result<Vec<f64>> {
    how.validate()?;
    let mut out = vec![[0.0]; x.len()];
    Kernel::new(how, x.len()).apply(x.as_chunks().0, &mut out, &mut vec![[0.0]; x.len()]);
    Ok(out.into_flattened())
}

impl Smoothing {
    /// The name that published files give it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "no smoothing",
            Self::Moving { .. } => "moving",
            Self::Gaussian { .. } => "gaussian",
            Self::Exponential { .. } => "exponential",
        }
    }

    /// Refuses parameters outside their range.
    ///
    /// # Errors
    /// [`Error::Value`].
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Moving { window: 0 } => Err(value("smoothing window", 0, "at least 1 sample")),
            Self::Gaussian { sigma_samples: s } if !(s.is_finite() && s > 0.0) => {
                Err(value("sigma of the Gaussian smoother", s, "finite and positive"))
            }
            Self::Exponential { alpha: a } if !(a > 0.0 && a <= 1.0) => {
                Err(value("alpha of the exponential smoother", a, "in (0, 1]"))
            }
            _ => Ok(()),
        }
    }
}

impl std::str::FromStr for Smoothing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || value("smoothing", format!("{text:?}"), "moving:15, gaussian:5, exponential:0.5 or none");
        let (name, number) = text.split_once(':').map_or((text, None), |(n, v)| (n, Some(v)));
        let real = |default: f64| number.map_or(Ok(default), |v| v.parse().map_err(|_| wrong()));
        let how = match name {
            "none" if number.is_none() => Self::None,
            "moving" => Self::Moving { window: number.map_or(Ok(15), |v| v.parse().map_err(|_| wrong()))? },
            "gaussian" => Self::Gaussian { sigma_samples: real(5.0)? },
            "exponential" => Self::Exponential { alpha: real(0.5)? },
            _ => return Err(wrong()),
        };
        how.validate()?;
        Ok(how)
    }
}

impl std::fmt::Display for Smoothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Moving { window } => write!(f, "moving:{window}"),
            Self::Gaussian { sigma_samples } => write!(f, "gaussian:{sigma_samples}"),
            Self::Exponential { alpha } => write!(f, "exponential:{alpha}"),
        }
    }
}

/// A smoother made ready for traces of one length.
#[derive(Debug, Clone)]
pub(super) enum Kernel {
    None,
    /// Number of samples in the mean.
    Moving(usize),
    /// Weights by lag, not normalised.
    Gaussian(Vec<f64>),
    Exponential(f64),
}

impl Kernel {
    /// `how` must have passed [`Smoothing::validate`].
    pub(super) fn new(how: Smoothing, samples: usize) -> Self {
        match how {
            Smoothing::None => Self::None,
            Smoothing::Moving { window } => Self::Moving((window / 2).saturating_add(1).min(samples)),
            Smoothing::Gaussian { sigma_samples: s } => {
                let reach = (GAUSSIAN_REACH * s).ceil().min(samples as f64) as usize;
                let weight = |k: usize| (-(k as f64 / s).powi(2) / 2.0).exp();
                Self::Gaussian((0..=reach).take(samples).map(weight).collect())
            }
            Smoothing::Exponential { alpha } => Self::Exponential(alpha),
        }
    }

    /// Smooths `L` traces side by side; all slices have the same length.
    #[inline(always)]
    pub(super) fn apply<const L: usize>(&self, x: &[[f64; L]], out: &mut [[f64; L]], spare: &mut [[f64; L]]) {
        match self {
            Self::None => out.copy_from_slice(x),
            Self::Moving(length) => moving_mean(x, *length, out, spare),
            Self::Gaussian(weights) => weighted_past(x, weights, out),
            Self::Exponential(alpha) => {
                let keep = 1.0 - alpha;
                let mut state = x.first().copied().unwrap_or([0.0; L]);
                if let Some((first, rest)) = out.split_first_mut() {
                    *first = state;
                    for (o, x) in rest.iter_mut().zip(&x[1..]) {
                        for l in 0..L {
                            state[l] = alpha * x[l] + keep * state[l];
                        }
                        *o = state;
                    }
                }
            }
        }
    }
}

/// Means of the newest `length` samples, `1 <= length <= x.len()` (anything when `x` is empty).
#[inline(always)]
fn moving_mean<const L: usize>(x: &[[f64; L]], length: usize, out: &mut [[f64; L]], spare: &mut [[f64; L]]) {
    let n = x.len();
    if n == 0 {
        return;
    }
    // From the highest bit of `length` down: sums over `have` samples become sums over 2 have (+ 1) samples.
    let mut have = 1;
    let bits = usize::BITS - length.leading_zeros();
    out.copy_from_slice(x);
    let (mut sums, mut next) = (out, spare);
    let mut swapped = false;
    for bit in (0..bits - 1).rev() {
        next[..have].copy_from_slice(&sums[..have]);
        add(&mut next[have..], &sums[have..], &sums[..n - have]);
        have *= 2;
        (sums, next) = (next, sums);
        swapped = !swapped;
        if length >> bit & 1 == 1 {
            // The oldest sample of the longer sum is `have` samples back.
            for (s, old) in sums[have..].as_flattened_mut().iter_mut().zip(x[..n - have].as_flattened()) {
                *s += old;
            }
            have += 1;
        }
    }
    if swapped {
        divide(next, sums, length);
    } else {
        next.copy_from_slice(sums);
        divide(sums, next, length);
    }
}

/// Sums over the newest `length` samples, fewer at the start, become means.
#[inline(always)]
fn divide<const L: usize>(to: &mut [[f64; L]], from: &[[f64; L]], length: usize) {
    let start = (length - 1).min(from.len());
    for (j, (t, f)) in to.iter_mut().zip(from).enumerate().take(start) {
        *t = f.map(|v| v / (j + 1) as f64);
    }
    let count = length as f64;
    for (t, f) in to[start..].as_flattened_mut().iter_mut().zip(from[start..].as_flattened()) {
        *t = f / count;
    }
}

#[inline(always)]
fn add<const L: usize>(to: &mut [[f64; L]], a: &[[f64; L]], b: &[[f64; L]]) {
    let (a, b) = (a.as_flattened(), b.as_flattened());
    for ((t, a), b) in to.as_flattened_mut().iter_mut().zip(a).zip(b) {
        *t = a + b;
    }
}

#[inline(always)]
fn weighted_past<const L: usize>(x: &[[f64; L]], weights: &[f64], out: &mut [[f64; L]]) {
    let mut total = 0.0;
    for (j, o) in out.iter_mut().enumerate() {
        let lags = weights.len().min(j + 1);
        if j < weights.len() {
            total += weights[j];
        }
        let mut sum = [0.0; L];
        for (w, x) in weights[..lags].iter().zip(x[j + 1 - lags..=j].iter().rev()) {
            for l in 0..L {
                sum[l] += w * x[l];
            }
        }
        *o = sum.map(|s| s / total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize) -> Vec<f64> {
        (0..n).map(|i| (0.37 * i as f64).sin() + 0.2 * (1.7 * i as f64).cos()).collect()
    }

    #[test]
    fn moving_is_the_mean_over_the_newest_samples() {
        for n in [1, 2, 9, 40] {
            let x = wave(n);
            for window in 1..50 {
                let got = moving(&x, window).unwrap();
                for j in 0..n {
                    let from = j.saturating_sub(window / 2);
                    let want = x[from..=j].iter().sum::<f64>() / (j + 1 - from) as f64;
                    assert!((got[j] - want).abs() < 1e-14, "n {n}, window {window}, sample {j}");
                }
            }
        }
    }

    #[test]
    fn gaussian_agrees_with_the_whole_past() {
        let x = wave(300);
        let got = gaussian(&x, 5.0).unwrap();
        for j in 0..300 {
            let w = |k: usize| (-(k as f64).powi(2) / 50.0).exp();
            let total: f64 = (0..=j).map(w).sum();
            let want = (0..=j).map(|k| w(k) * x[j - k]).sum::<f64>() / total;
            assert!((got[j] - want).abs() < 1e-13, "sample {j}");
        }
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        let x: Vec<f64> = (0..5000).map(|i| if i < 2500 { 1e15 } else { 0.1 }).collect();
        let got = moving(&x, 15).unwrap();
        assert!(got[2508..].iter().all(|v| (v - 0.1).abs() < 1e-16));
    }

    #[test]
    fn names_are_read_and_written() {
        for text in ["moving:15", "gaussian:5", "exponential:0.5", "none"] {
            assert_eq!(text.parse::<Smoothing>().unwrap().to_string(), text);
        }
        for text in ["moving:0", "moving:-1", "gaussian:nan", "exponential:2", "median", "none:3", "moving:x"]
        {
            assert!(text.parse::<Smoothing>().is_err(), "{text}");
        }
    }

    #[test]
    fn empty_traces_stay_empty() {
        assert!(moving(&[], 15).unwrap().is_empty());
        assert!(gaussian(&[], 5.0).unwrap().is_empty());
        assert!(exponential(&[], 0.5).unwrap().is_empty());
    }
}
