//! Bodies of steering that every backend runs, against the host in double precision.

use burn::tensor::{DType, FloatDType, Tensor};
use llm_neurons::foxp2::{
    LayerFit, LayerSteer, Scale, SteerTensor, Strength, TokenSetTensors, TokenSets, defaultness, fit_layer,
    unit_rows,
};
use ndarray::{Array1, Array2};
use numerics::rng::{normals, stream};
use probes::{SparseAutoencoderConfig, SparseWeights, Sparsity};
use tensor_backend::bridge::float_tensor;
use tensor_backend::harness::TestDevice;
use tensor_backend::tolerance::Operation;

const UNITS: usize = 10;
const FEATURES: usize = 14;

/// Numbers that 32 bits hold exactly, so that all devices see the same.
pub(crate) fn draw(seed: u64, purpose: &str, rows: usize, columns: usize) -> Array2<f64> {
    let values = normals(&mut stream(seed, purpose, 0), rows * columns);
    Array2::from_shape_fn((rows, columns), |(i, j)| (values[i * columns + j] * 256.0).round() / 256.0)
}

/// A layer fitted to random codes, of the FOXP2 autoencoder or another.
pub(crate) fn steer(seed: u64, config: &SparseAutoencoderConfig) -> LayerSteer {
    let vector =
        |purpose: &str, n: usize| -> Array1<f64> { draw(seed, purpose, 1, n).row(0).mapv(|x| x * 0.125) };
    let weights = SparseWeights {
        encoder: draw(seed, "foxp2.encoder", config.inputs, config.latents),
        encoder_bias: vector("foxp2.bias", config.latents),
        decoder: (!config.tied).then(|| draw(seed, "foxp2.decoder", config.latents, config.inputs)),
        bias: config.pre_bias.then(|| vector("foxp2.pre_bias", config.inputs)),
        threshold: matches!(config.sparsity, Sparsity::BatchTopK { .. }).then_some(0.25),
        config: config.clone(),
    };
    let codes = |purpose: &str| {
        let rows = draw(seed, purpose, 30, config.inputs);
        weights.encode(&unit_rows(&rows.view()).view()).unwrap()
    };
    let (target, english, weak) = (codes("target"), codes("english"), codes("weak"));
    let features = [3, 0, 8, 5, 11];
    let (t, e, w) = (target.view(), english.view(), weak.view());
    fit_layer(2, weights.clone(), &features, &t, &e, &w, 3.25, LayerFit::default()).unwrap()
}

/// The autoencoder of the method and the others that a plan may hold.
pub(crate) fn kinds() -> Vec<SparseAutoencoderConfig> {
    vec![
        SparseAutoencoderConfig::foxp2(UNITS, FEATURES, 5e-3),
        SparseAutoencoderConfig::new(UNITS, FEATURES, Sparsity::L1 { coefficient: 5e-3 }),
        SparseAutoencoderConfig::new(UNITS, FEATURES, Sparsity::TopK { k: 6 }),
        SparseAutoencoderConfig::new(UNITS, FEATURES, Sparsity::BatchTopK { k: 6 }),
    ]
}

pub(crate) fn edits_agree_with_the_host(on: &TestDevice, dtype: FloatDType) {
    for (i, config) in kinds().iter().enumerate() {
        let steer = steer(i as u64, config);
        let tensor = SteerTensor::new(&steer, dtype, on.device()).unwrap();
        assert_eq!(tensor.layer(), 2);
        let rows = draw(i as u64, "rows", 5, UNITS) * 4.0;
        let upload = || -> Tensor<2> { float_tensor(rows.view(), dtype, on.device()).unwrap() };
        for scale in [Scale::Relative, Scale::Absolute, Scale::OfficialQuirks] {
            for (lambda, beta) in [(1.0, 0.0), (0.0, 2.0), (2.0, 1.0)] {
                let strength = Strength { lambda, beta };
                let wanted = steer.apply(&rows.view(), strength, scale).unwrap();
                assert!(
                    (&wanted - &rows).iter().any(|d| d.abs() > 1e-3),
                    "{scale:?} {strength:?} does something"
                );
                let wanted: Vec<f64> = wanted.iter().copied().collect();
                on.assert_close(Operation::Matmul, tensor.apply(upload(), strength, scale).unwrap(), &wanted);
            }
            let same = tensor.apply(upload(), Strength::default(), scale).unwrap();
            same.into_data().assert_eq(&upload().into_data(), true);
        }
        let wide: Tensor<2> = float_tensor(draw(0, "x", 2, UNITS + 1).view(), dtype, on.device()).unwrap();
        assert!(tensor.apply(wide, Strength { lambda: 1.0, beta: 0.0 }, Scale::Relative).is_err());
        let nan = Strength { lambda: f64::NAN, beta: 0.0 };
        assert!(tensor.apply(upload(), nan, Scale::Relative).is_err());
    }
}

pub(crate) fn masses_agree_with_the_host(on: &TestDevice, dtype: FloatDType) {
    let logits = draw(1, "logits", 7, 50) * 3.0;
    let sets = TokenSets::new(vec![0, 7, 9, 30], vec![1, 2, 49], 50).unwrap();
    let wanted = defaultness(&logits.view(), &sets).unwrap();
    let there = TokenSetTensors::new(&sets, on.device()).unwrap();
    let tensor: Tensor<2> = float_tensor(logits.view(), dtype, on.device()).unwrap();
    let flat: Vec<f64> = wanted.iter().flat_map(|d| [d.target, d.english]).collect();
    on.assert_close(Operation::Softmax, there.masses(tensor.clone()).unwrap(), &flat);
    let allowed = on.tolerance(Operation::Softmax, DType::from(dtype));
    for (got, want) in there.defaultness(tensor.clone()).unwrap().iter().zip(&wanted) {
        assert!((got.difference - want.difference).abs() <= 2.0 * (allowed.absolute + allowed.relative));
    }
    assert!(there.masses(tensor.narrow(1, 0, 49)).is_err());
}
