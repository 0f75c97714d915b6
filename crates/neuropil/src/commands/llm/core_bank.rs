//! `neuropil llm core-bank`: clusters of texts and their core neurons, for prompts too short to choose their own.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::core_neurons::{ClusterBank, ClusterConfig, CoreConfig};
use llm_neurons::model::WeightFiles;
use schemars::JsonSchema;
use serde::Serialize;

use super::lines::check_file;
use super::model::{ModelArguments, failure};
use super::texts::{lines, read_text};
use crate::arguments::whole_number;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Cluster texts by their core neurons, for generate --predict similarity
#[derive(Debug, Args)]
pub(crate) struct CoreBank {
    #[command(flatten)]
    model: ModelArguments,
    /// The texts: UTF-8, one a line
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Where to write the bank
    #[arg(long, value_name = "BANK.safetensors")]
    out: PathBuf,
    /// The layer whose core neurons tell texts apart, from 0; 25 / 32 of the depth where it is not given
    #[arg(long, value_name = "LAYER", value_parser = whole_number::<usize>)]
    layer: Option<usize>,
    /// Number of clusters; the elbow of 1 to 10 clusters' inertias where it is not given
    #[arg(long, value_name = "K", value_parser = whole_number::<usize>)]
    clusters: Option<usize>,
    /// Core neurons of a text that it is compared by; 3000 of 11008, scaled, where it is not given
    #[arg(long, value_name = "N", value_parser = whole_number::<usize>)]
    pattern: Option<usize>,
    /// Share of a token's positive activations that counts as its core, in (0, 1]
    #[arg(long, default_value_t = 0.4, value_name = "ALPHA", allow_hyphen_values = true)]
    token_core: f64,
    /// Share of the neurons appearing in a cluster that is kept, best first, in (0, 1]; --core-neurons takes the first of them
    #[arg(long, default_value_t = 1.0, value_name = "FRACTION", allow_hyphen_values = true)]
    keep: f64,
    /// Longest part of a text that is read, in tokens
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = whole_number::<usize>)]
    max_tokens: usize,
    /// Leave out the token that begins a text
    #[arg(long)]
    no_bos: bool,
    /// Pool each cluster's activations with those of the clusters before it, as the published program does
    #[arg(long)]
    official_accumulate: bool,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Texts read.
    texts: usize,
    /// Their tokens.
    tokens: usize,
    /// Clusters found.
    clusters: usize,
    /// The layer whose core neurons tell them apart.
    layer: usize,
    /// Core neurons of a text that it is compared by.
    pattern: usize,
    /// Fewest neurons kept of a cluster in a layer.
    fewest_neurons: usize,
    /// Most neurons kept of one.
    most_neurons: usize,
    /// Neurons of a layer.
    width: usize,
    /// Where the bank was written.
    out: String,
}

impl Verb for CoreBank {
    const NAME: &'static str = "llm.core-bank";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        if self.max_tokens == 0 {
            return Err(Failure::usage("--max-tokens 0 reads nothing"));
        }
        check_file(&self.out)?;
        let text = read_text(&self.text)?;
        let model = self.model.load(context)?;
        let tokenizer = self.model.tokenizer(&model)?;
        let shape = model.config();
        let longest = self.max_tokens.min(shape.context);
        let mut texts = Vec::new();
        for (_, line) in lines(&text) {
            let mut ids = tokenizer.encode(line, !self.no_bos).map_err(failure)?;
            ids.truncate(longest);
            if !ids.is_empty() {
                texts.push(ids);
            }
        }
        if texts.is_empty() {
            return Err(Failure::input("no line has a token").at(&self.text));
        }
        let scaled = ClusterConfig::for_shape(shape.layers, shape.mlp, context.seed);
        let config = ClusterConfig {
            layer: self.layer.unwrap_or(scaled.layer),
            pattern: self.pattern.unwrap_or(scaled.pattern),
            alpha: self.token_core,
            beta: self.keep,
            clusters: self.clusters,
            official_accumulate: self.official_accumulate,
            ..scaled
        };
        let rows: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let bank = ClusterBank::of_model(&model, &rows, CoreConfig::for_model(shape).source, &config)
            .map_err(|e| failure(e).or_at(&self.text))?;
        let files = WeightFiles::open(&self.model.model).map_err(failure)?;
        let bank = bank.of(&files.tensors_sha256().map_err(failure)?);
        bank.save(&self.out).map_err(failure)?;
        let mut sizes = Vec::with_capacity(bank.clusters() * bank.layers());
        for cluster in 0..bank.clusters() {
            for layer in 0..bank.layers() {
                sizes.push(bank.units(cluster, layer, bank.width()).map_err(failure)?.len());
            }
        }
        Ok(Answer {
            texts: texts.len(),
            tokens: texts.iter().map(Vec::len).sum(),
            clusters: bank.clusters(),
            layer: bank.layer(),
            pattern: config.pattern,
            fewest_neurons: sizes.iter().copied().min().unwrap_or_default(),
            most_neurons: sizes.iter().copied().max().unwrap_or_default(),
            width: bank.width(),
            out: self.out.display().to_string(),
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
