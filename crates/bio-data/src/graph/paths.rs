//! Shortest directed paths.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use ndarray::Array2;
use rayon::prelude::*;

use super::Network;
use crate::{Error, Result};

/// How long an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lengths {
    /// Every edge 1.
    #[default]
    Unit,
    /// `1 / weight`: strong edges are short.
    Inverse,
    /// The weight itself.
    Weight,
}

/// Figures of all ordered pairs of different nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathSummary {
    /// Mean length over the pairs with a path; NaN without any.
    pub characteristic: f64,
    /// Mean of `1 / length` over all pairs; a pair without a path counts 0 (Latora and Marchiori 2001).
    pub efficiency: f64,
    /// Longest of the shortest paths.
    pub diameter: f64,
    /// Pairs without a path.
    pub unreachable: usize,
}

/// Lengths of the shortest paths `[from, to]`; infinite where there is none, 0 on the diagonal. Breadth-first for unit
/// lengths, Dijkstra otherwise; parallel over sources.
#[must_use]
pub fn all_pairs(network: &Network, lengths: Lengths) -> Array2<f64> {
    let n = network.nodes();
    let mut out = Array2::from_elem((n, n), f64::INFINITY);
    if let Some(cells) = out.as_slice_mut() {
        cells.par_chunks_exact_mut(n.max(1)).enumerate().for_each(|(source, row)| match lengths {
            Lengths::Unit => breadth_first(network, source, row),
            Lengths::Inverse => dijkstra(network, source, row, |w| 1.0 / w),
            Lengths::Weight => dijkstra(network, source, row, |w| w),
        });
    }
    out
}

/// Figures of the shortest paths.
///
/// # Errors
/// [`Error::Value`] below two nodes.
pub fn summary(network: &Network, lengths: Lengths) -> Result<PathSummary> {
    let n = network.nodes();
    if n < 2 {
        return Err(Error::Value {
            what: "shortest paths".to_owned(),
            found: format!("{n} nodes"),
            expected: "two or more".to_owned(),
        });
    }
    let all = all_pairs(network, lengths);
    let (mut sum, mut inverse, mut reached, mut diameter) = (0.0, 0.0, 0_usize, 0.0_f64);
    for ((i, j), d) in all.indexed_iter() {
        if i != j && d.is_finite() {
            sum += d;
            inverse += 1.0 / d;
            reached += 1;
            diameter = diameter.max(*d);
        }
    }
    let pairs = n * (n - 1);
    Ok(PathSummary {
        characteristic: sum / reached as f64,
        efficiency: inverse / pairs as f64,
        diameter,
        unreachable: pairs - reached,
    })
}

fn breadth_first(network: &Network, source: usize, row: &mut [f64]) {
    row[source] = 0.0;
    let mut queue = VecDeque::from([source as u32]);
    while let Some(at) = queue.pop_front() {
        let next = row[at as usize] + 1.0;
        for to in network.successors(at as usize) {
            let place = &mut row[*to as usize];
            if place.is_infinite() {
                *place = next;
                queue.push_back(*to);
            }
        }
    }
}

/// A distance that can be ordered; it is never NaN.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn dijkstra(network: &Network, source: usize, row: &mut [f64], length: impl Fn(f64) -> f64) {
    let weights = network.weights();
    row[source] = 0.0;
    let mut heap = BinaryHeap::from([Reverse((Ordered(0.0), source as u32))]);
    while let Some(Reverse((Ordered(distance), at))) = heap.pop() {
        if distance > row[at as usize] {
            continue;
        }
        for to in network.successors(at as usize) {
            let next = distance + length(weights[[at as usize, *to as usize]]);
            let place = &mut row[*to as usize];
            if next < *place {
                *place = next;
                heap.push(Reverse((Ordered(next), *to)));
            }
        }
    }
}
