//! Positives and negatives of one relation.

use numerics::rng::{stream, subset};

use crate::{Error, Result};

/// Fewer prompts about a relation say too little.
pub const LEAST_POSITIVES: usize = 10;
/// Negatives for each positive: a fixed ratio, for average precision depends on it.
pub const NEGATIVES_PER_POSITIVE: usize = 4;

/// Which prompts are compared, as indices into the prompts' list, each part ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examples {
    /// Prompts about the relation.
    pub positives: Vec<usize>,
    /// Prompts about others.
    pub negatives: Vec<usize>,
}

impl Examples {
    /// Positives, then negatives.
    #[must_use]
    pub fn index(&self) -> Vec<usize> {
        self.positives.iter().chain(&self.negatives).copied().collect()
    }

    /// One label for each of [`Examples::index`].
    #[must_use]
    pub fn labels(&self) -> Vec<bool> {
        (0..self.positives.len() + self.negatives.len()).map(|i| i < self.positives.len()).collect()
    }
}

/// All prompts of a relation, and four times as many of the others, drawn without replacement. `relations` names the
/// relation of each prompt: detection prompts that the model answers rightly.
///
/// # Errors
/// [`Error::TooFew`] for fewer than ten positives, or too few others for the fixed ratio.
pub fn examples(relations: &[&str], relation: &str, seed: u64) -> Result<Examples> {
    let (positives, others): (Vec<usize>, Vec<usize>) =
        (0..relations.len()).partition(|i| relations[*i] == relation);
    if positives.len() < LEAST_POSITIVES {
        let what = "prompts of the relation that are answered rightly";
        return Err(Error::TooFew { what, needed: LEAST_POSITIVES, found: positives.len() });
    }
    let needed = NEGATIVES_PER_POSITIVE * positives.len();
    if others.len() < needed {
        let what = "prompts of other relations, four for each positive";
        return Err(Error::TooFew { what, needed, found: others.len() });
    }
    let mut rng = stream(seed, &format!("relation-neurons/negatives/{relation}"), 0);
    let negatives = subset(&mut rng, others.len(), needed).into_iter().map(|i| others[i]).collect();
    Ok(Examples { positives, negatives })
}
