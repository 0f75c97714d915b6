//! Which raw traces are fit for use.

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{normalize::fill_missing, value};
use crate::Result;

const WINDOW: usize = 50;
const HOP: usize = 25;

/// Thresholds beyond which a raw trace is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Longest run of missing values, as a share of the samples. Default 0.05; `None` keeps every trace that has a
    /// value at all.
    pub missing_run: Option<f64>,
    /// Share of windows (50 samples, hop 25) whose first differences, rounded to 3 decimals, are all equal: a trace
    /// that was interpolated over long gaps. The published threshold is 0.001; default `None`, for it drops slow or
    /// coarsely scaled traces too.
    pub constant_windows: Option<f64>,
}

impl Default for Filters {
    fn default() -> Self {
        Self { missing_run: Some(0.05), constant_windows: None }
    }
}

impl Filters {
    /// Refuses thresholds outside `[0, 1]`.
    ///
    /// # Errors
    /// [`crate::Error::Value`].
    pub fn validate(&self) -> Result<()> {
        for (what, x) in [("missing_run", self.missing_run), ("constant_windows", self.constant_windows)] {
            if let Some(x) = x.filter(|x| !(0.0..=1.0).contains(x)) {
                return Err(value(what, x, "a share in [0, 1]"));
            }
        }
        Ok(())
    }

    /// Whether a raw trace passes, missing values being NaN.
    #[must_use]
    pub fn keep(&self, trace: ArrayView1<'_, f64>) -> bool {
        let samples = trace.len();
        let run = longest_missing_run(trace);
        if run == samples || self.missing_run.is_some_and(|share| run as f64 > share * samples as f64) {
            return false;
        }
        self.constant_windows.is_none_or(|share| {
            let mut filled = trace.to_vec();
            fill_missing(&mut filled);
            constant_share(&filled) <= share
        })
    }

    /// Which columns of `[samples, neurons]` pass; `any_missing` says whether there is a NaN at all.
    pub(super) fn passing(&self, traces: &ArrayView2<'_, f64>, any_missing: bool) -> Vec<bool> {
        if !any_missing && self.constant_windows.is_none() {
            return vec![true; traces.ncols()];
        }
        traces.columns().into_iter().map(|c| self.keep(c)).collect()
    }
}

fn longest_missing_run(trace: ArrayView1<'_, f64>) -> usize {
    let (mut longest, mut run) = (0, 0);
    for v in trace {
        run = if v.is_nan() { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

fn constant_share(trace: &[f64]) -> f64 {
    if trace.len() < WINDOW {
        return 0.0;
    }
    let windows = (trace.len() - WINDOW) / HOP + 1;
    let constant = trace.windows(WINDOW).step_by(HOP).filter(|w| {
        let rounded = |i: usize| ((w[i + 1] - w[i]) * 1000.0).round_ties_even();
        (1..WINDOW - 1).all(|i| rounded(i) == rounded(0))
    });
    constant.count() as f64 / windows as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    fn noisy(n: usize) -> Array1<f64> {
        Array1::from_shape_fn(n, |i| ((i * i * 7919) % 1009) as f64 / 100.0)
    }

    #[test]
    fn long_runs_of_missing_values_are_seen() {
        let filters = Filters::default();
        let mut x = noisy(1000);
        x.iter_mut().skip(10).take(50).for_each(|v| *v = f64::NAN);
        assert!(filters.keep(x.view()));
        x[60] = f64::NAN;
        assert!(!filters.keep(x.view()));
        assert!(Filters { missing_run: None, ..filters }.keep(x.view()));
        assert!(!Filters { missing_run: None, ..filters }.keep(Array1::from_elem(9, f64::NAN).view()));
    }

    #[test]
    fn straight_stretches_are_seen() {
        let filters = Filters { constant_windows: Some(0.001), missing_run: Some(1.0) };
        let mut x = noisy(1000);
        assert!(filters.keep(x.view()));
        x.iter_mut().enumerate().skip(100).take(50).for_each(|(i, v)| *v = 0.5 * i as f64);
        assert!(!filters.keep(x.view()));
        let mut gap = noisy(1000);
        gap.iter_mut().skip(100).take(60).for_each(|v| *v = f64::NAN);
        assert!(!filters.keep(gap.view()));
        assert!(filters.keep(noisy(30).view()));
    }
}
