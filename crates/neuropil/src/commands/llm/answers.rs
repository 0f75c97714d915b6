//! Answers that a model samples to a prompt, for `neuropil llm eigenscore`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use llm_neurons::send::{Answers, EmbeddingLayer, SampleConfig, SentenceEmbedding, sample_answers};
use probes::NoTaps;

use super::model::{Dtype, ModelArguments, failure};
use crate::arguments::positive;
use crate::context::Context;
use crate::failure::{Failure, Result};

/// Which model answers, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answers of a model, in place of FILE")]
pub(crate) struct AnswerArguments {
    /// A Hugging Face folder of the model that answers
    #[arg(long, value_name = "DIR", requires = "prompt")]
    pub(crate) model: Option<PathBuf>,
    /// The text that it answers to
    #[arg(long, value_name = "TEXT", requires = "model")]
    prompt: Option<String>,
    /// Answers to sample
    #[arg(long, default_value_t = 10, value_name = "K", requires = "model")]
    samples: usize,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 128, value_name = "N", requires = "model")]
    max_new_tokens: usize,
    /// Divides the logits
    #[arg(long, default_value_t = 0.5, value_name = "T", value_parser = positive, allow_hyphen_values = true, requires = "model")]
    temperature: f64,
    /// Sample among the N likeliest tokens
    #[arg(long, default_value_t = 5, value_name = "N", requires = "model")]
    top_k: usize,
    /// Sample among the likeliest tokens whose probabilities reach P
    #[arg(long, default_value_t = 0.99, value_name = "P", allow_hyphen_values = true, requires = "model")]
    top_p: f64,
    /// Leave out the token that begins a text
    #[arg(long, requires = "model")]
    no_bos: bool,
    /// What stands for an answer, which is read together with the prompt
    #[arg(long, value_enum, default_value_t = Embedding::MeanLast, requires = "model")]
    embedding: Embedding,
    /// Which layer's units
    #[arg(long, value_enum, default_value_t = Layer::Penultimate, requires = "model")]
    layer: Layer,
    /// Number type of weights and activations
    #[arg(long, value_enum, default_value_t = Dtype::F32, requires = "model")]
    dtype: Dtype,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Embedding {
    MeanLast,
    LastToken,
    SecondToLast,
    Mean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layer {
    Penultimate,
    Middle,
}

/// Sampled answers.
pub(super) struct Sampled {
    pub(super) answers: Answers,
    /// Their texts.
    pub(super) texts: Vec<String>,
    /// Where they were sampled.
    pub(super) device: String,
}

impl AnswerArguments {
    /// The answers, where a model is named.
    pub(super) fn sample(&self, context: &Context) -> Result<Option<Sampled>> {
        let (Some(folder), Some(prompt)) = (&self.model, &self.prompt) else { return Ok(None) };
        let arguments = ModelArguments { model: folder.clone(), dtype: self.dtype };
        let config = SampleConfig {
            samples: self.samples,
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_k: Some(self.top_k),
            top_p: self.top_p,
            embedding: match self.embedding {
                Embedding::MeanLast => SentenceEmbedding::MeanLast,
                Embedding::LastToken => SentenceEmbedding::LastToken,
                Embedding::SecondToLast => SentenceEmbedding::SecondToLast,
                Embedding::Mean => SentenceEmbedding::Mean,
            },
            layer: match self.layer {
                Layer::Penultimate => EmbeddingLayer::Penultimate,
                Layer::Middle => EmbeddingLayer::Middle,
            },
            seed: context.seed,
            ..SampleConfig::default()
        };
        config.validate().map_err(failure)?;
        let model = arguments.load(context)?;
        let tokenizer = arguments.tokenizer(&model)?;
        let prompt = tokenizer.encode(prompt, !self.no_bos).map_err(failure)?;
        if prompt.is_empty() {
            return Err(Failure::input("--prompt: it has no token, and nothing begins a text here"));
        }
        let kept = prompt.len().saturating_add(self.max_new_tokens).min(model.config().context);
        let tokens = prompt.len().saturating_mul(self.samples);
        ModelArguments::admit_pass(context, &model, prompt.len(), tokens, kept)?;
        let config = SampleConfig { stop: model.config().eos.clone(), ..config };
        let answers = sample_answers(&model, &[&prompt], &config, &mut NoTaps).map_err(failure)?.pop();
        let answers = answers.ok_or_else(|| Failure::input("--prompt: there is none"))?;
        let texts = answers.tokens.iter().map(|new| tokenizer.decode_after(&prompt, new));
        let texts = texts.collect::<llm_neurons::Result<Vec<String>>>().map_err(failure)?;
        let device = context.open_device()?.capabilities.id.to_string();
        Ok(Some(Sampled { answers, texts, device }))
    }
}
