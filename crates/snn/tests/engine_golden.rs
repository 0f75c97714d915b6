//! Single neurons, synapses and a small network against NEST and Brian2.

#[path = "support/engine.rs"]
mod support;

use serde_json::Value;
use snn::engine::networks::{FixedNetwork, fixed};
use snn::engine::plasticity::{DelayPlacement, PairStdp, TripletStdp, TsodyksMarkram, WeightDependence};
use snn::engine::{
    AdEx, AdExIntegrator, ConductanceIntegrator, Config, IafCondAlpha, IafCondExp, IafPscAlpha, IafPscDelta,
    IafPscExp, Izhikevich, IzhikevichForm, Network, NeuronModel, RefractoryConvention, Rule, SpikeSource,
    Synapse,
};
use support::{arrays, document};

/// A number of a case's parameters.
fn number(case: &Value, name: &str) -> f64 {
    case["params"][name].as_f64().unwrap_or_else(|| panic!("{name} in {case}"))
}

/// A number with a default.
fn or(case: &Value, name: &str, default: f64) -> f64 {
    case["params"][name].as_f64().unwrap_or(default)
}

/// What a case gave: time stamps of the samples, each variable, spikes.
struct Run {
    traces: Vec<Vec<f64>>,
    spikes_ms: Vec<f64>,
}

/// Runs a neuron with the stimuli of a case; `ports` are those of positive and of negative weights.
fn run(
    case: &Value,
    model: &dyn NeuronModel<f64>,
    ports: [&str; 2],
    start: &[(&str, f64)],
    variables: &[&str],
) -> Run {
    let dt_ms = case["dt"].as_f64().unwrap();
    let mut net = Network::<f64>::new(Config { dt_ms, ..Config::default() }).unwrap();
    let neuron = net.population_of("neuron", model, 1).unwrap();
    for (name, value) in start {
        net.set(neuron, name, *value).unwrap();
    }
    let conductance = case["model"].as_str().unwrap().contains("cond");
    for (i, stimulus) in case["stim"].as_array().unwrap().iter().enumerate() {
        let times = stimulus["times"].as_array().unwrap().iter().map(|t| t.as_f64().unwrap()).collect();
        let source = net.population(&format!("source {i}"), SpikeSource::new(vec![times]), 1).unwrap();
        let weight = stimulus["weight"].as_f64().unwrap();
        let port = ports[usize::from(weight < 0.0)];
        let weight = if conductance { weight.abs() } else { weight };
        let synapse = Synapse::new(weight).delay(stimulus["delay"].as_f64().unwrap());
        net.connect(source, neuron, Rule::OneToOne, synapse, port).unwrap();
    }
    net.record_spikes(&[neuron]).unwrap();
    let tap = net.record_state(neuron, variables, &[0], dt_ms).unwrap();
    net.run(case["T"].as_f64().unwrap()).unwrap();
    let traces = variables.iter().map(|v| net.state(tap, v).unwrap().values().column(0).to_vec()).collect();
    let spikes_ms = net.spikes_of(neuron).unwrap().iter().map(|(k, _)| (*k + 1) as f64 * dt_ms).collect();
    Run { traces, spikes_ms }
}

/// Compares a run with the reference's traces; the greatest difference of each variable.
fn compare(name: &str, run: &Run, reference: &[&str]) -> Vec<f64> {
    let file = arrays("nest_single_neuron.npz");
    let samples = file.read_f64_1(&format!("{name}/t")).unwrap().len();
    // NEST's multimeter misses the last step.
    assert!(run.traces[0].len() >= samples && samples > 200, "{name}: {samples}");
    let gap = |trace: &Vec<f64>, key: &&str| {
        let reference = file.read_f64_1(&format!("{name}/{key}")).unwrap();
        trace.iter().zip(&reference).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    run.traces.iter().zip(reference).map(|(trace, key)| gap(trace, key)).collect()
}

fn same_spikes(name: &str, run: &Run, tolerance_ms: f64) {
    let reference = arrays("nest_single_neuron.npz").read_f64_1(&format!("{name}/spikes")).unwrap();
    assert_eq!(run.spikes_ms.len(), reference.len(), "{name}: {:?} {reference}", run.spikes_ms);
    for (a, b) in run.spikes_ms.iter().zip(&reference) {
        assert!((a - b).abs() <= tolerance_ms + 1e-9, "{name}: {a} {b}");
    }
}

#[test]
fn current_based_neurons_are_those_of_nest() {
    let cases = document("nest_single_neuron.json");
    for name in ["iaf_psc_exp", "iaf_psc_exp_dc"] {
        let case = &cases["cases"][name];
        let model = IafPscExp {
            c_m_pf: number(case, "C_m").into(),
            tau_m_ms: number(case, "tau_m").into(),
            e_l_mv: number(case, "E_L").into(),
            v_th_mv: number(case, "V_th").into(),
            v_reset_mv: number(case, "V_reset").into(),
            t_ref_ms: number(case, "t_ref").into(),
            tau_syn_ex_ms: number(case, "tau_syn_ex").into(),
            tau_syn_in_ms: number(case, "tau_syn_in").into(),
            i_e_pa: or(case, "I_e", 0.0).into(),
        };
        let start = [("v", number(case, "V_m"))];
        let ran = run(case, &model, ["ex", "in"], &start, &["v", "i_ex", "i_in"]);
        let keys: &[&str] = if name == "iaf_psc_exp" { &["V_m", "I_syn_ex", "I_syn_in"] } else { &["V_m"] };
        let gaps = compare(name, &ran, keys);
        println!("{name}: {gaps:?}, {} spikes", ran.spikes_ms.len());
        assert!(gaps.iter().all(|g| *g < 1e-9), "{name}: {gaps:?}");
        same_spikes(name, &ran, 0.0);
    }
    let case = &cases["cases"]["iaf_psc_alpha"];
    let model = IafPscAlpha {
        c_m_pf: number(case, "C_m").into(),
        tau_m_ms: number(case, "tau_m").into(),
        e_l_mv: number(case, "E_L").into(),
        v_th_mv: number(case, "V_th").into(),
        v_reset_mv: number(case, "V_reset").into(),
        t_ref_ms: number(case, "t_ref").into(),
        tau_syn_ex_ms: number(case, "tau_syn_ex").into(),
        tau_syn_in_ms: number(case, "tau_syn_in").into(),
        i_e_pa: 0.0.into(),
    };
    let ran = run(case, &model, ["ex", "in"], &[("v", 0.0)], &["v", "i_ex", "i_in"]);
    let gaps = compare("iaf_psc_alpha", &ran, &["V_m", "I_syn_ex", "I_syn_in"]);
    println!("iaf_psc_alpha: {gaps:?}, {} spikes", ran.spikes_ms.len());
    assert!(gaps.iter().all(|g| *g < 1e-9), "{gaps:?}");
    same_spikes("iaf_psc_alpha", &ran, 0.0);
    let case = &cases["cases"]["iaf_psc_delta"];
    let model = IafPscDelta {
        c_m_pf: number(case, "C_m").into(),
        tau_m_ms: number(case, "tau_m").into(),
        e_l_mv: number(case, "E_L").into(),
        v_th_mv: number(case, "V_th").into(),
        v_reset_mv: number(case, "V_reset").into(),
        t_ref_ms: number(case, "t_ref").into(),
        i_e_pa: 0.0.into(),
    };
    let ran = run(case, &model, ["v", "v"], &[("v", 0.0)], &["v"]);
    let gaps = compare("iaf_psc_delta", &ran, &["V_m"]);
    println!("iaf_psc_delta: {gaps:?}, {} spikes", ran.spikes_ms.len());
    assert!(gaps[0] < 1e-9, "{gaps:?}");
    same_spikes("iaf_psc_delta", &ran, 0.0);
}

#[test]
fn conductance_based_neurons_are_those_of_nest() {
    let cases = document("nest_single_neuron.json");
    macro_rules! case {
        ($name:literal, $model:ident) => {{
            let case = &cases["cases"][$name];
            let model = $model {
                c_m_pf: number(case, "C_m").into(),
                g_l_ns: number(case, "g_L").into(),
                e_l_mv: number(case, "E_L").into(),
                v_th_mv: number(case, "V_th").into(),
                v_reset_mv: number(case, "V_reset").into(),
                e_ex_mv: number(case, "E_ex").into(),
                e_in_mv: number(case, "E_in").into(),
                t_ref_ms: number(case, "t_ref").into(),
                tau_syn_ex_ms: number(case, "tau_syn_ex").into(),
                tau_syn_in_ms: number(case, "tau_syn_in").into(),
                i_e_pa: 0.0.into(),
                integrator: ConductanceIntegrator::default(),
            };
            let start = [("v", number(case, "V_m"))];
            let ran = run(case, &model, ["ex", "in"], &start, &["v", "g_ex", "g_in"]);
            let gaps = compare($name, &ran, &["V_m", "g_ex", "g_in"]);
            println!("{}: {gaps:?}, {} spikes", $name, ran.spikes_ms.len());
            assert!(gaps.iter().all(|g| *g < 1e-3), "{}: {gaps:?}", $name);
            same_spikes($name, &ran, 0.0);
        }};
    }
    case!("iaf_cond_exp", IafCondExp);
    case!("iaf_cond_alpha", IafCondAlpha);
}

#[test]
fn adaptive_exponential_neurons_are_those_of_nest() {
    let cases = document("nest_single_neuron.json");
    for integrator in [AdExIntegrator::Rk4 { sub_steps: 50 }, AdExIntegrator::Rkf45 { tolerance: 1e-9 }] {
        for name in ["aeif_bg2005", "aeif_tonic", "aeif_adapting", "aeif_bursting"] {
            let case = &cases["cases"][name];
            let model = AdEx {
                c_m_pf: number(case, "C_m").into(),
                g_l_ns: number(case, "g_L").into(),
                e_l_mv: number(case, "E_L").into(),
                v_t_mv: number(case, "V_th").into(),
                delta_t_mv: number(case, "Delta_T").into(),
                a_ns: number(case, "a").into(),
                b_pa: number(case, "b").into(),
                tau_w_ms: number(case, "tau_w").into(),
                v_reset_mv: number(case, "V_reset").into(),
                v_peak_mv: number(case, "V_peak").into(),
                t_ref_ms: number(case, "t_ref").into(),
                i_e_pa: number(case, "I_e").into(),
                integrator,
                ..AdEx::default()
            };
            let ran = run(case, &model, ["ex", "in"], &[("v", number(case, "V_m"))], &["v", "w"]);
            let file = arrays("nest_single_neuron.npz");
            let reference = file.read_f64_1(&format!("{name}/V_m")).unwrap();
            let first = file.read_f64_1(&format!("{name}/spikes")).unwrap()[0];
            let before = (first / 0.1).round() as usize - 2;
            let gaps = ran.traces[0].iter().zip(&reference).take(before).map(|(a, b)| (a - b).abs());
            let gap = gaps.fold(0.0, f64::max);
            println!("{name} {integrator:?}: {gap:.1e} before the first of {} spikes", ran.spikes_ms.len());
            assert!(gap < 1e-6, "{name}: {gap}");
            same_spikes(name, &ran, 0.1);
        }
    }
}

#[test]
fn izhikevich_neurons_are_those_of_nest() {
    let cases = document("nest_single_neuron.json");
    let mut count = 0;
    for (name, case) in cases["cases"].as_object().unwrap() {
        if !name.starts_with("izh_") {
            continue;
        }
        count += 1;
        let consistent = case["params"]["consistent_integration"].as_bool().unwrap();
        let model = Izhikevich {
            a: number(case, "a").into(),
            b: number(case, "b").into(),
            c_mv: number(case, "c").into(),
            d: number(case, "d").into(),
            v_th_mv: number(case, "V_th").into(),
            i_e: number(case, "I_e").into(),
            form: if consistent { IzhikevichForm::Consistent } else { IzhikevichForm::Original },
        };
        let start = [("v", number(case, "V_m")), ("u", number(case, "U_m"))];
        let ran = run(case, &model, ["v", "v"], &start, &["v", "u"]);
        let gaps = compare(name, &ran, &["V_m", "U_m"]);
        assert!(gaps.iter().all(|g| *g < 1e-9), "{name}: {gaps:?}");
        same_spikes(name, &ran, 0.0);
    }
    assert_eq!(count, 12);
}

/// Brian's monitor shows the state at the start of a step: sample `k` is ours after step `k - 1`.
fn brian_gap(ours: &[f64], start: f64, brian: ndarray::ArrayView1<'_, f64>) -> f64 {
    let shifted = std::iter::once(&start).chain(ours);
    shifted.zip(brian).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn a_leaky_neuron_and_a_conductance_neuron_are_those_of_brian() {
    let file = arrays("brian2_core.npz");
    let brian = Config { refractory: RefractoryConvention::Brian, ..Config::default() };
    let mut net = Network::<f64>::new(brian).unwrap();
    // R = tau/C = 0.1 mV/pA.
    let model = IafPscExp {
        c_m_pf: 100.0.into(),
        tau_m_ms: 10.0.into(),
        e_l_mv: (-65.0).into(),
        v_th_mv: (-50.0).into(),
        v_reset_mv: (-65.0).into(),
        t_ref_ms: 2.0.into(),
        i_e_pa: vec![140.0, 160.0, 300.0].into(),
        ..IafPscExp::default()
    };
    let p = net.population("P", model, 3).unwrap();
    let tap = net.record_state(p, &["v"], &[0, 1, 2], 0.1).unwrap();
    net.record_spikes(&[p]).unwrap();
    net.run(100.0).unwrap();
    let (ours, reference) = (net.state(tap, "v").unwrap(), file.read_f64_2("lif_dc/v_mV").unwrap());
    for neuron in 0..3 {
        let gap = brian_gap(&ours.values().column(neuron).to_vec(), -65.0, reference.row(neuron));
        println!("lif_dc {neuron}: {gap:.1e}");
        assert!(gap < 1e-9, "{neuron}: {gap}");
    }
    let spikes: Vec<(i64, u32)> = net.spikes_of(p).unwrap();
    let (i, t) = (file.read_i64_1("lif_dc/spk_i").unwrap(), file.read_f64_1("lif_dc/spk_t_ms").unwrap());
    assert_eq!(spikes.len(), i.len());
    for ((step, neuron), (i, t)) in spikes.iter().zip(i.iter().zip(&t)) {
        assert!(i64::from(*neuron) == *i && (*step as f64 * 0.1 - t).abs() < 1e-9);
    }
    let exc = vec![10.0, 12.0, 15.0, 15.5, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 60.0];
    let inh = vec![13.0, 34.5, 61.0];
    for (key, integrator, dt_ms) in [
        ("coba_exponential_euler", ConductanceIntegrator::ExponentialEuler, 0.1),
        ("coba_rk4", ConductanceIntegrator::Rk4 { sub_steps: 1 }, 0.01),
    ] {
        let mut net = Network::<f64>::new(Config { dt_ms, ..brian }).unwrap();
        // Leak 10 nS: Brian's conductances are in units of it.
        let model = IafCondExp {
            c_m_pf: 200.0.into(),
            g_l_ns: 10.0.into(),
            e_l_mv: (-60.0).into(),
            v_th_mv: (-50.0).into(),
            v_reset_mv: (-60.0).into(),
            e_ex_mv: 0.0.into(),
            e_in_mv: (-80.0).into(),
            t_ref_ms: 5.0.into(),
            tau_syn_ex_ms: 5.0.into(),
            tau_syn_in_ms: 10.0.into(),
            i_e_pa: 0.0.into(),
            integrator,
        };
        let p = net.population("P", model, 1).unwrap();
        for (name, times, weight, delay, port) in
            [("exc", &exc, 6.0, 1.5, "ex"), ("inh", &inh, 67.0, 0.8, "in")]
        {
            let source = net.population(name, SpikeSource::brian(vec![times.clone()]), 1).unwrap();
            net.connect(source, p, Rule::OneToOne, Synapse::new(weight).delay(delay), port).unwrap();
        }
        let tap = net.record_state(p, &["v", "g_ex", "g_in"], &[0], 0.1).unwrap();
        net.record_spikes(&[p]).unwrap();
        net.run(100.0).unwrap();
        let ours = |v: &str| net.state(tap, v).unwrap().values().column(0).to_vec();
        let reference = |k: &str| file.read_f64_1(&format!("{key}/{k}")).unwrap();
        let spikes: Vec<f64> = net.spikes_of(p).unwrap().iter().map(|(k, _)| *k as f64 * dt_ms).collect();
        let expected = reference("spk_t_ms");
        let gaps = [
            brian_gap(&ours("v"), -60.0, reference("v_mV").view()),
            brian_gap(
                &ours("g_ex").iter().map(|g| g / 10.0).collect::<Vec<_>>(),
                0.0,
                reference("ge").view(),
            ),
            brian_gap(
                &ours("g_in").iter().map(|g| g / 10.0).collect::<Vec<_>>(),
                0.0,
                reference("gi").view(),
            ),
        ];
        println!("{key}: {gaps:?} {spikes:?} {expected}");
        assert_eq!(spikes.len(), expected.len());
        assert!(spikes.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{spikes:?} {expected}");
        assert!(gaps.iter().all(|g| *g < 1e-6), "{key}: {gaps:?}");
    }
}

#[test]
fn the_small_network_fires_every_spike_of_both_simulators_on_any_number_of_threads() {
    let brian = arrays("brian2_core.npz");
    let nest = arrays("nest_net100.npz");
    let whole =
        |key: &str| brian.read_i64_1(key).unwrap().iter().map(|x| u32::try_from(*x).unwrap()).collect();
    let network = FixedNetwork {
        v0_mv: brian.read_f64_1("net100/v0_mV").unwrap().to_vec(),
        excitatory: 80,
        source: whole("net100/src"),
        target: whole("net100/dst"),
        weight_mv: brian.read_f64_1("net100/w_mV").unwrap().to_vec(),
        delay_ms: brian.read_f64_1("net100/delay_ms").unwrap().to_vec(),
    };
    let sorted = |i: Vec<i64>, steps: Vec<i64>| {
        let mut all: Vec<(i64, i64)> = steps.into_iter().zip(i).collect();
        all.sort_unstable();
        all
    };
    let steps = |times: ndarray::Array1<f64>, shift: f64| {
        times.iter().map(|t| ((t - shift) / 0.1).round() as i64).collect::<Vec<_>>()
    };
    let of_brian = sorted(
        brian.read_i64_1("net100/spk_i").unwrap().to_vec(),
        steps(brian.read_f64_1("net100/spk_t_ms").unwrap(), 0.0),
    );
    let of_nest =
        sorted(nest.read_i64_1("spk_i").unwrap().to_vec(), steps(nest.read_f64_1("spk_t_ms").unwrap(), 0.1));
    assert_eq!(of_brian.len(), 427);
    assert_eq!(of_brian, of_nest);
    let recorded: Vec<u32> = whole("net100/v_rec_idx");
    let mut bits: Option<Vec<u64>> = None;
    for threads in [1, 2, 4] {
        let config = Config { threads, ..Config::default() };
        let (mut net, p) = fixed::<f64>(config, &network).unwrap();
        assert_eq!(net.synapses(), 1964);
        net.record_spikes(&[p]).unwrap();
        let tap = net.record_state(p, &["v"], &recorded, 0.1).unwrap();
        net.run(500.0).unwrap();
        let ours: Vec<(i64, i64)> =
            net.spikes_of(p).unwrap().iter().map(|(k, n)| (*k, i64::from(*n))).collect();
        assert_eq!(ours, of_brian, "{threads} threads");
        let traces = net.state(tap, "v").unwrap();
        let reference = brian.read_f64_2("net100/v_rec_mV").unwrap();
        for (column, neuron) in recorded.iter().enumerate() {
            let start = network.v0_mv[*neuron as usize];
            let gap = brian_gap(&traces.values().column(column).to_vec(), start, reference.row(column));
            assert!(gap < 1e-9, "neuron {neuron}: {gap}");
        }
        let now: Vec<u64> = net.get(p, "v").unwrap().iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits.get_or_insert(now.clone()), &now, "{threads} threads");
    }
}

/// Twenty pairs of the stored trains under a rule: final weights, and those every 10 ms.
fn stdp<P: snn::engine::plasticity::Plasticity<f64>>(rule: P) -> (Vec<f64>, ndarray::Array2<f64>) {
    let file = arrays("brian2_core.npz");
    let trains = |side: &str| {
        let mut trains = vec![Vec::new(); 20];
        let i = file.read_i64_1(&format!("stdp_trains/{side}_i")).unwrap();
        for (i, t) in i.iter().zip(&file.read_f64_1(&format!("stdp_trains/{side}_t_ms")).unwrap()) {
            // Brian's synapses have no delay, ours one step: in our network the presynaptic neurons fire a step earlier.
            trains[*i as usize].push(if side == "pre" { *t } else { t + 0.1 });
        }
        trains
    };
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let pre = net.population("pre", SpikeSource::brian(trains("pre")), 20).unwrap();
    let post = net.population("post", SpikeSource::brian(trains("post")), 20).unwrap();
    let synapse = Synapse::new(0.5).delay(0.1);
    let projection = net
        .connect_plastic(pre, post, Rule::OneToOne, synapse, "sink", rule, DelayPlacement::Axonal)
        .unwrap();
    net.run(0.1).unwrap();
    let recorder = net.record_weights(projection, 10.0).unwrap();
    net.run(2000.0).unwrap();
    let table = net.synapse_table(projection).unwrap();
    assert_eq!(table.source, (0..20).collect::<Vec<u32>>());
    (table.weight, net.weights(recorder).unwrap().values().clone())
}

#[test]
fn pair_and_triplet_plasticity_are_those_of_brian() {
    let file = arrays("brian2_core.npz");
    let pair = PairStdp::default();
    let mult = WeightDependence::Power { mu_plus: 1.0, mu_minus: 1.0 };
    for (name, (ours, _)) in [
        ("stdp_all2all", stdp(pair)),
        ("stdp_nearest", stdp(PairStdp { nearest: true, ..pair })),
        ("stdp_mult", stdp(PairStdp { dependence: mult, ..pair })),
        ("stdp_triplet", stdp(TripletStdp::default())),
    ] {
        let reference = file.read_f64_1(&format!("{name}/w_final")).unwrap();
        let gap = ours.iter().zip(&reference).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: {gap:.1e}");
        assert!(gap < 1e-9, "{name}: {gap} {ours:?} {reference}");
    }
}

#[test]
fn the_window_of_pair_plasticity_is_that_of_brian() {
    let file = arrays("brian2_core.npz");
    let dts = file.read_f64_1("stdp_pair/dt_ms").unwrap();
    let reference = file.read_f64_1("stdp_pair/dw").unwrap();
    let n = dts.len();
    let mut net = Network::<f64>::new(Config::default()).unwrap();
    let pre = net.population("pre", SpikeSource::brian(vec![vec![150.0]; n]), n).unwrap();
    let trains = dts.iter().map(|dt| vec![150.1 + dt]).collect();
    let post = net.population("post", SpikeSource::brian(trains), n).unwrap();
    let synapse = Synapse::new(0.5).delay(0.1);
    let placement = DelayPlacement::Axonal;
    let p = net
        .connect_plastic(pre, post, Rule::OneToOne, synapse, "sink", PairStdp::default(), placement)
        .unwrap();
    net.run(300.0).unwrap();
    let ours = net.synapse_table(p).unwrap().weight;
    for ((w, dw), dt) in ours.iter().zip(&reference).zip(&dts) {
        assert!((w - 0.5 - dw).abs() < 1e-12, "{dt}: {} {dw}", w - 0.5);
    }
}

#[test]
fn short_term_plasticity_is_that_of_brian() {
    let file = arrays("brian2_core.npz");
    let times = file.read_f64_1("tm_stp/spk_t_ms").unwrap().to_vec();
    let reference = file.read_f64_2("tm_stp/release").unwrap();
    let depressing = TsodyksMarkram { u: 0.5, tau_d_ms: 800.0, tau_f_ms: 1.0 };
    let facilitating = TsodyksMarkram { u: 0.15, tau_d_ms: 50.0, tau_f_ms: 750.0 };
    for (row, rule) in [depressing, facilitating].into_iter().enumerate() {
        let mut net = Network::<f64>::new(Config::default()).unwrap();
        let source = net.population("source", SpikeSource::brian(vec![times.clone()]), 1).unwrap();
        // A current that does not reach threshold and is gone by the next spike shows each release.
        let model = IafPscExp { tau_syn_ex_ms: 0.1.into(), ..IafPscExp::default() };
        let target = net.population("target", model, 1).unwrap();
        let synapse = Synapse::new(1.0).delay(0.1);
        net.connect_short_term(source, target, Rule::OneToOne, synapse, "ex", rule).unwrap();
        let tap = net.record_state(target, &["i_ex"], &[0], 0.1).unwrap();
        net.run(510.0).unwrap();
        let trace = net.state(tap, "i_ex").unwrap();
        for (spike, time) in times.iter().enumerate() {
            let step = (time / 0.1).round() as usize + 1;
            let release = trace.values()[[step, 0]];
            assert!((release - reference[[row, spike]]).abs() < 1e-9, "{row} {time}: {release}");
        }
    }
}
