//! Gradients of inputs and of inner tensors.
//!
//! Burn keeps no gradient of a tensor that is not a leaf, and a model that moves to an autodiff device trains: its
//! batch norms use the statistics of the batch. So input gradients go through [`input_gradient`], which freezes the
//! model, and inner gradients through a [`Tap`]: a leaf of zeros added to the tensor, whose gradient is the tensor's.

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};

use crate::bridge::scalar;
use crate::error::{Error, Result};

/// The model on `device`'s autodiff form, unable to train: parameters record nothing, dropout is off, and batch norms
/// use the statistics they were saved with.
#[must_use]
pub fn frozen<M: Module>(model: M, device: &Device) -> M {
    model.to_device(&device.clone().autodiff()).freeze()
}

/// A value and its gradient.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InputGradient<const D: usize> {
    /// The objective at the input.
    pub value: f64,
    /// d objective / d input, of the input's shape, outside autodiff.
    pub gradient: Tensor<D>,
}

/// The gradient of `objective(model, input)` with respect to `input`; the model is frozen first.
///
/// `objective` returns one value. For one gradient per row of a batch, return the sum of the rows' values: rows do
/// not interact in a frozen model.
///
/// # Errors
/// [`Error::Shape`] when the objective is not one value, [`Error::NoGradient`] when it does not depend on the input.
///
/// ```
/// use burn::nn::LinearConfig;
/// use tensor_backend::{DeviceSpec, gradients::input_gradient};
/// let device = DeviceSpec::Cpu.open()?.device;
/// let model = LinearConfig::new(3, 2).init(&device);
/// let weight = model.weight.val(); // [inputs, outputs]
/// let input = burn::tensor::Tensor::<2>::ones([1, 3], &device);
/// let found = input_gradient(model, input, |model, x| model.forward(x).sum())?;
/// let want = weight.sum_dim(1).transpose(); // d (sum of outputs) / d x = sum of the rows of W
/// found.gradient.into_data().assert_approx_eq::<f32>(&want.into_data(), Default::default());
/// # Ok::<(), tensor_backend::Error>(())
/// ```
pub fn input_gradient<M: Module, const D: usize>(
    model: M,
    input: Tensor<D>,
    objective: impl FnOnce(&M, Tensor<D>) -> Tensor<1>,
) -> Result<InputGradient<D>> {
    let device = input.device();
    let model = frozen(model, &device);
    let leaf = input.inner().autodiff().require_grad();
    let value = objective(&model, leaf.clone());
    let (number, mut gradients) = backward(value)?;
    let gradient = leaf.grad_remove(&mut gradients).ok_or_else(|| Error::NoGradient {
        what: "the input".to_owned(),
        reason: "the objective does not depend on it".to_owned(),
    })?;
    Ok(InputGradient { value: number, gradient })
}

/// A handle on an inner tensor, for its gradient after the backward pass.
#[derive(Debug, Clone)]
pub struct Tap<const D: usize> {
    leaf: Tensor<D>,
}

impl<const D: usize> Tap<D> {
    /// Adds a leaf of zeros to `tensor`: go on with the returned tensor, and ask the tap for its gradient.
    #[must_use]
    pub fn on(tensor: Tensor<D>) -> (Tensor<D>, Self) {
        // From nothing rather than `tensor * 0`, which would keep NaN, infinities and the tensor's own past.
        let leaf = Tensor::zeros(tensor.dims(), (&tensor.device().without_autodiff(), tensor.dtype()));
        let leaf = like(leaf, &tensor).require_grad();
        (tensor + leaf.clone(), Self { leaf })
    }

    /// d objective / d tensor, outside autodiff.
    ///
    /// # Errors
    /// [`Error::NoGradient`] when the objective does not depend on the tensor.
    pub fn gradient(&self, gradients: &Gradients) -> Result<Tensor<D>> {
        self.leaf.grad(gradients).ok_or_else(|| Error::NoGradient {
            what: "the tapped tensor".to_owned(),
            reason: "the objective does not depend on it".to_owned(),
        })
    }
}

/// The backward pass of one value: the value and the gradients of every leaf that it depends on.
///
/// # Errors
/// [`Error::Shape`] when there is not exactly one value, [`Error::NoGradient`] when nothing that records gradients
/// led to it.
pub fn backward<const D: usize>(objective: Tensor<D>) -> Result<(f64, Gradients)> {
    let number = scalar(objective.clone())?;
    if !objective.is_tracked() {
        return Err(Error::NoGradient {
            what: "the objective".to_owned(),
            reason: "it does not depend on any tensor that records gradients".to_owned(),
        });
    }
    Ok((number, objective.backward()))
}

/// `tensor` in autodiff, with the checkpointing strategy of `pattern`: two strategies may not meet in one operation.
fn like<const D: usize>(tensor: Tensor<D>, pattern: &Tensor<D>) -> Tensor<D> {
    let tensor = tensor.autodiff();
    match pattern.gradient_checkpointing_strategy() {
        Some(strategy) => tensor.with_gradient_checkpointing_strategy(strategy),
        None => tensor,
    }
}
