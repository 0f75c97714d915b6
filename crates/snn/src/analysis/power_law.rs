//! Discrete power laws, fitted by maximum likelihood.

use crate::{Error, Result};

/// A discrete power law `P(x) = x^-alpha / zeta(alpha, x_min)`, `x >= x_min`, fitted to data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// The exponent.
    pub alpha: f64,
    /// Its standard error, from the curvature of the likelihood.
    pub standard_error: f64,
    /// Values at or above `x_min` that were used.
    pub values: usize,
    /// Greatest difference of the cumulative distributions of data and law.
    pub ks: f64,
}

/// Largest exponent that is looked for.
const STEEPEST: f64 = 50.0;

/// The exponent of greatest likelihood, `max over alpha > 1 of -alpha sum ln x - n ln zeta(alpha, x_min)`; values below
/// `x_min` are left out. The likelihood is concave in alpha. (A line through a log-log histogram is biased; an exponent
/// alone does not tell a power law from other long tails: see `ks`.)
///
/// Reference: A. Clauset, C. Shalizi, M. Newman, SIAM Review 51, 2009.
///
/// # Errors
/// [`Error::Parameter`] for `x_min = 0` or where the best exponent exceeds 50 (as where all values equal `x_min`);
/// [`Error::TooFew`] below two values.
pub fn power_law(values: &[u64], x_min: u64) -> Result<PowerLaw> {
    if x_min == 0 {
        return Err(Error::parameter("x_min", 0.0, "1 or more"));
    }
    let mut used: Vec<u64> = values.iter().copied().filter(|x| *x >= x_min).collect();
    if used.len() < 2 {
        let what = format!("power law: values of {x_min} or more");
        return Err(Error::TooFew { what, needed: 2, found: used.len() });
    }
    used.sort_unstable();
    let n = used.len() as f64;
    let start = x_min as f64;
    // Relative to x_min, so that neither term is large.
    let mean_ln = used.iter().map(|x| (*x as f64 / start).ln()).sum::<f64>() / n;
    let cost = |alpha: f64| alpha * mean_ln + scaled_zeta(alpha, start).ln();
    let alpha = golden_section(cost, 1.0 + 1e-9, STEEPEST);
    if alpha > STEEPEST - 1e-3 {
        return Err(Error::parameter(
            "exponent",
            alpha,
            format!("below {STEEPEST}: the values hardly spread"),
        ));
    }
    let h = (1e-3 * (alpha - 1.0)).max(1e-6);
    let curvature = (cost(alpha + h) - 2.0 * cost(alpha) + cost(alpha - h)) / (h * h);
    let standard_error = 1.0 / (n * curvature).sqrt();
    Ok(PowerLaw { alpha, standard_error, values: used.len(), ks: ks(&used, alpha, start) })
}

/// Where a convex function is least.
fn golden_section(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut a, mut b) = (low, high);
    let (mut c, mut d) = (b - ratio * (b - a), a + ratio * (b - a));
    let (mut fc, mut fd) = (f(c), f(d));
    while b - a > 1e-10 * (1.0 + b.abs()) {
        if fc < fd {
            (b, d, fd) = (d, c, fc);
            c = b - ratio * (b - a);
            fc = f(c);
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + ratio * (b - a);
            fd = f(d);
        }
    }
    0.5 * (a + b)
}

/// Greatest difference of the distribution of sorted values from the law's.
fn ks(sorted: &[u64], alpha: f64, start: f64) -> f64 {
    let whole = scaled_zeta(alpha, start);
    let n = sorted.len() as f64;
    // P(X > x), from the tail of the sum.
    let above = |x: f64| {
        let tail = scaled_zeta(alpha, x + 1.0) * ((x + 1.0) / start).powf(-alpha);
        tail / whole
    };
    let (mut worst, mut seen) = (0.0_f64, 0_usize);
    for run in sorted.chunk_by(|a, b| a == b) {
        let x = run[0] as f64;
        // The law grows up to the place before this value while the data stand still.
        if x > start {
            worst = worst.max((1.0 - above(x - 1.0) - seen as f64 / n).abs());
        }
        seen += run.len();
        worst = worst.max((1.0 - above(x) - seen as f64 / n).abs());
    }
    worst
}

/// `a^s zeta(s, a)` for `s > 1`, `a >= 1`: the sum over k of `((a + k) / a)^-s` by Euler and Maclaurin, relative error
/// below 1e-13.
fn scaled_zeta(s: f64, a: f64) -> f64 {
    const TERMS: usize = 12;
    /// B_2j / (2j)!
    const BERNOULLI: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30_240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -691.0 / 1_307_674_368_000.0,
        1.0 / 74_724_249_600.0,
        -3617.0 / 10_670_622_842_880_000.0,
    ];
    // The corrections shrink as long as the index outgrows the exponent.
    let terms = TERMS.max(s as usize);
    let head: f64 = (0..terms).map(|k| ((a + k as f64) / a).powf(-s)).sum();
    let b = a + terms as f64;
    let power = (b / a).powf(-s);
    let mut sum = head + power * (b / (s - 1.0) + 0.5);
    let mut factor = s / b;
    for (j, coefficient) in BERNOULLI.iter().enumerate() {
        sum += coefficient * factor * power;
        let at = s + (2 * j + 1) as f64;
        factor *= at * (at + 1.0) / (b * b);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zeta_function_has_its_known_values() {
        let pi = std::f64::consts::PI;
        for (s, a, expected) in [
            (2.0, 1.0, pi * pi / 6.0),
            (4.0, 1.0, pi.powi(4) / 90.0),
            (2.0, 3.0, 9.0 * (pi * pi / 6.0 - 1.25)),
            (1.5, 1.0, 2.612_375_348_685_488),
            (3.0, 1.0, 1.202_056_903_159_594),
            (30.0, 1.0, 1.000_000_000_931_327_4),
        ] {
            let got = scaled_zeta(s, a);
            assert!((got / expected - 1.0).abs() < 1e-13, "zeta({s}, {a}): {got} {expected}");
        }
        // Near the pole: zeta(s) = 1 / (s - 1) + Euler's constant + ..
        let near = scaled_zeta(1.0 + 1e-6, 1.0);
        assert!((near - 1e6 - 0.577_215_664_9).abs() < 1e-6 + 1e-9 * 1e6, "{near}");
    }
}
