//! Texts of one line each, and lists in a flag.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use llm_neurons::TextTokenizer;

use super::model::failure;
use crate::failure::{Failure, Result};

/// The tokens of each text.
type Texts = Vec<Vec<u32>>;

/// `NAME=FILE`.
#[derive(Debug, Clone)]
pub(super) struct NamedFile {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.trim().is_empty() && !path.is_empty() => {
                Ok(Self { name: name.trim().to_owned(), path: PathBuf::from(path) })
            }
            _ => Err("expected NAME=FILE".to_owned()),
        }
    }
}

/// The lines of a UTF-8 file with their numbers from 1, those without a letter left out.
///
/// # Errors
/// A failure of kind `io`, or `format` that names the line which is not UTF-8.
pub(super) fn lines(path: &Path) -> Result<Vec<(usize, String)>> {
    let bytes = std::fs::read(path).map_err(|e| Failure::new("io", e).at(path))?;
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Failure::new("format", format!("line {line} is not UTF-8")).at(path)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim()));
    Ok(numbered.filter(|(_, l)| !l.is_empty()).map(|(i, l)| (i, l.to_owned())).collect())
}

/// Token ids of the lines of a file, none longer than `most`; and how many lines were cut to it.
///
/// # Errors
/// Those of [`lines`]; a failure of kind `input` for a file without text, or a line without a token.
pub(super) fn tokens(path: &Path, tokenizer: &TextTokenizer, most: usize) -> Result<(Vec<Vec<u32>>, usize)> {
    let found = lines(path)?;
    if found.is_empty() {
        return Err(Failure::input("there is no text in it").at(path));
    }
    encode(path, &found, tokenizer, most)
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
    for (path, found) in [(first, &a), (second, &b)] {
        if found.is_empty() {
            return Err(Failure::input("there is no text in it").at(path));
        }
    }
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
/// What is expected, and what was found.
pub(super) fn list<T: FromStr>(flag: &str, text: &str) -> Result<Vec<T>> {
    let path = Path::new(text);
    let read = match path.is_file() {
        true => std::fs::read_to_string(path).map_err(|e| Failure::new("io", e).at(path))?,
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
) -> Result<(Vec<Vec<u32>>, usize)> {
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
/// A failure of kind `io` or `input`.
pub(super) fn check_out(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || !folder.is_dir() {
        let what = if path.is_dir() { "is a folder" } else { "its folder does not exist" };
        return Err(Failure::new("io", what).at(path));
    }
    if path.extension().is_none_or(|e| e != "safetensors") {
        return Err(Failure::input("expected a name that ends in .safetensors").at(path));
    }
    Ok(())
}
