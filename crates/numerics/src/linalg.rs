//! Dense linear algebra in `f64`, on faer.

use faer::{Mat, MatRef, Side};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::{Error, Result};

/// Eigenvalues, ascending, and eigenvectors `[n, n]`, one per column.
#[derive(Debug, Clone)]
pub struct Eigen {
    /// Ascending.
    pub values: Array1<f64>,
    /// Orthonormal columns in the order of the values.
    pub vectors: Array2<f64>,
}

/// A thin singular value decomposition `A = U diag(s) V^T` of `[m, n]` with `k = min(m, n)`.
#[derive(Debug, Clone)]
pub struct Svd {
    /// Left singular vectors `[m, k]`.
    pub u: Array2<f64>,
    /// Singular values, descending.
    pub s: Array1<f64>,
    /// Right singular vectors `[n, k]`.
    pub v: Array2<f64>,
}

/// Eigenvalues and eigenvectors of a symmetric matrix; its lower triangle is read.
///
/// # Errors
/// [`Error::Shape`] unless square and not empty, [`Error::NotFinite`], [`Error::Decomposition`].
pub fn symmetric_eigen(a: &ArrayView2<'_, f64>) -> Result<Eigen> {
    let copy = square("symmetric eigendecomposition", a)?;
    let found = copy
        .self_adjoint_eigen(Side::Lower)
        .map_err(|e| failed("symmetric eigendecomposition", format!("{e:?}")))?;
    let s = found.S().column_vector();
    Ok(Eigen { values: (0..s.nrows()).map(|i| s[i]).collect(), vectors: to_array(found.U()) })
}

/// Eigenvalues of a symmetric matrix, ascending; its lower triangle is read.
///
/// # Errors
/// Those of [`symmetric_eigen`].
pub fn symmetric_eigenvalues(a: &ArrayView2<'_, f64>) -> Result<Array1<f64>> {
    let copy = square("symmetric eigenvalues", a)?;
    let values = copy
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|e| failed("symmetric eigenvalues", format!("{e:?}")))?;
    Ok(Array1::from(values))
}

/// The lower Cholesky factor `L` of a symmetric positive definite matrix, `A = L L^T`; its lower triangle is read.
///
/// # Errors
/// [`Error::Decomposition`] when the matrix is not positive definite; the shapes of [`symmetric_eigen`].
pub fn cholesky(a: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let copy = square("Cholesky factor", a)?;
    let factor =
        copy.llt(Side::Lower).map_err(|_| failed("Cholesky factor", "not positive definite".to_owned()))?;
    Ok(to_array(factor.L()))
}

/// `ln det A` of a symmetric positive definite matrix: twice the sum of the logarithms of its Cholesky pivots.
///
/// # Errors
/// Those of [`cholesky`].
pub fn log_determinant(a: &ArrayView2<'_, f64>) -> Result<f64> {
    let copy = square("log-determinant", a)?;
    let factor =
        copy.llt(Side::Lower).map_err(|_| failed("log-determinant", "not positive definite".to_owned()))?;
    let l = factor.L();
    Ok(2.0 * (0..l.nrows()).map(|i| l[(i, i)].ln()).sum::<f64>())
}

/// Thin singular value decomposition.
///
/// # Errors
/// [`Error::Shape`] for an empty matrix, [`Error::NotFinite`], [`Error::Decomposition`].
pub fn svd(a: &ArrayView2<'_, f64>) -> Result<Svd> {
    let copy = to_faer("singular value decomposition", a)?;
    let found = copy.thin_svd().map_err(|e| failed("singular value decomposition", format!("{e:?}")))?;
    let s = found.S().column_vector();
    Ok(Svd { u: to_array(found.U()), s: (0..s.nrows()).map(|i| s[i]).collect(), v: to_array(found.V()) })
}

/// The matrix product `A B`, in parallel.
///
/// # Errors
/// [`Error::Shape`] unless the inner sizes agree.
pub fn product(a: &ArrayView2<'_, f64>, b: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    if a.ncols() != b.nrows() {
        return Err(Error::Shape {
            what: "matrix product",
            expected: format!("{} rows on the right", a.ncols()),
            found: b.nrows().to_string(),
        });
    }
    // Strides are passed on, so transposed views cost no copy.
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    let (left, right) = (view(a), view(b));
    match (left, right) {
        (Some(left), Some(right)) => {
            let columns = out.ncols();
            if let Some(cells) = out.as_slice_mut() {
                let into = faer::MatMut::from_row_major_slice_mut(cells, a.nrows(), columns);
                faer::linalg::matmul::matmul(
                    into,
                    faer::Accum::Replace,
                    left,
                    right,
                    1.0,
                    faer::Par::rayon(0),
                );
            }
            Ok(out)
        }
        _ => Ok(a.dot(b)),
    }
}

/// A faer view of an array whose memory is contiguous in either order.
fn view<'a>(a: &'a ArrayView2<'_, f64>) -> Option<MatRef<'a, f64>> {
    let (rows, columns) = a.dim();
    match a.as_slice() {
        Some(cells) => Some(MatRef::from_row_major_slice(cells, rows, columns)),
        None => {
            let cells = a.as_slice_memory_order()?;
            (a.strides() == [1, rows as isize]).then(|| MatRef::from_column_major_slice(cells, rows, columns))
        }
    }
}

fn square(what: &'static str, a: &ArrayView2<'_, f64>) -> Result<Mat<f64>> {
    if a.nrows() != a.ncols() {
        let found = format!("{:?}", a.dim());
        return Err(Error::Shape { what, expected: "a square matrix".to_owned(), found });
    }
    to_faer(what, a)
}

fn to_faer(what: &'static str, a: &ArrayView2<'_, f64>) -> Result<Mat<f64>> {
    if a.is_empty() {
        let found = format!("{:?}", a.dim());
        return Err(Error::Shape { what, expected: "a matrix that is not empty".to_owned(), found });
    }
    if let Some(index) = a.iter().position(|x| !x.is_finite()) {
        return Err(Error::NotFinite { what, index });
    }
    Ok(Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]]))
}

fn to_array(a: MatRef<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

fn failed(what: &'static str, why: String) -> Error {
    Error::Decomposition { what, why }
}

/// Sample covariance of the columns of `x [samples, variables]`, divided by `samples - 1`.
///
/// # Errors
/// [`Error::TooFew`] below two samples.
pub fn covariance(x: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let samples = x.nrows();
    let mean = x.mean_axis(Axis(0)).filter(|_| samples >= 2).ok_or(Error::TooFew {
        what: "covariance: samples",
        needed: 2,
        found: samples,
    })?;
    let centred = x - &mean;
    Ok(product(&centred.t(), &centred.view())? / (samples as f64 - 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::{normals, stream};

    fn draw(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
        let values = normals(&mut stream(seed, "linalg/test", 0), rows * columns);
        Array2::from_shape_vec((rows, columns), values).unwrap()
    }

    fn gap(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
        (a - b).iter().fold(0.0, |m, x| m.max(x.abs()))
    }

    proptest! {
        #[test]
        fn decompositions_recompose(seed in 0_u64..1000, n in 1_usize..12, extra in 1_usize..6) {
            let x = draw(seed, n + extra, n);
            let a = x.t().dot(&x) + Array2::<f64>::eye(n);
            let eigen = symmetric_eigen(&a.view()).unwrap();
            let back = (&eigen.vectors * &eigen.values).dot(&eigen.vectors.t());
            prop_assert!(gap(&back, &a) < 1e-10);
            prop_assert!(eigen.values.iter().zip(eigen.values.iter().skip(1)).all(|(a, b)| a <= b));
            let l = cholesky(&a.view()).unwrap();
            prop_assert!(gap(&l.dot(&l.t()), &a) < 1e-10);
            let log_det = eigen.values.mapv(f64::ln).sum();
            prop_assert!((log_determinant(&a.view()).unwrap() - log_det).abs() < 1e-9);
            let values = symmetric_eigenvalues(&a.view()).unwrap();
            prop_assert!((&values - &eigen.values).iter().all(|d| d.abs() < 1e-9));
            let svd = svd(&x.view()).unwrap();
            prop_assert!(gap(&(&svd.u * &svd.s).dot(&svd.v.t()), &x) < 1e-10);
        }

        #[test]
        fn products_agree_with_ndarray_in_any_memory_order(seed in 0_u64..1000, m in 1_usize..9, k in 1_usize..9, n in 1_usize..9) {
            let (a, b) = (draw(seed, m, k), draw(seed + 1, n, k));
            prop_assert!(gap(&product(&a.view(), &b.t()).unwrap(), &a.dot(&b.t())) < 1e-12);
            let wide = draw(seed + 2, k, n);
            prop_assert!(gap(&product(&a.view(), &wide.view()).unwrap(), &a.dot(&wide)) < 1e-12);
        }
    }

    #[test]
    fn what_has_no_decomposition_is_refused() {
        assert!(cholesky(&ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]]).view()).is_err());
        assert!(symmetric_eigen(&Array2::zeros((2, 3)).view()).is_err());
        assert!(svd(&Array2::zeros((0, 3)).view()).is_err());
        assert!(symmetric_eigen(&ndarray::arr2(&[[f64::NAN]]).view()).is_err());
        assert!(covariance(&Array2::zeros((1, 3)).view()).is_err());
        assert!(product(&Array2::zeros((2, 3)).view(), &Array2::zeros((2, 3)).view()).is_err());
    }
}
