//! Speed of the simulator: nanoseconds per neuron update and per synaptic event.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use snn::engine::networks::{Brunel, Microcircuit, brunel, coba, cuba, microcircuit};
use snn::engine::{Config, IafPscExp, Network, PoissonSource, Real, Rule, Synapse};

/// Model time of one iteration.
const STEPS: i64 = 1000;

fn config() -> Config {
    Config { seed: 2, ..Config::default() }
}

/// Times runs of a network that has passed its transient; it is built when its turn comes.
fn steady<R: Real>(
    c: &mut Criterion,
    group: &str,
    name: &str,
    neurons: u64,
    warm_ms: f64,
    build: impl Fn() -> Network<R>,
) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(neurons * STEPS as u64));
    let mut net = None;
    group.bench_function(name, |b| {
        let net = net.get_or_insert_with(|| {
            let mut net = build();
            net.run(warm_ms).unwrap();
            net
        });
        b.iter(|| black_box(net.run_steps(STEPS).unwrap()));
    });
    group.finish();
}

fn networks(c: &mut Criterion) {
    let two = Config { threads: 2, ..config() };
    steady(c, "engine/cuba", "4000 f64", 4000, 200.0, || cuba::<f64>(config(), 4000).unwrap().net);
    steady(c, "engine/cuba", "4000 f32", 4000, 200.0, || cuba::<f32>(config(), 4000).unwrap().net);
    for neurons in [16_000, 64_000, 256_000] {
        for (name, config) in [("f64", config()), ("f64, 2 threads", two)] {
            let name = format!("{neurons} {name}");
            steady(c, "engine/cuba", &name, neurons as u64, 100.0, || {
                cuba::<f64>(config, neurons).unwrap().net
            });
        }
    }
    steady(c, "engine/coba", "4000 f64", 4000, 200.0, || coba::<f64>(config(), 4000).unwrap().net);
    let small = Brunel::of_order(500);
    steady(c, "engine/brunel", "order 500 f64", 2500, 100.0, || brunel::<f64>(config(), &small).unwrap().net);
    let full = Brunel::default();
    steady(c, "engine/brunel", "order 2500 f64, 2 threads", 12_500, 50.0, || {
        brunel::<f64>(two, &full).unwrap().net
    });
    let tenth = Microcircuit::scaled(0.1);
    for (name, config) in [("a tenth f64", config()), ("a tenth f64, 2 threads", two)] {
        steady(c, "engine/microcircuit", name, 7717, 100.0, || {
            microcircuit::<f64>(config, &tenth).unwrap().0
        });
    }
}

/// Neurons without input: the update alone, from the first-level cache to memory.
fn updates(c: &mut Criterion) {
    for neurons in [500, 4_000, 100_000, 1_000_000] {
        steady(c, "engine/update", &format!("{neurons} iaf_psc_exp f64"), neurons as u64, 1.0, || {
            let mut net = Network::<f64>::new(config()).unwrap();
            net.population("P", IafPscExp::default(), neurons).unwrap();
            net
        });
    }
}

/// Spikes without neurons to speak of: delivery alone.
fn delivery(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine/delivery");
    for targets in [4_000_usize, 100_000] {
        let mut net = Network::<f64>::new(config()).unwrap();
        let p = net.population("in", PoissonSource::new(500.0), 1000).unwrap();
        let q = net.population("P", IafPscExp::default(), targets).unwrap();
        net.connect(p, q, Rule::out_degree(1000), Synapse::new(1e-3).delay(0.1), "ex").unwrap();
        let report = net.run_steps(20).unwrap();
        group.throughput(Throughput::Elements(report.synaptic_events));
        group.sample_size(10).measurement_time(Duration::from_secs(2));
        group.bench_function(BenchmarkId::new("events", targets), |b| {
            b.iter(|| black_box(net.run_steps(20).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, networks, updates, delivery);
criterion_main!(benches);
