//! The census of triads: all sets of three nodes by the pattern of their edges.
//!
//! Classes are named by their mutual, asymmetric and null pairs (Holland and Leinhardt 1970), with D (down), U (up), T
//! (transitive) or C (cyclic) where that leaves a choice. Thirteen of the sixteen are connected: the motifs of Milo et
//! al. 2002. Connected triads are enumerated from their edges (Batagelj and Mrvar 2001), so the cost is O(edges times
//! degree); the two classes with fewer than two linked pairs follow by counting.

use rayon::prelude::*;

use super::Network;

/// The sixteen classes in their customary order.
pub const CLASSES: [&str; 16] = [
    "003", "012", "102", "021D", "021U", "021C", "111D", "111U", "030T", "030C", "201", "120D", "120U",
    "120C", "210", "300",
];

/// Counts of the sixteen classes, in the order of [`CLASSES`]; they add up to `n (n - 1) (n - 2) / 6`. Self-loops do
/// not count.
#[must_use]
pub fn census(network: &Network) -> [u64; 16] {
    let n = network.nodes();
    let table = classes();
    let neighbours: Vec<Vec<u32>> = (0..n).map(|i| neighbours(network, i)).collect();
    let mut counts = (0..n)
        .into_par_iter()
        .map(|u| {
            let mut counts = [0_u64; 16];
            for v in neighbours[u].iter().map(|v| *v as usize).filter(|v| *v > u) {
                let pair = code(network, u, v);
                let linked = union(&neighbours[u], &neighbours[v], u, v, |w, at_u| {
                    // Each linked triad is counted once: at its first linked pair in the order of nodes.
                    if v < w || (u < w && w < v && !at_u) {
                        let triad = pair | code(network, u, w) << 2 | code(network, v, w) << 4;
                        counts[table[triad]] += 1;
                    }
                });
                counts[if pair == 3 { 2 } else { 1 }] += (n - linked - 2) as u64;
            }
            counts
        })
        .reduce(|| [0; 16], |a, b| std::array::from_fn(|k| a[k] + b[k]));
    let n = n as u64;
    let all = if n < 3 { 0 } else { n * (n - 1) * (n - 2) / 6 };
    counts[0] = all - counts[1..].iter().sum::<u64>();
    counts
}

/// Whether a class is connected.
#[must_use]
pub fn connected(class: usize) -> bool {
    class >= 3 && class < CLASSES.len()
}

/// Nodes joined to `node` by an edge in either direction, ascending, without itself.
fn neighbours(network: &Network, node: usize) -> Vec<u32> {
    let mut all: Vec<u32> =
        network.successors(node).iter().chain(network.predecessors(node)).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|v| *v as usize != node);
    all
}

/// Walks the union of two sorted lists without `u` and `v`; its size. `visit` hears whether the node is in the first.
fn union(a: &[u32], b: &[u32], u: usize, v: usize, mut visit: impl FnMut(usize, bool)) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() || j < b.len() {
        let (x, y) = (a.get(i).copied().unwrap_or(u32::MAX), b.get(j).copied().unwrap_or(u32::MAX));
        let w = x.min(y) as usize;
        let in_first = i < a.len() && x as usize == w;
        i += usize::from(in_first);
        j += usize::from(j < b.len() && y as usize == w);
        if w != u && w != v {
            count += 1;
            visit(w, in_first);
        }
    }
    count
}

/// 1: an edge there, 2: an edge back, 3: both.
fn code(network: &Network, from: usize, to: usize) -> usize {
    usize::from(network.has(from, to)) + 2 * usize::from(network.has(to, from))
}

/// The class of each of the 64 patterns of three nodes: two bits a pair, in the order 01, 02, 12.
fn classes() -> [usize; 64] {
    std::array::from_fn(|pattern| {
        let mut edge = [[false; 3]; 3];
        for (at, (i, j)) in [(0, 1), (0, 2), (1, 2)].into_iter().enumerate() {
            edge[i][j] = pattern >> (2 * at) & 1 != 0;
            edge[j][i] = pattern >> (2 * at) & 2 != 0;
        }
        class(&edge)
    })
}

fn class(edge: &[[bool; 3]; 3]) -> usize {
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let mutual = pairs.iter().filter(|(i, j)| edge[*i][*j] && edge[*j][*i]).count();
    let asymmetric = pairs.iter().filter(|(i, j)| edge[*i][*j] != edge[*j][*i]).count();
    // Asymmetric edges that leave and reach each node.
    let single = |i: usize, j: usize| edge[i][j] && !edge[j][i];
    let out: [usize; 3] = std::array::from_fn(|i| (0..3).filter(|j| *j != i && single(i, *j)).count());
    let into: [usize; 3] = std::array::from_fn(|i| (0..3).filter(|j| *j != i && single(*j, i)).count());
    let sends = out.contains(&2);
    let receives = into.contains(&2);
    match (mutual, asymmetric) {
        (0, 0) => 0,
        (0, 1) => 1,
        (1, 0) => 2,
        (0, 2) if sends => 3,
        (0, 2) if receives => 4,
        (0, 2) => 5,
        // The node outside the mutual pair sends (D) or receives (U).
        (1, 1) if alone(edge).is_some_and(|k| out[k] == 1) => 6,
        (1, 1) => 7,
        (0, 3) if sends => 8,
        (0, 3) => 9,
        (2, 0) => 10,
        (1, 2) if sends => 11,
        (1, 2) if receives => 12,
        (1, 2) => 13,
        (2, 1) => 14,
        _ => 15,
    }
}

/// The node that is in no mutual pair.
fn alone(edge: &[[bool; 3]; 3]) -> Option<usize> {
    (0..3).find(|k| (0..3).all(|j| j == *k || !(edge[*k][j] && edge[j][*k])))
}
