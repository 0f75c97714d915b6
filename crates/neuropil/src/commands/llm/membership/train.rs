//! `neuropil llm membership train`: an attack from documents whose membership is known.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use llm_neurons::membership::{
    Attack, AttackConfig, BaselineReport, ClassifierConfig, CrossValidation, Features, ForestConfig,
    JudgementConfig, LogisticConfig, NormalizerKind, Spread, judge, stratified_folds,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::model::failure;
use super::super::neuron_sets::check_out;
use super::documents::{DocumentArguments, TooShort};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::verb::Verb;

/// Train a classifier of membership, and judge it by documents that it has not seen
#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    documents: DocumentArguments,
    /// A table that features wrote, with labels, in place of a model and documents
    #[arg(long, value_name = "TABLE.npz", conflicts_with_all = DocumentArguments::ALL)]
    table: Option<PathBuf>,
    /// Where to write the classifier
    #[arg(long, value_name = "ATTACK.json")]
    out: PathBuf,
    /// What a token's loss is held against
    #[arg(long, value_enum, default_value_t = NormalizerName::RatioTf)]
    normalizer: NormalizerName,
    /// How a document's token values become a vector
    #[arg(long, value_enum, default_value_t = FeatureName::Histogram)]
    features: FeatureName,
    /// Bins of the histogram [default: 1000]
    #[arg(long, value_name = "N")]
    bins: Option<usize>,
    /// How a vector becomes a probability
    #[arg(long, value_enum, default_value_t = ClassifierName::Forest)]
    classifier: ClassifierName,
    /// Trees of the forest [default: 500]
    #[arg(long, value_name = "N")]
    trees: Option<usize>,
    /// Chunks of documents, each left out once
    #[arg(long, default_value_t = 5, value_name = "N")]
    folds: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NormalizerName {
    None,
    RatioTf,
    RatioGp,
    MaxTf,
    MaxGp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FeatureName {
    Histogram,
    Aggregate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClassifierName {
    Forest,
    Logistic,
}

/// Mean over folds and sample standard deviation.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OverFolds {
    /// Mean.
    mean: f64,
    /// Standard deviation.
    sd: f64,
}

/// What tells members from others without the attack.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Baseline {
    /// `perplexity`, `min-k 20 %`, `zlib`, `token-frequencies`.
    name: String,
    /// `document` or `sequence`: what is one case.
    level: &'static str,
    /// Cases.
    cases: usize,
    /// Area under the curve.
    auc: f64,
    /// True positive rate at 1 % false positives.
    tpr_at_1_percent: f64,
    /// True positive rate at 5 % false positives.
    tpr_at_5_percent: f64,
}

/// An operating point.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Point {
    /// Share of the others that are called members.
    false_positive_rate: f64,
    /// Share of the members that are.
    true_positive_rate: f64,
    /// The least probability that counts.
    threshold: Option<f64>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Documents that were trained on.
    documents: usize,
    /// Members among them.
    members: usize,
    /// Documents that were too short.
    discarded: Vec<TooShort>,
    /// SHA-256 of the model's tensors.
    model: String,
    /// What a loss is held against.
    normalizer: String,
    /// `histogram` or `aggregate`.
    features: &'static str,
    /// `forest` or `logistic`.
    classifier: &'static str,
    /// Chunks.
    folds: usize,
    /// Area under the curve of documents that a fold's classifier has not seen.
    auc: OverFolds,
    /// True positive rate at 1 % false positives.
    tpr_at_1_percent: OverFolds,
    /// True positive rate at 5 % false positives.
    tpr_at_5_percent: OverFolds,
    /// Area under the curve of all documents together, each scored when its fold was left out.
    pooled_auc: f64,
    /// That curve.
    roc: Vec<Point>,
    /// What it must beat. `token-frequencies` never asks the model: what it reaches is a difference between the documents,
    /// and no membership.
    baselines: Vec<Baseline>,
    /// Token values that were not finite and were replaced, in documents that were judged.
    replaced: usize,
    /// Where the classifier is.
    out: String,
}

impl Train {
    fn normalizer(&self) -> NormalizerKind {
        match self.normalizer {
            NormalizerName::None => NormalizerKind::None,
            NormalizerName::RatioTf => NormalizerKind::RatioTf,
            NormalizerName::RatioGp => NormalizerKind::RatioGp,
            NormalizerName::MaxTf => NormalizerKind::MaxTf,
            NormalizerName::MaxGp => NormalizerKind::MaxGp,
        }
    }

    /// Refuses flags of other features or of another classifier.
    fn check(&self) -> Result<()> {
        if self.bins.is_some() && self.features == FeatureName::Aggregate {
            return Err(Failure::usage("--bins has no meaning with --features aggregate"));
        }
        if self.trees.is_some() && self.classifier == ClassifierName::Logistic {
            return Err(Failure::usage("--trees has no meaning with --classifier logistic"));
        }
        Ok(())
    }

    fn config(&self, seed: u64) -> AttackConfig {
        AttackConfig {
            normalizer: self.normalizer(),
            features: match self.features {
                FeatureName::Histogram => Features::Histogram { bins: self.bins.unwrap_or(1000) },
                // The number of tokens gives away a document's length.
                FeatureName::Aggregate => Features::Aggregate { count: false },
            },
            classifier: match self.classifier {
                ClassifierName::Forest => ClassifierConfig::Forest(ForestConfig {
                    trees: self.trees.unwrap_or(500),
                    seed,
                    ..ForestConfig::default()
                }),
                ClassifierName::Logistic => ClassifierConfig::Logistic(LogisticConfig::default()),
            },
        }
    }
}

impl Verb for Train {
    const NAME: &'static str = "llm.membership.train";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        self.check()?;
        check_out(&self.out)?;
        let config = self.config(context.seed);
        let general = matches!(self.normalizer, NormalizerName::RatioGp | NormalizerName::MaxGp);
        let asked = self.documents.ask_or_read(context, self.table.as_ref(), general)?;
        let table = &asked.table;
        let Some(members) = table.labels() else {
            return Err(Failure::usage(
                "which documents are members? Give --members and --non-members, and no --text",
            ));
        };
        let folds = stratified_folds(members, self.folds, context.seed).map_err(failure)?;
        let texts = asked.texts.as_deref();
        let found =
            judge(table, members, &folds, texts, &config, &JudgementConfig::default()).map_err(failure)?;
        let attack = Attack::train(table, &config).map_err(failure)?;
        attack.write(&self.out).map_err(|e| failure(e).or_at(&self.out))?;
        let mut baselines: Vec<Baseline> = found.baselines.iter().map(Baseline::from).collect();
        baselines.push(Baseline::frequencies(&found.token_frequencies, members.len()));
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map_or_else(String::new, |v| v.get_name().to_owned())
        };
        Ok(Answer {
            documents: members.len(),
            members: members.iter().filter(|m| **m).count(),
            discarded: asked.discarded,
            model: table.model().to_owned(),
            normalizer: name(self.normalizer.to_possible_value()),
            features: match self.features {
                FeatureName::Histogram => "histogram",
                FeatureName::Aggregate => "aggregate",
            },
            classifier: match self.classifier {
                ClassifierName::Forest => "forest",
                ClassifierName::Logistic => "logistic",
            },
            folds: self.folds,
            auc: found.attack.auc.into(),
            tpr_at_1_percent: found.attack.tpr_at_1_percent.into(),
            tpr_at_5_percent: found.attack.tpr_at_5_percent.into(),
            pooled_auc: found.pooled.auc,
            roc: found
                .pooled
                .points
                .iter()
                .map(|p| Point {
                    false_positive_rate: p.false_positive_rate,
                    true_positive_rate: p.true_positive_rate,
                    threshold: p.threshold,
                })
                .collect(),
            baselines,
            replaced: found.attack.replaced,
            out: self.out.display().to_string(),
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.documents.dtype.name())
    }
}

impl From<Spread> for OverFolds {
    fn from(spread: Spread) -> Self {
        Self { mean: spread.mean, sd: spread.standard_deviation }
    }
}

impl From<&BaselineReport> for Baseline {
    fn from(found: &BaselineReport) -> Self {
        Self {
            name: found.name.clone(),
            level: found.level,
            cases: found.cases,
            auc: found.auc,
            tpr_at_1_percent: found.tpr_at_1_percent,
            tpr_at_5_percent: found.tpr_at_5_percent,
        }
    }
}

impl Baseline {
    fn frequencies(found: &CrossValidation, cases: usize) -> Self {
        Self {
            name: "token-frequencies".to_owned(),
            level: "document",
            cases,
            auc: found.auc.mean,
            tpr_at_1_percent: found.tpr_at_1_percent.mean,
            tpr_at_5_percent: found.tpr_at_5_percent.mean,
        }
    }
}
