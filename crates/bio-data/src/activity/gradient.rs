//! The derivative of a trace on a grid that need not be uniform.

use super::{shape, value};
use crate::Result;

/// Weights of the two differences around each interior sample.
#[derive(Debug, Clone)]
pub(super) struct Stencil {
    /// `h_d / (h_s (h_s + h_d))`, of the difference to the sample before.
    back: Vec<f64>,
    /// `h_s / (h_d (h_s + h_d))`, of the difference to the sample after.
    ahead: Vec<f64>,
    first_step: f64,
    last_step: f64,
}

/// The derivative of `x` at `times_s`: second order inside, first order at the ends.
///
/// With `h_s = t_i - t_(i-1)`, `h_d = t_(i+1) - t_i`:
/// `x'_i = (h_s^2 x_(i+1) + (h_d^2 - h_s^2) x_i - h_d^2 x_(i-1)) / (h_s h_d (h_s + h_d))`, exact for quadratics. It is
/// computed from differences, so that a constant gives zero exactly.
///
/// # Errors
/// [`crate::Error::Shape`] when the lengths differ or are below 2; [`crate::Error::Value`] unless times are finite and
/// strictly increasing.
pub fn gradient_nonuniform(x: &[f64], times_s: &[f64]) -> Result<Vec<f64>> {
    if x.len() != times_s.len() {
        return Err(shape("values to differentiate", x.len(), format!("{}, one per time", times_s.len())));
    }
    let mut out = vec![[0.0]; x.len()];
    Stencil::new(times_s)?.apply(x.as_chunks().0, &mut out);
    Ok(out.into_flattened())
}

/// Times must be finite and strictly increasing, two at least.
pub(super) fn check_times(times_s: &[f64]) -> Result<()> {
    if times_s.len() < 2 {
        return Err(shape("times", times_s.len(), "at least 2"));
    }
    if let Some(i) = times_s.iter().position(|t| !t.is_finite()) {
        return Err(value(format!("time of sample {i}"), times_s[i], "finite"));
    }
    match times_s.windows(2).position(|w| w[1] <= w[0]) {
        Some(i) => Err(value(
            format!("time of sample {}", i + 1),
            times_s[i + 1],
            format!("after that of sample {i}, {}: times must increase strictly", times_s[i]),
        )),
        None => Ok(()),
    }
}

impl Stencil {
    pub(super) fn new(times_s: &[f64]) -> Result<Self> {
        check_times(times_s)?;
        let n = times_s.len();
        let (back, ahead) = times_s
            .windows(3)
            .map(|t| {
                let (hs, hd) = (t[1] - t[0], t[2] - t[1]);
                (hd / (hs * (hs + hd)), hs / (hd * (hs + hd)))
            })
            .unzip();
        Ok(Self {
            back,
            ahead,
            first_step: times_s[1] - times_s[0],
            last_step: times_s[n - 1] - times_s[n - 2],
        })
    }

    /// Derivatives of `L` traces side by side; both slices are as long as the times.
    #[inline(always)]
    pub(super) fn apply<const L: usize>(&self, x: &[[f64; L]], out: &mut [[f64; L]]) {
        let n = self.back.len() + 2;
        debug_assert!(x.len() == n && out.len() == n, "one sample per time");
        for l in 0..L {
            out[0][l] = (x[1][l] - x[0][l]) / self.first_step;
            out[n - 1][l] = (x[n - 1][l] - x[n - 2][l]) / self.last_step;
        }
        let weights = self.back.iter().zip(&self.ahead);
        for ((o, w), (back, ahead)) in out[1..n - 1].iter_mut().zip(x.windows(3)).zip(weights) {
            for l in 0..L {
                o[l] = ahead * (w[2][l] - w[1][l]) + back * (w[1][l] - w[0][l]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_do_not_increase_are_refused() {
        let refused = |t: &[f64]| gradient_nonuniform(&vec![0.0; t.len()], t).unwrap_err().to_string();
        assert!(refused(&[0.0, 1.0, 1.0]).contains("sample 2"));
        assert!(refused(&[0.0, f64::NAN]).contains("finite"));
        assert!(refused(&[0.0]).contains("at least 2"));
        assert!(gradient_nonuniform(&[1.0], &[0.0, 1.0]).is_err());
    }

    #[test]
    fn two_samples_have_one_slope() {
        assert_eq!(gradient_nonuniform(&[1.0, 3.0], &[0.0, 0.5]).unwrap(), [4.0, 4.0]);
    }
}
