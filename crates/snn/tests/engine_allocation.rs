//! A step allocates nothing.

use snn::engine::networks::{Brunel, brunel};
use snn::engine::plasticity::{DelayPlacement, PairStdp};
use snn::engine::{Config, Distribution, IafPscExp, Network, PoissonSource, Rule, Stimulus, Synapse};

/// Allocations of a run of so many steps.
fn allocations(net: &mut Network<f64>, steps: i64) -> u64 {
    allocation_counter::measure(|| {
        net.run_steps(steps).unwrap();
    })
    .count_total
}

#[test]
fn longer_runs_allocate_no_more() {
    let mut mixed = Network::<f64>::new(Config::default()).unwrap();
    let input = mixed.population("in", PoissonSource::new(50.0), 40).unwrap();
    let p = mixed.population("P", IafPscExp::default(), 100).unwrap();
    let delay = Distribution::uniform(0.5, 3.0);
    let synapse = Synapse::new(20.0).delay(delay.clone());
    mixed.connect(p, p, Rule::bernoulli(0.2), synapse, "ex").unwrap();
    let synapse = Synapse::new(Distribution::uniform(0.0, 1.0)).delay(delay);
    let rule = PairStdp::default();
    mixed
        .connect_plastic(input, p, Rule::bernoulli(0.5), synapse, "ex", rule, DelayPlacement::Dendritic)
        .unwrap();
    mixed.stimulate(p, Stimulus::poisson(9000.0, 45.0, 1.0, "ex")).unwrap();
    mixed.stimulate(p, Stimulus::OrnsteinUhlenbeck { mean: 10.0, sd: 20.0, tau_ms: 3.0 }).unwrap();
    let delta = brunel::<f64>(Config::default(), &Brunel::of_order(100)).unwrap().net;
    for (name, mut net) in [("mixed", mixed), ("Brunel", delta)] {
        // Lists of spikes grow to the size of the greatest burst; then they stay.
        net.run(2000.0).unwrap();
        let (short, long) = (allocations(&mut net, 100), allocations(&mut net, 2000));
        println!("{name}: {short} allocations in 100 steps, {long} in 2000");
        assert!(long <= short + 20, "{name}: {short} {long}");
    }
}
