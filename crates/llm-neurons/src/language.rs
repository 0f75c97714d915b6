//! Language neurons: which MLP neurons fire for one language, for several, or for all of them.
//!
//! **Input.** For L layers of I neurons and K languages the number of tokens at which a neuron's activation is above zero,
//! `n[l, i, k]`, and the number of tokens of each language, `N[k]` ([`ActivationStats`]). A gated MLP's activation is
//! that of the gate after its non-linearity, before the product with the up projection. Frequencies are `p = n / N`, in
//! single precision as the published programs have them.
//!
//! | function | selects |
//! |---|---|
//! | [`lape`] | of the neurons frequent in some language, those of lowest entropy over languages (Tang et al. 2024) |
//! | [`ternary`] | those of lowest normalised entropy less a reward of frequency; tells specific, related and general (Zhang et al. 2026) |
//! | [`bisect_lambda`] | the reward's weight, by bisection |
//! | [`general_neurons`] | all neurons that are frequent in every language |
//!
//! [`ActivationCounter`] makes the counts from a model and text; [`LanguageEvaluation`] switches selected neurons off and
//! measures every language, beside as many random neurons. [`LanguageReader`], [`select`] and [`judge`] put these together, from
//! windows of text to a neuron-set file.
//!
//! Results do not depend on the number of threads. Permuting the languages permutes the masks, to the bit: sums over
//! languages are made in fixed point.
//!
//! ```
//! use llm_neurons::language::{ActivationStats, Kind, TernaryConfig, ternary};
//! use ndarray::{Array3, arr1};
//! # fn main() -> llm_neurons::Result<()> {
//! // 1 layer, 8 neurons, 3 languages: neuron 2 fires for the second language alone.
//! let counts = Array3::from_shape_fn((1, 8, 3), |(_, i, k)| if i == 2 && k == 1 { 90 } else { 5 + i as i64 });
//! let stats = ActivationStats::new(counts, arr1(&[100, 100, 100]))?;
//! let found = ternary(&stats, &TernaryConfig { top_rate: 0.125, ..TernaryConfig::default() })?;
//! assert_eq!(found.mask.neurons(1), [2]);
//! assert_eq!(found.selected[0].kind, Kind::Specific);
//! # Ok(())
//! # }
//! ```

mod ablation;
mod frequencies;
mod lape;
mod mask;
mod record;
mod search;
mod statistics;
mod ternary;

pub use ablation::{AblationMatrix, LanguageEvaluation, ablation_matrix};
pub use lape::{Lape, LapeConfig, lape};
pub use mask::{LanguageMask, layer_profile, mask_overlap};
pub use record::ActivationCounter;
pub use search::{
    LanguageEffect, LanguageReader, LanguageRule, LanguageSelection, judge, language_set, select,
};
pub use statistics::ActivationStats;
pub use ternary::{
    Bisection, Kind, LayerProfile, Selected, TernaryConfig, TernaryResult, bisect_lambda, general_neurons,
    ternary,
};
