//! Seconds of the weighted directed clustering that `benches/peers/clustering_networkx.py` times in Python: 400 nodes,
//! each ordered pair an edge with probability 1/2. `clustering_speed [REPEATS]`; JSON lines `{name, seconds}`.
#![allow(clippy::print_stdout, reason = "this program prints timings")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use bio_data::graph::{Network, clustering};
use ndarray::Array2;
use numerics::rng::stream;
use rand::RngExt;

const NODES: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let repeats: usize = std::env::args().nth(1).map_or(Ok(7), |text| text.parse())?;
    let mut draws = stream(0, "speed/graph", 0);
    let weights = Array2::from_shape_fn((NODES, NODES), |(from, to)| {
        let (edge, weight) = (draws.random::<f64>() < 0.5, 1.0 - draws.random::<f64>());
        if edge && from != to { weight } else { 0.0 }
    });
    let network = Network::from_matrix(&weights.view())?;
    // The first run warms up.
    for repetition in 0..=repeats {
        let clock = Instant::now();
        black_box(clustering::weighted(black_box(&network))?);
        if repetition > 0 {
            println!("{{\"name\": \"clustering_400\", \"seconds\": {}}}", clock.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
