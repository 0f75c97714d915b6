//! Permutation tests: seeded, parallel, the same for any number of threads.

use rayon::prelude::*;

use crate::rng::{permutation, stream};
use crate::{Error, Result};

/// Which statistics count as more extreme than the observed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alternative {
    /// At least as large.
    #[default]
    Greater,
    /// At most as large.
    Less,
    /// At least as large in absolute value.
    TwoSided,
}

/// The answer of [`permutation_test`].
#[derive(Debug, Clone, PartialEq)]
pub struct PermutationTest {
    /// The statistic in the given order.
    pub observed: f64,
    /// `(1 + #{as extreme}) / (1 + permutations)`.
    pub p: f64,
    /// The statistic of every permutation.
    pub null: Vec<f64>,
}

/// Tests a statistic of the order of `n` things against random orders.
///
/// The statistic gets a permutation of `0..n`, the observed one the identity. Values within `1e-12` of the observed one,
/// relative, count as equal to it: rounding does not undo ties.
///
/// # Errors
/// [`Error::TooFew`] below two things, [`Error::NotFinite`] where the statistic has no finite value (index 0 is the
/// observed one, `i` the `i`-th permutation).
pub fn permutation_test<F>(
    n: usize,
    permutations: usize,
    seed: u64,
    purpose: &str,
    alternative: Alternative,
    statistic: F,
) -> Result<PermutationTest>
where
    F: Fn(&[usize]) -> f64 + Sync,
{
    if n < 2 {
        return Err(Error::TooFew { what: "permutation test: things to permute", needed: 2, found: n });
    }
    let what = "permutation test: statistic";
    let identity: Vec<usize> = (0..n).collect();
    let observed = statistic(&identity);
    if !observed.is_finite() {
        return Err(Error::NotFinite { what, index: 0 });
    }
    let null: Vec<f64> = (0..permutations as u64)
        .into_par_iter()
        .map(|i| statistic(&permutation(&mut stream(seed, purpose, i), n)))
        .collect();
    if let Some(index) = null.iter().position(|x| !x.is_finite()) {
        return Err(Error::NotFinite { what, index: index + 1 });
    }
    let slack = 1e-12 * observed.abs();
    let extreme = |x: &f64| match alternative {
        Alternative::Greater => *x >= observed - slack,
        Alternative::Less => *x <= observed + slack,
        Alternative::TwoSided => x.abs() >= observed.abs() - slack,
    };
    let hits = null.iter().filter(|x| extreme(x)).count();
    Ok(PermutationTest { observed, p: (1 + hits) as f64 / (1 + permutations) as f64, null })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::normals;

    #[test]
    fn p_values_are_uniform_when_nothing_depends_on_order() {
        let small = (0..300)
            .filter(|trial| {
                let x = normals(&mut stream(5, "permutation/test", *trial), 20);
                let slope =
                    |order: &[usize]| order.iter().enumerate().map(|(i, j)| i as f64 * x[*j]).sum::<f64>();
                permutation_test(20, 99, *trial, "test", Alternative::Greater, slope).unwrap().p <= 0.1
            })
            .count();
        assert!((12..=50).contains(&small), "{small} of 300 at 0.1");
    }

    #[test]
    fn alternatives_look_at_their_side() {
        let rising = |order: &[usize]| order.iter().enumerate().map(|(i, j)| (i * j) as f64).sum::<f64>();
        let p = |alternative| permutation_test(12, 199, 1, "sides", alternative, rising).unwrap().p;
        assert_eq!(p(Alternative::Greater), 1.0 / 200.0);
        assert_eq!(p(Alternative::Less), 1.0);
        let falling = |order: &[usize]| -rising(order);
        let both = permutation_test(12, 199, 1, "sides", Alternative::TwoSided, falling).unwrap();
        // The identity has the largest absolute value of all orders.
        assert_eq!(both.p, 1.0 / 200.0);
        assert_eq!(both.null.len(), 199);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(permutation_test(1, 9, 0, "x", Alternative::Greater, |_| 0.0).is_err());
        assert!(permutation_test(3, 9, 0, "x", Alternative::Greater, |_| f64::NAN).is_err());
        let flat = permutation_test(3, 9, 0, "x", Alternative::Greater, |_| 0.0).unwrap();
        assert_eq!(flat.p, 1.0);
    }
}
