//! Stage I: which features are language neurons.

use ndarray::{Array1, ArrayView1, ArrayView2, Axis};
use numerics::distributions::student_t_quantile;
use probes::SparseWeights;

use super::edit::Scale;
pub(super) use crate::finite::finite;
use crate::{Error, Result};

/// Added to the deviations of [`selectivity`] (the published code).
const SELECTIVITY_EPSILON: f64 = 1e-6;

/// `Sel_j` of codes `[n, F]` of target and `[m, F]` of English text.
///
/// # Errors
/// [`Error::TooFew`] for no rows, [`Error::Shape`] for another width, [`Error::NotFinite`].
pub fn selectivity(target: &ArrayView2<'_, f64>, english: &ArrayView2<'_, f64>) -> Result<Array1<f64>> {
    if target.ncols() != english.ncols() {
        return Err(Error::Shape {
            what: "codes of English text",
            expected: format!("{} columns", target.ncols()),
            found: english.ncols().to_string(),
        });
    }
    let moments = |what: &'static str, codes: &ArrayView2<'_, f64>| {
        finite(what, codes)?;
        let mean = codes.mean_axis(Axis(0)).filter(|_| codes.nrows() > 0);
        let mean = mean.ok_or(Error::TooFew { what, needed: 1, found: codes.nrows() })?;
        Ok::<_, Error>((mean, codes.std_axis(Axis(0), 0.0)))
    };
    let (mean_target, deviation_target) = moments("codes of target text", target)?;
    let (mean_english, deviation_english) = moments("codes of English text", english)?;
    Ok((mean_target - mean_english) / (deviation_target + deviation_english + SELECTIVITY_EPSILON))
}

/// The `top` features of the largest selectivity that is at least `floor`, largest first; ties by index. (The published
/// code takes 50 and has no floor: minus infinity.)
///
/// Without a floor chance decides where text does not: of many features some are selective in any sample, those of them
/// that raise the target's mass are kept, and [`fit_layer`](super::fit_layer) scales their difference to unit length
/// however small it is. Pairs whose languages were shuffled then still steer. [`selectivity_floor`] ends that.
#[must_use]
pub fn candidates(selectivity: &ArrayView1<'_, f64>, top: usize, floor: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..selectivity.len()).filter(|j| selectivity[*j] >= floor).collect();
    order.sort_by(|a, b| selectivity[*b].total_cmp(&selectivity[*a]).then(a.cmp(b)));
    order.truncate(top);
    order
}

/// The selectivity that chance reaches in any of `features` features with a probability of at most `level` (0.05, say)
/// when `pairs` rows on either side do not differ: `Sel sqrt(n)` is at most the t statistic of the two means, so the floor
/// is Student's quantile at `1 - level / features` (Bonferroni) over `sqrt(n)`. A choice of ours.
///
/// # Errors
/// [`Error::TooFew`] below two pairs or one feature, [`Error::Numerics`] for a level outside (0, 1).
pub fn selectivity_floor(pairs: usize, features: usize, level: f64) -> Result<f64> {
    if pairs < 2 {
        return Err(Error::TooFew { what: "pairs", needed: 2, found: pairs });
    }
    if features == 0 {
        return Err(Error::TooFew { what: "features", needed: 1, found: 0 });
    }
    let n = pairs as f64;
    Ok(student_t_quantile(1.0 - level / features as f64, n - 1.0)? / n.sqrt())
}

/// What to add to the residual stream at the last position to measure the lift of a feature at strength `alpha`:
/// `alpha * direction`, times the layer's mean residual norm unless the scale is absolute.
///
/// # Errors
/// [`Error::Parameter`] for an alpha that is not finite, a mean norm that is not positive, or a feature out of range.
pub fn lift_vector(
    weights: &SparseWeights,
    feature: usize,
    alpha: f64,
    scale: Scale,
    mean_norm: f64,
) -> Result<Array1<f64>> {
    if !alpha.is_finite() {
        return Err(Error::Parameter { name: "alpha", value: alpha, expected: "finite" });
    }
    check_feature(weights, feature)?;
    let scale = scale.factor(mean_norm)?;
    Ok(weights.directions().row(feature).mapv(|w| w * alpha * scale))
}

/// The causal effect of a feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Lift {
    /// Median of the slopes.
    pub lift: f64,
    /// `(mean dM edited - mean dM) / alpha`, one for each alpha.
    pub slopes: Vec<f64>,
}

/// `Lift_j` from measured dM: `base[x]` without edit, `edited` pairs of alpha and dM of the same prompts with it. (The
/// published code takes alpha 0.5, 1, 2, 5, 10, 15 in absolute terms.)
///
/// # Errors
/// [`Error::TooFew`] for no prompts or no alphas, [`Error::Shape`] for another number of prompts, [`Error::Parameter`] for
/// an alpha that is not positive, [`Error::NotFinite`].
///
/// ```
/// use llm_neurons::foxp2::median_lift;
/// // Twice the alpha gives twice the effect, but the largest one saturates.
/// let edited = [(0.5, vec![-0.8, -0.6]), (1.0, vec![-0.7, -0.5]), (8.0, vec![0.0, 0.2])];
/// let lift = median_lift(&[-0.9, -0.7], &edited)?;
/// assert!((lift.lift - 0.2).abs() < 1e-12 && lift.slopes.len() == 3);
/// # Ok::<(), llm_neurons::Error>(())
/// ```
pub fn median_lift(base: &[f64], edited: &[(f64, Vec<f64>)]) -> Result<Lift> {
    if base.is_empty() {
        return Err(Error::TooFew { what: "weak prompts", needed: 1, found: 0 });
    }
    if edited.is_empty() {
        return Err(Error::TooFew { what: "alphas", needed: 1, found: 0 });
    }
    finite("dM", &ArrayView1::from(base).insert_axis(Axis(0)))?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut slopes = Vec::with_capacity(edited.len());
    for (alpha, values) in edited {
        if !(alpha.is_finite() && *alpha > 0.0) {
            return Err(Error::Parameter { name: "alpha", value: *alpha, expected: "a positive number" });
        }
        if values.len() != base.len() {
            return Err(Error::Shape {
                what: "edited dM",
                expected: format!("{} prompts", base.len()),
                found: values.len().to_string(),
            });
        }
        finite("edited dM", &ArrayView1::from(values).insert_axis(Axis(0)))?;
        slopes.push((mean(values) - mean(base)) / alpha);
    }
    Ok(Lift { lift: numerics::summary::median(&slopes)?, slopes })
}

/// Features that are selective for the target and raise its mass, by falling score.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LanguageNeurons {
    /// Features.
    pub features: Vec<usize>,
    /// `max(Sel, 0) max(Lift, 0)` of each.
    pub scores: Vec<f64>,
}

impl LanguageNeurons {
    /// Whether there are none: such a layer is not steered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }
}

/// The candidates with a positive score; `lifts[i]` is the lift of `candidates[i]`.
///
/// # Errors
/// [`Error::Shape`] for lists of unequal length, [`Error::Parameter`] for a candidate out of range or given twice,
/// [`Error::NotFinite`].
pub fn language_neurons(
    candidates: &[usize],
    selectivity: &ArrayView1<'_, f64>,
    lifts: &[f64],
) -> Result<LanguageNeurons> {
    if candidates.len() != lifts.len() {
        return Err(Error::Shape {
            what: "lifts",
            expected: format!("{} values", candidates.len()),
            found: lifts.len().to_string(),
        });
    }
    check_features(candidates, selectivity.len())?;
    finite("selectivity", &selectivity.insert_axis(Axis(0)))?;
    finite("lifts", &ArrayView1::from(lifts).insert_axis(Axis(0)))?;
    let score = |(j, lift): (&usize, &f64)| (*j, selectivity[*j].max(0.0) * lift.max(0.0));
    let mut scored: Vec<(usize, f64)> =
        candidates.iter().zip(lifts).map(score).filter(|(_, score)| *score > 0.0).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let (features, scores) = scored.into_iter().unzip();
    Ok(LanguageNeurons { features, scores })
}

/// The units of the residual stream that a feature's direction is made of: the `top` of the largest magnitude, with their
/// weights. Steering does not need them.
///
/// # Errors
/// [`Error::Parameter`] for a feature out of range.
pub fn trace_units(weights: &SparseWeights, feature: usize, top: usize) -> Result<Vec<(usize, f64)>> {
    check_feature(weights, feature)?;
    let directions = weights.directions();
    let mut units: Vec<(usize, f64)> = directions.row(feature).iter().copied().enumerate().collect();
    units.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    units.truncate(top);
    Ok(units)
}

/// Features that exist, each once.
pub(super) fn check_features(features: &[usize], count: usize) -> Result<()> {
    let mut sorted = features.to_vec();
    sorted.sort_unstable();
    let twice = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| a == b).map(|(a, _)| *a);
    let beyond = sorted.last().copied().filter(|last| *last >= count);
    match (beyond, twice) {
        (Some(feature), _) => Err(Error::Parameter {
            name: "feature",
            value: feature as f64,
            expected: "below the number of features",
        }),
        (None, Some(feature)) => {
            Err(Error::Parameter { name: "feature", value: feature as f64, expected: "given once" })
        }
        (None, None) => Ok(()),
    }
}

fn check_feature(weights: &SparseWeights, feature: usize) -> Result<()> {
    check_features(&[feature], weights.directions().nrows())
}
