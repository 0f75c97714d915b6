//! Random numbers of a step: word `i` of the stream of a step belongs to neuron `i`, whichever thread asks.

use std::ops::Range;

use numerics::rng::stream;
use rand::Rng;

/// 32-bit words of the neurons in `range`, `per_neuron` each, in the order of the neurons.
///
/// The stream is that of `(seed, purpose, step)`, entered at the first word of the range.
pub(crate) fn words(
    seed: u64,
    purpose: &str,
    step: i64,
    range: Range<usize>,
    per_neuron: usize,
    bytes: &mut Vec<u8>,
    words: &mut Vec<u32>,
) {
    let mut rng = stream(seed, purpose, step as u64);
    rng.set_word_pos((range.start * per_neuron) as u128);
    bytes.resize(range.len() * per_neuron * 4, 0);
    rng.fill_bytes(bytes);
    words.clear();
    words.extend(bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)));
}

/// Counts of a Poisson variable from uniform words, by the number of cumulative probabilities that a word reaches.
///
/// Means above 16 are sums of variables of mean 16 or less, each with a word of its own. Probabilities are exact to 2^-32.
#[derive(Debug, Clone)]
pub(crate) struct PoissonCounts {
    thresholds: Vec<u32>,
    parts: usize,
}

impl PoissonCounts {
    pub(crate) fn new(mean: f64) -> Self {
        let parts = (mean / 16.0).ceil().max(1.0) as usize;
        let mean = mean / parts as f64;
        let (mut term, mut sum) = ((-mean).exp(), 0.0);
        let mut thresholds = Vec::new();
        for k in 0..200 {
            sum += term;
            let threshold = (sum * 4_294_967_296.0).round();
            // Beyond the last word nothing is reached.
            if threshold > 4_294_967_295.0 {
                break;
            }
            thresholds.push(threshold as u32);
            term *= mean / f64::from(k + 1);
        }
        Self { thresholds, parts }
    }

    /// Words per count.
    pub(crate) fn words(&self) -> usize {
        self.parts
    }

    /// One count for each group of [`PoissonCounts::words`].
    pub(crate) fn count(&self, words: &[u32], counts: &mut Vec<u32>) {
        counts.clear();
        if self.parts == 1 {
            counts.resize(words.len(), 0);
            self.add(words, counts);
        } else {
            counts.extend(words.chunks_exact(self.parts).map(|group| {
                group.iter().map(|w| self.thresholds.iter().filter(|t| *w >= **t).count() as u32).sum::<u32>()
            }));
        }
    }

    /// As [`PoissonCounts::count`] of one word each, in chunks that vectorise.
    #[inline(always)]
    fn add(&self, words: &[u32], counts: &mut [u32]) {
        let (whole, rest) = words.as_chunks::<16>();
        let (counts, last) = counts.as_chunks_mut::<16>();
        for (words, counts) in whole.iter().zip(counts) {
            for threshold in &self.thresholds {
                for l in 0..16 {
                    counts[l] += u32::from(words[l] >= *threshold);
                }
            }
        }
        for (word, count) in rest.iter().zip(last) {
            *count = self.thresholds.iter().filter(|t| word >= *t).count() as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_a_poisson_variable_and_belong_to_their_neuron() {
        let (mut bytes, mut all, mut part, mut counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for mean in [0.01, 0.9, 2.0, 15.0, 40.0] {
            let table = PoissonCounts::new(mean);
            let n = 200_000;
            words(3, "poisson", 7, 0..n, table.words(), &mut bytes, &mut all);
            table.count(&all, &mut counts);
            let m = counts.iter().map(|c| f64::from(*c)).sum::<f64>() / n as f64;
            let v = counts.iter().map(|c| (f64::from(*c) - m).powi(2)).sum::<f64>() / n as f64;
            let error = (mean / n as f64).sqrt();
            assert!((m - mean).abs() < 5.0 * error, "{mean}: {m}");
            assert!((v / mean - 1.0).abs() < 0.05, "{mean}: {v}");
            words(3, "poisson", 7, 1001..1050, table.words(), &mut bytes, &mut part);
            assert_eq!(part, all[1001 * table.words()..1050 * table.words()]);
        }
    }
}
