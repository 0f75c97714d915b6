//! A configuration as a `config.json`, and the shape of a small Llama.

use serde_json::{Value, json};

use super::config::{Activation, Family, LmConfig, Position, Residual, RopeScaling};
use crate::{Error, Result};

/// The shape of a Llama that is made here: RMS norms, rotary positions of base 10000, a gated SiLU, a tied head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LlamaShape {
    /// Tokens of the vocabulary (257: bytes and one that begins and ends a text).
    pub vocab: usize,
    /// Units of the residual stream (64).
    pub hidden: usize,
    /// Blocks (4).
    pub layers: usize,
    /// Query heads (4).
    pub heads: usize,
    /// Key and value heads (4).
    pub kv_heads: usize,
    /// Neurons of an MLP (192).
    pub mlp: usize,
    /// Longest context (128).
    pub context: usize,
}

impl Default for LlamaShape {
    fn default() -> Self {
        Self { vocab: 257, hidden: 64, layers: 4, heads: 4, kv_heads: 4, mlp: 192, context: 128 }
    }
}

impl LmConfig {
    /// The configuration of a small Llama, to be trained from the start; `special` both begins and ends a text.
    ///
    /// # Errors
    /// Those of [`LmConfig::parse`].
    pub fn llama(shape: LlamaShape, special: Option<u32>) -> Result<Self> {
        let LlamaShape { vocab, hidden, layers, heads, kv_heads, mlp, context } = shape;
        let text = json!({
            "model_type": "llama",
            "vocab_size": vocab,
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "intermediate_size": mlp,
            "max_position_embeddings": context,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": true,
            "bos_token_id": special,
            "eos_token_id": special,
        });
        Self::parse(&text.to_string())
    }

    /// The `config.json` of the family that says this.
    ///
    /// # Errors
    /// [`Error::Config`] for a configuration that the family's file cannot express.
    pub fn to_json(&self) -> Result<Value> {
        let mut body = match self.family {
            Family::GptNeox => self.neox(),
            Family::Llama | Family::Qwen2 => self.gated_family(),
            Family::Opt => json!({
                "model_type": "opt",
                "architectures": ["OPTForCausalLM"],
                "hidden_size": self.hidden,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "ffn_dim": self.mlp,
                "max_position_embeddings": self.context,
                "word_embed_proj_dim": self.hidden,
                "do_layer_norm_before": true,
                "enable_bias": self.mlp_bias,
                "activation_function": name(self.activation),
            }),
            Family::Gpt2 => json!({
                "model_type": "gpt2",
                "architectures": ["GPT2LMHeadModel"],
                "n_embd": self.hidden,
                "n_layer": self.layers,
                "n_head": self.heads,
                "n_inner": self.mlp,
                "n_positions": self.context,
                "layer_norm_epsilon": self.eps,
                "activation_function": name(self.activation),
            }),
        };
        body["vocab_size"] = json!(self.vocab);
        body["tie_word_embeddings"] = json!(self.tied);
        body["torch_dtype"] = json!("float32");
        body["bos_token_id"] = json!(self.bos);
        body["eos_token_id"] = match self.eos.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            more => json!(more),
        };
        // A family says some things by its name alone: what comes back must be what went in.
        let back = Self::parse(&body.to_string())?;
        if back != *self {
            let found = format!("{self:?}");
            return Err(Error::config(
                "config.json",
                found,
                format!("what {:?} can say: {back:?}", self.family),
            ));
        }
        Ok(body)
    }

    fn neox(&self) -> Value {
        let (dims, base) = match self.position {
            Position::Rotary { dims, base, .. } => (dims, base),
            Position::Learned { .. } => (self.head_dim, 1e4),
        };
        // The share is multiplied and cut down again: half a unit more keeps rounding away from the edge.
        let share = if dims == self.head_dim { 1.0 } else { (dims as f64 + 0.5) / self.head_dim as f64 };
        json!({
            "model_type": "gpt_neox",
            "architectures": ["GPTNeoXForCausalLM"],
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.mlp,
            "max_position_embeddings": self.context,
            "layer_norm_eps": self.eps,
            "rotary_pct": share,
            "rotary_emb_base": base,
            "attention_bias": self.qkv_bias,
            "hidden_act": name(self.activation),
            "use_parallel_residual": self.residual == Residual::Parallel,
        })
    }

    fn gated_family(&self) -> Value {
        let (base, scaling) = match self.position {
            Position::Rotary { base, scaling, .. } => (base, scaling),
            Position::Learned { .. } => (1e4, None),
        };
        let scaling = match scaling {
            None => Value::Null,
            Some(RopeScaling::Linear(factor)) => json!({"rope_type": "linear", "factor": factor}),
            Some(RopeScaling::Llama3 { factor, low, high, original }) => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low,
                "high_freq_factor": high,
                "original_max_position_embeddings": original,
            }),
        };
        let qwen = self.family == Family::Qwen2;
        json!({
            "model_type": if qwen { "qwen2" } else { "llama" },
            "architectures": [if qwen { "Qwen2ForCausalLM" } else { "LlamaForCausalLM" }],
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.mlp,
            "max_position_embeddings": self.context,
            "rms_norm_eps": self.eps,
            "rope_theta": base,
            "rope_scaling": scaling,
            "attention_bias": self.qkv_bias,
            "mlp_bias": self.mlp_bias,
            "hidden_act": name(self.activation),
        })
    }
}

fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_new",
        Activation::Relu => "relu",
        Activation::Silu => "silu",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_llama_comes_back_from_its_file() {
        let config = LmConfig::llama(LlamaShape::default(), Some(256)).unwrap();
        assert_eq!(LmConfig::parse(&config.to_json().unwrap().to_string()).unwrap(), config);
        assert_eq!((config.bos, config.eos.as_slice()), (Some(256), &[256][..]));
        assert!(LmConfig::llama(LlamaShape { heads: 5, ..LlamaShape::default() }, None).is_err());
        assert!(LmConfig::llama(LlamaShape { layers: 0, ..LlamaShape::default() }, None).is_err());
    }

    #[test]
    fn what_a_file_cannot_say_is_refused() {
        let config = LmConfig::llama(LlamaShape::default(), None).unwrap();
        let odd = LmConfig { residual: Residual::Parallel, ..config };
        assert!(matches!(odd.to_json(), Err(Error::Config { .. })));
    }

    #[test]
    fn any_share_of_rotated_units_comes_back() {
        for head_dim in [2, 6, 14, 22, 64, 80, 96] {
            for dims in (2..=head_dim).step_by(2) {
                let text = json!({
                    "model_type": "gpt_neox", "vocab_size": 9, "hidden_size": 3 * head_dim, "num_hidden_layers": 1,
                    "num_attention_heads": 3, "intermediate_size": 4, "max_position_embeddings": 8,
                });
                let config = LmConfig::parse(&text.to_string());
                let Ok(config) = config else { continue };
                let position = Position::Rotary { dims, base: 1e4, scaling: None };
                let config = LmConfig { position, ..config };
                assert_eq!(LmConfig::parse(&config.to_json().unwrap().to_string()).unwrap(), config);
            }
        }
    }
}
