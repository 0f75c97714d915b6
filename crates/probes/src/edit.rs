//! Interventions on tensors.

use burn::tensor::{Bool, DType, FloatDType, Tensor};
use ndarray::{Array2, Array3};
use recordings::{Edit, Intervention, Positions};
use tensor_backend::bridge;

use crate::{Error, Result, Span};

/// The tensor `[batch, time, units]` after an intervention. What
/// [`Intervention::apply`] is on the host; it may be differentiated through.
///
/// # Errors
/// Those of [`Intervention::validate`]; [`Error::Tensor`] from the device.
pub fn apply(edit: &Intervention, x: Tensor<3>, span: &Span) -> Result<Tensor<3>> {
    let [_, _, units] = x.dims();
    edit.validate(units)?;
    Prepared::new(edit, &x)?.apply(x, span)
}

/// An intervention whose values are on the device.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    change: Change,
    positions: Positions,
}

#[derive(Debug, Clone)]
enum Change {
    /// Where the mask holds, the value.
    Put(Box<(Tensor<3, Bool>, Tensor<3>)>),
    Scale(Tensor<3>),
    Add(Tensor<3>),
}

impl Prepared {
    /// The values of a validated edit beside `x`.
    pub(crate) fn new(edit: &Intervention, x: &Tensor<3>) -> Result<Self> {
        let [_, _, width] = x.dims();
        let (device, dtype) = (x.device().without_autodiff(), float(x)?);
        let upload = |row: Vec<f64>| -> Result<Tensor<3>> {
            let row = Array3::from_shape_vec((1, 1, width), row).map_err(|e| Error::Tensor(e.to_string()))?;
            Ok(like(bridge::float_tensor(row.view(), dtype, &device)?, x))
        };
        let put = |chosen: Vec<bool>, values: Vec<f64>| -> Result<Change> {
            let mask =
                Array3::from_shape_vec((1, 1, width), chosen).map_err(|e| Error::Tensor(e.to_string()))?;
            Ok(Change::Put(Box::new((bridge::bool_tensor(mask.view(), &device)?, upload(values)?))))
        };
        let change = match &edit.edit {
            Edit::SetUnits { units, values } => {
                let (mut chosen, mut row) = (vec![false; width], vec![0.0; width]);
                for (unit, value) in units.iter().zip(values) {
                    (chosen[*unit], row[*unit]) = (true, *value);
                }
                put(chosen, row)?
            }
            Edit::RestrictTo { units } => {
                let mut dropped = vec![true; width];
                units.iter().for_each(|unit| dropped[*unit] = false);
                put(dropped, vec![0.0; width])?
            }
            Edit::ScaleUnits { units, factors } => {
                let mut row = vec![1.0; width];
                units.iter().zip(factors).for_each(|(unit, factor)| row[*unit] *= factor);
                Change::Scale(upload(row)?)
            }
            Edit::AddVector { vector } => Change::Add(upload(vector.clone())?),
            other => return Err(Error::Recording(format!("{other:?} cannot be applied to tensors"))),
        };
        Ok(Self { change, positions: edit.positions })
    }

    /// Whether its values are beside `x`: the same width, number type and device, with or without gradients.
    pub(crate) fn fits(&self, x: &Tensor<3>) -> bool {
        let values = match &self.change {
            Change::Put(put) => &put.1,
            Change::Scale(values) | Change::Add(values) => values,
        };
        values.dims()[2] == x.dims()[2] && values.dtype() == x.dtype() && values.device() == x.device()
    }

    pub(crate) fn apply(&self, x: Tensor<3>, span: &Span) -> Result<Tensor<3>> {
        let mask = span.mask(self.positions);
        let before = mask.is_some().then(|| x.clone());
        let changed = match &self.change {
            // A product with zero would keep NaN and infinities.
            Change::Put(put) => {
                let (mask, values) = &**put;
                let shape = x.dims();
                x.mask_where(mask.clone().expand(shape), values.clone().expand(shape))
            }
            Change::Scale(row) => x * row.clone(),
            Change::Add(row) => x + row.clone(),
        };
        match (mask, before) {
            (Some(mask), Some(before)) => choose(mask, before, changed),
            _ => Ok(changed),
        }
    }
}

/// `changed` where the mask `[batch, time]` holds, `before` elsewhere.
pub(crate) fn choose(mask: Array2<bool>, before: Tensor<3>, changed: Tensor<3>) -> Result<Tensor<3>> {
    let (batch, time) = mask.dim();
    let mask = mask.into_shape_with_order((batch, time, 1)).map_err(|e| Error::Tensor(e.to_string()))?;
    let device = before.device().without_autodiff();
    let shape = before.dims();
    let mask: Tensor<3, Bool> = bridge::bool_tensor(mask.view(), &device)?;
    Ok(before.mask_where(mask.expand(shape), changed))
}

/// The float type of a tensor.
pub(crate) fn float(x: &Tensor<3>) -> Result<FloatDType> {
    Ok(match x.dtype() {
        DType::F64 => FloatDType::F64,
        DType::F32 => FloatDType::F32,
        DType::F16 => FloatDType::F16,
        DType::BF16 => FloatDType::BF16,
        other => return Err(Error::Tensor(format!("{other:?} is no float type that can be edited"))),
    })
}

/// A constant that may meet `x` in one operation.
fn like(constant: Tensor<3>, x: &Tensor<3>) -> Tensor<3> {
    match (x.is_autodiff(), x.gradient_checkpointing_strategy()) {
        (false, _) => constant,
        (true, None) => constant.autodiff(),
        (true, Some(strategy)) => constant.autodiff().with_gradient_checkpointing_strategy(strategy),
    }
}
