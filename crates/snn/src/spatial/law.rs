//! What the closed form says about tolerance and similarity.

use std::collections::BTreeMap;

use numerics::rng::{stream, subset};
use numerics::summary::mean;
use rayon::prelude::*;
use serde::Serialize;

use super::{BitPattern, DetectorConfig, SpatialDetector, TestSet, evaluate};
use crate::{Error, Result};

/// How many of the `2^inputs` inputs a detector of one pattern of `active` inputs accepts:
/// `sum of C(active, k) C(inputs - active, e)` over `(k - ratio e)(1 + m) >= active`, with `ratio = A- / A+`.
///
/// # Errors
/// [`Error::Parameter`] unless `1 <= active <= inputs <= 1000`, `m` is finite and not negative, `ratio` finite and above 0.
pub fn accepted_inputs(inputs: usize, active: usize, margin: f64, ratio: f64) -> Result<f64> {
    if inputs > 1000 {
        return Err(Error::parameter("inputs", inputs as f64, "at most 1000"));
    }
    if active == 0 || active > inputs {
        return Err(Error::parameter("active", active as f64, format!("1 to {inputs}")));
    }
    if !(margin >= 0.0 && margin.is_finite()) {
        return Err(Error::parameter("margin", margin, "finite and not negative"));
    }
    if !(ratio > 0.0 && ratio.is_finite()) {
        return Err(Error::parameter("ratio", ratio, "finite and above 0"));
    }
    let (matching, further) = (binomials(active), binomials(inputs - active));
    let mut accepted = 0.0;
    for (k, of_k) in matching.iter().enumerate() {
        for (e, of_e) in further.iter().enumerate() {
            let drive = (k as f64 - ratio * e as f64) * (1.0 + margin);
            if drive >= active as f64 * (1.0 - super::neuron::SLACK) {
                accepted += of_k * of_e;
            }
        }
    }
    Ok(accepted)
}

/// The similarity law of two patterns of `active` inputs each that share one neuron (`A+ = A-`), at a Hamming distance:
/// inputs of one alone weigh nothing, so each of the `2^distance` ways to set them leaves the decision to a detector of
/// the shared inputs. At a distance of `2 active` nothing is shared and nothing is accepted.
///
/// # Errors
/// [`Error::Parameter`] for a distance that is odd or that `inputs` and `active` do not allow, and as in
/// [`accepted_inputs`].
pub fn two_pattern_accepted(inputs: usize, active: usize, distance: usize, margin: f64) -> Result<f64> {
    if distance == 0 || distance % 2 == 1 || distance > 2 * active || active + distance / 2 > inputs {
        let expected =
            format!("even, above 0, at most {}", (2 * active).min(2 * inputs.saturating_sub(active)));
        return Err(Error::parameter("distance", distance as f64, expected));
    }
    let shared = active - distance / 2;
    if shared == 0 {
        return Ok(0.0);
    }
    Ok(accepted_inputs(inputs - distance, shared, margin, 1.0)? * (distance as f64).exp2())
}

/// Means over the draws whose patterns lie equally far apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HammingRow {
    /// Mean pairwise Hamming distance of the trained patterns.
    pub distance: f64,
    /// How many draws.
    pub draws: usize,
    /// Mean accuracy over all inputs.
    pub accuracy: f64,
    /// Mean precision, over the draws that accept anything; NaN where none does.
    pub precision: f64,
    /// Mean recall.
    pub recall: f64,
    /// Mean F1.
    pub f1: f64,
    /// Mean Matthews correlation.
    pub mcc: f64,
    /// Mean number of accepted inputs that are no target.
    pub false_positives: f64,
}

/// Trains one neuron on `k` random distinct patterns of `active` out of `n_inputs`, many times, and tries each on all
/// inputs: a row for each mean pairwise distance, in increasing order. Draws with a pattern twice are left out.
///
/// # Errors
/// [`Error::Parameter`] unless there are 2 or more patterns, `1 <= active <= n_inputs <= 16` and enough patterns to draw
/// from; those of [`SpatialDetector::new`].
pub fn accuracy_vs_hamming(
    cfg: &DetectorConfig,
    (n_inputs, active, k): (usize, usize, usize),
    draws: usize,
    seed: u64,
) -> Result<Vec<HammingRow>> {
    if !(1..=16).contains(&n_inputs) {
        return Err(Error::parameter("inputs", n_inputs as f64, "1 to 16"));
    }
    if active == 0 || active > n_inputs {
        return Err(Error::parameter("active", active as f64, format!("1 to {n_inputs}")));
    }
    let there_are = binomials(n_inputs)[active];
    if k < 2 || k as f64 > there_are {
        return Err(Error::parameter("patterns", k as f64, format!("2 to {there_are}")));
    }
    let one = |draw: u64| -> Result<Option<(usize, super::Confusion)>> {
        let mut rng = stream(seed, "spatial/hamming", draw);
        let patterns = (0..k)
            .map(|_| BitPattern::from_indices(n_inputs, &subset(&mut rng, n_inputs, active)))
            .collect::<Result<Vec<_>>>()?;
        let mut apart = 0;
        for (a, first) in patterns.iter().enumerate() {
            for second in &patterns[..a] {
                match first.hamming(second)? {
                    0 => return Ok(None),
                    d => apart += d,
                }
            }
        }
        let mut detector = SpatialDetector::new(n_inputs, *cfg)?;
        detector.train_one_shot(&patterns)?;
        Ok(Some((apart, evaluate(&detector, &patterns, TestSet::Exhaustive)?)))
    };
    let tried = (0..draws as u64).into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let mut rows = BTreeMap::<usize, Vec<super::Confusion>>::new();
    for (apart, counts) in tried.into_iter().flatten() {
        rows.entry(apart).or_default().push(counts);
    }
    let pairs = (k * (k - 1) / 2) as f64;
    Ok(rows
        .into_iter()
        .map(|(apart, all)| {
            let average = |f: &dyn Fn(&super::Confusion) -> f64| {
                mean(&all.iter().map(f).filter(|v| v.is_finite()).collect::<Vec<_>>())
            };
            HammingRow {
                distance: apart as f64 / pairs,
                draws: all.len(),
                accuracy: average(&super::Confusion::accuracy),
                precision: average(&super::Confusion::precision),
                recall: average(&super::Confusion::recall),
                f1: average(&super::Confusion::f1),
                mcc: average(&super::Confusion::mcc),
                false_positives: average(&|c| c.false_positives as f64),
            }
        })
        .collect())
}

/// A row of Pascal's triangle.
fn binomials(n: usize) -> Vec<f64> {
    let mut row = vec![1.0];
    for k in 0..n {
        row.push(row[k] * (n - k) as f64 / (k + 1) as f64);
    }
    row.iter().map(|b| if *b < 9e15 { b.round() } else { *b }).collect()
}
