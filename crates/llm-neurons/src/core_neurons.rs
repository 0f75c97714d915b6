//! Core neurons: the MLP neurons that a prompt needs, found while it is read and kept while the answer is written.
//!
//! **Method** (Wang et al. 2024, CoreInfer). Of the activations `A [T, F]` of a prompt's T tokens in one layer (the
//! pre-activation of a ReLU model, the down projection's input of a gated one) the `lim` largest of each token are its
//! core, with `lim = floor(alpha #{A > 0} / T)`, one length for all tokens, at least 1. The prompt's core neurons are
//! those in most tokens' cores, `f(n)` of them, at most `floor(beta F)`, ties to the lower index, none with `f(n) = 0`
//! ([`core_neurons`]). Only layers between `start` and `end` are made sparse ([`CoreConfig`]).
//!
//! For prompts too short to settle, [`ClusterBank`] keeps the core neurons of clusters of texts and gives those of the
//! cluster that the prompt's pattern lies nearest to. [`CoreInferSession`] reads a prompt and decodes with them,
//! [`generate`] writes on, [`second_halves`] says how likely given text is to them.
//!
//! ```
//! use llm_neurons::core_neurons::core_neurons;
//! use ndarray::arr2;
//! # fn main() -> llm_neurons::Result<()> {
//! let a = arr2(&[[0.9, -1.0, 0.2, 0.1], [0.8, -0.5, 0.7, -0.1], [0.1, -0.2, 0.6, -0.3]]);
//! let found = core_neurons(&a.view(), 0.5, 2)?; // 7 positive: floor(0.5 * 7 / 3) = 1 a token
//! assert_eq!((found.limit, found.units), (1, vec![0, 2]));
//! assert_eq!(found.count, [2, 0, 1, 0]);
//! # Ok(())
//! # }
//! ```

mod agreement;
mod bank;
mod bank_file;
mod bank_model;
mod config;
mod generation;
mod likelihood;
mod patterns;
mod pools;
mod ranking;
mod session;
mod watch;

pub use agreement::{Agreement, agreement};
pub use bank::{ClusterBank, ClusterConfig};
pub use config::{CoreConfig, CoreSource};
pub use generation::{CoreGeneration, generate};
pub use likelihood::{CoreNll, second_halves};
pub use patterns::{Clustering, elbow_k};
pub use pools::{PoolCounts, PoolSizes};
pub use ranking::{Ranked, core_neurons};
pub use session::{CoreInferSession, Strategy};
