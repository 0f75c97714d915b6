//! Hallucination Detox: Efficient EigenScore (Mohammadzadeh et al. 2025), the part about EES.
//!
//! Two experiments on generated data. Tracking: 200 random sets of ten answers, some agreeing and some not; does the
//! estimate follow EigenScore from set to set? Speed: 2000 answers of 4096 units; what does the estimate cost beside the
//! eigenvalues it stands in for, and beside a Cholesky factor, which the paper does not mention?

mod training;

use std::time::Instant;

use llm_neurons::{Ees, EesVariant, EigenScoreConvention, ExactMethod, eigenscore, eigenscore_by};
use ndarray::Array2;
use numerics::correlation::pearson;
use numerics::rng::{normals, permutation, stream};
use numerics::summary::{mean, median};
use rand::RngExt;
use rayon::prelude::*;

use crate::figure::{Series, lines, scatter};
use crate::{Card, Error, Measurement, Outcome, Plan, Reproduction, Result};

const ID: &str = "01-send-ees";
const CONVENTION: EigenScoreConvention = EigenScoreConvention::InsideCodeLn;
const ALPHA: f64 = 1e-3;
/// Answer sets of one draw, answers of a set, units of an answer (sheet 01, check 3).
const SETS: usize = 200;
const ANSWERS: usize = 10;
const UNITS: usize = 64;

/// The reproduction of the EES part of sheet 01-send-ees.
pub struct SendEes;

impl Reproduction for SendEes {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "Hallucination Detox: Sensitivity Dropout and Efficient EigenScore (here: EES)",
            krate: "llm-neurons",
            claim: "Efficient EigenScore, a Chebyshev estimate of the log-determinant behind EigenScore, follows it \
                    from one set of answers to the next and is about twice as fast as its eigenvalues at large K and D.",
        }
    }

    /// The part about training; the others are the host's.
    fn tensors(&self) -> bool {
        true
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let mut outcome =
            Outcome { data: vec!["random answer sets (generated)".to_owned()], ..Outcome::default() };
        tracking(plan, &mut outcome)?;
        accuracy(plan, &mut outcome)?;
        if plan.pick(false, false, true) {
            training::training(plan, &mut outcome)?;
            speed(plan, &mut outcome)?;
            crossover(plan, &mut outcome)?;
        }
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

/// Scores of one draw of answer sets.
struct Draw {
    exact: Vec<f64>,
    shifted: Vec<f64>,
    literal: Vec<f64>,
}

/// Answers around 1 to 5 centres, with a spread of `10^U(-2, 0.5)`.
fn answer_set(seed: u64, index: u64) -> Array2<f64> {
    let mut draws = stream(seed, "01-send-ees/answers", index);
    let spread = 10.0_f64.powf(draws.random_range(-2.0..0.5));
    let clusters = draws.random_range(1..=5_usize);
    let centres = normals(&mut draws, clusters * UNITS);
    let chosen: Vec<usize> = (0..ANSWERS).map(|_| draws.random_range(0..clusters)).collect();
    let noise = normals(&mut draws, ANSWERS * UNITS);
    Array2::from_shape_fn((ANSWERS, UNITS), |(i, j)| {
        centres[chosen[i] * UNITS + j] + spread * noise[i * UNITS + j]
    })
}

fn draw(seed: u64) -> Result<Draw> {
    let scores = (0..SETS as u64)
        .into_par_iter()
        .map(|i| {
            let e = answer_set(seed, i);
            // Each set has its own probes, as it would have in use.
            let ees = Ees { alpha: ALPHA, moments: 50, probes: 20, seed: seed ^ (i << 32), ..Ees::default() };
            let literal = Ees { variant: EesVariant::PaperUnitInterval, ..ees.clone() };
            Ok((
                eigenscore(&e.view(), CONVENTION, ALPHA)?,
                ees.score_embeddings(&e.view(), CONVENTION)?.score,
                literal.score_embeddings(&e.view(), CONVENTION)?.raw,
            ))
        })
        .collect::<llm_neurons::Result<Vec<(f64, f64, f64)>>>()
        .map_err(fail)?;
    Ok(Draw {
        exact: scores.iter().map(|s| s.0).collect(),
        shifted: scores.iter().map(|s| s.1).collect(),
        literal: scores.iter().map(|s| s.2).collect(),
    })
}

/// Check 3: the estimate follows the exact score.
fn tracking(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let keys = plan.draws(plan.pick(10, 20, 100));
    let seeds = plan.seeds(keys.len());
    let draws = keys.iter().map(|seed| draw(*seed)).collect::<Result<Vec<Draw>>>()?;
    let against = |pick: &dyn Fn(&Draw) -> Vec<f64>| -> Result<Vec<f64>> {
        draws.iter().map(|d| pearson(&d.exact, &pick(d)).map_err(fail)).collect()
    };
    let shifted = against(&|d| d.shifted.clone())?;
    let literal = against(&|d| d.literal.clone())?;
    let shuffled = draws
        .iter()
        .zip(&keys)
        .map(|(d, seed)| {
            let order = permutation(&mut stream(*seed, "01-send-ees/control", 0), SETS);
            pearson(&d.exact, &order.iter().map(|i| d.shifted[*i]).collect::<Vec<f64>>()).map_err(fail)
        })
        .collect::<Result<Vec<f64>>>()?;
    outcome.measurements.push(
        Measurement::at_least("tracking: correlation of EES with EigenScore", mean(&shifted), 0.98)
            .baseline(1.0)
            .control(mean(&shuffled))
            .seeds(&seeds)
            .interval_of(&shifted)
            .note("mean over draws of 200 answer sets; baseline: exact; control: estimates of other sets"),
    );
    let gains: Vec<f64> = shifted.iter().zip(&literal).map(|(s, l)| s - l).collect();
    let least = shifted.iter().take(3).copied().fold(f64::INFINITY, f64::min);
    outcome.measurements.push(
        Measurement::at_least("tracking: least correlation of the first three seeds", least, 0.98)
            .baseline(1.0)
            .control(mean(&shuffled[..3.min(shuffled.len())]))
            .seeds(&seeds[..3.min(seeds.len())]),
    );
    outcome.measurements.push(
        Measurement::lower_bound("tracking: what ln lambda_max adds to the paper's [0, 1] integral (lower bound)", &gains, 0.0)
            .baseline(mean(&literal))
            .control(mean(&shuffled))
            .seeds(&seeds)
            .note("correlation of EES minus that of the integral as printed, which is the baseline; the sheet's prototype: 0.36 to 0.53"),
    );
    let first = &draws[0];
    let points = |y: &[f64]| first.exact.iter().copied().zip(y.iter().copied()).collect();
    outcome.figures.push(scatter(
        "Efficient EigenScore against EigenScore",
        "200 random sets of ten answers, 50 moments, 20 probes, first seed. The paper's integral over [0, 1] lacks the \
         logarithm of the largest eigenvalue.",
        "EigenScore",
        "estimate",
        &[
            Series { name: "shifted".to_owned(), points: points(&first.shifted) },
            Series { name: "paper, [0, 1]".to_owned(), points: points(&first.literal) },
        ],
    )?);
    Ok(())
}

/// The estimate's error, beside that of a guess from the trace alone.
fn accuracy(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let (k, d) = (400, 1024);
    let keys = plan.draws(plan.pick(20, 20, 20));
    let seeds = plan.seeds(keys.len());
    let mut errors = Vec::new();
    let mut guesses = Vec::new();
    for seed in &keys {
        let e = gaussian(*seed, k, d);
        let exact = eigenscore(&e.view(), CONVENTION, ALPHA).map_err(fail)?;
        let ees = Ees { alpha: ALPHA, moments: 30, probes: 10, seed: *seed, ..Ees::default() };
        let found = ees.score_embeddings(&e.view(), CONVENTION).map_err(fail)?;
        errors.push((found.score - exact).abs());
        // Without any moment beyond the trace: all eigenvalues equal to their mean, here about 1.
        guesses.push((ALPHA.ln_1p() - exact).abs());
    }
    outcome.measurements.push(
        Measurement::at_most(&format!("accuracy: mean error of EES, K {k}, D {d}"), mean(&errors), 0.02)
            .baseline(0.0)
            .control(mean(&guesses))
            .seeds(&seeds)
            .interval_of(&errors)
            .note("30 moments, 10 probes; control: the logarithm of the mean eigenvalue"),
    );
    Ok(())
}

/// Check 4: against covariance and eigenvalues, and against Cholesky.
fn speed(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let (k, d) = (2000, 4096);
    let e = gaussian(plan.seed, k, d);
    let ees = Ees { alpha: ALPHA, moments: 30, probes: 10, seed: plan.seed, ..Ees::default() };
    let (mut estimate, mut cholesky, mut eigen) = (Vec::new(), Vec::new(), Vec::new());
    let (mut exact, mut score) = (f64::NAN, f64::NAN);
    // Alternating, after one untimed round.
    for round in 0..4 {
        let (t_estimate, found) = timed(|| ees.score_embeddings(&e.view(), CONVENTION))?;
        let (t_cholesky, _) = timed(|| eigenscore_by(&e.view(), CONVENTION, ALPHA, ExactMethod::Cholesky))?;
        let (t_eigen, by_eigen) = timed(|| eigenscore_by(&e.view(), CONVENTION, ALPHA, ExactMethod::Eigen))?;
        (exact, score) = (by_eigen, found.score);
        if round > 0 {
            estimate.push(t_estimate);
            cholesky.push(t_cholesky);
            eigen.push(t_eigen);
        }
    }
    let (estimate, cholesky, eigen) =
        (median(&estimate).map_err(fail)?, median(&cholesky).map_err(fail)?, median(&eigen).map_err(fail)?);
    outcome.measurements.push(
        Measurement::at_least("speed: covariance and eigenvalues over EES, K 2000, D 4096", eigen / estimate, 2.0)
            .baseline(1.0)
            .seeds(&[plan.seed])
            .note(format!(
                "30 moments, 10 probes; seconds, median of 3: EES {estimate:.3}, eigenvalues {eigen:.3}, Cholesky \
                 {cholesky:.3}"
            )),
    );
    outcome.measurements.push(
        Measurement::at_most("speed: error of EES, K 2000, D 4096", (score - exact).abs(), 0.02)
            .baseline(0.0)
            .control((ALPHA.ln_1p() - exact).abs())
            .seeds(&[plan.seed]),
    );
    Ok(())
}

/// Seconds of each method over K, for two widths.
fn crossover(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let mut all = Vec::new();
    for d in [1024, 4096] {
        let names = ["Chebyshev (50, 20)", "Cholesky", "eigenvalues"];
        let mut series: Vec<Series> =
            names.iter().map(|n| Series { name: format!("{n}, D {d}"), points: Vec::new() }).collect();
        for k in [32, 128, 512, 1024, 2048, 4096] {
            let e = gaussian(plan.seed, k, d);
            let ees = Ees { alpha: ALPHA, seed: plan.seed, ..Ees::default() };
            let (chebyshev, _) = best(|| ees.score_embeddings(&e.view(), CONVENTION))?;
            let exact = |method| best(|| eigenscore_by(&e.view(), CONVENTION, ALPHA, method));
            let (cholesky, _) = exact(ExactMethod::Cholesky)?;
            let times = [
                Some(chebyshev),
                Some(cholesky),
                if k.min(d) <= 2048 { Some(exact(ExactMethod::Eigen)?.0) } else { None },
            ];
            for (s, t) in series.iter_mut().zip(times) {
                s.points.extend(t.map(|t| ((k as f64).log10(), t.log10())));
            }
        }
        all.extend(series);
    }
    outcome.figures.push(lines(
        "Where the estimate pays",
        "Seconds against the number of answers K, both as decimal logarithms, for D = 1024 and 4096 units.",
        "log10 K",
        "log10 seconds",
        &all,
    )?);
    Ok(())
}

fn gaussian(seed: u64, answers: usize, units: usize) -> Array2<f64> {
    let values = normals(&mut stream(seed, "01-send-ees/gaussian", 0), answers * units);
    Array2::from_shape_fn((answers, units), |(i, j)| values[i * units + j])
}

fn timed<T>(work: impl FnOnce() -> llm_neurons::Result<T>) -> Result<(f64, T)> {
    let clock = Instant::now();
    let value = work().map_err(fail)?;
    Ok((clock.elapsed().as_secs_f64(), value))
}

/// The better of two runs.
fn best<T>(work: impl Fn() -> llm_neurons::Result<T>) -> Result<(f64, T)> {
    let (first, _) = timed(&work)?;
    let (second, value) = timed(&work)?;
    Ok((first.min(second), value))
}
