//! `neuropil geometry rdm`: dissimilarities of all pairs of patterns.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::{ArrayView1, arr1};
use neural_geometry::Metric;
use recordings::arrays::{Npz, read_matrix};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure};
use crate::verb::Verb;

/// Dissimilarity of every pair of stimuli
#[derive(Debug, Args)]
pub(crate) struct Rdm {
    #[arg(help = "Patterns [stimuli, units]: .npy, .npz or .safetensors")]
    patterns: PathBuf,
    /// How dissimilar two patterns are
    #[arg(long, value_enum)]
    metric: Choice,
    /// Which array of the file
    #[arg(long)]
    key: Option<String>,
    /// Order of the array's axes: time,units or units,time
    #[arg(long)]
    axes: Option<String>,
    /// Divide squared distances by the number of units, distances by its root
    #[arg(long, value_name = "WHAT", value_parser = ["per-channel"])]
    scale: Option<String>,
    /// Where to write the RDM (npz: rdm, n, metric)
    #[arg(long)]
    out: PathBuf,
}

/// The metrics of the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Choice {
    Euclidean,
    Sqeuclidean,
    Correlation,
    Cosine,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Stimuli.
    n: usize,
    /// Units of each pattern.
    units: usize,
    /// The metric's name.
    metric: String,
    /// Least dissimilarity.
    min: f64,
    /// Mean dissimilarity.
    mean: f64,
    /// Greatest dissimilarity.
    max: f64,
}

impl Verb for Rdm {
    const NAME: &'static str = "geometry.rdm";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let (patterns, warnings) =
            read_matrix(&self.patterns, self.key.as_deref(), self.axes.as_deref()).map_err(file_failure)?;
        warnings.iter().for_each(|w| document::warn(w));
        let (n, units) = patterns.dim();
        context.admit("the RDM", 8 * (2 * n * n + 2 * n * units) as u64)?;
        let (metric, name) = match self.metric {
            Choice::Euclidean => (Metric::Euclidean, "euclidean"),
            Choice::Sqeuclidean => (Metric::SquaredEuclidean, "sqeuclidean"),
            Choice::Correlation => (Metric::Correlation, "correlation"),
            Choice::Cosine => (Metric::Cosine, "cosine"),
        };
        let rdm = neural_geometry::Rdm::from_patterns(&patterns.view(), metric)
            .map_err(|e| Failure::input(e).at(&self.patterns))?;
        let divisor = match (&self.scale, self.metric) {
            (None, _) => 1.0,
            (Some(_), Choice::Euclidean) => (units as f64).sqrt(),
            (Some(_), Choice::Sqeuclidean) => units as f64,
            (Some(_), _) => return Err(Failure::usage("--scale is for euclidean and sqeuclidean")),
        };
        let values: Vec<f64> = rdm.condensed().iter().map(|d| d / divisor).collect();
        Npz::new()
            .f64("rdm", ArrayView1::from(&values).into_dyn())
            .i64("n", arr1(&[n as i64]).view().into_dyn())
            .text("metric", &[name.to_owned()])
            .write(&self.out)
            .map_err(file_failure)?;
        Ok(Answer {
            n,
            units,
            metric: name.to_owned(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}
