//! Steering at the size of the published runs: the subspace of 1000 pairs, its stability, and the edit of one position; and
//! lifts on a small trained model, by the newest token and by whole prompts.

use std::hint::black_box;

use burn::tensor::FloatDType;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use llm_neurons::foxp2::{
    LayerFit, Scale, SteerTensor, Strength, TokenSets, WeakPrompts, bootstrap_stability, fit_layer,
    steering_subspace, unit_rows,
};
use llm_neurons::model::{Forward, Head, HookedLm, LmConfig, Tokens, WeightFiles};
use ndarray::{Array2, Axis};
use numerics::rng::{normals, stream};
use probes::{HookSet, SparseAutoencoder, SparseAutoencoderConfig};
use recordings::{Edit, Intervention, Positions, Site};
use tensor_backend::{DeviceSpec, bridge};

const PAIRS: usize = 1000;
const UNITS: usize = 4096;
const FEATURES: usize = 1024;

fn draw(purpose: &str, rows: usize, columns: usize) -> Array2<f64> {
    let values = normals(&mut stream(0, purpose, 0), rows * columns);
    Array2::from_shape_fn((rows, columns), |(i, j)| values[i * columns + j])
}

fn subspace(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("foxp2/pairs{PAIRS}/F{FEATURES}"));
    group.sample_size(10);
    for neurons in [10, 50] {
        let mut dz = Array2::zeros((PAIRS, FEATURES));
        let values = draw("bench/foxp2", PAIRS, neurons);
        for (j, column) in values.columns().into_iter().enumerate() {
            dz.column_mut(j * 20).assign(&column);
        }
        group.bench_function(BenchmarkId::new("subspace", neurons), |b| {
            b.iter(|| steering_subspace(black_box(&dz.view()), 12));
        });
        group.bench_function(BenchmarkId::new("stability", neurons), |b| {
            b.iter(|| bootstrap_stability(black_box(&dz.view()), 3, 20, 0));
        });
        if neurons == 10 {
            group.bench_function("whole-svd", |b| b.iter(|| numerics::linalg::svd(black_box(&dz.view()))));
        }
    }
    group.finish();
}

fn edit(c: &mut Criterion) {
    let Ok(opened) = DeviceSpec::Auto.open() else { return };
    let device = opened.device;
    let config = SparseAutoencoderConfig::foxp2(UNITS, FEATURES, 5e-3);
    let made = SparseAutoencoder::new(&config, 0, FloatDType::F32, &device).and_then(|m| m.weights());
    let Ok(weights) = made else { return };
    let codes = |purpose: &str| weights.encode(&unit_rows(&draw(purpose, 64, UNITS).view()).view());
    let (Ok(target), Ok(english), Ok(weak)) = (codes("target"), codes("english"), codes("weak")) else {
        return;
    };
    let features: Vec<usize> = (0..30).map(|j| j * 30).collect();
    let fitted = fit_layer(
        9,
        weights.clone(),
        &features,
        &target.view(),
        &english.view(),
        &weak.view(),
        10.0,
        LayerFit::default(),
    );
    let Ok(steer) = fitted else { return };
    let strength = Strength { lambda: 1.0, beta: 1.0 };
    let mut group = c.benchmark_group(format!("foxp2/edit/D{UNITS}/F{FEATURES}"));
    for rows in [1, 32] {
        let host = draw("rows", rows, UNITS);
        group.bench_function(BenchmarkId::new("host-f64-oracle", rows), |b| {
            b.iter(|| steer.apply(black_box(&host.view()), strength, Scale::Relative));
        });
        let Ok(tensor) = SteerTensor::new(&steer, FloatDType::F32, &device) else { return };
        let Ok(x) = bridge::float_tensor(host.view(), FloatDType::F32, &device) else { return };
        group.bench_function(BenchmarkId::new("tensor", rows), |b| {
            b.iter(|| {
                let edited = tensor.apply(black_box(x.clone()), strength, Scale::Relative);
                edited.map(|t| bridge::scalar(t.sum()))
            });
        });
    }
    group.finish();
}

/// 16 vectors after block 1 of 4, at the end of 40 prompts of 12 tokens.
fn lift(c: &mut Criterion) {
    let Ok(opened) = DeviceSpec::Auto.open() else { return };
    let at =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-multilingual-lm-pud");
    let Ok(text) = std::fs::read_to_string(at.join("llama.config.json")) else { return };
    let (Ok(config), Ok(files)) =
        (LmConfig::parse(&text), WeightFiles::open_file(&at.join("llama.model.f16.safetensors")))
    else {
        return;
    };
    let Ok(model) = HookedLm::from_files(config, &files, FloatDType::F32, &opened.device) else { return };
    let prompts: Vec<Vec<u32>> =
        (0..40_u32).map(|i| (0..12).map(|t| 3 + (i * 37 + t * 101) % 1000).collect()).collect();
    let vectors = draw("bench/lift", 16, model.config().hidden);
    let Ok(sets) = TokenSets::new(vec![300], vec![301], model.config().vocab) else { return };
    let Ok(weak) = WeakPrompts::new(&model, &prompts, &sets, &[1], 8192) else { return };
    let mut group = c.benchmark_group("foxp2/lift/prompts40x12/vectors16");
    group.sample_size(10);
    group.bench_function("newest-token", |b| b.iter(|| weak.with_vectors(1, black_box(&vectors.view()))));
    let rows: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let tokens = Tokens::padded(&rows, true);
    group.bench_function("whole-prompts", |b| {
        b.iter(|| {
            for vector in black_box(&vectors).axis_iter(Axis(0)) {
                let mut hooks = HookSet::new();
                let edit = Edit::AddVector { vector: vector.to_vec() };
                let added =
                    hooks.edit(Intervention { site: Site::ResidPost(1), edit, positions: Positions::Last });
                let with = Forward { head: Head::Last, ..Forward::default() };
                let logits = model.forward(&tokens, with, &mut hooks);
                let _ = black_box((added, logits.map(|l| l.map(|l| bridge::scalar(l.sum())))));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, subspace, edit, lift);
criterion_main!(benches);
