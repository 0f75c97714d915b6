//! Files of sparse autoencoders: what is written is read, and damage is an error.
#![cfg(feature = "flex")]

use burn::tensor::FloatDType;
use probes::{SparseAutoencoder, SparseWeights, Sparsity};
use proptest::prelude::*;
use tensor_backend::{DeviceSpec, bridge};

#[path = "cases/sparse.rs"]
#[allow(dead_code, reason = "the bodies for devices are not used here")]
mod cases;

#[test]
fn what_is_saved_is_loaded_and_encodes_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let device = DeviceSpec::Cpu.open().unwrap().device;
    for (i, config) in cases::kinds().into_iter().enumerate() {
        let path = folder.path().join(format!("{i}.safetensors"));
        let weights = cases::weights(&config, i as u64);
        weights.save(&path).unwrap();
        let loaded = SparseWeights::load(&path).unwrap();
        assert_eq!(loaded, weights);
        let model = SparseAutoencoder::from_weights(&loaded, FloatDType::F32, &device).unwrap();
        assert_eq!(model.weights().unwrap(), weights);
        let x = cases::draw(1, "test.rows", 4, config.inputs);
        let codes = model.encode(bridge::float_tensor(x.view(), FloatDType::F32, &device).unwrap()).unwrap();
        let codes = bridge::float_array::<f64, 2>(codes).unwrap();
        assert!((codes - weights.encode(&x.view()).unwrap()).iter().all(|d| d.abs() < 1e-5));
    }
}

#[test]
fn weights_that_need_64_bits_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut weights = cases::weights(&cases::kinds()[0], 0);
    weights.encoder[[0, 0]] = 0.1;
    weights.save(&path).unwrap();
    assert_eq!(SparseWeights::load(&path).unwrap(), weights);
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let good = cases::weights(&cases::kinds()[1], 0);
    assert!(good.validate().is_ok());
    let mut bad = good.clone();
    bad.encoder[[1, 1]] = f64::NAN;
    assert!(matches!(bad.validate(), Err(probes::Error::NotFinite { row: 1, column: 1, .. })));
    let mut bad = good.clone();
    bad.decoder = None;
    assert!(bad.validate().is_err());
    let mut bad = good.clone();
    bad.config.latents += 1;
    assert!(bad.validate().is_err());
    let mut bad = good.clone();
    bad.threshold = Some(1.0);
    assert!(bad.validate().is_err());
    let mut bad = good.clone();
    bad.config.sparsity = Sparsity::TopK { k: 0 };
    assert!(bad.validate().is_err());
    let wide = ndarray::Array2::zeros((2, 7));
    assert!(good.encode(&wide.view()).is_err() && good.decode(&wide.view()).is_err());
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let model = SparseAutoencoder::from_weights(&good, FloatDType::F32, &device).unwrap();
    let wide = bridge::float_tensor(wide.view(), FloatDType::F32, &device).unwrap();
    assert!(model.encode(wide.clone()).is_err() && model.decode(wide.clone()).is_err());
    assert!(model.loss(wide).is_err());
    let half = bridge::float_tensor(ndarray::Array2::<f64>::zeros((2, 6)).view(), FloatDType::F16, &device);
    assert!(model.encode(half.unwrap()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_never_panic(kind in 0..8_usize, at in 0..6000_usize, value in any::<u8>(), cut in 0..6000_usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        cases::weights(&cases::kinds()[kind], 0).save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] = value;
        if cut % 2 == 0 {
            bytes.truncate(bytes.len() - cut % bytes.len());
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(read) = SparseWeights::load(&path) {
            prop_assert!(read.validate().is_ok());
        }
    }
}
