//! Training that masks what is restless.

use ndarray::Axis;
use numerics::rng::{stream, subset};
use probes::{HookSet, NoTaps, Taps};
use recordings::{Intervention, Site};

use super::answers::sample_answers;
use super::config::{SendConfig, SendMask, SendMaskSite};
use super::embedding::{EmbeddingLayer, sentence_embeddings};
use super::tracker::SensitivityTracker;
use super::weights::zero_mlp_units;
use crate::model::HookedLm;
use crate::score::BATCH_TOKENS;
use crate::training::{LmBatch, LmTrainer, StepReport};
use crate::{Ees, Error, Result, eigenscore};

/// What a checkpoint found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SendCheckpoint {
    /// Its number; 0 is the model before training.
    pub index: usize,
    /// Steps done.
    pub steps: u64,
    /// Mean training loss since the checkpoint before, in nats a token; none at the first.
    pub loss: Option<f64>,
    /// Mean EigenScore of the prompts' answers, in the convention's logarithm.
    pub eigenscore: f64,
    /// Mean Efficient EigenScore of the same answers.
    pub ees: f64,
    /// The units that were masked on the way to it.
    pub masked: Vec<usize>,
    /// Whether loss and EES have come to rest.
    pub stop: bool,
}

/// Trains a model with sensitivity dropout: any number of steps, then a checkpoint, and so on.
#[derive(Debug)]
pub struct SendTrainer {
    trainer: LmTrainer,
    config: SendConfig,
    /// Beginnings of the tracking texts, within the context.
    texts: Vec<Vec<u32>>,
    prompts: Vec<Vec<u32>>,
    tracker: SensitivityTracker,
    hooks: HookSet,
    masked: Vec<usize>,
    /// Checkpoints that the mask will stay.
    left: usize,
    /// Losses since the last checkpoint: their sum and number.
    losses: (f64, u64),
    checkpoints: Vec<SendCheckpoint>,
}

impl SendTrainer {
    /// Takes a trainer and tracking texts, and measures the model as it is: checkpoint 0. Texts beyond the context are
    /// cut.
    ///
    /// # Errors
    /// Those of [`SendConfig::validate`]; [`Error::TooFew`] for no text; [`Error::Prompt`] for a text shorter than a
    /// prompt, or a prompt that leaves no room for an answer; [`Error::Config`] for a model of one block with
    /// [`SendMaskSite::OfficialMlpWeights`]; those of measuring.
    pub fn new(trainer: LmTrainer, tracking: Vec<Vec<u32>>, config: SendConfig) -> Result<Self> {
        config.validate()?;
        let model = trainer.model();
        let (layers, context) = (model.config().layers, model.config().context);
        if config.site == SendMaskSite::OfficialMlpWeights && layers < 2 {
            return Err(Error::config(
                "num_hidden_layers",
                layers,
                "at least 2: the last block but one is masked",
            ));
        }
        if tracking.is_empty() {
            return Err(Error::TooFew { what: "tracking texts", needed: 1, found: 0 });
        }
        let wanted = config.prompt_tokens;
        if let Some((i, text)) = tracking.iter().enumerate().find(|(_, text)| text.len() < wanted) {
            return Err(Error::Prompt {
                what: format!("tracking text {i}"),
                found: text.len(),
                expected: format!("at least the {wanted} of a prompt"),
            });
        }
        let mut texts = tracking;
        texts.iter_mut().for_each(|text| text.truncate(context));
        let prompts = texts.iter().take(config.prompts).map(|t| t[..wanted.min(t.len())].to_vec()).collect();
        let mut found = Self {
            trainer,
            texts,
            prompts,
            tracker: SensitivityTracker::new(config.sensitivity)?,
            hooks: HookSet::new(),
            masked: Vec::new(),
            left: 0,
            losses: (0.0, 0),
            checkpoints: Vec::new(),
            config,
        };
        found.measure()?;
        Ok(found)
    }

    /// One step on a batch, under the mask.
    ///
    /// # Errors
    /// Those of [`LmTrainer::step`].
    pub fn step(&mut self, batch: &LmBatch) -> Result<StepReport> {
        let report = self.trainer.step(batch, &mut self.hooks)?;
        Ok(self.counted(report))
    }

    /// One step on random windows of a stream, under the mask.
    ///
    /// # Errors
    /// Those of [`LmTrainer::step_on`].
    pub fn step_on(&mut self, tokens: &[u32]) -> Result<StepReport> {
        let report = self.trainer.step_on(tokens, &mut self.hooks)?;
        Ok(self.counted(report))
    }

    /// Measures the model, and chooses a mask anew where the one before has stayed long enough.
    ///
    /// # Errors
    /// [`Error::TooFew`] when no step was done since the last; those of measuring.
    pub fn checkpoint(&mut self) -> Result<&SendCheckpoint> {
        if self.losses.1 == 0 {
            return Err(Error::TooFew { what: "steps since the last checkpoint", needed: 1, found: 0 });
        }
        self.measure()?;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.choose()?;
        }
        if self.config.site == SendMaskSite::OfficialMlpWeights && !self.masked.is_empty() {
            let layer = self.trainer.model().config().layers - 2;
            let units = &self.masked;
            self.trainer.try_change(|model| zero_mlp_units(model, layer, units))?;
        }
        self.checkpoints.last().ok_or(Error::Missing { what: "checkpoint" })
    }

    /// All checkpoints so far, the first that of the model before training.
    #[must_use]
    pub fn checkpoints(&self) -> &[SendCheckpoint] {
        &self.checkpoints
    }

    /// The units that are masked now, in no order that matters.
    #[must_use]
    pub fn masked(&self) -> &[usize] {
        &self.masked
    }

    /// The model as it stands, for use, without the mask.
    #[must_use]
    pub fn model(&self) -> HookedLm {
        self.trainer.model()
    }

    /// Mean EigenScore and EES of the prompts' answers without a mask.
    ///
    /// # Errors
    /// Those of [`sample_answers`] and [`eigenscore()`].
    pub fn unmasked_scores(&self) -> Result<(f64, f64)> {
        self.scores(&self.model(), &mut NoTaps)
    }

    fn counted(&mut self, report: StepReport) -> StepReport {
        self.losses = (self.losses.0 + report.loss, self.losses.1 + 1);
        report
    }

    /// Embeds the tracking texts, scores the prompts' answers, and adds a checkpoint.
    fn measure(&mut self) -> Result<()> {
        let model = self.model();
        self.track(&model)?;
        let mut hooks = std::mem::take(&mut self.hooks);
        let found = if self.config.measure_masked {
            self.scores(&model, &mut hooks)
        } else {
            self.scores(&model, &mut NoTaps)
        };
        self.hooks = hooks;
        let (eigenscore, ees) = found?;
        let (sum, steps) = std::mem::take(&mut self.losses);
        self.checkpoints.push(SendCheckpoint {
            index: self.checkpoints.len(),
            steps: self.trainer.steps(),
            loss: (steps > 0).then(|| sum / steps as f64),
            eigenscore,
            ees,
            masked: self.masked.clone(),
            stop: false,
        });
        let rests = self.rests();
        if let Some(last) = self.checkpoints.last_mut() {
            last.stop = rests;
        }
        Ok(())
    }

    /// The tracker reads the model as it is: under the mask a unit would stand at zero, and jump whenever the mask moves.
    fn track(&mut self, model: &HookedLm) -> Result<()> {
        let embedding = self.config.answers.embedding;
        let layer = EmbeddingLayer::Penultimate;
        let rows = sentence_embeddings(model, &self.texts, embedding, layer, BATCH_TOKENS, &mut NoTaps)?;
        let mean = rows.mean_axis(Axis(0)).ok_or(Error::Missing { what: "tracking texts" })?;
        self.tracker.push(&mean.view())
    }

    fn scores<T: Taps>(&self, model: &HookedLm, taps: &mut T) -> Result<(f64, f64)> {
        let sampling = &self.config.answers;
        let ees = Ees { alpha: sampling.alpha, ..self.config.ees.clone() };
        let base = sampling.convention.log_base();
        let (mut exact, mut estimate) = (0.0, 0.0);
        for (i, answers) in sample_answers(model, &self.prompts, sampling, taps)?.iter().enumerate() {
            let e = answers.embeddings.view();
            exact += eigenscore(&e, sampling.convention, sampling.alpha)?;
            // Each prompt has probes of its own.
            let ees = Ees { seed: ees.seed ^ ((i as u64) << 32), ..ees.clone() };
            estimate += base.of_ln(ees.score_embeddings(&e, sampling.convention)?.score);
        }
        let n = self.prompts.len() as f64;
        Ok((exact / n, estimate / n))
    }

    /// Chooses units and puts the mask in place, once there are checkpoints enough.
    fn choose(&mut self) -> Result<()> {
        self.masked.clear();
        self.hooks = HookSet::new();
        let Some(sensitive) = self.tracker.sei() else { return Ok(()) };
        self.masked = match self.config.mask {
            SendMask::None => return Ok(()),
            SendMask::Sensitive => sensitive,
            SendMask::Random => {
                let mut draws =
                    stream(self.config.seed, "llm.send.random-mask", self.checkpoints.len() as u64);
                subset(&mut draws, self.trainer.model().config().hidden, sensitive.len())
            }
        };
        self.left = self.config.hold;
        if self.config.site == SendMaskSite::ResidPenultimate {
            let site: Site = EmbeddingLayer::Penultimate.site(self.trainer.model().config().layers);
            let mut units = self.masked.clone();
            units.sort_unstable();
            self.hooks.edit(Intervention::drop_units(site, units))?;
        }
        Ok(())
    }

    /// Whether loss and EES have both stayed within the thresholds over the last C checkpoints.
    fn rests(&self) -> bool {
        let Some(rule) = self.config.stop else { return false };
        let needed = self.config.sensitivity.window + 1;
        let Some(first) = self.checkpoints.len().checked_sub(needed) else { return false };
        let range = |values: &mut dyn Iterator<Item = f64>| {
            let (low, high) =
                values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
            high - low
        };
        let last = &self.checkpoints[first..];
        let losses: Option<Vec<f64>> = last.iter().map(|c| c.loss).collect();
        // The first checkpoint has no loss.
        let Some(losses) = losses else { return false };
        range(&mut losses.into_iter()) < rule.loss && range(&mut last.iter().map(|c| c.ees)) < rule.ees
    }
}
