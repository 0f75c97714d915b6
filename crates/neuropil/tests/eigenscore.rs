//! `llm eigenscore` as a user meets it.
#![cfg(feature = "llm")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::Array2;
use recordings::arrays::Npz;
use serde_json::Value;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../llm-neurons/tests/fixtures/01-send-ees/ees.safetensors")
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuropil"));
    command.args(["llm", "eigenscore"]).args(arguments).args(["--json"]).output().unwrap()
}

fn answer(arguments: &[&str]) -> Value {
    let file = fixture();
    let mut all = vec![file.to_str().unwrap()];
    all.extend(arguments);
    let output = run(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn close(value: &Value, wanted: f64, tolerance: f64) {
    let got = value.as_f64().unwrap();
    assert!((got - wanted).abs() <= tolerance, "{got} against {wanted}");
}

#[test]
fn the_default_is_the_exact_score_in_natural_logarithms() {
    let got = answer(&["--key", "E"]);
    assert_eq!(got["schema"], "neuropil.llm.eigenscore/1");
    assert_eq!((got["k"].as_u64(), got["d"].as_u64()), (Some(10), Some(64)));
    assert_eq!(got["convention"], "inside-code-ln");
    assert_eq!(got["log_base"], "e");
    assert_eq!(got["alpha"], 1e-3);
    assert_eq!(got["method"], "cholesky", "auto says what it took");
    assert!(got["method_reason"].as_str().unwrap().starts_with("auto: Cholesky"));
    assert_eq!((got["moments"].as_u64(), got["probes"].as_u64()), (Some(50), Some(20)));
    close(&got["eigenscore"], -0.5400349389089347, 1e-9);
    close(&got["lambda_max"], 10.41240850790853, 1e-4);
    assert!(got["bound"].as_f64().unwrap() > 0.0 && got.get("ees").is_none());
    assert_eq!(got["run"]["device"], "cpu");
    assert_eq!(got["run"]["dtype"], "f64");
    assert_eq!((&got["eigenscore_device"], &got["eigenscore_dtype"]), (&"cpu".into(), &"f64".into()));
}

#[test]
fn exact_methods_say_what_only_an_estimate_uses() {
    let file = fixture();
    for method in ["cholesky", "eigen"] {
        for (flag, value) in [("--moments", "50"), ("--probes", "20"), ("--variant", "shifted")] {
            let output = run(&[file.to_str().unwrap(), "--key", "E", "--method", method, flag, value]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{method} {flag}: {said}");
            assert!(said.contains(flag) && said.contains("chebyshev") && said.contains(method), "{said}");
        }
    }
    for method in ["auto", "chebyshev"] {
        let got = answer(&[
            "--key",
            "E",
            "--method",
            method,
            "--moments",
            "30",
            "--probes",
            "5",
            "--variant",
            "shifted",
        ]);
        assert_eq!((got["moments"].as_u64(), got["probes"].as_u64()), (Some(30), Some(5)));
    }
}

#[test]
fn every_convention_has_its_number_and_its_logarithm() {
    for (convention, base, wanted) in [
        ("inside-code-ln", "e", -0.5400349389089347),
        ("inside-code", "10", -0.23453419404653952),
        ("inside-paper", "e", 3.600722842233403),
        ("send-dual", "e", 0.3185727599502334),
    ] {
        for method in ["cholesky", "eigen"] {
            let got = answer(&["--key", "E", "--convention", convention, "--method", method]);
            assert_eq!((&got["convention"], &got["log_base"]), (&convention.into(), &base.into()));
            assert_eq!(got["method"], method);
            close(&got["eigenscore"], wanted, 1e-9);
        }
    }
    // The published code's own file keeps embeddings as columns.
    let got =
        answer(&["--key", "X", "--axes", "units,time", "--convention", "send-regular", "--alpha", "1e-5"]);
    assert_eq!(got["k"], 12);
    close(&got["eigenscore"], 3.463712323054621, 1e-9);
}

#[test]
fn the_estimate_stands_beside_the_exact_score_in_the_same_logarithm() {
    for (convention, base) in [("inside-code-ln", 1.0), ("inside-code", std::f64::consts::LN_10)] {
        let common = ["--key", "E", "--method", "chebyshev", "--convention", convention];
        let many = ["--moments", "200", "--probes", "2000"];
        let got = answer(&[common.as_slice(), many.as_slice()].concat());
        assert_eq!(got["method"], "chebyshev");
        close(&got["eigenscore"], -0.5400349389089347 / base, 1e-9);
        close(&got["ees"], -0.5400349389089347 / base, 0.05 / base);
        assert!(got["ees_standard_error"].as_f64().unwrap() < 0.03);
        let paper = answer(&[common.as_slice(), &["--variant", "paper"]].concat());
        let ln_b = (paper["ees"].as_f64().unwrap() - paper["ees_raw"].as_f64().unwrap()) * base;
        assert!((ln_b.exp() / (1.01 * paper["lambda_max"].as_f64().unwrap()) - 1.0).abs() < 1e-6);
        assert!(paper["bound"].is_null());
        assert!(answer(&[common.as_slice(), &["--variant", "official"]].concat())["ees"].is_f64());
    }
    let twice = || answer(&["--key", "E", "--method", "chebyshev", "--seed", "7"])["ees"].clone();
    assert_eq!(twice(), twice());
    let other = answer(&["--key", "E", "--method", "chebyshev", "--seed", "8"])["ees"].clone();
    assert_ne!(twice(), other);
}

#[test]
fn bad_input_fails_with_one_line_and_a_kind() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, e: Array2<f64>| {
        let path = folder.path().join(name);
        Npz::new().f64("x", e.view().into_dyn()).write(&path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut broken = Array2::from_shape_fn((4, 9), |(i, j)| (i * j) as f64);
    broken[[1, 2]] = f64::NAN;
    let (one, broken) = (file("one.npz", Array2::ones((1, 9))), file("broken.npz", broken));
    let good = fixture();
    let good = good.to_str().unwrap();
    for (arguments, kind, word) in [
        (vec![one.as_str()], "input", "answers"),
        (vec![broken.as_str()], "input", "row 1, column 2"),
        (vec![good, "--key", "E", "--moments", "0"], "input", "moments"),
        (vec![good, "--key", "E", "--method", "chebyshev", "--probes", "0"], "input", "probes"),
        (vec![good], "input", "several arrays"),
        (vec![good, "--key", "F"], "input", "\"F\""),
        (vec![good, "--key", "E", "--method", "eigen", "--device", "wgpu"], "unsupported", "chebyshev"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], kind, "{arguments:?}");
        assert!(document["error"]["message"].as_str().unwrap().contains(word), "{document}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{arguments:?}");
    }
    assert_eq!(run(&[good, "--key", "E", "--method", "lanczos"]).status.code(), Some(2));
    for alpha in ["0", "-1e-3", "NaN", "inf"] {
        assert_eq!(run(&[good, "--key", "E", "--alpha", alpha]).status.code(), Some(2), "{alpha}");
    }
    assert_eq!(run(&[good, "--key", "E", "--device", "gpu"]).status.code(), Some(2));
    assert_eq!(run(&[good, "--key", "E", "--axes", "units"]).status.code(), Some(2));
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_device_that_was_not_compiled_is_refused() {
    let file = fixture();
    let output = run(&[file.to_str().unwrap(), "--key", "E", "--method", "chebyshev", "--device", "wgpu"]);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["error"]["kind"], "device");
}

/// Needs an adapter, for example Mesa's software one: `cargo test -p neuropil --features wgpu`.
#[cfg(feature = "wgpu")]
#[test]
fn a_device_gives_the_estimate_of_the_processor() {
    let common = ["--key", "E", "--method", "chebyshev"];
    let host = answer(&common);
    let file = fixture();
    let mut arguments = vec![file.to_str().unwrap()];
    arguments.extend(common);
    arguments.extend(["--device", "wgpu"]);
    let output = run(&arguments);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    if !output.status.success() {
        assert!(std::env::var("NEUROPIL_REQUIRE_DEVICE").is_err(), "{document}");
        // Past the capture of the test runner: a skip is said aloud.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED wgpu: {document}\n").as_bytes(),
        );
        return;
    }
    close(&document["ees"], host["ees"].as_f64().unwrap(), 1e-2);
    assert!(document["run"]["device"].as_str().unwrap().starts_with("wgpu"));
    assert_eq!(document["run"]["dtype"], "f32");
    // The exact score beside the estimate stays the processor's.
    assert_eq!(
        (&document["eigenscore_device"], &document["eigenscore_dtype"]),
        (&"cpu".into(), &"f64".into())
    );
    assert_eq!(document["eigenscore"], host["eigenscore"]);
}
