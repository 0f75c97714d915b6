//! The Gram matrix of the rows of a matrix.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView2};

/// `A A^T` of `a [n, d]`, in parallel and at half the cost of a full product: the lower triangle is computed and
/// mirrored, so the result is symmetric to the last bit.
///
/// ```
/// let a = ndarray::arr2(&[[1.0, 2.0], [0.0, 3.0]]);
/// assert_eq!(numerics::gram::gram(&a.view()), ndarray::arr2(&[[5.0, 6.0], [6.0, 9.0]]));
/// ```
#[must_use]
pub fn gram(a: &ArrayView2<'_, f64>) -> Array2<f64> {
    let (n, d) = a.dim();
    let mut out = Array2::zeros((n, n));
    if n == 0 || d == 0 {
        return out;
    }
    let standard = a.as_standard_layout();
    if let (Some(cells), Some(into)) = (standard.as_slice(), out.as_slice_mut()) {
        let rows = MatRef::from_row_major_slice(cells, n, d);
        // A row-major buffer read as column-major is the transpose: its upper triangle is our lower one.
        let into = MatMut::from_column_major_slice_mut(into, n, n);
        matmul(
            into,
            BlockStructure::TriangularUpper,
            Accum::Replace,
            rows,
            BlockStructure::Rectangular,
            rows.transpose(),
            BlockStructure::Rectangular,
            1.0,
            Par::rayon(0),
        );
    }
    mirror(&mut out);
    out
}

/// Copies the lower triangle onto the upper one, tile by tile so that both sides stay in cache.
fn mirror(a: &mut Array2<f64>) {
    const TILE: usize = 32;
    let n = a.nrows();
    let Some(cells) = a.as_slice_mut() else { return };
    for top in (0..n).step_by(TILE) {
        for left in (0..=top).step_by(TILE) {
            for i in top..(top + TILE).min(n) {
                for j in left..(left + TILE).min(i) {
                    cells[j * n + i] = cells[i * n + j];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::{normals, stream};

    proptest! {
        #[test]
        fn it_is_the_product_with_the_transpose(seed in 0_u64..1000, n in 1_usize..80, d in 1_usize..40, turned: bool) {
            let values = normals(&mut stream(seed, "gram/test", 0), n * d);
            let a = if turned {
                Array2::from_shape_vec((d, n), values).unwrap().reversed_axes()
            } else {
                Array2::from_shape_vec((n, d), values).unwrap()
            };
            let got = gram(&a.view());
            prop_assert!((&got - &a.dot(&a.t())).iter().all(|x| x.abs() < 1e-11));
            prop_assert!(got == got.t());
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(gram(&Array2::zeros((0, 3)).view()).dim(), (0, 0));
        assert_eq!(gram(&Array2::zeros((2, 0)).view()), Array2::<f64>::zeros((2, 2)));
    }
}
