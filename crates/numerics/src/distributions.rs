//! Special functions behind p-values: log-gamma, the regularised incomplete beta function, Student's t.

use crate::{Error, Result};

/// `ln Gamma(x)` for `x > 0`, by Lanczos' series (g = 607/128, Godfrey's 15 coefficients); relative error below 1e-13.
///
/// # Errors
/// [`Error::Parameter`] unless `x` is positive and finite.
pub fn ln_gamma(x: f64) -> Result<f64> {
    if !(x > 0.0 && x.is_finite()) {
        return Err(Error::Parameter { name: "x", value: x, expected: "positive and finite" });
    }
    Ok(log_gamma(x))
}

/// The regularised incomplete beta function `I_x(a, b)`, by Lentz' continued fraction.
///
/// # Errors
/// [`Error::Parameter`] unless `0 <= x <= 1` and `a`, `b` are positive and finite.
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> Result<f64> {
    for (name, value) in [("a", a), ("b", b)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::Parameter { name, value, expected: "positive and finite" });
        }
    }
    if !(0.0..=1.0).contains(&x) {
        return Err(Error::Parameter { name: "x", value: x, expected: "in [0, 1]" });
    }
    Ok(beta_ratio(a, b, x, 1.0 - x))
}

/// `P(|T| >= |t|)` of Student's t with `df` degrees of freedom: `I_{df / (df + t^2)}(df / 2, 1 / 2)`.
///
/// # Errors
/// [`Error::Parameter`] for NaN or `df` that is not positive and finite.
pub fn student_t_two_sided(t: f64, df: f64) -> Result<f64> {
    if t.is_nan() {
        return Err(Error::Parameter { name: "t", value: t, expected: "a number" });
    }
    if !(df > 0.0 && df.is_finite()) {
        return Err(Error::Parameter { name: "df", value: df, expected: "positive and finite" });
    }
    if t.is_infinite() {
        return Ok(0.0);
    }
    // Both x and 1 - x are formed without cancellation; the ratio keeps t^2 from overflowing.
    let r = df.sqrt() / t.abs();
    let (x, rest) = if t == 0.0 { (1.0, 0.0) } else { (r * r / (1.0 + r * r), 1.0 / (1.0 + r * r)) };
    Ok(if x.is_nan() { 1.0 } else { beta_ratio(df / 2.0, 0.5, x, rest) })
}

/// The quantile of Student's t: the `t` with `P(T <= t) = p`, by bisection of [`student_t_two_sided`] to the last bits
/// of a double.
///
/// # Errors
/// [`Error::Parameter`] unless `0 < p < 1` and `df` is positive and finite.
pub fn student_t_quantile(p: f64, df: f64) -> Result<f64> {
    if !(p > 0.0 && p < 1.0) {
        return Err(Error::Parameter { name: "p", value: p, expected: "in (0, 1)" });
    }
    // Both tails together, so that the far one is not a difference of numbers near 1.
    let tails = 2.0 * p.min(1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while student_t_two_sided(high, df)? > tails && high < 1e300 {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            break;
        }
        if student_t_two_sided(middle, df)? > tails {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(if p < 0.5 { -high } else { high })
}

/// `I_x(a, b)` with `rest = 1 - x`.
fn beta_ratio(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    if x <= 0.0 || rest <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The logarithm of a number near 1 is taken from its distance to 1, which is known to full precision.
    let ln = |value: f64, other: f64| if value > 0.5 { (-other).ln_1p() } else { value.ln() };
    let front = (a * ln(x, rest) + b * ln(rest, x) - log_beta(a, b)).exp();
    let complement = || (1.0 - front * fraction(b, a, rest) / b).clamp(0.0, 1.0);
    if x >= (a + 1.0) / (a + b + 2.0) {
        return complement();
    }
    let direct = (front * fraction(a, b, x) / a).min(1.0);
    // Next to 1, rounding of `x` costs digits of the direct fraction that `rest` still has.
    if rest < 1e-3 && direct > 1e-3 { complement() } else { direct }
}

/// The continued fraction of the incomplete beta function.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    // Converges in O(sqrt(max(a, b))) terms.
    let terms = 200 + (10.0 * a.max(b).sqrt()) as usize;
    for m in 1..=terms {
        let m = m as f64;
        for numerator in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / guard(1.0 + numerator * d);
            c = guard(1.0 + numerator / c);
            h *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// `ln B(a, b)`. Of two large logarithms of gamma only the small difference is formed.
fn log_beta(a: f64, b: f64) -> f64 {
    let (small, large) = (a.min(b), a.max(b));
    if large < 20.0 {
        return log_gamma(small) + log_gamma(large) - log_gamma(small + large);
    }
    // ln Gamma(z) = (z - 1/2) ln z - z + ln sqrt(2 pi) + stirling(z)
    let sum = small + large;
    log_gamma(small) + stirling(large)
        - stirling(sum)
        - (large - 0.5) * (small / large).ln_1p()
        - small * sum.ln()
        + small
}

/// What Stirling's formula leaves of `ln Gamma(z)`, `z >= 20`.
fn stirling(z: f64) -> f64 {
    let r = 1.0 / (z * z);
    (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) / z
}

fn log_gamma(x: f64) -> f64 {
    const G: f64 = 607.0 / 128.0;
    const C: [f64; 15] = [
        0.999_999_999_999_997_1,
        57.156_235_665_862_92,
        -59.597_960_355_475_49,
        14.136_097_974_741_746,
        -0.491_913_816_097_620_2,
        0.339_946_499_848_118_9e-4,
        0.465_236_289_270_485_8e-4,
        -0.983_744_753_048_795_6e-4,
        0.158_088_703_224_912_5e-3,
        -0.210_264_441_724_104_9e-3,
        0.217_439_618_115_212_64e-3,
        -0.164_318_106_536_763_9e-3,
        0.844_182_239_838_527_4e-4,
        -0.261_908_384_015_814_1e-4,
        0.368_991_826_595_316_25e-5,
    ];
    if x < 0.5 {
        // Reflection keeps the series where it is accurate.
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin()).ln() - log_gamma(1.0 - x);
    }
    let z = x - 1.0;
    let series = C.iter().enumerate().skip(1).fold(C[0], |s, (i, c)| s + c / (z + i as f64));
    let t = z + G + 0.5;
    (z + 0.5) * t.ln() - t + (std::f64::consts::TAU.sqrt() * series).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_are_exact_and_nonsense_is_refused() {
        assert_eq!(student_t_two_sided(0.0, 24.0).unwrap(), 1.0);
        assert_eq!(student_t_two_sided(f64::INFINITY, 24.0).unwrap(), 0.0);
        assert_eq!(student_t_two_sided(1e-300, 24.0).unwrap(), 1.0);
        assert!(student_t_two_sided(1e300, 24.0).unwrap() < 1e-200);
        assert!(student_t_two_sided(f64::NAN, 1.0).is_err() && student_t_two_sided(1.0, 0.0).is_err());
        assert_eq!(
            (incomplete_beta(2.0, 3.0, 0.0).unwrap(), incomplete_beta(2.0, 3.0, 1.0).unwrap()),
            (0.0, 1.0)
        );
        assert!(incomplete_beta(2.0, 3.0, 1.1).is_err() && incomplete_beta(-1.0, 3.0, 0.5).is_err());
        assert!(ln_gamma(0.0).is_err() && ln_gamma(f64::INFINITY).is_err());
    }

    #[test]
    fn quantiles_of_t_are_those_of_closed_forms_and_tables() {
        let t = |p, df| student_t_quantile(p, df).unwrap();
        // One degree of freedom: tan(pi (p - 1/2)). Two: (2 p - 1) / sqrt(2 p (1 - p)).
        for p in [0.6, 0.75, 0.9, 0.975, 0.999] {
            let cauchy = (std::f64::consts::PI * (p - 0.5)).tan();
            assert!((t(p, 1.0) / cauchy - 1.0).abs() < 1e-11, "{p}: {} {cauchy}", t(p, 1.0));
            let two = (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt();
            assert!((t(p, 2.0) / two - 1.0).abs() < 1e-11, "{p}: {} {two}", t(p, 2.0));
        }
        for (df, table) in [(4.0, 2.776_445), (9.0, 2.262_157), (19.0, 2.093_024), (99.0, 1.984_217)] {
            assert!((t(0.975, df) - table).abs() < 1e-6, "{df}: {}", t(0.975, df));
        }
        assert!(t(0.5, 3.0).abs() < 1e-12);
        assert!(student_t_quantile(0.0, 3.0).is_err() && student_t_quantile(1.0, 3.0).is_err());
        assert!(student_t_quantile(f64::NAN, 3.0).is_err() && student_t_quantile(0.9, 0.0).is_err());
    }

    proptest! {
        #[test]
        fn quantiles_undo_tails(p in 0.001..0.999_f64, df in 0.5..300.0_f64) {
            let t = student_t_quantile(p, df).unwrap();
            let upper = student_t_two_sided(t, df).unwrap() / 2.0;
            let found = if t < 0.0 { upper } else { 1.0 - upper };
            prop_assert!((found - p).abs() < 1e-11, "{found} {p}");
            prop_assert!((student_t_quantile(1.0 - p, df).unwrap() + t).abs() <= 1e-9 * t.abs().max(1e-3));
        }

        #[test]
        fn the_two_tails_of_beta_sum_to_one(a in 0.1..200.0_f64, b in 0.1..200.0_f64, x in 0.0..1.0_f64) {
            let sum = incomplete_beta(a, b, x).unwrap() + incomplete_beta(b, a, 1.0 - x).unwrap();
            prop_assert!((sum - 1.0).abs() < 1e-11, "{sum}");
        }

        #[test]
        fn gamma_grows_by_its_argument(x in 0.01..500.0_f64) {
            let step = ln_gamma(x + 1.0).unwrap() - ln_gamma(x).unwrap();
            prop_assert!((step - x.ln()).abs() < 1e-11);
        }
    }
}
