//! Homogenising one recording, by smoother and by direction of resampling.

use std::hint::black_box;

use bio_data::activity::{Homogenizer, RawRecording};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;

fn raw(samples: usize, neurons: usize, step_s: f64) -> RawRecording {
    RawRecording {
        source: "Synthetic".to_owned(),
        worm: "worm0".to_owned(),
        file: "formula".to_owned(),
        times_s: (0..samples).map(|i| step_s * (i as f64 + 0.2 * (0.618034 * i as f64).fract())).collect(),
        traces: Array2::from_shape_fn((samples, neurons), |(i, n)| (0.013 * (n + 1) as f64 * i as f64).sin()),
        names: (0..neurons).map(|n| Some(if n == 0 { "AVAL".to_owned() } else { n.to_string() })).collect(),
    }
}

fn homogenize(c: &mut Criterion) {
    let mut group = c.benchmark_group("homogenize");
    for (direction, step_s) in [("slower", 0.2), ("faster", 0.6)] {
        for samples in [1600, 3000] {
            let recording = raw(samples, 125, step_s);
            group.throughput(Throughput::Elements((samples * 125) as u64));
            for smooth in ["moving:15", "gaussian:5", "exponential:0.5", "none"] {
                let Ok(smooth_method) = smooth.parse() else { continue };
                let config = Homogenizer { smooth: smooth_method, ..Homogenizer::default() };
                let id = BenchmarkId::new(format!("{direction}, {smooth}"), samples);
                group.bench_with_input(id, &recording, |b, r| b.iter(|| black_box(config.process(r))));
            }
        }
    }
    group.finish();
}

criterion_group!(benches, homogenize);
criterion_main!(benches);
