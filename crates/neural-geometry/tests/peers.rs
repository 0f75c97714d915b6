//! Numbers that rsatoolbox, ripser, SciPy and scikit-learn printed (fixtures/peers/README.md says which).

use std::path::Path;

use ndarray::Array2;
use neural_geometry::{
    Bar, Comparison, Draw, Duplicates, Rdm, classical_mds, compare, crossnobis, identify_draw, persistence,
    separation, single_linkage_heights, smacof,
};
use recordings::arrays::ArrayFile;
use serde_json::Value;

/// Largest difference of sums and products.
const ARITHMETIC: f64 = 1e-12;
/// Largest difference of eigenvalues.
const DECOMPOSITION: f64 = 1e-10;
/// Largest difference of what an iteration converges to.
const CONVERGED: f64 = 1e-4;

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/peers/golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn whole<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn gap(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()))
}

#[test]
fn cross_validated_distances_match_rsatoolbox() {
    for case in golden()["crossnobis"].as_array().unwrap() {
        let (x, precision) = (matrix(&case["x"]), matrix(&case["precision"]));
        let (conditions, folds): (Vec<i64>, Vec<i64>) = (whole(&case["conditions"]), whole(&case["folds"]));
        for (key, precision) in [("plain", None), ("whitened", Some(precision.view()))] {
            let got = crossnobis(&x.view(), &conditions, &folds, precision.as_ref()).unwrap();
            assert_eq!(got.conditions, [-2, 1, 4, 7, 10]);
            let worst = gap(got.rdm.condensed(), &numbers(&case[key]));
            assert!(worst <= ARITHMETIC * 100.0, "{} {key}: {worst:e}", case["name"]);
            // A common offset changes nothing, though it swamps the digits of a naive product.
            let moved = crossnobis(&(&x + 1e6).view(), &conditions, &folds, precision.as_ref()).unwrap();
            assert!(gap(moved.rdm.condensed(), got.rdm.condensed()) < 1e-7);
        }
    }
}

#[test]
fn comparisons_match_rsatoolbox() {
    for case in golden()["comparisons"].as_array().unwrap() {
        let rdm = |key: &str| Rdm::from_condensed(numbers(&case[key])).unwrap();
        for (measure, key) in [
            (Comparison::Spearman, "spearman"),
            (Comparison::Pearson, "pearson"),
            (Comparison::Kendall, "kendall"),
            (Comparison::KendallA, "kendall-a"),
            (Comparison::Cosine, "cosine"),
            (Comparison::WhitenedCosine, "whitened-cosine"),
            (Comparison::WhitenedPearson, "whitened-pearson"),
        ] {
            let got = compare(&rdm("a"), &rdm("b"), measure).unwrap();
            let expected = case[key].as_f64().unwrap();
            assert!((got - expected).abs() <= ARITHMETIC, "{key}: {got} against {expected}");
        }
    }
}

#[test]
fn bars_match_ripser() {
    let bars = |value: &Value| -> Vec<(f64, f64)> {
        let mut bars: Vec<(f64, f64)> = value
            .as_array()
            .unwrap()
            .iter()
            .map(|b| (b[0].as_f64().unwrap(), b[1].as_f64().unwrap_or(f64::INFINITY)))
            .collect();
        bars.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        bars
    };
    let pairs = |bars: &[Bar]| bars.iter().map(|b| (b.birth, b.death)).collect::<Vec<_>>();
    let mut loops = 0;
    for case in golden()["persistence"].as_array().unwrap() {
        let distances = numbers(&case["distances"]);
        let got = persistence(&distances, case["threshold"].as_f64()).unwrap();
        let name = &case["name"];
        assert_eq!(pairs(&got.h1), bars(&case["h1"]), "{name}: H1");
        // Ripser leaves out components that vanish at 0.
        let alive: Vec<(f64, f64)> = pairs(&got.h0).into_iter().filter(|b| b.1 > 0.0).collect();
        assert_eq!(alive, bars(&case["h0"]), "{name}: H0");
        if case["threshold"].is_null() {
            let finite: Vec<f64> = got.h0.iter().map(|b| b.death).filter(|d| d.is_finite()).collect();
            assert_eq!(finite, single_linkage_heights(&distances).unwrap(), "{name}: linkage");
        }
        loops += got.h1.len();
    }
    assert!(loops > 40, "{loops}");
}

#[test]
fn components_merge_where_single_linkage_does() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/26-trsa/transforms.npz");
    let rdm = ArrayFile::open(&fixture).unwrap().read_f64_1("rdm_a").unwrap().to_vec();
    let expected = numbers(&golden()["linkage"]);
    assert_eq!(expected.len(), 11);
    let bars = persistence(&rdm, None).unwrap().h0;
    assert_eq!(bars.len(), 12);
    assert_eq!(bars[..11].iter().map(|b| b.death).collect::<Vec<_>>(), expected);
    assert_eq!(single_linkage_heights(&rdm).unwrap(), expected);
}

#[test]
fn scaling_matches_numpy_and_scikit_learn() {
    let case = &golden()["scaling"];
    let rdm = Rdm::from_condensed(numbers(&case["distances"])).unwrap();
    let found = classical_mds(&rdm, 2).unwrap();
    assert!(gap(&found.eigenvalues, &numbers(&case["eigenvalues"])) <= DECOMPOSITION);
    let start = matrix(&case["start"]);
    let moved = smacof(&rdm, &start.view(), 3000, 1e-13).unwrap();
    let distances = Rdm::from_patterns(&moved.points.view(), neural_geometry::Metric::Euclidean).unwrap();
    assert!(gap(distances.condensed(), &numbers(&case["smacof_distances"])) <= CONVERGED);
    let scale: f64 = distances.condensed().iter().map(|d| d * d).sum();
    let raw = moved.stress * moved.stress * scale;
    let expected = case["smacof_raw_stress"].as_f64().unwrap();
    assert!((raw / expected - 1.0).abs() <= CONVERGED, "{raw} against {expected}");
    // From the classical solution it can only improve.
    assert!(smacof(&rdm, &found.points.view(), 300, 1e-9).unwrap().stress <= found.stress);
}

#[test]
fn paired_draws_match_expanded_matrices() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/26-trsa/layer_rdms.npz");
    let file = ArrayFile::open(&fixture).unwrap();
    let rdms = file.read_f64_2("rdms_noise4").unwrap();
    let subjects = file.read_i64_1("subj").unwrap().to_vec();
    let labels = file.read_i64_1("roi").unwrap().to_vec();
    let case = &golden()["inference"];
    let mut differ = 0;
    for given in case["draws"].as_array().unwrap() {
        let draw = Draw { matrices: whole(&given["rows"]), stimuli: whole(&given["stimuli"]) };
        for (duplicates, key) in [(Duplicates::Drop, "drop"), (Duplicates::Mean, "mean")] {
            let got = identify_draw(&rdms.view(), &subjects, &labels, &draw, duplicates).unwrap();
            let expected = given[key].as_f64().unwrap();
            assert!((got - expected).abs() <= ARITHMETIC, "{key}: {got} against {expected}");
        }
        differ += usize::from(given["drop"] != given["mean"]);
    }
    assert!(differ > 0, "imputing should matter in some draw");
    let got = separation(&rdms.view(), &subjects, &labels).unwrap();
    for (value, key) in [(got.ratio, "ratio"), (got.within, "within"), (got.across, "across")] {
        assert!((value - case[key].as_f64().unwrap()).abs() <= DECOMPOSITION, "{key}: {value}");
    }
}
