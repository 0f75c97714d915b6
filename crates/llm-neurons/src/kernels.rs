//! What the processor does in one pass where tensor operations take many: attention, rotary positions, RMS norm, SiLU, in
//! 32-bit floats. Plain tensor operations compute the same on every device, and with gradients.
//!
//! Values are read where they lie; a tensor that something else holds too is copied. Results do not depend on the number of
//! threads.

mod attention;
mod exponential;
mod norm;
mod rotary;

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::{Error, Result};

pub use attention::causal_attention;
pub use norm::{rms_norm, silu};
pub use rotary::RotaryTable;

/// Whether a device is Burn's processor backend, whose tensors lie in the host's memory.
#[cfg(feature = "flex")]
pub(crate) fn on_processor(device: &Device) -> bool {
    *device == Device::flex()
}

/// Whether a device is Burn's processor backend, whose tensors lie in the host's memory.
#[cfg(not(feature = "flex"))]
pub(crate) fn on_processor(_: &Device) -> bool {
    false
}

/// Whether the kernels compute with a tensor: 32-bit floats on the processor, without gradients.
pub(crate) fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    !x.is_autodiff() && x.dtype() == DType::F32 && on_processor(&x.device())
}

/// A tensor's values.
fn values<const D: usize>(x: Tensor<D>) -> Result<TensorData> {
    x.try_into_data().map_err(|e| Error::Tensor { message: format!("{e:?}") })
}

/// Values as 32-bit floats.
fn floats(data: &TensorData) -> Result<&[f32]> {
    data.as_slice::<f32>().map_err(wrong)
}

/// The same, to be changed.
fn floats_mut(data: &mut TensorData) -> Result<&mut [f32]> {
    data.as_mut_slice::<f32>().map_err(wrong)
}

fn wrong(error: impl std::fmt::Debug) -> Error {
    Error::Tensor { message: format!("{error:?}") }
}
