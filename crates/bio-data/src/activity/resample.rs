//! From the camera's frames to one sampling step.

use super::gradient::check_times;
use super::{median, shape, value};
use crate::Result;

/// A recording may grow to at most this many resampled values per raw sample.
const GROWTH: usize = 256;

/// Points that are averaged into one sample when a recording is slowed down.
const FINER: f64 = 6.0;

/// Linear resampling onto a uniform grid, made ready for traces with the same times.
///
/// Each output is a weighted sum of few inputs; the weights are worked out once and serve every neuron.
#[derive(Debug, Clone)]
pub(super) struct Resampler {
    /// Where each output's weights begin; one more entry than outputs.
    begins: Vec<u32>,
    /// Input sample and its weight.
    terms: Vec<(u32, f64)>,
    dt_s: f64,
    samples: usize,
}

/// `x` on the grid `0, dt, 2 dt, ..` from the first time on, with that grid (relative to the first time).
///
/// Where `dt_s` is below the median step of `times_s`: linear interpolation on `arange(0, t_max, dt)`, the end left
/// out. Else: interpolation to `dt / 6`, then means of `round(dt / median step of that grid) = 6` neighbours.
///
/// # Errors
/// [`crate::Error::Shape`] when the lengths differ; [`crate::Error::Value`] for times that do not strictly increase, a
/// step that is not positive, a recording shorter than one step, or one that would grow more than 256-fold.
pub fn resample(x: &[f64], times_s: &[f64], dt_s: f64) -> Result<(Vec<f64>, Vec<f64>)> {
    if x.len() != times_s.len() {
        return Err(shape("values to resample", x.len(), format!("{}, one per time", times_s.len())));
    }
    let resampler = Resampler::new(times_s, dt_s)?;
    let mut out = vec![[0.0]; resampler.len()];
    resampler.apply(x.as_chunks().0, &mut out);
    Ok((resampler.times_s(), out.into_flattened()))
}

impl Resampler {
    pub(super) fn new(times_s: &[f64], dt_s: f64) -> Result<Self> {
        check_times(times_s)?;
        if !(dt_s.is_finite() && dt_s > 0.0) {
            return Err(value("sampling step in s", dt_s, "finite and positive"));
        }
        let start = times_s[0];
        let times: Vec<f64> = times_s.iter().map(|t| t - start).collect();
        let steps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
        let faster = median(&steps).is_some_and(|m| dt_s < m);
        let step = if faster { dt_s } else { dt_s / FINER };
        let last = times[times.len() - 1];
        let points = (last / step).ceil();
        let limit = (GROWTH * times.len()).min(u32::MAX as usize / 16) as f64;
        if points > limit * if faster { 1.0 } else { FINER } {
            return Err(value(
                "sampling step in s",
                dt_s,
                format!("coarse enough: {points} points out of {} samples, at most {limit}", times.len()),
            ));
        }
        let group = if faster { 1 } else { FINER as usize };
        let outputs = points as usize / group;
        if outputs == 0 {
            return Err(value("sampling step in s", dt_s, format!("below the recording's length, {last} s")));
        }
        let mut walk = Walk { times: &times, at: 0 };
        let (mut begins, mut terms) = (vec![0], Vec::with_capacity(outputs * 3));
        for k in 0..outputs {
            let begin = terms.len();
            for point in k * group..(k + 1) * group {
                let (left, part) = walk.locate(point as f64 * step);
                add(&mut terms, begin, left, (1.0 - part) / group as f64);
                add(&mut terms, begin, left + 1, part / group as f64);
            }
            begins.push(terms.len() as u32);
        }
        Ok(Self { begins, terms, dt_s, samples: times.len() })
    }

    /// Number of resampled values.
    pub(super) fn len(&self) -> usize {
        self.begins.len() - 1
    }

    /// The new grid, relative to the first sample: `k dt`.
    pub(super) fn times_s(&self) -> Vec<f64> {
        (0..self.len()).map(|k| k as f64 * self.dt_s).collect()
    }

    /// Resamples `L` traces side by side.
    #[inline(always)]
    pub(super) fn apply<const L: usize>(&self, x: &[[f64; L]], out: &mut [[f64; L]]) {
        debug_assert!(x.len() == self.samples && out.len() == self.len(), "one value per time");
        for (o, w) in out.iter_mut().zip(self.begins.windows(2)) {
            let mut sum = [0.0; L];
            for (index, weight) in &self.terms[w[0] as usize..w[1] as usize] {
                let x = &x[*index as usize];
                for l in 0..L {
                    sum[l] += weight * x[l];
                }
            }
            *o = sum;
        }
    }
}

/// Adds a weight to the output whose terms begin at `begin`; weights of 0 are no terms (`0 * NaN` is not 0).
fn add(terms: &mut Vec<(u32, f64)>, begin: usize, index: usize, weight: f64) {
    if weight == 0.0 {
        return;
    }
    // Samples come in order, so that one seen before is among the last two.
    match terms[begin..].iter_mut().rev().take(2).find(|(i, _)| *i as usize == index) {
        Some((_, w)) => *w += weight,
        None => terms.push((index as u32, weight)),
    }
}

/// Finds the interval that holds a point, for points that never go back.
struct Walk<'a> {
    times: &'a [f64],
    at: usize,
}

impl Walk<'_> {
    /// The sample before `time` and how far `time` lies towards the next, in [0, 1].
    fn locate(&mut self, time: f64) -> (usize, f64) {
        while self.at + 2 < self.times.len() && self.times[self.at + 1] <= time {
            self.at += 1;
        }
        let (left, right) = (self.times[self.at], self.times[self.at + 1]);
        (self.at, ((time - left) / (right - left)).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        let times: Vec<f64> = (0..700).map(|i| 5.0 + 0.2 * f64::from(i) + 0.03 * f64::from(i % 3)).collect();
        let x: Vec<f64> = times.iter().map(|t| 2.0 * t - 1.0).collect();
        for dt in [0.05, 0.333, 1.7] {
            let (grid, got) = resample(&x, &times, dt).unwrap();
            // Block means of a line lie half a block later than its first point.
            let lag = if dt < 0.2 { 0.0 } else { dt / 6.0 * 2.5 };
            for (t, y) in grid.iter().zip(&got) {
                assert!((y - (2.0 * (t + lag + 5.0) - 1.0)).abs() < 1e-9, "dt {dt}, t {t}");
            }
        }
    }

    #[test]
    fn the_end_is_left_out_when_sampling_faster() {
        let times: Vec<f64> = (0..5).map(f64::from).collect();
        assert_eq!(resample(&[0.0; 5], &times, 0.5).unwrap().0.len(), 8);
        assert_eq!(resample(&[0.0; 5], &times, 2.0).unwrap().0, [0.0, 2.0]);
    }

    #[test]
    fn missing_values_stay_where_they_are() {
        let times: Vec<f64> = (0..6).map(f64::from).collect();
        let x = [0.0, 1.0, f64::NAN, 3.0, 4.0, 5.0];
        let (_, y) = resample(&x, &times, 0.5).unwrap();
        let missing: Vec<usize> = (0..y.len()).filter(|i| y[*i].is_nan()).collect();
        assert_eq!(missing, [3, 4, 5]);
    }

    #[test]
    fn recordings_that_would_explode_are_refused() {
        let times: Vec<f64> = (0..700).map(f64::from).collect();
        let x = vec![0.0; 700];
        assert!(resample(&x, &times, 1e-9).unwrap_err().to_string().contains("coarse"));
        assert!(resample(&x, &times, 1e9).is_err());
        assert!(resample(&x, &times, f64::NAN).is_err());
        let gap = [0.0, 1.0, 2.0, 1e300];
        assert!(resample(&[0.0; 4], &gap, 0.333).is_err());
    }
}
