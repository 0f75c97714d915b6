//! EigenScore by the method of choice, with what a reader needs to judge it.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::convention::{EigenScoreConvention, check_embeddings};
use super::exact::{Covariance, ExactMethod};
use crate::Result;
use crate::ees::cost::CostModel;
use crate::ees::edge::{self, SpectralEdge};
use crate::ees::operator::{OnHost, SymmetricOperator};
use crate::ees::series::LogSeries;
use crate::ees::{Ees, EesResult, EesVariant};

/// How to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// Cholesky up to 32 answers; beyond, what [`CostModel`] expects to be faster.
    #[default]
    Auto,
    /// Efficient EigenScore, beside the exact score.
    Chebyshev,
    /// The exact score by Cholesky.
    Cholesky,
    /// The exact score by eigenvalues.
    Eigen,
}

impl Method {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Chebyshev => "chebyshev",
            Self::Cholesky => "cholesky",
            Self::Eigen => "eigen",
        }
    }
}

/// A score and how it came about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Assessment {
    /// K.
    pub answers: usize,
    /// D.
    pub units: usize,
    /// EigenScore in the convention's logarithm.
    pub eigenscore: f64,
    /// What computed it: Chebyshev only where `auto` chose an estimate over the exact score.
    pub eigenscore_method: Method,
    /// Efficient EigenScore in the convention's logarithm, where it was computed.
    pub ees: Option<f64>,
    /// Its details, in natural logarithms.
    pub details: Option<EesResult>,
    /// The method taken: never [`Method::Auto`].
    pub method: Method,
    /// Why, where `auto` chose.
    pub reason: Option<String>,
    /// Largest eigenvalue of the regularised matrix: an estimate from below, to about 1e-6 where the score is exact.
    pub lambda_max: f64,
    /// Error bound, in the convention's logarithm, of the Chebyshev series with the asked number of moments on this
    /// spectrum; none for a variant that has none.
    pub bound: Option<f64>,
}

/// EigenScore of `e [K, D]`.
///
/// `ees` brings alpha for every method, and moments and probes for Chebyshev. `estimate` computes EES where it is
/// needed, for example on a device; `None` means on the host.
///
/// # Errors
/// Those of [`eigenscore`](crate::eigenscore()) and of [`Ees::score_embeddings`].
pub fn assess(
    e: &ArrayView2<'_, f64>,
    convention: EigenScoreConvention,
    method: Method,
    ees: &Ees,
    estimate: Option<&dyn Fn() -> Result<EesResult>>,
) -> Result<Assessment> {
    ees.validate()?;
    check_embeddings(e)?;
    let (answers, units) = e.dim();
    let (taken, reason) = match method {
        // Only the shifted series estimates the score itself.
        Method::Auto if ees.variant != EesVariant::Shifted => {
            let reason = "the variant asked for is no estimate of the exact score".to_owned();
            (Method::Cholesky, Some(reason))
        }
        Method::Auto => {
            let model = CostModel { edge_products: ees.edge.products(), ..CostModel::default() };
            let (taken, reason) = model.choose(answers, units, ees.moments, ees.probes);
            (taken, Some(reason))
        }
        named => (named, None),
    };
    let base = convention.log_base();
    let details = match taken {
        Method::Chebyshev => Some(match estimate {
            Some(estimate) => estimate()?,
            None => ees.score_embeddings(e, convention)?,
        }),
        _ => None,
    };
    let estimated = details.as_ref().map(|d| base.of_ln(d.score));
    let mut found = Assessment {
        answers,
        units,
        eigenscore: 0.0,
        eigenscore_method: taken,
        ees: estimated.filter(|_| method == Method::Chebyshev),
        details,
        method: taken,
        reason,
        lambda_max: 0.0,
        bound: None,
    };
    if let (Method::Auto, Some(score), Some(details)) = (method, estimated, &found.details) {
        found.eigenscore = score;
        found.lambda_max = details.lambda_max;
        found.bound = details.bound.map(|b| base.of_ln(b));
        return Ok(found);
    }
    let covariance = Covariance::new(e, convention)?;
    let first = if taken == Method::Eigen { ExactMethod::Eigen } else { ExactMethod::Cholesky };
    let score = covariance.score(first, ees.alpha);
    (found.eigenscore, found.eigenscore_method) = match (score, taken, method) {
        (Ok(score), Method::Eigen, _) => (score, Method::Eigen),
        (Ok(score), ..) => (score, Method::Cholesky),
        // Only a Cholesky factor that was asked for by name may be missing.
        (Err(error), _, Method::Cholesky) | (Err(error), Method::Eigen, _) => return Err(error),
        (Err(error), ..) => {
            found.reason = Some(format!("eigenvalues, since {error}"));
            (covariance.score(ExactMethod::Eigen, ees.alpha)?, Method::Eigen)
        }
    };
    if taken == Method::Cholesky {
        found.method = found.eigenscore_method;
    }
    match &found.details {
        Some(details) => {
            found.lambda_max = details.lambda_max;
            found.bound = details.bound.map(|b| base.of_ln(b));
        }
        None => {
            let rule = SpectralEdge::Lanczos { steps: usize::MAX };
            let edge = edge::find(&mut OnHost(Formed(covariance.matrix())), ees.alpha, rule, ees.seed, 0)?;
            found.lambda_max = edge.lambda_max;
            let series = LogSeries::new(ees.alpha, edge.upper, ees.moments)?;
            found.bound = (ees.variant == EesVariant::Shifted).then(|| base.of_ln(series.truncation_bound()));
        }
    }
    Ok(found)
}

/// A covariance that was formed anyway.
struct Formed<'a>(&'a Array2<f64>);

impl SymmetricOperator for Formed<'_> {
    fn dim(&self) -> usize {
        self.0.nrows()
    }

    fn apply(&self, block: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        Ok(numerics::linalg::product(&self.0.view(), block)?)
    }
}
