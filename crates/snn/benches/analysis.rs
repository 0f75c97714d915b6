//! Distances, complexity and one epoch of PSPM over sizes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use numerics::rng::stream;
use rand::RngExt;
use snn::analysis::{
    Trains, VanRossum, count_correlation, isi_distance, lz76, spike_distance, van_rossum, victor_purpura,
};
use snn::pspm::{Experiment, LifNetwork, Pools, PspmConfig, Raster, SpikingNetwork, train};

/// `n` times at random in a second.
fn times(n: usize, index: u64) -> Vec<f64> {
    let mut rng = stream(1, "bench", index);
    let mut times: Vec<f64> = (0..n).map(|_| 1000.0 * rng.random::<f64>()).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("distance");
    for n in [20, 200, 2000] {
        let (a, b) = (times(n, 0), times(n, 1));
        group.bench_function(BenchmarkId::new("van-rossum", n), |bench| {
            bench.iter(|| van_rossum(black_box(&a), black_box(&b), 20.0, VanRossum::Unit));
        });
        group.bench_function(BenchmarkId::new("victor-purpura", n), |bench| {
            bench.iter(|| victor_purpura(black_box(&a), black_box(&b), 0.05));
        });
        group.bench_function(BenchmarkId::new("isi", n), |bench| {
            bench.iter(|| isi_distance(black_box(&a), black_box(&b), 0.0, 1000.0));
        });
        group.bench_function(BenchmarkId::new("spike", n), |bench| {
            bench.iter(|| spike_distance(black_box(&a), black_box(&b), 0.0, 1000.0));
        });
    }
    group.finish();
}

fn populations(c: &mut Criterion) {
    let mut group = c.benchmark_group("population");
    group.sample_size(10);
    for n in [50, 200] {
        let trains =
            Trains::new((0..n).map(|i| times(50, i)).collect(), 0.0, 1000.0).expect("times are sorted");
        group.bench_function(BenchmarkId::new("van-rossum-matrix", n), |bench| {
            bench.iter(|| trains.pairwise(|a, b| van_rossum(a, b, 20.0, VanRossum::Unit)));
        });
        group.bench_function(BenchmarkId::new("count-correlation", n), |bench| {
            bench.iter(|| count_correlation(black_box(&trains), 5.0));
        });
    }
    group.finish();
}

fn complexity(c: &mut Criterion) {
    let mut group = c.benchmark_group("lz76");
    for n in [1_000, 10_000, 100_000] {
        let mut rng = stream(2, "bench", 0);
        let bits: Vec<bool> = (0..n).map(|_| rng.random()).collect();
        group.bench_function(BenchmarkId::from_parameter(n), |bench| bench.iter(|| lz76(black_box(&bits))));
    }
    group.finish();
}

/// An epoch is a simulation, the pairing of its spikes and the update.
fn epochs(c: &mut Criterion) {
    let mut group = c.benchmark_group("pspm");
    group.sample_size(10);
    for neurons in [40, 200] {
        let world =
            Experiment { neurons, ..Experiment::default() }.build(1).expect("the sheet's sizes are valid");
        let mut network =
            LifNetwork::new(world.student.clone(), Default::default()).expect("drawn weights are valid");
        group.bench_function(BenchmarkId::new("simulate", neurons), |bench| {
            let mut raster =
                Raster::silent(neurons, world.target.steps()).expect("there are neurons and steps");
            bench.iter(|| network.simulate(black_box(&world.drive), &mut raster));
        });
        group.bench_function(BenchmarkId::new("pools", neurons), |bench| {
            bench.iter(|| Pools::new(black_box(&world.target), 10));
        });
        group.bench_function(BenchmarkId::new("10-epochs", neurons), |bench| {
            let config = PspmConfig { epochs: 10, ..PspmConfig::default() };
            bench.iter(|| {
                network.set_weights(world.student.view())?;
                train(&mut network, &world.target, &world.drive, &config)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pairs, populations, complexity, epochs);
criterion_main!(benches);
