//! Devices chosen at run time, bridges between host arrays and tensors, and training.
//!
//! ```
//! use burn::tensor::{FloatDType, Tensor};
//! use tensor_backend::{DeviceSpec, bridge};
//!
//! let opened = "auto".parse::<DeviceSpec>()?.open()?; // cpu, wgpu:0, cuda:1, remote:ws://host:3000 ..
//! if let Some(note) = &opened.note {
//!     eprintln!("{note}"); // what was taken, and why
//! }
//! let rates = ndarray::arr2(&[[1.0, 4.0], [9.0, 16.0]]); // [samples, neurons]
//! let tensor: Tensor<2> = bridge::float_tensor(rates.view(), FloatDType::F32, &opened.device)?;
//! let roots = bridge::float_array::<f64, _>(tensor.sqrt())?;
//! assert!((roots[[1, 1]] - 4.0).abs() < 1e-6);
//! # Ok::<(), tensor_backend::Error>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | which device, and is it really there | [`DeviceSpec`], [`devices::devices`] |
//! | host arrays to tensors and back | [`bridge`] |
//! | random tensors that agree on every device | [`random`] |
//! | gradients of inputs and of inner tensors | [`gradients`] |
//! | training, checkpoints, resuming | [`training`] |
//! | one test body on every backend | [`cross_backend_tests!`], [`tolerance`] |
//!
//! Tensors are Burn's, and the device alone decides what computes them: there is no backend generic. Backends are
//! features of this crate: `flex` (the processor, on by default), `wgpu`, `cuda`, `remote` (WebSocket), with `fusion`
//! and `autotune` for GPUs. A spec is never answered by another device than the one it names.
#![forbid(unsafe_code)]

pub mod bridge;
pub mod devices;
mod error;
pub mod gradients;
pub mod harness;
mod open;
pub mod random;
#[cfg(feature = "remote-server")]
pub mod remote;
mod spec;
pub mod tolerance;
pub mod training;

pub use devices::{Backend, Capabilities, Kind};
pub use error::{Error, Result};
pub use open::Opened;
pub use spec::DeviceSpec;
