//! Bad input: a clear error before anything runs.

use snn::Error;
use snn::engine::plasticity::{DelayPlacement, Fixed, Homeostasis, PairStdp, SpinnakerStdp, TsodyksMarkram};
use snn::engine::{
    AdEx, AdExIntegrator, ConductanceIntegrator, Config, Distribution, IafCondExp, IafPscAlpha, IafPscDelta,
    IafPscExp, IfCurrExp, IntegrateFire, Network, NeuronModel, Rule, SpikeSource, Stimulus, Synapse,
};

fn net() -> Network<f64> {
    Network::new(Config::default()).unwrap()
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let lif = IafPscExp::default;
    let cases: Vec<(&str, Box<dyn NeuronModel<f64>>)> = vec![
        ("tau_m_ms", Box::new(IafPscExp { tau_m_ms: 0.0.into(), ..lif() })),
        ("tau_m_ms", Box::new(IafPscExp { tau_m_ms: (-1.0).into(), ..lif() })),
        ("tau_m_ms", Box::new(IafPscExp { tau_m_ms: f64::NAN.into(), ..lif() })),
        ("tau_syn_ex_ms", Box::new(IafPscAlpha { tau_syn_ex_ms: 0.0.into(), ..IafPscAlpha::default() })),
        ("c_m_pf", Box::new(IafPscDelta { c_m_pf: 0.0.into(), ..IafPscDelta::default() })),
        ("v_reset_mv", Box::new(IafPscExp { v_reset_mv: (-55.0).into(), ..lif() })),
        ("v_reset_mv", Box::new(IafCondExp { v_reset_mv: 0.0.into(), ..IafCondExp::default() })),
        ("v_reset_mv", Box::new(IntegrateFire { v_reset_mv: 1.0.into(), ..IntegrateFire::default() })),
        ("t_ref_ms", Box::new(IafPscExp { t_ref_ms: 0.05.into(), ..lif() })),
        ("t_ref_ms", Box::new(IafPscExp { t_ref_ms: (-2.0).into(), ..lif() })),
        ("t_ref_ms", Box::new(IafPscExp { t_ref_ms: vec![2.0, 0.01, 2.0].into(), ..lif() })),
        ("tau_m_ms", Box::new(IafPscExp { tau_m_ms: vec![2.0, 0.0, 2.0].into(), ..lif() })),
        ("tau_m_ms", Box::new(IafPscExp { tau_m_ms: Distribution::normal(0.0, 1.0).into(), ..lif() })),
        ("g_l_ns", Box::new(IafCondExp { g_l_ns: 0.0.into(), ..IafCondExp::default() })),
        (
            "sub_steps",
            Box::new(IafCondExp {
                integrator: ConductanceIntegrator::Rk4 { sub_steps: 0 },
                ..IafCondExp::default()
            }),
        ),
        (
            "tolerance",
            Box::new(AdEx { integrator: AdExIntegrator::Rkf45 { tolerance: 0.0 }, ..AdEx::default() }),
        ),
        ("delta_t_mv", Box::new(AdEx { delta_t_mv: 0.1.into(), ..AdEx::default() })),
        ("delta_t_mv", Box::new(AdEx { delta_t_mv: (-1.0).into(), ..AdEx::default() })),
        ("spike time", Box::new(SpikeSource::new(vec![vec![0.0], vec![], vec![]]))),
        ("spike time", Box::new(SpikeSource::new(vec![vec![f64::NAN], vec![], vec![]]))),
    ];
    for (name, model) in cases {
        match net().population_of("P", model.as_ref(), 3) {
            Err(Error::Parameter { name: found, .. }) => assert!(found.contains(name), "{found} for {name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    // 0 is a valid refractory period, and so is one step.
    for t_ref in [0.0, 0.1] {
        net().population("P", IafPscExp { t_ref_ms: t_ref.into(), ..lif() }, 3).unwrap();
    }
    assert!(matches!(
        net().population("P", IafPscExp { tau_m_ms: vec![10.0; 4].into(), ..lif() }, 3),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(net().population("P", SpikeSource::new(vec![vec![]]), 3), Err(Error::Shape { .. })));
    assert!(matches!(net().population("P", IfCurrExp::default(), 3), Err(Error::Unsupported { .. })));
    assert!(net().population("P", lif(), 0).is_err());
    for bad in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        assert!(Network::<f64>::new(Config { dt_ms: bad, ..Config::default() }).is_err());
    }
}

#[test]
fn synapses_out_of_range_are_refused() {
    let mut net = net();
    let p = net.population("P", IafPscExp::default(), 5).unwrap();
    let c = net.population("C", IafCondExp::default(), 5).unwrap();
    let all = Rule::all_to_all;
    for delay in [-1.0, 0.0, 0.05, f64::NAN, 1e9] {
        let refused = net.connect(p, p, all(), Synapse::new(1.0).delay(delay), "ex");
        assert!(matches!(refused, Err(Error::Parameter { .. })), "{delay}: {refused:?}");
        let mut list = vec![1.0; 5];
        list[3] = delay;
        let refused = net.connect(p, p, Rule::OneToOne, Synapse::new(1.0).delay(list), "ex");
        assert!(matches!(refused, Err(Error::Parameter { .. })), "{delay}: {refused:?}");
    }
    let below = Synapse::new(1.0).delay(Distribution::normal(1.0, 1.0));
    assert!(net.connect(p, p, all(), below, "ex").is_err());
    for weight in [f64::NAN, f64::INFINITY] {
        assert!(net.connect(p, p, all(), Synapse::new(weight), "ex").is_err());
        assert!(
            net.connect(p, p, Rule::OneToOne, Synapse::new(vec![1.0, weight, 1.0, 1.0, 1.0]), "ex").is_err()
        );
    }
    assert!(net.connect(p, c, all(), Synapse::new(-1.0), "in").is_err());
    assert!(net.connect(p, c, all(), Synapse::new(Distribution::normal(0.0, 1.0)), "ex").is_err());
    assert!(net.stimulate(c, Stimulus::poisson(10.0, -1.0, 1.0, "ex")).is_err());
    assert!(matches!(net.connect(p, c, all(), Synapse::new(1.0), "nmda"), Err(Error::Unknown { .. })));
    assert!(net.connect(p, c, Rule::OneToOne, Synapse::new(vec![1.0; 4]), "ex").is_err());
    assert_eq!(net.synapses(), 0);
    net.connect(p, c, all(), Synapse::new(1.0), "ex").unwrap();
    assert_eq!(net.synapses(), 25);
}

#[test]
fn foreign_handles_late_additions_and_wrong_uses_are_refused() {
    let mut other = net();
    other.population("A", IafPscExp::default(), 5).unwrap();
    let dangling = other.population("B", IafPscExp::default(), 5).unwrap();
    let mut net = net();
    let p = net.population("P", IafPscExp::default(), 5).unwrap();
    let unknown = |r: Result<_, Error>| matches!(r, Err(Error::Unknown { .. }));
    assert!(unknown(net.connect(p, dangling, Rule::all_to_all(), Synapse::new(1.0), "ex").map(|_| ())));
    assert!(unknown(net.connect(dangling, p, Rule::all_to_all(), Synapse::new(1.0), "ex").map(|_| ())));
    assert!(unknown(net.stimulate(dangling, Stimulus::dc(1.0))));
    assert!(unknown(net.record_spikes(&[dangling])));
    assert!(unknown(net.set(p, "g_ex", 1.0)));
    assert!(unknown(net.find("Q").map(|_| ())));
    assert!(net.population("P", IafPscExp::default(), 5).is_err());
    assert!(net.lesion(p, &[5]).is_err() && net.record_state(p, &["v"], &[7], 0.1).is_err());
    assert!(
        net.record_state(p, &["v"], &[], 0.1).is_err() && net.record_state(p, &["v"], &[0], 0.01).is_err()
    );
    let fixed = net.connect(p, p, Rule::OneToOne, Synapse::new(1.0), "ex").unwrap();
    assert!(net.set_weights(fixed, |_, _, _, w| w + 1.0).is_err());
    assert!(net.reward(fixed, 1.0).is_err() && net.synapse_variable(fixed, 0).is_err());
    assert!(net.regulate(fixed, Homeostasis::Normalise { total: 1.0, interval_ms: 1.0 }).is_err());
    let bad = PairStdp { tau_plus_ms: 0.0, ..PairStdp::default() };
    let synapse = || Synapse::new(1.0);
    assert!(net.connect_plastic(p, p, Rule::OneToOne, synapse(), "ex", bad, DelayPlacement::Axonal).is_err());
    let late = SpinnakerStdp::default();
    assert!(matches!(
        net.connect_plastic(p, p, Rule::OneToOne, synapse(), "ex", late, DelayPlacement::Axonal),
        Err(Error::Unsupported { .. })
    ));
    let used = TsodyksMarkram { u: 1.5, ..TsodyksMarkram::default() };
    assert!(net.connect_short_term(p, p, Rule::OneToOne, synapse(), "ex", used).is_err());
    let kept =
        net.connect_plastic(p, p, Rule::OneToOne, synapse(), "ex", Fixed, DelayPlacement::Axonal).unwrap();
    assert!(net.regulate(kept, Homeostasis::Normalise { total: f64::NAN, interval_ms: 1.0 }).is_err());
    assert!(net.reward(kept, 1.0).is_err());
    assert!(net.run(-1.0).is_err() && net.run(f64::NAN).is_err());
    net.run(1.0).unwrap();
    assert!(matches!(net.population("Q", IafPscExp::default(), 1), Err(Error::Unsupported { .. })));
    assert!(net.connect(p, p, Rule::OneToOne, Synapse::new(1.0), "ex").is_err());
    assert!(net.stimulate(p, Stimulus::dc(1.0)).is_err());
    net.lesion(p, &[0]).unwrap();
}
