//! Clustering of directed, weighted graphs (Fagiolo 2007; Onnela et al. 2005).
//!
//! With `V = (W / max W)^(1/3)` and `S = V + V^T`, both without their diagonals,
//! `c_i = (S^3)_ii / (2 (d_i (d_i - 1) - 2 m_i))`, where `d_i` is the number of edges at node i and `m_i` of mutual
//! pairs among them; 0 where there is no triangle. S is symmetric, so `(S^3)_ii` is the product of row i of `S S` with
//! row i of S: one matrix product, `2 n^3` operations, whatever the density.

use ndarray::{Array2, Zip};
use numerics::linalg::product;

use super::Network;
use crate::Result;

/// Weighted clustering of each node. The maximum runs over all edges, self-loops among them, as in NetworkX.
///
/// # Errors
/// None for a network that holds: the shapes of the product always agree.
pub fn weighted(network: &Network) -> Result<Vec<f64>> {
    let weights = network.weights();
    let top = weights.iter().copied().fold(0.0, f64::max);
    let scale = if top > 0.0 { 1.0 / top } else { 0.0 };
    of(network, |w| (w * scale).cbrt())
}

/// Clustering of each node when all weights are 1.
///
/// # Errors
/// Those of [`weighted`].
pub fn unweighted(network: &Network) -> Result<Vec<f64>> {
    of(network, |_| 1.0)
}

/// Mean over the nodes; NaN without nodes.
#[must_use]
pub fn mean(coefficients: &[f64]) -> f64 {
    coefficients.iter().sum::<f64>() / coefficients.len() as f64
}

fn of(network: &Network, value: impl Fn(f64) -> f64 + Sync) -> Result<Vec<f64>> {
    let n = network.nodes();
    if n == 0 {
        return Ok(Vec::new());
    }
    // Filled row by row from the compressed rows: a cube root only where there is an edge.
    let weights = network.weights();
    let mut both: Array2<f64> = Array2::zeros((n, n));
    for i in 0..n {
        for j in network.successors(i).iter().map(|j| *j as usize).filter(|j| *j != i) {
            let v = value(weights[[i, j]]);
            both[[i, j]] += v;
            both[[j, i]] += v;
        }
    }
    let square = product(&both.view(), &both.view())?;
    let mut out = vec![0.0; n];
    for (i, (s, q)) in both.outer_iter().zip(square.outer_iter()).enumerate() {
        let mut triangles = 0.0;
        Zip::from(&s).and(&q).for_each(|a, b| triangles += a * b);
        let (degree, mutual) = ends(network, i);
        let pairs = (degree * degree.saturating_sub(1)) as f64 - 2.0 * mutual as f64;
        if triangles > 0.0 && pairs > 0.0 {
            out[i] = triangles / (2.0 * pairs);
        }
    }
    Ok(out)
}

/// Edges at a node without its self-loop, and mutual pairs among them.
fn ends(network: &Network, node: usize) -> (usize, usize) {
    let (out, into) = (network.successors(node), network.predecessors(node));
    let (mut a, mut b, mut mutual) = (0, 0, 0);
    while a < out.len() && b < into.len() {
        match out[a].cmp(&into[b]) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => {
                mutual += usize::from(out[a] as usize != node);
                a += 1;
                b += 1;
            }
        }
    }
    let own = usize::from(network.has(node, node));
    (out.len() + into.len() - 2 * own, mutual)
}
