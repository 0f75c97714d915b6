//! Numbers in HDF5 files, read in pure Rust.

use std::path::{Path, PathBuf};

use hdf5_pure::{File, Group};
use ndarray::{ArrayD, IxDyn};

use super::guard::guard;
use crate::{Error, Result};

/// A dataset may hold at most this many times the file's bytes: what the strongest filter (deflate) can expand to.
pub const EXPANSION: u64 = 1100;

/// Groups nested deeper than this are not listed.
const DEPTH: usize = 32;

/// An open HDF5 file.
#[derive(Debug)]
pub struct Hdf5 {
    file: File,
    length: u64,
    path: PathBuf,
}

impl Hdf5 {
    /// Opens a file; datasets are read when asked for.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] when it is not an HDF5 file or is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let length = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        let file = guard(path, "HDF5", || File::open_streaming(path).map_err(|e| failed(path, "", e)))?;
        Ok(Self { file, length, path: path.to_owned() })
    }

    /// Full names (`group/dataset`) of every dataset.
    ///
    /// # Errors
    /// [`Error::Format`] when a group is damaged.
    pub fn keys(&self) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        guard(&self.path, "HDF5", || self.list(&self.file.root(), "", 0, &mut keys))?;
        Ok(keys)
    }

    /// A dataset of numbers as `f64`, its axes in the file's (row-major) order.
    ///
    /// # Errors
    /// [`Error::Format`] when there is no such dataset, it does not hold numbers or is damaged; [`Error::Limit`] when
    /// it declares more than [`EXPANSION`] times the file's bytes (without filters: more than the file's bytes).
    pub fn read_f64(&self, key: &str) -> Result<ArrayD<f64>> {
        guard(&self.path, "HDF5", || {
            let fail = |e| failed(&self.path, key, e);
            let dataset = self.file.dataset(key).map_err(fail)?;
            let shape = dataset.shape().map_err(fail)?;
            let count = shape.iter().try_fold(1u64, |a, b| a.checked_mul(*b));
            let width = dataset.element_size().map_err(fail)?.max(1);
            let limit =
                if dataset.is_chunked() { self.length.saturating_mul(EXPANSION) } else { self.length };
            let declared = count.and_then(|c| c.checked_mul(width)).unwrap_or(u64::MAX);
            if declared > limit {
                let (path, what) = (self.path.clone(), format!("dataset {key}"));
                return Err(Error::Limit { path, what, declared, limit });
            }
            let values = dataset.read_f64().map_err(fail)?;
            let axes: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
            let found = values.len();
            ArrayD::from_shape_vec(IxDyn(&axes), values)
                .map_err(|_| Error::format(&self.path, format!("{key}: shape {shape:?} but {found} values")))
        })
    }

    fn list(&self, group: &Group, prefix: &str, depth: usize, keys: &mut Vec<String>) -> Result<()> {
        let fail = |e| failed(&self.path, prefix, e);
        let join = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        keys.extend(group.datasets().map_err(fail)?.iter().map(|n| join(n)));
        // A hard link may lead back to a group above; the depth ends such a walk.
        if depth < DEPTH && keys.len() < 100_000 {
            for name in group.groups().map_err(fail)? {
                let inner = group.group(&name).map_err(fail)?;
                self.list(&inner, &join(&name), depth + 1, keys)?;
            }
        }
        Ok(())
    }
}

fn failed(path: &Path, key: &str, error: hdf5_pure::Error) -> Error {
    let place = if key.is_empty() { String::new() } else { format!("{key}: ") };
    Error::format(path, format!("{place}{error}"))
}
