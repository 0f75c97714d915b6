//! Representational dissimilarity matrices.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, Zip};
use numerics::finite::first_nonfinite;
use numerics::gram::upper_gram;
use rayon::prelude::*;

use crate::{Error, Result};

/// Up to this many units the Euclidean distances are summed from differences: equal distances of a symmetric
/// configuration then stay equal to the last bit, and with them the ties of their ranks.
const DIRECT_UNITS: usize = 32;

/// How dissimilar two patterns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// `|a - b|`.
    Euclidean,
    /// `|a - b|^2`.
    SquaredEuclidean,
    /// One minus Pearson's correlation of the two patterns.
    Correlation,
    /// One minus the cosine of their angle.
    Cosine,
}

/// Dissimilarities of all pairs of `n` stimuli, as the condensed row-major upper triangle:
/// `d(0,1), d(0,2), .., d(n-2,n-1)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rdm {
    n: usize,
    condensed: Vec<f64>,
}

impl Rdm {
    /// Dissimilarities of the rows of `[stimuli, units]`.
    ///
    /// All metrics come from one matrix product of the rows, `O(n^2 d)`. For the Euclidean ones the units' means are
    /// taken off first, so that a common offset costs no digits, and pairs whose distance is small beside their norms
    /// (below 1e-4 of them, squared) are computed from their difference, as are all pairs of patterns of up to 32 units.
    ///
    /// # Errors
    /// [`Error::TooFew`] below three stimuli or without units, [`Error::Value`] for NaN or infinities,
    /// [`Error::Degenerate`] for constant (correlation) or zero (cosine) patterns.
    pub fn from_patterns(patterns: &ArrayView2<'_, f64>, metric: Metric) -> Result<Self> {
        let (n, units) = patterns.dim();
        if n < 3 {
            return Err(Error::TooFew { what: "stimuli", needed: 3, found: n });
        }
        if units == 0 {
            return Err(Error::TooFew { what: "units", needed: 1, found: 0 });
        }
        if let Some(((stimulus, unit), value)) = first_nonfinite(patterns) {
            let index = stimulus * units + unit;
            return Err(Error::Value { what: "patterns", index, value, expected: "finite" });
        }
        let rows = prepare(patterns, metric)?;
        let direct = units <= DIRECT_UNITS && matches!(metric, Metric::Euclidean | Metric::SquaredEuclidean);
        let gram = if direct { Array2::zeros((0, 0)) } else { upper_gram(&rows.view()) };
        let norms: Array1<f64> = gram.diag().to_owned();
        let squared = |i: usize, j: usize| {
            if !direct {
                let sum = norms[i] + norms[j];
                let d = sum - 2.0 * gram[[i, j]];
                if d > 1e-4 * sum {
                    return d;
                }
            }
            patterns.row(i).iter().zip(patterns.row(j)).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let entry = |i: usize, j: usize| match metric {
            Metric::Euclidean => squared(i, j).sqrt(),
            Metric::SquaredEuclidean => squared(i, j),
            Metric::Correlation | Metric::Cosine => 1.0 - gram[[i, j]].clamp(-1.0, 1.0),
        };
        let mut condensed = vec![0.0; n * (n - 1) / 2];
        rows_of(&mut condensed, n).into_par_iter().enumerate().for_each(|(i, row)| {
            row.iter_mut().zip(i + 1..).for_each(|(d, j)| *d = entry(i, j));
        });
        Ok(Self { n, condensed })
    }

    /// An RDM from its condensed vector of `n (n - 1) / 2` entries.
    ///
    /// # Errors
    /// [`Error::Length`] when there is no such `n >= 3`, [`Error::Value`] for NaN or infinities.
    pub fn from_condensed(condensed: Vec<f64>) -> Result<Self> {
        let n = stimuli_of(condensed.len())?;
        if let Some((index, value)) = condensed.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            return Err(Error::Value { what: "RDM", index, value: *value, expected: "finite" });
        }
        Ok(Self { n, condensed })
    }

    /// The RDM of some of the stimuli, or of all in another order.
    ///
    /// # Errors
    /// [`Error::TooFew`] below three, [`Error::Parameter`] for a stimulus that does not exist or that is named twice.
    pub fn subset(&self, stimuli: &[usize]) -> Result<Self> {
        let n = stimuli.len();
        if n < 3 {
            return Err(Error::TooFew { what: "stimuli", needed: 3, found: n });
        }
        let mut seen = vec![false; self.n];
        for s in stimuli {
            match seen.get_mut(*s) {
                Some(first) if !*first => *first = true,
                _ => {
                    let expected = "below the number of stimuli, each once";
                    return Err(Error::Parameter { name: "stimulus", value: *s as f64, expected });
                }
            }
        }
        let at = |a: usize, b: usize| {
            let (i, j) = (a.min(b), a.max(b));
            self.condensed[self.n * i - i * (i + 1) / 2 + j - i - 1]
        };
        let condensed = (0..n)
            .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
            .map(|(i, j)| at(stimuli[i], stimuli[j]))
            .collect();
        Ok(Self { n, condensed })
    }

    /// Number of stimuli.
    #[must_use]
    pub fn stimuli(&self) -> usize {
        self.n
    }

    /// The upper triangle, row by row.
    #[must_use]
    pub fn condensed(&self) -> &[f64] {
        &self.condensed
    }

    /// The symmetric matrix `[n, n]` with zeros on its diagonal.
    #[must_use]
    pub fn square(&self) -> Array2<f64> {
        square(&self.condensed, self.n, 0.0)
    }
}

/// The rows of a condensed vector: row `i` holds the pairs `(i, i + 1), .., (i, n - 1)`.
pub(crate) fn rows_of(condensed: &mut [f64], n: usize) -> Vec<&mut [f64]> {
    let (mut rows, mut rest) = (Vec::with_capacity(n), condensed);
    for i in 0..n {
        let (row, later) = rest.split_at_mut((n - 1 - i).min(rest.len()));
        rows.push(row);
        rest = later;
    }
    rows
}

/// `n` of a condensed vector of length `n (n - 1) / 2`, at least three.
pub(crate) fn stimuli_of(length: usize) -> Result<usize> {
    let n = ((1.0 + 8.0 * length as f64).sqrt() as usize).div_ceil(2);
    if n < 3 || n * (n - 1) / 2 != length {
        let expected = "n (n - 1) / 2 values with n >= 3".to_owned();
        return Err(Error::Length { what: "condensed RDM", expected, found: length });
    }
    Ok(n)
}

/// The symmetric matrix of a condensed vector of the right length.
pub(crate) fn square(condensed: &[f64], n: usize, diagonal: f64) -> Array2<f64> {
    let mut out = Array2::from_elem((n, n), diagonal);
    let mut values = condensed.iter();
    for i in 0..n {
        for j in i + 1..n {
            if let Some(d) = values.next() {
                out[[i, j]] = *d;
                out[[j, i]] = *d;
            }
        }
    }
    out
}

/// Rows whose Gram matrix holds what the metric needs.
fn prepare(patterns: &ArrayView2<'_, f64>, metric: Metric) -> Result<Array2<f64>> {
    match metric {
        Metric::Euclidean | Metric::SquaredEuclidean => {
            let mean = mean(patterns);
            Ok(Zip::from(patterns).and_broadcast(&mean).par_map_collect(|x, mean| x - mean))
        }
        Metric::Correlation | Metric::Cosine => {
            let mut rows = Array2::zeros(patterns.dim());
            let pairs = patterns.axis_iter(Axis(0)).into_par_iter().enumerate();
            let degenerate =
                pairs.zip(rows.axis_iter_mut(Axis(0)).into_par_iter()).filter_map(|((i, from), row)| {
                    (!normalise(from, row, metric == Metric::Correlation)).then_some(i)
                });
            if let Some(row) = degenerate.min() {
                let why =
                    if metric == Metric::Correlation { "constant: no correlation" } else { "zero: no angle" };
                return Err(Error::Degenerate { row, why });
            }
            Ok(rows)
        }
    }
}

/// Means of the units, summed over blocks of rows so that threads change nothing.
fn mean(patterns: &ArrayView2<'_, f64>) -> Array1<f64> {
    const BLOCK: usize = 64;
    let sums: Vec<Array1<f64>> = patterns
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|block| block.sum_axis(Axis(0)))
        .collect();
    let mut total = Array1::zeros(patterns.ncols());
    sums.iter().for_each(|s| total += s);
    total / patterns.nrows() as f64
}

/// A pattern of unit length, without its mean where `centre` says so; `false` when there is no length left.
fn normalise(from: ArrayView1<'_, f64>, mut to: ArrayViewMut1<'_, f64>, centre: bool) -> bool {
    to.assign(&from);
    let scale = to.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
    if centre {
        let mean = to.sum() / to.len() as f64;
        to -= mean;
    }
    let norm = to.dot(&to).sqrt();
    // What rounding leaves of a constant pattern is no variance.
    if norm <= 1e-14 * scale * (to.len() as f64).sqrt() {
        return false;
    }
    to *= 1.0 / norm;
    true
}
