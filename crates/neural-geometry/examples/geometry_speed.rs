//! Seconds of the operations that `benches/peers/*.py` time in Python, under the same names; JSON lines
//! `{name, seconds}`. `geometry_speed [REPEATS]`; threads: `RAYON_NUM_THREADS`.
#![allow(clippy::print_stdout, reason = "this program prints timings")]

use std::error::Error;
use std::time::Instant;

use ndarray::Array2;
use neural_geometry::{Comparison, Metric, Rdm, agtic, compare};
use numerics::rng::{normals, stream};
use rand::RngExt;

fn main() -> Result<(), Box<dyn Error>> {
    let repeats: usize = std::env::args().nth(1).map_or(Ok(7), |text| text.parse())?;
    let patterns =
        Array2::from_shape_vec((1000, 2000), normals(&mut stream(0, "speed/patterns", 0), 2_000_000))?;
    for (name, metric) in [
        ("rdm_correlation_1000x2000", Metric::Correlation),
        // rsatoolbox's "euclidean" is the squared distance.
        ("rdm_euclidean_1000x2000", Metric::SquaredEuclidean),
    ] {
        time(name, repeats, || Rdm::from_patterns(&patterns.view(), metric).map(|_| ()))?;
    }
    let mut draws = stream(0, "speed/rdms", 0);
    let first: Vec<f64> = (0..499_500).map(|_| draws.random()).collect();
    let second: Vec<f64> = first.iter().map(|x| x + draws.random::<f64>()).collect();
    let (a, b) = (Rdm::from_condensed(first)?, Rdm::from_condensed(second)?);
    for (name, measure) in
        [("rsa_spearman_1000", Comparison::Spearman), ("rsa_kendall_1000", Comparison::Kendall)]
    {
        time(name, repeats, || compare(&a, &b, measure).map(|_| ()))?;
    }
    let mut draws = stream(0, "speed/circle", 0);
    let angles: Vec<f64> = (0..60).map(|_| draws.random::<f64>() * std::f64::consts::TAU).collect();
    let noise = normals(&mut draws, 120);
    let x = Array2::from_shape_fn((60, 1), |(i, _)| angles[i].cos() + 0.25 * noise[i]);
    let y = Array2::from_shape_fn((60, 1), |(i, _)| angles[i].sin() + 0.25 * noise[60 + i]);
    for name in ["agtic_n60_k10_p99_vectorised", "agtic_n60_k10_p99_naive"] {
        time(name, repeats, || agtic(&x.view(), &y.view(), 10, 99, 0).map(|_| ()))?;
    }
    Ok(())
}

/// Prints the median of the repeats after one run to warm up.
fn time(
    name: &str,
    repeats: usize,
    mut work: impl FnMut() -> neural_geometry::Result<()>,
) -> neural_geometry::Result<()> {
    work()?;
    let mut seconds = Vec::new();
    for _ in 0..repeats.max(1) {
        let clock = Instant::now();
        work()?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!("{{\"name\": \"{name}\", \"seconds\": {}}}", seconds[seconds.len() / 2]);
    Ok(())
}
