//! Numbers that the published code of Neural FOXP2 gave (fixtures/05-foxp2/README.md says which).
#![cfg(feature = "flex")]

use std::path::{Path, PathBuf};

use burn::tensor::{FloatDType, Tensor};
use llm_neurons::foxp2::{
    LayerQuality, LayerSteer, Scale, SteerTensor, Strength, TokenSetTensors, TokenSets, WindowRule,
    best_window, bootstrap_stability, defaultness, selectivity, steering_subspace, unit_rows,
};
use ndarray::{Array1, Array2, Axis, Ix3};
use probes::{SparseAutoencoder, SparseAutoencoderConfig, SparseWeights};
use recordings::arrays::ArrayFile;
use serde_json::Value;
use tensor_backend::{DeviceSpec, bridge};

/// Values of the published code, in 32 bits.
const VALUE: f64 = 1e-5;
/// Its gradients.
const GRADIENT: f64 = 1e-6;
/// What it computed in 64 bits.
const DOUBLE: f64 = 1e-9;
/// Its bootstrap draws are not ours.
const STABILITY: f64 = 0.01;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/05-foxp2").join(name)
}

fn arrays() -> ArrayFile {
    ArrayFile::open(&fixture("foxp2.safetensors")).unwrap()
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture("foxp2_expected.json")).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| usize::try_from(v.as_u64().unwrap()).unwrap()).collect()
}

fn close(what: &str, got: f64, wanted: f64, tolerance: f64) {
    assert!((got - wanted).abs() <= tolerance, "{what}: {got} against {wanted}");
}

fn all_close(what: &str, got: &Array2<f64>, wanted: &Array2<f64>, tolerance: f64) {
    assert_eq!(got.dim(), wanted.dim(), "{what}");
    for ((at, g), w) in got.indexed_iter().zip(wanted) {
        close(&format!("{what} {at:?}"), *g, *w, tolerance);
    }
}

fn row(vector: Array1<f64>) -> Array2<f64> {
    vector.insert_axis(Axis(0))
}

fn autoencoder(file: &ArrayFile, wanted: &Value) -> SparseWeights {
    let encoder = file.read_f64_2("sae_W").unwrap();
    let (inputs, latents) = encoder.dim();
    let coefficient = number(&wanted["loss"]["lambda_sparse"]);
    SparseWeights {
        encoder,
        encoder_bias: file.read_f64_1("sae_b").unwrap(),
        decoder: None,
        bias: None,
        threshold: None,
        config: SparseAutoencoderConfig::foxp2(inputs, latents, coefficient),
    }
}

#[test]
fn codes_loss_and_gradients_match_the_published_autoencoder() {
    let (file, wanted) = (arrays(), expected());
    let weights = autoencoder(&file, &wanted);
    let h = unit_rows(&file.read_f64_2("h").unwrap().view());
    all_close("unit rows", &h, &file.read_f64_2("h_norm").unwrap(), VALUE);
    let codes = weights.encode(&h.view()).unwrap();
    all_close("codes", &codes, &file.read_f64_2("z").unwrap(), VALUE);
    let rebuilt = weights.decode(&codes.view()).unwrap();
    all_close("reconstruction", &rebuilt, &file.read_f64_2("recon").unwrap(), VALUE);

    let device = DeviceSpec::Cpu.open().unwrap().device.autodiff();
    let model = SparseAutoencoder::from_weights(&weights, FloatDType::F32, &device).unwrap();
    let rows: Tensor<2> = bridge::float_tensor(h.view(), FloatDType::F32, &device).unwrap();
    let host = |t: Tensor<2>| bridge::float_array::<f64, 2>(t).unwrap();
    let codes = model.encode(rows.clone()).unwrap();
    all_close("codes", &host(codes.clone()), &file.read_f64_2("z").unwrap(), VALUE);
    all_close("rebuilt", &host(model.decode(codes).unwrap()), &file.read_f64_2("recon").unwrap(), VALUE);
    let loss = model.loss(rows).unwrap();
    let value = |t: &Tensor<1>| bridge::scalar(t.clone()).unwrap();
    close("reconstruction loss", value(&loss.reconstruction), number(&wanted["loss"]["recon"]), VALUE);
    close("L1", value(&loss.magnitude), number(&wanted["loss"]["l1"]), VALUE);
    close("loss", value(&loss.total), number(&wanted["loss"]["total"]), VALUE);
    let gradients = loss.total.backward();
    let found = host(model.encoder().grad(&gradients).unwrap());
    all_close("gradient of W", &found, &file.read_f64_2("grad_W").unwrap(), GRADIENT);
    let found = bridge::float_array::<f64, 1>(model.encoder_bias().grad(&gradients).unwrap()).unwrap();
    all_close("gradient of b", &row(found), &row(file.read_f64_1("grad_b").unwrap()), GRADIENT);

    let unit = model.with_unit_directions().weights().unwrap();
    all_close("unit columns", &unit.encoder, &file.read_f64_2("W_colnorm").unwrap(), VALUE);
}

#[test]
fn selectivity_and_masses_match() {
    let (file, wanted) = (arrays(), expected());
    let [target, english] = ["z_tgt", "z_en"].map(|key| file.read_f64_2(key).unwrap());
    let found = selectivity(&target.view(), &english.view()).unwrap();
    all_close("selectivity", &row(found), &row(file.read_f64_1("selectivity").unwrap()), VALUE);

    let logits = file.read_f64_2("logits").unwrap();
    let sets = TokenSets::new(indices(&wanted["V_tgt"]), indices(&wanted["V_en"]), logits.ncols()).unwrap();
    let masses = file.read_f64_1("mass").unwrap();
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let tensor: Tensor<2> = bridge::float_tensor(logits.view(), FloatDType::F32, &device).unwrap();
    let host = defaultness(&logits.view(), &sets).unwrap();
    let there = TokenSetTensors::new(&sets, &device).unwrap().defaultness(tensor).unwrap();
    for found in [host, there] {
        assert_eq!(found.len(), masses.len());
        for (found, wanted) in found.iter().zip(&masses) {
            close("dM", found.difference, *wanted, VALUE);
            close("dM", found.target - found.english, *wanted, VALUE);
        }
    }
}

#[test]
fn the_steering_subspace_and_its_rank_match() {
    let (file, wanted) = (arrays(), &expected()["stage2"]);
    let dz = file.read_f64_2("delta_Z").unwrap();
    let r_max = usize::try_from(wanted["r_max"].as_u64().unwrap()).unwrap();
    let found = steering_subspace(&dz.view(), r_max).unwrap();
    assert_eq!((found.rank, found.eigengap), (3, 3));
    assert_eq!(Value::from(found.rank), wanted["r"]);
    assert_eq!(Value::from(found.eigengap), wanted["eigengap"]);
    close("effective rank", found.effective_rank, number(&wanted["effective_rank"]), DOUBLE);
    close("mass", found.mass, number(&wanted["mass"]), DOUBLE);
    close("mass", found.mass, 0.966_278_2, 5e-8);
    close("effective rank", found.effective_rank, 3.315_113, 5e-7);
    all_close("S", &row(found.singular_values.clone()), &row(file.read_f64_1("S").unwrap()), 1e-7);
    let projector = found.basis.dot(&found.basis.t());
    all_close("projector", &projector, &file.read_f64_2("projector_r").unwrap(), DOUBLE);
    all_close("projector", &projector, &file.read_f64_2("P").unwrap(), VALUE);
    for seed in 0..4 {
        let stability = bootstrap_stability(&dz.view(), found.rank, 20, seed).unwrap();
        close("stability", stability, number(&wanted["bootstrap_stability_20_seed0"]), STABILITY);
        close("stability", stability, 0.9950, STABILITY);
    }
}

#[test]
fn the_window_of_layers_matches() {
    let wanted = expected();
    let scores: Vec<(usize, f64)> = wanted["window_scores"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(layer, score)| (layer.parse().unwrap(), number(score)))
        .collect();
    assert_eq!(scores.len(), 16);
    let found = best_window(&scores, 3, 6, WindowRule::Sum).unwrap();
    assert_eq!(found.layers, indices(&wanted["window"]["layers"]));
    assert_eq!(found.layers, [18, 19, 20, 21, 22, 23]);
    close("score", found.score, number(&wanted["window"]["score"]), DOUBLE);
    close("score", found.score, 3.422_646_37, 5e-9);
}

fn last_row(array: &ndarray::ArrayD<f64>) -> (Array2<f64>, Array2<f64>) {
    let array = array.clone().into_dimensionality::<Ix3>().unwrap();
    let time = array.len_of(Axis(1));
    let rows = array.index_axis(Axis(0), 0);
    (rows.select(Axis(0), &[time - 1]), rows.slice_axis(Axis(0), (0..time - 1).into()).to_owned())
}

#[test]
fn the_edit_matches_the_published_hook() {
    let (file, wanted) = (arrays(), expected());
    let weights = autoencoder(&file, &wanted);
    let basis = steering_subspace(&file.read_f64_2("delta_Z").unwrap().view(), 12).unwrap();
    let steer = LayerSteer {
        layer: 18,
        features: indices(&wanted["hook"]["language_neurons"]),
        mu_target: file.read_f64_1("mu_tgt").unwrap(),
        mu_english: file.read_f64_1("mu_en").unwrap(),
        mean_norm: 7.0,
        quality: LayerQuality {
            rank: basis.rank,
            mass: basis.mass,
            effective_rank: basis.effective_rank,
            eigengap: basis.eigengap,
            stability: 1.0,
        },
        basis: basis.basis,
        weights,
    };
    let strength =
        Strength { lambda: number(&wanted["hook"]["lambda"]), beta: number(&wanted["hook"]["beta"]) };
    let (before, rest) = last_row(&file.get("hook_in").unwrap().to_f64().unwrap());
    let (after, untouched) = last_row(&file.get("hook_out").unwrap().to_f64().unwrap());
    assert_eq!(rest, untouched, "the published hook edits the last position alone");
    let found = steer.apply(&before.view(), strength, Scale::OfficialQuirks).unwrap();
    all_close("edit", &found, &after, VALUE);
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let tensor = SteerTensor::new(&steer, FloatDType::F32, &device).unwrap();
    let rows: Tensor<2> = bridge::float_tensor(before.view(), FloatDType::F32, &device).unwrap();
    let there = tensor.apply(rows, strength, Scale::OfficialQuirks).unwrap();
    all_close("edit", &bridge::float_array::<f64, 2>(there).unwrap(), &after, VALUE);
    // What we take by default is not what the published code does.
    let ours = steer.apply(&before.view(), strength, Scale::Absolute).unwrap();
    assert!((&ours - &after).iter().any(|d| d.abs() > 0.05));
}
