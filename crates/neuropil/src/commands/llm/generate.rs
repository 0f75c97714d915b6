//! `neuropil llm generate`: continue a text.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::core_neurons;
use llm_neurons::generate::{GenerateConfig, generate};
use schemars::JsonSchema;
use serde::Serialize;

use super::core::CoreArguments;
use super::model::{ModelArguments, failure};
use super::steer::SteerArguments;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Continue a prompt, greedily or by sampling
#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    model: ModelArguments,
    /// The text to continue
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Most tokens to add
    #[arg(long, default_value_t = 128, value_name = "N")]
    max_new_tokens: usize,
    /// Divides the logits; 0 takes the likeliest token each time
    #[arg(long, default_value_t = 0.0, value_name = "T", allow_hyphen_values = true)]
    temperature: f64,
    /// Sample among the K likeliest tokens
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Sample among the likeliest tokens whose probabilities reach P
    #[arg(long, default_value_t = 1.0, value_name = "P", allow_hyphen_values = true)]
    top_p: f64,
    /// Leave out the token that begins a text
    #[arg(long)]
    no_bos: bool,
    #[command(flatten)]
    core: CoreArguments,
    /// Set the neurons of this file to zero
    #[arg(long, value_name = "SET.json")]
    drop: Option<PathBuf>,
    #[command(flatten)]
    steer: SteerArguments,
    /// Use a set of neurons, a bank of clusters or a plan that was made for another model
    #[arg(long)]
    force: bool,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The new text, without the prompt.
    text: String,
    /// Its tokens.
    token_ids: Vec<u32>,
    /// The prompt's tokens.
    prompt_token_ids: Vec<u32>,
    /// Time to read the prompt.
    prefill_seconds: f64,
    /// Tokens per second after the first; none when there was no second.
    decode_tokens_per_second: Option<f64>,
    /// Rows of the MLPs' weights that are read for a new token, as a share of all.
    active_fraction: f64,
}

impl Verb for Generate {
    const NAME: &'static str = "llm.generate";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        let config = GenerateConfig {
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            seed: context.seed,
            stop: Vec::new(),
        };
        config.validate().map_err(failure)?;
        if self.temperature == 0.0 && (self.top_k.is_some() || self.top_p < 1.0) {
            return Err(Failure::usage(
                "--top-k and --top-p cut what --temperature samples: give one above 0",
            ));
        }
        if self.core.wanted()? && self.drop.is_some() {
            return Err(Failure::usage(
                "--drop counts neurons of whole layers: it does not go with --core-neurons",
            ));
        }
        if self.core.wanted()? && self.steer.wanted() {
            return Err(Failure::usage(
                "--steer edits what every neuron reads: it does not go with --core-neurons",
            ));
        }
        let model = self.model.load(context)?;
        let tokenizer = self.model.tokenizer(&model)?;
        let mut hooks = self.model.drop_hooks(&model, self.drop.as_ref(), self.force)?;
        self.steer.attach(&self.model, &model, &mut hooks, self.force)?;
        let prompt = tokenizer.encode(&self.prompt, !self.no_bos).map_err(failure)?;
        if prompt.is_empty() {
            return Err(Failure::input("--prompt: it has no token, and nothing begins a text here"));
        }
        let kept = prompt.len().saturating_add(self.max_new_tokens).min(model.config().context);
        ModelArguments::admit_pass(context, &model, prompt.len(), 1, kept)?;
        let config = GenerateConfig { stop: model.config().eos.clone(), ..config };
        let (found, active_fraction) = match self.core.plan(&self.model, &model, self.force)? {
            None => (generate(&model, &[&prompt], &config, &mut hooks).map_err(failure)?, 1.0),
            Some(plan) => {
                let found = core_neurons::generate(&model, &prompt, plan.config, plan.strategy(), &config)
                    .map_err(failure)?;
                (found.generation, found.active_fraction)
            }
        };
        let token_ids = found.tokens.first().cloned().unwrap_or_default();
        Ok(Answer {
            text: tokenizer.decode_after(&prompt, &token_ids).map_err(failure)?,
            token_ids,
            prompt_token_ids: prompt,
            prefill_seconds: found.prefill.as_secs_f64(),
            decode_tokens_per_second: found.tokens_per_second(),
            active_fraction,
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
