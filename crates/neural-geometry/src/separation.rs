//! How much nearer a vector lies to others of its label than to the rest.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::identify::check;
use crate::{Error, Result};

/// The answer of [`separation`].
#[derive(Debug, Clone, PartialEq)]
pub struct Separation {
    /// Mean over subjects and labels of `within / across`: below 1 where labels separate.
    pub ratio: f64,
    /// Mean distance of test vectors to training vectors of the same label.
    pub within: f64,
    /// Mean distance to training vectors of other labels.
    pub across: f64,
    /// `(subject, label, within, across)`, ascending.
    pub cells: Vec<(i64, i64, f64, f64)>,
}

/// Leaves out one subject at a time and averages, for each label, the Euclidean distances from its vectors to those of
/// the other subjects with the same label and with other labels.
///
/// `vectors` is `[k, m]`. Subjects without a vector of a label, or without any training vector of it, have no cell.
///
/// # Errors
/// Those of [`identify`](crate::identify); [`Error::TooFew`] when no cell is left.
pub fn separation(vectors: &ArrayView2<'_, f64>, subjects: &[i64], labels: &[i64]) -> Result<Separation> {
    let (everyone, names) = check(vectors, subjects, labels)?;
    let k = vectors.nrows();
    let owned = vectors.as_standard_layout();
    let distance = |i: usize, j: usize| {
        let (a, b) = (owned.row(i), owned.row(j));
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    };
    let keys: Vec<(i64, i64)> = everyone.iter().flat_map(|s| names.iter().map(move |l| (*s, *l))).collect();
    let cells: Vec<(i64, i64, f64, f64)> = keys
        .into_par_iter()
        .filter_map(|(subject, label)| {
            let (mut sums, mut counts) = ([0.0; 2], [0_usize; 2]);
            for i in (0..k).filter(|i| subjects[*i] == subject && labels[*i] == label) {
                for j in (0..k).filter(|j| subjects[*j] != subject) {
                    let side = usize::from(labels[j] != label);
                    sums[side] += distance(i, j);
                    counts[side] += 1;
                }
            }
            let found = counts[0] > 0 && counts[1] > 0;
            found.then(|| (subject, label, sums[0] / counts[0] as f64, sums[1] / counts[1] as f64))
        })
        .collect();
    if cells.is_empty() {
        return Err(Error::TooFew { what: "subjects and labels with both distances", needed: 1, found: 0 });
    }
    let count = cells.len() as f64;
    let ratio = cells.iter().map(|c| c.2 / c.3).sum::<f64>() / count;
    let within = cells.iter().map(|c| c.2).sum::<f64>() / count;
    let across = cells.iter().map(|c| c.3).sum::<f64>() / count;
    Ok(Separation { ratio, within, across, cells })
}
