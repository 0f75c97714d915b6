//! A device whose default number type is `f64`: a binary of its own, since Burn fixes the default once per process.
#![cfg(feature = "flex")]

use burn::nn::LinearConfig;
use burn::optim::AdamConfig;
use burn::tensor::{DType, FloatDType, Tensor};
use ndarray::Array2;
use tensor_backend::training::{Schedule, Trainer, Training};
use tensor_backend::{DeviceSpec, Error, bridge, gradients};

#[test]
fn models_train_and_resume_in_f64() {
    let opened = DeviceSpec::Cpu.open_as(FloatDType::F64).unwrap();
    assert!(matches!(DeviceSpec::Cpu.open(), Err(Error::Dtype { .. })));
    let device = opened.device.clone().autodiff();
    let x = Array2::from_shape_fn((12, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f64 / 7.0);
    let inputs: Tensor<2> = bridge::float_tensor(x.view(), FloatDType::F64, &device).unwrap();
    let loss = |model: &burn::nn::Linear, batch: &tensor_backend::training::Batch<'_>| {
        let rows = x.select(ndarray::Axis(0), batch.indices);
        let input: Tensor<2> = bridge::float_tensor(rows.view(), FloatDType::F64, &device)?;
        Ok::<_, Error>((model.forward(input.clone()) - input.sum_dim(1)).square().mean())
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let start = LinearConfig::new(3, 1).init(&device);
    assert_eq!(start.weight.val().dtype(), DType::F64);
    let plan = |epochs| Training {
        epochs,
        batch_size: 4,
        rate: Schedule::Constant { rate: 0.05 },
        ..Training::default()
    };
    let trainer = |epochs| Trainer::new(start.clone(), AdamConfig::new().build(), plan(epochs)).unwrap();
    let whole = trainer(4).run(12, loss, &mut ()).unwrap().model;
    trainer(2).checkpoints(&path, 1000).unwrap().run(12, loss, &mut ()).unwrap();
    let resumed = trainer(4).resume(&path).unwrap().run(12, loss, &mut ()).unwrap().model;
    let bits = |model: &burn::nn::Linear| model.weight.val().into_data();
    assert_eq!(bits(&whole), bits(&resumed));
    assert_ne!(bits(&whole), bits(&start));

    let found = gradients::input_gradient(whole, inputs.inner(), |m, x| m.forward(x).square().sum()).unwrap();
    assert_eq!(found.gradient.dtype(), DType::F64);
}
