//! `llm foxp2 fit`, `llm generate --steer` and `llm sae` as a user meets them: on a small random model with a tokenizer of
//! words, and on a trained one where the folder of real data is.
#![cfg(feature = "llm")]

#[path = "support/data.rs"]
mod data;
#[path = "support/llm.rs"]
mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{answer, run};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../llm-neurons/tests/fixtures").join(folder)
}

/// A Hugging Face folder: a random model of the fixtures, and a tokenizer of 40 English and 40 Hindi words.
fn folder(name: &str) -> tempfile::TempDir {
    let files = [".config.json", ".model.safetensors"].map(|end| format!("{name}{end}"));
    folder_of("00-tiny-transformers", &files)
}

/// A trained model of 96 units and four layers, with a tokenizer that knows none of its tokens.
fn wide() -> tempfile::TempDir {
    let files = ["llama.config.json", "llama.model.f16.safetensors"].map(str::to_owned);
    folder_of("00-tiny-multilingual-lm-pud", &files)
}

fn folder_of(fixture: &str, files: &[String; 2]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in files.iter().zip(["config.json", "model.safetensors"]) {
        std::fs::copy(fixtures(fixture).join(from), folder.path().join(to)).unwrap();
    }
    let mut vocab = serde_json::Map::new();
    for (id, word) in ["<s>", "</s>", "<unk>", "."].into_iter().enumerate() {
        vocab.insert(word.to_owned(), id.into());
    }
    for i in 0..40 {
        vocab.insert(english(i), (4 + i).into());
        vocab.insert(hindi(i), (44 + i).into());
    }
    let special = |(id, word): (usize, &str)| {
        json!({"id": id, "content": word, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let special: Vec<Value> = ["<s>", "</s>", "<unk>"].into_iter().enumerate().map(special).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": special, "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

fn letters(i: usize) -> String {
    [b'a' + (i / 26) as u8, b'a' + (i % 26) as u8].map(char::from).iter().collect()
}

fn english(i: usize) -> String {
    format!("w{}", letters(i))
}

fn hindi(i: usize) -> String {
    format!("क{}", letters(i))
}

/// Lines of 3 to 9 words, of three different ones.
fn text(count: usize, word: fn(usize) -> String) -> String {
    let line = |i: usize| -> Vec<String> { (0..3 + i % 7).map(|t| word((i * 5 + t * t + t) % 3)).collect() };
    (0..count).map(|i| line(i).join(" ") + "\n").collect()
}

fn write(at: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = at.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// What a command that must fail says.
fn failure(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(code == 2 || said.lines().count() == 1, "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    format!("{} {}", document["error"]["message"].as_str().unwrap(), document["error"]["path"])
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Flags that suit a model of two layers.
const SMALL: [&str; 16] = [
    "--features",
    "48",
    "--sparsity",
    "5e-4",
    "--epochs",
    "30",
    "--batch",
    "40",
    "--rate",
    "4e-3",
    "--candidates",
    "20",
    "--shortest",
    "1",
    "--seed",
    "3",
];

/// The folder of a model, its texts, and the command that fits them.
struct Case {
    model: tempfile::TempDir,
    source: String,
    target: String,
    out: String,
    prompts: String,
}

impl Case {
    fn new() -> Self {
        let model = folder("llama_gqa");
        let at = model.path();
        Self {
            source: format!("en={}", shown(&write(at, "en.txt", text(40, english)))),
            target: format!("hi={}", shown(&write(at, "hi.txt", text(40, hindi)))),
            out: shown(&at.join("steer.safetensors")).to_owned(),
            prompts: shown(&write(at, "prompts.txt", text(12, english))).to_owned(),
            model,
        }
    }

    fn at(&self) -> &Path {
        self.model.path()
    }

    fn fit<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let model = ["foxp2", "fit", "--model", shown(self.at())];
        let text = ["--source", &self.source, "--target", &self.target, "--out", &self.out];
        [&model[..], &text[..], &SMALL[..], more].concat()
    }

    fn generate(&self, more: &[&str]) -> Vec<u64> {
        let prompt = [english(0), english(2), english(1)].join(" ");
        let start = ["generate", "--model", shown(self.at()), "--prompt", &prompt, "--max-new-tokens", "6"];
        let got = answer(&[&start[..], more].concat());
        got["token_ids"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect()
    }
}

#[test]
fn a_plan_is_fitted_and_steers_generation() {
    let case = Case::new();
    let got = answer(&case.fit(&["--prompts", &case.prompts]));
    assert_eq!((&got["pairs"], &got["prompts"], &got["cut"]), (&40.into(), &12.into(), &0.into()));
    assert_eq!((&got["target_tokens"], &got["source_tokens"]), (&40.into(), &40.into()), "by script");
    let layers = got["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for layer in got["window"].as_array().unwrap() {
        let layer = &layers[layer.as_u64().unwrap() as usize];
        assert!(layer["score"].as_f64().unwrap() > 0.0 && !layer["neurons"].as_array().unwrap().is_empty());
    }
    let grid = got["grid"].as_array().unwrap();
    assert_eq!(grid.len(), 12);
    let gain = |p: &Value| p["gain"].as_f64().unwrap();
    let best = grid.iter().max_by(|a, b| gain(a).total_cmp(&gain(b))).unwrap();
    assert_eq!((&got["lambda"], &got["beta"]), (&best["lambda"], &best["beta"]));
    assert!(gain(best) > 0.02, "{best}");
    let masses = |p: &Value| p["target"].as_f64().unwrap() - p["source"].as_f64().unwrap();
    assert!((masses(best) - best["difference"].as_f64().unwrap()).abs() < 1e-9);
    assert!((gain(best) - masses(best) + masses(&got["base"])).abs() < 1e-9);

    let plain = case.generate(&[]);
    let steer = ["--steer", case.out.as_str()];
    let with = |more: &[&str]| case.generate(&[&steer[..], more].concat());
    assert_eq!(with(&["--steer-lambda", "0", "--steer-beta", "0"]), plain, "strength zero is off");
    let (lambda, beta) = (got["lambda"].to_string(), got["beta"].to_string());
    assert_eq!(with(&[]), with(&["--steer-lambda", &lambda, "--steer-beta", &beta]), "the plan's own");
    let target = |ids: &[u64]| ids.iter().filter(|t| (44..84).contains(*t)).count();
    let steered = with(&["--steer-lambda", "8", "--steer-beta", "0"]);
    assert_ne!(steered, plain);
    assert!(target(&steered) > target(&plain), "{steered:?} {plain:?}");
    failure(&["generate", "--model", shown(case.at()), "--prompt", "a", "--steer-lambda", "1"], 2);
    let nan = ["generate", "--model", shown(case.at()), "--prompt", "a", "--steer", &case.out];
    assert!(failure(&[&nan[..], &["--core-neurons", "0.5"]].concat(), 2).contains("--steer"));
    assert!(failure(&[&nan[..], &["--steer-beta", "nan"]].concat(), 2).contains("--steer-beta"));

    // The same again, byte for byte; and without prompts a fifth of the pairs is held out.
    let first = std::fs::read(&case.out).unwrap();
    answer(&case.fit(&["--prompts", &case.prompts, "--threads", "1"]));
    assert_eq!(std::fs::read(&case.out).unwrap(), first);
    let held = answer(&case.fit(&["--opening", "2", "--chance", "0"]));
    assert_eq!((&held["pairs"], &held["prompts"]), (&32.into(), &8.into()));
}

#[test]
fn flags_reach_the_fit() {
    let case = Case::new();
    let guard = write(case.at(), "guard.txt", text(4, hindi));
    let lambdas = write(case.at(), "lambdas.txt", "\u{feff}1\n3\n");
    let more = [
        "--prompts",
        &case.prompts,
        "--token-sets",
        "frequency",
        "--window",
        "1",
        "--layers",
        "1",
        "--attractor",
        "source",
        "--guard",
        shown(&guard),
        "--tolerance",
        "100",
        "--lambdas",
        shown(&lambdas),
        "--ratios",
        "0.5",
        "--alphas",
        "0.5,1",
        "--max-tokens",
        "4",
    ];
    // --window and --shortest exclude one another.
    let mut arguments = case.fit(&more);
    assert!(failure(&arguments, 2).contains("--window"));
    let at = arguments.iter().position(|a| *a == "--shortest").unwrap();
    arguments.drain(at..at + 2);
    let got = answer(&arguments);
    assert_eq!((&got["window"], got["layers"].as_array().unwrap().len()), (&json!([1]), 1));
    assert!(got["target_tokens"].as_u64().unwrap() <= 3, "words that are in the text");
    assert!(got["cut"].as_u64().unwrap() > 0);
    let grid = got["grid"].as_array().unwrap();
    assert_eq!(grid.len(), 2);
    assert_eq!((&grid[1]["lambda"], &grid[1]["beta"]), (&json!(3.0), &json!(1.5)));
    assert!(grid.iter().all(|p| p["fall"].as_f64().unwrap() != 0.0), "the guard was read");
    // Another language than those of the scripts, and a source that is not English.
    let other = case.target.replacen("hi=", "xx=", 1);
    let mut arguments = case.fit(&["--prompts", &case.prompts, "--token-count", "3"]);
    let at = arguments.iter().position(|a| *a == case.target).unwrap();
    arguments[at] = &other;
    let got = answer(&arguments);
    assert_eq!((&got["target"], &got["target_tokens"]), (&json!("xx"), &3.into()));
    let by_script =
        |arguments: &[&str], code: i32| failure(&[arguments, &["--token-sets", "script"][..]].concat(), code);
    assert!(by_script(&arguments, 2).contains("--token-count"));
    let at = arguments.iter().position(|a| *a == "--token-count").unwrap();
    arguments.drain(at..at + 2);
    assert!(by_script(&arguments, 1).contains("xx"));
}

#[test]
fn texts_that_cannot_be_fitted_are_refused() {
    let case = Case::new();
    let refused = |source: &[u8], target: &[u8], expected: &str| {
        write(case.at(), "en.txt", source);
        write(case.at(), "hi.txt", target);
        let said = failure(&case.fit(&[]), 1);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!Path::new(&case.out).exists(), "nothing is written");
    };
    let (source, target) = (text(40, english), text(40, hindi));
    let (source, target) = (source.as_bytes(), target.as_bytes());
    refused(source, text(39, hindi).as_bytes(), "39 lines, its pairs are 40");
    refused(text(39, english).as_bytes(), target, "en.txt");
    refused(b"", target, "no text");
    refused(source, b"\n \n", "no text");
    refused(source, &[target, b"\xff\xfe\n"].concat(), "not UTF-8");
    let gap = String::from_utf8(target.to_vec()).unwrap().replacen('\n', "\n\n", 1);
    refused(source, gap.as_bytes(), "line 2 is empty");
    refused(text(3, english).as_bytes(), text(3, hindi).as_bytes(), "at least 5 pairs");
    // One language twice has no language neurons.
    refused(source, source, "language neurons");
    std::fs::remove_file(case.at().join("hi.txt")).unwrap();
    assert!(failure(&case.fit(&[]), 1).contains("hi.txt"));

    let case = Case::new();
    for (more, code, expected) in [
        (&["--layers", "7"][..], 1, "layer = 7"),
        (&["--layers", "one"], 2, "not a number"),
        (&["--alphas", "1,nan"], 1, "alpha"),
        (&["--lambdas", "-1"], 1, "lambda"),
        (&["--ratios", ","], 2, "no number"),
        (&["--chance", "2"], 1, "chance"),
        (&["--tolerance", "1"], 2, "--guard"),
        (&["--max-tokens", "0"], 2, "--max-tokens"),
        (&["--opening", "0"], 2, "--opening"),
        // Flags that would have no effect.
        (&["--opening", "2", "--prompts", "absent.txt"], 2, "--opening"),
        (&["--token-ratio", "2", "--token-sets", "script"], 2, "--token-ratio"),
        (&["--token-count", "2", "--token-sets", "script"], 2, "--token-count"),
        (&["--token-count", "2"], 2, "--token-count"),
        (&["--scale", "huge"], 2, "relative"),
        (&["--prompts", "absent.txt"], 1, "absent.txt"),
        (&["--max-memory", "1000"], 1, "bytes"),
    ] {
        let said = failure(&case.fit(more), code);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    let mut arguments = case.fit(&[]);
    let at = arguments.iter().position(|a| *a == "--features").unwrap() + 1;
    arguments[at] = "0";
    assert!(failure(&arguments, 1).contains("latents"));
    arguments[at] = "48";
    let at = arguments.iter().position(|a| *a == "--shortest").unwrap() + 1;
    arguments[at] = "3";
    assert!(failure(&arguments, 1).contains("--shortest"));
    let at = arguments.iter().position(|a| *a == "--out").unwrap() + 1;
    let nowhere = case.at().join("absent/steer.safetensors");
    arguments[at] = shown(&nowhere);
    assert!(failure(&arguments, 1).contains("folder"));
    let npz = case.at().join("steer.npz");
    arguments[at] = shown(&npz);
    assert!(failure(&arguments, 1).contains(".safetensors"));
    let same = case.source.replacen("en=", "hi=", 1);
    let at = arguments.iter().position(|a| *a == case.source).unwrap();
    arguments[at] = &same;
    assert!(failure(&arguments, 2).contains("both called"));
    assert!(!Path::new(&case.out).exists());
}

#[test]
fn plans_that_are_damaged_or_of_another_model_are_refused() {
    let case = Case::new();
    answer(&case.fit(&["--prompts", &case.prompts]));
    let steer = |model: &Path, plan: &Path, more: &[&str]| -> Vec<String> {
        let start =
            ["generate", "--model", shown(model), "--prompt", "waa", "--max-new-tokens", "2", "--steer"];
        [&start[..], &[shown(plan)], more].concat().into_iter().map(str::to_owned).collect()
    };
    let refused = |model: &Path, plan: &Path, more: &[&str]| {
        let arguments = steer(model, plan, more);
        failure(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), 1)
    };
    let plan = PathBuf::from(&case.out);
    // The same shape, another number.
    let other = folder("llama_gqa");
    let weights = other.path().join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&0.25_f32.to_le_bytes());
    std::fs::write(&weights, bytes).unwrap();
    let said = refused(other.path(), &plan, &[]);
    assert!(
        said.contains("made for") && said.contains("--force") && said.contains("steer.safetensors"),
        "{said}"
    );
    let arguments = steer(other.path(), &plan, &["--force"]);
    answer(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    // Other widths: no force makes it fit.
    let said = refused(wide().path(), &plan, &["--force"]);
    assert!(said.contains("32 units") && said.contains("96"), "{said}");

    let good = std::fs::read(&plan).unwrap();
    let broken = case.at().join("broken.safetensors");
    // A NaN where each double could stand: refused, or not part of a number that is read.
    let mut met = 0;
    for back in 1..=40 {
        let mut bytes = good.clone();
        let at = bytes.len() - 8 * back;
        bytes[at..at + 8].copy_from_slice(&f64::NAN.to_le_bytes());
        std::fs::write(&broken, bytes).unwrap();
        let arguments = steer(case.at(), &broken, &[]);
        let output = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_ne!(output.status.code(), Some(101), "no panic");
        met += usize::from(output.status.code() == Some(1));
        if back == 1 {
            assert_eq!(output.status.code(), Some(1), "a NaN in the plan");
        }
    }
    assert!(met >= 2, "{met}");
    std::fs::write(&broken, &good[..good.len() / 2]).unwrap();
    refused(case.at(), &broken, &[]);
    std::fs::write(&broken, b"").unwrap();
    refused(case.at(), &broken, &[]);
    assert!(refused(case.at(), Path::new("absent.safetensors"), &[]).contains("absent"));
    let said = refused(case.at(), &case.at().join("model.safetensors"), &[]);
    assert!(said.contains("say what it is"), "{said}");
}

#[test]
fn an_autoencoder_is_trained_resumed_and_measured() {
    let case = Case::new();
    let long = write(case.at(), "long.txt", text(60, english) + &text(60, hindi));
    let (out, whole, kept) = (
        case.at().join("sae.safetensors"),
        case.at().join("whole.safetensors"),
        case.at().join("kept.safetensors"),
    );
    let start =
        ["sae", "train", "--model", shown(case.at()), "--text", shown(&long), "--layer", "1", "--seed", "5"];
    let common = ["--latents", "64", "--batch", "64", "--rate", "5e-3"];
    let train =
        |out: &Path, more: &[&str]| answer(&[&start[..], &common[..], &["--out", shown(out)], more].concat());
    let got = train(&whole, &["--k", "4", "--epochs", "12"]);
    assert_eq!(
        (&got["site"], &got["units"], &got["latents"]),
        (&json!("ResidPost(1)"), &32.into(), &64.into())
    );
    let epochs = got["epochs"].as_array().unwrap();
    let loss = |i: usize| epochs[i]["loss"].as_f64().unwrap();
    assert!(epochs.len() == 12 && loss(11) < 0.5 * loss(0), "{got}");
    assert!(got["l0"].as_f64().unwrap() <= 4.0 && got["unexplained"].as_f64().unwrap() < 0.3);
    // Half of it, then the rest: the same file.
    let checkpoint = ["--checkpoint", shown(&kept), "--resume"];
    train(&out, &[&["--k", "4", "--epochs", "6"], &checkpoint[..]].concat());
    assert_ne!(std::fs::read(&out).unwrap(), std::fs::read(&whole).unwrap());
    let rest = train(&out, &[&["--k", "4", "--epochs", "12"], &checkpoint[..]].concat());
    assert_eq!(rest["epochs"], got["epochs"]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&whole).unwrap());
    let another = [&start[..], &common[..], &["--out", shown(&out), "--k", "5"], &checkpoint[..]].concat();
    assert!(failure(&another, 1).contains("another run"));

    let eval = |sae: &Path, model: &Path, more: &[&str]| -> Vec<String> {
        let all = ["sae", "eval", shown(sae), "--model", shown(model), "--text", shown(&long)];
        [&all[..], more].concat().into_iter().map(str::to_owned).collect()
    };
    let of = |arguments: Vec<String>| answer(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let found = of(eval(&out, case.at(), &[]));
    for key in ["rows", "l0", "dead_fraction", "unexplained"] {
        assert_eq!(found[key], got[key], "the same text: {key}");
    }
    let nll = |key: &str| found[key].as_f64().unwrap();
    assert!((nll("nll") - nll("nll_spliced")).abs() < (nll("nll") - nll("nll_zeroed")).abs(), "{found}");
    if let Some(recovered) = found["loss_recovered"].as_f64() {
        let wanted = (nll("nll_zeroed") - nll("nll_spliced")) / (nll("nll_zeroed") - nll("nll"));
        assert!((recovered - wanted).abs() < 1e-9);
    }
    let refused =
        |arguments: Vec<String>| failure(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let other = folder("opt_relu");
    let said = refused(eval(&out, other.path(), &[]));
    assert!(said.contains("--force") && said.contains("sae.safetensors"), "{said}");
    of(eval(&out, other.path(), &["--force"]));
    let said = refused(eval(&out, wide().path(), &["--force"]));
    assert!(said.contains("32 units") && said.contains("96"), "{said}");
    let bytes = std::fs::read(&out).unwrap();
    std::fs::write(&kept, &bytes[..bytes.len() - 9]).unwrap();
    refused(eval(&kept, case.at(), &[]));
    assert!(refused(eval(&case.at().join("model.safetensors"), case.at(), &[])).contains("say what it is"));

    // Every kind of sparsity, other sites and rows.
    for more in [
        &["--sparsity", "l1", "--coefficient", "0.01", "--tied", "--unit", "--revive", "--epochs", "4"][..],
        &["--sparsity", "batch-top-k", "--k", "3", "--last", "--revive", "--epochs", "4"],
        &["--sparsity", "top-k", "--site", "Act", "--revive", "--epochs", "3"],
    ] {
        let got = train(&out, more);
        assert!(got["l0"].as_f64().unwrap() > 0.0, "{got}");
        of(eval(&out, case.at(), &[]));
    }
}

#[test]
fn autoencoders_that_cannot_be_trained_are_refused() {
    let case = Case::new();
    let (good, out) = (write(case.at(), "good.txt", text(9, english)), case.at().join("sae.safetensors"));
    let start = ["sae", "train", "--model", shown(case.at()), "--out", shown(&out)];
    let refused = |text: &Path, more: &[&str], code: i32, expected: &str| {
        let said = failure(&[&start[..], &["--text", shown(text)], more].concat(), code);
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!out.exists());
    };
    let layer = ["--layer", "0"];
    let with = |more: &[&'static str]| [&layer[..], more].concat();
    refused(&write(case.at(), "empty.txt", ""), &layer, 1, "no text");
    refused(&write(case.at(), "bad.txt", b"waa\n\xc3(\n"), &layer, 1, "not UTF-8");
    refused(&case.at().join("absent.txt"), &layer, 1, "absent.txt");
    refused(&good, &["--layer", "2"], 1, "2 layers");
    refused(&good, &[], 2, "--layer");
    refused(&good, &["--site", "Nothing"], 2, "no such site");
    refused(&good, &["--site", "ResidPost(1)", "--layer", "1"], 2, "leave out --layer");
    refused(&good, &with(&["--k", "0"]), 1, "k");
    refused(&good, &with(&["--latents", "8", "--k", "9"]), 1, "k");
    refused(&good, &with(&["--sparsity", "l1", "--k", "3"]), 2, "--k");
    refused(&good, &with(&["--coefficient", "1"]), 2, "--coefficient");
    refused(&good, &with(&["--epochs", "0"]), 1, "epochs");
    refused(&good, &with(&["--batch", "0"]), 1, "batch");
    refused(&good, &with(&["--rate", "nan"]), 1, "rate");
    refused(&good, &with(&["--resume"]), 2, "--checkpoint");
    refused(&good, &with(&["--max-memory", "100"]), 1, "bytes");
    refused(
        &good,
        &with(&["--rate", "1e30", "--epochs", "9", "--sparsity", "l1", "--coefficient", "0"]),
        1,
        "epoch",
    );
}

#[test]
fn a_trained_model_goes_on_in_spanish() {
    let Some(from) = data::real("../fixtures/00-tiny-multilingual-lm") else { return };
    let model = tempfile::tempdir().unwrap();
    let at = model.path();
    for (name, to) in [
        ("llama.config.json", "config.json"),
        ("llama.model.f16.safetensors", "model.safetensors"),
        ("tokenizer.json", "tokenizer.json"),
    ] {
        std::fs::copy(from.join(name), at.join(to)).unwrap();
    }
    std::fs::write(at.join("tokenizer_config.json"), r#"{"add_bos_token": true}"#).unwrap();
    let vocab: Value =
        serde_json::from_str(&std::fs::read_to_string(from.join("vocab.json")).unwrap()).unwrap();
    let text = recordings::arrays::ArrayFile::open(&from.join("pud_token_ids.safetensors")).unwrap();
    let lines = |language: &str, index: &str, count: usize| -> Vec<String> {
        let ids = text.read_i64_1(&format!("{language}.ids")).unwrap();
        let offsets = text.read_i64_1(&format!("{language}.offsets")).unwrap();
        let line = |i: &i64| {
            let range = offsets[*i as usize] as usize..offsets[*i as usize + 1] as usize;
            let bytes = range.flat_map(|t| vocab[ids[t] as usize]["bytes"].as_array().unwrap().clone());
            String::from_utf8(bytes.map(|b| b.as_u64().unwrap() as u8).collect()).unwrap()
        };
        text.read_i64_1(index).unwrap().iter().take(count).map(line).collect()
    };
    let named = |language: &str, count: usize| {
        let path = write(at, &format!("{language}.txt"), lines(language, "train_index", count).join("\n"));
        format!("{language}={}", shown(&path))
    };
    let out = at.join("es.safetensors");
    let (source, target) = (named("en", 200), named("es", 200));
    let guard = write(at, "guard.txt", lines("es", "val_index", 30).join("\n"));
    let fit = [
        "foxp2",
        "fit",
        "--model",
        shown(at),
        "--source",
        &source,
        "--target",
        &target,
        "--out",
        shown(&out),
        "--features",
        "128",
        "--sparsity",
        "5e-4",
        "--epochs",
        "60",
        "--batch",
        "100",
        "--rate",
        "2e-3",
        "--candidates",
        "30",
        "--max-tokens",
        "96",
    ];
    // At the default strengths Spanish is the likelier next token by far; what comes later is not text any more.
    let got = answer(&fit);
    let base = got["base"]["difference"].as_f64().unwrap();
    let best = |got: &Value| {
        let gains = got["grid"].as_array().unwrap().iter().filter(|p| p["allowed"] == true);
        gains.map(|p| p["gain"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    assert!(base < 0.0 && best(&got) > 0.6, "{got}");
    // Spanish text that must stay likely asks for less.
    let guarded =
        ["--lambdas", "0.1,0.15,0.2,0.5,2", "--ratios", "0", "--guard", shown(&guard), "--tolerance", "0.6"];
    let got = answer(&[&fit[..], &guarded].concat());
    let falls: Vec<f64> =
        got["grid"].as_array().unwrap().iter().map(|p| p["fall"].as_f64().unwrap()).collect();
    assert!(falls.windows(2).all(|w| w[0] < w[1]) && falls[0] < 0.6 && falls[4] > 0.6, "{falls:?}");
    assert!(got["lambda"].as_f64().unwrap() < 0.5 && best(&got) > 0.2, "{got}");
    // Little words of what follows English openings, without the plan and with it: Spanish and English.
    let (mut plain, mut steered) = ((0, 0), (0, 0));
    for opening in ["The city was", "After the war, the", "The government of", "In the first year"] {
        let start = ["generate", "--model", shown(at), "--prompt", opening, "--max-new-tokens", "30"];
        let count = |got: &Value, sums: &mut (usize, usize)| {
            for word in got["text"].as_str().unwrap().split_whitespace() {
                sums.0 += usize::from(["el", "la", "de", "del", "en", "los", "y", "que"].contains(&word));
                sums.1 += usize::from(["the", "of", "and", "was", "is", "that", "their"].contains(&word));
            }
        };
        count(&answer(&start), &mut plain);
        count(&answer(&[&start[..], &["--steer", shown(&out)]].concat()), &mut steered);
    }
    assert!(plain.0 == 0 && plain.1 >= 4, "{plain:?}");
    assert!(steered.0 >= 3 && steered.0 > steered.1, "{steered:?}");
}
