//! Topology without thresholds: the one loop of a noisy circle, and none of its size in a cloud.

use ndarray::Array2;
use neural_geometry::{Bar, Metric, Rdm, persistence};
use numerics::rng::{normals, stream};
use rand::RngExt;
use rayon::prelude::*;

use super::fail;
use crate::figure::{Series, scatter};
use crate::{Measurement, Outcome, Plan, Result};

/// Points of each pattern.
const POINTS: usize = 60;

/// Longest loop of noisy circles over the second longest, beside that of clouds.
pub(super) fn loops(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(plan.pick(20, 40, 200));
    let bars = |ring: bool| -> Result<Vec<Vec<Bar>>> {
        seeds
            .par_iter()
            .map(|seed| {
                let rdm =
                    Rdm::from_patterns(&pattern(ring, *seed).view(), Metric::Euclidean).map_err(fail)?;
                Ok(persistence(rdm.condensed(), None).map_err(fail)?.h1)
            })
            .collect()
    };
    let (rings, clouds) = (bars(true)?, bars(false)?);
    let share =
        |all: &[Vec<Bar>]| all.iter().filter(|b| dominance(b) >= 3.0).count() as f64 / all.len() as f64;
    outcome.measurements.push(
        Measurement::at_least("persistence: noisy circles with one dominant loop", share(&rings), 0.95)
            .control(share(&clouds))
            .seeds(&seeds)
            .note("the longest loop lasts at least three times as long as the next; control: points drawn from a square"),
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

/// Length of the longest bar over that of the next.
fn dominance(bars: &[Bar]) -> f64 {
    let mut lengths: Vec<f64> = bars.iter().map(Bar::length).collect();
    lengths.sort_by(|a, b| b.total_cmp(a));
    match lengths.as_slice() {
        [] => 0.0,
        [_] => f64::INFINITY,
        [first, second, ..] => first / second,
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
