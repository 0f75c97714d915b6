//! `neuropil llm language-neurons`: the neurons of each language.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use llm_neurons::data_sha256;
use llm_neurons::language::{LanguageReader, LanguageRule, LapeConfig, judge, language_set, select};
use llm_neurons::score::BATCH_TOKENS;
use schemars::JsonSchema;
use serde::Serialize;

use super::model::{ModelArguments, failure};
use super::neuron_sets::{
    EffectAnswer, NamedText, admit, check_names, check_out, identity, named_text, too_short, window, windows,
};
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Find the neurons of each language
#[derive(Debug, Args)]
pub(crate) struct LanguageNeurons {
    #[command(flatten)]
    model: ModelArguments,
    /// A language's text, one document or sentence a line, UTF-8; at least two of them
    #[arg(long, value_name = "NAME=FILE", required = true, value_parser = named_text)]
    text: Vec<NamedText>,
    /// Where to write the sets, one a language
    #[arg(long, value_name = "SET.json")]
    out: PathBuf,
    /// lape: lowest entropy over languages; finer: entropy less a reward of frequency
    #[arg(long, value_enum, default_value_t = Method::Lape)]
    method: Method,
    /// Share of all neurons to select
    #[arg(long, default_value_t = 0.01, value_name = "SHARE", allow_hyphen_values = true)]
    top_rate: f64,
    /// lape: share of all frequencies that a neuron must exceed in some language
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    filter: Option<f64>,
    /// Share of all frequencies above which a neuron belongs to a language
    #[arg(long, default_value_t = 0.95, value_name = "SHARE", allow_hyphen_values = true)]
    bar: f64,
    /// finer: weight of the reward; found by bisection unless given
    #[arg(long, value_name = "WEIGHT", allow_hyphen_values = true)]
    lambda: Option<f64>,
    /// Tokens of a window, each read from its start; the model's context unless given
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// Windows of each language held back to measure the effect on, at most
    #[arg(long, default_value_t = 32, value_name = "N")]
    judged: usize,
    /// Random sets of the same size beside each set
    #[arg(long, default_value_t = 5, value_name = "N")]
    draws: u64,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    Lape,
    Finer,
}

/// One language.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Language {
    /// Documents read.
    documents: usize,
    /// Tokens counted.
    tokens: i64,
    /// Its neurons.
    neurons: usize,
    /// Windows held back.
    judged: usize,
    /// What its neurons cost it, in nats a token, on the windows held back.
    effect: Option<EffectAnswer>,
    /// What its neurons cost the other languages.
    others: Option<f64>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The rule.
    method: String,
    /// Of the finer rule the weight of the reward.
    lambda: Option<f64>,
    /// Tokens of a window.
    window: usize,
    /// Neurons selected.
    selected: usize,
    /// Frequency above which a neuron belongs to a language.
    threshold: f32,
    /// How many selected neurons belong to 0, 1, .. languages.
    appear: Vec<usize>,
    /// By language.
    languages: BTreeMap<String, Language>,
    /// Neurons by layer that are active in one language.
    specific_by_layer: Vec<usize>,
    /// In several.
    related_by_layer: Vec<usize>,
    /// In all, over the whole network.
    general_by_layer: Vec<usize>,
    /// The file that was written.
    out: String,
}

impl LanguageNeurons {
    fn rule(&self) -> Result<LanguageRule> {
        let only = |flag: &str, method: &str| Err(Failure::usage(format!("{flag} is for --method {method}")));
        match self.method {
            Method::Lape if self.lambda.is_some() => only("--lambda", "finer"),
            Method::Finer if self.filter.is_some() => only("--filter", "lape"),
            Method::Lape => Ok(LanguageRule::Lape(LapeConfig {
                top_rate: self.top_rate,
                filter: self.filter.unwrap_or(LapeConfig::default().filter),
                bar: self.bar,
            })),
            Method::Finer => {
                Ok(LanguageRule::Finer { top_rate: self.top_rate, bar: self.bar, lambda: self.lambda })
            }
        }
    }
}

impl Verb for LanguageNeurons {
    const NAME: &'static str = "llm.language-neurons";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        check_names(&self.text, 2)?;
        if self.draws == 0 || self.judged == 0 {
            let message =
                "--draws 0, --judged 0: a set says nothing without its effect and random ones beside it";
            return Err(Failure::usage(message));
        }
        let rule = self.rule()?;
        check_out(&self.out)?;
        let model = self.model.load(context)?;
        let tokenizer = self.model.tokenizer(&model)?;
        let c = model.config();
        let window = window(self.window, c.context)?;
        ModelArguments::admit_pass(context, &model, window, BATCH_TOKENS, 0)?;
        admit(context, "the counts", c.layers * c.mlp * self.text.len(), 16)?;
        let mut reader =
            LanguageReader::new(&model, self.text.len(), self.judged, BATCH_TOKENS).map_err(failure)?;
        let (mut documents, mut hashes) = (Vec::new(), Vec::new());
        for (k, text) in self.text.iter().enumerate() {
            let mut windows = windows(&text.path, &tokenizer, window)?;
            reader.read(k, &mut windows).map_err(|e| failure(e).or_at(&text.path))?;
            // One is counted, and the second held back.
            if reader.windows()[k] < 2 {
                return Err(too_short(&text.path, &text.name, reader.windows()[k], window, 2));
            }
            documents.push(windows.documents());
            hashes.push((text.name.as_str(), windows.sha256()));
        }
        let (stats, judged) = reader.finish().map_err(failure)?;
        let found = select(&stats, rule).map_err(failure)?;
        let effects = judge(&model, &found.mask, &judged, context.seed, self.draws, BATCH_TOKENS);
        let effects = effects.map_err(failure)?;
        let names: Vec<&str> = self.text.iter().map(|t| t.name.as_str()).collect();
        let identity = identity(&self.model.model)?;
        let set = language_set(&found, &names, &effects, identity, context.seed, data_sha256(&hashes));
        let mut set = set.map_err(failure)?;
        if let Some(parameters) = set.parameters.as_object_mut() {
            parameters.insert("window".to_owned(), window.into());
            parameters.insert("draws".to_owned(), self.draws.into());
        }
        for (k, name) in names.iter().enumerate().filter(|(k, _)| found.mask.neurons(*k).is_empty()) {
            document::warn(&format!(
                "{name}: none of the {} selected neurons belongs to it ({k})",
                found.selected
            ));
        }
        set.write(&self.out).map_err(file_failure_at(&self.out))?;
        let language = |(k, effect): (usize, &llm_neurons::language::LanguageEffect)| {
            let language = Language {
                documents: documents[k],
                tokens: stats.tokens()[k],
                neurons: found.mask.neurons(k).len(),
                judged: judged[k].len(),
                effect: effect.own.as_ref().map(EffectAnswer::from),
                others: effect.others,
            };
            (names[k].to_owned(), language)
        };
        Ok(Answer {
            method: rule.name().to_owned(),
            lambda: match found.rule {
                LanguageRule::Finer { lambda, .. } => lambda,
                LanguageRule::Lape(_) => None,
            },
            window,
            selected: found.selected,
            threshold: found.threshold,
            appear: found.appear.clone(),
            languages: effects.iter().enumerate().map(language).collect(),
            specific_by_layer: found.profile.specific.clone(),
            related_by_layer: found.profile.related.clone(),
            general_by_layer: found.profile.general.clone(),
            out: self.out.display().to_string(),
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}
