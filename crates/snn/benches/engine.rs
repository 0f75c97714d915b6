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

/// Times runs of a network that has passed its transient.
fn steady<R: Real>(c: &mut Criterion, group: &str, name: &str, mut net: Network<R>, warm_ms: f64) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(net.neurons() as u64 * STEPS as u64));
    net.run(warm_ms).unwrap();
    group.bench_function(name, |b| b.iter(|| black_box(net.run_steps(STEPS).unwrap())));
    group.finish();
}

fn networks(c: &mut Criterion) {
    steady(c, "engine/cuba", "4000 f64", cuba::<f64>(config(), 4000).unwrap().net, 200.0);
    steady(c, "engine/cuba", "4000 f32", cuba::<f32>(config(), 4000).unwrap().net, 200.0);
    let two = Config { threads: 2, ..config() };
    for neurons in [16_000, 64_000] {
        steady(
            c,
            "engine/cuba",
            &format!("{neurons} f64"),
            cuba::<f64>(config(), neurons).unwrap().net,
            100.0,
        );
        steady(
            c,
            "engine/cuba",
            &format!("{neurons} f64, 2 threads"),
            cuba::<f64>(two, neurons).unwrap().net,
            100.0,
        );
    }
    steady(c, "engine/coba", "4000 f64", coba::<f64>(config(), 4000).unwrap().net, 200.0);
    let small = Brunel::of_order(500);
    steady(c, "engine/brunel", "order 500 f64", brunel::<f64>(config(), &small).unwrap().net, 100.0);
    let full = Brunel::default();
    steady(c, "engine/brunel", "order 2500 f64, 2 threads", brunel::<f64>(two, &full).unwrap().net, 50.0);
    let tenth = Microcircuit::scaled(0.1);
    steady(c, "engine/microcircuit", "a tenth f64", microcircuit::<f64>(config(), &tenth).unwrap().0, 100.0);
    steady(
        c,
        "engine/microcircuit",
        "a tenth f64, 2 threads",
        microcircuit::<f64>(two, &tenth).unwrap().0,
        100.0,
    );
}

/// Neurons without input: the update alone, from the first-level cache to memory.
fn updates(c: &mut Criterion) {
    for neurons in [500, 4_000, 100_000, 1_000_000] {
        let mut net = Network::<f64>::new(config()).unwrap();
        net.population("P", IafPscExp::default(), neurons).unwrap();
        steady(c, "engine/update", &format!("{neurons} iaf_psc_exp f64"), net, 1.0);
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
