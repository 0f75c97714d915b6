//! The flags that let core neurons write an answer.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use llm_neurons::core_neurons::{ClusterBank, CoreConfig, Strategy};
use llm_neurons::model::HookedLm;

use super::model::{ModelArguments, failure};
use super::neuron_sets::{identity, unless_forced};
use crate::failure::{Failure, Result};

/// Whether, and by which neurons.
#[derive(Debug, Clone, Args)]
pub(crate) struct CoreArguments {
    /// Read the prompt, or the first half of a text that is scored, with every MLP neuron and go on with this share of each
    /// sparse layer's, in (0, 1]
    #[arg(long, value_name = "FRACTION", allow_hyphen_values = true)]
    core_neurons: Option<f64>,
    /// Who chooses them: the prompt's own activations, where it is not given, or the cluster of texts that it is nearest to
    #[arg(long, value_enum)]
    predict: Option<Predict>,
    /// The clusters that `core-bank` wrote
    #[arg(long, value_name = "BANK.safetensors", help = "The clusters that core-bank wrote")]
    cluster_bank: Option<PathBuf>,
    /// Which layers are sparse, from 0, both ends included; 16 % to 85 % of the depth where it is not given
    #[arg(long, value_name = "FIRST-LAST|all")]
    core_layers: Option<Layers>,
    /// Share of a token's positive activations that counts as its core, in (0, 1]; 0.2 where it is not given, and the
    /// bank's with `--predict similarity`
    #[arg(long, value_name = "ALPHA", allow_hyphen_values = true)]
    token_core: Option<f64>,
}

/// Who chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Predict {
    Stability,
    Similarity,
}

/// Sparse layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layers {
    All,
    Between(u32, u32),
}

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let ends = text.split_once('-').unwrap_or((text, text));
        match (ends.0.parse(), ends.1.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self::Between(first, last)),
            _ => Err("expected FIRST-LAST, such as 6-26, or all".to_owned()),
        }
    }
}

/// What the flags ask for, checked against the model.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Which layers, and how many neurons of each.
    pub(crate) config: CoreConfig,
    bank: Option<ClusterBank>,
}

impl Plan {
    /// Who chooses.
    pub(crate) fn strategy(&self) -> Strategy<'_> {
        self.bank.as_ref().map_or(Strategy::Stable, Strategy::Similar)
    }
}

impl CoreArguments {
    /// Whether core neurons are asked for; refuses flags that say how, where they are not.
    ///
    /// # Errors
    /// A failure of usage.
    pub(crate) fn wanted(&self) -> Result<bool> {
        let similar = self.predict == Some(Predict::Similarity);
        let wanted = self.core_neurons.is_some();
        let how = self.predict.is_some()
            || self.cluster_bank.is_some()
            || self.core_layers.is_some()
            || self.token_core.is_some();
        let wrong = if how && !wanted {
            "--predict, --cluster-bank, --core-layers and --token-core say how --core-neurons are chosen: give their share"
        } else if similar && self.cluster_bank.is_none() {
            "--predict similarity chooses by --cluster-bank, which `neuropil llm core-bank` writes"
        } else if wanted && !similar && self.cluster_bank.is_some() {
            "--cluster-bank is what --predict similarity chooses by"
        } else if similar && self.token_core.is_some() {
            "--token-core has no meaning with --predict similarity: a bank has its own (`core-bank --token-core`)"
        } else {
            return Ok(wanted);
        };
        Err(Failure::usage(wrong))
    }

    /// How to go about it with this model; nothing where core neurons are not asked for. `force` takes a bank of another
    /// model of the same shape.
    pub(crate) fn plan(&self, from: &ModelArguments, model: &HookedLm, force: bool) -> Result<Option<Plan>> {
        let (true, Some(beta)) = (self.wanted()?, self.core_neurons) else { return Ok(None) };
        let shape = model.config();
        let mut config = CoreConfig { beta, ..CoreConfig::for_model(shape) };
        config.alpha = self.token_core.unwrap_or(config.alpha);
        match self.core_layers {
            None => {}
            Some(Layers::All) => config = config.in_all_layers(shape.layers),
            Some(Layers::Between(first, last)) => {
                (config.start, config.end) = (i64::from(first) - 1, i64::from(last) + 1);
            }
        }
        config
            .validate(shape.layers, shape.mlp)
            .map_err(|e| Failure::input(format!("--core-neurons, --token-core or --core-layers: {e}")))?;
        let Some(path) = &self.cluster_bank else { return Ok(Some(Plan { config, bank: None })) };
        let bank = ClusterBank::load(path, shape.layers, shape.mlp).map_err(failure)?;
        unless_forced(bank.check_model(&identity(&from.model)?.tensors_sha256), path, force)?;
        Ok(Some(Plan { config, bank: Some(bank) }))
    }
}
