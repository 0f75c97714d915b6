//! Geodesic matrices: shortest paths in a graph of near neighbours (Lin and Kriegeskorte 2023).

use ndarray::Array2;
use numerics::ranks::{average_ranks, min_max, quantile};

use crate::geo_topological::rank_min_max;
use crate::rdm::{square, stimuli_of};
use crate::{Error, GeoTopological, Result, geo_topological};

/// Which edges of the complete graph stay.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Geodesic {
    /// Edge weights are the min-maxed ramp of the ranks; pairs above the upper threshold (weight 1) lose their edge.
    TwoStep {
        /// Lower quantile of the ramp.
        lower: f64,
        /// Upper quantile of the ramp.
        upper: f64,
    },
    /// Pairs up to this quantile of the ranks keep their edge.
    ShortestFraction(f64),
    /// A stimulus keeps its `k` nearest neighbours.
    Nearest(usize),
    /// The same with `k` the whole part of this fraction of the stimuli.
    NearestFraction(f64),
}

/// When an edge counts as one between near neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Neighbours {
    /// As the reference: only the neighbours of the stimulus with the lower index are asked.
    #[default]
    Reference,
    /// Either end counts the other among its nearest.
    Symmetric,
}

/// What becomes of edges of length zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroEdges {
    /// They stay, with length zero.
    #[default]
    Keep,
    /// They vanish, as in the reference (networkx reads a zero as no edge).
    DropAsReference,
}

/// Shortest-path distances of all pairs, condensed; unreachable pairs are infinite.
///
/// Edge weights are the min-maxed ranks of the dissimilarities, or for [`Geodesic::TwoStep`] the min-maxed ramp. Paths
/// are found by Floyd and Warshall's algorithm, `O(n^3)`. With `rank_after` (the reference's default) the distances are
/// replaced by their average ranks, infinite ones last.
///
/// # Errors
/// [`Error::Length`] for a vector that is no RDM, [`Error::Parameter`] for fractions outside `[0, 1]` or `k = 0`, those
/// of [`rank_min_max`].
pub fn geodesic(
    values: &[f64],
    kind: Geodesic,
    neighbours: Neighbours,
    zero_edges: ZeroEdges,
    rank_after: bool,
) -> Result<Vec<f64>> {
    let n = stimuli_of(values.len())?;
    let weights = match kind {
        Geodesic::TwoStep { lower, upper } => {
            min_max(&geo_topological(values, GeoTopological::Ramp { lower, upper })?)?
        }
        _ => rank_min_max(values)?,
    };
    let mut paths = square(&weights, n, 0.0);
    let cut = |paths: &mut Array2<f64>, keep: &dyn Fn(usize, usize) -> bool| {
        for a in 0..n {
            for b in a + 1..n {
                if !keep(a, b) {
                    paths[[a, b]] = f64::INFINITY;
                    paths[[b, a]] = f64::INFINITY;
                }
            }
        }
    };
    let weight = paths.clone();
    match kind {
        Geodesic::TwoStep { .. } => cut(&mut paths, &|a, b| weight[[a, b]] != 1.0),
        Geodesic::ShortestFraction(p) => {
            let limit = quantile(&weights, fraction(p)?)?;
            cut(&mut paths, &|a, b| weight[[a, b]] <= limit);
        }
        Geodesic::Nearest(k) => {
            let near = nearest(&weight, k, neighbours, zero_edges)?;
            cut(&mut paths, &|a, b| near[[a, b]]);
        }
        Geodesic::NearestFraction(p) => {
            let k = (fraction(p)? * n as f64) as usize;
            let near = nearest(&weight, k, neighbours, zero_edges)?;
            cut(&mut paths, &|a, b| near[[a, b]]);
        }
    }
    if zero_edges == ZeroEdges::DropAsReference {
        cut(&mut paths, &|a, b| weight[[a, b]] != 0.0);
    }
    floyd_warshall(&mut paths);
    let condensed: Vec<f64> =
        (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).map(|p| paths[p]).collect();
    Ok(if rank_after { average_ranks(&condensed)? } else { condensed })
}

fn fraction(p: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&p) {
        return Ok(p);
    }
    Err(Error::Parameter { name: "p", value: p, expected: "in [0, 1]" })
}

/// `near[a, b]` for `a < b`: whether the pair counts as near.
fn nearest(
    weight: &Array2<f64>,
    k: usize,
    neighbours: Neighbours,
    zero_edges: ZeroEdges,
) -> Result<Array2<bool>> {
    if k == 0 {
        return Err(Error::Parameter { name: "k", value: 0.0, expected: "at least 1" });
    }
    let n = weight.nrows();
    // The reference looks for neighbours among the edges that its graph has.
    let dropped = zero_edges == ZeroEdges::DropAsReference;
    let mut near = Array2::from_elem((n, n), false);
    for a in 0..n {
        let mut others: Vec<usize> =
            (0..n).filter(|b| *b != a && !(dropped && weight[[a, *b]] == 0.0)).collect();
        // A stable sort puts the larger index last among equals.
        others.sort_by(|b, c| weight[[a, *b]].total_cmp(&weight[[a, *c]]));
        others.iter().take(k).for_each(|b| near[[a, *b]] = true);
    }
    if neighbours == Neighbours::Symmetric {
        near = Array2::from_shape_fn((n, n), |(a, b)| near[[a, b]] || near[[b, a]]);
    }
    Ok(near)
}

fn floyd_warshall(paths: &mut Array2<f64>) {
    let n = paths.nrows();
    for via in 0..n {
        let through = paths.row(via).to_owned();
        for a in 0..n {
            let to = paths[[a, via]];
            if to.is_finite() {
                paths.row_mut(a).iter_mut().zip(&through).for_each(|(d, rest)| *d = d.min(to + rest));
            }
        }
    }
}
