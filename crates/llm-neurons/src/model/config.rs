//! What a `config.json` says, made the same for all families.

use std::path::Path;

use serde_json::{Map, Value};

use super::families;
use crate::{Error, Result};

/// The architectures that load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// GPT-NeoX and Pythia.
    GptNeox,
    /// Llama and Mistral.
    Llama,
    /// Qwen2.
    Qwen2,
    /// OPT (layer norms before the sublayers).
    Opt,
    /// GPT-2.
    Gpt2,
}

/// The kind of norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `(x - mean) / sqrt(var + eps) * w + b`.
    LayerNorm,
    /// `x / sqrt(mean(x^2) + eps) * w`.
    RmsNorm,
}

/// The MLP's non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Phi(x)` with the error function.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x sigmoid(x)`.
    Silu,
}

/// How a block adds its sublayers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residual {
    /// `x + attn(n1 x)`, then `+ mlp(n2 ..)`.
    Sequential,
    /// `x + attn(n1 x) + mlp(n2 x)`.
    Parallel,
}

/// The rescaling of rotary frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Positions divided by a factor.
    Linear(f64),
    /// Llama 3.1's: low frequencies divided, high ones kept, a ramp between.
    Llama3 {
        /// By how much low frequencies are divided.
        factor: f64,
        /// Wavelengths above `original / low` are low.
        low: f64,
        /// Wavelengths below `original / high` are high.
        high: f64,
        /// The context it was trained with first.
        original: f64,
    },
}

/// How a token knows its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Position {
    /// Rotations of the first `dims` units of each head, in halves.
    Rotary {
        /// How many units are rotated.
        dims: usize,
        /// The base of the wavelengths.
        base: f64,
        /// Their rescaling.
        scaling: Option<RopeScaling>,
    },
    /// A table, read at `position + offset`.
    Learned {
        /// 2 in OPT, else 0.
        offset: usize,
    },
}

/// A family's configuration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LmConfig {
    /// Which names the weights have.
    pub family: Family,
    /// Tokens of the vocabulary.
    pub vocab: usize,
    /// Units of the residual stream.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Units of a head.
    pub head_dim: usize,
    /// Neurons of an MLP.
    pub mlp: usize,
    /// Longest context.
    pub context: usize,
    /// Norm of the blocks and after them.
    pub norm: NormKind,
    /// Its epsilon.
    pub eps: f64,
    /// Positions.
    pub position: Position,
    /// Bias of query, key and value.
    pub qkv_bias: bool,
    /// Bias of the attention's output.
    pub out_bias: bool,
    /// Bias of the MLP.
    pub mlp_bias: bool,
    /// Whether the MLP is gated: `down(phi(gate x) * up x)`.
    pub gated: bool,
    /// Non-linearity.
    pub activation: Activation,
    /// Residual connections.
    pub residual: Residual,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Token that begins a text.
    pub bos: Option<u32>,
    /// Tokens that end one.
    pub eos: Vec<u32>,
}

impl LmConfig {
    /// Reads `config.json` of a Hugging Face folder.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Config`] for a key or value that is not known, or a model that
    /// would not be computed as its authors do.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        Self::parse(&text).map_err(|e| e.at(&path))
    }

    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// Those of [`LmConfig::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|e| Error::config("config.json", e, "JSON"))?;
        let Value::Object(map) = value else {
            return Err(Error::config("config.json", "no object", "an object"));
        };
        families::parse(&map)
    }

    /// Whether the numbers fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] that names the key.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("vocab_size", self.vocab),
            ("hidden_size", self.hidden),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("intermediate_size", self.mlp),
            ("max_position_embeddings", self.context),
        ] {
            // The upper end keeps products of two within what memory could hold.
            if value == 0 || value > 1 << 24 {
                return Err(Error::config(name, value, "from 1 to 2^24"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Error::config(
                "num_key_value_heads",
                self.kv_heads,
                "a divisor of num_attention_heads",
            ));
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return Err(Error::config("norm epsilon", self.eps, "a positive number"));
        }
        if let Position::Rotary { dims, base, .. } = self.position {
            if dims == 0 || dims > self.head_dim || !dims.is_multiple_of(2) {
                return Err(Error::config("rotary dimensions", dims, "even, from 2 to the head's"));
            }
            if !(base.is_finite() && base > 1.0) {
                return Err(Error::config("rope_theta", base, "above 1"));
            }
        }
        Ok(())
    }
}

/// Typed access to a configuration's keys; every key that was asked for counts as known.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    known: std::cell::RefCell<std::collections::BTreeSet<&'static str>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(map: &'a Map<String, Value>) -> Self {
        Self { map, known: std::cell::RefCell::default() }
    }

    /// The value, unless it is missing or null.
    pub(super) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().insert(key);
        self.map.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn size(&self, key: &'static str) -> Result<usize> {
        self.optional_size(key)?.ok_or_else(|| Error::config(key, "nothing", "a whole number"))
    }

    pub(super) fn optional_size(&self, key: &'static str) -> Result<Option<usize>> {
        self.get(key)
            .map(|v| {
                v.as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| Error::config(key, v, "a whole number"))
            })
            .transpose()
    }

    pub(super) fn number(&self, key: &'static str, default: f64) -> Result<f64> {
        self.get(key).map_or(Ok(default), |v| v.as_f64().ok_or_else(|| Error::config(key, v, "a number")))
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> Result<bool> {
        self.get(key)
            .map_or(Ok(default), |v| v.as_bool().ok_or_else(|| Error::config(key, v, "true or false")))
    }

    /// A key that must have this value where it stands.
    pub(super) fn only(&self, key: &'static str, value: &Value) -> Result<()> {
        match self.get(key) {
            Some(found) if found != value => Err(Error::config(key, found, value.to_string())),
            _ => Ok(()),
        }
    }

    pub(super) fn tokens(&self, key: &'static str) -> Result<Vec<u32>> {
        let one = |v: &Value| {
            v.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(|| Error::config(key, v, "token ids"))
        };
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(one).collect(),
            Some(v) => Ok(vec![one(v)?]),
        }
    }

    /// Refuses keys that nobody asked for.
    pub(super) fn finish(&self, neutral: &[&str]) -> Result<()> {
        let known = self.known.borrow();
        match self.map.iter().find(|(k, v)| {
            !known.contains(k.as_str())
                && !neutral.contains(&k.as_str())
                && !k.starts_with('_')
                && !v.is_null()
        }) {
            Some((key, value)) => Err(Error::config(key, value, "no such key: what it changes is not known")),
            None => Ok(()),
        }
    }
}
