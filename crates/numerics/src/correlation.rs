//! Correlation coefficients: Pearson, weighted Pearson, Spearman, Kendall's tau-a and tau-b, cosine.

use crate::distributions::student_t_two_sided;
use crate::order::ordered;
use crate::ranks::average_ranks;
use crate::summary::mean;
use crate::{Error, Result};

/// Pearson's correlation, `cov(x, y) / (sd(x) sd(y))`, clamped to `[-1, 1]`.
///
/// # Errors
/// [`Error::Shape`] for different lengths, [`Error::TooFew`] below two values, [`Error::NotFinite`],
/// [`Error::Constant`].
pub fn pearson(x: &[f64], y: &[f64]) -> Result<f64> {
    pair("Pearson's correlation", x, y)?;
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mx, b - my);
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    spread("Pearson's correlation", xx, x, mx)?;
    spread("Pearson's correlation", yy, y, my)?;
    Ok((xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0))
}

/// Pearson's correlation with a weight for each pair: all moments are weighted means. Weights that count repetitions give
/// the correlation of the repeated sample.
///
/// # Errors
/// Those of [`pearson`] among the pairs of positive weight; [`Error::Parameter`] for a weight below zero.
pub fn weighted_pearson(x: &[f64], y: &[f64], weights: &[f64]) -> Result<f64> {
    let what = "weighted correlation";
    pair(what, x, y)?;
    pair(what, x, weights)?;
    if let Some(w) = weights.iter().find(|w| **w < 0.0) {
        return Err(Error::Parameter { name: "weight", value: *w, expected: "at least 0" });
    }
    let total: f64 = weights.iter().sum();
    let found = weights.iter().filter(|w| **w > 0.0).count();
    if found < 2 {
        return Err(Error::TooFew { what, needed: 2, found });
    }
    let mean = |v: &[f64]| v.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / total;
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy, mut sx, mut sy) = (0.0, 0.0, 0.0, 0.0_f64, 0.0_f64);
    for ((a, b), w) in x.iter().zip(y).zip(weights).filter(|(_, w)| **w > 0.0) {
        let (da, db) = (a - mx, b - my);
        xy += w * da * db;
        xx += w * da * da;
        yy += w * db * db;
        (sx, sy) = (sx.max(a.abs()), sy.max(b.abs()));
    }
    if xx <= total * (1e-14 * sx).powi(2) || yy <= total * (1e-14 * sy).powi(2) {
        return Err(Error::Constant { what });
    }
    Ok((xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation: Pearson's of the average ranks.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`], [`Error::NotFinite`] for NaN (infinities rank at their ends),
/// [`Error::Constant`].
pub fn spearman(x: &[f64], y: &[f64]) -> Result<f64> {
    same_length("Spearman's correlation", x, y)?;
    let (a, b) = rayon::join(|| average_ranks(x), || average_ranks(y));
    pearson(&a?, &b?)
}

/// The two-sided p-value of a Pearson or Spearman correlation `r` of `n` pairs under independence, from
/// `t = r sqrt((n - 2) / (1 - r^2))` with `n - 2` degrees of freedom.
///
/// # Errors
/// [`Error::TooFew`] below three pairs, [`Error::Parameter`] unless `-1 <= r <= 1`.
pub fn correlation_p(r: f64, n: usize) -> Result<f64> {
    if n < 3 {
        return Err(Error::TooFew { what: "p-value of a correlation: pairs", needed: 3, found: n });
    }
    if !(-1.0..=1.0).contains(&r) {
        return Err(Error::Parameter { name: "r", value: r, expected: "in [-1, 1]" });
    }
    let df = n as f64 - 2.0;
    student_t_two_sided(r * (df / ((1.0 - r) * (1.0 + r))).sqrt(), df)
}

/// The cosine of the angle between two vectors.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] for no value, [`Error::NotFinite`], [`Error::Constant`] for a vector of zeros.
pub fn cosine(x: &[f64], y: &[f64]) -> Result<f64> {
    let what = "cosine";
    same_length(what, x, y)?;
    if x.is_empty() {
        return Err(Error::TooFew { what, needed: 1, found: 0 });
    }
    finite(what, x)?;
    finite(what, y)?;
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    if xx == 0.0 || yy == 0.0 {
        return Err(Error::Constant { what });
    }
    Ok((xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0))
}

/// Counts over all pairs of positions, the ground of every variant of Kendall's tau.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KendallCounts {
    /// All pairs, `n (n - 1) / 2`.
    pub pairs: u64,
    /// Pairs ordered alike minus pairs ordered against each other.
    pub concordant_minus_discordant: i64,
    /// Pairs that tie in x (whether or not in y).
    pub ties_x: u64,
    /// Pairs that tie in y (whether or not in x).
    pub ties_y: u64,
}

impl KendallCounts {
    /// Counts in `O(n log n)` by sorting along x and merging along y (Knight 1966).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::TooFew`] below two values, [`Error::NotFinite`] for NaN.
    pub fn new(x: &[f64], y: &[f64]) -> Result<Self> {
        let what = "Kendall's tau";
        same_length(what, x, y)?;
        if x.len() < 2 {
            return Err(Error::TooFew { what, needed: 2, found: x.len() });
        }
        let (ox, oy) = rayon::join(|| ordered(what, x), || ordered(what, y));
        let (ox, oy) = (ox?, oy?);
        // Dense ranks of y, so that the merging compares small whole numbers.
        let mut rank_y = vec![0_u32; y.len()];
        let (mut rank, mut ties_y) = (0, 0);
        for run in oy.chunk_by(|a, b| a.0 == b.0) {
            run.iter().for_each(|(_, i)| rank_y[*i as usize] = rank);
            rank += 1;
            ties_y += choose_two(run.len());
        }
        let mut along = Vec::with_capacity(x.len());
        let (mut ties_x, mut ties_both) = (0, 0);
        for run in ox.chunk_by(|a, b| a.0 == b.0) {
            ties_x += choose_two(run.len());
            let begin = along.len();
            along.extend(run.iter().map(|(_, i)| rank_y[*i as usize]));
            // Ties in x are no discordance: sorted along y they need no exchange.
            along[begin..].sort_unstable();
            ties_both += along[begin..].chunk_by(|a, b| a == b).map(|r| choose_two(r.len())).sum::<u64>();
        }
        let pairs = choose_two(x.len());
        let discordant = inversions(&mut along);
        let untied = pairs + ties_both - ties_x - ties_y;
        Ok(Self { pairs, concordant_minus_discordant: untied as i64 - 2 * discordant as i64, ties_x, ties_y })
    }
}

/// Kendall's tau-b, `(C - D) / sqrt((P - T_x) (P - T_y))`, in `O(n log n)`.
///
/// # Errors
/// Those of [`KendallCounts::new`]; [`Error::Constant`].
pub fn kendall_tau_b(x: &[f64], y: &[f64]) -> Result<f64> {
    let c = KendallCounts::new(x, y)?;
    if c.ties_x == c.pairs || c.ties_y == c.pairs {
        return Err(Error::Constant { what: "Kendall's tau" });
    }
    let scale = ((c.pairs - c.ties_x) as f64).sqrt() * ((c.pairs - c.ties_y) as f64).sqrt();
    Ok((c.concordant_minus_discordant as f64 / scale).clamp(-1.0, 1.0))
}

/// Kendall's tau-a, `(C - D) / P`: ties count as no agreement, so a variable that ties less can score more.
///
/// # Errors
/// Those of [`KendallCounts::new`].
pub fn kendall_tau_a(x: &[f64], y: &[f64]) -> Result<f64> {
    let c = KendallCounts::new(x, y)?;
    Ok(c.concordant_minus_discordant as f64 / c.pairs as f64)
}

fn choose_two(n: usize) -> u64 {
    n as u64 * (n as u64).saturating_sub(1) / 2
}

/// Pairs out of order, counted while sorting by merging.
fn inversions(values: &mut Vec<u32>) -> u64 {
    let n = values.len();
    let mut buffer = vec![0_u32; n];
    let (mut width, mut count) = (1, 0_u64);
    while width < n {
        for (from, to) in values.chunks(2 * width).zip(buffer.chunks_mut(2 * width)) {
            let (left, right) = from.split_at(width.min(from.len()));
            let (mut i, mut j) = (0, 0);
            for cell in to {
                // Equal values keep their order: no exchange.
                if j == right.len() || (i < left.len() && left[i] <= right[j]) {
                    *cell = left[i];
                    i += 1;
                } else {
                    *cell = right[j];
                    count += (left.len() - i) as u64;
                    j += 1;
                }
            }
        }
        std::mem::swap(values, &mut buffer);
        width *= 2;
    }
    count
}

/// What rounding leaves of a constant vector is no spread.
fn spread(what: &'static str, sum: f64, x: &[f64], mean: f64) -> Result<()> {
    let scale = x.iter().fold(mean.abs(), |m, v| m.max(v.abs()));
    if sum <= x.len() as f64 * (1e-15 * scale).powi(2) {
        return Err(Error::Constant { what });
    }
    Ok(())
}

fn same_length(what: &'static str, x: &[f64], y: &[f64]) -> Result<()> {
    if x.len() == y.len() {
        return Ok(());
    }
    Err(Error::Shape { what, expected: format!("{} values", x.len()), found: y.len().to_string() })
}

fn finite(what: &'static str, x: &[f64]) -> Result<()> {
    match x.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite { what, index }),
        None => Ok(()),
    }
}

fn pair(what: &'static str, x: &[f64], y: &[f64]) -> Result<()> {
    same_length(what, x, y)?;
    if x.len() < 2 {
        return Err(Error::TooFew { what, needed: 2, found: x.len() });
    }
    finite(what, x)?;
    finite(what, y)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_no_correlation_is_refused() {
        for measure in [pearson, spearman, kendall_tau_b] {
            assert!(measure(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]).is_err());
            assert!(measure(&[1.0, 2.0], &[1.0, f64::NAN]).is_err());
            assert!(measure(&[1.0, 2.0], &[1.0]).is_err());
            assert!(measure(&[], &[]).is_err());
        }
        assert!(pearson(&[0.1; 3], &[1.0, 2.0, 3.0]).is_err());
        assert!(cosine(&[0.0, 0.0], &[1.0, 2.0]).is_err());
        assert!(weighted_pearson(&[1.0, 2.0], &[1.0, 2.0], &[1.0, -1.0]).is_err());
        assert!(correlation_p(0.5, 2).is_err() && correlation_p(1.5, 9).is_err());
        assert_eq!(correlation_p(1.0, 9).unwrap(), 0.0);
    }

    proptest! {
        #[test]
        fn kendall_counts_every_pair(x in prop::collection::vec((-4..4_i32, -4..4_i32), 2..40)) {
            let (a, b): (Vec<f64>, Vec<f64>) = x.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).unzip();
            let mut expected = KendallCounts { pairs: 0, concordant_minus_discordant: 0, ties_x: 0, ties_y: 0 };
            for i in 0..x.len() {
                for j in i + 1..x.len() {
                    expected.pairs += 1;
                    expected.ties_x += u64::from(x[i].0 == x[j].0);
                    expected.ties_y += u64::from(x[i].1 == x[j].1);
                    expected.concordant_minus_discordant +=
                        i64::from((x[i].0 - x[j].0).signum() * (x[i].1 - x[j].1).signum());
                }
            }
            prop_assert_eq!(KendallCounts::new(&a, &b).unwrap(), expected);
        }

        #[test]
        fn weights_count_repetitions(x in prop::collection::vec((-9.0..9.0_f64, -9.0..9.0_f64, 0..4_u8), 4..30)) {
            let (mut a, mut b, mut w) = (vec![], vec![], vec![]);
            let (mut long_a, mut long_b) = (vec![], vec![]);
            for (p, q, times) in &x {
                a.push(*p);
                b.push(*q);
                w.push(f64::from(*times));
                (0..*times).for_each(|_| { long_a.push(*p); long_b.push(*q); });
            }
            if let (Ok(weighted), Ok(repeated)) = (weighted_pearson(&a, &b, &w), pearson(&long_a, &long_b)) {
                prop_assert!((weighted - repeated).abs() < 1e-9);
            }
        }

        #[test]
        fn coefficients_are_symmetric_and_bounded(x in prop::collection::vec((-9.0..9.0_f64, -9.0..9.0_f64), 3..30)) {
            let (a, b): (Vec<f64>, Vec<f64>) = x.into_iter().unzip();
            for measure in [pearson, spearman, kendall_tau_a, kendall_tau_b, cosine] {
                if let Ok(r) = measure(&a, &b) {
                    prop_assert!((-1.0..=1.0).contains(&r));
                    prop_assert!((measure(&b, &a).unwrap() - r).abs() < 1e-12);
                    prop_assert!((measure(&a, &a).unwrap() - 1.0).abs() < 1e-12 || measure(&a, &a).unwrap() <= 1.0);
                }
            }
        }
    }
}
