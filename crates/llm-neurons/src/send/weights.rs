//! The published code's mask: weights that are set to zero once.

use burn::module::Param;
use burn::tensor::Tensor;
use ndarray::Array1;
use tensor_backend::bridge;

use crate::model::HookedLm;
use crate::{Error, Result};

/// The weights of a block's MLP that read or write these units of the residual stream set to zero: columns of gate and up,
/// rows of down, and down's bias. What learned goes on learning.
pub(super) fn zero_mlp_units(mut model: HookedLm, layer: usize, units: &[usize]) -> Result<HookedLm> {
    let width = model.config.hidden;
    let mut kept = Array1::from_elem(width, 1.0);
    for unit in units {
        kept[*unit] = 0.0;
    }
    let Some(block) = model.blocks.get_mut(layer) else {
        return Err(Error::Parameter {
            name: "layer",
            value: layer as f64,
            expected: "one of the model's blocks",
        });
    };
    let device = block.mlp.up.weight.val().device().without_autodiff();
    let dtype = burn::tensor::FloatDType::F32;
    let row: Tensor<1> = bridge::float_tensor(kept.view(), dtype, &device)?;
    let mlp = &mut block.mlp;
    let reads = mlp.gate.iter_mut().chain(std::iter::once(&mut mlp.up));
    for linear in reads {
        linear.weight = scaled(&linear.weight, row.clone().reshape([1, width]));
    }
    mlp.down.weight = scaled(&mlp.down.weight, row.clone().reshape([width, 1]));
    mlp.down.bias = mlp.down.bias.as_ref().map(|bias| scaled(bias, row.clone()));
    Ok(model)
}

/// The parameter times a constant, as the leaf that it was.
fn scaled<const D: usize>(param: &Param<Tensor<D>>, by: Tensor<D>) -> Param<Tensor<D>> {
    let (id, tensor, mapper) = param.clone().consume();
    let (learns, recorded, dtype) = (tensor.is_require_grad(), tensor.is_autodiff(), tensor.dtype());
    let product = tensor.inner() * by.cast(dtype);
    let product = if recorded { product.autodiff().set_require_grad(learns) } else { product };
    Param::from_mapped_value(id, product, mapper)
}
