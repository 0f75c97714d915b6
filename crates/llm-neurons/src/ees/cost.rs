//! What each method costs, and which one to take.

use serde::{Deserialize, Serialize};

use crate::eigenscore::answer::Method;

/// Whether EES forms the covariance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `E (E^T v)`: never formed.
    MatrixFree,
    /// Formed once, `[K, K]`.
    Gram,
}

/// Rates at which one machine does the work, as a function of which the methods' times are compared.
///
/// Only their ratios matter to the choice. The defaults were measured by the crate's bench `eigenscore` on two cores of
/// an AMD EPYC (AVX-512) at K 2000, D 4096, see the book's page on system 01.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostModel {
    /// Flops per second of the symmetric product that forms the covariance, counting its half only.
    pub gram_rate: f64,
    /// Flops per second of the Cholesky factor.
    pub factor_rate: f64,
    /// Flops per second of a block product of EES.
    pub block_rate: f64,
    /// Flops per second of a single-vector product: it moves the embeddings for little work.
    pub vector_rate: f64,
    /// Single-vector products that finding the upper end takes ([`crate::SpectralEdge::products`]).
    pub edge_products: usize,
}

impl Default for CostModel {
    fn default() -> Self {
        Self {
            gram_rate: 8.8e10,
            factor_rate: 2.9e10,
            block_rate: 4.5e10,
            vector_rate: 8.9e9,
            edge_products: Self::EDGE_PRODUCTS,
        }
    }
}

impl CostModel {
    /// Up to this many answers Cholesky is taken without a thought (sheet 01).
    pub const SMALL: usize = 32;
    /// Single-vector products of the default rule for the upper end.
    const EDGE_PRODUCTS: usize = 16;

    /// Whether EES of `[answers, units]` forms the covariance: whatever takes fewer flops,
    /// `4 K D (n M/2 + 16)` against `K^2 D + 2 K^2 (n M/2 + 16)`.
    #[must_use]
    pub fn form(answers: usize, units: usize, moments: usize, probes: usize) -> Form {
        let (k, d) = (answers as f64, units as f64);
        let vectors = probes as f64 * moments as f64 / 2.0 + Self::EDGE_PRODUCTS as f64;
        let (free, formed) = (4.0 * k * d * vectors, k * k * d + 2.0 * k * k * vectors);
        if formed < free { Form::Gram } else { Form::MatrixFree }
    }

    /// Estimated seconds of the exact score by Cholesky, on the smaller side of `[answers, units]`.
    #[must_use]
    pub fn cholesky_seconds(&self, answers: usize, units: usize) -> f64 {
        let (small, large) = (answers.min(units) as f64, answers.max(units) as f64);
        small * small * large / self.gram_rate + small.powi(3) / 3.0 / self.factor_rate
    }

    /// Estimated seconds of EES.
    #[must_use]
    pub fn chebyshev_seconds(&self, answers: usize, units: usize, moments: usize, probes: usize) -> f64 {
        let (k, d) = (answers as f64, units as f64);
        let block = probes as f64 * moments as f64 / 2.0;
        match Self::form(answers, units, moments, probes) {
            Form::MatrixFree => {
                4.0 * k * d * (block / self.block_rate + self.edge_products as f64 / self.vector_rate)
            }
            Form::Gram => {
                k * k * d / self.gram_rate
                    + 2.0 * k * k * (block / self.block_rate + self.edge_products as f64 / self.vector_rate)
            }
        }
    }

    /// Cholesky or Chebyshev, whichever is expected to be faster, and why.
    #[must_use]
    pub fn choose(&self, answers: usize, units: usize, moments: usize, probes: usize) -> (Method, String) {
        if answers.min(units) <= Self::SMALL {
            let reason = format!("auto: Cholesky, since min(K, D) <= {}", Self::SMALL);
            return (Method::Cholesky, reason);
        }
        let exact = self.cholesky_seconds(answers, units);
        let estimate = self.chebyshev_seconds(answers, units, moments, probes);
        let times = format!("estimated {exact:.2e} s for Cholesky, {estimate:.2e} s for Chebyshev");
        if estimate < exact {
            (Method::Chebyshev, format!("auto: Chebyshev, {times}"))
        } else {
            (Method::Cholesky, format!("auto: Cholesky, {times}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_answers_take_cholesky_and_very_many_take_chebyshev() {
        let model = CostModel::default();
        for (k, d) in [(2, 4096), (32, 4096), (100_000, 32), (500, 4096)] {
            assert_eq!(model.choose(k, d, 50, 20).0, Method::Cholesky, "{k} x {d}");
        }
        // Cholesky works on the smaller side, the estimate on the answers.
        assert_eq!(model.choose(10_000, 256, 50, 20).0, Method::Cholesky);
        assert_eq!(model.choose(50_000, 50_000, 50, 20).0, Method::Chebyshev);
        assert!(model.choose(50_000, 50_000, 50, 20).1.contains("estimated"));
    }

    #[test]
    fn the_covariance_is_formed_where_that_is_less_work() {
        assert_eq!(CostModel::form(10, 4096, 50, 20), Form::Gram);
        assert_eq!(CostModel::form(2000, 4096, 30, 10), Form::MatrixFree);
        assert_eq!(CostModel::form(5000, 64, 50, 20), Form::MatrixFree);
    }
}
