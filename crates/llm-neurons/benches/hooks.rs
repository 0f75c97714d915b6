//! A forward pass without hook points, without hooks, with a set of none, and with statistics of every MLP neuron.

use std::hint::black_box;

use burn::tensor::FloatDType;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use llm_neurons::model::{Forward, Head, HookedLm, Tokens, WeightFiles};
use ndarray::Array2;
use plain_llama::PlainLlama;
use probes::{HookSet, NoTaps, Read, Taps};
use random_model::Size;
use recordings::Site;
use safetensors::Dtype;
use tensor_backend::DeviceSpec;

#[path = "../tests/cases/plain_llama.rs"]
mod plain_llama;
#[path = "../tests/cases/random_model.rs"]
mod random_model;
#[path = "../tests/cases/weight_file.rs"]
mod weight_file;

const BATCH: usize = 4;
const TIME: usize = 64;

fn read<T: Taps>(model: &HookedLm, tokens: &Tokens, head: Head, taps: &mut T) {
    let with = Forward { head, ..Forward::default() };
    drop(black_box(model.forward(black_box(tokens), with, taps)));
}

fn statistics(layers: usize, reads: &[Read]) -> HookSet {
    let mut hooks = HookSet::new();
    for layer in 0..layers {
        for of in reads {
            // Both reads are possible at any site.
            let _ = hooks.read(Site::Act(layer), *of);
        }
    }
    hooks
}

fn hooks(c: &mut Criterion) {
    let (Ok(opened), Ok(folder)) = (DeviceSpec::Cpu.open(), tempfile::tempdir()) else { return };
    let device = opened.device;
    for (hidden, layers) in [(512, 4), (1024, 2)] {
        let (heads, mlp) = (hidden / 64, 4 * hidden);
        let size = Size { vocab: 2048, hidden, layers, heads, kv_heads: heads, mlp, context: TIME };
        random_model::write(folder.path(), &size, Dtype::F32, 1);
        let Ok(model) = HookedLm::load(folder.path(), FloatDType::F32, &device) else { return };
        let Ok(files) = WeightFiles::open(folder.path()) else { return };
        let plain = PlainLlama::new(size, &files, &device);
        let ids: Vec<u32> = (0..BATCH * TIME).map(|i| (i * 37 % size.vocab) as u32).collect();
        let tokens = Tokens::new(Array2::from_shape_fn((BATCH, TIME), |(b, t)| ids[b * TIME + t]));
        let mut group = c.benchmark_group(format!("hooks/D{hidden}/L{layers}"));
        group.sample_size(20).throughput(Throughput::Elements((BATCH * TIME) as u64));
        group.bench_function(BenchmarkId::new("logits", "no-hook-points"), |b| {
            b.iter(|| plain.logits(black_box(&ids), BATCH));
        });
        group.bench_function(BenchmarkId::new("logits", "no-taps"), |b| {
            b.iter(|| read(&model, &tokens, Head::All, &mut NoTaps));
        });
        let mut empty = HookSet::new();
        group.bench_function(BenchmarkId::new("logits", "empty-set"), |b| {
            b.iter(|| read(&model, &tokens, Head::All, &mut empty));
        });
        group.bench_function(BenchmarkId::new("blocks", "no-taps"), |b| {
            b.iter(|| read(&model, &tokens, Head::None, &mut NoTaps));
        });
        for (name, reads) in [
            ("counts", &[Read::CountPositive][..]),
            ("counts-and-moments", &[Read::CountPositive, Read::Moments]),
        ] {
            let mut hooks = statistics(layers, reads);
            group.bench_function(BenchmarkId::new("blocks", name), |b| {
                b.iter(|| read(&model, &tokens, Head::None, &mut hooks));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, hooks);
criterion_main!(benches);
