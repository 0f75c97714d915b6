//! `neuropil llm relation-neurons`: the neurons of a relation between facts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use llm_neurons::relation::{
    AnswerConfig, AnswerRule, LreOptions, Pick, RelationSet, SearchConfig, find_relation_neurons, lre_files,
    relation_set,
};
use llm_neurons::{data_sha256, file_sha256};
use schemars::JsonSchema;
use serde::Serialize;

use super::model::{ModelArguments, failure};
use super::neuron_sets::{EffectAnswer, check_out, identity};
use crate::arguments::nearest;
use crate::context::Context;
use crate::failure::{Failure, Result, file_failure_at};
use crate::verb::Verb;

/// Find the neurons of a relation between facts
#[derive(Debug, Args)]
pub(crate) struct RelationNeurons {
    #[command(flatten)]
    model: ModelArguments,
    /// Facts of several relations: JSON lines {relation, subject, object, prompt}, or LRE's file or folder
    #[arg(long, value_name = "F")]
    facts: PathBuf,
    /// The relation
    #[arg(long, value_name = "R")]
    relation: String,
    /// Where to write the set
    #[arg(long, value_name = "SET.json")]
    out: PathBuf,
    /// Neurons to select; 0.36 % of the model's MLP outputs unless given
    #[arg(long, value_name = "K")]
    k: Option<usize>,
    /// Which end of the order of average precision
    #[arg(long, value_enum, default_value_t = End::Top)]
    pick: End,
    /// Facts of each relation held back to measure the effect on
    #[arg(long, default_value_t = 50, value_name = "N")]
    evaluation: usize,
    /// Tokens generated for an answer
    #[arg(long, default_value_t = 2, value_name = "N")]
    answer_tokens: usize,
    /// Right answers: prefixes of the object, or either of the other
    #[arg(long, value_enum, default_value_t = Rule::Prefix)]
    answer_rule: Rule,
    /// Of LRE's files the zero-shot template, from 0 [default: 0]
    #[arg(long, value_name = "N")]
    template: Option<usize>,
    /// What follows LRE's filled template [default: nothing]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    cue: Option<String>,
    /// Random sets of the same size beside the set
    #[arg(long, default_value_t = 5, value_name = "N")]
    draws: u64,
}

/// Ends of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum End {
    Top,
    Bottom,
    Both,
}

/// When an answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rule {
    Prefix,
    EitherPrefix,
}

/// A figure of the whole model, without the neurons, and without as many random ones.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Beside {
    /// The model intact.
    intact: f64,
    /// With the neurons off.
    ablated: f64,
    /// The mean with as many random ones off.
    random: f64,
}

impl From<[f64; 3]> for Beside {
    fn from([intact, ablated, random]: [f64; 3]) -> Self {
        Self { intact, ablated, random }
    }
}

/// One selected neuron.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Neuron {
    /// Site and layer.
    site: String,
    /// The unit.
    unit: usize,
    /// Its average precision.
    average_precision: f64,
    /// Its median response to the relation's prompts.
    on_p50: f64,
    /// Its mean response to others' prompts.
    off_mean: f64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The relation.
    relation: String,
    /// Neurons selected.
    k: usize,
    /// How many of them are outputs of each map.
    by_site: BTreeMap<String, usize>,
    /// Neurons they were selected from.
    neurons: usize,
    /// Facts of the relation looked at.
    detection: usize,
    /// Those among them that the model knows: the positives.
    positives: usize,
    /// Prompts about other relations.
    negatives: usize,
    /// Facts of the relation that were held back.
    evaluated: usize,
    /// Share of these answered rightly, by the rule that chose the examples.
    accuracy: Beside,
    /// Loss of their objects, in nats an answer.
    nll: Beside,
    /// Increase of that loss.
    effect: EffectAnswer,
    /// Increase of the loss of other relations' facts.
    others: f64,
    /// That increase with as many random neurons off.
    others_random: f64,
    /// The ten best.
    best: Vec<Neuron>,
    /// The file that was written.
    out: String,
}

impl RelationNeurons {
    /// How LRE's files are read; refuses flags for them where the facts are JSON lines.
    fn options(&self) -> Result<LreOptions> {
        // As the facts are read: what is no folder and no .json file is JSON lines.
        let lre =
            self.facts.is_dir() || self.facts.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let given = [("--template", self.template.is_some()), ("--cue", self.cue.is_some())];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) if !lre => {
                Err(Failure::usage(format!("{flag} has no meaning with facts in JSON lines")))
            }
            _ => Ok(LreOptions {
                template: self.template.unwrap_or(0),
                cue: self.cue.clone().unwrap_or_default(),
            }),
        }
    }
}

impl Verb for RelationNeurons {
    const NAME: &'static str = "llm.relation-neurons";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        let options = self.options()?;
        check_out(&self.out)?;
        let facts = RelationSet::read(&self.facts, &options).map_err(|e| failure(e).or_at(&self.facts))?;
        let known = facts.relations();
        if !known.contains(&self.relation.as_str()) {
            let near = nearest(&self.relation, known.iter().copied());
            let said = match near.as_slice() {
                [] => format!("there are: {}", known.join(", ")),
                near => format!("nearest: {}", near.join(", ")),
            };
            let message = format!("--relation: no relation {:?}; {said}", self.relation);
            return Err(Failure::input(message).at(&self.facts));
        }
        let config = SearchConfig {
            k: self.k,
            pick: match self.pick {
                End::Top => Pick::Top,
                End::Bottom => Pick::Bottom,
                End::Both => Pick::Both,
            },
            evaluation: self.evaluation,
            answer: AnswerConfig {
                tokens: self.answer_tokens,
                rule: match self.answer_rule {
                    Rule::Prefix => AnswerRule::Prefix,
                    Rule::EitherPrefix => AnswerRule::EitherPrefix,
                },
            },
            draws: self.draws,
            ..SearchConfig::default()
        };
        let model = self.model.load(context)?;
        let tokenizer = self.model.tokenizer(&model)?;
        let found = find_relation_neurons(&model, &tokenizer, &facts, &self.relation, &config, context.seed)
            .map_err(|e| failure(e).or_at(&self.facts))?;
        let identity = identity(&self.model.model)?;
        let hash = facts_sha256(&self.facts)?;
        let set = relation_set(&found, &self.relation, &config, identity, context.seed, hash);
        set.map_err(failure)?.write(&self.out).map_err(file_failure_at(&self.out))?;
        let mut by_site: BTreeMap<String, usize> = BTreeMap::new();
        for expert in &found.experts {
            *by_site.entry(format!("{:?}", expert.id.site)).or_default() += 1;
        }
        let best = found.experts.iter().take(10).map(|e| Neuron {
            site: e.id.site.at(e.id.layer).to_string(),
            unit: e.id.unit,
            average_precision: e.ap,
            on_p50: e.on_p50,
            off_mean: e.off_mean,
        });
        Ok(Answer {
            relation: self.relation.clone(),
            k: found.experts.len(),
            by_site,
            neurons: found.neurons,
            detection: found.detection.0,
            positives: found.detection.1,
            negatives: found.negatives,
            evaluated: found.evaluated,
            accuracy: found.accuracy.into(),
            nll: found.nll.into(),
            effect: EffectAnswer::from(&found.effect),
            others: found.others.0,
            others_random: found.others.1,
            best: best.collect(),
            out: self.out.display().to_string(),
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.model.dtype.name())
    }
}

/// The hash of the facts' file, or of the files of a folder in the order in which they are read.
fn facts_sha256(path: &Path) -> Result<String> {
    let files = if path.is_dir() { lre_files(path).map_err(failure)? } else { vec![path.to_owned()] };
    let names: Vec<String> =
        files.iter().map(|file| file.strip_prefix(path).unwrap_or(file).display().to_string()).collect();
    let named = names.iter().zip(&files);
    let hashes = named
        .map(|(name, file)| Ok((name.as_str(), file_sha256(file).map_err(failure)?)))
        .collect::<Result<Vec<(&str, String)>>>()?;
    Ok(data_sha256(&hashes))
}
