//! A Hugging Face folder of random weights: a Llama of any size, in any number type.

use std::path::Path;

use numerics::rng::{normals, stream};
use safetensors::Dtype;
use serde_json::{Value, json};

use super::weight_file::{bytes, write_tensors};

/// How large.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Tokens of the vocabulary.
    pub(crate) vocab: usize,
    /// Units of the residual stream.
    pub(crate) hidden: usize,
    /// Blocks.
    pub(crate) layers: usize,
    /// Query heads.
    pub(crate) heads: usize,
    /// Key and value heads.
    pub(crate) kv_heads: usize,
    /// Neurons of an MLP.
    pub(crate) mlp: usize,
    /// Longest context.
    pub(crate) context: usize,
}

impl Size {
    /// `config.json` of this size.
    pub(crate) fn config(&self) -> Value {
        json!({
            "model_type": "llama", "vocab_size": self.vocab, "hidden_size": self.hidden,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads, "intermediate_size": self.mlp,
            "max_position_embeddings": self.context, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "tie_word_embeddings": false, "bos_token_id": 0, "eos_token_id": 1,
        })
    }

    /// Names and shapes of the tensors.
    pub(crate) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, keys) = (self.hidden, self.hidden / self.heads * self.kv_heads);
        let mut tensors = vec![
            ("model.embed_tokens.weight".to_owned(), vec![self.vocab, hidden]),
            ("model.norm.weight".to_owned(), vec![hidden]),
            ("lm_head.weight".to_owned(), vec![self.vocab, hidden]),
        ];
        for layer in 0..self.layers {
            for (name, shape) in [
                ("input_layernorm", vec![hidden]),
                ("self_attn.q_proj", vec![hidden, hidden]),
                ("self_attn.k_proj", vec![keys, hidden]),
                ("self_attn.v_proj", vec![keys, hidden]),
                ("self_attn.o_proj", vec![hidden, hidden]),
                ("post_attention_layernorm", vec![hidden]),
                ("mlp.gate_proj", vec![self.mlp, hidden]),
                ("mlp.up_proj", vec![self.mlp, hidden]),
                ("mlp.down_proj", vec![hidden, self.mlp]),
            ] {
                tensors.push((format!("model.layers.{layer}.{name}.weight"), shape));
            }
        }
        tensors
    }
}

/// The values of a tensor: normal, of a size that keeps activations of order one; norms are ones.
pub(crate) fn values(seed: u64, number: usize, shape: &[usize]) -> Vec<f32> {
    let elements = shape.iter().product();
    if shape.len() == 1 {
        return vec![1.0; elements];
    }
    let spread = (shape[1] as f64).powf(-0.5);
    let draws = normals(&mut stream(seed, "test.model", number as u64), elements);
    draws.into_iter().map(|x| (x * spread) as f32).collect()
}

/// Writes `config.json` and `model.safetensors`.
///
/// # Panics
/// When a file cannot be written.
pub(crate) fn write(folder: &Path, size: &Size, dtype: Dtype, seed: u64) {
    std::fs::write(folder.join("config.json"), size.config().to_string()).unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = size
        .tensors()
        .into_iter()
        .enumerate()
        .map(|(number, (name, shape))| {
            let bytes = bytes(&values(seed, number, &shape), dtype);
            (name, shape, bytes)
        })
        .collect();
    write_tensors(&folder.join("model.safetensors"), &tensors, dtype);
}
