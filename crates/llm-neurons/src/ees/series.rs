//! Chebyshev coefficients: of the logarithm, in closed form, and those of the two published variants.

use std::f64::consts::{LN_2, PI};

use crate::{Error, Result};

/// The Chebyshev series of `ln x` on `[a, b]`, truncated after order M.
///
/// With `c = (a+b)/2`, `d = (b-a)/2`, `q = sqrt(c^2 - d^2) = sqrt(ab)`, `r = -d/(c+q)`, `s = (c+q)/2`:
/// `ln(c + d y) = sum_m c_m T_m(y)`, `c_0 = ln s`, `c_m = -2 r^m / m`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSeries {
    /// Middle of the interval, `(a+b)/2`.
    pub centre: f64,
    /// Half its width, `(b-a)/2`.
    pub half_width: f64,
    /// `r`, in (-1, 0): the coefficients shrink by its modulus from order to order.
    pub ratio: f64,
    /// `c_0 ..= c_M`.
    pub coefficients: Vec<f64>,
}

impl LogSeries {
    /// The series up to order `moments` for a spectrum in `[a, b]`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `0 < a < b`, both finite.
    pub fn new(a: f64, b: f64, moments: usize) -> Result<Self> {
        if !(a.is_finite() && a > 0.0) {
            return Err(Error::Parameter { name: "lower end", value: a, expected: "positive and finite" });
        }
        if !(b.is_finite() && b > a) {
            return Err(Error::Parameter { name: "upper end", value: b, expected: "above the lower end" });
        }
        let (centre, half_width) = ((a + b) / 2.0, (b - a) / 2.0);
        let root = a.sqrt() * b.sqrt();
        // d/(c+q) is (c-q)/d without the cancellation of c - q.
        let ratio = -half_width / (centre + root);
        let mut coefficients = Vec::with_capacity(moments + 1);
        coefficients.push(((centre + root) / 2.0).ln());
        coefficients.extend((1..=moments).map(|m| -2.0 * signed_power(ratio, m) / m as f64));
        Ok(Self { centre, half_width, ratio, coefficients })
    }

    /// `2 |r|^(M+1) / ((M+1) (1 - |r|))`: no spectrum in `[a, b]` makes the truncated series err by more.
    #[must_use]
    pub fn truncation_bound(&self) -> f64 {
        let (r, next) = (self.ratio.abs(), self.coefficients.len() as f64);
        2.0 * r.powf(next) / (next * (1.0 - r))
    }

    /// The truncated series at `x` of the interval.
    #[must_use]
    pub fn value(&self, x: f64) -> f64 {
        let y = (x - self.centre) / self.half_width;
        // Clenshaw's recurrence.
        let (mut b1, mut b2) = (0.0, 0.0);
        for c in self.coefficients.iter().skip(1).rev() {
            (b1, b2) = (c + 2.0 * y * b1 - b2, b1);
        }
        self.coefficients[0] + y * b1 - b2
    }
}

/// `c_m = ((2 - delta_m0)/pi) int_0^(pi/2) ln(cos t) cos(m t) dt`, m = 0 ..= M: the density of states read against
/// `ln x` on `[0, 1]` alone, as the paper writes it.
///
/// Even orders are `-ln 2 / 2` and `(-1)^(k+1) / (2k)` for m = 2k. For odd ones, with `J_m = m int ..`, integration by
/// parts gives `J_1 = ln 2 - 1`, `J_(m+2) = -J_m - 2 (-1)^((m+1)/2) (m+1) / (m (m+2))`.
#[must_use]
pub fn unit_interval_coefficients(moments: usize) -> Vec<f64> {
    let mut odd = LN_2 - 1.0;
    (0..=moments)
        .map(|m| match (m, m % 2) {
            (0, _) => -LN_2 / 2.0,
            (_, 0) => (if (m / 2) % 2 == 1 { 1.0 } else { -1.0 }) / m as f64,
            _ => {
                let order = m as f64;
                let value = 2.0 / PI * odd / order;
                let sign = if m.div_ceil(2) % 2 == 0 { 1.0 } else { -1.0 };
                odd = -odd - 2.0 * sign * (order + 1.0) / (order * (order + 2.0));
                value
            }
        })
        .collect()
}

/// `c_m = (2/pi) int_0^1 ln(x) cos(m x) / sqrt(1 - x^2) dx`, m = 0 ..= M, as the published code integrates: with
/// `cos(m x)` where the Chebyshev polynomial `cos(m arccos x)` should stand.
///
/// In closed form `-ln 2 J_0(m) - sum_(k>=1) J_2k(m) / k`, by the Jacobi-Anger expansion of `cos(m cos t)`.
#[must_use]
pub fn official_coefficients(moments: usize) -> Vec<f64> {
    (0..=moments)
        .map(|m| {
            let bessel = even_bessel(m as f64);
            let tail: f64 = bessel.iter().enumerate().skip(1).map(|(k, j)| j / k as f64).sum();
            -LN_2 * bessel[0] - tail
        })
        .collect()
}

/// Jackson's damping factors `g_0 ..= g_M`: they take the ringing off a truncated series at the price of a blurred
/// density, of width about pi / M.
#[must_use]
pub fn jackson_damping(moments: usize) -> Vec<f64> {
    let n = moments as f64 + 2.0;
    let angle = PI / n;
    (0..=moments)
        .map(|m| {
            let m = m as f64;
            ((n - m) * (m * angle).cos() + (m * angle).sin() / angle.tan()) / n
        })
        .collect()
}

/// `base^m` by logarithms, whatever its sign: exact enough, and no integer overflow for long series.
fn signed_power(base: f64, m: usize) -> f64 {
    let size = base.abs().powf(m as f64);
    if base < 0.0 && m % 2 == 1 { -size } else { size }
}

/// `J_0(x), J_2(x), J_4(x), ..` until they vanish, by Miller's downward recurrence.
fn even_bessel(x: f64) -> Vec<f64> {
    if x == 0.0 {
        return vec![1.0];
    }
    // Beyond this order J is below 1e-17 of its peak for every x.
    let start = 2 * ((x + 12.0 * x.cbrt() + 24.0) as usize / 2);
    let mut values = vec![0.0; start / 2 + 1];
    let (mut above, mut here) = (0.0, 1e-300_f64);
    for order in (0..=start).rev() {
        if order % 2 == 0 {
            values[order / 2] = here;
        }
        (above, here) = (here, 2.0 * order as f64 / x * here - above);
        if here.abs() > 1e250 {
            above *= 1e-250;
            here *= 1e-250;
            values[order / 2..].iter_mut().for_each(|v| *v *= 1e-250);
        }
    }
    // J_0 + 2 (J_2 + J_4 + ..) = 1.
    let norm = values[0] + 2.0 * values[1..].iter().sum::<f64>();
    values.iter_mut().for_each(|v| *v /= norm);
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `(2/pi) int_0^(pi/2) ln(cos t) f(t) dt` by the tanh-sinh rule, written in `u = pi/2 - t` so that the
    /// singularity is at zero.
    fn integral(f: impl Fn(f64) -> f64) -> f64 {
        let h = 1.0 / 512.0;
        let sum: f64 = (-2800..=2800)
            .map(|i| {
                let x = h * f64::from(i);
                let w = (PI / 2.0) * x.sinh();
                let u = PI / 2.0 / (1.0 + (-2.0 * w).exp());
                let weight = (PI / 2.0) * x.cosh() / (2.0 * w.cosh().powi(2)) * PI / 2.0;
                if u <= 0.0 || weight == 0.0 { 0.0 } else { weight * u.sin().ln() * f(PI / 2.0 - u) }
            })
            .sum();
        2.0 / PI * h * sum
    }

    #[test]
    fn both_published_integrals_have_their_closed_forms() {
        let (unit, official) = (unit_interval_coefficients(41), official_coefficients(41));
        for m in 0..=41 {
            let order = m as f64;
            let half = if m == 0 { 0.5 } else { 1.0 };
            let expected = half * integral(|t| (order * t).cos());
            assert!((unit[m] - expected).abs() < 1e-12, "unit {m}: {} {expected}", unit[m]);
            let expected = integral(|t| (order * t.cos()).cos());
            assert!((official[m] - expected).abs() < 1e-12, "official {m}: {} {expected}", official[m]);
        }
    }

    #[test]
    fn damping_starts_at_one_and_falls() {
        let g = jackson_damping(50);
        assert!((g[0] - 1.0).abs() < 1e-15);
        assert!(g.iter().zip(&g[1..]).all(|(a, b)| a > b) && g[50] > 0.0 && g[50] < 0.01);
    }

    #[test]
    fn intervals_without_a_logarithm_are_refused() {
        for (a, b) in [(0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (2.0, 1.0), (1.0, f64::INFINITY), (f64::NAN, 1.0)]
        {
            assert!(LogSeries::new(a, b, 3).is_err(), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn the_series_meets_the_logarithm_within_its_bound(
            ln_a in -8.0_f64..0.0, ratio in 1.01_f64..1e4, at in 0.0_f64..=1.0, moments in 1_usize..200,
        ) {
            let a = ln_a.exp();
            let b = a * ratio;
            let series = LogSeries::new(a, b, moments).unwrap();
            let x = a + (b - a) * at;
            let gap = (series.value(x) - x.ln()).abs();
            prop_assert!(gap <= series.truncation_bound() + 1e-12 * moments as f64, "{gap:e} {:e}", series.truncation_bound());
        }
    }
}
