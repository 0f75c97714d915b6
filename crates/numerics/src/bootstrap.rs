//! The bootstrap: seeded, parallel, the same for any number of threads.

use rand::RngExt;
use rayon::prelude::*;

use crate::ranks::quantile_of_sorted;
use crate::rng::{Stream, stream};
use crate::{Error, Result};

/// How an interval is read off the replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IntervalKind {
    /// The quantiles of the replicates.
    #[default]
    Percentile,
    /// The quantiles mirrored at the estimate: `2 estimate - quantile`.
    Basic,
}

/// `n` draws with replacement out of `0..n`.
#[must_use]
pub fn resample(rng: &mut Stream, n: usize) -> Vec<usize> {
    (0..n).map(|_| rng.random_range(0..n)).collect()
}

/// Replicates of a statistic: replicate `i` sees the draw of `n` out of `n` that belongs to `(seed, purpose, i)`.
///
/// The statistic gets the drawn positions, in no particular order. Draws for which it has no value (`None`) are left
/// out, so fewer replicates may come back.
///
/// # Errors
/// [`Error::TooFew`] when `n` is 0, or when no draw has a value.
pub fn bootstrap<F>(n: usize, replicates: usize, seed: u64, purpose: &str, statistic: F) -> Result<Vec<f64>>
where
    F: Fn(&[usize]) -> Option<f64> + Sync,
{
    if n == 0 {
        return Err(Error::TooFew { what: "bootstrap: observations", needed: 1, found: 0 });
    }
    let values: Vec<f64> = (0..replicates as u64)
        .into_par_iter()
        .filter_map(|i| statistic(&resample(&mut stream(seed, purpose, i), n)))
        .collect();
    if values.is_empty() {
        return Err(Error::TooFew { what: "bootstrap: replicates with a value", needed: 1, found: 0 });
    }
    Ok(values)
}

/// The interval that covers `level` (for example 0.95) of the replicates, lower end first.
///
/// # Errors
/// [`Error::Parameter`] unless `0 < level < 1`, [`Error::TooFew`] without replicates, [`Error::NotFinite`].
pub fn interval(estimate: f64, replicates: &[f64], level: f64, kind: IntervalKind) -> Result<(f64, f64)> {
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::Parameter { name: "level", value: level, expected: "in (0, 1)" });
    }
    if let Some(index) = replicates.iter().position(|x| !x.is_finite()) {
        return Err(Error::NotFinite { what: "bootstrap replicates", index });
    }
    let mut sorted = replicates.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let (low, high) = (quantile_of_sorted(&sorted, tail)?, quantile_of_sorted(&sorted, 1.0 - tail)?);
    Ok(match kind {
        IntervalKind::Percentile => (low, high),
        IntervalKind::Basic => (2.0 * estimate - high, 2.0 * estimate - low),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::normals;

    #[test]
    fn intervals_cover_the_mean_about_as_often_as_they_say() {
        for kind in [IntervalKind::Percentile, IntervalKind::Basic] {
            let covered = (0..200)
                .filter(|trial| {
                    let x = normals(&mut stream(11, "bootstrap/test", *trial), 60);
                    let mean = |d: &[usize]| d.iter().map(|i| x[*i]).sum::<f64>() / d.len() as f64;
                    let all: Vec<usize> = (0..x.len()).collect();
                    let draws = bootstrap(x.len(), 400, *trial, "test", |d| Some(mean(d))).unwrap();
                    let (low, high) = interval(mean(&all), &draws, 0.9, kind).unwrap();
                    low <= 0.0 && 0.0 <= high
                })
                .count();
            assert!((165..=195).contains(&covered), "{kind:?}: {covered} of 200 at level 0.9");
        }
    }

    #[test]
    fn threads_change_nothing() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                bootstrap(9, 50, 3, "threads", |d| Some(d.iter().map(|i| (i * i) as f64).sum())).unwrap()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(bootstrap(0, 9, 0, "x", |_| Some(0.0)).is_err());
        assert!(bootstrap(3, 9, 0, "x", |_| None).is_err());
        assert!(interval(0.0, &[], 0.9, IntervalKind::Basic).is_err());
        assert!(interval(0.0, &[1.0], 1.0, IntervalKind::Basic).is_err());
        assert!(interval(0.0, &[f64::NAN], 0.9, IntervalKind::Basic).is_err());
        assert_eq!(interval(3.0, &[1.0, 2.0, 3.0], 0.5, IntervalKind::Basic).unwrap(), (3.5, 4.5));
    }
}
