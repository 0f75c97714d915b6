//! Choosing neurons: of languages over 4.6 million frequencies, of relations over whole layers, of prompts.
//!
//! `cargo bench -p llm-neurons --bench selection`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use llm_neurons::core_neurons::core_neurons;
use llm_neurons::language::{
    ActivationStats, Bisection, LapeConfig, TernaryConfig, bisect_lambda, general_neurons, lape, ternary,
};
use llm_neurons::relation::{MlpSite, NeuronId, Pick, Responses, expertise, top_neurons};
use ndarray::{Array1, Array2, Array3};
use numerics::rng::{normals, stream};
use rand::RngExt;

/// Counts of the shape of Mistral 7B's in ten languages; most neurons fire rarely.
fn counts() -> ActivationStats {
    let (layers, width, languages, tokens) = (32, 14_336, 10, 100_000);
    let mut rng = stream(0, "bench/selection/counts", 0);
    let mut common = 0.0;
    let n = Array3::from_shape_simple_fn((layers, width, languages), || {
        if rng.random_range(0..languages) == 0 {
            common = rng.random::<f64>();
        }
        (tokens as f64 * common * rng.random::<f64>()) as i64
    });
    ActivationStats::new(n, Array1::from_elem(languages, tokens)).unwrap()
}

fn language(c: &mut Criterion) {
    let stats = counts();
    let mut group = c.benchmark_group("language-neurons/L32/I14336/K10");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("lape", |b| b.iter(|| lape(black_box(&stats), &LapeConfig::default())));
    group.bench_function("ternary", |b| b.iter(|| ternary(black_box(&stats), &TernaryConfig::default())));
    group.bench_function("bisect", |b| b.iter(|| bisect_lambda(black_box(&stats), &Bisection::default())));
    group.bench_function("general", |b| b.iter(|| general_neurons(black_box(&stats), 0.95)));
    group.finish();
}

fn relation(c: &mut Criterion) {
    let mut group = c.benchmark_group("relation-neurons");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (examples, units) in [(500, 26_112), (3000, 26_112)] {
        let values: Vec<f32> = normals(&mut stream(0, "bench/selection/responses", 0), examples * units)
            .into_iter()
            .map(|x| x as f32)
            .collect();
        let values = Array2::from_shape_vec((examples, units), values).unwrap();
        let ids = (0..units).map(|unit| NeuronId { layer: 0, site: MlpSite::UpOut, unit }).collect();
        let responses = Responses::new(values, ids).unwrap();
        let labels: Vec<bool> = (0..examples).map(|e| e % 5 == 0).collect();
        group.throughput(Throughput::Elements((examples * units) as u64));
        group.bench_function(BenchmarkId::new("expertise", format!("N{examples}/U{units}")), |b| {
            b.iter(|| expertise(black_box(&responses), &labels));
        });
        if examples == 500 {
            let experts = expertise(&responses, &labels).unwrap();
            group.bench_function(BenchmarkId::new("top", format!("k3000/U{units}")), |b| {
                b.iter(|| top_neurons(black_box(&experts), 3000, Pick::Top));
            });
        }
    }
    group.finish();
}

fn core(c: &mut Criterion) {
    let mut group = c.benchmark_group("core-neurons");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (tokens, width) in [(64, 11_008), (512, 11_008)] {
        let values: Vec<f32> = normals(&mut stream(0, "bench/selection/activations", 0), tokens * width)
            .into_iter()
            .map(|x| x as f32)
            .collect();
        let a = Array2::from_shape_vec((tokens, width), values).unwrap();
        group.throughput(Throughput::Elements((tokens * width) as u64));
        group.bench_function(BenchmarkId::new("rank", format!("T{tokens}/F{width}")), |b| {
            b.iter(|| core_neurons(black_box(&a.view()), 0.4, width * 2 / 5));
        });
    }
    group.finish();
}

criterion_group!(benches, language, relation, core);
criterion_main!(benches);
