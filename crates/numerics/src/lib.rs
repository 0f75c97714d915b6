//! Numerics shared by the Neuropil crates: host side, `f64`, deterministic.
//!
//! Everything here is plain Rust over [`ndarray`]: no device, no global state. Randomness is counter-based
//! ([`rng`]), so every result is the same for any number of threads.
#![forbid(unsafe_code)]

mod error;
pub mod gram;
pub mod linalg;
pub mod ranks;
pub mod rng;

pub use error::{Error, Result};
