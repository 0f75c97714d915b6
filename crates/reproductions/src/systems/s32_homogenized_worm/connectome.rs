//! The connectome half: shared structure, the consensus, and clustering beyond what the degrees explain.

use std::path::Path;

use bio_data::connectome::{
    Connectome, Edge, Layer, Merge, RawConnectome, ReadOptions, Rows, Source, Synapses, cell_correlation,
    consensus, relabelled, weight_correlation,
};
use bio_data::graph::{Network, null, rewire};
use bio_data::neurons::LABELS;
use numerics::rng::{normals, stream};
use numerics::summary::mean;
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
/// Where they lie, from the folder of real data on.
const FOLDER: &str = "../fixtures/32-homogenized-worm/connectomes";
/// Relabellings of a graph as control.
const RELABELLINGS: u64 = 20;

/// Adds the measurements of connectomes.
pub(super) fn connectome(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    generated(plan, outcome)?;
    let folder = plan.data.as_ref().map(|d| d.join(FOLDER));
    match folder.filter(|f| TABLES.iter().all(|t| f.join(t.1).is_file())) {
        Some(folder) => published(plan, &folder, outcome),
        None => {
            outcome.data.push(
                "published connectomes: not found, their measurements are left out (NOTICE names their origin)"
                    .to_owned(),
            );
            Ok(())
        }
    }
}

/// Neurons of the generated worm, about as many as in a nerve ring.
const NEURONS: usize = 180;

/// A worm whose neurons lie along a line and connect to near ones, as three observers see it who miss synapses and add
/// a few. The consensus should be nearer to the truth than an observer; the structure should show against its null.
fn generated(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let draws = plan.draws(plan.pick(10, 10, 50));
    let seeds = plan.seeds(draws.len());
    let runs = draws
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
    let column = |k: usize| runs.iter().map(|r| r[k]).collect::<Vec<f64>>();
    let (joint, best, relabelled) = (column(0), column(1), column(2));
    let less = |other: &[f64]| joint.iter().zip(other).map(|(j, o)| j - o).collect::<Vec<f64>>();
    outcome.data.push("connectomes of a generated worm, seen by three observers (generated)".to_owned());
    for (name, other) in [("best observer", &best), ("relabelled consensus", &relabelled)] {
        outcome.measurements.push(
            Measurement::lower_bound(&format!("generated: consensus minus {name} (lower bound)"), &less(other), 0.0)
                .baseline(mean(&best))
                .control(mean(&relabelled))
                .seeds(&seeds)
                .note(format!(
                    "Spearman with the truth; consensus {:.4} (edges that at least two of three observers report); \
                     baseline: the best of three observers; control: neurons of the consensus relabelled",
                    mean(&joint)
                )),
        );
    }
    outcome.figures.push(bars(
        "A consensus lies nearer to the truth than an observer",
        &format!(
            "Spearman's correlation with the true weights of a generated worm, mean of {} draws: the consensus of three observers (edges that two of them report), the best of the three, and the consensus with its neurons relabelled.",
            draws.len()
        ),
        "Spearman's rho",
        &[
            ("consensus".to_owned(), mean(&joint)),
            ("observer".to_owned(), mean(&best)),
            ("relabelled".to_owned(), mean(&relabelled)),
        ],
    )?);
    let truth = worm(plan.seed)?;
    let (network, _) = Network::from_connectome(&truth, Layer::Chemical).map_err(fail)?;
    against_degrees(plan, "generated", &network, &["clustering", "small-world index"], outcome)?;
    Ok(())
}

/// Holds that random graphs of the same degrees seldom reach a graph's measures.
fn against_degrees(
    plan: &Plan,
    graph: &str,
    network: &Network,
    names: &[&str],
    outcome: &mut Outcome,
) -> Result<null::Report> {
    // p = (1 + hits) / (1 + graphs): 19 graphs are the fewest of which p can be 0.05. All measures must hold, so that
    // none is picked out of several.
    let replicates = plan.pick(99, 99, 499);
    let report =
        null::compare(network, replicates, rewire::DEFAULT_SWAPS_PER_EDGE, plan.seed).map_err(fail)?;
    for name in names {
        let s = of(&report, name)?;
        outcome.measurements.push(
            Measurement::at_most(&format!("{graph}: {name}, p against degrees"), s.p_upper(), 0.05)
                .control(s.p_upper_of_random())
                .seeds(&[plan.seed])
                .note(format!(
                    "value {:.4}, {replicates} random graphs of the same degrees {:.4} +- {:.4} (z {:.1}); control: one of \
                     them against the others",
                    s.value, s.mean, s.sd, s.z
                )),
        );
    }
    Ok(report)
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
        "White et al. 1986 (whole, N2U, JSH) and Witvliet et al. 2021 (7, 8), published tables (real)"
            .to_owned(),
    );
    let (seven, eight) = (&sources[3].connectome, &sources[4].connectome);
    let rho = cell_correlation(&tables[3], &tables[4], None).map_err(fail)?;
    let controls = (0..RELABELLINGS)
        .into_par_iter()
        .map(|k| cell_correlation(&tables[3], &tables[4], Some((plan.seed, k))).map_err(fail))
        .collect::<Result<Vec<f64>>>()?;
    let worst = controls.iter().fold(0.0_f64, |m, r| m.max(r.abs()));
    let neurons = weight_correlation(seven, eight, Layer::Chemical).map_err(fail)?;
    outcome.measurements.push(
        Measurement::within("Witvliet 7 and 8: Spearman of chemical weights", rho, 0.6658, 0.6698)
            .control(mean(&controls))
            .note(format!(
                "sheet 32, check 5: 0.6678 +- 0.002; over all cells that either table names, muscles and glia too; the 180 neurons alone: {neurons:.4}; \
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
    // Clustering and the small world: Watts and Strogatz 1998; connections that are answered: Varshney et al. 2011.
    let names = ["clustering", "weighted clustering", "small-world index", "reciprocity"];
    let report = against_degrees(plan, "Witvliet 7", &network, &names, outcome)?;
    // Thirteen classes of triads are shown and none is held to a bound: which one to test was nobody's claim beforehand.
    let z: Vec<(String, f64)> =
        report.scores.iter().filter_map(|s| Some((s.name.strip_prefix("motif ")?.to_owned(), s.z))).collect();
    outcome.figures.push(bars(
        "Triads beyond what the degrees explain",
        &format!(
            "z-score of each connected class of three neurons in the chemical graph of one adult (Witvliet 7, {} of {} neurons) against {} random graphs with the same in- and out-degrees.",
            slots.len(),
            LABELS.len(),
            report.replicates
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
