//! What must hold for any network: threads, order, resumption, independence, step size.

#[path = "support/engine.rs"]
mod support;

use std::sync::Arc;

use proptest::prelude::*;
use snn::engine::plasticity::{
    DelayPlacement, Homeostasis, PairStdp, RewardStdp, SpinnakerStdp, TripletStdp, TsodyksMarkram,
    VogelsSprekeler,
};
use snn::engine::{
    AdEx, AdExIntegrator, AdaptiveThresholdLif, Config, Distribution, HodgkinHuxley, IafCondAlpha,
    IafCondExp, IafPscAlpha, IafPscDelta, IafPscExp, IfCurrExp, IntegrateFire, Izhikevich, LeakyAstrocyte,
    Network, NeuronModel, PoissonSource, Projection, Real, Rule, SpikeResponse, StepOrder, Stimulus, Synapse,
};

/// A network that uses every kind of projection, stimulus and plasticity.
fn everything<R: Real>(seed: u64, threads: usize) -> (Network<R>, Vec<Projection>) {
    let mut net = Network::<R>::new(Config { seed, threads, ..Config::default() }).unwrap();
    let lif = IafPscExp { tau_m_ms: Distribution::uniform(8.0, 20.0).into(), ..IafPscExp::default() };
    let e = net.population("E", lif, 60).unwrap();
    let i = net.population("I", IafPscAlpha::default(), 17).unwrap();
    let c = net.population("C", IafCondExp::default(), 9).unwrap();
    let d = net.population("D", IafPscDelta::default(), 11).unwrap();
    let input = net.population("in", PoissonSource::new(60.0), 30).unwrap();
    for p in [e, i, d] {
        net.set(p, "v", Distribution::uniform(-70.0, -56.0)).unwrap();
    }
    let drawn = || Distribution::normal(1.5, 0.75).redrawn(0.1, 9.0);
    let w = |mean: f64| Distribution::normal(mean, mean.abs() * 0.2);
    let mut all = vec![
        net.connect(e, e, Rule::bernoulli(0.2), Synapse::new(w(90.0)).delay(drawn()), "ex").unwrap(),
        net.connect(e, i, Rule::in_degree(20), Synapse::new(110.0).delay(0.4), "ex").unwrap(),
        net.connect(i, i, Rule::total(40), Synapse::new(w(-90.0)).delay(0.3), "in").unwrap(),
        net.connect(e, c, Rule::out_degree(2), Synapse::new(8.0).delay(drawn()), "ex").unwrap(),
        net.connect(e, d, Rule::bernoulli(0.3), Synapse::new(1.0).delay(1.0), "v").unwrap(),
    ];
    let depressing = TsodyksMarkram::default();
    all.push(
        net.connect_short_term(
            input,
            e,
            Rule::bernoulli(0.3),
            Synapse::new(300.0).delay(0.7),
            "ex",
            depressing,
        )
        .unwrap(),
    );
    let astrocyte = Arc::new(LeakyAstrocyte { half: 5.0, ..LeakyAstrocyte::default() });
    all.push(
        net.connect_with_astrocytes(
            input,
            i,
            Rule::bernoulli(0.3),
            Synapse::new(250.0),
            "ex",
            astrocyte,
            5.0,
        )
        .unwrap(),
    );
    let plastic = || Synapse::new(Distribution::uniform(0.0, 0.8)).delay(drawn());
    let rule = Rule::bernoulli(0.3);
    use DelayPlacement::{Axonal, Dendritic};
    all.push(
        net.connect_plastic(input, d, rule.clone(), plastic(), "v", PairStdp::default(), Axonal).unwrap(),
    );
    all.push(
        net.connect_plastic(e, d, rule.clone(), plastic(), "v", TripletStdp::default(), Dendritic).unwrap(),
    );
    all.push(
        net.connect_plastic(
            i,
            d,
            rule.clone(),
            plastic().delay(0.5),
            "v",
            SpinnakerStdp::default(),
            Dendritic,
        )
        .unwrap(),
    );
    let inhibitory = VogelsSprekeler { eta: 5.0, negative: true, ..VogelsSprekeler::default() };
    let synapse = Synapse::new(-20.0).delay(0.8);
    let vogels = net.connect_plastic(i, e, Rule::bernoulli(0.5), synapse, "in", inhibitory, Axonal).unwrap();
    net.regulate(
        vogels,
        Homeostasis::Scaling { target_hz: 20.0, eta: 0.01, tau_ms: 50.0, interval_ms: 10.0 },
    )
    .unwrap();
    all.push(vogels);
    all.push(net.connect_plastic(e, d, rule, plastic(), "v", RewardStdp::default(), Axonal).unwrap());
    net.stimulate(e, Stimulus::poisson(9000.0, 50.0, 1.0, "ex")).unwrap();
    net.stimulate(e, Stimulus::OrnsteinUhlenbeck { mean: 50.0, sd: 80.0, tau_ms: 3.0 }).unwrap();
    net.stimulate_neurons(i, &[0, 5, 16], Stimulus::dc(380.0)).unwrap();
    net.stimulate(c, Stimulus::poisson(2000.0, 6.0, 1.0, "ex")).unwrap();
    net.stimulate(d, Stimulus::Current { steps: vec![(0.0, 330.0), (30.0, 400.0)] }).unwrap();
    net.lesion(e, &[3, 40]).unwrap();
    net.record_spikes(&[e, i, c, d, input]).unwrap();
    (net, all)
}

/// Spikes, potentials and weights, to the last bit.
fn outcome<R: Real>(net: &Network<R>, projections: &[Projection]) -> (Vec<(i64, u32)>, Vec<u64>) {
    let mut spikes = Vec::new();
    let mut bits = Vec::new();
    for p in net.all() {
        spikes.extend(net.spikes_of(p).unwrap());
        if let Ok(v) = net.get(p, "v") {
            bits.extend(v.iter().map(|x| x.to_bits()));
        }
    }
    for p in projections {
        bits.extend(net.synapse_table(*p).unwrap().weight.iter().map(|x| x.to_bits()));
    }
    (spikes, bits)
}

fn run_parts<R: Real>(seed: u64, threads: usize, parts: &[f64]) -> (Vec<(i64, u32)>, Vec<u64>) {
    let (mut net, projections) = everything::<R>(seed, threads);
    for (at, part) in parts.iter().enumerate() {
        net.run(*part).unwrap();
        if at == 0 {
            net.reward(*projections.last().unwrap(), 0.02).unwrap();
        }
    }
    outcome(&net, &projections)
}

#[test]
fn threads_change_nothing() {
    let one = run_parts::<f64>(1, 1, &[20.0, 60.0]);
    assert!(one.0.len() > 500, "{}", one.0.len());
    for threads in [2, 3, 4] {
        assert!(run_parts::<f64>(1, threads, &[20.0, 60.0]) == one, "{threads} threads");
    }
    let single = run_parts::<f32>(1, 1, &[20.0, 60.0]);
    assert!(run_parts::<f32>(1, 2, &[20.0, 60.0]) == single);
    assert!(run_parts::<f64>(2, 1, &[20.0, 60.0]) != one);
}

#[test]
fn a_run_in_parts_is_the_whole_run() {
    let whole = run_parts::<f64>(3, 2, &[20.0, 61.0]);
    assert!(run_parts::<f64>(3, 2, &[20.0, 0.1, 13.3, 0.0, 47.6]) == whole);
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_and_foreign_states_are_refused() {
    for threads in [1, 2] {
        let (mut whole, projections) = everything::<f64>(4, threads);
        whole.run(25.7).unwrap();
        whole.reward(*projections.last().unwrap(), 0.02).unwrap();
        let state = whole.save().unwrap();
        whole.clear_recordings();
        whole.run(40.0).unwrap();
        let (mut resumed, same) = everything::<f64>(4, threads);
        resumed.restore(&state).unwrap();
        assert!((resumed.time_ms() - 25.7).abs() < 1e-9);
        resumed.run(40.0).unwrap();
        assert!(outcome(&resumed, &same) == outcome(&whole, &projections));
        assert_eq!(resumed.save().unwrap(), whole.save().unwrap());
        // Another seed, another size of state, damage.
        assert!(everything::<f64>(5, threads).0.restore(&state).is_err());
        assert!(everything::<f32>(4, threads).0.restore(&state).is_err());
        assert!(everything::<f64>(4, threads + 1).0.restore(&state).is_err());
        let mut foreign = Network::<f64>::new(Config::default()).unwrap();
        foreign.population("E", IafPscExp::default(), 60).unwrap();
        assert!(foreign.restore(&state).is_err());
        for cut in [0, 10, 40, state.len() / 2, state.len() - 1] {
            assert!(resumed.restore(&state[..cut]).is_err(), "{cut}");
        }
        let mut damaged = state.clone();
        damaged[state.len() / 3] ^= 1;
        assert!(resumed.restore(&damaged).is_err());
    }
}

#[test]
fn zero_weights_leave_independent_neurons() {
    let build = |weight: f64| {
        let mut net = Network::<f64>::new(Config::default()).unwrap();
        let p = net.population("P", IafPscExp::default(), 40).unwrap();
        net.set(p, "v", Distribution::uniform(-70.0, -55.0)).unwrap();
        net.connect(p, p, Rule::bernoulli(0.5), Synapse::new(weight).delay(1.0), "ex").unwrap();
        net.stimulate(p, Stimulus::poisson(8000.0, 60.0, 1.0, "ex")).unwrap();
        net.record_spikes(&[p]).unwrap();
        net.run(300.0).unwrap();
        net.spikes_of(p).unwrap()
    };
    let mut alone = Network::<f64>::new(Config::default()).unwrap();
    let p = alone.population("P", IafPscExp::default(), 40).unwrap();
    alone.set(p, "v", Distribution::uniform(-70.0, -55.0)).unwrap();
    alone.stimulate(p, Stimulus::poisson(8000.0, 60.0, 1.0, "ex")).unwrap();
    alone.record_spikes(&[p]).unwrap();
    alone.run(300.0).unwrap();
    let alone = alone.spikes_of(p).unwrap();
    assert!(alone.len() > 100, "{}", alone.len());
    assert_eq!(build(0.0), alone);
    assert_ne!(build(100.0), alone);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn permuting_neurons_permutes_spikes(seed in 0_u64..1000, delays in prop::collection::vec(1_u32..30, 200)) {
        use rand::RngExt;
        let n = 25_usize;
        let mut rng = numerics::rng::stream(seed, "test", 0);
        let order = numerics::rng::permutation(&mut rng, n);
        let v0: Vec<f64> = (0..n).map(|_| -70.0 + 15.0 * rng.random::<f64>()).collect();
        let drive: Vec<f64> = (0..n).map(|_| 380.0 + 100.0 * rng.random::<f64>()).collect();
        let pairs: Vec<(u32, u32)> =
            delays.iter().map(|_| (rng.random_range(0..n as u32), rng.random_range(0..n as u32))).collect();
        let weights: Vec<f64> = pairs.iter().map(|_| 400.0 * (rng.random::<f64>() - 0.4)).collect();
        let delays: Vec<f64> = delays.iter().map(|d| f64::from(*d) * 0.1).collect();
        let spikes = |place: &dyn Fn(usize) -> usize| {
            let mut net = Network::<f64>::new(Config::default()).unwrap();
            let (mut v, mut i) = (vec![0.0; n], vec![0.0; n]);
            for k in 0..n {
                (v[place(k)], i[place(k)]) = (v0[k], drive[k]);
            }
            let p = net.population("P", IafPscExp { i_e_pa: i.into(), ..IafPscExp::default() }, n).unwrap();
            net.set(p, "v", v).unwrap();
            let moved = pairs.iter().map(|(a, b)| (place(*a as usize) as u32, place(*b as usize) as u32)).collect();
            let synapse = Synapse::new(weights.clone()).delay(delays.clone());
            net.connect(p, p, Rule::Pairs(moved), synapse, "ex").unwrap();
            net.record_spikes(&[p]).unwrap();
            net.run(80.0).unwrap();
            net.spikes_of(p).unwrap()
        };
        let mut straight: Vec<(i64, usize)> =
            spikes(&|k| k).into_iter().map(|(step, k)| (step, order[k as usize])).collect();
        straight.sort_unstable();
        let permuted: Vec<(i64, usize)> =
            spikes(&|k| order[k]).into_iter().map(|(step, k)| (step, k as usize)).collect();
        prop_assert!(!straight.is_empty());
        prop_assert_eq!(straight, permuted);
    }
}

/// Potential of one neuron under a constant current, every 0.2 ms, from a start off rest.
fn trace(
    model: &dyn NeuronModel<f64>,
    start: f64,
    dt_ms: f64,
    every_ms: f64,
    ms: f64,
    order: StepOrder,
) -> Vec<f64> {
    let mut net = Network::<f64>::new(Config { dt_ms, order, ..Config::default() }).unwrap();
    let p = net.population_of("P", model, 1).unwrap();
    net.set(p, "v", start).unwrap();
    let tap = net.record_state(p, &["v"], &[0], every_ms).unwrap();
    net.run(ms).unwrap();
    net.state(tap, "v").unwrap().values().column(0).to_vec()
}

#[test]
fn exact_models_do_not_depend_on_the_step() {
    let below: [(&str, Box<dyn NeuronModel<f64>>); 5] = [
        ("exp", Box::new(IafPscExp { i_e_pa: 300.0.into(), ..IafPscExp::default() })),
        ("alpha", Box::new(IafPscAlpha { i_e_pa: 300.0.into(), ..IafPscAlpha::default() })),
        ("delta", Box::new(IafPscDelta { i_e_pa: 300.0.into(), ..IafPscDelta::default() })),
        (
            "threshold",
            Box::new(AdaptiveThresholdLif { i_e_pa: 300.0.into(), ..AdaptiveThresholdLif::default() }),
        ),
        (
            "integrator",
            Box::new(IntegrateFire { i_e_pa: 1.0.into(), v_reset_mv: (-99.0).into(), ..Default::default() }),
        ),
    ];
    for (name, model) in &below {
        let coarse = trace(model.as_ref(), -66.0, 0.2, 0.2, 50.0, StepOrder::Nest);
        let fine = trace(model.as_ref(), -66.0, 0.1, 0.2, 50.0, StepOrder::Nest);
        assert_eq!(coarse.len(), fine.len());
        let gap = coarse.iter().zip(&fine).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: {gap:.1e}, {} to {}", coarse[0], coarse[coarse.len() - 1]);
        assert!(gap < 1e-12, "{name}: {gap}");
        assert!((coarse[0] - coarse[coarse.len() - 1]).abs() > 1e-3, "{name} does not move");
    }
}

#[test]
fn halving_the_step_converges_at_the_stated_order() {
    // Greatest error over 4 ms against a step 64 times finer.
    let order = |model: &dyn NeuronModel<f64>, start: f64, dt: f64| {
        let run = |dt: f64| trace(model, start, dt, 0.4, 4.0, StepOrder::Nest);
        let exact = run(dt / 64.0);
        let error = |dt: f64| run(dt).iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        (error(dt) / error(dt / 2.0)).log2()
    };
    let integrator = AdExIntegrator::Rk4 { sub_steps: 1 };
    let adex = AdEx { i_e_pa: 300.0.into(), integrator, ..AdEx::default() };
    let order_of_adex = order(&adex, -60.0, 0.2);
    assert!((3.5..4.6).contains(&order_of_adex), "{order_of_adex}");
    // In its rest the neuron's Euler steps contract: a start above it shows the first order.
    let izhikevich = Izhikevich { i_e: 2.0.into(), ..Izhikevich::default() };
    let order_of_euler = order(&izhikevich, -60.0, 0.2);
    assert!((0.8..1.3).contains(&order_of_euler), "{order_of_euler}");
    let traub = HodgkinHuxley { sub_step_ms: 1.0, e_l_mv: (-70.0).into(), ..HodgkinHuxley::default() };
    let order_of_traub = order(&traub, -62.0, 0.05);
    assert!((3.3..5.0).contains(&order_of_traub), "{order_of_traub}");
}

#[test]
fn every_model_fires_under_drive_and_not_without_and_in_both_precisions() {
    fn count<R: Real>(model: &dyn NeuronModel<R>, current: f64, order: StepOrder) -> u64 {
        let mut net = Network::<R>::new(Config { order, ..Config::default() }).unwrap();
        let p = net.population_of("P", model, 70).unwrap();
        if current > 0.0 {
            net.stimulate(p, Stimulus::dc(current)).unwrap();
        }
        net.run(200.0).unwrap();
        net.spike_count(p).unwrap()
    }
    macro_rules! check {
        ($model:expr, $current:expr, $order:expr) => {{
            let double = count::<f64>(&$model, $current, $order);
            let single = count::<f32>(&$model, $current, $order);
            println!("{}: {double} {single}", NeuronModel::<f64>::name(&$model));
            assert_eq!(count::<f64>(&$model, 0.0, $order), 0);
            assert!(double >= 70 && double.abs_diff(single) * 20 <= double, "{double} {single}");
        }};
    }
    check!(IafPscExp::default(), 500.0, StepOrder::Nest);
    check!(IafPscAlpha::default(), 500.0, StepOrder::Nest);
    check!(IafPscDelta::default(), 500.0, StepOrder::Nest);
    check!(IafCondExp::default(), 400.0, StepOrder::Nest);
    check!(IafCondAlpha::default(), 400.0, StepOrder::Nest);
    check!(AdEx::default(), 1000.0, StepOrder::Nest);
    check!(Izhikevich::default(), 10.0, StepOrder::Nest);
    check!(HodgkinHuxley { e_l_mv: (-70.0).into(), ..HodgkinHuxley::default() }, 500.0, StepOrder::Nest);
    check!(AdaptiveThresholdLif::default(), 500.0, StepOrder::Nest);
    check!(IntegrateFire::default(), 10.0, StepOrder::Nest);
    check!(IfCurrExp::default(), 1.0, StepOrder::SpiNNaker);
    // The spike response model takes no current: spikes drive it.
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let p = net.population("P", SpikeResponse::default(), 5).unwrap();
    assert!(net.stimulate(p, Stimulus::dc(1.0)).is_err());
    net.stimulate(p, Stimulus::poisson(1000.0, 0.3, 1.0, "psp")).unwrap();
    net.run(200.0).unwrap();
    assert!(net.spike_count(p).unwrap() > 5);
}

#[test]
fn both_coordinates_of_exponential_currents_are_one_neuron() {
    // A current of 0 rules the lazy coordinates out: the same network in both.
    let run = |lazy: bool| {
        let mut net = Network::<f64>::new(Config::default()).unwrap();
        let model = IafPscExp { i_e_pa: 420.0.into(), tau_syn_in_ms: 5.0.into(), ..IafPscExp::default() };
        let p = net.population("P", model, 150).unwrap();
        net.set(p, "v", Distribution::uniform(-70.0, -56.0)).unwrap();
        net.set(p, "i_ex", Distribution::uniform(0.0, 50.0)).unwrap();
        net.connect(p, p, Rule::bernoulli(0.1), Synapse::new(30.0).delay(0.3), "ex").unwrap();
        net.connect(
            p,
            p,
            Rule::bernoulli(0.1),
            Synapse::new(Distribution::uniform(-60.0, 0.0)).delay(0.2),
            "in",
        )
        .unwrap();
        if !lazy {
            net.stimulate(p, Stimulus::dc(0.0)).unwrap();
        }
        net.record_spikes(&[p]).unwrap();
        let all: Vec<u32> = (0..150).collect();
        let tap = net.record_state(p, &["v", "i_ex", "i_in"], &all, 0.1).unwrap();
        net.run(300.0).unwrap();
        let state = |v: &str| net.state(tap, v).unwrap().values().clone();
        (net.spikes_of(p).unwrap(), [state("v"), state("i_ex"), state("i_in")])
    };
    let (lazy, plain) = (run(true), run(false));
    assert!(lazy.0.len() > 1000, "{}", lazy.0.len());
    assert_eq!(lazy.0, plain.0);
    let mut differ = false;
    for (a, b) in lazy.1.iter().zip(&plain.1) {
        let gap = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        differ |= gap > 0.0;
        assert!(gap < 1e-9, "{gap}");
    }
    // Were they equal to the last bit, the second network would not have taken the other way.
    assert!(differ);
}

#[test]
fn synapses_without_delay_arrive_at_the_end_of_their_step() {
    let rise = |synapse: Synapse| {
        let mut net = Network::<f64>::new(Config::default()).unwrap();
        let s = net.population("S", snn::engine::SpikeSource::new(vec![vec![1.0]]), 1).unwrap();
        let p = net.population("P", IafPscExp::default(), 1).unwrap();
        net.connect(s, p, Rule::OneToOne, synapse, "ex").unwrap();
        let tap = net.record_state(p, &["v"], &[0], 0.1).unwrap();
        net.run(3.0).unwrap();
        let v = net.state(tap, "v").unwrap();
        v.values().column(0).iter().position(|v| *v > -70.0).unwrap()
    };
    // A spike of step 9 (stamped 1.0 ms): the potential first moves in the step after its arrival.
    assert_eq!(rise(Synapse::new(100.0).without_delay()), 10);
    assert_eq!(rise(Synapse::new(100.0).delay(0.1)), 11);
    assert_eq!(rise(Synapse::new(100.0).delay(0.5)), 15);
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let p = net.population("P", IafPscDelta::default(), 1).unwrap();
    assert!(net.connect(p, p, Rule::OneToOne, Synapse::new(1.0).without_delay(), "v").is_err());
}
