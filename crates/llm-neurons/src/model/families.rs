//! What differs between families: keys of the configuration, names and layouts of the weights.

use serde_json::{Map, Value, json};

use super::config::{Activation, Family, Keys, LmConfig, NormKind, Position, Residual, RopeScaling};
use crate::{Error, Result};

/// Keys that change nothing here: what training, generation defaults or other tasks use.
const NEUTRAL: &[&str] = &[
    "architectures",
    "attention_dropout",
    "attn_pdrop",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dropout",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "id2label",
    "init_std",
    "initializer_range",
    "is_decoder",
    "label2id",
    "layerdrop",
    "length_penalty",
    "max_length",
    "max_window_layers",
    "min_length",
    "model_type",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "pruned_heads",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "use_bfloat16",
    "use_cache",
    "n_ctx",
];

pub(super) fn parse(map: &Map<String, Value>) -> Result<LmConfig> {
    let keys = Keys::new(map);
    let name = keys.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    keys.only("is_encoder_decoder", &json!(false))?;
    keys.only("add_cross_attention", &json!(false))?;
    if let Some(found) = keys.get("quantization_config") {
        return Err(Error::config("quantization_config", found, "none: quantised weights are not read"));
    }
    let config = match name.as_str() {
        "gpt_neox" => neox(&keys)?,
        "llama" | "mistral" | "qwen2" => llama(&keys, &name)?,
        "opt" => opt(&keys)?,
        "gpt2" => gpt2(&keys)?,
        other => {
            return Err(Error::config("model_type", other, "gpt_neox, llama, mistral, qwen2, opt or gpt2"));
        }
    };
    keys.finish(NEUTRAL)?;
    config.validate()?;
    Ok(config)
}

fn activation(keys: &Keys<'_>, key: &'static str, default: &str) -> Result<Activation> {
    Ok(match keys.get(key).map_or(Some(default), Value::as_str) {
        Some("gelu") => Activation::Gelu,
        Some("gelu_new" | "gelu_fast" | "gelu_pytorch_tanh") => Activation::GeluTanh,
        Some("relu") => Activation::Relu,
        Some("silu" | "swish") => Activation::Silu,
        other => {
            return Err(Error::config(
                key,
                format!("{other:?}"),
                "gelu, gelu_new, gelu_pytorch_tanh, relu or silu",
            ));
        }
    })
}

/// What all families have; the rest is the caller's.
fn base(keys: &Keys<'_>, family: Family, hidden: usize, layers: usize, heads: usize) -> Result<LmConfig> {
    if heads == 0 || !hidden.is_multiple_of(heads) {
        return Err(Error::config("num_attention_heads", heads, "a divisor of the hidden size"));
    }
    Ok(LmConfig {
        family,
        vocab: keys.size("vocab_size")?,
        hidden,
        layers,
        heads,
        kv_heads: heads,
        head_dim: hidden / heads,
        mlp: 0,
        context: 0,
        norm: NormKind::LayerNorm,
        eps: 1e-5,
        position: Position::Learned { offset: 0 },
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        gated: false,
        activation: Activation::Gelu,
        residual: Residual::Sequential,
        tied: keys.flag("tie_word_embeddings", true)?,
        bos: keys.tokens("bos_token_id")?.first().copied(),
        eos: keys.tokens("eos_token_id")?,
    })
}

fn neox(keys: &Keys<'_>) -> Result<LmConfig> {
    let base = base(
        keys,
        Family::GptNeox,
        keys.size("hidden_size")?,
        keys.size("num_hidden_layers")?,
        keys.size("num_attention_heads")?,
    )?;
    let share = keys.number("rotary_pct", 0.25)?;
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::config("rotary_pct", share, "above 0, at most 1"));
    }
    if let Some(found) = keys.get("rope_scaling") {
        return Err(Error::config("rope_scaling", found, "null in gpt_neox"));
    }
    let parallel = keys.flag("use_parallel_residual", true)?;
    let bias = keys.flag("attention_bias", true)?;
    Ok(LmConfig {
        mlp: keys.size("intermediate_size")?,
        context: keys.size("max_position_embeddings")?,
        eps: keys.number("layer_norm_eps", 1e-5)?,
        position: Position::Rotary {
            dims: (base.head_dim as f64 * share) as usize,
            base: keys.number("rotary_emb_base", keys.number("rope_theta", 10_000.0)?)?,
            scaling: None,
        },
        qkv_bias: bias,
        out_bias: bias,
        activation: activation(keys, "hidden_act", "gelu")?,
        residual: if parallel { Residual::Parallel } else { Residual::Sequential },
        tied: keys.flag("tie_word_embeddings", false)?,
        ..base
    })
}

fn llama(keys: &Keys<'_>, name: &str) -> Result<LmConfig> {
    let qwen = name == "qwen2";
    let family = if qwen { Family::Qwen2 } else { Family::Llama };
    let base = base(
        keys,
        family,
        keys.size("hidden_size")?,
        keys.size("num_hidden_layers")?,
        keys.size("num_attention_heads")?,
    )?;
    let context = keys.size("max_position_embeddings")?;
    let sliding = keys.flag("use_sliding_window", name == "mistral")?;
    match keys.optional_size("sliding_window")? {
        Some(window) if sliding && window < context => {
            return Err(Error::config("sliding_window", window, "null, or as long as the context"));
        }
        _ => {}
    }
    if let Some(Value::Array(types)) = keys.get("layer_types")
        && let Some(other) = types.iter().find(|t| t.as_str() != Some("full_attention"))
    {
        return Err(Error::config("layer_types", other, "full_attention in every layer"));
    }
    let head_dim = keys.optional_size("head_dim")?.unwrap_or(base.head_dim);
    let attention_bias = keys.flag("attention_bias", qwen)?;
    let (theta, scaling) = rope(keys, if qwen { 1e6 } else { 1e4 })?;
    Ok(LmConfig {
        kv_heads: keys.optional_size("num_key_value_heads")?.unwrap_or(base.heads),
        head_dim,
        mlp: keys.size("intermediate_size")?,
        context,
        norm: NormKind::RmsNorm,
        eps: keys.number("rms_norm_eps", 1e-6)?,
        position: Position::Rotary { dims: head_dim, base: theta, scaling },
        qkv_bias: attention_bias,
        out_bias: attention_bias && !qwen,
        mlp_bias: keys.flag("mlp_bias", false)?,
        gated: true,
        activation: activation(keys, "hidden_act", "silu")?,
        tied: keys.flag("tie_word_embeddings", false)?,
        ..base
    })
}

/// Base and rescaling, from `rope_theta` and `rope_scaling` or from `rope_parameters`, which holds both.
fn rope(keys: &Keys<'_>, default: f64) -> Result<(f64, Option<RopeScaling>)> {
    let theta = keys.number("rope_theta", default)?;
    let (key, found) = match (keys.get("rope_scaling"), keys.get("rope_parameters")) {
        (Some(found), _) => ("rope_scaling", found),
        (None, Some(found)) => ("rope_parameters", found),
        (None, None) => return Ok((theta, None)),
    };
    let Value::Object(map) = found else { return Err(Error::config(key, found, "an object")) };
    let inner = Keys::new(map);
    let theta = inner.number("rope_theta", theta)?;
    let kind =
        inner.get("rope_type").or_else(|| inner.get("type")).and_then(Value::as_str).unwrap_or_default();
    let positive = |name: &'static str| -> Result<f64> {
        match inner.number(name, f64::NAN)? {
            x if x.is_finite() && x > 0.0 => Ok(x),
            x => Err(Error::config(name, x, "a positive number")),
        }
    };
    let scaling = match kind {
        "default" => None,
        "linear" => Some(RopeScaling::Linear(positive("factor")?)),
        "llama3" => Some(RopeScaling::Llama3 {
            factor: positive("factor")?,
            low: positive("low_freq_factor")?,
            high: positive("high_freq_factor")?,
            original: positive("original_max_position_embeddings")?,
        }),
        other => return Err(Error::config("rope_type", other, "default, linear or llama3")),
    };
    inner.get("type");
    inner.finish(&[])?;
    Ok((theta, scaling))
}

fn opt(keys: &Keys<'_>) -> Result<LmConfig> {
    let base = base(
        keys,
        Family::Opt,
        keys.size("hidden_size")?,
        keys.size("num_hidden_layers")?,
        keys.size("num_attention_heads")?,
    )?;
    keys.only("do_layer_norm_before", &json!(true))?;
    keys.only("_remove_final_layer_norm", &json!(false))?;
    keys.only("layer_norm_elementwise_affine", &json!(true))?;
    keys.only("word_embed_proj_dim", &json!(base.hidden))?;
    let bias = keys.flag("enable_bias", true)?;
    Ok(LmConfig {
        mlp: keys.size("ffn_dim")?,
        context: keys.size("max_position_embeddings")?,
        position: Position::Learned { offset: 2 },
        qkv_bias: bias,
        out_bias: bias,
        mlp_bias: bias,
        activation: activation(keys, "activation_function", "relu")?,
        ..base
    })
}

fn gpt2(keys: &Keys<'_>) -> Result<LmConfig> {
    let base = base(keys, Family::Gpt2, keys.size("n_embd")?, keys.size("n_layer")?, keys.size("n_head")?)?;
    keys.only("scale_attn_weights", &json!(true))?;
    keys.only("scale_attn_by_inverse_layer_idx", &json!(false))?;
    keys.only("reorder_and_upcast_attn", &json!(false))?;
    Ok(LmConfig {
        mlp: keys.optional_size("n_inner")?.unwrap_or(4 * base.hidden),
        context: keys.size("n_positions")?,
        eps: keys.number("layer_norm_epsilon", 1e-5)?,
        activation: activation(keys, "activation_function", "gelu_new")?,
        ..base
    })
}

/// The names of a model's tensors.
pub(super) struct Names {
    /// Before every name but the head's; some files leave it out.
    pub(super) prefix: &'static str,
    pub(super) embed: &'static str,
    pub(super) positions: Option<&'static str>,
    pub(super) block: &'static str,
    pub(super) norm1: &'static str,
    pub(super) norm2: &'static str,
    pub(super) qkv: Qkv,
    pub(super) out: &'static str,
    pub(super) gate: Option<&'static str>,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) norm: &'static str,
    pub(super) head: &'static str,
    /// Tensors that some files hold and nobody reads: rotary tables and causal masks.
    pub(super) idle: &'static [&'static str],
}

/// How query, key and value are stored.
pub(super) enum Qkv {
    Apart([&'static str; 3]),
    /// Rows `[heads, 3, head_dim]`: interleaved per head.
    PerHead(&'static str),
    /// `[in, out]` with contiguous thirds; all linear weights of the family are transposed.
    Thirds(&'static str),
}

pub(super) fn names(family: Family) -> Names {
    match family {
        Family::GptNeox => Names {
            prefix: "gpt_neox.",
            embed: "embed_in.weight",
            positions: None,
            block: "layers.",
            norm1: "input_layernorm",
            norm2: "post_attention_layernorm",
            qkv: Qkv::PerHead("attention.query_key_value"),
            out: "attention.dense",
            gate: None,
            up: "mlp.dense_h_to_4h",
            down: "mlp.dense_4h_to_h",
            norm: "final_layer_norm",
            head: "embed_out.weight",
            idle: &["attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq"],
        },
        Family::Llama | Family::Qwen2 => Names {
            prefix: "model.",
            embed: "embed_tokens.weight",
            positions: None,
            block: "layers.",
            norm1: "input_layernorm",
            norm2: "post_attention_layernorm",
            qkv: Qkv::Apart(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
            out: "self_attn.o_proj",
            gate: Some("mlp.gate_proj"),
            up: "mlp.up_proj",
            down: "mlp.down_proj",
            norm: "norm",
            head: "lm_head.weight",
            idle: &["self_attn.rotary_emb.inv_freq"],
        },
        Family::Opt => Names {
            prefix: "model.decoder.",
            embed: "embed_tokens.weight",
            positions: Some("embed_positions.weight"),
            block: "layers.",
            norm1: "self_attn_layer_norm",
            norm2: "final_layer_norm",
            qkv: Qkv::Apart(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
            out: "self_attn.out_proj",
            gate: None,
            up: "fc1",
            down: "fc2",
            norm: "final_layer_norm",
            head: "lm_head.weight",
            idle: &[],
        },
        Family::Gpt2 => Names {
            prefix: "transformer.",
            embed: "wte.weight",
            positions: Some("wpe.weight"),
            block: "h.",
            norm1: "ln_1",
            norm2: "ln_2",
            qkv: Qkv::Thirds("attn.c_attn"),
            out: "attn.c_proj",
            gate: None,
            up: "mlp.c_fc",
            down: "mlp.c_proj",
            norm: "ln_f",
            head: "lm_head.weight",
            idle: &["attn.bias", "attn.masked_bias"],
        },
    }
}
