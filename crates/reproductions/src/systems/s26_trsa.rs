//! The Topology and Geometry of Neural Representations (Lin and Kriegeskorte 2023).
//!
//! Shipped data: four closed curves, of which pairs share topology or geometry (which do the descriptors bring
//! together?), and the RDMs of five layers of ten trained networks, with noise added (from which layer does a matrix
//! come?). Generated data: how often does the adaptive test see that two variables depend on one another, and how long
//! does the loop of a circle last? Real data, where they are: human and monkey inferior temporal cortex.

mod brains;
mod circle;

use ndarray::{Array1, Array2, Axis};
use neural_geometry::{
    BootstrapPlan, GeoTopological, Geodesic, Metric, Neighbours, Rdm, ZeroEdges, agtic, geo_topological,
    geodesic, grid_search, identify, rank_min_max, threshold_grid,
};
use numerics::bootstrap::{IntervalKind, interval};
use numerics::rng::{normals, stream};
use numerics::summary::mean;
use rand::RngExt;
use rayon::prelude::*;
use recordings::arrays::ArrayFile;

use crate::figure::{Series, lines};
use crate::{Card, Error, Measurement, Outcome, Plan, Reproduction, Result, Tier};

const ID: &str = "26-trsa";
const CURVES: &[u8] = include_bytes!("../../../neural-geometry/tests/fixtures/26-trsa/transforms.npz");
const LAYERS: &[u8] = include_bytes!("../../../neural-geometry/tests/fixtures/26-trsa/layer_rdms.npz");
/// Noise of the RDMs, in tenths of the standard deviation of all their entries.
const LEVELS: [usize; 4] = [0, 2, 4, 6];
/// What the ramp may lose to the ranked RDM, and the accuracy that it must reach (sheet 26, check 3).
const MARGIN: f64 = 0.05;
const FLOOR: f64 = 0.45;

/// The reproduction of sheet 26-trsa.
pub struct Trsa;

impl Reproduction for Trsa {
    fn card(&self) -> Card {
        Card {
            id: ID,
            title: "The Topology and Geometry of Neural Representations",
            krate: "neural-geometry",
            claim: "Geo-topological matrices tell layers apart about as well as ranked RDMs while keeping less of them, \
                    and geodesic ones bring curves of one topology together.",
        }
    }

    fn run(&self, plan: &Plan) -> Result<Outcome> {
        let mut outcome = Outcome {
            data: vec![
                "four closed curves (shipped, tadasets)".to_owned(),
                "RDMs of five layers of ten networks trained on digits (shipped)".to_owned(),
            ],
            ..Outcome::default()
        };
        curves(&mut outcome)?;
        layers(plan, &mut outcome)?;
        inference(plan, &mut outcome)?;
        independence(plan, &mut outcome)?;
        circle::loops(plan, &mut outcome)?;
        outcome.data.push("circles, parabolas, clouds and independent pairs (generated)".to_owned());
        brains::compare_brains(plan, &mut outcome)?;
        Ok(outcome)
    }
}

fn fail(source: impl std::fmt::Display) -> Error {
    Error::system(ID, source)
}

/// Distance of curves that share topology over distance of curves that share geometry.
fn curves(outcome: &mut Outcome) -> Result<()> {
    let file = ArrayFile::from_npz(CURVES, "transforms.npz").map_err(fail)?;
    let keys = ["pat_flat_8", "pat_twist_8", "pat_untouched_flat_8", "pat_untouched_twist_8"];
    let rdms = keys
        .iter()
        .map(|key| {
            let patterns = file.read_f64_2(key).map_err(fail)?;
            Rdm::from_patterns(&patterns.view(), Metric::Euclidean).map_err(fail)
        })
        .collect::<Result<Vec<Rdm>>>()?;
    let ratio = |describe: &dyn Fn(&[f64]) -> neural_geometry::Result<Vec<f64>>| -> Result<f64> {
        let d = rdms.iter().map(|r| describe(r.condensed())).collect::<neural_geometry::Result<Vec<_>>>();
        let d = d.map_err(fail)?;
        let gap =
            |a: usize, b: usize| d[a].iter().zip(&d[b]).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        Ok((gap(0, 1) + gap(2, 3)) / (gap(0, 2) + gap(1, 3)))
    };
    let (lower, upper) = (0.0, 0.075);
    let two_step = Geodesic::TwoStep { lower, upper };
    let ranks = ratio(&rank_min_max)?;
    let ramp = ratio(&|c| geo_topological(c, GeoTopological::Ramp { lower, upper }))?;
    let paths = ratio(&|c| geodesic(c, two_step, Neighbours::Reference, ZeroEdges::Keep, true))?;
    outcome.measurements.push(
        Measurement::at_most("curves: topology over geometry, geodesic", paths, 1.0).baseline(ranks).note(
            "below 1: curves of one topology are nearer than curves of one geometry; baseline: ranked RDM",
        ),
    );
    outcome.measurements.push(
        Measurement::within("curves: topology over geometry, ramp", ramp, 1.0, ranks)
            .baseline(ranks)
            .note("between the geodesic matrix and the ranked RDM"),
    );
    Ok(())
}

/// The published RDMs of layers.
struct Layers {
    rdms: Array2<f64>,
    subjects: Vec<i64>,
    labels: Vec<i64>,
}

fn shipped_layers() -> Result<Layers> {
    let file = ArrayFile::from_npz(LAYERS, "layer_rdms.npz").map_err(fail)?;
    Ok(Layers {
        rdms: file.read_f64_2("rdms_noise0").map_err(fail)?,
        subjects: file.read_i64_1("subj").map_err(fail)?.to_vec(),
        labels: file.read_i64_1("roi").map_err(fail)?.to_vec(),
    })
}

/// Identification accuracy of each descriptor at each noise level.
fn layers(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let Layers { rdms, subjects, labels } = shipped_layers()?;
    let spread = rdms.std(0.0);
    let keys = plan.draws(plan.pick(100, 200, 400));
    let names = ["RDM", "ranked RDM", "ramp (0.2, 0.8)"];
    let mut series: Vec<Series> =
        names.iter().map(|n| Series { name: (*n).to_owned(), points: Vec::new() }).collect();
    for level in LEVELS {
        let draws: &[u64] = if level == 0 { &keys[..1] } else { &keys };
        let seeds = plan.seeds(draws.len());
        let scores = draws
            .par_iter()
            .map(|seed| {
                let mut noise = stream(*seed, "26-trsa/rdm-noise", level as u64);
                let scale = level as f64 / 10.0 * spread;
                let draw = Array1::from(normals(&mut noise, rdms.len())) * scale;
                let noisy = Array2::from_shape_fn(rdms.dim(), |(i, j)| {
                    (rdms[[i, j]] + draw[i * rdms.ncols() + j]).max(0.0)
                });
                accuracies(&noisy, &subjects, &labels, *seed).map_err(fail)
            })
            .collect::<Result<Vec<[f64; 4]>>>()?;
        let column = |m: usize| scores.iter().map(|s| s[m]).collect::<Vec<f64>>();
        let (ranked, ramp, permuted) = (mean(&column(1)), column(2), mean(&column(3)));
        for (m, s) in series.iter_mut().enumerate() {
            s.points.push((level as f64 / 10.0, mean(&column(m))));
        }
        let name = format!("layer identification, ramp (0.2, 0.8), noise 0.{level}");
        let hit = Measurement::at_least(&name, mean(&ramp), FLOOR).baseline(ranked).control(permuted);
        let hit = hit.note("chance 0.2; baseline: ranked RDM; control: labels permuted");
        if level == 0 {
            // Without noise there is one data set: its difference comes with an interval over networks and stimuli.
            outcome.measurements.push(hit);
            continue;
        }
        outcome.measurements.push(hit.seeds(&seeds).interval_of(&ramp));
        let gaps: Vec<f64> = scores.iter().map(|s| s[2] - s[1]).collect();
        let name = format!("layer identification, ramp minus ranked RDM, noise 0.{level} (lower bound)");
        // Twenty draws of a quick run leave an interval as wide as the margin: there the mean is held to it.
        let gap = if plan.tier == Tier::Quick {
            Measurement::at_least(&name, mean(&gaps), -MARGIN)
                .interval_of(&gaps)
                .note("quick: the mean, not its lower bound")
        } else {
            Measurement::lower_bound(&name, &gaps, -MARGIN)
        };
        outcome.measurements.push(
            gap.control(permuted - ranked)
                .seeds(&seeds)
                .note("no more is lost than the sheet's 0.05; control: labels permuted"),
        );
    }
    outcome.figures.push(lines(
        "Layer identification under noise",
        "Leave-one-network-out accuracy, mean over draws of noise; chance is 0.2. The raw RDM stays best here: the claim is as much from less, not more.",
        "noise (standard deviations of the RDM entries)",
        "accuracy",
        &series,
    )?);
    Ok(())
}

/// Does the ramp lose accuracy to the ranked RDM? Paired bootstrap over matrices and stimuli; and what do thresholds
/// give that are chosen without the tested network?
fn inference(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let Layers { rdms, subjects, labels } = shipped_layers()?;
    let ranked = described(&rdms, &rank_min_max).map_err(fail)?;
    let ramped = described(&rdms, &|r| geo_topological(r, GeoTopological::default())).map_err(fail)?;
    let draws = BootstrapPlan { draws: plan.pick(200, 1000, 1000), ..BootstrapPlan::new(plan.seed) };
    let found = draws.identify(&[ramped.view(), ranked.view()], &subjects, &labels).map_err(fail)?;
    let paired: Vec<f64> = found.accuracies.rows().into_iter().map(|row| row[0] - row[1]).collect();
    let gap = found.observed[0] - found.observed[1];
    let (low, high) = interval(gap, &paired, 0.95, IntervalKind::Percentile).map_err(fail)?;
    let order = numerics::rng::permutation(&mut stream(plan.seed, "26-trsa/labels", 1), labels.len());
    let shuffled: Vec<i64> = order.iter().map(|i| labels[*i]).collect();
    let chance = identify(&ramped.view(), &subjects, &shuffled).map_err(fail)?.accuracy;
    outcome.measurements.push(
        Measurement::at_least("layer identification, ramp minus ranked RDM, noise 0.0", gap, -MARGIN)
            .control(chance - found.observed[1])
            .seeds(&plan.seeds(1))
            .ci95(low, high)
            .note(
                "held to the sheet's 0.05 as one data set; interval: ten networks and thirty stimuli drawn with \
                 replacement, which says how far ten networks can tell",
            ),
    );
    let step = plan.pick(6, 1, 1);
    let grid: Vec<(f64, f64)> = threshold_grid().into_iter().step_by(step).collect();
    let search = grid_search(&rdms.view(), &subjects, &labels, &grid).map_err(fail)?;
    let control = grid_search(&rdms.view(), &subjects, &shuffled, &grid).map_err(fail)?;
    let title = "layer identification, thresholds chosen without the tested network";
    outcome.measurements.push(
        Measurement::at_least(title, search.nested_accuracy, FLOOR)
            .baseline(found.observed[1])
            .control(control.nested_accuracy)
            .note(format!(
                "baseline: ranked RDM; control: labels permuted; the best of {} pairs, chosen on all: {:.2}",
                grid.len(),
                search.accuracies[search.best]
            )),
    );
    Ok(())
}

/// Each row of condensed dissimilarities through a transform.
fn described(
    rdms: &Array2<f64>,
    f: &dyn Fn(&[f64]) -> neural_geometry::Result<Vec<f64>>,
) -> neural_geometry::Result<Array2<f64>> {
    let mut out = Array2::zeros(rdms.dim());
    for (row, mut to) in rdms.axis_iter(Axis(0)).zip(out.axis_iter_mut(Axis(0))) {
        to.assign(&Array1::from(f(&row.to_vec())?));
    }
    Ok(out)
}

/// A generated relation between two variables.
#[derive(Debug, Clone, Copy)]
enum Relation {
    Circle,
    Parabola,
    Independent,
}

/// How often the adaptive test rejects independence at 0.05 (60 samples, 6 thresholds, 99 permutations). All bounds are
/// the sheet's (check 4).
fn independence(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let draws = plan.draws(plan.pick(40, 40, 200));
    let seeds = plan.seeds(draws.len());
    let power = |relation: Relation| -> Result<(f64, f64)> {
        let rejected = draws
            .par_iter()
            .map(|seed| {
                let (x, y) = pair(relation, *seed);
                let got = agtic(&x.view(), &y.view(), 6, 99, *seed).map_err(fail)?;
                Ok((got.p <= 0.05, got.distance_correlation_p <= 0.05))
            })
            .collect::<Result<Vec<(bool, bool)>>>()?;
        let share = |hits: usize| hits as f64 / rejected.len() as f64;
        Ok((share(rejected.iter().filter(|r| r.0).count()), share(rejected.iter().filter(|r| r.1).count())))
    };
    let (circle, plain) = power(Relation::Circle)?;
    let (parabola, plain_parabola) = power(Relation::Parabola)?;
    let (independent, plain_independent) = power(Relation::Independent)?;
    let note = "baseline: plain distance correlation";
    let measurements = [
        Measurement::at_least("adaptive test: power on a noisy circle", circle, 0.5)
            .baseline(plain)
            .control(independent),
        Measurement::at_least(
            "adaptive test: gain over distance correlation, noisy circle",
            circle - plain,
            0.3,
        ),
        Measurement::at_least("adaptive test: power on a parabola", parabola, 0.9)
            .baseline(plain_parabola)
            .control(independent),
        Measurement::at_most("adaptive test: rejections of independent pairs", independent, 0.2)
            .baseline(plain_independent),
    ];
    outcome.measurements.extend(measurements.map(|m| m.seeds(&seeds).note(note)));
    Ok(())
}

fn pair(relation: Relation, seed: u64) -> (Array2<f64>, Array2<f64>) {
    const SAMPLES: usize = 60;
    let mut draws = stream(seed, "26-trsa/relation", relation as u64);
    let t: Vec<f64> = (0..SAMPLES).map(|_| draws.random::<f64>()).collect();
    let (a, b) = (normals(&mut draws, SAMPLES), normals(&mut draws, SAMPLES));
    let value = |i: usize| {
        let angle = std::f64::consts::TAU * t[i];
        let x = 2.0 * t[i] - 1.0;
        match relation {
            Relation::Circle => (angle.cos() + 0.25 * a[i], angle.sin() + 0.25 * b[i]),
            Relation::Parabola => (x, x * x + 0.2 * a[i]),
            Relation::Independent => (a[i], b[i]),
        }
    };
    let column =
        |pick: &dyn Fn((f64, f64)) -> f64| Array2::from_shape_fn((SAMPLES, 1), |(i, _)| pick(value(i)));
    (column(&|v| v.0), column(&|v| v.1))
}

/// Accuracies of the RDM, its ranks, the ramp, and the ramp with permuted labels.
fn accuracies(
    rdms: &Array2<f64>,
    subjects: &[i64],
    labels: &[i64],
    seed: u64,
) -> neural_geometry::Result<[f64; 4]> {
    let ranked = described(rdms, &rank_min_max)?;
    let ramped = described(rdms, &|r| geo_topological(r, GeoTopological::default()))?;
    let order = numerics::rng::permutation(&mut stream(seed, "26-trsa/labels", 0), labels.len());
    let shuffled: Vec<i64> = order.iter().map(|i| labels[*i]).collect();
    let score = |v: &Array2<f64>, l: &[i64]| {
        Ok::<_, neural_geometry::Error>(identify(&v.view(), subjects, l)?.accuracy)
    };
    Ok([score(rdms, labels)?, score(&ranked, labels)?, score(&ramped, labels)?, score(&ramped, &shuffled)?])
}
