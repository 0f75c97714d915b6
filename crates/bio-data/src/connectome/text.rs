//! Text tables: comma, tab, mixed and blank separators.

use std::path::Path;

use super::sheet::{Cell, Placed, Row, Sheet};
use crate::{Error, Result};

/// Reads a text table. Where a line holds a tab, tabs and commas both separate (the White files mix them); where it
/// holds neither, blanks do; a file without tabs is read as CSV with quotes.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Sheet> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let row = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Error::format(path, format!("row {row}: not text (a byte that is not UTF-8)"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find('\0') {
        let row = text[..at].matches('\n').count() + 1;
        return Err(Error::format(path, format!("row {row}: not text (a zero byte)")));
    }
    let first = text.lines().find(|l| !l.trim().is_empty());
    let Some(first) = first else {
        return Err(Error::format(path, "row 1: the file is empty"));
    };
    let rows = if !text.contains('\t') && first.contains(',') { quoted(path, text)? } else { lines(text) };
    let name = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    Ok(Sheet { name, rows })
}

fn quoted(path: &Path, text: &str) -> Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| Error::format(path, e.to_string()))?;
        let number = record.position().map_or(0, |p| p.line() as usize);
        if record.len() == 1 && record[0].trim().is_empty() {
            continue;
        }
        rows.push(row(number, record.iter()));
    }
    Ok(rows)
}

fn lines(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        rows.push(if line.contains('\t') {
            row(index + 1, line.split(['\t', ',']))
        } else if line.contains(',') {
            row(index + 1, line.split(','))
        } else {
            row(index + 1, line.split_whitespace())
        });
    }
    rows
}

fn row<'a>(number: usize, fields: impl Iterator<Item = &'a str>) -> Row {
    let mut cells: Vec<Placed> = Vec::new();
    let mut count = 0;
    for (column, field) in fields.enumerate() {
        count = column + 1;
        let field = field.trim();
        if !field.is_empty() {
            cells.push((column, Cell::Text(field.to_owned())));
        }
    }
    Row { number, cells, fields: Some(count) }
}
