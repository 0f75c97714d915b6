//! Lempel-Ziv complexity of binary strings and of trains.

use super::counts::{bin_of, whole_bins};
use super::trains::sorted;
use crate::{Error, Result};

/// The number of components in the exhaustive history of a binary string (Lempel and Ziv 1976): each component is the
/// shortest continuation that has not occurred before, overlaps allowed; one that the string's end cuts off counts too. 0
/// for the empty string, 2 for `0000`, 3 for `0101`, 6 for `0001101001000101`.
///
/// O(n): a suffix automaton of what has been read grows with the component that is matched in it. (Kaspar and Schuster's
/// scan is O(n^2).)
#[must_use]
pub fn lz76(bits: &[bool]) -> usize {
    let mut automaton = Automaton::new(bits.len());
    let (mut state, mut components) = (ROOT, 0);
    for bit in bits {
        // Does the component with this bit occur in what comes before the bit? Where a push splits the component's class, the
        // part that is kept here has every earlier occurrence and what follows each: that is all that is asked of it.
        let after = automaton.states[state as usize].next[usize::from(*bit)];
        automaton.push(*bit);
        (state, components) = if after == NONE { (ROOT, components + 1) } else { (after, components) };
    }
    components + usize::from(state != ROOT)
}

/// [`lz76`] as a rate in bits per symbol, `c log2(n) / n`: approaches the entropy rate of an ergodic source from above,
/// slowly.
///
/// # Errors
/// [`Error::TooFew`] below two symbols.
pub fn lz_normalized(bits: &[bool]) -> Result<f64> {
    let n = bits.len();
    if n < 2 {
        return Err(Error::TooFew { what: "normalised complexity: symbols".to_owned(), needed: 2, found: n });
    }
    Ok(lz76(bits) as f64 * (n as f64).log2() / n as f64)
}

/// A train as a binary string: whether each whole bin of the window holds a spike.
///
/// # Errors
/// Those of [`counts`](fn@super::counts).
pub fn binarize(times_ms: &[f64], start_ms: f64, stop_ms: f64, bin_ms: f64) -> Result<Vec<bool>> {
    let mut bits = vec![false; whole_bins(start_ms, stop_ms, bin_ms)?];
    sorted(|| "train".to_owned(), times_ms)?;
    for time in times_ms {
        if let Some(bit) = bin_of(*time, start_ms, bin_ms).and_then(|k| bits.get_mut(k)) {
            *bit = true;
        }
    }
    Ok(bits)
}

const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;

/// One class of substrings that end at the same places.
#[derive(Debug, Clone, Copy)]
struct State {
    next: [u32; 2],
    /// The class of the longest suffix that ends at more places.
    link: u32,
    /// Length of the longest substring of the class.
    longest: usize,
}

/// The suffix automaton of a growing string (Blumer et al. 1985).
struct Automaton {
    states: Vec<State>,
    /// The class of the whole string.
    whole: u32,
}

impl Automaton {
    fn new(capacity: usize) -> Self {
        let mut states = Vec::with_capacity(2 * capacity + 1);
        states.push(State { next: [NONE; 2], link: NONE, longest: 0 });
        Self { states, whole: ROOT }
    }

    fn add(&mut self, state: State) -> u32 {
        self.states.push(state);
        (self.states.len() - 1) as u32
    }

    fn push(&mut self, bit: bool) {
        let bit = usize::from(bit);
        let longest = self.states[self.whole as usize].longest + 1;
        let new = self.add(State { next: [NONE; 2], link: ROOT, longest });
        let mut at = self.whole;
        self.whole = new;
        while at != NONE && self.states[at as usize].next[bit] == NONE {
            self.states[at as usize].next[bit] = new;
            at = self.states[at as usize].link;
        }
        if at == NONE {
            return;
        }
        let target = self.states[at as usize].next[bit];
        let enough = self.states[at as usize].longest + 1;
        if self.states[target as usize].longest == enough {
            self.states[new as usize].link = target;
            return;
        }
        let split = self.add(State { longest: enough, ..self.states[target as usize] });
        while at != NONE && self.states[at as usize].next[bit] == target {
            self.states[at as usize].next[bit] = split;
            at = self.states[at as usize].link;
        }
        self.states[target as usize].link = split;
        self.states[new as usize].link = split;
    }
}
