//! Bodies that every backend runs, against losses and gradients derived by hand on the host in double precision.

use burn::tensor::{DType, FloatDType, Tensor};
use ndarray::{Array1, Array2, Axis};
use numerics::rng::{normals, stream};
use probes::{DecoderNorm, SparseAutoencoder, SparseAutoencoderConfig, SparseWeights, Sparsity};
use tensor_backend::bridge::float_tensor;
use tensor_backend::harness::TestDevice;
use tensor_backend::tolerance::Operation;

/// Every kind of autoencoder: three sparsities, tied or not, with and without pre-bias, small and large k.
pub(crate) fn kinds() -> Vec<SparseAutoencoderConfig> {
    let base = |latents, sparsity| SparseAutoencoderConfig {
        norm: DecoderNorm::Free,
        ..SparseAutoencoderConfig::new(6, latents, sparsity)
    };
    let l1 = Sparsity::L1 { coefficient: 0.02 };
    vec![
        SparseAutoencoderConfig { norm: DecoderNorm::Free, ..SparseAutoencoderConfig::foxp2(6, 9, 0.02) },
        base(9, l1),
        SparseAutoencoderConfig { tied: true, ..base(9, l1) },
        base(9, Sparsity::TopK { k: 3 }),
        SparseAutoencoderConfig { tied: true, pre_bias: false, ..base(9, Sparsity::TopK { k: 2 }) },
        base(200, Sparsity::TopK { k: 70 }),
        base(9, Sparsity::BatchTopK { k: 2 }),
        SparseAutoencoderConfig { tied: true, ..base(60, Sparsity::BatchTopK { k: 20 }) },
    ]
}

/// Numbers that 32 bits hold exactly, so that all devices see the same.
pub(crate) fn draw(seed: u64, purpose: &str, rows: usize, columns: usize) -> Array2<f64> {
    let values = normals(&mut stream(seed, purpose, 0), rows * columns);
    Array2::from_shape_fn((rows, columns), |(i, j)| (values[i * columns + j] * 256.0).round() / 256.0)
}

pub(crate) fn weights(config: &SparseAutoencoderConfig, seed: u64) -> SparseWeights {
    let (inputs, latents) = (config.inputs, config.latents);
    let vector = |purpose: &str, n: usize| draw(seed, purpose, 1, n).row(0).mapv(|x| x * 0.25);
    SparseWeights {
        encoder: draw(seed, "test.encoder", inputs, latents),
        encoder_bias: vector("test.encoder_bias", latents),
        decoder: (!config.tied).then(|| draw(seed, "test.decoder", latents, inputs)),
        bias: config.pre_bias.then(|| vector("test.bias", inputs)),
        threshold: matches!(config.sparsity, Sparsity::BatchTopK { .. }).then_some(0.75),
        config: config.clone(),
    }
}

/// The loss of a batch and its gradients.
pub(crate) struct Oracle {
    pub(crate) total: f64,
    pub(crate) reconstruction: f64,
    pub(crate) magnitude: f64,
    pub(crate) encoder: Array2<f64>,
    pub(crate) encoder_bias: Array1<f64>,
    pub(crate) decoder: Option<Array2<f64>>,
    pub(crate) bias: Option<Array1<f64>>,
}

pub(crate) fn oracle(weights: &SparseWeights, x: &Array2<f64>) -> Oracle {
    let (n, d) = x.dim();
    let config = &weights.config;
    let centred = match &weights.bias {
        Some(bias) => x - bias,
        None => x.clone(),
    };
    let mut z = (centred.dot(&weights.encoder) + &weights.encoder_bias).mapv(|v| v.max(0.0));
    let kth = |values: &[f64], k: usize| {
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted[k - 1]
    };
    let lambda = match config.sparsity {
        Sparsity::L1 { coefficient } => coefficient,
        Sparsity::TopK { k } => {
            for mut row in z.outer_iter_mut() {
                let least = kth(&row.to_vec(), k);
                row.mapv_inplace(|v| if v >= least { v } else { 0.0 });
            }
            0.0
        }
        Sparsity::BatchTopK { k } => {
            let all: Vec<f64> = z.iter().copied().collect();
            let least = kth(&all, k * n);
            z.mapv_inplace(|v| if v >= least { v } else { 0.0 });
            0.0
        }
        _ => unreachable!("no other kind is tested"),
    };
    let directions = weights.directions();
    let mut output = z.dot(&directions);
    if let Some(bias) = &weights.bias {
        output += bias;
    }
    let reconstruction = (&output - x).mapv(|e| e * e).sum() / (n * d) as f64;
    let magnitude = z.sum() / n as f64;
    let above = (&output - x) * (2.0 / (n * d) as f64);
    let mut inner = above.dot(&directions.t()) + lambda / n as f64;
    inner.zip_mut_with(&z, |g, v| *g *= f64::from(u8::from(*v > 0.0)));
    let mut encoder = centred.t().dot(&inner);
    let through_decoder = z.t().dot(&above);
    if config.tied {
        encoder += &through_decoder.t();
    }
    Oracle {
        total: reconstruction + lambda * magnitude,
        reconstruction,
        magnitude,
        encoder,
        encoder_bias: inner.sum_axis(Axis(0)),
        decoder: (!config.tied).then_some(through_decoder),
        bias: config
            .pre_bias
            .then(|| above.sum_axis(Axis(0)) - inner.dot(&weights.encoder.t()).sum_axis(Axis(0))),
    }
}

fn flat(a: &Array2<f64>) -> Vec<f64> {
    a.iter().copied().collect()
}

pub(crate) fn agrees_with_the_host(on: &TestDevice, dtype: FloatDType) {
    for (i, config) in kinds().into_iter().enumerate() {
        let weights = weights(&config, i as u64);
        let x = draw(i as u64, "test.rows", 7, config.inputs);
        let rows =
            |device: &burn::tensor::Device| -> Tensor<2> { float_tensor(x.view(), dtype, device).unwrap() };
        let plain = SparseAutoencoder::from_weights(&weights, dtype, on.device()).unwrap();
        assert_eq!(plain.encoder().dtype(), DType::from(dtype));
        let codes = plain.encode(rows(on.device())).unwrap();
        let wanted = weights.encode(&x.view()).unwrap();
        on.assert_close(Operation::Matmul, codes.clone(), &flat(&wanted));
        let wanted = weights.decode(&wanted.view()).unwrap();
        on.assert_close(Operation::Matmul, plain.decode(codes).unwrap(), &flat(&wanted));
        on.assert_close(Operation::Matmul, plain.reconstruct(rows(on.device())).unwrap(), &flat(&wanted));
        on.assert_close(
            Operation::Reduction,
            plain.direction_norms(),
            weights.direction_norms().as_slice().unwrap(),
        );

        let learning = SparseAutoencoder::from_weights(&weights, dtype, &on.autodiff()).unwrap();
        let loss = learning.loss(rows(on.device())).unwrap();
        let wanted = oracle(&weights, &x);
        on.assert_close(Operation::Matmul, loss.total.clone().inner(), &[wanted.total]);
        on.assert_close(Operation::Matmul, loss.reconstruction.inner(), &[wanted.reconstruction]);
        on.assert_close(Operation::Matmul, loss.magnitude.inner(), &[wanted.magnitude]);
        let gradients = loss.total.backward();
        on.assert_close(
            Operation::Gradient,
            learning.encoder().grad(&gradients).unwrap(),
            &flat(&wanted.encoder),
        );
        let found = learning.encoder_bias().grad(&gradients).unwrap();
        on.assert_close(Operation::Gradient, found, wanted.encoder_bias.as_slice().unwrap());
        assert_eq!(learning.decoder().is_some(), !config.tied);
        if let Some(decoder) = learning.decoder() {
            on.assert_close(
                Operation::Gradient,
                decoder.grad(&gradients).unwrap(),
                &flat(wanted.decoder.as_ref().unwrap()),
            );
        }
        if let Some(bias) = learning.bias() {
            let found = bias.grad(&gradients).unwrap();
            on.assert_close(Operation::Gradient, found, wanted.bias.as_ref().unwrap().as_slice().unwrap());
        }
    }
}

pub(crate) fn tied_decoding_gives_the_columns(on: &TestDevice, dtype: FloatDType) {
    let config = SparseAutoencoderConfig::foxp2(6, 9, 0.02);
    let weights = weights(&config, 3);
    let model = SparseAutoencoder::from_weights(&weights, dtype, on.device()).unwrap();
    let every: Tensor<2> = float_tensor(Array2::<f64>::eye(9).view(), dtype, on.device()).unwrap();
    let columns = weights.encoder.t().to_owned();
    on.assert_close(Operation::Matmul, model.decode(every).unwrap(), &flat(&columns));
    for device in [on.device().clone(), on.autodiff()] {
        let model = SparseAutoencoder::from_weights(&weights, dtype, &device).unwrap();
        let unit = model.with_unit_directions();
        assert_eq!(unit.encoder().is_require_grad(), device.is_autodiff());
        on.assert_close(Operation::Reduction, unit.direction_norms().inner(), &[1.0; 9]);
    }
}
