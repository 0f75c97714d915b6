//! Recurrent weights `[target, source]` with nothing on the diagonal.

use ndarray::{Array2, ArrayView2};
use numerics::rng::{normals, stream};
use rand::RngExt;

use crate::{Error, Result};

/// Beyond this, sums of weights could overflow.
const LARGEST: f64 = 1e100;

/// Refuses weights that no network can have.
///
/// # Errors
/// [`Error::Shape`] unless the matrix is square and not empty; [`Error::Parameter`] for a weight that is not finite (or
/// beyond 1e100) or a diagonal that is not 0.
pub fn check_weights(weights: &ArrayView2<'_, f64>) -> Result<()> {
    let (rows, columns) = weights.dim();
    if rows != columns || rows == 0 {
        return Err(Error::shape("weights", "[neurons, neurons], not empty", format!("[{rows}, {columns}]")));
    }
    for ((i, j), w) in weights.indexed_iter() {
        let fault = |expected| Err(Error::parameter(format!("weight from {j} to {i}"), *w, expected));
        if w.is_nan() || w.abs() > LARGEST {
            return fault("finite, at most 1e100 in size");
        }
        if i == j && *w != 0.0 {
            return fault("0: no neuron feeds itself");
        }
    }
    Ok(())
}

/// Weights drawn from `N(0, g^2 / (p N))`, each there with probability p (`p = 1`: all to all); diagonal 0. `index` tells
/// independent draws of one seed apart.
///
/// # Errors
/// [`Error::Parameter`] unless there is a neuron, the gain is finite and 0 or more, and `0 < p <= 1`.
pub fn random_weights(neurons: usize, gain: f64, density: f64, seed: u64, index: u64) -> Result<Array2<f64>> {
    if neurons == 0 {
        return Err(Error::parameter("neurons", 0.0, "1 or more"));
    }
    if !(gain.is_finite() && gain >= 0.0) {
        return Err(Error::parameter("gain", gain, "finite, 0 or more"));
    }
    if !(density > 0.0 && density <= 1.0) {
        return Err(Error::parameter("density", density, "above 0, at most 1"));
    }
    let mut rng = stream(seed, "13-pspm/weights", index);
    let scale = gain / (density * neurons as f64).sqrt();
    let mut weights = Array2::zeros((neurons, neurons));
    for ((i, j), w) in weights.indexed_iter_mut() {
        let value = scale * normals(&mut rng, 1)[0];
        let there = density == 1.0 || rng.random::<f64>() < density;
        if i != j && there {
            *w = value;
        }
    }
    Ok(weights)
}

/// Pearson's correlation of the weights off the diagonals.
///
/// # Errors
/// [`Error::Shape`] for matrices of unequal or not square shape; [`Error::Numerics`] where all weights of one are equal or
/// there are fewer than two.
pub fn weight_correlation(a: &Array2<f64>, b: &Array2<f64>) -> Result<f64> {
    if a.dim() != b.dim() || a.nrows() != a.ncols() {
        return Err(Error::shape("weights", format!("{:?}, square", a.dim()), format!("{:?}", b.dim())));
    }
    let off = |m: &Array2<f64>| {
        m.indexed_iter().filter(|((i, j), _)| i != j).map(|(_, w)| *w).collect::<Vec<f64>>()
    };
    Ok(numerics::correlation::pearson(&off(a), &off(b))?)
}
