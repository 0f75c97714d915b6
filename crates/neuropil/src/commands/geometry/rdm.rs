//! `neuropil geometry rdm`: dissimilarities of all pairs of patterns.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::Array2;
use neural_geometry::{Metric, RdmFile};
use recordings::arrays::read_matrix;
use schemars::JsonSchema;
use serde::Serialize;

use super::lists::{encode, names};
use crate::arguments::axes;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
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
    #[arg(long, value_parser = axes())]
    axes: Option<String>,
    /// Condition of each row, for crossnobis: a list, or a file with one a line or one array
    #[arg(long, value_name = "LIST")]
    conditions: Option<String>,
    /// Fold (run) of each row, for crossnobis
    #[arg(long, value_name = "LIST")]
    folds: Option<String>,
    /// Noise precision [units, units], for crossnobis [default: identity]
    #[arg(long, value_name = "FILE")]
    precision: Option<PathBuf>,
    /// Names of the stimuli, written into the RDM file: a list, or a file
    #[arg(long, value_name = "LIST")]
    labels: Option<String>,
    /// Divide squared distances by the number of units, distances by its root
    #[arg(long, value_name = "WHAT", value_parser = ["per-channel"])]
    scale: Option<String>,
    /// Where to write the RDM (npz: rdm, n, metric, labels)
    #[arg(long)]
    out: PathBuf,
}

/// The metrics of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    Euclidean,
    Sqeuclidean,
    Correlation,
    Cosine,
    Crossnobis,
}

impl Choice {
    /// The metric between single patterns, where it is one.
    pub(super) fn metric(self) -> Option<Metric> {
        match self {
            Self::Euclidean => Some(Metric::Euclidean),
            Self::Sqeuclidean => Some(Metric::SquaredEuclidean),
            Self::Correlation => Some(Metric::Correlation),
            Self::Cosine => Some(Metric::Cosine),
            Self::Crossnobis => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Euclidean => "euclidean",
            Self::Sqeuclidean => "sqeuclidean",
            Self::Correlation => "correlation",
            Self::Cosine => "cosine",
            Self::Crossnobis => "crossnobis",
        }
    }
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
        let (patterns, warnings) = read_matrix(&self.patterns, self.key.as_deref(), self.axes.as_deref())
            .map_err(file_failure_at(&self.patterns))?;
        warnings.iter().for_each(|w| document::warn(w));
        let (rows, units) = patterns.dim();
        context.admit("the RDM", 8 * (2 * rows * rows + 2 * rows * units) as u64)?;
        let (rdm, named) = match self.metric.metric() {
            Some(metric) => (self.plain(&patterns, metric)?, None),
            None => {
                let (rdm, conditions) = self.cross_validated(&patterns)?;
                (rdm, Some(conditions))
            }
        };
        let n = rdm.stimuli();
        let divisor = match (&self.scale, self.metric) {
            (None, _) => 1.0,
            (Some(_), Choice::Euclidean) => (units as f64).sqrt(),
            (Some(_), Choice::Sqeuclidean | Choice::Crossnobis) => units as f64,
            (Some(_), _) => {
                return Err(Failure::usage("--scale is for euclidean, sqeuclidean and crossnobis"));
            }
        };
        let labels = match &self.labels {
            Some(text) => {
                let labels = names(text)?;
                if labels.len() != n {
                    return Err(Failure::input(format!("{} labels for {n} stimuli", labels.len())));
                }
                Some(labels)
            }
            None => named,
        };
        let values: Vec<f64> = rdm.condensed().iter().map(|d| d / divisor).collect();
        let metric = Some(self.metric.name().to_owned());
        let file = RdmFile { condensed: values, metric, transforms: Vec::new(), labels };
        file.write(&self.out).map_err(file_failure_at(&self.out))?;
        let values = file.condensed;
        Ok(Answer {
            n,
            units,
            metric: self.metric.name().to_owned(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

impl Rdm {
    fn plain(&self, patterns: &Array2<f64>, metric: Metric) -> Result<neural_geometry::Rdm> {
        if self.conditions.is_some() || self.folds.is_some() || self.precision.is_some() {
            return Err(Failure::usage("--conditions, --folds and --precision go with --metric crossnobis"));
        }
        neural_geometry::Rdm::from_patterns(&patterns.view(), metric)
            .map_err(|e| Failure::input(e).at(&self.patterns))
    }

    /// The RDM and the names of its conditions.
    fn cross_validated(&self, patterns: &Array2<f64>) -> Result<(neural_geometry::Rdm, Vec<String>)> {
        let (Some(conditions), Some(folds)) = (&self.conditions, &self.folds) else {
            return Err(Failure::usage("--metric crossnobis needs --conditions and --folds"));
        };
        let (conditions, named) = encode(&names(conditions)?);
        let (folds, _) = encode(&names(folds)?);
        let precision = match &self.precision {
            Some(path) => Some(read_matrix(path, None, Some("time,units")).map_err(file_failure_at(path))?.0),
            None => None,
        };
        let precision = precision.as_ref().map(|p| p.view());
        let found = neural_geometry::crossnobis(&patterns.view(), &conditions, &folds, precision.as_ref())
            .map_err(|e| Failure::input(e).at(&self.patterns))?;
        Ok((found.rdm, named))
    }
}
