//! `llm generate`, `logits` and `parity` as a user meets them: on a small random model, and on a trained one where the
//! folder of real data is.
#![cfg(feature = "llm")]

#[path = "support/data.rs"]
mod data;
#[path = "support/llm.rs"]
mod support;

use std::path::{Path, PathBuf};

use ndarray::Array2;
use recordings::arrays::{ArrayFile, Npz};
use serde_json::Value;
use support::{answer, run};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../llm-neurons/tests/fixtures/00-tiny-transformers")
}

/// A Hugging Face folder of one of the fixtures.
fn folder(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [("config.json", "config.json"), ("model.safetensors", "model.safetensors")] {
        std::fs::copy(fixtures().join(format!("{name}.{from}")), folder.path().join(to)).unwrap();
    }
    folder
}

fn failure(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["error"]["message"].as_str().unwrap().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn parity_holds_at_every_site_and_names_the_first_that_leaves_it() {
    for name in ["gpt_neox_parallel", "gpt2"] {
        let model = folder(name);
        let reference = fixtures().join(format!("{name}.expected.safetensors"));
        let got = answer(&["parity", "--model", text(model.path()), "--reference", text(&reference)]);
        assert_eq!(got["first_divergence"], Value::Null, "{got}");
        let sites = got["sites"].as_object().unwrap();
        assert!(sites.contains_key("Logits") && sites.contains_key("DownIn(1)") && sites.len() >= 12);
        assert!(sites.values().all(|s| s["max_abs"].as_f64().unwrap() <= 2e-4));
        assert_eq!(got["order"][0], "Embed");
    }
    // Another model's tensors: the embedding is where the two part.
    let model = folder("gpt_neox_parallel");
    let reference = fixtures().join("gpt_neox_sequential.expected.safetensors");
    let got = answer(&["parity", "--model", text(model.path()), "--reference", text(&reference)]);
    assert_eq!(got["first_divergence"], "Embed");
}

#[test]
fn logits_and_hidden_states_are_written() {
    let model = folder("llama_gqa");
    let reference = ArrayFile::open(&fixtures().join("llama_gqa.expected.safetensors")).unwrap();
    let (ids, out) = (model.path().join("ids.npz"), model.path().join("out.npz"));
    let tokens = reference.read_i64_2("input_ids").unwrap();
    Npz::new().i64("ids", tokens.view().into_dyn()).write(&ids).unwrap();
    let arguments =
        ["logits", "--model", text(model.path()), "--ids", text(&ids), "--out", text(&out), "--hidden"];
    let got = answer(&arguments);
    assert_eq!((&got["batch"], &got["time"], &got["vocab"]), (&2.into(), &12.into(), &96.into()));
    let file = ArrayFile::open(&out).unwrap();
    for (ours, theirs) in
        [("logits", "logits"), ("resid_post.1", "layer1.resid_post"), ("final_norm", "hf_hidden_states.2")]
    {
        let (ours, theirs) = (file.read_f64_3(ours).unwrap(), reference.read_f64_3(theirs).unwrap());
        assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() <= 2e-4));
    }
    // A token beyond the vocabulary, and a mask of another shape.
    let bad = model.path().join("bad.npz");
    Npz::new().i64("ids", Array2::from_elem((1, 2), 96_i64).view().into_dyn()).write(&bad).unwrap();
    let said =
        failure(&["logits", "--model", text(model.path()), "--ids", text(&bad), "--out", text(&out)], 1);
    assert!(said.contains("token 96") && said.contains("96 ids"), "{said}");
    let said = failure(&[&arguments[..], &["--mask", text(&bad)]].concat(), 1);
    assert!(said.contains("mask"), "{said}");
}

#[test]
fn damaged_folders_are_refused() {
    let parity = |folder: &Path| {
        let reference = fixtures().join("llama_gqa.expected.safetensors");
        failure(&["parity", "--model", text(folder), "--reference", text(&reference)], 1)
    };
    let model = folder("llama_gqa");
    let (config, weights) = (model.path().join("config.json"), model.path().join("model.safetensors"));
    let (good, bytes) = (std::fs::read_to_string(&config).unwrap(), std::fs::read(&weights).unwrap());
    for (from, to, expected) in [
        ("\"llama\"", "\"mamba\"", "model_type"),
        ("\"silu\"", "\"tanh\"", "hidden_act"),
        ("\"use_cache\"", "\"use_magic\"", "use_magic"),
        ("\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 0.0", "epsilon"),
        ("\"intermediate_size\": 64", "\"intermediate_size\": 65", "[65, 32]"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "layers.2"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "no such tensor"),
        ("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": \"no\"", "true or false"),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&config, good.replace(from, to)).unwrap();
        let said = parity(model.path());
        assert!(said.contains(expected), "{expected}: {said}");
    }
    std::fs::write(&config, good).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 100]).unwrap();
    assert!(parity(model.path()).contains("truncated"));
    let mut nan = bytes.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights, nan).unwrap();
    assert!(parity(model.path()).contains("finite"));
    // An index whose shard is missing, and one that leads out of the folder.
    std::fs::remove_file(&weights).unwrap();
    let index = model.path().join("model.safetensors.index.json");
    for (shard, expected) in
        [("model-00001-of-00002.safetensors", "No such file"), ("../x", "plain file name")]
    {
        std::fs::write(&index, format!("{{\"weight_map\": {{\"lm_head.weight\": \"{shard}\"}}}}")).unwrap();
        let said = parity(model.path());
        assert!(said.contains(expected) || said.contains("cannot find"), "{said}");
    }
}

#[test]
fn a_trained_model_tells_its_published_story_token_for_token() {
    let Some(model) = data::real("lm-stories260k") else { return };
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(model.join("golden.json")).unwrap()).unwrap();
    let want: Vec<u64> =
        golden["greedy_from_bos_ids"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect();
    let n = (want.len() - 1).to_string();
    let got = answer(&["generate", "--model", text(&model), "--prompt", "", "--max-new-tokens", &n]);
    let ids: Vec<u64> = got["token_ids"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect();
    assert_eq!(got["prompt_token_ids"], serde_json::json!([1]));
    assert_eq!(ids, want[1..]);
    assert_eq!(got["text"].as_str().unwrap().trim(), golden["greedy_from_bos_text"].as_str().unwrap().trim());
    assert_eq!(got["active_fraction"], 1.0);
    assert!(got["decode_tokens_per_second"].as_f64().unwrap() > 0.0);
    // The prompt of the golden logits, as the tokenizer cuts it.
    let prompt = golden["prompt"].as_str().unwrap();
    let sampled = ["generate", "--model", text(&model), "--prompt", prompt, "--max-new-tokens", "8"];
    let got = answer(&sampled);
    assert_eq!(got["prompt_token_ids"], golden["input_ids"]);
    let warm = [&sampled[..], &["--temperature", "1", "--top-k", "20", "--seed", "5"]].concat();
    assert_eq!(answer(&warm)["token_ids"], answer(&warm)["token_ids"], "a seed is a text");
    assert_ne!(answer(&warm)["token_ids"], got["token_ids"]);
    let parity =
        answer(&["parity", "--model", text(&model), "--reference", text(&model.join("golden.safetensors"))]);
    assert_eq!(parity["first_divergence"], Value::Null, "{parity}");
    assert!(parity["sites"]["DownIn(4)"]["max_abs"].as_f64().unwrap() < 1e-3);
}

#[test]
fn prompts_that_cannot_be_continued_are_refused() {
    let Some(model) = data::real("lm-stories260k") else { return };
    let said = failure(&["generate", "--model", text(&model), "--prompt", "", "--no-bos"], 1);
    assert!(said.contains("no token"), "{said}");
    let long = "Once upon a time ".repeat(300);
    let said = failure(&["generate", "--model", text(&model), "--prompt", &long], 1);
    assert!(said.contains("511"), "{said}");
    let said = failure(&["generate", "--model", text(&model), "--prompt", "a", "--temperature", "-1"], 1);
    assert!(said.contains("temperature"), "{said}");
    failure(&["generate", "--model", text(&model), "--prompt", "a", "--top-k", "5"], 2);
    // A set of another model.
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set.json");
    let mut neurons = recordings::NeuronSet::new(recordings::ModelIdentity::default(), "test", 0);
    let members =
        recordings::Members { site: "Act".into(), layer: "0".into(), units: vec![0, 171], values: None };
    neurons.sets.insert("some".into(), vec![members]);
    neurons.write(&set).unwrap();
    let drop =
        ["generate", "--model", text(&model), "--prompt", "a", "--max-new-tokens", "4", "--drop", text(&set)];
    let said = failure(&drop, 1);
    assert!(said.contains("--force"), "{said}");
    answer(&[&drop[..], &["--force"]].concat());
}
