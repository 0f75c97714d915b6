//! Facts to find neurons with, and facts to judge them by: no subject in both.

use std::collections::{BTreeMap, BTreeSet};

use numerics::rng::{permutation, stream};

use super::RelationSet;
use crate::{Error, Result};

/// Indices into [`RelationSet::facts`], each list ascending. Subjects are kept apart over all relations together: the
/// negatives of a relation come from the others' detection facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Facts to find neurons with.
    pub detection: Vec<usize>,
    /// As many facts of each relation to judge them by.
    pub evaluation: Vec<usize>,
    /// Facts whose subject is held out and that the evaluation has no need of.
    pub left_out: Vec<usize>,
}

impl RelationSet {
    /// Splits the facts: of each relation `n_eval` facts, drawn at random by subject, are for evaluation (the paper has
    /// 50). A subject held out for one relation is held out for all; the order of the facts makes no difference to which
    /// subjects are drawn. A relation whose subjects are all held out has no fact for detection.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `n_eval = 0`, [`Error::TooFew`] where a relation has fewer facts than that.
    pub fn split(&self, seed: u64, n_eval: usize) -> Result<Split> {
        if n_eval == 0 {
            return Err(Error::Parameter { name: "n_eval", value: 0.0, expected: "at least 1" });
        }
        // Facts of each relation by subject.
        let mut by_relation: BTreeMap<&str, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        for (i, fact) in self.facts().iter().enumerate() {
            let subjects = by_relation.entry(&fact.relation).or_default();
            subjects.entry(fact.subject.trim()).or_default().push(i);
        }
        let orders: Vec<Vec<(&str, &[usize])>> =
            by_relation.iter().map(|(name, subjects)| shuffled(seed, name, subjects)).collect();
        let mut held_out: BTreeSet<&str> = BTreeSet::new();
        for order in &orders {
            let of = |held_out: &BTreeSet<&str>| -> usize {
                order.iter().filter(|(s, _)| held_out.contains(s)).map(|(_, facts)| facts.len()).sum()
            };
            let mut count = of(&held_out);
            for (subject, facts) in order {
                if count >= n_eval {
                    break;
                }
                if held_out.insert(subject) {
                    count += facts.len();
                }
            }
            if count < n_eval {
                return Err(Error::TooFew { what: "facts of a relation", needed: n_eval, found: count });
            }
        }
        let mut split = Split { detection: Vec::new(), evaluation: Vec::new(), left_out: Vec::new() };
        for order in &orders {
            let mut taken = 0;
            for (subject, facts) in order {
                for fact in *facts {
                    if !held_out.contains(subject) {
                        split.detection.push(*fact);
                    } else if taken < n_eval {
                        taken += 1;
                        split.evaluation.push(*fact);
                    } else {
                        split.left_out.push(*fact);
                    }
                }
            }
        }
        for list in [&mut split.detection, &mut split.evaluation, &mut split.left_out] {
            list.sort_unstable();
        }
        Ok(split)
    }
}

/// The subjects of a relation in an order of its own.
fn shuffled<'a>(
    seed: u64,
    relation: &str,
    subjects: &'a BTreeMap<&'a str, Vec<usize>>,
) -> Vec<(&'a str, &'a [usize])> {
    let sorted: Vec<(&str, &[usize])> = subjects.iter().map(|(s, facts)| (*s, facts.as_slice())).collect();
    let mut rng = stream(seed, &format!("relation-neurons/split/{relation}"), 0);
    permutation(&mut rng, sorted.len()).into_iter().map(|i| sorted[i]).collect()
}
