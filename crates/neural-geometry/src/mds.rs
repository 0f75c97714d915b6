//! Multidimensional scaling: points whose distances resemble an RDM.

use ndarray::{Array2, ArrayView2};
use numerics::linalg::symmetric_eigen;

use crate::{Error, Rdm, Result};

/// Points in a few dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Mds {
    /// Coordinates `[stimuli, dimensions]`, centred.
    pub points: Array2<f64>,
    /// Kruskal's stress-1, `sqrt(sum (d - distance)^2 / sum distance^2)`, over all pairs.
    pub stress: f64,
    /// Eigenvalues of `-1/2 J D^2 J`, descending (classical scaling); negative ones measure how far the RDM is from
    /// Euclidean. Empty after [`smacof`].
    pub eigenvalues: Vec<f64>,
    /// Steps taken by [`smacof`].
    pub iterations: usize,
}

/// Classical scaling (Torgerson 1952): the leading eigenvectors of `-1/2 J D^2 J`, each times the root of its eigenvalue.
///
/// Dissimilarities are distances, not squared ones. A dimension whose eigenvalue is not positive is zero. The largest
/// coordinate (in absolute value) of each dimension is positive.
///
/// # Errors
/// [`Error::Parameter`] unless `1 <= dimensions < stimuli`, [`Error::Numerics`].
pub fn classical_mds(rdm: &Rdm, dimensions: usize) -> Result<Mds> {
    let n = rdm.stimuli();
    if dimensions == 0 || dimensions >= n {
        let expected = "between 1 and the number of stimuli, exclusive";
        return Err(Error::Parameter { name: "dimensions", value: dimensions as f64, expected });
    }
    let squared = rdm.square().mapv(|d| d * d);
    let means: Vec<f64> = squared.outer_iter().map(|r| r.sum() / n as f64).collect();
    let grand = means.iter().sum::<f64>() / n as f64;
    let inner =
        Array2::from_shape_fn((n, n), |(i, j)| -0.5 * (squared[[i, j]] - means[i] - means[j] + grand));
    let eigen = symmetric_eigen(&inner.view())?;
    let eigenvalues: Vec<f64> = eigen.values.iter().rev().copied().collect();
    let floor = 1e-12 * eigenvalues[0].abs().max(eigenvalues[n - 1].abs());
    let mut points = Array2::zeros((n, dimensions));
    for (k, mut column) in points.columns_mut().into_iter().enumerate() {
        if eigenvalues[k] > floor {
            column.assign(&eigen.vectors.column(n - 1 - k));
            let peak = column.iter().fold(0.0_f64, |m, v| if v.abs() > m.abs() { *v } else { m });
            column *= eigenvalues[k].sqrt() * peak.signum();
        }
    }
    let stress = stress(rdm, &points);
    Ok(Mds { points, stress, eigenvalues, iterations: 0 })
}

/// Metric scaling by majorisation (SMACOF, de Leeuw 1977) from given points: no step increases
/// `sum (d - distance)^2`.
///
/// Stops when a step improves it by less than `tolerance`, relative, or after `iterations` steps.
///
/// # Errors
/// [`Error::Length`] unless there is one row of `start` per stimulus, [`Error::Value`] for negative dissimilarities or
/// starting points that are not finite.
pub fn smacof(rdm: &Rdm, start: &ArrayView2<'_, f64>, iterations: usize, tolerance: f64) -> Result<Mds> {
    let n = rdm.stimuli();
    if start.nrows() != n {
        return Err(Error::Length {
            what: "starting points",
            expected: format!("{n} rows"),
            found: start.nrows(),
        });
    }
    if let Some((index, value)) = start.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(Error::Value { what: "starting points", index, value: *value, expected: "finite" });
    }
    if let Some((index, value)) = rdm.condensed().iter().enumerate().find(|(_, d)| **d < 0.0) {
        return Err(Error::Value { what: "dissimilarities", index, value: *value, expected: "at least 0" });
    }
    let wanted = rdm.square();
    let mut points = start.to_owned();
    if let Some(mean) = points.mean_axis(ndarray::Axis(0)) {
        points -= &mean;
    }
    let mut before = raw_stress(rdm, &points);
    let mut steps = 0;
    while steps < iterations {
        // Guttman's transform: X <- B(X) X / n.
        let mut b = Array2::zeros((n, n));
        for i in 0..n {
            let mut sum = 0.0;
            for j in 0..n {
                let d = distance(&points, i, j);
                if i != j && d > 0.0 {
                    b[[i, j]] = -wanted[[i, j]] / d;
                    sum -= b[[i, j]];
                }
            }
            b[[i, i]] = sum;
        }
        points = b.dot(&points) / n as f64;
        steps += 1;
        let after = raw_stress(rdm, &points);
        if before - after <= tolerance * before {
            break;
        }
        before = after;
    }
    let stress = stress(rdm, &points);
    Ok(Mds { points, stress, eigenvalues: Vec::new(), iterations: steps })
}

fn distance(points: &Array2<f64>, i: usize, j: usize) -> f64 {
    points.row(i).iter().zip(points.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// `sum (d - distance)^2` over all pairs.
fn raw_stress(rdm: &Rdm, points: &Array2<f64>) -> f64 {
    let n = rdm.stimuli();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    rdm.condensed().iter().zip(pairs).map(|(d, (i, j))| (d - distance(points, i, j)).powi(2)).sum()
}

fn stress(rdm: &Rdm, points: &Array2<f64>) -> f64 {
    let n = rdm.stimuli();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let scale: f64 = pairs.map(|(i, j)| distance(points, i, j).powi(2)).sum();
    let raw = raw_stress(rdm, points);
    if raw == 0.0 { 0.0 } else { (raw / scale).sqrt() }
}
