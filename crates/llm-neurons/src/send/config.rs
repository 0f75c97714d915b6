//! How sensitivity dropout is done.

use serde::{Deserialize, Serialize};

use super::answers::SampleConfig;
use super::tracker::SensitivityConfig;
use crate::{Ees, Error, Result};

/// Which units are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendMask {
    /// The sensitive ones.
    #[default]
    Sensitive,
    /// As many, drawn anew each time: the control.
    Random,
    /// None: normal training, measured alike.
    None,
}

/// Where a unit is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendMaskSite {
    /// The residual stream that the last block reads is zero at the unit, forward and backward.
    #[default]
    ResidPenultimate,
    /// What the published code does: once a checkpoint the weights of the last block but one's MLP that read or write the
    /// unit are set to zero. Training may bring them back.
    OfficialMlpWeights,
}

/// When training may end: both figures have moved by less than this over the last C checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopRule {
    /// Of the training loss, in nats a token.
    pub loss: f64,
    /// Of Efficient EigenScore on the tracking texts.
    pub ees: f64,
}

/// Sensitivity dropout. Defaults are the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendConfig {
    /// How sensitive units are found.
    pub sensitivity: SensitivityConfig,
    /// Checkpoints that a mask stays, T (3).
    pub hold: usize,
    /// Which units.
    pub mask: SendMask,
    /// Where.
    pub site: SendMaskSite,
    /// Whether answers are measured with the mask in place (no: it is part of training alone). The tracker never sees it.
    pub measure_masked: bool,
    /// Tracking texts whose beginnings are prompts (12, or all).
    pub prompts: usize,
    /// Tokens of a prompt (8).
    pub prompt_tokens: usize,
    /// How answers are sampled and embedded; texts are embedded alike.
    pub answers: SampleConfig,
    /// Efficient EigenScore of the answers; alpha is that of `answers`.
    #[serde(skip)]
    pub ees: Ees,
    /// When training may end (never).
    pub stop: Option<StopRule>,
    /// Seed of random masks (0).
    pub seed: u64,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self {
            sensitivity: SensitivityConfig::default(),
            hold: 3,
            mask: SendMask::default(),
            site: SendMaskSite::default(),
            measure_masked: false,
            prompts: 12,
            prompt_tokens: 8,
            answers: SampleConfig::default(),
            ees: Ees::default(),
            stop: None,
            seed: 0,
        }
    }
}

impl SendConfig {
    /// Whether the figures make sense.
    ///
    /// # Errors
    /// [`Error::Parameter`] and [`Error::TooFew`] that name one.
    pub fn validate(&self) -> Result<()> {
        self.sensitivity.validate()?;
        self.answers.validate()?;
        self.ees.validate()?;
        for (name, value) in
            [("hold", self.hold), ("prompts", self.prompts), ("prompt_tokens", self.prompt_tokens)]
        {
            if value == 0 {
                return Err(Error::Parameter { name, value: 0.0, expected: "at least 1" });
            }
        }
        if let Some(StopRule { loss, ees }) = self.stop {
            for (name, value) in [("stop.loss", loss), ("stop.ees", ees)] {
                if !(value.is_finite() && value > 0.0) {
                    return Err(Error::Parameter { name, value, expected: "a positive number" });
                }
            }
        }
        Ok(())
    }
}
