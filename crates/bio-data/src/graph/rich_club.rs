//! The rich club: how densely the nodes of high degree are joined.

use super::Network;
use super::degrees::{in_degrees, out_degrees};

/// `phi(k)` for k = 0, 1, ..: edges among the nodes whose total degree (in plus out, without self-loops) exceeds k, over
/// the `N (N - 1)` that could be (van den Heuvel and Sporns 2011, directed). The list ends before fewer than two nodes
/// are left.
#[must_use]
pub fn coefficients(network: &Network) -> Vec<f64> {
    let n = network.nodes();
    let degree: Vec<usize> = out_degrees(network)
        .iter()
        .zip(in_degrees(network))
        .enumerate()
        .map(|(i, (a, b))| a + b - 2 * usize::from(network.has(i, i)))
        .collect();
    let top = degree.iter().copied().max().unwrap_or(0);
    // An edge lies among the nodes above k as long as k is below the lesser of its ends' degrees.
    let (mut edges, mut nodes) = (vec![0_usize; top + 2], vec![0_usize; top + 2]);
    for i in 0..n {
        nodes[degree[i]] += 1;
        for j in network.successors(i).iter().map(|j| *j as usize).filter(|j| *j != i) {
            edges[degree[i].min(degree[j])] += 1;
        }
    }
    for k in (0..=top).rev() {
        edges[k] += edges[k + 1];
        nodes[k] += nodes[k + 1];
    }
    (0..top)
        .map(|k| (nodes[k + 1], edges[k + 1]))
        .take_while(|(rich, _)| *rich >= 2)
        .map(|(rich, joined)| joined as f64 / (rich * (rich - 1)) as f64)
        .collect()
}
