//! `neuropil bio homogenize`: one raw calcium recording into the published layout.

use std::path::PathBuf;

use bio_data::activity::{
    Homogenizer, Layout, NeuronLabels, Normalization, RawKeys, RawRecording, Smoothing, write_parquet,
};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::bio_failure;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Homogenise one raw calcium recording: fixed neuron order, common sampling step, smoothed, normalised
#[derive(Debug, Args)]
pub(crate) struct Homogenize {
    #[arg(help = "Traces [samples, neurons] and times in seconds: .npz, .safetensors, .h5 or .hdf5")]
    raw: PathBuf,
    /// Which array holds the traces (default: traces, trace_z or gcamp/trace_array)
    #[arg(long, value_name = "KEY")]
    traces: Option<String>,
    /// Which array holds the times (default: times, times_s, time_s or timing/timestamp_confocal)
    #[arg(long, value_name = "KEY")]
    times: Option<String>,
    /// Neurons' names: a CSV table (column, label), or an array of text in the raw file
    #[arg(long, value_name = "FILE.csv|KEY")]
    labels: Option<String>,
    /// Accept labels that end in ? (the mark is taken off)
    #[arg(long)]
    accept_uncertain: bool,
    /// Order of the traces' axes: time,units or units,time
    #[arg(long, default_value = "time,units", value_name = "AXES", value_parser = ["time,units", "units,time"])]
    axes: String,
    /// Name of the data set
    #[arg(long, value_name = "NAME")]
    source: String,
    /// Name of the worm within it
    #[arg(long, value_name = "NAME")]
    worm: String,
    /// Where to write the Parquet file
    #[arg(long)]
    out: PathBuf,
    /// Which published columns are written
    #[arg(long, default_value = "new", value_parser = ["new", "old"])]
    layout: String,
    /// Common sampling step in seconds
    #[arg(long, default_value_t = bio_data::activity::PUBLISHED_DT_S, value_name = "SECONDS", allow_negative_numbers = true)]
    dt: f64,
    /// Causal smoother: moving:15 (window), gaussian:5 (sigma), exponential:0.5 (alpha) or none
    #[arg(long, default_value = "moving:15", value_name = "METHOD")]
    smooth: String,
    /// Fewest samples of a recording that is taken
    #[arg(long, default_value_t = 600, value_name = "N")]
    min_samples: usize,
    /// z-scores over the whole recording, or over its past
    #[arg(long, default_value = "standard", value_parser = ["standard", "causal"])]
    normalize: String,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Name of the data set.
    source: String,
    /// Name of the worm.
    worm: String,
    /// Neurons written.
    neurons: usize,
    /// Those that have one of the 300 labels.
    labelled: usize,
    /// Columns of the raw recording that were left out: mostly missing values, or the label of an earlier column.
    dropped: usize,
    /// Missing values (NaN) of the raw recording; those of neurons that are written were interpolated.
    missing: usize,
    /// Samples after resampling.
    samples: usize,
    /// Sampling step in seconds.
    dt: f64,
    /// Samples of the raw recording.
    original_samples: usize,
    /// Median sampling step of the raw recording in seconds.
    original_median_dt: f64,
}

impl Verb for Homogenize {
    const NAME: &'static str = "bio.homogenize";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let usage = |e: bio_data::Error| Failure::usage(e);
        let homogenizer = Homogenizer {
            dt_s: self.dt,
            smooth: self.smooth.parse::<Smoothing>().map_err(usage)?,
            normalize: self.normalize.parse::<Normalization>().map_err(usage)?,
            seed: context.seed,
            min_samples: self.min_samples,
            ..Homogenizer::default()
        };
        homogenizer.validate().map_err(usage)?;
        if same_file(&self.raw, &self.out) {
            return Err(Failure::usage("--out names the raw recording itself, which would be lost"));
        }
        let layout: Layout = self.layout.parse().map_err(usage)?;
        let table = self.labels.as_deref().filter(|l| l.to_lowercase().ends_with(".csv"));
        let keys = RawKeys {
            traces: self.traces.clone(),
            times: self.times.clone(),
            labels: self.labels.clone().filter(|_| table.is_none()),
            neurons_first: self.axes == "units,time",
            accept_uncertain: self.accept_uncertain,
        };
        let mut raw = RawRecording::open(&self.raw, &self.source, &self.worm, &keys)
            .map_err(|e| bio_failure(e).or_at(&self.raw))?;
        let (original_samples, columns) = raw.traces.dim();
        if self.axes == "time,units" && columns > 4 * original_samples {
            document::warn(&format!(
                "{}: {original_samples} rows and {columns} columns; rows are taken as samples (--axes units,time otherwise)",
                self.raw.display()
            ));
        }
        context.admit("the homogenised recording", 8 * 4 * 8 * (original_samples * columns) as u64)?;
        if let Some(table) = table {
            let labels = NeuronLabels::read_csv(table.as_ref()).map_err(|e| bio_failure(e).or_at(table))?;
            raw = raw.with_labels(&labels, self.accept_uncertain).map_err(|e| bio_failure(e).or_at(table))?;
        }
        if !raw.names.iter().flatten().any(|name| bio_data::neurons::slot(name).is_some()) {
            let message = "no neuron has one of the 300 labels: name them with --labels (a table of column and label, or an \
                           array of text), and accept names that end in ? with --accept-uncertain";
            return Err(Failure::input(message).at(&self.raw));
        }
        let worm = homogenizer.process(&raw).map_err(|e| bio_failure(e).or_at(&self.raw))?;
        write_parquet(&self.out, &[&worm], layout).map_err(|e| bio_failure(e).or_at(&self.out))?;
        Ok(Answer {
            source: worm.source.clone(),
            worm: worm.worm.clone(),
            neurons: worm.neurons.len(),
            labelled: worm.labelled(),
            dropped: columns - worm.neurons.len(),
            missing: raw.traces.iter().filter(|v| v.is_nan()).count(),
            samples: worm.times_s.len(),
            dt: self.dt,
            original_samples,
            original_median_dt: worm.original_median_dt_s(),
        })
    }
}

/// Whether two names lead to one file that is there.
fn same_file(a: &std::path::Path, b: &std::path::Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
