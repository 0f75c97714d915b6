//! Every verb of `llm` on a model that was trained on stories, from its folder as it came. Without the folder of real data
//! the test says so and passes, unless it is required.
#![cfg(feature = "llm")]

#[path = "support/data.rs"]
mod data;
#[path = "support/llm.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::FloatDType;
use llm_neurons::TextTokenizer;
use llm_neurons::generate::{GenerateConfig, generate};
use llm_neurons::model::HookedLm;
use ndarray::arr2;
use probes::NoTaps;
use recordings::arrays::{ArrayFile, Npz};
use serde_json::{Value, json};
use support::answer;
use tensor_backend::DeviceSpec;

/// A folder to work in, the model, and which verbs answered.
struct Bench {
    folder: tempfile::TempDir,
    model: PathBuf,
    answered: BTreeSet<String>,
}

impl Bench {
    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes lines, each cut to some words.
    fn lines(&self, name: &str, texts: &[String], words: usize) -> String {
        let cut = |t: &String| t.split_whitespace().take(words).collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = texts.iter().map(cut).filter(|line| !line.is_empty()).collect();
        std::fs::write(self.at(name), lines.join("\n")).unwrap();
        self.at(name)
    }

    fn ask(&mut self, verb: &str, arguments: &[&str]) -> Value {
        let words: Vec<&str> = verb.split(' ').chain(arguments.iter().copied()).collect();
        let got = answer(&words);
        self.answered.insert(got["schema"].as_str().unwrap().to_owned());
        got
    }

    /// Of the model.
    fn ask_model(&mut self, verb: &str, arguments: &[&str]) -> Value {
        let model = self.model.clone();
        self.ask(verb, &[&["--model", model.to_str().unwrap()], arguments].concat())
    }
}

fn texts(file: &Path) -> Vec<String> {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn every_verb_answers_on_a_trained_checkpoint() {
    let (Some(model), Some(corpus)) = (data::real("lm-stories260k"), data::real("text-tinystories")) else {
        return;
    };
    let mut bench = Bench { folder: tempfile::tempdir().unwrap(), model, answered: BTreeSet::new() };
    let (stories, articles) = (texts(&corpus.join("tinystories.json")), texts(&corpus.join("wikitext.json")));
    let story = bench.lines("story.txt", &stories[..48], 60);
    let article = bench.lines("article.txt", &articles[..48], 60);
    numbers(&mut bench);
    neurons(&mut bench, &story, &article);
    facts(&mut bench);
    spread_and_sparse(&mut bench, &story);
    steering(&mut bench, &stories, &articles);
    membership(&mut bench, &story, &article);
    training(&mut bench, &story);

    let listed = Command::new(env!("CARGO_BIN_EXE_neuropil")).args(["schema"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let missing: Vec<String> = listed
        .split_whitespace()
        .filter(|name| name.starts_with("llm."))
        .map(|name| format!("neuropil.{name}/1"))
        .filter(|name| !bench.answered.contains(name))
        .collect();
    assert!(missing.is_empty() && bench.answered.len() > 10, "not tried: {missing:?}");
}

/// logits, parity, perplexity.
fn numbers(bench: &mut Bench) {
    let (ids, out) = (bench.at("ids.npz"), bench.at("out.npz"));
    let tokens = arr2(&[[1_i64, 403, 407, 261, 378]]);
    Npz::new().i64("ids", tokens.view().into_dyn()).write(Path::new(&ids)).unwrap();
    let got = bench.ask_model("logits", &["--ids", &ids, "--out", &out, "--hidden"]);
    assert_eq!(got["vocab"], json!(512));
    assert_eq!(ArrayFile::open(Path::new(&out)).unwrap().read_f64_3("logits").unwrap().dim(), (1, 5, 512));
    let golden = bench.model.join("golden.safetensors");
    let parity = bench.ask_model("parity", &["--reference", golden.to_str().unwrap()]);
    assert_eq!(parity["first_divergence"], Value::Null, "{parity}");
    let story = bench.at("story.txt");
    let nll = bench.ask_model("perplexity", &["--text", &story, "--lines"]);
    assert!((1.0..2.0).contains(&number(&nll["nll"])), "{nll}");
}

/// language-neurons and ablate: stories and articles stand for two languages.
fn neurons(bench: &mut Bench, story: &str, article: &str) {
    let (one, other, set) = (format!("story={story}"), format!("article={article}"), bench.at("set.json"));
    let arguments = ["--text", &one, "--text", &other, "--out", &set, "--window", "32", "--judged", "8"];
    bench.ask_model("language-neurons", &[&arguments[..], &["--top-rate", "0.05"]].concat());
    let got = bench.ask_model("ablate", &["--set", &set, "--name", "story", "--text", &one, "--draws", "2"]);
    assert!(number(&got["texts"]["story"]["nll_ablated"]) != number(&got["texts"]["story"]["nll"]), "{got}");
}

/// relation-neurons: what the model itself says of things and of people counts as known.
fn facts(bench: &mut Bench) {
    let names = [
        "Lily", "Tom", "Ben", "Mia", "Sue", "Tim", "Anna", "Sara", "Max", "Jack", "Lucy", "Amy", "Bob",
        "Sam", "Spot", "Fin",
    ];
    let mut lines = Vec::new();
    // Four prompts about others are needed for each of the relation.
    let relations = [
        ("play", "One day, ", " wanted to play with"),
        ("feeling", "The little girl saw ", ". She was very"),
        ("place", "Once upon a time, ", " went to the"),
        ("gift", "The mother gave ", " a big"),
        ("colour", "The best toy of ", " was"),
        ("friend", "The best friend of ", " was a"),
    ];
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let model = HookedLm::load(&bench.model, FloatDType::F32, &device).unwrap();
    let tokenizer = TextTokenizer::load(&bench.model, model.config()).unwrap();
    let two = GenerateConfig { max_new_tokens: 2, ..GenerateConfig::default() };
    for (relation, before, after) in relations {
        for name in names {
            let prompt = format!("{before}{name}{after}");
            let ids = tokenizer.encode(&prompt, true).unwrap();
            let new = generate(&model, &[&ids], &two, &mut NoTaps).unwrap().tokens.remove(0);
            let said = tokenizer.decode_after(&ids, &new).unwrap();
            let fact =
                json!({"relation": relation, "subject": name, "object": said.trim(), "prompt": prompt});
            lines.push(fact.to_string());
        }
    }
    let (file, set) = (bench.at("facts.jsonl"), bench.at("relation.json"));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let got = bench.ask_model(
        "relation-neurons",
        &[
            "--facts",
            &file,
            "--relation",
            "play",
            "--evaluation",
            "4",
            "--k",
            "20",
            "--draws",
            "2",
            "--out",
            &set,
        ],
    );
    assert_eq!((number(&got["accuracy"]["intact"]), number(&got["evaluated"])), (1.0, 4.0), "{got}");
    assert!(recordings::NeuronSet::read(Path::new(&set)).is_ok());
}

/// eigenscore, core-bank and generate with core neurons of both predictions.
fn spread_and_sparse(bench: &mut Bench, story: &str) {
    let prompt = ["--prompt", "Once upon a time", "--max-new-tokens", "12"];
    let spread = bench.ask_model("eigenscore", &[&prompt[..], &["--samples", "5", "--top-k", "50"]].concat());
    assert_eq!((&spread["k"], &spread["d"]), (&json!(5), &json!(64)));
    let bank = bench.at("bank.safetensors");
    bench.ask_model("core-bank", &["--text", story, "--out", &bank, "--clusters", "3"]);
    for more in [&["--predict", "stability"][..], &["--predict", "similarity", "--cluster-bank", &bank][..]] {
        let core = bench.ask_model("generate", &[&prompt[..], &["--core-neurons", "0.4"], more].concat());
        assert!((0.2..1.0).contains(&number(&core["active_fraction"])), "{core}");
        assert!(!core["text"].as_str().unwrap().is_empty());
    }
}

/// foxp2 fit, then generate with its plan; sae train and eval.
fn steering(bench: &mut Bench, stories: &[String], articles: &[String]) {
    let (source, target) = (
        format!("en={}", bench.lines("source.txt", &stories[..48], 12)),
        format!("wiki={}", bench.lines("target.txt", &articles[..48], 12)),
    );
    let plan = bench.at("plan.safetensors");
    let fitted = bench.ask_model(
        "foxp2 fit",
        &[
            "--source",
            &source,
            "--target",
            &target,
            "--out",
            &plan,
            "--layers",
            "2,3",
            "--shortest",
            "1",
            "--longest",
            "2",
            "--features",
            "48",
            "--epochs",
            "20",
            "--token-count",
            "2",
            "--chance",
            "0",
        ],
    );
    assert!(!fitted["window"].as_array().unwrap().is_empty(), "{fitted}");
    let steered =
        bench.ask_model("generate", &["--prompt", "Once upon", "--max-new-tokens", "4", "--steer", &plan]);
    assert!(steered["token_ids"].as_array().unwrap().len() <= 4);

    let (story, sae) = (bench.at("story.txt"), bench.at("sae.safetensors"));
    let site = ["--site", "ResidPost", "--layer", "2", "--latents", "96", "--k", "8", "--epochs", "3"];
    bench.ask_model("sae train", &[&["--text", &story, "--out", &sae], &site[..]].concat());
    let model = bench.model.to_str().unwrap().to_owned();
    let got = bench.ask("sae eval", &[&sae, "--model", &model, "--text", &story]);
    assert!(number(&got["l0"]) <= 8.0, "{got}");
}

/// features, train and score.
fn membership(bench: &mut Bench, story: &str, article: &str) {
    let (members, others) = (format!("stories={story}"), format!("articles={article}"));
    let (table, attack) = (bench.at("table.npz"), bench.at("attack.json"));
    let documents = ["--members", &members, "--non-members", &others];
    bench.ask_model("membership features", &[&documents[..], &["--out", &table]].concat());
    let trained = bench
        .ask("membership train", &["--table", &table, "--out", &attack, "--trees", "40", "--bins", "50"]);
    assert!(number(&trained["auc"]["mean"]) > 0.9, "stories against articles: {trained}");
    bench.ask("membership score", &[&attack, "--table", &table]);
}

/// train, on from the checkpoint.
fn training(bench: &mut Bench, story: &str) {
    let out = bench.at("trained");
    let got = bench.ask_model(
        "train",
        &["--text", story, "--out", &out, "--steps", "6", "--batch", "4", "--window", "32"],
    );
    assert!(number(&got["held_out_nll"]) < 3.0, "{got}");
}
