//! Supervised learning of spatial features with STDP and homeostasis (in the spirit of Davies, Gait, Rowley and Di Nuovo
//! 2025, of which only the abstract could be read).
//!
//! Generated patterns: is one presentation enough for an exact detector, what does the homeostatic factor buy, how does
//! similarity decide what two or three patterns on one neuron are worth, and does a neuron a pattern do better?

use numerics::rng::{stream, subset};
use numerics::summary::mean;
use rayon::prelude::*;
use snn::spatial::{
    BitPattern, Detector, DetectorConfig, HammingRow, PatternBank, SpatialDetector, TestSet, accepted_inputs,
    accuracy_vs_hamming, evaluate,
};

use crate::figure::{Series, lines};
use crate::{Card, Error, Measurement, Outcome, Plan, Reproduction, Result};

const ID: &str = "11-stdp-homeostasis";

/// The reproduction of sheet 11-stdp-homeostasis.
pub struct StdpHomeostasis;

impl Reproduction for StdpHomeostasis {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "Supervised learning of spatial features with STDP and homeostasis (in the spirit of)",
            krate: "snn",
            claim: "One presentation makes a neuron an ideal detector of a spatial pattern; with two or three patterns on \
                    one neuron accuracy depends on their similarity.",
        }
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let mut outcome =
            Outcome { data: vec!["random patterns (generated)".to_owned()], ..Outcome::default() };
        single(plan, &mut outcome)?;
        tolerance(plan, &mut outcome)?;
        similarity(plan, &mut outcome)?;
        bank(plan, &mut outcome)?;
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

fn config(margin: f64) -> DetectorConfig {
    DetectorConfig { margin, ..DetectorConfig::default() }
}

fn random(inputs: usize, active: usize, seed: u64, index: u64) -> Result<BitPattern> {
    let on = subset(&mut stream(seed, "11-stdp-homeostasis/pattern", index), inputs, active);
    BitPattern::from_indices(inputs, &on).map_err(fail)
}

fn trained(pattern: &BitPattern, cfg: DetectorConfig) -> Result<SpatialDetector> {
    let mut detector = SpatialDetector::new(pattern.inputs(), cfg).map_err(fail)?;
    detector.train_one_shot(std::slice::from_ref(pattern)).map_err(fail)?;
    Ok(detector)
}

/// What one trained pattern gave.
struct Single {
    /// Wrong decisions of the closed form, of the simulation, of a neuron without depression and of one that was trained
    /// on another pattern of the same size.
    wrong: [usize; 4],
    /// Spikes that the trained pattern brings.
    spikes: usize,
    /// Simulated minus closed-form latency, ms.
    late: f64,
    /// Greatest deviation of a weight from the closed form, nA.
    weight: f64,
}

/// Ten inputs, patterns of every size, all 1024 inputs, formula and spikes.
fn single(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(plan.pick(1, 3, 10));
    let cases: Vec<(u64, usize)> = seeds.iter().flat_map(|s| (1..=10).map(move |n| (*s, n))).collect();
    let all = cases
        .par_iter()
        .map(|(seed, n)| {
            let pattern = random(10, *n, *seed, *n as u64)?;
            let margin = 0.5 / *n as f64;
            let detector = trained(&pattern, config(margin))?;
            // Depression too weak to matter: every superset of the pattern gets through.
            let open = trained(&pattern, DetectorConfig { depression: 1e-9, ..config(margin) })?;
            let other = random(10, *n, *seed, 100 + *n as u64)?;
            let other = trained(&other, config(margin))?;
            let mut wrong = [0; 4];
            for code in 0..1024 {
                let x = BitPattern::from_code(10, code).map_err(fail)?;
                let is = x == pattern;
                let fires = !detector.simulate(&x).map_err(fail)?.is_empty();
                let said = [
                    detector.decide(&x).map_err(fail)?,
                    fires,
                    open.decide(&x).map_err(fail)?,
                    other.decide(&x).map_err(fail)?,
                ];
                wrong.iter_mut().zip(said).for_each(|(w, said)| *w += usize::from(said != is));
            }
            let spikes = detector.simulate(&pattern).map_err(fail)?;
            let expected = detector.latency_ms(&pattern).map_err(fail)?.unwrap_or(f64::NAN);
            let size = (1.0 + margin) * detector.threshold_na() / *n as f64;
            let weight = detector.weights().iter().enumerate().map(|(i, w)| {
                let expected = if pattern.contains(i) { size } else { -size };
                (w - expected).abs()
            });
            Ok(Single {
                wrong,
                spikes: spikes.len(),
                late: spikes.first().map_or(f64::NAN, |t| (t - expected).abs()),
                weight: weight.fold(0.0, f64::max),
            })
        })
        .collect::<Result<Vec<Single>>>()?;
    let count = |k: usize| all.iter().map(|c| c.wrong[k]).sum::<usize>() as f64;
    let notes = "of 1024 inputs for each of ten sizes; baseline: without depression; control: trained on another random \
                 pattern of that size";
    for (name, k) in
        [("one pattern: wrong decisions, closed form", 0), ("one pattern: wrong decisions, spikes", 1)]
    {
        outcome.measurements.push(
            Measurement::equal(name, count(k), 0.0)
                .baseline(count(2))
                .control(count(3))
                .seeds(&seeds)
                .note(notes),
        );
    }
    let most = |f: &dyn Fn(&Single) -> f64| {
        all.iter().map(f).fold(0.0, |a: f64, b| if b.is_nan() { b } else { a.max(b) })
    };
    let off = all.iter().filter(|c| c.spikes != 1).count() as f64;
    outcome.measurements.extend([
        Measurement::equal("one pattern: detectors without exactly one spike", off, 0.0).seeds(&seeds),
        Measurement::at_most("one pattern: latency against the closed form, ms", most(&|c| c.late), 1.0)
            .seeds(&seeds),
        Measurement::at_most(
            "one pattern: STDP weights against the closed form, nA",
            most(&|c| c.weight),
            1e-9,
        )
        .seeds(&seeds),
    ]);
    Ok(())
}

/// How many inputs a detector accepts as its homeostatic factor grows.
fn tolerance(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let pattern = random(10, 6, plan.seed, 0)?;
    let mut apart = 0.0;
    for (margin, expected) in [(0.08, 1.0), (0.2, 11.0), (0.25, 11.0), (0.5, 56.0), (1.0, 176.0)] {
        let accepted = trained(&pattern, config(margin))?.decide_all().map_err(fail)?;
        let accepted = accepted.iter().filter(|yes| **yes).count() as f64;
        let law = accepted_inputs(10, 6, margin, 1.0).map_err(fail)?;
        apart += (accepted - expected).abs() + (law - expected).abs();
    }
    outcome.measurements.push(
        Measurement::equal("tolerance: accepted inputs away from 1, 11, 11, 56, 176", apart, 0.0)
            .note("N = 10, n = 6, m = 0.08, 0.2, 0.25, 0.5, 1; table and binomial sum"),
    );
    let points = |n: usize| -> Result<Vec<(f64, f64)>> {
        (0..=40)
            .map(|k| {
                let m = f64::from(k) / 40.0;
                Ok((m, accepted_inputs(10, n, m, 1.0).map_err(fail)?))
            })
            .collect()
    };
    let series = [3, 6, 9]
        .into_iter()
        .map(|n| Ok(Series { name: format!("{n} of 10 inputs"), points: points(n)? }))
        .collect::<Result<Vec<_>>>()?;
    outcome.figures.push(lines(
        "What the homeostatic factor lets through",
        "Inputs out of 1024 that a detector of one pattern accepts. It is exact below m = 1 / (n - 1).",
        "homeostatic factor m",
        "accepted inputs",
        &series,
    )?);
    Ok(())
}

/// Two and three patterns on one neuron.
fn similarity(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let draws = plan.pick(1000, 3000, 3000);
    let rows = |k: usize| accuracy_vs_hamming(&config(0.1), (10, 5, k), draws, plan.seed).map_err(fail);
    let (two, three) = (rows(2)?, rows(3)?);
    let find = |rows: &[HammingRow], d: f64| {
        rows.iter()
            .find(|r| (r.distance - d).abs() < 0.01)
            .cloned()
            .ok_or_else(|| fail(format!("no draw at {d}")))
    };
    // A neuron that never fires is wrong about the patterns alone.
    let silent = |k: f64| 1.0 - k / 1024.0;
    for (d, accuracy) in [(2.0, 0.998), (4.0, 0.986), (6.0, 0.940), (8.0, 0.752)] {
        let row = find(&two, d)?;
        let name = format!("two patterns: accuracy at Hamming distance {d}");
        outcome.measurements.push(
            Measurement::within(&name, row.accuracy, accuracy - 0.01, accuracy + 0.01)
                .baseline(silent(2.0))
                .seeds(&plan.seeds(1))
                .note(format!(
                    "recall {}, precision {:.3}, {} false positives; baseline: a neuron that never fires, with recall 0",
                    row.recall, row.precision, row.false_positives
                )),
        );
    }
    for (d, accuracy) in [(8.0 / 3.0, 0.992), (20.0 / 3.0, 0.828)] {
        let row = find(&three, d)?;
        let name = format!("three patterns: accuracy at mean Hamming distance {d:.2}");
        outcome.measurements.push(
            Measurement::within(&name, row.accuracy, accuracy - 0.01, accuracy + 0.01)
                .baseline(silent(3.0))
                .seeds(&plan.seeds(1))
                .note(format!("recall {:.3}, precision {:.3}", row.recall, row.precision)),
        );
    }
    let shown = |rows: &[HammingRow]| -> Vec<HammingRow> {
        rows.iter().filter(|r| r.draws > 20 && r.distance < 9.0).cloned().collect()
    };
    let rises =
        |rows: &[HammingRow]| rows.windows(2).filter(|w| w[1].accuracy >= w[0].accuracy).count() as f64;
    outcome.measurements.push(
        Measurement::equal(
            "similarity: steps at which accuracy does not fall with distance",
            rises(&shown(&two)) + rises(&shown(&three)),
            0.0,
        )
        .note("distances with more than 20 draws"),
    );
    let series = |name: &str, rows: &[HammingRow], f: &dyn Fn(&HammingRow) -> f64| Series {
        name: name.to_owned(),
        points: shown(rows).iter().map(|r| (r.distance, f(r))).collect(),
    };
    outcome.figures.push(lines(
        "Similarity decides what patterns on one neuron are worth",
        "Mean over random draws of 5-of-10 patterns, all 1024 inputs, m = 0.1. Accuracy flatters: precision shows how many accepted inputs are patterns.",
        "mean Hamming distance of the trained patterns",
        "accuracy, precision",
        &[
            series("accuracy, 2 patterns", &two, &|r| r.accuracy),
            series("accuracy, 3 patterns", &three, &|r| r.accuracy),
            series("precision, 2 patterns", &two, &|r| r.precision),
            series("precision, 3 patterns", &three, &|r| r.precision),
        ],
    )?);
    Ok(())
}

/// Twenty patterns, a neuron each or one for all.
fn bank(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(plan.pick(1, 3, 10));
    let (mut wrong, mut recall, mut accuracy) = (0.0, Vec::new(), Vec::new());
    let mut untrained = Vec::new();
    for seed in &seeds {
        let mut patterns: Vec<BitPattern> = Vec::new();
        let mut index = 1000;
        while patterns.len() < 20 {
            let next = random(16, 5, *seed, index)?;
            if !patterns.contains(&next) {
                patterns.push(next);
            }
            index += 1;
        }
        let bank = PatternBank::train(&patterns, config(0.1)).map_err(fail)?;
        let counts = evaluate(&bank, &patterns, TestSet::Exhaustive).map_err(fail)?;
        wrong += (counts.false_positives + counts.false_negatives) as f64;
        let mut shared = SpatialDetector::new(16, config(0.1)).map_err(fail)?;
        shared.train_one_shot(&patterns).map_err(fail)?;
        let counts = evaluate(&shared, &patterns, TestSet::Exhaustive).map_err(fail)?;
        recall.push(counts.recall());
        accuracy.push(counts.accuracy());
        let others = (0..20).map(|k| random(16, 5, *seed, 5000 + k)).collect::<Result<Vec<_>>>()?;
        let mut distinct: Vec<BitPattern> = Vec::new();
        others.into_iter().for_each(|p| {
            if !distinct.contains(&p) {
                distinct.push(p)
            }
        });
        let elsewhere = PatternBank::train(&distinct, config(0.1)).map_err(fail)?;
        let counts = evaluate(&elsewhere, &patterns, TestSet::Exhaustive).map_err(fail)?;
        untrained.push((counts.false_positives + counts.false_negatives) as f64);
    }
    let shared_wrong = accuracy.iter().map(|a| (1.0 - a) * 65_536.0).sum::<f64>();
    outcome.measurements.extend([
        Measurement::equal("twenty patterns, a neuron each: wrong decisions of 65536", wrong, 0.0)
            .baseline(shared_wrong)
            .control(untrained.iter().sum())
            .seeds(&seeds)
            .note("baseline: one neuron for all; control: a bank of other random patterns"),
        Measurement::at_most("twenty patterns on one neuron: recall", mean(&recall), 0.1)
            .seeds(&seeds)
            .interval_of(&recall)
            .note(format!(
                "while its accuracy is {:.4}: accuracy says nothing where targets are few",
                mean(&accuracy)
            )),
    ]);
    Ok(())
}
