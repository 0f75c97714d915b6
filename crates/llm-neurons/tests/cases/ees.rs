//! Bodies that every backend runs, and the tolerances they hold.

use burn::tensor::{DType, FloatDType, Tensor};
use llm_neurons::{
    BlockSpace, Ees, EesVariant, EigenScoreConvention, EmbeddingOperator, Error, Form, TensorOperator,
};
use ndarray::Array2;
use numerics::rng::{normals, stream};
use tensor_backend::bridge::float_tensor;
use tensor_backend::harness::TestDevice;
use tensor_backend::tolerance::Operation;

/// How many times the table's tolerance of one matrix product the recurrence may drift: two products a step, and
/// errors that add up over the orders.
const STEPS: f64 = 50.0;

fn draw(seed: u64, answers: usize, units: usize) -> Array2<f64> {
    let values = normals(&mut stream(seed, "llm-neurons/backends", 0), answers * units);
    // Values that every number type holds exactly, so that all devices see the same embeddings.
    Array2::from_shape_fn((answers, units), |(i, j)| (values[i * units + j] * 64.0).round() / 64.0)
}

pub(crate) fn agrees_with_the_host(on: &TestDevice, dtype: FloatDType) {
    let allowed = on.tolerance(Operation::Matmul, DType::from(dtype));
    // Taller, wider, and both forms of the matrix.
    for (k, d, probes, form) in [
        (6, 40, 4, Form::Gram),
        (33, 20, 2, Form::MatrixFree),
        (40, 70, 5, Form::MatrixFree),
        (40, 70, 5, Form::Gram),
    ] {
        let e = draw(k as u64, k, d);
        let tensor: Tensor<2> = float_tensor(e.view(), dtype, on.device()).unwrap();
        for convention in [EigenScoreConvention::InsideCodeLn, EigenScoreConvention::SendDual] {
            for variant in [EesVariant::Shifted, EesVariant::PaperUnitInterval] {
                let ees = Ees { moments: 31, probes, alpha: 0.05, variant, ..Ees::default() };
                let mut host = EmbeddingOperator::new(&e.view(), convention).unwrap();
                let expected = ees.score_on(&mut host, None).unwrap();
                let mut device = TensorOperator::new(tensor.clone(), convention, form).unwrap();
                assert_eq!(device.dim(), k);
                let found = ees.score_on(&mut device, None).unwrap();
                let name = format!("{}: {k} x {d} {form:?} {convention:?} {variant:?}", on.backend().name());
                let slack = STEPS * (allowed.absolute + allowed.relative * expected.score.abs());
                assert!(
                    (found.score - expected.score).abs() <= slack,
                    "{name}: {} {}",
                    found.score,
                    expected.score
                );
                let edge = (found.lambda_max - expected.lambda_max).abs() / expected.lambda_max;
                assert!(
                    edge <= STEPS * allowed.relative.max(allowed.absolute),
                    "{name}: edge off by {edge:e}"
                );
                for (m, (x, y)) in found.moments.iter().zip(&expected.moments).enumerate() {
                    assert!(
                        (x - y).abs() <= STEPS * allowed.absolute.max(allowed.relative),
                        "{name}: d_{m} {x} {y}"
                    );
                }
            }
        }
        let whole = Ees { moments: 31, probes, alpha: 0.05, ..Ees::default() };
        let convention = EigenScoreConvention::InsideCodeLn;
        let found = whole.score_tensor(tensor.clone(), convention).unwrap();
        let expected = whole.score_embeddings(&e.view(), convention).unwrap();
        let slack = STEPS * (allowed.absolute + allowed.relative * expected.score.abs());
        assert!((found.score - expected.score).abs() <= slack, "{} {}", found.score, expected.score);
        let official = Ees { variant: EesVariant::OfficialCode, moments: 20, ..whole };
        let found = official.score_tensor(tensor, convention).unwrap();
        let expected = official.score_embeddings(&e.view(), convention).unwrap();
        let slack = STEPS * (allowed.absolute + allowed.relative * expected.score.abs());
        assert!((found.score - expected.score).abs() <= slack, "official {} {}", found.score, expected.score);
    }
}

pub(crate) fn refuses(on: &TestDevice, dtype: FloatDType) {
    let convention = EigenScoreConvention::InsideCodeLn;
    let score = |e: &Array2<f64>| {
        let tensor: Tensor<2> = float_tensor(e.view(), dtype, on.device()).unwrap();
        Ees::default().score_tensor(tensor, convention)
    };
    assert!(matches!(score(&Array2::ones((1, 8))), Err(Error::TooFew { what: "answers", .. })));
    assert!(matches!(score(&Array2::ones((3, 1))), Err(Error::TooFew { what: "units", .. })));
    let mut broken = draw(1, 5, 9);
    broken[[3, 4]] = f64::NAN;
    assert!(matches!(score(&broken), Err(Error::NotFinite { row: 3, column: 4, .. })));
    broken[[3, 4]] = f64::INFINITY;
    assert!(matches!(score(&broken), Err(Error::NotFinite { row: 3, column: 4, .. })));
    // Without spread only alpha is left, on every device.
    let flat = score(&Array2::from_elem((4, 8), 0.5)).unwrap();
    let slack = STEPS * on.tolerance(Operation::Matmul, DType::from(dtype)).absolute;
    assert!((flat.score - 1e-3_f64.ln()).abs() <= slack.max(1e-4), "{}", flat.score);
}
