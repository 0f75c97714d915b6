//! The published layouts and how each is told from the others.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How a connectome file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// A table with columns for both neurons and a weight, perhaps a type or one weight per type.
    Csv,
    /// Labels in the first row and the first column, weights between them; rows are presynaptic.
    Matrix,
    /// `Source, Target, Weight, Type` (the edge list of Cook et al. 2019, with padded names).
    EdgeList,
    /// White et al. 1986 as re-published by Witvliet et al.: `pre, post, type, synapses`.
    White,
    /// Cook et al. 2019, SI 5: adjacency matrices, labels in row 3 and column C.
    Cook2019,
    /// Witvliet et al. 2021: `pre, post, type, synapses`.
    Witvliet,
    /// Varshney et al. 2011: `Neuron 1, Neuron 2, Type, Nbr`.
    Varshney,
    /// The same table as WormAtlas distributes it, sheet `NeuronConnect.csv`.
    Chklovskii,
    /// OpenWorm's `CElegansNeuronTables`: `Origin, Target, Type, Number of Connections`.
    OpenWorm,
    /// Randi et al. 2023: a sheet of responses and a sheet of q values; those with q < 0.05 count.
    Randi2023,
    /// `graph_tensors_*.pt` of the homogenised data set.
    GraphTensors,
    /// `consensus_connectome_*.csv` of the homogenised data set.
    Consensus,
    /// Bentley et al. 2016: which neuron expresses which transmitter, peptide or receptor. It has no synapses.
    Expression,
}

impl Format {
    /// The paper behind the layout, empty for the general ones.
    #[must_use]
    pub fn reference(self) -> &'static str {
        match self {
            Self::Csv | Self::Matrix => "",
            Self::EdgeList | Self::Cook2019 => "Cook et al. 2019, doi:10.1038/s41586-019-1352-7",
            Self::White => "White et al. 1986, doi:10.1098/rstb.1986.0056",
            Self::Witvliet => "Witvliet et al. 2021, doi:10.1038/s41586-021-03778-8",
            Self::Varshney | Self::Chklovskii => "Varshney et al. 2011, doi:10.1371/journal.pcbi.1001066",
            Self::OpenWorm => "OpenWorm CElegansNeuronTables",
            Self::Randi2023 => "Randi et al. 2023, doi:10.1038/s41586-023-06683-4",
            Self::GraphTensors | Self::Consensus => "Simeon et al. 2024, arXiv:2411.12091",
            Self::Expression => "Bentley et al. 2016, doi:10.1371/journal.pcbi.1005283",
        }
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Matrix => "matrix",
            Self::EdgeList => "edgelist",
            Self::White => "white",
            Self::Cook2019 => "cook2019",
            Self::Witvliet => "witvliet",
            Self::Varshney => "varshney",
            Self::Chklovskii => "chklovskii",
            Self::OpenWorm => "openworm",
            Self::Randi2023 => "randi2023",
            Self::GraphTensors => "pt",
            Self::Consensus => "consensus",
            Self::Expression => "expression",
        }
    }

    /// Every layout, in the order of the command line.
    pub const ALL: [Self; 13] = [
        Self::Csv,
        Self::Matrix,
        Self::EdgeList,
        Self::White,
        Self::Cook2019,
        Self::Witvliet,
        Self::Varshney,
        Self::Chklovskii,
        Self::OpenWorm,
        Self::Randi2023,
        Self::GraphTensors,
        Self::Consensus,
        Self::Expression,
    ];
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|f| f.name() == text).ok_or_else(|| Error::Value {
            what: "format".to_owned(),
            found: text.to_owned(),
            expected: format!("one of {}", Self::ALL.map(Self::name).join(", ")),
        })
    }
}
