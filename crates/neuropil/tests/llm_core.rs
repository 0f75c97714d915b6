//! `llm generate --core-neurons` and `llm core-bank` as a user meets them: on small random models of six architectures, and
//! on a trained one where the folder of real data is.
#![cfg(feature = "llm")]

#[path = "support/data.rs"]
mod data;
#[path = "support/llm.rs"]
mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{answer, run};

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];
/// Tokens of the random models' vocabulary.
const VOCABULARY: usize = 96;

/// A Hugging Face folder of one of the fixtures, whose words are `w0` to `w95`.
fn folder(name: &str) -> tempfile::TempDir {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../llm-neurons/tests/fixtures/00-tiny-transformers");
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixtures.join(format!("{name}.{file}")), folder.path().join(file)).unwrap();
    }
    let words: serde_json::Map<String, Value> =
        (0..VOCABULARY).map(|i| (format!("w{i}"), json!(i))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

/// A text whose words come from `seed`.
fn words(seed: usize, n: usize) -> String {
    let word = |i: usize| format!("w{}", (seed * 31 + i * i * 7 + i * (seed + 5)) % VOCABULARY);
    (0..n).map(word).collect::<Vec<_>>().join(" ")
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

fn share(document: &Value) -> f64 {
    document["active_fraction"].as_f64().unwrap()
}

#[test]
fn six_architectures_write_with_their_core_neurons() {
    for name in FAMILIES {
        let model = folder(name);
        let prompt = words(3, 14);
        let generate =
            ["generate", "--model", text(model.path()), "--prompt", &prompt, "--max-new-tokens", "9"];
        let dense = answer(&generate);
        assert_eq!(share(&dense), 1.0);
        let core = |more: &[&str]| answer(&[&generate[..], &["--core-neurons"], more].concat());
        let all = ["--core-layers", "all", "--token-core", "1"];
        let some = core(&[&["0.3"], &all[..]].concat());
        assert!(share(&some) > 0.05 && share(&some) <= 0.3, "{name}: {some}");
        assert_eq!(some["prompt_token_ids"], dense["prompt_token_ids"]);
        // The whole model predicts the first token.
        assert_eq!(some["token_ids"][0], dense["token_ids"][0]);
        // One sparse layer of two, by either way of saying so.
        let (last, both) = (
            core(&["0.3", "--core-layers", "1", "--token-core", "1"]),
            core(&["0.3", "--core-layers", "0-1", "--token-core", "1"]),
        );
        assert!(
            (share(&last) - 0.5 - share(&both) / 2.0).abs() < 0.15 && share(&last) > 0.5,
            "{name}: {last}"
        );
        assert_eq!((&both["token_ids"], share(&both)), (&some["token_ids"], share(&some)));
    }
}

#[test]
fn clusters_of_texts_choose_for_a_prompt() {
    for name in ["llama_gqa", "opt_relu"] {
        let model = folder(name);
        let (corpus, bank) = (model.path().join("texts"), model.path().join("bank.safetensors"));
        let lines: Vec<String> = (0..10).map(|i| words(i, 8 + i)).collect();
        std::fs::write(&corpus, lines.join("\n") + "\n\n").unwrap();
        let build =
            ["core-bank", "--model", text(model.path()), "--text", text(&corpus), "--out", text(&bank)];
        let built =
            answer(&[&build[..], &["--clusters", "3", "--max-tokens", "12", "--pattern", "6"]].concat());
        assert_eq!(
            (&built["texts"], &built["clusters"], &built["layer"]),
            (&json!(10), &json!(3), &json!(1))
        );
        assert_eq!(built["tokens"], json!((8..18).map(|n| n.min(12)).sum::<usize>()));
        assert!(built["fewest_neurons"].as_u64() <= built["most_neurons"].as_u64());
        assert!(built["most_neurons"].as_u64() <= built["width"].as_u64());
        let generate =
            ["generate", "--model", text(model.path()), "--prompt", &lines[4], "--max-new-tokens", "6"];
        let similar = |more: &[&str]| {
            let flags = ["--predict", "similarity", "--cluster-bank", text(&bank)];
            answer(&[&generate[..], &flags, more].concat())
        };
        let some = similar(&["--core-neurons", "0.25"]);
        assert!(share(&some) > 0.0 && share(&some) <= 0.25, "{some}");
        assert!(share(&similar(&["--core-neurons", "0.75"])) > share(&some));

        // A byte-order mark is no text: with eight words, the first line would have a ninth token.
        std::fs::write(&corpus, format!("\u{feff}{}\n", lines.join("\n"))).unwrap();
        let marked =
            answer(&[&build[..], &["--clusters", "3", "--max-tokens", "12", "--pattern", "6"]].concat());
        assert_eq!(marked["tokens"], built["tokens"]);

        // Elbow, and the published accumulation: other banks.
        let elbow = answer(&[&build[..], &["--official-accumulate"]].concat());
        assert!(elbow["clusters"].as_u64().unwrap() >= 4);

        // The same shape with other weights, and another shape.
        let other = folder(name);
        let weights = other.path().join("model.safetensors");
        let mut bytes = std::fs::read(&weights).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&0.5_f32.to_le_bytes());
        std::fs::write(&weights, bytes).unwrap();
        let use_it = |on: &tempfile::TempDir, more: &[&'static str], code: i32| {
            let (model, bank) = (on.path().to_str().unwrap().to_owned(), text(&bank).to_owned());
            let flags = [
                "generate",
                "--model",
                &model,
                "--prompt",
                "w1 w2",
                "--max-new-tokens",
                "2",
                "--core-neurons",
                "0.5",
            ];
            let flags = [&flags[..], &["--predict", "similarity", "--cluster-bank", &bank], more].concat();
            if code == 0 { answer(&flags).to_string() } else { failure(&flags, code) }
        };
        let said = use_it(&other, &[], 1);
        assert!(said.contains("hash") && said.contains("--force"), "{said}");
        use_it(&other, &["--force"], 0);
        let said = use_it(&folder("gpt2"), &["--force"], 1);
        assert!(said.contains("made for 2 layers of"), "{said}");
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let model = folder("opt_relu");
    let (corpus, bank) = (model.path().join("texts"), model.path().join("bank.safetensors"));
    let generate =
        ["generate", "--model", text(model.path()), "--prompt", "w1 w2 w3", "--max-new-tokens", "2"];
    let with = |more: &[&str], code: i32| failure(&[&generate[..], more].concat(), code);
    for (fraction, code) in [("0", 1), ("1.5", 1), ("-1", 1), ("nan", 1), ("0.0001", 1), ("some", 2)] {
        let output = run(&[&generate[..], &["--core-neurons", fraction]].concat());
        assert_eq!(output.status.code(), Some(code), "{fraction}");
    }
    for how in [
        ["--predict", "stability"],
        ["--token-core", "0.2"],
        ["--core-layers", "all"],
        ["--cluster-bank", "x"],
    ] {
        assert!(with(&how, 2).contains("--core-neurons"), "{how:?}");
    }
    let core = ["--core-neurons", "0.5"];
    let with_core = |more: &[&str], code: i32| with(&[&core[..], more].concat(), code);
    assert!(with_core(&["--predict", "similarity"], 2).contains("--cluster-bank"));
    assert!(with_core(&["--cluster-bank", "x"], 2).contains("similarity"));
    assert!(with_core(&["--drop", "x"], 2).contains("--drop"));
    assert!(with_core(&["--core-layers", "0-2"], 1).contains("layers"));
    assert!(with_core(&["--token-core", "0"], 1).contains("alpha"));
    for layers in ["2-1", "-", "1-", "six"] {
        let output = run(&[&generate[..], &core, &["--core-layers", layers]].concat());
        assert_eq!(output.status.code(), Some(2), "{layers}");
    }
    let similar = |path: &Path| with_core(&["--predict", "similarity", "--cluster-bank", text(path)], 1);
    assert!(similar(&bank).contains("No such file"));
    assert!(similar(&model.path().join("model.safetensors")).contains("cluster bank"));
    assert!(
        with_core(&["--predict", "similarity", "--cluster-bank", "x", "--token-core", "0.3"], 2)
            .contains("--token-core")
    );

    let build = ["core-bank", "--model", text(model.path()), "--text", text(&corpus), "--out", text(&bank)];
    let build = |more: &[&str], code: i32| failure(&[&build[..], more].concat(), code);
    assert!(build(&[], 1).contains("No such file"));
    std::fs::write(&corpus, b"w1 \xff w2\n").unwrap();
    assert!(build(&[], 1).contains("UTF-8"));
    std::fs::write(&corpus, " \n\n").unwrap();
    assert!(build(&[], 1).contains("no text"));
    std::fs::write(&corpus, "w1 w2 w3\nw4 w5\n").unwrap();
    assert!(build(&[], 1).contains("patterns to cluster"), "the elbow needs more texts");
    assert!(build(&["--clusters", "3"], 1).contains("at least 3"));
    assert!(build(&["--clusters", "2", "--layer", "2"], 1).contains("clustering layer"));
    assert!(build(&["--clusters", "2", "--keep", "0"], 1).contains("beta"));
    assert!(build(&["--clusters", "2", "--max-tokens", "0"], 2).contains("--max-tokens"));
    // Where nothing can be written is said before the model is read.
    for (out, expected) in
        [(model.path().join("absent/bank"), "does not exist"), (model.path().to_owned(), "is a folder")]
    {
        let early = ["core-bank", "--model", "absent", "--text", "absent.txt", "--out", text(&out)];
        assert!(failure(&early, 1).contains(expected));
    }
    assert!(!bank.exists(), "nothing is written half");
}

#[test]
fn a_trained_model_goes_on_with_its_story() {
    let Some(model) = data::real("lm-stories260k") else { return };
    let prompt = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, \
                  she saw a big, red ball. It was very high up in the sky. Lily wanted";
    let generate = ["generate", "--model", text(&model), "--prompt", prompt, "--max-new-tokens", "30"];
    let dense = answer(&generate);
    let core = |fraction: &str| {
        answer(&[&generate[..], &["--core-neurons", fraction, "--predict", "stability"]].concat())
    };
    // Scored: the second half alone, and the more neurons the better.
    let folder = tempfile::tempdir().unwrap();
    let story = folder.path().join("story");
    std::fs::write(&story, prompt).unwrap();
    let score = |more: &[&str]| {
        let perplexity = ["perplexity", "--model", text(&model), "--text", text(&story)];
        answer(&[&perplexity[..], more].concat())
    };
    let nll = |found: &Value| found["nll"].as_f64().unwrap();
    let (whole, most, few) =
        (score(&[]), score(&["--core-neurons", "0.9"]), score(&["--core-neurons", "0.2"]));
    assert_eq!(share(&whole), 1.0);
    let all = whole["tokens"].as_u64().unwrap() + 1;
    assert_eq!(most["tokens"].as_u64().unwrap(), all - all / 2);
    assert!(nll(&most) < nll(&few) && share(&few) < share(&most), "{most} {few}");
    let perplexity = ["perplexity", "--model", text(&model), "--text", text(&story), "--core-neurons", "0.5"];
    assert!(failure(&[&perplexity[..], &["--drop", "x"]].concat(), 2).contains("--drop"));

    // Layers 1 to 3 of 5 are sparse: floor(0.4 * 172) of 172 neurons each.
    let some = core("0.4");
    assert!((share(&some) - (2.0 * 172.0 + 3.0 * 68.0) / (5.0 * 172.0)).abs() < 1e-9, "{some}");
    let same = |found: &Value| {
        let (a, b) = (found["token_ids"].as_array().unwrap(), dense["token_ids"].as_array().unwrap());
        a.iter().zip(b).take_while(|(a, b)| a == b).count()
    };
    assert!(same(&core("0.9")) >= 4, "most of the neurons begin as all do");
    assert!(same(&some) >= 1 && some["text"].as_str().is_some_and(|t| !t.is_empty()));
}
