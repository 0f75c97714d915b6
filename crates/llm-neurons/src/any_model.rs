//! A language model whose kind its folder tells.

use std::path::Path;

use burn::tensor::{Device, FloatDType, Tensor};
use probes::Taps;
use recordings::Site;
use serde_json::Value;

use crate::language_model::LanguageModel;
use crate::model::{HookedLm, KvCache, LmConfig, Tokens, WeightFiles};
use crate::recurrent::{CharLstm, CharLstmConfig, LstmState, Rwkv, RwkvConfig, RwkvState};
use crate::{Error, Result};

/// A model of any kind that loads from a folder.
#[derive(Debug, Clone)]
pub enum AnyModel {
    /// A transformer, from a Hugging Face folder (`model_type`).
    Transformer(Box<HookedLm>),
    /// RWKV-4 (`arch: rwkv4`).
    Rwkv(Box<Rwkv>),
    /// A character LSTM (`arch: char_lstm`).
    CharLstm(Box<CharLstm>),
}

/// What an [`AnyModel`] remembers.
#[derive(Debug, Clone)]
pub enum AnyMemory {
    /// Keys and values.
    Transformer(KvCache),
    /// The state of RWKV-4.
    Rwkv(RwkvState),
    /// The state of an LSTM.
    CharLstm(LstmState),
}

/// The kinds of models, by what their `config.json` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Transformer,
    Rwkv,
    CharLstm,
}

impl AnyModel {
    /// Loads the model of a folder, as `dtype` on `device`. A `config.json` with `arch` is a recurrent model, one without a
    /// Hugging Face transformer.
    ///
    /// # Errors
    /// [`Error::Config`] for an `arch` that is not known; those of [`HookedLm::load`], [`Rwkv::load`] and [`CharLstm::load`].
    pub fn load(folder: &Path, dtype: FloatDType, device: &Device) -> Result<Self> {
        Ok(match kind(folder)? {
            Kind::Transformer => Self::Transformer(Box::new(HookedLm::load(folder, dtype, device)?)),
            Kind::Rwkv => Self::Rwkv(Box::new(Rwkv::load(folder, dtype, device)?)),
            Kind::CharLstm => Self::CharLstm(Box::new(CharLstm::load(folder, dtype, device)?)),
        })
    }

    /// Checks a folder's configuration and the headers of its weights, and opens the latter.
    ///
    /// # Errors
    /// Those of [`AnyModel::load`] that need no values.
    pub fn examine(folder: &Path) -> Result<WeightFiles> {
        match kind(folder)? {
            Kind::Transformer => LmConfig::read(folder).map(drop)?,
            Kind::Rwkv => crate::recurrent::read_config::<RwkvConfig>(folder)?.validate()?,
            Kind::CharLstm => crate::recurrent::read_config::<CharLstmConfig>(folder)?.validate()?,
        }
        WeightFiles::open(folder)
    }

    /// What it is: `transformer`, `rwkv4` or `char_lstm`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transformer(_) => "transformer",
            Self::Rwkv(_) => "rwkv4",
            Self::CharLstm(_) => "char_lstm",
        }
    }
}

fn kind(folder: &Path) -> Result<Kind> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
    let value: Value =
        serde_json::from_str(&text).map_err(|e| Error::config(path.display().to_string(), e, "JSON"))?;
    match value.get("arch") {
        None | Some(Value::Null) => Ok(Kind::Transformer),
        Some(Value::String(arch)) if arch == "rwkv4" => Ok(Kind::Rwkv),
        Some(Value::String(arch)) if arch == "char_lstm" => Ok(Kind::CharLstm),
        Some(other) => Err(Error::config(
            format!("{}: arch", path.display()),
            other,
            "rwkv4 or char_lstm (a transformer has model_type)",
        )),
    }
}

/// The same expression for whichever model it is.
macro_rules! each {
    ($of:expr, $model:ident => $then:expr) => {
        match $of {
            AnyModel::Transformer($model) => $then,
            AnyModel::Rwkv($model) => $then,
            AnyModel::CharLstm($model) => $then,
        }
    };
}

impl LanguageModel for AnyModel {
    type Memory = AnyMemory;

    fn vocabulary(&self) -> usize {
        each!(self, m => m.vocabulary())
    }

    fn context(&self) -> Option<usize> {
        each!(self, m => m.context())
    }

    fn layers(&self) -> usize {
        each!(self, m => m.layers())
    }

    fn device(&self) -> Device {
        each!(self, m => LanguageModel::device(&**m))
    }

    fn width(&self, site: &Site) -> Option<usize> {
        each!(self, m => LanguageModel::width(&**m, site))
    }

    fn memory(&self) -> Result<AnyMemory> {
        Ok(match self {
            Self::Transformer(m) => AnyMemory::Transformer(m.memory()?),
            Self::Rwkv(m) => AnyMemory::Rwkv(m.memory()?),
            Self::CharLstm(m) => AnyMemory::CharLstm(m.memory()?),
        })
    }

    fn read<T: Taps>(
        &self,
        tokens: &Tokens,
        memory: Option<&mut AnyMemory>,
        taps: &mut T,
    ) -> Result<Option<Tensor<3>>> {
        match (self, memory) {
            (model, None) => each!(model, m => m.read(tokens, None, taps)),
            (Self::Transformer(m), Some(AnyMemory::Transformer(memory))) => {
                m.read(tokens, Some(memory), taps)
            }
            (Self::Rwkv(m), Some(AnyMemory::Rwkv(memory))) => m.read(tokens, Some(memory), taps),
            (Self::CharLstm(m), Some(AnyMemory::CharLstm(memory))) => m.read(tokens, Some(memory), taps),
            (model, Some(_)) => Err(Error::Mismatch {
                what: "memory",
                expected: format!("one of a model of kind {}", model.kind()),
                found: "another kind's".to_owned(),
            }),
        }
    }
}
