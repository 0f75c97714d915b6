//! The same operations on every backend, against the host in `f64`.

use burn::tensor::{FloatDType, IntDType, Tensor, activation};
use ndarray::{Array1, Array2, Axis, arr1, arr2};
use numerics::rng;
use tensor_backend::bridge::{bool_array, bool_tensor, float_array, float_tensor, int_array, int_tensor};
use tensor_backend::{cross_backend_tests, gradients, random};

/// Normal values, the same for every backend.
fn matrix(rows: usize, columns: usize, index: u64) -> Array2<f64> {
    let values = rng::normals(&mut rng::stream(11, "backends", index), rows * columns);
    // Through f32, so that the host starts from the very numbers that the device is given.
    Array2::from_shape_vec((rows, columns), values).unwrap().mapv(|v| f64::from(v as f32))
}

cross_backend_tests! {
    fn elementwise(on: &TestDevice) {
        let (a, b) = (matrix(7, 9, 0), matrix(7, 9, 1));
        let (x, y): (Tensor<2>, Tensor<2>) = (on.tensor(a.view()), on.tensor(b.view()));
        let want = (&a * &b - &a + 0.5).mapv(|v| v.max(0.0));
        let got = (x.clone() * y - x + 0.5).clamp_min(0.0);
        on.assert_close(Operation::Elementwise, got, want.as_slice().unwrap());
    }

    fn transcendental(on: &TestDevice) {
        let a = matrix(5, 8, 2);
        let x: Tensor<2> = on.tensor(a.view());
        let want = a.mapv(|v| v.tanh() + (-v * v).exp());
        let got = x.clone().tanh() + (-(x.clone() * x)).exp();
        on.assert_close(Operation::Transcendental, got, want.as_slice().unwrap());
    }

    fn matmul(on: &TestDevice) {
        let (a, b) = (matrix(13, 37, 3), matrix(37, 11, 4));
        let (x, y): (Tensor<2>, Tensor<2>) = (on.tensor(a.view()), on.tensor(b.view()));
        let want = a.dot(&b);
        on.assert_close(Operation::Matmul, x.clone().matmul(y), want.as_slice().unwrap());
        let gram = a.dot(&a.t());
        on.assert_close(Operation::Matmul, x.clone().matmul(x.transpose()), gram.as_slice().unwrap());
    }

    fn reduction(on: &TestDevice) {
        let a = matrix(6, 257, 5);
        let x: Tensor<2> = on.tensor(a.view());
        let rows = a.sum_axis(Axis(1));
        on.assert_close(Operation::Reduction, x.clone().sum_dim(1), rows.as_slice().unwrap());
        let means = a.mean_axis(Axis(0)).unwrap();
        on.assert_close(Operation::Reduction, x.clone().mean_dim(0), means.as_slice().unwrap());
        let largest: Vec<f64> = a.rows().into_iter().map(|r| r.fold(f64::MIN, |m, &v| m.max(v))).collect();
        on.assert_close(Operation::Elementwise, x.max_dim(1), &largest);
    }

    fn softmax(on: &TestDevice) {
        // Large values: without the shift by the maximum, exp would overflow.
        let a = matrix(4, 33, 6).mapv(|v| f64::from((v * 40.0) as f32));
        let x: Tensor<2> = on.tensor(a.view());
        let mut want = a.clone();
        for mut row in want.rows_mut() {
            let top = row.fold(f64::MIN, |m, &v| m.max(v));
            row.mapv_inplace(|v| (v - top).exp());
            let sum = row.sum();
            row /= sum;
        }
        on.assert_close(Operation::Softmax, activation::softmax(x, 1), want.as_slice().unwrap());
    }

    fn gradient_of_least_squares(on: &TestDevice) {
        // d/dW of the mean of (X W - Y)^2 is 2 X' (X W - Y) / n.
        let (x, w, y) = (matrix(12, 5, 7), matrix(5, 3, 8), matrix(12, 3, 9));
        let residual = x.dot(&w) - &y;
        let want = x.t().dot(&residual) * (2.0 / residual.len() as f64);
        let weights: Tensor<2> = on.tensor(w.view()).autodiff().require_grad();
        let (inputs, targets): (Tensor<2>, Tensor<2>) = (on.tensor(x.view()), on.tensor(y.view()));
        let loss = (inputs.autodiff().matmul(weights.clone()) - targets.autodiff()).square().mean();
        let (value, gradients) = gradients::backward(loss).unwrap();
        let mean = residual.mapv(|v| v * v).mean().unwrap();
        assert!(on.tolerance(Operation::Reduction, burn::tensor::DType::F32).admits(value, mean), "{value} {mean}");
        let got = weights.grad(&gradients).unwrap();
        on.assert_close(Operation::Gradient, got, want.as_standard_layout().as_slice().unwrap());
    }

    fn gradient_of_cross_entropy(on: &TestDevice) {
        // d/dz of -sum_i log softmax(z_i)[t_i] is softmax(z) - onehot(t).
        let z = matrix(6, 4, 10);
        let targets = [0usize, 3, 1, 1, 2, 0];
        let mut want = z.clone();
        for (mut row, &t) in want.rows_mut().into_iter().zip(&targets) {
            row.mapv_inplace(f64::exp);
            let sum = row.sum();
            row /= sum;
            row[t] -= 1.0;
        }
        let onehot = Array2::from_shape_fn((6, 4), |(i, j)| f64::from(u8::from(targets[i] == j)));
        let logits: Tensor<2> = on.tensor(z.view()).autodiff().require_grad();
        let chosen: Tensor<2> = on.tensor(onehot.view());
        let loss = (activation::log_softmax(logits.clone(), 1) * chosen.autodiff()).sum().neg();
        let (_, gradients) = gradients::backward(loss).unwrap();
        on.assert_close(Operation::Gradient, logits.grad(&gradients).unwrap(), want.as_slice().unwrap());
    }

    fn bridges_keep_every_bit(on: &TestDevice) {
        let floats = matrix(3, 5, 11).mapv(|v| v as f32);
        let t: Tensor<2> = float_tensor(floats.t(), FloatDType::F32, on.device()).unwrap();
        assert_eq!(float_array::<f32, _>(t).unwrap(), floats.t());
        let ints = arr2(&[[-7, 0], [i64::from(i32::MAX), i64::from(i32::MIN)]]);
        let t = int_tensor(ints.view(), IntDType::I32, on.device()).unwrap();
        assert_eq!(int_array(t).unwrap(), ints);
        let bools = arr1(&[true, false, false, true, true]);
        let t = bool_tensor(bools.view(), on.device()).unwrap();
        assert_eq!(bool_array(t).unwrap(), bools);
    }

    fn random_tensors_agree_bit_for_bit(on: &TestDevice) {
        let key = random::Key::new(3, "cross-backend", 2);
        let host = |values: Vec<f64>| Array1::from(values).mapv(|v| v as f32);
        let normal: Tensor<1> = random::normal([300], key, 0.0, 1.0, FloatDType::F32, on.device()).unwrap();
        let want = host(rng::normals(&mut rng::stream(3, "cross-backend", 2), 300));
        assert_eq!(float_array::<f32, _>(normal).unwrap(), want);
        let signs: Tensor<1> = random::rademacher([300], key, FloatDType::F32, on.device()).unwrap();
        let want = host(rng::rademacher(&mut rng::stream(3, "cross-backend", 2), 300));
        assert_eq!(float_array::<f32, _>(signs).unwrap(), want);
        let flat: Tensor<2> = random::uniform([20, 15], key, -2.0, 5.0, FloatDType::F32, on.device()).unwrap();
        let values = float_array::<f32, _>(flat).unwrap();
        // The bits themselves, as the first release drew them: a change of stream shows on every device.
        let seen: u64 = values.iter().fold(0, |h: u64, v| h.rotate_left(5) ^ u64::from(v.to_bits()));
        let mut draws = rng::stream(3, "cross-backend", 2);
        let drawn = (0..300).map(|_| (-2.0 + 7.0 * rand::RngExt::random::<f64>(&mut draws)) as f32);
        assert_eq!(seen, drawn.fold(0, |h: u64, v| h.rotate_left(5) ^ u64::from(v.to_bits())));
    }

    fn a_number_type_that_the_device_lacks_is_refused(on: &TestDevice) {
        let made: tensor_backend::Result<Tensor<1>> =
            float_tensor(arr1(&[1.0f64]).view(), FloatDType::F64, on.device());
        match on.opened().capabilities.f64 {
            true => assert_eq!(made.unwrap().dtype(), burn::tensor::DType::F64),
            false => assert!(matches!(made, Err(tensor_backend::Error::Unsupported { .. }))),
        }
    }
}
