//! Pre-synaptic pool modification: supervised learning of spike trains (sheet 13).
//!
//! A recurrent network is taught to fire given trains, without gradients. Simulate once; pair the model's spikes with the
//! targets' ([`match_spikes`]); for every target that was missed raise the synapses from the neurons that fired just before
//! (the pool, [`Pools`]), each by a random amount of its own; for every spike too many lower them; and move all inputs of a
//! neuron with the difference of its spike counts. All neurons change at once, after the epoch. The search is stochastic: the
//! weights to keep are those of the best epoch, not of the last.
//!
//! ```
//! use snn::pspm::{Experiment, LifNetwork, PspmConfig, train};
//! # fn main() -> snn::Result<()> {
//! // A reference network, its input and its spikes; a student that starts from other weights.
//! let world = Experiment { neurons: 20, steps: 300, ..Experiment::default() }.build(7)?;
//! let mut student = LifNetwork::new(world.student, Default::default())?;
//! let report = train(&mut student, &world.target, &world.drive, &PspmConfig { epochs: 40, ..Default::default() })?;
//! assert!(report.best.van_rossum < report.before.van_rossum);
//! # Ok(())
//! # }
//! ```
//!
//! Reference: B. A. Bagley, B. Bordelon, B. Moseley, R. Wessel, Pre-Synaptic Pool Modification (PSPM): A supervised learning
//! procedure for recurrent spiking neural networks, PLoS ONE 15, 2020 (arXiv 1810.03199). No code was published: constants
//! and rules of ties are the project's own, marked *choice* in the page of this system.

mod config;
mod drive;
mod experiment;
mod lif;
mod matching;
pub mod metrics;
mod network;
mod pif;
mod pools;
mod raster;
mod training;
mod update;
mod weights;

pub use config::{Homeostasis, Polarity, PoolSource, PspmConfig, Update};
pub use drive::Drive;
pub use experiment::{Condition, Experiment, Run, World, sweep};
pub use lif::{Lif, LifNetwork};
pub use matching::{Matching, match_spikes};
pub use metrics::{Similarity, similarity};
pub use network::SpikingNetwork;
pub use pif::{PifNetwork, UniformPif};
pub use pools::Pools;
pub use raster::Raster;
pub use training::{Epoch, PspmReport, train};
pub use weights::{check_weights, random_weights, weight_correlation};
