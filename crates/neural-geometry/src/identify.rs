//! From which region or layer does a representation come? Leave one subject out, nearest centroid.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::{Error, Result};

/// The answer of [`identify`].
#[derive(Debug, Clone, PartialEq)]
pub struct Identification {
    /// Share of the vectors that got their own label.
    pub accuracy: f64,
    /// One over the number of labels.
    pub chance: f64,
    /// The labels, ascending: the order of both axes of the confusion matrix.
    pub labels: Vec<i64>,
    /// `confusion[true, given]`, counts.
    pub confusion: Array2<usize>,
}

/// Leave-one-subject-out identification: a vector of the subject left out gets the label whose mean over the other
/// subjects is nearest (Euclidean; ties go to the lowest label).
///
/// `vectors` is `[k, m]`, with one subject and one label per row.
///
/// # Errors
/// [`Error::Length`], [`Error::TooFew`] below two subjects or labels, [`Error::Value`] for values that are not finite.
pub fn identify(vectors: &ArrayView2<'_, f64>, subjects: &[i64], labels: &[i64]) -> Result<Identification> {
    let (everyone, names) = check(vectors, subjects, labels)?;
    let k = vectors.nrows();
    let given = predictions(vectors, subjects, labels, &everyone);
    let place = |label: i64| names.partition_point(|l| *l < label);
    let mut confusion = Array2::zeros((names.len(), names.len()));
    given.iter().for_each(|(row, guess)| confusion[[place(labels[*row]), place(*guess)]] += 1);
    let right: usize = confusion.diag().sum();
    Ok(Identification {
        accuracy: right as f64 / k as f64,
        chance: 1.0 / names.len() as f64,
        labels: names,
        confusion,
    })
}

/// Each row with the label it is given when its subject is left out. Rows whose subject has no one to be compared with
/// are missing.
pub(crate) fn predictions(
    vectors: &ArrayView2<'_, f64>,
    subjects: &[i64],
    labels: &[i64],
    everyone: &[i64],
) -> Vec<(usize, i64)> {
    everyone
        .par_iter()
        .flat_map_iter(|left_out| {
            let centroids = centroids(vectors, subjects, labels, *left_out);
            (0..vectors.nrows())
                .filter(|i| subjects[*i] == *left_out)
                .filter_map(|i| {
                    let mut best: Option<(f64, i64)> = None;
                    for (label, centroid) in &centroids {
                        let d =
                            vectors.row(i).iter().zip(centroid).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
                        if best.is_none_or(|(least, _)| d < least) {
                            best = Some((d, *label));
                        }
                    }
                    best.map(|(_, label)| (i, label))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Mean vector of each label over all subjects but one.
fn centroids(
    vectors: &ArrayView2<'_, f64>,
    subjects: &[i64],
    labels: &[i64],
    left_out: i64,
) -> BTreeMap<i64, Array1<f64>> {
    let mut sums: BTreeMap<i64, (Array1<f64>, usize)> = BTreeMap::new();
    for (i, row) in vectors.axis_iter(Axis(0)).enumerate() {
        if subjects[i] != left_out {
            let (sum, count) = sums.entry(labels[i]).or_insert_with(|| (Array1::zeros(row.len()), 0));
            *sum += &row;
            *count += 1;
        }
    }
    sums.into_iter().map(|(label, (sum, count))| (label, sum / count as f64)).collect()
}

/// The distinct subjects and labels, ascending, of an input that can be identified.
pub(crate) fn check(
    vectors: &ArrayView2<'_, f64>,
    subjects: &[i64],
    labels: &[i64],
) -> Result<(Vec<i64>, Vec<i64>)> {
    let k = vectors.nrows();
    for (what, found) in [("subjects", subjects.len()), ("labels", labels.len())] {
        if found != k {
            return Err(Error::Length { what, expected: format!("{k}, one per vector"), found });
        }
    }
    if let Some((index, value)) = vectors.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(Error::Value { what: "vectors", index, value: *value, expected: "finite" });
    }
    let distinct = |values: &[i64]| {
        let mut out = values.to_vec();
        out.sort_unstable();
        out.dedup();
        out
    };
    let (everyone, names) = (distinct(subjects), distinct(labels));
    for (what, found) in [("subjects", everyone.len()), ("labels", names.len())] {
        if found < 2 {
            return Err(Error::TooFew { what, needed: 2, found });
        }
    }
    Ok((everyone, names))
}
