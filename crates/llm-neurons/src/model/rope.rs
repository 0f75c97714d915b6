//! Rotary positions: pairs of units `(i, i + dims / 2)` of a head turn by `position * frequency_i`.

use burn::tensor::{Device, FloatDType, Tensor};
use ndarray::Array4;
use tensor_backend::bridge;

use super::config::{LmConfig, Position, RopeScaling};
use crate::{Error, Result};

/// The frequencies of a configuration, one per pair of units, in radians per token.
///
/// `base^(-2i / dims)`; with Llama 3's rescaling, wavelengths `2 pi / f` above `original / low` are lengthened by the
/// factor, those below `original / high` are kept, and between the two frequencies are mixed linearly.
pub(crate) fn frequencies(config: &LmConfig) -> Vec<f64> {
    let Position::Rotary { dims, base, scaling } = config.position else { return Vec::new() };
    (0..dims / 2)
        .map(|i| {
            let f = base.powf(-2.0 * i as f64 / dims as f64);
            match scaling {
                None => f,
                Some(RopeScaling::Linear(factor)) => f / factor,
                Some(RopeScaling::Llama3 { factor, low, high, original }) => {
                    let wavelength = std::f64::consts::TAU / f;
                    if wavelength > original / low {
                        f / factor
                    } else if wavelength < original / high {
                        f
                    } else {
                        let kept = (original / wavelength - low) / (high - low);
                        (1.0 - kept) * f / factor + kept * f
                    }
                }
            }
        })
        .collect()
}

/// Cosines and sines of the tokens of one forward call, `[batch or 1, 1, time, dims / 2]`.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    cos: Tensor<4>,
    sin: Tensor<4>,
    half: usize,
}

impl Rotation {
    /// The rotation of tokens at `positions`, one row a sequence, or one row for all.
    pub(crate) fn new(
        frequencies: &[f64],
        positions: &ndarray::Array2<usize>,
        dtype: FloatDType,
        device: &Device,
    ) -> Result<Self> {
        let (batch, time) = positions.dim();
        let half = frequencies.len();
        let angle = |b: usize, t: usize, i: usize| positions[[b, t]] as f64 * frequencies[i];
        let table = |of: fn(f64) -> f64| -> Result<Tensor<4>> {
            let host = Array4::from_shape_fn((batch, 1, time, half), |(b, _, t, i)| of(angle(b, t, i)));
            bridge::float_tensor(host.view(), dtype, device).map_err(Error::from_tensor)
        };
        Ok(Self { cos: table(f64::cos)?, sin: table(f64::sin)?, half })
    }

    /// The same, to meet tensors that record gradients.
    pub(crate) fn recorded(self) -> Self {
        Self { cos: self.cos.autodiff(), sin: self.sin.autodiff(), half: self.half }
    }

    /// Turns `[batch, heads, time, head_dim]`.
    pub(crate) fn turn(&self, x: Tensor<4>) -> Tensor<4> {
        let width = x.dims()[3];
        let first = x.clone().narrow(3, 0, self.half);
        let second = x.clone().narrow(3, self.half, self.half);
        let turned = vec![
            first.clone() * self.cos.clone() - second.clone() * self.sin.clone(),
            second * self.cos.clone() + first * self.sin.clone(),
        ];
        let rest = width - 2 * self.half;
        match rest {
            0 => Tensor::cat(turned, 3),
            _ => {
                let mut parts = turned;
                parts.push(x.narrow(3, 2 * self.half, rest));
                Tensor::cat(parts, 3)
            }
        }
    }
}
