//! Gradients of inputs and of inner tensors, against closed forms.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Tensor, TensorData};
use ndarray::Array2;
use tensor_backend::bridge::float_array;
use tensor_backend::gradients::{Tap, backward, frozen, input_gradient};
use tensor_backend::{Error, cross_backend_tests};

#[derive(Module, Debug)]
struct Network {
    norm: BatchNorm,
    dropout: burn::nn::Dropout,
    out: Linear,
}

impl Network {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.norm.forward(x);
        self.out.forward(self.dropout.forward(x))
    }
}

fn values() -> Array2<f64> {
    Array2::from_shape_fn((4, 3), |(i, j)| (i as f64 - 1.5) * 0.5 + j as f64 * 0.25)
}

cross_backend_tests! {
    fn a_frozen_batch_norm_uses_its_saved_statistics(on: &TestDevice) {
        // With mean 0 and variance 1 saved, d (sum of outputs) / dx is the row sums of W over sqrt(1 + eps), for every
        // row. With the statistics of the batch it would be 0: batch norm removes what all samples share.
        let device = on.device();
        let network = Network {
            norm: BatchNormConfig::new(3).init(device),
            dropout: DropoutConfig::new(0.5).init(),
            out: LinearConfig::new(3, 2).init(device),
        };
        let weights = float_array::<f64, _>(network.out.weight.val()).unwrap();
        let x: Tensor<2> = on.tensor(values().view());
        let found = input_gradient(network.clone(), x, |m, x| m.forward(x).sum()).unwrap();
        let row: Vec<f64> = weights.rows().into_iter().map(|r| r.sum() / (1.0f64 + 1e-5).sqrt()).collect();
        on.assert_close(Operation::Gradient, found.gradient, &row.repeat(4));
        // The statistics were not touched, and nothing of the model records gradients.
        let still = frozen(network, device);
        assert!(!still.out.weight.val().is_require_grad());
        let mean = float_array::<f64, _>(still.norm.running_mean.value()).unwrap();
        assert!(mean.iter().all(|&v| v == 0.0), "{mean}");
    }

    fn a_tap_gives_the_gradient_of_an_inner_tensor(on: &TestDevice) {
        // h = x^2, loss = sum h^3 = sum x^6: d/dh = 3 h^2 = 3 x^4 and d/dx = 6 x^5.
        let host = values();
        let x: Tensor<2> = on.tensor(host.view()).autodiff().require_grad();
        let (h, tap) = Tap::on(x.clone() * x.clone());
        let (_, gradients) = backward((h.clone() * h.clone() * h).sum()).unwrap();
        let want = |f: fn(f64) -> f64| host.mapv(f).into_raw_vec_and_offset().0;
        on.assert_close(Operation::Gradient, tap.gradient(&gradients).unwrap(), &want(|v| 3.0 * v.powi(4)));
        on.assert_close(Operation::Gradient, x.grad(&gradients).unwrap(), &want(|v| 6.0 * v.powi(5)));
    }
}

#[cfg(feature = "flex")]
#[test]
fn what_does_not_depend_is_an_error() {
    let device = tensor_backend::DeviceSpec::Cpu.open().unwrap().device;
    let model = LinearConfig::new(3, 2).init(&device);
    let x = Tensor::<2>::ones([1, 3], &device);
    let apart = input_gradient(model.clone(), x.clone(), |m, _| m.weight.val().sum());
    assert!(matches!(apart, Err(Error::NoGradient { .. })), "{apart:?}");
    let many = input_gradient(model, x.clone(), |m, x| m.forward(x).flatten(0, 1));
    assert!(matches!(many, Err(Error::Shape { .. })), "{many:?}");
    assert!(matches!(backward(x.clone().sum()), Err(Error::NoGradient { .. })));
    let (used, tap) = Tap::on(x.clone().autodiff().require_grad());
    let other = x.autodiff().require_grad();
    let (_, gradients) = backward(other.sum()).unwrap();
    assert!(matches!(tap.gradient(&gradients), Err(Error::NoGradient { .. })));
    drop(used);
}

#[cfg(feature = "flex")]
#[test]
fn a_tap_adds_nothing_even_to_what_is_not_finite() {
    let device = tensor_backend::DeviceSpec::Cpu.open().unwrap().device.autodiff();
    let data = TensorData::new(vec![f32::INFINITY, f32::NAN, 1.0], [3]);
    let x = Tensor::<1>::from_data(data.clone(), &device);
    let (same, tap) = Tap::on(x);
    let bits = |d: &TensorData| d.iter::<f32>().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(&same.clone().into_data()), bits(&data));
    let (_, gradients) = {
        let finite = same.narrow(0, 2, 1).sum();
        backward(finite).unwrap()
    };
    assert_eq!(float_array::<f64, _>(tap.gradient(&gradients).unwrap()).unwrap().to_vec(), [0.0, 0.0, 1.0]);
}
