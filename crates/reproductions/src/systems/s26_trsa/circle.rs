//! Topology without thresholds: the one loop of a noisy circle, and none of its size in a cloud.

use ndarray::Array2;
use neural_geometry::{Bar, Metric, Rdm, persistence};
use numerics::rng::{normals, stream};
use numerics::summary::mean;
use rand::RngExt;
use rayon::prelude::*;

use super::fail;
use crate::figure::{Series, scatter};
use crate::{Measurement, Outcome, Plan, Result};

/// Points of each pattern.
const POINTS: usize = 60;

/// By how much the longest loop of noisy circles outlasts the next, beside that of clouds.
pub(super) fn loops(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let draws = plan.draws(plan.pick(40, 40, 200));
    let seeds = plan.seeds(draws.len());
    let bars = |ring: bool| -> Result<Vec<Vec<Bar>>> {
        draws
            .par_iter()
            .map(|seed| {
                let rdm =
                    Rdm::from_patterns(&pattern(ring, *seed).view(), Metric::Euclidean).map_err(fail)?;
                Ok(persistence(rdm.condensed(), None).map_err(fail)?.h1)
            })
            .collect()
    };
    let (rings, clouds) = (bars(true)?, bars(false)?);
    let lead = |all: &[Vec<Bar>]| all.iter().map(|b| prominence(b)).collect::<Vec<f64>>();
    let (ring, cloud) = (lead(&rings), lead(&clouds));
    let gaps: Vec<f64> = ring.iter().zip(&cloud).map(|(r, c)| r - c).collect();
    outcome.measurements.push(
        Measurement::lower_bound("persistence: lead of the longest loop, noisy circle minus square (lower bound)", &gaps, 0.0)
            .baseline(mean(&ring))
            .control(mean(&cloud))
            .seeds(&seeds)
            .note("lead: the share of its length by which the longest loop outlasts the next; baseline: circles; control: points drawn from a square"),
    );
    let series = |name: &str, bars: &[Bar]| Series {
        name: name.to_owned(),
        points: bars.iter().map(|b| (b.birth, b.death)).collect(),
    };
    outcome.figures.push(scatter(
        "Loops of a circle and of a cloud",
        "Birth and death of every loop (H1) in 60 noisy points on a circle and 60 points of a square. Only the circle has a loop far from the diagonal.",
        "distance at birth",
        "distance at death",
        &[series("noisy circle", &rings[0]), series("square", &clouds[0])],
    )?);
    Ok(())
}

/// `(longest - next) / longest`: 0 without a loop, 1 where there is one alone.
fn prominence(bars: &[Bar]) -> f64 {
    let mut lengths: Vec<f64> = bars.iter().map(Bar::length).collect();
    lengths.sort_by(|a, b| b.total_cmp(a));
    match lengths.as_slice() {
        [] => 0.0,
        [_] => 1.0,
        [first, second, ..] => (first - second) / first,
    }
}

fn pattern(ring: bool, seed: u64) -> Array2<f64> {
    let mut draws = stream(seed, "26-trsa/circle", u64::from(ring));
    let noise = normals(&mut draws, 2 * POINTS);
    let at: Vec<f64> = (0..2 * POINTS).map(|_| draws.random()).collect();
    Array2::from_shape_fn((POINTS, 2), |(i, j)| {
        if !ring {
            return 2.0 * at[2 * i + j] - 1.0;
        }
        let angle = std::f64::consts::TAU * i as f64 / POINTS as f64;
        (if j == 0 { angle.cos() } else { angle.sin() }) + 0.08 * noise[2 * i + j]
    })
}
