//! Frequencies of activation, their order statistic, and their entropy over languages.

use rayon::prelude::*;

use super::ActivationStats;
use crate::{Error, Result};

/// Frequencies `p [neurons of all layers, languages]`, row-major.
pub(super) struct Frequencies {
    values: Vec<f32>,
    languages: usize,
}

impl Frequencies {
    /// `p = n / N`, both rounded to single precision first.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a language without tokens.
    pub(super) fn of(stats: &ActivationStats) -> Result<Self> {
        if stats.token_slice().contains(&0) {
            return Err(Error::Parameter {
                name: "tokens of a language",
                value: 0.0,
                expected: "at least 1",
            });
        }
        let languages = stats.languages();
        let tokens: Vec<f32> = stats.token_slice().iter().map(|n| *n as f32).collect();
        let mut values = vec![0.0; stats.layers() * stats.width() * languages];
        values.par_chunks_mut(languages).zip(stats.rows()).with_min_len(4096).for_each(|(p, n)| {
            for ((p, n), tokens) in p.iter_mut().zip(n).zip(&tokens) {
                *p = *n as f32 / tokens;
            }
        });
        Ok(Self { values, languages })
    }

    /// Number of neurons.
    pub(super) fn neurons(&self) -> usize {
        self.values.len() / self.languages
    }

    /// The frequencies of one neuron.
    pub(super) fn row(&self, neuron: usize) -> &[f32] {
        &self.values[neuron * self.languages..(neuron + 1) * self.languages]
    }

    /// The frequencies of each neuron.
    pub(super) fn rows(&self) -> impl IndexedParallelIterator<Item = &[f32]> {
        self.values.par_chunks(self.languages).with_min_len(4096)
    }

    /// The `round(rate * entries)`-th smallest frequency, counted from 1, rounded half to even, not interpolated.
    pub(super) fn order_statistic(&self, name: &'static str, rate: f64) -> Result<f32> {
        Ok(kth_smallest(&self.values, share(name, rate, self.values.len())? - 1))
    }
}

/// `round(rate * of)`, half to even.
///
/// # Errors
/// [`Error::Parameter`] unless `0 < rate <= 1` and the product rounds to at least 1.
pub(super) fn share(name: &'static str, rate: f64, of: usize) -> Result<usize> {
    if !(rate > 0.0 && rate <= 1.0) {
        return Err(Error::Parameter { name, value: rate, expected: "in (0, 1]" });
    }
    match (of as f64 * rate).round_ties_even() as usize {
        0 => Err(Error::Parameter { name, value: rate, expected: "large enough to select at least one" }),
        count => Ok(count.min(of)),
    }
}

/// The least double fraction that a term of a sum keeps.
const UNIT: f64 = (1_u64 << 52) as f64;

/// Sums terms of [-1, 1] in fixed point, so that their order makes no difference.
fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    terms.map(|t| i128::from((t * UNIT) as i64)).sum::<i128>() as f64 / UNIT
}

/// Entropy over languages, in nats: `-sum q ln q` with `q = p / sum p`; 0 where all `p` are.
pub(super) fn entropy(p: &[f32]) -> f64 {
    let peak = f64::from(p.iter().copied().fold(0.0, f32::max));
    if peak == 0.0 {
        return 0.0;
    }
    // Scaled to a greatest value of 1, so that rare neurons lose no precision.
    let scaled = || p.iter().filter(|p| **p > 0.0).map(|p| f64::from(*p) / peak);
    let mass = sum(scaled());
    mass.ln() - sum(scaled().map(|q| if q < 1.0 { q * q.ln() } else { 0.0 })) / mass
}

/// Entropy over languages, in nats, of `q = p / sum p` raised to at least 1e-12 and normalised again; `ln K` where all
/// `p` are 0. `q` is room to work in.
pub(super) fn clipped_entropy(p: &[f32], q: &mut Vec<f64>) -> f64 {
    const LEAST: f64 = 1e-12;
    let peak = f64::from(p.iter().copied().fold(0.0, f32::max));
    if peak == 0.0 {
        return (p.len() as f64).ln();
    }
    q.clear();
    q.extend(p.iter().map(|p| f64::from(*p) / peak));
    let mass = sum(q.iter().copied());
    q.iter_mut().for_each(|q| *q = (*q / mass).max(LEAST));
    let total = sum(q.iter().copied());
    total.ln() - sum(q.iter().map(|q| q * q.ln())) / total
}

/// The value at place `k` of the ascending order, from 0; for values that are not negative. Two counting passes over the
/// halves of their bits: no copy, no sort.
fn kth_smallest(values: &[f32], k: usize) -> f32 {
    let find = |counts: &[u32], mut left: usize| {
        for (bin, n) in counts.iter().enumerate() {
            if left < *n as usize {
                return (bin as u32, left);
            }
            left -= *n as usize;
        }
        (BINS as u32 - 1, 0)
    };
    let (high, left) = find(&histogram(values, |bits| Some((bits >> 16) as usize)), k);
    let low = |bits: u32| (bits >> 16 == high).then_some((bits & 0xffff) as usize);
    let (low, _) = find(&histogram(values, low), left);
    f32::from_bits(high << 16 | low)
}

/// Values of 16 bits.
const BINS: usize = 1 << 16;

/// How many values fall in each bin.
fn histogram(values: &[f32], bin: impl Fn(u32) -> Option<usize> + Sync) -> Vec<u32> {
    const CHUNK: usize = 1 << 18;
    values
        .par_chunks(CHUNK)
        .fold(
            || vec![0_u32; BINS],
            |mut counts, chunk| {
                chunk.iter().filter_map(|x| bin((x + 0.0).to_bits())).for_each(|b| counts[b] += 1);
                counts
            },
        )
        .reduce(
            || vec![0; BINS],
            |mut a, b| {
                a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
                a
            },
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entropies_have_their_closed_forms() {
        assert_eq!(entropy(&[0.0, 0.0, 0.0]), 0.0);
        assert_eq!(clipped_entropy(&[0.0, 0.0, 0.0], &mut Vec::new()), 3_f64.ln());
        assert_eq!(entropy(&[0.25, 0.0, 0.0]), 0.0);
        assert!((entropy(&[0.5; 4]) - 4_f64.ln()).abs() < 1e-15);
        assert!((clipped_entropy(&[0.5; 4], &mut Vec::new()) - 4_f64.ln()).abs() < 1e-15);
        let q: f64 = 0.3;
        let two = -q * q.ln() - (1.0 - q) * (1.0 - q).ln();
        assert!((entropy(&[3e-9, 7e-9]) - two).abs() < 1e-7); // the f32 inputs are not exactly 3 to 7
        assert!(
            (clipped_entropy(&[0.75, 0.25, 0.0], &mut Vec::new()) - entropy(&[0.75, 0.25, 0.0])).abs()
                < 1e-10
        );
        assert!(clipped_entropy(&[0.75, 0.25, 0.0], &mut Vec::new()) > entropy(&[0.75, 0.25, 0.0]));
    }

    #[test]
    fn shares_round_half_to_even() {
        assert_eq!(share("r", 0.5, 5).unwrap(), 2);
        assert_eq!(share("r", 0.5, 7).unwrap(), 4);
        assert_eq!(share("r", 1.0, 7).unwrap(), 7);
        for bad in [0.0, -0.1, 1.1, f64::NAN, 0.01] {
            assert!(share("r", bad, 7).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_order_statistic_is_that_of_a_sort(
            n in prop::collection::vec(0_u32..2000, 1..300), at in 0.0..1.0_f64, scale in 1_u32..3000
        ) {
            let x: Vec<f32> = n.iter().map(|n| *n as f32 / scale as f32).collect();
            let k = (at * x.len() as f64) as usize;
            let mut sorted = x.clone();
            sorted.sort_by(f32::total_cmp);
            prop_assert_eq!(kth_smallest(&x, k), sorted[k]);
        }

        #[test]
        fn entropy_ignores_the_order(mut p in prop::collection::vec(0.0..1.0_f32, 2..12), turn in 0_usize..12) {
            let (a, b) = (entropy(&p), clipped_entropy(&p, &mut Vec::new()));
            let turn = turn % p.len();
            p.rotate_left(turn);
            prop_assert_eq!(a.to_bits(), entropy(&p).to_bits());
            prop_assert_eq!(b.to_bits(), clipped_entropy(&p, &mut Vec::new()).to_bits());
        }
    }
}
