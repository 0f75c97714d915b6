//! The MLP of a block: where the neurons are.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use probes::{Span, Taps};
use recordings::Site;

use super::config::Activation;
use super::layers::{Linear, activate};
use crate::{Error, Result};

/// `down(phi(gate x) * up x)`, or without a gate `down(phi(up x))`.
#[derive(Module, Debug)]
pub struct Mlp {
    pub(crate) gate: Option<Linear>,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    #[module(skip)]
    pub(crate) activation: Activation,
}

impl Mlp {
    /// Neurons.
    #[must_use]
    pub fn width(&self) -> usize {
        self.up.weight.dims()[0]
    }

    /// An MLP of some of the neurons alone: the rows of gate and up and the columns of down that they own, in small
    /// matrices of their own, so that the others' weights are not read.
    ///
    /// # Errors
    /// [`Error::TooFew`] for no neuron, [`Error::Parameter`] for one that is not there.
    pub fn restricted(&self, units: &[usize]) -> Result<Self> {
        if units.is_empty() {
            return Err(Error::TooFew { what: "core neurons", needed: 1, found: 0 });
        }
        if let Some(unit) = units.iter().find(|u| **u >= self.width()) {
            return Err(Error::Parameter {
                name: "neuron",
                value: *unit as f64,
                expected: "one of the MLP's",
            });
        }
        let device = self.up.weight.val().device().without_autodiff();
        let index = indices(units, &device);
        let rows = |linear: &Linear| Linear {
            weight: Param::from_tensor(linear.weight.val().inner().select(0, index.clone())),
            bias: linear.bias.as_ref().map(|b| Param::from_tensor(b.val().inner().select(0, index.clone()))),
        };
        Ok(Self {
            gate: self.gate.as_ref().map(rows),
            up: rows(&self.up),
            down: Linear {
                weight: Param::from_tensor(self.down.weight.val().inner().select(1, index.clone())),
                bias: self.down.bias.as_ref().map(|b| Param::from_tensor(b.val().inner())),
            },
            activation: self.activation,
        })
    }

    /// Bytes of its weights and biases: what a step of one token reads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let linear = |l: &Linear| {
            let bias = l.bias.as_ref().map_or(0, |b| b.dims()[0]);
            (l.weight.dims().iter().product::<usize>() + bias) * l.weight.dtype().size()
        };
        self.gate.as_ref().map_or(0, linear) + linear(&self.up) + linear(&self.down)
    }

    /// `[batch, time, hidden]` of the norm's output to what is added to the residual stream; `layer` and `span` are what
    /// the taps are told.
    ///
    /// # Errors
    /// [`Error::Probes`] from a tap.
    pub fn forward<T: Taps>(
        &self,
        x: Tensor<3>,
        layer: usize,
        span: &Span,
        taps: &mut T,
    ) -> Result<Tensor<3>> {
        let x = taps.tap(Site::MlpIn(layer), x, span)?;
        let inner = match &self.gate {
            Some(gate) => {
                let gate = taps.tap(Site::GateOut(layer), gate.forward(x.clone()), span)?;
                let up = taps.tap(Site::UpOut(layer), self.up.forward(x), span)?;
                let act = taps.tap(Site::Act(layer), activate(gate, self.activation)?, span)?;
                act * up
            }
            None => {
                let up = taps.tap(Site::UpOut(layer), self.up.forward(x), span)?;
                taps.tap(Site::Act(layer), activate(up, self.activation)?, span)?
            }
        };
        let inner = taps.tap(Site::DownIn(layer), inner, span)?;
        Ok(taps.tap(Site::DownOut(layer), self.down.forward(inner), span)?)
    }
}

/// Indices on a device.
pub(crate) fn indices(units: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = units.iter().map(|u| *u as i64).collect();
    Tensor::from_data(TensorData::new(values, [units.len()]), device)
}
