//! `snn autonomous` and `snn stdp-pattern` as a user meets them: files in, JSON out, exit status.
#![cfg(feature = "snn")]

use std::path::Path;
use std::process::{Command, Output};

use ndarray::{Array2, arr2};
use recordings::arrays::{ArrayFile, Npz};
use serde_json::{Value, json};

fn neuropil(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuropil"))
        .current_dir(folder)
        .arg("snn")
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap()
}

fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = neuropil(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit status, kind and message of a failure; it says one line.
fn failure(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = neuropil(folder, arguments);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let said = |key: &str| document["error"][key].as_str().unwrap_or_default().to_owned();
    if output.status.code() == Some(1) {
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    }
    (output.status.code(), said("kind"), said("message"))
}

#[test]
fn cliques_take_turns_and_their_sequence_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let got = answer(
        at,
        &["autonomous", "--duration", "3000", "--out", "t.npz", "--sample-every", "5", "--seed", "3"],
    );
    assert_eq!(got["schema"], "neuropil.snn.autonomous/1");
    assert_eq!((&got["sites"], &got["cliques"], &got["links"]), (&json!(30), &json!(10), &json!(120)));
    assert_eq!((&got["start"], &got["end"], &got["warnings"]), (&json!(0.0), &json!(3000.0), &json!([])));
    let run = &got["runs"][0];
    let transitions = run["transitions"].as_u64().unwrap();
    assert!((25..40).contains(&transitions), "{run}");
    assert_eq!((&run["seed"], &run["silent_since"], &run["fields"]), (&json!(3), &Value::Null, &Value::Null));
    let visits: u64 = run["visits"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).sum();
    assert_eq!(visits, transitions + 1);
    let file = ArrayFile::open(&at.join("t.npz")).unwrap();
    assert_eq!(file.read_i64_1("winners").unwrap().len() as u64, visits);
    assert_eq!(file.read_f64_2("activity").unwrap().dim(), (600, 30));
    assert_eq!(file.read_f64_1("sample_times").unwrap()[599], 2995.0);
    let (ends, weights) = (file.read_i64_2("link_sites").unwrap(), file.read_f64_1("link_weights").unwrap());
    assert_eq!((ends.dim(), weights.len()), ((120, 2), 120));
    assert_eq!((ends[[0, 0]], ends[[0, 1]]), (0, 1), "site 0 is excited by site 1");
    // Disjoint cliques: no transition, which is said.
    let got = answer(at, &["autonomous", "--duration", "500", "--shared", "0"]);
    assert!(got["warnings"][0].as_str().unwrap().contains("share"));
    let run = &got["runs"][0];
    assert_eq!((&run["transitions"], &run["mean_dwell"]), (&json!(0), &Value::Null));
    assert!(got["nonfinite"].as_u64().unwrap() >= 3);
}

#[test]
fn a_network_goes_on_where_it_was_saved_and_seeds_are_independent() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let bars = ["--bars", "--learn", "signal"];
    let with = |more: &[&'static str]| {
        let mut words = vec!["autonomous"];
        words.extend(bars);
        words.extend(more);
        words
    };
    let whole = answer(at, &with(&["--duration", "2000", "--out", "whole.npz"]));
    answer(at, &with(&["--duration", "900", "--save", "s.npz"]));
    let rest = answer(at, &with(&["--duration", "1100", "--resume", "s.npz", "--out", "rest.npz"]));
    assert_eq!((&rest["start"], &rest["end"]), (&json!(900.0), &json!(2000.0)));
    let fields = |name: &str| ArrayFile::open(&at.join(name)).unwrap().read_f64_2("afferents").unwrap();
    assert_eq!(fields("whole.npz"), fields("rest.npz"));
    let (a, b) = (&whole["runs"][0]["fields"], &rest["runs"][0]["fields"]);
    assert_eq!(a["mean_cosine"], b["mean_cosine"]);
    assert_eq!(a["bars"].as_array().unwrap().len(), 10);
    // Two seeds at once are the runs of each, whatever the threads.
    let two = answer(at, &with(&["--duration", "500", "--seeds", "2", "--threads", "2"]));
    let second = answer(at, &with(&["--duration", "500", "--seed", "1", "--threads", "1"]));
    assert_eq!(two["runs"][1], second["runs"][0]);
    assert_eq!(two["runs"].as_array().unwrap().len(), 2);
    // A gate that is closed leaves the fields as they were.
    let shut = answer(at, &["autonomous", "--bars", "--learn", "off", "--duration", "500"]);
    let fields = &shut["runs"][0]["fields"];
    assert_eq!(fields["mean_cosine"], fields["mean_cosine_before"]);
}

#[test]
fn networks_inputs_and_constants_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("net.json"), r#"{"sites": 9, "cliques": [[0,1,2,3],[3,4,5,6],[6,7,8,0]]}"#)
        .unwrap();
    let got = answer(at, &["autonomous", "--network", "net.json", "--duration", "1000"]);
    assert_eq!((&got["sites"], &got["cliques"]), (&json!(9), &json!(3)));
    let mut w = Array2::zeros((4, 4));
    for (i, j) in [(0, 1), (1, 2), (2, 0), (2, 3)] {
        (w[[i, j]], w[[j, i]]) = (0.1, 0.1);
    }
    Npz::new().f64("w", w.view().into_dyn()).write(&at.join("w.npz")).unwrap();
    let got = answer(at, &["autonomous", "--weights", "w.npz", "--duration", "100"]);
    assert_eq!((&got["cliques"], &got["links"]), (&json!(2), &json!(8)));
    std::fs::write(at.join("c.json"), r#"{"dynamics": {"depletion_rate": 0.0}}"#).unwrap();
    let got = answer(
        at,
        &[
            "autonomous",
            "--constants",
            "c.json",
            "--duration",
            "2000",
            "--integrator",
            "runge-kutta4",
            "--dt",
            "0.2",
        ],
    );
    assert_eq!(got["runs"][0]["transitions"], 0);
    Npz::new().f64("y", arr2(&[[1.0, 0.0], [0.0, 1.0]]).view().into_dyn()).write(&at.join("y.npz")).unwrap();
    let got = answer(
        at,
        &["autonomous", "--input", "y.npz", "--interval", "50", "--duration", "500", "--learn", "0.3"],
    );
    assert_eq!(got["runs"][0]["fields"], Value::Null);
    answer(at, &["autonomous", "--learn-links", "--duration", "200", "--save", "links.npz"]);
    answer(at, &["autonomous", "--resume", "links.npz", "--duration", "200"]);
}

#[test]
fn wrong_networks_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("bad.json"), r#"{"sites": 3, "cliques": [[0,1,3]]}"#).unwrap();
    std::fs::write(at.join("vast.json"), r#"{"sites": 4000000000, "cliques": [[0,1]]}"#).unwrap();
    std::fs::write(at.join("typo.json"), r#"{"sites": 3, "clique": []}"#).unwrap();
    std::fs::write(at.join("const.json"), r#"{"dynamics": {"dt": 0.9}}"#).unwrap();
    std::fs::write(at.join("key.json"), r#"{"dynamics": {"tau": 1}}"#).unwrap();
    std::fs::write(at.join("junk.npz"), "junk").unwrap();
    Npz::new()
        .f64("w", arr2(&[[0.0, 0.1], [0.0, 0.0]]).view().into_dyn())
        .write(&at.join("one-way.npz"))
        .unwrap();
    Npz::new().f64("y", arr2(&[[0.5, 7.0]]).view().into_dyn()).write(&at.join("y.npz")).unwrap();
    let cases: &[(&[&str], i32, &str, &str)] = &[
        (&["--network", "bad.json"], 1, "input", "below 3"),
        (&["--network", "typo.json"], 1, "format", "clique"),
        (&["--network", "absent.json"], 1, "io", ""),
        (&["--constants", "const.json"], 1, "input", "dt"),
        (&["--constants", "key.json"], 1, "format", "tau"),
        (&["--weights", "one-way.npz"], 1, "input", "w[0][1]"),
        (&["--resume", "junk.npz"], 1, "format", ""),
        (&["--resume", "absent.npz"], 1, "io", ""),
        (&["--input", "y.npz"], 1, "input", "between 0 and 1"),
        (&["--bars", "--side", "0"], 1, "input", "side"),
        (&["--bars", "--side", "99999999999"], 1, "input", "side"),
        (&["--clique-size", "1"], 1, "input", "size"),
        (&["--dt", "0.7"], 1, "input", "dt"),
        (&["--cliques", "1000000000000"], 1, "memory", "networks"),
        (&["--seeds", "1000000000000"], 1, "memory", "networks"),
        (&["--network", "vast.json"], 1, "memory", "networks"),
        (&["--duration", "1e300"], 1, "memory", ""),
        (&["--out", "no/such/folder.npz"], 1, "io", "--out"),
        (&["--learn", "2", "--bars"], 2, "usage", "signal, off"),
        (&["--learn", "off"], 2, "usage", "--bars"),
        (&["--interval", "5"], 2, "usage", "--bars"),
        (&["--side", "5"], 2, "usage", "--bars"),
        (&["--bars", "--input", "y.npz"], 2, "usage", "--input"),
        (&["--seeds", "2", "--save", "s.npz"], 2, "usage", "--seeds"),
        (&["--seeds", "0"], 2, "usage", "--seeds"),
        (&["--cliques", "4", "--weights", "w.npz"], 2, "usage", "--weights"),
        (&["--sample-every", "5"], 2, "usage", "--out"),
    ];
    for (flags, status, kind, part) in cases {
        let mut words = vec!["autonomous"];
        if !flags.contains(&"--duration") {
            words.extend(["--duration", "10"]);
        }
        words.extend(*flags);
        let (code, said, message) = failure(at, &words);
        assert_eq!((code, said.as_str()), (Some(*status), *kind), "{flags:?}: {message}");
        assert!(message.contains(part), "{flags:?}: {message}");
    }
    assert!(!at.join("s.npz").exists());
}

#[test]
fn a_pattern_is_detected_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let got = answer(
        at,
        &[
            "stdp-pattern",
            "1110001010",
            "--margin",
            "0.1",
            "--inputs",
            "1110001010,1110001011,0000000000",
            "--out",
            "d.npz",
        ],
    );
    assert_eq!(got["schema"], "neuropil.snn.stdp-pattern/1");
    assert_eq!((&got["inputs"], &got["patterns"], &got["neurons"]), (&json!(10), &json!(1), &json!(1)));
    assert_eq!((&got["decisions"], &got["law"]), (&json!([true, false, false]), &json!(1.0)));
    assert!((got["threshold_na"].as_f64().unwrap() - 1.190_550_789).abs() < 1e-8);
    let test = &got["test"];
    assert_eq!((&test["set"], &test["inputs"], &test["mcc"]), (&json!("all"), &json!(1024), &json!(1.0)));
    let trained = &got["trained"][0];
    assert_eq!((&trained["active"], &trained["accepted"]), (&json!(5), &json!(true)));
    let spikes = trained["spikes_ms"].as_array().unwrap();
    assert_eq!(spikes.len(), 1);
    assert!((spikes[0].as_f64().unwrap() - trained["latency_ms"].as_f64().unwrap()).abs() < 1e-6);
    let file = ArrayFile::open(&at.join("d.npz")).unwrap();
    assert_eq!(file.read_f64_2("weights_na").unwrap().dim(), (1, 10));
    assert_eq!(file.read_i64_1("decisions").unwrap().to_vec(), [1, 0, 0]);
    // A larger factor tolerates more.
    let got = answer(at, &["stdp-pattern", "1111110000", "--margin", "0.5"]);
    assert_eq!((&got["law"], &got["test"]["false_positives"]), (&json!(56.0), &json!(55)));
    // SpiNNaker's order has a threshold of its own.
    let got = answer(at, &["stdp-pattern", "1110001010", "--margin", "0.1", "--integration", "spinnaker"]);
    assert!((got["threshold_na"].as_f64().unwrap() - 1.190_550_789).abs() > 1e-4);
    assert_eq!(
        (&got["test"]["false_positives"], &got["trained"][0]["latency_ms"]),
        (&json!(0), &Value::Null)
    );
}

#[test]
fn many_patterns_need_a_neuron_each() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("p.txt"), "111000000\n000111000\n000000111\n").unwrap();
    let bank = answer(at, &["stdp-pattern", "p.txt", "--margin", "0.1", "--bank"]);
    assert_eq!(
        (&bank["neurons"], &bank["test"]["mcc"], &bank["mean_hamming"]),
        (&json!(3), &json!(1.0), &json!(6.0))
    );
    let one = answer(at, &["stdp-pattern", "p.txt", "--margin", "0.1"]);
    assert_eq!(
        (&one["neurons"], &one["test"]["recall"], &one["converged"]),
        (&json!(1), &json!(0.0), &json!(false))
    );
    assert_eq!(one["test"]["precision"], Value::Null);
    let rate = answer(at, &["stdp-pattern", "110100", "--homeostasis", "rate-target"]);
    assert_eq!((&rate["converged"], &rate["law"]), (&json!(true), &Value::Null));
    // Too many inputs to list: a sample, the same for a seed.
    let wide = format!("{}{}", "1".repeat(12), "0".repeat(60));
    let got = answer(at, &["stdp-pattern", &wide, "--margin", "0.05", "--distance", "1", "--random", "50"]);
    assert_eq!((&got["test"]["set"], &got["test"]["mcc"]), (&json!("sample"), &json!(1.0)));
    assert_eq!(got["test"]["inputs"], json!(1 + 72 + 50));
    Npz::new().f64("p", arr2(&[[1.0, 0.0, 1.0]]).view().into_dyn()).write(&at.join("p.npz")).unwrap();
    assert_eq!(answer(at, &["stdp-pattern", "p.npz"])["inputs"], 3);
}

#[test]
fn wrong_patterns_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    Npz::new().f64("p", arr2(&[[1.0, 0.5]]).view().into_dyn()).write(&at.join("half.npz")).unwrap();
    std::fs::write(at.join("bad.txt"), "110\n1x0\n").unwrap();
    let zeros = "0".repeat(30);
    let wide = format!("1{zeros}");
    let cases: &[(&[&str], i32, &str, &str)] = &[
        (&["000"], 1, "input", "active"),
        (&[""], 1, "input", "no pattern"),
        (&["110,011,110"], 1, "input", "again"),
        (&["110,0111"], 1, "input", "3 inputs"),
        (&["half.npz"], 1, "input", "0 or 1"),
        (&["bad.txt"], 1, "input", "'x'"),
        (&["absent.npz"], 1, "io", ""),
        (&["110", "--margin", "-1"], 1, "input", "margin"),
        (&["110", "--margin", "nan"], 1, "input", "margin"),
        (&["110", "--inputs", "11"], 1, "input", "3 inputs"),
        (&["110", "--test", "sample", "--distance", "4"], 1, "input", "distance"),
        (&["110", "--step-ms", "0.3"], 1, "input", "pairing"),
        (&[&wide, "--test", "all"], 1, "input", "at most 24"),
        (&["110", "--out", "no/where.npz"], 1, "io", "--out"),
        (&["110", "--depression", "0"], 2, "usage", "above 0"),
        (&["110", "--homeostasis", "rate-target", "--margin", "0.1"], 2, "usage", "one-step"),
        (&[], 2, "usage", "PATTERNS"),
    ];
    for (flags, status, kind, part) in cases {
        let mut words = vec!["stdp-pattern"];
        words.extend(*flags);
        let (code, said, message) = failure(at, &words);
        assert_eq!((code, said.as_str()), (Some(*status), *kind), "{flags:?}: {message}");
        assert!(message.contains(part), "{flags:?}: {message}");
    }
}
