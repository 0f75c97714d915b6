//! Workbooks: `.xlsx` through calamine, `.xls` through our own [`super::xls`].
//!
//! Cells are streamed: a workbook whose only two cells stand in opposite corners costs two cells, not a grid.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{DataRef, Reader, Xlsx};

use super::limits::{check_archive, over, unfolded};
use super::sheet::{Cell, Row, Sheet};
use super::xls;
use crate::{Error, Result};

/// An open workbook.
pub(crate) enum Workbook {
    Xlsx { book: Box<Xlsx<Cursor<Vec<u8>>>>, names: Vec<String>, text_limit: u64 },
    Xls(xls::Xls),
}

impl Workbook {
    /// Opens an `.xlsx` workbook.
    pub(crate) fn xlsx(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        check_archive(path, &bytes)?;
        let text_limit = unfolded(bytes.len());
        let book = guarded(path, || {
            calamine::open_workbook_from_rs::<Xlsx<_>, _>(Cursor::new(bytes))
                .map_err(|e| Error::format(path, format!("not a readable xlsx workbook: {e}")))
        })?;
        let names = book.sheet_names();
        Ok(Self::Xlsx { book: Box::new(book), names, text_limit })
    }

    /// Opens an `.xls` workbook.
    pub(crate) fn xls(path: &Path, bytes: &[u8]) -> Result<Self> {
        xls::Xls::open(path, bytes).map(Self::Xls)
    }

    /// The names of the sheets, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Xlsx { names, .. } => names.clone(),
            Self::Xls(book) => book.names(),
        }
    }

    /// One sheet.
    pub(crate) fn sheet(&mut self, path: &Path, name: &str) -> Result<Sheet> {
        match self {
            Self::Xls(book) => book.sheet(path, name),
            Self::Xlsx { book, text_limit, .. } => {
                let limit = *text_limit;
                guarded(path, || stream(path, book, name, limit))
            }
        }
    }
}

/// calamine is not ours: should it ever panic on a damaged file, that is the file's error, not the program's end.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::format(path, "the workbook is damaged beyond what its reader can name"))
    })
}

fn stream(path: &Path, book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str, limit: u64) -> Result<Sheet> {
    let wrong = |e: calamine::XlsxError| Error::format(path, format!("sheet {name:?}: {e}"));
    let mut reader = book.worksheet_cells_reader(name).map_err(wrong)?;
    let mut cells: Vec<(usize, usize, Cell)> = Vec::new();
    let mut text_bytes = 0;
    while let Some(cell) = reader.next_cell().map_err(wrong)? {
        let (row, column) = cell.get_position();
        let value = match cell.get_value() {
            DataRef::Empty => continue,
            DataRef::Int(x) => Cell::Number(*x as f64),
            DataRef::Float(x) => Cell::Number(*x),
            DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
            DataRef::String(text) => Cell::Text(text.clone()),
            other => Cell::Strange(format!("{other:?}")),
        };
        if let Cell::Text(text) = &value {
            // A shared string may be named by many cells: what they would take together is limited too.
            text_bytes += text.len() as u64;
            if text_bytes > limit {
                return Err(over(path, &format!("the text of sheet {name:?}"), text_bytes, limit));
            }
        }
        cells.push((row as usize, column as usize, value));
    }
    Ok(Sheet { name: name.to_owned(), rows: rows(cells) })
}

/// Cells in any order as rows; the first of two cells in one place stays.
pub(crate) fn rows(mut cells: Vec<(usize, usize, Cell)>) -> Vec<Row> {
    cells.sort_by_key(|c| (c.0, c.1));
    cells.dedup_by_key(|c| (c.0, c.1));
    let mut rows: Vec<Row> = Vec::new();
    for (row, column, cell) in cells {
        match rows.last_mut() {
            Some(last) if last.number == row + 1 => last.cells.push((column, cell)),
            _ => rows.push(Row { number: row + 1, cells: vec![(column, cell)], fields: None }),
        }
    }
    rows
}
