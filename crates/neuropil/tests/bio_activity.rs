//! `bio homogenize` and `bio recordings` as a user meets them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they measured and what they skipped"
)]
#![cfg(feature = "bio")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array2, arr1};
use recordings::arrays::Npz;
use serde_json::Value;

fn neuropil(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuropil")).current_dir(folder).args(arguments).output().unwrap()
}

fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = neuropil(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A recording of 700 samples at 0.2 s with 4 labelled and 2 other neurons.
fn write_raw(folder: &Path) {
    let x = Array2::from_shape_fn((700, 6), |(i, n)| (0.05 * (n + 1) as f64 * i as f64).sin());
    let mut gaps = x.clone();
    gaps.slice_axis_mut(ndarray::Axis(0), (20..23).into()).column_mut(1).fill(f64::NAN);
    let times: Vec<f64> = (0..700).map(|i| 0.2 * f64::from(i)).collect();
    let names = ["AVAL", "AVAR", "VB01", "AS10", "merge", ""].map(str::to_owned);
    Npz::new()
        .f64("traces", x.view().into_dyn())
        .f64("gaps", gaps.view().into_dyn())
        .f64("turned", x.t().into_dyn())
        .f64("times", arr1(&times).view().into_dyn())
        .text("who", &names)
        .write(&folder.join("raw.npz"))
        .unwrap();
    std::fs::write(folder.join("names.csv"), "column,label\n2,RMED\n3,AVAL?\n").unwrap();
}

const COMMON: [&str; 8] =
    ["bio", "homogenize", "raw.npz", "--source", "Kato2015", "--worm", "worm0", "--json"];

fn homogenize(folder: &Path, more: &[&str]) -> Value {
    answer(folder, &[&COMMON, more].concat())
}

#[test]
fn a_raw_recording_becomes_a_published_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_raw(at);
    let made = homogenize(at, &["--labels", "who", "--out", "worm.parquet"]);
    assert_eq!(made["schema"], "neuropil.bio.homogenize/1");
    assert_eq!((made["neurons"].as_u64(), made["labelled"].as_u64()), (Some(6), Some(4)));
    assert_eq!((made["samples"].as_u64(), made["dropped"].as_u64()), (Some(419), Some(0)));
    assert_eq!(made["missing"], 0);
    let made = homogenize(at, &["--labels", "who", "--traces", "gaps", "--out", "worm.parquet"]);
    assert_eq!((made["neurons"].as_u64(), made["missing"].as_u64()), (Some(6), Some(3)));
    assert!((made["original_median_dt"].as_f64().unwrap() - 0.2).abs() < 1e-9);
    let listed = answer(at, &["bio", "recordings", "worm.parquet", "--json"]);
    let expected = serde_json::json!([
        {"source": "Kato2015", "worm": "worm0", "neurons": 6, "labelled": 4, "samples": 419, "dt": 0.333}
    ]);
    assert_eq!(listed["worms"], expected);
    let old = ["--labels", "names.csv", "--out", "old.parquet", "--layout", "old", "--dt", "0.5"];
    let made = homogenize(at, &[&old[..], &["--smooth", "gaussian:5", "--normalize", "causal"]].concat());
    assert_eq!((made["labelled"].as_u64(), made["dt"].as_f64()), (Some(1), Some(0.5)));
    let listed = answer(at, &["bio", "recordings", "old.parquet", "--json"]);
    assert_eq!(listed["worms"][0]["dt"], 0.5);
    let made = homogenize(at, &[&old[..], &["--accept-uncertain"]].concat());
    assert_eq!(made["labelled"], 2);
    let turned =
        ["--labels", "names.csv", "--traces", "turned", "--axes", "units,time", "--out", "t.parquet"];
    assert_eq!(homogenize(at, &turned)["neurons"], 6);
    let files = std::fs::read_dir(at).unwrap().count();
    assert_eq!(files, 5, "no temporary file is left behind");
}

#[test]
fn seeds_move_the_unlabelled_neurons_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_raw(at);
    let bytes = |seed: &str, threads: &str| {
        homogenize(at, &["--labels", "who", "--out", "w.parquet", "--seed", seed, "--threads", threads]);
        std::fs::read(at.join("w.parquet")).unwrap()
    };
    assert_eq!(bytes("1", "1"), bytes("1", "3"));
    assert_ne!(bytes("1", "1"), bytes("2", "1"));
}

#[test]
fn failures_say_which_file_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_raw(at);
    let fails = |more: &[&str], code: i32, words: &str| {
        let output = neuropil(at, &[&COMMON, more].concat());
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let message = document["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{message}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
        assert!(!at.join("w.parquet").exists());
    };
    fails(&["--out", "w.parquet"], 1, "--labels");
    fails(&["--labels", "who", "--out", "w.parquet", "--smooth", "median:3"], 2, "moving:15");
    fails(&["--labels", "who", "--out", "w.parquet", "--dt", "0"], 2, "dt_s");
    fails(&["--labels", "whom", "--out", "w.parquet"], 1, "whom");
    fails(&["--labels", "none.csv", "--out", "w.parquet"], 1, "none.csv");
    fails(&["--labels", "who", "--traces", "turned", "--out", "w.parquet"], 1, "[neurons, samples]?");
    std::fs::write(at.join("cut.parquet"), b"PAR1 and no more of it").unwrap();
    let output = neuropil(at, &["bio", "recordings", "cut.parquet", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["error"]["kind"], "format");
    assert_eq!(document["error"]["path"], "cut.parquet");
}

#[test]
fn the_original_recording_of_a_real_worm() {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let data = root.join("worm-calcium");
    if !data.is_dir() {
        println!("skipped: no {}", data.display());
        assert_ne!(std::env::var("NEUROPIL_REQUIRE_DATA").as_deref(), Ok("1"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let labels = data.join("2022-08-02-31.labels.csv");
    let run = |file: &str, out: &str| {
        let raw = data.join(file);
        let arguments = ["bio", "homogenize", raw.to_str().unwrap(), "--labels", labels.to_str().unwrap()];
        let more = ["--source", "Dag2023", "--worm", "worm0", "--out", out, "--json"];
        answer(folder.path(), &[&arguments[..], &more].concat())
    };
    let original = run("2022-08-02-31-data.h5", "a.parquet");
    let converted = run("2022-08-02-31.safetensors", "b.parquet");
    for key in ["neurons", "labelled", "samples", "original_samples"] {
        assert_eq!(original[key], converted[key], "{key}");
    }
    assert_eq!(original["neurons"], 130);
}
