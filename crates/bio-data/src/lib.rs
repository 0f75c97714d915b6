//! Connectomes and recordings of brains, first of all of *C. elegans*.
#![forbid(unsafe_code)]

pub mod activity;
pub mod connectome;
mod error;
pub mod graph;
pub mod neurons;

pub use error::{Error, Result};
