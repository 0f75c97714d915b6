//! Inference on the similarity of two RDMs: bootstrap over stimuli, permutation of their labels.

use numerics::bootstrap::{IntervalKind, bootstrap, interval};
use numerics::ranks::average_ranks;
use numerics::rng::{permutation, stream};
use rayon::prelude::*;

use crate::compare::{compare, compare_vectors, second_moments};
use crate::{Comparison, Error, Rdm, Result};

/// How [`rsa`] draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RsaPlan {
    /// Draws of stimuli with replacement (1000; 0: no interval).
    pub bootstraps: usize,
    /// Permutations of the stimuli of one RDM (999; 0: no p-value).
    pub permutations: usize,
    /// Seed of both.
    pub seed: u64,
}

impl Default for RsaPlan {
    fn default() -> Self {
        Self { bootstraps: 1000, permutations: 999, seed: 0 }
    }
}

/// The answer of [`rsa`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rsa {
    /// The similarity.
    pub similarity: f64,
    /// 95 % percentile interval over the bootstrap.
    pub ci95: Option<(f64, f64)>,
    /// One-sided p-value, `(1 + #{permuted >= observed}) / (1 + permutations)`.
    pub p: Option<f64>,
}

/// Compares two RDMs of the same stimuli and says how sure the figure is.
///
/// Bootstrap: stimuli are drawn with replacement, the same for both RDMs. A stimulus that was drawn twice is no pair with
/// itself: those entries are left out (for the whitened measures, which need whole matrices, each stimulus drawn counts
/// once). Draws of fewer than three stimuli, or that leave one RDM constant, are left out.
///
/// Permutation: the stimuli of the second RDM change places, all entries of one stimulus together. Values within 1e-12 of
/// the observed one count as equal to it.
///
/// # Errors
/// Those of [`compare`]; [`Error::TooFew`] when no bootstrap draw has a value.
pub fn rsa(a: &Rdm, b: &Rdm, measure: Comparison, plan: &RsaPlan) -> Result<Rsa> {
    let similarity = compare(a, b, measure)?;
    let ci95 = match plan.bootstraps {
        0 => None,
        draws => Some(bootstrapped(a, b, measure, draws, plan.seed, similarity)?),
    };
    let p = match plan.permutations {
        0 => None,
        draws => Some(permuted(a, b, measure, draws, plan.seed, similarity)?),
    };
    Ok(Rsa { similarity, ci95, p })
}

fn bootstrapped(
    a: &Rdm,
    b: &Rdm,
    measure: Comparison,
    draws: usize,
    seed: u64,
    similarity: f64,
) -> Result<(f64, f64)> {
    let whitened = matches!(measure, Comparison::WhitenedCosine | Comparison::WhitenedPearson);
    let counts = if whitened { Repeats::Once } else { Repeats::AsDrawn };
    let replicates = drawn(&[a, b], draws, seed, "rsa/stimuli", counts, |of| {
        compare_vectors(&of[0], &of[1], measure).ok()
    })?;
    Ok(interval(similarity, &replicates, 0.95, IntervalKind::Percentile)?)
}

/// Replicates of any statistic of RDMs of the same stimuli over draws of stimuli with replacement, the same draw for all.
///
/// The statistic gets, for each RDM, the dissimilarities of all pairs of *different* stimuli that were drawn: an RDM of
/// which one stimulus was drawn twice has two copies of its pairs and none of it with itself. Draws of fewer than three
/// stimuli and those for which the statistic has no value (`None`) are left out.
///
/// # Errors
/// [`Error::Length`] for RDMs of other numbers of stimuli, [`Error::TooFew`] without an RDM or when no draw has a value.
pub fn bootstrap_stimuli<F>(
    rdms: &[&Rdm],
    draws: usize,
    seed: u64,
    purpose: &str,
    statistic: F,
) -> Result<Vec<f64>>
where
    F: Fn(&[Vec<f64>]) -> Option<f64> + Sync,
{
    drawn(rdms, draws, seed, purpose, Repeats::AsDrawn, statistic)
}

/// How often a stimulus counts that was drawn repeatedly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    AsDrawn,
    Once,
}

fn drawn<F>(
    rdms: &[&Rdm],
    draws: usize,
    seed: u64,
    purpose: &str,
    repeats: Repeats,
    statistic: F,
) -> Result<Vec<f64>>
where
    F: Fn(&[Vec<f64>]) -> Option<f64> + Sync,
{
    let Some(n) = rdms.first().map(|r| r.stimuli()) else {
        return Err(Error::TooFew { what: "RDMs", needed: 1, found: 0 });
    };
    if let Some(other) = rdms.iter().find(|r| r.stimuli() != n) {
        let expected = format!("{n}, as the first has");
        return Err(Error::Length { what: "stimuli of an RDM", expected, found: other.stimuli() });
    }
    let replicates = bootstrap(n, draws, seed, purpose, |drawn| {
        let mut chosen = drawn.to_vec();
        chosen.sort_unstable();
        let mut distinct = chosen.clone();
        distinct.dedup();
        if distinct.len() < 3 {
            return None;
        }
        let chosen = if repeats == Repeats::Once { distinct } else { chosen };
        let mut kept = vec![Vec::new(); rdms.len()];
        for (place, i) in chosen.iter().enumerate() {
            for j in chosen[place + 1..].iter().filter(|j| *j != i) {
                let at = index(n, *i, *j);
                kept.iter_mut().zip(rdms).for_each(|(to, rdm)| to.push(rdm.condensed()[at]));
            }
        }
        statistic(&kept)
    })?;
    Ok(replicates)
}

/// Place of the pair `i < j` in a condensed vector.
fn index(n: usize, i: usize, j: usize) -> usize {
    n * i - i * (i + 1) / 2 + j - i - 1
}

fn permuted(a: &Rdm, b: &Rdm, measure: Comparison, draws: usize, seed: u64, similarity: f64) -> Result<f64> {
    let n = a.stimuli();
    let score = Permuted::new(a, b, measure)?;
    let bar = similarity - 1e-12 * similarity.abs().max(1e-3);
    let hits = (0..draws as u64)
        .into_par_iter()
        .map(|draw| {
            let order = permutation(&mut stream(seed, "rsa/permutation", draw), n);
            Ok(usize::from(score.at(&order)? >= bar))
        })
        .collect::<Result<Vec<usize>>>()?;
    Ok((1 + hits.iter().sum::<usize>()) as f64 / (1 + draws) as f64)
}

/// The similarity as a function of the order of the second RDM's stimuli.
enum Permuted<'a> {
    /// An inner product of two prepared vectors of unit length: pairs, then the diagonal where there is one.
    Linear { n: usize, fixed: Vec<f64>, square: Vec<f64> },
    /// Sorted anew each time.
    Other { a: &'a Rdm, b: &'a Rdm, measure: Comparison },
}

impl<'a> Permuted<'a> {
    fn new(a: &'a Rdm, b: &'a Rdm, measure: Comparison) -> Result<Self> {
        let n = a.stimuli();
        let prepared = |rdm: &Rdm| -> Result<Option<Vec<f64>>> {
            let centred = |v: &[f64]| {
                let mean = v.iter().sum::<f64>() / v.len() as f64;
                v.iter().map(|x| x - mean).collect::<Vec<_>>()
            };
            let v = match measure {
                // Permuting stimuli permutes the ranks: they are found once.
                Comparison::Spearman => centred(&average_ranks(rdm.condensed())?),
                Comparison::Pearson => centred(rdm.condensed()),
                Comparison::Cosine => rdm.condensed().to_vec(),
                Comparison::WhitenedCosine => second_moments(rdm.condensed())?,
                Comparison::WhitenedPearson => second_moments(&centred(rdm.condensed()))?,
                Comparison::Kendall | Comparison::KendallA => return Ok(None),
            };
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            Ok(Some(v.iter().map(|x| x / norm).collect()))
        };
        Ok(match (prepared(a)?, prepared(b)?) {
            (Some(fixed), Some(moved)) => {
                let mut square = vec![0.0; n * n];
                let mut values = moved.into_iter();
                for i in 0..n {
                    for j in i + 1..n {
                        if let Some(v) = values.next() {
                            (square[i * n + j], square[j * n + i]) = (v, v);
                        }
                    }
                }
                (0..n).zip(values).for_each(|(i, v)| square[i * n + i] = v);
                Self::Linear { n, fixed, square }
            }
            _ => Self::Other { a, b, measure },
        })
    }

    fn at(&self, order: &[usize]) -> Result<f64> {
        match self {
            Self::Linear { n, fixed, square } => {
                let mut rest = fixed.as_slice();
                let mut sum = 0.0;
                for (i, from) in order.iter().enumerate() {
                    let (pairs, later) = rest.split_at(n - 1 - i);
                    let row = &square[from * n..(from + 1) * n];
                    sum += pairs.iter().zip(&order[i + 1..]).map(|(x, to)| x * row[*to]).sum::<f64>();
                    rest = later;
                }
                Ok(sum + rest.iter().zip(order).map(|(x, i)| x * square[i * n + i]).sum::<f64>())
            }
            Self::Other { a, b, measure } => {
                let n = a.stimuli();
                let mut moved = Vec::with_capacity(a.condensed().len());
                for (i, from) in order.iter().enumerate() {
                    moved.extend(
                        order[i + 1..].iter().map(|to| b.condensed()[index(n, *from.min(to), *from.max(to))]),
                    );
                }
                compare_vectors(a.condensed(), &moved, *measure)
            }
        }
    }
}

/// The order in which the second list names the stimuli of the first: `second[order[i]] == first[i]`.
///
/// # Errors
/// [`Error::Labels`] when a label occurs twice, or in one list only.
pub fn align(first: &[String], second: &[String]) -> Result<Vec<usize>> {
    if first.len() != second.len() {
        return Err(Error::Labels(format!("{} against {} of them", first.len(), second.len())));
    }
    if first == second {
        return Ok((0..first.len()).collect());
    }
    let mut places = std::collections::BTreeMap::new();
    for (i, label) in second.iter().enumerate() {
        if places.insert(label, i).is_some() {
            return Err(Error::Labels(format!("{label:?} occurs twice, and the orders differ")));
        }
    }
    let order: Vec<usize> = first
        .iter()
        .map(|label| {
            places
                .remove(label)
                .ok_or_else(|| Error::Labels(format!("{label:?} is missing or doubled in one RDM")))
        })
        .collect::<Result<_>>()?;
    Ok(order)
}
