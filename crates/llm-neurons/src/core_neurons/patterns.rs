//! Clusters of core-neuron patterns.

use ndarray::{Array2, Axis};
use numerics::kmeans::{KMeans, KMeansPlan};

use crate::{Error, Result};

/// Numbers of clusters that the elbow is looked for among.
const MOST: usize = 10;
/// The published program takes no fewer clusters.
const LEAST: usize = 4;

/// The elbow of inertias `W_1, W_2, ..`: `max(4, argmax(W_i - 2 W_{i+1} + W_{i+2}) + 2)` with i from 0, the first of equal
/// second differences.
///
/// # Errors
/// [`Error::TooFew`] for fewer than three inertias, [`Error::NotFinite`].
pub fn elbow_k(inertias: &[f64]) -> Result<usize> {
    if inertias.len() < 3 {
        let what = "elbow: inertias";
        return Err(Error::TooFew { what, needed: 3, found: inertias.len() });
    }
    if let Some(row) = inertias.iter().position(|w| !w.is_finite()) {
        return Err(Error::NotFinite { what: "inertias", row, column: 0, value: inertias[row] });
    }
    let bend = |w: &[f64]| w[0] - 2.0 * w[1] + w[2];
    let bends: Vec<f64> = inertias.windows(3).map(bend).collect();
    let best = (0..bends.len()).fold(0, |b, i| if bends[i] > bends[b] { i } else { b });
    Ok((best + 2).max(LEAST))
}

/// Patterns in clusters: k-means over multi-hot vectors, from k-means++ seeds, the best of 10 starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// Means `[clusters, width]`.
    pub centres: Array2<f64>,
    /// The cluster of each pattern.
    pub labels: Vec<usize>,
    /// Inertias of 1, 2, .. clusters where the elbow was looked for.
    pub inertias: Vec<f64>,
}

impl Clustering {
    /// Clusters patterns, each the list of its neurons among `width`; into the elbow's number of clusters unless one is
    /// given. Neurons that are in all patterns or in none are left out of the search, which changes no distance.
    ///
    /// # Errors
    /// [`Error::Shape`] for a neuron that there is not or that comes twice, [`Error::TooFew`] for fewer patterns than
    /// clusters, [`Error::Numerics`].
    pub fn fit(patterns: &[Vec<usize>], width: usize, clusters: Option<usize>, seed: u64) -> Result<Self> {
        let mut hot = Array2::<f64>::zeros((patterns.len(), width));
        for (r, pattern) in patterns.iter().enumerate() {
            for unit in pattern {
                match hot.get_mut((r, *unit)) {
                    Some(x) if *x == 0.0 => *x = 1.0,
                    _ => {
                        let expected = format!("distinct neurons below {width}");
                        return Err(Error::shape("pattern", expected, unit));
                    }
                }
            }
        }
        let sums = hot.sum_axis(Axis(0));
        let varying: Vec<usize> =
            (0..width).filter(|c| sums[*c] > 0.0 && sums[*c] < patterns.len() as f64).collect();
        let x = hot.select(Axis(1), &varying);
        let fit = |k| KMeans::fit(&x.view(), &KMeansPlan::new(k, seed));
        let enough = |needed: usize| {
            let found = patterns.len();
            let what = "patterns to cluster";
            if found < needed { Err(Error::TooFew { what, needed, found }) } else { Ok(()) }
        };
        let (k, inertias) = match clusters {
            Some(k) => (k, Vec::new()),
            None => {
                enough(LEAST)?;
                let inertias = (1..=MOST.min(patterns.len()))
                    .map(|k| Ok(fit(k)?.inertia))
                    .collect::<Result<Vec<f64>>>()?;
                (elbow_k(&inertias)?, inertias)
            }
        };
        enough(k.max(1))?;
        let found = fit(k)?;
        let mut centres = Array2::zeros((k, width));
        for (c, sum) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0.0) {
            // Overwritten below unless every pattern has the neuron.
            centres.column_mut(c).fill(sum / patterns.len() as f64);
        }
        for (from, to) in varying.iter().enumerate() {
            centres.column_mut(*to).assign(&found.centres.column(from));
        }
        Ok(Self { centres, labels: found.labels, inertias })
    }
}
