//! Stage II: the few dimensions in which target and English codes differ.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use numerics::linalg::symmetric_eigen;
use numerics::rng;
use rand::RngExt;
use rayon::prelude::*;

use super::neurons::{check_features, finite};
use crate::{Error, Result};

/// Shares of the spectrum below this count as none (the published code).
const LEAST_SHARE: f64 = 1e-10;
/// Added to the denominator of a gap (the published code).
const GAP_EPSILON: f64 = 1e-10;

/// The leading right singular vectors of `dZ [n, F]` and how its rank was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct SteeringSubspace {
    /// `V_r [F, r]`: orthonormal columns; the largest entry of each is positive.
    pub basis: Array2<f64>,
    /// `r = max(1, min(ceil(effective rank), r_max, gap))`.
    pub rank: usize,
    /// Share of the squared singular values in the first `r`.
    pub mass: f64,
    /// `exp(-sum p ln p)` with `p = S_i^2 / sum S^2`.
    pub effective_rank: f64,
    /// `1 + argmax over i < r_max of S_i / (S_{i+1} + 1e-10)`.
    pub eigengap: usize,
    /// All `min(n, F)` singular values, descending.
    pub singular_values: Array1<f64>,
}

impl SteeringSubspace {
    /// `P v = V_r V_r^T v`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a vector of another length.
    pub fn project(&self, vector: &Array1<f64>) -> Result<Array1<f64>> {
        if vector.len() != self.basis.nrows() {
            return Err(Error::Shape {
                what: "vector of features",
                expected: self.basis.nrows().to_string(),
                found: vector.len().to_string(),
            });
        }
        Ok(self.basis.dot(&self.basis.t().dot(vector)))
    }
}

/// `z_tgt - z_en [n, F]` of paired rows on the features, zero elsewhere.
///
/// # Errors
/// [`Error::Shape`] when rows are not paired or widths differ, [`Error::Parameter`] for a feature out of range or given
/// twice, [`Error::NotFinite`].
pub fn restricted_difference(
    target: &ArrayView2<'_, f64>,
    english: &ArrayView2<'_, f64>,
    features: &[usize],
) -> Result<Array2<f64>> {
    if target.dim() != english.dim() {
        return Err(Error::Shape {
            what: "codes of the pairs' English side",
            expected: format!("{:?}, one row for each target row", target.dim()),
            found: format!("{:?}", english.dim()),
        });
    }
    check_features(features, target.ncols())?;
    finite("codes of target text", target)?;
    finite("codes of English text", english)?;
    let mut difference = Array2::zeros(target.dim());
    for &j in features {
        let column = &target.column(j) - &english.column(j);
        difference.column_mut(j).assign(&column);
    }
    Ok(difference)
}

/// The steering subspace of `dZ [n, F]` with at most `r_max` dimensions (the published code takes 12), by the Gram matrix
/// of its columns that are not zero, in double precision.
///
/// # Errors
/// [`Error::TooFew`] for no rows, or a difference that is zero everywhere; [`Error::Parameter`] for an `r_max` of zero;
/// [`Error::NotFinite`].
///
/// ```
/// use llm_neurons::foxp2::steering_subspace;
/// // All rows along one direction of two of four features.
/// let dz = ndarray::Array2::from_shape_fn((9, 4), |(i, j)| [0.0, 3.0, 4.0, 0.0][j] * (i + 1) as f64);
/// let found = steering_subspace(&dz.view(), 12)?;
/// assert_eq!((found.rank, found.eigengap), (1, 1));
/// assert!((found.basis[[1, 0]] - 0.6).abs() < 1e-9 && (found.mass - 1.0).abs() < 1e-9);
/// # Ok::<(), llm_neurons::Error>(())
/// ```
pub fn steering_subspace(dz: &ArrayView2<'_, f64>, r_max: usize) -> Result<SteeringSubspace> {
    let active = Active::of(dz)?;
    if r_max == 0 {
        return Err(Error::Parameter { name: "r_max", value: 0.0, expected: "at least 1" });
    }
    let gram = active.values.t().dot(&active.values);
    let spectrum = Spectrum::of(&gram)?;
    // Singular values of the whole matrix: those of its zero columns are zero.
    let count = dz.nrows().min(dz.ncols());
    let mut s = Array1::zeros(count);
    s.iter_mut().zip(&spectrum.values).for_each(|(s, lambda)| *s = lambda.sqrt());
    let energy: f64 = s.iter().map(|x| x * x).sum();
    let shares = s.iter().map(|x| x * x / energy).filter(|p| *p >= LEAST_SHARE);
    let effective_rank = (-shares.map(|p| p * p.ln()).sum::<f64>()).exp();
    let mut eigengap = (1, f64::NEG_INFINITY);
    for i in 0..count.saturating_sub(1).min(r_max) {
        let gap = s[i] / (s[i + 1] + GAP_EPSILON);
        if gap > eigengap.1 {
            eigengap = (i + 1, gap);
        }
    }
    // Rounding must not lift a whole number above itself.
    let ceiled = (effective_rank - 1e-9).ceil().max(1.0) as usize;
    let rank = ceiled.min(r_max).min(eigengap.0).clamp(1, active.columns.len());
    let mass = s.iter().take(rank).map(|x| x * x).sum::<f64>() / energy;
    Ok(SteeringSubspace {
        basis: active.scatter(&spectrum.leading(rank), dz.ncols()),
        rank,
        mass,
        effective_rank,
        eigengap: eigengap.0,
        singular_values: s,
    })
}

/// How stable the subspace of a rank is under resampling of the rows: the median over pairs of `resamples` bootstrap draws
/// of `tr(P_a P_b) / r`, in [0, 1] (the published code takes 20 draws). Draw `i` is of `(seed, "foxp2.bootstrap", i)`.
///
/// # Errors
/// Those of [`steering_subspace`]; [`Error::Parameter`] for a rank of zero or above the number of features that differ;
/// [`Error::TooFew`] below two resamples.
pub fn bootstrap_stability(
    dz: &ArrayView2<'_, f64>,
    rank: usize,
    resamples: usize,
    seed: u64,
) -> Result<f64> {
    let active = Active::of(dz)?;
    if rank == 0 || rank > active.columns.len() {
        let expected = "between 1 and the number of features that differ";
        return Err(Error::Parameter { name: "rank", value: rank as f64, expected });
    }
    if resamples < 2 {
        return Err(Error::TooFew { what: "bootstrap draws", needed: 2, found: resamples });
    }
    let rows = active.values.nrows();
    let draw = |i: usize| {
        let mut stream = rng::stream(seed, "foxp2.bootstrap", i as u64);
        let mut counts = vec![0_u32; rows];
        (0..rows).for_each(|_| counts[stream.random_range(0..rows)] += 1);
        // A row that is drawn twice counts twice in the Gram matrix.
        let weights: Array1<f64> = counts.iter().map(|c| f64::from(*c).sqrt()).collect();
        let drawn = &active.values * &weights.insert_axis(Axis(1));
        Ok(Spectrum::of(&drawn.t().dot(&drawn))?.leading(rank))
    };
    let bases: Vec<Array2<f64>> = (0..resamples).into_par_iter().map(draw).collect::<Result<_>>()?;
    let mut overlaps = Vec::with_capacity(resamples * (resamples - 1) / 2);
    for (i, a) in bases.iter().enumerate() {
        for b in &bases[i + 1..] {
            let product = a.t().dot(b);
            overlaps.push(product.iter().map(|x| x * x).sum::<f64>() / rank as f64);
        }
    }
    Ok(numerics::summary::median(&overlaps)?)
}

/// The columns that are not zero.
struct Active {
    columns: Vec<usize>,
    values: Array2<f64>,
}

impl Active {
    fn of(dz: &ArrayView2<'_, f64>) -> Result<Self> {
        if dz.nrows() == 0 {
            return Err(Error::TooFew { what: "pairs", needed: 1, found: 0 });
        }
        finite("differences", dz)?;
        let columns: Vec<usize> =
            (0..dz.ncols()).filter(|j| dz.column(*j).iter().any(|x| *x != 0.0)).collect();
        if columns.is_empty() {
            return Err(Error::TooFew { what: "features that differ", needed: 1, found: 0 });
        }
        Ok(Self { values: dz.select(Axis(1), &columns), columns })
    }

    /// Rows of the active columns back in their places among `width`.
    fn scatter(&self, basis: &Array2<f64>, width: usize) -> Array2<f64> {
        let mut whole = Array2::zeros((width, basis.ncols()));
        for (row, j) in basis.outer_iter().zip(&self.columns) {
            whole.row_mut(*j).assign(&row);
        }
        whole
    }
}

/// Eigenvalues of a Gram matrix, descending, and eigenvectors in their order.
struct Spectrum {
    values: Vec<f64>,
    vectors: Array2<f64>,
}

impl Spectrum {
    fn of(gram: &Array2<f64>) -> Result<Self> {
        let found = symmetric_eigen(&gram.view())?;
        let n = found.values.len();
        let order: Vec<usize> = (0..n).rev().collect();
        let largest = found.values.last().copied().unwrap_or(0.0);
        // What lies below is rounding: it must not make gaps of its own.
        let floor = largest * n as f64 * f64::EPSILON * 4.0;
        let clean = |x: f64| if x > floor { x } else { 0.0 };
        Ok(Self {
            values: order.iter().map(|i| clean(found.values[*i])).collect(),
            vectors: found.vectors.select(Axis(1), &order),
        })
    }

    /// The first `rank` vectors, each with its largest entry positive.
    fn leading(&self, rank: usize) -> Array2<f64> {
        let order: Vec<usize> = (0..rank).collect();
        let mut basis = self.vectors.select(Axis(1), &order);
        for mut column in basis.columns_mut() {
            let largest = column.iter().copied().fold(0.0_f64, |a, b| if b.abs() > a.abs() { b } else { a });
            if largest < 0.0 {
                column.mapv_inplace(|x| -x);
            }
        }
        basis
    }
}
