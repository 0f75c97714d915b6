//! Average precision: how far up the positives stand when all examples are sorted by score.

use crate::keys::descending_f32;
use crate::{Error, Result};

/// `AP = sum_n (R_n - R_{n-1}) P_n` over the distinct scores in descending order, with recall R and precision P among the
/// examples of at least that score; not interpolated, equal scores count together. In [0, 1]; the share of positives
/// where all scores are equal.
///
/// Scores keep their single precision, the sum is made in double.
///
/// # Errors
/// [`Error::Shape`] where scores and labels differ in number, [`Error::TooFew`] without a positive or a negative,
/// [`Error::NotFinite`] for NaN and infinities.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Result<f64> {
    if scores.len() != positive.len() {
        return Err(Error::shape("average precision: labels", scores.len(), positive.len()));
    }
    both_classes(positive)?;
    if let Some(row) = scores.iter().position(|x| !x.is_finite()) {
        let value = f64::from(scores[row]);
        return Err(Error::NotFinite { what: "scores", row, column: 0, value });
    }
    let keys = |of: bool| {
        let mut keys: Vec<u32> =
            scores.iter().zip(positive).filter(|(_, p)| **p == of).map(|(x, _)| descending_f32(*x)).collect();
        keys.sort_unstable();
        keys
    };
    Ok(precision_of_sorted(&keys(true), &keys(false)))
}

/// Refuses labels of one class; gives the number of positives.
pub(super) fn both_classes(positive: &[bool]) -> Result<usize> {
    let hits = positive.iter().filter(|p| **p).count();
    for (what, found) in
        [("average precision: positives", hits), ("average precision: negatives", positive.len() - hits)]
    {
        if found == 0 {
            return Err(Error::TooFew { what, needed: 1, found });
        }
    }
    Ok(hits)
}

/// Average precision from the sorted keys of positives and of negatives; keys ascend as scores descend. Only scores that
/// a positive has add to the sum, so one merge of the two lists is enough.
pub(super) fn precision_of_sorted(positives: &[u32], negatives: &[u32]) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < positives.len() {
        let key = positives[i];
        let first = i;
        while i < positives.len() && positives[i] == key {
            i += 1;
        }
        while j < negatives.len() && negatives[j] <= key {
            j += 1;
        }
        sum += (i - first) as f64 * (i as f64 / (i + j) as f64);
    }
    sum / positives.len() as f64
}
