//! Products of one row on the processor: what decoding one sequence consists of.
//!
//! `x W^T` with one row of x reads every weight once and does two operations with it, so that memory sets its pace. Burn's
//! processor backend computes such a product on one thread, a row of W at a time, which does not use the whole of the
//! memory's bandwidth; small products it computes several rows at a time, and a batch it shares out among threads. The
//! rows of W are therefore cut into small parts, which is a change of shape and moves no weight, and the parts are a batch.
//! Their size does not depend on the number of threads, and so neither do the sums.

use burn::tensor::{DType, Device, Tensor};

/// Most rows of a part: up to 256 results of a product the backend computes side by side.
const MOST: usize = 256;
/// Fewest rows of a part that is worth its overhead.
const LEAST: usize = 64;
/// Fewest weights worth the threads; the backend's threshold for sharing out a batch.
const FEWEST: usize = 1 << 21;

/// `x W^T` of rows `[n, in]` and a weight `[out, in]`: `[n, out]`.
pub(crate) fn product(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([rows, _], [outputs, inputs]) = (x.dims(), weight.dims());
    let worth = rows == 1 && outputs > MOST && outputs * inputs >= FEWEST;
    let wide = matches!(x.dtype(), DType::F32 | DType::F64 | DType::F16);
    if worth && wide && !x.is_autodiff() && !weight.is_autodiff() && on_processor(&x.device()) {
        in_parts(x, weight, part(outputs))
    } else {
        x.matmul(weight.transpose())
    }
}

/// Rows of a part: the most that divide all rows, or where none do the most.
fn part(outputs: usize) -> usize {
    (LEAST..=MOST).rev().find(|each| outputs.is_multiple_of(*each)).unwrap_or(MOST)
}

/// The same, in parts of `each` rows of the weight; the rows that are left over are a product of their own.
fn in_parts(x: Tensor<2>, weight: Tensor<2>, each: usize) -> Tensor<2> {
    let [outputs, inputs] = weight.dims();
    let shared = outputs / each * each;
    let parts = weight.clone().narrow(0, 0, shared).reshape([outputs / each, each, inputs]);
    let y = x.clone().reshape([1, 1, inputs]).matmul(parts.swap_dims(1, 2)).reshape([1, shared]);
    match outputs - shared {
        0 => y,
        rest => Tensor::cat(vec![y, x.matmul(weight.narrow(0, shared, rest).transpose())], 1),
    }
}

#[cfg(feature = "flex")]
fn on_processor(device: &Device) -> bool {
    *device == Device::flex()
}

#[cfg(not(feature = "flex"))]
fn on_processor(_: &Device) -> bool {
    false
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::FloatDType;
    use ndarray::Array2;
    use numerics::rng::{normals, stream};
    use tensor_backend::bridge::{float_array, float_tensor};

    use super::*;

    fn tensor(rows: usize, columns: usize, dtype: FloatDType) -> Tensor<2> {
        let values = normals(&mut stream(7, "one-row", rows as u64), rows * columns);
        let host = Array2::from_shape_vec((rows, columns), values).unwrap();
        float_tensor(host.view(), dtype, &Device::flex()).unwrap()
    }

    fn apart(a: Tensor<2>, b: Tensor<2>) -> f64 {
        let (a, b) = (float_array::<f64, 2>(a).unwrap(), float_array::<f64, 2>(b).unwrap());
        assert_eq!(a.dim(), b.dim());
        (a - b).iter().fold(0.0, |worst, d| d.abs().max(worst))
    }

    #[test]
    fn parts_give_what_the_whole_gives() {
        // Sums of a thousand products of normal draws are some tens.
        for (dtype, within) in [(FloatDType::F32, 1e-4), (FloatDType::F64, 1e-12), (FloatDType::F16, 0.1)] {
            for (outputs, inputs) in [(16, 3), (64, 40), (177, 33), (2048, 1024), (1638, 1290), (2053, 1100)]
            {
                let (x, w) = (tensor(1, inputs, dtype), tensor(outputs, inputs, dtype));
                let plain = x.clone().matmul(w.clone().transpose());
                for got in [
                    in_parts(x.clone(), w.clone(), 1 + outputs / 4),
                    in_parts(x.clone(), w.clone(), part(outputs).min(outputs)),
                    product(x, w),
                ] {
                    let worst = apart(got, plain.clone());
                    assert!(worst <= within, "{dtype:?} {outputs} {inputs}: {worst:e}");
                }
            }
        }
    }

    #[test]
    fn parts_divide_the_rows_where_they_can() {
        assert_eq!([8192, 2048, 5504, 1638, 1100, 5344].map(part), [256, 256, 172, 234, 220, 167]);
        assert_eq!(part(2053), MOST, "a prime number has no parts");
    }

    #[test]
    fn columns_gathered_from_a_weight_are_read_in_order() {
        // As the down projection of core neurons is made: a selection of columns, which is a matrix of its own.
        let weight = tensor(2048, 3000, FloatDType::F32);
        let index: Vec<usize> = (0..1500).map(|i| 2 * i).collect();
        let index = crate::model::mlp::indices(&index, &Device::flex());
        let (x, core) = (tensor(1, 1500, FloatDType::F32), weight.select(1, index));
        let plain = x.clone().matmul(core.clone().transpose());
        assert!(apart(product(x, core), plain) <= 1e-4);
    }
}
