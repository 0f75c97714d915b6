//! Counts of positive activations by layer, neuron and language.

use ndarray::{Array1, Array3, ArrayView1, ArrayView3};
use rayon::prelude::*;

use crate::{Error, Result};

/// How often each neuron was active in each language: `n [layers, neurons, languages]` and the tokens looked at,
/// `[languages]`. Valid by construction: at least two languages and `0 <= n <= tokens`. A language may have no tokens yet;
/// selections refuse it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationStats {
    n_pos: Array3<i64>,
    tokens: Array1<i64>,
}

impl ActivationStats {
    /// Takes counts `[layers, neurons, languages]` and tokens `[languages]`.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than two languages, no layer or no neuron; [`Error::Shape`] where the two disagree on
    /// the languages; [`Error::Parameter`] for a negative number, or more activations than tokens.
    pub fn new(n_pos: Array3<i64>, tokens: Array1<i64>) -> Result<Self> {
        let (layers, width, languages) = n_pos.dim();
        for (what, needed, found) in [
            ("language neurons: languages", 2, languages),
            ("language neurons: layers", 1, layers),
            ("language neurons: neurons a layer", 1, width),
        ] {
            if found < needed {
                return Err(Error::TooFew { what, needed, found });
            }
        }
        if tokens.len() != languages {
            let expected = format!("{languages} token counts");
            return Err(Error::shape("language neurons: tokens", expected, tokens.len()));
        }
        if let Some(n) = tokens.iter().find(|n| **n < 0) {
            return Err(Error::Parameter {
                name: "tokens of a language",
                value: *n as f64,
                expected: "at least 0",
            });
        }
        let n_pos = if n_pos.is_standard_layout() { n_pos } else { n_pos.as_standard_layout().into_owned() };
        let tokens: Array1<i64> = tokens.iter().copied().collect();
        let stats = Self { n_pos, tokens };
        let limits = stats.token_slice();
        let bad = stats.rows().find_map_any(|row| {
            row.iter().zip(limits).find(|(n, tokens)| **n < 0 || *n > tokens).map(|(n, _)| *n)
        });
        match bad {
            Some(n) => Err(Error::Parameter {
                name: "activation count",
                value: n as f64,
                expected: "between 0 and the tokens of its language",
            }),
            None => Ok(stats),
        }
    }

    /// Nothing counted yet.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than two languages, no layer or no neuron.
    pub fn empty(layers: usize, width: usize, languages: usize) -> Result<Self> {
        Self::new(Array3::zeros((layers, width, languages)), Array1::zeros(languages))
    }

    /// Number of layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.n_pos.dim().0
    }

    /// Neurons a layer.
    #[must_use]
    pub fn width(&self) -> usize {
        self.n_pos.dim().1
    }

    /// Number of languages.
    #[must_use]
    pub fn languages(&self) -> usize {
        self.tokens.len()
    }

    /// The counts `[layers, neurons, languages]`.
    #[must_use]
    pub fn n_pos(&self) -> ArrayView3<'_, i64> {
        self.n_pos.view()
    }

    /// The tokens of each language.
    #[must_use]
    pub fn tokens(&self) -> ArrayView1<'_, i64> {
        self.tokens.view()
    }

    /// Adds the counts of another shard of the same corpus. Counts are whole numbers, so shards merge in any order.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Parameter`] where a sum passes 2^63. The statistics are then as they were.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.same_shape(other)?;
        // Counts are at most the tokens, so their sums fit where those of the tokens do.
        for (a, b) in self.tokens.iter().zip(&other.tokens) {
            if a.checked_add(*b).is_none() {
                let value = *a as f64 + *b as f64;
                return Err(Error::Parameter { name: "tokens of a language", value, expected: "below 2^63" });
            }
        }
        self.tokens += &other.tokens;
        self.n_pos += &other.n_pos;
        Ok(())
    }

    /// What is left when the instruction's part is taken off the counts over instruction and answer, so that only the
    /// answers' tokens count: `n = max(n_full - n_prefix, 0)` and `N = max(N_full - N_prefix, 1)`. The prefix must have
    /// been counted once for each answer.
    ///
    /// An empty prefix changes nothing, and a language without tokens stays so.
    ///
    /// Where rounding made a neuron fire less often in the prefix alone than in the same tokens of the whole text, the
    /// difference can pass N; it is then N.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Parameter`] where the prefix has more tokens than the whole.
    pub fn subtract_prefix(&self, prefix: &Self) -> Result<Self> {
        self.same_shape(prefix)?;
        if let Some((_, n)) = self.tokens.iter().zip(&prefix.tokens).find(|(full, prefix)| prefix > full) {
            let expected = "at most those of the whole text";
            return Err(Error::Parameter { name: "tokens of the prefix", value: *n as f64, expected });
        }
        let tokens: Array1<i64> = self
            .tokens
            .iter()
            .zip(&prefix.tokens)
            .map(|(full, prefix)| (full - prefix).max(i64::min(1, *full)))
            .collect();
        let mut n_pos = &self.n_pos - &prefix.n_pos;
        for mut row in n_pos.rows_mut() {
            row.iter_mut().zip(&tokens).for_each(|(n, tokens)| *n = (*n).clamp(0, *tokens));
        }
        Self::new(n_pos, tokens)
    }

    /// The statistics with the languages in another order.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `order` holds every language once.
    pub fn reorder(&self, order: &[usize]) -> Result<Self> {
        let mut seen = vec![false; self.languages()];
        let fits = order.len() == seen.len()
            && order.iter().all(|k| seen.get_mut(*k).is_some_and(|s| !std::mem::replace(s, true)));
        if !fits {
            let expected = format!("each of 0 to {} once", seen.len() - 1);
            return Err(Error::shape("order of languages", expected, format!("{order:?}")));
        }
        let tokens: Array1<i64> = order.iter().map(|k| self.tokens[*k]).collect();
        Self::new(self.n_pos.select(ndarray::Axis(2), order), tokens)
    }

    pub(super) fn token_slice(&self) -> &[i64] {
        self.tokens.as_slice().unwrap_or_default()
    }

    /// The languages' counts of each neuron, in the order of the flat index `layer * width + neuron`.
    pub(super) fn rows(&self) -> impl IndexedParallelIterator<Item = &[i64]> {
        self.n_pos.as_slice().unwrap_or_default().par_chunks(self.languages())
    }

    fn same_shape(&self, other: &Self) -> Result<()> {
        if self.n_pos.dim() == other.n_pos.dim() {
            return Ok(());
        }
        let (expected, found) = (format!("{:?}", self.n_pos.dim()), format!("{:?}", other.n_pos.dim()));
        Err(Error::shape("activation counts [layers, neurons, languages]", expected, found))
    }
}
