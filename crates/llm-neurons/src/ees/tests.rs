//! Properties of the method that no fixture is needed for.

use numerics::rng::{normals, permutation, stream};
use proptest::prelude::*;

use super::*;
use crate::eigenscore;

fn draw(seed: u64, answers: usize, units: usize) -> Array2<f64> {
    let values = normals(&mut stream(seed, "ees/test", 0), answers * units);
    Array2::from_shape_vec((answers, units), values).unwrap()
}

/// Probes with which the stochastic trace is the trace: `sqrt(K) I`.
fn every_direction(dim: usize) -> Array2<f64> {
    Array2::eye(dim) * (dim as f64).sqrt()
}

fn covariance(e: &Array2<f64>, convention: EigenScoreConvention) -> Array2<f64> {
    let centred = convention.centred(&e.view()).unwrap();
    centred.dot(&centred.t()) * convention.scale(e.nrows(), e.ncols())
}

const LN: EigenScoreConvention = EigenScoreConvention::InsideCodeLn;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn with_the_exact_trace_the_error_is_within_the_bound_and_shrinks(
        seed in 0_u64..10_000, k in 2_usize..14, d in 2_usize..30, alpha in 1e-3_f64..0.5,
    ) {
        let e = draw(seed, k, d);
        let exact = eigenscore(&e.view(), LN, alpha).unwrap();
        let operator = DenseOperator::new(covariance(&e, LN)).unwrap();
        let mut bound = f64::INFINITY;
        for moments in [1, 2, 3, 8, 21, 60, 150] {
            let ees = Ees { moments, alpha, ..Ees::default() };
            let found = ees.score_with_probes(&operator, &every_direction(k).view()).unwrap();
            let now = found.bound.unwrap();
            prop_assert!((found.score - exact).abs() <= now + 1e-9, "{moments}: {} {exact} {now}", found.score);
            prop_assert!(now < bound);
            bound = now;
        }
        // The coefficients shrink like |r|^m: at this many orders nothing but rounding is left.
        let ees = Ees { moments: 1500, alpha, ..Ees::default() };
        let found = ees.score_with_probes(&operator, &every_direction(k).view()).unwrap();
        prop_assert!((found.score - exact).abs() < 1e-6 + found.bound.unwrap());
    }

    #[test]
    fn doubled_moments_are_those_of_the_plain_recurrence(seed in 0_u64..10_000, k in 2_usize..10, moments in 1_usize..30) {
        let e = draw(seed, k, 20);
        let c = covariance(&e, LN);
        let probes = ProbeDistribution::Gaussian.draw(k, 3, seed);
        let found = Ees { moments, ..Ees::default() }
            .score_with_probes(&DenseOperator::new(c.clone()).unwrap(), &probes.view())
            .unwrap();
        let [a, b] = found.interval;
        let mapped = (c + Array2::<f64>::eye(k) * (a - (a + b) / 2.0)) / ((b - a) / 2.0);
        let mut blocks = vec![probes.clone(), mapped.dot(&probes)];
        for m in 2..=moments {
            let next = mapped.dot(&blocks[m - 1]) * 2.0 - &blocks[m - 2];
            blocks.push(next);
        }
        prop_assert_eq!(found.moments.len(), moments + 1);
        for (m, d) in found.moments.iter().enumerate() {
            let expected = (&probes * &blocks[m]).sum() / (3 * k) as f64;
            prop_assert!((d - expected).abs() < 1e-10, "{m}: {d} {expected}");
        }
    }

    #[test]
    fn the_fused_pass_equals_the_formed_matrix(
        seed in 0_u64..10_000, k in 2_usize..150, d in 2_usize..300, probes in 1_usize..6, moments in 1_usize..12,
    ) {
        let e = draw(seed, k, d);
        for convention in [LN, EigenScoreConvention::SendDual] {
            let ees = Ees { moments, probes, seed, ..Ees::default() };
            let dense = ees.score(&DenseOperator::new(covariance(&e, convention)).unwrap()).unwrap();
            let mut operator = EmbeddingOperator::new(&e.view(), convention).unwrap();
            // One end for both: a search for it amplifies the last bits in which the two products differ.
            let ees = Ees { edge: SpectralEdge::Known(dense.interval[1]), ..ees };
            let fused = ees.score_on(&mut operator, None).unwrap();
            prop_assert!((dense.score - fused.score).abs() < 1e-9, "{} {}", dense.score, fused.score);
            for (x, y) in dense.moments.iter().zip(&fused.moments) {
                prop_assert!((x - y).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn permuting_answers_and_probes_alike_changes_nothing(seed in 0_u64..10_000, k in 2_usize..30, d in 2_usize..60) {
        let e = draw(seed, k, d);
        let probes = ProbeDistribution::Rademacher.draw(k, 4, seed);
        let order = permutation(&mut stream(seed, "order", 0), k);
        let edge = SpectralEdge::Known(4.0 * numerics::linalg::svd(&e.view()).unwrap().s[0].powi(2));
        let ees = Ees { moments: 20, edge, ..Ees::default() };
        let score = |e: &Array2<f64>, probes: &Array2<f64>| {
            let operator = DenseOperator::new(covariance(e, LN)).unwrap();
            ees.score_with_probes(&operator, &probes.view()).unwrap().score
        };
        let a = score(&e, &probes);
        let b = score(&e.select(Axis(0), &order), &probes.select(Axis(0), &order));
        prop_assert!((a - b).abs() < 1e-9);
    }

    #[test]
    fn scaling_matrix_and_alpha_shifts_the_score_by_the_logarithm(seed in 0_u64..10_000, k in 2_usize..12, g in 0.01_f64..100.0) {
        let c = covariance(&draw(seed, k, 30), LN);
        for variant in [EesVariant::Shifted, EesVariant::PaperUnitInterval] {
            let ees = Ees { variant, seed, ..Ees::default() };
            let a = ees.score(&DenseOperator::new(c.clone()).unwrap()).unwrap();
            let ees = Ees { alpha: 1e-3 * g, ..ees };
            let b = ees.score(&DenseOperator::new(&c * g).unwrap()).unwrap();
            prop_assert!((b.score - a.score - g.ln()).abs() < 1e-7, "{variant:?}");
        }
    }
}

#[test]
fn a_low_upper_end_is_noticed_and_raised() {
    let operator = DenseOperator::new(covariance(&draw(4, 12, 40), LN)).unwrap();
    let honest = Ees::default().score(&operator).unwrap();
    let low = Ees { edge: SpectralEdge::Known(0.8 * honest.lambda_max), ..Ees::default() };
    let found = low.score(&operator).unwrap();
    assert!(found.raised >= 1 && found.interval[1] >= honest.lambda_max);
    assert!((found.score - honest.score).abs() < 0.05, "{} {}", found.score, honest.score);
    // Without the look at the moments the recurrence would explode: at order 50 a spectrum that reaches 1.25 / 1 of
    // the interval gives values of about cosh(50 acosh(1.5)).
    assert!(found.moments.iter().all(|d| d.abs() <= 1.0 + 1e-12));
}

#[test]
fn an_indefinite_operator_is_refused() {
    let operator = DenseOperator::new(ndarray::arr2(&[[1.0, 0.0], [0.0, -0.9]])).unwrap();
    assert!(matches!(Ees::default().score(&operator), Err(Error::Spectrum { .. })));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let e = draw(9, 300, 70);
    let score = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut operator = EmbeddingOperator::new(&e.view(), LN).unwrap();
            Ees::default().score_on(&mut operator, None).unwrap()
        })
    };
    assert_eq!(score(1), score(3));
}

#[test]
fn damping_and_power_iteration_stay_near_the_exact_score() {
    let e = draw(2, 40, 400);
    let exact = eigenscore(&e.view(), LN, 1e-3).unwrap();
    for (jackson, edge) in [(false, SpectralEdge::POWER), (true, SpectralEdge::default())] {
        let ees = Ees { probes: 100, moments: 100, jackson, edge, ..Ees::default() };
        let found = ees.score_embeddings(&e.view(), LN).unwrap();
        assert!((found.score - exact).abs() < 0.05, "{jackson}: {} {exact}", found.score);
        assert_eq!(found.bound.is_none(), jackson);
    }
}

#[test]
fn the_standard_error_covers_the_error_about_as_often_as_it_says() {
    let e = draw(6, 60, 200);
    let (alpha, moments) = (0.1, 80);
    let exact = eigenscore(&e.view(), LN, alpha).unwrap();
    let covered = (0..200)
        .filter(|seed| {
            let ees = Ees { alpha, moments, seed: *seed, ..Ees::default() };
            let found = ees.score_embeddings(&e.view(), LN).unwrap();
            (found.score - exact).abs() <= 1.96 * found.standard_error.unwrap() + found.bound.unwrap()
        })
        .count();
    assert!((175..=200).contains(&covered), "{covered} of 200");
}

#[test]
fn fewer_answers_than_units_or_more_the_dual_convention_counts_what_it_should() {
    for (k, d) in [(8, 30), (30, 8)] {
        let e = draw(11, k, d);
        let exact = eigenscore(&e.view(), EigenScoreConvention::SendDual, 0.5).unwrap();
        let ees = Ees { alpha: 0.5, moments: 60, probes: 400, ..Ees::default() };
        let found = ees.score_embeddings(&e.view(), EigenScoreConvention::SendDual).unwrap();
        assert!((found.score - exact).abs() < 0.03, "{k} x {d}: {} {exact}", found.score);
    }
}

#[test]
fn bad_parameters_and_inputs_are_refused() {
    let e = draw(0, 5, 7);
    let refused = |ees: Ees| ees.score_embeddings(&e.view(), LN).unwrap_err();
    assert!(matches!(refused(Ees { moments: 0, ..Ees::default() }), Error::TooFew { what: "moments", .. }));
    assert!(matches!(refused(Ees { probes: 0, ..Ees::default() }), Error::TooFew { what: "probes", .. }));
    for alpha in [0.0, -1.0, f64::NAN] {
        assert!(matches!(refused(Ees { alpha, ..Ees::default() }), Error::Parameter { .. }));
    }
    let mut broken = e.clone();
    broken[[1, 2]] = f64::INFINITY;
    let got = Ees::default().score_embeddings(&broken.view(), LN);
    assert!(matches!(got, Err(Error::NotFinite { row: 1, column: 2, .. })));
    let operator = DenseOperator::new(Array2::eye(5)).unwrap();
    let wrong = Array2::ones((4, 3));
    assert!(matches!(
        Ees::default().score_with_probes(&operator, &wrong.view()),
        Err(Error::Shape { what: "probes", .. })
    ));
    assert!(DenseOperator::new(ndarray::arr2(&[[1.0, 2.0], [0.0, 1.0]])).is_err());
    assert!(DenseOperator::new(Array2::zeros((2, 3))).is_err());
    let constant = Array2::from_elem((4, 6), 1.0);
    let official = Ees { variant: EesVariant::OfficialCode, ..Ees::default() };
    assert!(matches!(official.score_embeddings(&constant.view(), LN), Err(Error::Spectrum { .. })));
}
