//! Logistic regression with an L2 penalty.

use ndarray::{Array1, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::classifier::check_training;
use super::scaling::finite;
use crate::{Error, Result};

/// How a regression is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticConfig {
    /// Weight of the losses against the penalty; 1 in the published code and scikit-learn.
    pub c: f64,
    /// Largest entry of the gradient that counts as none.
    pub tolerance: f64,
    /// Newton steps at most.
    pub max_iterations: usize,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { c: 1.0, tolerance: 1e-8, max_iterations: 100 }
    }
}

/// The minimum of `|w|^2 / 2 + C sum_i ln(1 + exp(-y_i (w x_i + b)))`, `y_i` = +1 for members and -1 for others; the
/// intercept `b` is not penalised. By Newton's method with conjugate gradients: no matrix of the size of features squared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticRegression {
    weights: Vec<f64>,
    intercept: f64,
}

/// Weights with the intercept as last entry.
type Point = Array1<f64>;

struct Problem<'a> {
    x: &'a ArrayView2<'a, f64>,
    targets: Array1<f64>,
    c: f64,
}

impl LogisticRegression {
    /// Fits `x` (`[documents, features]`).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::TooFew`] without a feature, [`Error::SingleClass`], [`Error::NotFinite`],
    /// [`Error::Parameter`] for a `c` or tolerance that is not positive, [`Error::Convergence`].
    pub fn fit(x: &ArrayView2<'_, f64>, members: &[bool], config: &LogisticConfig) -> Result<Self> {
        check_training(x, members)?;
        for (name, value) in [("c", config.c), ("tolerance", config.tolerance)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::Parameter { name, value, expected: "positive and finite" });
            }
        }
        let targets = members.iter().map(|m| f64::from(u8::from(*m))).collect();
        let problem = Problem { x, targets, c: config.c };
        let mut point = Point::zeros(x.ncols() + 1);
        let mut residual = f64::INFINITY;
        for _ in 0..config.max_iterations {
            let (loss, gradient, curvature) = problem.at(&point);
            residual = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
            if residual <= config.tolerance {
                let intercept = point[x.ncols()];
                let weights = point.iter().take(x.ncols()).copied().collect();
                return Ok(Self { weights, intercept });
            }
            if !residual.is_finite() {
                break;
            }
            let step = problem.newton_step(&gradient, &curvature);
            let slope = gradient.dot(&step);
            let mut length = 1.0;
            // Rounding of the loss must not stop a step that Newton's method takes at the minimum.
            let slack = 1e-12 * (1.0 + loss.abs());
            let next = loop {
                let next = &point + &(&step * length);
                if problem.loss(&next) <= loss + 1e-4 * length * slope + slack || length < 1e-10 {
                    break next;
                }
                length /= 2.0;
            };
            point = next;
        }
        Err(Error::Convergence { what: "logistic regression", steps: config.max_iterations, residual })
    }

    /// The probability of membership of each row.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of features, [`Error::NotFinite`].
    pub fn predict_proba(&self, x: &ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        if x.ncols() != self.weights.len() {
            return Err(Error::Shape {
                what: "features of a logistic regression",
                expected: self.weights.len().to_string(),
                found: x.ncols().to_string(),
            });
        }
        finite("features of a logistic regression", x)?;
        let z = x.dot(&ArrayView1::from(&self.weights));
        Ok(z.iter().map(|z| sigmoid(z + self.intercept)).collect())
    }

    /// One weight for each feature.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The intercept.
    #[must_use]
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// Whether a file's weights are numbers.
    pub(super) fn validate(&self) -> Result<()> {
        let all = self.weights.iter().chain([&self.intercept]);
        match all.enumerate().find(|(_, w)| !w.is_finite()) {
            Some((column, value)) => Err(Error::NotFinite {
                what: "weights of a logistic regression",
                row: 0,
                column,
                value: *value,
            }),
            None => Ok(()),
        }
    }
}

impl Problem<'_> {
    fn logits(&self, point: &Point) -> Array1<f64> {
        let (weights, intercept) = point.view().split_at(ndarray::Axis(0), self.x.ncols());
        self.x.dot(&weights) + intercept[0]
    }

    fn loss(&self, point: &Point) -> f64 {
        let losses =
            self.logits(point).iter().zip(&self.targets).map(|(z, t)| softplus(*z) - t * z).sum::<f64>();
        let weights = point.iter().take(self.x.ncols());
        0.5 * weights.map(|w| w * w).sum::<f64>() + self.c * losses
    }

    /// Loss, gradient, and the diagonal of the curvature over documents.
    fn at(&self, point: &Point) -> (f64, Point, Array1<f64>) {
        let p = self.logits(point).mapv(sigmoid);
        let curvature = p.mapv(|p| self.c * p * (1.0 - p));
        let gradient = self.back(&((&p - &self.targets) * self.c), point);
        (self.loss(point), gradient, curvature)
    }

    /// `X' e + w` with the intercept's sum last.
    fn back(&self, errors: &Array1<f64>, point: &Point) -> Point {
        let mut out = point.clone();
        let features = self.x.ncols();
        let pulled = self.x.t().dot(errors);
        out.iter_mut().zip(&pulled).for_each(|(o, p)| *o += p);
        out[features] = errors.sum();
        out
    }

    /// Solves `H s = -g` by conjugate gradients, more exactly the smaller the gradient is.
    fn newton_step(&self, gradient: &Point, curvature: &Array1<f64>) -> Point {
        let mut step = Point::zeros(gradient.len());
        let mut rest = -gradient;
        let mut direction = rest.clone();
        let mut square = rest.dot(&rest);
        let norm = square.sqrt();
        let enough = (norm.sqrt().min(0.1) * norm).powi(2);
        for _ in 0..4 * gradient.len() + 20 {
            let image = self.back(&(self.logits(&direction) * curvature), &direction);
            let bend = direction.dot(&image);
            if bend <= 1e-300 {
                break;
            }
            let length = square / bend;
            step.scaled_add(length, &direction);
            rest.scaled_add(-length, &image);
            let next = rest.dot(&rest);
            if next <= enough {
                break;
            }
            direction = &rest + &(&direction * (next / square));
            square = next;
        }
        step
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// `ln(1 + exp(z))` without overflow.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use numerics::rng::{normals, stream};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_feature_without_slope_has_the_closed_form() {
        // A feature that says nothing: w = 0 and b the log odds.
        let x = Array2::zeros((8, 1));
        let members = [true, true, true, true, true, true, false, false];
        let fit = LogisticRegression::fit(&x.view(), &members, &LogisticConfig::default()).unwrap();
        assert!((fit.intercept - 3.0_f64.ln()).abs() < 1e-8 && fit.weights[0].abs() < 1e-8);
    }

    #[test]
    fn separable_classes_and_wide_matrices_converge() {
        let x = Array2::from_shape_fn((40, 300), |(i, j)| if (i < 20) == (j % 2 == 0) { 1.0 } else { 0.0 });
        let members: Vec<bool> = (0..40).map(|i| i < 20).collect();
        for c in [1e-3, 1.0, 1e4] {
            let config = LogisticConfig { c, ..LogisticConfig::default() };
            let fit = LogisticRegression::fit(&x.view(), &members, &config).unwrap();
            let p = fit.predict_proba(&x.view()).unwrap();
            assert!(p[..20].iter().all(|p| *p > 0.5) && p[20..].iter().all(|p| *p < 0.5), "C {c}");
        }
    }

    proptest! {
        #[test]
        fn the_gradient_vanishes_at_the_fit(seed in 0..u64::MAX, n in 4..40_usize, d in 1..12_usize, c in 1e-2..1e2_f64) {
            let values = normals(&mut stream(seed, "logistic/test", 0), n * d);
            let x = Array2::from_shape_vec((n, d), values).unwrap();
            let members: Vec<bool> = (0..n).map(|i| i == 0 || (i as u64 ^ seed).is_multiple_of(3)).collect();
            prop_assume!(members.iter().any(|m| !m));
            let fit = LogisticRegression::fit(&x.view(), &members, &LogisticConfig { c, ..LogisticConfig::default() }).unwrap();
            let p = fit.predict_proba(&x.view()).unwrap();
            let errors: Vec<f64> = p.iter().zip(&members).map(|(p, m)| c * (p - f64::from(u8::from(*m)))).collect();
            prop_assert!(errors.iter().sum::<f64>().abs() < 1e-7);
            for (j, w) in fit.weights.iter().enumerate() {
                let g: f64 = w + errors.iter().enumerate().map(|(i, e)| e * x[[i, j]]).sum::<f64>();
                prop_assert!(g.abs() < 1e-7, "{j}: {g}");
            }
        }
    }
}
