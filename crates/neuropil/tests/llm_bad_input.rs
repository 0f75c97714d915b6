//! `llm` verbs on models and texts that cannot be used: exit status, one line, the file it is about, and nothing written.
#![cfg(feature = "llm")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use llm_neurons::model::WeightFiles;
use ndarray::Array2;
use recordings::arrays::Npz;
use recordings::{Members, ModelIdentity, NeuronSet};
use serde_json::{Map, Value, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../llm-neurons/tests/fixtures/00-tiny-transformers")
        .join(name)
}

fn tokenizer(words: usize) -> String {
    let vocab: Map<String, Value> = (0..words).map(|i| (format!("w{i}"), json!(i))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    })
    .to_string()
}

/// A folder with a model `m`, ids, a reference, texts, facts, a set of neurons, and a place to write.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("m");
    std::fs::create_dir(&model).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture(&format!("llama_gqa.{file}")), model.join(file)).unwrap();
    }
    std::fs::write(model.join("tokenizer.json"), tokenizer(96)).unwrap();
    std::fs::copy(fixture("llama_gqa.expected.safetensors"), folder.path().join("reference.safetensors"))
        .unwrap();
    let line = |i: usize| {
        (0..12).map(|t| format!("w{}", (7 * i + t * t) % 48 + i / 24 * 48)).collect::<Vec<_>>().join(" ")
    };
    for (name, lines) in [("t.txt", 0..24), ("u.txt", 24..48)] {
        let lines: Vec<String> = lines.map(line).collect();
        std::fs::write(folder.path().join(name), lines.join("\n")).unwrap();
    }
    let fact = |i: usize| {
        let relation = ["r", "q"][i % 2];
        json!({"relation": relation, "subject": format!("w{i}"), "object": "w3", "prompt": format!("w{i} w2")})
    };
    let facts: Vec<String> = (0..60).map(|i| fact(i).to_string()).collect();
    std::fs::write(folder.path().join("f.jsonl"), facts.join("\n")).unwrap();
    let tensors_sha256 = WeightFiles::open(&model).unwrap().tensors_sha256().unwrap();
    let mut set = NeuronSet::new(ModelIdentity { tensors_sha256, source: String::new() }, "test", 0);
    let members = Members { site: "Act".to_owned(), layer: "0".to_owned(), units: vec![1, 2], values: None };
    set.sets.insert("some".to_owned(), vec![members]);
    set.write(&folder.path().join("set.json")).unwrap();
    let ids = Array2::from_shape_fn((1, 5), |(_, t)| t as i64);
    Npz::new().i64("ids", ids.view().into_dyn()).write(&folder.path().join("ids.npz")).unwrap();
    folder
}

/// Every verb that loads a model; those that also read what another writes come after it.
const VERBS: [&str; 14] = [
    "logits --model m --ids ids.npz --out o.npz --hidden",
    "parity --model m --reference reference.safetensors",
    "generate --model m --prompt w1 --max-new-tokens 3",
    "perplexity --model m --text t.txt",
    "eigenscore --model m --prompt w1 --samples 3 --max-new-tokens 3",
    "language-neurons --model m --text a=t.txt --text b=u.txt --out o.json --window 12 --judged 4 --draws 1",
    "ablate --model m --set set.json --text a=t.txt --draws 1",
    "core-bank --model m --text t.txt --out o.bank.safetensors --clusters 2",
    "membership features --model m --members a=t.txt --non-members b=u.txt --out o.table.npz",
    "membership train --model m --members a=t.txt --non-members b=u.txt --out o.attack.json --trees 5 --bins 9",
    "foxp2 fit --model m --source en=t.txt --target xx=u.txt --out o.plan.safetensors --token-count 1 --chance 0 --epochs 2 \
     --features 16 --shortest 1 --longest 1",
    "sae train --model m --text t.txt --out o.sae.safetensors --site Act --layer 0 --latents 8 --k 2 --epochs 1",
    "train --model m --text t.txt --out o.trained --steps 2 --batch 2 --window 8",
    "relation-neurons --model m --facts f.jsonl --relation r --out o.relation.json --evaluation 5 --k 3",
];
/// These are last: the small model knows no fact.
const ANSWERING: usize = 13;

fn run<S: AsRef<OsStr>>(at: &Path, words: &[S]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuropil"));
    command.current_dir(at).arg("llm").args(words).arg("--json").output().unwrap()
}

fn files(at: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(at).unwrap().flatten().map(|e| e.path()).collect();
    all.extend(std::fs::read_dir(at.join("m")).into_iter().flatten().flatten().map(|e| e.path()));
    all.sort();
    all
}

/// A failure of one kind that names a file and says why, and leaves no file.
fn refused(at: &Path, words: &str, kind: &str, file: &str, reason: &str) {
    let before = files(at);
    let output = run(at, &words.split(' ').collect::<Vec<_>>());
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}: {line}");
    assert!(line.trim().lines().count() == 1 && !line.contains("panicked"), "{words}: {line}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &document["error"];
    assert_eq!(error["kind"], kind, "{words}: {error}");
    let (message, path) = (error["message"].as_str().unwrap(), error["path"].as_str().unwrap_or_default());
    assert!(message.contains(reason), "{words}: {message}: does not say {reason}");
    assert!(message.contains(file) || path.contains(file), "{words}: {error}: does not name {file}");
    assert_eq!(files(at), before, "{words}: files were left");
}

#[test]
fn the_good_folder_is_good() {
    let place = place();
    for verb in &VERBS[..ANSWERING] {
        let output = run(place.path(), &verb.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for more in [
        "sae eval o.sae.safetensors --model m --text t.txt",
        "membership score o.attack.json --model m --text c=t.txt",
        "generate --model m --prompt w1 --max-new-tokens 2 --core-neurons 0.5 --predict similarity --cluster-bank o.bank.safetensors",
        "generate --model m --prompt w1 --max-new-tokens 2 --steer o.plan.safetensors",
    ] {
        let output = run(place.path(), &more.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{more}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(place.path().join("o.npz").is_file());
}

#[test]
fn damaged_models_are_refused_by_every_verb() {
    let place = place();
    let at = place.path();
    let (config, weights) = (at.join("m/config.json"), at.join("m/model.safetensors"));
    let (good_config, good) = (std::fs::read_to_string(&config).unwrap(), std::fs::read(&weights).unwrap());
    let all = |kind: &str, file: &str, reason: &str| {
        VERBS.iter().for_each(|verb| refused(at, verb, kind, file, reason));
    };
    // Weights: cut off, a header of nonsense, a value that is none, another number type.
    std::fs::write(&weights, &good[..good.len() - 40]).unwrap();
    all("format", "model.safetensors", "truncated");
    std::fs::write(&weights, u64::MAX.to_le_bytes()).unwrap();
    all("format", "model.safetensors", "header");
    let mut nan = good.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights, nan).unwrap();
    all("format", "model.safetensors", "finite");
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(good[8..header].to_vec()).unwrap().replacen("\"F32\"", "\"I32\"", 1);
    std::fs::write(&weights, [&good[..8], text.as_bytes(), &good[header..]].concat()).unwrap();
    all("format", "model.safetensors", "F32, F16 or BF16, found I32");
    // An index whose shard is missing; nothing at all.
    std::fs::remove_file(&weights).unwrap();
    let index = at.join("m/model.safetensors.index.json");
    let map = json!({"weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}});
    std::fs::write(&index, map.to_string()).unwrap();
    all("io", "model-00002-of-00002.safetensors", "");
    std::fs::remove_file(&index).unwrap();
    all("io", "model.safetensors", "");
    std::fs::write(&weights, &good).unwrap();
    // Configurations.
    for (from, to, reason) in [
        ("\"llama\"", "\"mamba\"", "model_type"),
        ("\"silu\"", "\"snake\"", "hidden_act"),
        ("\"hidden_size\": 32", "\"hidden_size\": -32", "hidden_size"),
        ("\"use_cache\"", "\"sparse_magic\"", "sparse_magic"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 9", "layers.2"),
    ] {
        assert!(good_config.contains(from), "{from}");
        std::fs::write(&config, good_config.replace(from, to)).unwrap();
        all("format", "m/", reason);
    }
    std::fs::write(&config, b"\xff\xfe").unwrap();
    all("format", "config.json", "UTF-8");
    std::fs::remove_file(&config).unwrap();
    all("io", "config.json", "");
}

#[test]
fn texts_that_are_none_are_refused_by_every_verb() {
    let place = place();
    let at = place.path();
    std::fs::create_dir(at.join("folder.txt")).unwrap();
    std::fs::write(at.join("empty.txt"), b"").unwrap();
    std::fs::write(at.join("latin1.txt"), b"w1 w2 w3\nw4 caf\xe9 w5\n").unwrap();
    let reading = |file: &str| {
        let verbs = VERBS.iter().chain(&["generate --model m --prompt w1 --max-new-tokens 3 --drop t.txt"]);
        verbs
            .filter(|v| ["t.txt", "f.jsonl"].iter().any(|name| v.contains(name)))
            .map(|v| v.replace("t.txt", file).replace("f.jsonl", file))
            .collect::<Vec<_>>()
    };
    for (file, reason) in
        [("absent.txt", ""), ("folder.txt", "directory"), ("empty.txt", ""), ("latin1.txt", "UTF-8")]
    {
        for verb in reading(file) {
            let output = run(at, &verb.split(' ').collect::<Vec<_>>());
            let line = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{verb}: {line}");
            assert!(line.trim().lines().count() == 1 && !line.contains("panicked"), "{verb}: {line}");
            assert!(
                line.contains(file) && (line.contains(reason) || verb.contains("--facts")),
                "{verb}: {line}"
            );
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert!(document["error"]["kind"].is_string(), "{verb}: {document}");
        }
    }
    let left: Vec<PathBuf> = files(at)
        .into_iter()
        .filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("o.")))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn tokenizers_and_prompts_that_do_not_fit_are_refused() {
    let place = place();
    let at = place.path();
    let generate = |prompt: &str| format!("generate --model m --prompt {prompt} --max-new-tokens 2");
    let path = at.join("m/tokenizer.json");
    std::fs::write(&path, tokenizer(97)).unwrap();
    refused(at, &generate("w1"), "format", "tokenizer.json", "vocabulary of 96");
    std::fs::write(&path, b"{\"version\": \"1.0\"").unwrap();
    refused(at, &generate("w1"), "format", "tokenizer.json", "");
    std::fs::remove_file(&path).unwrap();
    refused(at, &generate("w1"), "io", "tokenizer.json", "");
    std::fs::write(&path, tokenizer(96)).unwrap();
    refused(at, &generate(""), "input", "", "no token");
    let config: Value =
        serde_json::from_str(&std::fs::read_to_string(at.join("m/config.json")).unwrap()).unwrap();
    let context = config["max_position_embeddings"].as_u64().unwrap() as usize;
    let long = vec!["w1"; context + 1].join(" ");
    let output = run(at, &["generate", "--model", "m", "--prompt", &long]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.contains(&(context - 1).to_string()) && message.contains("context"), "{message}");
    let beyond = Array2::from_elem((1, context + 1), 1_i64);
    Npz::new().i64("ids", beyond.view().into_dyn()).write(&at.join("long.npz")).unwrap();
    refused(at, "logits --model m --ids long.npz --out o.npz", "input", "long.npz", "context");
    Npz::new()
        .i64("ids", Array2::from_elem((1, 2), -1_i64).view().into_dyn())
        .write(&at.join("odd.npz"))
        .unwrap();
    refused(at, "logits --model m --ids odd.npz --out o.npz", "input", "odd.npz", "-1");
}

#[cfg(unix)]
#[test]
fn a_prompt_that_is_not_utf8_is_wrong_usage() {
    use std::os::unix::ffi::OsStrExt;
    let place = place();
    let prompt = OsStr::from_bytes(b"caf\xe9");
    let words = ["generate", "--model", "m", "--prompt"].map(OsStr::new);
    let output = run(place.path(), &[&words[..], &[prompt]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("UTF-8") && !said.contains("panicked"), "{said}");
}

#[test]
fn a_neuron_set_of_another_model_changes_nothing_unless_forced() {
    let place = place();
    let at = place.path();
    let identity = ModelIdentity { tensors_sha256: "ab".repeat(32), source: "another".to_owned() };
    let mut set = NeuronSet::new(identity, "test", 0);
    let members = Members { site: "Act".to_owned(), layer: "0".to_owned(), units: vec![1, 2], values: None };
    set.sets.insert("some".to_owned(), vec![members.clone()]);
    set.write(&at.join("set.json")).unwrap();
    let drop = "generate --model m --prompt w1 --max-new-tokens 3 --drop set.json";
    refused(at, drop, "input", "set.json", "--force");
    let output = run(at, &format!("{drop} --force").split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Units that the model does not have.
    set.model.tensors_sha256 = WeightFiles::open(&at.join("m")).unwrap().tensors_sha256().unwrap();
    set.sets.insert("some".to_owned(), vec![Members { units: vec![100_000], ..members }]);
    set.write(&at.join("set.json")).unwrap();
    refused(at, drop, "input", "set.json", "100000");
    std::fs::write(at.join("set.json"), b"{\"format\": \"neuropil.neuron-set/9\"}").unwrap();
    refused(at, drop, "format", "set.json", "");
}

#[test]
fn sixteen_bits_are_computed_and_too_little_memory_is_said() {
    let place = place();
    let at = place.path();
    for dtype in ["f16", "bf16"] {
        let words =
            format!("parity --model m --reference reference.safetensors --dtype {dtype} --tolerance 0.05");
        let output = run(at, &words.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["run"]["dtype"], dtype);
        assert_eq!(document["first_divergence"], Value::Null, "{document}");
        assert!(document["sites"]["Logits"]["relative"].as_f64().unwrap() > 1e-5, "rounded: {document}");
    }
    let output = run(at, &["generate", "--model", "m", "--prompt", "w1", "--dtype", "f8"]);
    assert_eq!(output.status.code(), Some(2));
    for verb in VERBS {
        refused(at, &format!("{verb} --max-memory 1000"), "memory", "", "--max-memory");
    }
}
