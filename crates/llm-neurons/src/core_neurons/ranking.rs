//! Neurons by the number of tokens in whose core they are.

use std::cmp::Reverse;

use ndarray::{Array1, ArrayView2, Axis};
use rayon::prelude::*;

use super::config::share;
use crate::keys::descending_f32;
use crate::{Error, Result, SetOverlap};

/// Tokens that one task counts.
const BLOCK: usize = 16;

/// Core neurons of a prompt, or of a pool of texts, in one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// The neurons kept, those in most cores first, ties to the lower index; each is in at least one core.
    pub units: Vec<usize>,
    /// In how many tokens' cores each neuron of the layer is.
    pub count: Vec<u32>,
    /// Length of a token's core.
    pub limit: usize,
}

impl Ranked {
    /// The `keep` neurons of greatest count that is not 0.
    #[must_use]
    pub fn from_counts(count: Vec<u32>, limit: usize, keep: usize) -> Self {
        let mut order: Vec<(Reverse<u32>, usize)> =
            count.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| (Reverse(*n), i)).collect();
        if keep < order.len() {
            if keep > 0 {
                order.select_nth_unstable(keep - 1);
            }
            order.truncate(keep);
        }
        order.sort_unstable();
        Self { units: order.into_iter().map(|(_, i)| i).collect(), count, limit }
    }

    /// The neurons kept, in ascending order: the order in which weights are gathered.
    #[must_use]
    pub fn sorted(&self) -> Vec<usize> {
        let mut units = self.units.clone();
        units.sort_unstable();
        units
    }

    /// 1 for each neuron kept, 0 for the rest, `[width]`.
    #[must_use]
    pub fn multi_hot(&self) -> Array1<f64> {
        let mut hot = Array1::zeros(self.count.len());
        self.units.iter().for_each(|i| hot[*i] = 1.0);
        hot
    }

    /// Jaccard's index of the neurons kept.
    #[must_use]
    pub fn jaccard(&self, other: &Self) -> f64 {
        SetOverlap::of(&self.units, &other.units).jaccard()
    }
}

/// The core neurons of activations `[tokens, neurons]`: a selection in each row, counts, a selection among the counts.
/// At most `keep` neurons; which activations those are is [`CoreSource`](super::CoreSource)'s question.
///
/// Activations rank by signed value; a token with fewer than `lim` positive ones fills up with the largest of the rest,
/// and ties go to the lower index. O(T F), on every core, the same result for any number of threads.
///
/// # Errors
/// [`Error::TooFew`] for no token or no neuron, [`Error::Parameter`] for alpha outside (0, 1] or `keep = 0`,
/// [`Error::NotFinite`].
pub fn core_neurons(activations: &ArrayView2<'_, f32>, alpha: f64, keep: usize) -> Result<Ranked> {
    if keep == 0 {
        return Err(Error::Parameter { name: "keep", value: 0.0, expected: "at least 1" });
    }
    let positives = positives(activations)?;
    let limit = limit(alpha, positives, activations.nrows() as u64, activations.ncols())?;
    Ok(Ranked::from_counts(counts(activations, limit), limit, keep))
}

/// The number of positive activations; refuses what is empty or not finite.
pub(super) fn positives(activations: &ArrayView2<'_, f32>) -> Result<u64> {
    for (what, found) in
        [("core neurons: tokens", activations.nrows()), ("core neurons: neurons", activations.ncols())]
    {
        if found == 0 {
            return Err(Error::TooFew { what, needed: 1, found });
        }
    }
    let counted = activations.axis_iter(Axis(0)).into_par_iter().map(|row| {
        // 0 x is 0 for every finite x and NaN else.
        row.iter().fold((0_u64, 0.0_f32), |(n, s), x| (n + u64::from(*x > 0.0), s + 0.0 * x))
    });
    let (positives, check) = counted.reduce(|| (0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    if check == 0.0 {
        return Ok(positives);
    }
    let bad = activations.indexed_iter().find(|(_, x)| !x.is_finite());
    let ((row, column), value) = bad.map_or(((0, 0), f64::NAN), |(at, x)| (at, f64::from(*x)));
    Err(Error::NotFinite { what: "activations", row, column, value })
}

/// `floor(alpha positives / tokens)`, at least 1 and at most the width.
pub(super) fn limit(alpha: f64, positives: u64, tokens: u64, width: usize) -> Result<usize> {
    share("alpha", alpha)?;
    Ok(((alpha * positives as f64 / tokens as f64).floor() as usize).clamp(1, width))
}

/// In how many of the tokens' cores, of `limit` neurons each, every neuron is.
pub(super) fn counts(activations: &ArrayView2<'_, f32>, limit: usize) -> Vec<u32> {
    let width = activations.ncols();
    let none = || (vec![0_u32; width], Vec::new(), Vec::new());
    activations
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .fold(none, |(mut counts, mut keys, mut order): (Vec<u32>, Vec<u32>, Vec<u32>), block| {
            for row in block.outer_iter() {
                keys.clear();
                keys.extend(row.iter().map(|x| descending_f32(*x)));
                count_core(&keys, limit, &mut order, &mut counts);
            }
            (counts, keys, order)
        })
        .map(|(counts, _, _)| counts)
        .reduce(
            || vec![0; width],
            |mut a, b| {
                a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
                a
            },
        )
}

/// Counts the `limit` least keys; of those equal to the last, the first ones.
fn count_core(keys: &[u32], limit: usize, order: &mut Vec<u32>, counts: &mut [u32]) {
    if limit >= keys.len() {
        counts.iter_mut().for_each(|n| *n += 1);
        return;
    }
    order.clear();
    order.extend_from_slice(keys);
    let (before, last, _) = order.select_nth_unstable(limit - 1);
    let last = *last;
    // The selection leaves no greater key before its place, but equal ones.
    let mut equal = limit - before.iter().filter(|key| **key < last).count();
    for (key, n) in keys.iter().zip(counts) {
        if *key < last {
            *n += 1;
        } else if *key == last && equal > 0 {
            *n += 1;
            equal -= 1;
        }
    }
}
