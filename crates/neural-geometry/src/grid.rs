//! Search over the thresholds of the ramp, without fitting them on the subjects that are tested.

use ndarray::{Array2, ArrayView2, Axis};
use numerics::gram::gram;
use numerics::rng::stream;
use rand::RngExt;
use rayon::prelude::*;

use crate::identify::{check, predictions};
use crate::ranked::Ranked;
use crate::{Error, Result};

/// The grid of the paper: `l` in `0, 0.05, .., 0.95`, for each `u` from 1 down to above `l`; 210 pairs `(l, u)`.
#[must_use]
pub fn threshold_grid() -> Vec<(f64, f64)> {
    (0..20)
        .flat_map(|l| (l + 1..=20).rev().map(move |u| (f64::from(l) / 20.0, f64::from(u) / 20.0)))
        .collect()
}

/// Random thresholds as the paper samples them: two uniform draws, sorted and rounded to two decimals, `u` raised by
/// 1e-5 and clipped to 1; pairs with `l + u <= 0.01` or `>= 1.99` are drawn again. Pair `i` belongs to `(seed, i)`.
#[must_use]
pub fn sample_thresholds(seed: u64, count: usize) -> Vec<(f64, f64)> {
    let pair = |index: u64| {
        let mut rng = stream(seed, "trsa/thresholds", index);
        loop {
            let (a, b) = (rng.random::<f64>(), rng.random::<f64>());
            let round = |x: f64| (x * 100.0).round() / 100.0;
            let (l, u) = (round(a.min(b)), (round(a.max(b)) + 1e-5).min(1.0));
            if l + u > 0.01 && l + u < 1.99 {
                return (l, u);
            }
        }
    };
    (0..count as u64).map(pair).collect()
}

/// The answer of [`grid_search`].
#[derive(Debug, Clone, PartialEq)]
pub struct GridSearch {
    /// The pairs `(l, u)` that were tried.
    pub thresholds: Vec<(f64, f64)>,
    /// Leave-one-subject-out accuracy of each. The greatest of them is biased upwards: it was picked by the subjects it
    /// is measured on.
    pub accuracies: Vec<f64>,
    /// The first pair of the greatest accuracy.
    pub best: usize,
    /// Accuracy when each subject's thresholds are chosen by the other subjects alone.
    pub nested_accuracy: f64,
    /// For each subject, ascending, the pair that the others chose: the first of those that identify most of their
    /// vectors, each left out in turn.
    pub chosen: Vec<(i64, usize)>,
}

/// Identification accuracy over a grid of ramps, and the nested accuracy that an honest choice of thresholds gives.
///
/// `rdms` is `[k, m]`, condensed dissimilarities; each is ranked and sorted once. For the nested accuracy each subject is
/// left out, and every remaining one in turn is identified from the rest; all those centroids come from one matrix of
/// inner products per pair of thresholds.
///
/// # Errors
/// Those of [`identify`](crate::identify); [`Error::TooFew`] without thresholds or below three subjects; those of
/// [`Ranked`].
pub fn grid_search(
    rdms: &ArrayView2<'_, f64>,
    subjects: &[i64],
    labels: &[i64],
    thresholds: &[(f64, f64)],
) -> Result<GridSearch> {
    let (everyone, names) = check(rdms, subjects, labels)?;
    for (what, needed, found) in [("thresholds", 1, thresholds.len()), ("subjects", 3, everyone.len())] {
        if found < needed {
            return Err(Error::TooFew { what, needed, found });
        }
    }
    let ranked: Vec<Ranked> =
        rdms.axis_iter(Axis(0)).into_par_iter().map(|r| Ranked::new(&r.to_vec())).collect::<Result<_>>()?;
    let who: Vec<usize> = subjects.iter().map(|s| everyone.partition_point(|e| e < s)).collect();
    let which: Vec<usize> = labels.iter().map(|l| names.partition_point(|n| n < l)).collect();
    // Per pair of thresholds and subject: own vectors right, vectors of the others right when it is left out too.
    let scores: Vec<Vec<(usize, usize)>> = thresholds
        .par_iter()
        .map(|(lower, upper)| {
            let mut ramps = Array2::zeros(rdms.dim());
            if let Some(cells) = ramps.as_slice_mut() {
                for (row, ranked) in cells.chunks_exact_mut(rdms.ncols()).zip(&ranked) {
                    ranked.ramp_into(*lower, *upper, row)?;
                }
            }
            let mut own = vec![0; everyone.len()];
            for (row, guess) in predictions(&ramps.view(), subjects, labels, &everyone) {
                own[who[row]] += usize::from(guess == labels[row]);
            }
            let inner = Centroids::new(&gram(&ramps.view()), &who, &which, everyone.len(), names.len());
            Ok(own.into_iter().zip(inner.right_without_each()).collect())
        })
        .collect::<Result<_>>()?;
    let k = rdms.nrows() as f64;
    let accuracies: Vec<f64> =
        scores.iter().map(|s| s.iter().map(|(own, _)| *own).sum::<usize>() as f64 / k).collect();
    let best = first_best(accuracies.len(), |i| accuracies[i]);
    let chosen: Vec<(i64, usize)> = everyone
        .iter()
        .enumerate()
        .map(|(s, subject)| (*subject, first_best(scores.len(), |i| scores[i][s].1 as f64)))
        .collect();
    let hits: usize = chosen.iter().enumerate().map(|(s, (_, i))| scores[*i][s].0).sum();
    let thresholds = thresholds.to_vec();
    Ok(GridSearch { thresholds, accuracies, best, nested_accuracy: hits as f64 / k, chosen })
}

fn first_best(n: usize, score: impl Fn(usize) -> f64) -> usize {
    (0..n).fold(0, |best, i| if score(i) > score(best) { i } else { best })
}

/// Inner products of all vectors, summed over the vectors of each subject and label.
struct Centroids<'a> {
    who: &'a [usize],
    which: &'a [usize],
    people: usize,
    names: usize,
    /// Vectors of a subject and label.
    counts: Array2<usize>,
    /// `[vector, subject * names + label]`.
    sums: Array2<f64>,
    /// `[subject * names + label, subject]` of the same label.
    squares: Array2<f64>,
}

impl<'a> Centroids<'a> {
    fn new(inner: &Array2<f64>, who: &'a [usize], which: &'a [usize], people: usize, names: usize) -> Self {
        let k = who.len();
        let mut counts = Array2::zeros((people, names));
        let mut sums = Array2::zeros((k, people * names));
        let mut squares = Array2::zeros((people * names, people));
        for y in 0..k {
            counts[[who[y], which[y]]] += 1;
            for x in 0..k {
                sums[[x, who[y] * names + which[y]]] += inner[[x, y]];
            }
        }
        for x in 0..k {
            for s in 0..people {
                squares[[who[x] * names + which[x], s]] += sums[[x, s * names + which[x]]];
            }
        }
        Self { who, which, people, names, counts, sums, squares }
    }

    /// For each subject: how many vectors of all others are right when that other subject and this one are left out.
    fn right_without_each(&self) -> Vec<usize> {
        (0..self.people)
            .map(|s| {
                let test = |t: usize| (0..self.who.len()).filter(move |x| self.who[*x] == t);
                (0..self.people)
                    .filter(|t| *t != s)
                    .map(|t| {
                        let norms: Vec<Option<(f64, f64)>> =
                            (0..self.names).map(|l| self.norm(s, t, l)).collect();
                        test(t).filter(|x| self.guess(*x, s, t, &norms) == Some(self.which[*x])).count()
                    })
                    .sum()
            })
            .collect()
    }

    /// Squared norm of a label's centroid without two subjects, and its number of vectors.
    fn norm(&self, s: usize, t: usize, label: usize) -> Option<(f64, f64)> {
        let others = || (0..self.people).filter(move |p| *p != s && *p != t);
        let count: usize = others().map(|p| self.counts[[p, label]]).sum();
        let sum: f64 =
            others().map(|p| others().map(|q| self.squares[[p * self.names + label, q]]).sum::<f64>()).sum();
        let n = count as f64;
        (count > 0).then(|| (sum / n / n, n))
    }

    fn guess(&self, x: usize, s: usize, t: usize, norms: &[Option<(f64, f64)>]) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (label, norm) in norms.iter().enumerate() {
            let Some((square, n)) = norm else { continue };
            let product: f64 = (0..self.people)
                .filter(|p| *p != s && *p != t)
                .map(|p| self.sums[[x, p * self.names + label]])
                .sum();
            let d = square - 2.0 * product / n;
            if best.is_none_or(|(least, _)| d < least) {
                best = Some((d, label));
            }
        }
        best.map(|(_, label)| label)
    }
}
