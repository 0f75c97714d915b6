//! Detectors of spatial patterns, trained once by STDP and homeostasis (sheet 11).
//!
//! In the spirit of Davies, Gait, Rowley and Di Nuovo, *Supervised learning of spatial features with STDP and homeostasis
//! using Spiking Neural Networks on SpiNNaker*, Neurocomputing 611 (2025) 128650. Only its abstract, highlights and data
//! description could be read: architecture, protocol and constants below are a reconstruction that agrees with them, not
//! the authors' network.
//!
//! # Model
//! A pattern is a set of inputs that spike at once. They meet in one leaky integrate-and-fire neuron with exponential
//! currents, whose potential peaks at
//!
//! ```text
//! V_peak = kappa w.x,   kappa = (tau_s / c_m) (tau_s / tau_m)^(tau_s / (tau_m - tau_s))
//! ```
//!
//! so it fires if and only if `w.x >= w_theta = V_th / kappa`: the closed form is no approximation. One presentation
//! trains a pattern: its inputs spike, a teacher makes the neuron fire `delta` later (pre before post: potentiation),
//! the other inputs spike `delta` after that (post before pre: depression):
//!
//! ```text
//! dw = +A+ exp(-delta / tau+) for inputs of the pattern,   -A- exp(-delta / tau-) for the others
//! ```
//!
//! Homeostasis then scales all weights once, so that the trained patterns drive the neuron to `(1 + m)` times its
//! threshold on average: `w *= (1 + m) w_theta / mean_k(w.p_k)`.
//!
//! A single pattern of `n` inputs is accepted alone if and only if `m < 1 / (n - 1)`: with `k` matching and `e` further
//! inputs the neuron fires where `(k - A-/A+ e)(1 + m) >= n`. Patterns that share a neuron are told apart only as far as
//! they resemble one another; [`PatternBank`] gives each a neuron of its own.
//!
//! # Parameters
//! [`Lif`] and [`DetectorConfig`] state every constant with its source.
//!
//! # Numerics
//! Currents and potential are propagated exactly; the peak and the crossing inside a step are solved for, so simulation
//! and closed form agree on every input. Comparisons with the threshold allow a relative 1e-12.
//!
//! ```
//! use snn::spatial::{BitPattern, DetectorConfig, SpatialDetector};
//! # fn main() -> snn::Result<()> {
//! let pattern = BitPattern::from_indices(10, &[1, 4, 7])?;
//! let mut detector = SpatialDetector::new(10, DetectorConfig { margin: 0.1, ..DetectorConfig::default() })?;
//! detector.train_one_shot(&[pattern.clone()])?;
//! assert!(detector.decide(&pattern)?);
//! assert!(!detector.decide(&BitPattern::from_indices(10, &[1, 4, 7, 8])?)?);
//! assert_eq!(detector.simulate(&pattern)?.len(), 1);
//! # Ok(())
//! # }
//! ```

mod bank;
mod closed_form;
mod config;
mod detector;
mod encode;
mod law;
mod metrics;
mod neuron;
mod pattern;
mod simulation;

pub use bank::PatternBank;
pub use config::{DetectorConfig, HomeostasisMode, Integration};
pub use detector::{Detector, SpatialDetector, TrainReport};
pub use encode::{Field, PatternEncoder};
pub use law::{HammingRow, accepted_inputs, accuracy_vs_hamming, two_pattern_accepted};
pub use metrics::{Confusion, TestSet, evaluate};
pub use neuron::Lif;
pub use pattern::BitPattern;
