//! A matrix of `[samples, units]`, whatever order its file has.

use std::path::Path;

use ndarray::{Array2, Ix2, Ix3};

use super::ArrayFile;
use crate::{Error, Result};

/// Reads a matrix as `[samples, units]` and says what looked odd.
///
/// `axes` is the file's order: `time,units` (default), `units,time`, or `trials,units,time`, whose trials follow one
/// another in time. A matrix with over four times more columns than rows is accepted with a warning.
///
/// # Errors
/// Those of [`ArrayFile::open`] and [`ArrayFile::pick`]; [`Error::Value`] for an unknown order; [`Error::Shape`].
pub fn read_matrix(path: &Path, key: Option<&str>, axes: Option<&str>) -> Result<(Array2<f64>, Vec<String>)> {
    let file = ArrayFile::open(path)?;
    let (name, array) = file.pick(key)?;
    let shape = |expected: &str| Error::Shape {
        what: format!("{}: {name}", path.display()),
        found: format!("{:?}", array.shape()),
        expected: expected.to_owned(),
    };
    let values = array.to_f64()?;
    let matrix = match axes {
        None | Some("time,units" | "samples,units") => {
            values.into_dimensionality::<Ix2>().map_err(|_| shape("[samples, units]"))?
        }
        Some("units,time" | "units,samples") => values
            .into_dimensionality::<Ix2>()
            .map_err(|_| shape("[units, samples]"))?
            .reversed_axes()
            .as_standard_layout()
            .into_owned(),
        Some("trials,units,time") => {
            let cube = values.into_dimensionality::<Ix3>().map_err(|_| shape("[trials, units, time]"))?;
            let (trials, units, time) = cube.dim();
            let ordered = cube.permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
            ordered
                .into_shape_with_order((trials * time, units))
                .map_err(|_| shape("[trials, units, time]"))?
        }
        Some(other) => {
            return Err(Error::value("axes", other, "time,units, units,time or trials,units,time"));
        }
    };
    let (rows, columns) = matrix.dim();
    let mut warnings = Vec::new();
    if axes.is_none() && columns > 4 * rows {
        warnings.push(format!(
            "{}: {name} has {rows} rows and {columns} columns; rows are taken as samples (--axes units,time otherwise)",
            path.display()
        ));
    }
    Ok((matrix, warnings))
}
