//! `consensus_connectome_*.csv`: the published columns, written and read.

use std::io::Write;
use std::path::Path;

use super::consensus::{Consensus, ConsensusRow};
use super::limits;
use super::nodes::{Node, Nodes};
use crate::neurons::{LABELS, slot};
use crate::{Error, Result};

const BEFORE: [&str; 9] = [
    "from_neuron",
    "to_neuron",
    "from_pos",
    "to_pos",
    "from_type",
    "to_type",
    "mean_gap_weight",
    "mean_chem_weight",
    "uncertainty",
];
const FUNCTIONAL: &str = "functional_weight";
const SOURCES: &str = "data_sources";

impl Consensus {
    /// Writes the published columns, whole or not at all; `functional_weight` only where a functional source took
    /// part. An absent figure is an empty cell.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_csv(&self, path: &Path, nodes: &Nodes) -> Result<()> {
        let unknown = Node { position: [f64::NAN; 3], kind: "unknown".to_owned() };
        let node = |slot: usize| nodes.get(slot).unwrap_or(&unknown);
        recordings::atomic::write(path, |file| {
            let mut out = csv::Writer::from_writer(std::io::BufWriter::new(file));
            let header = BEFORE.into_iter().chain(self.functional.then_some(FUNCTIONAL)).chain([SOURCES]);
            out.write_record(header)?;
            for row in &self.rows {
                let (from, to) = (node(row.from), node(row.to));
                let mut fields = vec![
                    LABELS[row.from].to_owned(),
                    LABELS[row.to].to_owned(),
                    position(from),
                    position(to),
                    from.kind.clone(),
                    to.kind.clone(),
                    figure(row.gap),
                    figure(row.chemical),
                    figure(row.uncertainty),
                ];
                if self.functional {
                    fields.push(figure(row.functional));
                }
                let names: Vec<String> = row.sources.iter().map(|s| quote(s)).collect();
                fields.push(format!("[{}]", names.join(", ")));
                out.write_record(&fields)?;
            }
            out.into_inner().map_err(|e| e.into_error())?.flush()
        })
        .map_err(|e| Error::io(path, e))
    }

    /// Reads a published table with its provenance. Positions and types are not kept.
    ///
    /// # Errors
    /// [`Error::Format`] for a missing column or a row cut short, [`Error::Cell`] for a neuron or number that is none.
    pub fn read_csv(path: &Path) -> Result<Self> {
        let bytes = limits::read(path)?;
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let header = reader.headers().map_err(|e| Error::format(path, e.to_string()))?.clone();
        let find = |name: &str| header.iter().position(|h| h.trim() == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                let found: Vec<&str> = header.iter().take(12).collect();
                Error::format(path, format!("row 1: no column {name:?}; the header is: {}", found.join(", ")))
            })
        };
        let (from, to) = (need(BEFORE[0])?, need(BEFORE[1])?);
        let figures = [need(BEFORE[6])?, need(BEFORE[7])?, need(BEFORE[8])?];
        let (functional, sources) = (find(FUNCTIONAL), need(SOURCES)?);
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| Error::format(path, e.to_string()))?;
            let line = record.position().map_or(0, |p| p.line() as usize);
            let wrong = |column: usize, expected: &str| Error::Cell {
                path: path.to_owned(),
                row: line,
                column: header.get(column).unwrap_or_default().to_owned(),
                reason: format!(
                    "{} is not {expected}",
                    super::sheet::shorten(record.get(column).unwrap_or_default())
                ),
            };
            let neuron = |column: usize| {
                slot(record.get(column).unwrap_or_default())
                    .ok_or_else(|| wrong(column, "a neuron of C. elegans"))
            };
            let figure = |column: usize| match record.get(column).unwrap_or_default().trim() {
                "" | "nan" | "NaN" => Ok(None),
                text => text.parse::<f64>().map(Some).map_err(|_| wrong(column, "a number")),
            };
            rows.push(ConsensusRow {
                from: neuron(from)?,
                to: neuron(to)?,
                gap: figure(figures[0])?,
                chemical: figure(figures[1])?,
                uncertainty: figure(figures[2])?,
                functional: functional.map_or(Ok(None), figure)?,
                sources: names(record.get(sources).unwrap_or_default())
                    .ok_or_else(|| wrong(sources, "a list of names"))?,
            });
        }
        Ok(Self { rows, functional: functional.is_some() })
    }
}

fn position(node: &Node) -> String {
    let [x, y, z] = node.position.map(|v| if v.is_nan() { "nan".to_owned() } else { format!("{v:?}") });
    format!("({x}, {y}, {z})")
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(String::new, |v| format!("{v:?}"))
}

/// A name as Python prints it in a list.
fn quote(name: &str) -> String {
    let escaped = name.replace('\\', "\\\\");
    if escaped.contains('\'') && !escaped.contains('"') {
        format!("\"{escaped}\"")
    } else {
        format!("'{}'", escaped.replace('\'', "\\'"))
    }
}

/// The names of a printed list; `None` when it is none.
fn names(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut out = Vec::new();
    let mut letters = inner.chars().peekable();
    loop {
        while letters.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        let Some(quote) = letters.next() else { return Some(out) };
        if quote != '\'' && quote != '"' {
            return None;
        }
        let mut name = String::new();
        loop {
            match letters.next()? {
                '\\' => name.push(letters.next()?),
                c if c == quote => break,
                c => name.push(c),
            }
        }
        out.push(name);
    }
}
