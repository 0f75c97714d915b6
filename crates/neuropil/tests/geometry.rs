//! The geometry verbs as a user meets them: files in, JSON out, exit status.

use std::path::Path;
use std::process::{Command, Output};

use ndarray::{Array1, Array2, arr1};
use recordings::arrays::{ArrayFile, Npz};
use serde_json::Value;

fn neuropil(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuropil"))
        .current_dir(folder)
        .arg("geometry")
        .args(arguments)
        .output()
        .unwrap()
}

fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = neuropil(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn code(folder: &Path, arguments: &[&str]) -> Option<i32> {
    neuropil(folder, arguments).status.code()
}

fn write(at: &Path, name: &str, x: &Array2<f64>) {
    Npz::new().f64("x", x.view().into_dyn()).write(&at.join(name)).unwrap();
}

fn write_rdm(at: &Path, name: &str, rdm: &[f64], labels: Option<&[&str]>) {
    let mut file = Npz::new().f64("rdm", Array1::from(rdm.to_vec()).view().into_dyn());
    if let Some(labels) = labels {
        file = file.text("labels", &labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>());
    }
    file.write(&at.join(name)).unwrap();
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Points on a circle, and the condensed distances between them.
fn circle(n: usize) -> (Array2<f64>, Vec<f64>) {
    let angle = |i: usize| i as f64 * std::f64::consts::TAU / n as f64;
    let points = Array2::from_shape_fn((n, 2), |(i, j)| if j == 0 { angle(i).cos() } else { angle(i).sin() });
    let chord = |i: usize, j: usize| 2.0 * ((angle(j) - angle(i)) / 2.0).sin().abs();
    (points, (0..n).flat_map(|i| (i + 1..n).map(move |j| chord(i, j))).collect())
}

#[test]
fn cross_validated_distances_take_conditions_and_folds() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Three conditions in three folds; the third observation of each is shifted, so plain distances would not be exact.
    let truth = ndarray::arr2(&[[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]);
    let x = Array2::from_shape_fn((9, 2), |(i, j)| truth[[i % 3, j]] + if i >= 6 { 5.0 } else { 0.0 });
    write(at, "x.npz", &x);
    std::fs::write(at.join("c.txt"), "face\nhouse\ntool\n".repeat(3)).unwrap();
    write(at, "p.npz", &ndarray::arr2(&[[2.0, 0.0], [0.0, 1.0]]));
    let base = ["rdm", "x.npz", "--metric", "crossnobis", "--conditions", "c.txt", "--folds"];
    let with = |more: &[&'static str]| {
        base.iter()
            .chain(&["0,0,0,1,1,1,2,2,2", "--out", "r.npz", "--json"])
            .chain(more)
            .copied()
            .collect::<Vec<_>>()
    };
    let read = || ArrayFile::open(&at.join("r.npz")).unwrap();
    let near = |expected: [f64; 3]| {
        let got = read().read_f64_1("rdm").unwrap();
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got}");
    };
    let made = answer(at, &with(&[]));
    assert_eq!((&made["n"], &made["metric"]), (&Value::from(3), &Value::from("crossnobis")));
    near([9.0, 16.0, 25.0]);
    assert_eq!(read().read_text("labels").unwrap(), ["face", "house", "tool"]);
    answer(at, &with(&["--precision", "p.npz"]));
    near([18.0, 16.0, 34.0]);
    answer(at, &with(&["--scale", "per-channel"]));
    near([4.5, 8.0, 12.5]);
    // Usage: conditions and folds belong together and to this metric.
    assert_eq!(code(at, &["rdm", "x.npz", "--metric", "crossnobis", "--out", "r.npz"]), Some(2));
    let wrong = ["rdm", "x.npz", "--metric", "cosine", "--folds", "0,1,2", "--out", "r.npz"];
    assert_eq!(code(at, &wrong), Some(2));
    // A fold without one of the conditions, and lists of the wrong length.
    let lacking = base.iter().chain(&["0,0,0,1,1,1,2,2,1", "--out", "r.npz"]).copied().collect::<Vec<_>>();
    let output = neuropil(at, &lacking);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no observation"));
    let short = base.iter().chain(&["0,1", "--out", "r.npz"]).copied().collect::<Vec<_>>();
    assert_eq!(code(at, &short), Some(1));
}

#[test]
fn similar_rdms_are_told_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let line: Vec<f64> = (0..12).map(|i| (i * i) as f64).collect();
    let names: Vec<String> = (0..12).map(|i| format!("s{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rdm = |x: &[f64]| -> Vec<f64> {
        (0..12).flat_map(|i| (i + 1..12).map(move |j| (i, j))).map(|(i, j)| (x[i] - x[j]).abs()).collect()
    };
    write_rdm(at, "a.npz", &rdm(&line), Some(&names));
    let roots: Vec<f64> = line.iter().map(|v| v.sqrt() * 3.0 + (v * 1.7).sin()).collect();
    write_rdm(at, "b.npz", &rdm(&roots), Some(&names));
    for measure in
        ["spearman", "pearson", "kendall", "cosine", "kendall-a", "whitened-cosine", "whitened-pearson"]
    {
        let got =
            answer(at, &["rsa", "a.npz", "b.npz", "--compare", measure, "--bootstrap", "200", "--json"]);
        let (low, high) = (number(&got["ci95"][0]), number(&got["ci95"][1]));
        assert!(number(&got["similarity"]) > 0.6 && low < high && high <= 1.0, "{measure}: {got}");
        assert!(number(&got["p"]) <= 0.01, "{measure}: {got}");
        assert_eq!((&got["n"], &got["reordered"]), (&Value::from(12), &Value::from(false)));
    }
    // The same stimuli in another order are put in order by their labels ...
    let turned: Vec<usize> = (0..12).map(|i| (i * 5 + 3) % 12).collect();
    let moved: Vec<f64> = turned.iter().map(|i| roots[*i]).collect();
    let called: Vec<&str> = turned.iter().map(|i| names[*i]).collect();
    write_rdm(at, "c.npz", &rdm(&moved), Some(&called));
    let straight = answer(at, &["rsa", "a.npz", "b.npz", "--json"]);
    let got = answer(at, &["rsa", "a.npz", "c.npz", "--json"]);
    assert_eq!(got["reordered"], true);
    assert!((number(&got["similarity"]) - number(&straight["similarity"])).abs() < 1e-12);
    assert_eq!(got["ci95"], straight["ci95"]);
    // ... and compared as they come without labels: chance.
    write_rdm(at, "d.npz", &rdm(&moved), None);
    let chance = answer(at, &["rsa", "a.npz", "d.npz", "--permutations", "99", "--bootstrap", "0", "--json"]);
    assert!(number(&chance["p"]) > 0.05 && chance["ci95"].is_null(), "{chance}");
    // Other labels, other sizes.
    let others: Vec<&str> = names.iter().map(|n| if *n == "s3" { "x" } else { n }).collect();
    write_rdm(at, "e.npz", &rdm(&roots), Some(&others));
    let output = neuropil(at, &["rsa", "a.npz", "e.npz"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("s3"));
    write_rdm(at, "f.npz", &[1.0, 2.0, 3.0], None);
    assert_eq!(code(at, &["rsa", "a.npz", "f.npz"]), Some(1));
    write_rdm(at, "g.npz", &[1.0, 2.0, 3.0], Some(&["a"]));
    assert_eq!(code(at, &["rsa", "g.npz", "f.npz"]), Some(1));
    assert_eq!(code(at, &["rsa", "a.npz", "b.npz", "--metric", "cosine"]), Some(2));
}

#[test]
fn patterns_are_compared_through_their_rdms() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // No two dissimilarities are equal: rounding would order ties differently in the two files.
    let x =
        Array2::from_shape_fn((9, 5), |(i, j)| ((i * 13 + j * 7) % 11) as f64 + ((i * 5 + j) as f64).sin());
    write(at, "x.npz", &x);
    write(at, "y.npz", &(&x * 3.0 + 1.0));
    let base = ["rsa", "x.npz", "y.npz", "--patterns", "--bootstrap", "50", "--permutations", "99", "--json"];
    for metric in ["euclidean", "sqeuclidean", "correlation", "cosine"] {
        let got = answer(at, &base.iter().chain(&["--metric", metric]).copied().collect::<Vec<_>>());
        let expected = if metric == "cosine" { 0.3 } else { 1.0 - 1e-9 };
        assert!(number(&got["similarity"]) >= expected, "{metric}: {got}");
    }
    let (first, again) = (answer(at, &base), answer(at, &[&base[..], &["--threads", "1"]].concat()));
    for key in ["similarity", "p", "ci95"] {
        assert_eq!(first[key], again[key], "{key}");
    }
    assert_eq!(
        code(at, &base.iter().chain(&["--metric", "crossnobis"]).copied().collect::<Vec<_>>()),
        Some(2)
    );
}

#[test]
fn a_circle_has_one_loop_and_comes_back_flat() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (points, chords) = circle(24);
    write_rdm(at, "r.npz", &chords, None);
    let got = answer(at, &["persistence", "r.npz", "--out", "bars.npz", "--json"]);
    assert_eq!(got["n"], 24);
    let loops = got["h1"].as_array().unwrap();
    assert_eq!(loops.len(), 1, "{got}");
    // It is born with the sides and filled by the triangle that holds the centre.
    assert!((number(&loops[0][0]) - chords[0]).abs() < 1e-12);
    assert!((number(&loops[0][1]) - 3.0_f64.sqrt()).abs() < 1e-12);
    assert!(
        got["h0"].as_array().unwrap().iter().filter(|b| b[1].is_null()).count() == 1 && got["nonfinite"] == 1
    );
    assert!(got["betti"]["betti1"].as_array().unwrap().contains(&Value::from(1)));
    assert_eq!(got["betti"]["betti0"][0], 24);
    assert_eq!(ArrayFile::open(&at.join("bars.npz")).unwrap().read_f64_2("h1").unwrap().dim(), (1, 2));
    let flat = answer(at, &["persistence", "r.npz", "--max-dimension", "0", "--json"]);
    assert_eq!((&flat["h0"], flat["h1"].as_array().unwrap().len()), (&got["h0"], 0));
    let cut = answer(at, &["persistence", "r.npz", "--threshold", "1", "--json"]);
    assert!(cut["h1"][0][1].is_null());
    // Scaling finds the circle again, up to a turn.
    let found = answer(at, &["mds", "r.npz", "--dimensions", "2", "--out", "m.npz", "--json"]);
    assert!(number(&found["stress"]) < 1e-9);
    let back = ArrayFile::open(&at.join("m.npz")).unwrap().read_f64_2("points").unwrap();
    let inner = |x: &Array2<f64>| x.dot(&x.t());
    assert!((inner(&back) - inner(&points)).iter().all(|d| d.abs() < 1e-9));
    let steps = answer(at, &["mds", "r.npz", "--dimensions", "1", "--method", "smacof", "--json"]);
    assert!(number(&steps["stress"]) > 0.1 && steps["iterations"].as_u64().unwrap() > 0);
    assert_eq!(code(at, &["mds", "r.npz", "--dimensions", "24"]), Some(1));
    write_rdm(at, "bad.npz", &[1.0, -1.0, 2.0], None);
    assert_eq!(code(at, &["persistence", "bad.npz"]), Some(1));
    write_rdm(at, "none.npz", &[1.0, 2.0], None);
    assert_eq!(code(at, &["persistence", "none.npz"]), Some(1));
}

#[test]
fn labels_travel_with_an_rdm_and_n_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "x.npz", &Array2::from_shape_fn((4, 3), |(i, j)| ((i * 5 + j * j) % 7) as f64));
    let made = ["rdm", "x.npz", "--metric", "euclidean", "--labels", "d,c,b,a", "--out", "r.npz", "--json"];
    answer(at, &made);
    answer(at, &["trsa", "r.npz", "--lower", "0", "--upper", "1", "--out", "t.npz", "--json"]);
    let labels = ArrayFile::open(&at.join("t.npz")).unwrap().read_text("labels").unwrap();
    assert_eq!(labels, ["d", "c", "b", "a"]);
    let short = ["rdm", "x.npz", "--metric", "euclidean", "--labels", "d,c", "--out", "s.npz"];
    assert_eq!(code(at, &short), Some(1));
    assert!(!at.join("s.npz").exists());
    Npz::new()
        .f64("rdm", arr1(&[1.0, 2.0, 3.0]).view().into_dyn())
        .i64("n", arr1(&[4]).view().into_dyn())
        .write(&at.join("n.npz"))
        .unwrap();
    assert_eq!(code(at, &["mds", "n.npz"]), Some(1));
    let quantiles = ["agtic", "x.npz", "x.npz", "--quantiles", "--permutations", "19", "--json"];
    assert!(number(&answer(at, &quantiles)["statistic"]) > 0.99);
}

#[test]
fn a_transform_keeps_the_metric_and_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Two groups of three, far apart: no path leads from one to the other.
    let x = ndarray::arr2(&[[0.0, 0.0], [1.0, 0.1], [0.3, 1.2], [9.0, 9.0], [10.4, 9.0], [9.0, 10.7]]);
    write(at, "x.npz", &x);
    answer(at, &["rdm", "x.npz", "--metric", "sqeuclidean", "--out", "r.npz", "--json"]);
    let text = |name: &str, key: &str| ArrayFile::open(&at.join(name)).unwrap().read_text(key).unwrap();
    let values = |name: &str| ArrayFile::open(&at.join(name)).unwrap().read_f64_1("rdm").unwrap().to_vec();
    let near = [
        "trsa",
        "r.npz",
        "--geodesic",
        "k-nearest:2",
        "--knn",
        "symmetric",
        "--zero-edges",
        "keep",
        "--json",
    ];
    let ranked = answer(at, &[&near[..], &["--out", "ranks.npz"]].concat());
    assert_eq!((&ranked["metric"], &ranked["transform"]), (&"sqeuclidean".into(), &"geodesic".into()));
    assert_eq!((&ranked["unreachable"], &ranked["nonfinite"]), (&9.into(), &0.into()));
    assert_eq!(text("ranks.npz", "metric"), ["sqeuclidean"]);
    let step = "geodesic k-nearest:2 knn=symmetric zero-edges=keep ranks";
    assert_eq!(text("ranks.npz", "transforms"), [step]);
    assert_eq!(ranked["transforms"], serde_json::json!([step]));
    // The unreachable pairs share the mean of the last nine ranks.
    let last = values("ranks.npz").into_iter().filter(|r| *r == 11.0).count();
    assert_eq!(last, 9);
    // As lengths they are infinite, counted and said.
    let output = neuropil(at, &[&near[..], &["--out", "lengths.npz", "--no-rank"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("lengths.npz") && said.contains("9 of 15 pairs"),
        "{said}"
    );
    let raw: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&raw["unreachable"], &raw["nonfinite"]), (&9.into(), &9.into()));
    assert_eq!(values("lengths.npz").iter().filter(|d| **d == f64::INFINITY).count(), 9);
    // Verbs that need finite dissimilarities say so; a second transform is the second step.
    for verb in [
        &["mds", "lengths.npz"][..],
        &["rsa", "lengths.npz", "lengths.npz"],
        &["trsa", "lengths.npz", "--out", "z.npz"],
    ] {
        assert_eq!(code(at, verb), Some(1), "{verb:?}");
    }
    let again =
        answer(at, &["trsa", "ranks.npz", "--lower", "0", "--upper", "0.5", "--out", "two.npz", "--json"]);
    assert_eq!(again["transforms"], serde_json::json!([step, "geo-topological ramp lower=0 upper=0.5"]));
    assert_eq!(
        (text("two.npz", "metric"), text("two.npz", "transforms").len()),
        (vec!["sqeuclidean".to_owned()], 2)
    );
    // Ranks of squared distances are no squares: scaling takes them as they are.
    let warned = |name: &str| {
        let output = neuropil(at, &["mds", name, "--json"]);
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).contains("squared")
    };
    assert!(warned("r.npz") && !warned("ranks.npz"));
    // A file that says nothing of its metric.
    write_rdm(at, "bare.npz", &[1.0, 2.0, 3.0], None);
    let bare = answer(at, &["trsa", "bare.npz", "--sigmoid", "10,0.5", "--out", "b.npz", "--json"]);
    assert!(bare["metric"].is_null() && bare["region"].is_null());
    assert_eq!(text("b.npz", "metric"), ["unknown"]);
    assert_eq!(text("b.npz", "transforms"), ["geo-topological sigmoid alpha=10 beta=0.5"]);
}
