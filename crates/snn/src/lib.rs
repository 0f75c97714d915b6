//! Spiking networks of point neurons on the processor: simulation, plasticity, analysis, and models built on them.
#![forbid(unsafe_code)]

pub mod analysis;
pub mod engine;
mod error;
pub mod pspm;
pub mod semantic;
pub mod spatial;

pub use error::{Error, Result};
