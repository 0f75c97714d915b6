//! `neuropil llm sae eval`: what a sparse autoencoder keeps of a model's activations, and of what they do.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::autoencoder::SiteAutoencoder;
use llm_neurons::score::BATCH_TOKENS;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::lines::{most, tokens};
use super::super::model::{ModelArguments, failure};
use super::super::neuron_sets::{identity, unless_forced};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Measure a sparse autoencoder on a text that it was not trained on
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// What llm sae train wrote
    #[arg(value_name = "SAE.safetensors")]
    autoencoder: PathBuf,
    #[command(flatten)]
    model: ModelArguments,
    /// The text, one document a line
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Cut lines to this many tokens; the model's context when left out
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Use an autoencoder of another model
    #[arg(long)]
    force: bool,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Which activations.
    site: String,
    /// Tokens that were read.
    rows: usize,
    /// Units of the site.
    units: usize,
    /// Directions.
    latents: usize,
    /// Lines that were cut to the most tokens.
    cut: usize,
    /// Codes of a token that are not zero.
    l0: f64,
    /// Share of the directions that no token uses.
    dead_fraction: f64,
    /// Share of the variance that is left.
    unexplained: Option<f64>,
    /// Mean squared error of a unit.
    reconstruction: f64,
    /// Nats a token of the model.
    nll: f64,
    /// The same with the site replaced by what is rebuilt.
    nll_spliced: f64,
    /// The same with the site replaced by zeros.
    nll_zeroed: f64,
    /// (zeroed - spliced) / (zeroed - model); none where zeros cost nothing.
    loss_recovered: Option<f64>,
}

impl Verb for Eval {
    const NAME: &'static str = "llm.sae.eval";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        let found =
            SiteAutoencoder::load(&self.autoencoder).map_err(|e| failure(e).or_at(&self.autoencoder))?;
        let model = self.model.load(context)?;
        found.check(&model).map_err(|e| failure(e).or_at(&self.autoencoder))?;
        let hash = identity(&self.model.model)?.tensors_sha256;
        unless_forced(found.check_model(&hash), &self.autoencoder, self.force)?;
        let tokenizer = self.model.tokenizer(&model)?;
        let most = most(self.max_tokens, 2, model.config().context)?;
        let (mut texts, cut) = tokens(&self.text, &tokenizer, most)?;
        // A line of one token predicts nothing.
        texts.retain(|t| t.len() > 1);
        if texts.is_empty() {
            return Err(Failure::input("no line has two tokens").at(&self.text));
        }
        let count: usize = texts.iter().map(Vec::len).sum();
        let units = found.weights.config.inputs;
        context.admit("the activations", (count as u64).saturating_mul(units as u64).saturating_mul(4))?;
        let report =
            found.evaluate(&model, &texts, BATCH_TOKENS).map_err(|e| failure(e).or_at(&self.text))?;
        Ok(Answer {
            site: found.site.to_string(),
            rows: report.rows.rows,
            units,
            latents: found.weights.config.latents,
            cut,
            l0: report.rows.l0,
            dead_fraction: report.rows.dead_fraction,
            unexplained: report.rows.unexplained,
            reconstruction: report.rows.reconstruction,
            nll: report.clean,
            nll_spliced: report.spliced,
            nll_zeroed: report.zeroed,
            loss_recovered: report.loss_recovered,
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
