//! Perplexity over windows and over carried states, and every model as a token scorer.

use std::path::Path;

use burn::tensor::FloatDType;
use llm_neurons::model::{HookedLm, LmConfig, Tokens, WeightFiles};
use llm_neurons::perplexity::{Windows, perplexity, text_logprobs};
use llm_neurons::{AnyModel, Error, LanguageModel, QueryConfig, score_document};
use ndarray::{Array1, Array2, Array3, Axis};
use probes::NoTaps;
use proptest::prelude::*;
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::float_array;

use super::folders::{lstm, rwkv, write};

fn transformer(context: usize) -> AnyModel {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers");
    let text = std::fs::read_to_string(folder.join("llama_gqa.config.json")).unwrap();
    let from = "\"max_position_embeddings\": 64";
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, &format!("\"max_position_embeddings\": {context}"));
    let files = WeightFiles::open_file(&folder.join("llama_gqa.model.safetensors")).unwrap();
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let config = LmConfig::parse(&text).unwrap();
    AnyModel::Transformer(Box::new(HookedLm::from_files(config, &files, FloatDType::F32, &device).unwrap()))
}

fn recurrent() -> Vec<AnyModel> {
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let load = |(config, weights): (String, _)| {
        AnyModel::load(write(&config, &weights).path(), FloatDType::F32, &device).unwrap()
    };
    vec![load(rwkv()), load(lstm())]
}

/// `ln softmax` of each row, in double precision on the host.
fn log_softmax(model: &AnyModel, ids: &[u32]) -> Array2<f64> {
    let logits: Array3<f64> =
        float_array(model.read(&Tokens::one(ids), None, &mut NoTaps).unwrap().unwrap()).unwrap();
    let mut rows = logits.index_axis_move(Axis(0), 0);
    for mut row in rows.rows_mut() {
        let top = row.fold(f64::NEG_INFINITY, |m, x| m.max(*x));
        let total = row.iter().map(|x| (x - top).exp()).sum::<f64>().ln() + top;
        row -= total;
    }
    rows
}

/// By the definition: each token in the first window that has it.
fn by_window(model: &AnyModel, ids: &[u32]) -> Vec<f64> {
    let context = model.context().unwrap_or(usize::MAX);
    let stride = if context == usize::MAX { 1 } else { context / 2 };
    (1..ids.len())
        .map(|t| {
            let begin = (0..).map(|w| w * stride).find(|begin| t < begin.saturating_add(context)).unwrap();
            log_softmax(model, &ids[begin..t])[[t - begin - 1, ids[t] as usize]]
        })
        .collect()
}

fn ids(n: usize, vocabulary: u32, seed: u64) -> Vec<u32> {
    use rand::RngExt;
    let mut draws = numerics::rng::stream(seed, "perplexity", 0);
    (0..n).map(|_| draws.random_range(0..vocabulary)).collect()
}

#[test]
fn windows_overlap_by_half_and_a_recurrence_has_none() {
    let models = [vec![transformer(8)], recurrent()].concat();
    for model in &models {
        let vocabulary = model.vocabulary().min(90) as u32;
        let text = ids(21, vocabulary, 3);
        let want = by_window(model, &text);
        // Whole texts, and a budget below them: windows in other batches, states carried.
        for budget in [2048, 7] {
            let got = text_logprobs(model, &[&text[..], &text[..2]], budget, &mut NoTaps).unwrap();
            assert_eq!((got[0].len(), got[1].len()), (20, 1));
            for (a, b) in got[0].iter().zip(&want) {
                assert!((a - b).abs() < 1e-5, "{}: {a} {b}", model.kind());
            }
            let nll = perplexity(model, &[&text[..], &text[..2]], budget, &mut NoTaps).unwrap();
            let mean = -(got[0].iter().sum::<f64>() + got[1][0]) / 21.0;
            assert!(nll.tokens == 21 && (nll.by_token - mean).abs() < 1e-12);
        }
        let short = perplexity(model, &[&text[..1]], 64, &mut NoTaps);
        assert!(matches!(short, Err(Error::TooFew { needed: 2, found: 1, .. })));
        assert!(perplexity(model, &[&text[..]], 0, &mut NoTaps).is_err());
        let beyond = [0, model.vocabulary() as u32, 0];
        let said = perplexity(model, &[&beyond[..]], 64, &mut NoTaps);
        assert!(matches!(said, Err(Error::TokenOutOfVocabulary { .. })), "{said:?}");
    }
    assert_eq!(Windows::of(&models[0]), Windows { window: Some(8), stride: Some(4) });
    assert_eq!(Windows::of(&models[1]), Windows { window: None, stride: None });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn every_model_is_a_token_scorer(n in 2_usize..30, context in 2_usize..9, stride in 1_usize..8, batch in 1_usize..5) {
        for model in [vec![transformer(16)], recurrent()].concat() {
            let text = ids(n, model.vocabulary().min(90) as u32, n as u64);
            let stride = Some(stride.min(context - 1));
            let config = QueryConfig { context, stride, batch, max_tokens: None, mean_probability: true };
            let got = score_document(&model, &text, &config).unwrap();
            let (mut mean, mut at) = (Array1::<f64>::zeros(model.vocabulary()), 0);
            for window in config.windows(&text).unwrap() {
                let rows = log_softmax(&model, &window.ids[..window.ids.len() - 1]);
                for t in window.from..window.ids.len() {
                    let row = rows.row(t - 1);
                    let top = row.fold(f64::NEG_INFINITY, |m, x| m.max(*x)).exp();
                    prop_assert!((f64::from(got.scores.nll()[at]) + row[window.ids[t] as usize]).abs() < 1e-4);
                    prop_assert!((f64::from(got.scores.pmax()[at]) - top).abs() < 1e-5);
                    mean += &row.mapv(f64::exp);
                    at += 1;
                }
            }
            prop_assert_eq!(at, n - 1);
            let wanted = mean / at as f64;
            for (a, b) in got.mean_probability.unwrap().iter().zip(&wanted) {
                prop_assert!((f64::from(*a) - b).abs() < 1e-6);
            }
        }
    }
}
