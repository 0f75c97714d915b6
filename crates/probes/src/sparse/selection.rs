//! The largest codes of a row or of a batch, without reading anything back from the device.
//!
//! The k-th largest value is found on the device: by its own reduction for small k, else by halving the interval between
//! zero and the largest value, where each halving is one comparison and one sum. A device's sort would read back to the
//! host.

use burn::tensor::Tensor;

/// Up to this k a device's own top-k reduction, which keeps k values in registers, is used.
const REDUCTION: usize = 64;
/// Halvings: what stays above the k-th value then lies within 2^-32 of the row's largest value below it.
const HALVINGS: usize = 32;

/// `values` (zero or more) with all but the `k` largest of each row set to zero; what equals the k-th stays too.
pub(super) fn keep_top(values: Tensor<2>, k: usize) -> Tensor<2> {
    let [_, width] = values.dims();
    if k >= width {
        return values;
    }
    let threshold = kth(values.clone().detach(), k);
    keep_from(values, threshold)
}

/// `values` (zero or more) with all but the `k n` largest of its `n` rows together set to zero; ties as in [`keep_top`].
pub(super) fn keep_top_of_batch(values: Tensor<2>, k: usize) -> Tensor<2> {
    let [rows, width] = values.dims();
    if k >= width {
        return values;
    }
    let flat = values.clone().detach().reshape([1, rows * width]);
    let threshold = kth(flat, k * rows);
    keep_from(values, threshold)
}

/// `values` with what is below the threshold (`[n, 1]` or `[1, 1]`) set to zero; NaN stays NaN.
pub(super) fn keep_from(values: Tensor<2>, threshold: Tensor<2>) -> Tensor<2> {
    let below = values.clone().detach().lower(threshold);
    values.mask_fill(below, 0.0)
}

/// The k-th largest value of each row, `[n, 1]`, or a little less than it.
fn kth(values: Tensor<2>, k: usize) -> Tensor<2> {
    match k <= REDUCTION {
        true => values.topk(k, 1).narrow(1, k - 1, 1),
        false => by_halving(&values, k),
    }
}

/// At least `k` values of each row are no less than the result, and no fewer than `k` are above it but for rounding.
fn by_halving(values: &Tensor<2>, k: usize) -> Tensor<2> {
    let mut high = values.clone().max_dim(1);
    let mut low = high.zeros_like();
    for _ in 0..HALVINGS {
        let middle = (low.clone() + high.clone()).mul_scalar(0.5);
        let above = values.clone().greater_equal(middle.clone()).float().sum_dim(1);
        let enough = above.greater_equal_elem(k as f64);
        low = low.mask_where(enough.clone(), middle.clone());
        high = middle.mask_where(enough, high);
    }
    low
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::FloatDType;
    use ndarray::Array2;
    use numerics::rng::{normals, stream};
    use proptest::prelude::*;
    use tensor_backend::{DeviceSpec, bridge};

    use super::*;

    fn draw(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
        let values = normals(&mut stream(seed, "selection/test", 0), rows * columns);
        Array2::from_shape_vec((rows, columns), values).unwrap().mapv(|v| f64::from(v.max(0.0) as f32))
    }

    fn upload(a: &Array2<f64>) -> Tensor<2> {
        bridge::float_tensor(a.view(), FloatDType::F32, &DeviceSpec::Cpu.open().unwrap().device).unwrap()
    }

    fn host(values: &[f64], k: usize) -> Vec<f64> {
        let mut order = values.to_vec();
        order.sort_by(|a, b| b.total_cmp(a));
        values.iter().map(|v| if *v >= order[k - 1] { *v } else { 0.0 }).collect()
    }

    proptest! {
        #[test]
        fn rows_keep_their_largest(seed in 0_u64..1000, rows in 1_usize..9, columns in 1_usize..40, k in 1_usize..40) {
            let k = k.min(columns);
            let a = draw(seed, rows, columns);
            let got = bridge::float_array::<f64, 2>(keep_top(upload(&a), k)).unwrap();
            for (got, row) in got.outer_iter().zip(a.outer_iter()) {
                prop_assert_eq!(got.to_vec(), host(&row.to_vec(), k));
            }
        }

        #[test]
        fn batches_keep_their_largest(seed in 0_u64..1000, rows in 1_usize..30, columns in 1_usize..20, k in 1_usize..20) {
            let k = k.min(columns);
            let a = draw(seed, rows, columns);
            let got = bridge::float_array::<f64, 2>(keep_top_of_batch(upload(&a), k)).unwrap();
            let flat: Vec<f64> = a.iter().copied().collect();
            prop_assert_eq!(got.iter().copied().collect::<Vec<_>>(), host(&flat, k * rows));
        }

        #[test]
        fn halving_finds_what_sorting_finds(seed in 0_u64..1000, rows in 1_usize..5, k in 1_usize..90) {
            let a = draw(seed, rows, 90);
            let got = keep_from(upload(&a), by_halving(&upload(&a), k));
            let got = bridge::float_array::<f64, 2>(got).unwrap();
            for (got, row) in got.outer_iter().zip(a.outer_iter()) {
                prop_assert_eq!(got.to_vec(), host(&row.to_vec(), k));
            }
        }
    }

    #[test]
    fn ties_stay_and_nan_is_not_hidden() {
        let a = ndarray::arr2(&[[1.0, 1.0, 1.0, 0.5], [0.0, 0.0, 0.0, 0.0]]);
        let got = bridge::float_array::<f64, 2>(keep_top(upload(&a), 2)).unwrap();
        assert_eq!(got, ndarray::arr2(&[[1.0, 1.0, 1.0, 0.0], [0.0; 4]]));
        let a = ndarray::arr2(&[[f64::NAN, 1.0, 3.0]]);
        assert!(bridge::float_array::<f64, 2>(keep_top(upload(&a), 1)).unwrap()[[0, 0]].is_nan());
    }
}
