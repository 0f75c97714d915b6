//! Hooks that are not set cost no allocation and no copy of a tensor, counted allocation by allocation.

#[path = "cases/plain_llama.rs"]
mod plain_llama;
#[path = "cases/random_model.rs"]
mod random_model;
#[path = "cases/weight_file.rs"]
mod weight_file;

use std::path::Path;

use allocation_counter::{AllocationInfo, measure};
use burn::tensor::{FloatDType, Tensor};
use llm_neurons::model::{Forward, Head, HookedLm, KvCache, LmConfig, Tokens, WeightFiles};
use ndarray::Array2;
use plain_llama::PlainLlama;
use probes::{HookSet, NoTaps, Read, Span, Taps};
use random_model::Size;
use recordings::{Intervention, Site};
use safetensors::Dtype;
use tensor_backend::{DeviceSpec, bridge};

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];

/// Small enough that no operation is cut among threads: the count is this thread's.
const SMALL: Size = Size { vocab: 64, hidden: 32, layers: 2, heads: 4, kv_heads: 2, mlp: 48, context: 32 };

/// Allocations of a piece of work that is done once before, so that what is kept for later is there: the least of some
/// runs, for a queue of the thread pool grows now and then.
fn allocations(mut work: impl FnMut()) -> (u64, u64) {
    work();
    let count = |info: AllocationInfo| (info.count_total, info.bytes_total);
    (0..5).map(|_| count(measure(&mut work))).min().unwrap()
}

fn fixture(name: &str) -> HookedLm {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers");
    let text = std::fs::read_to_string(folder.join(format!("{name}.config.json"))).unwrap();
    let files = WeightFiles::open_file(&folder.join(format!("{name}.model.safetensors"))).unwrap();
    let device = DeviceSpec::Cpu.open().unwrap().device;
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, &device).unwrap()
}

fn prefill<T: Taps>(model: &HookedLm, tokens: &Tokens, taps: &mut T) {
    model.forward(tokens, Forward::default(), taps).unwrap().unwrap();
}

/// A prompt and two steps with a cache.
fn decode<T: Taps>(model: &HookedLm, taps: &mut T) {
    let mut cache = KvCache::new(model.config(), 8).unwrap();
    for ids in [&[5_u32, 9, 40][..], &[7], &[3]] {
        let with = Forward { cache: Some(&mut cache), head: Head::Last, mlps: None };
        model.forward(&Tokens::one(ids), with, taps).unwrap().unwrap();
    }
}

#[test]
fn a_set_without_hooks_allocates_what_no_hooks_do_in_every_family() {
    for name in FAMILIES {
        let model = fixture(name);
        let tokens = Tokens::new(Array2::from_shape_fn((2, 6), |(b, t)| (b * 6 + t) as u32));
        let mut empty = HookSet::new();
        let bare = allocations(|| prefill(&model, &tokens, &mut NoTaps));
        assert_eq!(bare, allocations(|| prefill(&model, &tokens, &mut empty)), "{name}");
        let bare = allocations(|| decode(&model, &mut NoTaps));
        assert_eq!(bare, allocations(|| decode(&model, &mut empty)), "{name}, decoding");
        // The measure measures: one read is seen.
        let mut reading = HookSet::new();
        reading.read(Site::Act(0), Read::MeanOverTokens).unwrap();
        assert!(allocations(|| decode(&model, &mut reading)).0 > bare.0, "{name}");
    }
}

#[test]
fn a_block_with_hook_points_allocates_what_a_block_without_does() {
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let ids: Vec<u32> = (0..24).map(|i| i * 7 % 64).collect();
    let tokens = Tokens::new(Array2::from_shape_fn((2, 12), |(b, t)| ids[b * 12 + t]));
    let of = |layers: usize| {
        let folder = tempfile::tempdir().unwrap();
        let size = Size { layers, ..SMALL };
        random_model::write(folder.path(), &size, Dtype::F32, 3);
        let files = WeightFiles::open(folder.path()).unwrap();
        let hooked = HookedLm::load(folder.path(), FloatDType::F32, &device).unwrap();
        let plain = PlainLlama::new(size, &files, &device);
        let [a, b] = [hooked.logits(&tokens).unwrap(), plain.logits(&ids, 2)]
            .map(|x| bridge::float_array::<f64, 3>(x).unwrap());
        assert_eq!(a, b, "the two are one model, to the last bit");
        let mut empty = HookSet::new();
        let hooked = allocations(|| prefill(&hooked, &tokens, &mut empty));
        (hooked, allocations(|| drop(plain.logits(&ids, 2))))
    };
    let ((hooked_few, plain_few), (hooked_many, plain_many)) = (of(2), of(7));
    let blocks = |many: (u64, u64), few: (u64, u64)| (many.0 - few.0, many.1 - few.1);
    let (hooked, plain) = (blocks(hooked_many, hooked_few), blocks(plain_many, plain_few));
    assert!(
        plain.0 > 0 && hooked.0 <= plain.0,
        "allocations of five blocks: {hooked:?}, without hooks {plain:?}"
    );
    assert!(hooked.1 <= plain.1, "bytes of five blocks: {hooked:?}, without hooks {plain:?}");
}

#[test]
fn a_site_without_hooks_and_a_read_keep_the_tensor_itself() {
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let host = ndarray::Array3::from_shape_fn((2, 20, 40), |(b, t, u)| (b + t) as f64 - u as f64);
    let span = Span::dense(2, 20);
    let bytes = (host.len() * 4) as u64;
    let fresh = || -> Tensor<3> { bridge::float_tensor(host.view(), FloatDType::F32, &device).unwrap() };
    let mut hooks = HookSet::new();
    hooks.read(Site::Act(1), Read::CountPositive).unwrap();
    hooks.read(Site::Act(1), Read::Moments).unwrap();
    hooks.edit(Intervention::drop_units(Site::ResidPost(0), vec![1])).unwrap();
    hooks.tap(Site::Act(1), fresh(), &span).unwrap();
    for (site, most) in [(Site::Act(0), 0), (Site::Act(1), bytes / 2)] {
        let x = fresh();
        let mut out = None;
        let info = measure(|| out = Some(hooks.tap(site.clone(), x, &span).unwrap()));
        assert!(info.bytes_total <= most, "{site}: {} bytes of {bytes}", info.bytes_total);
        // A tensor that something else holds is copied on its way to the host; this one is not.
        let info = measure(|| drop(std::hint::black_box(out.take().unwrap().into_data())));
        assert!(info.bytes_total < bytes, "{site}: somebody keeps a copy of the tensor");
    }
    // Unlike a tensor of which a copy is kept.
    let (x, kept) = (fresh(), fresh());
    let twin = x.clone();
    assert!(measure(|| drop(std::hint::black_box(x.into_data()))).bytes_total >= bytes);
    drop((kept, twin));
}
