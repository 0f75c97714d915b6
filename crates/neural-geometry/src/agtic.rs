//! Adaptive geo-topological independence criterion (Lin and Kriegeskorte 2018): the distance correlation of
//! thresholded distances, maximised over all thresholds and tested by permutation.

use ndarray::{Array2, ArrayView2};
use numerics::rng::{permutation, stream};
use rayon::prelude::*;

use crate::{Error, Result};

/// The answer of [`agtic`].
#[derive(Debug, Clone, PartialEq)]
pub struct Agtic {
    /// The greatest distance correlation over all threshold pairs.
    pub statistic: f64,
    /// Permutation p-value, `(1 + #{permuted >= observed}) / (1 + permutations)`.
    pub p: f64,
    /// The plain distance correlation, without thresholds.
    pub distance_correlation: f64,
    /// Its permutation p-value on the same permutations.
    pub distance_correlation_p: f64,
    /// Best thresholds of the first variable, as fractions of its greatest distance.
    pub thresholds_x: (f64, f64),
    /// Best thresholds of the second variable.
    pub thresholds_y: (f64, f64),
}

/// Thresholded, double-centred, normalised distance matrices, one per row.
struct Bank {
    rows: Array2<f64>,
    thresholds: Vec<(f64, f64)>,
}

/// Tests whether `x [n, p]` and `y [n, q]` are independent.
///
/// Thresholds run over `0, 1/(k-1), .., 1` of the greatest distance `a_max`, all `l < u`: a distance `a` becomes 0 up to
/// `l a_max`, `a_max` from `u a_max` on, and `a_max (a - l a_max) / ((u - l) a_max)` between. With A and B
/// double-centred, `dCor = sqrt(|<A,B>| / sqrt(<A,A> <B,B>))`, 0 without variance. The maximum over both pairs of
/// thresholds is taken anew for each permutation of the rows of `y`. Cost: `O(k^4 n^2)` per permutation, one matrix
/// product.
///
/// # Errors
/// [`Error::TooFew`] below three samples or two thresholds, [`Error::Length`], [`Error::Value`] for values that are not
/// finite.
pub fn agtic(
    x: &ArrayView2<'_, f64>,
    y: &ArrayView2<'_, f64>,
    k: usize,
    permutations: usize,
    seed: u64,
) -> Result<Agtic> {
    let n = x.nrows();
    if y.nrows() != n {
        return Err(Error::Length {
            what: "rows of y",
            expected: format!("{n}, as x has"),
            found: y.nrows(),
        });
    }
    for (what, needed, found) in
        [("samples", 3, n), ("thresholds", 2, k), ("columns", 1, x.ncols().min(y.ncols()))]
    {
        if found < needed {
            return Err(Error::TooFew { what, needed, found });
        }
    }
    let (a, b) = (bank(x, k)?, bank(y, k)?);
    let full = k - 2; // the pair (0, 1): the last of the pairs that begin with 0
    let observed = a.rows.dot(&b.rows.t());
    let (mut best, mut at) = (-1.0, (0, 0));
    for (place, value) in observed.indexed_iter() {
        if value.abs() > best {
            (best, at) = (value.abs(), place);
        }
    }
    let plain = observed[[full, full]].abs();
    let counts: Vec<(bool, bool)> = (0..permutations as u64)
        .into_par_iter()
        .map(|draw| {
            let order = permutation(&mut stream(seed, "agtic/permutation", draw), n);
            let mut shuffled = Array2::zeros(b.rows.dim());
            for (row, mut out) in b.rows.outer_iter().zip(shuffled.outer_iter_mut()) {
                for (cell, value) in out.iter_mut().enumerate() {
                    *value = row[order[cell / n] * n + order[cell % n]];
                }
            }
            let products = a.rows.dot(&shuffled.t());
            let most = products.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            (most >= best, products[[full, full]].abs() >= plain)
        })
        .collect();
    let p = |hits: usize| (1 + hits) as f64 / (1 + permutations) as f64;
    Ok(Agtic {
        statistic: best.sqrt(),
        p: p(counts.iter().filter(|c| c.0).count()),
        distance_correlation: plain.sqrt(),
        distance_correlation_p: p(counts.iter().filter(|c| c.1).count()),
        thresholds_x: a.thresholds[at.0],
        thresholds_y: b.thresholds[at.1],
    })
}

fn bank(x: &ArrayView2<'_, f64>, k: usize) -> Result<Bank> {
    if let Some((index, value)) = x.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(Error::Value { what: "samples", index, value: *value, expected: "finite" });
    }
    let n = x.nrows();
    let distances = Array2::from_shape_fn((n, n), |(i, j)| {
        x.row(i).iter().zip(x.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    });
    let most = distances.iter().copied().fold(0.0, f64::max);
    let grid: Vec<f64> = (0..k).map(|i| i as f64 / (k - 1) as f64).collect();
    let thresholds: Vec<(f64, f64)> =
        (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).map(|(i, j)| (grid[i], grid[j])).collect();
    let mut rows = Array2::zeros((thresholds.len(), n * n));
    for ((l, u), mut out) in thresholds.iter().zip(rows.outer_iter_mut()) {
        let (low, high) = (most * l, most * u);
        let cut = distances.mapv(|a| match () {
            () if a <= low => 0.0,
            () if a >= high => most,
            () => most * (a - low) / (high - low),
        });
        let means: Vec<f64> = cut.outer_iter().map(|r| r.sum() / n as f64).collect();
        let grand = means.iter().sum::<f64>() / n as f64;
        for ((i, j), value) in cut.indexed_iter() {
            out[i * n + j] = value - means[i] - means[j] + grand;
        }
        let norm = out.dot(&out).sqrt();
        if norm > 1e-12 * most * n as f64 {
            out /= norm;
        } else {
            out.fill(0.0);
        }
    }
    Ok(Bank { rows, thresholds })
}
