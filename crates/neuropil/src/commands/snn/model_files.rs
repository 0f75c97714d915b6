//! What the verbs of models read, and how they fail.

use std::path::Path;

use ndarray::{Array2, Axis};
use recordings::arrays::ArrayFile;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, Result, file_failure_at};

/// A failure of the library.
pub(super) fn failure(error: snn::Error) -> Failure {
    match &error {
        snn::Error::File { path, message } => {
            let kind = if path.exists() { "format" } else { "io" };
            Failure::new(kind, message).at(path)
        }
        snn::Error::Unsupported { .. } => Failure::new("unsupported", error),
        _ => Failure::input(error),
    }
}

/// A failure of the library about what this file holds.
pub(super) fn failure_at(path: &Path) -> impl Fn(snn::Error) -> Failure + '_ {
    move |error| failure(error).or_at(path)
}

/// Refuses a place where no file can be written, before the work.
pub(super) fn check_out(flag: &str, path: &Path) -> Result<()> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || !folder.is_dir() {
        let what = if path.is_dir() { "is a folder" } else { "its folder does not exist" };
        return Err(Failure::new("io", format!("{flag}: {what}")).at(path));
    }
    Ok(())
}

/// A matrix whose rows are patterns; one row may be a vector.
pub(super) fn read_rows(path: &Path, key: Option<&str>) -> Result<Array2<f64>> {
    let file = ArrayFile::open(path).map_err(file_failure_at(path))?;
    let (_, array) = file.pick(key).map_err(file_failure_at(path))?;
    let values = array.to_f64().map_err(file_failure_at(path))?;
    let shape = format!("{:?}", values.shape());
    let values = if values.ndim() == 1 { values.insert_axis(Axis(0)) } else { values };
    values
        .into_dimensionality()
        .map_err(|_| Failure::input(format!("expected [patterns, inputs], found {shape}")).at(path))
}

/// A JSON file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::new("io", e).at(path))?;
    serde_json::from_str(&text).map_err(|e| Failure::new("format", e).at(path))
}
