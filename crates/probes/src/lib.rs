//! Hook points of a network: read what a neuron does, change it, and keep statistics of it; sparse autoencoders, the
//! directions that its activations are made of.
//!
//! A model hands every tensor of a [`Site`](recordings::Site) to its [`Taps`]. [`NoTaps`] hands it back and compiles to
//! nothing; a [`HookSet`] reads it (reductions run where the tensor is, and bring back one number a unit), edits it by
//! [`Intervention`](recordings::Intervention)s or closures, in the order in which they were registered, and hands on the
//! result, also to automatic differentiation.
//!
//! ```
//! use burn::tensor::{FloatDType, Tensor};
//! use probes::{HookSet, Read, Span, Taps};
//! use recordings::{Intervention, Site};
//! use tensor_backend::{DeviceSpec, bridge};
//!
//! let device = DeviceSpec::Cpu.open()?.device;
//! let mut hooks = HookSet::new();
//! hooks.edit(Intervention::drop_units(Site::Act(0), vec![1]))?;
//! let active = hooks.read(Site::Act(0), Read::CountPositive)?;
//! // What a model does at each of its sites: [batch, time, units].
//! let x = ndarray::arr3(&[[[1.0, 2.0, -1.0], [0.5, 4.0, 3.0]]]);
//! let x: Tensor<3> = bridge::float_tensor(x.view(), FloatDType::F32, &device)?;
//! let x = hooks.tap(Site::Act(0), x, &Span::dense(1, 2))?;
//! assert_eq!(bridge::float_array::<f64, _>(x)?[[0, 1, 1]], 0.0);
//! assert_eq!(hooks.counts(active)?.counts(), [2, 0, 1]); // a read sees the edits before it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod edit;
mod error;
mod hooks;
mod host;
mod reading;
mod span;
mod sparse;
mod taps;

pub use edit::apply;
pub use error::{Error, Result};
pub use hooks::{HookSet, ReadHandle};
pub use reading::{Read, Reading};
pub use span::Span;
pub use sparse::checkpoint::Checkpoints;
pub use sparse::config::{DecoderNorm, Initialisation, SparseAutoencoderConfig, Sparsity};
pub use sparse::evaluation::{SparseReport, evaluate, loss_recovered};
pub use sparse::plan::{Revival, SparseTraining};
pub use sparse::training::{EpochSummary, TrainedSparse, train, train_resumable};
pub use sparse::weights::SparseWeights;
pub use sparse::{SparseAutoencoder, SparseLoss};
pub use taps::{NoTaps, Taps};
