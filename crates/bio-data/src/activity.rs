//! Calcium recordings of worms: homogenising raw ones, reading and writing the published files.
//!
//! The pipeline is that of *Homogenized C. elegans Neural Activity and Connectivity Data* (Simeon et al. 2024,
//! arXiv 2411.12091). A [`RawRecording`] (traces `[samples, neurons]`, times in seconds, raw labels) goes through a
//! [`Homogenizer`] and comes out as a [`WormRecording`]: neurons in a fixed order of 300 slots, one sampling step,
//! smoothed, z-scored, with its derivative ("residual"). An [`ActivityDataset`] holds many of them and is read from
//! and written to Parquet files in the published layouts.
//!
//! ```
//! use bio_data::activity::{Homogenizer, RawRecording};
//! use ndarray::Array2;
//! # fn main() -> bio_data::Result<()> {
//! let raw = RawRecording {
//!     source: "Example2026".into(),
//!     worm: "worm0".into(),
//!     file: "made up".into(),
//!     times_s: (0..700).map(|i| 0.2 * f64::from(i)).collect(),
//!     traces: Array2::from_shape_fn((700, 2), |(i, n)| (0.05 * i as f64 + n as f64).sin()),
//!     names: vec![Some("AVAL".into()), Some("VB01".into())],
//! };
//! let worm = Homogenizer::default().process(&raw)?;
//! assert_eq!(worm.neurons[1].name, "VB1");
//! let (matrix, mask) = worm.slotted();
//! assert_eq!(matrix.dim(), (worm.times_s.len(), 300));
//! assert_eq!(mask.iter().filter(|m| **m).count(), 2);
//! # Ok(())
//! # }
//! ```

mod cells;
mod dataset;
mod filters;
mod gradient;
mod guard;
pub mod hdf5;
mod homogenizer;
mod labels;
mod lanes;
pub mod names;
mod normalize;
mod parquet_columns;
mod parquet_limits;
mod parquet_part;
mod parquet_read;
mod parquet_write;
mod raw;
mod resample;
mod slots;
pub mod smooth;
mod times;
mod worm;

pub use dataset::ActivityDataset;
pub use filters::Filters;
pub use gradient::gradient_nonuniform;
pub use homogenizer::{Homogenizer, Interpolation};
pub use labels::{Label, NeuronLabels};
pub use normalize::{CausalNormalizer, Normalization, fill_missing, standardize};
pub use parquet_columns::Columns;
pub use parquet_limits::{EXPANSION, FLOOR_BYTES};
pub use parquet_read::WormReader;
pub use parquet_write::{Layout, write_parquet};
pub use raw::{RawKeys, RawRecording};
pub use resample::resample;
pub use smooth::Smoothing;
pub use worm::{Grid, Methods, Neuron, Trace, WormRecording};

use crate::Error;

/// The published sampling step, in seconds.
pub const PUBLISHED_DT_S: f64 = 0.333;

/// Two lengths or shapes that had to agree.
fn shape(what: impl Into<String>, found: impl std::fmt::Display, expected: impl Into<String>) -> Error {
    Error::Shape { what: what.into(), found: found.to_string(), expected: expected.into() }
}

/// A value outside its range.
fn value(what: impl Into<String>, found: impl std::fmt::Display, expected: impl Into<String>) -> Error {
    Error::Value { what: what.into(), found: found.to_string(), expected: expected.into() }
}

/// The median, the mean of the two middle values where their number is even; `None` when there is none.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some(0.5 * (sorted[n / 2 - 1] + sorted[n / 2])),
    }
}
