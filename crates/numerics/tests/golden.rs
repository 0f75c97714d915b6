//! Numbers that SciPy and scikit-learn printed (fixtures/scipy/README.md says which).

use ndarray::{Array1, Array2};
use numerics::bootstrap::{IntervalKind, interval};
use numerics::correlation::{correlation_p, kendall_tau_b, pearson, spearman, weighted_pearson};
use numerics::csr::Csr;
use numerics::distributions::{incomplete_beta, ln_gamma, student_t_two_sided};
use numerics::kmeans::{KMeans, KMeansPlan};
use numerics::partitions::{EntropyMean, adjusted_rand, normalized_mutual_information};
use numerics::pca::Pca;
use serde_json::Value;

/// Largest difference of sums and products of a few thousand values.
const ARITHMETIC: f64 = 1e-12;
/// Largest relative difference of special functions.
const SPECIAL: f64 = 1e-11;
/// Largest difference of entries of decompositions.
const DECOMPOSITION: f64 = 1e-10;

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/scipy/golden.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn whole(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).unwrap()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn near(got: f64, expected: &Value, tolerance: f64, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() <= tolerance, "{what}: {got} against {expected}");
}

fn relative(got: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    // Below the least normal number nothing has digits to compare.
    let allowed = SPECIAL * expected.abs() + f64::MIN_POSITIVE;
    assert!((got - expected).abs() <= allowed, "{what}: {got:e} against {expected:e}");
}

#[test]
fn correlations() {
    for case in golden()["correlations"].as_array().unwrap() {
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        let (r, s) = (pearson(&x, &y).unwrap(), spearman(&x, &y).unwrap());
        near(r, &case["pearson"], ARITHMETIC, "pearson");
        near(s, &case["spearman"], ARITHMETIC, "spearman");
        near(kendall_tau_b(&x, &y).unwrap(), &case["kendall_b"], ARITHMETIC, "kendall");
        if case["weighted"].is_f64() {
            let got = weighted_pearson(&x, &y, &numbers(&case["weights"])).unwrap();
            near(got, &case["weighted"], ARITHMETIC, "weighted");
        }
        // A p-value of 1e-300 turns the last digit of r into many of its own.
        if case["pearson_p"].as_f64().unwrap() > 1e-12 {
            relative(correlation_p(r, x.len()).unwrap(), &case["pearson_p"], "p of pearson");
            relative(correlation_p(s, x.len()).unwrap(), &case["spearman_p"], "p of spearman");
        }
    }
}

#[test]
fn special_functions() {
    for case in golden()["student_t"].as_array().unwrap() {
        let got = student_t_two_sided(case["t"].as_f64().unwrap(), case["df"].as_f64().unwrap()).unwrap();
        relative(got, &case["p"], &format!("t {case}"));
    }
    for case in golden()["incomplete_beta"].as_array().unwrap() {
        let [a, b, x] = ["a", "b", "x"].map(|k| case[k].as_f64().unwrap());
        relative(incomplete_beta(a, b, x).unwrap(), &case["value"], &format!("beta {case}"));
    }
    for case in golden()["ln_gamma"].as_array().unwrap() {
        relative(ln_gamma(case["x"].as_f64().unwrap()).unwrap(), &case["value"], &format!("gamma {case}"));
    }
}

#[test]
fn areas_under_curves_and_intervals() {
    for case in golden()["auc"].as_array().unwrap() {
        let labels: Vec<bool> = serde_json::from_value(case["labels"].clone()).unwrap();
        near(
            numerics::auc::auc(&numbers(&case["scores"]), &labels).unwrap(),
            &case["auc"],
            ARITHMETIC,
            "auc",
        );
    }
    let case = &golden()["interval"];
    for (kind, key) in [(IntervalKind::Percentile, "percentile"), (IntervalKind::Basic, "basic")] {
        let (low, high) =
            interval(case["estimate"].as_f64().unwrap(), &numbers(&case["replicates"]), 0.95, kind).unwrap();
        near(low, &case[key][0], ARITHMETIC, key);
        near(high, &case[key][1], ARITHMETIC, key);
    }
}

#[test]
fn principal_components() {
    for case in golden()["pca"].as_array().unwrap() {
        let x = matrix(&case["x"]);
        let pca = Pca::fit(&x.view(), 4).unwrap();
        let check = |got: &Array2<f64>, key: &str| {
            let gap = (got - &matrix(&case[key])).iter().fold(0.0_f64, |m, d| m.max(d.abs()));
            assert!(gap <= DECOMPOSITION, "{key}: {gap:e}");
        };
        check(&pca.components, "components");
        check(&pca.transform(&x.view()).unwrap(), "scores");
        for (got, key) in [
            (&pca.explained_variance, "explained_variance"),
            (&pca.explained_variance_ratio, "explained_variance_ratio"),
        ] {
            let expected = Array1::from(numbers(&case[key]));
            assert!((got - &expected).iter().all(|d| d.abs() <= DECOMPOSITION), "{key}");
        }
    }
}

#[test]
fn clusters() {
    let case = &golden()["kmeans"];
    let x = matrix(&case["x"]);
    let found = KMeans::from_centres(&x.view(), matrix(&case["start"]), 300).unwrap();
    assert_eq!(found.labels, whole(&case["labels"]));
    near(found.inertia, &case["inertia"], 1e-9, "inertia");
    assert!((&found.centres - &matrix(&case["centres"])).iter().all(|d| d.abs() <= ARITHMETIC));
    let best = KMeans::fit(&x.view(), &KMeansPlan { restarts: 50, ..KMeansPlan::new(4, 0) }).unwrap();
    // The peer's best of its restarts is a bound, not the optimum.
    let bound = case["best_inertia"].as_f64().unwrap();
    assert!(best.inertia <= bound + 1e-9, "best inertia: {} against {bound}", best.inertia);
}

#[test]
fn partitions() {
    for case in golden()["partitions"].as_array().unwrap() {
        let (a, b) = (whole(&case["a"]), whole(&case["b"]));
        near(adjusted_rand(&a, &b).unwrap(), &case["ari"], ARITHMETIC, "ari");
        for (mean, key) in [
            (EntropyMean::Arithmetic, "arithmetic"),
            (EntropyMean::Geometric, "geometric"),
            (EntropyMean::Min, "min"),
            (EntropyMean::Max, "max"),
        ] {
            near(normalized_mutual_information(&a, &b, mean).unwrap(), &case[key], ARITHMETIC, key);
        }
    }
}

#[test]
fn sparse_matrices() {
    let case = &golden()["csr"];
    let triplets: Vec<(usize, usize, f64)> = whole(&case["rows"])
        .into_iter()
        .zip(whole(&case["columns"]))
        .zip(numbers(&case["values"]))
        .map(|((i, j), v)| (i, j, v))
        .collect();
    let a = Csr::from_triplets(30, 20, &triplets).unwrap();
    let indices = whole(&case["indices"]).into_iter().map(|i| i as u32).collect();
    let expected = Csr::from_parts(20, whole(&case["starts"]), indices, numbers(&case["data"])).unwrap();
    assert_eq!(a.stored(), expected.stored());
    assert!((a.to_dense() - expected.to_dense()).iter().all(|d| d.abs() <= ARITHMETIC));
    let got = a.matvec(&Array1::from(numbers(&case["vector"])).view()).unwrap();
    assert!((got - Array1::from(numbers(&case["matvec"]))).iter().all(|d| d.abs() <= ARITHMETIC));
    let got = a.matmul(&matrix(&case["matrix"]).view()).unwrap();
    assert!((got - matrix(&case["matmul"])).iter().all(|d| d.abs() <= ARITHMETIC));
}
