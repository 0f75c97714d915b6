//! Autonomy, what destroys it, and the fixed points (checks 2, 3 and 5 of sheet 16).

use ndarray::Array2;
use rayon::prelude::*;
use snn::semantic::{
    CliqueSequence, DhanParams, Links, NoInput, Trace, TransientNet, maximal_cliques, ring_of_cliques,
};

fn ring(shared: usize, p: DhanParams, seed: u64) -> TransientNet {
    let (sites, cliques) = ring_of_cliques(10, 4, shared).unwrap();
    TransientNet::from_cliques(sites, &cliques, p, seed).unwrap()
}

fn run(mut net: TransientNet, t: f64) -> Trace {
    net.run(t, &mut NoInput).unwrap()
}

#[test]
fn the_sequence_goes_on_and_visits_every_clique() {
    (0..3_u64).into_par_iter().for_each(|seed| {
        let trace = run(ring(1, DhanParams::default(), seed), 50_000.0);
        let (transitions, visits) = (trace.sequence.transitions(), trace.sequence.visits(10));
        println!("seed {seed}: {transitions} transitions, dwell {:.1}", trace.sequence.mean_dwell());
        assert!((450..=620).contains(&transitions), "seed {seed}: {transitions}");
        assert!(visits.iter().all(|v| *v >= 40), "seed {seed}: {visits:?}");
        assert!((85.0..=100.0).contains(&trace.sequence.mean_dwell()));
        assert!(trace.silent_since.is_none());
    });
}

#[test]
fn disjoint_cliques_never_hand_over_and_say_so() {
    let net = ring(0, DhanParams::default(), 1);
    assert!(net.warnings().iter().any(|w| w.contains("no two cliques share")), "{:?}", net.warnings());
    assert_eq!(run(net, 20_000.0).sequence.transitions(), 0);
    assert!(ring(1, DhanParams::default(), 1).warnings().is_empty());
}

#[test]
fn exchanged_thresholds_slow_the_sequence_and_silence_a_random_start() {
    let plain = DhanParams::default();
    let exchanged = DhanParams {
        excitation_threshold: plain.inhibition_threshold,
        inhibition_threshold: plain.excitation_threshold,
        ..plain
    };
    let trace = run(ring(1, exchanged.clone(), 0), 50_000.0);
    let (transitions, dwell) = (trace.sequence.transitions(), trace.sequence.mean_dwell());
    println!("exchanged thresholds: {transitions} transitions, dwell {dwell:.0}");
    assert!((110..=190).contains(&transitions), "{transitions}");
    assert!((270.0..=420.0).contains(&dwell), "{dwell}");
    // Without a clique to begin with.
    let kicked = ring(1, exchanged.clone(), 0);
    let links = kicked.links().clone();
    let draws = numerics::rng::normals(&mut numerics::rng::stream(0, "test/start", 0), 60);
    let x: Vec<f64> = draws[..30].iter().map(|v| (0.05 * v.abs()).min(0.3)).collect();
    let phi: Vec<f64> = draws[30..].iter().map(|v| (0.5 + 0.2 * v).clamp(0.0, 1.0)).collect();
    let net = TransientNet::from_state(links, kicked.cliques().to_vec(), exchanged, &x, &phi).unwrap();
    let trace = run(net, 2000.0);
    assert!(trace.silent_since.is_some_and(|t| t < 500.0), "{:?} {:?}", trace.silent_since, trace.sequence);
    assert_eq!(trace.sequence.0.len(), 0);
}

#[test]
fn without_depletion_the_first_clique_stays() {
    let trace = run(ring(1, DhanParams { depletion_rate: 0.0, ..DhanParams::default() }, 2), 20_000.0);
    assert_eq!(trace.sequence.0.len(), 1);
    assert_eq!(trace.sequence.transitions(), 0);
    assert!(trace.sequence.mean_dwell().is_nan());
}

#[test]
fn a_single_clique_saturates_and_its_reservoirs_drain_exponentially() {
    let p = DhanParams::default();
    let net = TransientNet::from_cliques(4, &[vec![0, 1, 2, 3]], p.clone(), 5).unwrap();
    let mut net = net;
    net.run(300.0, &mut NoInput).unwrap();
    assert!(net.activity().iter().all(|x| *x > 1.0 - 1e-6), "{:?}", net.activity());
    let before = net.reservoir()[0];
    net.run(100.0, &mut NoInput).unwrap();
    // Euler's factor a step is 1 - dt G-, within O(dt) of the exponential.
    let exact = before * (1.0 - p.dt * p.depletion_rate).powi(1000);
    assert!((net.reservoir()[0] - exact).abs() < 1e-12);
    let exponential = before * (-p.depletion_rate * 100.0).exp();
    assert!((net.reservoir()[0] / exponential - 1.0).abs() < 1e-3);
    assert!(net.activity().iter().all(|x| *x > 1.0 - 1e-6));
}

#[test]
fn silence_is_reported_not_restarted() {
    // Full reservoirs and no activity but the floor: inhibition outweighs what three partners give.
    let (sites, cliques) = ring_of_cliques(10, 4, 1).unwrap();
    let links = Links::from_cliques(sites, &cliques, &DhanParams::default(), 0).unwrap();
    let mut net =
        TransientNet::from_state(links, cliques, DhanParams::default(), &[0.0; 30], &[1.0; 30]).unwrap();
    let trace = net.run(500.0, &mut NoInput).unwrap();
    assert!(trace.silent_since.is_some_and(|t| t <= 1.0));
    assert!(trace.sequence.0.is_empty());
}

#[test]
fn cliques_are_found_in_any_graph() {
    let (sites, cliques) = ring_of_cliques(10, 4, 1).unwrap();
    let net = TransientNet::from_cliques(sites, &cliques, DhanParams::default(), 3).unwrap();
    let mut expected: Vec<Vec<usize>> = cliques;
    expected.iter_mut().for_each(|c| c.sort_unstable());
    expected.sort();
    assert_eq!(maximal_cliques(&net.links().graph()).unwrap(), expected);
    let again = TransientNet::from_weights(&net.links().to_dense().view(), DhanParams::default(), 3).unwrap();
    assert_eq!(again.cliques(), expected);
    // Three cliques, two by two with a site in common, hold a triangle that nobody named.
    let three = [vec![0, 1, 2], vec![2, 3, 4], vec![4, 5, 0]];
    let net = TransientNet::from_cliques(6, &three, DhanParams::default(), 3).unwrap();
    assert!(net.warnings().iter().any(|w| w.contains("1 maximal cliques")), "{:?}", net.warnings());
    // Moon and Moser's graph has 3^(n / 3) of them.
    let mut graph = petgraph::graph::UnGraph::<(), ()>::new_undirected();
    let nodes: Vec<_> = (0..12).map(|_| graph.add_node(())).collect();
    for i in 0..12 {
        for j in i + 1..12 {
            if i / 3 != j / 3 {
                graph.add_edge(nodes[i], nodes[j], ());
            }
        }
    }
    graph.add_edge(nodes[0], nodes[0], ());
    assert_eq!(maximal_cliques(&graph).unwrap().len(), 81);
    // One that would fill the memory is refused.
    let mut dense = petgraph::graph::UnGraph::<(), ()>::new_undirected();
    let nodes: Vec<_> = (0..90).map(|_| dense.add_node(())).collect();
    for i in 0..90 {
        for j in i + 1..90 {
            if i / 3 != j / 3 {
                dense.add_edge(nodes[i], nodes[j], ());
            }
        }
    }
    assert!(maximal_cliques(&dense).is_err());
    assert!(maximal_cliques(&petgraph::graph::UnGraph::<(), ()>::new_undirected()).unwrap().is_empty());
}

#[test]
fn sequences_count_visits_and_alignment() {
    let s = CliqueSequence(vec![(10.0, 0), (20.0, 1), (50.0, 0), (60.0, 2), (99.0, 0), (110.0, 1)]);
    assert_eq!((s.transitions(), s.visits(3)), (5, vec![3, 2, 1]));
    assert_eq!(s.dwell_times(), [10.0, 30.0, 10.0, 39.0, 11.0]);
    assert!((s.mean_dwell() - 20.0).abs() < 1e-12);
    // From 0 twice to 1 and once to 2; from 1 and from 2 to 0.
    assert!((s.regularity() - 4.0 / 5.0).abs() < 1e-12);
    assert!((s.aligned(&[15.0, 48.0, 90.0], 5.0) - 2.0 / 5.0).abs() < 1e-12);
    assert!(CliqueSequence::default().mean_dwell().is_nan());
}

#[test]
fn nonsense_is_refused() {
    let p = DhanParams::default;
    let (sites, cliques) = ring_of_cliques(10, 4, 1).unwrap();
    let with = |p: DhanParams| TransientNet::from_cliques(sites, &cliques, p, 0);
    for bad in [
        DhanParams { dt: 0.6, ..p() },
        DhanParams { dt: 0.0, ..p() },
        DhanParams { dt: f64::NAN, ..p() },
        DhanParams { link_weight: 0.0, ..p() },
        DhanParams { link_weight: f64::INFINITY, ..p() },
        DhanParams { link_spread: 1.0, ..p() },
        DhanParams { inhibition: -1.0, ..p() },
        DhanParams { active_level: 1.0, ..p() },
        DhanParams { filling_rate: -0.1, ..p() },
        DhanParams { depletion_rate: f64::NAN, ..p() },
        DhanParams { response_width: 0.0, ..p() },
        DhanParams { response_width: f64::INFINITY, ..p() },
        DhanParams { excitation_floor: 1.5, ..p() },
        DhanParams { winner_level: 0.0, ..p() },
    ] {
        assert!(with(bad.clone()).is_err(), "{bad:?}");
    }
    assert!(TransientNet::from_cliques(3, &[vec![0, 1, 3]], p(), 0).is_err());
    assert!(TransientNet::from_cliques(3, &[vec![0, 1, 1]], p(), 0).is_err());
    assert!(TransientNet::from_cliques(3, &[vec![0]], p(), 0).is_err());
    assert!(TransientNet::from_cliques(3, &[], p(), 0).is_err());
    let dense = |entries: &[(usize, usize, f64)]| {
        let mut w = Array2::zeros((3, 3));
        entries.iter().for_each(|(i, j, v)| w[[*i, *j]] = *v);
        w
    };
    for w in [
        dense(&[(0, 1, 0.1)]),
        dense(&[(0, 1, -0.1), (1, 0, -0.1)]),
        dense(&[(0, 1, f64::NAN), (1, 0, 0.1)]),
        dense(&[(0, 0, 0.1)]),
        dense(&[]),
        Array2::zeros((2, 3)),
        Array2::zeros((0, 0)),
    ] {
        assert!(TransientNet::from_weights(&w.view(), p(), 0).is_err(), "{w}");
    }
    let unequal = dense(&[(0, 1, 0.1), (1, 0, 0.2)]);
    assert!(TransientNet::from_weights(&unequal.view(), p(), 0).is_ok());
    let said = TransientNet::from_weights(&unequal.view(), DhanParams { symmetric: true, ..p() }, 0);
    assert!(said.unwrap_err().to_string().contains("w[0][1]"));
    let net = with(p()).unwrap();
    let links = net.links().clone();
    let state = |cliques: Vec<Vec<usize>>, x: &[f64]| {
        TransientNet::from_state(links.clone(), cliques, p(), x, &[0.5; 30])
    };
    assert!(state(cliques.clone(), &[0.5; 29]).is_err());
    assert!(state(cliques.clone(), &[1.5; 30]).is_err());
    assert!(state(cliques.clone(), &[f64::NAN; 30]).is_err());
    assert!(state(vec![vec![0, 9]], &[0.5; 30]).is_err(), "sites without a link are no clique");
    assert!(state(cliques.clone(), &[0.5; 30]).is_ok());
    let strict = DhanParams { symmetric: true, ..p() };
    let said = TransientNet::from_state(links.clone(), cliques.clone(), strict, &[0.5; 30], &[0.5; 30]);
    assert!(said.unwrap_err().to_string().contains("the value of w["), "drawn for each direction");
    let mut net = net;
    assert!(net.kick(10).is_err());
    assert!(net.step(Some(&[1.0])).is_err(), "input without afferents");
    for t in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        assert!(net.run(t, &mut NoInput).is_err());
    }
    assert!(net.run_sampled(1.0, &mut NoInput, Some(0.01)).is_err());
    assert!(ring_of_cliques(10, 1, 0).is_err() && ring_of_cliques(10, 4, 3).is_err());
    assert!(ring_of_cliques(2, 4, 1).is_err() && ring_of_cliques(usize::MAX, 4, 1).is_err());
    for parts in [
        (vec![0], vec![], vec![]),
        (vec![], vec![], vec![]),
        (vec![0, 1, 2], vec![1, 0], vec![0.1]),
        (vec![0, 2, 1], vec![1, 0], vec![0.1, 0.1]),
        (vec![0, 1, 2], vec![1, 2], vec![0.1, 0.1]),
        (vec![0, 1, 2], vec![0, 1], vec![0.1, 0.1]),
        (vec![0, 1, 2], vec![1, 0], vec![0.1, f64::NAN]),
        (vec![0, 1, 1, 1], vec![1], vec![0.1]),
    ] {
        assert!(Links::from_parts(parts.0.clone(), parts.1.clone(), parts.2.clone()).is_err(), "{parts:?}");
    }
}
