//! Plasticity beyond the golden cases: conventions of delays, closed forms, regulation, reward, astrocytes, lesions.

use std::sync::Arc;

use recordings::{Members, ModelIdentity, NeuronSet};
use snn::engine::plasticity::{
    DelayPlacement, Event, Fixed, Homeostasis, PairStdp, Plasticity, RewardStdp, SpinnakerStdp, Trace,
    VogelsSprekeler,
};
use snn::engine::{
    AdaptiveThresholdLif, Astrocyte, Config, IafPscExp, IfCurrExp, LeakyAstrocyte, Network, PoissonSource,
    Rule, SpikeSource, StepOrder, Stimulus, Synapse,
};

/// Weight of one synapse after spikes at these times (ms, in the NEST stamp) under a rule.
fn weight<P: Plasticity<f64>>(
    rule: P,
    placement: DelayPlacement,
    delay_ms: f64,
    dt_ms: f64,
    pre: &[f64],
    post: &[f64],
    start: f64,
) -> f64 {
    let mut net = Network::<f64>::new(Config { dt_ms, ..Config::default() }).unwrap();
    let a = net.population("pre", SpikeSource::new(vec![pre.to_vec()]), 1).unwrap();
    let b = net.population("post", SpikeSource::new(vec![post.to_vec()]), 1).unwrap();
    let synapse = Synapse::new(start).delay(delay_ms);
    let p = net.connect_plastic(a, b, Rule::OneToOne, synapse, "sink", rule, placement).unwrap();
    net.run(100.0).unwrap();
    net.synapse_table(p).unwrap().weight[0]
}

#[test]
fn single_pairs_follow_the_closed_form_of_each_placement() {
    let rule = PairStdp::default();
    for gap in -8..=8 {
        let (pre, post) = (40.0, 40.0 + f64::from(gap));
        for (placement, delay) in [(DelayPlacement::Axonal, 1.5), (DelayPlacement::Dendritic, 1.5)] {
            // Time difference at the synapse.
            let dt = match placement {
                DelayPlacement::Axonal => post - pre - delay,
                DelayPlacement::Dendritic => post + delay - pre,
            };
            let expected = if dt >= 0.0 { 0.01 * (-dt / 20.0).exp() } else { -0.0105 * (dt / 20.0).exp() };
            let got = weight(rule, placement, delay, 0.1, &[pre], &[post], 0.5) - 0.5;
            assert!((got - expected).abs() < 1e-12, "{placement:?} {gap}: {got} {expected}");
        }
    }
}

#[test]
fn spinnaker_pairs_follow_their_closed_form() {
    let rule = SpinnakerStdp { a_plus: 0.5, a_minus: 0.7, ..SpinnakerStdp::default() };
    for gap in -8..=8_i32 {
        // A second presynaptic spike far away reads the weight that potentiation left.
        let post = 40.0 + f64::from(gap);
        let got = weight(rule, DelayPlacement::Dendritic, 1.0, 1.0, &[40.0], &[post], 3.0) - 3.0;
        let dt = f64::from(gap) + 1.0;
        let expected = if dt > 0.0 { 0.5 * (-dt / 3.0).exp() } else { -0.7 * (dt / 3.0).exp() };
        assert!((got - expected).abs() < 1e-12, "{gap}: {got} {expected}");
    }
    // The machine's weight is the one of the last presynaptic spike: later potentiation is pending.
    let mut net = Network::<f64>::new(Config { dt_ms: 1.0, ..Config::default() }).unwrap();
    let a = net.population("pre", SpikeSource::new(vec![vec![10.0, 60.0]]), 1).unwrap();
    let b = net.population("post", SpikeSource::new(vec![vec![12.0]]), 1).unwrap();
    let synapse = Synapse::new(3.0).delay(1.0);
    let p =
        net.connect_plastic(a, b, Rule::OneToOne, synapse, "sink", rule, DelayPlacement::Dendritic).unwrap();
    net.run(30.0).unwrap();
    assert_eq!(net.synapse_variable(p, 0).unwrap().weight, [3.0]);
    let potentiated = net.synapse_table(p).unwrap().weight[0];
    assert!((potentiated - 3.0 - 0.5 * (-1.0_f64).exp()).abs() < 1e-12);
    net.run(50.0).unwrap();
    let after = net.synapse_table(p).unwrap().weight;
    assert_eq!(net.synapse_variable(p, 0).unwrap().weight, after);
    assert!(after[0] < potentiated);
}

#[test]
fn heterogeneous_delays_give_each_synapse_what_it_would_have_alone() {
    let rule = PairStdp { a_plus: 0.05, a_minus: 0.04, ..PairStdp::default() };
    let pre: Vec<f64> =
        (0..12).map(|k| 3.0 + 7.3 * f64::from(k)).map(|t| (t * 10.0_f64).round() / 10.0).collect();
    let post: Vec<f64> =
        (0..15).map(|k| 1.0 + 5.9 * f64::from(k)).map(|t| (t * 10.0_f64).round() / 10.0).collect();
    let delays = [0.3, 2.0, 0.1, 4.4, 2.0];
    for placement in [DelayPlacement::Axonal, DelayPlacement::Dendritic] {
        for threads in [1, 2] {
            let mut net = Network::<f64>::new(Config { threads, ..Config::default() }).unwrap();
            let a = net.population("pre", SpikeSource::new(vec![pre.clone()]), 1).unwrap();
            let b = net.population("post", SpikeSource::new(vec![post.clone(); 5]), 5).unwrap();
            let pairs = Rule::Pairs((0..5).map(|j| (0, j)).collect());
            let synapse = Synapse::new(0.5).delay(delays.to_vec());
            let p = net.connect_plastic(a, b, pairs, synapse, "sink", rule, placement).unwrap();
            net.run(100.0).unwrap();
            let table = net.synapse_table(p).unwrap();
            assert_eq!(table.delay_steps, [1, 3, 20, 20, 44]);
            for (target, w) in table.target.iter().zip(&table.weight) {
                let alone = weight(rule, placement, delays[*target as usize], 0.1, &pre, &post, 0.5);
                assert!((w - alone).abs() < 1e-14, "{placement:?} {target}: {w} {alone}");
                assert!((alone - 0.5).abs() > 1e-3);
            }
        }
    }
}

#[test]
fn rewards_turn_eligibility_into_weight() {
    // One pair at 20 and 25 ms (delay 0.1), a reward at 50 ms: c(50) = A e^{-4.9/20} e^{-25/1000}.
    let rule = RewardStdp { tau_eligibility_ms: 1000.0, tau_reward_ms: 200.0, ..RewardStdp::default() };
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let a = net.population("pre", SpikeSource::new(vec![vec![20.0]]), 1).unwrap();
    let b = net.population("post", SpikeSource::new(vec![vec![25.0]]), 1).unwrap();
    let synapse = Synapse::new(0.5).delay(0.1);
    let p = net.connect_plastic(a, b, Rule::OneToOne, synapse, "sink", rule, DelayPlacement::Axonal).unwrap();
    net.run(50.0).unwrap();
    assert_eq!(net.synapse_table(p).unwrap().weight, [0.5]);
    net.reward(p, 0.01).unwrap();
    net.run(30.0).unwrap();
    // The pair was at the end of step 249, 24.9 ms after the start.
    let c = 0.01 * (-4.9_f64 / 20.0).exp() * (-(50.0 - 24.9) / 1000.0_f64).exp();
    let tau = 1.0 / (1.0 / 1000.0 + 1.0 / 200.0);
    let gained = c * 0.01 * tau * (1.0 - (-30.0 / tau).exp());
    let got = net.synapse_table(p).unwrap().weight[0] - 0.5;
    assert!((got / gained - 1.0).abs() < 1e-9, "{got} {gained}");
    let left = net.synapse_variable(p, 0).unwrap().weight[0];
    assert!((left / (c * (-0.03_f64).exp()) - 1.0).abs() < 1e-9);
}

#[test]
fn regulation_reaches_its_targets() {
    let drive = |homeostasis: Homeostasis, weight: f64| {
        let mut net = Network::<f64>::new(Config::default()).unwrap();
        let input = net.population("in", PoissonSource::new(20.0), 100).unwrap();
        let p = net.population("P", IafPscExp::default(), 10).unwrap();
        let synapse = Synapse::new(weight).delay(1.0);
        let s = net
            .connect_plastic(input, p, Rule::all_to_all(), synapse, "ex", Fixed, DelayPlacement::Axonal)
            .unwrap();
        net.regulate(s, homeostasis).unwrap();
        net.run(20_000.0).unwrap();
        let before = net.spike_count(p).unwrap();
        net.run(4000.0).unwrap();
        let rate = (net.spike_count(p).unwrap() - before) as f64 / 10.0 / 4.0;
        (rate, net.synapse_table(s).unwrap().weight)
    };
    let scaling = Homeostasis::Scaling { target_hz: 12.0, eta: 0.02, tau_ms: 200.0, interval_ms: 50.0 };
    for weight in [40.0, 250.0] {
        let (rate, _) = drive(scaling, weight);
        println!("scaling from {weight} pA: {rate} Hz");
        assert!((rate - 12.0).abs() < 2.0, "{weight}: {rate}");
    }
    let (_, weights) = drive(Homeostasis::Normalise { total: 9000.0, interval_ms: 10.0 }, 60.0);
    assert!(weights.iter().all(|w| (w - 90.0).abs() < 1e-9));
    // Intrinsic: the threshold finds the rate.
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let model = AdaptiveThresholdLif {
        theta_jump_mv: 0.0.into(),
        target_rate_hz: 15.0.into(),
        homeostatic_rate_mv: 0.1.into(),
        ..AdaptiveThresholdLif::default()
    };
    let p = net.population("P", model, 20).unwrap();
    net.stimulate(p, Stimulus::poisson(8000.0, 40.0, 1.0, "ex")).unwrap();
    net.run(15_000.0).unwrap();
    let before = net.spike_count(p).unwrap();
    net.run(4000.0).unwrap();
    let rate = (net.spike_count(p).unwrap() - before) as f64 / 20.0 / 4.0;
    assert!((rate - 15.0).abs() < 1.5, "{rate}");
}

#[test]
fn inhibitory_plasticity_holds_the_rate() {
    let rule = VogelsSprekeler {
        eta: 4.0,
        target_hz: 8.0,
        w_max: 2000.0,
        negative: true,
        ..VogelsSprekeler::default()
    };
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let input = net.population("in", PoissonSource::new(20.0), 80).unwrap();
    let p = net.population("P", IafPscExp::default(), 10).unwrap();
    net.stimulate(p, Stimulus::poisson(9000.0, 60.0, 1.0, "ex")).unwrap();
    let synapse = Synapse::new(-1.0).delay(1.0);
    let placement = DelayPlacement::Axonal;
    let s = net.connect_plastic(input, p, Rule::all_to_all(), synapse, "in", rule, placement).unwrap();
    net.run(100.0).unwrap();
    let free = net.spike_count(p).unwrap() as f64 / 10.0 / 0.1;
    net.run(8000.0).unwrap();
    let before = net.spike_count(p).unwrap();
    net.run(4000.0).unwrap();
    let rate = (net.spike_count(p).unwrap() - before) as f64 / 10.0 / 4.0;
    println!("Vogels-Sprekeler: {free} to {rate} Hz");
    assert!(free > 20.0 && (rate - 8.0).abs() < 2.0, "{free} {rate}");
    assert!(net.synapse_table(s).unwrap().weight.iter().all(|w| *w <= 0.0));
    net.freeze(s, true).unwrap();
    let frozen = net.synapse_table(s).unwrap();
    net.run(200.0).unwrap();
    assert_eq!(net.synapse_table(s).unwrap(), frozen);
}

/// A user's rule: counts its events.
#[derive(Debug, Clone)]
struct Counting;

impl Plasticity<f64> for Counting {
    fn prepare(&mut self, _dt_ms: f64) -> snn::Result<()> {
        Ok(())
    }
    fn pre_traces(&self) -> Vec<Trace> {
        Vec::new()
    }
    fn post_traces(&self) -> Vec<Trace> {
        Vec::new()
    }
    fn variables(&self) -> usize {
        2
    }
    fn on_pre(&self, event: Event<'_, f64>) {
        event.variables[0] += 1.0;
    }
    fn on_post(&self, event: Event<'_, f64>) {
        event.variables[1] += 1.0;
    }
}

#[test]
fn rules_of_users_see_every_event_of_every_synapse_once() {
    for (placement, threads) in [
        (DelayPlacement::Axonal, 1),
        (DelayPlacement::Dendritic, 1),
        (DelayPlacement::Axonal, 3),
        (DelayPlacement::Dendritic, 3),
    ] {
        let mut net = Network::<f64>::new(Config { threads, ..Config::default() }).unwrap();
        let a = net.population("a", PoissonSource::new(100.0), 10).unwrap();
        let b = net.population("b", PoissonSource::new(70.0), 7).unwrap();
        let delays = snn::engine::Distribution::uniform(0.5, 3.0);
        let synapse = Synapse::new(1.0).delay(delays);
        let p = net.connect_plastic(a, b, Rule::all_to_all(), synapse, "sink", Counting, placement).unwrap();
        net.record_spikes(&[a, b]).unwrap();
        net.run(500.0).unwrap();
        let (pre, post) = (net.synapse_variable(p, 0).unwrap(), net.synapse_variable(p, 1).unwrap());
        let spikes = |population, neuron: u32, until: i64| {
            let all = net.spikes_of(population).unwrap();
            all.iter().filter(|(step, n)| *n == neuron && *step < until).count() as f64
        };
        for s in 0..pre.len() {
            // Events on their way at the end have not come yet.
            let late = 5000 - i64::from(pre.delay_steps[s]);
            let (on_pre, on_post) = match placement {
                DelayPlacement::Axonal => (late, 5000),
                DelayPlacement::Dendritic => (5000, late),
            };
            assert_eq!(pre.weight[s], spikes(a, pre.source[s], on_pre), "{placement:?}");
            assert_eq!(post.weight[s], spikes(b, post.target[s], on_post), "{placement:?}");
        }
    }
}

#[test]
fn astrocytes_scale_what_passes_their_synapses() {
    let steady = |astrocyte: Arc<dyn Astrocyte>| {
        let mut net = Network::<f64>::new(Config::default()).unwrap();
        let a = net.population("a", PoissonSource::new(200.0), 50).unwrap();
        let b = net.population("b", IafPscExp { v_th_mv: 1e3.into(), ..IafPscExp::default() }, 4).unwrap();
        let synapse = Synapse::new(10.0).delay(0.2);
        net.connect_with_astrocytes(a, b, Rule::all_to_all(), synapse, "ex", astrocyte, 10.0).unwrap();
        net.run(2000.0).unwrap();
        let tap: Vec<f64> = (0..200)
            .map(|_| {
                net.run(5.0).unwrap();
                net.get(b, "v").unwrap()[0] + 70.0
            })
            .collect();
        tap.iter().sum::<f64>() / 200.0
    };
    let plain = steady(Arc::new(LeakyAstrocyte { strength: 0.0, ..LeakyAstrocyte::default() }));
    // 10000 events a second: saturated.
    let more = steady(Arc::new(LeakyAstrocyte { strength: 0.5, ..LeakyAstrocyte::default() }));
    assert!((more / plain - 1.5).abs() < 0.01, "{plain} {more}");
    let bad = LeakyAstrocyte { tau_ms: 0.0, ..LeakyAstrocyte::default() };
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let p = net.population("P", IafPscExp::default(), 1).unwrap();
    let synapse = Synapse::new(1.0);
    assert!(net.connect_with_astrocytes(p, p, Rule::OneToOne, synapse, "ex", Arc::new(bad), 1.0).is_err());
}

#[test]
fn sets_of_neurons_are_silenced_and_driven_by_population() {
    let mut set = NeuronSet::new(ModelIdentity::default(), "test", 0);
    let members = |layer: &str, units: Vec<usize>| Members {
        site: layer.into(),
        layer: layer.into(),
        units,
        values: None,
    };
    set.sets.insert("mute".into(), vec![members("E", vec![1, 3]), members("I", vec![0])]);
    set.sets.insert("beyond".into(), vec![members("E", vec![9])]);
    let mut net = Network::<f64>::new(Config { threads: 2, ..Config::default() }).unwrap();
    let e = net.population("E", IafPscExp::default(), 5).unwrap();
    let i = net.population("I", IafPscExp::default(), 2).unwrap();
    for p in [e, i] {
        net.stimulate(p, Stimulus::dc(500.0)).unwrap();
    }
    assert!(net.lesion_set(&set, "beyond").is_err() && net.lesion_set(&set, "none").is_err());
    net.lesion_set(&set, "mute").unwrap();
    net.record_spikes(&[e, i]).unwrap();
    net.run(100.0).unwrap();
    let fired = |p| {
        let mut all: Vec<u32> = net.spikes_of(p).unwrap().iter().map(|(_, n)| *n).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert_eq!((fired(e), fired(i)), (vec![0, 2, 4], vec![1]));
    let trains = net.spikes().unwrap();
    assert_eq!(trains.population_names(), ["E", "I"]);
    assert!(trains.neurons().contains(&6) && !trains.neurons().contains(&5));
    let mut driven = Network::<f64>::new(Config::default()).unwrap();
    let e = driven.population("E", IafPscExp::default(), 5).unwrap();
    driven.population("I", IafPscExp::default(), 2).unwrap();
    driven.stimulate_set(&set, "mute", &Stimulus::dc(500.0)).unwrap();
    driven.record_spikes(&[e]).unwrap();
    driven.run(100.0).unwrap();
    assert!(driven.spikes_of(e).unwrap().iter().all(|(_, n)| [1, 3].contains(n)));
    assert!(driven.spike_count(e).unwrap() > 4);
}

#[test]
fn spinnaker_chains_advance_by_exactly_their_delays() {
    let mut net =
        Network::<f64>::new(Config { dt_ms: 1.0, order: StepOrder::SpiNNaker, ..Config::default() }).unwrap();
    let model = IfCurrExp {
        c_m_nf: 0.27.into(),
        tau_m_ms: 3.0.into(),
        v_rest_mv: (-60.0).into(),
        v_reset_mv: (-60.0).into(),
        v_th_mv: (-57.0).into(),
        t_ref_ms: 1.0.into(),
        tau_syn_ex_ms: 0.3.into(),
        tau_syn_in_ms: 0.3.into(),
        i_offset_na: 0.0.into(),
    };
    let input = net.population("in", SpikeSource::brian(vec![vec![5.0, 6.0, 7.0], vec![30.0]]), 2).unwrap();
    let a = net.population("A", model.clone(), 2).unwrap();
    let b = net.population("B", model.clone(), 2).unwrap();
    net.connect(input, a, Rule::OneToOne, Synapse::new(6.0).delay(1.0), "ex").unwrap();
    net.connect(a, b, Rule::OneToOne, Synapse::new(6.0).delay(2.0), "ex").unwrap();
    net.record_spikes(&[a, b]).unwrap();
    net.run(50.0).unwrap();
    // Driven at 5, 6, 7: fires twice, at 6 and 8.
    assert_eq!(net.spikes_of(a).unwrap(), [(6, 0), (8, 0), (31, 1)]);
    assert_eq!(net.spikes_of(b).unwrap(), [(8, 0), (10, 0), (33, 1)]);
    // Peak of 0.911 mV per nA: 3.294 nA fires from rest, a little less does not.
    for (weight, spikes) in [(3.294, 1), (3.29, 0)] {
        let mut net =
            Network::<f64>::new(Config { dt_ms: 1.0, order: StepOrder::SpiNNaker, ..Config::default() })
                .unwrap();
        let input = net.population("in", SpikeSource::brian(vec![vec![5.0]]), 1).unwrap();
        let a = net.population("A", model.clone(), 1).unwrap();
        net.connect(input, a, Rule::OneToOne, Synapse::new(weight).delay(1.0), "ex").unwrap();
        net.run(50.0).unwrap();
        assert_eq!(net.spike_count(a).unwrap(), spikes, "{weight}");
    }
}
