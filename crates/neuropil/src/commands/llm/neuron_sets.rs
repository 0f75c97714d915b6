//! What the verbs about sets of neurons share: named texts, the model's identity, and sets made for a model.

use std::path::{Path, PathBuf};

use llm_neurons::TextTokenizer;
use llm_neurons::model::WeightFiles;
use llm_neurons::{Documents, Windows};
use recordings::{Effect, ModelIdentity, NeuronSet};
use schemars::JsonSchema;
use serde::Serialize;

use super::model::{ModelArguments, failure};
use crate::context::Context;
use crate::document;
use crate::failure::{Failure, Result, file_failure_at};

/// `NAME=FILE`.
#[derive(Debug, Clone)]
pub(crate) struct NamedText {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Reads `NAME=FILE`.
///
/// # Errors
/// What is expected.
pub(crate) fn named_text(text: &str) -> std::result::Result<NamedText, String> {
    match text.split_once('=') {
        Some((name, path)) if !name.trim().is_empty() && !path.is_empty() => {
            Ok(NamedText { name: name.trim().to_owned(), path: PathBuf::from(path) })
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

/// Refuses two texts of one name, and fewer than `least`.
///
/// # Errors
/// A failure of kind `usage`.
pub(crate) fn check_names(texts: &[NamedText], least: usize) -> Result<()> {
    if texts.len() < least {
        let found = texts.len();
        return Err(Failure::usage(format!("--text: {found} given, at least {least} are needed")));
    }
    let twice = texts.iter().enumerate().find(|(i, t)| texts[..*i].iter().any(|other| other.name == t.name));
    match twice {
        Some((_, text)) => Err(Failure::usage(format!("--text: {:?} is given twice", text.name))),
        None => Ok(()),
    }
}

/// The windows of a text, read as they are asked for.
///
/// # Errors
/// The file's.
pub(crate) fn windows<'a>(path: &Path, tokenizer: &'a TextTokenizer, window: usize) -> Result<Windows<'a>> {
    let documents = Documents::open(path).map_err(failure)?;
    Windows::new(documents, tokenizer, window).map_err(failure)
}

/// The window to use: what was asked for, or the model's context.
///
/// # Errors
/// A failure of kind `usage` unless it is from 2 to the context.
pub(crate) fn window(asked: Option<usize>, context: usize) -> Result<usize> {
    match asked {
        Some(asked) if !(2..=context).contains(&asked) => {
            Err(Failure::usage(format!("--window {asked}: from 2 to the model's context of {context}")))
        }
        asked => Ok(asked.unwrap_or(context)),
    }
}

/// Which model the weights of a folder are.
///
/// # Errors
/// The files'.
pub(crate) fn identity(folder: &Path) -> Result<ModelIdentity> {
    let files = WeightFiles::open(folder).map_err(failure)?;
    Ok(ModelIdentity {
        tensors_sha256: files.tensors_sha256().map_err(failure)?,
        source: folder.display().to_string(),
    })
}

/// Reads a set file; one of another model is refused, or with `force` warned of.
///
/// # Errors
/// The file's; a failure of kind `input` for another model's set.
pub(crate) fn read_set(path: &Path, model: &ModelArguments, force: bool) -> Result<NeuronSet> {
    let set = NeuronSet::read(path).map_err(file_failure_at(path))?;
    unless_forced(set.check_model(&identity(&model.model)?.tensors_sha256), path, force)?;
    Ok(set)
}

/// Refuses a file that was made for another model, or with `force` warns of it.
///
/// # Errors
/// A failure of kind `input`.
pub(crate) fn unless_forced<E: std::fmt::Display>(
    checked: std::result::Result<(), E>,
    path: &Path,
    force: bool,
) -> Result<()> {
    match checked {
        Err(error) if force => document::warn(&error.to_string()),
        Err(error) => {
            return Err(Failure::input(format!("{error} (--force uses it all the same)")).at(path));
        }
        Ok(()) => {}
    }
    Ok(())
}

/// Refuses a place where no file can be written before hours of work go into it.
///
/// # Errors
/// A failure of kind `io`.
pub(crate) fn check_out(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || !folder.is_dir() {
        let what = if path.is_dir() { "is a folder" } else { "its folder does not exist" };
        return Err(Failure::new("io", format!("--out: {what}")).at(path));
    }
    Ok(())
}

/// Warns of a text that gave too little.
pub(crate) fn too_short(path: &Path, name: &str, found: usize, window: usize, needed: usize) -> Failure {
    let message = format!(
        "{name}: {found} whole windows of {window} tokens, at least {needed} are needed (--window takes shorter ones)"
    );
    Failure::input(message).at(path)
}

/// An effect, as the set file has it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct EffectAnswer {
    /// What the neurons cost when they are zero, in nats.
    value: f64,
    /// Its 95 % interval.
    ci95: Option<[f64; 2]>,
    /// What as many random neurons cost.
    control: Option<f64>,
}

impl From<&Effect> for EffectAnswer {
    fn from(effect: &Effect) -> Self {
        Self { value: effect.value, ci95: effect.ci95, control: effect.control }
    }
}

/// Refuses work beside the model that would not fit.
///
/// # Errors
/// A failure of kind `memory`.
pub(crate) fn admit(context: &Context, what: &str, values: usize, bytes_each: u64) -> Result<()> {
    context.admit(what, (values as u64).saturating_mul(bytes_each))
}
