//! Core neurons of pooled texts, counted while the texts pass by.

use ndarray::{Array2, ArrayView2};

use super::Ranked;
use super::config::share;
use super::ranking::{counts, limit, positives};
use crate::{Error, Result};

/// First pass over the texts of each cluster: how many tokens and positive activations its pool has in each layer, which
/// settles the length of a token's core. O(clusters x layers) memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSizes {
    width: usize,
    positives: Array2<u64>,
    tokens: Array2<u64>,
}

impl PoolSizes {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(clusters: usize, layers: usize, width: usize) -> Self {
        let zeros = || Array2::zeros((clusters, layers));
        Self { width, positives: zeros(), tokens: zeros() }
    }

    /// Takes one text's activations `[tokens, width]` of one layer.
    ///
    /// # Errors
    /// [`Error::Shape`] for another width, or a cluster or layer that there is not; [`Error::TooFew`] for no token;
    /// [`Error::NotFinite`].
    pub fn add(&mut self, cluster: usize, layer: usize, activations: &ArrayView2<'_, f32>) -> Result<()> {
        fits(self.tokens.dim(), self.width, cluster, layer, activations)?;
        self.positives[(cluster, layer)] += positives(activations)?;
        self.tokens[(cluster, layer)] += activations.nrows() as u64;
        Ok(())
    }

    /// Begins the second pass, with `lim = floor(alpha positives / tokens)` of each pool. With `accumulate` the pool of
    /// cluster c holds the texts of all clusters up to c, as in the published program; the paper's rule is without.
    ///
    /// # Errors
    /// [`Error::Parameter`] for alpha outside (0, 1], [`Error::TooFew`] for a pool without tokens.
    pub fn counting(&self, alpha: f64, accumulate: bool) -> Result<PoolCounts> {
        let (clusters, layers) = self.tokens.dim();
        let mut limits = Array2::zeros((clusters, layers));
        for ((c, l), lim) in limits.indexed_iter_mut() {
            let members = if accumulate { 0..=c } else { c..=c };
            let sum = |x: &Array2<u64>| members.clone().map(|c| x[(c, l)]).sum::<u64>();
            let tokens = sum(&self.tokens);
            if tokens == 0 {
                return Err(Error::TooFew { what: "tokens of a cluster's texts", needed: 1, found: 0 });
            }
            *lim = limit(alpha, sum(&self.positives), tokens, self.width)?;
        }
        let counts = vec![vec![0; self.width]; clusters * layers];
        Ok(PoolCounts { accumulate, limits, counts })
    }
}

/// Second pass: in how many tokens' cores each neuron of each pool is. O(clusters x layers x width) memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolCounts {
    accumulate: bool,
    limits: Array2<usize>,
    counts: Vec<Vec<u32>>,
}

impl PoolCounts {
    /// Takes one text's activations `[tokens, width]` of one layer again.
    ///
    /// # Errors
    /// [`Error::Shape`] for another width, or a cluster or layer that there is not; [`Error::NotFinite`].
    pub fn add(&mut self, cluster: usize, layer: usize, activations: &ArrayView2<'_, f32>) -> Result<()> {
        let (clusters, layers) = self.limits.dim();
        let width = self.counts.first().map_or(0, Vec::len);
        fits((clusters, layers), width, cluster, layer, activations)?;
        positives(activations)?;
        let last = if self.accumulate { clusters - 1 } else { cluster };
        for c in cluster..=last {
            let more = counts(activations, self.limits[(c, layer)]);
            self.counts[c * layers + layer].iter_mut().zip(more).for_each(|(n, more)| *n += more);
        }
        Ok(())
    }

    /// The neurons of each pool, `[cluster][layer]`, ranked, of which `floor(beta appearing)` are kept, at least one.
    ///
    /// # Errors
    /// [`Error::Parameter`] for beta outside (0, 1].
    pub fn ranked(&self, beta: f64) -> Result<Vec<Vec<Ranked>>> {
        share("beta", beta)?;
        let (clusters, layers) = self.limits.dim();
        let of = |c: usize, l: usize| {
            let count = &self.counts[c * layers + l];
            let appearing = count.iter().filter(|n| **n > 0).count();
            let keep = ((beta * appearing as f64).floor() as usize).max(1);
            Ranked::from_counts(count.clone(), self.limits[(c, l)], keep)
        };
        Ok((0..clusters).map(|c| (0..layers).map(|l| of(c, l)).collect()).collect())
    }
}

fn fits(
    (clusters, layers): (usize, usize),
    width: usize,
    cluster: usize,
    layer: usize,
    activations: &ArrayView2<'_, f32>,
) -> Result<()> {
    for (what, found, bound) in [("cluster", cluster, clusters), ("layer", layer, layers)] {
        if found >= bound {
            return Err(Error::shape(what, format!("below {bound}"), found));
        }
    }
    if activations.ncols() != width {
        return Err(Error::shape("neurons of a layer", width, activations.ncols()));
    }
    Ok(())
}
