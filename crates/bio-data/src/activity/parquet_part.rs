//! The rows of one worm in a published Parquet file, checked cell by cell and put together.

use std::path::Path;

use arrow_array::{ArrayRef, RecordBatch};
use ndarray::Array2;

use super::cells::{self, Fault};
use super::parquet_columns::ListColumn;
use super::worm::{Grid, Methods, Neuron, Trace, WormRecording};
use super::{PUBLISHED_DT_S, times};
use crate::neurons::{LABELS, slot};
use crate::{Error, Result};

/// Consecutive rows of one worm.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) source: String,
    pub(super) worm: String,
    raw_file: String,
    methods: Methods,
    neurons: Vec<Neuron>,
    samples: usize,
    original_samples: usize,
    times: Vec<f32>,
    original_times: Vec<f32>,
    traces: [Vec<f32>; Trace::COUNT],
    pub(super) first_row: usize,
}

/// One row's cells of single values.
pub(super) struct Cells<'a> {
    pub(super) path: &'a Path,
    pub(super) batch: &'a RecordBatch,
    pub(super) row: usize,
    /// The row in the file, from 1.
    pub(super) number: usize,
}

impl Cells<'_> {
    fn fault(&self, column: &str, reason: impl Into<String>) -> Error {
        Error::Cell {
            path: self.path.to_owned(),
            row: self.number,
            column: column.to_owned(),
            reason: reason.into(),
        }
    }

    fn optional<T>(
        &self,
        name: &str,
        read: impl Fn(&ArrayRef, usize) -> std::result::Result<Option<T>, Fault>,
    ) -> Result<Option<T>> {
        match self.batch.column_by_name(name) {
            None => Ok(None),
            Some(column) => read(column, self.row).map_err(|f| self.fault(name, f)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<String> {
        self.optional_text(name)?.ok_or_else(|| self.fault(name, "empty"))
    }

    fn optional_text(&self, name: &str) -> Result<Option<String>> {
        self.optional(name, |c, r| cells::text(c, r).map(|t| t.map(str::to_owned)))
    }

    fn size(&self, name: &str) -> Result<Option<usize>> {
        let found = self.optional(name, cells::whole)?;
        found
            .map(|n| usize::try_from(n).map_err(|_| self.fault(name, format!("{n}, expected a count"))))
            .transpose()
    }
}

impl Part {
    /// Starts with the worm of a row, without taking the row in.
    pub(super) fn begin(cells: &Cells<'_>, source: String, worm: String) -> Result<Self> {
        Ok(Self {
            source,
            worm,
            raw_file: cells.optional_text("raw_data_file")?.unwrap_or_default(),
            methods: Methods {
                smooth: cells.optional_text("smooth_method")?.unwrap_or_default(),
                interpolate: cells.optional_text("interpolate_method")?.unwrap_or_default(),
                normalize: cells.optional_text("normalization_method")?,
            },
            neurons: Vec::new(),
            samples: 0,
            original_samples: 0,
            times: Vec::new(),
            original_times: Vec::new(),
            traces: std::array::from_fn(|_| Vec::new()),
            first_row: cells.number,
        })
    }

    pub(super) fn key(&self) -> (String, String) {
        (self.source.clone(), self.worm.clone())
    }

    /// Takes in one row.
    pub(super) fn take(&mut self, cells: &Cells<'_>, columns: &[(ListColumn, ArrayRef)]) -> Result<()> {
        let first = self.neurons.is_empty();
        self.neurons.push(self.neuron(cells)?);
        let samples = cells.size("max_timesteps")?.ok_or_else(|| cells.fault("max_timesteps", "empty"))?;
        let original = cells.size("original_max_timesteps")?;
        if first {
            self.samples = samples;
        } else if samples != self.samples {
            let reason = format!("{samples}, but {} in the worm's first row", self.samples);
            return Err(cells.fault("max_timesteps", reason));
        }
        let mut own_times = Vec::new();
        for (column, array) in columns {
            let name = column.name();
            let to = match column {
                ListColumn::Trace(trace, grid) => &mut self.traces[trace.index(*grid)],
                ListColumn::Times(_) => {
                    own_times.clear();
                    &mut own_times
                }
            };
            let before = to.len();
            let found = cells::append_list(array, cells.row, to).map_err(|f| cells.fault(name, f))?;
            let required = *column == ListColumn::Trace(Trace::Calcium, Grid::Resampled);
            let Some(found) = found else {
                // A column may be empty throughout a worm (layouts that were joined), not here and there.
                if required || !(first || before == 0) {
                    return Err(cells.fault(name, "empty"));
                }
                continue;
            };
            let expected = match column.grid() {
                Grid::Resampled => Some(samples),
                Grid::Original if first && self.original_samples == 0 => {
                    self.original_samples = original.unwrap_or(found);
                    Some(self.original_samples)
                }
                Grid::Original => Some(self.original_samples),
            };
            if let Some(expected) = expected.filter(|e| *e != found) {
                let against = match column.grid() {
                    Grid::Resampled => "max_timesteps",
                    Grid::Original => "original_max_timesteps",
                };
                return Err(cells.fault(name, format!("a list of {found}, but {against} is {expected}")));
            }
            if let ListColumn::Trace(..) = column {
                if !first && before != (self.neurons.len() - 1) * found {
                    return Err(cells.fault(name, "empty in an earlier row of this worm"));
                }
                continue;
            }
            let times = match column.grid() {
                Grid::Resampled => &mut self.times,
                Grid::Original => &mut self.original_times,
            };
            if first {
                *times = std::mem::take(&mut own_times);
            } else if !same(times, &own_times) {
                return Err(cells.fault(name, "times differ from those of the worm's first row"));
            }
        }
        if let Some(n) = original.filter(|n| self.original_samples != 0 && *n != self.original_samples) {
            let reason = format!("{n}, but {} in the worm's first row", self.original_samples);
            return Err(cells.fault("original_max_timesteps", reason));
        }
        Ok(())
    }

    fn neuron(&self, cells: &Cells<'_>) -> Result<Neuron> {
        let name = cells.text("neuron")?;
        let own = slot(&name);
        let labelled = cells.optional("is_labeled_neuron", cells::truth)?.unwrap_or(own.is_some());
        let at = cells.size("slot")?.ok_or_else(|| cells.fault("slot", "empty"))?;
        if at >= LABELS.len() {
            return Err(cells.fault("slot", format!("{at}, expected below {}", LABELS.len())));
        }
        if labelled && own != Some(at) {
            let expected =
                own.map_or_else(|| "is none of the 300 labels".to_owned(), |s| format!("has slot {s}"));
            return Err(cells.fault("slot", format!("{at}, but the labelled neuron {name} {expected}")));
        }
        if let Some(other) = self.neurons.iter().find(|n| n.slot == at) {
            return Err(cells.fault("slot", format!("{at} is that of {} too", other.name)));
        }
        Ok(Neuron { name, slot: at, labelled })
    }

    /// Joins rows of the same worm from further on in the file.
    pub(super) fn absorb(&mut self, other: Self, path: &Path) -> Result<()> {
        let fault = |what: &str| {
            let (row, source, worm) = (other.first_row, &other.source, &other.worm);
            Error::format(
                path,
                format!("row {row}: {what} of {source} {worm} differ from those in earlier rows"),
            )
        };
        let empty = |x: &[Vec<f32>; Trace::COUNT]| x.each_ref().map(Vec::is_empty);
        if (other.samples, other.original_samples) != (self.samples, self.original_samples)
            || empty(&other.traces) != empty(&self.traces)
        {
            return Err(fault("lengths"));
        }
        if !same(&other.times, &self.times) || !same(&other.original_times, &self.original_times) {
            return Err(fault("times"));
        }
        if other.neurons.iter().any(|n| self.neurons.iter().any(|m| m.slot == n.slot)) {
            return Err(fault("slots"));
        }
        self.neurons.extend(other.neurons);
        for (to, from) in self.traces.iter_mut().zip(&other.traces) {
            to.extend_from_slice(from);
        }
        Ok(())
    }

    pub(super) fn finish(self, path: &Path) -> Result<WormRecording> {
        let times_s = if self.times.is_empty() {
            (0..self.samples).map(|k| k as f64 * PUBLISHED_DT_S).collect()
        } else {
            times::rebuild(&self.times)
                .map_or_else(|| self.times.iter().map(|t| f64::from(*t)).collect(), |(times, _)| times)
        };
        let mut original_times_s: Vec<f64> = self.original_times.iter().map(|t| f64::from(*t)).collect();
        let (neurons, samples, original) = (self.neurons.len(), self.samples, self.original_samples);
        let mut traces: [Option<Array2<f32>>; Trace::COUNT] = std::array::from_fn(|_| None);
        for (i, values) in self.traces.into_iter().enumerate() {
            let columns = if i % 2 == 0 { original } else { samples };
            let required = i == Trace::Calcium.index(Grid::Resampled);
            if values.is_empty() && !required {
                continue;
            }
            let built = Array2::from_shape_vec((neurons, columns), values);
            traces[i] = Some(built.map_err(|e| Error::format(path, e.to_string()))?);
        }
        // Traces on a grid whose times the file does not have cannot be placed.
        if original_times_s.len() != original && traces.iter().step_by(2).any(Option::is_some) {
            original_times_s = vec![f64::NAN; original];
        }
        let worm = WormRecording {
            source: self.source,
            worm: self.worm,
            raw_file: self.raw_file,
            methods: self.methods,
            neurons: self.neurons,
            times_s,
            original_times_s,
            traces,
        };
        worm.validate()?;
        Ok(worm)
    }
}

/// Bitwise equality, so that a NaN equals itself.
fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}
