//! What switching a language's neurons off does to every language.

use ndarray::{Array1, Array2};
use probes::HookSet;
use recordings::{Intervention, Site};

use super::LanguageMask;
use crate::model::HookedLm;
use crate::score::mean_nll;
use crate::{Error, Result};

/// Mean negative log-likelihoods, in nats a token, with each language's neurons at zero.
///
/// Of each text the mean over its tokens is taken, then the mean over texts, as the published program has it.
#[derive(Debug, Clone, PartialEq)]
pub struct AblationMatrix {
    /// Of each language, the model intact.
    pub intact: Array1<f64>,
    /// `[language whose neurons are off, language evaluated]`.
    pub ablated: Array2<f64>,
}

impl AblationMatrix {
    /// Differences to the intact model, `[off, evaluated]`, in nats.
    #[must_use]
    pub fn delta(&self) -> Array2<f64> {
        &self.ablated - &self.intact
    }

    /// Perplexities `exp(NLL)`, `[off, evaluated]`.
    #[must_use]
    pub fn perplexity(&self) -> Array2<f64> {
        self.ablated.exp()
    }

    /// Mean difference of the languages whose own neurons are off.
    #[must_use]
    pub fn own(&self) -> f64 {
        let delta = self.delta();
        delta.diag().sum() / delta.nrows() as f64
    }

    /// Mean difference of the others.
    #[must_use]
    pub fn others(&self) -> f64 {
        let delta = self.delta();
        (delta.sum() - delta.diag().sum()) / (delta.len() - delta.nrows()) as f64
    }

    /// Mean difference over all pairs.
    #[must_use]
    pub fn overall(&self) -> f64 {
        let delta = self.delta();
        delta.sum() / delta.len() as f64
    }
}

/// A model and texts of each language to judge it by, read once intact.
#[derive(Debug)]
pub struct LanguageEvaluation<'a> {
    model: &'a HookedLm,
    /// By language.
    texts: Vec<Vec<Vec<u32>>>,
    batch_tokens: usize,
    intact: Array1<f64>,
}

impl<'a> LanguageEvaluation<'a> {
    /// Takes texts by language, each a list of tokens, and reads them with the intact model, at most `batch_tokens`
    /// tokens at a time.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than two languages, or one without a text; else those of
    /// [`crate::score::token_logprobs`].
    pub fn new(model: &'a HookedLm, texts: Vec<Vec<Vec<u32>>>, batch_tokens: usize) -> Result<Self> {
        if texts.len() < 2 {
            let what = "language neurons: languages";
            return Err(Error::TooFew { what, needed: 2, found: texts.len() });
        }
        let mut evaluation = Self { model, texts, batch_tokens, intact: Array1::zeros(0) };
        evaluation.intact = evaluation.nll(&mut HookSet::new())?;
        Ok(evaluation)
    }

    /// Mean negative log-likelihood of each language, the model intact.
    #[must_use]
    pub fn intact(&self) -> &Array1<f64> {
        &self.intact
    }

    /// Mean negative log-likelihood of each language under hooks.
    ///
    /// # Errors
    /// Those of [`crate::score::token_logprobs`].
    pub fn nll(&self, hooks: &mut HookSet) -> Result<Array1<f64>> {
        let of = |texts: &Vec<Vec<u32>>| Ok(mean_nll(self.model, texts, self.batch_tokens, hooks)?.by_text);
        self.texts.iter().map(of).collect::<Result<Vec<f64>>>().map(Array1::from)
    }

    /// Every language with each language's neurons off: their activations are zero at every token.
    ///
    /// # Errors
    /// [`Error::Shape`] for a mask of other layers, neurons or languages; else those of
    /// [`crate::score::token_logprobs`].
    pub fn matrix(&self, mask: &LanguageMask) -> Result<AblationMatrix> {
        let (c, k) = (self.model.config(), self.texts.len());
        let (wanted, found) = ((c.layers, c.mlp, k), (mask.layers(), mask.width(), mask.languages()));
        if wanted != found {
            let (wanted, found) = (format!("{wanted:?}"), format!("{found:?}"));
            return Err(Error::shape("mask (layers, width, languages)", wanted, found));
        }
        let mut ablated = Array2::zeros((k, k));
        for (language, mut row) in ablated.outer_iter_mut().enumerate() {
            let mut hooks = HookSet::new();
            for (layer, units) in mask.by_layer(language).into_iter().enumerate() {
                if !units.is_empty() {
                    hooks.edit(Intervention::drop_units(Site::Act(layer), units))?;
                }
            }
            row.assign(&if hooks.is_empty() { self.intact.clone() } else { self.nll(&mut hooks)? });
        }
        Ok(AblationMatrix { intact: self.intact.clone(), ablated })
    }

    /// The same with as many neurons for each language drawn at random from the whole network: draws 0 to `draws - 1` of
    /// [`LanguageMask::random_control`].
    ///
    /// # Errors
    /// Those of [`LanguageEvaluation::matrix`].
    pub fn random_controls(&self, mask: &LanguageMask, seed: u64, draws: u64) -> Result<Vec<AblationMatrix>> {
        (0..draws).map(|draw| self.matrix(&mask.random_control(seed, draw))).collect()
    }
}

/// Differences of mean negative log-likelihood to the intact model, `[language whose neurons are off, language
/// evaluated]`; `texts` by language.
///
/// # Errors
/// Those of [`LanguageEvaluation::new`] and [`LanguageEvaluation::matrix`].
pub fn ablation_matrix(
    model: &HookedLm,
    mask: &LanguageMask,
    texts: Vec<Vec<Vec<u32>>>,
    batch_tokens: usize,
) -> Result<Array2<f64>> {
    Ok(LanguageEvaluation::new(model, texts, batch_tokens)?.matrix(mask)?.delta())
}
