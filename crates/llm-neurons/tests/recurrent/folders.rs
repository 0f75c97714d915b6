//! Small random models in folders of their own, and the folder of real ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use numerics::rng::{normals, stream};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// Tensors of a file: shape and values.
pub(crate) type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Folder of a real model; without it the test says so and passes, unless real data is required.
pub(crate) fn real(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = root.join(name);
    if folder.exists() {
        return Some(folder);
    }
    assert!(std::env::var("NEUROPIL_REQUIRE_DATA").is_err(), "{} is missing", folder.display());
    let said = format!("SKIPPED: {} is missing\n", folder.display());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
    None
}

/// RWKV-4 of 2 blocks, 8 channels and 12 neurons.
pub(crate) fn rwkv() -> (String, Weights) {
    let config = r#"{"arch": "rwkv4", "vocab_size": 256, "tokenizer": "raw bytes", "n_embd": 8, "n_layer": 2,
        "ffn_hidden": 12, "head_size": 8, "ffn_activation": "relu(x)^2", "layer_norm_eps": 1e-5,
        "group_norm_eps": null, "time_decay": "raw: w = exp(-exp(time_decay)) per step"}"#;
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("emb.weight".into(), vec![256, 8]),
        ("head.weight".into(), vec![256, 8]),
        ("ln_out.weight".into(), vec![8]),
        ("ln_out.bias".into(), vec![8]),
        ("blocks.0.ln0.weight".into(), vec![8]),
        ("blocks.0.ln0.bias".into(), vec![8]),
    ];
    for l in 0..2 {
        let mut add =
            |name: &str, shape: &[usize]| shapes.push((format!("blocks.{l}.{name}"), shape.to_vec()));
        for norm in ["ln1", "ln2"] {
            add(&format!("{norm}.weight"), &[8]);
            add(&format!("{norm}.bias"), &[8]);
        }
        for name in ["att.time_mix_k", "att.time_mix_v", "att.time_mix_r", "ffn.time_mix_k", "ffn.time_mix_r"]
        {
            add(name, &[1, 1, 8]);
        }
        add("att.time_decay", &[8]);
        add("att.time_first", &[8]);
        for name in ["att.key", "att.value", "att.receptance", "att.output", "ffn.receptance"] {
            add(&format!("{name}.weight"), &[8, 8]);
        }
        add("ffn.key.weight", &[12, 8]);
        add("ffn.value.weight", &[8, 12]);
    }
    (config.to_owned(), random(shapes))
}

/// An LSTM of 2 layers of 6 units over 5 characters.
pub(crate) fn lstm() -> (String, Weights) {
    let config = r#"{"arch": "char_lstm", "num_layers": 2, "vocab_size": 5, "embedding_dim": 4, "hidden_size": 6,
        "gate_order": "i,f,g,o (PyTorch)", "initial_state": "zeros", "newline": "LF"}"#;
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embedding.weight".into(), vec![5, 4]),
        ("decoder.weight".into(), vec![5, 6]),
        ("decoder.bias".into(), vec![5]),
    ];
    for (l, inputs) in [(0, 4), (1, 6)] {
        shapes.push((format!("lstm.weight_ih_l{l}"), vec![24, inputs]));
        shapes.push((format!("lstm.weight_hh_l{l}"), vec![24, 6]));
        shapes.push((format!("lstm.bias_ih_l{l}"), vec![24]));
        shapes.push((format!("lstm.bias_hh_l{l}"), vec![24]));
    }
    (config.to_owned(), random(shapes))
}

/// Writes a folder of configuration and weights.
pub(crate) fn write(config: &str, weights: &Weights) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let bytes: BTreeMap<&String, Vec<u8>> = weights
        .iter()
        .map(|(name, (_, values))| (name, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = weights
        .iter()
        .map(|(name, (shape, _))| (name, TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).unwrap()));
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), file).unwrap();
    std::fs::write(folder.path().join("vocab.json"), r#"{"a": 0, "b": 1, "c": 2, " ": 3, "\n": 4}"#).unwrap();
    folder
}

fn random(shapes: Vec<(String, Vec<usize>)>) -> Weights {
    shapes
        .into_iter()
        .enumerate()
        .map(|(i, (name, shape))| {
            let drawn = normals(&mut stream(5, "recurrent/weights", i as u64), shape.iter().product());
            (name, (shape, drawn.into_iter().map(|x| x as f32 * 0.7).collect()))
        })
        .collect()
}
