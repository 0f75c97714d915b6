//! Persistent homology of the Vietoris-Rips complex of a dissimilarity matrix: components (H0) and loops (H1).

use crate::cohomology::loops;
use crate::rdm::stimuli_of;
use crate::{Error, Result};

/// No edge: a pair beyond the threshold.
pub(crate) const NO_EDGE: u32 = u32::MAX;

/// A feature that appears at one dissimilarity and vanishes at another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Where it appears.
    pub birth: f64,
    /// Where it vanishes; infinite when it never does.
    pub death: f64,
}

impl Bar {
    /// `death - birth`.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.death - self.birth
    }
}

/// The answer of [`persistence`]: bars in the order of their births, then deaths.
#[derive(Debug, Clone, PartialEq)]
pub struct Persistence {
    /// Components: all appear at 0; the finite deaths are the merge heights of single linkage, `n` bars in all.
    pub h0: Vec<Bar>,
    /// Loops of positive length.
    pub h1: Vec<Bar>,
}

/// The complex's edges, shortest first, ties by vertices: a total order in which simplices enter.
pub(crate) struct Edges {
    pub(crate) n: usize,
    pub(crate) length: Vec<f64>,
    pub(crate) ends: Vec<(u32, u32)>,
    /// Place of each pair in the order, `[n n]`; [`NO_EDGE`] beyond the threshold.
    pub(crate) place: Vec<u32>,
}

/// Components and loops of the stimuli as balls around them grow: two stimuli are joined once the threshold reaches their
/// dissimilarity, three once it reaches all three of theirs.
///
/// `condensed` holds dissimilarities of at least 0; infinite ones never join. Beyond `threshold` (`None`: no bound)
/// nothing enters, so features alive there have an infinite death.
///
/// H0 comes from Kruskal's algorithm, H1 from the reduction of coboundaries modulo 2 (de Silva, Morozov and
/// Vejdemo-Johansson 2011) that skips the edges which H0 has used (clearing) and those that a triangle closes at once
/// (apparent pairs, Bauer 2021). Without a bound the complex is cut at its enclosing radius, beyond which it is a cone.
/// 200 stimuli take milliseconds to a second; memory is `O(n^2)` and what the reduced columns need.
///
/// # Errors
/// [`Error::Length`] for a vector that is no RDM, [`Error::Value`] for NaN or negative dissimilarities,
/// [`Error::Parameter`] for a threshold that is negative or NaN.
pub fn persistence(condensed: &[f64], threshold: Option<f64>) -> Result<Persistence> {
    let n = check(condensed)?;
    let bound = match threshold {
        Some(t) if t.is_nan() || t < 0.0 => {
            return Err(Error::Parameter { name: "threshold", value: t, expected: "at least 0" });
        }
        Some(t) => t,
        None => f64::INFINITY,
    };
    let edges = Edges::new(condensed, n, bound.min(enclosing_radius(condensed, n)));
    let tree = edges.tree();
    let mut h0: Vec<Bar> = Vec::with_capacity(n);
    let merges = (0..edges.length.len()).filter(|e| tree[*e]).map(|e| edges.length[e]);
    h0.extend(merges.map(|death| Bar { birth: 0.0, death }));
    h0.resize(n, Bar { birth: 0.0, death: f64::INFINITY });
    let mut h1 = loops(&edges, &tree);
    h1.sort_by(|a, b| a.birth.total_cmp(&b.birth).then(a.death.total_cmp(&b.death)));
    Ok(Persistence { h0, h1 })
}

/// Heights at which single linkage merges clusters, ascending, `n - 1` of them: the finite deaths of H0.
///
/// # Errors
/// Those of [`persistence`].
pub fn single_linkage_heights(condensed: &[f64]) -> Result<Vec<f64>> {
    let n = check(condensed)?;
    // Prim's algorithm: O(n^2), no sorting of pairs.
    let at = |i: usize, j: usize| {
        let (i, j) = (i.min(j), i.max(j));
        condensed[n * i - i * (i + 1) / 2 + j - i - 1]
    };
    let mut nearest: Vec<f64> = (1..n).map(|j| at(0, j)).collect();
    let mut outside: Vec<usize> = (1..n).collect();
    let mut heights = Vec::with_capacity(n - 1);
    while let Some(next) = (0..outside.len()).min_by(|a, b| nearest[*a].total_cmp(&nearest[*b])) {
        heights.push(nearest.swap_remove(next));
        let joined = outside.swap_remove(next);
        nearest.iter_mut().zip(&outside).for_each(|(d, j)| *d = d.min(at(joined, *j)));
    }
    heights.sort_unstable_by(f64::total_cmp);
    Ok(heights)
}

/// How many bars are alive (`birth <= t < death`) at each threshold.
#[must_use]
pub fn betti_curve(bars: &[Bar], thresholds: &[f64]) -> Vec<usize> {
    thresholds.iter().map(|t| bars.iter().filter(|b| b.birth <= *t && *t < b.death).count()).collect()
}

fn check(condensed: &[f64]) -> Result<usize> {
    let n = stimuli_of(condensed.len())?;
    match condensed.iter().enumerate().find(|(_, d)| d.is_nan() || **d < 0.0) {
        Some((index, value)) => {
            Err(Error::Value { what: "dissimilarities", index, value: *value, expected: "at least 0" })
        }
        None => Ok(n),
    }
}

/// The least distance within which one stimulus reaches all others.
fn enclosing_radius(condensed: &[f64], n: usize) -> f64 {
    let mut reach = vec![0.0_f64; n];
    let mut values = condensed.iter();
    for i in 0..n {
        for j in i + 1..n {
            if let Some(d) = values.next() {
                reach[i] = reach[i].max(*d);
                reach[j] = reach[j].max(*d);
            }
        }
    }
    reach.into_iter().fold(f64::INFINITY, f64::min)
}

impl Edges {
    fn new(condensed: &[f64], n: usize, bound: f64) -> Self {
        let pairs = (0..n as u32).flat_map(|i| (i + 1..n as u32).map(move |j| (i, j)));
        let mut all: Vec<(f64, (u32, u32))> =
            condensed.iter().copied().zip(pairs).filter(|(d, _)| d.is_finite() && *d <= bound).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut place = vec![NO_EDGE; n * n];
        for (at, (_, (i, j))) in (0_u32..).zip(&all) {
            place[*i as usize * n + *j as usize] = at;
            place[*j as usize * n + *i as usize] = at;
        }
        let (length, ends) = all.into_iter().unzip();
        Self { n, length, ends, place }
    }

    /// Which edges join two components.
    fn tree(&self) -> Vec<bool> {
        let mut parent: Vec<u32> = (0..self.n as u32).collect();
        fn root(parent: &mut [u32], mut v: u32) -> u32 {
            while parent[v as usize] != v {
                parent[v as usize] = parent[parent[v as usize] as usize];
                v = parent[v as usize];
            }
            v
        }
        self.ends
            .iter()
            .map(|(i, j)| {
                let (a, b) = (root(&mut parent, *i), root(&mut parent, *j));
                parent[a.max(b) as usize] = a.min(b);
                a != b
            })
            .collect()
    }
}
