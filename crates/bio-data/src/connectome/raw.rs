//! A connectome file as it stands: names, types and weights before any rule is applied.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::merged::{self, Connectome};
use super::sheet::Sheet;
use super::workbook::Workbook;
use super::{Format, cfb, edge_list, limits, matrix, text, torch};
use crate::{Error, Result, neurons};

/// What a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A chemical synapse (in functional atlases: a response), from `pre` to `post`.
    Chemical,
    /// A gap junction; both directions mean the same.
    Gap,
    /// Listed in the file but no connection of the graph: a mirrored row, a muscle's total, a receptor, a response
    /// that is not significant.
    Other,
}

/// One row of an edge list, or one entry of a matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connection {
    /// Index of the first neuron in [`RawConnectome::names`].
    pub pre: u32,
    /// Index of the second neuron.
    pub post: u32,
    /// What it is.
    pub kind: Kind,
    /// Index of the file's own word for it in [`RawConnectome::labels`].
    pub label: u16,
    /// Weight as it stands; NaN for a blank.
    pub weight: f64,
    /// Row of the file or sheet, from 1; 0 where the file has none.
    pub row: u32,
}

/// The size of a matrix that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixSize {
    /// The sheet.
    pub sheet: String,
    /// Labelled rows.
    pub rows: usize,
    /// Labelled columns.
    pub columns: usize,
}

/// Counts of a file as it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RawCounts {
    /// Rows of edge lists, entries other than zero of matrices.
    pub rows: usize,
    /// Names that take part.
    pub nodes: usize,
    /// Chemical rows.
    pub chemical_rows: usize,
    /// Sum of their weights.
    pub chemical_sum: f64,
    /// Gap rows.
    pub gap_rows: usize,
    /// Sum of their weights.
    pub gap_sum: f64,
}

/// Counts of one type of connection, under the file's own word for it.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeCounts {
    /// The word.
    pub label: String,
    /// How it is understood.
    pub kind: Kind,
    /// Rows.
    pub rows: usize,
    /// Sum of the weights.
    pub sum: f64,
    /// Names that take part.
    pub nodes: usize,
    /// Rows from a neuron to itself.
    pub self_loops: usize,
    /// Largest weight.
    pub max: f64,
}

/// A name that is not one of the 300 neurons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The name as it stands.
    pub name: String,
    /// Connections that name it.
    pub count: usize,
}

/// How raw rows become the merged graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merge {
    /// Zero padding is removed from names (`VB01` is `VB1`), and connections of the two types `S` and `Sp` add up.
    #[default]
    Standard,
    /// As `worm-graph` does it: names must stand in the list as they are, and of the NeuronConnect tables only `Sp`
    /// counts.
    WormGraph,
}

/// What to read of a file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The layout; found out from the contents when absent.
    pub format: Option<Format>,
    /// The sheet of a workbook: its name, or a part of it that only one sheet has.
    pub sheet: Option<String>,
}

/// A connectome file as it stands.
#[derive(Debug, Clone)]
pub struct RawConnectome {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) names: Vec<String>,
    pub(super) labels: Vec<(String, Kind)>,
    pub(super) connections: Vec<Connection>,
    pub(super) matrices: Vec<MatrixSize>,
}

impl RawConnectome {
    /// Reads a file in any of the layouts of [`Format`].
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`] (not a connectome, cut short, no such sheet or column), [`Error::Cell`] (row,
    /// column and reason), [`Error::Limit`] for a file that unfolds beyond [`super::EXPANSION`] times its size.
    pub fn read(path: &Path, options: &ReadOptions) -> Result<Self> {
        let bytes = limits::read(path)?;
        Self::from_bytes(path, bytes, options)
    }

    /// The same from bytes; `path` is for messages and for what only a file's name tells.
    ///
    /// # Errors
    /// Those of [`RawConnectome::read`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>, options: &ReadOptions) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::format(path, "row 1: the file is empty"));
        }
        let raw = if bytes.starts_with(b"PK") {
            match options.format {
                Some(Format::GraphTensors) => super::GraphTensors::from_bytes(path, &bytes)?.to_raw(path)?,
                None if torch::is_torch(path, &bytes)? => {
                    super::GraphTensors::from_bytes(path, &bytes)?.to_raw(path)?
                }
                _ => from_workbook(path, Workbook::xlsx(path, bytes)?, options)?,
            }
        } else if cfb::is_compound(&bytes) {
            from_workbook(path, Workbook::xls(path, &bytes)?, options)?
        } else if path.extension().is_some_and(|e| e == "xlsx" || e == "xls" || e == "pt") {
            return Err(Error::format(path, "byte 1: the file does not begin as its name says"));
        } else {
            from_text(path, &text::read(path, &bytes)?, options)?
        };
        raw.of_a_worm()?;
        Ok(raw)
    }

    /// The file's name without extension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The layout it has.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Every name, in the order of appearance.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The file's words for types of connection, and how each is understood.
    #[must_use]
    pub fn labels(&self) -> &[(String, Kind)] {
        &self.labels
    }

    /// Every connection, in the order of the file.
    #[must_use]
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The matrices that were read; empty for edge lists.
    #[must_use]
    pub fn matrices(&self) -> &[MatrixSize] {
        &self.matrices
    }

    /// Counts of the file as it stands.
    #[must_use]
    pub fn counts(&self) -> RawCounts {
        let mut counts = RawCounts { rows: self.connections.len(), ..RawCounts::default() };
        let mut seen = vec![false; self.names.len()];
        for c in &self.connections {
            seen[c.pre as usize] = true;
            seen[c.post as usize] = true;
            let weight = if c.weight.is_nan() { 0.0 } else { c.weight };
            match c.kind {
                Kind::Chemical => {
                    counts.chemical_rows += 1;
                    counts.chemical_sum += weight;
                }
                Kind::Gap => {
                    counts.gap_rows += 1;
                    counts.gap_sum += weight;
                }
                Kind::Other => {}
            }
        }
        counts.nodes = seen.iter().filter(|s| **s).count();
        counts
    }

    /// Counts of every type under the file's own words, in the order of appearance.
    #[must_use]
    pub fn types(&self) -> Vec<TypeCounts> {
        let one = |(index, (label, kind)): (usize, &(String, Kind))| {
            let mut seen = vec![false; self.names.len()];
            let mut counts = TypeCounts {
                label: label.clone(),
                kind: *kind,
                rows: 0,
                sum: 0.0,
                nodes: 0,
                self_loops: 0,
                max: 0.0,
            };
            for c in self.connections.iter().filter(|c| usize::from(c.label) == index) {
                seen[c.pre as usize] = true;
                seen[c.post as usize] = true;
                counts.rows += 1;
                counts.self_loops += usize::from(c.pre == c.post);
                if !c.weight.is_nan() {
                    counts.sum += c.weight;
                    counts.max = counts.max.max(c.weight);
                }
            }
            counts.nodes = seen.iter().filter(|s| **s).count();
            counts
        };
        self.labels.iter().enumerate().map(one).collect()
    }

    /// The graph on the 300 labels. Rows that name another cell, blanks and zeros are skipped. Gap junctions: the mean
    /// of all entries of an unordered pair, in both directions, a self-loop once. Chemical: of two rows of one type
    /// and one ordered pair the first counts; they are not added.
    #[must_use]
    pub fn merge(&self, rule: Merge) -> Connectome {
        merged::merge(self, rule)
    }

    /// Refuses a table none of whose names is a neuron of the worm.
    fn of_a_worm(&self) -> Result<()> {
        let Some(first) = self.connections.first() else {
            return Err(Error::format(&self.path, "row 2: the table has no connection"));
        };
        if self.names.iter().any(|n| slot_of(n, Merge::Standard).is_some()) {
            return Ok(());
        }
        let name = super::sheet::shorten(&self.names[first.pre as usize]);
        let reason =
            format!("none of the {} names is a neuron of C. elegans, for example {name}", self.names.len());
        let row = (first.row as usize).max(1);
        Err(Error::Cell { path: self.path.clone(), row, column: "presynaptic neuron".to_owned(), reason })
    }
}

/// The slot of a raw name. `Standard` removes the zeros that pad a number: all of them, unless the name ends with one.
pub(crate) fn slot_of(name: &str, rule: Merge) -> Option<usize> {
    neurons::slot(name).or_else(|| match rule {
        Merge::Standard if name.contains('0') && !name.ends_with('0') => {
            neurons::slot(&name.replace('0', ""))
        }
        _ => None,
    })
}

/// More words for types than any published table has.
const MAX_LABELS: usize = 64;

/// Collects connections while a file is read.
pub(crate) struct Builder<'a> {
    path: &'a Path,
    index: HashMap<String, u32>,
    words: HashMap<String, u16>,
    raw: RawConnectome,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(path: &'a Path, format: Format) -> Self {
        let name = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let raw = RawConnectome {
            name,
            path: path.to_owned(),
            format,
            names: Vec::new(),
            labels: Vec::new(),
            connections: Vec::new(),
            matrices: Vec::new(),
        };
        Self { path, index: HashMap::new(), words: HashMap::new(), raw }
    }

    pub(crate) fn path(&self) -> &'a Path {
        self.path
    }

    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        let index = self.raw.names.len() as u32;
        self.raw.names.push(name.to_owned());
        self.index.insert(name.to_owned(), index);
        index
    }

    /// The index of a word for a type; few are expected.
    pub(crate) fn label(&mut self, word: &str, kind: Kind) -> Result<u16> {
        if let Some(index) = self.words.get(word) {
            return Ok(*index);
        }
        if self.raw.labels.len() >= MAX_LABELS {
            let reason = format!("more than {MAX_LABELS} types of connection: not a connectome");
            return Err(Error::format(self.path, reason));
        }
        let index = self.raw.labels.len() as u16;
        self.raw.labels.push((word.to_owned(), kind));
        self.words.insert(word.to_owned(), index);
        Ok(index)
    }

    pub(crate) fn push(&mut self, pre: u32, post: u32, label: u16, weight: f64, row: usize) {
        let kind = self.raw.labels[usize::from(label)].1;
        self.raw.connections.push(Connection { pre, post, kind, label, weight, row: row as u32 });
    }

    pub(crate) fn matrix(&mut self, sheet: &str, rows: usize, columns: usize) {
        self.raw.matrices.push(MatrixSize { sheet: sheet.to_owned(), rows, columns });
    }

    pub(crate) fn finish(self) -> RawConnectome {
        self.raw
    }
}

fn from_text(path: &Path, sheet: &Sheet, options: &ReadOptions) -> Result<RawConnectome> {
    match options.format {
        Some(Format::Matrix) => matrix::read(path, sheet),
        Some(Format::Cook2019) => match matrix::is_flat(sheet) {
            true => edge_list::read(path, sheet, Some(Format::Csv)),
            false => matrix::read_cook(path, std::slice::from_ref(sheet)),
        },
        Some(f @ (Format::GraphTensors | Format::Randi2023)) => {
            Err(Error::format(path, format!("byte 1: text, where format {f} is a binary file")))
        }
        None if !edge_list::is_edge_list(sheet) && matrix::is_matrix(sheet) => matrix::read(path, sheet),
        format => edge_list::read(path, sheet, format),
    }
}

fn from_workbook(path: &Path, mut book: Workbook, options: &ReadOptions) -> Result<RawConnectome> {
    let names = book.names();
    let chosen = match &options.sheet {
        Some(wanted) => Some(find_sheet(path, &names, wanted)?),
        None => None,
    };
    let format = match options.format {
        None if chosen
            .as_deref()
            .map_or_else(|| names.iter().any(|n| cook_kind(n).is_some()), |n| cook_kind(n).is_some()) =>
        {
            Some(Format::Cook2019)
        }
        format => format,
    };
    match format {
        Some(Format::Cook2019) => {
            let wanted = match chosen {
                Some(name) => vec![name],
                None => hermaphrodite(path, &names)?,
            };
            let sheets = wanted.iter().map(|n| book.sheet(path, n)).collect::<Result<Vec<_>>>()?;
            matrix::read_cook(path, &sheets)
        }
        Some(Format::Randi2023) => {
            if names.len() < 2 {
                return Err(Error::format(path, "no second sheet: the q values are missing"));
            }
            let (weights, q) = (book.sheet(path, &names[0])?, book.sheet(path, &names[1])?);
            matrix::read_functional(path, &weights, &q)
        }
        Some(Format::GraphTensors) => Err(Error::format(path, "a workbook, not a torch file")),
        Some(Format::Matrix) => {
            let name = chosen.or_else(|| names.first().cloned());
            let name = name.ok_or_else(|| Error::format(path, "the workbook has no sheet"))?;
            matrix::read(path, &book.sheet(path, &name)?)
        }
        format => {
            // The sheet whose header fits; without one the first sheet's error says what is missing.
            let candidates = chosen.map_or(names, |n| vec![n]);
            let mut first = None;
            for name in &candidates {
                let sheet = book.sheet(path, name)?;
                if edge_list::fits(&sheet, format) {
                    return edge_list::read(path, &sheet, format);
                }
                if format.is_none() && matrix::is_matrix(&sheet) {
                    if candidates.len() == 2 && *name == candidates[0] {
                        let q = book.sheet(path, &candidates[1])?;
                        if matrix::is_matrix(&q) {
                            return matrix::read_functional(path, &sheet, &q);
                        }
                    }
                    return matrix::read(path, &sheet);
                }
                first = first.or(Some(sheet));
            }
            match first {
                Some(sheet) => edge_list::read(path, &sheet, format),
                None => Err(Error::format(path, "the workbook has no sheet")),
            }
        }
    }
}

fn find_sheet(path: &Path, names: &[String], wanted: &str) -> Result<String> {
    if let Some(name) = names.iter().find(|n| *n == wanted) {
        return Ok(name.clone());
    }
    let low = wanted.to_lowercase();
    let found: Vec<&String> = names.iter().filter(|n| n.to_lowercase().contains(&low)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Error::format(path, format!("no sheet {wanted:?}; the workbook has {}", names.join(", ")))),
        _ => {
            Err(Error::format(path, format!("{} sheets match {wanted:?}: {}", found.len(), names.join(", "))))
        }
    }
}

/// What a sheet of adjacency matrices holds, by its name.
pub(crate) fn cook_kind(name: &str) -> Option<Kind> {
    let name = name.to_lowercase();
    if name.contains("chemical") {
        Some(Kind::Chemical)
    } else if name.contains("gap j") || name.contains("electrical") {
        Some(Kind::Gap)
    } else {
        None
    }
}

/// The hermaphrodite's chemical sheet and her symmetric gap sheet, as far as the workbook has them.
fn hermaphrodite(path: &Path, names: &[String]) -> Result<Vec<String>> {
    let of = |kind: Kind, symmetric: bool| {
        names
            .iter()
            .filter(|n| cook_kind(n) == Some(kind))
            .filter(|n| {
                let low = n.to_lowercase();
                !(low.starts_with("male") || symmetric && low.contains("asym"))
            })
            .max_by_key(|n| n.to_lowercase().contains("herm"))
            .cloned()
    };
    let found: Vec<String> = of(Kind::Chemical, false).into_iter().chain(of(Kind::Gap, true)).collect();
    if found.is_empty() {
        let reason = format!("no sheet for the hermaphrodite; choose one of {}", names.join(", "));
        return Err(Error::format(path, reason));
    }
    Ok(found)
}
