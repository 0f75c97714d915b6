//! Numbers that the published code and independent computations gave (fixtures/01-send-ees/README.md says which).

use std::path::{Path, PathBuf};

use llm_neurons::{
    DenseOperator, Ees, EesVariant, EigenScoreConvention, ExactMethod, LogSeries, SpectralEdge, eigenscore,
    eigenscore_by, official_coefficients, unit_interval_coefficients,
};
use ndarray::{Array2, ArrayView2};
use recordings::arrays::ArrayFile;
use serde_json::Value;

/// Closed-form coefficients against 30-digit quadrature.
const COEFFICIENT: f64 = 1e-12;
/// Scores, moments and series, absolute or relative as the sheet says.
const SCORE: f64 = 1e-9;
/// What the published code printed in double precision.
const OFFICIAL: f64 = 1e-8;
/// The one score that the sheet gives to five digits.
const ROUNDED: f64 = 5e-6;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/01-send-ees").join(name)
}

fn arrays() -> ArrayFile {
    ArrayFile::open(&fixture("ees.safetensors")).unwrap()
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture("ees_expected.json")).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn close(what: &str, got: f64, wanted: f64, tolerance: f64) {
    assert!(
        (got - wanted).abs() <= tolerance,
        "{what}: {got} against {wanted}, off by {:e}",
        (got - wanted).abs()
    );
}

/// Probes with which the stochastic trace is the trace.
fn every_direction(dim: usize) -> Array2<f64> {
    Array2::eye(dim) * (dim as f64).sqrt()
}

#[test]
fn all_conventions_match_their_sources() {
    let (file, wanted) = (arrays(), expected());
    let e = file.read_f64_2("E").unwrap();
    let x = file.read_f64_2("X").unwrap();
    let cases: [(EigenScoreConvention, ArrayView2<'_, f64>, f64, &str); 5] = [
        (EigenScoreConvention::InsideCodeLn, e.view(), 1e-3, "inside_code_mean_ln"),
        (EigenScoreConvention::InsideCode, e.view(), 1e-3, "inside_code_mean_log10"),
        (EigenScoreConvention::InsidePaper, e.view(), 1e-3, "inside_paper_unnormalised_ln"),
        // The published code keeps its embeddings as columns.
        (EigenScoreConvention::SendRegular, x.t(), 1e-5, "official_regular_eigenscore_alpha1e-5"),
        (EigenScoreConvention::SendDual, e.view(), 1e-3, "send_dual_eigenscore_alpha1e-3"),
    ];
    for (convention, embeddings, alpha, key) in cases {
        assert_eq!(convention.published_alpha(), alpha);
        close(key, eigenscore(&embeddings, convention, alpha).unwrap(), number(&wanted[key]), SCORE);
        for method in [ExactMethod::Cholesky, ExactMethod::Eigen] {
            let got = eigenscore_by(&embeddings, convention, alpha, method).unwrap();
            close(key, got, number(&wanted[key]), SCORE);
        }
    }
    let exact = number(&wanted["shifted"]["exact_logdet_over_K"]);
    close("ln det / K", exact, -0.5400349, 5e-8);
    close("ln det / K", eigenscore(&e.view(), EigenScoreConvention::default(), 1e-3).unwrap(), exact, SCORE);
}

#[test]
fn coefficients_match_quadrature_to_thirty_digits() {
    let wanted = expected();
    let cases = wanted["cheb_log_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let series = LogSeries::new(number(&case["a"]), number(&case["b"]), 40).unwrap();
        close("r", series.ratio, number(&case["r"]), COEFFICIENT);
        let c = case["c"].as_array().unwrap();
        assert_eq!(c.len(), series.coefficients.len());
        for (m, (got, wanted)) in series.coefficients.iter().zip(c).enumerate() {
            close(&format!("c_{m} on [{}, {}]", case["a"], case["b"]), *got, number(wanted), COEFFICIENT);
        }
    }
}

/// Operator C and the fixture's upper end, alpha 1e-3.
fn shifted() -> (DenseOperator, Ees, Value) {
    let wanted = expected()["shifted"].clone();
    let a = arrays().read_f64_2("A").unwrap();
    let alpha = number(&wanted["a"]);
    let c = &a - &(Array2::<f64>::eye(a.nrows()) * alpha);
    let ees = Ees { alpha, edge: SpectralEdge::Known(number(&wanted["b"])), ..Ees::default() };
    (DenseOperator::new(c).unwrap(), ees, wanted)
}

#[test]
fn series_of_the_exact_trace_match() {
    let (operator, ees, wanted) = shifted();
    let exact = number(&wanted["exact_logdet_over_K"]);
    for moments in [10, 20, 50, 100, 200, 400] {
        let ees = Ees { moments, ..ees.clone() };
        let found = ees.score_with_probes(&operator, &every_direction(10).view()).unwrap();
        let key = format!("exact_trace_M{moments}");
        close(&key, found.score, number(&wanted[&key]), SCORE);
        assert!((found.score - exact).abs() <= found.bound.unwrap(), "{key}");
        assert_eq!(found.raised, 0);
    }
}

#[test]
fn given_probes_give_the_reference_moments_and_score() {
    let (operator, ees, wanted) = shifted();
    let (file, ees) = (arrays(), Ees { moments: 100, ..ees });
    let z = file.read_f64_2("Z_rademacher").unwrap();
    let found = ees.score_with_probes(&operator, &z.view()).unwrap();
    let reference = file.read_f64_1("shifted_d_m_rademacher").unwrap();
    assert_eq!(found.moments.len(), reference.len());
    for (m, (got, wanted)) in found.moments.iter().zip(&reference).enumerate() {
        close(&format!("d_{m}"), *got, *wanted, SCORE * wanted.abs().max(1e-3));
    }
    close("score", found.score, number(&wanted["hutchinson_M100_nz200"]), SCORE);
    close("score", found.score, -0.57631, ROUNDED);
    // The search for the upper end alone changes the interval by far less than the probes' noise.
    let searched =
        Ees { edge: SpectralEdge::default(), ..ees }.score_with_probes(&operator, &z.view()).unwrap();
    close("upper end", searched.interval[1] / number(&wanted["b"]), 1.0, 1e-3);
    close("score", searched.score, found.score, 1e-3);
}

#[test]
fn the_unit_interval_variant_has_the_reference_coefficients_and_says_what_it_lacks() {
    let literal = arrays().read_f64_1("literal_c_m").unwrap();
    for (m, (got, wanted)) in unit_interval_coefficients(20).iter().zip(&literal).enumerate() {
        close(&format!("c_{m}"), *got, *wanted, SCORE);
    }
    let (operator, ees, wanted) = shifted();
    let ees = Ees { variant: EesVariant::PaperUnitInterval, moments: 400, ..ees };
    let found = ees.score_with_probes(&operator, &every_direction(10).view()).unwrap();
    close("ln b", found.score - found.raw, number(&wanted["b"]).ln(), SCORE);
    // Slowly convergent: the integrand is cut off at zero.
    close("score", found.score, number(&wanted["exact_logdet_over_K"]), 0.05);
}

#[test]
fn the_published_code_is_reproduced() {
    let (file, wanted) = (arrays(), expected());
    let scaled = file.read_f64_2("X_scaled").unwrap();
    let z = file.read_f64_2("Z").unwrap();
    let ees = Ees {
        moments: 20,
        variant: EesVariant::OfficialCode,
        edge: SpectralEdge::Known(1.0),
        ..Ees::default()
    };
    let operator = DenseOperator::new(scaled.t().dot(&scaled)).unwrap();
    let found = ees.score_with_probes(&operator, &z.view()).unwrap();
    let moments = file.read_f64_1("official_d_m").unwrap();
    let coefficients = file.read_f64_1("official_c_m").unwrap();
    let ours = official_coefficients(20);
    for m in 0..=20 {
        close(&format!("d_{m}"), found.moments[m], moments[m], OFFICIAL);
        close(&format!("c_{m}"), ours[m], coefficients[m], OFFICIAL);
    }
    close("sum", found.score, number(&wanted["official_ees_sum_m1_to_20"]), OFFICIAL);
    close("sum", found.score, 0.0576422, OFFICIAL + 5e-8);
    // From raw embeddings, standardised and divided by their largest singular value, converged.
    let x = file.read_f64_2("X").unwrap();
    let whole = Ees { edge: SpectralEdge::default(), ..ees }
        .score_embeddings(&x.t(), EigenScoreConvention::SendRegular)
        .unwrap();
    close("sigma_max", whole.lambda_max.sqrt(), number(&wanted["true_sigma_max"]), 1e-5);
}
