//! Files that hold an RDM.

use std::path::Path;

use ndarray::{ArrayView1, arr1};
use recordings::arrays::{Array, ArrayFile, Npz};

use crate::rdm::stimuli_of;
use crate::{Rdm, Result};

/// An npz with `rdm` (condensed, row-major upper triangle), `n`, `metric` and, where stimuli have names, `labels`; after
/// a transform also `transforms`.
#[derive(Debug, Clone, PartialEq)]
pub struct RdmFile {
    /// Condensed dissimilarities; geodesic ones can be infinite.
    pub condensed: Vec<f64>,
    /// How the dissimilarities of the patterns were measured, whatever became of them since.
    pub metric: Option<String>,
    /// What became of them since, one line a step, the first step first; empty: they are the dissimilarities themselves.
    pub transforms: Vec<String>,
    /// Names of the stimuli, in the order of the rows.
    pub labels: Option<Vec<String>>,
}

impl RdmFile {
    /// Reads the file; `n`, where it is there, and the labels must fit the RDM. Labels may be text or whole numbers.
    ///
    /// # Errors
    /// Those of [`ArrayFile::open`]; [`recordings::Error::Shape`] where the parts do not fit.
    pub fn read(path: &Path) -> recordings::Result<Self> {
        let file = ArrayFile::open(path)?;
        let condensed = file.read_f64_1("rdm")?.to_vec();
        let wrong = |what: &str, expected: String, found: String| recordings::Error::Shape {
            what: format!("{}: {what}", path.display()),
            found,
            expected,
        };
        let n = stimuli_of(condensed.len())
            .map_err(|e| wrong("rdm", e.to_string(), format!("{} values", condensed.len())))?;
        let has = |key: &str| file.keys().contains(&key);
        if has("n") {
            let said = file.get("n")?.to_i64()?;
            if said.iter().ne([n as i64].iter()) {
                return Err(wrong("n", n.to_string(), format!("{said}")));
            }
        }
        let metric = if has("metric") { file.read_text("metric")?.into_iter().next() } else { None };
        let transforms = if has("transforms") { file.read_text("transforms")? } else { Vec::new() };
        let labels = if has("labels") {
            let array = file.get("labels")?;
            let names: Vec<String> = match array {
                Array::Text(_) => array.to_text()?,
                _ => array.to_i64()?.iter().map(ToString::to_string).collect(),
            };
            if names.len() != n {
                return Err(wrong("labels", format!("{n}, one per stimulus"), names.len().to_string()));
            }
            Some(names)
        } else {
            None
        };
        Ok(Self { condensed, metric, transforms, labels })
    }

    /// Writes the file, under a temporary name first.
    ///
    /// # Errors
    /// [`recordings::Error::Shape`] for a vector that is no RDM or labels that do not fit, [`recordings::Error::Io`].
    pub fn write(&self, path: &Path) -> recordings::Result<()> {
        let wrong = |expected: String, found: usize| recordings::Error::Shape {
            what: format!("{}: RDM", path.display()),
            found: found.to_string(),
            expected,
        };
        let n = stimuli_of(self.condensed.len()).map_err(|e| wrong(e.to_string(), self.condensed.len()))?;
        let mut file = Npz::new()
            .f64("rdm", ArrayView1::from(&self.condensed).into_dyn())
            .i64("n", arr1(&[n as i64]).view().into_dyn());
        if let Some(metric) = &self.metric {
            file = file.text("metric", std::slice::from_ref(metric));
        }
        if !self.transforms.is_empty() {
            file = file.text("transforms", &self.transforms);
        }
        if let Some(labels) = &self.labels {
            if labels.len() != n {
                return Err(wrong(format!("{n} labels"), labels.len()));
            }
            file = file.text("labels", labels);
        }
        file.write(path)
    }

    /// The dissimilarities as an RDM.
    ///
    /// # Errors
    /// [`crate::Error::Value`] for NaN or infinities.
    pub fn rdm(&self) -> Result<Rdm> {
        Rdm::from_condensed(self.condensed.clone())
    }
}
