//! Documents on the command line, and what a model says of their tokens.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::LanguageModel;
use llm_neurons::membership::{Discarded, QueryConfig, TokenTable};
use llm_neurons::model::WeightFiles;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::model::{Dtype, ModelArguments, failure};
use super::super::texts::{Group, group, lines, read_text};
use crate::context::Context;
use crate::failure::{Failure, Result};

/// Which documents, and how the model is asked about them.
#[derive(Debug, Clone, Args)]
pub(super) struct DocumentArguments {
    /// The model's folder: a transformer, RWKV-4 or a character LSTM
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Number type of weights and activations
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub(super) dtype: Dtype,
    /// Documents that the model was trained on, one a line; may be given again
    #[arg(long, value_name = "NAME=FILE", value_parser = group)]
    members: Vec<Group>,
    /// Documents that it was not trained on
    #[arg(long, value_name = "NAME=FILE", value_parser = group)]
    non_members: Vec<Group>,
    /// Documents of which that is not known
    #[arg(long, value_name = "NAME=FILE", value_parser = group)]
    text: Vec<Group>,
    /// Each file is one document, not each line
    #[arg(long)]
    whole_files: bool,
    /// Tokens of a window [default: 128, or the model's context where that is less]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    /// From one window's beginning to the next [default: one less than the window]
    #[arg(long, value_name = "TOKENS")]
    stride: Option<usize>,
    /// Look at the first N tokens of a document only
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Leave out documents of fewer tokens (5000 in the paper)
    #[arg(long, default_value_t = 2, value_name = "N")]
    min_tokens: usize,
}

/// A document that was left out.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TooShort {
    /// Its name.
    name: String,
    /// Its tokens.
    tokens: usize,
}

/// Documents and what the model said.
pub(super) struct Asked {
    pub(super) table: TokenTable,
    /// Of each document, where the texts are at hand and were looked at whole.
    pub(super) texts: Option<Vec<String>>,
    pub(super) discarded: Vec<TooShort>,
}

/// A document of a file.
struct Document {
    name: String,
    text: String,
    member: Option<bool>,
}

impl DocumentArguments {
    /// The flags that have no meaning beside a table of the model's answers: all.
    pub(super) const ALL: [&str; 10] = [
        "model",
        "dtype",
        "members",
        "non_members",
        "text",
        "whole_files",
        "context",
        "stride",
        "max_tokens",
        "min_tokens",
    ];

    /// The same documents, asked about in these windows and as far in unless that was said otherwise.
    pub(super) fn asked_as(&self, query: &QueryConfig) -> Self {
        let stride = self.stride.or_else(|| self.context.is_none().then_some(query.effective_stride()));
        let (context, max_tokens) =
            (self.context.or(Some(query.context)), self.max_tokens.or(query.max_tokens));
        Self { context, stride, max_tokens, ..self.clone() }
    }

    /// Asks the model, or reads the answers from a table that was written before.
    pub(super) fn ask_or_read(
        &self,
        context: &Context,
        table: Option<&PathBuf>,
        mean_probability: bool,
    ) -> Result<Asked> {
        match table {
            Some(path) => {
                let table = TokenTable::read(path).map_err(|e| failure(e).or_at(path))?;
                Ok(Asked { table, texts: None, discarded: Vec::new() })
            }
            None => self.ask(context, mean_probability),
        }
    }

    /// Asks the model.
    pub(super) fn ask(&self, context: &Context, mean_probability: bool) -> Result<Asked> {
        let Some(folder) = self.model.clone() else {
            return Err(Failure::usage("--model DIR: which model is to be asked?"));
        };
        let labelled = !self.members.is_empty() || !self.non_members.is_empty();
        if labelled && !self.text.is_empty() {
            let said = "--text names documents of which nothing is known: ask about those of --members and --non-members apart";
            return Err(Failure::usage(said));
        }
        let documents = self.read()?;
        let arguments = ModelArguments { model: folder.clone(), dtype: self.dtype };
        let model = arguments.load_any(context)?;
        let codec = arguments.codec(&model)?;
        let query = QueryConfig {
            context: self.context.unwrap_or_else(|| model.context().map_or(128, |most| most.min(128))),
            stride: self.stride,
            max_tokens: self.max_tokens,
            mean_probability,
            ..QueryConfig::default()
        };
        query.validate().map_err(failure)?;
        let mut named = Vec::with_capacity(documents.len());
        for document in &documents {
            let ids = codec
                .encode(&document.text, false)
                .map_err(|e| Failure::input(format!("{}: {e}", document.name)))?;
            named.push((document.name.clone(), ids));
        }
        let identity =
            WeightFiles::open(&folder).and_then(|files| files.tensors_sha256()).map_err(failure)?;
        // A single token has no prediction.
        let least = self.min_tokens.max(2);
        if named.iter().all(|(_, ids)| ids.len() < least) {
            return Err(Failure::input(format!("no document has {least} tokens")));
        }
        let (table, discarded) =
            TokenTable::score(&model, &identity, &named, &query, least).map_err(failure)?;
        let kept = |document: &Document| !discarded.iter().any(|d| d.name == document.name);
        let documents: Vec<Document> = documents.into_iter().filter(kept).collect();
        let labels: Option<Vec<bool>> = documents.iter().map(|d| d.member).collect();
        let table = match labels {
            Some(labels) => table.with_labels(labels).map_err(failure)?,
            None => table,
        };
        // What was not looked at is no part of the text.
        let whole = self.max_tokens.is_none();
        let texts = whole.then(|| documents.into_iter().map(|d| d.text).collect());
        Ok(Asked { table, texts, discarded: discarded.into_iter().map(TooShort::from).collect() })
    }

    fn groups(&self) -> impl Iterator<Item = (&Group, Option<bool>)> {
        let members = self.members.iter().map(|g| (g, Some(true)));
        let others = self.non_members.iter().map(|g| (g, Some(false)));
        members.chain(others).chain(self.text.iter().map(|g| (g, None)))
    }

    fn read(&self) -> Result<Vec<Document>> {
        let mut documents = Vec::new();
        for (group, member) in self.groups() {
            let text = read_text(&group.path)?;
            if self.whole_files {
                documents.push(Document { name: group.name.clone(), text, member });
            } else {
                documents.extend(lines(&text).map(|(number, line)| Document {
                    name: format!("{}:{number}", group.name),
                    text: line.to_owned(),
                    member,
                }));
            }
        }
        if documents.is_empty() {
            let said = "no documents: give --members, --non-members or --text NAME=FILE";
            return Err(Failure::usage(said));
        }
        Ok(documents)
    }
}

impl From<Discarded> for TooShort {
    fn from(found: Discarded) -> Self {
        Self { name: found.name, tokens: found.tokens }
    }
}
