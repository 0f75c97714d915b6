//! Recordings, spike trains, hook sites, neuron sets and interventions as data, and the files that hold them.
//!
//! Everything is host side and free of tensors. [`arrays`] reads `.npy`, `.npz` and `.safetensors` files without
//! trusting the sizes they declare and writes `.npz`; [`atomic`] never leaves a half-written file behind.
//!
//! ```no_run
//! use recordings::arrays::{ArrayFile, Npz};
//! # fn main() -> recordings::Result<()> {
//! let file = ArrayFile::open("activity.npz".as_ref())?;
//! let traces = file.read_f64_2("traces")?; // [samples, units]
//! Npz::new().f64("mean", traces.mean_axis(ndarray::Axis(0)).unwrap_or_default().view().into_dyn()).write("mean.npz".as_ref())?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod accumulate;
pub mod arrays;
pub mod atomic;
mod error;
mod files;
mod intervention;
mod neuron_set;
mod recording;
mod site;
mod spikes;

pub use error::{Error, Result};
pub use intervention::{Edit, Intervention, Positions};
pub use neuron_set::{Effect, Members, ModelIdentity, NeuronSet, TensorLine, tensors_sha256};
pub use recording::{Recording, UnitId};
pub use site::Site;
pub use spikes::{SpikeTrains, Stamp};
