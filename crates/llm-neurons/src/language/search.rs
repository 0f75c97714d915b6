//! From texts in several languages to each language's neurons and what they do.

use ndarray::Array2;
use recordings::{Effect, ModelIdentity, NeuronSet};
use serde::{Deserialize, Serialize};

use super::{
    ActivationCounter, ActivationStats, Bisection, Kind, LanguageEvaluation, LanguageMask, LapeConfig,
    LayerProfile, TernaryConfig, bisect_lambda, general_neurons, lape, layer_profile, ternary,
};
use crate::knockout::Knockout;
use crate::model::{HookedLm, Tokens};
use crate::{Error, Result};

/// Counts windows of tokens by language and holds some back to judge by, so that no window does both.
///
/// Of each language every tenth window, from the second, is held back, until there are `judged` of them. The others are
/// counted and forgotten: memory is that of [`ActivationCounter`] and of the windows held back.
#[derive(Debug)]
pub struct LanguageReader<'a> {
    counter: ActivationCounter<'a>,
    batch_tokens: usize,
    judged: usize,
    /// By language.
    held_back: Vec<Vec<Vec<u32>>>,
    windows: Vec<usize>,
}

/// Of ten windows one is held back.
const EVERY: usize = 10;

impl<'a> LanguageReader<'a> {
    /// Nothing read yet.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than two languages; [`Error::Parameter`] for `batch_tokens = 0`.
    pub fn new(model: &'a HookedLm, languages: usize, judged: usize, batch_tokens: usize) -> Result<Self> {
        if batch_tokens == 0 {
            return Err(Error::Parameter { name: "batch_tokens", value: 0.0, expected: "at least 1" });
        }
        let counter = ActivationCounter::new(model, languages)?;
        let (held_back, windows) = (vec![Vec::new(); languages], vec![0; languages]);
        Ok(Self { counter, batch_tokens, judged, held_back, windows })
    }

    /// Reads windows of one language, each from its start, as many at a time as have `batch_tokens` tokens; stops at the
    /// first error of the windows or of the model.
    ///
    /// # Errors
    /// Those of the windows and of [`ActivationCounter::observe`]; [`Error::Parameter`] for a language that there is not.
    pub fn read(
        &mut self,
        language: usize,
        windows: impl IntoIterator<Item = Result<Vec<u32>>>,
    ) -> Result<()> {
        let (Some(held_back), Some(read)) =
            (self.held_back.get_mut(language), self.windows.get_mut(language))
        else {
            let value = language as f64;
            return Err(Error::Parameter { name: "language", value, expected: "one of the reader's" });
        };
        let mut batch: Vec<Vec<u32>> = Vec::new();
        for window in windows {
            let window = window?;
            *read += 1;
            if held_back.len() < self.judged && *read % EVERY == 2 {
                held_back.push(window);
                continue;
            }
            let longest = batch.iter().map(Vec::len).fold(window.len(), usize::max);
            if !batch.is_empty() && longest * (batch.len() + 1) > self.batch_tokens {
                count(&mut self.counter, language, &mut batch)?;
            }
            batch.push(window);
        }
        count(&mut self.counter, language, &mut batch)
    }

    /// Windows read of each language, those held back among them.
    #[must_use]
    pub fn windows(&self) -> &[usize] {
        &self.windows
    }

    /// The counts, and by language the windows that were held back.
    ///
    /// # Errors
    /// Those of [`ActivationCounter::stats`].
    pub fn finish(mut self) -> Result<(ActivationStats, Vec<Vec<Vec<u32>>>)> {
        Ok((self.counter.stats()?, self.held_back))
    }
}

fn count(counter: &mut ActivationCounter<'_>, language: usize, batch: &mut Vec<Vec<u32>>) -> Result<()> {
    if !batch.is_empty() {
        let window = batch[0].len();
        let tokens = if batch.iter().all(|w| w.len() == window) {
            // Nothing is padded: no mask is made.
            Tokens::new(Array2::from_shape_fn((batch.len(), window), |(b, t)| batch[b][t]))
        } else {
            Tokens::padded(&batch.iter().map(Vec::as_slice).collect::<Vec<_>>(), false)
        };
        counter.observe(language, &tokens)?;
        batch.clear();
    }
    Ok(())
}

/// Which rule picks a language's neurons.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum LanguageRule {
    /// Lowest entropy over languages ([`lape`]).
    Lape(LapeConfig),
    /// Entropy less a reward of frequency ([`ternary`]), the weight by bisection where none is given.
    Finer {
        /// Share of all neurons that is selected.
        top_rate: f64,
        /// Share of all frequencies above which a neuron is active in a language.
        bar: f64,
        /// Weight of the reward; `None`: [`bisect_lambda`].
        lambda: Option<f64>,
    },
}

impl LanguageRule {
    /// The name in a neuron-set file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lape(_) => "lape",
            Self::Finer { .. } => "finer",
        }
    }
}

/// What a rule selected.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageSelection {
    /// The rule, its weight filled in.
    pub rule: LanguageRule,
    /// The neurons of each language; of the finer rule specific and related ones.
    pub mask: LanguageMask,
    /// How many neurons were selected, whether or not they belong to a language.
    pub selected: usize,
    /// Frequency above which a neuron belongs to a language.
    pub threshold: f32,
    /// How many selected neurons belong to 0, 1, .., K languages.
    pub appear: Vec<usize>,
    /// Neurons by layer: those active in one language, in several, and, over the whole network, in all.
    pub profile: LayerProfile,
}

/// Selects each language's neurons.
///
/// # Errors
/// Those of [`lape`], [`ternary`] and [`bisect_lambda`]; [`Error::Missing`] where every weight selects neurons that are
/// active in all languages.
pub fn select(stats: &ActivationStats, rule: LanguageRule) -> Result<LanguageSelection> {
    match rule {
        LanguageRule::Lape(config) => {
            let found = lape(stats, &config)?;
            let languages = stats.languages();
            let mut belongs = vec![0; stats.layers() * stats.width()];
            (0..languages).for_each(|k| found.mask.neurons(k).iter().for_each(|i| belongs[*i] += 1));
            let mut appear = vec![0; languages + 1];
            found.selected.iter().for_each(|(i, _)| appear[belongs[*i]] += 1);
            let of = |wanted: &dyn Fn(usize) -> bool| {
                let chosen: Vec<usize> =
                    found.selected.iter().map(|(i, _)| *i).filter(|i| wanted(belongs[*i])).collect();
                layer_profile(&chosen, stats.layers(), stats.width())
            };
            let general = general_neurons(stats, config.bar)?;
            let profile = LayerProfile {
                specific: of(&|n| n == 1),
                related: of(&|n| n > 1 && n < languages),
                general: layer_profile(&general, stats.layers(), stats.width()),
            };
            let selected = found.selected.len();
            Ok(LanguageSelection { rule, mask: found.mask, selected, threshold: found.bar, appear, profile })
        }
        LanguageRule::Finer { top_rate, bar, lambda } => {
            let lambda = match lambda {
                Some(lambda) => lambda,
                None => {
                    let search = Bisection { top_rate, bar, ..Bisection::default() };
                    bisect_lambda(stats, &search)?.ok_or(Error::Missing {
                        what: "a weight in [0, 0.2] that selects no neuron active in every language",
                    })?
                }
            };
            let found = ternary(stats, &TernaryConfig { top_rate, lambda, bar })?;
            let profile = found.layer_profile(&general_neurons(stats, bar)?);
            Ok(LanguageSelection {
                rule: LanguageRule::Finer { top_rate, bar, lambda: Some(lambda) },
                mask: found.mask_of(&[Kind::Specific, Kind::Related]),
                selected: found.selected.len(),
                threshold: found.threshold,
                appear: found.appear,
                profile,
            })
        }
    }
}

/// What a language's neurons do, measured on windows that were not counted.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageEffect {
    /// What they cost their own language, in nats a token, and what as many random ones cost it. `None` for a language
    /// without neurons, or without a window held back.
    pub own: Option<Effect>,
    /// What they cost the other languages, the mean over them.
    pub others: Option<f64>,
}

/// Switches each language's neurons off and reads the windows of every language; beside them as many random neurons,
/// `draws` times.
///
/// # Errors
/// Those of [`LanguageEvaluation`] and [`Knockout`].
pub fn judge(
    model: &HookedLm,
    mask: &LanguageMask,
    windows: &[Vec<Vec<u32>>],
    seed: u64,
    draws: u64,
    batch_tokens: usize,
) -> Result<Vec<LanguageEffect>> {
    let names: Vec<String> = (0..mask.languages()).map(|k| k.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let set = mask.neuron_set(&names, ModelIdentity::default(), "", seed)?;
    let matrix = match windows.iter().all(|w| !w.is_empty()) {
        true => {
            let evaluation = LanguageEvaluation::new(model, windows.to_vec(), batch_tokens)?;
            Some(evaluation.matrix(mask)?.delta())
        }
        false => None,
    };
    let of = |k: usize| {
        let members = &set.sets[names[k]];
        if members.is_empty() || windows.get(k).is_none_or(Vec::is_empty) {
            return Ok(LanguageEffect { own: None, others: None });
        }
        // No two languages have random sets in common.
        let draws = k as u64 * draws..(k as u64 + 1) * draws;
        let mut knockout = Knockout::new(model, members, seed, draws, batch_tokens)?;
        knockout.observe(&windows[k])?;
        let others = matrix.as_ref().map(|m| (m.row(k).sum() - m[[k, k]]) / (m.ncols() - 1) as f64);
        Ok(LanguageEffect { own: Some(knockout.losses()?.effect), others })
    };
    (0..mask.languages()).map(of).collect()
}

/// A neuron-set file of a selection: one set a language with its scores as values, the rule's parameters, and the effect
/// of each set on its own language.
///
/// # Errors
/// Those of [`LanguageMask::neuron_set`]; [`Error::Shape`] for another number of effects.
pub fn language_set(
    selection: &LanguageSelection,
    names: &[&str],
    effects: &[LanguageEffect],
    model: ModelIdentity,
    seed: u64,
    data_sha256: String,
) -> Result<NeuronSet> {
    if effects.len() != names.len() {
        return Err(Error::shape("effects of languages", names.len(), effects.len()));
    }
    let mut set = selection.mask.neuron_set(names, model, selection.rule.name(), seed)?;
    set.parameters = serde_json::to_value(selection.rule)
        .map_err(|e| Error::Recording { message: format!("parameters of the rule: {e}") })?;
    set.data_sha256 = data_sha256;
    for (name, effect) in names.iter().zip(effects) {
        if let Some(own) = &effect.own {
            set.effect.insert((*name).to_owned(), own.clone());
        }
    }
    Ok(set)
}
