//! How far two samples' distributions lie apart.

use crate::{Error, Result};

/// The two-sample Kolmogorov-Smirnov distance: the greatest difference of the cumulative distributions, from 0 to 1.
///
/// # Errors
/// [`Error::TooFew`] where a sample is empty; [`Error::Parameter`] for a value that is not finite.
pub fn ks_two_sample(a: &[f64], b: &[f64]) -> Result<f64> {
    let mut worst = 0.0_f64;
    walk("Kolmogorov-Smirnov distance", a, b, |gap, _| worst = worst.max(gap.abs()))?;
    Ok(worst)
}

/// The 1-Wasserstein distance of two samples: the area between the cumulative distributions, in the values' unit.
///
/// # Errors
/// Those of [`ks_two_sample`].
pub fn wasserstein(a: &[f64], b: &[f64]) -> Result<f64> {
    let mut area = 0.0;
    walk("Wasserstein distance", a, b, |gap, width| area += gap.abs() * width)?;
    Ok(area)
}

/// Visits the difference of the cumulative distributions and the width over which it lasts.
fn walk(what: &str, a: &[f64], b: &[f64], mut visit: impl FnMut(f64, f64)) -> Result<()> {
    let (a, b) = (ordered(what, a)?, ordered(what, b)?);
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let least = |i: usize, j: usize| match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => Some(x.min(*y)),
            (one, other) => one.or(other).copied(),
        };
        let Some(here) = least(i, j) else { break };
        i += a[i..].iter().take_while(|x| **x == here).count();
        j += b[j..].iter().take_while(|x| **x == here).count();
        let gap = i as f64 / a.len() as f64 - j as f64 / b.len() as f64;
        visit(gap, least(i, j).map_or(0.0, |next| next - here));
    }
    Ok(())
}

fn ordered(what: &str, values: &[f64]) -> Result<Vec<f64>> {
    if values.is_empty() {
        return Err(Error::TooFew { what: format!("{what}: values"), needed: 1, found: 0 });
    }
    if let Some(bad) = values.iter().find(|x| !x.is_finite()) {
        return Err(Error::parameter(format!("{what}: value"), *bad, "finite"));
    }
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    // -0 and 0 are one value.
    values.iter_mut().for_each(|x| *x += 0.0);
    Ok(values)
}
