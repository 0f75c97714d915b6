//! How good a detector is.

use std::collections::BTreeSet;

use numerics::rng::{stream, subset};
use serde::{Deserialize, Serialize};

use super::pattern::check_patterns;
use super::{BitPattern, Detector};
use crate::{Error, Result};

/// Which inputs a detector is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestSet {
    /// All `2^N` inputs, up to 24 inputs.
    Exhaustive,
    /// The targets, all inputs within a Hamming distance of one, and random inputs with as many spikes as a target; each
    /// input once.
    Sample {
        /// Greatest distance, at most 3.
        distance: usize,
        /// How many random inputs are drawn for each target.
        random: usize,
        /// Seed of the draws.
        seed: u64,
    },
}

/// Counts of right and wrong decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confusion {
    /// Targets that were accepted.
    pub true_positives: u64,
    /// Other inputs that were accepted.
    pub false_positives: u64,
    /// Other inputs that were refused.
    pub true_negatives: u64,
    /// Targets that were refused.
    pub false_negatives: u64,
}

impl Confusion {
    /// Adds a decision.
    pub fn add(&mut self, is_target: bool, accepted: bool) {
        *match (is_target, accepted) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_negatives,
            (false, true) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
        } += 1;
    }

    /// How many inputs were tried.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.true_positives + self.false_positives + self.true_negatives + self.false_negatives
    }

    /// The share of right decisions: near 1 wherever targets are few, whatever becomes of them.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        (self.true_positives + self.true_negatives) as f64 / self.total() as f64
    }

    /// The share of accepted inputs that are targets; NaN where none was accepted.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_positives) as f64
    }

    /// The share of targets that were accepted; NaN without targets.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_negatives) as f64
    }

    /// `2 TP / (2 TP + FP + FN)`; NaN without targets where none was accepted.
    #[must_use]
    pub fn f1(&self) -> f64 {
        let hits = 2.0 * self.true_positives as f64;
        hits / (hits + (self.false_positives + self.false_negatives) as f64)
    }

    /// Matthews' correlation coefficient; 0 where a row or column of the table is empty, as is usual.
    #[must_use]
    pub fn mcc(&self) -> f64 {
        let [tp, fp, tn, fn_] =
            [self.true_positives, self.false_positives, self.true_negatives, self.false_negatives]
                .map(|n| n as f64);
        let norm = ((tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_)).sqrt();
        if norm > 0.0 { (tp * tn - fp * fn_) / norm } else { 0.0 }
    }
}

/// Tries a detector that should accept the targets and nothing else.
///
/// # Errors
/// [`Error::TooFew`] or [`Error::Shape`] for targets that cannot be, [`Error::Shape`] for too many inputs to list,
/// [`Error::Parameter`] for a sample of a distance above 3 or of more than ten million inputs.
pub fn evaluate(d: &impl Detector, targets: &[BitPattern], set: TestSet) -> Result<Confusion> {
    check_patterns(d.inputs(), targets)?;
    let wanted: BTreeSet<&BitPattern> = targets.iter().collect();
    let mut counts = Confusion::default();
    match set {
        TestSet::Exhaustive => {
            let n = d.inputs();
            let decided = d.decide_all()?;
            let code = |p: &BitPattern| p.indices().map(|i| 1_usize << (n - 1 - i)).sum::<usize>();
            let codes: BTreeSet<usize> = targets.iter().map(code).collect();
            for (code, accepted) in decided.into_iter().enumerate() {
                counts.add(codes.contains(&code), accepted);
            }
        }
        TestSet::Sample { distance, random, seed } => {
            for x in sample(targets, distance, random, seed)? {
                counts.add(wanted.contains(&x), d.decide(&x)?);
            }
        }
    }
    Ok(counts)
}

fn sample(targets: &[BitPattern], distance: usize, random: usize, seed: u64) -> Result<BTreeSet<BitPattern>> {
    if distance > 3 {
        return Err(Error::parameter("distance", distance as f64, "at most 3"));
    }
    let n = targets[0].inputs();
    let near: f64 = (1..=distance).map(|d| (n as f64).powi(d as i32)).sum();
    let size = targets.len() as f64 * (near + random as f64);
    if size > 1e7 {
        return Err(Error::parameter("size of the sample", size, "at most ten million inputs"));
    }
    let mut inputs: BTreeSet<BitPattern> = targets.iter().cloned().collect();
    for (k, target) in targets.iter().enumerate() {
        let mut ring = vec![(target.clone(), 0)];
        for _ in 0..distance {
            // Inputs are turned over in increasing order, so each neighbour is met once.
            let further = |(x, from): &(BitPattern, usize)| {
                (*from..n).map(|i| (x.flipped(i), i + 1)).collect::<Vec<_>>()
            };
            ring = ring.iter().flat_map(further).collect();
            inputs.extend(ring.iter().map(|r| r.0.clone()));
        }
        let mut draws = stream(seed, "spatial/sample", k as u64);
        for _ in 0..random {
            let on = subset(&mut draws, n, target.active());
            inputs.insert(BitPattern::from_indices(n, &on)?);
        }
    }
    Ok(inputs)
}
