//! Names of the columns of a raw recording, from a CSV table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::names::clean;
use super::value;
use crate::{Error, Result};

/// One row of a label table.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// 0-based column of the recording.
    pub column: usize,
    /// The label as it was given; one that ends in `?` is uncertain.
    pub label: String,
    /// The neuron's class, where the table has it.
    pub class: Option<String>,
    /// `L`, `R` or what else the table says.
    pub side: Option<String>,
    /// How sure the annotators were, on their own scale.
    pub confidence: Option<f64>,
}

/// The labels of one recording; columns without one are not in the table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NeuronLabels {
    /// In the table's order.
    pub labels: Vec<Label>,
    path: PathBuf,
}

impl NeuronLabels {
    /// Reads a table with a header: `column` and `label`, and where there are any `neuron_class` (or `class`), `side`
    /// and `confidence`. Columns are found by name.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for a missing header or column; [`Error::Cell`] for a column number that is
    /// none or comes twice, and for a confidence that is no number.
    pub fn read_csv(path: &Path) -> Result<Self> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(|e| csv_error(path, e))?;
        let header = reader.headers().map_err(|e| csv_error(path, e))?.clone();
        let find = |names: &[&str]| header.iter().position(|h| names.contains(&h.to_lowercase().as_str()));
        let need = |names: &[&str]| {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            find(names).ok_or_else(|| {
                Error::format(path, format!("no column {:?}; the header has {found}", names[0]))
            })
        };
        let (column_at, label_at) = (need(&["column"])?, need(&["label"])?);
        let (class_at, side_at) = (find(&["neuron_class", "class"]), find(&["side"]));
        let confidence_at = find(&["confidence"]);
        let mut labels = Vec::new();
        let mut seen = BTreeSet::new();
        for record in reader.records() {
            let record = record.map_err(|e| csv_error(path, e))?;
            let row = record.position().map_or(0, |p| p.line() as usize);
            let cell = |column: &str, reason: String| Error::Cell {
                path: path.to_owned(),
                row,
                column: column.to_owned(),
                reason,
            };
            let text = |at: Option<usize>| at.and_then(|i| record.get(i)).filter(|t| !t.is_empty());
            let number = text(Some(column_at)).unwrap_or_default();
            let column: usize =
                number.parse().map_err(|_| cell("column", format!("{number:?} is not a column's number")))?;
            if !seen.insert(column) {
                return Err(cell("column", format!("{column} comes twice")));
            }
            let confidence = text(confidence_at)
                .map(|t| t.parse().map_err(|_| cell("confidence", format!("{t:?} is not a number"))))
                .transpose()?;
            labels.push(Label {
                column,
                label: text(Some(label_at)).unwrap_or_default().to_owned(),
                class: text(class_at).map(str::to_owned),
                side: text(side_at).map(str::to_owned),
                confidence,
            });
        }
        Ok(Self { labels, path: path.to_owned() })
    }

    /// One raw name per column of a recording of `neurons` columns.
    ///
    /// Labels that end in `?` are uncertain and count as missing, unless `accept_uncertain`: then the mark is taken
    /// off, and what remains counts if it is one of the 300 (`AIM?`, which does not say the side, is none).
    ///
    /// # Errors
    /// [`Error::Value`] for a column beyond the recording.
    pub fn names(&self, neurons: usize, accept_uncertain: bool) -> Result<Vec<Option<String>>> {
        let mut names = vec![None; neurons];
        for label in &self.labels {
            let Some(name) = names.get_mut(label.column) else {
                let what = format!("{}: column of {}", self.path.display(), label.label);
                return Err(value(what, label.column, format!("below {neurons}, the recording's neurons")));
            };
            *name = settle(&label.label, accept_uncertain);
        }
        Ok(names)
    }
}

/// A raw name, `None` where it is missing or too uncertain.
pub(super) fn settle(label: &str, accept_uncertain: bool) -> Option<String> {
    match label.strip_suffix('?') {
        None => (!label.is_empty()).then(|| label.to_owned()),
        Some(rest) => (accept_uncertain && clean(rest).is_some()).then(|| rest.to_owned()),
    }
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(path, source),
        _ => Error::format(path, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NeuronLabels> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        NeuronLabels::read_csv(&path)
    }

    #[test]
    fn columns_are_found_by_name_and_uncertain_labels_set_aside() {
        let labels = read("side,label,column\nL,AVAL,2\nR,AVAR?,0\n,AIM?,1\n").unwrap();
        assert_eq!(labels.labels[0].side.as_deref(), Some("L"));
        assert_eq!(labels.names(4, false).unwrap(), [None, None, Some("AVAL".to_owned()), None]);
        let all = labels.names(4, true).unwrap();
        assert_eq!(all, [Some("AVAR".to_owned()), None, Some("AVAL".to_owned()), None]);
        assert!(labels.names(2, false).unwrap_err().to_string().contains("column of AVAL"));
    }

    #[test]
    fn faults_name_the_row_and_the_column() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert!(said("col,label\n1,A\n").contains("no column \"column\""));
        assert!(said("column,label\n0,A\nx,B\n").contains("row 3, column column"));
        assert!(said("column,label\n0,A\n0,B\n").contains("comes twice"));
        assert!(said("column,label,confidence\n0,A,high\n").contains("confidence"));
        assert!(said("column,label\n0\n").contains("labels.csv"));
        assert!(NeuronLabels::read_csv("nowhere.csv".as_ref()).is_err());
    }
}
