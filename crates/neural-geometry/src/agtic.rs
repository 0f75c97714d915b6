//! Adaptive geo-topological independence criterion (Lin and Kriegeskorte 2018): the distance correlation of
//! thresholded distances, maximised over all thresholds and tested by permutation.

use ndarray::{Array2, ArrayView2};
use numerics::linalg::product;
use numerics::ranks::quantile_of_sorted;
use numerics::rng::{permutation, stream};
use rayon::prelude::*;

use crate::{Error, Result};

/// Permutations whose rearranged distances are multiplied together.
const BATCH: usize = 16;

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
    /// Best thresholds of the first variable, on the scale of [`Thresholds`].
    pub thresholds_x: (f64, f64),
    /// Best thresholds of the second variable.
    pub thresholds_y: (f64, f64),
}

/// What the grid `0, 1/(k-1), .., 1` of thresholds means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thresholds {
    /// Fractions of the greatest distance.
    #[default]
    Distance,
    /// Quantiles of the full matrix of distances, its diagonal of zeros included.
    Quantile,
}

/// Tests whether `x [n, p]` and `y [n, q]` are independent.
///
/// Thresholds run over `0, 1/(k-1), .., 1` of the greatest distance `a_max` (or of the quantiles of the distances), all
/// `l < u`: a distance `a` becomes 0 up to the lower one, `a_max` from the upper one on, and
/// `a_max (a - lower) / (upper - lower)` between. With A and B double-centred,
/// `dCor = sqrt(|<A,B>| / sqrt(<A,A> <B,B>))`, 0 without variance. The maximum over both pairs of thresholds is taken
/// anew for each permutation of the rows of `y`. Values within 1e-12 of the observed one, relative, count as equal to it.
///
/// **Cost.** Each ramp is a difference of two hinges, `a_max ((a - l)_+ - (a - u)_+) / (u - l)`, and centring is linear:
/// the `k^4 / 4` inner products of ramps follow from the `k^2` of hinges. A permutation costs `O(k^2 n^2 + k^4)`, not
/// `O(k^4 n^2)`.
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
    agtic_with(x, y, k, Thresholds::Distance, permutations, seed)
}

/// [`agtic`] with a choice of what the thresholds mean.
///
/// # Errors
/// Those of [`agtic`].
pub fn agtic_with(
    x: &ArrayView2<'_, f64>,
    y: &ArrayView2<'_, f64>,
    k: usize,
    thresholds: Thresholds,
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
    let (a, b) = rayon::join(|| Side::new(x, k, thresholds), || Side::new(y, k, thresholds));
    let (a, b) = (a?, b?);
    let rows = a.centred_pairs();
    let full = a.pairs.iter().position(|p| p.thresholds == (0.0, 1.0)).unwrap_or(0);
    let identity: Vec<usize> = (0..n).collect();
    let observed = correlations(&a, &b, &rows, &[identity])?.remove(0);
    let (mut best, mut at) = (-1.0, (0, 0));
    for (place, value) in observed.indexed_iter() {
        // Rounding does not decide between thresholds that say the same.
        if *value > best * (1.0 + 1e-12) {
            (best, at) = (*value, place);
        }
    }
    let plain = observed[[full, full]];
    let reaches = |value: f64, bar: f64| value >= bar * (1.0 - 1e-12);
    let batches = permutations.div_ceil(BATCH);
    let counts = (0..batches)
        .into_par_iter()
        .map(|batch| {
            let draws = batch * BATCH..((batch + 1) * BATCH).min(permutations);
            let orders: Vec<Vec<usize>> = draws
                .map(|draw| permutation(&mut stream(seed, "agtic/permutation", draw as u64), n))
                .collect();
            let found = correlations(&a, &b, &rows, &orders)?;
            let most = |m: &Array2<f64>| m.iter().fold(0.0_f64, |m, v| m.max(*v));
            let adaptive = found.iter().filter(|m| reaches(most(m), best)).count();
            Ok((adaptive, found.iter().filter(|m| reaches(m[[full, full]], plain)).count()))
        })
        .collect::<Result<Vec<(usize, usize)>>>()?;
    let p = |hits: usize| (1 + hits) as f64 / (1 + permutations) as f64;
    Ok(Agtic {
        statistic: best.sqrt(),
        p: p(counts.iter().map(|c| c.0).sum()),
        distance_correlation: plain.sqrt(),
        distance_correlation_p: p(counts.iter().map(|c| c.1).sum()),
        thresholds_x: a.pairs[at.0].thresholds,
        thresholds_y: b.pairs[at.1].thresholds,
    })
}

/// A function of the distances of which ramps are made.
#[derive(Debug, Clone, Copy)]
enum Basis {
    /// `(a - t)_+`.
    Hinge(f64),
    /// 1 above `t`: what a ramp becomes when both thresholds fall on one value.
    Step(f64),
}

impl Basis {
    fn at(self, distance: f64) -> f64 {
        match self {
            Self::Hinge(t) => (distance - t).max(0.0),
            Self::Step(t) => f64::from(u8::from(distance > t)),
        }
    }
}

/// One pair of thresholds: its ramp is `weight (basis[plus] - basis[minus])`, of unit norm once it is centred.
#[derive(Debug)]
struct Pair {
    thresholds: (f64, f64),
    plus: usize,
    minus: Option<usize>,
    weight: f64,
}

/// The distances of one variable.
struct Side {
    n: usize,
    distances: Array2<f64>,
    basis: Vec<Basis>,
    pairs: Vec<Pair>,
    /// The basis at every pair of samples, `[n n, basis]`.
    values: Array2<f64>,
}

impl Side {
    fn new(x: &ArrayView2<'_, f64>, k: usize, kind: Thresholds) -> Result<Self> {
        if let Some((index, value)) = x.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(Error::Value { what: "samples", index, value: *value, expected: "finite" });
        }
        let n = x.nrows();
        let mut distances = Array2::zeros((n, n));
        for i in 0..n {
            for j in i + 1..n {
                let d = x.row(i).iter().zip(x.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                distances[[i, j]] = d;
                distances[[j, i]] = d;
            }
        }
        let most = distances.iter().copied().fold(0.0, f64::max);
        let grid: Vec<f64> = (0..k).map(|i| i as f64 / (k - 1) as f64).collect();
        let levels: Vec<f64> = match kind {
            Thresholds::Distance => grid.iter().map(|t| t * most).collect(),
            Thresholds::Quantile => {
                let mut sorted: Vec<f64> = distances.iter().copied().collect();
                sorted.sort_unstable_by(f64::total_cmp);
                grid.iter().map(|q| Ok(quantile_of_sorted(&sorted, *q)?)).collect::<Result<_>>()?
            }
        };
        // The hinge at the greatest distance is zero everywhere.
        let mut basis: Vec<Basis> = levels[..k - 1].iter().map(|t| Basis::Hinge(*t)).collect();
        let mut pairs = Vec::with_capacity(k * (k - 1) / 2);
        for i in 0..k {
            for j in i + 1..k {
                let (thresholds, gap) = ((grid[i], grid[j]), levels[j] - levels[i]);
                let (plus, minus) = if gap > 0.0 {
                    (i, (j < k - 1).then_some(j))
                } else {
                    basis.push(Basis::Step(levels[i]));
                    (basis.len() - 1, None)
                };
                let weight = if gap > 0.0 { most / gap } else { most };
                pairs.push(Pair { thresholds, plus, minus, weight });
            }
        }
        let values = Array2::from_shape_fn((n * n, basis.len()), |(cell, b)| {
            basis[b].at(distances[[cell / n, cell % n]])
        });
        let mut side = Self { n, distances, basis, pairs, values };
        let norms: Vec<f64> = side.pairs.par_iter().map(|p| side.norm(p)).collect();
        for (pair, norm) in side.pairs.iter_mut().zip(norms) {
            // What rounding leaves of a constant matrix is no variance.
            pair.weight = if norm > 1e-12 * most * n as f64 { pair.weight / norm } else { 0.0 };
        }
        Ok(side)
    }

    /// Norm of a pair's ramp after centring.
    fn norm(&self, pair: &Pair) -> f64 {
        let minus = pair.minus.map(|m| self.basis[m]);
        let ramp = self
            .distances
            .mapv(|d| pair.weight * (self.basis[pair.plus].at(d) - minus.map_or(0.0, |m| m.at(d))));
        let centred = centred(&ramp);
        centred.iter().map(|v| v * v).sum::<f64>().sqrt()
    }

    /// The centred basis at the pairs of samples `i < j`, doubled, `[basis, n (n - 1) / 2]`. The uncentred basis is zero
    /// on the diagonal (all thresholds are at least 0), so inner products with it need the pairs alone.
    fn centred_pairs(&self) -> Array2<f64> {
        let n = self.n;
        let mut out = Array2::zeros((self.basis.len(), n * (n - 1) / 2));
        for (b, mut row) in out.outer_iter_mut().enumerate() {
            let centred = centred(&self.distances.mapv(|d| self.basis[b].at(d)));
            let mut cells = row.iter_mut();
            for i in 0..n {
                for j in i + 1..n {
                    if let Some(cell) = cells.next() {
                        *cell = 2.0 * centred[[i, j]];
                    }
                }
            }
        }
        out
    }
}

/// `a - row mean - column mean + mean` of a symmetric matrix.
fn centred(a: &Array2<f64>) -> Array2<f64> {
    let n = a.nrows() as f64;
    let means: Vec<f64> = a.outer_iter().map(|r| r.sum() / n).collect();
    let grand = means.iter().sum::<f64>() / n;
    Array2::from_shape_fn(a.dim(), |(i, j)| a[[i, j]] - means[i] - means[j] + grand)
}

/// Absolute correlations `[pairs of x, pairs of y]` of the centred ramps, for each order of the samples of y.
///
/// One side is centred: the inner product is then that of both centred, and stays so when y is rearranged.
fn correlations(a: &Side, b: &Side, rows: &Array2<f64>, orders: &[Vec<usize>]) -> Result<Vec<Array2<f64>>> {
    let (n, width) = (a.n, b.basis.len());
    let mut gathered = Array2::zeros((orders.len() * width, rows.ncols()));
    let table = b.values.as_slice().unwrap_or_default();
    for (block, order) in orders.iter().enumerate() {
        let mut at = 0;
        let mut lines: Vec<&mut [f64]> = Vec::with_capacity(width);
        let cells = rows.ncols();
        if let Some(all) = gathered.as_slice_mut() {
            lines.extend(all[block * width * cells..(block + 1) * width * cells].chunks_exact_mut(cells));
        }
        for i in 0..n {
            for j in i + 1..n {
                let from = (order[i] * n + order[j]) * width;
                lines.iter_mut().zip(&table[from..from + width]).for_each(|(line, v)| line[at] = *v);
                at += 1;
            }
        }
    }
    let products = product(&rows.view(), &gathered.t())?;
    Ok((0..orders.len())
        .map(|block| {
            let inner = |p: usize, q: usize| products[[p, block * width + q]];
            // Ramps of x with the basis of y, then with the ramps of y.
            let half = Array2::from_shape_fn((a.pairs.len(), width), |(p, q)| {
                let pair = &a.pairs[p];
                pair.weight * (inner(pair.plus, q) - pair.minus.map_or(0.0, |m| inner(m, q)))
            });
            Array2::from_shape_fn((a.pairs.len(), b.pairs.len()), |(p, q)| {
                let pair = &b.pairs[q];
                (pair.weight * (half[[p, pair.plus]] - pair.minus.map_or(0.0, |m| half[[p, m]]))).abs()
            })
        })
        .collect())
}
