//! Numerics shared by the Neuropil crates: host side, `f64`, deterministic.
//!
//! Everything here is plain Rust over [`ndarray`]: no device, no global state. Randomness is counter-based
//! ([`rng`]), so every result is the same for any number of threads.
//!
//! ```
//! use ndarray::{arr1, arr2};
//! use numerics::{linalg, ranks, rng};
//! # fn main() -> numerics::Result<()> {
//! assert_eq!(ranks::average_ranks(&[10.0, 20.0, 20.0, 5.0])?, [2.0, 3.5, 3.5, 1.0]);
//! assert_eq!(ranks::quantile(&[0.0, 1.0, 2.0, 3.0], 0.5)?, 1.5);
//! let covariance = arr2(&[[2.0, 1.0], [1.0, 2.0]]);
//! let eigen = linalg::symmetric_eigen(&covariance.view())?;
//! assert!((&eigen.values - &arr1(&[1.0, 3.0])).iter().all(|gap| gap.abs() < 1e-12));
//! let draw = rng::normals(&mut rng::stream(7, "noise", 0), 3); // seed, purpose, index
//! assert_eq!(draw, rng::normals(&mut rng::stream(7, "noise", 0), 3));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod auc;
pub mod bootstrap;
pub mod correlation;
pub mod csr;
pub mod distributions;
mod error;
pub mod finite;
pub mod gram;
pub mod kmeans;
pub mod linalg;
mod order;
pub mod partitions;
pub mod pca;
pub mod permutation;
pub mod ranks;
pub mod rng;
pub mod summary;

pub use error::{Error, Result};
