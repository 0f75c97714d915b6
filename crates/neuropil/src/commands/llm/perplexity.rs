//! `neuropil llm perplexity`: how likely a model finds a text.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::core_neurons::second_halves;
use llm_neurons::perplexity::{Windows, perplexity};
use llm_neurons::score::{BATCH_TOKENS, Nll};
use llm_neurons::{AnyModel, Codec};
use probes::Taps;
use schemars::JsonSchema;
use serde::Serialize;

use super::core::CoreArguments;
use super::model::{ModelArguments, failure};
use super::texts::{lines, read_text};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Mean loss of a text's tokens, and its exponential
#[derive(Debug, Args)]
pub(crate) struct Perplexity {
    #[command(flatten)]
    model: ModelArguments,
    /// The text, UTF-8
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Score each line alone; blank ones are passed over
    #[arg(long)]
    lines: bool,
    /// Leave out the token that begins a text
    #[arg(long)]
    no_bos: bool,
    #[command(flatten)]
    core: CoreArguments,
    /// Set the neurons of this file to zero
    #[arg(long, value_name = "SET.json")]
    drop: Option<PathBuf>,
    /// Use a set of neurons or a bank of clusters that was made for another model
    #[arg(long)]
    force: bool,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Tokens that were predicted: all of a text but its first; with core neurons those of second halves.
    tokens: usize,
    /// Mean loss, in nats a token.
    nll: f64,
    /// Its exponential.
    perplexity: f64,
    /// Rows of the MLPs' weights that are read for a token, as a share of all; with core neurons that of second halves.
    active_fraction: f64,
    /// Texts that were scored: 1, or the lines.
    texts: usize,
    /// Lines of a single token, which has no prediction.
    skipped: usize,
    /// `transformer`, `rwkv4` or `char_lstm`.
    model_kind: &'static str,
    /// Tokens of a window, the model's context; none for a recurrence, which reads a text from end to end.
    window: Option<usize>,
    /// From one window's beginning to the next: half of it.
    stride: Option<usize>,
}

impl Perplexity {
    /// Token ids of each text, and how many lines have nothing to predict.
    fn texts(&self, codec: &Codec) -> Result<(Vec<Vec<u32>>, usize)> {
        let text = read_text(&self.text)?;
        let encode = |text: &str| codec.encode(text, !self.no_bos).map_err(|e| failure(e).at(&self.text));
        let all: Vec<Vec<u32>> = match self.lines {
            true => lines(&text).map(|(_, line)| encode(line)).collect::<Result<Vec<Vec<u32>>>>()?,
            false => vec![encode(&text)?],
        };
        let count = all.len();
        let kept: Vec<Vec<u32>> = all.into_iter().filter(|ids| ids.len() >= 2).collect();
        if kept.is_empty() {
            let said = "no token to predict: a text needs at least two, of which the first is given";
            return Err(Failure::input(said).at(&self.text));
        }
        let skipped = count - kept.len();
        Ok((kept, skipped))
    }

    /// The losses of the whole model, or those of second halves by some of its neurons; and the share of the weights.
    fn score(&self, model: &AnyModel, texts: &[Vec<u32>], taps: &mut impl Taps) -> Result<(Nll, f64)> {
        let about = |e| failure(e).or_at(&self.text);
        if !self.core.wanted()? {
            return Ok((perplexity(model, texts, BATCH_TOKENS, taps).map_err(about)?, 1.0));
        }
        let AnyModel::Transformer(model) = model else {
            let said = format!("--core-neurons: {} has no MLP neurons to choose from", model.kind());
            return Err(Failure::input(said).at(&self.model.model));
        };
        let plan = self.core.plan(&self.model, model, self.force)?;
        let plan = plan.ok_or_else(|| Failure::usage("--core-neurons: give their share"))?;
        let found = second_halves(model, texts, plan.config, plan.strategy()).map_err(about)?;
        Ok((found.nll, found.active_fraction))
    }
}

impl Verb for Perplexity {
    const NAME: &'static str = "llm.perplexity";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        if self.core.wanted()? && self.drop.is_some() {
            return Err(Failure::usage(
                "--drop counts neurons of whole layers: it does not go with --core-neurons",
            ));
        }
        let model = self.model.load_any(context)?;
        let codec = self.model.codec(&model)?;
        let (texts, skipped) = self.texts(&codec)?;
        if let AnyModel::Transformer(model) = &model {
            let longest = texts.iter().map(Vec::len).max().unwrap_or(0).min(model.config().context);
            ModelArguments::admit_pass(context, model, longest, BATCH_TOKENS, 0)?;
        }
        let mut hooks = self.model.drop_hooks(&model, self.drop.as_ref(), self.force)?;
        let (found, active_fraction) = self.score(&model, &texts, &mut hooks)?;
        let Windows { window, stride } = Windows::of(&model);
        Ok(Answer {
            tokens: found.tokens,
            nll: found.by_token,
            perplexity: found.by_token.exp(),
            active_fraction,
            texts: texts.len(),
            skipped,
            model_kind: model.kind(),
            window,
            stride,
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
