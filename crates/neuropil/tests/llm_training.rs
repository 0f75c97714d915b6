//! `llm train`, and `llm eigenscore` of the answers that the trained model gives, as a user meets them.
#![cfg(feature = "llm")]

#[path = "support/llm.rs"]
mod support;

use std::path::Path;

use serde_json::Value;
use support::{answer, run};

const SMALL: [&str; 14] = [
    "--hidden",
    "16",
    "--layers",
    "2",
    "--heads",
    "2",
    "--mlp",
    "32",
    "--context",
    "48",
    "--window",
    "24",
    "--batch",
    "4",
];

/// The line on standard error; where the program got so far, it is that of the document too.
fn failure(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    if code == 1 {
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let message = document["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.contains(&message), "{said} {message}");
    }
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Sixty lines.
fn corpus(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("text.txt");
    let things = ["cat", "dog", "owl", "fox", "hen"];
    let lines: Vec<String> = (0..60)
        .map(|i| format!("the {} sat on the mat and saw the {}.", things[i % 5], things[(i / 5) % 5]))
        .collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn train(corpus: &Path, out: &Path, more: &[&str]) -> Value {
    let arguments = [&["train", "--text", text(corpus), "--out", text(out)], &SMALL[..], more].concat();
    answer(&arguments)
}

#[test]
fn a_model_from_the_start_learns_is_written_and_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (corpus(folder.path()), folder.path().join("model"));
    let learn = ["--steps", "60", "--learning-rate", "0.01", "--decay-share", "0.2", "--seed", "3"];
    let got = train(&corpus, &out, &learn);
    assert_eq!(got["schema"], "neuropil.llm.train/1");
    assert_eq!((&got["steps"], &got["stopped"]), (&60.into(), &false.into()));
    let number = |key: &str| got[key].as_f64().unwrap();
    assert!((number("loss_first") - 257_f64.ln()).abs() < 0.1 && number("loss_last") < 2.5, "{got}");
    assert!(number("held_out_nll") < number("held_out_nll_before") - 2.0, "{got}");
    assert!(number("train_tokens") > 8.0 * number("held_out_tokens") && got.get("checkpoints").is_none());
    let mut files: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["config.json", "model.safetensors", "tokenizer.json"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing temporary is left");

    // The same seed gives the same weights; another one does not.
    let again = train(&corpus, &folder.path().join("again"), &learn);
    assert_eq!(again["tensors_sha256"], got["tensors_sha256"]);
    let other = train(&corpus, &folder.path().join("other"), &["--steps", "2"]);
    assert_ne!(other["tensors_sha256"], got["tensors_sha256"]);

    // Other verbs read it, its tokenizer too.
    let said = answer(&["generate", "--model", text(&out), "--prompt", "the c", "--max-new-tokens", "4"]);
    assert_eq!(said["prompt_token_ids"], serde_json::json!([116, 104, 101, 32, 99]));

    let spread = |more: &[&str]| {
        let ask = [
            "eigenscore",
            "--model",
            text(&out),
            "--prompt",
            "the cat sat",
            "--samples",
            "6",
            "--max-new-tokens",
            "8",
        ];
        answer(&[&ask[..], more].concat())
    };
    let warm = spread(&["--temperature", "1.5", "--top-k", "200", "--top-p", "1"]);
    assert_eq!((&warm["k"], &warm["d"]), (&6.into(), &16.into()));
    assert_eq!(warm["answers"].as_array().unwrap().len(), 6);
    assert!(
        warm["token_ids"].as_array().unwrap().iter().all(|t| (1..=8).contains(&t.as_array().unwrap().len()))
    );
    let cold = spread(&["--temperature", "0.001"]);
    let score = |a: &Value| a["eigenscore"].as_f64().unwrap();
    assert!(score(&cold) < score(&warm), "answers that agree score lower: {} {}", score(&cold), score(&warm));
    assert_eq!((&cold["model_device"], &cold["run"]["dtype"]), (&"cpu".into(), &"f64".into()));
    let narrow = spread(&["--temperature", "0.001", "--dtype", "bf16"]);
    assert!(score(&narrow) != score(&cold) && score(&narrow).is_finite());
    let first = &cold["answers"][0];
    assert!(cold["answers"].as_array().unwrap().iter().all(|a| a == first), "{cold}");
    for (embedding, layer) in
        [("last-token", "middle"), ("second-to-last", "penultimate"), ("mean", "middle")]
    {
        assert!(score(&spread(&["--embedding", embedding, "--layer", layer])).is_finite());
    }

    // It goes on from its own folder; a model that is frozen throughout but for its embedding keeps its blocks.
    let on = folder.path().join("on");
    let arguments =
        ["train", "--text", text(&corpus), "--out", text(&on), "--model", text(&out), "--window", "24"];
    let more = answer(
        &[&arguments[..], &["--steps", "20", "--learning-rate", "0.003", "--freeze-blocks", "2"]].concat(),
    );
    assert!(more["held_out_nll_before"] == got["held_out_nll"], "{more}");
    assert!(more["held_out_nll"].as_f64() < got["held_out_nll"].as_f64());
    assert!(
        std::fs::read(on.join("tokenizer.json")).unwrap()
            == std::fs::read(out.join("tokenizer.json")).unwrap()
    );
}

#[test]
fn sensitivity_dropout_shows_its_checkpoints_and_masks() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus(folder.path());
    let send =
        ["--send", "--steps", "15", "--checkpoint-steps", "3", "--answer-tokens", "4", "--samples", "4"];
    let mut last = Vec::new();
    for mask in ["sensitive", "random", "none"] {
        let got = train(&corpus, &folder.path().join(mask), &[&send[..], &["--mask", mask]].concat());
        let checkpoints = got["checkpoints"].as_array().unwrap();
        let steps: Vec<u64> = checkpoints.iter().map(|c| c["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [0, 3, 6, 9, 12, 15]);
        assert!(checkpoints.iter().all(|c| c["eigenscore"].is_f64() && c["ees"].is_f64()));
        assert!(checkpoints[0]["loss"].is_null() && checkpoints[1]["loss"].is_f64());
        let masked: Vec<usize> = checkpoints.iter().map(|c| c["masked"].as_array().unwrap().len()).collect();
        // A fifth of 16 units, from the third checkpoint on.
        assert_eq!(masked, if mask == "none" { [0; 6] } else { [0, 0, 0, 0, 3, 3] }, "{mask}");
        last.push(got["tensors_sha256"].clone());
    }
    assert!(last[0] != last[1] && last[1] != last[2] && last[0] != last[2]);
    let official = train(
        &corpus,
        &folder.path().join("official"),
        &[&send[..], &["--mask-site", "official-mlp-weights"]].concat(),
    );
    assert!(!last.contains(&official["tensors_sha256"]));
    // Plain training is what --mask none does.
    let plain = train(&corpus, &folder.path().join("plain"), &["--steps", "15"]);
    assert_eq!(plain["tensors_sha256"], last[2]);
    // Thresholds that anything is below: it ends as soon as there are four checkpoints with a loss.
    let rest = ["--stop-loss", "100", "--stop-ees", "100"];
    let got = train(&corpus, &folder.path().join("rest"), &[&send[..], &rest].concat());
    assert_eq!((&got["steps"], &got["stopped"]), (&12.into(), &true.into()));
}

#[test]
fn bad_input_is_refused_before_the_work_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (corpus(folder.path()), folder.path().join("model"));
    let with = |text_file: &Path, more: &[&str], code: i32| {
        let base = ["train", "--text", text(text_file), "--out", text(&out)];
        let said = failure(&[&base[..], &SMALL, &["--steps", "2"], more].concat(), code);
        assert!(!out.exists(), "{said}");
        said
    };
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert!(with(&file("empty", b""), &[], 1).contains("no text"));
    assert!(with(&file("blank", b" \n\n \t"), &[], 1).contains("no text"));
    assert!(with(&file("latin", b"caf\xe9 au lait"), &[], 1).contains("not UTF-8: the byte at 3"));
    assert!(with(&file("short", b"a few words"), &[], 1).contains("--window"));
    assert!(with(&folder.path().join("none"), &[], 1).contains("No such file"));
    for (flags, expected) in [
        (&["--learning-rate", "nan"][..], "above 0"),
        (&["--hidden", "15"], "num_attention_heads"),
        (&["--context", "22"], "window"),
        (&["--freeze-blocks", "3"], "frozen_blocks"),
        (&["--weight-decay", "-1"], "weight_decay"),
        (&["--held-out", "1"], "--held-out"),
        (&["--decay-share", "2"], "decay_share"),
        (&["--send", "--fraction", "1"], "fraction"),
        (&["--send", "--samples", "1"], "answers"),
        (&["--send", "--held-out", "0"], "no held-out line"),
        (&["--send", "--prompt-tokens", "48"], "no held-out line"),
        (&["--send", "--checkpoint-steps", "0"], "--checkpoint-steps"),
        (&["--send", "--stop-loss", "1"], "--stop-ees"),
        (&["--mask", "random"], "--send"),
        (&["--model", "somewhere"], "--hidden"),
        (&["--max-memory", "1000"], "1000"),
    ] {
        // What is asked for stands in place of the small model's own.
        let others = SMALL.chunks(2).filter(|pair| !flags.contains(&pair[0])).flatten().copied();
        let small: Vec<&str> = others.collect();
        let base = ["train", "--text", text(&corpus), "--out", text(&out)];
        let output = run(&[&base[..], &small, flags].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)) && said.contains(expected), "{flags:?}: {said}");
        assert!(!out.exists(), "{flags:?}");
    }
    // A folder that holds something is not overwritten.
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine"), "x").unwrap();
    let said = failure(&[&["train", "--text", text(&corpus), "--out", text(&out)][..], &SMALL].concat(), 1);
    assert!(said.contains("holds files already"), "{said}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn a_byte_order_mark_is_not_learned() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, marked) = (corpus(folder.path()), folder.path().join("marked.txt"));
    let content = std::fs::read_to_string(&plain).unwrap();
    std::fs::write(&marked, format!("\u{feff}{content}")).unwrap();
    let of = |corpus: &Path, name: &str| train(corpus, &folder.path().join(name), &["--steps", "2"]);
    let (plain, marked) = (of(&plain, "plain"), of(&marked, "marked"));
    assert_eq!(plain["train_tokens"], marked["train_tokens"]);
    assert_eq!(plain["tensors_sha256"], marked["tensors_sha256"]);
}

#[test]
fn a_run_that_diverges_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (corpus(folder.path()), folder.path().join("model"));
    let base = ["train", "--text", text(&corpus), "--out", text(&out), "--learning-rate", "1e30"];
    let said = failure(&[&base[..], &SMALL].concat(), 1);
    assert!(said.contains("loss is") && said.contains("training step"), "{said}");
    assert!(!out.exists());
}

#[test]
fn eigenscore_refuses_prompts_it_cannot_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (corpus(folder.path()), folder.path().join("model"));
    train(&corpus, &out, &["--steps", "1"]);
    let ask = |more: &[&str], code: i32| {
        failure(&[&["eigenscore", "--model", text(&out)][..], more].concat(), code)
    };
    assert!(ask(&["--prompt", &"x".repeat(48)], 1).contains("48 tokens"));
    assert!(ask(&["--prompt", ""], 1).contains("no token"));
    assert!(ask(&["--prompt", "a", "--samples", "1"], 1).contains("at least 2"));
    assert!(ask(&["--prompt", "a", "--top-k", "0"], 1).contains("top_k"));
    assert!(ask(&["--prompt", "a", "--max-new-tokens", "0"], 1).contains("at least 1"));
    assert!(ask(&["--prompt", "a", "--temperature", "0"], 2).contains("above 0"));
    assert!(ask(&[], 2).contains("--prompt"));
    assert!(ask(&["answers.npz", "--prompt", "a"], 2).contains("cannot be used with"));
    assert!(failure(&["eigenscore"], 2).contains("FILE"));
    assert!(failure(&["eigenscore", "answers.npz", "--samples", "3"], 2).contains("--model"));
}
