//! A table as read from text or a workbook: only the cells that hold something.

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Number(f64),
    Text(String),
    /// A boolean, a date or an error value of a spreadsheet: never what a connectome holds.
    Strange(String),
}

/// A cell with its column, counted from 0.
pub(crate) type Placed = (usize, Cell);

/// The occupied cells of one row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// As a spreadsheet or an editor counts it, from 1.
    pub(crate) number: usize,
    /// In the order of columns.
    pub(crate) cells: Vec<Placed>,
    /// How many fields a text line had; `None` for a spreadsheet, where a row has no end.
    pub(crate) fields: Option<usize>,
}

/// A named table.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    /// In order; rows without any cell are left out.
    pub(crate) rows: Vec<Row>,
}

impl Cell {
    /// The text of a cell without the blanks around it; `None` when nothing is left.
    pub(crate) fn label(&self) -> Option<String> {
        let text = match self {
            Self::Text(text) => text.trim().to_owned(),
            Self::Number(x) => x.to_string(),
            Self::Strange(text) => text.clone(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// A number, `None` for a blank or a NaN.
    ///
    /// # Errors
    /// What the cell holds instead.
    pub(crate) fn number(&self) -> Result<Option<f64>, String> {
        let value = match self {
            Self::Number(x) => *x,
            Self::Strange(text) => return Err(text.clone()),
            Self::Text(text) => {
                let text = text.trim();
                if text.is_empty() {
                    return Ok(None);
                }
                text.parse::<f64>().map_err(|_| shorten(text))?
            }
        };
        Ok((!value.is_nan()).then_some(value))
    }
}

impl Row {
    /// The cell of a column.
    pub(crate) fn get(&self, column: usize) -> Option<&Cell> {
        self.cells.binary_search_by_key(&column, |c| c.0).ok().map(|at| &self.cells[at].1)
    }

    /// The text of a column.
    pub(crate) fn label(&self, column: usize) -> Option<String> {
        self.get(column).and_then(Cell::label)
    }
}

/// Text that may be long, for a message.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}..", &text[..end]),
        None => format!("{text:?}"),
    }
}
