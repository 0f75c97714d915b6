//! A small training loop: seeded batches, observers, early stopping, checkpoints that resume bit for bit.
//!
//! The loop owns no data: it hands the caller the indices of a batch and takes back a loss. Everything random is
//! counted from `(seed, purpose, step)`, so the position of the generator is the number of the step, and a run that
//! was interrupted and resumed is the run that was not.
//!
//! ```
//! use burn::{nn::LinearConfig, optim::AdamConfig, tensor::{Distribution, FloatDType, Tensor}};
//! use tensor_backend::{DeviceSpec, Error, random, training::{Trainer, Training}};
//!
//! let device = DeviceSpec::Cpu.open()?.device.autodiff();
//! let model = LinearConfig::new(2, 1).init(&device);
//! let plan = Training { epochs: 20, batch_size: 8, ..Training::default() };
//! let trained = Trainer::new(model, AdamConfig::new().build(), plan)?.run(
//!     64,
//!     |model, batch| {
//!         let x: Tensor<2> = random::normal([batch.indices.len(), 2], batch.key("x"), 0.0, 1.0, FloatDType::F32, &device)?;
//!         let wanted = x.clone().sum_dim(1);
//!         Ok::<_, Error>((model.forward(x) - wanted).square().mean())
//!     },
//!     &mut (),
//! )?;
//! assert_eq!(trained.position.step, 160);
//! # Ok::<(), Error>(())
//! ```
//!
//! Where the caller must act between steps (change the model, measure it, choose the next batch by what it found),
//! a [`Stepper`] makes one step at a time.
//!
//! Burn's dropout draws from a generator of the whole process; a model with dropout trains here, and its resumed run
//! agrees in distribution, not in bits. Draw masks from [`Batch::key`] where that matters.

mod batches;
mod checkpoint;
mod observer;
mod schedule;
mod stepper;
mod tensors;
mod update;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::Optimizer;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use batches::Batch;
pub use observer::{EarlyStop, EpochReport, Flow, Observer, StepReport};
pub use schedule::Schedule;
pub use stepper::Stepper;

use checkpoint::Checkpoint;
use stepper::Descent;
use update::Update;

/// How to train. What differs from this in a checkpoint makes it another run's, `epochs` excepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Passes over the samples (1).
    pub epochs: u64,
    /// Samples of a batch (32).
    pub batch_size: usize,
    /// Learning rate as a function of the step (constant 1e-3, the usual start for Adam).
    pub rate: Schedule,
    /// Seed of the order of samples and of [`Batch::key`] (0).
    pub seed: u64,
    /// Whether each epoch has its own order (yes).
    pub shuffle: bool,
    /// Whether an incomplete last batch is left out (no).
    pub drop_last: bool,
    /// Largest norm of the whole gradient; a longer one is scaled down to it (none).
    pub clip_norm: Option<f64>,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: 32,
            rate: Schedule::Constant { rate: 1e-3 },
            seed: 0,
            shuffle: true,
            drop_last: false,
            clip_norm: None,
        }
    }
}

impl Training {
    /// Whether the figures make sense.
    ///
    /// # Errors
    /// [`Error::Value`] that names the field.
    pub fn validate(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(Error::value("epochs", 0, "at least 1"));
        }
        if self.batch_size == 0 {
            return Err(Error::value("batch_size", 0, "at least 1"));
        }
        match self.clip_norm {
            Some(norm) if !(norm.is_finite() && norm > 0.0) => {
                Err(Error::value("clip_norm", norm, "a positive number"))
            }
            _ => self.rate.validate(),
        }
    }

    /// What must agree for a checkpoint to be this run's.
    fn identity(&self) -> String {
        let mut plan = self.clone();
        plan.epochs = 1;
        serde_json::to_string(&plan).unwrap_or_default()
    }
}

/// Where a run is. The generator's position is part of it: draws are counted by `step` and `epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Optimiser steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: u64,
    /// Batches done of the current epoch.
    pub batch: u64,
    /// Samples of the data set.
    pub samples: u64,
    /// Bits of the sum of the current epoch's losses, each times its batch's samples.
    loss_sum_bits: u64,
    /// Samples seen in the current epoch.
    seen: u64,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Complete,
    /// The observer asked for it.
    Stopped,
}

/// What a run leaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Trained<M> {
    /// The model, still able to train; [`Module::valid`] makes the one for use.
    pub model: M,
    /// Why it ended.
    pub ending: Ending,
    /// Where it ended.
    pub position: Position,
}

/// A run that has not started.
pub struct Trainer<M, O> {
    model: M,
    update: Update<O>,
    plan: Training,
    about: String,
    position: Position,
    /// State of the observer, from a checkpoint.
    observer: Option<serde_json::Value>,
    checkpoints: Option<(PathBuf, u64)>,
}

impl<M: std::fmt::Debug, O> std::fmt::Debug for Trainer<M, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("model", &self.model)
            .field("update", &self.update)
            .field("plan", &self.plan)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl<M: Module, O: Optimizer> Trainer<M, O> {
    /// A run from the start. The model is put into training mode; what was frozen stays frozen.
    ///
    /// # Errors
    /// Those of [`Training::validate`].
    pub fn new(model: M, optimizer: O, plan: Training) -> Result<Self> {
        plan.validate()?;
        Ok(Self {
            model: model.train(),
            update: Update::new(optimizer),
            plan,
            about: "null".to_owned(),
            position: Position::default(),
            observer: None,
            checkpoints: None,
        })
    }

    /// What the run is of (the model's configuration, the data's hash): a checkpoint keeps it and only resumes the
    /// run it is of.
    #[must_use]
    pub fn about(mut self, about: &serde_json::Value) -> Self {
        self.about = about.to_string();
        self
    }

    /// Writes a checkpoint every `steps` steps and at the end, whole or not at all, over the one before.
    ///
    /// # Errors
    /// [`Error::Value`] for zero steps.
    pub fn checkpoints(mut self, path: impl Into<PathBuf>, steps: u64) -> Result<Self> {
        if steps == 0 {
            return Err(Error::value("the interval of checkpoints", 0, "at least one step"));
        }
        self.checkpoints = Some((path.into(), steps));
        Ok(self)
    }

    /// Goes on where a checkpoint was written: parameters, optimiser, order of samples, observer.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Checkpoint`] when it is damaged, or of another plan,
    /// another `about`, another model or another optimiser.
    pub fn resume(mut self, path: &Path) -> Result<Self> {
        let found = Checkpoint::read(path)?;
        let differs = |what: &str, theirs: &str, ours: &str| {
            Error::checkpoint(
                path,
                format!("it is of another run: its {what} is {theirs}, here it is {ours}"),
            )
        };
        if found.plan != self.plan.identity() {
            return Err(differs("plan", &found.plan, &self.plan.identity()));
        }
        if found.about != self.about {
            return Err(differs("description", &found.about, &self.about));
        }
        let (model, devices) =
            tensors::load(self.model, found.model).map_err(|reason| Error::checkpoint(path, reason))?;
        self.model = model;
        self.update
            .load(found.optimizer, found.scalars, &found.ranks, &devices)
            .map_err(|reason| Error::checkpoint(path, reason))?;
        self.position = found.position;
        self.observer = Some(found.observer);
        Ok(self)
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Trains over `samples` samples. `loss` gives the mean loss of a batch as one value; the observer hears of each
    /// step and epoch and may stop the run.
    ///
    /// # Errors
    /// [`Error::Value`] when the samples do not fill a batch, or differ in number from the checkpoint's;
    /// [`Error::NonFinite`] for a loss, a gradient's norm or a checkpointed parameter that is NaN or infinite;
    /// [`Error::Step`] for an error of `loss` or of the observer; [`Error::Shape`] and [`Error::NoGradient`] for a
    /// loss that is not one value or does not depend on the model; [`Error::Io`] when a checkpoint cannot be written.
    pub fn run<E: std::fmt::Display>(
        mut self,
        samples: usize,
        mut loss: impl FnMut(&M, &Batch<'_>) -> std::result::Result<Tensor<1>, E>,
        observer: &mut dyn Observer<M>,
    ) -> Result<Trained<M>> {
        let batches = self.begin(samples, observer)?;
        let mut ending = Ending::Complete;
        'run: while self.position.epoch < self.plan.epochs {
            let order = batches::order(&self.plan, self.position.epoch, samples);
            while self.position.batch < batches {
                let indices = batches::slice(&self.plan, &order, self.position.batch);
                let report;
                (self, report) = self.step(indices, batches, &mut loss)?;
                let mut flow = observer.step(&report);
                if self.position.batch == batches {
                    flow = flow.and(self.end_epoch(&report, observer)?);
                }
                let stop = flow == Flow::Stop;
                self.checkpoint(observer, stop)?;
                if stop {
                    ending = Ending::Stopped;
                    break 'run;
                }
                if self.position.batch == 0 {
                    break;
                }
            }
        }
        Ok(Trained { model: self.model, ending, position: self.position })
    }

    /// Checks the samples, hands the observer its state; the batches of an epoch.
    fn begin(&mut self, samples: usize, observer: &mut dyn Observer<M>) -> Result<u64> {
        let batches = batches::count(&self.plan, samples);
        if batches == 0 {
            return Err(Error::value(
                "samples",
                samples,
                format!("enough for a batch of {}", self.plan.batch_size),
            ));
        }
        if let Some(state) = self.observer.take() {
            if self.position.samples != samples as u64 {
                let of = format!("{}, as in the checkpoint", self.position.samples);
                return Err(Error::value("samples", samples, of));
            }
            if self.position.batch >= batches {
                let below = format!("below the {batches} of an epoch");
                return Err(Error::value("the checkpoint's batch", self.position.batch, below));
            }
            observer.restore(&state).map_err(|reason| self.fail(reason))?;
        }
        self.position.samples = samples as u64;
        Ok(batches)
    }

    /// One step of the optimiser.
    fn step<E: std::fmt::Display>(
        mut self,
        indices: &[usize],
        batches: u64,
        loss: &mut impl FnMut(&M, &Batch<'_>) -> std::result::Result<Tensor<1>, E>,
    ) -> Result<(Self, StepReport)> {
        let (step, epoch) = (self.position.step, self.position.epoch);
        let batch = Batch { indices, step, epoch, seed: self.plan.seed };
        let objective = loss(&self.model, &batch).map_err(|e| self.fail(e))?;
        let rate = self.plan.rate.at(step);
        let Descent { value, gradients, scale } =
            Descent::of(&self.model, objective, self.plan.clip_norm, (step, epoch))?;
        self.model = self.update.apply(self.model, gradients, rate, scale);
        self.position.step += 1;
        self.position.batch += 1;
        let sum = f64::from_bits(self.position.loss_sum_bits) + value * indices.len() as f64;
        self.position.loss_sum_bits = sum.to_bits();
        self.position.seen += indices.len() as u64;
        let total = self.plan.epochs.saturating_mul(batches);
        let report = StepReport {
            step,
            epoch,
            loss: value,
            learning_rate: rate,
            steps: total,
            samples: indices.len(),
        };
        Ok((self, report))
    }

    /// Reports an epoch and begins the next.
    fn end_epoch(&mut self, last: &StepReport, observer: &mut dyn Observer<M>) -> Result<Flow> {
        let mean = f64::from_bits(self.position.loss_sum_bits) / self.position.seen.max(1) as f64;
        let report = EpochReport {
            epoch: self.position.epoch,
            step: last.step,
            loss: mean,
            learning_rate: last.learning_rate,
        };
        let flow = observer.epoch(&report, &self.model).map_err(|reason| self.fail(reason))?;
        self.position = Position {
            epoch: self.position.epoch + 1,
            batch: 0,
            loss_sum_bits: 0f64.to_bits(),
            seen: 0,
            ..self.position
        };
        Ok(flow)
    }

    /// Writes a checkpoint where one is due.
    fn checkpoint(&self, observer: &dyn Observer<M>, stop: bool) -> Result<()> {
        let Some((path, every)) = &self.checkpoints else { return Ok(()) };
        let complete = self.position.epoch == self.plan.epochs;
        if !(stop || complete || self.position.step.is_multiple_of(*every)) {
            return Ok(());
        }
        let model = tensors::collect(&self.model)?;
        for (name, data) in &model {
            if let Some(value) = tensors::non_finite(data) {
                let (step, epoch) = (self.position.step, self.position.epoch);
                return Err(Error::NonFinite { what: format!("parameter {name}"), value, step, epoch });
            }
        }
        let (optimizer, scalars, ranks) = self.update.save();
        let checkpoint = Checkpoint {
            plan: self.plan.identity(),
            about: self.about.clone(),
            position: self.position,
            observer: observer.state(),
            model,
            optimizer,
            scalars,
            ranks,
        };
        checkpoint.write(path)
    }

    fn fail(&self, reason: impl std::fmt::Display) -> Error {
        Error::Step { step: self.position.step, epoch: self.position.epoch, reason: reason.to_string() }
    }
}
