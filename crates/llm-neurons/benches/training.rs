//! One optimiser step, plainly and under a mask, and one checkpoint of sensitivity dropout, on a small Llama.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use llm_neurons::model::{HookedLm, LlamaShape, LmConfig};
use llm_neurons::send::{SampleConfig, SendConfig, SendMask, SendTrainer};
use llm_neurons::training::{LmTrainer, LmTraining};
use probes::{HookSet, NoTaps};
use recordings::{Intervention, Site};
use tensor_backend::DeviceSpec;

fn model() -> HookedLm {
    let shape =
        LlamaShape { vocab: 1024, hidden: 96, layers: 4, heads: 6, kv_heads: 3, mlp: 256, context: 128 };
    let device = DeviceSpec::Cpu.open().expect("the processor is there").device;
    let config = LmConfig::llama(shape, None).expect("a shape that fits");
    HookedLm::initialise(config, 0, &device).expect("a model")
}

fn training(c: &mut Criterion) {
    let stream: Vec<u32> = (0..10_000).map(|i| i * 7919 % 1024).collect();
    let trainer = || LmTrainer::new(model(), LmTraining::default()).expect("a plan that fits");
    let mut group = c.benchmark_group("training");
    group.sample_size(20);
    let mut plain = trainer();
    group.bench_function("step", |b| {
        b.iter(|| black_box(plain.step_on(&stream, &mut NoTaps).expect("a step")));
    });
    let mut masked = trainer();
    let mut hooks = HookSet::new();
    let units = (0..19).map(|i| 5 * i).collect();
    hooks.edit(Intervention::drop_units(Site::ResidPost(2), units)).expect("units of the stream");
    group.bench_function("step under a mask", |b| {
        b.iter(|| black_box(masked.step_on(&stream, &mut hooks).expect("a step")));
    });
    let texts: Vec<Vec<u32>> = stream.chunks(32).take(12).map(<[u32]>::to_vec).collect();
    let config = SendConfig {
        mask: SendMask::Sensitive,
        answers: SampleConfig { max_new_tokens: 10, ..SampleConfig::default() },
        ..SendConfig::default()
    };
    let mut send = SendTrainer::new(trainer(), texts, config).expect("texts that fit");
    group.bench_function("step and checkpoint: 12 prompts, 10 answers of 10 tokens", |b| {
        b.iter(|| {
            send.step_on(&stream).expect("a step");
            black_box(send.checkpoint().expect("a checkpoint").eigenscore)
        });
    });
    group.finish();
}

criterion_group!(benches, training);
criterion_main!(benches);
