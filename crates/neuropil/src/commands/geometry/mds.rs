//! `neuropil geometry mds`: points whose distances resemble an RDM.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::ArrayView1;
use neural_geometry::{Rdm, RdmFile, classical_mds, smacof};
use recordings::arrays::Npz;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Multidimensional scaling of an RDM
#[derive(Debug, Args)]
pub(crate) struct Mds {
    #[arg(help = "RDM file (npz with array rdm)")]
    rdm: PathBuf,
    /// Dimensions of the points
    #[arg(long, default_value_t = 2, value_name = "K")]
    dimensions: usize,
    /// Classical scaling, or stress majorisation that starts from it
    #[arg(long, value_enum, default_value_t = Method::Classical)]
    method: Method,
    /// Most steps of smacof
    #[arg(long, default_value_t = 300, value_name = "N")]
    iterations: usize,
    /// Where to write the points (npz: points [n, k], eigenvalues, labels)
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    Classical,
    Smacof,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Stimuli.
    n: usize,
    /// Kruskal's stress-1.
    stress: f64,
    /// Coordinates, one row per stimulus.
    points: Vec<Vec<f64>>,
    /// Eigenvalues of classical scaling, descending.
    eigenvalues: Vec<f64>,
    /// Names of the stimuli, where the file has them.
    labels: Option<Vec<String>>,
    /// Steps of smacof.
    iterations: usize,
}

impl Verb for Mds {
    const NAME: &'static str = "geometry.mds";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let bad = |e: neural_geometry::Error| Failure::input(e).at(&self.rdm);
        let file = RdmFile::read(&self.rdm).map_err(file_failure_at(&self.rdm))?;
        context.admit("the scaling", 64 * file.condensed.len() as u64)?;
        let mut rdm = file.rdm().map_err(bad)?;
        // What a transform made of them are ranks, ramps or path lengths, no squares.
        let squared = matches!(file.metric.as_deref(), Some("sqeuclidean" | "crossnobis"));
        if squared && file.transforms.is_empty() {
            document::warn("the RDM holds squared distances: their roots are scaled, negative ones as 0");
            let roots = rdm.condensed().iter().map(|d| d.max(0.0).sqrt()).collect();
            rdm = Rdm::from_condensed(roots).map_err(bad)?;
        }
        let start = classical_mds(&rdm, self.dimensions).map_err(bad)?;
        let eigenvalues = start.eigenvalues.clone();
        let found = match self.method {
            Method::Classical => start,
            Method::Smacof => smacof(&rdm, &start.points.view(), self.iterations, 1e-9).map_err(bad)?,
        };
        if let Some(out) = &self.out {
            let mut npz = Npz::new()
                .f64("points", found.points.view().into_dyn())
                .f64("eigenvalues", ArrayView1::from(&eigenvalues).into_dyn());
            if let Some(labels) = &file.labels {
                npz = npz.text("labels", labels);
            }
            npz.write(out).map_err(file_failure_at(out))?;
        }
        Ok(Answer {
            n: rdm.stimuli(),
            stress: found.stress,
            points: found.points.outer_iter().map(|r| r.to_vec()).collect(),
            eigenvalues,
            labels: file.labels,
            iterations: found.iterations,
        })
    }
}
