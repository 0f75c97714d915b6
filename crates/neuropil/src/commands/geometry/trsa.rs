//! `neuropil geometry trsa`: geo-topological and geodesic matrices of an RDM.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use neural_geometry::{
    GeoTopological, Geodesic, Neighbours, RdmFile, Region, ZeroEdges, geo_topological, geodesic,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Failure, Result, file_failure};
use crate::verb::Verb;

/// Geo-topological or geodesic matrix of an RDM
#[derive(Debug, Args)]
pub(crate) struct Trsa {
    #[arg(help = "RDM file (npz with array rdm)")]
    rdm: PathBuf,
    /// Lower quantile of the ramp [default: 0.2]
    #[arg(long, conflicts_with = "sigmoid")]
    lower: Option<f64>,
    /// Upper quantile of the ramp [default: 0.8]
    #[arg(long, conflicts_with = "sigmoid")]
    upper: Option<f64>,
    /// Sigmoid of slope A and midpoint B instead of the ramp
    #[arg(long, value_name = "A,B", value_parser = pair)]
    sigmoid: Option<(f64, f64)>,
    /// none, twostep, p-shortest:P, k-nearest:K or p-nearest:P
    #[arg(long, default_value = "none", value_parser = graph)]
    geodesic: Graph,
    /// Whose neighbours count: the reference asks one end of each pair
    #[arg(long, value_enum, default_value_t = Knn::Reference)]
    knn: Knn,
    /// Whether pairs at distance zero stay connected
    #[arg(long, value_enum, default_value_t = Zero::Keep)]
    zero_edges: Zero,
    /// Leave path lengths as they are instead of ranking them
    #[arg(long)]
    no_rank: bool,
    /// Where to write the matrix (npz: rdm, n, metric, labels)
    #[arg(long)]
    out: PathBuf,
}

/// The graph of the geodesic.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Graph {
    None,
    TwoStep,
    Other(Geodesic),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Knn {
    Reference,
    Symmetric,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Zero {
    Keep,
    Drop,
}

fn pair(text: &str) -> std::result::Result<(f64, f64), String> {
    let parts =
        text.split_once(',').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    parts.ok_or_else(|| "expected two numbers A,B".to_owned())
}

fn graph(text: &str) -> std::result::Result<Graph, String> {
    let wrong = || "expected none, twostep, p-shortest:P, k-nearest:K or p-nearest:P".to_owned();
    Ok(match text.split_once(':') {
        None if text == "none" => Graph::None,
        None if text == "twostep" => Graph::TwoStep,
        Some(("p-shortest", p)) => Graph::Other(Geodesic::ShortestFraction(p.parse().map_err(|_| wrong())?)),
        Some(("k-nearest", k)) => Graph::Other(Geodesic::Nearest(k.parse().map_err(|_| wrong())?)),
        Some(("p-nearest", p)) => Graph::Other(Geodesic::NearestFraction(p.parse().map_err(|_| wrong())?)),
        _ => return Err(wrong()),
    })
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Stimuli.
    n: usize,
    /// Which transform was applied.
    transform: String,
    /// The region of the thresholds, for ramps.
    region: Option<String>,
    /// Pairs without any path between them.
    unreachable: usize,
}

impl Trsa {
    fn transform(&self, values: &[f64]) -> Result<(Vec<f64>, &'static str)> {
        let (lower, upper) = (self.lower.unwrap_or(0.2), self.upper.unwrap_or(0.8));
        let ramped = self.lower.or(self.upper).is_some();
        let kind = match self.geodesic {
            Graph::None => {
                let kind = match self.sigmoid {
                    Some((alpha, beta)) => GeoTopological::Sigmoid { alpha, beta },
                    None => GeoTopological::Ramp { lower, upper },
                };
                return Ok((geo_topological(values, kind).map_err(Failure::input)?, "geo-topological"));
            }
            Graph::TwoStep => Geodesic::TwoStep { lower, upper },
            Graph::Other(kind) if !ramped => kind,
            Graph::Other(_) => {
                return Err(Failure::usage("--lower and --upper go with --geodesic none or twostep"));
            }
        };
        if self.sigmoid.is_some() {
            return Err(Failure::usage("--sigmoid goes with --geodesic none"));
        }
        let knn = match self.knn {
            Knn::Reference => Neighbours::Reference,
            Knn::Symmetric => Neighbours::Symmetric,
        };
        let zero = match self.zero_edges {
            Zero::Keep => ZeroEdges::Keep,
            Zero::Drop => ZeroEdges::DropAsReference,
        };
        let paths = geodesic(values, kind, knn, zero, false).map_err(Failure::input)?;
        Ok((paths, "geodesic"))
    }
}

impl Verb for Trsa {
    const NAME: &'static str = "geometry.trsa";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        let file = RdmFile::read(&self.rdm).map_err(file_failure)?;
        let rdm = file.rdm().map_err(|e| Failure::input(e).at(&self.rdm))?;
        let (paths, transform) = self.transform(rdm.condensed()).map_err(|f| f.at(&self.rdm))?;
        let unreachable = paths.iter().filter(|d| d.is_infinite()).count();
        let values = if self.geodesic == Graph::None || self.no_rank {
            paths
        } else {
            numerics::ranks::average_ranks(&paths).map_err(Failure::input)?
        };
        let out = RdmFile { condensed: values, metric: Some(transform.to_owned()), labels: file.labels };
        out.write(&self.out).map_err(file_failure)?;
        let ramp = self.sigmoid.is_none() && !matches!(self.geodesic, Graph::Other(_));
        let region = Region::classify(self.lower.unwrap_or(0.2), self.upper.unwrap_or(0.8));
        Ok(Answer {
            n: rdm.stimuli(),
            transform: transform.to_owned(),
            region: ramp.then(|| format!("{region:?}")),
            unreachable,
        })
    }
}
