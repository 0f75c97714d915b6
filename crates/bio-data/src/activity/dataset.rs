//! Many homogenised recordings.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2};

use super::parquet_part::Part;
use super::{Columns, Layout, WormReader, WormRecording, value, write_parquet};
use crate::Result;

/// Homogenised recordings in memory, in the order of their files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActivityDataset {
    worms: Vec<WormRecording>,
}

impl ActivityDataset {
    /// Of these recordings.
    ///
    /// # Errors
    /// [`crate::Error::Value`] when two have the same source and worm, and what [`WormRecording::validate`] refuses.
    pub fn new(worms: Vec<WormRecording>) -> Result<Self> {
        let mut seen = BTreeMap::new();
        for worm in &worms {
            worm.validate()?;
            if seen.insert((&worm.source, &worm.worm), ()).is_some() {
                return Err(value("recording", format!("{} {}", worm.source, worm.worm), "given once"));
            }
        }
        Ok(Self { worms })
    }

    /// Reads every recording of a Parquet file in either published layout; a worm's rows need not be together.
    ///
    /// # Errors
    /// Those of [`WormReader`].
    pub fn from_parquet(path: &Path) -> Result<Self> {
        Self::from_parquet_columns(path, Columns::All)
    }

    /// [`ActivityDataset::from_parquet`] of some of the traces.
    ///
    /// # Errors
    /// Those of [`WormReader`].
    pub fn from_parquet_columns(path: &Path, columns: Columns) -> Result<Self> {
        let mut reader = WormReader::open(path, columns)?;
        let mut parts: Vec<Part> = Vec::new();
        let mut index = BTreeMap::new();
        while let Some(part) = reader.next_part() {
            let part = part?;
            match index.get(&part.key()) {
                None => {
                    index.insert(part.key(), parts.len());
                    parts.push(part);
                }
                Some(i) => {
                    let first: &mut Part = &mut parts[*i];
                    first.absorb(part, path)?;
                }
            }
        }
        let worms = parts.into_iter().map(|p| p.finish(path)).collect::<Result<_>>()?;
        Ok(Self { worms })
    }

    /// Writes every recording to one Parquet file.
    ///
    /// # Errors
    /// Those of [`write_parquet`].
    pub fn write_parquet(&self, path: &Path, layout: Layout) -> Result<()> {
        write_parquet(path, &self.worms.iter().collect::<Vec<_>>(), layout)
    }

    /// The recordings, in the file's order.
    #[must_use]
    pub fn worms(&self) -> &[WormRecording] {
        &self.worms
    }

    /// One recording.
    #[must_use]
    pub fn recording(&self, source: &str, worm: &str) -> Option<&WormRecording> {
        self.worms.iter().find(|w| w.source == source && w.worm == worm)
    }

    /// The matrix `[samples, 300]` of one recording and which columns hold a neuron ([`WormRecording::slotted`]).
    ///
    /// # Errors
    /// [`crate::Error::Value`] when there is no such recording.
    pub fn worm(&self, source: &str, worm: &str) -> Result<(Array2<f32>, Array1<bool>)> {
        self.recording(source, worm).map(WormRecording::slotted).ok_or_else(|| {
            let known: Vec<String> =
                self.worms.iter().take(20).map(|w| format!("{} {}", w.source, w.worm)).collect();
            value("recording", format!("{source} {worm}"), format!("one of {}", known.join(", ")))
        })
    }
}
