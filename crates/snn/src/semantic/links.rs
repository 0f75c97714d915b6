//! The excitatory links of a network, row by row.

use ndarray::{Array2, ArrayView2};
use numerics::rng::stream;
use petgraph::graph::UnGraph;
use rand::RngExt;

use super::DhanParams;
use crate::{Error, Result};

/// Links in compressed rows: row `i` holds the sites `j` that excite `i`, in increasing order, with `w_ij`. A link has
/// both directions, and pairs without one inhibit each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Links {
    offsets: Vec<usize>,
    sources: Vec<u32>,
    weights: Vec<f64>,
}

impl Links {
    /// The links inside cliques, with weights drawn within the spread of their mean.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a clique or with one of fewer than two sites, [`Error::Parameter`] for a site that
    /// is not below `sites` or stands twice in its clique.
    pub fn from_cliques(sites: usize, cliques: &[Vec<usize>], p: &DhanParams, seed: u64) -> Result<Self> {
        check_cliques(sites, cliques)?;
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for clique in cliques {
            for i in clique {
                pairs.extend(clique.iter().filter(|j| *j != i).map(|j| (*i as u32, *j as u32)));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        // A weight belongs to its pair: more cliques elsewhere do not change it.
        let draw = |i: u32, j: u32| {
            let (row, other) = if p.symmetric { (i.min(j), i.max(j)) } else { (i, j) };
            let index = (u64::from(row) << 32) | u64::from(other);
            let unit: f64 = stream(seed, "semantic/links", index).random();
            p.link_weight * (1.0 - p.link_spread + 2.0 * p.link_spread * unit)
        };
        let weights = pairs.iter().map(|(i, j)| draw(*i, *j)).collect();
        let offsets = (0..=sites).map(|i| pairs.partition_point(|pair| (pair.0 as usize) < i)).collect();
        Ok(Self { offsets, sources: pairs.iter().map(|pair| pair.1).collect(), weights })
    }

    /// The positive entries of a square matrix `w[i][j]` (from `j` to `i`).
    ///
    /// # Errors
    /// [`Error::Shape`] unless square and not empty; [`Error::Parameter`] for an entry that is negative, not finite, on
    /// the diagonal, without its opposite, or (`symmetric`) different from it.
    pub fn from_dense(w: &ArrayView2<'_, f64>, symmetric: bool) -> Result<Self> {
        let n = w.nrows();
        if n == 0 || n != w.ncols() || n > u32::MAX as usize {
            return Err(Error::shape("link weights", "a square matrix", format!("{:?}", w.dim())));
        }
        let mut links = Self { offsets: vec![0], sources: Vec::new(), weights: Vec::new() };
        for i in 0..n {
            for j in 0..n {
                let (value, back) = (w[[i, j]], w[[j, i]]);
                let name = || format!("w[{i}][{j}]");
                if !(value >= 0.0 && value.is_finite()) {
                    return Err(Error::parameter(name(), value, "finite and not negative"));
                }
                if value == 0.0 {
                    continue;
                }
                if i == j {
                    return Err(Error::parameter(name(), value, "0: no site excites itself"));
                }
                if back == 0.0 || (symmetric && back != value) {
                    let expected = if symmetric { "the value of" } else { "a link like" };
                    return Err(Error::parameter(name(), value, format!("{expected} w[{j}][{i}] = {back}")));
                }
                links.sources.push(j as u32);
                links.weights.push(value);
            }
            links.offsets.push(links.sources.len());
        }
        Ok(links)
    }

    /// From compressed rows.
    ///
    /// # Errors
    /// [`Error::Shape`] for parts that do not fit together, [`Error::Parameter`] as in [`Links::from_dense`].
    pub fn from_parts(offsets: Vec<usize>, sources: Vec<u32>, weights: Vec<f64>) -> Result<Self> {
        let sites = offsets.len().saturating_sub(1);
        let fits = sites > 0
            && offsets[0] == 0
            && offsets.windows(2).all(|o| o[0] <= o[1])
            && offsets[sites] == sources.len()
            && sources.len() == weights.len();
        if !fits {
            let found = format!("{sites} rows, {} sources, {} weights", sources.len(), weights.len());
            return Err(Error::shape("links", "compressed rows", found));
        }
        let links = Self { offsets, sources, weights };
        for i in 0..sites {
            let (sources, weights) = links.row(i);
            let sorted = sources.windows(2).all(|s| s[0] < s[1]);
            if !sorted || sources.iter().any(|j| *j as usize >= sites || *j as usize == i) {
                return Err(Error::shape(
                    format!("links of site {i}"),
                    "increasing sites, itself not",
                    "others",
                ));
            }
            for (j, w) in sources.iter().zip(weights) {
                if !(*w > 0.0 && w.is_finite()) {
                    return Err(Error::parameter(format!("w[{i}][{j}]"), *w, "finite and above 0"));
                }
                if links.row(*j as usize).0.binary_search(&(i as u32)).is_err() {
                    return Err(Error::parameter(format!("w[{i}][{j}]"), *w, "a link back"));
                }
            }
        }
        Ok(links)
    }

    /// Number of sites.
    #[must_use]
    pub fn sites(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of links, each direction counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is no link.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The sites that excite a site, and the weights; empty where there is no such site.
    #[must_use]
    pub fn row(&self, site: usize) -> (&[u32], &[f64]) {
        match (self.offsets.get(site), self.offsets.get(site + 1)) {
            (Some(from), Some(to)) => (&self.sources[*from..*to], &self.weights[*from..*to]),
            _ => (&[], &[]),
        }
    }

    /// Row ends: the links of site `i` are `offsets[i]..offsets[i + 1]`.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// All sources, row by row.
    #[must_use]
    pub fn sources(&self) -> &[u32] {
        &self.sources
    }

    /// All weights, row by row.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    pub(super) fn weights_mut(&mut self) -> &mut [f64] {
        &mut self.weights
    }

    /// Refuses links whose two directions differ.
    pub(super) fn check_symmetric(&self) -> Result<()> {
        for i in 0..self.sites() {
            let (sources, weights) = self.row(i);
            for (j, w) in sources.iter().zip(weights) {
                let (back, values) = self.row(*j as usize);
                let at = back.binary_search(&(i as u32)).ok().and_then(|k| values.get(k));
                if at != Some(w) {
                    let back = at.copied().unwrap_or(0.0);
                    let expected = format!("the value of w[{j}][{i}] = {back}");
                    return Err(Error::parameter(format!("w[{i}][{j}]"), *w, expected));
                }
            }
        }
        Ok(())
    }

    /// As a matrix `[sites, sites]`.
    #[must_use]
    pub fn to_dense(&self) -> Array2<f64> {
        let mut dense = Array2::zeros((self.sites(), self.sites()));
        for i in 0..self.sites() {
            let (sources, weights) = self.row(i);
            for (j, w) in sources.iter().zip(weights) {
                dense[[i, *j as usize]] = *w;
            }
        }
        dense
    }

    /// As an undirected graph, for [`super::maximal_cliques`].
    #[must_use]
    pub fn graph(&self) -> UnGraph<(), ()> {
        let mut graph = UnGraph::with_capacity(self.sites(), self.len() / 2);
        let nodes: Vec<_> = (0..self.sites()).map(|_| graph.add_node(())).collect();
        for i in 0..self.sites() {
            for j in self.row(i).0.iter().filter(|j| **j as usize > i) {
                graph.add_edge(nodes[i], nodes[*j as usize], ());
            }
        }
        graph
    }
}

/// Cliques as a network takes them.
pub(super) fn check_cliques(sites: usize, cliques: &[Vec<usize>]) -> Result<()> {
    if cliques.is_empty() {
        return Err(Error::TooFew { what: "cliques".to_owned(), needed: 1, found: 0 });
    }
    if sites > u32::MAX as usize {
        return Err(Error::parameter("sites", sites as f64, "a number of 32 bits"));
    }
    for (a, clique) in cliques.iter().enumerate() {
        if clique.len() < 2 {
            return Err(Error::TooFew {
                what: format!("sites of clique {a}"),
                needed: 2,
                found: clique.len(),
            });
        }
        let mut sorted = clique.clone();
        sorted.sort_unstable();
        if let Some(site) = sorted.iter().find(|s| **s >= sites) {
            return Err(Error::parameter(
                format!("site of clique {a}"),
                *site as f64,
                format!("below {sites}"),
            ));
        }
        if let Some(twice) = sorted.windows(2).find(|s| s[0] == s[1]) {
            return Err(Error::parameter(format!("site of clique {a}"), twice[0] as f64, "named once"));
        }
    }
    Ok(())
}
