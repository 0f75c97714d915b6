//! What must hold for every network.

use ndarray::Array2;
use numerics::rng::{permutation, stream};
use proptest::prelude::*;
use snn::semantic::{
    AfferentParams, BarsStimulus, DhanParams, Gate, Integrator, LinkParams, Links, NoInput, Stimulus,
    TransientNet, maximal_cliques, ring_of_cliques,
};

/// Random cliques on `n` sites, each site in one at least.
fn random_cliques(n: usize, seed: u64) -> Vec<Vec<usize>> {
    let order = permutation(&mut stream(seed, "test/cliques", 0), n);
    let mut cliques: Vec<Vec<usize>> =
        order.chunks(3).filter(|c| c.len() > 1).map(<[usize]>::to_vec).collect();
    for k in 0..n as u64 / 4 {
        let mut more = permutation(&mut stream(seed, "test/cliques", 1 + k), n);
        more.truncate(2 + (k as usize % 3));
        cliques.push(more);
    }
    cliques
}

fn random_state(n: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let uniform = |k| -> Vec<f64> {
        numerics::rng::normals(&mut stream(seed, "test/state", k), n)
            .iter()
            .map(|v| v.abs().fract())
            .collect()
    };
    (uniform(0), uniform(1))
}

fn built(n: usize, seed: u64, p: DhanParams) -> TransientNet {
    let cliques = random_cliques(n, seed);
    let links = Links::from_cliques(n, &cliques, &p, seed).unwrap();
    let (x, phi) = random_state(n, seed);
    TransientNet::from_state(links, cliques, p, &x, &phi).unwrap()
}

/// The rates as the definition has them, over all pairs.
fn dense_rates(net: &TransientNet) -> Vec<f64> {
    let p = net.params();
    let f = |phi: f64, c: f64, floor: f64| {
        let a = |v: f64| ((v - c) / p.response_width).atan();
        floor + (1.0 - floor) * (a(phi) - a(0.0)) / (a(1.0) - a(0.0))
    };
    let w: Array2<f64> = net.links().to_dense();
    let (x, phi) = (net.activity(), net.reservoir());
    (0..net.sites())
        .map(|i| {
            (0..net.sites())
                .map(|j| {
                    if w[[i, j]] > 0.0 {
                        f(phi[i], p.excitation_threshold, p.excitation_floor) * w[[i, j]] * x[j]
                    } else if i != j {
                        -p.inhibition * f(phi[j], p.inhibition_threshold, p.inhibition_floor) * x[j]
                    } else {
                        0.0
                    }
                })
                .sum()
        })
        .collect()
}

/// All maximal cliques by trying every set.
fn all_cliques(n: usize, linked: &dyn Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let members = |set: u32| (0..n).filter(move |i| set >> i & 1 == 1);
    let full = |set: u32| members(set).all(|i| members(set).all(|j| i == j || linked(i, j)));
    let mut found: Vec<Vec<usize>> = (1..1_u32 << n)
        .filter(|set| full(*set) && (0..n).all(|i| set >> i & 1 == 1 || !full(set | 1 << i)))
        .map(|set| members(set).collect())
        .collect();
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn inhibition_of_rank_one_is_the_sum_over_all_pairs(n in 4_usize..30, seed in 0_u64..1000) {
        let net = built(n, seed, DhanParams::default());
        for (ours, plain) in net.growth_rates().iter().zip(dense_rates(&net)) {
            prop_assert!((ours - plain).abs() < 1e-12, "{ours} {plain}");
        }
    }

    #[test]
    fn states_stay_in_their_range(n in 4_usize..24, seed in 0_u64..1000, dt in 0.01_f64..0.5, rk in any::<bool>()) {
        let integrator = if rk { Integrator::RungeKutta4 } else { Integrator::Euler };
        let mut net = built(n, seed, DhanParams { dt, integrator, ..DhanParams::default() });
        for _ in 0..200 {
            net.step(None).unwrap();
            prop_assert!(net.activity().iter().chain(net.reservoir()).all(|v| (0.0..=1.0).contains(v)));
        }
    }

    #[test]
    fn permuted_sites_give_permuted_states(seed in 0_u64..1000) {
        let n = 15;
        let net = built(n, seed, DhanParams::default());
        let order = permutation(&mut stream(seed, "test/order", 0), n);
        let w = net.links().to_dense();
        let moved = Array2::from_shape_fn((n, n), |(i, j)| w[[order[i], order[j]]]);
        let mut place = vec![0; n];
        order.iter().enumerate().for_each(|(to, from)| place[*from] = to);
        let cliques = net.cliques().iter().map(|c| c.iter().map(|i| place[*i]).collect()).collect();
        let pick = |v: &[f64]| order.iter().map(|i| v[*i]).collect::<Vec<_>>();
        let links = Links::from_dense(&moved.view(), false).unwrap();
        let mut other = TransientNet::from_state(
            links, cliques, DhanParams::default(), &pick(net.activity()), &pick(net.reservoir()),
        ).unwrap();
        let mut net = net;
        let (a, b) = (net.run(60.0, &mut NoInput).unwrap(), other.run(60.0, &mut NoInput).unwrap());
        for (i, from) in order.iter().enumerate() {
            prop_assert!((net.activity()[*from] - other.activity()[i]).abs() < 1e-9);
        }
        prop_assert_eq!(a.sequence, b.sequence);
    }

    #[test]
    fn maximal_cliques_are_those_of_an_exhaustive_search(n in 1_usize..10, seed in 0_u64..1000, density in 0.1_f64..0.9) {
        let mut graph = petgraph::graph::UnGraph::<(), ()>::new_undirected();
        let nodes: Vec<_> = (0..n).map(|_| graph.add_node(())).collect();
        let draws = numerics::rng::normals(&mut stream(seed, "test/graph", 0), n * n);
        let mut linked = vec![vec![false; n]; n];
        for i in 0..n {
            for j in i + 1..n {
                if draws[i * n + j].abs().fract() < density {
                    graph.add_edge(nodes[i], nodes[j], ());
                    (linked[i][j], linked[j][i]) = (true, true);
                }
            }
        }
        prop_assert_eq!(maximal_cliques(&graph).unwrap(), all_cliques(n, &|i, j| linked[i][j]));
    }

    #[test]
    fn afferents_never_turn_negative_and_drive_is_their_sum(seed in 0_u64..200, rate in 0.001_f64..2.0, c in 0.0_f64..20.0) {
        let p = AfferentParams { rate, unlearn_active: c, gate: Gate::Constant(1.0), ..AfferentParams::default() };
        let (sites, cliques) = ring_of_cliques(10, 4, 1).unwrap();
        let mut net = TransientNet::from_cliques(sites, &cliques, DhanParams::default(), seed).unwrap()
            .with_afferents(p, seed).unwrap();
        let mut bars = BarsStimulus::new(5, 0.3, 7.0, seed).unwrap();
        net.run(150.0, &mut bars).unwrap();
        let afferents = net.afferents().unwrap();
        let weights = afferents.weights();
        prop_assert!(weights.iter().all(|v| *v >= 0.0 && v.is_finite()));
        for (row, drive) in weights.rows().into_iter().zip(afferents.drive()) {
            let sum: f64 = row.iter().zip(afferents.input()).map(|(v, y)| v * y).sum();
            prop_assert!((sum - drive).abs() <= 1e-12 * (1.0 + drive.abs()));
        }
    }
}

#[test]
fn a_run_that_was_cut_saved_and_resumed_is_the_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.npz");
    let (sites, cliques) = ring_of_cliques(10, 4, 1).unwrap();
    let fresh = || {
        TransientNet::from_cliques(sites, &cliques, DhanParams { dt: 0.07, ..DhanParams::default() }, 4)
            .unwrap()
            .with_afferents(
                AfferentParams { rate: 0.012_345_678_901_234_568, ..AfferentParams::default() },
                4,
            )
            .unwrap()
            .with_link_learning(LinkParams::default())
            .unwrap()
    };
    let stimulus = || BarsStimulus::new(5, 0.1, 33.3, 4).unwrap();
    let mut whole = fresh();
    let trace = whole.run(2100.0, &mut stimulus()).unwrap();
    // Cut inside a presentation and away from the times at which winners are looked for.
    let mut net = fresh();
    let mut parts = net.run(777.77, &mut stimulus()).unwrap();
    net.save(&path).unwrap();
    let mut net = TransientNet::resume(&path).unwrap();
    let rest = net.run(2100.0 - 777.77, &mut stimulus()).unwrap();
    assert_eq!(net.time(), whole.time());
    let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(net.activity()), bits(whole.activity()));
    assert_eq!(bits(net.reservoir()), bits(whole.reservoir()));
    assert_eq!(bits(net.links().weights()), bits(whole.links().weights()));
    assert_eq!(net.afferents(), whole.afferents());
    assert_eq!(net.signal(), whole.signal());
    assert!(parts.clone().append(trace.clone()).is_err(), "it began at 0");
    parts.append(rest).unwrap();
    assert!((parts.mean_signal - trace.mean_signal).abs() < 1e-12);
    assert_eq!(parts, snn::semantic::Trace { mean_signal: parts.mean_signal, ..trace });
    // A file that is damaged, or none of ours.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(TransientNet::resume(&path).is_err());
    std::fs::write(&path, b"nothing").unwrap();
    assert!(TransientNet::resume(&path).is_err());
    assert!(TransientNet::resume(&folder.path().join("absent.npz")).is_err());
}

#[test]
fn damaged_states_are_refused_one_by_one() {
    use recordings::arrays::{ArrayFile, Npz};
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.npz"), folder.path().join("bad.npz"));
    let (sites, cliques) = ring_of_cliques(3, 4, 1).unwrap();
    TransientNet::from_cliques(sites, &cliques, DhanParams::default(), 0).unwrap().save(&good).unwrap();
    let file = ArrayFile::open(&good).unwrap();
    let copy = |changed: &str, with: &dyn Fn(Npz) -> Npz| {
        let mut npz = Npz::new();
        for key in ["x", "phi", "weights", "levels"].into_iter().filter(|k| *k != changed) {
            npz = npz.f64(key, file.read_f64_1(key).unwrap().view().into_dyn());
        }
        for key in ["offsets", "sources", "clique_ends", "clique_sites", "flags"]
            .into_iter()
            .filter(|k| *k != changed)
        {
            npz = npz.i64(key, file.read_i64_1(key).unwrap().view().into_dyn());
        }
        if changed != "constants" {
            npz = npz.text("constants", &file.read_text("constants").unwrap());
        }
        with(npz).write(&bad).unwrap();
        TransientNet::resume(&bad)
    };
    assert!(copy("", &|n| n).is_ok());
    let ints = |key: &'static str, v: Vec<i64>| {
        move |n: Npz| n.i64(key, ndarray::Array1::from(v.clone()).view().into_dyn())
    };
    let floats = |key: &'static str, v: Vec<f64>| {
        move |n: Npz| n.f64(key, ndarray::Array1::from(v.clone()).view().into_dyn())
    };
    for key in [
        "x",
        "phi",
        "weights",
        "offsets",
        "sources",
        "clique_ends",
        "clique_sites",
        "flags",
        "levels",
        "constants",
    ] {
        assert!(copy(key, &|n| n).is_err(), "without {key}");
    }
    assert!(copy("clique_ends", &ints("clique_ends", vec![4, 2, 12])).is_err());
    assert!(copy("clique_ends", &ints("clique_ends", vec![4, 8, 1 << 40])).is_err());
    assert!(copy("clique_sites", &ints("clique_sites", vec![-1; 12])).is_err());
    assert!(copy("sources", &ints("sources", vec![1 << 40; 36])).is_err());
    assert!(copy("flags", &ints("flags", vec![0, 7, 0, -1])).is_err());
    assert!(copy("flags", &ints("flags", vec![-4, 0, 0, -1])).is_err());
    assert!(copy("flags", &ints("flags", vec![0, 0])).is_err());
    assert!(copy("levels", &floats("levels", vec![f64::NAN, -1.0])).is_err());
    assert!(copy("x", &floats("x", vec![2.0; 9])).is_err());
    assert!(copy("constants", &|n| n.text("constants", &["format = \"other\"".to_owned()])).is_err());
}

#[test]
fn integrators_converge_on_one_another_at_their_order() {
    // One clique on its way up, before x_c: neither the sign of a rate nor that of a filling changes, where the right side
    // has corners.
    let p = DhanParams::default();
    let links = Links::from_cliques(4, &[vec![0, 1, 2, 3]], &p, 6).unwrap();
    let state = |dt: f64, integrator: Integrator| {
        let p = DhanParams { dt, integrator, ..p.clone() };
        let (x, phi) = ([0.05, 0.2, 0.3, 0.6], [0.1, 0.15, 0.3, 0.9]);
        let mut net = TransientNet::from_state(links.clone(), vec![vec![0, 1, 2, 3]], p, &x, &phi).unwrap();
        net.run(3.2, &mut NoInput).unwrap();
        assert!(net.activity().iter().all(|x| *x < 0.85));
        net.activity().to_vec()
    };
    let fine = state(0.0125, Integrator::RungeKutta4);
    let gap = |dt, integrator| {
        state(dt, integrator).iter().zip(&fine).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let euler = [gap(0.1, Integrator::Euler), gap(0.05, Integrator::Euler), gap(0.025, Integrator::Euler)];
    println!("Euler: {euler:?}");
    for pair in euler.windows(2) {
        assert!((1.7..2.5).contains(&(pair[0] / pair[1])), "{euler:?}");
    }
    let fourth = [gap(0.4, Integrator::RungeKutta4), gap(0.2, Integrator::RungeKutta4)];
    println!("Runge-Kutta: {fourth:?}");
    assert!((10.0..24.0).contains(&(fourth[0] / fourth[1])) && fourth[1] < 1e-3 * euler[0], "{fourth:?}");
}

#[test]
fn both_integrators_tell_the_same_story() {
    let run = |dt: f64, integrator: Integrator| {
        let p = DhanParams { dt, integrator, ..DhanParams::default() };
        let (sites, cliques) = ring_of_cliques(10, 4, 1).unwrap();
        let mut net = TransientNet::from_cliques(sites, &cliques, p, 6).unwrap();
        net.run(10_000.0, &mut NoInput).unwrap().sequence
    };
    let (euler, fourth) = (run(0.1, Integrator::Euler), run(0.2, Integrator::RungeKutta4));
    assert!(euler.transitions().abs_diff(fourth.transitions()) <= 2);
    let order = |s: &snn::semantic::CliqueSequence| s.0.iter().map(|w| w.1).take(100).collect::<Vec<_>>();
    assert_eq!(order(&euler), order(&fourth));
}

#[test]
fn patterns_repeat_and_are_the_same_whenever_asked() {
    let bars = BarsStimulus::new(5, 0.1, 100.0, 9).unwrap();
    assert_eq!((bars.index_at(0.0), bars.index_at(99.99), bars.index_at(100.0)), (0, 0, 1));
    // 0.1 added a thousand times is not 100, the step count times 0.1 is.
    assert_eq!(bars.index_at(1000.0 * 0.1), 1);
    let (mut a, mut b) = ([0.0; 25], [0.5; 25]);
    bars.pattern(7, &mut a);
    bars.pattern(7, &mut b);
    assert_eq!(a, b);
    let on = (0..4000_u64).flat_map(|k| bars.bars(k)).filter(|on| *on).count() as f64 / 40_000.0;
    // Binomial: sd 0.0015.
    assert!((on - 0.1).abs() < 0.007, "{on}");
    assert_eq!(BarsStimulus::pixels(5, 1), [5, 6, 7, 8, 9]);
    assert_eq!(BarsStimulus::pixels(5, 6), [1, 6, 11, 16, 21]);
    for bad in [
        BarsStimulus::new(0, 0.1, 1.0, 0),
        BarsStimulus::new(65, 0.1, 1.0, 0),
        BarsStimulus::new(5, 1.1, 1.0, 0),
        BarsStimulus::new(5, f64::NAN, 1.0, 0),
        BarsStimulus::new(5, 0.1, 0.0, 0),
        BarsStimulus::new(5, 0.1, f64::INFINITY, 0),
    ] {
        assert!(bad.is_err());
    }
}
