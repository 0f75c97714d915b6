//! Lists that a flag or a file gives.

use std::path::Path;

use recordings::arrays::{Array, ArrayFile};

use crate::failure::{Failure, Result, file_failure_at};

/// Names in one flag: comma separated, a text file with one a line, or an array file with one array.
pub(super) fn names(text: &str) -> Result<Vec<String>> {
    let path = Path::new(text);
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    if matches!(extension.as_deref(), Some("npy" | "npz" | "safetensors")) {
        let file = ArrayFile::open(path).map_err(file_failure_at(path))?;
        let (_, array) = file.pick(None).map_err(file_failure_at(path))?;
        return match array {
            Array::Text(_) => array.to_text().map_err(file_failure_at(path)),
            _ => {
                let values = array.to_i64().map_err(file_failure_at(path))?;
                Ok(values.iter().map(ToString::to_string).collect())
            }
        };
    }
    let read = if path.is_file() {
        std::fs::read_to_string(path).map_err(|e| Failure::new("io", e).at(path))?
    } else {
        text.to_owned()
    };
    Ok(read.split([',', '\n']).map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
}

/// [`names`] that are whole numbers.
pub(super) fn whole_numbers(text: &str) -> Result<Vec<i64>> {
    names(text)?
        .iter()
        .map(|s| s.parse().map_err(|_| Failure::input(format!("{s:?} is not a whole number"))))
        .collect()
}

/// Names as places in their sorted list, numbers sorted as numbers; and that list.
pub(super) fn encode(names: &[String]) -> (Vec<i64>, Vec<String>) {
    let mut distinct = names.to_vec();
    distinct.sort();
    distinct.dedup();
    if distinct.iter().all(|s| s.parse::<i64>().is_ok()) {
        distinct.sort_by_key(|s| s.parse::<i64>().unwrap_or_default());
    }
    let places: std::collections::BTreeMap<&String, i64> = distinct.iter().zip(0..).collect();
    (names.iter().map(|n| places[n]).collect(), distinct)
}
