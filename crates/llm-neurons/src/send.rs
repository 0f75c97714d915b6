//! Training with sensitivity dropout (SenD), and the spread of sampled answers that it watches (EigenScore, EES).
//!
//! While a model trains, [`SensitivityTracker`] follows the mean sentence embedding of a few tracking texts from checkpoint
//! to checkpoint; the units that move most are masked for the next ones ([`SendTrainer`]).
//!
//! With e^t the mean over the tracking texts of the sentence embedding at checkpoint t, and the last C checkpoints:
//!
//! ```text
//! V_i = Var(e_i^(T-C+1) .. e_i^T) * sum_(t = T-C+1)^T |e_i^t - e_i^(t-1)|
//! ```
//!
//! The `K %` of the units with the largest V are the sensitive embedding indices. Training multiplies the residual stream
//! before the last block with zero there, forward and backward, until they are chosen anew.
//!
//! ```no_run
//! use llm_neurons::model::HookedLm;
//! use llm_neurons::send::{SendConfig, SendMask, SendTrainer};
//! use llm_neurons::training::{LmTrainer, LmTraining};
//! # fn run(model: HookedLm, stream: Vec<u32>, tracking: Vec<Vec<u32>>) -> llm_neurons::Result<()> {
//! let trainer = LmTrainer::new(model, LmTraining::default())?;
//! // SendMask::None trains plainly and SendMask::Random drops as many units by chance: the two things to compare with.
//! let config = SendConfig { mask: SendMask::Sensitive, ..SendConfig::default() };
//! let mut send = SendTrainer::new(trainer, tracking, config)?;
//! for _ in 0..12 {
//!     for _ in 0..12 {
//!         send.step_on(&stream)?;
//!     }
//!     let found = send.checkpoint()?;
//!     println!("{:?} {:.3} {:.3}", found.loss, found.eigenscore, found.ees);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Mohammadzadeh et al., ACL 2025. The published code averages over epochs and takes differences over texts, the other
//! way round than the paper; here is what the paper says.

mod answers;
mod config;
mod embedding;
mod tracker;
mod trainer;
mod weights;

pub use answers::{Answers, SampleConfig, answers_eigenscore, sample_answers};
pub use config::{SendConfig, SendMask, SendMaskSite, StopRule};
pub use embedding::{EmbeddingLayer, SentenceEmbedding, sentence_embeddings};
pub use tracker::{SensitivityConfig, SensitivityTracker};
pub use trainer::{SendCheckpoint, SendTrainer};
