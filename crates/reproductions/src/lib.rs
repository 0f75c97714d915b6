//! One file per paper: the claim, the baseline, the experiment, the figure.
//!
//! A [`Reproduction`] names a published claim and measures it beside its baseline. [`registry::all`] lists them,
//! [`report`] writes one self-contained HTML page of the outcomes.
#![forbid(unsafe_code)]

pub mod data;
pub mod error;
pub mod figure;
pub mod outcome;
pub mod plan;
pub mod registry;
pub mod report;
pub mod systems;
#[cfg(feature = "llm")]
mod tiny_llama;

pub use error::{Error, Result};
pub use figure::Figure;
pub use outcome::{Measurement, Outcome, Relation, Target};
pub use plan::{Plan, Tier};
pub use registry::{Card, Reproduction};

/// The examples of the README, compiled and run with the documentation's.
#[cfg(all(doctest, feature = "geometry"))]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
