//! The loop.

use burn::module::Module;
use burn::optim::AdamW;
use probes::{NoTaps, Taps};
use tensor_backend::training::{Schedule, Stepper};

use super::batch::{LmBatch, next_token_loss};
use super::plan::LmTraining;
use crate::model::HookedLm;
use crate::{Error, Result};

/// A language model in training.
pub struct LmTrainer {
    inner: Stepper<HookedLm, AdamW>,
    plan: LmTraining,
    schedule: Schedule,
}

impl std::fmt::Debug for LmTrainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LmTrainer")
            .field("plan", &self.plan)
            .field("steps", &self.inner.steps())
            .finish_non_exhaustive()
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// Its number, from 0.
    pub step: u64,
    /// Mean cross-entropy of its batch before the step, in nats a token.
    pub loss: f64,
    /// The learning rate that it used.
    pub rate: f64,
    /// Tokens that it predicted.
    pub tokens: usize,
}

/// What a run leaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrainedLm {
    /// The model, for use.
    pub model: HookedLm,
    /// The loss of every step's batch before the step, in nats a token.
    pub losses: Vec<f64>,
}

impl LmTrainer {
    /// Turns automatic differentiation on, and freezes the first blocks where the plan says so.
    ///
    /// # Errors
    /// Those of [`LmTraining::validate`]; [`Error::Parameter`] for more frozen blocks than there are.
    pub fn new(model: HookedLm, plan: LmTraining) -> Result<Self> {
        plan.validate()?;
        let config = model.config();
        if plan.frozen_blocks > config.layers {
            let value = plan.frozen_blocks as f64;
            return Err(Error::Parameter {
                name: "frozen_blocks",
                value,
                expected: "at most the model's blocks",
            });
        }
        let mut model = model;
        let frozen = plan.frozen_blocks;
        let blocks = std::mem::take(&mut model.blocks).into_iter().enumerate();
        model.blocks = blocks.map(|(l, block)| if l < frozen { block.freeze() } else { block }).collect();
        let inner = Stepper::new(model, plan.optimiser(), plan.clip_norm)?;
        Ok(Self { inner, schedule: plan.schedule(), plan })
    }

    /// One step on a batch; the taps see, and may edit, forward and backward pass.
    ///
    /// # Errors
    /// Those of [`next_token_loss`]; [`Error::Diverged`] for a loss that is not finite, before the model is touched.
    pub fn step<T: Taps>(&mut self, batch: &LmBatch, taps: &mut T) -> Result<StepReport> {
        let step = self.inner.steps();
        let rate = self.schedule.at(step);
        let loss = self.inner.step(rate, |model| next_token_loss(model, batch, taps))?;
        Ok(StepReport { step, loss, rate, tokens: batch.predicted() })
    }

    /// One step on random windows of a stream, those of the plan's seed and of the step's number.
    ///
    /// # Errors
    /// Those of [`LmTrainer::step`] and of [`LmBatch::draw`]; [`Error::Prompt`] for windows that the context cannot hold.
    pub fn step_on<T: Taps>(&mut self, tokens: &[u32], taps: &mut T) -> Result<StepReport> {
        let LmTraining { batch, window, seed, .. } = self.plan;
        let context = self.inner.model().config().context;
        // The last token of a window is predicted and not read.
        if window > context + 1 {
            return Err(Error::Prompt {
                what: "window".to_owned(),
                found: window,
                expected: format!("at most {}: the context and one", context + 1),
            });
        }
        self.step(&LmBatch::draw(tokens, batch, window, seed, self.inner.steps())?, taps)
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &LmTraining {
        &self.plan
    }

    /// Steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.inner.steps()
    }

    /// The model as it stands, for use: outside automatic differentiation.
    #[must_use]
    pub fn model(&self) -> HookedLm {
        self.inner.model().valid()
    }

    /// Changes the model between steps; what the optimiser remembers stays.
    ///
    /// # Errors
    /// What `change` says; the model is then as it was.
    pub fn try_change(&mut self, change: impl FnOnce(HookedLm) -> Result<HookedLm>) -> Result<()> {
        let changed = change(self.inner.model().clone())?;
        self.inner.change(|_| changed);
        Ok(())
    }
}

/// Trains on random windows of a stream of tokens for the steps of the plan. `progress` hears of every step; with `false`
/// it stops the run.
///
/// # Errors
/// Those of [`LmTrainer::new`] and [`LmTrainer::step_on`].
pub fn train(
    model: HookedLm,
    tokens: &[u32],
    plan: LmTraining,
    progress: &mut dyn FnMut(&StepReport) -> bool,
) -> Result<TrainedLm> {
    let steps = plan.steps;
    let mut trainer = LmTrainer::new(model, plan)?;
    let mut losses = Vec::new();
    while trainer.steps() < steps {
        let report = trainer.step_on(tokens, &mut NoTaps)?;
        losses.push(report.loss);
        if !progress(&report) {
            break;
        }
    }
    Ok(TrainedLm { model: trainer.model(), losses })
}
