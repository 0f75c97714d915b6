//! Representational geometry of any recording: dissimilarity matrices and what is read from them.
//!
//! Host side, `f64`, free of tensors: whoever recorded the patterns, they come as `[stimuli, units]`.
//!
//! ```
//! use ndarray::arr2;
//! use neural_geometry::{GeoTopological, Metric, Rdm, geo_topological};
//! # fn main() -> neural_geometry::Result<()> {
//! let patterns = arr2(&[[0.0, 1.0, 4.0], [1.0, 0.0, 3.0], [5.0, 2.0, 2.0], [4.0, 4.0, 0.0]]);
//! let rdm = Rdm::from_patterns(&patterns.view(), Metric::Euclidean)?;
//! let rgtm = geo_topological(rdm.condensed(), GeoTopological::Ramp { lower: 0.2, upper: 0.8 })?;
//! assert_eq!(rgtm.len(), 6);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod agtic;
mod error;
mod geo_topological;
mod geodesic;
mod identify;
mod rdm;

pub use agtic::{Agtic, agtic};
pub use error::{Error, Result};
pub use geo_topological::{GeoTopological, Region, geo_topological, rank_min_max};
pub use geodesic::{Geodesic, Neighbours, ZeroEdges, geodesic};
pub use identify::{Identification, identify};
pub use rdm::{Metric, Rdm};
