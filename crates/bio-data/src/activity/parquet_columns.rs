//! The columns of the published Parquet files.

use super::worm::{Grid, Trace};

const TIMES: &str = "time_in_seconds";
const ORIGINAL_TIMES: &str = "original_time_in_seconds";
/// Columns of one value a row; those a file must have first.
pub(super) const SCALARS: [&str; 11] = [
    "source_dataset",
    "worm",
    "neuron",
    "slot",
    "max_timesteps",
    "original_max_timesteps",
    "raw_data_file",
    "is_labeled_neuron",
    "smooth_method",
    "interpolate_method",
    "normalization_method",
];
/// How many of [`SCALARS`] a file must have.
pub(super) const REQUIRED: usize = 5;

/// Which traces are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Columns {
    /// All that the file has.
    #[default]
    All,
    /// `calcium_data` and its times alone.
    Calcium,
}

/// What a column of lists holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListColumn {
    Trace(Trace, Grid),
    Times(Grid),
}

impl ListColumn {
    /// Those that are asked for, whether or not a file has them.
    pub(super) fn all(columns: Columns) -> impl Iterator<Item = Self> {
        let traces = Trace::with_grids().map(|(t, g)| Self::Trace(t, g));
        let times = [Self::Times(Grid::Original), Self::Times(Grid::Resampled)];
        let calcium = [Self::Trace(Trace::Calcium, Grid::Resampled), Self::Times(Grid::Resampled)];
        traces.chain(times).filter(move |c| columns == Columns::All || calcium.contains(c))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trace(trace, grid) => trace.column(grid),
            Self::Times(Grid::Original) => ORIGINAL_TIMES,
            Self::Times(Grid::Resampled) => TIMES,
        }
    }

    pub(super) fn grid(self) -> Grid {
        match self {
            Self::Trace(_, grid) | Self::Times(grid) => grid,
        }
    }
}
