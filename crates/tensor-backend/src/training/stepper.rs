//! One step at a time, for methods that act between steps.

use burn::module::Module;
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::Tensor;

use crate::error::{Error, Result};
use crate::gradients::backward;
use crate::training::update::{self, Update};

/// A model and its optimiser. Unlike [`Trainer`](super::Trainer) it keeps no order of samples and writes no
/// checkpoints: the caller decides what each step is of, and may change the model in between.
pub struct Stepper<M, O> {
    model: M,
    update: Update<O>,
    clip_norm: Option<f64>,
    steps: u64,
}

impl<M: std::fmt::Debug, O> std::fmt::Debug for Stepper<M, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stepper")
            .field("model", &self.model)
            .field("update", &self.update)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl<M: Module, O: Optimizer> Stepper<M, O> {
    /// Puts the model into training mode; what was frozen stays frozen. A gradient longer than `clip_norm`, over all
    /// parameters, is scaled down to it.
    ///
    /// # Errors
    /// [`Error::Value`] unless `clip_norm` is a positive number.
    pub fn new(model: M, optimizer: O, clip_norm: Option<f64>) -> Result<Self> {
        match clip_norm {
            Some(norm) if !(norm.is_finite() && norm > 0.0) => {
                Err(Error::value("clip_norm", norm, "a positive number"))
            }
            _ => Ok(Self { model: model.train(), update: Update::new(optimizer), clip_norm, steps: 0 }),
        }
    }

    /// One step down the gradient of `loss`, at this learning rate; the loss before the step.
    ///
    /// # Errors
    /// What `loss` says; [`Error::NonFinite`] for a loss or a gradient's norm that is NaN or infinite, before the model
    /// is touched; [`Error::Shape`] and [`Error::NoGradient`] for a loss that is not one value or does not depend on
    /// the model; [`Error::Value`] for a rate that is negative or not finite.
    pub fn step<E: From<Error>>(
        &mut self,
        rate: f64,
        loss: impl FnOnce(&M) -> std::result::Result<Tensor<1>, E>,
    ) -> std::result::Result<f64, E> {
        if !(rate.is_finite() && rate >= 0.0) {
            return Err(Error::value("the learning rate", rate, "a number of zero or more").into());
        }
        let objective = loss(&self.model)?;
        let Descent { value, gradients, scale } =
            Descent::of(&self.model, objective, self.clip_norm, (self.steps, 0))?;
        self.model = self.update.apply(self.model.clone(), gradients, rate, scale);
        self.steps += 1;
        Ok(value)
    }

    /// The model as it trains; [`Module::valid`] makes the one for use.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Changes the model between steps. What the optimiser remembers is kept by the path of each parameter.
    pub fn change(&mut self, change: impl FnOnce(M) -> M) {
        self.model = change(self.model.clone());
    }

    /// Steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The model, still able to train.
    #[must_use]
    pub fn into_model(self) -> M {
        self.model
    }
}

/// What one backward pass found.
pub(super) struct Descent {
    /// The loss.
    pub(super) value: f64,
    pub(super) gradients: GradientsParams,
    /// What the gradients are multiplied with, where they are clipped.
    pub(super) scale: Option<f64>,
}

impl Descent {
    /// The backward pass of `objective`; `at` is step and epoch, for errors.
    pub(super) fn of<M: Module>(
        model: &M,
        objective: Tensor<1>,
        clip_norm: Option<f64>,
        (step, epoch): (u64, u64),
    ) -> Result<Self> {
        let (value, gradients) = backward(objective)?;
        if !value.is_finite() {
            return Err(Error::NonFinite { what: "loss".to_owned(), value, step, epoch });
        }
        let gradients = GradientsParams::from_grads(gradients, model);
        let Some(largest) = clip_norm else { return Ok(Self { value, gradients, scale: None }) };
        let norm = update::norm(model, &gradients)?;
        if !norm.is_finite() {
            let what = "norm of the gradient".to_owned();
            return Err(Error::NonFinite { what, value: norm, step, epoch });
        }
        Ok(Self { value, gradients, scale: (norm > largest).then(|| largest / norm) })
    }
}
