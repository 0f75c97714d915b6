//! Writing recordings in the published layouts.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, Int32Array, ListArray, RecordBatch, StringArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::worm::{Grid, Trace, WormRecording};
use super::{shape, value};
use crate::{Error, Result};

/// Rows of one row group: about a dozen worms.
const ROW_GROUP: usize = 1024;

/// Which of the published layouts is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// 15 columns: calcium on both grids, times, methods.
    #[default]
    New,
    /// 25 columns: also smoothed calcium, residuals and sampling steps; no `normalization_method`.
    Old,
}

impl std::str::FromStr for Layout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "new" => Ok(Self::New),
            "old" => Ok(Self::Old),
            other => Err(value("layout", format!("{other:?}"), "new or old")),
        }
    }
}

/// Writes recordings to one Parquet file (SNAPPY), under a temporary name that is then renamed.
///
/// Lists hold 32-bit floats, times too. The old layout needs every trace, the new one calcium on both grids.
///
/// # Errors
/// [`Error::Io`]; [`Error::Value`] for a recording that lacks a trace of the layout, and what
/// [`WormRecording::validate`] refuses; [`Error::Shape`] for recordings of more values than a list's offsets count.
pub fn write_parquet(path: &Path, worms: &[&WormRecording], layout: Layout) -> Result<()> {
    for worm in worms {
        worm.validate()?;
        let lacking = columns(layout).into_iter().find_map(|c| match c {
            Column::Trace(t, g) if worm.trace(t, g).is_none() => Some(t.column(g)),
            _ => None,
        });
        if let Some(name) = lacking {
            let what = format!("{} {}: {name}", worm.source, worm.worm);
            return Err(value(what, "absent", format!("present: the {layout:?} layout has it")));
        }
        let longest = worm.times_s.len().max(worm.original_times_s.len());
        if worm.neurons.len().saturating_mul(longest) > i32::MAX as usize {
            return Err(shape("values of one trace", worm.neurons.len() * longest, "below 2^31"));
        }
    }
    let columns = columns(layout);
    let schema = Arc::new(Schema::new(columns.iter().map(|c| c.field()).collect::<Vec<_>>()));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_created_by(concat!("neuropil ", env!("CARGO_PKG_VERSION")).to_owned());
    for column in &columns {
        // Traces hardly repeat a value; times repeat in every row.
        if let Column::Trace(trace, grid) = column {
            let leaf = [trace.column(*grid), "list", "element"].map(str::to_owned).to_vec();
            properties = properties.set_column_dictionary_enabled(ColumnPath::new(leaf), false);
        }
    }
    recordings::atomic::write(path, |file| {
        let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build()))?;
        for worm in worms {
            let arrays = columns.iter().map(|c| c.array(worm)).collect();
            let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(io::Error::other)?;
            writer.write(&batch)?;
        }
        writer.close()?;
        Ok(())
    })
    .map_err(|e| Error::io(path, e))
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Source,
    RawFile,
    Worm,
    Neuron,
    Slot,
    Labelled,
    Unlabelled,
    Smooth,
    Interpolate,
    Normalize,
    Trace(Trace, Grid),
    Times(Grid),
    Steps(Grid),
    MedianStep(Grid),
    Samples(Grid),
}

fn columns(layout: Layout) -> Vec<Column> {
    use Column::{
        Interpolate, Labelled, MedianStep, Neuron, Normalize, RawFile, Samples, Slot, Smooth, Source, Steps,
        Times, Unlabelled, Worm,
    };
    use Grid::{Original, Resampled};
    let mut columns = vec![Source, RawFile, Worm, Neuron, Slot, Labelled];
    match layout {
        Layout::New => {
            columns.extend([Smooth, Interpolate, Normalize]);
            columns.extend([Original, Resampled].map(|g| Column::Trace(Trace::Calcium, g)));
            columns.extend([Times(Original), Times(Resampled)]);
        }
        Layout::Old => {
            columns.extend([Unlabelled, Smooth, Interpolate]);
            columns.extend(Trace::with_grids().map(|(t, g)| Column::Trace(t, g)));
            columns.extend([Times(Original), Times(Resampled), Steps(Original), Steps(Resampled)]);
            columns.extend([MedianStep(Original), MedianStep(Resampled)]);
        }
    }
    columns.extend([Samples(Original), Samples(Resampled)]);
    columns
}

impl Column {
    fn name(self) -> &'static str {
        use Grid::{Original, Resampled};
        match self {
            Self::Source => "source_dataset",
            Self::RawFile => "raw_data_file",
            Self::Worm => "worm",
            Self::Neuron => "neuron",
            Self::Slot => "slot",
            Self::Labelled => "is_labeled_neuron",
            Self::Unlabelled => "is_unlabeled_neuron",
            Self::Smooth => "smooth_method",
            Self::Interpolate => "interpolate_method",
            Self::Normalize => "normalization_method",
            Self::Trace(trace, grid) => trace.column(grid),
            Self::Times(Original) => "original_time_in_seconds",
            Self::Times(Resampled) => "time_in_seconds",
            Self::Steps(Original) => "original_dt",
            Self::Steps(Resampled) => "dt",
            Self::MedianStep(Original) => "original_median_dt",
            Self::MedianStep(Resampled) => "median_dt",
            Self::Samples(Original) => "original_max_timesteps",
            Self::Samples(Resampled) => "max_timesteps",
        }
    }

    fn field(self) -> Field {
        let kind = match self {
            Self::Slot | Self::Samples(_) => DataType::Int32,
            Self::Labelled | Self::Unlabelled => DataType::Boolean,
            Self::MedianStep(_) => DataType::Float32,
            Self::Trace(..) | Self::Times(_) | Self::Steps(_) => DataType::List(element()),
            _ => DataType::Utf8,
        };
        Field::new(self.name(), kind, true)
    }

    fn array(self, worm: &WormRecording) -> ArrayRef {
        let rows = worm.neurons.len();
        let text = |t: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![t; rows])) };
        let times = |grid| match grid {
            Grid::Original => &worm.original_times_s,
            Grid::Resampled => &worm.times_s,
        };
        match self {
            Self::Source => text(Some(&worm.source)),
            Self::RawFile => text(Some(&worm.raw_file)),
            Self::Worm => text(Some(&worm.worm)),
            Self::Smooth => text(Some(&worm.methods.smooth)),
            Self::Interpolate => text(Some(&worm.methods.interpolate)),
            Self::Normalize => text(worm.methods.normalize.as_deref()),
            Self::Neuron => Arc::new(StringArray::from_iter_values(worm.neurons.iter().map(|n| &n.name))),
            Self::Slot => Arc::new(Int32Array::from_iter_values(worm.neurons.iter().map(|n| n.slot as i32))),
            Self::Labelled => {
                Arc::new(worm.neurons.iter().map(|n| Some(n.labelled)).collect::<BooleanArray>())
            }
            Self::Unlabelled => {
                Arc::new(worm.neurons.iter().map(|n| Some(!n.labelled)).collect::<BooleanArray>())
            }
            Self::Samples(grid) => Arc::new(Int32Array::from(vec![times(grid).len() as i32; rows])),
            Self::MedianStep(Grid::Original) => {
                Arc::new(Float32Array::from(vec![worm.original_median_dt_s() as f32; rows]))
            }
            Self::MedianStep(Grid::Resampled) => Arc::new(Float32Array::from(vec![worm.dt_s() as f32; rows])),
            Self::Times(grid) => repeated(times(grid).iter().map(|t| *t as f32).collect(), rows),
            Self::Steps(grid) => {
                let times = times(grid);
                let steps = times.windows(2).map(|w| (w[1] - w[0]) as f32);
                repeated(std::iter::once(0.0).chain(steps).take(times.len()).collect(), rows)
            }
            Self::Trace(trace, grid) => {
                let values = worm.trace(trace, grid).map(|t| t.iter().copied().collect()).unwrap_or_default();
                list(values, rows, times(grid).len())
            }
        }
    }
}

/// The element of the lists, named as other writers name it.
fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Float32, true))
}

fn repeated(row: Vec<f32>, rows: usize) -> ArrayRef {
    let length = row.len();
    list(row.repeat(rows), rows, length)
}

fn list(values: Vec<f32>, rows: usize, length: usize) -> ArrayRef {
    let offsets: ScalarBuffer<i32> = (0..=rows).map(|i| (i * length) as i32).collect::<Vec<_>>().into();
    Arc::new(ListArray::new(
        element(),
        OffsetBuffer::new(offsets),
        Arc::new(Float32Array::from(values)),
        None,
    ))
}
