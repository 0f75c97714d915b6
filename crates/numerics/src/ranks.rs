//! Ranks and quantiles.

use crate::order::ordered;
use crate::{Error, Result};

fn finite(what: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(Error::NotFinite { what, index }),
        None => Ok(()),
    }
}

/// Average ranks, `1..=n`: equal values share the mean of the ranks they occupy. Infinities rank at their ends.
///
/// # Errors
/// [`Error::NotFinite`] for NaN, [`Error::TooFew`] for no value.
pub fn average_ranks(values: &[f64]) -> Result<Vec<f64>> {
    let order = ordered("ranks", values)?;
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let tie = order[start].0;
        let length = order[start..].iter().take_while(|(key, _)| *key == tie).count();
        let rank = start as f64 + (length as f64 + 1.0) / 2.0;
        order[start..start + length].iter().for_each(|(_, i)| ranks[*i as usize] = rank);
        start += length;
    }
    Ok(ranks)
}

/// Ordinal ranks, `1..=n`: equal values are ranked in the order in which they appear. For two-valued data rank
/// correlations depend on that order; [`average_ranks`] do not.
///
/// # Errors
/// [`Error::NotFinite`] for NaN, [`Error::TooFew`] for no value.
pub fn ordinal_ranks(values: &[f64]) -> Result<Vec<f64>> {
    let mut ranks = vec![0.0; values.len()];
    for (rank, (_, i)) in ordered("ranks", values)?.iter().enumerate() {
        ranks[*i as usize] = rank as f64 + 1.0;
    }
    Ok(ranks)
}

/// Linear map of the values onto `[0, 1]`: `(x - min) / (max - min)`.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::TooFew`], [`Error::Constant`].
pub fn min_max(values: &[f64]) -> Result<Vec<f64>> {
    finite("min-max scaling", values)?;
    if values.is_empty() {
        return Err(Error::TooFew { what: "min-max scaling", needed: 2, found: 0 });
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low == high {
        return Err(Error::Constant { what: "min-max scaling" });
    }
    Ok(values.iter().map(|x| (x - low) / (high - low)).collect())
}

/// Quantile with linear interpolation at position `(n - 1) q` of the sorted values (NumPy's default).
///
/// # Errors
/// [`Error::NotFinite`], [`Error::TooFew`], [`Error::Parameter`] unless `0 <= q <= 1`.
pub fn quantile(values: &[f64], q: f64) -> Result<f64> {
    finite("quantile", values)?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(&sorted, q)
}

/// [`quantile`] of values that are sorted already.
///
/// # Errors
/// [`Error::TooFew`], [`Error::Parameter`].
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Result<f64> {
    if !(0.0..=1.0).contains(&q) {
        return Err(Error::Parameter { name: "q", value: q, expected: "in [0, 1]" });
    }
    let Some(last) = sorted.len().checked_sub(1) else {
        return Err(Error::TooFew { what: "quantile", needed: 1, found: 0 });
    };
    let position = last as f64 * q;
    let below = position.floor() as usize;
    let (a, b, t) = (sorted[below], sorted[(below + 1).min(last)], position - position.floor());
    // NumPy's form: exact at both ends and symmetric.
    Ok(if t >= 0.5 { b - (b - a) * (1.0 - t) } else { a + (b - a) * t })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 2.0]).unwrap(), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(average_ranks(&[-0.0, 0.0, f64::INFINITY]).unwrap(), [1.5, 1.5, 3.0]);
        assert!(average_ranks(&[f64::NAN]).is_err() && average_ranks(&[]).is_err());
    }

    #[test]
    fn ordinal_ranks_follow_the_order_of_appearance() {
        assert_eq!(ordinal_ranks(&[3.0, 1.0, 3.0, 2.0, -0.0, 0.0]).unwrap(), [5.0, 3.0, 6.0, 4.0, 1.0, 2.0]);
        assert!(ordinal_ranks(&[f64::NAN]).is_err() && ordinal_ranks(&[]).is_err());
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5).unwrap(), 2.5);
        assert_eq!(quantile(&[4.0, 1.0], 1.0).unwrap(), 4.0);
        assert!(quantile(&[1.0], 1.5).is_err() && quantile(&[], 0.5).is_err());
        assert!(min_max(&[2.0, 2.0]).is_err());
    }

    #[test]
    fn many_values_rank_like_few() {
        // Long enough for the buckets, with ties, both signs, zeros of both signs and infinities.
        let mut x: Vec<f64> = (0..9000).map(|i| f64::from((i * 7919) % 4001 - 2000) * 1e-3).collect();
        x.extend([-0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 5e-324]);
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|a, b| x[*a].partial_cmp(&x[*b]).unwrap());
        let ranks = average_ranks(&x).unwrap();
        for pair in order.windows(2) {
            assert_eq!(x[pair[0]] < x[pair[1]], ranks[pair[0]] < ranks[pair[1]]);
            assert_eq!(x[pair[0]] == x[pair[1]], ranks[pair[0]] == ranks[pair[1]]);
        }
        let n = x.len() as f64;
        assert_eq!(ranks.iter().sum::<f64>(), n * (n + 1.0) / 2.0);
    }

    proptest! {
        #[test]
        fn ranks_sum_to_the_triangle_number_and_follow_order(x in prop::collection::vec(-5..5_i32, 1..50)) {
            let x: Vec<f64> = x.into_iter().map(f64::from).collect();
            let ranks = average_ranks(&x).unwrap();
            let n = x.len() as f64;
            prop_assert_eq!(ranks.iter().sum::<f64>(), n * (n + 1.0) / 2.0);
            for (a, r) in x.iter().zip(&ranks) {
                for (b, s) in x.iter().zip(&ranks) {
                    prop_assert_eq!(a < b, r < s);
                }
            }
        }
    }
}
