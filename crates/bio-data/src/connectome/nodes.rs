//! Positions and types of neurons, from a table of the user's.

use std::path::Path;

use super::limits;
use super::raw::{Merge, slot_of};
use super::sheet::Cell;
use super::text;
use crate::neurons::LABELS;
use crate::{Error, Result};

/// Where a neuron is and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Position; NaN where it is not known. The unit is the file's.
    pub position: [f64; 3],
    /// Its type, for example `sensory`.
    pub kind: String,
}

/// Positions and types of the 300 neurons.
#[derive(Debug, Clone, PartialEq)]
pub struct Nodes(Vec<Node>);

impl Default for Nodes {
    /// Nothing known.
    fn default() -> Self {
        Self(vec![Node { position: [f64::NAN; 3], kind: "unknown".to_owned() }; LABELS.len()])
    }
}

impl Nodes {
    /// Reads a table with a column `neuron` (or `label`) and any of `x`, `y`, `z`, `type`; other columns and cells
    /// that are no neuron are passed over.
    ///
    /// # Errors
    /// [`Error::Format`] without that column or without any neuron, [`Error::Cell`] for a position that is no number.
    pub fn read(path: &Path) -> Result<Self> {
        let sheet = text::read(path, &limits::read(path)?)?;
        let mut rows = sheet.rows.iter();
        let header: Vec<(usize, String)> = rows
            .next()
            .map(|r| r.cells.iter().filter_map(|(at, c)| Some((*at, c.label()?.to_lowercase()))).collect())
            .unwrap_or_default();
        let find = |names: &[&str]| header.iter().find(|h| names.contains(&h.1.as_str())).map(|h| h.0);
        let Some(label) = find(&["neuron", "label", "name"]) else {
            return Err(Error::format(path, "row 1: no column \"neuron\""));
        };
        let axes = [find(&["x"]), find(&["y"]), find(&["z"])];
        let kind = find(&["type", "kind"]);
        let mut out = Self::default();
        let mut found = 0;
        for row in rows {
            let Some(slot) = row.label(label).and_then(|l| slot_of(&l, Merge::Standard)) else { continue };
            found += 1;
            for (axis, column) in axes.iter().enumerate() {
                let Some(column) = column else { continue };
                if let Some(x) =
                    row.get(*column).map(Cell::number).transpose().map_err(|found| Error::Cell {
                        path: path.to_owned(),
                        row: row.number,
                        column: ["x", "y", "z"][axis].to_owned(),
                        reason: format!("{found} is not a number"),
                    })?
                {
                    out.0[slot].position[axis] = x.unwrap_or(f64::NAN);
                }
            }
            if let Some(kind) = kind.and_then(|k| row.label(k)) {
                out.0[slot].kind = kind;
            }
        }
        if found == 0 {
            return Err(Error::format(path, "row 2: no row names a neuron of C. elegans"));
        }
        Ok(out)
    }

    /// The neuron of a slot; `None` beyond the 300.
    #[must_use]
    pub fn get(&self, slot: usize) -> Option<&Node> {
        self.0.get(slot)
    }
}
