//! `snn stats` and `snn fit-spikes` as a user meets them: files in, JSON out, exit status.
#![cfg(feature = "snn")]

use std::path::Path;
use std::process::{Command, Output};

use ndarray::Array2;
use recordings::arrays::{ArrayFile, Npz};
use recordings::{SpikeTrains, Stamp};
use serde_json::Value;

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

/// The error of a call that must fail without a panic.
fn refusal(folder: &Path, arguments: &[&str]) -> Value {
    let output = neuropil(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(1 | 2)) && !said.contains("panicked"),
        "{arguments:?}: {said}"
    );
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["error"]["message"].as_str().is_some_and(|m| !m.is_empty()), "{document}");
    document["error"].clone()
}

/// Writes spikes `(step of 1 ms, neuron, population)`.
fn write(at: &Path, name: &str, spikes: &[(i64, u32, u16)]) {
    let mut trains = SpikeTrains::new(vec!["E".into(), "I".into()]);
    for (step, neuron, population) in spikes {
        trains.push(*step, 1.0, Stamp::Nest, *neuron, *population).unwrap();
    }
    trains.write(&at.join(name)).unwrap();
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A clock of 10 ms (E 0), one that is 2 ms late (E 4), and a slow one (I 9).
fn clocks(at: &Path) {
    let mut spikes: Vec<(i64, u32, u16)> =
        (0..100).flat_map(|k| [(10 * k + 9, 0, 0), (10 * k + 11, 4, 0)]).collect();
    spikes.extend((0..20).map(|k| (50 * k + 49, 9, 1)));
    spikes.retain(|s| s.0 < 1000);
    spikes.sort_unstable();
    write(at, "clocks.npz", &spikes);
}

#[test]
fn statistics_of_clocks_are_those_of_clocks() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    clocks(at);
    let got = answer(at, &["stats", "clocks.npz", "--raster", "r.svg", "--rates", "v.svg"]);
    assert_eq!((&got["neurons"], &got["spikes"]), (&Value::from(3), &Value::from(219)));
    assert_eq!(number(&got["stop_ms"]), 1000.0);
    assert!(
        (number(&got["mean_rate_hz"]["E"]) - 99.5).abs() < 1e-9 && number(&got["mean_rate_hz"]["I"]) == 20.0
    );
    for key in ["cv_isi", "cv2_isi", "lv_isi"] {
        assert!(number(&got[key]["E"]).abs() < 1e-12 && number(&got[key]["I"]).abs() < 1e-12, "{got}");
    }
    assert!(number(&got["fano"]["E"]) < 0.1 && number(&got["lz_complexity"]["E"]) < 0.5, "{got}");
    assert!(number(&got["avalanches"]["count"]) > 50.0 && got["reference"].is_null(), "{got}");
    for name in ["r.svg", "v.svg"] {
        assert!(std::fs::read_to_string(at.join(name)).unwrap().starts_with("<svg"), "{name}");
    }
    // Silent neurons are counted where their number is known.
    let sized = answer(at, &["stats", "clocks.npz", "--sizes", "10,4", "--stop-ms", "2000"]);
    assert!(
        (number(&sized["mean_rate_hz"]["E"]) - 9.95).abs() < 1e-9
            && number(&sized["mean_rate_hz"]["I"]) == 2.5
    );
}

#[test]
fn spikes_are_compared_neuron_by_neuron() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    clocks(at);
    let same = answer(at, &["stats", "clocks.npz", "--reference", "clocks.npz"]);
    let r = &same["reference"];
    for key in ["van_rossum", "victor_purpura", "isi_distance", "spike_distance"] {
        assert_eq!(number(&r[key]), 0.0, "{r}");
    }
    assert_eq!((number(&r["coincidence_factor"]), number(&r["count_ratio"])), (1.0, 1.0));
    // One neuron, one spike, against none: 1 in the first convention, 1 / sqrt 2 in the other; averaged over two neurons.
    write(at, "one.npz", &[(9, 0, 0), (99, 1, 0)]);
    write(at, "other.npz", &[(99, 1, 0)]);
    let got = answer(at, &["stats", "one.npz", "--reference", "other.npz"]);
    let r = &got["reference"];
    assert_eq!((number(&r["van_rossum"]), number(&r["victor_purpura"])), (0.5, 0.5));
    assert!((number(&r["van_rossum_original"]) - 0.5 / 2.0_f64.sqrt()).abs() < 1e-12);
    assert_eq!((&r["neurons"], number(&r["count_ratio"])), (&Value::from(2), 2.0));
}

/// Spikes of 12 neurons that follow one another round, twice over.
fn round(at: &Path) {
    let spikes: Vec<(i64, u32, u16)> =
        (0..400).map(|t| (t, 3 * ((t * 7 / 4) % 12) as u32, u16::from((t * 7 / 4) % 12 > 8))).collect();
    write(at, "round.npz", &spikes);
}

#[test]
fn a_network_is_taught_and_its_weights_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    round(at);
    let base = ["fit-spikes", "--target", "round.npz", "--epochs", "40", "--seed", "3"];
    let with = |more: &[&'static str]| base.iter().chain(more).copied().collect::<Vec<_>>();
    let got = answer(at, &with(&["--out", "w.npz", "--spikes", "s.npz", "--raster", "s.svg"]));
    assert_eq!(
        (&got["neurons"], &got["steps"], &got["test"]["steps"]),
        (&12.into(), &200.into(), &200.into())
    );
    assert_eq!(
        (&got["target_spikes"], &got["dropped_neurons"], &got["merged_spikes"]),
        (&200.into(), &0.into(), &0.into())
    );
    assert!(number(&got["best"]["van_rossum"]) < number(&got["before"]["van_rossum"]), "{got}");
    let file = ArrayFile::open(&at.join("w.npz")).unwrap();
    assert_eq!(file.read_f64_2("weights").unwrap().dim(), (12, 12));
    assert_eq!(file.read_f64_1("van_rossum").unwrap().len(), 41);
    assert_eq!(file.read_i64_1("neurons").unwrap()[1], 3);
    assert!(
        (file.read_f64_1("van_rossum").unwrap()[got["best_epoch"].as_u64().unwrap() as usize]
            - number(&got["best"]["van_rossum"]))
        .abs()
            < 1e-12
    );
    // The spikes are those of the network, under the targets' numbers; statistics read them.
    let fired = SpikeTrains::read(&at.join("s.npz")).unwrap();
    assert!(fired.neurons().iter().all(|n| n % 3 == 0) && fired.population_names() == ["E", "I"]);
    answer(at, &["stats", "s.npz", "--reference", "round.npz"]);
    assert!(std::fs::read_to_string(at.join("s.svg")).unwrap().starts_with("<svg"));
    // The same seed gives the same weights, whatever the threads; going on starts where it ended.
    let again = answer(at, &with(&["--threads", "1", "--out", "w1.npz"]));
    assert_eq!(again["best"], got["best"]);
    let on = answer(at, &with(&["--initial", "w.npz"]));
    assert_eq!(on["before"], got["best"]);
}

#[test]
fn masks_signs_and_known_input_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    round(at);
    // By global index: 34 rows.
    let mask = Array2::from_shape_fn((34, 34), |(i, j)| f64::from(u8::from((i + j) % 2 == 0)));
    Npz::new().f64("mask", mask.view().into_dyn()).write(&at.join("m.npz")).unwrap();
    let drive = Array2::from_shape_fn((34, 400), |(i, t)| if (i + 5 * t) % 31 == 0 { 1.5 } else { 0.0 });
    Npz::new().f64("drive", drive.view().into_dyn()).write(&at.join("d.npz")).unwrap();
    let got = answer(
        at,
        &[
            "fit-spikes",
            "--target",
            "round.npz",
            "--epochs",
            "10",
            "--mask",
            "m.npz",
            "--drive",
            "d.npz",
            "--inhibitory",
            "I",
            "--max-weight",
            "0.5",
            "--eta-home",
            "0.05",
            "--pool-source",
            "target",
            "--update",
            "multiplicative",
            "--homeostasis",
            "scaling",
            "--empty-pool",
            "0.1",
            "--test-fraction",
            "0",
            "--out",
            "w.npz",
        ],
    );
    assert!(got["test"].is_null() && got["steps"] == 400, "{got}");
    let file = ArrayFile::open(&at.join("w.npz")).unwrap();
    let (weights, ids) = (file.read_f64_2("weights").unwrap(), file.read_i64_1("neurons").unwrap());
    assert!(weights.iter().any(|w| *w > 0.0) && weights.iter().any(|w| *w < 0.0));
    for ((i, j), w) in weights.indexed_iter() {
        assert!((ids[i] + ids[j]) % 2 == 0 || *w == 0.0);
        assert!(w.abs() <= 0.5 && if ids[j] / 3 > 8 { *w <= 0.0 } else { *w >= 0.0 });
    }
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    clocks(at);
    round(at);
    write(at, "silent.npz", &[]);
    std::fs::write(at.join("empty.npz"), b"").unwrap();
    std::fs::write(at.join("cut.npz"), b"PK\x03\x04 and nothing more").unwrap();
    Npz::new().f64("x", Array2::<f64>::zeros((2, 2)).view().into_dyn()).write(&at.join("x.npz")).unwrap();
    let nan = |name: &str, times: &[f64], neurons: &[u32]| {
        let n = times.len();
        Npz::new()
            .f64("times_ms", ndarray::arr1(times).view().into_dyn())
            .i64("steps", ndarray::Array1::<i64>::zeros(n).view().into_dyn())
            .u32("neurons", ndarray::arr1(neurons).view().into_dyn())
            .u16("population", ndarray::Array1::<u16>::zeros(n).view().into_dyn())
            .text("population_names", &["E".to_owned()])
            .write(&at.join(name))
            .unwrap();
    };
    nan("nan.npz", &[1.0, f64::NAN], &[0, 0]);
    nan("back.npz", &[5.0, 1.0], &[0, 0]);
    nan("far.npz", &[5.0, 9.0], &[0, u32::MAX]);
    for file in ["empty.npz", "cut.npz", "x.npz", "absent.npz", "silent.npz", "nan.npz", "back.npz"] {
        for words in [vec!["stats", file], vec!["fit-spikes", "--target", file]] {
            let error = refusal(at, &words);
            assert!(error["path"].as_str().is_some_and(|p| p.contains(file)), "{words:?}: {error}");
        }
        if file != "silent.npz" {
            assert!(refusal(at, &["stats", "clocks.npz", "--reference", file])["path"].is_string(), "{file}");
        }
    }
    // Silence of a known length has statistics, but for those of spikes.
    let silence = answer(at, &["stats", "silent.npz", "--reference", "silent.npz", "--stop-ms", "100"]);
    assert_eq!((&silence["neurons"], &silence["nonfinite"]), (&Value::from(0), &Value::from(0)));
    assert!(silence["reference"].is_null() && silence["mean_rate_hz"]["E"].is_null(), "{silence}");
    let lost = answer(at, &["stats", "silent.npz", "--reference", "clocks.npz"]);
    assert_eq!((number(&lost["reference"]["count_ratio"]), &lost["nonfinite"]), (0.0, &Value::from(0)));
    // A neuron with the greatest number is one neuron.
    assert_eq!(answer(at, &["stats", "far.npz"])["neurons"], 2);
    for words in [
        &["stats", "clocks.npz", "--start-ms", "5000"][..],
        &["stats", "clocks.npz", "--stop-ms=-1"],
        &["stats", "clocks.npz", "--bin-ms", "0"],
        &["stats", "clocks.npz", "--tau-ms", "nan"],
        &["stats", "clocks.npz", "--sizes", "3"],
        &["stats", "clocks.npz", "--symbol-ms", "1e-12"],
        &["fit-spikes", "--target", "round.npz", "--epochs", "0"],
        &["fit-spikes", "--target", "round.npz", "--pool", "0"],
        &["fit-spikes", "--target", "round.npz", "--eta=-1"],
        &["fit-spikes", "--target", "round.npz", "--test-fraction", "1"],
        &["fit-spikes", "--target", "round.npz", "--min-rate-hz", "1e9"],
        &["fit-spikes", "--target", "round.npz", "--start-ms=-3"],
        &["fit-spikes", "--target", "round.npz", "--step-ms", "1e-300"],
        &["fit-spikes", "--target", "round.npz", "--inhibitory", "K"],
        &["fit-spikes", "--target", "round.npz", "--mask", "x.npz"],
        &["fit-spikes", "--target", "round.npz", "--drive", "x.npz"],
        &["fit-spikes", "--target", "round.npz", "--initial", "x.npz"],
        &["fit-spikes"],
    ] {
        refusal(at, words);
    }
}
