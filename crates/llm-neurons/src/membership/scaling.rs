//! Features on the scale of the training documents.

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

pub(super) use crate::finite::finite;
use crate::{Error, Result};

/// `(x - min) / (max - min)` of each column, with the training documents' ends. A column that was constant is 0; other
/// documents may leave `[0, 1]` and are not clipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MinMax {
    low: Vec<f64>,
    high: Vec<f64>,
}

impl MinMax {
    /// The ends of each column of `[documents, features]`.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a document, [`Error::NotFinite`].
    pub fn fit(x: &ArrayView2<'_, f64>) -> Result<Self> {
        if x.nrows() == 0 {
            return Err(Error::TooFew { what: "documents", needed: 1, found: 0 });
        }
        finite("features", x)?;
        let end =
            |pick: fn(f64, f64) -> f64, from: f64| x.fold_axis(Axis(0), from, |a, b| pick(*a, *b)).to_vec();
        Ok(Self { low: end(f64::min, f64::INFINITY), high: end(f64::max, f64::NEG_INFINITY) })
    }

    /// The scaled matrix.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of columns, [`Error::NotFinite`].
    pub fn transform(&self, x: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        if x.ncols() != self.low.len() {
            return Err(Error::Shape {
                what: "features",
                expected: format!("{} columns", self.low.len()),
                found: x.ncols().to_string(),
            });
        }
        let mut scaled = x.to_owned();
        for ((mut column, low), high) in scaled.axis_iter_mut(Axis(1)).zip(&self.low).zip(&self.high) {
            // A constant column says nothing, whatever a new document has there.
            let span = high - low;
            column.mapv_inplace(|v| if span > 0.0 { (v - low) / span } else { 0.0 });
        }
        finite("scaled features", &scaled.view())?;
        Ok(scaled)
    }

    /// Number of columns.
    #[must_use]
    pub fn features(&self) -> usize {
        self.low.len()
    }

    /// Whether a file's ends could have been fitted.
    pub(super) fn validate(&self) -> Result<()> {
        let ordered = self.low.iter().zip(&self.high).all(|(l, h)| l <= h && l.is_finite() && h.is_finite());
        if self.low.len() == self.high.len() && ordered {
            return Ok(());
        }
        Err(Error::Mismatch {
            what: "ends of the features",
            expected: "finite, as many low as high, low first".to_owned(),
            found: format!("{} and {}", self.low.len(), self.high.len()),
        })
    }
}
