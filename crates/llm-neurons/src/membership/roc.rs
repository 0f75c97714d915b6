//! The receiver operating characteristic.

use numerics::auc::auc;
use serde::{Deserialize, Serialize};

use super::classifier::both_classes;
use crate::{Error, Result};

/// One operating point: everything that scores at least `threshold` is called a member.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Share of the others that are called members.
    pub false_positive_rate: f64,
    /// Share of the members that are.
    pub true_positive_rate: f64,
    /// The least score that counts; none at the first point, where nothing does.
    pub threshold: Option<f64>,
}

/// The curve and the area under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roc {
    /// The probability that a member scores above another, ties counted half.
    pub auc: f64,
    /// From (0, 0) to (1, 1), one point for each distinct score.
    pub points: Vec<RocPoint>,
}

impl Roc {
    /// The largest true positive rate whose false positive rate is at most `rate`: of operating points that exist, none
    /// between them.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `0 <= rate <= 1`.
    pub fn true_positive_rate_at(&self, rate: f64) -> Result<f64> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Error::Parameter { name: "rate", value: rate, expected: "in [0, 1]" });
        }
        let allowed = self.points.iter().filter(|p| p.false_positive_rate <= rate);
        Ok(allowed.map(|p| p.true_positive_rate).fold(0.0, f64::max))
    }
}

/// The curve of `scores`, where members should score higher.
///
/// # Errors
/// [`Error::Numerics`] for different lengths and NaN, [`Error::SingleClass`].
pub fn roc(scores: &[f64], members: &[bool]) -> Result<Roc> {
    if scores.len() == members.len() {
        both_classes("scored documents", members)?;
    }
    let auc = auc(scores, members)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let positives = members.iter().filter(|m| **m).count() as f64;
    let negatives = members.len() as f64 - positives;
    let (mut hits, mut alarms) = (0.0, 0.0);
    let mut points = vec![RocPoint { false_positive_rate: 0.0, true_positive_rate: 0.0, threshold: None }];
    for (place, i) in order.iter().enumerate() {
        if members[*i] {
            hits += 1.0;
        } else {
            alarms += 1.0;
        }
        if order.get(place + 1).is_none_or(|next| scores[*next] != scores[*i]) {
            points.push(RocPoint {
                false_positive_rate: alarms / negatives,
                true_positive_rate: hits / positives,
                threshold: Some(scores[*i]),
            });
        }
    }
    Ok(Roc { auc, points })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_those_of_points_that_exist() {
        let members = [true, true, false, true, false, false];
        let curve = roc(&[0.9, 0.8, 0.7, 0.6, 0.5, 0.5], &members).unwrap();
        assert_eq!(curve.true_positive_rate_at(0.0).unwrap(), 2.0 / 3.0);
        assert_eq!(curve.true_positive_rate_at(0.33).unwrap(), 2.0 / 3.0);
        assert_eq!(curve.true_positive_rate_at(0.34).unwrap(), 1.0);
        assert_eq!(curve.points.len(), 6);
        assert!(roc(&[1.0, 2.0], &[true, true]).is_err() && roc(&[f64::NAN, 2.0], &[true, false]).is_err());
        assert!(roc(&[1.0], &[true, false]).is_err() && curve.true_positive_rate_at(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn the_area_under_the_points_is_the_auc(pairs in prop::collection::vec((0..6_u8, any::<bool>()), 2..40)) {
            let scores: Vec<f64> = pairs.iter().map(|p| f64::from(p.0)).collect();
            let members: Vec<bool> = pairs.iter().map(|p| p.1).collect();
            prop_assume!(members.iter().any(|m| *m) && members.iter().any(|m| !m));
            let curve = roc(&scores, &members).unwrap();
            let area: f64 = curve.points.windows(2).map(|p| {
                (p[1].false_positive_rate - p[0].false_positive_rate)
                    * (p[1].true_positive_rate + p[0].true_positive_rate) / 2.0
            }).sum();
            prop_assert!((area - curve.auc).abs() < 1e-12);
            let last = curve.points.last().unwrap();
            prop_assert_eq!((last.false_positive_rate, last.true_positive_rate), (1.0, 1.0));
        }
    }
}
