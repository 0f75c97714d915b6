//! Stage III on a model: edits of a plan as hooks.

use burn::tensor::{FloatDType, Tensor};
use probes::{HookSet, Span};
use recordings::{Positions, Site};

use super::edit::{Scale, Strength};
use super::layer::LayerSteer;
use super::plan::SteeringPlan;
use super::tensor::SteerTensor;
use crate::model::{HookedLm, indices};
use crate::{Error, Result};

impl SteeringPlan {
    /// Steers every forward call from now on: the newest token of each sequence is edited after each block of the plan,
    /// others are left as they are. With a cache a prompt's newest token and every generated one are.
    ///
    /// Nothing is hooked at strength zero.
    ///
    /// # Errors
    /// [`Error::Plan`] for a plan that cannot act on the model, those of [`SteerTensor::new`], [`Error::Parameter`] for a
    /// strength that is not finite.
    pub fn attach(&self, hooks: &mut HookSet, model: &HookedLm, strength: Strength) -> Result<()> {
        self.check_shape(model.config().layers, model.config().hidden)?;
        attach(&self.layers, self.scale, strength, Positions::Last, model, hooks)
    }
}

/// The edits of some layers, at the newest tokens or at all: a text that is read at once with all of its tokens edited is
/// read as it would be when generated under steering.
pub(super) fn attach(
    layers: &[LayerSteer],
    scale: Scale,
    strength: Strength,
    positions: Positions,
    model: &HookedLm,
    hooks: &mut HookSet,
) -> Result<()> {
    strength.check()?;
    if strength.is_off() {
        return Ok(());
    }
    let device = model.device();
    let dtype = match model.float_dtype() {
        FloatDType::F64 => FloatDType::F64,
        // 16 bits are widened for the edit and narrowed after it.
        _ => FloatDType::F32,
    };
    for layer in layers {
        if layer.layer >= model.config().layers {
            let (found, there) = (layer.layer, model.config().layers);
            return Err(Error::plan(format!("layer {found}: the model has {there}")));
        }
        let steer = SteerTensor::new(layer, dtype, &device)?;
        hooks.map(Site::ResidPost(layer.layer), positions, move |x, span| {
            edited(&steer, x, span, positions, strength, scale).map_err(|e| e.to_string())
        });
    }
    Ok(())
}

/// The stream after the edit. Of [`Positions::Last`] alone the newest tokens are computed and put at every position: the
/// hook takes them at the newest and keeps the others as they were.
fn edited(
    steer: &SteerTensor,
    x: Tensor<3>,
    span: &Span,
    positions: Positions,
    strength: Strength,
    scale: Scale,
) -> Result<Tensor<3>> {
    let [batch, time, units] = x.dims();
    if positions != Positions::Last {
        return Ok(steer
            .apply(x.reshape([batch * time, units]), strength, scale)?
            .reshape([batch, time, units]));
    }
    let rows = newest(x, span);
    Ok(steer.apply(rows, strength, scale)?.reshape([batch, 1, units]).expand([batch, time, units]))
}

/// The newest token of each sequence, `[batch, units]`.
fn newest(x: Tensor<3>, span: &Span) -> Tensor<2> {
    let [batch, time, units] = x.dims();
    if span.ends_together() {
        return x.narrow(1, time - 1, 1).reshape([batch, units]);
    }
    let rows: Vec<usize> = span.last().into_iter().enumerate().map(|(b, t)| b * time + t).collect();
    let device = x.device().without_autodiff();
    x.reshape([batch * time, units]).select(0, indices(&rows, &device))
}
