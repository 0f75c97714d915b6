//! Random graphs with the degrees of a given one.

use ndarray::Array2;
use numerics::rng::stream;
use rand::RngExt;

use super::Network;
use crate::{Error, Result};

/// How often each edge is drawn for an exchange, on average (Milo et al. 2003 find 100 ample; the chain has mixed well
/// before 10 at the sizes of a worm).
pub const DEFAULT_SWAPS_PER_EDGE: usize = 10;

/// A random graph with every node's in- and out-degree: `swaps_per_edge` times as many draws of two edges as there are
/// edges; `a -> b, c -> d` become `a -> d, c -> b` unless that makes a self-loop or an edge that exists (Maslov and
/// Sneppen 2002). Weights go with their source, so out-strengths stay too. Self-loops stay where they are. Drawn from
/// `(seed, index)`.
///
/// # Errors
/// [`Error::Value`] when there is no room for the draws' count.
pub fn degree_preserving(network: &Network, swaps_per_edge: usize, seed: u64, index: u64) -> Result<Network> {
    let n = network.nodes();
    let weights = network.weights();
    let mut out: Array2<f64> = weights.to_owned();
    let mut edges: Vec<(u32, u32)> = Vec::with_capacity(network.edges());
    for i in 0..n {
        edges.extend(network.successors(i).iter().filter(|j| **j as usize != i).map(|j| (i as u32, *j)));
    }
    let draws = edges.len().checked_mul(swaps_per_edge).ok_or_else(|| Error::Value {
        what: "swaps per edge".to_owned(),
        found: swaps_per_edge.to_string(),
        expected: "a number whose product with the edges can be counted".to_owned(),
    })?;
    if edges.len() < 2 {
        return Ok(network.clone());
    }
    let mut rng = stream(seed, "bio-data/edge-swaps", index);
    for _ in 0..draws {
        let (x, y) = (rng.random_range(0..edges.len()), rng.random_range(0..edges.len()));
        let ((a, b), (c, d)) = (edges[x], edges[y]);
        let (au, bu, cu, du) = (a as usize, b as usize, c as usize, d as usize);
        if a == d || c == b || a == c || b == d || out[[au, du]] != 0.0 || out[[cu, bu]] != 0.0 {
            continue;
        }
        out[[au, du]] = out[[au, bu]];
        out[[cu, bu]] = out[[cu, du]];
        out[[au, bu]] = 0.0;
        out[[cu, du]] = 0.0;
        edges[x].1 = d;
        edges[y].1 = b;
    }
    Network::from_matrix(&out.view())
}
