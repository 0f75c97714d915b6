//! Judging an attack on documents that it has not seen.

use numerics::rng::{permutation, stream};
use numerics::summary::{mean, standard_deviation};
use serde::{Deserialize, Serialize};

use super::attack::{Attack, AttackConfig};
use super::classifier::both_classes;
use super::roc::{Roc, roc};
use super::table::TokenTable;
use crate::{Error, Result};

/// A mean over folds and the sample standard deviation (n - 1), which needs two of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub standard_deviation: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        Self { mean: mean(values), standard_deviation: standard_deviation(values) }
    }
}

/// One fold: trained on the others, judged on its own documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldReport {
    /// The fold's number.
    pub fold: usize,
    /// Members in it.
    pub members: usize,
    /// Others in it.
    pub others: usize,
    /// Area and curve.
    pub roc: Roc,
    /// True positive rate at a false positive rate of 1 %.
    pub tpr_at_1_percent: f64,
    /// At 5 %.
    pub tpr_at_5_percent: f64,
}

/// All folds together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// Each fold, by number.
    pub folds: Vec<FoldReport>,
    /// Area under the curve.
    pub auc: Spread,
    /// True positive rate at 1 % false positives.
    pub tpr_at_1_percent: Spread,
    /// True positive rate at 5 % false positives.
    pub tpr_at_5_percent: Spread,
    /// The score that each document got when its fold was left out, in the documents' order.
    pub scores: Vec<f64>,
    /// Token values that were not finite and were replaced, in documents that were judged.
    pub replaced: usize,
}

/// Trains and judges the attack, leaving one fold out at a time. Frequencies, bins, scales and the classifier see the
/// training folds alone.
///
/// # Errors
/// [`Error::Shape`] for another number of labels or folds, [`Error::Overlap`] for a document that occurs twice,
/// [`Error::TooFew`] below two folds, [`Error::SingleClass`] for a fold without members or without others, and those of
/// [`Attack::train`].
pub fn cross_validate(
    table: &TokenTable,
    members: &[bool],
    folds: &[usize],
    config: &AttackConfig,
) -> Result<CrossValidation> {
    table.check_labels(members)?;
    let mut replaced = 0;
    let mut report = cross_validate_with(members, folds, |training, judged| {
        let attack = Attack::train_on(table, training, members, config)?;
        let (scores, count) = attack.score_some(table, judged)?;
        replaced += count;
        Ok(scores)
    })?;
    report.replaced = replaced;
    Ok(report)
}

/// The same for any way of scoring: `score` gets the training documents' indices and those to be scored, members higher.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] below two folds, [`Error::SingleClass`]; those of `score`.
pub fn cross_validate_with(
    members: &[bool],
    folds: &[usize],
    mut score: impl FnMut(&[usize], &[usize]) -> Result<Vec<f64>>,
) -> Result<CrossValidation> {
    if folds.len() != members.len() {
        let (expected, found) = (members.len().to_string(), folds.len().to_string());
        return Err(Error::Shape { what: "folds", expected, found });
    }
    let mut names = folds.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 {
        return Err(Error::TooFew { what: "folds", needed: 2, found: names.len() });
    }
    let mut reports = Vec::with_capacity(names.len());
    let mut scores = vec![f64::NAN; members.len()];
    for fold in names {
        let (judged, training): (Vec<usize>, Vec<usize>) =
            (0..members.len()).partition(|document| folds[*document] == fold);
        let labels: Vec<bool> = judged.iter().map(|i| members[*i]).collect();
        both_classes(format!("fold {fold}"), &labels)?;
        let rest: Vec<bool> = training.iter().map(|i| members[*i]).collect();
        both_classes(format!("documents outside fold {fold}"), &rest)?;
        let found = score(&training, &judged)?;
        if found.len() != judged.len() {
            let (expected, found) = (judged.len().to_string(), found.len().to_string());
            return Err(Error::Shape { what: "scores of a fold", expected, found });
        }
        let curve = roc(&found, &labels)?;
        judged.iter().zip(&found).for_each(|(i, s)| scores[*i] = *s);
        let hits = labels.iter().filter(|m| **m).count();
        reports.push(FoldReport {
            fold,
            members: hits,
            others: labels.len() - hits,
            tpr_at_1_percent: curve.true_positive_rate_at(0.01)?,
            tpr_at_5_percent: curve.true_positive_rate_at(0.05)?,
            roc: curve,
        });
    }
    let over = |pick: fn(&FoldReport) -> f64| Spread::of(&reports.iter().map(pick).collect::<Vec<f64>>());
    Ok(CrossValidation {
        auc: over(|f| f.roc.auc),
        tpr_at_1_percent: over(|f| f.tpr_at_1_percent),
        tpr_at_5_percent: over(|f| f.tpr_at_5_percent),
        folds: reports,
        scores,
        replaced: 0,
    })
}

/// `folds` disjoint chunks with as many members (and as many others) in each as can be, drawn at random.
///
/// # Errors
/// [`Error::Parameter`] below two folds, [`Error::TooFew`] when a class has fewer documents than there are folds.
pub fn stratified_folds(members: &[bool], folds: usize, seed: u64) -> Result<Vec<usize>> {
    if folds < 2 {
        return Err(Error::Parameter { name: "folds", value: folds as f64, expected: "at least 2" });
    }
    let mut fold_of = vec![0; members.len()];
    for (index, (class, what)) in [(true, "members"), (false, "others")].into_iter().enumerate() {
        let chosen: Vec<usize> = (0..members.len()).filter(|i| members[*i] == class).collect();
        if chosen.len() < folds {
            return Err(Error::TooFew { what, needed: folds, found: chosen.len() });
        }
        let order = permutation(&mut stream(seed, "membership/folds", index as u64), chosen.len());
        order.into_iter().enumerate().for_each(|(place, i)| fold_of[chosen[i]] = place % folds);
    }
    Ok(fold_of)
}

/// The labels in random order within each fold: the control that an attack must not beat.
///
/// # Errors
/// [`Error::Shape`] for another number of folds.
pub fn shuffled_labels(members: &[bool], folds: &[usize], seed: u64) -> Result<Vec<bool>> {
    if folds.len() != members.len() {
        let (expected, found) = (members.len().to_string(), folds.len().to_string());
        return Err(Error::Shape { what: "folds", expected, found });
    }
    let mut shuffled = members.to_vec();
    let mut names = folds.to_vec();
    names.sort_unstable();
    names.dedup();
    for fold in names {
        let inside: Vec<usize> = (0..folds.len()).filter(|i| folds[*i] == fold).collect();
        let order = permutation(&mut stream(seed, "membership/shuffled", fold as u64), inside.len());
        inside.iter().zip(order).for_each(|(to, from)| shuffled[*to] = members[inside[from]]);
    }
    Ok(shuffled)
}
