//! Principal component analysis by singular value decomposition.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::linalg::{product, svd};
use crate::{Error, Result};

/// A fitted principal component analysis.
///
/// With the data centred, `X - mean = U diag(s) V^T`: components are the rows of `V^T`, explained variances
/// `s^2 / (samples - 1)`. The largest entry (in absolute value) of each component is positive.
#[derive(Debug, Clone)]
pub struct Pca {
    /// Means of the variables `[variables]`.
    pub mean: Array1<f64>,
    /// Orthonormal rows `[components, variables]`, most variance first.
    pub components: Array2<f64>,
    /// Variance along each component.
    pub explained_variance: Array1<f64>,
    /// Its share of the total variance; zeros when there is no variance.
    pub explained_variance_ratio: Array1<f64>,
}

impl Pca {
    /// Fits the first `components` components of `x [samples, variables]`.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two samples, [`Error::Parameter`] unless
    /// `1 <= components <= min(samples, variables)`, those of [`svd`].
    pub fn fit(x: &ArrayView2<'_, f64>, components: usize) -> Result<Self> {
        let (samples, variables) = x.dim();
        if samples < 2 {
            return Err(Error::TooFew { what: "PCA: samples", needed: 2, found: samples });
        }
        if components == 0 || components > samples.min(variables) {
            return Err(Error::Parameter {
                name: "components",
                value: components as f64,
                expected: "between 1 and the smaller of samples and variables",
            });
        }
        let mean = x.sum_axis(Axis(0)) / samples as f64;
        let found = svd(&(x - &mean).view())?;
        let variance = found.s.mapv(|s| s * s / (samples as f64 - 1.0));
        let total = variance.sum();
        let mut rows = Array2::zeros((components, variables));
        for (mut row, column) in rows.outer_iter_mut().zip(found.v.axis_iter(Axis(1))) {
            let peak = column.iter().fold(0.0_f64, |m, v| if v.abs() > m.abs() { *v } else { m });
            row.assign(&column);
            row *= if peak < 0.0 { -1.0 } else { 1.0 };
        }
        let explained_variance = variance.slice_axis(Axis(0), (..components).into()).to_owned();
        let share = if total > 0.0 { 1.0 / total } else { 0.0 };
        Ok(Self {
            mean,
            components: rows,
            explained_variance_ratio: &explained_variance * share,
            explained_variance,
        })
    }

    /// Scores `[samples, components]` of `x [samples, variables]`.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn transform(&self, x: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        if x.ncols() != self.mean.len() {
            return Err(Error::Shape {
                what: "PCA scores",
                expected: format!("{} variables", self.mean.len()),
                found: x.ncols().to_string(),
            });
        }
        product(&(x - &self.mean).view(), &self.components.t())
    }

    /// The data `[samples, variables]` whose scores these are, without what the left-out components held.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn inverse_transform(&self, scores: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        Ok(product(scores, &self.components.view())? + &self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{normals, stream};

    #[test]
    fn all_components_give_the_data_back() {
        let x = Array2::from_shape_vec((9, 4), normals(&mut stream(1, "pca", 0), 36)).unwrap() + 5.0;
        let pca = Pca::fit(&x.view(), 4).unwrap();
        let back = pca.inverse_transform(&pca.transform(&x.view()).unwrap().view()).unwrap();
        assert!((&back - &x).iter().all(|d| d.abs() < 1e-12));
        assert!((pca.explained_variance_ratio.sum() - 1.0).abs() < 1e-12);
        let gram = pca.components.dot(&pca.components.t());
        assert!((&gram - &Array2::<f64>::eye(4)).iter().all(|d| d.abs() < 1e-12));
        assert!(pca.transform(&Array2::zeros((2, 3)).view()).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Pca::fit(&Array2::zeros((1, 3)).view(), 1).is_err());
        assert!(Pca::fit(&Array2::zeros((4, 3)).view(), 0).is_err());
        assert!(Pca::fit(&Array2::zeros((4, 3)).view(), 4).is_err());
        assert!(Pca::fit(&Array2::from_elem((4, 3), f64::NAN).view(), 1).is_err());
        assert_eq!(Pca::fit(&Array2::ones((4, 3)).view(), 2).unwrap().explained_variance_ratio.sum(), 0.0);
    }
}
