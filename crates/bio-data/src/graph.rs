//! Measures of directed, weighted graphs.
//!
//! A [`Network`] holds a graph both as a dense matrix of weights (for products) and as compressed rows (for walks). It
//! is made from a petgraph graph, a matrix or a [`crate::connectome::Connectome`].
//!
//! ```
//! use bio_data::graph::{Lengths, Network, clustering, paths};
//! # fn main() -> bio_data::Result<()> {
//! let ring = ndarray::arr2(&[[0., 1., 0.], [0., 0., 1.], [1., 0., 0.]]);
//! let network = Network::from_matrix(&ring.view())?;
//! assert_eq!(clustering::weighted(&network)?, [0.5, 0.5, 0.5]);
//! assert_eq!(paths::summary(&network, Lengths::Unit)?.characteristic, 1.5);
//! # Ok(())
//! # }
//! ```

pub mod clustering;
pub mod degrees;
pub mod motifs;
mod network;
pub mod null;
pub mod paths;
pub mod rewire;
pub mod rich_club;

pub use network::Network;
pub use paths::Lengths;
