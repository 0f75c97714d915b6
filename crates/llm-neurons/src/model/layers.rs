//! Linear maps, norms and non-linearities on rows of units.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor, activation, module};

use super::config::{Activation, NormKind};
use super::one_row::product;
use crate::{Result, kernels};

/// `x W^T + b`; the weight stays `[out, in]`, as it is stored: products of one row read it from end to end.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub(crate) weight: Param<Tensor<2>>,
    /// `[out]`.
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Rows `[n, in]` to rows `[n, out]`.
    pub(crate) fn rows(&self, x: Tensor<2>) -> Tensor<2> {
        let y = product(x, self.weight.val());
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }

    /// `[batch, time, in]` to `[batch, time, out]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, time, units] = x.dims();
        let y = self.rows(x.reshape([batch * time, units]));
        let out = y.dims()[1];
        y.reshape([batch, time, out])
    }
}

/// Layer norm or RMS norm over the last axis, in 32-bit floats or wider.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    pub(crate) kind: NormKind,
    #[module(skip)]
    pub(crate) eps: f64,
}

impl Norm {
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) from the backend.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Result<Tensor<3>> {
        let weight = self.weight.val();
        if self.kind == NormKind::RmsNorm && kernels::takes(&x) && kernels::takes(&weight) {
            return kernels::rms_norm(x, weight, self.eps);
        }
        let dtype = x.dtype();
        let narrow = matches!(dtype, DType::F16 | DType::BF16);
        let widen = |t: Tensor<1>| if narrow { t.cast(DType::F32) } else { t };
        let x = if narrow { x.cast(DType::F32) } else { x };
        let weight = widen(weight);
        let y = match self.kind {
            NormKind::LayerNorm => {
                module::layer_norm(x, weight, self.bias.as_ref().map(|b| widen(b.val())), self.eps)
            }
            NormKind::RmsNorm => {
                let scale = (x.clone().square().mean_dim(2) + self.eps).sqrt().recip();
                x * scale * weight.unsqueeze()
            }
        };
        Ok(if narrow { y.cast(dtype) } else { y })
    }
}

/// The non-linearity of a tensor.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) from the backend.
pub(crate) fn activate(x: Tensor<3>, by: Activation) -> Result<Tensor<3>> {
    Ok(match by {
        Activation::Silu if kernels::takes(&x) => kernels::silu(x)?,
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Relu => activation::relu(x),
        Activation::Silu => activation::silu(x),
    })
}
