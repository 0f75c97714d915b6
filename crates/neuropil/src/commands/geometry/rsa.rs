//! `neuropil geometry rsa`: how alike are two representations?

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use neural_geometry::{Comparison, RdmFile, RsaPlan, align};
use recordings::arrays::read_matrix;
use schemars::JsonSchema;
use serde::Serialize;

use super::rdm::Choice;
use crate::arguments::axes;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Similarity of two RDMs, its bootstrap interval and its permutation p-value
#[derive(Debug, Args)]
pub(crate) struct Rsa {
    #[arg(help = "First RDM file (npz: rdm, labels?), or patterns with --patterns")]
    a: PathBuf,
    #[arg(help = "Second one; where both have labels, its stimuli are put in the first one's order")]
    b: PathBuf,
    /// The measure of similarity
    #[arg(long, value_enum, default_value_t = Measure::Spearman)]
    compare: Measure,
    /// Both files are recordings [stimuli, units]: their RDMs are made first
    #[arg(long)]
    patterns: bool,
    /// How dissimilar two patterns are, with --patterns [default: correlation]
    #[arg(long, value_enum, requires = "patterns")]
    metric: Option<Choice>,
    /// Which array of the files, with --patterns
    #[arg(long, requires = "patterns")]
    key: Option<String>,
    /// Order of the arrays' axes, with --patterns: time,units or units,time
    #[arg(long, requires = "patterns", value_parser = axes())]
    axes: Option<String>,
    /// Draws of stimuli behind the interval; 0: none
    #[arg(long, default_value_t = 1000, value_name = "N")]
    bootstrap: usize,
    /// Permutations of stimuli behind the p-value; 0: none
    #[arg(long, default_value_t = 999, value_name = "N")]
    permutations: usize,
}

/// The measures of the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Measure {
    Spearman,
    Pearson,
    Kendall,
    Cosine,
    KendallA,
    WhitenedCosine,
    WhitenedPearson,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Stimuli.
    n: usize,
    /// The measure.
    compare: String,
    /// The similarity.
    similarity: f64,
    /// 95 % percentile interval over draws of stimuli.
    ci95: Option<[f64; 2]>,
    /// One-sided p-value over permutations of stimuli.
    p: Option<f64>,
    /// Whether labels put the second file's stimuli into another order.
    reordered: bool,
}

impl Verb for Rsa {
    const NAME: &'static str = "geometry.rsa";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let ((a, first), (b, second)) = (self.read(&self.a, context)?, self.read(&self.b, context)?);
        let draws = (self.bootstrap as u64).saturating_add(self.permutations as u64);
        context.admit("the draws", draws.saturating_mul(16))?;
        let mut reordered = false;
        let b = match (first, second) {
            (Some(first), Some(second)) => {
                let order = align(&first, &second).map_err(|e| Failure::input(e).at(&self.b))?;
                reordered = order.iter().enumerate().any(|(i, j)| i != *j);
                b.subset(&order).map_err(|e| Failure::input(e).at(&self.b))?
            }
            _ => b,
        };
        let measure = match self.compare {
            Measure::Spearman => Comparison::Spearman,
            Measure::Pearson => Comparison::Pearson,
            Measure::Kendall => Comparison::Kendall,
            Measure::Cosine => Comparison::Cosine,
            Measure::KendallA => Comparison::KendallA,
            Measure::WhitenedCosine => Comparison::WhitenedCosine,
            Measure::WhitenedPearson => Comparison::WhitenedPearson,
        };
        let plan =
            RsaPlan { bootstraps: self.bootstrap, permutations: self.permutations, seed: context.seed };
        let found =
            neural_geometry::rsa(&a, &b, measure, &plan).map_err(|e| Failure::input(e).at(&self.b))?;
        let name = self.compare.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        Ok(Answer {
            n: a.stimuli(),
            compare: name,
            similarity: found.similarity,
            ci95: found.ci95.map(Into::into),
            p: found.p,
            reordered,
        })
    }
}

impl Rsa {
    fn read(&self, path: &Path, context: &Context) -> Result<(neural_geometry::Rdm, Option<Vec<String>>)> {
        let bad = |e: neural_geometry::Error| Failure::input(e).at(path);
        if !self.patterns {
            let file = RdmFile::read(path).map_err(file_failure_at(path))?;
            return Ok((file.rdm().map_err(bad)?, file.labels));
        }
        let Some(metric) = self.metric.unwrap_or(Choice::Correlation).metric() else {
            return Err(Failure::usage(
                "crossnobis RDMs are made with geometry rdm; then leave --patterns out",
            ));
        };
        let (patterns, warnings) =
            read_matrix(path, self.key.as_deref(), self.axes.as_deref()).map_err(file_failure_at(path))?;
        warnings.iter().for_each(|w| document::warn(w));
        let (n, units) = patterns.dim();
        context.admit("the RDM", 8 * (2 * n * n + 2 * n * units) as u64)?;
        Ok((neural_geometry::Rdm::from_patterns(&patterns.view(), metric).map_err(bad)?, None))
    }
}
