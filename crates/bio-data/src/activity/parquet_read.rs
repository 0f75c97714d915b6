//! Reading the published Parquet files, worm by worm.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use rayon::prelude::*;

use super::guard::guard;
use super::parquet_columns::{Columns, ListColumn, REQUIRED, SCALARS};
use super::parquet_limits::{check_footer, check_pages};
use super::parquet_part::{Cells, Part};
use super::worm::{Grid, Trace, WormRecording};
use crate::{Error, Result};

/// Rows that are decoded at once.
const BATCH: usize = 128;

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

fn failed(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::format(path, format!("not a Parquet file or damaged: {error}"))
}
