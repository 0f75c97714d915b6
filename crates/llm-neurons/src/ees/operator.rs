//! Any symmetric operator on the host.

use ndarray::{Array1, Array2, ArrayView2, Zip};

use super::block::{BlockSpace, Step};
use crate::eigenscore::convention::finite;
use crate::{Error, Result};

/// A symmetric positive semidefinite operator that is known by what it does to vectors.
pub trait SymmetricOperator {
    /// Length of its vectors.
    fn dim(&self) -> usize;

    /// `C V` for a block `V [dim, n]` of n vectors.
    ///
    /// # Errors
    /// What the operator's own work says.
    fn apply(&self, block: &ArrayView2<'_, f64>) -> Result<Array2<f64>>;
}

/// A symmetric matrix as an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseOperator {
    matrix: Array2<f64>,
}

impl DenseOperator {
    /// Relative difference of mirrored entries above which a matrix is not symmetric.
    const ASYMMETRY: f64 = 1e-8;

    /// From its matrix.
    ///
    /// # Errors
    /// [`Error::Shape`] unless square, symmetric (to 1e-8 of its largest entry) and not empty, [`Error::NotFinite`].
    pub fn new(matrix: Array2<f64>) -> Result<Self> {
        let (rows, columns) = matrix.dim();
        if rows != columns || rows == 0 {
            let found = format!("{rows} x {columns}");
            return Err(Error::Shape { what: "operator", expected: "a square matrix".to_owned(), found });
        }
        finite("operator", &matrix.view())?;
        let largest = matrix.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for i in 0..rows {
            for j in 0..i {
                if (matrix[[i, j]] - matrix[[j, i]]).abs() > Self::ASYMMETRY * largest {
                    return Err(Error::Shape {
                        what: "operator",
                        expected: "a symmetric matrix".to_owned(),
                        found: format!("unequal entries ({i}, {j}) and ({j}, {i})"),
                    });
                }
            }
        }
        Ok(Self { matrix })
    }
}

impl SymmetricOperator for DenseOperator {
    fn dim(&self) -> usize {
        self.matrix.nrows()
    }

    fn apply(&self, block: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        Ok(numerics::linalg::product(&self.matrix.view(), block)?)
    }
}

impl<O: SymmetricOperator + ?Sized> SymmetricOperator for &O {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn apply(&self, block: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        (**self).apply(block)
    }
}

/// Host memory for the vectors of any [`SymmetricOperator`].
#[derive(Debug, Clone)]
pub struct OnHost<O>(
    /// The operator.
    pub O,
);

impl<O: SymmetricOperator> BlockSpace for OnHost<O> {
    type Block = Array2<f64>;
    type Sums = Array1<f64>;

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn roundoff(&self) -> f64 {
        f64::EPSILON
    }

    fn load(&mut self, vectors: &ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        Ok(vectors.as_standard_layout().into_owned())
    }

    fn step(&mut self, v: &Array2<f64>, previous: Option<Array2<f64>>, by: Step) -> Result<Array2<f64>> {
        let mut image = self.0.apply(&v.view())?;
        if image.dim() != v.dim() {
            return Err(Error::Shape {
                what: "operator's answer",
                expected: format!("{:?}", v.dim()),
                found: format!("{:?}", image.dim()),
            });
        }
        match previous {
            None => Zip::from(&mut image).and(v).for_each(|w, v| *w = by.gain * *w + by.shift * v),
            Some(previous) => Zip::from(&mut image)
                .and(v)
                .and(&previous)
                .for_each(|w, v, p| *w = by.gain * *w + by.shift * v - by.damp * p),
        }
        Ok(image)
    }

    fn combine(&mut self, a: f64, mut x: Array2<f64>, b: f64, y: &Array2<f64>) -> Result<Array2<f64>> {
        Zip::from(&mut x).and(y).for_each(|x, y| *x = a * *x + b * y);
        Ok(x)
    }

    fn sums(&mut self, x: &Array2<f64>, y: &Array2<f64>) -> Result<Array1<f64>> {
        let mut sums = Array1::zeros(x.ncols());
        for (x, y) in x.rows().into_iter().zip(y.rows()) {
            Zip::from(&mut sums).and(x).and(y).for_each(|s, x, y| *s += x * y);
        }
        Ok(sums)
    }

    fn read(&mut self, queued: Vec<Array1<f64>>) -> Result<Array2<f64>> {
        stack(&queued)
    }
}

/// Rows of equal length as one matrix.
pub(crate) fn stack(rows: &[Array1<f64>]) -> Result<Array2<f64>> {
    let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
    ndarray::stack(ndarray::Axis(0), &views).map_err(|e| Error::Shape {
        what: "column sums",
        expected: "rows of one length".to_owned(),
        found: e.to_string(),
    })
}
