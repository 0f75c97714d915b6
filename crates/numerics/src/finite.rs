//! Looking for what is no number.

use ndarray::{ArrayView2, Zip};

/// The first NaN or infinity of `[rows, columns]` in row-major order: where it is, and which. `None` where all values are
/// finite, which is found without branches and on every core.
///
/// ```
/// let a = ndarray::arr2(&[[1.0, 2.0], [f64::INFINITY, f64::NAN]]);
/// assert_eq!(numerics::finite::first_nonfinite(&a.view()), Some(((1, 0), f64::INFINITY)));
/// assert_eq!(numerics::finite::first_nonfinite(&ndarray::arr2(&[[1e308, -1e308]]).view()), None);
/// ```
#[must_use]
pub fn first_nonfinite(a: &ArrayView2<'_, f64>) -> Option<((usize, usize), f64)> {
    // 0 x is 0 for every finite x and NaN else.
    let sum = Zip::from(a.rows()).par_fold(
        || 0.0,
        |sum, row| sum + row.fold(0.0, |s, x| s + 0.0 * x),
        |a, b| a + b,
    );
    if sum == 0.0 {
        return None;
    }
    a.indexed_iter().find(|(_, x)| !x.is_finite()).map(|(at, x)| (at, *x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn each_place_is_found_in_either_order_of_memory() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for at in [(0, 0), (3, 1), (6, 4)] {
                let mut a = Array2::from_elem((7, 5), f64::MAX);
                assert_eq!(first_nonfinite(&a.view()), None);
                a[at] = bad;
                let (place, value) = first_nonfinite(&a.view()).unwrap();
                assert!(place == at && value.to_bits() == bad.to_bits());
                assert_eq!(first_nonfinite(&a.t()).unwrap().0, (at.1, at.0));
            }
        }
        assert_eq!(first_nonfinite(&Array2::zeros((0, 3)).view()), None);
    }
}
