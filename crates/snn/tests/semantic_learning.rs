//! Afferents, the learning signal, links that learn, and what is read off them (checks 4 and 6 of sheet 16 in small).

use ndarray::{Array2, arr2};
use snn::semantic::{
    AfferentParams, Afferents, BarsExperiment, BarsStimulus, DhanParams, Gate, LearningSignal, LinkParams,
    NoInput, PatternStimulus, SignalParams, TransientNet, bar_matches, mutual_information_bits,
    ring_of_cliques,
};

fn ring(p: DhanParams, seed: u64) -> TransientNet {
    let (sites, cliques) = ring_of_cliques(10, 4, 1).unwrap();
    TransientNet::from_cliques(sites, &cliques, p, seed).unwrap()
}

#[test]
fn the_signal_rises_when_input_decides_and_fades() {
    let p = SignalParams::default();
    let mut s = LearningSignal::default();
    for _ in 0..10_000 {
        s.step(true, &p, 0.1);
    }
    // Where G+ (1 - S) = G- S.
    assert!((s.level() - 1.0 / 1.05).abs() < 1e-9, "{}", s.level());
    let before = s.level();
    for _ in 0..100 {
        s.step(false, &p, 0.1);
    }
    assert!((s.level() - before * (1.0_f64 - 0.005).powi(100)).abs() < 1e-12);
}

#[test]
fn only_a_change_of_sign_raises_the_signal() {
    // Two sites that inhibit each other, each linked with a silent partner of its own.
    let cliques = vec![vec![0, 1], vec![2, 3]];
    let p = DhanParams { link_spread: 0.0, ..DhanParams::default() };
    let links = snn::semantic::Links::from_cliques(4, &cliques, &p, 0).unwrap();
    let signal_of = |v: f64, x: [f64; 4]| {
        let net = TransientNet::from_state(links.clone(), cliques.clone(), p.clone(), &x, &[1.0; 4]).unwrap();
        let inputs = AfferentParams { inputs: 1, gate: Gate::Off, ..AfferentParams::default() };
        let weights = Array2::from_shape_fn((4, 1), |(i, _)| if i == 2 { v } else { 0.0 });
        let afferents = Afferents::from_weights(&weights.view(), inputs).unwrap();
        let mut net = net.with_given_afferents(afferents).unwrap();
        net.step(Some(&[1.0])).unwrap();
        net.signal().level()
    };
    // Site 2 (x = 0.1) is inhibited by site 0 (x = 0.5): r = -0.5 without input, 0.2 with 0.7.
    assert!(signal_of(0.7, [0.5, 0.0, 0.1, 0.0]) > 0.0);
    assert_eq!(signal_of(0.4, [0.5, 0.0, 0.1, 0.0]), 0.0, "too weak to change the sign");
    assert_eq!(signal_of(0.7, [0.0, 0.0, 0.1, 0.5]), 0.0, "it would have grown anyway");
    assert_eq!(signal_of(0.7, [0.5, 0.0, 0.01, 0.0]), 0.0, "not in transition: silent");
    assert_eq!(signal_of(0.7, [0.5, 0.0, 0.95, 0.0]), 0.0, "not in transition: active");
}

#[test]
fn active_sites_learn_the_input_and_others_unlearn_it() {
    let p = AfferentParams { inputs: 3, rate: 0.01, gate: Gate::Constant(0.5), ..AfferentParams::default() };
    let weights = arr2(&[[0.3, 0.2, 0.1]; 4]);
    let cliques = vec![vec![0, 1], vec![2, 3]];
    let d = DhanParams { inhibition: 0.0, ..DhanParams::default() };
    let links = snn::semantic::Links::from_cliques(4, &cliques, &d, 0).unwrap();
    let net = TransientNet::from_state(links, cliques, d, &[0.99, 0.5, 0.0, 0.0], &[0.5; 4]).unwrap();
    let mut net = net.with_given_afferents(Afferents::from_weights(&weights.view(), p).unwrap()).unwrap();
    net.step(Some(&[1.0, 0.0, 1.0])).unwrap();
    let v = net.afferents().unwrap().weights();
    // dt eta S = 0.1 0.01 0.5; Dr = 0.4 at every site.
    let rate = 0.0005;
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
    near(v[[0, 0]], 0.3 + rate * (0.9 - 0.4));
    near(v[[0, 1]], 0.2 - rate * 6.0 * 0.2);
    near(v[[0, 2]], 0.1 + rate * (0.9 - 0.4));
    assert_eq!(v.row(1), weights.row(1), "neither active nor inactive");
    near(v[[2, 0]], 0.3 - rate * 0.3 * 0.4);
    near(v[[2, 1]], 0.2);
    // Closed, nothing changes.
    net.set_gate(Gate::Off).unwrap();
    net.step(None).unwrap();
    assert_eq!(net.afferents().unwrap().weights(), v);
}

#[test]
fn bars_are_learned_while_the_sequence_goes_on() {
    let experiment =
        BarsExperiment { duration: 60_000.0, test_duration: 10_000.0, ..BarsExperiment::default() };
    let reports = experiment.run_all(&[0, 1]).unwrap();
    for r in &reports {
        println!(
            "seed {}: cosine {:.2} -> {:.2}, {} distinct, {} transitions, dwell {:.0}, influenced {:.2}, S {:.3}, I {:.3} bits (control {:.3})",
            r.seed,
            r.untrained.mean_cosine,
            r.learned.mean_cosine,
            r.learned.distinct,
            r.learning.sequence.transitions(),
            r.learning.sequence.mean_dwell(),
            r.learning.influenced_share(),
            r.learning.mean_signal,
            r.information_bits,
            r.information_control_bits,
        );
        assert!(r.learned.mean_cosine > r.untrained.mean_cosine + 0.05);
        assert!(r.learning.sequence.transitions() > 600);
        assert!(r.learning.silent_since.is_none());
    }
    // One seed alone gives what it gave beside another.
    assert_eq!(experiment.run(1).unwrap().fields, reports[1].fields);
}

#[test]
fn weak_input_leaves_the_sequence_alone_and_strong_input_ends_it() {
    let run = |scale: f64| {
        let p = AfferentParams { initial_max: 0.05 * scale, gate: Gate::Off, ..AfferentParams::default() };
        let mut net = ring(DhanParams::default(), 3).with_afferents(p, 3).unwrap();
        let trace = net.run(20_000.0, &mut BarsStimulus::new(5, 0.1, 100.0, 3).unwrap()).unwrap();
        (trace, net.activity().iter().filter(|x| **x > 0.8).count())
    };
    let ((none, _), (weak, _), (strong, active)) = (run(0.0), run(0.2), run(20.0));
    let alone = ring(DhanParams::default(), 3).run(20_000.0, &mut NoInput).unwrap();
    assert_eq!(none.sequence, alone.sequence, "input of no strength is no input");
    assert_eq!(none.influenced_share(), 0.0);
    let change = weak.sequence.mean_dwell() / alone.sequence.mean_dwell() - 1.0;
    println!(
        "v <= 0.01: dwell {:+.1} %, {:.2} of the transitions influenced",
        100.0 * change,
        weak.influenced_share()
    );
    assert!(change.abs() < 0.15 && weak.sequence.regularity() > 0.85);
    assert!(weak.influenced_share() > 0.3, "it has a say all the same");
    // Far stronger than the inhibition, all sites become active, drain their reservoirs and silence nobody any more.
    assert!(strong.sequence.transitions() < none.sequence.transitions() / 10);
    assert!(active > 20, "{active}");
}

#[test]
fn links_that_learn_keep_their_sum_and_the_sequence() {
    let p = DhanParams { link_spread: 0.3, ..DhanParams::default() };
    // Of the long-term weights: short-term ones come and go with each win.
    let active_sums = |net: &TransientNet| -> Vec<f64> {
        let links = net.links();
        let long = net.link_learning().unwrap().long();
        let mut w = Array2::<f64>::zeros((net.sites(), net.sites()));
        for i in 0..net.sites() {
            for k in links.offsets()[i]..links.offsets()[i + 1] {
                w[[i, links.sources()[k] as usize]] = long[k];
            }
        }
        net.cliques()
            .iter()
            .flat_map(|c| c.iter().map(|i| c.iter().map(|j| w[[*i, *j]]).sum::<f64>()).collect::<Vec<_>>())
            .collect()
    };
    let spread = |net: &TransientNet| numerics::summary::standard_deviation(&active_sums(net));
    let mut net = ring(p, 8).with_link_learning(LinkParams::default()).unwrap();
    let before = spread(&net);
    let trace = net.run(30_000.0, &mut NoInput).unwrap();
    let after = spread(&net);
    println!(
        "sd of active sums {before:.4} -> {after:.4}, {} transitions, dwell {:.0}",
        trace.sequence.transitions(),
        trace.sequence.mean_dwell()
    );
    assert!(after < 0.5 * before, "{before} {after}");
    assert!(trace.sequence.transitions() > 200 && trace.silent_since.is_none());
    assert!(net.links().weights().iter().all(|w| *w > 0.0 && *w < 0.4));
    let learning = net.link_learning().unwrap();
    assert!(learning.short().iter().all(|w| (0.0..=0.02).contains(w)));
    assert!(learning.short().iter().any(|w| *w > 0.001), "some clique was active a moment ago");
    // Symmetric links cannot learn site by site.
    let symmetric = ring(DhanParams { symmetric: true, ..DhanParams::default() }, 8);
    let w = symmetric.links().to_dense();
    assert!(w.indexed_iter().all(|((i, j), v)| *v == w[[j, i]]));
    assert!(symmetric.with_link_learning(LinkParams::default()).is_err());
}

#[test]
fn fields_match_bars_and_winners_tell_of_them() {
    let mut fields = Array2::zeros((3, 25));
    BarsStimulus::pixels(5, 7).into_iter().for_each(|q| fields[[0, q]] = 0.4);
    BarsStimulus::pixels(5, 2).into_iter().for_each(|q| fields[[1, q]] = 0.4);
    fields[[1, 0]] = -3.0;
    fields.row_mut(2).fill(1.0);
    let report = bar_matches(&fields.view(), 5).unwrap();
    assert_eq!((report.matches[0].bar, report.matches[1].bar), (7, 2));
    assert!((report.matches[0].cosine - 1.0).abs() < 1e-12 && (report.matches[1].cosine - 1.0).abs() < 1e-12);
    // 5 / (sqrt 5 * 5)
    assert!((report.matches[2].cosine - 1.0 / 5_f64.sqrt()).abs() < 1e-12);
    assert_eq!(report.distinct, 2);
    assert_eq!(bar_matches(&Array2::zeros((1, 25)).view(), 5).unwrap().mean_cosine, 0.0);
    assert!(
        bar_matches(&fields.view(), 4).is_err() && bar_matches(&Array2::zeros((0, 25)).view(), 5).is_err()
    );
    // The winner is the bar: one bit for each of two bars that exclude one another. Independent: none.
    let told = mutual_information_bits(
        &[0, 1, 0, 1],
        &[vec![true, false], vec![false, true], vec![true, false], vec![false, true]],
    );
    assert!((told.unwrap() - 2.0).abs() < 1e-12);
    let nothing = mutual_information_bits(&[0, 0, 1, 1], &[vec![true], vec![false], vec![true], vec![false]]);
    assert!(nothing.unwrap().abs() < 1e-12);
    assert!(mutual_information_bits(&[], &[]).is_err());
    assert!(mutual_information_bits(&[0], &[]).is_err());
    assert!(mutual_information_bits(&[0, 1], &[vec![true], vec![]]).is_err());
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let with = |p: AfferentParams| ring(DhanParams::default(), 0).with_afferents(p, 0);
    let p = AfferentParams::default;
    for bad in [
        AfferentParams { inputs: 0, ..p() },
        AfferentParams { initial_max: -0.1, ..p() },
        AfferentParams { rate: f64::NAN, ..p() },
        AfferentParams { target_inactive: f64::INFINITY, ..p() },
        AfferentParams { gate: Gate::Constant(1.5), ..p() },
        AfferentParams { unlearn_active: -1.0, ..p() },
        AfferentParams { silent_level: 2.0, ..p() },
    ] {
        assert!(with(bad.clone()).is_err(), "{bad:?}");
    }
    let mut net = with(p()).unwrap();
    assert!(net.step(Some(&[1.0; 24])).is_err());
    assert!(net.step(Some(&[f64::NAN; 25])).is_err());
    assert!(net.step(Some(&[1.5; 25])).is_err());
    assert!(net.run(10.0, &mut BarsStimulus::new(4, 0.1, 10.0, 0).unwrap()).is_err());
    assert!(
        ring(DhanParams::default(), 0).run(10.0, &mut BarsStimulus::new(5, 0.1, 10.0, 0).unwrap()).is_err()
    );
    assert!(net.run(10.0, &mut NoInput).is_ok());
    assert!(PatternStimulus::new(arr2(&[[0.5, 2.0]]), 1.0).is_err());
    assert!(PatternStimulus::new(Array2::zeros((0, 3)), 1.0).is_err());
    assert!(Afferents::from_weights(&arr2(&[[-0.1]]).view(), AfferentParams { inputs: 1, ..p() }).is_err());
    assert!(Afferents::from_weights(&arr2(&[[0.1]]).view(), p()).is_err());
    let one = Afferents::from_weights(&arr2(&[[0.1]]).view(), AfferentParams { inputs: 1, ..p() }).unwrap();
    assert!(ring(DhanParams::default(), 0).with_given_afferents(one).is_err());
    assert!(
        ring(DhanParams::default(), 0)
            .with_signal(SignalParams { transition: [0.9, 0.1], ..SignalParams::default() })
            .is_err()
    );
    assert!(
        ring(DhanParams::default(), 0)
            .with_link_learning(LinkParams { long_min: 0.0, ..LinkParams::default() })
            .is_err()
    );
    assert!(BarsExperiment { side: 0, ..BarsExperiment::default() }.run(0).is_err());
}
