//! Damaged folders are refused, each for what is wrong with it.

use std::path::Path;

use burn::tensor::FloatDType;
use llm_neurons::{AnyModel, Error};
use tensor_backend::DeviceSpec;

use super::folders::{lstm, rwkv, write};

fn load(folder: &Path) -> Result<AnyModel, Error> {
    AnyModel::load(folder, FloatDType::F32, &DeviceSpec::Cpu.open().unwrap().device)
}

#[test]
fn tensors_that_are_missing_left_over_misshapen_or_not_finite_are_named() {
    for ((config, weights), matrix) in [(rwkv(), "blocks.1.ffn.key.weight"), (lstm(), "lstm.weight_hh_l1")] {
        assert!(load(write(&config, &weights).path()).is_ok());
        let refused = |change: &dyn Fn(&mut super::folders::Weights), name: &str, word: &str| {
            let mut weights = weights.clone();
            change(&mut weights);
            match load(write(&config, &weights).path()) {
                Err(Error::Weights { name: found, expected, found: what }) => {
                    assert!(found == name || found.starts_with(&format!("{name} of ")), "{found}");
                    assert!(format!("{expected} {what}").contains(word), "{expected} {what}");
                }
                other => panic!("{name}: {other:?}"),
            }
        };
        refused(&|w| drop(w.remove(matrix)), matrix, "nothing");
        refused(&|w| drop(w.insert("extra".into(), (vec![1], vec![0.0]))), "extra", "no such tensor");
        refused(&|w| w.get_mut(matrix).unwrap().1[3] = f32::NAN, matrix, "NaN at element 3");
        refused(&|w| w.get_mut(matrix).unwrap().1[0] = f32::INFINITY, matrix, "inf");
        refused(&|w| w.get_mut(matrix).unwrap().0.reverse(), matrix, "shape");
    }
}

#[test]
fn truncated_files_and_unknown_configurations_are_refused() {
    for ((config, weights), changes) in [
        (
            rwkv(),
            vec![
                ("\"rwkv4\"", "\"rwkv5\"", "arch"),
                ("raw bytes", "world", "tokenizer"),
                ("relu(x)^2", "gelu", "ffn_activation"),
                ("\"head_size\": 8", "\"head_size\": 4", "head_size"),
                ("\"n_layer\": 2", "\"n_layer\": 0", "n_layer"),
                ("1e-5", "0", "layer_norm_eps"),
                ("\"group_norm_eps\": null", "\"group_norm_eps\": 1e-5", "group_norm_eps"),
                ("raw: w", "log: w", "time_decay"),
                ("\"n_embd\"", "\"n_embed\"", "n_embed"),
            ],
        ),
        (
            lstm(),
            vec![
                ("\"char_lstm\"", "\"char_gru\"", "arch"),
                ("i,f,g,o", "i,g,f,o", "gate_order"),
                ("zeros", "learned", "initial_state"),
                ("\"hidden_size\": 6", "\"hidden_size\": 99999999", "hidden_size"),
                ("\"num_layers\": 2", "\"num_layers\": -2", "-2"),
                ("\"newline\"", "\"dropout\"", "dropout"),
            ],
        ),
    ] {
        for (from, to, word) in changes {
            assert!(config.contains(from), "{from}");
            let folder = write(&config.replace(from, to), &weights);
            match load(folder.path()) {
                Err(error @ Error::Config { .. }) => {
                    assert!(error.to_string().contains(word), "{word}: {error}")
                }
                other => panic!("{word}: {other:?}"),
            }
            assert!(AnyModel::examine(folder.path()).is_err());
        }
        let folder = write(&config, &weights);
        assert!(AnyModel::examine(folder.path()).is_ok());
        let path = folder.path().join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        for keep in [0, 4, 100, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..keep]).unwrap();
            assert!(matches!(load(folder.path()), Err(Error::File { .. })), "{keep} bytes");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(load(folder.path()), Err(Error::File { .. })));
        std::fs::remove_file(folder.path().join("config.json")).unwrap();
        assert!(matches!(load(folder.path()), Err(Error::File { .. })));
    }
}
