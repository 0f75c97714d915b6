//! Connectomes and recordings of brains, first of all of *C. elegans*.
#![forbid(unsafe_code)]

pub mod activity;
mod error;
pub mod neurons;

pub use error::{Error, Result};
