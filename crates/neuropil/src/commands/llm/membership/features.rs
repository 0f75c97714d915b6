//! `neuropil llm membership features`: what a model says of each token of documents.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use llm_neurons::membership::baselines::ln_perplexity;
use llm_neurons::membership::{Features as Kind, Normalizer};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::lines::check_named;
use super::super::model::failure;
use super::documents::{DocumentArguments, TooShort};
use crate::context::Context;
use crate::failure::Result;
use crate::verb::Verb;

/// Losses of documents' tokens, as a table that attacks are trained on and applied to
#[derive(Debug, Args)]
pub(crate) struct Features {
    #[command(flatten)]
    documents: DocumentArguments,
    /// Where to write the table (npz: ids, nll, pmax, offsets, names, mean_probability, labels)
    #[arg(long, value_name = "TABLE.npz")]
    out: PathBuf,
    /// Leave out each document's mean prediction, which the normalisers by general probability need
    #[arg(long)]
    no_mean_probability: bool,
}

/// One document.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// Its name.
    name: String,
    /// Whether the model was trained on it, where that is known.
    member: Option<bool>,
    /// Its tokens.
    tokens: usize,
    /// Mean loss, in nats a token.
    nll: f64,
    /// Its exponential.
    perplexity: f64,
    /// Statistics of the losses: mean, min, max, std, and percentiles.
    features: BTreeMap<String, f64>,
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
    /// Tokens of the vocabulary.
    vocabulary: usize,
    /// Tokens of a window.
    context: usize,
    /// From one window's beginning to the next.
    stride: usize,
    /// Losses that were infinite and are 1e-5 in the statistics.
    replaced: usize,
    /// Where the table is.
    out: String,
}

impl Verb for Features {
    const NAME: &'static str = "llm.membership.features";
    type Answer = Answer;
    const TENSORS: bool = true;

    fn run(&self, context: &Context) -> Result<Answer> {
        check_named(&self.out, "npz")?;
        let asked = self.documents.ask(context, !self.no_mean_probability)?;
        let table = &asked.table;
        let (mut values, mut replaced) = (Vec::new(), 0);
        for document in table.documents() {
            let found = Normalizer::None.apply(&document.scores).map_err(failure)?;
            values.push(found.values);
            replaced += found.replaced;
        }
        let fitted = Kind::Aggregate { count: false }.fit(&values).map_err(failure)?;
        let (names, rows) = (fitted.names(), fitted.transform(&values).map_err(failure)?);
        let mut documents = Vec::with_capacity(values.len());
        for (i, document) in table.documents().iter().enumerate() {
            let nll = ln_perplexity(document.scores.nll()).map_err(failure)?;
            documents.push(Document {
                name: table.names()[i].clone(),
                member: table.labels().map(|labels| labels[i]),
                tokens: document.scores.ids().len(),
                nll,
                perplexity: nll.exp(),
                features: names.iter().cloned().zip(rows.row(i).iter().copied()).collect(),
            });
        }
        table.write(&self.out).map_err(|e| failure(e).or_at(&self.out))?;
        Ok(Answer {
            documents,
            discarded: asked.discarded,
            model: table.model().to_owned(),
            vocabulary: table.vocabulary(),
            context: table.query().context,
            stride: table.query().effective_stride(),
            replaced,
            out: self.out.display().to_string(),
        })
    }

    fn placement(&self, context: &Context) -> (String, &'static str) {
        (context.used_device(), self.documents.dtype.name())
    }
}
