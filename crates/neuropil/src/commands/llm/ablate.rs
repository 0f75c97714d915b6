//! `neuropil llm ablate`: what texts cost without a set of neurons.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use llm_neurons::score::BATCH_TOKENS;
use llm_neurons::{Knockout, members_of};
use schemars::JsonSchema;
use serde::Serialize;

use super::model::{ModelArguments, failure};
use super::neuron_sets::{NamedText, check_names, named_text, read_set, window, windows};
use crate::arguments::nearest;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Measure what texts cost without a set of neurons, and without as many random ones
#[derive(Debug, Args)]
pub(crate) struct Ablate {
    #[command(flatten)]
    model: ModelArguments,
    /// The sets
    #[arg(long, value_name = "SET.json")]
    set: PathBuf,
    /// One of the file's sets; all of them together unless given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A text, one document or sentence a line, UTF-8
    #[arg(long, value_name = "NAME=FILE", required = true, value_parser = named_text)]
    text: Vec<NamedText>,
    /// Tokens of a window, each read from its start; the model's context unless given
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// Random sets of the same size
    #[arg(long, default_value_t = 5, value_name = "N")]
    draws: u64,
    /// Use a set that was made for another model
    #[arg(long)]
    force: bool,
}

/// Random sets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Random {
    /// The mean over sets, in nats a token.
    mean: f64,
    /// Its 95 % interval over sets; none below two.
    ci95: Option<[f64; 2]>,
}

/// One text.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Text {
    /// Predicted tokens.
    tokens: usize,
    /// Windows.
    windows: usize,
    /// Mean negative log-likelihood, in nats a token.
    nll: f64,
    /// With the neurons at zero.
    nll_ablated: f64,
    /// With as many random ones at zero.
    nll_random: Random,
    /// The mean over windows of what the neurons cost.
    increase: f64,
    /// Its 95 % interval over windows; none below two.
    increase_ci95: Option<[f64; 2]>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The sets that were switched off together.
    sets: Vec<String>,
    /// Neurons in them.
    neurons: usize,
    /// By text.
    texts: BTreeMap<String, Text>,
}

impl Verb for Ablate {
    const NAME: &'static str = "llm.ablate";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        check_names(&self.text, 1)?;
        if self.draws == 0 {
            return Err(Failure::usage("--draws 0: a set says nothing without random ones beside it"));
        }
        let model = self.model.load(context)?;
        let set = read_set(&self.set, &self.model, self.force)?;
        let sets: Vec<String> = match &self.name {
            Some(name) if !set.sets.contains_key(name) => {
                let known: Vec<&str> = set.sets.keys().map(String::as_str).collect();
                let near = nearest(name, known.iter().copied());
                let named = if near.is_empty() { known } else { near };
                let message = format!("--name: no set {name:?}; nearest: {}", named.join(", "));
                return Err(Failure::input(message).at(&self.set));
            }
            Some(name) => vec![name.clone()],
            None => set.sets.keys().cloned().collect(),
        };
        let members = members_of(&set, &sets).map_err(|e| failure(e).or_at(&self.set))?;
        let mut neurons: Vec<(&str, &str, usize)> = members
            .iter()
            .flat_map(|m| m.units.iter().map(|u| (m.site.as_str(), m.layer.as_str(), *u)))
            .collect();
        neurons.sort_unstable();
        neurons.dedup();
        let tokenizer = self.model.tokenizer(&model)?;
        let window = window(self.window, model.config().context)?;
        ModelArguments::admit_pass(context, &model, window, BATCH_TOKENS, 0)?;
        let mut texts = BTreeMap::new();
        for text in &self.text {
            let at_text = |e| failure(e).or_at(&text.path);
            let mut knockout = Knockout::new(&model, &members, context.seed, 0..self.draws, BATCH_TOKENS)
                .map_err(|e| failure(e).or_at(&self.set))?;
            let mut batch: Vec<Vec<u32>> = Vec::new();
            let most = (BATCH_TOKENS / window).max(1);
            for next in windows(&text.path, &tokenizer, window)?.with_rest() {
                batch.push(next.map_err(at_text)?);
                if batch.len() == most {
                    knockout.observe(&batch).map_err(at_text)?;
                    batch.clear();
                }
            }
            if !batch.is_empty() {
                knockout.observe(&batch).map_err(at_text)?;
            }
            let found = knockout.losses().map_err(|_| {
                Failure::input(format!("{}: a text of fewer than two tokens", text.name)).at(&text.path)
            })?;
            let answer = Text {
                tokens: found.tokens,
                windows: found.texts,
                nll: found.nll,
                nll_ablated: found.nll_ablated,
                nll_random: Random {
                    mean: found.random_mean().unwrap_or(f64::NAN),
                    ci95: found.random_ci95(),
                },
                increase: found.effect.value,
                increase_ci95: found.effect.ci95,
            };
            texts.insert(text.name.clone(), answer);
        }
        Ok(Answer { sets, neurons: neurons.len(), texts })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
