//! The covariance of embeddings on a device.

use burn::tensor::{DType, Device, FloatDType, Tensor};
use ndarray::{Array2, ArrayView2};
use tensor_backend::bridge;

use super::block::{BlockSpace, Step};
use super::cost::Form;
use crate::eigenscore::convention::{Centring, EigenScoreConvention, check_shape, finite};
use crate::{Error, Result};

/// `C = s E_c E_c^T` of embeddings `E [K, D]` on a device, where they and all blocks stay; only column sums come back,
/// all moments' in one transfer.
#[derive(Debug, Clone)]
pub struct TensorOperator {
    /// `E_c [K, D]`, or `C / s [K, K]`.
    matrix: Tensor<2>,
    form: Form,
    scale: f64,
    dtype: FloatDType,
}

impl TensorOperator {
    /// The covariance of a convention; 16-bit floats are widened to 32 bits.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two answers or units, [`Error::NotFinite`], [`Error::Tensor`] from the device.
    pub fn new(e: Tensor<2>, convention: EigenScoreConvention, form: Form) -> Result<Self> {
        let [answers, units] = e.dims();
        check_shape(answers, units)?;
        let axis = match convention.centring() {
            Centring::Units => 1,
            Centring::Answers => 0,
        };
        let e = widened(e)?;
        let centred = e.clone() - e.clone().mean_dim(axis);
        Self::from_centred(&e, centred, convention.scale(answers, units), form)
    }

    /// Rows without mean and of population standard deviation 1, as the published code prepares them.
    pub(crate) fn standardised(e: Tensor<2>, form: Form) -> Result<Self> {
        let [answers, units] = e.dims();
        check_shape(answers, units)?;
        let e = widened(e)?;
        let centred = e.clone() - e.clone().mean_dim(1);
        let deviation = centred.clone().powi_scalar(2).mean_dim(1).sqrt();
        let constant = deviation.clone().equal_elem(0.0);
        let divided = centred / deviation.mask_fill(constant, 1.0);
        Self::from_centred(&e, divided, 1.0, form)
    }

    fn from_centred(original: &Tensor<2>, centred: Tensor<2>, scale: f64, form: Form) -> Result<Self> {
        let dtype = match original.dtype() {
            DType::F64 => FloatDType::F64,
            _ => FloatDType::F32,
        };
        // One number tells whether all are finite; the rest is looked at only when it is not.
        let square = bridge::scalar((centred.clone() * centred.clone()).sum()).map_err(tensor)?;
        if !square.is_finite() {
            let host: Array2<f64> = bridge::float_array::<f64, 2>(original.clone()).map_err(tensor)?;
            finite("embeddings", &host.view())?;
            return Err(Error::Spectrum { why: format!("the embeddings' squares overflow {dtype:?}") });
        }
        let matrix = match form {
            Form::MatrixFree => centred,
            Form::Gram => centred.clone().matmul(centred.transpose()),
        };
        Ok(Self { matrix, form, scale, dtype })
    }
}

impl BlockSpace for TensorOperator {
    type Block = Tensor<2>;
    type Sums = Tensor<2>;

    fn dim(&self) -> usize {
        self.matrix.dims()[0]
    }

    fn roundoff(&self) -> f64 {
        match self.dtype {
            FloatDType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        }
    }

    fn load(&mut self, vectors: &ArrayView2<'_, f64>) -> Result<Tensor<2>> {
        if vectors.nrows() != self.dim() {
            return Err(Error::Shape {
                what: "block of vectors",
                expected: format!("{} rows", self.dim()),
                found: vectors.nrows().to_string(),
            });
        }
        bridge::float_tensor(vectors.view(), self.dtype, &self.matrix.device()).map_err(tensor)
    }

    fn step(&mut self, v: &Tensor<2>, previous: Option<Tensor<2>>, by: Step) -> Result<Tensor<2>> {
        let inner = match self.form {
            Form::MatrixFree => self.matrix.clone().transpose().matmul(v.clone()),
            Form::Gram => v.clone(),
        };
        let image = self.matrix.clone().matmul(inner);
        let sum = image.mul_scalar(by.gain * self.scale) + v.clone().mul_scalar(by.shift);
        Ok(match previous {
            None => sum,
            Some(previous) => sum - previous.mul_scalar(by.damp),
        })
    }

    fn combine(&mut self, a: f64, x: Tensor<2>, b: f64, y: &Tensor<2>) -> Result<Tensor<2>> {
        Ok(x.mul_scalar(a) + y.clone().mul_scalar(b))
    }

    fn sums(&mut self, x: &Tensor<2>, y: &Tensor<2>) -> Result<Tensor<2>> {
        Ok((x.clone() * y.clone()).sum_dim(0))
    }

    fn read(&mut self, queued: Vec<Tensor<2>>) -> Result<Array2<f64>> {
        bridge::float_array::<f64, 2>(Tensor::cat(queued, 0)).map_err(tensor)
    }
}

/// Host embeddings as 32-bit floats on a device.
pub(crate) fn upload(e: &ArrayView2<'_, f64>, device: &Device) -> Result<Tensor<2>> {
    bridge::float_tensor(e.view(), FloatDType::F32, device).map_err(tensor)
}

/// Without a gradient record, in 32 or 64 bits.
fn widened(e: Tensor<2>) -> Result<Tensor<2>> {
    let e = e.inner();
    match e.dtype() {
        DType::F64 | DType::F32 => Ok(e),
        DType::F16 | DType::BF16 | DType::Flex32 => Ok(e.cast(FloatDType::F32)),
        other => Err(Error::Tensor { message: format!("embeddings in {other:?}: expected floats") }),
    }
}

fn tensor(error: tensor_backend::Error) -> Error {
    Error::Tensor { message: error.to_string() }
}
