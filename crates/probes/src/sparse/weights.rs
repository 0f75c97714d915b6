//! The weights of a sparse autoencoder on the host, in double precision: the oracle of the tensor form, and its files.

use std::path::Path;

use burn::tensor::{Device, FloatDType};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use numerics::finite::first_nonfinite;
use numerics::linalg::product;
use recordings::arrays::{ArrayFile, Tensors};
use serde::{Deserialize, Serialize};
use tensor_backend::bridge;

use super::config::{SparseAutoencoderConfig, Sparsity};
use super::parts::Parts;
use crate::{Error, Result};

/// What a file of weights says it is.
const FORMAT: &str = "neuropil.sparse-autoencoder/1";

/// Weights of a [`SparseAutoencoder`](crate::SparseAutoencoder) on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseWeights {
    /// `W_enc [D, F]`.
    pub encoder: Array2<f64>,
    /// `b_enc [F]`.
    pub encoder_bias: Array1<f64>,
    /// `W_dec [F, D]`; none when tied.
    pub decoder: Option<Array2<f64>>,
    /// Pre-bias `[D]`, if there is one.
    pub bias: Option<Array1<f64>>,
    /// BatchTopK alone: codes below it are zero after training.
    pub threshold: Option<f64>,
    /// What the autoencoder is.
    pub config: SparseAutoencoderConfig,
}

#[derive(Debug, Serialize, Deserialize)]
struct About {
    format: String,
    config: SparseAutoencoderConfig,
}

impl SparseWeights {
    /// Whether shapes, parts and values fit the configuration.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`], [`Error::Parameter`] with the field.
    pub fn validate(&self) -> Result<()> {
        self.config.validate()?;
        let (inputs, latents) = (self.config.inputs, self.config.latents);
        let shape = |what: &str, wanted: (usize, usize), found: (usize, usize)| match wanted == found {
            true => Ok(()),
            false => Err(Error::shape(what, format!("{wanted:?}"), found)),
        };
        shape("encoder", (inputs, latents), self.encoder.dim())?;
        shape("encoder bias", (1, latents), (1, self.encoder_bias.len()))?;
        let there = |what: &str, wanted: bool, found: bool| match wanted == found {
            true => Ok(()),
            false => Err(Error::shape(what, if wanted { "one" } else { "none" }, found)),
        };
        there("decoder", !self.config.tied, self.decoder.is_some())?;
        there("pre-bias", self.config.pre_bias, self.bias.is_some())?;
        let batch = matches!(self.config.sparsity, Sparsity::BatchTopK { .. });
        there("threshold", batch, self.threshold.is_some())?;
        if let Some(decoder) = &self.decoder {
            shape("decoder", (latents, inputs), decoder.dim())?;
            finite("decoder", &decoder.view())?;
        }
        if let Some(bias) = &self.bias {
            shape("pre-bias", (1, inputs), (1, bias.len()))?;
            finite("pre-bias", &bias.view().insert_axis(Axis(0)))?;
        }
        finite("encoder", &self.encoder.view())?;
        finite("encoder bias", &self.encoder_bias.view().insert_axis(Axis(0)))?;
        match self.threshold {
            Some(t) if !(t.is_finite() && t >= 0.0) => {
                Err(Error::parameter("threshold", t, "a number of zero or more"))
            }
            _ => Ok(()),
        }
    }

    /// Codes `[n, F]` of rows `[n, D]`, as [`SparseAutoencoder::encode`](crate::SparseAutoencoder::encode).
    ///
    /// # Errors
    /// [`Error::Shape`] for rows of another width, [`Error::NotFinite`].
    pub fn encode(&self, rows: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        self.width("rows", rows, self.config.inputs)?;
        let mut codes = match &self.bias {
            Some(bias) => product(&(rows - bias).view(), &self.encoder.view())?,
            None => product(rows, &self.encoder.view())?,
        };
        codes += &self.encoder_bias;
        codes.mapv_inplace(|v| v.max(0.0));
        match (self.config.sparsity, self.threshold) {
            (Sparsity::TopK { k }, _) if k < self.config.latents => {
                let mut sorted = vec![0.0; self.config.latents];
                for mut row in codes.outer_iter_mut() {
                    sorted.iter_mut().zip(&row).for_each(|(to, from)| *to = *from);
                    let (_, kth, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
                    let kth = *kth;
                    row.mapv_inplace(|v| if v >= kth { v } else { 0.0 });
                }
            }
            (Sparsity::BatchTopK { .. }, Some(t)) => codes.mapv_inplace(|v| if v >= t { v } else { 0.0 }),
            _ => {}
        }
        Ok(codes)
    }

    /// Rows `[n, D]` of codes `[n, F]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for codes of another width, [`Error::NotFinite`].
    pub fn decode(&self, codes: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        self.width("codes", codes, self.config.latents)?;
        let mut rows = match &self.decoder {
            Some(decoder) => product(codes, &decoder.view())?,
            None => product(codes, &self.encoder.t())?,
        };
        if let Some(bias) = &self.bias {
            rows += bias;
        }
        Ok(rows)
    }

    /// The decoder's directions `[F, D]`, tied or not.
    #[must_use]
    pub fn directions(&self) -> ArrayView2<'_, f64> {
        match &self.decoder {
            Some(decoder) => decoder.view(),
            None => self.encoder.t(),
        }
    }

    /// Lengths `[F]` of the decoder's directions.
    #[must_use]
    pub fn direction_norms(&self) -> Array1<f64> {
        self.directions().map_axis(Axis(1), |row| row.dot(&row).sqrt())
    }

    /// Writes `.safetensors`: `encoder`, `encoder_bias`, and where there are `decoder`, `bias`, `threshold`, with the
    /// configuration in the metadata, whole or not at all. A tensor is written in 32 bits where that loses nothing.
    ///
    /// # Errors
    /// Those of [`SparseWeights::validate`]; [`Error::Recording`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.validate()?;
        let about = About { format: FORMAT.to_owned(), config: self.config.clone() };
        let about = serde_json::to_string(&about).map_err(|e| file_error(path, e))?;
        let mut file = self.append(Tensors::new().about(&about), "");
        if let Some(threshold) = self.threshold {
            file = file.f64("threshold", ndarray::arr1(&[threshold]).view().into_dyn());
        }
        Ok(file.write(path)?)
    }

    /// Reads what [`SparseWeights::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Recording`] for a file that cannot be read or lacks a tensor, [`Error::File`] for one that is no
    /// autoencoder's, those of [`SparseWeights::validate`].
    pub fn load(path: &Path) -> Result<Self> {
        let file = ArrayFile::open(path)?;
        let about = file.about().ok_or_else(|| file_error(path, "it does not say what it is"))?;
        let about: About = serde_json::from_str(about).map_err(|e| file_error(path, e))?;
        if about.format != FORMAT {
            return Err(file_error(path, format!("format {:?}, expected {FORMAT:?}", about.format)));
        }
        let mut weights = Self::extract(&file, "", about.config)?;
        if matches!(weights.config.sparsity, Sparsity::BatchTopK { .. }) {
            let value = file.read_f64_1("threshold")?;
            let [value] = value.as_slice().unwrap_or_default() else {
                return Err(Error::shape("threshold", "one value", value.len()));
            };
            weights.threshold = Some(*value);
        }
        weights.validate()?;
        Ok(weights)
    }

    /// Adds the matrices and biases to a file, each name after `prefix`; in 32 bits where that loses nothing.
    #[must_use]
    pub fn append(&self, file: Tensors, prefix: &str) -> Tensors {
        let mut file = exact(file, &format!("{prefix}encoder"), self.encoder.view().into_dyn());
        file = exact(file, &format!("{prefix}encoder_bias"), self.encoder_bias.view().into_dyn());
        if let Some(decoder) = &self.decoder {
            file = exact(file, &format!("{prefix}decoder"), decoder.view().into_dyn());
        }
        if let Some(bias) = &self.bias {
            file = exact(file, &format!("{prefix}bias"), bias.view().into_dyn());
        }
        file
    }

    /// Takes back what [`SparseWeights::append`] added; nothing is checked but that it is there, and a BatchTopK
    /// threshold is zero.
    ///
    /// # Errors
    /// [`Error::Recording`] for a tensor that is missing or of another rank.
    pub fn extract(file: &ArrayFile, prefix: &str, config: SparseAutoencoderConfig) -> Result<Self> {
        let matrix = |name: &str| file.read_f64_2(&format!("{prefix}{name}"));
        let vector = |name: &str| file.read_f64_1(&format!("{prefix}{name}"));
        Ok(Self {
            encoder: matrix("encoder")?,
            encoder_bias: vector("encoder_bias")?,
            decoder: (!config.tied).then(|| matrix("decoder")).transpose()?,
            bias: config.pre_bias.then(|| vector("bias")).transpose()?,
            threshold: matches!(config.sparsity, Sparsity::BatchTopK { .. }).then_some(0.0),
            config,
        })
    }

    /// The host form of tensors, unchecked; a BatchTopK threshold is zero.
    pub(super) fn read(parts: &Parts, config: &SparseAutoencoderConfig) -> Result<Self> {
        Ok(Self {
            encoder: bridge::float_array::<f64, 2>(parts.encoder.clone())?,
            encoder_bias: bridge::float_array::<f64, 1>(parts.encoder_bias.clone())?,
            decoder: parts.decoder.clone().map(bridge::float_array::<f64, 2>).transpose()?,
            bias: parts.bias.clone().map(bridge::float_array::<f64, 1>).transpose()?,
            threshold: matches!(config.sparsity, Sparsity::BatchTopK { .. }).then_some(0.0),
            config: config.clone(),
        })
    }

    /// Tensors of the host form.
    pub(super) fn upload(&self, dtype: FloatDType, device: &Device) -> Result<Parts> {
        let matrix = |a: &Array2<f64>| bridge::float_tensor(a.view(), dtype, device);
        let vector = |a: &Array1<f64>| bridge::float_tensor(a.view(), dtype, device);
        Ok(Parts {
            encoder: matrix(&self.encoder)?,
            encoder_bias: vector(&self.encoder_bias)?,
            decoder: self.decoder.as_ref().map(matrix).transpose()?,
            bias: self.bias.as_ref().map(vector).transpose()?,
        })
    }

    fn width(&self, what: &str, rows: &ArrayView2<'_, f64>, width: usize) -> Result<()> {
        if rows.ncols() != width {
            return Err(Error::shape(what, format!("{width} columns"), rows.dim()));
        }
        finite(what, rows)
    }
}

/// Rows divided by their length; a row of length zero stays what it is.
pub(super) fn normalise_rows(matrix: &mut Array2<f64>) {
    for mut row in matrix.outer_iter_mut() {
        let length = row.dot(&row).sqrt();
        if length > 0.0 {
            row.mapv_inplace(|x| x / length);
        }
    }
}

/// [`Error::NotFinite`] for the first NaN or infinity.
pub(super) fn finite(what: &str, values: &ArrayView2<'_, f64>) -> Result<()> {
    match first_nonfinite(values) {
        None => Ok(()),
        Some(((row, column), value)) => Err(Error::NotFinite { what: what.to_owned(), row, column, value }),
    }
}

fn exact(file: Tensors, name: &str, array: ndarray::ArrayViewD<'_, f64>) -> Tensors {
    let narrow = array.mapv(|x| x as f32);
    match narrow.iter().zip(&array).all(|(n, x)| f64::from(*n) == *x) {
        true => file.f32(name, narrow.view()),
        false => file.f64(name, array),
    }
}

/// [`Error::File`].
pub(super) fn file_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}
