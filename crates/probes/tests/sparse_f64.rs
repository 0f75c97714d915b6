//! Gradients by central differences, on tensors of 64-bit floats.
#![cfg(feature = "flex")]

use burn::tensor::{Device, FloatDType, Tensor};
use probes::{SparseAutoencoder, SparseTraining, SparseWeights, train};
use tensor_backend::{Backend, DeviceSpec, bridge, harness};

#[path = "cases/sparse.rs"]
mod cases;

/// The loss is piecewise quadratic in each weight: differences of this width lose about 1e-9 to rounding.
const WIDTH: f64 = 1e-5;
const AGREE: f64 = 1e-7;

/// Tensors say their number type themselves; the device's default stays 32 bits, so that a tensor which took the default
/// would not fit.
fn cpu() -> Device {
    DeviceSpec::Cpu.open().unwrap().device
}

#[test]
fn gradients_are_central_differences() {
    let device = cpu();
    for (i, config) in cases::kinds().into_iter().enumerate() {
        let weights = cases::weights(&config, 20 + i as u64);
        let x = cases::draw(20 + i as u64, "test.rows", 5, config.inputs);
        let loss = |weights: &SparseWeights, device: &Device| {
            let model = SparseAutoencoder::from_weights(weights, FloatDType::F64, device).unwrap();
            let rows: Tensor<2> =
                bridge::float_tensor(x.view(), FloatDType::F64, &device.clone().inner()).unwrap();
            (model.clone(), model.loss(rows).unwrap().total)
        };
        let (model, total) = loss(&weights, &device.clone().autodiff());
        let gradients = total.backward();
        let value = |weights: &SparseWeights| bridge::scalar(loss(weights, &device).1).unwrap();
        let check = |what: &str, got: f64, change: &dyn Fn(&mut SparseWeights, f64)| {
            let at = |by: f64| {
                let mut moved = weights.clone();
                change(&mut moved, by);
                value(&moved)
            };
            let difference = (at(WIDTH) - at(-WIDTH)) / (2.0 * WIDTH);
            assert!((got - difference).abs() < AGREE, "{config:?} {what}: {got} {difference}");
        };
        let encoder = bridge::float_array::<f64, 2>(model.encoder().grad(&gradients).unwrap()).unwrap();
        for ((r, c), got) in encoder.indexed_iter().filter(|((r, c), _)| (r + c) % 3 == 0) {
            check("encoder", *got, &|w, by| w.encoder[[r, c]] += by);
        }
        let bias = bridge::float_array::<f64, 1>(model.encoder_bias().grad(&gradients).unwrap()).unwrap();
        for (j, got) in bias.indexed_iter() {
            check("encoder bias", *got, &|w, by| w.encoder_bias[j] += by);
        }
        if let Some(decoder) = model.decoder() {
            let decoder = bridge::float_array::<f64, 2>(decoder.grad(&gradients).unwrap()).unwrap();
            for ((r, c), got) in decoder.indexed_iter().filter(|((r, c), _)| (r + c) % 3 == 0) {
                check("decoder", *got, &|w, by| w.decoder.iter_mut().for_each(|d| d[[r, c]] += by));
            }
        }
        if let Some(bias) = model.bias() {
            let bias = bridge::float_array::<f64, 1>(bias.grad(&gradients).unwrap()).unwrap();
            for (j, got) in bias.indexed_iter() {
                check("pre-bias", *got, &|w, by| w.bias.iter_mut().for_each(|b| b[j] += by));
            }
        }
    }
}

#[test]
fn codes_losses_and_gradients_agree_in_double_precision() {
    harness::run(Backend::Cpu, |on| {
        cases::agrees_with_the_host(on, FloatDType::F64);
        cases::tied_decoding_gives_the_columns(on, FloatDType::F64);
    });
}

#[test]
fn training_keeps_the_number_type() {
    let device = cpu();
    for config in cases::kinds() {
        let model = SparseAutoencoder::new(&config, 2, FloatDType::F64, &device).unwrap();
        let rows = cases::draw(9, "test.rows", 24, config.inputs).mapv(|x| x as f32);
        let plan = SparseTraining { epochs: 2, batch_size: 10, ..SparseTraining::default() };
        let trained = train(model, &rows.view(), &plan, &mut |_| true).unwrap();
        assert_eq!(trained.model.encoder().dtype(), burn::tensor::DType::F64);
        assert_eq!(trained.epochs.len(), 2);
    }
}
