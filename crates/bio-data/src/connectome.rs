//! Connectomes: the published files, the merged graph on the 300 neurons, the consensus of several of them.
//!
//! [`RawConnectome::read`] takes a file as it stands; [`RawConnectome::merge`] brings it onto the 300 labels of
//! [`crate::neurons`]; [`consensus`] and [`disagree`] set several merged graphs side by side.
//!
//! ```no_run
//! use bio_data::connectome::{Merge, RawConnectome, ReadOptions};
//! # fn main() -> bio_data::Result<()> {
//! let raw = RawConnectome::read("witvliet_2020_7.csv".as_ref(), &ReadOptions::default())?;
//! let worm = raw.merge(Merge::Standard);
//! println!("{} neurons, {} edges", worm.neurons(), worm.edges().len());
//! # Ok(())
//! # }
//! ```

mod cfb;
mod consensus;
mod consensus_file;
mod disagree;
mod edge_list;
mod format;
mod graph_tensors;
mod limits;
mod matrix;
mod merged;
mod nodes;
mod pickle;
mod raw;
mod sheet;
mod similarity;
mod text;
mod torch;
mod workbook;
mod xls;

pub use consensus::{Consensus, ConsensusRow, Role, Rows, Source, consensus};
pub use disagree::{Conflict, Disagreement, Reported, disagree};
pub use format::Format;
pub use graph_tensors::GraphTensors;
pub use limits::{EXPANSION, MAX_FILE_BYTES};
pub use merged::{Connectome, Edge, Layer, Synapses};
pub use nodes::{Node, Nodes};
pub use raw::{
    Connection, Kind, MatrixSize, Merge, RawConnectome, RawCounts, ReadOptions, Skipped, TypeCounts,
};
pub use similarity::{cell_correlation, relabelled, weight_correlation};
