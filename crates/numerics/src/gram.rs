//! The Gram matrix of the rows of a matrix.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows and columns of a tile.
const TILE: usize = 128;

/// `A A^T` of `a [n, d]`, in parallel and at half the cost of a full product: one triangle is computed, tile by tile, and
/// mirrored, so the result is symmetric to the last bit. Each tile is one thread's, so it is the same for any number of
/// threads.
///
/// ```
/// let a = ndarray::arr2(&[[1.0, 2.0], [0.0, 3.0]]);
/// assert_eq!(numerics::gram::gram(&a.view()), ndarray::arr2(&[[5.0, 6.0], [6.0, 9.0]]));
/// ```
#[must_use]
pub fn gram(a: &ArrayView2<'_, f64>) -> Array2<f64> {
    tiled(a, true)
}

/// [`gram`] without its lower triangle, which is left zero outside the tiles on the diagonal: for those who read pairs
/// `i <= j` alone.
#[must_use]
pub fn upper_gram(a: &ArrayView2<'_, f64>) -> Array2<f64> {
    tiled(a, false)
}

fn tiled(a: &ArrayView2<'_, f64>, mirrored: bool) -> Array2<f64> {
    let (n, width) = a.dim();
    let standard = a.as_standard_layout();
    let mut out = Array2::zeros((n, n));
    let Some(cells) = standard.as_slice().filter(|cells| !cells.is_empty()) else { return out };
    let rows = |tile: usize| {
        let (from, to) = (tile * TILE, ((tile + 1) * TILE).min(n));
        MatRef::from_row_major_slice(&cells[from * width..to * width], to - from, width)
    };
    let tiles = n.div_ceil(TILE);
    let places: Vec<(usize, usize)> = (0..tiles).flat_map(|i| (i..tiles).map(move |j| (i, j))).collect();
    let parts: Vec<Mat<f64>> = places
        .par_iter()
        .map(|(i, j)| {
            let (left, right) = (rows(*i), rows(*j));
            // Column-major: transposed it is the row-major tile.
            let mut out = Mat::zeros(right.nrows(), left.nrows());
            matmul(out.as_mut(), Accum::Replace, right, left.transpose(), 1.0, Par::Seq);
            out
        })
        .collect();
    // `parts` in the order of `places`: the tiles right of and below tile `i` on the diagonal follow one another.
    let at = |i: usize, j: usize| &parts[i * tiles - i * (i + 1) / 2 + j];
    out.axis_chunks_iter_mut(Axis(0), TILE).into_par_iter().enumerate().for_each(|(i, mut block)| {
        for (p, mut row) in block.outer_iter_mut().enumerate() {
            let Some(cells) = row.as_slice_mut() else { continue };
            for (j, to) in cells.chunks_mut(TILE).enumerate() {
                if j >= i {
                    to.iter_mut().enumerate().for_each(|(q, cell)| *cell = at(i, j)[(q, p)]);
                } else if mirrored {
                    to.iter_mut().enumerate().for_each(|(q, cell)| *cell = at(j, i)[(p, q)]);
                }
            }
        }
    });
    out
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
            let upper = upper_gram(&a.view());
            prop_assert!(upper.indexed_iter().all(|((i, j), x)| i > j || *x == got[[i, j]]));
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
