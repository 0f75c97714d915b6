//! Methods about single neurons of language models, on one hookable transformer.
//!
//! | module | what it does | system |
//! |---|---|---|
//! | [`model`], [`generate`], [`score`], [`perplexity`], [`parity`] | GPT-NeoX, Llama, Mistral, Qwen2, OPT and GPT-2 with hook points that cost nothing unused; cached, padded, sampled generation; likelihoods; agreement with a reference | |
//! | [`recurrent`] | RWKV-4 and a character LSTM behind the same trait, [`LanguageModel`] | |
//! | [`training`], [`send`] | training from a folder or from nothing; sensitivity dropout | 01 |
//! | [`eigenscore()`], [`Ees`] | the spread of sampled answers, and its estimate by Chebyshev moments | 01 |
//! | [`membership`] | whether a whole document was in the training data | 02 |
//! | [`language`] | neurons of a language | 03 |
//! | [`core_neurons`] | the neurons that a prompt needs, and generation with those alone | 04 |
//! | [`foxp2`], [`autoencoder`] | steering to another default language; sparse features of a site | 05 |
//! | [`relation`] | neurons of a relation between facts | 06 |
//!
//! Load a Hugging Face folder and read a neuron:
//!
//! ```no_run
//! use burn::tensor::FloatDType;
//! use llm_neurons::model::{Forward, HookedLm, Tokens};
//! use probes::{HookSet, Read};
//! use recordings::Site;
//! use tensor_backend::DeviceSpec;
//!
//! let device = DeviceSpec::Cpu.open()?.device;
//! let model = HookedLm::load("pythia-70m".as_ref(), FloatDType::F32, &device)?;
//! let mut hooks = HookSet::new();
//! let activations = hooks.read(Site::Act(3), Read::Full)?;
//! model.forward(&Tokens::one(&[12092, 1533]), Forward::default(), &mut hooks)?;
//! # let _ = activations;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! EigenScore of six answers of 16 units each, and its estimate:
//!
//! ```
//! use llm_neurons::{Ees, EigenScoreConvention, eigenscore};
//! use ndarray::Array2;
//! # fn main() -> llm_neurons::Result<()> {
//! // The first three agree with one another, the others do not.
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
#![forbid(unsafe_code)]

mod any_model;
pub mod autoencoder;
mod codec;
pub mod core_neurons;
mod documents;
mod ees;
mod eigenscore;
mod error;
mod finite;
pub mod foxp2;
pub mod generate;
#[cfg(feature = "hub")]
pub mod hub;
pub mod kernels;
mod keys;
mod knockout;
pub mod language;
mod language_model;
pub mod membership;
pub mod model;
mod neurons;
pub mod parity;
pub mod perplexity;
pub mod planted;
pub mod recurrent;
pub mod relation;
pub mod score;
pub mod send;
mod set_overlap;
mod tokenizer;
pub mod training;

pub use any_model::{AnyMemory, AnyModel};
pub use codec::{Characters, Codec};
pub use documents::{Documents, Windows, data_sha256, file_sha256};
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
pub use knockout::{Knockout, Losses};
pub use language_model::LanguageModel;
pub use membership::{
    Attack, AttackConfig, QueryConfig, TokenScorer, TokenTable, TokenWindow, WindowScores, cross_validate,
    score_document,
};
pub use neurons::{ablation, drop_members, members_of, random_control};
pub use set_overlap::SetOverlap;
pub use tokenizer::TextTokenizer;
