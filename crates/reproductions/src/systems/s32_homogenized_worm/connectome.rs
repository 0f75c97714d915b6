//! The connectome half: shared structure, the consensus, and clustering beyond what the degrees explain.

use std::path::Path;

use bio_data::connectome::{
    Connectome, Edge, Layer, Merge, RawConnectome, ReadOptions, Rows, Source, Synapses, cell_correlation,
    consensus, relabelled, weight_correlation,
};
use bio_data::graph::{Network, null, rewire};
use bio_data::neurons::LABELS;
use numerics::rng::{normals, stream};
use rand::RngExt;
use rayon::prelude::*;

use super::fail;
use crate::figure::bars;
use crate::{Measurement, Outcome, Plan, Result};

/// The five published tables that the consensus of the golden figures is made of.
const TABLES: [(&str, &str); 5] = [
    ("white1986_whole", "white_1986_whole.csv"),
    ("white1986_n2u", "white_1986_n2u.csv"),
    ("white1986_jsh", "white_1986_jsh.csv"),
    ("witvliet2020_7", "witvliet_2020_7.csv"),
    ("witvliet2020_8", "witvliet_2020_8.csv"),
];
/// Relabellings of a graph as control.
const RELABELLINGS: u64 = 20;

/// Adds the measurements of connectomes.
pub(super) fn connectome(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    generated(plan, outcome)?;
    let folder = plan.data.as_ref().map(|d| d.join("../fixtures/32-homogenized-worm/connectomes"));
    match folder.filter(|f| TABLES.iter().all(|t| f.join(t.1).is_file())) {
        Some(folder) => published(plan, &folder, outcome),
        None => {
            outcome.data.push("no published connectomes found: generated data alone".to_owned());
            Ok(())
        }
    }
}

/// Neurons of the generated worm, about as many as in a nerve ring.
const NEURONS: usize = 180;

/// A worm whose neurons lie along a line and connect to near ones, as three observers see it who miss synapses and add
/// a few. The consensus should be nearer to the truth than an observer; the structure should show against its null.
fn generated(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let seeds = plan.seeds(plan.pick(3, 10, 50));
    let runs = seeds
        .par_iter()
        .map(|seed| {
            let truth = worm(*seed)?;
            let seen = (0..3).map(|k| observed(&truth, *seed, k)).collect::<Result<Vec<_>>>()?;
            let sources: Vec<Source> = seen
                .iter()
                .enumerate()
                .map(|(k, c)| Source::new(&format!("observer {k}"), c.clone()))
                .collect();
            let agreed = consensus(&sources, Rows::Trimmed).map_err(fail)?;
            // Provenance at work: an edge that a single observer reports is left out.
            let shared = agreed.rows.iter().filter(|r| r.sources.len() >= 2);
            let edges = shared.map(|r| edge(r.from, r.to, r.chemical.unwrap_or(0.0))).collect();
            let joint = Connectome::from_edges("consensus", "", edges).map_err(fail)?;
            let like = |c: &Connectome| weight_correlation(&truth, c, Layer::Chemical).map_err(fail);
            let alone = seen.iter().map(like).collect::<Result<Vec<f64>>>()?;
            let best = alone.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let control = like(&relabelled(&joint, *seed, 0).map_err(fail)?)?;
            Ok([like(&joint)?, best, control])
        })
        .collect::<Result<Vec<[f64; 3]>>>()?;
    let mean = |k: usize| runs.iter().map(|r| r[k]).sum::<f64>() / runs.len() as f64;
    let gains: Vec<f64> = runs.iter().map(|r| r[0] - r[1]).collect();
    let (gain, half) = interval(&gains);
    outcome.data.push("connectomes of a generated worm, seen by three observers (generated)".to_owned());
    outcome.measurements.push(
        Measurement::at_least("generated: Spearman of consensus and truth", mean(0), 0.6)
            .baseline(mean(1))
            .control(mean(2))
            .seeds(&seeds)
            .note("baseline: the best of three observers; control: neurons relabelled"),
    );
    outcome.measurements.push(
        Measurement::at_least("generated: consensus minus best observer", gain, 0.0)
            .seeds(&seeds)
            .ci95(gain - half, gain + half)
            .note("edges that at least two of three observers report"),
    );
    let truth = worm(plan.seed)?;
    let (network, _) = Network::from_connectome(&truth, Layer::Chemical).map_err(fail)?;
    // The control has the same degrees and no neighbourhoods.
    let shuffled = rewire::degree_preserving(&network, 20, plan.seed, u64::MAX).map_err(fail)?;
    let replicates = plan.pick(10, 20, 200);
    let scores =
        null::compare(&network, replicates, rewire::DEFAULT_SWAPS_PER_EDGE, plan.seed).map_err(fail)?;
    let control =
        null::compare(&shuffled, replicates, rewire::DEFAULT_SWAPS_PER_EDGE, plan.seed).map_err(fail)?;
    for name in ["clustering", "small-world index"] {
        let (s, c) = (of(&scores, name)?, of(&control, name)?);
        outcome.measurements.push(
            Measurement::at_least(&format!("generated: {name}, z against degrees"), s.z, 3.0)
                .control(c.z)
                .note(format!(
                    "value {:.4}, random graphs {:.4}; control: one such random graph",
                    s.value, s.mean
                )),
        );
    }
    Ok(())
}

fn edge(pre: usize, post: usize, chemical: f64) -> Edge {
    Edge { pre, post, synapses: Synapses { gap: 0.0, chemical } }
}

fn worm(seed: u64) -> Result<Connectome> {
    let mut draws = stream(seed, "32-homogenized-worm/truth", 0);
    let place: Vec<f64> = (0..NEURONS).map(|_| draws.random::<f64>()).collect();
    let bulk = normals(&mut draws, NEURONS * NEURONS);
    let mut edges = Vec::new();
    for i in 0..NEURONS {
        for j in (0..NEURONS).filter(|j| *j != i) {
            let near = (-(place[i] - place[j]).abs() / 0.06).exp();
            if draws.random::<f64>() < 0.5 * near + 0.005 {
                // Few synapses are many, as in worms: log-normal counts of at least one.
                edges.push(edge(i, j, (0.9 * bulk[i * NEURONS + j] + 0.8).exp().ceil()));
            }
        }
    }
    Connectome::from_edges("truth", "", edges).map_err(fail)
}

/// Each synapse is seen with probability 0.6, and some that are not there are reported once.
fn observed(truth: &Connectome, seed: u64, observer: u64) -> Result<Connectome> {
    let mut draws = stream(seed, "32-homogenized-worm/observer", observer);
    let mut edges = Vec::new();
    for i in 0..NEURONS {
        for j in 0..NEURONS {
            let synapses = truth.get(i, j).chemical as usize;
            let seen = (0..synapses).filter(|_| draws.random::<f64>() < 0.6).count();
            let added = usize::from(i != j && draws.random::<f64>() < 0.02);
            if seen + added > 0 {
                edges.push(edge(i, j, (seen + added) as f64));
            }
        }
    }
    Connectome::from_edges("observer", "", edges).map_err(fail)
}

fn published(plan: &Plan, folder: &Path, outcome: &mut Outcome) -> Result<()> {
    let raw = |(_, file): &(&str, &str)| -> Result<RawConnectome> {
        RawConnectome::read(&folder.join(file), &ReadOptions::default()).map_err(fail)
    };
    let tables = TABLES.iter().map(raw).collect::<Result<Vec<RawConnectome>>>()?;
    let sources: Vec<Source> =
        TABLES.iter().zip(&tables).map(|(t, raw)| Source::new(t.0, raw.merge(Merge::WormGraph))).collect();
    outcome.data.push(
        "White et al. 1986 (whole, N2U, JSH) and Witvliet et al. 2021 (7, 8), published tables".to_owned(),
    );
    let (seven, eight) = (&sources[3].connectome, &sources[4].connectome);
    let rho = cell_correlation(&tables[3], &tables[4], None).map_err(fail)?;
    let controls = (0..RELABELLINGS)
        .into_par_iter()
        .map(|k| cell_correlation(&tables[3], &tables[4], Some((plan.seed, k))).map_err(fail))
        .collect::<Result<Vec<f64>>>()?;
    let worst = controls.iter().fold(0.0_f64, |m, r| m.max(r.abs()));
    let (mean, _) = interval(&controls);
    let neurons = weight_correlation(seven, eight, Layer::Chemical).map_err(fail)?;
    outcome.measurements.push(
        Measurement::within("Witvliet 7 and 8: Spearman of chemical weights", rho, 0.6658, 0.6698)
            .control(mean)
            .note(format!(
                "over all cells that either table names, muscles and glia too; the 180 neurons alone: {neurons:.4}; \
                 control: mean over 20 relabellings of one graph"
            )),
    );
    outcome.measurements.push(
        Measurement::at_most("Witvliet 7 and 8: largest |Spearman| of 20 relabellings", worst, 0.03)
            .baseline(rho)
            .seeds(&[plan.seed]),
    );
    let table = consensus(&sources, Rows::Trimmed).map_err(fail)?;
    let uncertain = table.rows.iter().filter(|r| r.uncertainty.is_some()).count();
    let counts = [
        ("consensus: rows", table.rows.len(), 5011.0),
        ("consensus: rows with gap junctions", table.gap_rows(), 1625.0),
        ("consensus: rows with chemical synapses", table.chemical_rows(), 3923.0),
        ("consensus: rows with an uncertainty", uncertain, 537.0),
    ];
    outcome.measurements.extend(counts.map(|(name, found, due)| Measurement::equal(name, found as f64, due)));
    let (chemical, uncertainty) = (table.mean_of(|r| r.chemical), table.mean_of(|r| r.uncertainty));
    outcome.measurements.push(Measurement::within(
        "consensus: mean chemical weight",
        chemical,
        2.465_14 - 5e-6,
        2.465_14 + 5e-6,
    ));
    outcome.measurements.push(Measurement::within(
        "consensus: mean uncertainty",
        uncertainty,
        0.481_441 - 5e-7,
        0.481_441 + 5e-7,
    ));
    structure(plan, seven, outcome)?;
    let mut likeness = Vec::new();
    for (k, a) in sources.iter().enumerate() {
        for b in &sources[k + 1..] {
            let rho = weight_correlation(&a.connectome, &b.connectome, Layer::Chemical).map_err(fail)?;
            likeness.push((format!("{}/{}", short(&a.name), short(&b.name)), rho));
        }
    }
    likeness.push(("relabelled".to_owned(), worst));
    outcome.figures.push(bars(
        "Connectomes share their structure",
        "Spearman's correlation of chemical weights over all ordered pairs of neurons in either of two tables; the last bar is the largest of 20 relabellings. W: White 1986 whole, N: N2U, J: JSH, 7 and 8: Witvliet 2021.",
        "Spearman's rho",
        &likeness,
    )?);
    Ok(())
}

/// Clustering, small-worldness and motifs of one worm beside random graphs of its degrees.
fn structure(plan: &Plan, worm: &Connectome, outcome: &mut Outcome) -> Result<()> {
    let (network, slots) = Network::from_connectome(worm, Layer::Chemical).map_err(fail)?;
    let replicates = plan.pick(10, 20, 200);
    let report =
        null::compare(&network, replicates, rewire::DEFAULT_SWAPS_PER_EDGE, plan.seed).map_err(fail)?;
    for name in ["clustering", "weighted clustering", "small-world index", "reciprocity", "motif 120U"] {
        let s = of(&report, name)?;
        outcome.measurements.push(
            Measurement::at_least(&format!("Witvliet 7: {name}, z against degrees"), s.z, 3.0)
                .baseline(0.0)
                .note(format!(
                    "value {:.4}, {replicates} random graphs {:.4} +- {:.4}",
                    s.value, s.mean, s.sd
                )),
        );
    }
    let z: Vec<(String, f64)> =
        report.scores.iter().filter_map(|s| Some((s.name.strip_prefix("motif ")?.to_owned(), s.z))).collect();
    outcome.figures.push(bars(
        "Triads beyond what the degrees explain",
        &format!(
            "z-score of each connected class of three neurons in the chemical graph of one adult (Witvliet 7, {} of {} neurons) against {replicates} random graphs with the same in- and out-degrees.",
            slots.len(),
            LABELS.len()
        ),
        "z",
        &z,
    )?);
    Ok(())
}

fn of<'a>(report: &'a null::Report, name: &str) -> Result<&'a null::Score> {
    report.score(name).ok_or_else(|| fail(format!("no measure {name:?}")))
}

fn short(name: &str) -> &'static str {
    match name {
        "white1986_whole" => "W",
        "white1986_n2u" => "N",
        "white1986_jsh" => "J",
        "witvliet2020_7" => "7",
        _ => "8",
    }
}

/// Mean and half the width of its 95 % interval.
fn interval(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, 1.96 * (spread / n).sqrt())
}
