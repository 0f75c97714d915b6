//! Patterns: which inputs spike.

use crate::{Error, Result};

/// A set of inputs out of a fixed number of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitPattern {
    inputs: usize,
    words: Vec<u64>,
}

impl BitPattern {
    /// No input spikes.
    #[must_use]
    pub fn silent(inputs: usize) -> Self {
        Self { inputs, words: vec![0; inputs.div_ceil(64)] }
    }

    /// One bit an input.
    #[must_use]
    pub fn from_bits(bits: &[bool]) -> Self {
        let mut pattern = Self::silent(bits.len());
        for (i, _) in bits.iter().enumerate().filter(|(_, on)| **on) {
            pattern.words[i / 64] |= 1 << (i % 64);
        }
        pattern
    }

    /// From values that are 0 or 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another value.
    pub fn from_values(values: &[f64]) -> Result<Self> {
        if let Some(i) = values.iter().position(|v| *v != 0.0 && *v != 1.0) {
            return Err(Error::parameter(format!("input {i}"), values[i], "0 or 1"));
        }
        Ok(Self::from_bits(&values.iter().map(|v| *v == 1.0).collect::<Vec<_>>()))
    }

    /// From the inputs that spike.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an input that is not below `inputs`.
    pub fn from_indices(inputs: usize, on: &[usize]) -> Result<Self> {
        let mut pattern = Self::silent(inputs);
        for i in on {
            if *i >= inputs {
                return Err(Error::parameter("input", *i as f64, format!("below {inputs}")));
            }
            pattern.words[i / 64] |= 1 << (i % 64);
        }
        Ok(pattern)
    }

    /// From an integer whose most significant of `inputs` bits is input 0.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a code of more bits, or above 64 inputs.
    pub fn from_code(inputs: usize, code: u64) -> Result<Self> {
        if inputs > 64 || (inputs < 64 && code >> inputs != 0) {
            let expected = format!("below 2^{inputs}, with at most 64 inputs");
            return Err(Error::parameter("code", code as f64, expected));
        }
        let bits: Vec<bool> = (0..inputs).map(|i| code >> (inputs - 1 - i) & 1 == 1).collect();
        Ok(Self::from_bits(&bits))
    }

    /// Number of inputs, spiking or not.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many spike.
    #[must_use]
    pub fn active(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether an input spikes; `false` for one that is not there.
    #[must_use]
    pub fn contains(&self, input: usize) -> bool {
        input < self.inputs && self.words[input / 64] >> (input % 64) & 1 == 1
    }

    /// The inputs that spike, in increasing order.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(k, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros() as usize;
                    left &= left - 1;
                    64 * k + bit
                })
            })
        })
    }

    /// The pattern with one input turned over; unchanged where there is no such input.
    #[must_use]
    pub fn flipped(&self, input: usize) -> Self {
        let mut other = self.clone();
        if input < self.inputs {
            other.words[input / 64] ^= 1 << (input % 64);
        }
        other
    }

    /// In how many inputs two patterns differ.
    ///
    /// # Errors
    /// [`Error::Shape`] for differing numbers of inputs.
    pub fn hamming(&self, other: &Self) -> Result<usize> {
        if self.inputs != other.inputs {
            return Err(Error::shape("pattern", format!("{} inputs", self.inputs), other.inputs));
        }
        Ok(self.words.iter().zip(&other.words).map(|(a, b)| (a ^ b).count_ones() as usize).sum())
    }
}

/// Patterns as a detector of so many inputs is trained with them.
pub(super) fn check_patterns(inputs: usize, patterns: &[BitPattern]) -> Result<()> {
    if patterns.is_empty() {
        return Err(Error::TooFew { what: "patterns".to_owned(), needed: 1, found: 0 });
    }
    for (k, pattern) in patterns.iter().enumerate() {
        if pattern.inputs != inputs {
            return Err(Error::shape(format!("pattern {k}"), format!("{inputs} inputs"), pattern.inputs));
        }
        if pattern.active() == 0 {
            return Err(Error::TooFew { what: format!("active inputs of pattern {k}"), needed: 1, found: 0 });
        }
        if let Some(first) = patterns[..k].iter().position(|p| p == pattern) {
            return Err(Error::shape(
                format!("pattern {k}"),
                "another pattern",
                format!("pattern {first} again"),
            ));
        }
    }
    Ok(())
}
