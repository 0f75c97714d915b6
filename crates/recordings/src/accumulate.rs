//! Statistics of units that fit in memory whatever the length of the recording, and merge across shards.
//!
//! Every accumulator takes rows `[units]`, costs O(units), sums in `f64`, can be saved (serde) and resumed, and merges:
//! accumulating two halves and merging equals accumulating the whole, exactly for counts and extremes, to rounding for
//! sums.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

fn same_width(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape {
        what: what.to_owned(),
        found: found.to_string(),
        expected: format!("{expected} units"),
    })
}

/// Mean and variance by Welford's recurrence; shards merge by the formula of Chan, Golub and LeVeque.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Nothing seen yet, of `units` units.
    #[must_use]
    pub fn new(units: usize) -> Self {
        Self { count: 0, mean: vec![0.0; units], squares: vec![0.0; units] }
    }

    /// What somebody else summed: mean, and sum of squared deviations from it, of `count` samples.
    ///
    /// # Errors
    /// [`Error::Shape`] for lists of unequal length.
    pub fn from_parts(count: u64, mean: Vec<f64>, squares: Vec<f64>) -> Result<Self> {
        same_width("squared deviations", squares.len(), mean.len())?;
        Ok(Self { count, mean, squares })
    }

    /// Takes one sample of every unit.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units.
    pub fn push(&mut self, row: &[f64]) -> Result<()> {
        same_width("sample", row.len(), self.mean.len())?;
        self.count += 1;
        let n = self.count as f64;
        for ((x, mean), squares) in row.iter().zip(&mut self.mean).zip(&mut self.squares) {
            let before = x - *mean;
            *mean += before / n;
            *squares += before * (x - *mean);
        }
        Ok(())
    }

    /// Adds what another shard saw.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same_width("shard", other.mean.len(), self.mean.len())?;
        let total = self.count + other.count;
        if total == 0 {
            return Ok(());
        }
        let (a, b, n) = (self.count as f64, other.count as f64, total as f64);
        for i in 0..self.mean.len() {
            let gap = other.mean[i] - self.mean[i];
            self.mean[i] += gap * b / n;
            self.squares[i] += other.squares[i] + gap * gap * a * b / n;
        }
        self.count = total;
        Ok(())
    }

    /// Number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of each unit; `None` before the first sample.
    #[must_use]
    pub fn mean(&self) -> Option<&[f64]> {
        (self.count > 0).then_some(self.mean.as_slice())
    }

    /// Unbiased variance of each unit; `None` below two samples.
    #[must_use]
    pub fn variance(&self) -> Option<Vec<f64>> {
        (self.count > 1).then(|| self.squares.iter().map(|s| s / (self.count - 1) as f64).collect())
    }
}

/// How often each unit exceeds a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivationCounts {
    threshold: f64,
    samples: u64,
    counts: Vec<u64>,
}

impl ActivationCounts {
    /// Counts of `x > threshold`.
    #[must_use]
    pub fn new(units: usize, threshold: f64) -> Self {
        Self { threshold, samples: 0, counts: vec![0; units] }
    }

    /// What somebody else counted above `threshold`, in `samples` samples.
    ///
    /// # Errors
    /// [`Error::Value`] for more counts than samples.
    pub fn from_counts(threshold: f64, samples: u64, counts: Vec<u64>) -> Result<Self> {
        if let Some(count) = counts.iter().find(|c| **c > samples) {
            return Err(Error::value("count", count, format!("at most the {samples} samples")));
        }
        Ok(Self { threshold, samples, counts })
    }

    /// Takes one sample of every unit; NaN never counts.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units.
    pub fn push(&mut self, row: &[f64]) -> Result<()> {
        same_width("sample", row.len(), self.counts.len())?;
        self.samples += 1;
        row.iter().zip(&mut self.counts).for_each(|(x, n)| *n += u64::from(*x > self.threshold));
        Ok(())
    }

    /// Adds what another shard saw.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units, [`Error::Value`] for another threshold.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same_width("shard", other.counts.len(), self.counts.len())?;
        if self.threshold != other.threshold {
            return Err(Error::value("threshold", other.threshold, self.threshold.to_string()));
        }
        self.samples += other.samples;
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        Ok(())
    }

    /// Samples seen.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Count of each unit.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// The `k` samples that drive each unit most, with their values: ties keep the earlier sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopSamples {
    k: usize,
    best: Vec<Vec<(f64, u64)>>,
}

impl TopSamples {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(units: usize, k: usize) -> Self {
        Self { k, best: vec![Vec::with_capacity(k.saturating_add(1).min(1 << 16)); units] }
    }

    /// Takes one sample of every unit, known as `sample`; NaN is passed over.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units.
    pub fn push(&mut self, sample: u64, row: &[f64]) -> Result<()> {
        same_width("sample", row.len(), self.best.len())?;
        for (x, best) in row.iter().zip(&mut self.best) {
            insert(best, self.k, (*x, sample));
        }
        Ok(())
    }

    /// Adds what another shard saw.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of units, [`Error::Value`] for another `k`.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same_width("shard", other.best.len(), self.best.len())?;
        if self.k != other.k {
            return Err(Error::value("k", other.k, self.k.to_string()));
        }
        for (mine, theirs) in self.best.iter_mut().zip(&other.best) {
            theirs.iter().for_each(|entry| insert(mine, self.k, *entry));
        }
        Ok(())
    }

    /// `(value, sample)` of one unit, highest first.
    #[must_use]
    pub fn unit(&self, unit: usize) -> Option<&[(f64, u64)]> {
        self.best.get(unit).map(Vec::as_slice)
    }
}

/// Highest first, then earliest first.
fn insert(best: &mut Vec<(f64, u64)>, k: usize, entry: (f64, u64)) {
    if entry.0.is_nan() {
        return;
    }
    let place = best.partition_point(|b| b.0 > entry.0 || (b.0 == entry.0 && b.1 <= entry.1));
    if place < k {
        best.insert(place, entry);
        best.truncate(k);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(x, y)| (x - y).abs() <= 1e-9 * (1.0 + y.abs()))
    }

    proptest! {
        #[test]
        fn halves_merge_to_the_whole(rows in prop::collection::vec(prop::array::uniform3(-1e3..1e3_f64), 2..40), cut in 0..40_usize) {
            let cut = cut.min(rows.len());
            let whole = |rows: &[[f64; 3]], from: usize| {
                let (mut m, mut c, mut t) = (Moments::new(3), ActivationCounts::new(3, 0.0), TopSamples::new(3, 4));
                for (i, r) in rows.iter().enumerate() {
                    m.push(r).unwrap();
                    c.push(r).unwrap();
                    t.push((from + i) as u64, r).unwrap();
                }
                (m, c, t)
            };
            let all = whole(&rows, 0);
            let (mut m, mut c, mut t) = whole(&rows[..cut], 0);
            let second = whole(&rows[cut..], cut);
            m.merge(&second.0).unwrap();
            c.merge(&second.1).unwrap();
            t.merge(&second.2).unwrap();
            prop_assert_eq!(&c, &all.1);
            prop_assert_eq!(&t, &all.2);
            prop_assert!(near(m.mean().unwrap(), all.0.mean().unwrap()));
            prop_assert!(near(&m.variance().unwrap(), &all.0.variance().unwrap()));
            let n = rows.len() as f64;
            let mean = rows.iter().map(|r| r[0]).sum::<f64>() / n;
            let variance = rows.iter().map(|r| (r[0] - mean).powi(2)).sum::<f64>() / (n - 1.0);
            prop_assert!(near(&[all.0.mean().unwrap()[0], all.0.variance().unwrap()[0]], &[mean, variance]));
        }
    }

    #[test]
    fn top_samples_keep_the_earlier_of_equals_and_pass_over_nan() {
        let mut top = TopSamples::new(1, 2);
        for (i, x) in [1.0, f64::NAN, 3.0, 1.0, 3.0].iter().enumerate() {
            top.push(i as u64, &[*x]).unwrap();
        }
        assert_eq!(top.unit(0).unwrap(), [(3.0, 2), (3.0, 4)]);
        assert!(top.push(9, &[1.0, 2.0]).is_err());
    }
}
