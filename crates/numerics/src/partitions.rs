//! Agreement of two partitions of the same things: adjusted Rand index and normalised mutual information.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// Which mean of the two entropies normalises the mutual information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntropyMean {
    /// `(H(a) + H(b)) / 2`.
    #[default]
    Arithmetic,
    /// `sqrt(H(a) H(b))`.
    Geometric,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
}

/// Hubert and Arabie's adjusted Rand index: 1 for the same partition, 0 on average for random ones of the same sizes.
///
/// # Errors
/// [`Error::Shape`] for different lengths, [`Error::TooFew`] for no thing.
pub fn adjusted_rand<T: Ord>(a: &[T], b: &[T]) -> Result<f64> {
    let table = Contingency::new(a, b)?;
    let pairs = |n: u64| u128::from(n) * u128::from(n.saturating_sub(1)) / 2;
    let together: u128 = table.cells.values().map(|n| pairs(*n)).sum();
    let (in_a, in_b): (u128, u128) =
        (table.rows.values().map(|n| pairs(*n)).sum(), table.columns.values().map(|n| pairs(*n)).sum());
    let all = pairs(table.total);
    if in_a == together && in_b == together {
        return Ok(1.0);
    }
    let expected = in_a as f64 * in_b as f64 / all as f64;
    let most = (in_a as f64 + in_b as f64) / 2.0;
    Ok((together as f64 - expected) / (most - expected))
}

/// Mutual information of two partitions over a mean of their entropies, in `[0, 1]`; 1 when both have a single class,
/// 0 when only one has.
///
/// # Errors
/// Those of [`adjusted_rand`].
pub fn normalized_mutual_information<T: Ord>(a: &[T], b: &[T], mean: EntropyMean) -> Result<f64> {
    let table = Contingency::new(a, b)?;
    let n = table.total as f64;
    if table.rows.len() == 1 && table.columns.len() == 1 {
        return Ok(1.0);
    }
    let entropy = |counts: &BTreeMap<&T, u64>| -> f64 {
        counts.values().map(|c| -(*c as f64 / n) * (*c as f64 / n).ln()).sum()
    };
    let (ha, hb) = (entropy(&table.rows), entropy(&table.columns));
    let information: f64 = table
        .cells
        .iter()
        .map(|((x, y), c)| {
            let c = *c as f64;
            c / n * (c.ln() + n.ln() - (table.rows[x] as f64).ln() - (table.columns[y] as f64).ln())
        })
        .sum();
    let scale = match mean {
        EntropyMean::Arithmetic => (ha + hb) / 2.0,
        EntropyMean::Geometric => (ha * hb).sqrt(),
        EntropyMean::Min => ha.min(hb),
        EntropyMean::Max => ha.max(hb),
    };
    if scale <= 0.0 {
        return Ok(0.0);
    }
    Ok((information.max(0.0) / scale).min(1.0))
}

/// How often each pair of classes meets.
struct Contingency<'a, T> {
    cells: BTreeMap<(&'a T, &'a T), u64>,
    rows: BTreeMap<&'a T, u64>,
    columns: BTreeMap<&'a T, u64>,
    total: u64,
}

impl<'a, T: Ord> Contingency<'a, T> {
    fn new(a: &'a [T], b: &'a [T]) -> Result<Self> {
        let what = "agreement of partitions";
        if a.len() != b.len() {
            let (expected, found) = (format!("{} labels", a.len()), b.len().to_string());
            return Err(Error::Shape { what, expected, found });
        }
        if a.is_empty() {
            return Err(Error::TooFew { what, needed: 1, found: 0 });
        }
        let (mut cells, mut rows, mut columns) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (x, y) in a.iter().zip(b) {
            *cells.entry((x, y)).or_insert(0) += 1;
            *rows.entry(x).or_insert(0) += 1;
            *columns.entry(y).or_insert(0) += 1;
        }
        Ok(Self { cells, rows, columns, total: a.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nonsense_is_refused() {
        assert!(adjusted_rand(&[1], &[1, 2]).is_err());
        assert!(adjusted_rand::<i64>(&[], &[]).is_err());
        assert!(normalized_mutual_information(&[1], &[1, 2], EntropyMean::Min).is_err());
    }

    proptest! {
        #[test]
        fn names_of_classes_do_not_matter(a in prop::collection::vec((0..4_u8, 0..3_u8), 1..40)) {
            let (x, y): (Vec<u8>, Vec<u8>) = a.into_iter().unzip();
            let renamed: Vec<u8> = x.iter().map(|v| 9 - v).collect();
            prop_assert_eq!(adjusted_rand(&x, &renamed).unwrap(), 1.0);
            prop_assert_eq!(adjusted_rand(&x, &y).unwrap(), adjusted_rand(&y, &renamed).unwrap());
            for mean in [EntropyMean::Arithmetic, EntropyMean::Geometric, EntropyMean::Min, EntropyMean::Max] {
                let value = normalized_mutual_information(&x, &y, mean).unwrap();
                prop_assert!((0.0..=1.0).contains(&value));
                prop_assert!((normalized_mutual_information(&y, &renamed, mean).unwrap() - value).abs() < 1e-12);
            }
        }
    }
}
