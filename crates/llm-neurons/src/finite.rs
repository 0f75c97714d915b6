//! Matrices without NaN and infinities.

use ndarray::ArrayView2;
use numerics::finite::first_nonfinite;

use crate::{Error, Result};

/// Refuses NaN and infinities, naming the first.
pub(crate) fn finite(what: &'static str, a: &ArrayView2<'_, f64>) -> Result<()> {
    match first_nonfinite(a) {
        None => Ok(()),
        Some(((row, column), value)) => Err(Error::NotFinite { what, row, column, value }),
    }
}
