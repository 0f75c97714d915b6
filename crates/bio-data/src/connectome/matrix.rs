//! Adjacency matrices: rows are presynaptic, columns postsynaptic.

use std::collections::HashMap;
use std::path::Path;

use super::raw::{Builder, Kind, cook_kind};
use super::sheet::{Cell, Row, Sheet, shorten};
use super::{Format, RawConnectome, edge_list};
use crate::{Error, Result};

/// A response counts below this q value (Randi et al. 2023).
const Q_LIMIT: f64 = 0.05;

/// Whether a gap-junction table is announced by the file's or the sheet's name.
pub(crate) fn named_gap(path: &Path, sheet: &str) -> bool {
    let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().to_lowercase());
    [file, sheet.to_lowercase()].iter().any(|n| n.contains("gap") || n.contains("electrical"))
}

/// Whether at least half of the first row's labels are neurons.
pub(crate) fn is_matrix(sheet: &Sheet) -> bool {
    let Some(first) = sheet.rows.first() else { return false };
    let labels: Vec<String> = first.cells.iter().filter(|c| c.0 > 0).filter_map(|c| c.1.label()).collect();
    let known = labels.iter().filter(|l| super::raw::slot_of(l, super::Merge::Standard).is_some()).count();
    labels.len() >= 2 && 2 * known >= labels.len()
}

/// Whether a text of format `cook2019` is the flattened edge list.
pub(crate) fn is_flat(sheet: &Sheet) -> bool {
    edge_list::is_edge_list(sheet)
}

/// Reads a matrix with labels in its first row and column.
pub(crate) fn read(path: &Path, sheet: &Sheet) -> Result<RawConnectome> {
    let mut builder = Builder::new(path, Format::Matrix);
    let word = if named_gap(path, &sheet.name) { "electrical" } else { "chemical" };
    let grid = Grid::new(path, sheet, 1, 0)?;
    add(&mut builder, sheet, &grid, word)?;
    Ok(builder.finish())
}

/// Reads sheets of SI 5: labels in row 3 and column C, values from D4.
pub(crate) fn read_cook(path: &Path, sheets: &[Sheet]) -> Result<RawConnectome> {
    let mut builder = Builder::new(path, Format::Cook2019);
    for sheet in sheets {
        let word = match cook_kind(&sheet.name) {
            Some(Kind::Gap) => "electrical",
            Some(_) => "chemical",
            None if named_gap(path, &sheet.name) => "electrical",
            None => "chemical",
        };
        let grid = Grid::new(path, sheet, 3, 2)?;
        add(&mut builder, sheet, &grid, word)?;
    }
    Ok(builder.finish())
}

/// Reads responses and their q values.
pub(crate) fn read_functional(path: &Path, weights: &Sheet, q: &Sheet) -> Result<RawConnectome> {
    let mut builder = Builder::new(path, Format::Randi2023);
    let (grid, q_grid) = (Grid::new(path, weights, 1, 0)?, Grid::new(path, q, 1, 0)?);
    let q_rows: HashMap<&str, &Row> = q_grid.rows.iter().map(|(l, r)| (l.as_str(), *r)).collect();
    let q_columns: HashMap<&str, usize> = q_grid.columns.iter().map(|(c, l)| (l.as_str(), *c)).collect();
    let kept = builder.label("significant", Kind::Chemical)?;
    let dropped = builder.label("not significant", Kind::Other)?;
    builder.matrix(&weights.name, grid.rows.len(), grid.columns.len());
    for (label, row) in &grid.rows {
        for (column, name) in &grid.columns {
            let Some(weight) = number(path, weights, row, *column, name)? else { continue };
            let found = q_rows.get(label.as_str()).zip(q_columns.get(name.as_str()));
            let Some((q_row, q_column)) = found else {
                let reason = format!("sheet {:?} has no q value of {label} and {name}", q.name);
                return Err(Error::Cell {
                    path: path.to_owned(),
                    row: row.number,
                    column: name.clone(),
                    reason,
                });
            };
            let significant = number(path, q, q_row, *q_column, name)?.is_some_and(|v| v < Q_LIMIT);
            let (pre, post) = (builder.intern(label), builder.intern(name));
            builder.push(pre, post, if significant { kept } else { dropped }, weight, row.number);
        }
    }
    Ok(builder.finish())
}

/// Where the labels of a matrix are.
struct Grid<'a> {
    /// Column number and label.
    columns: Vec<(usize, String)>,
    /// Label and row.
    rows: Vec<(String, &'a Row)>,
}

impl<'a> Grid<'a> {
    fn new(path: &Path, sheet: &'a Sheet, header: usize, label_column: usize) -> Result<Self> {
        let place = |what: &str| {
            let reason = format!("sheet {:?}, row {header}: no {what}: not an adjacency matrix", sheet.name);
            Error::format(path, reason)
        };
        let first = sheet.rows.iter().find(|r| r.number == header).ok_or_else(|| place("row of labels"))?;
        let columns: Vec<(usize, String)> = first
            .cells
            .iter()
            .filter(|c| c.0 > label_column)
            .filter_map(|(at, c)| Some((*at, c.label()?)))
            .collect();
        let rows: Vec<(String, &Row)> = sheet
            .rows
            .iter()
            .filter(|r| r.number > header)
            .filter_map(|r| Some((r.label(label_column)?, r)))
            .collect();
        if columns.is_empty() || rows.is_empty() {
            return Err(place("labels of rows and columns"));
        }
        let known = |l: &str| super::raw::slot_of(l, super::Merge::Standard).is_some();
        if !columns.iter().any(|c| known(&c.1)) {
            let reason =
                format!("{} and the other labels are no neurons of C. elegans", shorten(&columns[0].1));
            let column = (columns[0].0 + 1).to_string();
            return Err(Error::Cell { path: path.to_owned(), row: header, column, reason });
        }
        for (_, row) in &rows {
            if let (Some(found), Some(expected)) = (row.fields, first.fields)
                && found < expected
            {
                let reason = format!("the row ends after {found} of {expected} fields (cut short?)");
                let column = (found + 1).to_string();
                return Err(Error::Cell { path: path.to_owned(), row: row.number, column, reason });
            }
        }
        Ok(Self { columns, rows })
    }
}

fn number(path: &Path, sheet: &Sheet, row: &Row, column: usize, name: &str) -> Result<Option<f64>> {
    let wrong = |found: String| {
        let reason = format!("sheet {:?}: {found} is not a finite number", sheet.name);
        Error::Cell { path: path.to_owned(), row: row.number, column: name.to_owned(), reason }
    };
    match row.get(column).map(Cell::number) {
        None => Ok(None),
        Some(Ok(Some(x))) if x.is_infinite() => Err(wrong(x.to_string())),
        Some(Ok(x)) => Ok(x),
        Some(Err(found)) => Err(wrong(found)),
    }
}

fn add(builder: &mut Builder<'_>, sheet: &Sheet, grid: &Grid<'_>, word: &str) -> Result<()> {
    let path = builder.path();
    let kind = if word == "electrical" { Kind::Gap } else { Kind::Chemical };
    let label = builder.label(word, kind)?;
    builder.matrix(&sheet.name, grid.rows.len(), grid.columns.len());
    let columns: HashMap<usize, &str> = grid.columns.iter().map(|(c, l)| (*c, l.as_str())).collect();
    for (pre, row) in &grid.rows {
        for (column, _) in &row.cells {
            let Some(post) = columns.get(column) else { continue };
            let Some(weight) = number(path, sheet, row, *column, post)?.filter(|w| *w != 0.0) else {
                continue;
            };
            if weight < 0.0 {
                let reason = format!("sheet {:?}: {weight} is not a weight of zero or more", sheet.name);
                let column = (*post).to_owned();
                return Err(Error::Cell { path: path.to_owned(), row: row.number, column, reason });
            }
            let (pre, post) = (builder.intern(pre), builder.intern(post));
            builder.push(pre, post, label, weight, row.number);
        }
    }
    Ok(())
}
