//! `neuropil geometry persistence`: components and loops of an RDM.

use std::path::PathBuf;

use clap::Args;
use ndarray::{Array2, ArrayView1};
use neural_geometry::{Bar, RdmFile, betti_curve, persistence, single_linkage_heights};
use recordings::arrays::Npz;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Persistent components (H0) and loops (H1) of an RDM
#[derive(Debug, Args)]
pub(crate) struct Persistence {
    #[arg(help = "RDM file (npz with array rdm)")]
    rdm: PathBuf,
    /// Highest dimension: 0 (components, quick) or 1 (loops too)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    max_dimension: u8,
    /// Nothing is joined beyond this dissimilarity
    #[arg(long, allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Points of the Betti curves
    #[arg(long, default_value_t = 50, value_name = "N")]
    points: usize,
    /// Where to write the bars (npz: h0 [k, 2], h1 [k, 2], thresholds, betti0, betti1)
    #[arg(long)]
    out: Option<PathBuf>,
}

/// How many features are alive at each threshold.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Curves {
    /// From 0 to the greatest finite birth or death.
    thresholds: Vec<f64>,
    /// Components.
    betti0: Vec<usize>,
    /// Loops.
    betti1: Vec<usize>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Stimuli.
    n: usize,
    /// Birth and death of each component; one never dies (null).
    #[schemars(with = "Vec<[Option<f64>; 2]>")]
    h0: Vec<[f64; 2]>,
    /// Birth and death of each loop, in the order of births; null: beyond the threshold.
    #[schemars(with = "Vec<[Option<f64>; 2]>")]
    h1: Vec<[f64; 2]>,
    /// Length of the longest loop, 0 without one.
    longest_loop: f64,
    /// Betti curves.
    betti: Curves,
}

impl Verb for Persistence {
    const NAME: &'static str = "geometry.persistence";
    type Answer = Answer;

    fn run(&self, context: &Context) -> Result<Answer> {
        let bad = |e: neural_geometry::Error| Failure::input(e).at(&self.rdm);
        let file = RdmFile::read(&self.rdm).map_err(file_failure_at(&self.rdm))?;
        let pairs = file.condensed.len() as u64;
        // A point of the curves is three numbers, each of them also in the document.
        let curves = (self.points as u64).saturating_mul(320);
        context.admit("the complex and its curves", (40 * pairs).saturating_add(curves))?;
        let found = if self.max_dimension == 0 {
            let bound = self.threshold.unwrap_or(f64::INFINITY);
            let cut = |h: f64| if h <= bound { h } else { f64::INFINITY };
            let heights = single_linkage_heights(&file.condensed).map_err(bad)?;
            let deaths = heights.into_iter().map(cut).chain([f64::INFINITY]);
            neural_geometry::Persistence {
                h0: deaths.map(|death| Bar { birth: 0.0, death }).collect(),
                h1: Vec::new(),
            }
        } else {
            persistence(&file.condensed, self.threshold).map_err(bad)?
        };
        let ends = found.h0.iter().chain(&found.h1).flat_map(|b| [b.birth, b.death]);
        let far = ends.filter(|d| d.is_finite()).fold(0.0, f64::max);
        let last = self.points.saturating_sub(1).max(1) as f64;
        let thresholds: Vec<f64> = (0..self.points).map(|i| far * i as f64 / last).collect();
        let betti0 = betti_curve(&found.h0, &thresholds);
        let betti1 = betti_curve(&found.h1, &thresholds);
        let rows = |bars: &[Bar]| bars.iter().map(|b| [b.birth, b.death]).collect::<Vec<_>>();
        if let Some(out) = &self.out {
            let table = |bars: &[Bar]| {
                Array2::from_shape_fn(
                    (bars.len(), 2),
                    |(i, j)| if j == 0 { bars[i].birth } else { bars[i].death },
                )
            };
            let counts = |c: &[usize]| c.iter().map(|n| *n as i64).collect::<Vec<_>>();
            Npz::new()
                .f64("h0", table(&found.h0).view().into_dyn())
                .f64("h1", table(&found.h1).view().into_dyn())
                .f64("thresholds", ArrayView1::from(&thresholds).into_dyn())
                .i64("betti0", ArrayView1::from(&counts(&betti0)).into_dyn())
                .i64("betti1", ArrayView1::from(&counts(&betti1)).into_dyn())
                .write(out)
                .map_err(file_failure_at(out))?;
        }
        Ok(Answer {
            n: found.h0.len(),
            h0: rows(&found.h0),
            h1: rows(&found.h1),
            longest_loop: found.h1.iter().map(Bar::length).fold(0.0, f64::max),
            betti: Curves { thresholds, betti0, betti1 },
        })
    }
}
