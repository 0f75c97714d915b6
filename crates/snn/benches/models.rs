//! The transient-state network by size and learning, and the detectors by what they are asked.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use numerics::rng::{stream, subset};
use snn::semantic::{
    AfferentParams, BarsStimulus, DhanParams, NoInput, TransientNet, maximal_cliques, ring_of_cliques,
};
use snn::spatial::{BitPattern, Detector, DetectorConfig, PatternBank, SpatialDetector};

fn ring(cliques: usize) -> TransientNet {
    let (sites, cliques) = ring_of_cliques(cliques, 4, 1).expect("a ring");
    TransientNet::from_cliques(sites, &cliques, DhanParams::default(), 1).expect("a network")
}

fn semantic(c: &mut Criterion) {
    let mut group = c.benchmark_group("semantic");
    group.sample_size(10);
    const STEPS: u64 = 10_000;
    group.throughput(Throughput::Elements(STEPS));
    for cliques in [10, 100, 1000] {
        let steps = STEPS / (cliques / 10);
        group.throughput(Throughput::Elements(steps));
        let mut net = ring(cliques as usize);
        group.bench_function(BenchmarkId::new("autonomous steps", 3 * cliques), |b| {
            b.iter(|| net.run(black_box(steps as f64 * 0.1), &mut NoInput));
        });
    }
    group.throughput(Throughput::Elements(STEPS));
    let mut net = ring(10).with_afferents(AfferentParams::default(), 1).expect("afferents");
    let mut bars = BarsStimulus::new(5, 0.1, 100.0, 1).expect("bars");
    group.bench_function(BenchmarkId::new("learning steps", 30), |b| {
        b.iter(|| net.run(black_box(STEPS as f64 * 0.1), &mut bars));
    });
    group.finish();
    let graph = ring(1000).links().graph();
    c.bench_function("maximal cliques/3000", |b| b.iter(|| maximal_cliques(black_box(&graph))));
}

fn spatial(c: &mut Criterion) {
    let mut group = c.benchmark_group("spatial");
    group.sample_size(10);
    let cfg = DetectorConfig { margin: 0.1, ..DetectorConfig::default() };
    let pattern = |k: u64| {
        let on = subset(&mut stream(1, "bench/pattern", k), 16, 5);
        BitPattern::from_indices(16, &on).expect("a pattern")
    };
    let mut patterns: Vec<BitPattern> = (0..30).map(pattern).collect();
    patterns.sort();
    patterns.dedup();
    patterns.truncate(20);
    let bank = PatternBank::train(&patterns, cfg).expect("trained");
    group.bench_function("bank of 20, all 2^16 inputs", |b| b.iter(|| black_box(&bank).decide_all()));
    group.bench_function("train one pattern", |b| {
        b.iter(|| {
            let mut detector = SpatialDetector::new(16, cfg)?;
            detector.train_one_shot(black_box(&patterns[..1]))
        });
    });
    let detector = &bank.detectors()[0];
    group.bench_function("simulate one presentation", |b| {
        b.iter(|| detector.simulate(black_box(&patterns[0])))
    });
    group.bench_function("decide one input", |b| b.iter(|| detector.decide(black_box(&patterns[0]))));
    group.finish();
}

criterion_group!(benches, semantic, spatial);
criterion_main!(benches);
