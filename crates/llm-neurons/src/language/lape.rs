//! LAPE: language activation probability entropy.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::frequencies::{Frequencies, entropy, share};
use super::{ActivationStats, LanguageMask};
use crate::keys::{ascending_f64, least};
use crate::{Error, Result};

/// What [`lape`] selects.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LapeConfig {
    /// Share of all neurons that is selected, in (0, 1] (0.01, the published program's).
    pub top_rate: f64,
    /// Share of all frequencies that a neuron must exceed in some language to be looked at, in (0, 1] (0.95).
    pub filter: f64,
    /// Share of all frequencies above which a selected neuron belongs to a language, in (0, 1] (0.95).
    pub bar: f64,
}

impl Default for LapeConfig {
    fn default() -> Self {
        Self { top_rate: 0.01, filter: 0.95, bar: 0.95 }
    }
}

/// What [`lape`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Lape {
    /// The neurons of each language; their values are the entropies, in nats.
    pub mask: LanguageMask,
    /// Flat index and entropy of every selected neuron, lowest entropy first; those above the bar in no language are
    /// here alone.
    pub selected: Vec<(usize, f64)>,
    /// Frequency that a neuron had to exceed in some language.
    pub filter: f32,
    /// Frequency above which a neuron belongs to a language.
    pub bar: f32,
}

/// The `round(top_rate L I)` neurons of lowest entropy `H = -sum_k q ln q`, `q = p / sum_k p`, among those with some
/// `p` above the filter; ties go to the lower flat index. A neuron belongs to each language whose `p` exceeds the bar.
/// Filter and bar are the `round(share L I K)`-th smallest of all frequencies, not interpolated.
///
/// # Errors
/// [`Error::Parameter`] for a language without tokens, a share outside (0, 1] or one that selects nothing; [`Error::TooFew`] where fewer neurons
/// pass the filter than are to be selected.
pub fn lape(stats: &ActivationStats, config: &LapeConfig) -> Result<Lape> {
    let p = Frequencies::of(stats)?;
    let count = share("top_rate", config.top_rate, p.neurons())?;
    let filter = p.order_statistic("filter", config.filter)?;
    let bar = if config.bar == config.filter { filter } else { p.order_statistic("bar", config.bar)? };
    let scores: Vec<f64> = p
        .rows()
        .map(|row| if row.iter().any(|p| *p > filter) { entropy(row) } else { f64::INFINITY })
        .collect();
    let passed = scores.iter().filter(|h| h.is_finite()).count();
    if passed < count {
        let what = "LAPE: neurons above the filter in some language";
        return Err(Error::TooFew { what, needed: count, found: passed });
    }
    let selected: Vec<(usize, f64)> =
        least(scores.iter().map(|h| ascending_f64(*h)), count).into_iter().map(|i| (i, scores[i])).collect();
    let mask = LanguageMask::above(stats, &p, bar, &selected);
    Ok(Lape { mask, selected, filter, bar })
}
