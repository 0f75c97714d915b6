//! What an MLP costs a token, whole and with its core neurons alone.

use std::time::Instant;

use burn::tensor::{FloatDType, Tensor};
use llm_neurons::model::{HookedLm, LmConfig, Mlp, WeightFiles};
use ndarray::{Array2, Array3};
use numerics::rng::{normals, stream, subset};
use numerics::summary::median;
use probes::{NoTaps, Span};
use recordings::arrays::Tensors;
use tensor_backend::{DeviceSpec, bridge};

use super::fail;
use crate::{Measurement, Outcome, Plan, Result};

/// Units of the stream, neurons, and the share that is kept.
const HIDDEN: usize = 1024;
const NEURONS: usize = 4096;
const KEPT: f64 = 0.4;
/// How many times faster at least.
const FASTER: f64 = 1.8;
/// Alternating rounds, and steps of each.
const ROUNDS: usize = 9;
const STEPS: usize = 40;

pub(super) fn run(plan: &Plan, outcome: &mut Outcome) -> Result<()> {
    let device = plan.device.parse::<DeviceSpec>().and_then(|spec| spec.open()).map_err(fail)?.device;
    let model = gated(plan.seed, &device)?;
    let dense = model.mlp(0).ok_or_else(|| fail("the model has no MLP"))?;
    let keep = (KEPT * NEURONS as f64) as usize;
    let mut draws = stream(plan.seed, "04-coreinfer/speed/neurons", 0);
    let mut units = subset(&mut draws, NEURONS, keep);
    units.sort_unstable();
    let x = input(plan.seed, &device)?;
    let clock = Instant::now();
    let core = dense.restricted(&units).map_err(fail)?;
    // What was gathered is waited for.
    step(&core, &x)?;
    let gather = clock.elapsed().as_secs_f64();
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    // Alternating, after one untimed round.
    for round in 0..=ROUNDS {
        let (d, c) = (timed(dense, &x)?, timed(&core, &x)?);
        if round > 0 {
            whole.push(d);
            part.push(c);
        }
    }
    let (whole, part) = (median(&whole).map_err(fail)?, median(&part).map_err(fail)?);
    let mebibytes = |mlp: &Mlp| mlp.bytes() as f64 / f64::from(1 << 20);
    outcome.measurements.push(
        Measurement::at_least("speed: a token's whole MLP over its core neurons, D 1024, F 4096, keep 0.4", whole / part, FASTER)
            .baseline(1.0)
            .note(format!(
                "gated, f32, one token; {:.1} and {:.1} MiB of weights a step, ideal {:.2}; microseconds, median of {ROUNDS} \
                 rounds: {:.0} and {:.0}; gathering, once a prompt: {:.0}",
                mebibytes(dense),
                mebibytes(&core),
                dense.bytes() as f64 / core.bytes() as f64,
                whole * 1e6,
                part * 1e6,
                gather * 1e6
            )),
    );
    Ok(())
}

fn timed(mlp: &Mlp, x: &Tensor<3>) -> Result<f64> {
    let clock = Instant::now();
    for _ in 0..STEPS {
        step(mlp, x)?;
    }
    Ok(clock.elapsed().as_secs_f64() / STEPS as f64)
}

/// One token through an MLP, waited for.
fn step(mlp: &Mlp, x: &Tensor<3>) -> Result<Array3<f32>> {
    let out = mlp.forward(x.clone(), 0, &Span::dense(1, 1), &mut NoTaps).map_err(fail)?;
    bridge::float_array::<f32, 3>(out).map_err(fail)
}

fn input(seed: u64, device: &burn::tensor::Device) -> Result<Tensor<3>> {
    let values = normals(&mut stream(seed, "04-coreinfer/speed/input", 0), HIDDEN);
    let x = Array3::from_shape_fn((1, 1, HIDDEN), |(_, _, i)| values[i]);
    bridge::float_tensor(x.view(), FloatDType::F32, device).map_err(fail)
}

/// A Llama of one layer with random weights.
fn gated(seed: u64, device: &burn::tensor::Device) -> Result<HookedLm> {
    let config = format!(
        r#"{{"model_type":"llama","vocab_size":8,"hidden_size":{HIDDEN},"intermediate_size":{NEURONS},
        "num_hidden_layers":1,"num_attention_heads":8,"num_key_value_heads":1,"hidden_act":"silu",
        "max_position_embeddings":8,"rms_norm_eps":1e-5,"rope_theta":10000.0,"tie_word_embeddings":true}}"#
    );
    let at = |part: &str| format!("model.layers.0.{part}.weight");
    let shapes = [
        ("model.embed_tokens.weight".to_owned(), 8, HIDDEN),
        (at("self_attn.q_proj"), HIDDEN, HIDDEN),
        (at("self_attn.k_proj"), HIDDEN / 8, HIDDEN),
        (at("self_attn.v_proj"), HIDDEN / 8, HIDDEN),
        (at("self_attn.o_proj"), HIDDEN, HIDDEN),
        (at("mlp.gate_proj"), NEURONS, HIDDEN),
        (at("mlp.up_proj"), NEURONS, HIDDEN),
        (at("mlp.down_proj"), HIDDEN, NEURONS),
    ];
    let mut file = Tensors::new();
    for (i, (name, rows, columns)) in shapes.iter().enumerate() {
        let draws = normals(&mut stream(seed, "04-coreinfer/speed/weights", i as u64), rows * columns);
        let scale = (*columns as f64).powf(-0.5);
        let weight =
            Array2::from_shape_fn((*rows, *columns), |(r, c)| (scale * draws[r * columns + c]) as f32);
        file = file.f32(name, weight.view().into_dyn());
    }
    let ones = ndarray::Array1::<f32>::ones(HIDDEN);
    for name in [at("input_layernorm"), at("post_attention_layernorm"), "model.norm.weight".to_owned()] {
        file = file.f32(&name, ones.view().into_dyn());
    }
    let folder = tempfile::tempdir().map_err(fail)?;
    let path = folder.path().join("model.safetensors");
    file.write(&path).map_err(fail)?;
    let files = WeightFiles::open_file(&path).map_err(fail)?;
    HookedLm::from_files(LmConfig::parse(&config).map_err(fail)?, &files, FloatDType::F32, device)
        .map_err(fail)
}
