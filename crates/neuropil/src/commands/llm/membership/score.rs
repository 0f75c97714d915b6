//! `neuropil llm membership score`: the probability that documents were in a model's training data.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::membership::{Attack, NormalizerKind, roc};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::model::failure;
use super::documents::{DocumentArguments, TooShort};
use crate::context::Context;
use crate::failure::Result;
use crate::verb::Verb;

/// Probability that each document was in the model's training data
#[derive(Debug, Args)]
pub(crate) struct Score {
    /// A classifier that train wrote
    #[arg(value_name = "ATTACK.json")]
    attack: PathBuf,
    #[command(flatten)]
    documents: DocumentArguments,
    /// A table that features wrote, in place of a model and documents
    #[arg(long, value_name = "TABLE.npz", conflicts_with_all = DocumentArguments::ALL)]
    table: Option<PathBuf>,
}

/// One document.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// Its name.
    name: String,
    /// Its tokens.
    tokens: usize,
    /// Probability of membership.
    probability: f64,
    /// Whether it is a member, where that is known.
    member: Option<bool>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Documents in their order.
    documents: Vec<Document>,
    /// Documents that were too short.
    discarded: Vec<TooShort>,
    /// SHA-256 of the model's tensors.
    model: String,
    /// Area under the curve, where it is known which documents are members and both kinds are there.
    auc: Option<f64>,
    /// Token values that were not finite and were replaced.
    replaced: usize,
}

impl Verb for Score {
    const NAME: &'static str = "llm.membership.score";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        let attack = Attack::read(&self.attack).map_err(|e| failure(e).or_at(&self.attack))?;
        let normalizer = attack.config().normalizer;
        let general = matches!(normalizer, NormalizerKind::RatioGp | NormalizerKind::MaxGp);
        let query = &attack.training().query;
        let documents = self.documents.asked_as(query);
        let asked = documents.ask_or_read(context, self.table.as_ref(), general)?;
        let table = &asked.table;
        let (taught, seen) = (query.max_tokens, table.query().max_tokens);
        if taught != seen {
            let of = |most: Option<usize>| most.map_or("all".to_owned(), |n| format!("the first {n}"));
            crate::document::warn(&format!(
                "the classifier was trained on {} tokens of a document, and is asked about {}",
                of(taught),
                of(seen)
            ));
        }
        let (scores, replaced) = attack.score(table).map_err(|e| failure(e).or_at(&self.attack))?;
        let labels = table.labels();
        let both = labels.filter(|l| l.contains(&true) && l.contains(&false));
        let auc = both.map(|l| roc(&scores, l).map(|curve| curve.auc)).transpose().map_err(failure)?;
        let documents = scores
            .iter()
            .enumerate()
            .map(|(i, probability)| Document {
                name: table.names()[i].clone(),
                tokens: table.documents()[i].scores.ids().len(),
                probability: *probability,
                member: labels.map(|l| l[i]),
            })
            .collect();
        Ok(Answer { documents, discarded: asked.discarded, model: table.model().to_owned(), auc, replaced })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.documents.dtype.name())
    }
}
