//! Stage III on a device.

use burn::tensor::{Device, FloatDType, Tensor, activation};
use ndarray::{Array1, Axis};
use probes::{SparseAutoencoder, Sparsity};
use tensor_backend::bridge;

use super::edit::{Scale, Strength, UNIT_EPSILON};
use super::layer::LayerSteer;
use super::plan::SteeringPlan;
use crate::{Error, Result};

/// The edit of one layer on a device. Only the codes that the English direction looks at are computed, and both
/// directions are decoded once: a call costs `D` times as many products a row as the direction has features, not `D F`.
#[derive(Debug, Clone)]
pub struct SteerTensor {
    layer: usize,
    encoder: Encoder,
    /// `mu_en` on the encoder's features, `[1, s]`.
    attractor: Tensor<2>,
    /// `mu_tgt W_dec` on the language neurons, `[1, D]`.
    towards: Tensor<2>,
    /// `(P mu_en) W_dec` on the language neurons, `[1, D]`.
    away: Tensor<2>,
    mean_norm: f64,
    width: usize,
    dtype: FloatDType,
}

/// Codes `[n, s]` of rows `[n, D]`.
#[derive(Debug, Clone)]
enum Encoder {
    /// Codes that do not depend on one another.
    Columns(Box<Columns>),
    /// TopK: all codes, since each must know the others.
    Whole(Box<SparseAutoencoder>),
    /// The English direction is zero.
    Nothing,
}

/// The columns of an encoder that are needed.
#[derive(Debug, Clone)]
struct Columns {
    /// `[D, s]`.
    weights: Tensor<2>,
    /// `[1, s]`.
    offsets: Tensor<2>,
    /// Pre-bias `[1, D]`.
    bias: Option<Tensor<2>>,
    threshold: Option<f64>,
}

impl SteerTensor {
    /// A layer's edit on a device, in `F32` or `F64`; rows of other float types are widened for it and narrowed after it.
    ///
    /// # Errors
    /// Those of [`LayerSteer::validate`]; [`Error::Tensor`] from the device.
    pub fn new(steer: &LayerSteer, dtype: FloatDType, device: &Device) -> Result<Self> {
        steer.validate()?;
        if !matches!(dtype, FloatDType::F32 | FloatDType::F64) {
            return Err(Error::Tensor { message: format!("steering in {dtype:?}: expected F32 or F64") });
        }
        let device = device.clone().without_autodiff();
        let row = |vector: &Array1<f64>| -> Result<Tensor<2>> {
            let row = vector.view().insert_axis(Axis(0));
            bridge::float_tensor(row, dtype, &device).map_err(Error::from_tensor)
        };
        let weights = &steer.weights;
        let looked_at: Vec<usize> =
            (0..weights.config.latents).filter(|j| steer.mu_english[*j] != 0.0).collect();
        let pick = |vector: &Array1<f64>| vector.select(Axis(0), &looked_at);
        let (encoder, attractor) = match weights.config.sparsity {
            _ if looked_at.is_empty() => (Encoder::Nothing, Array1::zeros(1)),
            Sparsity::TopK { .. } => {
                let whole = SparseAutoencoder::from_weights(weights, dtype, &device)?;
                (Encoder::Whole(Box::new(whole)), steer.mu_english.clone())
            }
            _ => {
                let columns = weights.encoder.select(Axis(1), &looked_at);
                let columns =
                    bridge::float_tensor(columns.view(), dtype, &device).map_err(Error::from_tensor)?;
                let columns = Columns {
                    weights: columns,
                    offsets: row(&pick(&weights.encoder_bias))?,
                    bias: weights.bias.as_ref().map(row).transpose()?,
                    threshold: weights.threshold,
                };
                (Encoder::Columns(Box::new(columns)), pick(&steer.mu_english))
            }
        };
        let (towards, away) = steer.directions();
        Ok(Self {
            layer: steer.layer,
            encoder,
            attractor: row(&attractor)?,
            towards: row(&towards)?,
            away: row(&away)?,
            mean_norm: steer.mean_norm,
            width: weights.config.inputs,
            dtype,
        })
    }

    /// The layer whose `ResidPost` it edits.
    #[must_use]
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The rows `[n, D]` (last positions of a batch) after the edit, in their number type. At strength zero they come back
    /// as they are, and nothing is computed.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows of another width, [`Error::Parameter`] for a strength that is not finite,
    /// [`Error::Probes`] from the autoencoder.
    pub fn apply(&self, rows: Tensor<2>, strength: Strength, scale: Scale) -> Result<Tensor<2>> {
        let [count, width] = rows.dims();
        if width != self.width || count == 0 {
            return Err(Error::Shape {
                what: "residual rows",
                expected: format!("[at least 1, {}]", self.width),
                found: format!("[{count}, {width}]"),
            });
        }
        strength.check()?;
        if strength.is_off() {
            return Ok(rows);
        }
        let factor = scale.factor(self.mean_norm)?;
        let original = rows.dtype();
        let rows = rows.cast(self.dtype);
        let mut change = self.towards.clone().mul_scalar(factor * strength.lambda);
        if strength.beta != 0.0
            && let Some(pull) = self.pull(&rows, scale)?
        {
            change = change - pull.mul_scalar(factor * strength.beta) * self.away.clone();
        }
        Ok((rows + change).cast(original))
    }

    /// `z . mu_en` of each row, `[n, 1]`.
    fn pull(&self, rows: &Tensor<2>, scale: Scale) -> Result<Option<Tensor<2>>> {
        let seen = match scale {
            // The first row's codes stand for all.
            Scale::OfficialQuirks => rows.clone().narrow(0, 0, 1),
            _ => {
                let length = rows.clone().square().sum_dim(1).sqrt().add_scalar(UNIT_EPSILON);
                rows.clone() / length
            }
        };
        let codes = match &self.encoder {
            Encoder::Nothing => return Ok(None),
            Encoder::Whole(autoencoder) => autoencoder.encode(seen)?,
            Encoder::Columns(columns) => {
                let seen = match &columns.bias {
                    Some(bias) => seen - bias.clone(),
                    None => seen,
                };
                let sums = seen.matmul(columns.weights.clone()) + columns.offsets.clone();
                let codes = activation::relu(sums);
                match columns.threshold {
                    Some(threshold) => {
                        let below = codes.clone().lower_elem(threshold);
                        codes.mask_fill(below, 0.0)
                    }
                    None => codes,
                }
            }
        };
        let pull = (codes * self.attractor.clone()).sum_dim(1);
        let [count, _] = rows.dims();
        Ok(Some(pull.expand([count, 1])))
    }
}

impl SteeringPlan {
    /// The edits of all layers on a device, in the plan's order.
    ///
    /// # Errors
    /// Those of [`SteerTensor::new`].
    pub fn on_device(&self, dtype: FloatDType, device: &Device) -> Result<Vec<SteerTensor>> {
        self.layers.iter().map(|layer| SteerTensor::new(layer, dtype, device)).collect()
    }
}
