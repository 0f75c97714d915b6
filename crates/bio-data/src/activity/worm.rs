//! One worm's recording in the homogenised layout.

use ndarray::{Array1, Array2, Axis};

use super::{median, shape, value};
use crate::Result;
use crate::neurons::{LABELS, slot};

/// What a trace shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trace {
    /// Calcium: raw on the original grid; smoothed and normalised on the resampled one.
    Calcium,
    /// Smoothed calcium, not normalised.
    Smooth,
    /// Derivative of the raw calcium, per second.
    Residual,
    /// Smoothed derivative.
    SmoothResidual,
}

/// Which samples a trace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grid {
    /// The microscope's own times.
    Original,
    /// The common sampling step.
    Resampled,
}

/// How a recording was processed, in the published words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Methods {
    /// `moving`, `gaussian`, `exponential` or `no smoothing`.
    pub smooth: String,
    /// `linear`.
    pub interpolate: String,
    /// `standard` or `causal`; older files do not say.
    pub normalize: Option<String>,
}

/// One neuron of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neuron {
    /// Its label, or for an unlabelled one its index as text.
    pub name: String,
    /// Its column in the matrix of 300; of an unlabelled neuron a random free one.
    pub slot: usize,
    /// Whether the label is one of the 300.
    pub labelled: bool,
}

/// A homogenised recording of one worm: traces `[neurons, samples]`, one row per neuron.
#[derive(Debug, Clone, PartialEq)]
pub struct WormRecording {
    /// The data set, such as `Kato2015`.
    pub source: String,
    /// The worm within it, such as `worm0`.
    pub worm: String,
    /// The raw file it came from.
    pub raw_file: String,
    /// How it was processed.
    pub methods: Methods,
    /// One entry per row of the traces.
    pub neurons: Vec<Neuron>,
    /// Resampled times in seconds from the first sample.
    pub times_s: Vec<f64>,
    /// Original times in seconds from the first sample; empty when the file has none.
    pub original_times_s: Vec<f64>,
    pub(super) traces: [Option<Array2<f32>>; Trace::COUNT],
}

impl Trace {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Calcium, Self::Smooth, Self::Residual, Self::SmoothResidual];
    pub(super) const COUNT: usize = 8;

    /// The published column's name.
    #[must_use]
    pub fn column(self, grid: Grid) -> &'static str {
        match (grid, self) {
            (Grid::Original, Self::Calcium) => "original_calcium_data",
            (Grid::Resampled, Self::Calcium) => "calcium_data",
            (Grid::Original, Self::Smooth) => "original_smooth_calcium_data",
            (Grid::Resampled, Self::Smooth) => "smooth_calcium_data",
            (Grid::Original, Self::Residual) => "original_residual_calcium",
            (Grid::Resampled, Self::Residual) => "residual_calcium",
            (Grid::Original, Self::SmoothResidual) => "original_smooth_residual_calcium",
            (Grid::Resampled, Self::SmoothResidual) => "smooth_residual_calcium",
        }
    }

    pub(super) fn index(self, grid: Grid) -> usize {
        2 * self as usize + usize::from(grid == Grid::Resampled)
    }

    /// Every trace on every grid, in the order of the old layout's columns (and of [`Trace::index`]).
    pub(super) fn with_grids() -> impl Iterator<Item = (Self, Grid)> {
        Self::ALL.into_iter().flat_map(|t| [(t, Grid::Original), (t, Grid::Resampled)])
    }
}

impl WormRecording {
    /// Traces `[neurons, samples]`, `None` where the file did not have them.
    #[must_use]
    pub fn trace(&self, trace: Trace, grid: Grid) -> Option<&Array2<f32>> {
        self.traces[trace.index(grid)].as_ref()
    }

    /// Smoothed, resampled, normalised calcium `[neurons, samples]`.
    ///
    /// # Errors
    /// [`crate::Error::Value`] when the recording has none.
    pub fn calcium(&self) -> Result<&Array2<f32>> {
        self.trace(Trace::Calcium, Grid::Resampled)
            .ok_or_else(|| value(format!("{} {}: calcium_data", self.source, self.worm), "absent", "present"))
    }

    /// The matrix `[samples, 300]` in the fixed order of neurons, and which of its columns hold one.
    ///
    /// Absent neurons are zero.
    #[must_use]
    pub fn slotted(&self) -> (Array2<f32>, Array1<bool>) {
        let mut matrix = Array2::zeros((self.times_s.len(), LABELS.len()));
        let mut mask = Array1::from_elem(LABELS.len(), false);
        if let Some(calcium) = self.trace(Trace::Calcium, Grid::Resampled) {
            for (neuron, row) in self.neurons.iter().zip(calcium.rows()) {
                matrix.index_axis_mut(Axis(1), neuron.slot).assign(&row);
                mask[neuron.slot] = true;
            }
        }
        (matrix, mask)
    }

    /// Which of the 300 columns hold a labelled neuron.
    #[must_use]
    pub fn labelled_mask(&self) -> Array1<bool> {
        let mut mask = Array1::from_elem(LABELS.len(), false);
        self.neurons.iter().filter(|n| n.labelled).for_each(|n| mask[n.slot] = true);
        mask
    }

    /// Number of neurons that have one of the 300 labels.
    #[must_use]
    pub fn labelled(&self) -> usize {
        self.neurons.iter().filter(|n| n.labelled).count()
    }

    /// The row of a neuron's traces.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<usize> {
        self.neurons.iter().position(|n| n.name == name)
    }

    /// Median step of the resampled times, in seconds; 0 for fewer than two samples.
    #[must_use]
    pub fn dt_s(&self) -> f64 {
        median_step(&self.times_s)
    }

    /// Median step of the original times, in seconds; 0 for fewer than two samples.
    #[must_use]
    pub fn original_median_dt_s(&self) -> f64 {
        median_step(&self.original_times_s)
    }

    /// Refuses recordings whose parts do not fit together: shapes, slots, labels.
    ///
    /// # Errors
    /// [`crate::Error::Shape`], [`crate::Error::Value`].
    pub fn validate(&self) -> Result<()> {
        let what = |part: &str| format!("{} {}: {part}", self.source, self.worm);
        let mut taken = [false; LABELS.len()];
        for neuron in &self.neurons {
            let own = slot(&neuron.name);
            if neuron.labelled && own != Some(neuron.slot) {
                return Err(value(
                    what(&format!("slot of {}", neuron.name)),
                    neuron.slot,
                    own.map_or_else(|| "the slot of one of the 300 labels".to_owned(), |s| s.to_string()),
                ));
            }
            match taken.get_mut(neuron.slot) {
                None => return Err(value(what("slot"), neuron.slot, "below 300")),
                Some(true) => return Err(value(what("slot"), neuron.slot, "one neuron's only")),
                Some(free) => *free = true,
            }
        }
        for (trace, grid) in Trace::with_grids() {
            let samples = match grid {
                Grid::Original => self.original_times_s.len(),
                Grid::Resampled => self.times_s.len(),
            };
            if let Some(found) = self.trace(trace, grid).filter(|t| t.dim() != (self.neurons.len(), samples))
            {
                let expected = format!("[{}, {samples}]", self.neurons.len());
                return Err(shape(what(trace.column(grid)), format!("{:?}", found.dim()), expected));
            }
        }
        Ok(())
    }
}

fn median_step(times: &[f64]) -> f64 {
    let steps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    median(&steps).unwrap_or(0.0)
}
