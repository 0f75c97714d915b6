//! `llm language-neurons`, `relation-neurons` and `ablate` as a user meets them, on two small trained models whose tokens
//! are written as words (`w0`, `w1`, ..).
#![cfg(feature = "llm")]

#[path = "support/llm.rs"]
mod support;

use std::path::{Path, PathBuf};

use recordings::NeuronSet;
use recordings::arrays::ArrayFile;
use serde_json::{Value, json};
use support::{answer, run};

const LANGUAGES: [&str; 5] = ["en", "de", "es", "hi", "zh"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../llm-neurons/tests/fixtures").join(name)
}

/// A Hugging Face folder: one of the trained models, and a tokenizer that reads words.
fn folder(config: &str, weights: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture(config)).unwrap();
    let vocab = serde_json::from_str::<Value>(&text).unwrap()["vocab_size"].as_u64().unwrap();
    let words: serde_json::Map<String, Value> = (0..vocab).map(|i| (format!("w{i}"), json!(i))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}
    });
    std::fs::write(folder.path().join("config.json"), text).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::copy(fixture(weights), folder.path().join("model.safetensors")).unwrap();
    folder
}

fn polyglot() -> tempfile::TempDir {
    let at = |name: &str| format!("00-tiny-multilingual-lm-pud/llama.{name}");
    folder(&at("config.json"), &at("model.f16.safetensors"))
}

fn knowing() -> tempfile::TempDir {
    let at = |name: &str| format!("06-relation-neurons/kb_llama.{name}");
    folder(&at("config.json"), &at("model.f16.safetensors"))
}

/// Sentences of a language, one a line, each between <s> and </s>.
fn sentences(language: &str, count: usize) -> String {
    let text = ArrayFile::open(&fixture("00-tiny-multilingual-lm-pud/pud_token_ids.safetensors")).unwrap();
    let ids = text.read_i64_1(&format!("{language}.ids")).unwrap();
    let offsets = text.read_i64_1(&format!("{language}.offsets")).unwrap();
    let mut lines = String::new();
    for i in text.read_i64_1("train_index").unwrap().iter().take(count) {
        let (from, to) = (offsets[*i as usize] as usize, offsets[*i as usize + 1] as usize);
        let words: Vec<String> = (from..to).map(|t| format!("w{}", ids[t])).collect();
        lines.push_str(&format!("w0 {} w1\n", words.join(" ")));
    }
    lines
}

/// Writes the text of every language; the flags that name them.
fn texts(folder: &Path, count: usize) -> Vec<String> {
    let flag = |language: &&str| {
        let path = folder.join(format!("{language}.txt"));
        std::fs::write(&path, sentences(language, count)).unwrap();
        format!("--text={language}={}", path.display())
    };
    LANGUAGES.iter().map(flag).collect()
}

/// The facts of the knowledge base, one a line.
fn facts() -> Vec<Value> {
    let file = ArrayFile::open(&fixture("06-relation-neurons/kb_llama.expected.safetensors")).unwrap();
    let ids = file.read_i64_2("ids").unwrap();
    let relation = file.read_i64_1("relation").unwrap();
    let fact = |(ids, relation): (ndarray::ArrayView1<'_, i64>, &i64)| {
        let prompt: Vec<String> = ids.iter().take(6).map(|id| format!("w{id}")).collect();
        json!({
            "relation": format!("relation_{relation}"), "subject": format!("w{}", ids[4]),
            "object": format!("w{}", ids[6]), "prompt": prompt.join(" ")
        })
    };
    ids.outer_iter().zip(&relation).map(fact).collect()
}

fn write_facts(folder: &Path, facts: &[Value]) -> PathBuf {
    let path = folder.join("facts.jsonl");
    let lines: Vec<String> = facts.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// What a failure says, its kind before it; what was to be written is not there.
fn failure(arguments: &[&str], code: i32, out: &Path) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(code) && !said.contains("panicked"), "{said}");
    assert!(!out.exists(), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &document["error"];
    format!("{}: {} [{}]", error["kind"].as_str().unwrap(), error["message"].as_str().unwrap(), error["path"])
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn language_neurons_hurt_their_language_more_than_others_and_than_random_ones() {
    let model = polyglot();
    let (out, again) = (model.path().join("set.json"), model.path().join("again.json"));
    let named = texts(model.path(), 80);
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let call = |out: &Path, more: &[&str]| {
        let first = ["language-neurons", "--model", text(model.path()), "--out", text(out), "--window", "64"];
        let rates = ["--top-rate", "0.1", "--bar", "0.9", "--judged", "4", "--draws", "3"];
        answer(&[&first[..], &rates, &named, more].concat())
    };
    let found = call(&out, &["--filter", "0.9", "--seed", "3"]);
    let (mut own, mut others, mut random) = (0.0, 0.0, 0.0);
    for language in LANGUAGES {
        let of = &found["languages"][language];
        assert!(of["documents"] == 80 && of["judged"] == 4, "{of}");
        own += number(&of["effect"]["value"]) / 5.0;
        others += number(&of["others"]) / 5.0;
        random += number(&of["effect"]["control"]) / 5.0;
        assert!(number(&of["effect"]["ci95"][0]) < number(&of["effect"]["value"]));
    }
    assert!(own >= 2.0 * others && own >= 2.0 * random, "own {own} others {others} random {random}");
    let set = NeuronSet::read(&out).unwrap();
    assert_eq!((set.rule.as_str(), set.seed, set.sets.len(), set.data_sha256.len()), ("lape", 3, 5, 64));
    assert_eq!(set.parameters["top_rate"], 0.1);
    assert!(set.effect.len() == 5 && set.effect["zh"].ci95.is_some() && set.effect["zh"].control.is_some());
    for (name, members) in &set.sets {
        let neurons: usize = members.iter().map(|m| m.units.len()).sum();
        assert_eq!(found["languages"][name]["neurons"], neurons);
        assert!(members.iter().all(|m| m.site == "Act"));
    }
    // The same command, the same file; on one thread too.
    call(&again, &["--filter", "0.9", "--seed", "3", "--threads", "1"]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&again).unwrap());

    // What the file says is what `ablate` measures: on Chinese text its own neurons cost most.
    let short = texts(model.path(), 12);
    let ablate = |name: &str| {
        let all = ["ablate", "--model", text(model.path()), "--set", text(&out), "--window", "64"];
        answer(&[&all[..], &["--name", name, &short[4], &short[0], "--draws", "3"]].concat())
    };
    let (own, other) = (ablate("zh"), ablate("en"));
    let figures = |a: &Value, text: &str| {
        let t = &a["texts"][text];
        assert!(number(&t["nll_random"]["ci95"][0]) <= number(&t["nll_random"]["mean"]));
        (number(&t["nll"]), number(&t["nll_ablated"]), number(&t["nll_random"]["mean"]))
    };
    let (nll, ablated, random) = figures(&own, "zh");
    assert!(ablated - nll > 2.0 * (random - nll) && ablated - nll > 0.1, "{own}");
    assert_eq!(figures(&other, "zh").0, nll);
    assert!(figures(&other, "zh").1 < ablated, "{other}");
    assert!(figures(&own, "en").1 - figures(&own, "en").0 < ablated - nll, "{own}");
    // Generation without them goes another way.
    let generate =
        ["generate", "--model", text(model.path()), "--prompt", "w0 w300 w41", "--max-new-tokens", "12"];
    let whole = answer(&generate);
    assert_ne!(answer(&[&generate[..], &["--drop", text(&out)]].concat())["token_ids"], whole["token_ids"]);
}

#[test]
fn the_finer_rule_finds_its_weight_and_tells_kinds_apart() {
    let model = polyglot();
    let out = model.path().join("set.json");
    let named = texts(model.path(), 60);
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let first = ["language-neurons", "--model", text(model.path()), "--out", text(&out), "--window", "64"];
    let finer = ["--method", "finer", "--top-rate", "0.05", "--bar", "0.9", "--judged", "2"];
    let found = answer(&[&first[..], &finer, &named].concat());
    let (lambda, appear) = (number(&found["lambda"]), found["appear"].as_array().unwrap());
    assert!((0.0..=0.2).contains(&lambda) && appear.len() == 6, "{found}");
    // The weight is the largest that selects no neuron of all five languages.
    assert_eq!(appear[5], 0);
    let sum = |key: &str| -> u64 { found[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum() };
    let counted =
        |from: usize, to: usize| -> u64 { appear[from..to].iter().map(|n| n.as_u64().unwrap()).sum() };
    assert_eq!((sum("specific_by_layer"), sum("related_by_layer")), (counted(1, 2), counted(2, 5)));
    assert_eq!(found["selected"], counted(0, 6));
    assert_eq!(found["selected"], 51, "0.05 of 1024, rounded");
    let set = NeuronSet::read(&out).unwrap();
    assert_eq!((set.rule.as_str(), number(&set.parameters["lambda"])), ("finer", lambda));
    // A given weight is used as it is.
    let given = answer(&[&first[..], &finer, &named, &["--lambda", "0.05"]].concat());
    assert_eq!(given["lambda"], 0.05);
}

#[test]
fn wrong_texts_are_refused_and_nothing_is_written() {
    let model = polyglot();
    let out = model.path().join("set.json");
    let named = texts(model.path(), 12);
    let file = |name: &str, bytes: &[u8]| {
        let path = model.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        format!("--text=xx={}", path.display())
    };
    let refuse = |more: &[&str], code: i32| {
        let first = ["language-neurons", "--model", text(model.path()), "--out", text(&out)];
        failure(&[&first[..], more].concat(), code, &out)
    };
    let (en, window) = (named[0].as_str(), "--window=32");
    let said = refuse(&[en], 2);
    assert!(said.starts_with("usage") && said.contains("at least 2"), "{said}");
    let said = refuse(&[en, en], 2);
    assert!(said.contains("\"en\" is given twice"), "{said}");
    let said = refuse(&[en, &file("empty.txt", b""), window], 1);
    assert!(
        said.starts_with("input") && said.contains("0 whole windows") && said.contains("empty.txt"),
        "{said}"
    );
    let said = refuse(&[en, &file("blank.txt", b"\n \n"), window], 1);
    assert!(said.contains("0 whole windows"), "{said}");
    let said = refuse(&[en, &file("short.txt", b"w0 w5 w6 w1\n"), window], 1);
    assert!(said.contains("at least 2 are needed"), "{said}");
    let said = refuse(&[en, &file("latin.txt", b"w5 w6\nw7 \xe9 w8\n"), window], 1);
    assert!(said.contains("line 2: not UTF-8 at byte 9") && said.contains("latin.txt"), "{said}");
    let missing = format!("--text=xx={}", model.path().join("missing.txt").display());
    let said = refuse(&[en, &missing, window], 1);
    assert!(said.starts_with("io") && said.contains("missing.txt"), "{said}");
    let folder = format!("--text=xx={}", model.path().display());
    assert!(refuse(&[en, &folder, window], 1).contains("irectory"));
    let two = [en, named[1].as_str()];
    for (flags, expected) in [
        (&["--window", "257"][..], "from 2 to the model's context of 256"),
        (&["--window", "1"], "from 2 to"),
        (&["--lambda", "0.1"], "--method finer"),
        (&["--method", "finer", "--filter", "0.9"], "--method lape"),
        (&["--method", "finest"], "finer"),
        (&["--text", "de"], "NAME=FILE"),
        (&["--text", "=x"], "NAME=FILE"),
    ] {
        let said = refuse(&[&two[..], flags].concat(), 2);
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
    for (flags, expected) in [
        (&["--top-rate", "0"][..], "top_rate"),
        (&["--top-rate", "1.5"], "top_rate"),
        (&["--top-rate", "nan"], "top_rate"),
        (&["--bar", "-1"], "bar"),
        (&["--method", "finer", "--lambda", "-1"], "lambda"),
        // Nothing is above the greatest frequency.
        (&["--filter", "1", "--top-rate", "1"], "above the filter"),
        (&["--max-memory", "100000"], "--max-memory"),
    ] {
        let said = refuse(&[&two[..], &[window], flags].concat(), 1);
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
    let nowhere = model.path().join("no/folder/set.json");
    let first = ["language-neurons", "--model", text(model.path()), "--out", text(&nowhere)];
    let said = failure(&[&first[..], &two].concat(), 1, &nowhere);
    assert!(said.starts_with("io") && said.contains("does not exist"), "{said}");
}

#[test]
fn relation_neurons_take_their_facts_with_them() {
    let model = knowing();
    let (path, out) = (write_facts(model.path(), &facts()), model.path().join("set.json"));
    let find = |relation: &str, more: &[&str]| {
        let first =
            ["relation-neurons", "--model", text(model.path()), "--facts", text(&path), "--out", text(&out)];
        let rest = ["--relation", relation, "--k", "48", "--answer-tokens", "1"];
        answer(&[&first[..], &rest, more].concat())
    };
    let (mut own, mut others, mut random) = (0.0, 0.0, 0.0);
    for r in 0..6 {
        let found = find(&format!("relation_{r}"), &[]);
        assert_eq!(
            (&found["k"], &found["neurons"], &found["evaluated"]),
            (&json!(48), &json!(480), &json!(50))
        );
        // Every fact is known; subjects held out for one relation are held out for all.
        assert_eq!(found["positives"], found["detection"]);
        assert_eq!(found["negatives"], 4 * found["positives"].as_u64().unwrap());
        assert_eq!(found["accuracy"]["intact"], 1.0);
        assert!(number(&found["best"][0]["average_precision"]) > 0.6, "{found}");
        let increase = number(&found["nll"]["ablated"]) - number(&found["nll"]["intact"]);
        assert!((number(&found["effect"]["value"]) - increase).abs() < 1e-9);
        own += increase;
        others += number(&found["others"]);
        random += number(&found["effect"]["control"]);
        let set = NeuronSet::read(&out).unwrap();
        assert_eq!((set.rule.as_str(), set.sets.len()), ("average-precision", 1));
        let members = &set.sets[&format!("relation_{r}")];
        assert_eq!(members.iter().map(|m| m.units.len()).sum::<usize>(), 48);
        assert_eq!(set.data_sha256, llm_neurons::file_sha256(&path).unwrap());
        assert!((set.parameters["k"] == 48) && set.effect.values().all(|e| e.control.is_some()));
    }
    assert!(own >= 3.0 * others && own >= 2.5 * random, "own {own}, others {others}, random {random}");
    let first = std::fs::read(&out).unwrap();
    find("relation_5", &["--threads", "1"]);
    assert_eq!(first, std::fs::read(&out).unwrap());
}

#[test]
fn wrong_facts_are_refused_and_nothing_is_written() {
    let model = knowing();
    let out = model.path().join("set.json");
    let all = facts();
    let refuse = |facts: &[Value], relation: &str, more: &[&str], code: i32| {
        let path = write_facts(model.path(), facts);
        let first =
            ["relation-neurons", "--model", text(model.path()), "--facts", text(&path), "--out", text(&out)];
        failure(&[&first[..], &["--relation", relation], more].concat(), code, &out)
    };
    let one = ["--answer-tokens", "1"];
    let said = refuse(&all, "relation_66", &one, 1);
    assert!(said.contains("nearest: relation_6") || said.contains("relation_0"), "{said}");
    assert!(said.starts_with("input") && said.contains("no relation \"relation_66\""), "{said}");
    let said = refuse(&all, "capital", &one, 1);
    assert!(said.contains("there are: relation_0, relation_1"), "{said}");
    let said = refuse(&all[..120], "relation_1", &one, 1);
    assert!(said.contains("facts of a relation") && said.contains("at least"), "{said}");
    // A tenth fact is one too few; the model does not know what it was not taught.
    let few = refuse(&all[..90], "relation_1", &[&one[..], &["--evaluation", "10"]].concat(), 1);
    assert!(few.contains("answered rightly") && few.contains("at least 10"), "{few}");
    let wrong: Vec<Value> = all
        .iter()
        .map(|f| json!({"relation": f["relation"], "subject": f["subject"], "object": "w3", "prompt": f["prompt"]}))
        .collect();
    let said = refuse(&wrong, "relation_1", &one, 1);
    assert!(said.contains("answered rightly") && said.contains("got 0"), "{said}");
    let only: Vec<Value> = all.iter().filter(|f| f["relation"] == "relation_1").cloned().collect();
    let said = refuse(&only, "relation_1", &one, 1);
    assert!(said.contains("four for each positive"), "{said}");
    let mut long = all.clone();
    long[0]["prompt"] = json!("w5 ".repeat(40).trim());
    let said = refuse(&long, "relation_1", &one, 1);
    assert!(
        said.contains("41 tokens, expected at most the context's 16") && said.contains("\"w2\""),
        "{said}"
    );
    for (flags, expected) in [
        (&["--k", "0"][..], "k = 0"),
        (&["--k", "481"], "neurons to choose from"),
        (&["--draws", "0"], "draws"),
        (&["--evaluation", "0"], "n_eval"),
    ] {
        let said = refuse(&all, "relation_1", &[&one[..], flags].concat(), 1);
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
    let said = refuse(&all, "relation_1", &["--answer-tokens", "0"], 1);
    assert!(said.contains("answer"), "{said}");
    // Flags of LRE's files have no effect on JSON lines.
    for flags in [["--template", "0"], ["--cue", ""]] {
        let said = refuse(&all, "relation_1", &flags, 2);
        assert!(said.starts_with("usage") && said.contains(flags[0]), "{said}");
        let lre = model.path().join("facts.json");
        std::fs::write(&lre, "{}").unwrap();
        let call =
            ["relation-neurons", "--model", text(model.path()), "--facts", text(&lre), "--out", text(&out)];
        let said = failure(&[&call[..], &["--relation", "x"], &flags].concat(), 1, &out);
        assert!(said.contains("facts.json"), "{said}");
    }
    std::fs::write(model.path().join("facts.jsonl"), b"{\"relation\": \"\xff\"}\n").unwrap();
    let bad = model.path().join("facts.jsonl");
    let call =
        ["relation-neurons", "--model", text(model.path()), "--facts", text(&bad), "--out", text(&out)];
    let said = failure(&[&call[..], &["--relation", "x"]].concat(), 1, &out);
    assert!(said.contains("line 1: not UTF-8"), "{said}");
}

#[test]
fn sets_of_other_models_and_unknown_names_are_refused() {
    let (model, other) = (polyglot(), knowing());
    let nothing = model.path().join("nothing.json");
    let named = texts(model.path(), 4);
    // One neuron of the multilingual model.
    let files = llm_neurons::model::WeightFiles::open(model.path()).unwrap();
    let identity = recordings::ModelIdentity {
        tensors_sha256: files.tensors_sha256().unwrap(),
        source: "test".to_owned(),
    };
    let mut set = NeuronSet::new(identity, "by hand", 0);
    let members = |layer: &str, units: &[usize]| recordings::Members {
        site: "Act".to_owned(),
        layer: layer.to_owned(),
        units: units.to_vec(),
        values: None,
    };
    set.sets.insert("first".to_owned(), vec![members("0", &[1, 2, 3])]);
    set.sets.insert("second".to_owned(), vec![members("1", &[3]), members("0", &[1])]);
    let path = model.path().join("set.json");
    set.write(&path).unwrap();
    let both =
        ["ablate", "--model", text(model.path()), "--set", text(&path), "--window", "64", named[0].as_str()];
    let found = answer(&both);
    // A neuron of both sets counts once.
    assert_eq!((&found["sets"], &found["neurons"]), (&json!(["first", "second"]), &json!(4)));
    let said = failure(&[&both[..], &["--name", "secnod"]].concat(), 1, &nothing);
    assert!(said.contains("nearest: second"), "{said}");
    let said = failure(&[&both[..], &["--name", "third"]].concat(), 1, &nothing);
    assert!(said.contains("no set \"third\""), "{said}");
    assert!(failure(&[&both[..], &["--draws", "0"]].concat(), 2, &nothing).contains("random"));
    let empty = model.path().join("empty.txt");
    std::fs::write(&empty, "").unwrap();
    let empty = format!("--text=empty={}", empty.display());
    let said = failure(&[&both[..], &[&empty]].concat(), 1, &nothing);
    assert!(said.contains("fewer than two tokens") && said.contains("empty.txt"), "{said}");

    // The other model has two layers of 96 neurons.
    let facts = other.path().join("text.txt");
    std::fs::write(&facts, "w0 w5 w9 w30\n").unwrap();
    let named = format!("--text=t={}", facts.display());
    let foreign = ["ablate", "--model", text(other.path()), "--set", text(&path), &named];
    let said = failure(&foreign, 1, &nothing);
    assert!(said.starts_with("input") && said.contains("--force") && said.contains("set.json"), "{said}");
    assert_eq!(answer(&[&foreign[..], &["--force"]].concat())["neurons"], 4);
    // Forced, it must still fit.
    set.sets.insert("wide".to_owned(), vec![members("0", &[96])]);
    set.sets.insert("deep".to_owned(), vec![members("2", &[0])]);
    set.sets.insert("none".to_owned(), Vec::new());
    set.write(&path).unwrap();
    for (name, expected) in [("wide", "unit"), ("deep", "Act(2)"), ("none", "neurons to switch off")] {
        let said = failure(&[&foreign[..], &["--force", "--name", name]].concat(), 1, &nothing);
        assert!(said.contains(expected), "{name}: {said}");
    }
    std::fs::write(&path, "{\"format\": \"neuropil.neuron-set/9\"}").unwrap();
    assert!(failure(&foreign, 1, &nothing).contains("neuron-set/9"));
}
