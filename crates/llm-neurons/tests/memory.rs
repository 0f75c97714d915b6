//! Memory: about one copy of the weights while they load, and statistics that do not grow with the corpus.
//!
//! Bytes are those of the whole process; one measurement at a time.

#[path = "cases/random_model.rs"]
mod random_model;
#[path = "cases/weight_file.rs"]
mod weight_file;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::FloatDType;
use llm_neurons::language::{ActivationCounter, ActivationStats};
use llm_neurons::model::{Forward, Head, HookedLm, LmConfig, Tokens, WeightFiles};
use ndarray::Array2;
use peak_alloc::PeakAlloc;
use probes::{HookSet, Read};
use random_model::Size;
use recordings::Site;
use safetensors::Dtype;
use tensor_backend::DeviceSpec;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a piece of work takes at most and what it keeps, in bytes beyond what there was.
fn taken<T>(work: impl FnOnce() -> T) -> (usize, isize, T) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let made = work();
    let kept = MEMORY.current_usage() as isize - before as isize;
    (MEMORY.peak_usage().saturating_sub(before), kept, made)
}

/// What messages, names and the piece of a file that is being read take.
const SMALL: usize = 2 << 20;

fn load_peak(folder: &Path, dtype: FloatDType) -> (usize, HookedLm) {
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let (peak, _, model) = taken(|| HookedLm::load(folder, dtype, &device).unwrap());
    (peak, model)
}

#[test]
fn loading_takes_one_copy_of_the_weights_whatever_they_are_stored_as() {
    let _alone = alone();
    let size = Size { vocab: 4000, hidden: 512, layers: 6, heads: 8, kv_heads: 4, mlp: 1536, context: 64 };
    let shapes = size.tensors().into_iter().map(|(_, shape)| shape.iter().product::<usize>());
    let elements: usize = shapes.sum();
    for stored in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let folder = tempfile::tempdir().unwrap();
        random_model::write(folder.path(), &size, stored, 1);
        for (dtype, width) in [(FloatDType::F32, 4), (FloatDType::F16, 2), (FloatDType::BF16, 2)] {
            let (peak, model) = load_peak(folder.path(), dtype);
            let weights = elements * width;
            assert!(peak >= weights, "{peak} bytes hold {weights} bytes of weights");
            assert!(
                peak <= weights + weights / 20 + SMALL,
                "{stored:?} as {dtype:?}: {peak} bytes at the peak, {weights} are the weights"
            );
            drop(model);
        }
    }
}

/// Families whose weights are cut or turned on the way take one tensor more.
#[test]
fn fused_and_transposed_weights_take_one_tensor_more() {
    let _alone = alone();
    let (vocab, hidden, layers, mlp) = (2000, 384, 4, 1536);
    for family in ["gpt2", "gpt_neox"] {
        let folder = tempfile::tempdir().unwrap();
        let (config, tensors) = match family {
            "gpt2" => gpt2(vocab, hidden, layers),
            _ => neox(vocab, hidden, layers),
        };
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
            .into_iter()
            .enumerate()
            .map(|(number, (name, shape))| {
                let bytes = weight_file::bytes(&random_model::values(2, number, &shape), Dtype::F32);
                (name, shape, bytes)
            })
            .collect();
        let weights: usize = tensors.iter().map(|(_, _, bytes)| bytes.len()).sum();
        weight_file::write_tensors(&folder.path().join("model.safetensors"), &tensors, Dtype::F32);
        drop(tensors);
        let (peak, model) = load_peak(folder.path(), FloatDType::F32);
        // The largest that is cut or turned: query, key and value together, or one map of the MLP.
        let largest = 4 * hidden * mlp.max(3 * hidden);
        assert!(
            peak <= weights + weights / 20 + 2 * largest + SMALL,
            "{family}: {peak} bytes at the peak, {weights} are the weights, {largest} the largest tensor"
        );
        drop(model);
    }
}

type Shapes = (serde_json::Value, Vec<(String, Vec<usize>)>);

fn gpt2(vocab: usize, hidden: usize, layers: usize) -> Shapes {
    let config = serde_json::json!({
        "model_type": "gpt2", "vocab_size": vocab, "n_embd": hidden, "n_layer": layers, "n_head": 6, "n_positions": 64,
    });
    let mut tensors = vec![
        ("transformer.wte.weight".to_owned(), vec![vocab, hidden]),
        ("transformer.wpe.weight".to_owned(), vec![64, hidden]),
    ];
    let norm = |at: &str| [(format!("{at}.weight"), vec![hidden]), (format!("{at}.bias"), vec![hidden])];
    let map = |at: &str, from: usize, to: usize| {
        [(format!("{at}.weight"), vec![from, to]), (format!("{at}.bias"), vec![to])]
    };
    tensors.extend(norm("transformer.ln_f"));
    for l in 0..layers {
        let at = |part: &str| format!("transformer.h.{l}.{part}");
        tensors.extend(norm(&at("ln_1")));
        tensors.extend(norm(&at("ln_2")));
        tensors.extend(map(&at("attn.c_attn"), hidden, 3 * hidden));
        tensors.extend(map(&at("attn.c_proj"), hidden, hidden));
        tensors.extend(map(&at("mlp.c_fc"), hidden, 4 * hidden));
        tensors.extend(map(&at("mlp.c_proj"), 4 * hidden, hidden));
    }
    (config, tensors)
}

fn neox(vocab: usize, hidden: usize, layers: usize) -> Shapes {
    let config = serde_json::json!({
        "model_type": "gpt_neox", "vocab_size": vocab, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": 6, "intermediate_size": 4 * hidden, "max_position_embeddings": 64, "hidden_act": "gelu",
    });
    let mut tensors = vec![
        ("gpt_neox.embed_in.weight".to_owned(), vec![vocab, hidden]),
        ("embed_out.weight".to_owned(), vec![vocab, hidden]),
    ];
    let map = |at: &str, from: usize, to: usize| {
        [(format!("{at}.weight"), vec![to, from]), (format!("{at}.bias"), vec![to])]
    };
    let norm = |at: &str| [(format!("{at}.weight"), vec![hidden]), (format!("{at}.bias"), vec![hidden])];
    tensors.extend(norm("gpt_neox.final_layer_norm"));
    for l in 0..layers {
        let at = |part: &str| format!("gpt_neox.layers.{l}.{part}");
        tensors.extend(norm(&at("input_layernorm")));
        tensors.extend(norm(&at("post_attention_layernorm")));
        tensors.extend(map(&at("attention.query_key_value"), hidden, 3 * hidden));
        tensors.extend(map(&at("attention.dense"), hidden, hidden));
        tensors.extend(map(&at("mlp.dense_h_to_4h"), hidden, 4 * hidden));
        tensors.extend(map(&at("mlp.dense_4h_to_h"), 4 * hidden, hidden));
    }
    (config, tensors)
}

const COUNTED: Size =
    Size { vocab: 128, hidden: 32, layers: 3, heads: 4, kv_heads: 2, mlp: 640, context: 64 };

fn counted_model() -> HookedLm {
    let folder = tempfile::tempdir().unwrap();
    random_model::write(folder.path(), &COUNTED, Dtype::F32, 5);
    let device = DeviceSpec::Cpu.open().unwrap().device;
    HookedLm::load(folder.path(), FloatDType::F32, &device).unwrap()
}

/// A corpus that is made while it is read.
fn corpus(tokens: usize) -> impl Iterator<Item = u32> {
    (0..tokens as u32).map(|i| i.wrapping_mul(2_654_435_761) >> 25)
}

#[test]
fn counting_language_neurons_takes_the_same_memory_for_any_corpus() {
    let _alone = alone();
    let model = counted_model();
    let (window, batch) = (16, 4);
    let count = |windows: usize| {
        let mut counter = ActivationCounter::new(&model, 2).unwrap();
        // What the first batches make once is no part of it.
        counter.observe_stream(1, corpus(window * batch * 3), window, batch).unwrap();
        let (peak, kept, seen) =
            taken(|| counter.observe_stream(0, corpus(window * windows), window, batch).unwrap());
        assert_eq!(seen, windows);
        (peak, kept, counter.stats().unwrap())
    };
    count(40);
    let ((peak_short, kept_short, short), (peak_long, kept_long, long)) = (count(40), count(320));
    assert_eq!((short.tokens()[0], long.tokens()[0]), (640, 5120));
    // One number a neuron, of 64 bits, and what the queues of the thread pool grow by.
    let counts = (COUNTED.layers * COUNTED.mlp * 8) as isize;
    assert!(kept_long <= counts + 8192, "{kept_long} bytes kept of counts of {counts}");
    assert!((kept_long - kept_short).abs() <= 4096, "{kept_short} and {kept_long} bytes kept");
    assert!(peak_long <= peak_short + 16_384, "{peak_short} and {peak_long} bytes at the peak");

    // The parts of the corpus, counted apart and merged, are the whole.
    let part = |from: usize| -> ActivationStats {
        let mut counter = ActivationCounter::new(&model, 2).unwrap();
        let part = corpus(5120).skip(from).take(2560);
        counter.observe_stream(0, part, window, batch).unwrap();
        counter
            .observe_stream(1, corpus(if from == 0 { window * batch * 3 } else { 0 }), window, batch)
            .unwrap();
        counter.stats().unwrap()
    };
    let mut merged = part(0);
    merged.merge(&part(2560)).unwrap();
    assert_eq!(merged, long);
}

#[test]
fn moments_and_counts_take_the_same_memory_for_any_corpus() {
    let _alone = alone();
    let model = counted_model();
    let observe = |calls: usize| {
        let mut hooks = HookSet::new();
        for layer in 0..COUNTED.layers {
            hooks.read(Site::Act(layer), Read::CountPositive).unwrap();
            hooks.read(Site::Act(layer), Read::Moments).unwrap();
        }
        let ids: Vec<u32> = corpus(64).collect();
        let tokens = Tokens::new(Array2::from_shape_fn((4, 16), |(b, t)| ids[b * 16 + t]));
        let mut call = || {
            let with = Forward { head: Head::None, ..Forward::default() };
            model.forward(&tokens, with, &mut hooks).unwrap();
        };
        (0..3).for_each(|_| call());
        let (peak, kept, ()) = taken(|| (0..calls).for_each(|_| call()));
        (peak, kept)
    };
    observe(10);
    let (short, long) = (observe(10), observe(80));
    assert!(long.1.abs() <= 4096, "{} bytes kept by 80 more calls", long.1);
    assert!(long.0 <= short.0 + 16_384, "{short:?} {long:?}");
    // The measure measures: whole tensors grow with the corpus.
    let mut hooks = HookSet::new();
    hooks.read(Site::Act(0), Read::Full).unwrap();
    let (_, kept, ()) = taken(|| {
        for _ in 0..10 {
            model.forward(&Tokens::one(&[1, 2, 3, 4]), Forward::default(), &mut hooks).unwrap();
        }
    });
    assert!(kept >= (10 * 4 * COUNTED.mlp * 4) as isize, "{kept}");
}

#[test]
fn a_large_header_or_tensor_that_is_not_there_takes_no_memory() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), COUNTED.config().to_string()).unwrap();
    let path = folder.path().join("model.safetensors");
    let claims = br#"{"x":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,4000000000000]}}"#;
    let claims = [&(claims.len() as u64).to_le_bytes()[..], claims].concat();
    for hostile in [&u64::MAX.to_le_bytes()[..], &(99_u64 << 20).to_le_bytes(), &claims] {
        std::fs::write(&path, hostile).unwrap();
        let (peak, _, opened) = taken(|| WeightFiles::open(folder.path()));
        assert!(opened.is_err() && peak < SMALL, "{peak} bytes");
    }
    // A configuration that asks for more than the file holds.
    let huge = Size { vocab: 1 << 24, hidden: 1 << 20, ..COUNTED };
    random_model::write(folder.path(), &COUNTED, Dtype::F32, 5);
    let config = LmConfig::parse(&Size { heads: 4, ..huge }.config().to_string()).unwrap();
    let files = WeightFiles::open(folder.path()).unwrap();
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let (peak, _, loaded) = taken(|| HookedLm::from_files(config, &files, FloatDType::F32, &device));
    assert!(loaded.is_err() && peak < SMALL, "{peak} bytes");
}
