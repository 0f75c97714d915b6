//! The program as a user meets it: files in, JSON out, exit status.

use std::path::Path;
use std::process::{Command, Output};

use ndarray::{Array2, arr1};
use recordings::arrays::{ArrayFile, Npz};
use serde_json::Value;

fn neuropil(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuropil")).current_dir(folder).args(arguments).output().unwrap()
}

fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = neuropil(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn patterns_become_an_rdm_and_its_geo_topological_matrix() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let patterns =
        Array2::from_shape_fn((6, 4), |(i, j)| ((i * 7 + j * 3) % 5) as f64 + 0.1 * (i * i) as f64);
    Npz::new().f64("x", patterns.view().into_dyn()).write(&at.join("x.npz")).unwrap();
    let made = answer(at, &["geometry", "rdm", "x.npz", "--metric", "euclidean", "--out", "r.npz", "--json"]);
    assert_eq!(made["schema"], "neuropil.geometry.rdm/1");
    assert_eq!(made["n"], 6);
    assert!(made["run"]["seconds"].is_f64() && made["nonfinite"] == 0);
    let gap = (&patterns.row(0) - &patterns.row(1)).mapv(|v| v * v).sum().sqrt();
    let written = ArrayFile::open(&at.join("r.npz")).unwrap();
    assert!((written.read_f64_1("rdm").unwrap()[0] - gap).abs() < 1e-12);
    assert_eq!(written.read_text("metric").unwrap(), ["euclidean"]);
    for geodesic in ["none", "twostep", "p-shortest:0.5", "k-nearest:2", "p-nearest:0.5"] {
        let arguments = ["geometry", "trsa", "r.npz", "--geodesic", geodesic, "--out", "t.npz", "--json"];
        assert_eq!(answer(at, &arguments)["n"], 6, "{geodesic}");
        assert_eq!(ArrayFile::open(&at.join("t.npz")).unwrap().read_f64_1("rdm").unwrap().len(), 15);
    }
    let refused = neuropil(
        at,
        &["geometry", "trsa", "r.npz", "--geodesic", "k-nearest:2", "--lower", "0.1", "--out", "t.npz"],
    );
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn dependence_is_found_and_samples_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let x = Array2::from_shape_fn((40, 1), |(i, _)| i as f64 - 20.0);
    let y = x.mapv(|v| v * v);
    Npz::new().f64("x", x.view().into_dyn()).write(&at.join("x.npz")).unwrap();
    Npz::new().f64("y", y.view().into_dyn()).write(&at.join("y.npz")).unwrap();
    let got = answer(at, &["geometry", "agtic", "x.npz", "y.npz", "--json"]);
    assert!(got["p"].as_f64().unwrap() <= 0.05 && got["statistic"].as_f64().unwrap() > 0.4, "{got}");
    Npz::new().f64("y", Array2::zeros((3, 1)).view().into_dyn()).write(&at.join("z.npz")).unwrap();
    assert_eq!(neuropil(at, &["geometry", "agtic", "x.npz", "z.npz"]).status.code(), Some(1));
}

#[test]
fn identification_counts_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rdms = Array2::from_shape_fn((6, 3), |(i, j)| ((i % 2) * 5 + j) as f64 + 0.01 * i as f64);
    Npz::new()
        .f64("rdms", rdms.view().into_dyn())
        .i64("subjects", arr1(&[0, 0, 1, 1, 2, 2]).view().into_dyn())
        .i64("labels", arr1(&[3, 8, 3, 8, 3, 8]).view().into_dyn())
        .write(&at.join("x.npz"))
        .unwrap();
    let got = answer(at, &["geometry", "identify", "x.npz", "--json"]);
    assert_eq!(got["accuracy"], 1.0);
    assert_eq!(got["chance"], 0.5);
    assert_eq!(got["confusion"], serde_json::json!([[3, 0], [0, 3]]));
    let swapped = answer(at, &["geometry", "identify", "x.npz", "--labels", "3,8,3,8,8,3", "--json"]);
    assert!(swapped["accuracy"].as_f64().unwrap() < 1.0);
}

#[test]
fn failures_are_one_document_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.npz"), b"PK\x03\x04 nothing").unwrap();
    let arguments = ["geometry", "rdm", "bad.npz", "--metric", "cosine", "--out", "r.npz", "--json"];
    let output = neuropil(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["error"]["kind"], "format");
    assert!(document["error"]["message"].as_str().unwrap().contains("bad.npz"));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    assert!(!folder.path().join("r.npz").exists());
    assert_eq!(answer(folder.path(), &["devices", "--json"])["devices"][0]["id"], "cpu");
    assert_eq!(neuropil(folder.path(), &["geometry", "rmd"]).status.code(), Some(2));
    assert_eq!(neuropil(folder.path(), &["reproduce", "99-nothing"]).status.code(), Some(2));
}

#[test]
fn a_device_is_used_refused_or_unknown_but_never_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let listed = answer(at, &["devices", "--json", "--device", "auto"]);
    for device in listed["devices"].as_array().unwrap() {
        for key in ["id", "kind", "name", "f64", "f16", "software"] {
            assert!(!device[key].is_null(), "{key} is missing in {device}");
        }
    }
    let cpu = &listed["devices"][0];
    assert_eq!((&cpu["kind"], &cpu["f64"], &cpu["software"]), (&"cpu".into(), &true.into(), &false.into()));
    assert_eq!(listed["run"]["device"], "cpu");
    Npz::new().f64("x", Array2::eye(3).view().into_dyn()).write(&at.join("x.npz")).unwrap();
    let rdm = ["geometry", "rdm", "x.npz", "--metric", "cosine", "--out", "r.npz", "--json"];
    let (listing, claim) = (["devices", "--json"], ["reproduce", "26", "--json"]);
    for (verb, device) in [(&rdm[..], "wgpu"), (&listing[..], "cuda"), (&claim[..], "cuda:1")] {
        let output = neuropil(at, &[verb, &["--device", device]].concat());
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "device", "{document}");
        let message = document["error"]["message"].as_str().unwrap();
        assert!(message.contains(device) && message.contains("on the processor"), "{message}");
    }
    assert!(!at.join("r.npz").exists());
    for unknown in ["gpu", "wgpu:x", "cpu:1", "remote:http://a"] {
        let output = neuropil(at, &["devices", "--device", unknown]);
        assert_eq!(output.status.code(), Some(2), "{unknown}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("names no device"), "{unknown}");
    }
    assert_eq!(
        answer(at, &["reproduce", "26", "--quick", "--device", "auto", "--json"])["run"]["device"],
        "cpu"
    );
}

#[test]
fn claims_are_listed_measured_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let listed = answer(at, &["reproduce", "26", "--list", "--json"]);
    assert_eq!((&listed["id"], &listed["schema"]), (&"26-trsa".into(), &"neuropil.reproduce.list/1".into()));
    let line = answer(at, &["reproduce", "26", "--json", "--strict", "--out", "page"]);
    assert_eq!(line["schema"], "neuropil.reproduce/1");
    assert_eq!(line["holds"], true);
    assert_eq!(line["tier"], "ci");
    assert_eq!(line["indicative"], false);
    let page = std::fs::read_to_string(at.join("page/index.html")).unwrap();
    assert!(page.contains("26-trsa") && page.contains("<svg"));
    let bare = neuropil(at, &[]);
    assert!(bare.status.success() && at.join("report/index.html").is_file());
    let empty = neuropil(at, &["reproduce", "--shard", "99/100", "--json"]);
    assert!(empty.status.success() && empty.stdout.is_empty());
    assert_eq!(neuropil(at, &["reproduce", "--shard", "3/3"]).status.code(), Some(2));
}
