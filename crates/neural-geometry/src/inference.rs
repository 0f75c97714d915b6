//! Paired inference on identification accuracies: a bootstrap over measured matrices and stimuli at once.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};
use numerics::bootstrap::{IntervalKind, interval, resample};
use numerics::distributions::student_t_two_sided;
use numerics::rng::stream;
use numerics::summary::{mean, standard_deviation};
use rayon::prelude::*;

use crate::identify::{check, identify};
use crate::rdm::stimuli_of;
use crate::{Error, Result};

/// Degrees of freedom that the paper uses for 24 subjects of an fMRI study.
pub const FMRI_DF: f64 = 24.0;
/// Degrees of freedom that the paper uses for ten trained networks.
pub const NETWORK_DF: f64 = 10.0;

/// What becomes of the pairs of a stimulus with itself, which drawing with replacement makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// They are left out.
    #[default]
    Drop,
    /// Each gets the mean of the other entries of its own matrix. (The mean over matrices, which the published code
    /// asks for, does not exist: a pair of a stimulus with itself is missing in all of them, and that code then drops it.)
    Mean,
}

/// A bootstrap over matrices and stimuli. Draw `i` belongs to `(seed, i)`: all methods see the same draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapPlan {
    /// Number of draws (1000).
    pub draws: usize,
    /// Seed.
    pub seed: u64,
    /// Whether matrices are drawn.
    pub matrices: bool,
    /// Whether stimuli are drawn.
    pub stimuli: bool,
    /// What becomes of a stimulus paired with itself.
    pub duplicates: Duplicates,
}

/// One draw with replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Rows of the vectors.
    pub matrices: Vec<usize>,
    /// Stimuli.
    pub stimuli: Vec<usize>,
}

/// Identification accuracies of several methods on the same draws.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedBootstrap {
    /// Accuracy of each method on the data as they are.
    pub observed: Vec<f64>,
    /// `[draws, methods]`.
    pub accuracies: Array2<f64>,
}

/// Two methods compared on the same draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedComparison {
    /// Mean over draws of the difference of accuracies.
    pub difference: f64,
    /// Its standard deviation over draws.
    pub sd: f64,
    /// `difference / sd`.
    pub t: f64,
    /// Two-sided p-value of `t`.
    pub p: f64,
}

impl BootstrapPlan {
    /// 1000 draws over both factors; pairs of a stimulus with itself are left out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { draws: 1000, seed, matrices: true, stimuli: true, duplicates: Duplicates::Drop }
    }

    /// Draw number `index`. A draw with fewer than two subjects, two labels or three stimuli is replaced by the next of
    /// its stream.
    ///
    /// # Errors
    /// [`Error::Length`], and [`Error::TooFew`] when the data allow no such draw.
    pub fn draw(&self, index: u64, subjects: &[i64], labels: &[i64], stimuli: usize) -> Result<Draw> {
        if labels.len() != subjects.len() {
            let expected = format!("{}, one per vector", subjects.len());
            return Err(Error::Length { what: "labels", expected, found: labels.len() });
        }
        let mut rng = stream(self.seed, "trsa/bootstrap", index);
        for _ in 0..10_000 {
            let pick = |on: bool, n: usize, rng: &mut _| if on { resample(rng, n) } else { (0..n).collect() };
            let draw = Draw {
                matrices: pick(self.matrices && !subjects.is_empty(), subjects.len(), &mut rng),
                stimuli: pick(self.stimuli && stimuli > 0, stimuli, &mut rng),
            };
            let various = |of: &[i64]| draw.matrices.iter().any(|i| of[*i] != of[draw.matrices[0]]);
            let mut distinct = draw.stimuli.clone();
            distinct.sort_unstable();
            distinct.dedup();
            if distinct.len() >= 3 && various(subjects) && various(labels) {
                return Ok(draw);
            }
        }
        Err(Error::TooFew { what: "subjects, labels or stimuli that a draw holds", needed: 2, found: 1 })
    }

    /// Leave-one-subject-out identification (see [`identify`]) with each method's vectors `[k, m]` on the same draws.
    ///
    /// Descriptors are computed on whole matrices before; a draw picks their entries.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a method or a draw, [`Error::Length`] where methods differ in shape, those of
    /// [`identify`] and [`BootstrapPlan::draw`].
    pub fn identify(
        &self,
        methods: &[ArrayView2<'_, f64>],
        subjects: &[i64],
        labels: &[i64],
    ) -> Result<PairedBootstrap> {
        let Some(first) = methods.first() else {
            return Err(Error::TooFew { what: "methods", needed: 1, found: 0 });
        };
        if self.draws < 2 {
            return Err(Error::TooFew { what: "draws", needed: 2, found: self.draws });
        }
        let stimuli = stimuli_of(first.ncols())?;
        let mut observed = Vec::with_capacity(methods.len());
        for method in methods {
            if method.dim() != first.dim() {
                let expected = format!("{:?}", first.dim());
                return Err(Error::Length { what: "vectors of a method", expected, found: method.ncols() });
            }
            observed.push(identify(method, subjects, labels)?.accuracy);
        }
        let rows = (0..self.draws as u64)
            .into_par_iter()
            .map(|index| {
                let draw = self.draw(index, subjects, labels, stimuli)?;
                methods.iter().map(|m| identify_draw(m, subjects, labels, &draw, self.duplicates)).collect()
            })
            .collect::<Result<Vec<Vec<f64>>>>()?;
        let accuracies = Array2::from_shape_fn((self.draws, methods.len()), |(i, j)| rows[i][j]);
        Ok(PairedBootstrap { observed, accuracies })
    }
}

impl PairedBootstrap {
    /// Mean accuracy of a method over the draws.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a method that does not exist.
    pub fn mean(&self, method: usize) -> Result<f64> {
        Ok(mean(&self.column(method)?))
    }

    /// Error bar of a method: standard deviation of its accuracy over the draws (divided by `draws - 1`).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a method that does not exist.
    pub fn error_bar(&self, method: usize) -> Result<f64> {
        Ok(standard_deviation(&self.column(method)?))
    }

    /// 95 % percentile interval of a method's accuracy.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a method that does not exist.
    pub fn ci95(&self, method: usize) -> Result<(f64, f64)> {
        let column = self.column(method)?;
        Ok(interval(self.observed[method], &column, 0.95, IntervalKind::Percentile)?)
    }

    /// Method `a` minus method `b`: `t = mean / sd` of the paired differences, against Student's t with `df` degrees of
    /// freedom ([`FMRI_DF`], [`NETWORK_DF`]).
    ///
    /// Where every draw gives the same difference, `t` is infinite, or 0 for no difference.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a method that does not exist or `df` that is not positive.
    pub fn compare(&self, a: usize, b: usize, df: f64) -> Result<PairedComparison> {
        let (x, y) = (self.column(a)?, self.column(b)?);
        let gaps: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - y).collect();
        let (difference, sd) = (mean(&gaps), standard_deviation(&gaps));
        let t = if difference == 0.0 { 0.0 } else { difference / sd };
        Ok(PairedComparison { difference, sd, t, p: student_t_two_sided(t, df)? })
    }

    fn column(&self, method: usize) -> Result<Vec<f64>> {
        if method >= self.observed.len() {
            let expected = "below the number of methods";
            return Err(Error::Parameter { name: "method", value: method as f64, expected });
        }
        Ok(self.accuracies.column(method).to_vec())
    }
}

/// Accuracy of leave-one-subject-out identification on one draw; a vector drawn twice counts twice.
///
/// A pair of stimuli of which one was drawn `a` and the other `b` times counts `a b` times in every distance, so the
/// matrices are never expanded.
///
/// # Errors
/// Those of [`identify`]; [`Error::Parameter`] for positions outside the data.
pub fn identify_draw(
    vectors: &ArrayView2<'_, f64>,
    subjects: &[i64],
    labels: &[i64],
    draw: &Draw,
    duplicates: Duplicates,
) -> Result<f64> {
    let (_, names) = check(vectors, subjects, labels)?;
    let n = stimuli_of(vectors.ncols())?;
    let times = |drawn: &[usize], of: usize| -> Result<Vec<usize>> {
        let mut counts = vec![0_usize; of];
        for i in drawn {
            let expected = "inside the data";
            *counts.get_mut(*i).ok_or(Error::Parameter {
                name: "drawn position",
                value: *i as f64,
                expected,
            })? += 1;
        }
        Ok(counts)
    };
    let (rows, stimuli) = (times(&draw.matrices, vectors.nrows())?, times(&draw.stimuli, n)?);
    let (mut places, mut weights) = (Vec::new(), Vec::new());
    let mut at = 0;
    for i in 0..n {
        for j in i + 1..n {
            if stimuli[i] * stimuli[j] > 0 {
                places.push(at);
                weights.push((stimuli[i] * stimuli[j]) as f64);
            }
            at += 1;
        }
    }
    let selves: usize = stimuli.iter().map(|c| c * c.saturating_sub(1) / 2).sum();
    let imputed = duplicates == Duplicates::Mean && selves > 0;
    let total: f64 = weights.iter().sum();
    let gathered: BTreeMap<usize, Vec<f64>> = (0..rows.len())
        .filter(|r| rows[*r] > 0)
        .map(|r| {
            let row = vectors.row(r);
            let mut values: Vec<f64> = places.iter().map(|p| row[*p]).collect();
            if imputed {
                values.push(values.iter().zip(&weights).map(|(v, w)| v * w).sum::<f64>() / total);
            }
            (r, values)
        })
        .collect();
    if imputed {
        weights.push(selves as f64);
    }
    // Sums of each label, and of each subject's share of it.
    let width = weights.len();
    let label_at = |label: i64| names.partition_point(|l| *l < label);
    let mut all = vec![(vec![0.0; width], 0_usize); names.len()];
    let mut shares: BTreeMap<(i64, usize), (Vec<f64>, usize)> = BTreeMap::new();
    for (r, values) in &gathered {
        let (label, count) = (label_at(labels[*r]), rows[*r]);
        let share = shares.entry((subjects[*r], label)).or_insert_with(|| (vec![0.0; width], 0));
        for (sum, seen) in [&mut all[label], share].map(|s| (&mut s.0, &mut s.1)) {
            sum.iter_mut().zip(values).for_each(|(s, v)| *s += count as f64 * v);
            *seen += count;
        }
    }
    let (mut right, mut seen) = (0, 0);
    let mut centroids: Vec<(usize, Vec<f64>)> = Vec::new();
    let mut of_subject: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    gathered.keys().for_each(|r| of_subject.entry(subjects[*r]).or_default().push(*r));
    for (subject, tests) in of_subject {
        centroids.clear();
        for (label, (sum, count)) in all.iter().enumerate() {
            let share = shares.get(&(subject, label));
            let left = count - share.map_or(0, |s| s.1);
            if left > 0 {
                let mean = |i: usize| (sum[i] - share.map_or(0.0, |s| s.0[i])) / left as f64;
                centroids.push((label, (0..width).map(mean).collect()));
            }
        }
        for r in tests {
            let mut best = (usize::MAX, f64::INFINITY);
            for (label, centroid) in &centroids {
                let d: f64 = gathered[&r]
                    .iter()
                    .zip(centroid)
                    .zip(&weights)
                    .map(|((x, c), w)| w * (x - c) * (x - c))
                    .sum();
                if d < best.1 {
                    best = (*label, d);
                }
            }
            seen += rows[r];
            right += if best.0 == label_at(labels[r]) { rows[r] } else { 0 };
        }
    }
    Ok(right as f64 / seen.max(1) as f64)
}
