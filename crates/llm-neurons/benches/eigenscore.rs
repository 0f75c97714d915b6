//! EigenScore of K answers of D units: Chebyshev moments against Cholesky and eigenvalues, all on every core.
//!
//! `cargo bench -p llm-neurons` prints the crossover; the parts (forming the covariance, one block product, one vector
//! product) are what the cost model of `auto` is made of.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use llm_neurons::{
    BlockSpace, Ees, EigenScoreConvention, EmbeddingOperator, ExactMethod, SpectralEdge, Step, eigenscore_by,
};
use ndarray::Array2;
use numerics::rng::{normals, stream};

const CONVENTION: EigenScoreConvention = EigenScoreConvention::InsideCodeLn;
const SIZES: [(usize, usize); 7] =
    [(10, 1024), (64, 1024), (256, 1024), (1000, 1024), (500, 4096), (2000, 4096), (4000, 4096)];

fn embeddings(answers: usize, units: usize) -> Array2<f64> {
    let values = normals(&mut stream(0, "bench/eigenscore", 0), answers * units);
    Array2::from_shape_fn((answers, units), |(i, j)| values[i * units + j])
}

fn methods(c: &mut Criterion) {
    for (k, d) in SIZES {
        let e = embeddings(k, d);
        let mut group = c.benchmark_group(format!("eigenscore/K{k}/D{d}"));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        for (name, moments, probes) in [("chebyshev-M30-n10", 30, 10), ("chebyshev-M50-n20", 50, 20)] {
            let ees = Ees { moments, probes, ..Ees::default() };
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| ees.score_embeddings(black_box(&e.view()), CONVENTION));
            });
        }
        for (name, method) in [("cholesky", ExactMethod::Cholesky), ("eigen", ExactMethod::Eigen)] {
            // Eigenvalues of the largest matrix take half a minute and decide nothing.
            if method == ExactMethod::Eigen && k > 2000 {
                continue;
            }
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| eigenscore_by(black_box(&e.view()), CONVENTION, 1e-3, method));
            });
        }
        group.finish();
    }
}

fn parts(c: &mut Criterion) {
    let (k, d) = (2000, 4096);
    let e = embeddings(k, d);
    let mut group = c.benchmark_group(format!("eigenscore-parts/K{k}/D{d}"));
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("gram", |b| b.iter(|| numerics::gram::gram(black_box(&e.view()))));
    let gram = numerics::gram::gram(&e.view()) / d as f64 + Array2::<f64>::eye(k);
    group.bench_function("factor", |b| b.iter(|| numerics::linalg::log_determinant(black_box(&gram.view()))));
    group.bench_function("eigenvalues", |b| {
        b.iter(|| numerics::linalg::symmetric_eigenvalues(black_box(&gram.view())));
    });
    let by = Step { gain: 0.5, shift: -1.0, damp: 1.0, last: false };
    for n in [1, 10, 20] {
        let mut operator = EmbeddingOperator::new(&e.view(), CONVENTION).unwrap();
        let probes = Array2::from_elem((k, n), 1.0);
        let v = operator.load(&probes.view()).unwrap();
        group.bench_function(BenchmarkId::new("product", n), |b| {
            b.iter(|| operator.step(black_box(&v), None, by));
        });
    }
    for (name, edge) in [("edge-lanczos", SpectralEdge::default()), ("edge-power", SpectralEdge::POWER)] {
        let ees = Ees { moments: 1, probes: 1, edge, ..Ees::default() };
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut operator = EmbeddingOperator::new(&e.view(), CONVENTION)?;
                ees.score_on(&mut operator, None)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, methods, parts);
criterion_main!(benches);
