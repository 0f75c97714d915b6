//! Graph measures: against NetworkX, against each other, and under relabelling.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they measured and what they skipped"
)]

use bio_data::connectome::{Layer, Merge, RawConnectome, ReadOptions};
use bio_data::graph::{Lengths, Network, clustering, degrees, motifs, null, paths, rewire, rich_club};
use ndarray::Array2;
use numerics::rng::{permutation, stream};
use proptest::prelude::*;
use rand::RngExt;
use serde_json::Value;

/// Figures that both sides compute in f64 from the same sums.
const TOLERANCE: f64 = 1e-12;

fn goldens() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/32-homogenized-worm/graph/goldens.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= TOLERANCE * b.abs().max(1.0), "{what} at {i}: {a}, expected {b}");
    }
}

fn agree(network: &Network, golden: &Value) {
    let as_f64 = |d: Vec<usize>| d.into_iter().map(|x| x as f64).collect::<Vec<f64>>();
    close("in-degree", &as_f64(degrees::in_degrees(network)), &numbers(&golden["in_degree"]));
    close("out-degree", &as_f64(degrees::out_degrees(network)), &numbers(&golden["out_degree"]));
    close("in-strength", &degrees::in_strengths(network).to_vec(), &numbers(&golden["in_strength"]));
    close("out-strength", &degrees::out_strengths(network).to_vec(), &numbers(&golden["out_strength"]));
    close("density", &[degrees::density(network)], &[golden["density"].as_f64().unwrap()]);
    close("reciprocity", &[degrees::reciprocity(network)], &[golden["reciprocity"].as_f64().unwrap()]);
    close("clustering", &clustering::unweighted(network).unwrap(), &numbers(&golden["clustering"]));
    let weighted = clustering::weighted(network).unwrap();
    close("weighted clustering", &weighted, &numbers(&golden["weighted_clustering"]));
    for (name, lengths) in [("paths_unit", Lengths::Unit), ("paths_inverse", Lengths::Inverse)] {
        let found = paths::summary(network, lengths).unwrap();
        let g = &golden[name];
        let expected =
            ["characteristic", "efficiency", "diameter", "unreachable"].map(|k| g[k].as_f64().unwrap());
        let found = [found.characteristic, found.efficiency, found.diameter, found.unreachable as f64];
        close(name, &found, &expected);
    }
    let census = motifs::census(network);
    for (class, count) in motifs::CLASSES.iter().zip(census) {
        assert_eq!(count, golden["triads"][class].as_u64().unwrap(), "triads {class}");
    }
    let both = Array2::from_shape_fn((network.nodes(), network.nodes()), |(i, j)| {
        f64::from(u8::from(i != j && (network.has(i, j) || network.has(j, i))))
    });
    let symmetric = rich_club::coefficients(&Network::from_matrix(&both.view()).unwrap());
    let expected = numbers(&golden["rich_club_symmetric"]);
    let found: Vec<f64> = symmetric.into_iter().step_by(2).collect();
    close("rich club", &found, &expected);
}

#[test]
fn measures_are_those_of_networkx() {
    let goldens = goldens();
    for (name, graph) in goldens["graphs"].as_object().unwrap() {
        let rows: Vec<Vec<f64>> = graph["weights"].as_array().unwrap().iter().map(numbers).collect();
        let n = rows.len();
        let weights = Array2::from_shape_fn((n, n), |(i, j)| rows[i][j]);
        println!("{name}");
        agree(&Network::from_matrix(&weights.view()).unwrap(), &graph["measures"]);
    }
}

#[test]
fn measures_of_a_published_connectome_are_those_of_networkx() {
    let root = std::env::var_os("NEUROPIL_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        std::path::PathBuf::from,
    );
    let path = root.join("../fixtures/32-homogenized-worm/connectomes/witvliet_2020_7.csv");
    if !path.is_file() {
        assert!(
            std::env::var_os("NEUROPIL_REQUIRE_DATA").is_none_or(|v| v != "1"),
            "{} is missing",
            path.display()
        );
        eprintln!("skipped: {} is missing", path.display());
        return;
    }
    let worm = RawConnectome::read(&path, &ReadOptions::default()).unwrap().merge(Merge::Standard);
    let (network, slots) = Network::from_connectome(&worm, Layer::Chemical).unwrap();
    assert_eq!(slots.len(), network.nodes());
    agree(&network, &goldens()["witvliet_2020_7 chemical"]);
    let report = null::compare(&network, 10, 10, 7).unwrap();
    for name in ["small-world index", "clustering", "reciprocity", "motif 120U"] {
        let score = report.score(name).unwrap();
        println!("{score:?}");
        assert!(score.value > score.mean && score.z > 3.0, "{score:?}");
    }
}

fn random(seed: u64, n: usize, density: f64) -> Array2<f64> {
    let mut rng = stream(seed, "graph/test", 0);
    Array2::from_shape_fn((n, n), |_| {
        if rng.random::<f64>() < density { f64::from(rng.random_range(1..9_u32)) } else { 0.0 }
    })
}

/// The definition, term by term.
fn clustering_by_definition(w: &Array2<f64>) -> Vec<f64> {
    let n = w.nrows();
    let top = w.iter().copied().fold(0.0, f64::max);
    let v = |i: usize, j: usize| if i == j { 0.0 } else { (w[[i, j]] / top).cbrt() };
    let a = |i: usize, j: usize| usize::from(i != j && w[[i, j]] != 0.0);
    (0..n)
        .map(|i| {
            let mut t = 0.0;
            for j in 0..n {
                for k in 0..n {
                    t += (v(i, j) + v(j, i)) * (v(j, k) + v(k, j)) * (v(k, i) + v(i, k));
                }
            }
            let d: usize = (0..n).map(|j| a(i, j) + a(j, i)).sum();
            let m: usize = (0..n).map(|j| a(i, j) * a(j, i)).sum();
            let pairs = (d * d.saturating_sub(1)) as f64 - 2.0 * m as f64;
            if t > 0.0 && pairs > 0.0 { t / (2.0 * pairs) } else { 0.0 }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn measures_follow_a_relabelling(seed in 0_u64..10_000, n in 3_usize..16, density in 0.05..0.9) {
        let w = random(seed, n, density);
        let network = Network::from_matrix(&w.view()).unwrap();
        let order = permutation(&mut stream(seed, "graph/relabel", 1), n);
        let moved = Array2::from_shape_fn((n, n), |(i, j)| w[[order[i], order[j]]]);
        let other = Network::from_matrix(&moved.view()).unwrap();
        close("definition", &clustering::weighted(&network).unwrap(), &clustering_by_definition(&w));
        let c = clustering::weighted(&network).unwrap();
        let expected: Vec<f64> = order.iter().map(|i| c[*i]).collect();
        close("clustering", &clustering::weighted(&other).unwrap(), &expected);
        prop_assert_eq!(motifs::census(&network), motifs::census(&other));
        prop_assert_eq!(rich_club::coefficients(&network), rich_club::coefficients(&other));
        let (d, e) = (paths::all_pairs(&network, Lengths::Inverse), paths::all_pairs(&other, Lengths::Inverse));
        for i in 0..n {
            for j in 0..n {
                let (a, b) = (d[[order[i], order[j]]], e[[i, j]]);
                prop_assert!(a == b || (a - b).abs() < 1e-12);
            }
        }
        prop_assert!(c.iter().all(|x| (0.0..=1.0 + 1e-12).contains(x)));
    }

    #[test]
    fn triads_add_up_and_paths_obey_the_triangle(seed in 0_u64..10_000, n in 2_usize..14, density in 0.0..0.8) {
        let w = random(seed, n, density);
        let network = Network::from_matrix(&w.view()).unwrap();
        let total: u64 = motifs::census(&network).iter().sum();
        prop_assert_eq!(total as usize, if n < 3 { 0 } else { n * (n - 1) * (n - 2) / 6 });
        let graph = network.to_graph();
        prop_assert_eq!(&Network::from_graph(&graph, |w| *w).unwrap(), &network);
        for lengths in [Lengths::Unit, Lengths::Inverse, Lengths::Weight] {
            let d = paths::all_pairs(&network, lengths);
            for i in 0..n {
                // petgraph's own search agrees.
                let from = petgraph::graph::NodeIndex::new(i);
                let theirs = petgraph::algo::dijkstra(&graph, from, None, |e| match lengths {
                    Lengths::Unit => 1.0,
                    Lengths::Inverse => 1.0 / *e.weight(),
                    Lengths::Weight => *e.weight(),
                });
                for j in 0..n {
                    let other = theirs.get(&petgraph::graph::NodeIndex::new(j)).copied().unwrap_or(f64::INFINITY);
                    prop_assert!(d[[i, j]] == other || (d[[i, j]] - other).abs() < 1e-12);
                    for k in 0..n {
                        prop_assert!(d[[i, j]] <= d[[i, k]] + d[[k, j]] + 1e-12);
                    }
                }
            }
        }
    }

    #[test]
    fn exchanges_keep_every_degree(seed in 0_u64..10_000, n in 2_usize..20, density in 0.05..0.6) {
        let network = Network::from_matrix(&random(seed, n, density).view()).unwrap();
        let other = rewire::degree_preserving(&network, 10, seed, 3).unwrap();
        prop_assert_eq!(degrees::in_degrees(&network), degrees::in_degrees(&other));
        prop_assert_eq!(degrees::out_degrees(&network), degrees::out_degrees(&other));
        let (a, b) = (degrees::out_strengths(&network), degrees::out_strengths(&other));
        prop_assert!((&a - &b).iter().all(|d| d.abs() < 1e-9));
        prop_assert!((0..n).all(|i| network.has(i, i) == other.has(i, i)));
        prop_assert_eq!(&other, &rewire::degree_preserving(&network, 10, seed, 3).unwrap());
    }
}

#[test]
fn exchanges_move_edges_and_scores_do_not_depend_on_threads() {
    let network = Network::from_matrix(&random(5, 40, 0.2).view()).unwrap();
    let other = rewire::degree_preserving(&network, 10, 1, 0).unwrap();
    let kept = (0..40)
        .flat_map(|i| (0..40).map(move |j| (i, j)))
        .filter(|(i, j)| i != j && network.has(*i, *j) && other.has(*i, *j));
    let share = kept.count() as f64 / network.edges() as f64;
    assert!(share < 0.4, "{share} of the edges stayed");
    let report = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| null::compare(&network, 6, 5, 9).unwrap())
    };
    let (one, three) = (report(1), report(3));
    for (a, b) in one.scores.iter().zip(&three.scores) {
        assert!(a.name == b.name && a.value == b.value && (a.mean - b.mean).abs() == 0.0, "{a:?} {b:?}");
    }
    assert!(null::compare(&network, 1, 5, 9).is_err());
    // A random graph is no more clustered than its own null.
    assert!(one.score("clustering").unwrap().z.abs() < 6.0);
}

#[test]
fn what_is_no_graph_is_refused() {
    assert!(Network::from_matrix(&Array2::zeros((2, 3)).view()).is_err());
    assert!(Network::from_matrix(&ndarray::arr2(&[[f64::NAN]]).view()).is_err());
    assert!(Network::from_matrix(&ndarray::arr2(&[[-1.0]]).view()).is_err());
    let empty = Network::from_matrix(&Array2::zeros((0, 0)).view()).unwrap();
    assert!(paths::summary(&empty, Lengths::Unit).is_err());
    assert_eq!(motifs::census(&empty), [0; 16]);
    assert!(clustering::weighted(&empty).unwrap().is_empty());
    let apart = Network::from_matrix(&Array2::zeros((3, 3)).view()).unwrap();
    assert_eq!(clustering::weighted(&apart).unwrap(), [0.0; 3]);
    assert_eq!(paths::summary(&apart, Lengths::Inverse).unwrap().efficiency, 0.0);
}
