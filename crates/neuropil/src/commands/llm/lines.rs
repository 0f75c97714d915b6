//! Texts of one line each, and lists in a flag.

use std::path::Path;
use std::str::FromStr;

use llm_neurons::TextTokenizer;

use super::model::failure;
use super::neuron_sets;
use super::texts::{self, read_text};
use crate::failure::{Failure, Result};

/// Token ids, one list a line.
type Texts = Vec<Vec<u32>>;

/// The lines of a UTF-8 file that are not blank, with their numbers from 1.
fn lines(path: &Path) -> Result<Vec<(usize, String)>> {
    let text = read_text(path)?;
    Ok(texts::lines(&text).map(|(i, line)| (i, line.trim().to_owned())).collect())
}

/// Token ids of the lines of a file, none longer than `most`; and how many lines were cut to it.
///
/// # Errors
/// Those of [`read_text`]; a failure of kind `input` for a line without a token.
pub(super) fn tokens(path: &Path, tokenizer: &TextTokenizer, most: usize) -> Result<(Texts, usize)> {
    encode(path, &lines(path)?, tokenizer, most)
}

/// Token ids of two files whose lines are pairs; and how many lines were cut to `most`.
///
/// # Errors
/// Those of [`tokens`]; a failure of kind `input` where a line of one has none in the other.
pub(super) fn pairs(
    first: &Path,
    second: &Path,
    tokenizer: &TextTokenizer,
    most: usize,
) -> Result<(Texts, Texts, usize)> {
    let (a, b) = (lines(first)?, lines(second)?);
    let apart = a.iter().zip(&b).find(|((i, _), (j, _))| i != j);
    if let Some(((i, _), (j, _))) = apart {
        let (line, path) = if i < j { (i, second) } else { (j, first) };
        return Err(Failure::input(format!("line {line} is empty, but its pair is not")).at(path));
    }
    if a.len() != b.len() {
        let (path, less, more) =
            if a.len() < b.len() { (first, a.len(), b.len()) } else { (second, b.len(), a.len()) };
        let message = format!("{less} lines, its pairs are {more}: line i of both must say the same");
        return Err(Failure::input(message).at(path));
    }
    let (a, cut) = encode(first, &a, tokenizer, most)?;
    let (b, also) = encode(second, &b, tokenizer, most)?;
    Ok((a, b, cut + also))
}

/// The most tokens of a line: what was asked for, or the model's context.
///
/// # Errors
/// A failure of kind `usage` unless it is from `least` to the context.
pub(super) fn most(asked: Option<usize>, least: usize, context: usize) -> Result<usize> {
    match asked {
        Some(asked) if !(least..=context).contains(&asked) => Err(Failure::usage(format!(
            "--max-tokens {asked}: from {least} to the model's context of {context}"
        ))),
        asked => Ok(asked.unwrap_or(context)),
    }
}

/// Values in one flag: comma separated, or a file with one a line.
///
/// # Errors
/// A failure of kind `usage` with what was found where a number is expected; those of [`read_text`].
pub(super) fn list<T: FromStr>(flag: &str, text: &str) -> Result<Vec<T>> {
    let path = Path::new(text);
    let read = match path.is_file() {
        true => read_text(path)?,
        false => text.to_owned(),
    };
    let parts = read.split([',', '\n']).map(str::trim).filter(|s| !s.is_empty());
    let values = parts
        .map(|s| s.parse().map_err(|_| Failure::usage(format!("{flag}: {s:?} is not a number"))))
        .collect::<Result<Vec<T>>>()?;
    if values.is_empty() {
        return Err(Failure::usage(format!("{flag}: there is no number")));
    }
    Ok(values)
}

fn encode(
    path: &Path,
    lines: &[(usize, String)],
    tokenizer: &TextTokenizer,
    most: usize,
) -> Result<(Texts, usize)> {
    let mut cut = 0;
    let mut all = Vec::with_capacity(lines.len());
    for (number, line) in lines {
        let mut ids = tokenizer.encode(line, true).map_err(|e| failure(e).or_at(path))?;
        if ids.is_empty() {
            return Err(Failure::input(format!("line {number} has no token")).at(path));
        }
        cut += usize::from(ids.len() > most);
        ids.truncate(most);
        all.push(ids);
    }
    Ok((all, cut))
}

/// Refuses a place where no file can be written, or a name that could not be read again, before the work is done.
///
/// # Errors
/// Those of [`neuron_sets::check_out`]; a failure of kind `input` for another extension.
pub(super) fn check_file(path: &Path) -> Result<()> {
    check_named(path, "safetensors")
}

/// The same for another extension.
///
/// # Errors
/// Those of [`check_file`].
pub(super) fn check_named(path: &Path, extension: &str) -> Result<()> {
    neuron_sets::check_out(path)?;
    if path.extension().is_none_or(|e| e != extension) {
        return Err(Failure::input(format!("expected a name that ends in .{extension}")).at(path));
    }
    Ok(())
}
