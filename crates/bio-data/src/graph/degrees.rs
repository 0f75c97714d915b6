//! Degrees, strengths, density and reciprocity.

use ndarray::{Array1, Axis};

use super::Network;

/// Edges that leave each node, self-loops among them.
#[must_use]
pub fn out_degrees(network: &Network) -> Vec<usize> {
    (0..network.nodes()).map(|i| network.successors(i).len()).collect()
}

/// Edges that reach each node, self-loops among them.
#[must_use]
pub fn in_degrees(network: &Network) -> Vec<usize> {
    (0..network.nodes()).map(|i| network.predecessors(i).len()).collect()
}

/// Sum of the weights that leave each node.
#[must_use]
pub fn out_strengths(network: &Network) -> Array1<f64> {
    network.weights().sum_axis(Axis(1))
}

/// Sum of the weights that reach each node.
#[must_use]
pub fn in_strengths(network: &Network) -> Array1<f64> {
    network.weights().sum_axis(Axis(0))
}

/// Edges over the `n (n - 1)` that could be; self-loops count above, not below. NaN below two nodes.
#[must_use]
pub fn density(network: &Network) -> f64 {
    let n = network.nodes() as f64;
    network.edges() as f64 / (n * (n - 1.0))
}

/// The share of edges between different nodes whose reverse is an edge too. NaN without such edges.
#[must_use]
pub fn reciprocity(network: &Network) -> f64 {
    let (mut edges, mut mutual) = (0_usize, 0_usize);
    for i in 0..network.nodes() {
        for j in network.successors(i).iter().map(|j| *j as usize).filter(|j| *j != i) {
            edges += 1;
            mutual += usize::from(network.has(j, i));
        }
    }
    mutual as f64 / edges as f64
}
