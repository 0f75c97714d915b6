//! Graph measures over size; the clustering of 400 nodes at density 0.5 is the one that peers are compared with.

use std::hint::black_box;

use bio_data::graph::{Lengths, Network, clustering, motifs, paths, rewire};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use numerics::rng::stream;
use rand::RngExt;

fn network(n: usize, density: f64) -> Network {
    let mut draws = stream(1, "bench/graph", n as u64);
    let weights = Array2::from_shape_fn((n, n), |(i, j)| {
        if i != j && draws.random::<f64>() < density { draws.random::<f64>() + 1e-3 } else { 0.0 }
    });
    Network::from_matrix(&weights.view()).unwrap_or_else(|e| panic!("{e}"))
}

fn measures(c: &mut Criterion) {
    for (density, name) in [(0.5, "dense"), (0.05, "sparse")] {
        let mut group = c.benchmark_group(format!("graph/{name}"));
        for n in [100, 200, 400, 800] {
            let graph = network(n, density);
            group.bench_with_input(BenchmarkId::new("weighted clustering", n), &graph, |b, g| {
                b.iter(|| clustering::weighted(black_box(g)));
            });
            if n <= 400 {
                group.bench_with_input(BenchmarkId::new("unit paths", n), &graph, |b, g| {
                    b.iter(|| paths::all_pairs(black_box(g), Lengths::Unit));
                });
                group.bench_with_input(BenchmarkId::new("weighted paths", n), &graph, |b, g| {
                    b.iter(|| paths::all_pairs(black_box(g), Lengths::Inverse));
                });
                group.bench_with_input(BenchmarkId::new("triads", n), &graph, |b, g| {
                    b.iter(|| motifs::census(black_box(g)));
                });
                group.bench_with_input(BenchmarkId::new("edge swaps", n), &graph, |b, g| {
                    b.iter(|| rewire::degree_preserving(black_box(g), 10, 1, 0));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, measures);
criterion_main!(benches);
