//! Reading the published Parquet files, worm by worm.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, RecordBatch};
use ndarray::Array2;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use rayon::prelude::*;

use super::cells::{self, Fault};
use super::guard::guard;
use super::parquet_limits::{check_footer, check_pages};
use super::worm::{Grid, Methods, Neuron, Trace, WormRecording};
use super::{PUBLISHED_DT_S, times};
use crate::neurons::{LABELS, slot};
use crate::{Error, Result};

/// Rows that are decoded at once.
const BATCH: usize = 128;

const TIMES: &str = "time_in_seconds";
const ORIGINAL_TIMES: &str = "original_time_in_seconds";
/// Columns of one value a row; those a file must have first.
const SCALARS: [&str; 11] = [
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
const REQUIRED: usize = 5;

/// Which traces are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Columns {
    /// All that the file has.
    #[default]
    All,
    /// `calcium_data` and its times alone.
    Calcium,
}

/// Reads a Parquet file of homogenised recordings one worm at a time.
///
/// Both published layouts are read. Columns are found by name; `source_dataset`, `worm`, `neuron`, `slot`,
/// `calcium_data` and `max_timesteps` must be there, the others need not. Memory is that of one worm and a batch of
/// rows; the columns of a batch are decoded in parallel. A file may decode to at most [`super::EXPANSION`] times its
/// length.
///
/// **Times.** Published files carry times that passed through 16-bit floats. Where all of a worm's `time_in_seconds`
/// are within one rounding of `k dt`, exact times `k dt` replace them (dt = 0.333 s, or the step of a file
/// homogenised to another). `original_time_in_seconds` cannot be rebuilt: they stay as they are, at a resolution of
/// 0.25 s beyond 256 s and of 2 s beyond 2048 s in published files.
///
/// As an iterator it yields worms in the file's order and ends after the first error, which may be [`Error::Format`]
/// for a worm whose rows are not together ([`super::ActivityDataset::from_parquet`] reads those too).
#[derive(Debug)]
pub struct WormReader {
    path: PathBuf,
    scalars: ParquetRecordBatchReader,
    lists: Vec<(ListColumn, ParquetRecordBatchReader)>,
    rows_read: usize,
    open: Option<Part>,
    ready: VecDeque<Part>,
    seen: BTreeSet<(String, String)>,
    ended: bool,
}

/// What a column of lists holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListColumn {
    Trace(Trace, Grid),
    Times(Grid),
}

/// Consecutive rows of one worm.
#[derive(Debug)]
pub(super) struct Part {
    source: String,
    worm: String,
    raw_file: String,
    methods: Methods,
    neurons: Vec<Neuron>,
    samples: usize,
    original_samples: usize,
    times: Vec<f32>,
    original_times: Vec<f32>,
    traces: [Vec<f32>; Trace::COUNT],
    first_row: usize,
}

impl WormReader {
    /// Opens a file and checks what it declares.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] when it is not Parquet, is damaged or lacks a column; [`Error::Limit`] when it
    /// declares more than its length can hold. Later, as rows are read, [`Error::Cell`] with the row (from 1) and the
    /// column for lists whose length is not `max_timesteps`, slots that are not the label's or taken, and cells that
    /// are empty or of another type.
    pub fn open(path: &Path, columns: Columns) -> Result<Self> {
        let open = || File::open(path).map_err(|e| Error::io(path, e));
        let mut file = open()?;
        check_footer(path, &mut file)?;
        guard(path, "Parquet", || {
            // The file's own types say enough; an Arrow schema beside them is one more thing to distrust.
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let metadata = ArrowReaderMetadata::load(&file, options).map_err(|e| failed(path, &e))?;
            let present: Vec<&str> = metadata.schema().fields().iter().map(|f| f.name().as_str()).collect();
            let calcium = Trace::Calcium.column(Grid::Resampled);
            for name in SCALARS[..REQUIRED].iter().chain([&calcium]) {
                if !present.contains(name) {
                    let found = present.join(", ");
                    return Err(Error::format(path, format!("no column {name:?}; the file has {found}")));
                }
            }
            let wanted: Vec<ListColumn> =
                ListColumn::all(columns).filter(|c| present.contains(&c.name())).collect();
            let is_wanted = |name: &str| SCALARS.contains(&name) || wanted.iter().any(|c| c.name() == name);
            check_pages(path, &mut file, metadata.metadata(), is_wanted)?;
            // Each reader has a file handle of its own: copies of one handle share their position.
            let reader = |names: &[&str]| -> Result<ParquetRecordBatchReader> {
                let mask = ProjectionMask::roots(
                    metadata.parquet_schema(),
                    present.iter().enumerate().filter(|(_, p)| names.contains(p)).map(|(i, _)| i),
                );
                ParquetRecordBatchReaderBuilder::new_with_metadata(open()?, metadata.clone())
                    .with_projection(mask)
                    .with_batch_size(BATCH)
                    .build()
                    .map_err(|e| failed(path, &e))
            };
            let scalars = reader(&SCALARS)?;
            let lists = wanted.iter().map(|c| Ok((*c, reader(&[c.name()])?))).collect::<Result<_>>()?;
            Ok(Self {
                path: path.to_owned(),
                scalars,
                lists,
                rows_read: 0,
                open: None,
                ready: VecDeque::new(),
                seen: BTreeSet::new(),
                ended: false,
            })
        })
    }

    /// The next run of rows of one worm.
    pub(super) fn next_part(&mut self) -> Option<Result<Part>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Some(Ok(part));
            }
            if self.ended {
                return None;
            }
            let path = self.path.clone();
            match guard(&path, "Parquet", || self.read_batch()) {
                Ok(true) => {}
                Ok(false) => {
                    self.ended = true;
                    self.ready.extend(self.open.take());
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// Decodes one batch of rows; false at the end of the file.
    fn read_batch(&mut self) -> Result<bool> {
        let path = &self.path;
        let next = |reader: &mut ParquetRecordBatchReader| -> Result<Option<RecordBatch>> {
            reader.next().transpose().map_err(|e| failed(path, &e))
        };
        let (scalars, lists) = (&mut self.scalars, &mut self.lists);
        let (batch, columns) = rayon::join(
            || next(scalars),
            || {
                lists
                    .par_iter_mut()
                    .map(|(column, reader)| Ok((*column, next(reader)?)))
                    .collect::<Result<Vec<(ListColumn, Option<RecordBatch>)>>>()
            },
        );
        let (batch, columns) = (batch?, columns?);
        let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
        let columns: Vec<(ListColumn, ArrayRef)> = columns
            .into_iter()
            .map(|(column, batch)| match batch {
                Some(b) if b.num_rows() == rows && b.num_columns() == 1 => {
                    Ok(Some((column, b.column(0).clone())))
                }
                None if rows == 0 => Ok(None),
                _ => Err(Error::format(path, format!("column {} has another number of rows", column.name()))),
            })
            .filter_map(Result::transpose)
            .collect::<Result<_>>()?;
        let Some(batch) = batch else { return Ok(false) };
        for row in 0..rows {
            let number = self.rows_read + row + 1;
            let cells = Cells { path, batch: &batch, row, number };
            let (source, worm) = (cells.text("source_dataset")?, cells.text("worm")?);
            if self.open.as_ref().is_none_or(|p| p.source != source || p.worm != worm) {
                self.ready.extend(self.open.take());
                self.open = Some(Part::begin(&cells, source, worm)?);
            }
            if let Some(part) = &mut self.open {
                part.take(&cells, &columns)?;
            }
        }
        self.rows_read += rows;
        Ok(true)
    }
}

impl Iterator for WormReader {
    type Item = Result<WormRecording>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = match self.next_part()? {
            Ok(part) => part,
            Err(error) => return Some(Err(error)),
        };
        let result = if self.seen.insert(part.key()) {
            let path = self.path.clone();
            part.finish(&path)
        } else {
            let reason =
                format!("row {}: rows of {} {} are not together", part.first_row, part.source, part.worm);
            Err(Error::format(&self.path, reason))
        };
        if result.is_err() {
            self.ended = true;
            self.ready.clear();
            self.open = None;
        }
        Some(result)
    }
}

impl ListColumn {
    fn all(columns: Columns) -> impl Iterator<Item = Self> {
        let traces = Trace::with_grids().map(|(t, g)| Self::Trace(t, g));
        let times = [Self::Times(Grid::Original), Self::Times(Grid::Resampled)];
        let calcium = [Self::Trace(Trace::Calcium, Grid::Resampled), Self::Times(Grid::Resampled)];
        traces.chain(times).filter(move |c| columns == Columns::All || calcium.contains(c))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trace(trace, grid) => trace.column(grid),
            Self::Times(Grid::Original) => ORIGINAL_TIMES,
            Self::Times(Grid::Resampled) => TIMES,
        }
    }

    fn grid(self) -> Grid {
        match self {
            Self::Trace(_, grid) | Self::Times(grid) => grid,
        }
    }
}

/// One row's cells of single values.
struct Cells<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
    row: usize,
    /// The row in the file, from 1.
    number: usize,
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

    fn text(&self, name: &str) -> Result<String> {
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
    fn begin(cells: &Cells<'_>, source: String, worm: String) -> Result<Self> {
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
    fn take(&mut self, cells: &Cells<'_>, columns: &[(ListColumn, ArrayRef)]) -> Result<()> {
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

fn failed(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::format(path, format!("not a Parquet file or damaged: {error}"))
}
