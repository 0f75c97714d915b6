//! Cross-validated squared Mahalanobis distances (crossnobis, LDC).

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use numerics::linalg::product;

use crate::{Error, Rdm, Result};

/// A cross-validated RDM and the conditions of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossnobis {
    /// The distances; unbiased ones can be negative.
    pub rdm: Rdm,
    /// The conditions, ascending, in the order of the RDM.
    pub conditions: Vec<i64>,
}

/// Crossnobis distances of the conditions in `patterns [observations, units]`.
///
/// Each fold is left out once. With `u_i` the mean of condition `i` over the observations of the other folds, `v_i` that
/// over the fold left out and `P` the noise precision `[units, units]` (identity when `None`),
/// `d(i, j) = mean over folds of (u_i - u_j)^T P (v_i - v_j)`. Noise that is independent between folds adds nothing on
/// average, so equal patterns have a distance of zero in expectation. Not divided by the number of units.
///
/// # Errors
/// [`Error::Length`], [`Error::Value`] for values that are not finite, [`Error::TooFew`] below two folds or three
/// conditions, [`Error::Missing`] when a fold lacks a condition, [`Error::Parameter`] for a precision that is not
/// symmetric.
pub fn crossnobis(
    patterns: &ArrayView2<'_, f64>,
    conditions: &[i64],
    folds: &[i64],
    precision: Option<&ArrayView2<'_, f64>>,
) -> Result<Crossnobis> {
    let (observations, units) = patterns.dim();
    for (what, found) in [("conditions", conditions.len()), ("folds", folds.len())] {
        if found != observations {
            return Err(Error::Length {
                what,
                expected: format!("{observations}, one per observation"),
                found,
            });
        }
    }
    if let Some((index, value)) = patterns.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(Error::Value { what: "patterns", index, value: *value, expected: "finite" });
    }
    let names = distinct(conditions);
    let parts = distinct(folds);
    for (what, needed, found) in
        [("folds", 2, parts.len()), ("conditions", 3, names.len()), ("units", 1, units)]
    {
        if found < needed {
            return Err(Error::TooFew { what, needed, found });
        }
    }
    if let Some(precision) = precision {
        check(precision, units)?;
    }
    let (sums, counts) = fold_sums(patterns, conditions, folds, &names, &parts)?;
    let n = names.len();
    let mut total = Array2::<f64>::zeros((n, units));
    sums.iter().for_each(|s| total += s);
    let all: Array1<f64> = counts.iter().fold(Array1::zeros(n), |a, c| a + c);
    let mut kernel = Array2::<f64>::zeros((n, n));
    for (sum, count) in sums.iter().zip(&counts) {
        let mut train = (&total - sum) / (&all - count).insert_axis(Axis(1));
        let mut test = sum / &count.view().insert_axis(Axis(1));
        // Distances do not see a common offset; without it they lose no digits to it.
        centre(&mut train);
        centre(&mut test);
        if let Some(precision) = precision {
            test = product(&test.view(), precision)?;
        }
        kernel += &product(&train.view(), &test.t())?;
    }
    kernel /= parts.len() as f64;
    let mut condensed = Vec::with_capacity(n * (n - 1) / 2);
    for i in 0..n {
        for j in i + 1..n {
            condensed.push(kernel[[i, i]] + kernel[[j, j]] - kernel[[i, j]] - kernel[[j, i]]);
        }
    }
    Ok(Crossnobis { rdm: Rdm::from_condensed(condensed)?, conditions: names })
}

/// Sum and number of each condition's observations in each fold.
type FoldSums = (Vec<Array2<f64>>, Vec<Array1<f64>>);

fn fold_sums(
    patterns: &ArrayView2<'_, f64>,
    conditions: &[i64],
    folds: &[i64],
    names: &[i64],
    parts: &[i64],
) -> Result<FoldSums> {
    let place =
        |of: &[i64]| -> BTreeMap<i64, usize> { of.iter().enumerate().map(|(i, v)| (*v, i)).collect() };
    let (condition_at, fold_at) = (place(names), place(parts));
    let mut sums = vec![Array2::zeros((names.len(), patterns.ncols())); parts.len()];
    let mut counts = vec![Array1::zeros(names.len()); parts.len()];
    for ((row, condition), fold) in patterns.outer_iter().zip(conditions).zip(folds) {
        let (c, f) = (condition_at[condition], fold_at[fold]);
        let mut sum = sums[f].row_mut(c);
        sum += &row;
        counts[f][c] += 1.0;
    }
    for (f, count) in counts.iter().enumerate() {
        if let Some(c) = count.iter().position(|n| *n == 0.0) {
            return Err(Error::Missing { condition: names[c], fold: parts[f] });
        }
    }
    Ok((sums, counts))
}

fn check(precision: &ArrayView2<'_, f64>, units: usize) -> Result<()> {
    let (rows, columns) = precision.dim();
    if rows != units || columns != units {
        let found = if rows == units { columns } else { rows };
        return Err(Error::Length { what: "precision", expected: format!("[{units}, {units}]"), found });
    }
    if let Some((index, value)) = precision.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(Error::Value { what: "precision", index, value: *value, expected: "finite" });
    }
    let scale = precision.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let gap = precision.indexed_iter().fold(0.0_f64, |m, ((i, j), x)| m.max((x - precision[[j, i]]).abs()));
    if gap > 1e-8 * scale {
        return Err(Error::Parameter { name: "asymmetry of the precision", value: gap, expected: "0" });
    }
    Ok(())
}

fn centre(x: &mut Array2<f64>) {
    if let Some(mean) = x.mean_axis(Axis(0)) {
        *x -= &mean;
    }
}

fn distinct(values: &[i64]) -> Vec<i64> {
    let mut out = values.to_vec();
    out.sort_unstable();
    out.dedup();
    out
}
