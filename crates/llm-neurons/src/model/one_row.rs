//! Products of one row on the processor: what decoding one sequence consists of.
//!
//! `x W^T` with one row of x reads every weight once and does two operations with it, so that memory sets its pace. Burn's
//! processor backend computes such a product on one thread, which on most machines cannot use the whole of the memory's
//! bandwidth; a batch of products it shares out among threads. The rows of W are therefore cut into parts, which is a change
//! of shape and moves no weight, and the parts are a batch. How many there are does not depend on the number of threads,
//! and so neither do the sums.

use burn::tensor::{DType, Tensor};

use crate::kernels::on_processor;

/// Most parts, and fewest: the backend shares out a batch of at least four.
const PARTS: std::ops::RangeInclusive<usize> = 4..=16;
/// Rows that a part has more of: up to 256 results of a product the backend computes in another way, which reads weights
/// out of the cache faster and out of memory more slowly.
const ROWS: usize = 256;
/// Fewest weights worth the threads; the backend's threshold for sharing out a batch.
const FEWEST: usize = 1 << 21;

/// `x W^T` of rows `[n, in]` and a weight `[out, in]`: `[n, out]`.
pub(crate) fn product(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([rows, _], [outputs, inputs]) = (x.dims(), weight.dims());
    let wide = matches!(x.dtype(), DType::F32 | DType::F64 | DType::F16);
    let worth = rows == 1 && wide && outputs * inputs >= FEWEST;
    match parts(outputs) {
        Some(parts) if worth && !x.is_autodiff() && !weight.is_autodiff() && on_processor(&x.device()) => {
            in_parts(x, weight, parts)
        }
        _ => x.matmul(weight.transpose()),
    }
}

/// How many parts: as many as divide the rows, or where none does the fewest; none of too few rows.
fn parts(outputs: usize) -> Option<usize> {
    let large = |parts: &usize| outputs / parts > ROWS;
    let even = PARTS.rev().filter(large).find(|parts| outputs.is_multiple_of(*parts));
    even.or(Some(*PARTS.start()).filter(large))
}

/// The same, in so many parts of as many rows of the weight each; the rows that are left over are a product of their own.
fn in_parts(x: Tensor<2>, weight: Tensor<2>, parts: usize) -> Tensor<2> {
    let [outputs, inputs] = weight.dims();
    let each = outputs / parts;
    let shared = each * parts;
    let cut = weight.clone().narrow(0, 0, shared).reshape([parts, each, inputs]);
    let y = x.clone().reshape([1, 1, inputs]).matmul(cut.swap_dims(1, 2)).reshape([1, shared]);
    match outputs - shared {
        0 => y,
        rest => Tensor::cat(vec![y, x.matmul(weight.narrow(0, shared, rest).transpose())], 1),
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, FloatDType};
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
                for got in
                    [in_parts(x.clone(), w.clone(), 3), in_parts(x.clone(), w.clone(), 16), product(x, w)]
                {
                    let worst = apart(got, plain.clone());
                    assert!(worst <= within, "{dtype:?} {outputs} {inputs}: {worst:e}");
                }
            }
        }
    }

    #[test]
    fn parts_divide_the_rows_where_they_can() {
        let of = |outputs: usize| parts(outputs).unwrap();
        assert_eq!([8192, 2048, 5504, 1638, 1100, 5344].map(of), [16, 4, 16, 6, 4, 16]);
        assert_eq!(of(2053), 4, "a prime number leaves rows over");
        assert_eq!((parts(1028), parts(1027), parts(1)), (Some(4), None, None));
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
