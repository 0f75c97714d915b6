//! Seconds of EigenScore over 2000 embeddings of 4096 units, as `benches/peers/eigenscore_numpy.py` times it in NumPy:
//! by Chebyshev moments (30 moments, 10 probes), by a Cholesky factor and by eigenvalues.
//!
//! `eigenscore_speed [REPEATS] [NAME ..]`; JSON lines `{name, seconds, score}`; threads: `RAYON_NUM_THREADS`.
#![allow(clippy::print_stdout, reason = "this program prints timings")]

use std::error::Error;
use std::time::Instant;

use llm_neurons::{Ees, EigenScoreConvention, ExactMethod, eigenscore_by};
use ndarray::{Array2, ArrayView2};
use numerics::rng::{normals, stream};

const EMBEDDINGS: usize = 2000;
const UNITS: usize = 4096;
const ALPHA: f64 = 1e-3;
const CONVENTION: EigenScoreConvention = EigenScoreConvention::InsideCodeLn;
const NAMES: [&str; 3] = ["ees_chebyshev", "eigenscore_cholesky", "eigenscore_eigen"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let repeats: usize = arguments.next().map_or(Ok(7), |text| text.parse())?;
    let wanted: Vec<String> = arguments.collect();
    let draws = normals(&mut stream(0, "speed/embeddings", 0), EMBEDDINGS * UNITS);
    let embeddings = Array2::from_shape_vec((EMBEDDINGS, UNITS), draws)?;
    for name in NAMES.iter().filter(|name| wanted.is_empty() || wanted.iter().any(|w| w == *name)) {
        // The first run warms up.
        for repetition in 0..=repeats {
            let clock = Instant::now();
            let score = score(name, &embeddings.view())?;
            let seconds = clock.elapsed().as_secs_f64();
            if repetition > 0 {
                println!("{{\"name\": \"{name}\", \"seconds\": {seconds}, \"score\": {score}}}");
            }
        }
    }
    Ok(())
}

fn score(name: &str, embeddings: &ArrayView2<'_, f64>) -> llm_neurons::Result<f64> {
    match name {
        "ees_chebyshev" => {
            let ees = Ees { alpha: ALPHA, moments: 30, probes: 10, ..Ees::default() };
            Ok(ees.score_embeddings(embeddings, CONVENTION)?.score)
        }
        "eigenscore_cholesky" => eigenscore_by(embeddings, CONVENTION, ALPHA, ExactMethod::Cholesky),
        _ => eigenscore_by(embeddings, CONVENTION, ALPHA, ExactMethod::Eigen),
    }
}
