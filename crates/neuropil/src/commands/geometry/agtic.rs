//! `neuropil geometry agtic`: do two sets of variables depend on one another?

use std::path::PathBuf;

use clap::Args;
use neural_geometry::Thresholds;
use recordings::arrays::read_matrix;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Adaptive geo-topological test of independence
#[derive(Debug, Args)]
pub(crate) struct Agtic {
    #[arg(help = "First variable [samples, p]")]
    x: PathBuf,
    #[arg(help = "Second variable [samples, q]")]
    y: PathBuf,
    /// Thresholds of each variable
    #[arg(long, default_value_t = 10)]
    thresholds: usize,
    /// Thresholds are quantiles of the distances instead of fractions of the greatest
    #[arg(long)]
    quantiles: bool,
    /// Permutations
    #[arg(long, default_value_t = 99)]
    permutations: usize,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Samples.
    n: usize,
    /// Greatest distance correlation over all thresholds.
    statistic: f64,
    /// Permutation p-value.
    p: f64,
    /// Plain distance correlation.
    distance_correlation: f64,
    /// Its permutation p-value.
    distance_correlation_p: f64,
    /// Best thresholds of X, as fractions of its greatest distance, or quantiles.
    thresholds_x: [f64; 2],
    /// Best thresholds of Y.
    thresholds_y: [f64; 2],
}

impl Verb for Agtic {
    const NAME: &'static str = "geometry.agtic";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let (x, said_x) = read_matrix(&self.x, None, None).map_err(file_failure_at(&self.x))?;
        let (y, said_y) = read_matrix(&self.y, None, None).map_err(file_failure_at(&self.y))?;
        said_x.iter().chain(&said_y).for_each(|w| document::warn(w));
        let (n, k, threads) = (x.nrows() as u64, self.thresholds as u64, rayon::current_num_threads() as u64);
        // Hinges of both variables, and for each thread a batch of 16 rearranged halves; then all inner products.
        let cells = n.saturating_mul(n).saturating_mul(k);
        let products = k.saturating_mul(k).saturating_mul(k.saturating_mul(k)) / 4;
        let batch = (cells / 2).saturating_add(products).saturating_mul(16 * threads);
        let held = batch.saturating_add(cells.saturating_mul(3)).saturating_add(self.permutations as u64);
        context.admit("the thresholded distances", held.saturating_mul(8))?;
        let kind = if self.quantiles { Thresholds::Quantile } else { Thresholds::Distance };
        let (thresholds, permutations) = (self.thresholds, self.permutations);
        let got =
            neural_geometry::agtic_with(&x.view(), &y.view(), thresholds, kind, permutations, context.seed)
                .map_err(|e| Failure::input(e).at(&self.x))?;
        Ok(Answer {
            n: x.nrows(),
            statistic: got.statistic,
            p: got.p,
            distance_correlation: got.distance_correlation,
            distance_correlation_p: got.distance_correlation_p,
            thresholds_x: got.thresholds_x.into(),
            thresholds_y: got.thresholds_y.into(),
        })
    }
}
