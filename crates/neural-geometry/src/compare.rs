//! How alike two dissimilarity matrices are.

use numerics::correlation::{cosine, kendall_tau_a, kendall_tau_b, pearson};
use numerics::ranks::average_ranks;

use crate::rdm::stimuli_of;
use crate::{Error, Rdm, Result};

/// A measure of the similarity of two RDMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// Pearson's correlation of the ranks (average ranks for ties).
    Spearman,
    /// Pearson's correlation.
    Pearson,
    /// Kendall's tau-b.
    Kendall,
    /// Kendall's tau-a: for models that predict ties.
    KendallA,
    /// The cosine of the angle between the vectors: for ratio scales such as crossnobis.
    Cosine,
    /// The cosine after whitening with the covariance that the entries of an RDM have because they share patterns.
    WhitenedCosine,
    /// Pearson's correlation after the same whitening.
    WhitenedPearson,
}

/// The similarity of two RDMs of the same stimuli in the same order.
///
/// Whitened measures assume patterns with independent, equal noise. With `G = -1/2 J D J` of the RDM `D` and
/// `J = I - 1/n`, the whitened cosine is the cosine of the two `G`, all `n^2` entries (Diedrichsen et al. 2021); for the
/// whitened correlation each RDM first loses its mean.
///
/// # Errors
/// [`Error::Length`] for different numbers of stimuli; [`Error::Numerics`] where a measure is undefined, as the
/// correlation with a constant RDM.
pub fn compare(a: &Rdm, b: &Rdm, measure: Comparison) -> Result<f64> {
    if a.stimuli() != b.stimuli() {
        let expected = format!("{} stimuli", a.stimuli());
        return Err(Error::Length { what: "compared RDM", expected, found: b.stimuli() });
    }
    compare_vectors(a.condensed(), b.condensed(), measure)
}

/// [`compare`] of condensed vectors of the same length. Measures that are not whitened take any vectors, such as the
/// pairs that a bootstrap leaves.
///
/// # Errors
/// Those of [`compare`].
pub fn compare_vectors(a: &[f64], b: &[f64], measure: Comparison) -> Result<f64> {
    if a.len() != b.len() {
        let expected = format!("{} dissimilarities", a.len());
        return Err(Error::Length { what: "compared RDM", expected, found: b.len() });
    }
    match measure {
        Comparison::Kendall => Ok(kendall_tau_b(a, b)?),
        Comparison::KendallA => Ok(kendall_tau_a(a, b)?),
        Comparison::Pearson => Ok(pearson(a, b)?),
        Comparison::Cosine => Ok(cosine(a, b)?),
        Comparison::Spearman => {
            // Above all this is two sorts: one on each thread.
            let (x, y) = rayon::join(|| average_ranks(a), || average_ranks(b));
            Ok(pearson(&x?, &y?)?)
        }
        Comparison::WhitenedCosine => Ok(cosine(&second_moments(a)?, &second_moments(b)?)?),
        Comparison::WhitenedPearson => {
            Ok(cosine(&second_moments(&without_mean(a)?)?, &second_moments(&without_mean(b)?)?)?)
        }
    }
}

fn without_mean(values: &[f64]) -> Result<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let most = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if values.iter().all(|v| (v - mean).abs() <= 1e-14 * most) {
        return Err(numerics::Error::Constant { what: "whitened correlation" }.into());
    }
    Ok(values.iter().map(|v| v - mean).collect())
}

/// `-1/2 J D J`: off-diagonal entries times the root of 2, because they occur twice, then the diagonal.
pub(crate) fn second_moments(condensed: &[f64]) -> Result<Vec<f64>> {
    let n = stimuli_of(condensed.len())?;
    let mut means = vec![0.0; n];
    let mut pairs = condensed.iter();
    for i in 0..n {
        for j in i + 1..n {
            if let Some(d) = pairs.next() {
                means[i] += d / n as f64;
                means[j] += d / n as f64;
            }
        }
    }
    let grand = means.iter().sum::<f64>() / n as f64;
    let entry = |d: f64, i: usize, j: usize| -0.5 * (d - means[i] - means[j] + grand);
    let root = std::f64::consts::SQRT_2;
    let mut pairs = condensed.iter();
    let mut out = Vec::with_capacity(condensed.len() + n);
    for i in 0..n {
        out.extend(pairs.by_ref().take(n - 1 - i).zip(i + 1..).map(|(d, j)| root * entry(*d, i, j)));
    }
    out.extend((0..n).map(|i| entry(0.0, i, i)));
    Ok(out)
}
