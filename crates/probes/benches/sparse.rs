//! Training (8 epochs of 4 steps of 256 rows) and encoding, over width and kind of sparsity.
//!
//! `cargo bench -p probes` on the processor; `--features wgpu` or `cuda` with `BURN_DEVICE` set measures a GPU.

use std::hint::black_box;

use burn::tensor::FloatDType;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use numerics::rng::{normals, stream};
use probes::{SparseAutoencoder, SparseAutoencoderConfig, SparseTraining, Sparsity, train};
use tensor_backend::{DeviceSpec, bridge};

const ROWS: usize = 1024;
const EPOCHS: u64 = 8;

fn rows(units: usize) -> Array2<f32> {
    let values = normals(&mut stream(0, "bench/sparse", 0), ROWS * units);
    Array2::from_shape_fn((ROWS, units), |(i, j)| values[i * units + j] as f32)
}

fn kinds() -> [(&'static str, Sparsity); 4] {
    [
        ("l1", Sparsity::L1 { coefficient: 5e-3 }),
        ("top-k-32", Sparsity::TopK { k: 32 }),
        ("top-k-128", Sparsity::TopK { k: 128 }),
        ("batch-top-k-32", Sparsity::BatchTopK { k: 32 }),
    ]
}

fn sparse(c: &mut Criterion) {
    let Ok(opened) = DeviceSpec::Auto.open() else { return };
    let device = opened.device;
    for (units, latents) in [(96, 256), (512, 2048)] {
        let data = rows(units);
        let mut group = c.benchmark_group(format!("sparse/D{units}/F{latents}"));
        group.sample_size(10);
        for (name, sparsity) in kinds() {
            let config = SparseAutoencoderConfig::new(units, latents, sparsity);
            let Ok(model) = SparseAutoencoder::new(&config, 0, FloatDType::F32, &device) else { return };
            let plan = SparseTraining { epochs: EPOCHS, batch_size: 256, ..SparseTraining::default() };
            group.throughput(Throughput::Elements(EPOCHS * ROWS as u64));
            group.bench_function(BenchmarkId::new("train", name), |b| {
                b.iter(|| train(model.clone(), black_box(&data.view()), &plan, &mut |_| true));
            });
            group.throughput(Throughput::Elements(ROWS as u64));
            group.bench_function(BenchmarkId::new("encode", name), |b| {
                b.iter(|| {
                    let x = bridge::float_tensor(data.view(), FloatDType::F32, &device)?;
                    let codes = model.encode(black_box(x)).map(|z| z.sum());
                    codes.map(bridge::scalar).unwrap_or(Ok(0.0))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, sparse);
criterion_main!(benches);
