//! The flags that name a model, and its loading.

use std::path::PathBuf;

use burn::tensor::FloatDType;
use clap::{Args, ValueEnum};
use llm_neurons::model::{HookedLm, LmConfig, WeightFiles};
use llm_neurons::{Error, LanguageModel, TextTokenizer, ablation};
use probes::HookSet;

use super::neuron_sets::read_set;
use crate::context::Context;
use crate::failure::{Failure, Result};

/// Which model, and as what.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArguments {
    /// A Hugging Face folder: config.json, model.safetensors or its shards, tokenizer.json
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Number type of weights and activations, however the files store them; norms and softmax are in f32
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub(crate) dtype: Dtype,
}

/// Number types of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of a value.
    pub(crate) fn bytes(self) -> u64 {
        if self == Self::F32 { 4 } else { 2 }
    }

    pub(crate) fn tensor(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::Bf16 => FloatDType::BF16,
        }
    }
}

impl ModelArguments {
    /// The model, on the device of the context.
    pub(crate) fn load(&self, context: &Context) -> Result<HookedLm> {
        let at = |error: Error| failure(error).or_at(&self.model);
        let config = LmConfig::read(&self.model).map_err(at)?;
        let files = WeightFiles::open(&self.model).map_err(at)?;
        let bytes = files.elements().saturating_mul(self.dtype.bytes());
        context.admit("the model", bytes)?;
        let device = &context.open_device()?.device;
        HookedLm::from_files(config, &files, self.dtype.tensor(), device).map_err(at)
    }

    /// Refuses texts of `time` tokens that the model cannot read, at most `tokens` of them together, in the memory that is
    /// allowed; `kept` are the tokens whose keys and values stay.
    pub(crate) fn admit_pass(
        context: &Context,
        model: &HookedLm,
        time: usize,
        tokens: usize,
        kept: usize,
    ) -> Result<()> {
        let batch = (tokens / time.max(1)).max(1);
        let logits = if kept > 0 { batch } else { batch * time };
        let bytes = model.pass_bytes(batch, time, logits).saturating_add(model.cache_bytes(batch, kept));
        context.admit(&format!("reading {batch} x {time} tokens"), bytes)
    }

    /// Its tokenizer.
    pub(crate) fn tokenizer(&self, model: &HookedLm) -> Result<TextTokenizer> {
        TextTokenizer::load(&self.model, model.config()).map_err(|e| failure(e).or_at(&self.model))
    }

    /// Hooks that drop the neurons of a set file; one of another model is refused, or with `force` warned of.
    pub(crate) fn drop_hooks(
        &self,
        model: &impl LanguageModel,
        set: Option<&PathBuf>,
        force: bool,
    ) -> Result<HookSet> {
        let mut hooks = HookSet::new();
        let Some(path) = set else { return Ok(hooks) };
        let set = read_set(path, self, force)?;
        for edit in ablation(&set, &[], model).map_err(|e| failure(e).or_at(path))? {
            hooks.edit(edit).map_err(|e| Failure::input(e).at(path))?;
        }
        Ok(hooks)
    }
}

/// A failure of the library.
pub(crate) fn failure(error: Error) -> Failure {
    match &error {
        Error::File { path, message } => {
            let kind = if path.exists() { "format" } else { "io" };
            Failure::new(kind, message).at(path)
        }
        Error::Tensor { .. } => Failure::new("device", error),
        Error::Weights { .. } | Error::Config { .. } => Failure::new("format", error),
        _ => Failure::input(error),
    }
}
