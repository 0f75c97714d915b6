//! Neural FOXP2: making a language a model's default by steering along a few of its own features.
//!
//! ```text
//! dM(x)   = sum of p over target tokens - sum of p over English tokens          (defaultness of the next token)
//! Sel_j   = (mean z_tgt,j - mean z_en,j) / (std z_tgt,j + std z_en,j + 1e-6)    (population deviations)
//! Lift_j  = median over alpha of (mean dM with alpha * direction j - mean dM) / alpha
//! N       = candidates with max(Sel, 0) max(Lift, 0) > 0                        (language neurons)
//! dZ      = z_tgt - z_en on N, zero elsewhere; dZ = U S V^T; P = V_r V_r^T
//! edit    h += s dz W_dec,  dz = [lambda mu_tgt - beta (z . mu_en) P mu_en] on N
//! ```
//!
//! Saha, Joshi, Jain, Chadha, Das, *Neural FOXP2: Language Specific Neuron Steering for Targeted Language Improvement in
//! LLMs*, ACL 2026, arXiv 2602.00945. The features `z` are codes of a [`probes::SparseAutoencoder`] of the residual
//! stream at the last position, scaled to unit length ([`unit_rows`]).
//!
//! [`FitConfig::run`] goes from paired sentences to a [`SteeringPlan`], which [`SteeringPlan::attach`] hooks into a model.

mod attach;
mod config;
mod control;
mod defaultness;
mod edit;
mod files;
mod fit;
mod grid;
mod layer;
mod neurons;
mod plan;
mod residuals;
mod subspace;
mod tensor;
mod tokens;
mod weak;
mod window;

pub use config::{Attractor, FitConfig, WindowChoice};
pub use defaultness::{Defaultness, TokenSetTensors, defaultness, mean_defaultness};
pub use edit::{Scale, Strength, unit_rows};
pub use fit::{Fit, FitTexts, FittedLayer, LayerAutoencoder, Steered, search};
pub use grid::{Grid, GridPoint, GridResult, Measured, grid_search};
pub use layer::{LayerFit, LayerQuality, LayerSteer, fit_layer};
pub use neurons::{
    LanguageNeurons, Lift, candidates, language_neurons, lift_vector, median_lift, selectivity,
    selectivity_floor, trace_units,
};
pub use plan::SteeringPlan;
pub use residuals::{PairResiduals, last_residuals};
pub use subspace::{SteeringSubspace, bootstrap_stability, restricted_difference, steering_subspace};
pub use tensor::SteerTensor;
pub use tokens::{PieceEncoding, Ranges, TargetLanguage, TokenSets, decode_piece};
pub use weak::WeakPrompts;
pub use window::{Window, WindowRule, best_window};
