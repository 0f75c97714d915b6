//! Who fired just before: the pre-synaptic pools of every step at once.

use super::Raster;
use crate::{Error, Result};

/// The neurons that fired in the `length` steps before each step, as bits.
///
/// The steps are cut into blocks of `length`; one bitmap holds who fired from a block's start to each step, another who fired
/// from each step to its block's end. Any window of `length` steps is then two rows, whatever its length (van Herk 1992).
#[derive(Debug, Clone)]
pub struct Pools {
    length: usize,
    words: usize,
    since_start: Vec<u64>,
    until_end: Vec<u64>,
}

impl Pools {
    /// The pools of a raster.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a length of 0.
    pub fn new(raster: &Raster, length: usize) -> Result<Self> {
        if length == 0 {
            return Err(Error::parameter("length of the pool in steps", 0.0, "1 or more"));
        }
        let mut pools = Self { length, words: 0, since_start: Vec::new(), until_end: Vec::new() };
        pools.refill(raster);
        Ok(pools)
    }

    /// The pools of another raster, in the same memory.
    pub(super) fn refill(&mut self, raster: &Raster) {
        let words = raster.neurons().div_ceil(64);
        self.words = words;
        let all = words * raster.steps();
        self.since_start.clear();
        self.since_start.resize(all, 0);
        for (neuron, train) in raster.trains().iter().enumerate() {
            for t in train {
                self.since_start[*t as usize * words + neuron / 64] |= 1 << (neuron % 64);
            }
        }
        self.until_end.clear();
        self.until_end.extend_from_slice(&self.since_start);
        for t in 1..raster.steps() {
            if t % self.length != 0 {
                let (before, here) = self.since_start.split_at_mut(t * words);
                or(&mut here[..words], &before[(t - 1) * words..]);
            }
        }
        for t in (0..raster.steps().saturating_sub(1)).rev() {
            if (t + 1) % self.length != 0 {
                let (here, after) = self.until_end.split_at_mut((t + 1) * words);
                or(&mut here[t * words..], &after[..words]);
            }
        }
    }

    /// The neurons other than `except` that fired in the window `[step - length, step - 1]`, ascending.
    pub fn members(&self, step: usize, except: usize) -> impl Iterator<Item = usize> + '_ {
        // A window that begins before step 0 lies in the first block and needs the rows from its start alone.
        let last = step.checked_sub(1).map(|t| &self.since_start[t * self.words..][..self.words]);
        let first = step.checked_sub(self.length).map(|t| &self.until_end[t * self.words..][..self.words]);
        (0..last.map_or(0, <[u64]>::len)).flat_map(move |w| {
            let mut bits = last.map_or(0, |row| row[w]) | first.map_or(0, |row| row[w]);
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (bit < 64).then_some(64 * w + bit as usize)
            })
            .filter(move |j| *j != except)
        })
    }
}

fn or(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(a, b)| *a |= b);
}
