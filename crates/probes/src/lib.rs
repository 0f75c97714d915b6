//! Sparse autoencoders: directions that a network's activations are made of.
#![forbid(unsafe_code)]

mod error;
mod sparse;

pub use error::{Error, Result};
pub use sparse::checkpoint::Checkpoints;
pub use sparse::config::{DecoderNorm, Initialisation, SparseAutoencoderConfig, Sparsity};
pub use sparse::evaluation::{SparseReport, evaluate, loss_recovered};
pub use sparse::plan::{Revival, SparseTraining};
pub use sparse::training::{EpochSummary, TrainedSparse, train, train_resumable};
pub use sparse::weights::SparseWeights;
pub use sparse::{SparseAutoencoder, SparseLoss};
