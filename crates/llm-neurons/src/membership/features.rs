//! The values of a document's tokens as a vector of fixed length.

use ndarray::Array2;
use numerics::ranks::quantile_of_sorted;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Percentiles of the aggregate features.
const PERCENTILES: [u32; 9] = [1, 5, 10, 25, 50, 75, 90, 95, 99];
/// More bins than this are a mistake: a document has some thousand tokens.
const MOST_BINS: usize = 1 << 20;

/// Which features a document gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// Mean, least, largest, population standard deviation, number of values, and the percentiles 1, 5, 10, 25, 50, 75,
    /// 90, 95 and 99 with linear interpolation.
    Aggregate {
        /// Whether the number of values is among them: it gives away a document's length, so leave it out unless all
        /// documents are cut to one length.
        count: bool,
    },
    /// Densities over equal bins between the least and the largest value of all training documents.
    Histogram {
        /// Number of bins; 1000 in the published code.
        bins: usize,
    },
}

impl Default for Features {
    /// A histogram of 1000 bins, the published default.
    fn default() -> Self {
        Self::Histogram { bins: 1000 }
    }
}

/// [`Features`] that know the training documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FittedFeatures {
    /// Nothing to know.
    Aggregate {
        /// Whether the number of values is a feature.
        count: bool,
    },
    /// The bins.
    Histogram {
        /// Their ends, increasing, one more than there are bins. The last bin is closed on the right.
        edges: Vec<f64>,
    },
}

impl Features {
    /// Looks at the training documents' values (never at others: their range is knowledge).
    ///
    /// # Errors
    /// [`Error::TooFew`] without a value, [`Error::NotFinite`], [`Error::Parameter`] for no bin, more than 2^20, or so
    /// many that they do not fit between the values.
    pub fn fit<V: AsRef<[f64]>>(&self, training: &[V]) -> Result<FittedFeatures> {
        check(training)?;
        let bins = match self {
            Self::Aggregate { count } => return Ok(FittedFeatures::Aggregate { count: *count }),
            Self::Histogram { bins } => *bins,
        };
        let refuse = |expected| Error::Parameter { name: "bins", value: bins as f64, expected };
        if bins == 0 || bins > MOST_BINS {
            return Err(refuse("between 1 and 2^20"));
        }
        let all = training.iter().flat_map(|v| v.as_ref().iter().copied());
        let (mut low, mut high) =
            all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        if low == high {
            // NumPy's rule for a single value.
            (low, high) = (low - 0.5, high + 0.5);
        }
        let step = (high - low) / bins as f64;
        let mut edges: Vec<f64> = (0..=bins).map(|i| i as f64 * step + low).collect();
        edges[bins] = high;
        if !edges.windows(2).all(|pair| pair[0] < pair[1]) || !step.is_finite() {
            return Err(refuse("few enough for the range of the values"));
        }
        Ok(FittedFeatures::Histogram { edges })
    }
}

impl FittedFeatures {
    /// Number of features.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Aggregate { count } => 4 + usize::from(*count) + PERCENTILES.len(),
            Self::Histogram { edges } => edges.len().saturating_sub(1),
        }
    }

    /// Whether there is no feature, which only a damaged file has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Aggregate { count } => {
                let first = ["mean", "min", "max", "std"].into_iter().map(str::to_owned);
                let count = count.then(|| "count".to_owned());
                first.chain(count).chain(PERCENTILES.iter().map(|p| format!("percentile_{p}"))).collect()
            }
            Self::Histogram { edges } => {
                edges.windows(2).map(|pair| format!("density_{}_{}", pair[0], pair[1])).collect()
            }
        }
    }

    /// `[documents, features]`. Values outside the training range fall in no bin; a document with none inside has zeros.
    ///
    /// # Errors
    /// [`Error::TooFew`] for a document without values, [`Error::NotFinite`].
    pub fn transform<V: AsRef<[f64]> + Sync>(&self, documents: &[V]) -> Result<Array2<f64>> {
        check(documents)?;
        let rows = documents
            .par_iter()
            .map(|v| match self {
                Self::Aggregate { count } => aggregate(v.as_ref(), *count),
                Self::Histogram { edges } => Ok(densities(v.as_ref(), edges)),
            })
            .collect::<Result<Vec<Vec<f64>>>>()?;
        let shape = (rows.len(), self.len());
        Array2::from_shape_vec(shape, rows.concat()).map_err(|e| Error::Shape {
            what: "features",
            expected: format!("{shape:?}"),
            found: e.to_string(),
        })
    }

    /// Whether a file's features could have been fitted.
    pub(super) fn validate(&self) -> Result<()> {
        let Self::Histogram { edges } = self else { return Ok(()) };
        let increasing = edges.windows(2).all(|pair| pair[0] < pair[1]);
        if edges.len() < 2 || !increasing || !edges.iter().all(|e| e.is_finite()) {
            return Err(Error::Mismatch {
                what: "edges of a histogram",
                expected: "at least two, finite and increasing".to_owned(),
                found: format!("{} edges", edges.len()),
            });
        }
        Ok(())
    }
}

fn check<V: AsRef<[f64]>>(documents: &[V]) -> Result<()> {
    if documents.is_empty() {
        return Err(Error::TooFew { what: "documents", needed: 1, found: 0 });
    }
    for (row, values) in documents.iter().enumerate() {
        let values = values.as_ref();
        if values.is_empty() {
            return Err(Error::TooFew { what: "values of a document", needed: 1, found: 0 });
        }
        if let Some(column) = values.iter().position(|x| !x.is_finite()) {
            let value = values[column];
            return Err(Error::NotFinite { what: "values of a document", row, column, value });
        }
    }
    Ok(())
}

fn aggregate(values: &[f64], count: bool) -> Result<Vec<f64>> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let variance = sorted.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let mut row = vec![mean, sorted[0], sorted[sorted.len() - 1], variance.sqrt()];
    row.extend(count.then_some(n));
    for percentile in PERCENTILES {
        row.push(quantile_of_sorted(&sorted, f64::from(percentile) / 100.0)?);
    }
    Ok(row)
}

/// `count / (values in range * width)` of each bin.
fn densities(values: &[f64], edges: &[f64]) -> Vec<f64> {
    let bins = edges.len() - 1;
    let (low, high) = (edges[0], edges[bins]);
    let scale = bins as f64 / (high - low);
    let mut row = vec![0.0; bins];
    let mut inside = 0.0;
    for x in values.iter().filter(|x| (low..=high).contains(*x)) {
        // The guess is off by a bin where rounding says so: the edges decide.
        let mut bin = (((x - low) * scale) as usize).min(bins - 1);
        while *x < edges[bin] {
            bin -= 1;
        }
        while bin + 1 < bins && *x >= edges[bin + 1] {
            bin += 1;
        }
        row[bin] += 1.0;
        inside += 1.0;
    }
    if inside > 0.0 {
        row.iter_mut().zip(edges.windows(2)).for_each(|(d, edge)| *d /= inside * (edge[1] - edge[0]));
    }
    row
}
