//! Distances, comparisons, transforms and tests over sizes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use neural_geometry::{
    BootstrapPlan, Comparison, Geodesic, Metric, Neighbours, Ranked, Rdm, ZeroEdges, agtic, classical_mds,
    compare, geodesic, grid_search, persistence, threshold_grid,
};
use numerics::rng::{normals, stream};

fn draw(rows: usize, columns: usize, index: u64) -> Array2<f64> {
    let values = normals(&mut stream(1, "bench", index), rows * columns);
    Array2::from_shape_fn((rows, columns), |(i, j)| values[i * columns + j])
}

fn rdm(n: usize, index: u64) -> Rdm {
    Rdm::from_patterns(&draw(n, 64, index).view(), Metric::Euclidean).expect("drawn patterns have distances")
}

fn distances(c: &mut Criterion) {
    let mut group = c.benchmark_group("rdm");
    group.sample_size(10);
    for (n, units) in [(100, 500), (1000, 2000)] {
        let patterns = draw(n, units, 0);
        for (name, metric) in
            [("correlation", Metric::Correlation), ("sqeuclidean", Metric::SquaredEuclidean)]
        {
            group.bench_with_input(BenchmarkId::new(name, format!("{n}x{units}")), &patterns, |b, x| {
                b.iter(|| Rdm::from_patterns(black_box(&x.view()), metric));
            });
        }
    }
    group.finish();
}

fn comparisons(c: &mut Criterion) {
    let mut group = c.benchmark_group("rsa");
    group.sample_size(10);
    for n in [92, 1000] {
        let (a, b) = (rdm(n, 1), rdm(n, 2));
        for (name, measure) in [
            ("spearman", Comparison::Spearman),
            ("kendall", Comparison::Kendall),
            ("whitened-cosine", Comparison::WhitenedCosine),
        ] {
            group.bench_function(BenchmarkId::new(name, n), |bench| {
                bench.iter(|| compare(black_box(&a), black_box(&b), measure));
            });
        }
    }
    group.finish();
}

fn transforms(c: &mut Criterion) {
    let mut group = c.benchmark_group("trsa");
    group.sample_size(10);
    for n in [62, 200] {
        let matrix = rdm(n, 3);
        let ranked = Ranked::new(matrix.condensed()).expect("drawn distances differ");
        group.bench_function(BenchmarkId::new("rank", n), |b| {
            b.iter(|| Ranked::new(black_box(matrix.condensed())))
        });
        group.bench_function(BenchmarkId::new("ramp", n), |b| b.iter(|| ranked.ramp(black_box(0.2), 0.8)));
        group.bench_function(BenchmarkId::new("geodesic", n), |b| {
            let two = Geodesic::TwoStep { lower: 0.0, upper: 0.3 };
            b.iter(|| {
                geodesic(black_box(matrix.condensed()), two, Neighbours::Reference, ZeroEdges::Keep, true)
            });
        });
        group.bench_function(BenchmarkId::new("persistence", n), |b| {
            b.iter(|| persistence(black_box(matrix.condensed()), None));
        });
        group.bench_function(BenchmarkId::new("mds", n), |b| b.iter(|| classical_mds(black_box(&matrix), 2)));
    }
    group.finish();
}

fn inference(c: &mut Criterion) {
    let mut group = c.benchmark_group("inference");
    group.sample_size(10);
    let (x, y) = (draw(60, 1, 4), draw(60, 1, 5));
    group.bench_function("agtic/n60_k10_p99", |b| {
        b.iter(|| agtic(&x.view(), black_box(&y.view()), 10, 99, 0))
    });
    // 24 subjects x 8 regions of 62 stimuli, the size of the paper's fMRI data.
    let vectors = draw(192, 1891, 6);
    let subjects: Vec<i64> = (0..192).map(|i| i / 8).collect();
    let labels: Vec<i64> = (0..192).map(|i| i % 8).collect();
    let plan = BootstrapPlan { draws: 100, ..BootstrapPlan::new(0) };
    group.bench_function("bootstrap/192x1891_100_draws", |b| {
        b.iter(|| plan.identify(&[black_box(vectors.view())], &subjects, &labels));
    });
    let grid: Vec<(f64, f64)> = threshold_grid().into_iter().step_by(21).collect();
    group.bench_function("grid/192x1891_10_thresholds", |b| {
        b.iter(|| grid_search(black_box(&vectors.view()), &subjects, &labels, &grid));
    });
    group.finish();
}

criterion_group!(benches, distances, comparisons, transforms, inference);
criterion_main!(benches);
