//! Sparse autoencoders: `x` of D units as a sum of few of F directions.
//!
//! ```text
//! v   = ReLU((x - bias) W_enc + b_enc)          x [n, D], W_enc [D, F], b_enc [F], bias [D] (pre-bias, optional)
//! z   = v | the k largest of v in each row | the k n largest of v in the batch          [n, F]
//! rec = z W_dec + bias                          W_dec [F, D]; tied: W_dec = W_enc^T
//! L   = mean over rows and units of (x - rec)^2  [+ lambda * mean over rows of sum_j z_j]  [+ alpha * L_aux]
//! ```
//!
//! References: Bricken et al., *Towards Monosemanticity*, 2023 (ReLU and L1, resampling); Gao et al., *Scaling and
//! evaluating sparse autoencoders*, 2024 (TopK, auxiliary loss); Bussmann et al., *BatchTopK Sparse Autoencoders*, 2024.

pub(crate) mod checkpoint;
pub(crate) mod config;
pub(crate) mod evaluation;
mod optimiser;
mod parts;
pub(crate) mod plan;
mod revival;
mod rows;
mod selection;
pub(crate) mod training;
pub(crate) mod weights;

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, FloatDType, Tensor};
use ndarray::Array2;
use numerics::rng::{normals, stream};
use tensor_backend::bridge;

use crate::{Error, Result};
use config::{DecoderNorm, Initialisation, SparseAutoencoderConfig, Sparsity};
use parts::Parts;
use weights::SparseWeights;

/// A sparse autoencoder on a device. Its host form is [`SparseWeights`]; [`crate::train`] trains it.
///
/// ```
/// use burn::tensor::FloatDType;
/// use probes::{Sparsity, SparseAutoencoder, SparseAutoencoderConfig, SparseTraining, evaluate, train};
/// use tensor_backend::DeviceSpec;
///
/// let device = DeviceSpec::Cpu.open()?.device;
/// let config = SparseAutoencoderConfig::new(6, 12, Sparsity::TopK { k: 2 });
/// let model = SparseAutoencoder::new(&config, 0, FloatDType::F32, &device)?;
/// // Activations of 6 units: each sample is one of three directions.
/// let data = ndarray::Array2::from_shape_fn((90, 6), |(i, j)| if j % 3 == i % 3 { 1.0 } else { 0.0 });
/// let plan = SparseTraining { epochs: 40, batch_size: 30, ..SparseTraining::default() };
/// let trained = train(model, &data.view(), &plan, &mut |_| true)?;
/// let report = evaluate(&trained.model, &data.view(), 64)?;
/// assert!(report.l0 <= 2.0 && report.unexplained.is_some_and(|u| u < 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct SparseAutoencoder {
    encoder: Param<Tensor<2>>,
    encoder_bias: Param<Tensor<1>>,
    decoder: Option<Param<Tensor<2>>>,
    bias: Option<Param<Tensor<1>>>,
    /// BatchTopK alone: codes below it are zero after training.
    threshold: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: SparseAutoencoderConfig,
}

/// The loss of a batch and its parts, on the device.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SparseLoss {
    /// What is trained on, without the auxiliary loss.
    pub total: Tensor<1>,
    /// Mean over rows and units of the squared error.
    pub reconstruction: Tensor<1>,
    /// Mean over rows of the sum of the codes.
    pub magnitude: Tensor<1>,
}

impl SparseAutoencoder {
    /// A fresh autoencoder, drawn from `(seed, "sparse.directions")` on the host: the same on every device.
    ///
    /// # Errors
    /// Those of [`SparseAutoencoderConfig::validate`]; [`Error::Tensor`] from the device.
    pub fn new(
        config: &SparseAutoencoderConfig,
        seed: u64,
        dtype: FloatDType,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (inputs, latents) = (config.inputs, config.latents);
        let values = normals(&mut stream(seed, "sparse.directions", 0), latents * inputs);
        let mut directions = Array2::from_shape_vec((latents, inputs), values)
            .map_err(|e| Error::shape("directions", "latents * inputs values", e))?;
        match config.initialisation {
            Initialisation::Normal { deviation } => directions.mapv_inplace(|x| x * deviation),
            Initialisation::UnitDirections => weights::normalise_rows(&mut directions),
        }
        if config.norm == DecoderNorm::PerStep {
            weights::normalise_rows(&mut directions);
        }
        let encoder = directions.t().to_owned();
        let weights = SparseWeights {
            encoder,
            encoder_bias: ndarray::Array1::zeros(latents),
            decoder: (!config.tied).then_some(directions),
            bias: config.pre_bias.then(|| ndarray::Array1::zeros(inputs)),
            threshold: matches!(config.sparsity, Sparsity::BatchTopK { .. }).then_some(0.0),
            config: config.clone(),
        };
        Self::from_weights(&weights, dtype, device)
    }

    /// The autoencoder of host weights.
    ///
    /// # Errors
    /// Those of [`SparseWeights::validate`]; [`Error::Tensor`] from the device.
    pub fn from_weights(weights: &SparseWeights, dtype: FloatDType, device: &Device) -> Result<Self> {
        weights.validate()?;
        let parts = weights.upload(dtype, device)?;
        let threshold = match weights.threshold {
            Some(value) => Some(bridge::float_tensor(ndarray::arr1(&[value]).view(), dtype, device)?),
            None => None,
        };
        Ok(Self::assemble(parts, threshold, weights.config.clone()))
    }

    /// Its weights on the host.
    ///
    /// # Errors
    /// [`Error::Tensor`] when the device fails.
    pub fn weights(&self) -> Result<SparseWeights> {
        let threshold = match &self.threshold {
            Some(threshold) => Some(bridge::scalar(threshold.val())?),
            None => None,
        };
        Ok(SparseWeights { threshold, ..SparseWeights::read(&self.parts(), &self.config)? })
    }

    /// What it is.
    #[must_use]
    pub fn config(&self) -> &SparseAutoencoderConfig {
        &self.config
    }

    /// Codes `[n, F]` of rows `[n, D]`, as after training: each row by itself.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows of another width; [`Error::Tensor`] for another number type.
    pub fn encode(&self, x: Tensor<2>) -> Result<Tensor<2>> {
        self.check("rows", &x, self.config.inputs)?;
        let activations = self.parts().activations(x);
        Ok(match (self.config.sparsity, &self.threshold) {
            (Sparsity::BatchTopK { .. }, Some(threshold)) => {
                selection::keep_from(activations, threshold.val().inner().unsqueeze::<2>())
            }
            (sparsity, _) => parts::select(activations, sparsity),
        })
    }

    /// Rows `[n, D]` of codes `[n, F]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for codes of another width; [`Error::Tensor`] for another number type.
    pub fn decode(&self, codes: Tensor<2>) -> Result<Tensor<2>> {
        self.check("codes", &codes, self.config.latents)?;
        Ok(self.parts().decode(codes))
    }

    /// What the rows become: `decode(encode(x))`.
    ///
    /// # Errors
    /// Those of [`SparseAutoencoder::encode`].
    pub fn reconstruct(&self, x: Tensor<2>) -> Result<Tensor<2>> {
        let codes = self.encode(x)?;
        Ok(self.parts().decode(codes))
    }

    /// The training loss of a batch; with BatchTopK the batch selects its own codes.
    ///
    /// # Errors
    /// Those of [`SparseAutoencoder::encode`].
    pub fn loss(&self, x: Tensor<2>) -> Result<SparseLoss> {
        self.check("rows", &x, self.config.inputs)?;
        let outcome = self.parts().forward(x, &self.config);
        Ok(SparseLoss {
            total: parts::total(&outcome, self.config.sparsity, 1.0),
            reconstruction: outcome.reconstruction,
            magnitude: outcome.magnitude,
        })
    }

    /// `W_enc [D, F]`.
    #[must_use]
    pub fn encoder(&self) -> Tensor<2> {
        self.encoder.val()
    }

    /// `b_enc [F]`.
    #[must_use]
    pub fn encoder_bias(&self) -> Tensor<1> {
        self.encoder_bias.val()
    }

    /// `W_dec [F, D]` of an untied autoencoder.
    #[must_use]
    pub fn decoder(&self) -> Option<Tensor<2>> {
        self.decoder.as_ref().map(Param::val)
    }

    /// The pre-bias `[D]`.
    #[must_use]
    pub fn bias(&self) -> Option<Tensor<1>> {
        self.bias.as_ref().map(Param::val)
    }

    /// The decoder's directions `[F, D]`, tied or not.
    #[must_use]
    pub fn directions(&self) -> Tensor<2> {
        self.parts().directions()
    }

    /// Lengths `[F]` of the decoder's directions.
    #[must_use]
    pub fn direction_norms(&self) -> Tensor<1> {
        self.directions().square().sum_dim(1).sqrt().squeeze_dim::<1>(1)
    }

    /// With directions of unit length; a direction of length zero stays what it is.
    #[must_use]
    pub fn with_unit_directions(self) -> Self {
        let learns = self.encoder.val().is_autodiff();
        let parts = self.parts().map(Tensor::inner, Tensor::inner).normalised();
        let parts = if learns { parts.map(Tensor::autodiff, Tensor::autodiff) } else { parts };
        Self::assemble(parts, self.threshold.map(|t| t.val()), self.config)
    }

    fn assemble(parts: Parts, threshold: Option<Tensor<1>>, config: SparseAutoencoderConfig) -> Self {
        Self {
            encoder: Param::from_tensor(parts.encoder),
            encoder_bias: Param::from_tensor(parts.encoder_bias),
            decoder: parts.decoder.map(Param::from_tensor),
            bias: parts.bias.map(Param::from_tensor),
            // Never trained by gradients.
            threshold: threshold.map(|t| Param::initialized(ParamId::new(), t.inner())),
            config,
        }
    }

    fn parts(&self) -> Parts {
        Parts {
            encoder: self.encoder.val(),
            encoder_bias: self.encoder_bias.val(),
            decoder: self.decoder.as_ref().map(Param::val),
            bias: self.bias.as_ref().map(Param::val),
        }
    }

    fn check(&self, what: &str, x: &Tensor<2>, width: usize) -> Result<()> {
        let [rows, found] = x.dims();
        if rows == 0 || found != width {
            return Err(Error::shape(what, format!("[at least 1, {width}]"), [rows, found]));
        }
        let dtype = self.dtype();
        if x.dtype() != dtype {
            return Err(Error::Tensor(format!("{what} in {:?}, the autoencoder is in {dtype:?}", x.dtype())));
        }
        Ok(())
    }

    fn dtype(&self) -> DType {
        self.encoder.val().dtype()
    }
}
