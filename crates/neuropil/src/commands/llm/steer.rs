//! The flags that steer a model while it generates.

use std::path::PathBuf;

use clap::Args;
use llm_neurons::foxp2::{SteeringPlan, Strength};
use llm_neurons::model::HookedLm;
use probes::HookSet;

use super::model::{ModelArguments, failure};
use super::neuron_sets::{identity, unless_forced};
use crate::failure::{Failure, Result};

/// Which plan, and how strongly.
#[derive(Debug, Clone, Args)]
pub(super) struct SteerArguments {
    /// Steer to the language of a plan that `llm foxp2 fit` wrote
    #[arg(
        long,
        value_name = "STEER.safetensors",
        help = "Steer to the language of a plan that llm foxp2 fit wrote"
    )]
    steer: Option<PathBuf>,
    /// Strength towards the target language; the plan's own when left out
    #[arg(long, value_name = "X", requires = "steer", allow_hyphen_values = true)]
    steer_lambda: Option<f64>,
    /// Strength against the source language; the plan's own when left out
    #[arg(long, value_name = "X", requires = "steer", allow_hyphen_values = true)]
    steer_beta: Option<f64>,
}

impl SteerArguments {
    /// Whether a plan is given.
    pub(super) fn wanted(&self) -> bool {
        self.steer.is_some()
    }

    /// Hooks the plan into the model; one of another model is refused, or with `force` warned of where it fits.
    ///
    /// # Errors
    /// A failure that names the file.
    pub(super) fn attach(
        &self,
        of: &ModelArguments,
        model: &HookedLm,
        hooks: &mut HookSet,
        force: bool,
    ) -> Result<()> {
        let Some(path) = &self.steer else { return Ok(()) };
        for (flag, value) in [("--steer-lambda", self.steer_lambda), ("--steer-beta", self.steer_beta)] {
            if let Some(bad) = value.filter(|x| !x.is_finite()) {
                return Err(Failure::usage(format!("{flag} {bad}: expected a finite number")));
            }
        }
        let plan = SteeringPlan::load(path).map_err(|e| failure(e).or_at(path))?;
        let (layers, hidden) = (model.config().layers, model.config().hidden);
        plan.check_shape(layers, hidden).map_err(|e| failure(e).or_at(path))?;
        let hash = identity(&of.model)?.tensors_sha256;
        unless_forced(plan.check_model(&hash, layers, hidden), path, force)?;
        let strength = Strength {
            lambda: self.steer_lambda.unwrap_or(plan.strength.lambda),
            beta: self.steer_beta.unwrap_or(plan.strength.beta),
        };
        plan.attach(hooks, model, strength).map_err(|e| failure(e).or_at(path))
    }
}
