//! Membership inference on the host: growing a forest, features of documents, scoring with the bigram model, the length that
//! zlib would make of a text.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use llm_neurons::membership::baselines::zlib_length;
use llm_neurons::membership::{
    BigramModel, Features, ForestConfig, LogisticConfig, LogisticRegression, QueryConfig, RandomForest,
    score_document,
};
use ndarray::Array2;
use numerics::rng::{normals, stream};

/// Documents by features; members are shifted in a tenth of the features.
fn documents(rows: usize, columns: usize) -> (Array2<f64>, Vec<bool>) {
    let noise = normals(&mut stream(0, "bench/membership", 0), rows * columns);
    let x = Array2::from_shape_fn((rows, columns), |(i, j)| {
        noise[i * columns + j] + if i % 2 == 0 && j % 10 == 0 { 0.3 } else { 0.0 }
    });
    (x, (0..rows).map(|i| i % 2 == 0).collect())
}

fn classifiers(c: &mut Criterion) {
    for (rows, columns) in [(320, 14), (320, 1000), (1600, 1000)] {
        let (x, members) = documents(rows, columns);
        let mut group = c.benchmark_group(format!("membership/classifier/{rows}x{columns}"));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.bench_function("forest-500", |b| {
            b.iter(|| RandomForest::fit(black_box(&x.view()), &members, &ForestConfig::default()));
        });
        let forest = RandomForest::fit(&x.view(), &members, &ForestConfig::default()).unwrap();
        group.bench_function("forest-500-predict", |b| b.iter(|| forest.predict_proba(black_box(&x.view()))));
        group.bench_function("logistic", |b| {
            b.iter(|| LogisticRegression::fit(black_box(&x.view()), &members, &LogisticConfig::default()));
        });
        group.finish();
    }
}

fn features(c: &mut Criterion) {
    let values: Vec<Vec<f64>> =
        (0..100).map(|i| normals(&mut stream(1, "bench/membership", i), 20_000)).collect();
    let mut group = c.benchmark_group("membership/features/100x20000");
    group.sample_size(10);
    for (name, features) in [
        ("aggregate", Features::Aggregate { count: false }),
        ("histogram-1000", Features::Histogram { bins: 1000 }),
    ] {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| features.fit(black_box(&values)).and_then(|f| f.transform(&values)));
        });
    }
    group.finish();
}

fn scoring(c: &mut Criterion) {
    let v = 200;
    let ids: Vec<u32> = (0..100_000_u32).map(|i| i.wrapping_mul(i + 7) % v).collect();
    let uniform = Array2::from_elem((v as usize, v as usize), 1.0 / f64::from(v));
    let model = BigramModel::fit(&uniform.view(), 10.0, &[&ids]).unwrap();
    c.bench_function("membership/bigram/100000-tokens", |b| {
        b.iter(|| score_document(&model, black_box(&ids), &QueryConfig::default()));
    });
    let text: String = ids.iter().take(128).map(|i| format!("w{i} ")).collect();
    c.bench_function("membership/zlib-length/128-words", |b| {
        b.iter(|| zlib_length(black_box(text.as_bytes())))
    });
}

criterion_group!(benches, classifiers, features, scoring);
criterion_main!(benches);
