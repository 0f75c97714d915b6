//! What an MLP costs a token: whole, and with 40 % of its neurons gathered or masked.
//!
//! `cargo bench -p llm-neurons --bench core_session`; the throughput is that of weights.

use std::hint::black_box;

use burn::tensor::{Device, FloatDType, Tensor};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use llm_neurons::model::{HookedLm, LmConfig, Mlp, WeightFiles};
use ndarray::{Array1, Array2, Array3};
use numerics::rng::{normals, stream, subset};
use probes::{HookSet, NoTaps, Span, Taps};
use recordings::arrays::Tensors;
use recordings::{Edit, Intervention, Positions, Site};
use tensor_backend::{DeviceSpec, bridge};

const KEPT: f64 = 0.4;

/// A Llama of one layer with random weights.
fn gated(hidden: usize, neurons: usize, device: &Device) -> HookedLm {
    let config = format!(
        r#"{{"model_type":"llama","vocab_size":8,"hidden_size":{hidden},"intermediate_size":{neurons},
        "num_hidden_layers":1,"num_attention_heads":8,"num_key_value_heads":1,"hidden_act":"silu",
        "max_position_embeddings":8,"rms_norm_eps":1e-5,"rope_theta":10000.0,"tie_word_embeddings":true}}"#
    );
    let at = |part: &str| format!("model.layers.0.{part}.weight");
    let shapes = [
        ("model.embed_tokens.weight".to_owned(), 8, hidden),
        (at("self_attn.q_proj"), hidden, hidden),
        (at("self_attn.k_proj"), hidden / 8, hidden),
        (at("self_attn.v_proj"), hidden / 8, hidden),
        (at("self_attn.o_proj"), hidden, hidden),
        (at("mlp.gate_proj"), neurons, hidden),
        (at("mlp.up_proj"), neurons, hidden),
        (at("mlp.down_proj"), hidden, neurons),
    ];
    let mut file = Tensors::new();
    for (i, (name, rows, columns)) in shapes.iter().enumerate() {
        let draws = normals(&mut stream(0, "bench/core-session/weights", i as u64), rows * columns);
        let scale = (*columns as f64).powf(-0.5);
        let weight =
            Array2::from_shape_fn((*rows, *columns), |(r, c)| (scale * draws[r * columns + c]) as f32);
        file = file.f32(name, weight.view().into_dyn());
    }
    let ones = Array1::<f32>::ones(hidden);
    for name in [at("input_layernorm"), at("post_attention_layernorm"), "model.norm.weight".to_owned()] {
        file = file.f32(&name, ones.view().into_dyn());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    file.write(&path).unwrap();
    let files = WeightFiles::open_file(&path).unwrap();
    HookedLm::from_files(LmConfig::parse(&config).unwrap(), &files, FloatDType::F32, device).unwrap()
}

fn step<T: Taps>(mlp: &Mlp, x: &Tensor<3>, taps: &mut T) -> Array3<f32> {
    let out = mlp.forward(black_box(x.clone()), 0, &Span::dense(1, 1), taps).unwrap();
    bridge::float_array::<f32, 3>(out).unwrap()
}

fn decode(c: &mut Criterion) {
    let device = DeviceSpec::Cpu.open().unwrap().device;
    for (hidden, neurons) in [(1024, 4096), (2048, 8192)] {
        let model = gated(hidden, neurons, &device);
        let dense = model.mlp(0).unwrap();
        let mut draws = stream(0, "bench/core-session/neurons", 0);
        let mut units = subset(&mut draws, neurons, (KEPT * neurons as f64) as usize);
        units.sort_unstable();
        let core = dense.restricted(&units).unwrap();
        let values = normals(&mut stream(0, "bench/core-session/input", 0), hidden);
        let x = Array3::from_shape_fn((1, 1, hidden), |(_, _, i)| values[i]);
        let x: Tensor<3> = bridge::float_tensor(x.view(), FloatDType::F32, &device).unwrap();
        let mut group = c.benchmark_group(format!("mlp-decode/D{hidden}/F{neurons}/keep{KEPT}"));
        group.sample_size(30).sampling_mode(SamplingMode::Flat);
        for (name, mlp) in [("dense", dense), ("core", &core)] {
            group.throughput(Throughput::Bytes(mlp.bytes() as u64));
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| step(mlp, &x, &mut NoTaps));
            });
        }
        // What a mask costs: every weight is read all the same.
        let mut mask = HookSet::new();
        let edit = Edit::RestrictTo { units: units.clone() };
        mask.edit(Intervention { site: Site::DownIn(0), edit, positions: Positions::All }).unwrap();
        group.throughput(Throughput::Bytes(dense.bytes() as u64));
        group
            .bench_function(BenchmarkId::from_parameter("masked"), |b| b.iter(|| step(dense, &x, &mut mask)));
        // Once a prompt.
        group.throughput(Throughput::Bytes(2 * core.bytes() as u64));
        group.bench_function(BenchmarkId::from_parameter("gather"), |b| {
            b.iter(|| dense.restricted(black_box(&units)));
        });
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
