//! Models with random weights, in the shapes of published ones: a sixth of OPT-1.3B, and of a Llama of its size.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::tensor::{Device, FloatDType};
use llm_neurons::model::{HookedLm, LmConfig, WeightFiles};
use numerics::rng::{normals, stream};
use serde_json::{Map, Value, json};

const HIDDEN: usize = 2048;
const CONTEXT: usize = 2048;
/// Of 24.
const LAYERS: usize = 4;
/// Draws that are gone round in: a prime number, so that no two rows of a matrix are alike.
const DRAWS: usize = 1_000_003;

/// A tensor to be: name, shape, and how its values are.
struct Weight {
    name: String,
    shape: Vec<usize>,
    fill: Fill,
}

enum Fill {
    /// Normal draws, the inputs' number to the power -1/2 wide.
    Random,
    Zeros,
    Ones,
}

/// The `opt` or the `llama`.
pub(crate) fn load(name: &str, device: &Device) -> Result<HookedLm, Box<dyn Error>> {
    let (config, weights) = if name == "opt" { opt() } else { llama() };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    write(&path, &weights)?;
    let files = WeightFiles::open_file(&path)?;
    Ok(HookedLm::from_files(LmConfig::parse(&config.to_string())?, &files, FloatDType::F32, device)?)
}

/// OPT-1.3B: 24 layers, 50272 tokens.
fn opt() -> (Value, Vec<Weight>) {
    let (vocab, neurons) = (8384, 8192);
    let config = json!({
        "model_type": "opt", "vocab_size": vocab, "hidden_size": HIDDEN, "ffn_dim": neurons,
        "num_hidden_layers": LAYERS, "num_attention_heads": 32, "max_position_embeddings": CONTEXT,
        "activation_function": "relu", "do_layer_norm_before": true, "word_embed_proj_dim": HIDDEN,
        "tie_word_embeddings": true
    });
    let mut weights = vec![
        random("model.decoder.embed_tokens.weight", vocab, HIDDEN),
        random("model.decoder.embed_positions.weight", CONTEXT + 2, HIDDEN),
    ];
    let norm = |weights: &mut Vec<Weight>, name: &str| {
        weights.push(Weight { name: format!("{name}.weight"), shape: vec![HIDDEN], fill: Fill::Ones });
        weights.push(Weight { name: format!("{name}.bias"), shape: vec![HIDDEN], fill: Fill::Zeros });
    };
    for layer in 0..LAYERS {
        let at = |part: &str| format!("model.decoder.layers.{layer}.{part}");
        let (attention, mlp) = ((HIDDEN, HIDDEN), [(neurons, HIDDEN), (HIDDEN, neurons)]);
        for (part, (to, from)) in [
            ("self_attn.q_proj", attention),
            ("self_attn.k_proj", attention),
            ("self_attn.v_proj", attention),
            ("self_attn.out_proj", attention),
            ("fc1", mlp[0]),
            ("fc2", mlp[1]),
        ] {
            weights.push(random(&format!("{}.weight", at(part)), to, from));
            weights.push(Weight { name: format!("{}.bias", at(part)), shape: vec![to], fill: Fill::Zeros });
        }
        norm(&mut weights, &at("self_attn_layer_norm"));
        norm(&mut weights, &at("final_layer_norm"));
    }
    norm(&mut weights, "model.decoder.final_layer_norm");
    (config, weights)
}

/// A Llama of OPT-1.3B's size: 24 layers of 16 heads and 5504 neurons, 32000 tokens.
fn llama() -> (Value, Vec<Weight>) {
    let (vocab, neurons) = (5344, 5504);
    let config = json!({
        "model_type": "llama", "vocab_size": vocab, "hidden_size": HIDDEN, "intermediate_size": neurons,
        "num_hidden_layers": LAYERS, "num_attention_heads": 16, "num_key_value_heads": 16, "hidden_act": "silu",
        "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": false
    });
    let mut weights =
        vec![random("model.embed_tokens.weight", vocab, HIDDEN), random("lm_head.weight", vocab, HIDDEN)];
    let norm = |name: String| Weight { name, shape: vec![HIDDEN], fill: Fill::Ones };
    for layer in 0..LAYERS {
        let at = |part: &str| format!("model.layers.{layer}.{part}.weight");
        for part in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            weights.push(random(&at(&format!("self_attn.{part}")), HIDDEN, HIDDEN));
        }
        for part in ["gate_proj", "up_proj"] {
            weights.push(random(&at(&format!("mlp.{part}")), neurons, HIDDEN));
        }
        weights.push(random(&at("mlp.down_proj"), HIDDEN, neurons));
        weights.extend([norm(at("input_layernorm")), norm(at("post_attention_layernorm"))]);
    }
    weights.push(norm("model.norm.weight".to_owned()));
    (config, weights)
}

fn random(name: &str, to: usize, from: usize) -> Weight {
    Weight { name: name.to_owned(), shape: vec![to, from], fill: Fill::Random }
}

/// A `.safetensors` file, written as it is made: no copy of the model is in memory.
fn write(path: &Path, weights: &[Weight]) -> Result<(), Box<dyn Error>> {
    let (mut header, mut end) = (Map::new(), 0);
    for weight in weights {
        let start = end;
        end += weight.shape.iter().product::<usize>() * size_of::<f32>();
        let entry = json!({"dtype": "F32", "shape": weight.shape, "data_offsets": [start, end]});
        header.insert(weight.name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    let draws: Vec<f32> =
        normals(&mut stream(0, "speed/generation/weights", 0), DRAWS).into_iter().map(|x| x as f32).collect();
    let mut at = 0;
    for weight in weights {
        let scale = (*weight.shape.last().unwrap_or(&1) as f32).powf(-0.5);
        for _ in 0..weight.shape.iter().product::<usize>() {
            let value = match weight.fill {
                Fill::Zeros => 0.0,
                Fill::Ones => 1.0,
                Fill::Random => {
                    at = if at + 1 == DRAWS { 0 } else { at + 1 };
                    scale * draws[at]
                }
            };
            file.write_all(&value.to_le_bytes())?;
        }
    }
    Ok(file.flush()?)
}
