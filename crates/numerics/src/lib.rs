//! Numerics shared by the Neuropil crates: host side, `f64`, deterministic.
//!
//! Everything here is plain Rust over [`ndarray`]: no device, no global state. Randomness is counter-based
//! ([`rng`]), so every result is the same for any number of threads.
#![forbid(unsafe_code)]

pub mod auc;
pub mod bootstrap;
pub mod correlation;
pub mod csr;
pub mod distributions;
mod error;
pub mod kmeans;
pub mod linalg;
mod order;
pub mod partitions;
pub mod pca;
pub mod permutation;
pub mod ranks;
pub mod rng;

pub use error::{Error, Result};
