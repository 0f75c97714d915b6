//! Homogenises made-up worms and prints `{name, worms, seconds, threads}`: our side of `benches/peers/homogenize_numpy.py`.
//!
//! `cargo run --release -p bio-data --example homogenize_speed -- [WORMS] [RUNS]` (default 100 worms, median of 7 runs
//! after one that is not counted). Threads: `RAYON_NUM_THREADS`.
#![allow(clippy::print_stdout, reason = "the example's output")]

use std::time::Instant;

use bio_data::activity::{Homogenizer, RawRecording};
use bio_data::neurons::LABELS;
use ndarray::Array2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let worms = arguments.next().unwrap_or(Ok(100))?;
    let runs = arguments.next().unwrap_or(Ok(7))?;
    let raws: Vec<RawRecording> = (0..worms).map(synthetic).collect();
    let homogenizer = Homogenizer::default();
    let mut seconds = Vec::new();
    let mut check = 0.0;
    for run in 0..=runs {
        let clock = Instant::now();
        let done = homogenizer.process_all(&raws).into_iter().collect::<bio_data::Result<Vec<_>>>()?;
        if run > 0 {
            seconds.push(clock.elapsed().as_secs_f64());
        }
        check = done
            .iter()
            .filter_map(|w| w.calcium().ok())
            .map(|c| c.iter().map(|v| f64::from(v.abs())).sum::<f64>() / c.len() as f64)
            .sum();
    }
    seconds.sort_by(f64::total_cmp);
    println!(
        r#"{{"name": "neuropil", "worms": {worms}, "seconds": {:.6}, "threads": {}, "check": {check:.5}}}"#,
        seconds[seconds.len() / 2],
        rayon::current_num_threads()
    );
    Ok(())
}

/// Worm `w` of the benchmark; the same formula is in `benches/peers/homogenize_numpy.py`.
fn synthetic(w: usize) -> RawRecording {
    let samples = 1600 + (w * 137) % 1401;
    let neurons = 100 + (w * 29) % 51;
    let step = 0.2 + 0.004 * ((w * 61) % 100) as f64;
    let times_s: Vec<f64> =
        (0..samples).map(|i| step * (i as f64 + 0.2 * (0.618034 * i as f64).fract())).collect();
    let traces = Array2::from_shape_fn((samples, neurons), |(i, n)| {
        let t = times_s[i];
        (0.013 * (n + 1) as f64 * t + w as f64).sin() + 0.3 * (0.41 * t * (1 + n % 7) as f64 + n as f64).cos()
    });
    let names = (0..neurons)
        .map(|n| Some(if n < 80 { LABELS[(3 * n + w) % 300].to_owned() } else { format!("{n}") }))
        .collect();
    let (source, worm, file) = ("Synthetic".to_owned(), format!("worm{w}"), "formula".to_owned());
    RawRecording { source, worm, file, times_s, traces, names }
}
