//! Area under the receiver operating characteristic, as Mann and Whitney's statistic.

use crate::ranks::average_ranks;
use crate::{Error, Result};

/// The probability that a positive scores above a negative, ties counted half: `U / (n_positive n_negative)` with
/// `U = R_positive - n_positive (n_positive + 1) / 2` and `R` the sum of average ranks.
///
/// # Errors
/// [`Error::Shape`], [`Error::NotFinite`] for NaN (infinities rank at their ends), [`Error::TooFew`] without a positive
/// or a negative.
pub fn auc(scores: &[f64], positive: &[bool]) -> Result<f64> {
    if scores.len() != positive.len() {
        return Err(Error::Shape {
            what: "AUC",
            expected: format!("{} labels", scores.len()),
            found: positive.len().to_string(),
        });
    }
    let hits = positive.iter().filter(|p| **p).count();
    let misses = positive.len() - hits;
    for (what, found) in [("AUC: positives", hits), ("AUC: negatives", misses)] {
        if found == 0 {
            return Err(Error::TooFew { what, needed: 1, found });
        }
    }
    let ranks = average_ranks(scores)?;
    let sum: f64 = ranks.iter().zip(positive).filter_map(|(r, p)| p.then_some(*r)).sum();
    let hits = hits as f64;
    Ok((sum - hits * (hits + 1.0) / 2.0) / (hits * misses as f64))
}

/// [`auc`] of two samples: the probability that a draw of `x` exceeds one of `y`, ties counted half.
///
/// # Errors
/// Those of [`auc`].
pub fn probability_of_superiority(x: &[f64], y: &[f64]) -> Result<f64> {
    let scores: Vec<f64> = x.iter().chain(y).copied().collect();
    let positive: Vec<bool> = (0..scores.len()).map(|i| i < x.len()).collect();
    auc(&scores, &positive)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_class_has_no_auc() {
        assert!(auc(&[1.0, 2.0], &[true, true]).is_err());
        assert!(auc(&[1.0], &[true, false]).is_err());
        assert!(auc(&[f64::NAN, 1.0], &[true, false]).is_err());
        assert_eq!(auc(&[1.0, 1.0], &[true, false]).unwrap(), 0.5);
    }

    proptest! {
        #[test]
        fn it_counts_pairs(x in prop::collection::vec(-3..3_i8, 1..20), y in prop::collection::vec(-3..3_i8, 1..20)) {
            let as_f64 = |v: &[i8]| v.iter().map(|a| f64::from(*a)).collect::<Vec<_>>();
            let wins: f64 = x.iter().flat_map(|a| y.iter().map(move |b| match a.cmp(b) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            })).sum();
            let got = probability_of_superiority(&as_f64(&x), &as_f64(&y)).unwrap();
            prop_assert!((got - wins / (x.len() * y.len()) as f64).abs() < 1e-12);
        }
    }
}
