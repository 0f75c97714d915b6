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
mod cohomology;
mod compare;
mod crossnobis;
mod error;
mod geo_topological;
mod geodesic;
mod grid;
mod identify;
mod inference;
mod mds;
mod persistence;
mod ranked;
mod rdm;
mod rdm_file;
mod rsa;
mod separation;

pub use agtic::{Agtic, Thresholds, agtic, agtic_with};
pub use compare::{Comparison, compare, compare_vectors};
pub use crossnobis::{Crossnobis, crossnobis};
pub use error::{Error, Result};
pub use geo_topological::{GeoTopological, Region, geo_topological, rank_min_max};
pub use geodesic::{Geodesic, Neighbours, ZeroEdges, geodesic};
pub use grid::{GridSearch, grid_search, sample_thresholds, threshold_grid};
pub use identify::{Identification, identify};
pub use inference::{
    BootstrapPlan, Draw, Duplicates, FMRI_DF, NETWORK_DF, PairedBootstrap, PairedComparison, identify_draw,
};
pub use mds::{Mds, classical_mds, smacof};
pub use persistence::{Bar, Persistence, betti_curve, persistence, single_linkage_heights};
pub use ranked::Ranked;
pub use rdm::{Metric, Rdm};
pub use rdm_file::RdmFile;
pub use rsa::{Rsa, RsaPlan, align, bootstrap_stimuli, rsa};
pub use separation::{Separation, separation};
