//! Texts of files: UTF-8, whole or line by line.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

/// A file's text as it stands, but for a byte-order mark.
///
/// # Errors
/// `io` where it cannot be read, `format` where it is not UTF-8, `input` where it has nothing but white space.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Failure::new("io", e).at(path))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let place = e.utf8_error().valid_up_to();
        Failure::new("format", format!("not UTF-8: the byte at {place} begins no character")).at(path)
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Failure::input("the file has no text").at(path));
    }
    Ok(text)
}

/// The lines of a text that are not blank, each with its number from 1 and without its end.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim().is_empty())
}

/// A group of texts: `NAME=FILE`, or `FILE`, which is its own name.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// Reads `NAME=FILE` or `FILE`.
pub(super) fn group(text: &str) -> std::result::Result<Group, String> {
    let (name, path) = match text.split_once('=') {
        // A file may have the character in its name.
        Some((name, path)) if !Path::new(text).exists() => (name, path),
        _ => (text, text),
    };
    if name.is_empty() || path.is_empty() {
        return Err("expected NAME=FILE or FILE".to_owned());
    }
    Ok(Group { name: name.to_owned(), path: PathBuf::from(path) })
}
