//! Counter-based randomness keyed by `(seed, purpose, index)`.
//!
//! A [`stream`] is ChaCha8 with the key derived from `seed` and `purpose` and the 64-bit stream number set to
//! `index`. Two streams that differ in any of the three never share a block, so work can be split over threads,
//! shards and devices without changing a result: draw number `i` belongs to index `i`, whoever draws it.
//!
//! ```
//! use rand::RngExt;
//! let mut a = numerics::rng::stream(7, "bootstrap", 3);
//! let mut b = numerics::rng::stream(7, "bootstrap", 3);
//! assert_eq!(a.random::<u64>(), b.random::<u64>());
//! ```

use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// The generator behind every stream.
pub type Stream = rand_chacha::ChaCha8Rng;

/// The stream of `(seed, purpose, index)`.
#[must_use]
pub fn stream(seed: u64, purpose: &str, index: u64) -> Stream {
    let mut key = [0u8; 32];
    let mut state = fnv1a(purpose) ^ 0x6e65_7572_6f70_696c;
    key[..8].copy_from_slice(&seed.to_le_bytes());
    for word in key[8..].chunks_exact_mut(8) {
        state = splitmix(state ^ seed.rotate_left(17));
        word.copy_from_slice(&state.to_le_bytes());
    }
    let mut rng = Stream::from_seed(key);
    rng.set_stream(index);
    rng
}

/// `n` standard normal draws of one stream.
#[must_use]
pub fn normals(rng: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

/// `n` draws of +1 or -1 with equal probability.
#[must_use]
pub fn rademacher(rng: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect()
}

/// A uniformly random permutation of `0..n` (Fisher-Yates).
#[must_use]
pub fn permutation(rng: &mut Stream, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    order
}

/// `k` distinct indices out of `0..n`, in increasing order; all of them when `k >= n`.
#[must_use]
pub fn subset(rng: &mut Stream, n: usize, k: usize) -> Vec<usize> {
    let mut chosen = permutation(rng, n);
    chosen.truncate(k);
    chosen.sort_unstable();
    chosen
}

/// FNV-1a, 64 bit: stable across platforms and releases.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// SplitMix64's output function (Steele, Lea, Flood 2014).
fn splitmix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_differ_in_seed_purpose_or_index_differ() {
        let first = |s, p, i| stream(s, p, i).random::<u64>();
        let base = first(1, "a", 0);
        assert_eq!(base, first(1, "a", 0));
        assert_ne!(base, first(2, "a", 0));
        assert_ne!(base, first(1, "b", 0));
        assert_ne!(base, first(1, "a", 1));
    }

    #[test]
    fn normals_have_the_moments_of_a_standard_normal() {
        let x = normals(&mut stream(3, "normals", 0), 100_000);
        let mean = x.iter().sum::<f64>() / 1e5;
        let var = x.iter().map(|v| v * v).sum::<f64>() / 1e5 - mean * mean;
        assert!(mean.abs() < 0.015 && (var - 1.0).abs() < 0.02, "mean {mean}, variance {var}");
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut p = permutation(&mut stream(5, "p", 9), 100);
        p.sort_unstable();
        assert!(p.into_iter().eq(0..100));
    }
}
