//! k-means: Lloyd's iterations from k-means++ seeds, best of several restarts.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rand::RngExt;
use rayon::prelude::*;

use crate::rng::{Stream, stream};
use crate::{Error, Result};

/// How [`KMeans::fit`] searches.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeansPlan {
    /// Number of clusters.
    pub clusters: usize,
    /// Independent starts from k-means++ seeds (10).
    pub restarts: usize,
    /// Most iterations of each start (300).
    pub iterations: usize,
    /// Seed of the starts.
    pub seed: u64,
}

impl KMeansPlan {
    /// `clusters` clusters, 10 restarts, 300 iterations.
    #[must_use]
    pub fn new(clusters: usize, seed: u64) -> Self {
        Self { clusters, restarts: 10, iterations: 300, seed }
    }
}

/// A clustering that minimises the squared distances to the clusters' means.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// Means `[clusters, variables]`.
    pub centres: Array2<f64>,
    /// The cluster of each sample; ties go to the lower number.
    pub labels: Vec<usize>,
    /// Sum of squared distances of the samples to their centre.
    pub inertia: f64,
    /// Iterations of the best start.
    pub iterations: usize,
    /// Whether its labels had stopped changing.
    pub converged: bool,
}

impl KMeans {
    /// Clusters the rows of `x [samples, variables]`; the start with the least inertia wins, the earlier one of equals.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `1 <= clusters <= samples` and there is a restart and an iteration,
    /// [`Error::NotFinite`].
    pub fn fit(x: &ArrayView2<'_, f64>, plan: &KMeansPlan) -> Result<Self> {
        check(x, plan.clusters, plan.iterations)?;
        let starts: Vec<Self> = (0..plan.restarts as u64)
            .into_par_iter()
            .map(|i| {
                let mut rng = stream(plan.seed, "k-means", i);
                lloyd(x, seeds(x, plan.clusters, &mut rng), plan.iterations)
            })
            .collect();
        starts.into_iter().reduce(|a, b| if b.inertia < a.inertia { b } else { a }).ok_or(Error::Parameter {
            name: "restarts",
            value: 0.0,
            expected: "at least 1",
        })
    }

    /// Lloyd's iterations from given centres `[clusters, variables]`.
    ///
    /// # Errors
    /// [`Error::Shape`]; those of [`KMeans::fit`].
    pub fn from_centres(x: &ArrayView2<'_, f64>, centres: Array2<f64>, iterations: usize) -> Result<Self> {
        check(x, centres.nrows(), iterations)?;
        if centres.ncols() != x.ncols() {
            return Err(Error::Shape {
                what: "k-means centres",
                expected: format!("{} variables", x.ncols()),
                found: centres.ncols().to_string(),
            });
        }
        if let Some(index) = centres.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { what: "k-means centres", index });
        }
        Ok(lloyd(x, centres, iterations))
    }

    /// The nearest centre of each row of `x`.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn predict(&self, x: &ArrayView2<'_, f64>) -> Result<Vec<usize>> {
        if x.ncols() != self.centres.ncols() {
            return Err(Error::Shape {
                what: "k-means samples",
                expected: format!("{} variables", self.centres.ncols()),
                found: x.ncols().to_string(),
            });
        }
        Ok(x.outer_iter().map(|row| nearest(row, &self.centres).0).collect())
    }
}

fn check(x: &ArrayView2<'_, f64>, clusters: usize, iterations: usize) -> Result<()> {
    if clusters == 0 || clusters > x.nrows() {
        let expected = "between 1 and the number of samples";
        return Err(Error::Parameter { name: "clusters", value: clusters as f64, expected });
    }
    if iterations == 0 {
        return Err(Error::Parameter { name: "iterations", value: 0.0, expected: "at least 1" });
    }
    match x.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite { what: "k-means samples", index }),
        None => Ok(()),
    }
}

fn distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum(),
        _ => a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum(),
    }
}

fn nearest(row: ArrayView1<'_, f64>, centres: &Array2<f64>) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (c, centre) in centres.outer_iter().enumerate() {
        let d = distance(row, centre);
        if d < best.1 {
            best = (c, d);
        }
    }
    best
}

/// k-means++ (Arthur and Vassilvitskii 2007): each further centre is a sample drawn with probability proportional to its
/// squared distance from the nearest centre so far.
fn seeds(x: &ArrayView2<'_, f64>, clusters: usize, rng: &mut Stream) -> Array2<f64> {
    let n = x.nrows();
    let mut centres = Array2::zeros((clusters, x.ncols()));
    let mut least = vec![f64::INFINITY; n];
    let mut chosen = rng.random_range(0..n);
    for c in 0..clusters {
        if c > 0 {
            let total: f64 = least.iter().sum();
            let mut left = rng.random::<f64>() * total;
            // All samples taken already: any will do.
            chosen = if total > 0.0 { n - 1 } else { rng.random_range(0..n) };
            for (i, d) in least.iter().enumerate().filter(|(_, d)| total > 0.0 && **d > 0.0) {
                chosen = i;
                left -= d;
                if left < 0.0 {
                    break;
                }
            }
        }
        centres.row_mut(c).assign(&x.row(chosen));
        for (i, d) in least.iter_mut().enumerate() {
            *d = d.min(distance(x.row(i), x.row(chosen)));
        }
    }
    centres
}

fn lloyd(x: &ArrayView2<'_, f64>, mut centres: Array2<f64>, iterations: usize) -> KMeans {
    let assign = |centres: &Array2<f64>| -> (Vec<usize>, Vec<f64>) {
        x.outer_iter().map(|row| nearest(row, centres)).unzip()
    };
    let (mut labels, mut distances) = assign(&centres);
    let (mut steps, mut converged) = (0, false);
    while steps < iterations && !converged {
        steps += 1;
        let mut counts = Array1::<f64>::zeros(centres.nrows());
        centres.fill(0.0);
        for (row, label) in x.outer_iter().zip(&labels) {
            let mut centre = centres.row_mut(*label);
            centre += &row;
            counts[*label] += 1.0;
        }
        for c in 0..centres.nrows() {
            if counts[c] > 0.0 {
                let mut centre = centres.row_mut(c);
                centre /= counts[c];
                continue;
            }
            // An empty cluster moves to the sample that lies farthest from its centre.
            let far = (0..distances.len()).fold(0, |f, i| if distances[i] > distances[f] { i } else { f });
            distances[far] = 0.0;
            centres.row_mut(c).assign(&x.row(far));
        }
        let (next, gaps) = assign(&centres);
        converged = next == labels;
        (labels, distances) = (next, gaps);
    }
    KMeans { inertia: distances.iter().sum(), centres, labels, iterations: steps, converged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::normals;

    fn blobs() -> Array2<f64> {
        let noise = normals(&mut stream(2, "k-means/test", 0), 180);
        Array2::from_shape_fn((90, 2), |(i, j)| {
            [0.0, 6.0, -6.0][i % 3] * [1.0, 0.5][j] + 0.5 * noise[2 * i + j]
        })
    }

    #[test]
    fn blobs_are_found_for_any_number_of_threads() {
        let x = blobs();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| KMeans::fit(&x.view(), &KMeansPlan::new(3, 4)).unwrap())
        };
        let found = run(1);
        assert_eq!(found, run(3));
        assert!(found.converged);
        assert!((0..90).all(|i| found.labels[i] == found.labels[i % 3]));
        assert_eq!(found.predict(&x.view()).unwrap(), found.labels);
        let sum: f64 = (0..90).map(|i| distance(x.row(i), found.centres.row(found.labels[i]))).sum();
        assert!((sum - found.inertia).abs() < 1e-9);
    }

    #[test]
    fn an_empty_cluster_is_filled() {
        let x = ndarray::arr2(&[[0.0], [0.1], [10.0]]);
        let found = KMeans::from_centres(&x.view(), ndarray::arr2(&[[0.0], [99.0]]), 10).unwrap();
        assert_eq!(found.labels, [0, 0, 1]);
        let same = KMeans::fit(&Array2::ones((4, 2)).view(), &KMeansPlan::new(3, 0)).unwrap();
        assert_eq!(same.inertia, 0.0);
    }

    #[test]
    fn nonsense_is_refused() {
        let x = blobs();
        assert!(KMeans::fit(&x.view(), &KMeansPlan::new(0, 0)).is_err());
        assert!(KMeans::fit(&x.view(), &KMeansPlan::new(91, 0)).is_err());
        assert!(KMeans::fit(&x.view(), &KMeansPlan { restarts: 0, ..KMeansPlan::new(2, 0) }).is_err());
        assert!(KMeans::from_centres(&x.view(), Array2::zeros((2, 3)), 5).is_err());
        assert!(KMeans::fit(&Array2::from_elem((3, 1), f64::NAN).view(), &KMeansPlan::new(2, 0)).is_err());
    }
}
