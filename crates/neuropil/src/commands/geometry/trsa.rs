//! `neuropil geometry trsa`: geo-topological and geodesic matrices of an RDM.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use neural_geometry::{
    GeoTopological, Geodesic, Neighbours, RdmFile, Region, ZeroEdges, geo_topological, geodesic,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::share;
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Geo-topological or geodesic matrix of an RDM
#[derive(Debug, Args)]
pub(crate) struct Trsa {
    #[arg(help = "RDM file (npz with array rdm)")]
    rdm: PathBuf,
    /// Lower quantile of the ramp [default: 0.2]
    #[arg(long, conflicts_with = "sigmoid", value_parser = share, allow_negative_numbers = true)]
    lower: Option<f64>,
    /// Upper quantile of the ramp [default: 0.8]
    #[arg(long, conflicts_with = "sigmoid", value_parser = share, allow_negative_numbers = true)]
    upper: Option<f64>,
    /// Sigmoid of slope A and midpoint B instead of the ramp
    #[arg(long, value_name = "A,B", value_parser = pair, allow_hyphen_values = true)]
    sigmoid: Option<(f64, f64)>,
    /// none, twostep, p-shortest:P, k-nearest:K or p-nearest:P
    #[arg(long, default_value = "none", value_parser = graph)]
    geodesic: Graph,
    /// Whose neighbours count for k-nearest and p-nearest: the reference asks one end of each pair [default: reference]
    #[arg(long, value_enum)]
    knn: Option<Knn>,
    /// Whether pairs at distance zero stay connected, for every geodesic [default: keep]
    #[arg(long, value_enum)]
    zero_edges: Option<Zero>,
    /// Leave path lengths as they are instead of ranking them; without a path they are infinite
    #[arg(long)]
    no_rank: bool,
    /// Where to write the matrix (npz: rdm, n, metric, transforms, labels)
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
    let wrong = || {
        "expected none, twostep, p-shortest:P, k-nearest:K or p-nearest:P, with P in [0, 1] and K a whole number".to_owned()
    };
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
    /// The metric of the dissimilarities that were transformed, where their file says it.
    metric: Option<String>,
    /// Which transform was applied.
    transform: String,
    /// Every transform since the dissimilarities, this one last, with its parameters; as in the file.
    transforms: Vec<String>,
    /// The region of the thresholds, for ramps.
    region: Option<String>,
    /// Pairs without any path between them: ranked last, or infinite with --no-rank.
    unreachable: usize,
    /// Infinite values in the file.
    #[serde(skip)]
    infinite: usize,
}

impl Graph {
    /// Whether there are neighbours to count.
    fn has_neighbours(self) -> bool {
        matches!(self, Self::Other(Geodesic::Nearest(_) | Geodesic::NearestFraction(_)))
    }

    /// Whether the ranks go through a ramp.
    fn has_ramp(self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl std::fmt::Display for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::TwoStep => f.write_str("twostep"),
            Self::Other(Geodesic::ShortestFraction(p)) => write!(f, "p-shortest:{p}"),
            Self::Other(Geodesic::Nearest(k)) => write!(f, "k-nearest:{k}"),
            Self::Other(Geodesic::NearestFraction(p)) => write!(f, "p-nearest:{p}"),
            Self::Other(other) => write!(f, "{other:?}"),
        }
    }
}

/// What a transform gave.
struct Transformed {
    values: Vec<f64>,
    name: &'static str,
    /// The name with all parameters, for the file.
    step: String,
    unreachable: usize,
}

impl Trsa {
    fn thresholds(&self) -> (f64, f64) {
        (self.lower.unwrap_or(0.2), self.upper.unwrap_or(0.8))
    }

    /// Refuses thresholds that the transform does not take, and says of every other flag that it has no effect.
    fn check(&self) -> Result<()> {
        const ANY: &str = "--geodesic twostep, p-shortest:P, k-nearest:K or p-nearest:P";
        let graph = self.geodesic;
        let (none, ramp, near) = (graph == Graph::None, graph.has_ramp(), graph.has_neighbours());
        let idle = |flag: &str, needs: &str| {
            format!("{flag} goes with {needs}; with --geodesic {graph} it has no effect")
        };
        let refused = [
            ("--lower", self.lower.is_some() && !ramp, "--geodesic none or twostep"),
            ("--upper", self.upper.is_some() && !ramp, "--geodesic none or twostep"),
            ("--sigmoid", self.sigmoid.is_some() && !none, "--geodesic none"),
        ];
        if let Some((flag, _, needs)) = refused.iter().find(|(_, wrong, _)| *wrong) {
            return Err(Failure::usage(idle(flag, needs)));
        }
        let near_only = "--geodesic k-nearest:K or p-nearest:P";
        let told = [
            ("--knn", self.knn.is_some() && !near, near_only),
            ("--zero-edges", self.zero_edges.is_some() && none, ANY),
            ("--no-rank", self.no_rank && none, ANY),
        ];
        told.iter().filter(|(_, is, _)| *is).for_each(|(flag, _, needs)| document::warn(&idle(flag, needs)));
        Ok(())
    }

    fn transform(&self, values: &[f64]) -> Result<Transformed> {
        let (lower, upper) = self.thresholds();
        let kind = match self.geodesic {
            Graph::None => return self.ramp(values),
            Graph::TwoStep => Geodesic::TwoStep { lower, upper },
            Graph::Other(kind) => kind,
        };
        let (knn, asked) = match self.knn.unwrap_or(Knn::Reference) {
            Knn::Reference => (Neighbours::Reference, "reference"),
            Knn::Symmetric => (Neighbours::Symmetric, "symmetric"),
        };
        let (zero, kept) = match self.zero_edges.unwrap_or(Zero::Keep) {
            Zero::Keep => (ZeroEdges::Keep, "keep"),
            Zero::Drop => (ZeroEdges::DropAsReference, "drop"),
        };
        let paths = geodesic(values, kind, knn, zero, false).map_err(Failure::input)?;
        let unreachable = paths.iter().filter(|d| d.is_infinite()).count();
        let mut step = format!("geodesic {}", self.geodesic);
        if self.geodesic.has_ramp() {
            step.push_str(&format!(" lower={lower} upper={upper}"));
        }
        if self.geodesic.has_neighbours() {
            step.push_str(&format!(" knn={asked}"));
        }
        step.push_str(&format!(" zero-edges={kept} {}", if self.no_rank { "lengths" } else { "ranks" }));
        let values = if self.no_rank {
            paths
        } else {
            numerics::ranks::average_ranks(&paths).map_err(Failure::input)?
        };
        Ok(Transformed { values, name: "geodesic", step, unreachable })
    }

    fn ramp(&self, values: &[f64]) -> Result<Transformed> {
        let (lower, upper) = self.thresholds();
        let (kind, step) = match self.sigmoid {
            Some((alpha, beta)) => {
                let step = format!("geo-topological sigmoid alpha={alpha} beta={beta}");
                (GeoTopological::Sigmoid { alpha, beta }, step)
            }
            None => {
                let step = format!("geo-topological ramp lower={lower} upper={upper}");
                (GeoTopological::Ramp { lower, upper }, step)
            }
        };
        let values = geo_topological(values, kind).map_err(Failure::input)?;
        Ok(Transformed { values, name: "geo-topological", step, unreachable: 0 })
    }
}

impl Verb for Trsa {
    const NAME: &'static str = "geometry.trsa";
    type Answer = Answer;

    fn run(&self, _context: &Context) -> Result<Answer> {
        self.check()?;
        let file = RdmFile::read(&self.rdm).map_err(file_failure_at(&self.rdm))?;
        let rdm = file.rdm().map_err(|e| Failure::input(e).at(&self.rdm))?;
        let made = self.transform(rdm.condensed()).map_err(|f| f.at(&self.rdm))?;
        let mut transforms = file.transforms;
        transforms.push(made.step);
        let infinite = made.values.iter().filter(|d| !d.is_finite()).count();
        let out = RdmFile {
            condensed: made.values,
            // The array is promised; an input without it says nothing of its metric.
            metric: Some(file.metric.clone().unwrap_or_else(|| "unknown".to_owned())),
            transforms,
            labels: file.labels,
        };
        out.write(&self.out).map_err(file_failure_at(&self.out))?;
        if infinite > 0 {
            document::warn(&format!(
                "{}: {infinite} of {} pairs have no path between them and are infinite there; without --no-rank they rank last",
                self.out.display(),
                out.condensed.len()
            ));
        }
        let ramp = self.sigmoid.is_none() && self.geodesic.has_ramp();
        let (lower, upper) = self.thresholds();
        Ok(Answer {
            n: rdm.stimuli(),
            metric: file.metric,
            transform: made.name.to_owned(),
            transforms: out.transforms,
            region: ramp.then(|| format!("{:?}", Region::classify(lower, upper))),
            unreachable: made.unreachable,
            infinite,
        })
    }

    fn nonfinite_written(&self, answer: &Answer) -> usize {
        answer.infinite
    }
}
