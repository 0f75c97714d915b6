//! Mean, spread and the interval of a mean.

use crate::distributions::student_t_quantile;
use crate::ranks::quantile;
use crate::{Error, Result};

/// `sum(x) / n`; NaN without a value.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample standard deviation, `sqrt(sum (x - mean)^2 / (n - 1))`; NaN below two values.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let m = mean(values);
    (values.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

/// The standard error of the mean, `sd / sqrt(n)`; NaN below two values.
#[must_use]
pub fn standard_error(values: &[f64]) -> f64 {
    standard_deviation(values) / (values.len() as f64).sqrt()
}

/// The value in the middle, or the mean of the two in the middle.
///
/// # Errors
/// [`Error::TooFew`] without a value, [`Error::NotFinite`].
pub fn median(values: &[f64]) -> Result<f64> {
    quantile(values, 0.5)
}

/// Student's interval of the mean of independent values: `mean -+ t_{(1 + level) / 2, n - 1} sd / sqrt(n)`, lower end
/// first.
///
/// # Errors
/// [`Error::TooFew`] below two values, [`Error::NotFinite`], [`Error::Parameter`] unless `0 < level < 1`.
pub fn t_interval(values: &[f64], level: f64) -> Result<(f64, f64)> {
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::Parameter { name: "level", value: level, expected: "in (0, 1)" });
    }
    let what = "interval of a mean";
    if let Some(index) = values.iter().position(|x| !x.is_finite()) {
        return Err(Error::NotFinite { what, index });
    }
    if values.len() < 2 {
        return Err(Error::TooFew { what, needed: 2, found: values.len() });
    }
    let half = student_t_quantile((1.0 + level) / 2.0, values.len() as f64 - 1.0)? * standard_error(values);
    Ok((mean(values) - half, mean(values) + half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{normals, stream};

    #[test]
    fn figures_of_a_small_sample_are_those_of_the_formulas() {
        let x = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&x), 5.0);
        assert!((standard_deviation(&x) - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        assert!((standard_error(&x) - (4.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        assert_eq!((median(&x).unwrap(), median(&[3.0, 1.0, 2.0]).unwrap()), (4.5, 2.0));
        // t of 0.975 with 7 degrees of freedom, from printed tables.
        let (low, high) = t_interval(&x, 0.95).unwrap();
        let half = 2.364_624_251_592_785 * (4.0_f64 / 7.0).sqrt();
        assert!((low - (5.0 - half)).abs() < 1e-9 && (high - (5.0 + half)).abs() < 1e-9, "{low} {high}");
    }

    #[test]
    fn intervals_of_few_values_cover_as_often_as_they_say() {
        let covered = (0..2000)
            .filter(|trial| {
                let x = normals(&mut stream(3, "summary/test", *trial), 4);
                let (low, high) = t_interval(&x, 0.9).unwrap();
                low <= 0.0 && 0.0 <= high
            })
            .count();
        // Binomial(2000, 0.9): sd 13.4. Normal quantiles would cover about 1650.
        assert!((1750..=1850).contains(&covered), "{covered} of 2000 at level 0.9");
    }

    #[test]
    fn what_has_no_spread_or_no_value_is_not_a_number_or_refused() {
        assert!(mean(&[]).is_nan() && standard_deviation(&[1.0]).is_nan() && standard_error(&[]).is_nan());
        assert!(median(&[]).is_err() && median(&[f64::NAN]).is_err());
        assert!(t_interval(&[1.0], 0.95).is_err() && t_interval(&[1.0, f64::INFINITY], 0.95).is_err());
        assert!(t_interval(&[1.0, 2.0], 1.0).is_err() && t_interval(&[1.0, 2.0], f64::NAN).is_err());
        assert_eq!(t_interval(&[2.0, 2.0], 0.95).unwrap(), (2.0, 2.0));
    }
}
