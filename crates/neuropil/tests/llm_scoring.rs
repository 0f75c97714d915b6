//! `llm perplexity` and `llm membership` as a user meets them: on small models of every kind, and on the real ones where
//! their folder is.
#![cfg(feature = "llm")]

#[path = "support/data.rs"]
mod data;
#[path = "support/llm.rs"]
mod support;

use std::path::Path;

use recordings::arrays::ArrayFile;
use serde_json::{Value, json};
use support::{answer, run};

fn failure(arguments: &[&str], code: i32) -> Value {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["error"].clone()
}

fn said(arguments: &[&str], code: i32, word: &str) {
    let error = failure(arguments, code);
    assert!(error["message"].as_str().unwrap().contains(word), "{word}: {error}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stories(folder: &Path, range: std::ops::Range<usize>) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("tinystories.json")).unwrap();
    let all: Vec<String> = serde_json::from_str(&text).unwrap();
    all[range].iter().map(|s| s.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn close(found: &Value, want: f64, tolerance: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - want).abs() <= tolerance, "{found}, expected {want} +- {tolerance}");
}

#[test]
fn perplexity_of_stories_is_as_published_and_windows_change_little() {
    let (Some(model), Some(texts)) = (data::real("lm-stories260k"), data::real("text-tinystories")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stories.txt");
    std::fs::write(&file, stories(&texts, 0..40).join("\n") + "\n\n").unwrap();
    let lines = answer(&["perplexity", "--model", text(&model), "--text", text(&file), "--lines"]);
    // README of the model: 1.307 nats a token on 40 stories.
    close(&lines["nll"], 1.307, 0.03);
    assert_eq!((&lines["texts"], &lines["skipped"]), (&json!(40), &json!(0)));
    close(&lines["perplexity"], lines["nll"].as_f64().unwrap().exp(), 1e-9);
    assert_eq!((&lines["window"], &lines["stride"]), (&json!(512), &json!(256)));
    // As one text: stories that have nothing to do with one another, beyond the context.
    let whole = answer(&["perplexity", "--model", text(&model), "--text", text(&file)]);
    assert_eq!(whole["texts"], json!(1));
    assert!(whole["tokens"].as_u64().unwrap() > 5000);
    assert!(whole["nll"].as_f64().unwrap() > lines["nll"].as_f64().unwrap());
    close(&whole["nll"], 1.346, 0.02);
    // Without the token that begins a text, it is read as if it began in the middle.
    let bare = answer(&["perplexity", "--model", text(&model), "--text", text(&file), "--lines", "--no-bos"]);
    assert_eq!(bare["tokens"].as_u64().unwrap() + 40, lines["tokens"].as_u64().unwrap());
}

#[test]
fn recurrent_models_are_scored_by_the_same_verbs() {
    let (Some(rwkv), Some(lstm), Some(books)) =
        (data::real("lm-rwkv4-660k"), data::real("lm-charrnn"), data::real("text-books"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shakespeare.txt");
    let play = std::fs::read_to_string(books.join("shakespeare.txt")).unwrap();
    std::fs::write(&file, &play[..10_000]).unwrap();
    let own = answer(&["perplexity", "--model", text(&lstm.join("shakespeare")), "--text", text(&file)]);
    assert_eq!((&own["model_kind"], &own["tokens"]), (&json!("char_lstm"), &json!(9999)));
    assert_eq!((&own["window"], &own["stride"]), (&Value::Null, &Value::Null));
    // Published: 1.90 bits a character.
    close(&own["nll"], 1.90 * std::f64::consts::LN_2, 0.1);
    let other =
        answer(&["perplexity", "--model", text(&lstm.join("charlotte_bronte")), "--text", text(&file)]);
    assert!(other["nll"].as_f64().unwrap() > own["nll"].as_f64().unwrap() + 0.5, "{other}");
    let bytes = answer(&["perplexity", "--model", text(&rwkv), "--text", text(&file)]);
    assert_eq!((&bytes["model_kind"], &bytes["tokens"]), (&json!("rwkv4"), &json!(9999)));
    close(&bytes["nll"], 2.960, 0.02);
    // What the vocabulary of an author lacks.
    std::fs::write(&file, "twenty \u{20ac}").unwrap();
    said(&["perplexity", "--model", text(&lstm.join("darwin")), "--text", text(&file)], 1, "vocabulary");
    // The published logits, through the verb for logits.
    let (ids, out) = (folder.path().join("ids.npz"), folder.path().join("out.npz"));
    let golden = ArrayFile::open(&rwkv.join("golden.safetensors")).unwrap();
    let (_, prompt) = golden.pick(Some("prompt_bytes")).unwrap();
    let prompt: ndarray::ArrayD<i64> = prompt.to_i64().unwrap();
    recordings::arrays::Npz::new().i64("ids", prompt.view()).write(&ids).unwrap();
    let arguments = ["logits", "--model", text(&rwkv), "--ids", text(&ids), "--out", text(&out), "--hidden"];
    assert_eq!(answer(&arguments)["vocab"], json!(256));
    let got = ArrayFile::open(&out).unwrap().read_f64_3("logits").unwrap();
    let want = golden.read_f64_2("logits").unwrap();
    assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 2e-4));
}

#[test]
fn dropping_neurons_costs_and_a_set_of_another_model_is_refused() {
    let (Some(models), Some(books)) = (data::real("lm-charrnn"), data::real("text-books")) else { return };
    let model = models.join("shakespeare");
    let folder = tempfile::tempdir().unwrap();
    let (file, set) = (folder.path().join("a.txt"), folder.path().join("set.json"));
    let play = std::fs::read_to_string(books.join("shakespeare.txt")).unwrap();
    std::fs::write(&file, &play[..3000]).unwrap();
    let files = llm_neurons::model::WeightFiles::open(&model).unwrap();
    let write = |hash: String, units: Vec<usize>| {
        let identity =
            recordings::ModelIdentity { tensors_sha256: hash, ..recordings::ModelIdentity::default() };
        let mut neurons = recordings::NeuronSet::new(identity, "test", 0);
        let member = |layer: usize| recordings::Members {
            site: "Act".into(),
            layer: layer.to_string(),
            units: units.clone(),
            values: None,
        };
        neurons.sets.insert("all".into(), (0..2).map(member).collect());
        neurons.write(&set).unwrap();
    };
    let plain = ["perplexity", "--model", text(&model), "--text", text(&file)];
    let drop = [&plain[..], &["--drop", text(&set)]].concat();
    let before = answer(&plain)["nll"].as_f64().unwrap();
    write(files.tensors_sha256().unwrap(), (0..128).collect());
    let after = answer(&drop)["nll"].as_f64().unwrap();
    assert!(after > before + 1.0, "{before} {after}");
    write("0".repeat(64), vec![0]);
    said(&drop, 1, "--force");
    answer(&[&drop[..], &["--force"]].concat());
    write(files.tensors_sha256().unwrap(), vec![128]);
    said(&drop, 1, "128");
}

/// A character LSTM, small and random.
fn small(folder: &Path) {
    let mut tensors: Vec<(String, Vec<usize>)> = vec![
        ("embedding.weight".into(), vec![5, 4]),
        ("decoder.weight".into(), vec![5, 6]),
        ("decoder.bias".into(), vec![5]),
    ];
    for (name, shape) in
        [("weight_ih", vec![24, 4]), ("weight_hh", vec![24, 6]), ("bias_ih", vec![24]), ("bias_hh", vec![24])]
    {
        tensors.push((format!("lstm.{name}_l0"), shape));
    }
    let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
    for (i, (name, shape)) in tensors.into_iter().enumerate() {
        let n = shape.iter().product();
        let from = bytes.len();
        for x in numerics::rng::normals(&mut numerics::rng::stream(1, "scoring", i as u64), n) {
            bytes.extend_from_slice(&(x as f32).to_le_bytes());
        }
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [from, bytes.len()]}));
    }
    let header = Value::Object(header).to_string();
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes].concat();
    std::fs::write(folder.join("model.safetensors"), file).unwrap();
    let config = r#"{"arch": "char_lstm", "num_layers": 1, "vocab_size": 5, "embedding_dim": 4, "hidden_size": 6,
        "gate_order": "i,f,g,o", "initial_state": "zeros"}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
    std::fs::write(folder.join("vocab.json"), r#"{"a": 0, "b": 1, "c": 2, " ": 3, "\n": 4}"#).unwrap();
}

#[test]
fn texts_and_folders_that_cannot_be_scored_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    small(folder.path());
    let (model, file) = (folder.path(), folder.path().join("text.txt"));
    let arguments = ["perplexity", "--model", text(model), "--text", text(&file)];
    let error = failure(&arguments, 1);
    assert_eq!((&error["kind"], &error["path"]), (&json!("io"), &json!(text(&file))));
    for (bytes, kind, word) in [
        (&b""[..], "input", "no text"),
        (b" \n\n", "input", "no text"),
        (b"ab\xff\xfe", "format", "not UTF-8: the byte at 2"),
        (b"a", "input", "at least two"),
        (b"abz", "input", "'z' at byte 2"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let error = failure(&arguments, 1);
        assert_eq!(error["kind"], json!(kind), "{error}");
        assert!(error["message"].as_str().unwrap().contains(word), "{word}: {error}");
    }
    // A line of one character has nothing to predict and is counted; blank ones are not lines.
    std::fs::write(&file, "abc\n\na\ncab a\n").unwrap();
    let got = answer(&[&arguments[..], &["--lines"]].concat());
    assert_eq!((&got["texts"], &got["skipped"], &got["tokens"]), (&json!(2), &json!(1), &json!(6)));
    std::fs::write(&file, "a\nb\n").unwrap();
    said(&[&arguments[..], &["--lines"]].concat(), 1, "at least two");
    std::fs::write(&file, "abc").unwrap();
    let good = std::fs::read(model.join("config.json")).unwrap();
    for (config, word) in
        [(&b"{"[..], "JSON"), (b"{\"arch\": \"mamba\"}", "rwkv4 or char_lstm"), (b"{}", "model_type")]
    {
        std::fs::write(model.join("config.json"), config).unwrap();
        said(&arguments, 1, word);
    }
    std::fs::write(model.join("config.json"), good).unwrap();
    // An id beyond the vocabulary.
    std::fs::write(model.join("vocab.json"), r#"{"a": 0, "b": 7}"#).unwrap();
    said(&arguments, 1, "token id 7");
}

#[test]
fn a_byte_order_mark_is_no_character() {
    let folder = tempfile::tempdir().unwrap();
    small(folder.path());
    let (model, file, table) =
        (text(folder.path()), folder.path().join("text.txt"), folder.path().join("table.npz"));
    let ask = |content: &str| {
        std::fs::write(&file, content).unwrap();
        let perplexity = answer(&["perplexity", "--model", model, "--text", text(&file)]);
        let name = format!("t={}", file.display());
        let features = ["membership", "features", "--model", model, "--text", &name, "--out", text(&table)];
        (perplexity["tokens"].clone(), perplexity["nll"].clone(), answer(&features)["documents"].clone())
    };
    assert_eq!(ask("\u{feff}abc\ncab a"), ask("abc\ncab a"));
}

#[test]
fn flags_without_effect_and_places_that_cannot_be_written_are_refused_first() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("attack.json").display().to_string();
    let train = ["membership", "train", "--out", &out];
    for (flags, word) in [
        (["--features", "aggregate", "--bins", "9"], "--bins"),
        (["--classifier", "logistic", "--trees", "9"], "--trees"),
    ] {
        said(&[&train[..], &flags].concat(), 2, word);
    }
    let score = ["membership", "score", "attack.json"];
    for flags in [
        &["--dtype", "f32"][..],
        &["--context", "9"],
        &["--stride", "8"],
        &["--max-tokens", "9"],
        &["--min-tokens", "2"],
        &["--whole-files"],
        &["--model", "absent"],
        &["--members", "a=absent.txt"],
    ] {
        for verb in [&train[..], &score] {
            let error = failure(&[verb, &["--table", "absent.npz"], flags].concat(), 2);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("--table") && message.contains(flags[0]), "{flags:?}: {message}");
        }
    }
    // Before a model or a table is read.
    let nowhere = folder.path().join("absent/file").display().to_string();
    let documents = ["--model", "absent", "--members", "a=absent.txt", "--out", &nowhere];
    said(&[&["membership", "features"][..], &documents].concat(), 1, "does not exist");
    said(&[&["membership", "train"][..], &documents].concat(), 1, "does not exist");
    said(&["membership", "train", "--table", "absent.npz", "--out", &nowhere], 1, "does not exist");
    said(&["membership", "train", "--table", "absent.npz", "--out", text(folder.path())], 1, "is a folder");
}

#[test]
fn an_attack_is_trained_judged_written_and_applied() {
    let folder = tempfile::tempdir().unwrap();
    small(folder.path());
    let model = folder.path();
    let path = |name: &str| folder.path().join(name);
    // Members use one letter more than others: no membership, and the control by token frequencies says so.
    let lines = |often: &str| {
        let line = |i: usize| {
            format!("{} {}\n", ["abcab", "bcabc", "cabca"][i % 3].repeat(3 + i % 4), often.repeat(9 + i % 5))
        };
        (0..20).map(|i| line(i) + if i == 7 { "\n" } else { "" }).collect::<String>()
    };
    std::fs::write(path("in.txt"), lines("a")).unwrap();
    std::fs::write(path("out.txt"), lines("c")).unwrap();
    let (members, others) =
        (format!("in={}", path("in.txt").display()), format!("out={}", path("out.txt").display()));
    let labelled =
        ["--model", text(model), "--members", &members, "--non-members", &others, "--context", "9"];
    let (table, attack) = (path("table.npz"), path("attack.json"));
    let got = answer(&[&["membership", "features"][..], &labelled, &["--out", text(&table)]].concat());
    let documents = got["documents"].as_array().unwrap();
    assert_eq!((documents.len(), &got["context"], &got["stride"]), (40, &json!(9), &json!(8)));
    assert_eq!((&documents[0]["name"], &documents[0]["member"]), (&json!("in:1"), &json!(true)));
    assert_eq!((&documents[20]["name"], &documents[20]["member"]), (&json!("out:1"), &json!(false)));
    assert_eq!(documents[8]["name"], json!("in:10"), "names count the lines of the file");
    let first = &documents[0];
    close(&first["features"]["mean"], first["nll"].as_f64().unwrap(), 1e-6);
    let file = ArrayFile::open(&table).unwrap();
    let scored = file.read_f64_1("nll").unwrap().len();
    let tokens: u64 = documents.iter().map(|d| d["tokens"].as_u64().unwrap()).sum();
    assert_eq!(scored as u64, tokens - 40);
    // The table and the documents give the same attack, but for zlib, which needs texts.
    let small_forest = ["--bins", "20", "--trees", "40", "--seed", "3", "--out", text(&attack)];
    let train = |from: &[&str]| answer(&[&["membership", "train"][..], from, &small_forest].concat());
    let of_table = train(&["--table", text(&table)]);
    let got = train(&labelled);
    assert_eq!((&got["auc"], &got["roc"]), (&of_table["auc"], &of_table["roc"]));
    assert_eq!((&got["documents"], &got["members"]), (&json!(40), &json!(20)));
    let baseline = |answer: &Value, name: &str, level: &str| {
        let all = answer["baselines"].as_array().unwrap().clone();
        all.into_iter().find(|b| b["name"] == name && b["level"] == level)
    };
    for (name, level) in [
        ("perplexity", "document"),
        ("min-k 20 %", "document"),
        ("perplexity", "sequence"),
        ("zlib", "document"),
    ] {
        assert!(baseline(&got, name, level).is_some(), "{name} {level}: {got}");
    }
    assert!(baseline(&of_table, "zlib", "document").is_none());
    let frequencies = baseline(&got, "token-frequencies", "document").unwrap();
    assert!(frequencies["auc"].as_f64().unwrap() > 0.95, "{frequencies}");
    assert!(got["auc"]["mean"].as_f64().unwrap() > 0.9, "{got}");
    // Applied: members of the training documents score higher, in the windows of the attack without being asked.
    let apply = ["membership", "score", text(&attack)];
    let scored = answer(
        &[&apply[..], &["--model", text(model), "--members", &members, "--non-members", &others]].concat(),
    );
    assert!(scored["auc"].as_f64().unwrap() > 0.9);
    let from_table = answer(&[&apply[..], &["--table", text(&table)]].concat());
    assert_eq!(scored["documents"], from_table["documents"]);
    let unlabelled =
        answer(&[&apply[..], &["--model", text(model), "--text", text(&path("in.txt"))]].concat());
    assert_eq!(unlabelled["auc"], Value::Null);
    assert_eq!(unlabelled["documents"][0]["probability"], scored["documents"][0]["probability"]);
    assert!(unlabelled["documents"][0]["name"].as_str().unwrap().ends_with("in.txt:1"));
}

#[test]
fn attacks_and_documents_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    small(folder.path());
    let model = text(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let documents = |letters: &[&str]| -> String {
        (0..12).map(|i| format!("{}\n", letters[i % letters.len()].repeat(4 + i))).collect()
    };
    std::fs::write(path("in.txt"), documents(&["ab", "ba"])).unwrap();
    std::fs::write(path("out.txt"), documents(&["cb", "bc"])).unwrap();
    let (members, others, attack) = (path("in.txt"), path("out.txt"), path("attack.json"));
    let small_forest = ["--trees", "20", "--bins", "9", "--context", "8", "--out", &attack];
    macro_rules! train {
        ($($more:expr),*) => {
            &[&["membership", "train", "--model", model][..], &[$($more),*], &small_forest].concat()
        };
    }
    said(train!("--members", &members), 1, "others");
    said(train!("--members", &members, "--non-members", &members), 1, "same");
    said(train!("--members", &members, "--non-members", &others, "--folds", "13"), 1, "at least 13");
    said(train!("--members", &members, "--non-members", &others, "--stride", "8"), 1, "stride");
    said(train!("--members", &members, "--text", &others), 2, "--non-members");
    said(train!(), 2, "--members");
    said(&["membership", "train", "--members", &members, "--out", &attack], 2, "--model");
    said(train!("--members", &members, "--non-members", &others, "--min-tokens", "900"), 1, "900");
    let latin = path("latin.txt");
    std::fs::write(&latin, b"ab\xe9 ab").unwrap();
    said(train!("--members", &members, "--non-members", &latin), 1, "not UTF-8");
    assert!(!Path::new(&attack).exists(), "nothing is written half");
    answer(train!("--members", &members, "--non-members", &others));
    // Another model, a damaged file, and a file of something else.
    let score = ["membership", "score", &attack, "--text", &others, "--model"];
    answer(&[&score[..], &[model]].concat());
    let second = tempfile::tempdir().unwrap();
    for name in ["config.json", "vocab.json", "model.safetensors"] {
        let mut bytes = std::fs::read(folder.path().join(name)).unwrap();
        if name == "model.safetensors" {
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&0.25_f32.to_le_bytes());
        }
        std::fs::write(second.path().join(name), bytes).unwrap();
    }
    said(&[&score[..], &[text(second.path())]].concat(), 1, "model");
    said(&[&score[..], &[model, "--context", "6"]].concat(), 1, "context");
    let whole = std::fs::read_to_string(&attack).unwrap();
    for (bad, word) in [
        (whole[..whole.len() / 2].to_owned(), "EOF"),
        (whole.replace("neuropil.membership-attack/1", "neuropil.membership-attack/9"), "format"),
        ("{}".to_owned(), "missing field"),
    ] {
        std::fs::write(&attack, bad).unwrap();
        said(&[&score[..], &[model]].concat(), 1, word);
    }
}
