//! Folders of models that are damaged, hostile or of something else: an error that names the file and the reason.

use std::path::{Path, PathBuf};

use burn::tensor::FloatDType;
use half::f16;
use llm_neurons::generate::{GenerateConfig, generate, sample_continuations};
use llm_neurons::model::{HookedLm, KvCache, LmConfig, Tokens, WeightFiles};
use llm_neurons::relation::{LreOptions, RelationSet};
use llm_neurons::score::{BATCH_TOKENS, token_logprobs};
use llm_neurons::{Error, TextTokenizer, ablation};
use probes::NoTaps;
use proptest::prelude::*;
use recordings::{Members, ModelIdentity, NeuronSet};
use serde_json::{Map, Value, json};
use tensor_backend::DeviceSpec;

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers").join(name)
}

fn folder(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", WEIGHTS] {
        std::fs::copy(fixture(&format!("{name}.{file}")), folder.path().join(file)).unwrap();
    }
    folder
}

fn load(folder: &Path) -> Result<HookedLm, Error> {
    HookedLm::load(folder, FloatDType::F32, &DeviceSpec::Cpu.open().unwrap().device)
}

/// The error of a folder, which says the file and the reason.
fn refused(folder: &Path, file: &str, reason: &str) -> Error {
    let error = load(folder).map(|_| ()).expect_err(reason);
    let said = error.to_string();
    let path = folder.join(file).display().to_string();
    assert!(said.contains(&path), "{said}: does not name {path}");
    assert!(said.contains(reason), "{said}: does not say {reason}");
    error
}

/// A safetensors file with this header and `data` zero bytes.
fn headed(header: &[u8], data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, &vec![0; data]].concat()
}

/// Header and data of a good file.
fn parts(bytes: &[u8]) -> (Map<String, Value>, &[u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let Value::Object(header) = serde_json::from_slice(&bytes[8..8 + length]).unwrap() else { panic!() };
    (header, &bytes[8 + length..])
}

fn joined(header: &Map<String, Value>, data: &[u8]) -> Vec<u8> {
    let header = Value::Object(header.clone()).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn files_that_are_missing_folders_or_no_text_are_named() {
    let good = folder("llama_gqa");
    let at = |file: &str| good.path().join(file);
    assert!(matches!(refused(&good.path().join("absent"), "config.json", ""), Error::File { .. }));
    let weights = std::fs::read(at(WEIGHTS)).unwrap();
    std::fs::remove_file(at(WEIGHTS)).unwrap();
    refused(good.path(), WEIGHTS, "");
    std::fs::create_dir(at(WEIGHTS)).unwrap();
    refused(good.path(), WEIGHTS, "directory");
    std::fs::remove_dir(at(WEIGHTS)).unwrap();
    std::fs::write(at(WEIGHTS), weights).unwrap();
    for (text, reason) in [
        (&b"\xff\xfe{}"[..], "UTF-8"),
        (b"", "EOF"),
        (b"[]", "object"),
        (b"{\"model_type\": \"llama\"", "EOF"),
        (b"{}", "model_type"),
    ] {
        std::fs::write(at("config.json"), text).unwrap();
        refused(good.path(), "config.json", reason);
    }
}

#[test]
fn an_index_is_read_with_care() {
    let good = folder("llama_gqa");
    let at = |file: &str| good.path().join(file);
    let weights = std::fs::read(at(WEIGHTS)).unwrap();
    let (header, _) = parts(&weights);
    let names: Vec<String> = header.keys().filter(|k| *k != "__metadata__").cloned().collect();
    std::fs::rename(at(WEIGHTS), at("a.safetensors")).unwrap();
    let index = |map: Value| std::fs::write(at(INDEX), json!({ "weight_map": map }).to_string()).unwrap();
    let all = |shard: &str| names.iter().map(|n| (n.clone(), json!(shard))).collect::<Map<String, Value>>();
    index(Value::Object(all("a.safetensors")));
    load(good.path()).unwrap();

    let mut missing = all("a.safetensors");
    missing[&names[0]] = json!("b.safetensors");
    index(Value::Object(missing.clone()));
    assert!(matches!(refused(good.path(), "b.safetensors", ""), Error::File { .. }), "a shard is missing");
    // A shard that does not hold what the index says.
    std::fs::write(at("b.safetensors"), headed(b"{}", 0)).unwrap();
    missing.insert("extra.weight".to_owned(), json!("b.safetensors"));
    index(Value::Object(missing));
    refused(good.path(), INDEX, "extra.weight");
    // A tensor that two shards hold.
    std::fs::write(at("b.safetensors"), &weights).unwrap();
    let mut twice = all("a.safetensors");
    twice[&names[1]] = json!("b.safetensors");
    index(Value::Object(twice));
    refused(good.path(), "b.safetensors", "earlier shard");

    for (map, reason) in [
        (json!({"x": "../a.safetensors"}), "plain file name"),
        (json!({"x": "/etc/passwd"}), "plain file name"),
        (json!({"x": ""}), "plain file name"),
        (json!({"x": 3}), "no file name"),
        (json!({}), "no shard"),
        (json!([]), "weight_map"),
    ] {
        index(map);
        refused(good.path(), INDEX, reason);
    }
    for (text, reason) in [(&b"\xff"[..], "UTF-8"), (b"{", "EOF"), (b"{}", "weight_map")] {
        std::fs::write(at(INDEX), text).unwrap();
        refused(good.path(), INDEX, reason);
    }
}

#[test]
fn number_types_that_are_no_weights_are_refused() {
    for (dtype, width) in [("I64", 8), ("I8", 1), ("BOOL", 1), ("F64", 8), ("F8_E4M3", 1), ("U16", 2)] {
        let good = folder("llama_gqa");
        let path = good.path().join(WEIGHTS);
        let bytes = std::fs::read(&path).unwrap();
        let (mut header, data) = parts(&bytes);
        // The last tensor of the file, as numbers of another type.
        let place = |v: &Value| v["data_offsets"].as_array().map(|o| o[0].as_u64().unwrap());
        let last = header.iter().max_by_key(|(_, v)| place(v)).map(|(name, _)| name.clone()).unwrap();
        let shape = header[&last]["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap());
        let start = place(&header[&last]).unwrap() as usize;
        let size = shape.product::<u64>() as usize * width;
        header[&last]["dtype"] = json!(dtype);
        header[&last]["data_offsets"] = json!([start, start + size]);
        let mut data = data[..start].to_vec();
        data.resize(start + size, 0);
        std::fs::write(&path, joined(&header, &data)).unwrap();
        let error = refused(good.path(), WEIGHTS, "F32, F16 or BF16");
        assert!(error.to_string().contains(&last), "{error}");
    }
}

#[test]
fn a_value_that_is_no_number_is_named_with_its_tensor() {
    let original = std::fs::read(fixture("opt_relu.model.safetensors")).unwrap();
    let (header, data) = parts(&original);
    for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let end = entry["data_offsets"][1].as_u64().unwrap() as usize;
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let good = folder("opt_relu");
            let mut data = data.to_vec();
            data[end - 4..end].copy_from_slice(&bad.to_le_bytes());
            std::fs::write(good.path().join(WEIGHTS), joined(&header, &data)).unwrap();
            let error = refused(good.path(), WEIGHTS, "finite").to_string();
            assert!(error.contains(name) && error.contains(&bad.to_string()), "{error}");
        }
    }
    // The same in 16 bits.
    let good = folder("opt_relu");
    let (mut header, data) = parts(&original);
    let mut half: Vec<u8> = data
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|b| f16::from_f32(f32::from_le_bytes(*b)).to_le_bytes())
        .collect();
    for (name, entry) in &mut header {
        if name != "__metadata__" {
            let ends = entry["data_offsets"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() / 2);
            entry["data_offsets"] = ends.collect::<Vec<u64>>().into();
            entry["dtype"] = json!("F16");
        }
    }
    let path = good.path().join(WEIGHTS);
    std::fs::write(&path, joined(&header, &half)).unwrap();
    load(good.path()).unwrap();
    half[10..12].copy_from_slice(&f16::NAN.to_le_bytes());
    std::fs::write(&path, joined(&header, &half)).unwrap();
    refused(good.path(), WEIGHTS, "finite");
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let good = folder("gpt2");
    let path = good.path().join(WEIGHTS);
    let bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let ends = [0, 1, 7, 8, 9, header - 1, header, header + 1, bytes.len() - 1];
    let steps = (0..40).map(|i| i * bytes.len() / 40);
    for end in ends.into_iter().chain(steps) {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let error = refused(good.path(), WEIGHTS, "");
        assert!(matches!(error, Error::File { .. }), "{end}: {error}");
    }
}

#[test]
fn hostile_headers_are_refused() {
    let good = folder("llama_gqa");
    let path = good.path().join(WEIGHTS);
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!("{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}")
            .into_bytes()
    };
    let mut cases = vec![
        u64::MAX.to_le_bytes().to_vec(),
        ((100_u64 << 20) + 1).to_le_bytes().to_vec(),
        0_u64.to_le_bytes().to_vec(),
        [&(1_u64 << 40).to_le_bytes()[..], b"{}"].concat(),
        headed(b"not json", 8),
        headed(b"[]", 8),
        headed(b"\xff\xff", 8),
        headed("[".repeat(100_000).as_bytes(), 0),
        headed(&one("F32", "[2]", "[8,0]"), 8),
        headed(&one("F32", "[2]", "[4,12]"), 12),
        headed(&one("F32", "[2]", "[0,12]"), 12),
        headed(&one("F32", "[2]", "[0,8]"), 7),
        headed(&one("F32", "[-2]", "[0,8]"), 8),
        headed(&one("F32", "[2.5]", "[0,8]"), 8),
        headed(&one("F32", "[1e30]", "[0,8]"), 8),
        headed(&one("F32", "[18446744073709551615,2]", "[0,8]"), 8),
        headed(&one("F32", "[4294967296,4294967296,4294967296]", "[0,8]"), 8),
        headed(&one("F128", "[2]", "[0,8]"), 8),
        headed(&one("F32", "[2]", "[0,18446744073709551615]"), 8),
        headed(&one("F32", "[2]", "[18446744073709551600,18446744073709551608]"), 8),
        headed(&one("F32", "2", "[0,8]"), 8),
    ];
    let overlap = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\
                   \"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}";
    cases.push(headed(overlap.as_bytes(), 12));
    for (number, bytes) in cases.iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        let error = refused(good.path(), WEIGHTS, "");
        assert!(matches!(error, Error::File { .. }), "case {number}: {error}");
    }
    // Nothing in the file, or nothing in its tensors: well formed, and no model.
    for bytes in [headed(b"{}", 0), headed(&one("F32", "[0]", "[0,0]"), 0)] {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(refused(good.path(), WEIGHTS, "tensor"), Error::Weights { .. }));
    }
}

/// Every key of every family with values that it does not take: an error or a model, never a panic.
#[test]
fn configurations_with_any_value_are_refused_or_computed() {
    let bad = [
        json!(null),
        json!(-1),
        json!(0),
        json!(1),
        json!(2.5),
        json!(1e300),
        json!(u64::MAX),
        json!(1_u64 << 24),
        json!(i64::MIN),
        json!(""),
        json!("unknown"),
        json!(true),
        json!(false),
        json!([]),
        json!([1, "x"]),
        json!({}),
        json!({"rope_type": "yarn", "factor": 2.0}),
        json!({"rope_type": "linear", "factor": 0.0}),
        json!({"rope_type": "llama3", "factor": 8.0}),
    ];
    for name in FAMILIES {
        let text = std::fs::read_to_string(fixture(&format!("{name}.config.json"))).unwrap();
        let Value::Object(config) = serde_json::from_str(&text).unwrap() else { panic!() };
        let files = WeightFiles::open_file(&fixture(&format!("{name}.model.safetensors"))).unwrap();
        let device = DeviceSpec::Cpu.open().unwrap().device;
        let mut keys: Vec<String> = config.keys().cloned().collect();
        keys.extend(["rope_scaling", "quantization_config", "made_up"].map(str::to_owned));
        let mut refusals = 0;
        for key in keys {
            for value in &bad {
                let mut changed = config.clone();
                changed.insert(key.clone(), value.clone());
                let parsed = LmConfig::parse(&Value::Object(changed).to_string());
                let loaded = parsed.and_then(|c| HookedLm::from_files(c, &files, FloatDType::F32, &device));
                match loaded {
                    Ok(model) => {
                        let ids = &[1, 2, 3][..model.config().context.min(3)];
                        drop(model.logits(&Tokens::one(ids)).unwrap());
                    }
                    Err(Error::Config { .. } | Error::Weights { .. }) => refusals += 1,
                    Err(other) => panic!("{name} {key} = {value}: {other}"),
                }
            }
        }
        assert!(refusals > 100, "{name}: {refusals}");
        for key in ["made_up", "quantization_config"] {
            let mut changed = config.clone();
            changed.insert(key.to_owned(), json!({"bits": 4}));
            let error = LmConfig::parse(&Value::Object(changed).to_string()).unwrap_err();
            assert!(matches!(&error, Error::Config { key: k, .. } if k == key), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_byte_gives_an_error_or_a_model(
        family in 0_usize..6, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let good = folder(FAMILIES[family]);
        for file in ["config.json", WEIGHTS] {
            let path = good.path().join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            // The header is where a byte changes more than one number.
            let reach = bytes.len().min(6000);
            for (place, byte) in &damage {
                bytes[place.index(reach)] = *byte;
            }
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
            if let Err(error) = load(good.path()) {
                prop_assert!(
                    matches!(error, Error::File { .. } | Error::Config { .. } | Error::Weights { .. }), "{error}"
                );
            }
            std::fs::write(&path, whole).unwrap();
        }
    }
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

#[test]
fn a_tokenizer_of_another_vocabulary_or_none_is_refused() {
    let good = folder("llama_gqa");
    let config = LmConfig::read(good.path()).unwrap();
    let path = good.path().join("tokenizer.json");
    let load = || TextTokenizer::load(good.path(), &config);
    let said = |reason: &str| {
        let error = load().map(|_| ()).expect_err(reason).to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains(reason), "{error}");
    };
    said("");
    std::fs::write(&path, tokenizer(config.vocab)).unwrap();
    assert_eq!(load().unwrap().encode("w3 w5 nothing", true).unwrap(), [3, 5, 0]);
    std::fs::write(&path, tokenizer(config.vocab + 1)).unwrap();
    said("vocabulary of 96");
    for bytes in [&b""[..], b"{}", b"\xff\xfe", &tokenizer(5).as_bytes()[..40]] {
        std::fs::write(&path, bytes).unwrap();
        said("");
    }
    std::fs::write(&path, tokenizer(8)).unwrap();
    let options = good.path().join("tokenizer_config.json");
    for (text, reason) in
        [(&b"{\"add_bos_token\": \"yes\"}"[..], "add_bos_token"), (b"{", "EOF"), (b"\xff", "UTF-8")]
    {
        std::fs::write(&options, text).unwrap();
        let error = load().map(|_| ()).expect_err(reason).to_string();
        assert!(error.contains(&options.display().to_string()) && error.contains(reason), "{error}");
    }
}

#[test]
fn prompts_that_are_empty_or_too_long_and_tokens_that_are_none_are_refused() {
    for name in FAMILIES {
        let good = folder(name);
        let model = load(good.path()).unwrap();
        let (context, vocab) = (model.config().context, model.config().vocab);
        let greedy = GenerateConfig { max_new_tokens: 2, ..GenerateConfig::default() };
        let go_on = |prompt: &[u32]| generate(&model, &[prompt], &greedy, &mut NoTaps).map(|_| ());
        let full = vec![1; context];
        let prompt = |e: Error| matches!(e, Error::Prompt { .. });
        assert!(prompt(go_on(&[]).unwrap_err()) && prompt(go_on(&full).unwrap_err()), "{name}");
        assert!(prompt(generate(&model, &[&[1, 2][..], &[]], &greedy, &mut NoTaps).unwrap_err()));
        assert!(matches!(generate(&model, &[], &greedy, &mut NoTaps).unwrap_err(), Error::TooFew { .. }));
        assert!(prompt(sample_continuations(&model, &[], 2, &greedy, &mut NoTaps).map(|_| ()).unwrap_err()));
        go_on(&full[1..]).unwrap();
        let beyond = u32::try_from(vocab).unwrap();
        for (error, from) in [
            (go_on(&[1, beyond]).unwrap_err(), "generate"),
            (model.logits(&Tokens::one(&[1, beyond])).map(|_| ()).unwrap_err(), "logits"),
            (token_logprobs(&model, &[[1, beyond]], BATCH_TOKENS, &mut NoTaps).unwrap_err(), "score"),
        ] {
            let place = matches!(error, Error::TokenOutOfVocabulary { position: 1, .. });
            assert!(place, "{name} {from}: {error}");
        }
        let empty = Tokens::new(ndarray::Array2::zeros((1, 0)));
        assert!(prompt(model.logits(&empty).map(|_| ()).unwrap_err()));
        let long = Tokens::one(&vec![1; context + 1]);
        assert!(prompt(model.logits(&long).map(|_| ()).unwrap_err()));
        assert!(prompt(KvCache::new(model.config(), context + 1).map(|_| ()).unwrap_err()));
        let texts = [vec![1; context + 2], vec![1], vec![]];
        for text in texts {
            assert!(prompt(token_logprobs(&model, &[text], BATCH_TOKENS, &mut NoTaps).unwrap_err()));
        }
    }
}

#[test]
fn a_neuron_set_of_another_model_is_refused() {
    let (llama, opt) = (folder("llama_gqa"), folder("opt_relu"));
    let model = load(llama.path()).unwrap();
    let hash = |folder: &Path| WeightFiles::open(folder).unwrap().tensors_sha256().unwrap();
    let identity = ModelIdentity { tensors_sha256: hash(opt.path()), source: "opt".to_owned() };
    let mut set = NeuronSet::new(identity, "test", 0);
    let members = |site: &str, layer: &str, units: &[usize]| Members {
        site: site.to_owned(),
        layer: layer.to_owned(),
        units: units.to_vec(),
        values: None,
    };
    set.sets.insert("some".to_owned(), vec![members("Act", "0", &[1])]);
    set.check_model(&hash(opt.path())).unwrap();
    let said = set.check_model(&hash(llama.path())).unwrap_err().to_string();
    assert!(said.contains(&hash(opt.path())[..8]), "{said}");
    assert_eq!(ablation(&set, &[], &model).unwrap().len(), 1);
    assert!(ablation(&set, &["others".to_owned()], &model).is_err());
    for bad in [
        members("Act", "9", &[1]),
        members("Act", "x", &[1]),
        members("Act", "", &[1]),
        members("Nowhere", "0", &[1]),
        members("Act", "0", &[model.config().mlp]),
    ] {
        set.sets.insert("some".to_owned(), vec![bad.clone()]);
        assert!(ablation(&set, &[], &model).is_err(), "{bad:?}");
    }
}

#[test]
fn texts_that_are_not_utf8_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("facts.jsonl");
    let fact = br#"{"relation":"capital","subject":"France","object":"Paris","prompt":"The capital is"}"#;
    std::fs::write(&path, [&fact[..], b"\n{\"relation\":\"caf\xe9\"}\n"].concat()).unwrap();
    let error = RelationSet::read(&path, &LreOptions::default()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::Line { path: p, line: 2, .. } if *p == path), "{error}");
    assert!(error.to_string().contains("UTF-8"), "{error}");
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(RelationSet::read(&path, &LreOptions::default()), Err(Error::File { .. })));
}
