//! What hooks cost: seconds of a forward pass with them over seconds without, in interleaved pairs.
//!
//! `hooks_speed [PAIRS] [HIDDEN ..]` (30 pairs; 512, 1024 and 2048 units); JSON lines `{name, hidden, layers, tokens,
//! pairs, median_ratio, least, most, median_seconds}`; threads: `RAYON_NUM_THREADS`. The order within a pair alternates.
//!
//! | name | over |
//! |---|---|
//! | `empty_set/prefill`, `empty_set/decode` | a set without hooks over a pass compiled without hooks |
//! | `empty_set/plain` | a set without hooks over the same model written out without hook points |
//! | `no_taps/plain` | a pass compiled without hooks over the same |
//! | `statistics/prefill` | counts above zero, means and variances of every MLP neuron over a pass compiled without hooks |
//! | `counts/prefill` | the counts alone, which language neurons are found by |
#![allow(clippy::print_stdout, reason = "this program prints timings")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use burn::tensor::FloatDType;
use llm_neurons::model::{Forward, Head, HookedLm, KvCache, Tokens, WeightFiles};
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

/// Sequences and tokens of each.
const BATCH: usize = 4;
const TIME: usize = 64;
/// Tokens that are generated one after another for one time.
const STEPS: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pairs: usize = arguments.next().map_or(Ok(30), |text| text.parse())?;
    let mut widths: Vec<usize> = arguments.map(|text| text.parse()).collect::<Result<_, _>>()?;
    if widths.is_empty() {
        widths = vec![512, 1024, 2048];
    }
    for hidden in widths {
        let layers = if hidden > 1024 { 2 } else { 4 };
        let mlp = 4 * hidden;
        let heads = (hidden / 64).max(1);
        let size = Size { vocab: 2048, hidden, layers, heads, kv_heads: heads, mlp, context: TIME + STEPS };
        compare(size, pairs)?;
    }
    Ok(())
}

fn compare(size: Size, pairs: usize) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    random_model::write(folder.path(), &size, Dtype::F32, 1);
    let device = DeviceSpec::Cpu.open()?.device;
    let model = HookedLm::load(folder.path(), FloatDType::F32, &device)?;
    let plain = PlainLlama::new(size, &WeightFiles::open(folder.path())?, &device);
    let ids: Vec<u32> = (0..BATCH * TIME).map(|i| (i * 37 % size.vocab) as u32).collect();
    let tokens = Tokens::new(Array2::from_shape_fn((BATCH, TIME), |(b, t)| ids[b * TIME + t]));
    let say = |name: &str, tokens: usize, found: &Pairs| {
        println!(
            "{{\"name\": \"{name}\", \"hidden\": {}, \"layers\": {}, \"tokens\": {tokens}, \"pairs\": {pairs}, \
             \"median_ratio\": {:.4}, \"least\": {:.4}, \"most\": {:.4}, \"median_seconds\": {:.6}}}",
            size.hidden, size.layers, found.median, found.least, found.most, found.seconds
        );
    };
    let mut empty = HookSet::new();
    let bare = || read(&model, &tokens, Head::All, &mut NoTaps);
    let found = interleaved(pairs, || read(&model, &tokens, Head::All, &mut empty), bare);
    say("empty_set/prefill", BATCH * TIME, &found);
    let found = interleaved(pairs, || decode(&model, &ids, &mut empty), || decode(&model, &ids, &mut NoTaps));
    say("empty_set/decode", STEPS, &found);
    let without = || drop(black_box(plain.logits(&ids, BATCH)));
    let found = interleaved(pairs, || read(&model, &tokens, Head::All, &mut empty), without);
    say("empty_set/plain", BATCH * TIME, &found);
    let found = interleaved(pairs, bare, without);
    say("no_taps/plain", BATCH * TIME, &found);
    let bare = || read(&model, &tokens, Head::None, &mut NoTaps);
    for (name, reads) in [
        ("statistics/prefill", &[Read::CountPositive, Read::Moments][..]),
        ("counts/prefill", &[Read::CountPositive]),
    ] {
        let mut hooks = HookSet::new();
        for layer in 0..size.layers {
            for of in reads {
                hooks.read(Site::Act(layer), *of)?;
            }
        }
        let found = interleaved(pairs, || read(&model, &tokens, Head::None, &mut hooks), bare);
        say(name, BATCH * TIME, &found);
    }
    Ok(())
}

fn read<T: Taps>(model: &HookedLm, tokens: &Tokens, head: Head, taps: &mut T) {
    let with = Forward { head, ..Forward::default() };
    drop(black_box(model.forward(tokens, with, taps)));
}

/// A short prompt, and tokens after it one by one.
fn decode<T: Taps>(model: &HookedLm, ids: &[u32], taps: &mut T) {
    let Ok(mut cache) = KvCache::new(model.config(), 8 + STEPS) else { return };
    for step in 0..=STEPS {
        let next = if step == 0 { &ids[..8] } else { &ids[8 + step..9 + step] };
        let with = Forward { cache: Some(&mut cache), head: Head::Last, mlps: None };
        drop(black_box(model.forward(&Tokens::one(next), with, taps)));
    }
}

/// Seconds of one piece of work over those of another.
struct Pairs {
    median: f64,
    least: f64,
    most: f64,
    /// Median of the second.
    seconds: f64,
}

/// One after the other, in turns, after each was done once.
fn interleaved(pairs: usize, mut first: impl FnMut(), mut second: impl FnMut()) -> Pairs {
    let seconds = |work: &mut dyn FnMut()| {
        let clock = Instant::now();
        work();
        clock.elapsed().as_secs_f64()
    };
    seconds(&mut first);
    seconds(&mut second);
    let (mut ratios, mut times) = (Vec::new(), Vec::new());
    for pair in 0..pairs.max(1) {
        let (a, b) = if pair % 2 == 0 {
            let a = seconds(&mut first);
            (a, seconds(&mut second))
        } else {
            let b = seconds(&mut second);
            (seconds(&mut first), b)
        };
        ratios.push(a / b);
        times.push(b);
    }
    ratios.sort_by(f64::total_cmp);
    times.sort_by(f64::total_cmp);
    let middle = |x: &[f64]| (x[(x.len() - 1) / 2] + x[x.len() / 2]) / 2.0;
    Pairs {
        median: middle(&ratios),
        least: ratios[0],
        most: ratios[ratios.len() - 1],
        seconds: middle(&times),
    }
}
