//! EigenScore without approximation: by Cholesky factor or by eigenvalues, in `f64`.

use ndarray::{Array2, ArrayView2};
use numerics::gram::gram;
use numerics::linalg::{log_determinant, symmetric_eigenvalues};
use serde::{Deserialize, Serialize};

use super::convention::{EigenScoreConvention, check_alpha};
use crate::Result;

/// How the log-determinant is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ExactMethod {
    /// Twice the sum of the logarithms of the Cholesky pivots; the fastest. A covariance whose largest eigenvalue is
    /// some 1e15 times alpha has no numerical Cholesky factor: that is an error here.
    #[default]
    Cholesky,
    /// The logarithms of the eigenvalues, those below zero by rounding taken as zero; always defined.
    Eigen,
}

/// EigenScore of `e [K, D]`, rows the embeddings of K answers, by Cholesky or, where that fails, by eigenvalues.
///
/// `ES = (1/K) sum_i log(lambda_i + alpha)` with the matrix and logarithm of the
/// [convention](EigenScoreConvention). `alpha > 0` (1e-3 in INSIDE) keeps directions without spread finite.
///
/// Cost `min(K, D)^2 max(K, D) + min(K, D)^3 / 3`: for `K > D` the determinant is taken on the D x D side, since
/// `det(s E E^T + alpha I_K) = alpha^(K-D) det(s E^T E + alpha I_D)`.
///
/// # Errors
/// [`TooFew`](crate::Error::TooFew) for fewer than two answers or units, [`NotFinite`](crate::Error::NotFinite),
/// [`Parameter`](crate::Error::Parameter) unless alpha is positive.
pub fn eigenscore(e: &ArrayView2<'_, f64>, convention: EigenScoreConvention, alpha: f64) -> Result<f64> {
    check_alpha(alpha)?;
    let matrix = Covariance::new(e, convention)?;
    matrix.score(ExactMethod::Cholesky, alpha).or_else(|_| matrix.score(ExactMethod::Eigen, alpha))
}

/// [`eigenscore`] by one named method, without a second try.
///
/// # Errors
/// Those of [`eigenscore`]; [`Numerics`](crate::Error::Numerics) when the decomposition fails.
pub fn eigenscore_by(
    e: &ArrayView2<'_, f64>,
    convention: EigenScoreConvention,
    alpha: f64,
    method: ExactMethod,
) -> Result<f64> {
    check_alpha(alpha)?;
    Covariance::new(e, convention)?.score(method, alpha)
}

/// The smaller of `s E_c E_c^T` and `s E_c^T E_c`, which share their non-zero eigenvalues.
pub(crate) struct Covariance {
    matrix: Array2<f64>,
    answers: usize,
    summed: usize,
    convention: EigenScoreConvention,
}

impl Covariance {
    pub(crate) fn new(e: &ArrayView2<'_, f64>, convention: EigenScoreConvention) -> Result<Self> {
        let centred = convention.centred(e)?;
        let (answers, units) = centred.dim();
        let mut matrix = if answers <= units { gram(&centred.view()) } else { gram(&centred.t()) };
        matrix *= convention.scale(answers, units);
        super::convention::finite("covariance", &matrix.view())?;
        Ok(Self { matrix, answers, summed: convention.summed(answers, units), convention })
    }

    /// `(1/K) sum log(lambda + alpha)`.
    pub(crate) fn score(&self, method: ExactMethod, alpha: f64) -> Result<f64> {
        let ln_det = match method {
            ExactMethod::Cholesky => {
                let mut regularised = self.matrix.clone();
                regularised.diag_mut().mapv_inplace(|x| x + alpha);
                log_determinant(&regularised.view())?
            }
            ExactMethod::Eigen => {
                symmetric_eigenvalues(&self.matrix.view())?.iter().map(|x| (x.max(0.0) + alpha).ln()).sum()
            }
        };
        // Eigenvalues that the larger side has beyond the smaller one are all alpha.
        let beyond = self.summed - self.matrix.nrows();
        let ln = (ln_det + beyond as f64 * alpha.ln()) / self.answers as f64;
        Ok(self.convention.log_base().of_ln(ln))
    }

    /// Its matrix, for a look at the spectrum.
    pub(crate) fn matrix(&self) -> &Array2<f64> {
        &self.matrix
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;
    use numerics::rng::{normals, permutation, stream};
    use proptest::prelude::*;

    use super::*;
    use crate::Error;

    fn draw(seed: u64, answers: usize, units: usize) -> Array2<f64> {
        let values = normals(&mut stream(seed, "eigenscore/test", 0), answers * units);
        Array2::from_shape_vec((answers, units), values).unwrap()
    }

    /// The definition on the full K x K matrix, through a singular value decomposition.
    fn by_definition(e: &Array2<f64>, convention: EigenScoreConvention, alpha: f64) -> f64 {
        let centred = convention.centred(&e.view()).unwrap();
        let (k, d) = e.dim();
        let values = numerics::linalg::svd(&centred.view()).unwrap().s;
        let scale = convention.scale(k, d);
        let thin: f64 = values.iter().map(|s| (s * s * scale + alpha).ln()).sum();
        let rest = convention.summed(k, d) - values.len();
        convention.log_base().of_ln((thin + rest as f64 * alpha.ln()) / k as f64)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn both_methods_agree_with_the_definition_on_either_side(seed in 0_u64..10_000, k in 2_usize..24, d in 2_usize..24) {
            let e = draw(seed, k, d);
            for convention in EigenScoreConvention::ALL {
                let expected = by_definition(&e, convention, 1e-3);
                for method in [ExactMethod::Cholesky, ExactMethod::Eigen] {
                    let got = eigenscore_by(&e.view(), convention, 1e-3, method).unwrap();
                    prop_assert!((got - expected).abs() < 1e-9, "{convention:?} {method:?}: {got} {expected}");
                }
            }
        }

        #[test]
        fn the_order_of_answers_and_of_units_does_not_matter(seed in 0_u64..10_000, k in 2_usize..12, d in 2_usize..24) {
            let e = draw(seed, k, d);
            let rows = permutation(&mut stream(seed, "rows", 0), k);
            let columns = permutation(&mut stream(seed, "columns", 0), d);
            let shuffled = e.select(Axis(0), &rows).select(Axis(1), &columns);
            for convention in EigenScoreConvention::ALL {
                let a = eigenscore(&e.view(), convention, 1e-3).unwrap();
                let b = eigenscore(&shuffled.view(), convention, 1e-3).unwrap();
                prop_assert!((a - b).abs() < 1e-9);
            }
        }

        #[test]
        fn scaling_embeddings_and_alpha_together_shifts_the_score(seed in 0_u64..10_000, k in 2_usize..12, d in 2_usize..24, g in 0.1_f64..10.0) {
            let e = draw(seed, k, d);
            for convention in EigenScoreConvention::ALL {
                let a = eigenscore(&e.view(), convention, 1e-3).unwrap();
                let b = eigenscore(&(&e * g).view(), convention, 1e-3 * g * g).unwrap();
                let share = convention.summed(k, d) as f64 / k as f64;
                let shift = convention.log_base().of_ln(share * 2.0 * g.ln());
                prop_assert!((b - a - shift).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn without_spread_only_alpha_remains() {
        let e = Array2::from_elem((3, 8), 2.5);
        let got = eigenscore(&e.view(), EigenScoreConvention::default(), 1e-3).unwrap();
        assert!((got - 1e-3_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_covariance_too_steep_for_cholesky_is_scored_by_its_eigenvalues() {
        let mut e = draw(1, 6, 4);
        e.row_mut(0).mapv_inplace(|x| 1e9 * x);
        let c = EigenScoreConvention::InsideCodeLn;
        let exact = eigenscore_by(&e.view(), c, 1e-3, ExactMethod::Eigen).unwrap();
        assert!(exact.is_finite());
        assert!(eigenscore(&e.view(), c, 1e-3).unwrap().is_finite());
    }

    #[test]
    fn bad_input_is_refused() {
        let c = EigenScoreConvention::default();
        let mut e = draw(0, 4, 5);
        assert!(matches!(
            eigenscore(&e.view().split_at(Axis(0), 1).0, c, 1e-3),
            Err(Error::TooFew { what: "answers", .. })
        ));
        assert!(matches!(
            eigenscore(&e.view().split_at(Axis(1), 1).0, c, 1e-3),
            Err(Error::TooFew { what: "units", .. })
        ));
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(eigenscore(&e.view(), c, alpha), Err(Error::Parameter { .. })));
        }
        e[[2, 3]] = f64::NAN;
        assert!(matches!(eigenscore(&e.view(), c, 1e-3), Err(Error::NotFinite { row: 2, column: 3, .. })));
        e[[2, 3]] = 1e308;
        e[[2, 2]] = -1e308;
        assert!(eigenscore(&e.view(), c, 1e-3).is_err(), "an overflow is no score");
    }
}
