//! Specific, related and general neurons: entropy less a reward of frequency.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::frequencies::{Frequencies, clipped_entropy, share};
use super::{ActivationStats, LanguageMask, layer_profile};
use crate::keys::{ascending_f64, least};
use crate::{Error, Result};

/// What [`ternary`] selects.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TernaryConfig {
    /// Share of all neurons that is selected, in (0, 1] (0.01).
    pub top_rate: f64,
    /// Weight of the reward of frequency, finite and at least 0 (0: [`bisect_lambda`] finds the published choice).
    pub lambda: f64,
    /// Share of all frequencies above which a neuron is active in a language, in (0, 1] (0.95).
    pub bar: f64,
}

impl Default for TernaryConfig {
    fn default() -> Self {
        Self { top_rate: 0.01, lambda: 0.0, bar: 0.95 }
    }
}

/// In how many languages a neuron is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// In none.
    Unassigned,
    /// In one: language-specific.
    Specific,
    /// In several, not all: language-related.
    Related,
    /// In all: language-agnostic.
    General,
}

impl Kind {
    fn of(active: usize, languages: usize) -> Self {
        match active {
            0 => Self::Unassigned,
            n if n == languages => Self::General,
            1 => Self::Specific,
            _ => Self::Related,
        }
    }
}

/// A neuron that was selected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selected {
    /// Flat index, `layer * width + neuron`.
    pub neuron: usize,
    /// Its score; lower is more selective.
    pub score: f64,
    /// Number of languages in which it is active.
    pub languages: usize,
    /// What that makes it.
    pub kind: Kind,
}

/// What [`ternary`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct TernaryResult {
    /// The selected neurons by the languages in which they are active; their values are the scores.
    pub mask: LanguageMask,
    /// The selected neurons, lowest score first.
    pub selected: Vec<Selected>,
    /// Frequency above which a neuron is active in a language.
    pub threshold: f32,
    /// How many selected neurons are active in 0, 1, .., K languages. The published tool counts the mask's entries, so
    /// its first figure is always 0.
    pub appear: Vec<usize>,
}

impl TernaryResult {
    /// The mask of the selected neurons of some kinds.
    #[must_use]
    pub fn mask_of(&self, kinds: &[Kind]) -> LanguageMask {
        let mut keep: Vec<usize> =
            self.selected.iter().filter(|s| kinds.contains(&s.kind)).map(|s| s.neuron).collect();
        keep.sort_unstable();
        self.mask.restrict(&keep)
    }

    /// Number of selected neurons of each kind in each layer; general ones are counted over the whole network with
    /// [`general_neurons`] instead.
    #[must_use]
    pub fn layer_profile(&self, general: &[usize]) -> LayerProfile {
        let (layers, width) = (self.mask.layers(), self.mask.width());
        let of = |kind| {
            let chosen: Vec<usize> =
                self.selected.iter().filter(|s| s.kind == kind).map(|s| s.neuron).collect();
            layer_profile(&chosen, layers, width)
        };
        LayerProfile {
            specific: of(Kind::Specific),
            related: of(Kind::Related),
            general: layer_profile(general, layers, width),
        }
    }
}

/// Number of neurons by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerProfile {
    /// Active in one language.
    pub specific: Vec<usize>,
    /// Active in several.
    pub related: Vec<usize>,
    /// Active in all.
    pub general: Vec<usize>,
}

/// How [`bisect_lambda`] searches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bisection {
    /// Share of all neurons that is selected (0.01).
    pub top_rate: f64,
    /// Share of all frequencies above which a neuron is active in a language (0.95).
    pub bar: f64,
    /// Least weight (0).
    pub low: f64,
    /// Greatest weight (0.2).
    pub high: f64,
    /// Length of the interval at which the search ends (1e-3).
    pub precision: f64,
}

impl Default for Bisection {
    fn default() -> Self {
        Self { top_rate: 0.01, bar: 0.95, low: 0.0, high: 0.2, precision: 1e-3 }
    }
}

/// The `round(top_rate L I)` neurons of lowest score
///
/// `H / ln K - lambda max_k p / nu`, `nu = (1/K) sum_{k=1..K} 1/k`,
///
/// with the entropy H of `q = p / sum p` (raised to at least 1e-12; uniform for a neuron that never fires); ties go to
/// the lower flat index. A neuron is active in the languages whose `p` exceeds the `round(bar L I K)`-th smallest
/// frequency of all.
///
/// # Errors
/// [`Error::Parameter`] for a language without tokens, a share outside (0, 1] or one that selects nothing, and for a weight that is negative or
/// not finite.
pub fn ternary(stats: &ActivationStats, config: &TernaryConfig) -> Result<TernaryResult> {
    let terms = Terms::of(stats, config.bar)?;
    let chosen = terms.select(config.lambda, share("top_rate", config.top_rate, terms.neurons.len())?)?;
    let languages = stats.languages();
    let selected: Vec<Selected> = chosen
        .iter()
        .map(|(neuron, score)| {
            let active = terms.neurons[*neuron].active;
            Selected { neuron: *neuron, score: *score, languages: active, kind: Kind::of(active, languages) }
        })
        .collect();
    Ok(TernaryResult {
        mask: LanguageMask::above(stats, &terms.p, terms.threshold, &chosen),
        appear: terms.appear(&chosen, languages),
        threshold: terms.threshold,
        selected,
    })
}

/// The largest weight at which [`ternary`] selects no neuron that is active in every language, by bisection; `None` if
/// there is none. Both ends are tried first; afterwards the search takes the number of such neurons to grow with the
/// weight.
///
/// # Errors
/// Those of [`ternary`]; [`Error::Parameter`] unless `0 <= low <= high` and the precision is above 0.
pub fn bisect_lambda(stats: &ActivationStats, search: &Bisection) -> Result<Option<f64>> {
    if search.precision.is_nan() || search.precision <= 0.0 {
        let expected = "above 0";
        return Err(Error::Parameter { name: "precision", value: search.precision, expected });
    }
    if search.low.is_nan() || search.high.is_nan() || search.low > search.high {
        return Err(Error::Parameter { name: "low", value: search.low, expected: "at most `high`" });
    }
    let terms = Terms::of(stats, search.bar)?;
    let count = share("top_rate", search.top_rate, terms.neurons.len())?;
    let mut best = None;
    let mut spares = |lambda: f64| -> Result<bool> {
        let chosen = terms.select(lambda, count)?;
        let spares = chosen.iter().all(|(i, _)| terms.neurons[*i].active < stats.languages());
        if spares && best.is_none_or(|b| lambda > b) {
            best = Some(lambda);
        }
        Ok(spares)
    };
    let (mut low, mut high) = (search.low, search.high);
    spares(low)?;
    spares(high)?;
    while high - low > search.precision {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break; // no number lies between them
        }
        if spares(middle)? { low = middle } else { high = middle }
    }
    Ok(best)
}

/// Flat indices, ascending, of all neurons whose frequency exceeds the `round(bar L I K)`-th smallest in every language.
///
/// # Errors
/// [`Error::Parameter`] for a language without tokens, a share outside (0, 1].
pub fn general_neurons(stats: &ActivationStats, bar: f64) -> Result<Vec<usize>> {
    let p = Frequencies::of(stats)?;
    let threshold = p.order_statistic("bar", bar)?;
    Ok(p.rows()
        .enumerate()
        .filter(|(_, row)| row.iter().all(|p| *p > threshold))
        .map(|(neuron, _)| neuron)
        .collect())
}

/// What the scores for any weight are made of.
struct Terms {
    p: Frequencies,
    neurons: Vec<Term>,
    threshold: f32,
}

/// What the scores of one neuron are made of.
#[derive(Clone, Copy)]
struct Term {
    /// Entropy over its greatest value.
    normalised: f64,
    /// `max p / nu`.
    reward: f64,
    /// Number of languages above the threshold.
    active: usize,
}

impl Terms {
    fn of(stats: &ActivationStats, bar: f64) -> Result<Self> {
        let p = Frequencies::of(stats)?;
        let threshold = p.order_statistic("bar", bar)?;
        let k = stats.languages();
        let ln_k = (k as f64).ln();
        let nu = (1..=k).map(|k| 1.0 / k as f64).sum::<f64>() / k as f64;
        let mut neurons = Vec::new();
        p.rows()
            .map_init(Vec::new, |room, row| Term {
                normalised: clipped_entropy(row, room) / ln_k,
                reward: f64::from(row.iter().copied().fold(0.0, f32::max)) / nu,
                active: row.iter().filter(|p| **p > threshold).count(),
            })
            .collect_into_vec(&mut neurons);
        Ok(Self { p, neurons, threshold })
    }

    /// Flat index and score of the `count` lowest.
    fn select(&self, lambda: f64, count: usize) -> Result<Vec<(usize, f64)>> {
        if !(lambda >= 0.0 && lambda.is_finite()) {
            return Err(Error::Parameter {
                name: "lambda",
                value: lambda,
                expected: "finite and at least 0",
            });
        }
        let score = |t: &Term| t.normalised - lambda * t.reward;
        let lowest = least(self.neurons.iter().map(|t| ascending_f64(score(t))), count);
        Ok(lowest.into_iter().map(|i| (i, score(&self.neurons[i]))).collect())
    }

    fn appear(&self, chosen: &[(usize, f64)], languages: usize) -> Vec<usize> {
        let mut appear = vec![0; languages + 1];
        chosen.iter().for_each(|(i, _)| appear[self.neurons[*i].active] += 1);
        appear
    }
}
