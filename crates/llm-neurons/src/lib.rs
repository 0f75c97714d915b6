//! Methods about single neurons of language models.
//!
//! [`language`] finds the neurons of a language, [`relation`] those of a relation between facts, [`core_neurons`] those
//! that a prompt needs; all three work on numbers that were recorded, on the host.
//! [`foxp2`] steers a model to another default language.
//!
//! EigenScore, the spread of several sampled answers in embedding space, and its estimate by Chebyshev
//! moments, Efficient EigenScore (EES).
//!
//! ```
//! use llm_neurons::{Ees, EigenScoreConvention, eigenscore};
//! use ndarray::Array2;
//! # fn main() -> llm_neurons::Result<()> {
//! // Six answers of 16 units each: the first three agree with one another, the others do not.
//! let answers = Array2::from_shape_fn((6, 16), |(k, d)| {
//!     let (k, d) = (k as f64, d as f64);
//!     (0.9 * d).sin() + if k < 3.0 { 0.0 } else { (k * d).cos() }
//! });
//! let convention = EigenScoreConvention::InsideCodeLn;
//! let exact = eigenscore(&answers.view(), convention, 1e-3)?;
//! let agreed = eigenscore(&answers.slice_axis(ndarray::Axis(0), (0..3).into()), convention, 1e-3)?;
//! assert!(agreed < exact, "consistent answers score lower");
//!
//! let ees = Ees { moments: 100, probes: 200, ..Ees::default() };
//! let estimate = ees.score_embeddings(&answers.view(), convention)?;
//! assert!((estimate.score - exact).abs() < 4.0 * estimate.standard_error.unwrap_or(0.0) + 0.1);
//! # Ok(())
//! # }
//! ```
//!
//! Second part: [`membership`], whether a whole document was in a model's training data.
#![forbid(unsafe_code)]

pub mod core_neurons;
mod ees;
mod eigenscore;
mod error;
mod finite;
pub mod foxp2;
pub mod generate;
#[cfg(feature = "hub")]
pub mod hub;
mod keys;
pub mod language;
pub mod membership;
pub mod model;
mod neurons;
pub mod parity;
pub mod relation;
pub mod score;
mod set_overlap;
mod tokenizer;

pub use ees::block::{BlockSpace, Step};
pub use ees::cost::{CostModel, Form};
pub use ees::edge::{Edge, SpectralEdge};
pub use ees::embeddings::EmbeddingOperator;
pub use ees::operator::{DenseOperator, OnHost, SymmetricOperator};
pub use ees::probes::ProbeDistribution;
pub use ees::series::{LogSeries, jackson_damping, official_coefficients, unit_interval_coefficients};
pub use ees::tensor::TensorOperator;
pub use ees::{Ees, EesResult, EesVariant};
pub use eigenscore::answer::{Assessment, Method, assess};
pub use eigenscore::convention::{Centring, EigenScoreConvention, LogBase};
pub use eigenscore::exact::{ExactMethod, eigenscore, eigenscore_by};
pub use error::{Error, Result};
pub use membership::{
    Attack, AttackConfig, QueryConfig, TokenScorer, TokenTable, TokenWindow, WindowScores, cross_validate,
    score_document,
};
pub use neurons::ablation;
pub use set_overlap::SetOverlap;
pub use tokenizer::TextTokenizer;
