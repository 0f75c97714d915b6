//! Stage III: what is added to the residual stream.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::layer::LayerSteer;
use super::neurons::finite;
use crate::{Error, Result};

/// Added to the length of a residual before it is divided by it (the published code).
pub(super) const UNIT_EPSILON: f64 = 1e-6;

/// How strengths are meant and what is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scale {
    /// The edit is multiplied with the layer's mean residual norm, so that a strength means the same in every model;
    /// residuals of unit length are encoded, as in training.
    #[default]
    Relative,
    /// The edit is added as it is; residuals of unit length are encoded.
    Absolute,
    /// As the published code: absolute, raw residuals are encoded, and the codes of the first row stand for all rows of a
    /// batch.
    OfficialQuirks,
}

impl Scale {
    /// What an edit is multiplied with.
    pub(super) fn factor(self, mean_norm: f64) -> Result<f64> {
        match self {
            Self::Relative if mean_norm.is_finite() && mean_norm > 0.0 => Ok(mean_norm),
            Self::Relative => {
                Err(Error::Parameter { name: "mean_norm", value: mean_norm, expected: "a positive number" })
            }
            _ => Ok(1.0),
        }
    }
}

/// How strongly a language is pushed towards and English held back.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strength {
    /// Along the target direction.
    pub lambda: f64,
    /// Against the English attractor.
    pub beta: f64,
}

impl Strength {
    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_off(self) -> bool {
        self.lambda == 0.0 && self.beta == 0.0
    }

    /// Both are numbers.
    pub(super) fn check(self) -> Result<()> {
        for (name, value) in [("lambda", self.lambda), ("beta", self.beta)] {
            if !value.is_finite() {
                return Err(Error::Parameter { name, value, expected: "finite" });
            }
        }
        Ok(())
    }
}

/// Rows `[n, D]` divided by their length (plus 1e-6): what the autoencoders of this method are trained on and encode.
#[must_use]
pub fn unit_rows(rows: &ArrayView2<'_, f64>) -> Array2<f64> {
    let lengths = rows.map_axis(Axis(1), |row| row.dot(&row).sqrt() + UNIT_EPSILON);
    rows / &lengths.insert_axis(Axis(1))
}

impl LayerSteer {
    /// The rows `[n, D]` of `ResidPost(layer)` after the edit, in double precision: the oracle of
    /// [`SteerTensor`](super::SteerTensor). Rows are the last positions of a batch; at strength zero they come back bit for
    /// bit.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows of another width, [`Error::NotFinite`], [`Error::Parameter`] for a strength that is not
    /// finite.
    pub fn apply(&self, rows: &ArrayView2<'_, f64>, strength: Strength, scale: Scale) -> Result<Array2<f64>> {
        let width = self.weights.config.inputs;
        if rows.ncols() != width {
            return Err(Error::Shape {
                what: "residual rows",
                expected: format!("{width} columns"),
                found: rows.ncols().to_string(),
            });
        }
        finite("residual rows", rows)?;
        strength.check()?;
        if strength.is_off() || rows.nrows() == 0 {
            return Ok(rows.to_owned());
        }
        let factor = scale.factor(self.mean_norm)?;
        let codes = match scale {
            Scale::OfficialQuirks => self.weights.encode(rows)?,
            _ => self.weights.encode(&unit_rows(rows).view())?,
        };
        let mut pull = codes.dot(&self.mu_english);
        if scale == Scale::OfficialQuirks {
            let first = pull[0];
            pull.fill(first);
        }
        let (towards, away) = self.directions();
        let mut out = rows.to_owned();
        for (mut row, pull) in out.outer_iter_mut().zip(&pull) {
            row.scaled_add(factor * strength.lambda, &towards);
            row.scaled_add(-factor * strength.beta * pull, &away);
        }
        Ok(out)
    }

    /// `mu_tgt W_dec` and `(P mu_en) W_dec`, both of the language neurons alone, `[D]`.
    pub(super) fn directions(&self) -> (Array1<f64>, Array1<f64>) {
        let decoder = self.weights.directions();
        let decode = |vector: &Array1<f64>| {
            let mut sum = Array1::zeros(decoder.ncols());
            for &j in &self.features {
                sum.scaled_add(vector[j], &decoder.row(j));
            }
            sum
        };
        (decode(&self.mu_target), decode(&self.english_pull()))
    }
}
