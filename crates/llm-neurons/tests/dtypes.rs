//! Weights that are stored, or computed with, in 16 bits: six architectures.

#[path = "cases/weight_file.rs"]
mod weight_file;

use std::path::{Path, PathBuf};

use burn::tensor::{DType, FloatDType};
use half::{bf16, f16};
use llm_neurons::generate::{GenerateConfig, generate};
use llm_neurons::model::{HookedLm, Tokens, WeightFiles};
use ndarray::{Array2, Array3};
use probes::{HookSet, NoTaps, Read};
use recordings::Site;
use recordings::arrays::ArrayFile;
use safetensors::{Dtype, SafeTensors};
use tensor_backend::Backend;
use tensor_backend::bridge::float_array;
use tensor_backend::harness::TestDevice;

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];

/// Half a unit in the last place, relative to a number: of f16 and of bf16.
const ROUNDING: [(Dtype, f64); 2] = [(Dtype::F16, 4.9e-4), (Dtype::BF16, 3.9e-3)];
/// How many roundings of the largest logit those of some ten thousand weights may add up to.
const STORED: f64 = 6.0;
/// The same where activations are rounded too, at every operation of two blocks.
const COMPUTED: f64 = 8.0;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers")
}

/// The weights of a fixture, each passed through `round`, as a folder in `dtype`.
fn folder(name: &str, dtype: Dtype, round: impl Fn(f32) -> f32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures().join(format!("{name}.config.json")), folder.path().join("config.json")).unwrap();
    let bytes = std::fs::read(fixtures().join(format!("{name}.model.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            assert_eq!(view.dtype(), Dtype::F32);
            let values: Vec<f32> =
                view.data().as_chunks::<4>().0.iter().map(|b| round(f32::from_le_bytes(*b))).collect();
            (name, view.shape().to_vec(), weight_file::bytes(&values, dtype))
        })
        .collect();
    weight_file::write_tensors(&folder.path().join("model.safetensors"), &tensors, dtype);
    folder
}

fn rounded(to: Dtype) -> fn(f32) -> f32 {
    match to {
        Dtype::F16 => |x| f16::from_f32(x).to_f32(),
        _ => |x| bf16::from_f32(x).to_f32(),
    }
}

fn float(dtype: Dtype) -> FloatDType {
    if dtype == Dtype::F16 { FloatDType::F16 } else { FloatDType::BF16 }
}

fn ids(name: &str) -> Array2<u32> {
    let file = ArrayFile::open(&fixtures().join(format!("{name}.expected.safetensors"))).unwrap();
    file.read_i64_2("input_ids").unwrap().mapv(|x| u32::try_from(x).unwrap())
}

fn logits(folder: &Path, dtype: FloatDType, on: &TestDevice, ids: &Array2<u32>) -> Array3<f64> {
    let model = HookedLm::load(folder, dtype, on.device()).unwrap();
    let logits = model.logits(&Tokens::new(ids.clone())).unwrap();
    assert_eq!(logits.dtype(), DType::from(dtype));
    float_array::<f64, 3>(logits).unwrap()
}

fn worst(got: &Array3<f64>, want: &Array3<f64>) -> f64 {
    assert_eq!(got.dim(), want.dim());
    got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn largest(x: &Array3<f64>) -> f64 {
    x.iter().map(|v| v.abs()).fold(0.0, f64::max)
}

tensor_backend::cross_backend_tests! {
    fn stored_in_16_bits_is_the_same_as_rounded_and_near_the_whole(on: &TestDevice) {
        for name in crate::FAMILIES {
            let ids = crate::ids(name);
            let whole = crate::folder(name, crate::Dtype::F32, |x| x);
            let whole = crate::logits(whole.path(), crate::FloatDType::F32, on, &ids);
            for (dtype, rounding) in crate::ROUNDING {
                let stored = crate::folder(name, dtype, |x| x);
                let stored = crate::logits(stored.path(), crate::FloatDType::F32, on, &ids);
                let rounded = crate::folder(name, crate::Dtype::F32, crate::rounded(dtype));
                let rounded = crate::logits(rounded.path(), crate::FloatDType::F32, on, &ids);
                assert_eq!(stored, rounded, "{name} {dtype:?}: widened without loss");
                let (off, largest) = (crate::worst(&stored, &whole), crate::largest(&whole));
                let allowed = crate::STORED * rounding * largest;
                assert!(off > 0.0 && off <= allowed, "{name} {dtype:?}: off by {off:e}, allowed {allowed:e}");
            }
        }
    }
}

#[test]
fn computing_in_16_bits_stays_within_its_rounding() {
    tensor_backend::harness::run(Backend::Cpu, |on| {
        for name in FAMILIES {
            let ids = ids(name);
            let folder = folder(name, Dtype::F32, |x| x);
            let whole = logits(folder.path(), FloatDType::F32, on, &ids);
            for (dtype, rounding) in ROUNDING {
                let got = logits(folder.path(), float(dtype), on, &ids);
                let (off, largest) = (worst(&got, &whole), largest(&whole));
                let allowed = COMPUTED * rounding * largest;
                assert!(off > 0.0 && off <= allowed, "{name} {dtype:?}: off by {off:e}, allowed {allowed:e}");
            }
        }
    });
}

/// Hooks, a cache and generation in 16 bits, on the processor.
#[test]
fn reads_and_generation_go_on_in_16_bits() {
    tensor_backend::harness::run(Backend::Cpu, |on| {
        for (dtype, _) in ROUNDING {
            let folder = folder("llama_gqa", dtype, |x| x);
            let model = HookedLm::load(folder.path(), float(dtype), on.device()).unwrap();
            let mut hooks = HookSet::new();
            let count = hooks.read(Site::Act(0), Read::CountPositive).unwrap();
            let moments = hooks.read(Site::Act(1), Read::Moments).unwrap();
            let config = GenerateConfig { max_new_tokens: 6, ..GenerateConfig::default() };
            let prompts: [&[u32]; 2] = [&[5, 9, 40, 7], &[61, 3]];
            let found = generate(&model, &prompts, &config, &mut hooks).unwrap();
            assert!(found.tokens.iter().all(|t| t.len() == 6));
            // Prompts and every new token but the last, of both sequences.
            assert_eq!(hooks.counts(count).unwrap().samples(), 6 + 2 * 5);
            assert_eq!(hooks.moments(moments).unwrap().count(), 6 + 2 * 5);
            let alone = generate(&model, &prompts[..1], &config, &mut NoTaps).unwrap();
            assert_eq!(alone.tokens.len(), 1);
        }
    });
}

#[test]
fn a_weight_beyond_the_number_type_is_refused_with_its_file() {
    tensor_backend::harness::run(Backend::Cpu, |on| {
        let folder = folder("llama_gqa", Dtype::F32, |x| if x == 0.0 { 0.0 } else { x + 1e5 });
        assert!(HookedLm::load(folder.path(), FloatDType::F32, on.device()).is_ok());
        let path = folder.path().join("model.safetensors");
        let error = HookedLm::load(folder.path(), FloatDType::F16, on.device()).unwrap_err().to_string();
        assert!(error.contains("f16") && error.contains(&path.display().to_string()), "{error}");
        let files = WeightFiles::open(folder.path()).unwrap();
        let name = files.names().next().unwrap().to_owned();
        let shape = files.shape(&name).unwrap().to_vec();
        assert!(files.read(&name, &shape).unwrap().iter().all(|x| x.is_finite()));
    });
}
