//! Seconds of reading a prompt and of a token after it, as `benches/peers/generation_transformers.py` times them in PyTorch:
//! a small trained checkpoint, and an OPT and a Llama of 1.3 billion weights' shape with random ones, whole and with a fifth
//! of their MLP neurons.
//!
//! `generation_speed [REPEATS] [NAME ..]`; JSON lines `{name, seconds, ..}`; threads: `RAYON_NUM_THREADS`. Large models
//! stand for themselves by a sixth: 4 of 24 layers and a sixth of the vocabulary, so that shares of the time are those of
//! the whole, which takes six times as long.
//!
//! | name | seconds of |
//! |---|---|
//! | `generation_MODEL_prefill` | reading 128 tokens, the last one's logits |
//! | `generation_MODEL_decode` | a token after them, its logits on the host; mean of the steps of a repetition |
//! | `generation_MODEL_core_decode` | the same with the core neurons of the prompt, 20 % of each layer |
//! | `generation_MODEL_ffn`, `.._core_ffn` | the MLPs of all layers, of one token, by themselves |
//! | `generation_MODEL_core_bound` | Amdahl's bound: `decode - (1 - active) ffn`, nothing but the MLPs' weights being fewer |
//! | `stream` | reading 512 MiB from end to end on all threads |
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this program prints timings")]

mod random_model;

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::{Device, FloatDType, Tensor};
use llm_neurons::core_neurons::{CoreConfig, CoreInferSession, Strategy};
use llm_neurons::model::{Forward, Head, HookedLm, KvCache, Mlp, Tokens};
use ndarray::Array3;
use numerics::rng::{normals, stream};
use probes::{NoTaps, Span};
use rayon::prelude::*;
use tensor_backend::{DeviceSpec, bridge};

/// Tokens of the prompt.
const PROMPT: usize = 128;
/// Share of the neurons that is kept.
const KEPT: f64 = 0.2;
/// Bytes that [`read_stream`] reads.
const STREAM: usize = 512 << 20;
const MODELS: [&str; 3] = ["stories", "opt", "llama"];
const PARTS: [&str; 6] = ["prefill", "decode", "ffn", "core_decode", "core_ffn", "core_bound"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let repeats: usize = arguments.next().map_or(Ok(7), |text| text.parse())?;
    let wanted: Vec<String> = arguments.collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    let device = DeviceSpec::Cpu.open()?.device;
    if is_wanted("stream") {
        read_stream(repeats);
    }
    for model in MODELS {
        let parts: Vec<&str> =
            PARTS.into_iter().filter(|p| is_wanted(&format!("generation_{model}_{p}"))).collect();
        if !parts.is_empty() {
            Measured::open(model, &device)?.run(repeats, &parts)?;
        }
    }
    Ok(())
}

/// How fast memory can be read: the roof of all that follows.
fn read_stream(repeats: usize) {
    let buffer: Vec<u64> = (0..STREAM as u64 / 8).collect();
    for repetition in 0..=repeats {
        let clock = Instant::now();
        let sum = black_box(&buffer)
            .par_chunks(1 << 17)
            .map(|part| part.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x)))
            .reduce(|| 0, u64::wrapping_add);
        let seconds = clock.elapsed().as_secs_f64();
        black_box(sum);
        if repetition > 0 {
            println!("{{\"name\": \"stream\", \"seconds\": {seconds}, \"bytes\": {STREAM}}}");
        }
    }
}

/// A model and what it is measured with.
struct Measured {
    name: &'static str,
    model: HookedLm,
    prompt: Vec<u32>,
    /// Tokens after the prompt in a repetition.
    steps: usize,
}

/// One repetition: seconds, of a token but for the prefill.
#[derive(Default)]
struct Times {
    prefill: f64,
    decode: f64,
    ffn: f64,
    core_decode: f64,
    core_ffn: f64,
    /// Share of the MLPs' weight rows that core neurons own.
    active: f64,
    /// Bytes of weights that a token reads, whole and with core neurons.
    bytes: [usize; 2],
}

impl Measured {
    fn open(name: &'static str, device: &Device) -> Result<Self> {
        let (model, steps) = match name {
            "stories" => (HookedLm::load(&stories(), FloatDType::F32, device)?, 128),
            _ => (random_model::load(name, device)?, 16),
        };
        let vocab = model.config().vocab;
        // Any tokens do for the time; those after the prompt are the likeliest ones.
        let prompt = (0..PROMPT).map(|i| ((i * i * 7 + 3 * i + 1) % vocab) as u32).collect();
        Ok(Self { name, model, prompt, steps })
    }

    fn run(&self, repeats: usize, parts: &[&str]) -> Result<()> {
        let core = parts.iter().any(|p| *p != "prefill" && *p != "decode");
        let steps = if parts == ["prefill"] { 0 } else { self.steps };
        for repetition in 0..=repeats {
            let mut times = Times::default();
            self.whole(&mut times, steps)?;
            if core {
                self.core(&mut times)?;
            }
            if repetition > 0 {
                self.print(&times, parts);
            }
        }
        Ok(())
    }

    fn print(&self, times: &Times, parts: &[&str]) {
        for part in parts {
            let (seconds, bytes) = match *part {
                "prefill" => (times.prefill, times.bytes[0]),
                "decode" => (times.decode, times.bytes[0]),
                "ffn" => (times.ffn, self.mlps().map(Mlp::bytes).sum()),
                "core_decode" => (times.core_decode, times.bytes[1]),
                "core_ffn" => {
                    let whole: usize = self.mlps().map(Mlp::bytes).sum();
                    (times.core_ffn, whole + times.bytes[1] - times.bytes[0])
                }
                _ => (times.decode - (1.0 - times.active) * times.ffn, times.bytes[1]),
            };
            println!(
                "{{\"name\": \"generation_{}_{part}\", \"seconds\": {seconds}, \"weight_bytes\": {bytes}, \"active_fraction\": {}}}",
                self.name, times.active
            );
        }
    }

    fn mlps(&self) -> impl Iterator<Item = &Mlp> {
        (0..self.model.config().layers).filter_map(|layer| self.model.mlp(layer))
    }

    /// Bytes of the weights of all matrices that a token passes; of the embedding it reads a row.
    fn weight_bytes(&self) -> usize {
        let c = self.model.config();
        let (queries, keys) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let attention = c.hidden * (2 * queries + 2 * keys) * size_of::<f32>();
        self.mlps().map(Mlp::bytes).sum::<usize>()
            + c.layers * attention
            + c.vocab * c.hidden * size_of::<f32>()
    }

    fn whole(&self, times: &mut Times, steps: usize) -> Result<()> {
        let mut cache = KvCache::new(self.model.config(), PROMPT + self.steps)?;
        let mut step = |tokens: &[u32]| -> Result<u32> {
            let with = Forward { cache: Some(&mut cache), head: Head::Last, mlps: None };
            let logits = self.model.forward(&Tokens::one(tokens), with, &mut NoTaps)?.ok_or("no logits")?;
            likeliest(logits.reshape([self.model.config().vocab]))
        };
        let clock = Instant::now();
        let mut next = step(&self.prompt)?;
        times.prefill = clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        for _ in 0..steps {
            next = step(&[next])?;
        }
        times.decode = clock.elapsed().as_secs_f64() / steps.max(1) as f64;
        times.bytes = [self.weight_bytes(); 2];
        times.active = 1.0;
        black_box(next);
        Ok(())
    }

    fn core(&self, times: &mut Times) -> Result<()> {
        let shape = self.model.config();
        let config = CoreConfig { beta: KEPT, ..CoreConfig::for_model(shape) }.in_all_layers(shape.layers);
        let mut session = CoreInferSession::prefill(
            &self.model,
            &self.prompt,
            PROMPT + self.steps,
            config,
            Strategy::Stable,
        )?;
        let mut next = likeliest(session.next_logits())?;
        let clock = Instant::now();
        for _ in 0..self.steps {
            next = likeliest(session.decode_step(next)?)?;
        }
        times.core_decode = clock.elapsed().as_secs_f64() / self.steps as f64;
        times.active = session.active_fraction();
        let sets = session.sets().to_vec();
        drop(session);

        let whole: Vec<&Mlp> = self.mlps().collect();
        let pairs = whole.iter().zip(&sets);
        let core = pairs
            .map(|(mlp, set)| mlp.restricted(set.as_deref().ok_or("a layer is whole")?).map_err(Into::into))
            .collect::<Result<Vec<Mlp>>>()?;
        let core: Vec<&Mlp> = core.iter().collect();
        let bytes = |mlps: &[&Mlp]| mlps.iter().map(|m| m.bytes()).sum::<usize>();
        times.bytes[1] = times.bytes[0] + bytes(&core) - bytes(&whole);
        let values = normals(&mut stream(0, "speed/generation/input", 0), shape.hidden);
        let x = Array3::from_shape_fn((1, 1, shape.hidden), |(_, _, i)| values[i]);
        let x: Tensor<3> = bridge::float_tensor(x.view(), FloatDType::F32, &self.model.device())?;
        times.ffn = self.ffn(&whole, &x)?;
        times.core_ffn = self.ffn(&core, &x)?;
        Ok(())
    }

    /// Seconds of one token in all MLPs.
    fn ffn(&self, mlps: &[&Mlp], x: &Tensor<3>) -> Result<f64> {
        let span = Span::dense(1, 1);
        let clock = Instant::now();
        for _ in 0..self.steps {
            // Each reads its own weights, so that none of them is still in a cache the next time.
            for (layer, mlp) in mlps.iter().enumerate() {
                let out = mlp.forward(x.clone(), layer, &span, &mut NoTaps)?;
                black_box(bridge::float_array::<f32, 3>(out)?);
            }
        }
        Ok(clock.elapsed().as_secs_f64() / self.steps as f64)
    }
}

fn likeliest(logits: Tensor<1>) -> Result<u32> {
    let logits = bridge::float_array::<f32, 1>(logits)?;
    let best = (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
    Ok(u32::try_from(best)?)
}

fn stories() -> PathBuf {
    let data = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    data.join("lm-stories260k")
}
