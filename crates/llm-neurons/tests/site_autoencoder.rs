//! Sparse autoencoders of a model's site: rows, splicing, what is recovered, files.

use std::path::{Path, PathBuf};

use burn::tensor::FloatDType;
use llm_neurons::Error;
use llm_neurons::autoencoder::{RowKind, SiteAutoencoder, collect_rows};
use llm_neurons::model::{Forward, HookedLm, LmConfig, Tokens, WeightFiles};
use ndarray::{Array1, Array2, Axis};
use probes::{HookSet, Read, SparseAutoencoderConfig, SparseWeights, Sparsity};
use recordings::arrays::ArrayFile;
use recordings::{ModelIdentity, Site};
use tensor_backend::bridge::float_array;
use tensor_backend::harness::TestDevice;

/// Batches of other shapes round differently.
const BATCHED: f64 = 1e-4;
/// Nats a token of a perfect autoencoder against none.
const NATS: f64 = 1e-4;

fn model(on: &TestDevice) -> HookedLm {
    let at = |name: &str| -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers").join(name)
    };
    let text = std::fs::read_to_string(at("llama_gqa.config.json")).unwrap();
    let files = WeightFiles::open_file(&at("llama_gqa.model.safetensors")).unwrap();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, on.device()).unwrap()
}

/// A trained model, and a text that it wrote.
fn trained(on: &TestDevice) -> (HookedLm, Vec<Vec<u32>>) {
    let at = |name: &str| -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/04-coreinfer-pud").join(name)
    };
    let text = std::fs::read_to_string(at("opt.config.json")).unwrap();
    let files = WeightFiles::open_file(&at("opt.model.f16.safetensors")).unwrap();
    let config = LmConfig::parse(&text).unwrap();
    let model = HookedLm::from_files(config, &files, FloatDType::F32, on.device()).unwrap();
    let expected = ArrayFile::open(&at("opt.expected.safetensors")).unwrap();
    let ids = expected.read_i64_2("greedy_ids").unwrap();
    (model, vec![ids.iter().map(|x| u32::try_from(*x).unwrap()).collect()])
}

fn texts() -> Vec<Vec<u32>> {
    (0..9_u32).map(|i| (0..2 + i % 5).map(|t| (i * 31 + t * 17 + 5) % 96).collect()).collect()
}

/// An autoencoder that rebuilds everything: one direction for each sign of each unit.
fn perfect(site: Site, units: usize, unit: bool) -> SiteAutoencoder {
    let mut encoder = Array2::zeros((units, 2 * units));
    for i in 0..units {
        (encoder[[i, i]], encoder[[i, units + i]]) = (1.0, -1.0);
    }
    let config = SparseAutoencoderConfig::foxp2(units, 2 * units, 1e-3);
    let encoder_bias = Array1::zeros(2 * units);
    SiteAutoencoder {
        model: ModelIdentity { tensors_sha256: "ab12".into(), source: "tiny".into() },
        site,
        kind: RowKind { last: false, unit },
        weights: SparseWeights { encoder, encoder_bias, decoder: None, bias: None, threshold: None, config },
    }
}

tensor_backend::cross_backend_tests! {
    fn rows_are_those_of_each_text_alone(on: &TestDevice) {
        use crate::{Axis, Forward, HookSet, Read, RowKind, Site, Tokens, collect_rows};
        let (model, texts) = (crate::model(on), crate::texts());
        for site in [Site::Embed, Site::ResidPost(0), Site::Act(1), Site::FinalNorm, Site::Logits] {
            let all = collect_rows(&model, &texts, &site, RowKind::default(), 12).unwrap();
            let last = collect_rows(&model, &texts, &site, RowKind { last: true, unit: true }, 12).unwrap();
            let mut row = 0;
            for (i, text) in texts.iter().enumerate() {
                let mut hooks = HookSet::new();
                let read = hooks.read(site.clone(), Read::Full).unwrap();
                model.forward(&Tokens::one(text), Forward::default(), &mut hooks).unwrap();
                let alone = crate::float_array::<f64, 3>(hooks.full(read).unwrap()).unwrap();
                let alone = alone.index_axis(Axis(0), 0).to_owned();
                for wanted in alone.outer_iter() {
                    let far = all.row(row).iter().zip(wanted).any(|(a, b)| (f64::from(*a) - b).abs() > crate::BATCHED);
                    assert!(!far, "{site} row {row}");
                    row += 1;
                }
                let newest = alone.row(text.len() - 1);
                let length = newest.dot(&newest).sqrt();
                let far = last.row(i).iter().zip(newest).any(|(a, b)| (f64::from(*a) - b / length).abs() > crate::BATCHED);
                assert!(!far, "{site} text {i}");
            }
            assert_eq!((all.nrows(), last.nrows()), (row, texts.len()));
        }
    }

    fn a_perfect_autoencoder_recovers_all_and_an_empty_one_nothing(on: &TestDevice) {
        use crate::Site;
        let (model, texts) = crate::trained(on);
        for (site, units) in [(Site::ResidPost(1), 96), (Site::DownOut(0), 96), (Site::Act(0), 384)] {
            for unit in [false, true] {
                let whole = crate::perfect(site.clone(), units, unit);
                let found = whole.evaluate(&model, &texts, 20).unwrap();
                assert!((found.spliced - found.clean).abs() < crate::NATS, "{site} {found:?}");
                assert!(found.rows.unexplained.unwrap() < 1e-6 && found.rows.l0 <= units as f64);
                assert!(found.zeroed > found.clean + 0.05, "the text is the model's own: {site} {found:?}");
                let mut empty = whole.clone();
                empty.weights.encoder.fill(0.0);
                let nothing = empty.evaluate(&model, &texts, 20).unwrap();
                assert!((nothing.spliced - nothing.zeroed).abs() < crate::NATS, "{site} {nothing:?}");
                assert_eq!((nothing.rows.l0, nothing.rows.dead_fraction), (0.0, 1.0));
                assert!(nothing.rows.unexplained.unwrap() >= 1.0 - 1e-9);
                let (all, none) = (found.loss_recovered.unwrap(), nothing.loss_recovered.unwrap());
                let cost = found.zeroed - found.clean;
                assert!((all - 1.0).abs() <= crate::NATS / cost && none.abs() <= crate::NATS / cost);
            }
        }
    }
}

#[test]
fn files_are_read_back_and_strangers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sae.safetensors");
    let one = perfect(Site::ResidPost(1), 4, true);
    one.save(&path).unwrap();
    assert_eq!(SiteAutoencoder::load(&path).unwrap(), one);
    let mut batch = one.clone();
    batch.weights.config.sparsity = Sparsity::BatchTopK { k: 2 };
    batch.weights.threshold = Some(0.125);
    batch.save(&path).unwrap();
    assert_eq!(SiteAutoencoder::load(&path).unwrap(), batch);
    assert!(one.check_model("ab12").is_ok());
    let other = one.check_model("ab13").unwrap_err();
    assert!(matches!(&other, Error::Mismatch { found, .. } if found == "ab13"));
    // Weights alone do not say which site they are of.
    one.weights.save(&path).unwrap();
    assert!(matches!(SiteAutoencoder::load(&path), Err(Error::File { .. })));
    std::fs::write(&path, b"nothing").unwrap();
    assert!(SiteAutoencoder::load(&path).is_err());
    let mut nan = one;
    nan.weights.encoder[[0, 0]] = f64::NAN;
    assert!(matches!(nan.save(&path), Err(Error::Probes(_))));
}

#[test]
fn what_cannot_be_read_is_refused() {
    tensor_backend::harness::run(tensor_backend::Backend::Cpu, |on| {
        let model = model(on);
        let rows =
            |texts: &[Vec<u32>], site: Site| collect_rows(&model, texts, &site, RowKind::default(), 64);
        let site = || Site::ResidPost(0);
        assert!(matches!(rows(&[], site()), Err(Error::TooFew { .. })));
        assert!(matches!(rows(&[vec![]], site()), Err(Error::Prompt { .. })));
        assert!(matches!(rows(&[vec![1; 999]], site()), Err(Error::Prompt { .. })));
        assert!(matches!(rows(&[vec![96]], site()), Err(Error::TokenOutOfVocabulary { .. })));
        assert!(matches!(rows(&[vec![1]], Site::ResidPost(2)), Err(Error::Mismatch { .. })));
        assert!(matches!(rows(&[vec![1]], Site::Module("x".into())), Err(Error::Mismatch { .. })));
        let narrow = perfect(site(), 31, false);
        assert!(matches!(narrow.splice(&mut HookSet::new(), &model), Err(Error::Mismatch { .. })));
        assert!(matches!(narrow.evaluate(&model, &texts(), 64), Err(Error::Mismatch { .. })));
        let right = perfect(site(), 32, false);
        assert!(matches!(right.evaluate(&model, &[[5]], 64), Err(Error::Prompt { .. })));
    });
}
