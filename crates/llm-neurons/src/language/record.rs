//! Counting where a model's neurons fire.

use ndarray::{Array1, Array2, Array3};
use probes::{HookSet, Read, ReadHandle};
use recordings::Site;

use super::ActivationStats;
use crate::model::{Forward, Head, HookedLm, Tokens};
use crate::{Error, Result};

/// Counts, for each language, the tokens at which each MLP neuron's activation (`Act`: the gate after its non-linearity
/// in a gated MLP) is above zero.
///
/// Counts add up on the device and come to the host once in a million tokens; memory is O(layers x neurons x languages),
/// whatever the corpus. The shards of a corpus may be counted apart and their [`ActivationStats`] merged.
#[derive(Debug)]
pub struct ActivationCounter<'a> {
    model: &'a HookedLm,
    languages: Vec<Language>,
}

#[derive(Debug)]
struct Language {
    hooks: HookSet,
    layers: Vec<ReadHandle>,
    tokens: i64,
}

impl<'a> ActivationCounter<'a> {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than two languages.
    pub fn new(model: &'a HookedLm, languages: usize) -> Result<Self> {
        if languages < 2 {
            return Err(Error::TooFew { what: "language neurons: languages", needed: 2, found: languages });
        }
        let language = |_| {
            let mut hooks = HookSet::new();
            let layers = (0..model.config().layers)
                .map(|layer| hooks.read(Site::Act(layer), Read::CountPositive))
                .collect::<probes::Result<Vec<ReadHandle>>>()?;
            Ok(Language { hooks, layers, tokens: 0 })
        };
        Ok(Self { model, languages: (0..languages).map(language).collect::<Result<Vec<Language>>>()? })
    }

    /// Counts one batch of a language's texts, each read from its start; padding does not count.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a language that there is not; else those of [`HookedLm::forward`].
    pub fn observe(&mut self, language: usize, tokens: &Tokens) -> Result<()> {
        let Some(of) = self.languages.get_mut(language) else {
            return Err(Error::Parameter {
                name: "language",
                value: language as f64,
                expected: "one of the counter's",
            });
        };
        let with = Forward { head: Head::None, ..Forward::default() };
        self.model.forward(tokens, with, &mut of.hooks)?;
        let read =
            tokens.valid.as_ref().map_or(tokens.ids.len(), |valid| valid.iter().filter(|v| **v).count());
        of.tokens += read as i64;
        Ok(())
    }

    /// Counts a stream of a language's tokens, cut into windows of `window` tokens that are each read from their start,
    /// `batch` of them at a time; gives the number of windows. What is left after the last whole window does not count.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a window or batch of 0; else those of [`ActivationCounter::observe`].
    pub fn observe_stream(
        &mut self,
        language: usize,
        stream: impl IntoIterator<Item = u32>,
        window: usize,
        batch: usize,
    ) -> Result<usize> {
        for (name, value) in [("window", window), ("batch", batch)] {
            if value == 0 {
                return Err(Error::Parameter { name, value: 0.0, expected: "at least 1" });
            }
        }
        let mut waiting: Vec<u32> = Vec::new();
        let mut windows = 0;
        let mut count = |waiting: &mut Vec<u32>| -> Result<()> {
            let whole = waiting.len() / window;
            if whole > 0 {
                let ids = Array2::from_shape_fn((whole, window), |(b, t)| waiting[b * window + t]);
                self.observe(language, &Tokens::new(ids))?;
                windows += whole;
            }
            waiting.clear();
            Ok(())
        };
        for token in stream {
            waiting.push(token);
            if waiting.len() == window.saturating_mul(batch) {
                count(&mut waiting)?;
            }
        }
        count(&mut waiting)?;
        Ok(windows)
    }

    /// What was counted so far.
    ///
    /// # Errors
    /// [`Error::Probes`] from the device.
    pub fn stats(&mut self) -> Result<ActivationStats> {
        let c = self.model.config();
        let mut counts = Array3::zeros((c.layers, c.mlp, self.languages.len()));
        let mut tokens = Array1::zeros(self.languages.len());
        for (k, of) in self.languages.iter_mut().enumerate().filter(|(_, of)| of.tokens > 0) {
            tokens[k] = of.tokens;
            for (layer, read) in of.layers.iter().enumerate() {
                for (i, n) in of.hooks.counts(*read)?.counts().iter().enumerate() {
                    // At most the tokens, which fit.
                    counts[[layer, i, k]] = *n as i64;
                }
            }
        }
        ActivationStats::new(counts, tokens)
    }
}
