//! Language neurons of a small trained model: the published forward pass, counts, masks and ablations.

use std::path::{Path, PathBuf};

use burn::tensor::FloatDType;
use llm_neurons::Error;
use llm_neurons::language::{
    AblationMatrix, ActivationCounter, ActivationStats, LanguageEvaluation, LapeConfig, ablation_matrix,
    lape, layer_profile,
};
use llm_neurons::model::{Forward, Head, HookedLm, KvCache, LmConfig, Tokens, WeightFiles};
use llm_neurons::score::{BATCH_TOKENS, Nll, mean_nll, token_logprobs, token_scores};
use ndarray::{Array2, Axis, Ix3};
use probes::{HookSet, NoTaps, Read};
use recordings::Site;
use recordings::arrays::ArrayFile;
use serde_json::Value;
use tensor_backend::bridge::float_array;
use tensor_backend::harness::TestDevice;

const LANGUAGES: [&str; 5] = ["en", "de", "es", "hi", "zh"];
const LAPE: LapeConfig = LapeConfig { top_rate: 0.1, filter: 0.9, bar: 0.9 };

/// Sheet 00-A: logits of the trained model.
const LOGITS: f64 = 2e-3;
/// Sheet 00-A: nats a token.
const NATS: f64 = 1e-3;
/// Sheet 03: tokens by which a neuron's count may differ, for rounding at zero.
const COUNT: i64 = 2;
/// Sheet 03: nats of an ablation.
const ABLATION: f64 = 0.01;
/// Batches of other sizes round differently.
const BATCHING: f64 = 1e-4;

fn shipped(folder: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder).join(name)
}

fn file(name: &str) -> ArrayFile {
    ArrayFile::open(&shipped("00-tiny-multilingual-lm-pud", name)).unwrap()
}

fn json(folder: &str, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(shipped(folder, name)).unwrap()).unwrap()
}

fn model(on: &TestDevice) -> HookedLm {
    let text = std::fs::read_to_string(shipped("00-tiny-multilingual-lm-pud", "llama.config.json")).unwrap();
    let weights = shipped("00-tiny-multilingual-lm-pud", "llama.model.f16.safetensors");
    let files = WeightFiles::open_file(&weights).unwrap();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, on.device()).unwrap()
}

fn ids(file: &ArrayFile, key: &str) -> Array2<u32> {
    file.read_i64_2(key).unwrap().mapv(|x| u32::try_from(x).unwrap())
}

/// The sentences of a language in the order of an index, each between <s> and </s>.
fn sentences(text: &ArrayFile, language: &str, index: &str) -> Vec<Vec<u32>> {
    let tokens = text.read_i64_1(&format!("{language}.ids")).unwrap();
    let offsets = text.read_i64_1(&format!("{language}.offsets")).unwrap();
    let sentence = |i: &i64| {
        let (from, to) = (offsets[*i as usize] as usize, offsets[*i as usize + 1] as usize);
        let inner = (from..to).map(|t| u32::try_from(tokens[t]).unwrap());
        std::iter::once(0).chain(inner).chain([1]).collect()
    };
    text.read_i64_1(index).unwrap().iter().map(sentence).collect()
}

fn stream(text: &ArrayFile, language: &str, index: &str, tokens: usize) -> Vec<u32> {
    sentences(text, language, index).concat().into_iter().take(tokens).collect()
}

/// Counts over the first `windows` windows of 64 tokens of each language's training text.
fn counted(model: &HookedLm, windows: usize, batch: usize) -> ActivationStats {
    let text = file("pud_token_ids.safetensors");
    let mut counter = ActivationCounter::new(model, LANGUAGES.len()).unwrap();
    for (k, language) in LANGUAGES.iter().enumerate() {
        let tokens = stream(&text, language, "train_index", windows * 64);
        assert_eq!(counter.observe_stream(k, tokens, 64, batch).unwrap(), windows);
    }
    counter.stats().unwrap()
}

/// 20 windows of 64 tokens of each language's held-out text.
fn held_out() -> Vec<Vec<Vec<u32>>> {
    let text = file("pud_token_ids.safetensors");
    let windows =
        |l: &&str| stream(&text, l, "val_index", 20 * 64).chunks(64).map(<[u32]>::to_vec).collect::<Vec<_>>();
    LANGUAGES.iter().map(windows).collect()
}

fn close_counts(got: &ActivationStats, want: &ActivationStats) {
    assert_eq!(got.tokens(), want.tokens());
    assert_eq!(got.n_pos().dim(), want.n_pos().dim());
    let worst = got.n_pos().iter().zip(want.n_pos()).map(|(a, b)| (a - b).abs()).max().unwrap();
    assert!(worst <= COUNT, "counts differ by {worst}");
}

tensor_backend::cross_backend_tests! {
    fn logits_and_greedy_text_of_a_trained_model_equal_the_reference(on: &TestDevice) {
        let (model, expected) = (crate::model(on), crate::file("llama.expected.safetensors"));
        let tokens = crate::Tokens::new(crate::ids(&expected, "input_ids"));
        let with = crate::Forward { head: crate::Head::Last, ..crate::Forward::default() };
        let got = model.forward(&tokens, with, &mut crate::NoTaps).unwrap().unwrap();
        let got = crate::float_array::<f64, 3>(got).unwrap();
        let want = expected.read_f64_2("logits_last").unwrap();
        let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(got.len() == want.len() && worst <= crate::LOGITS, "logits off by {worst}");

        let want = crate::ids(&expected, "greedy_ids").row(0).to_vec();
        let mut text = want[..8].to_vec();
        let mut cache = crate::KvCache::new(model.config(), want.len()).unwrap();
        let mut next = crate::Tokens::one(&text);
        while text.len() < want.len() {
            let with = crate::Forward { cache: Some(&mut cache), head: crate::Head::Last, mlps: None };
            let logits = model.forward(&next, with, &mut crate::NoTaps).unwrap().unwrap();
            let logits = crate::float_array::<f64, 3>(logits).unwrap();
            let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
            text.push(u32::try_from(best).unwrap());
            next = crate::Tokens::one(&text[text.len() - 1..]);
        }
        assert_eq!(text, want);
        let scores = crate::token_scores(&model, &[&text], crate::BATCH_TOKENS, &mut crate::NoTaps).unwrap();
        assert_eq!(scores[0].likeliest[7..], want[8..], "what is likeliest is what greedy decoding takes");
    }

    fn losses_on_held_out_sentences_equal_the_reference(on: &TestDevice) {
        let (model, text) = (crate::model(on), crate::file("pud_token_ids.safetensors"));
        let wanted = crate::json("00-tiny-multilingual-lm-pud", "llama.expected.json");
        for language in crate::LANGUAGES {
            let texts = crate::sentences(&text, language, "val_index");
            let got = crate::mean_nll(&model, &texts, crate::BATCH_TOKENS, &mut crate::NoTaps).unwrap();
            let want = wanted["val_nll_per_token"][language].as_f64().unwrap();
            assert!((got.by_token - want).abs() <= crate::NATS, "{language}: {got:?} against {want}");
        }
    }

    fn counts_equal_the_reference_and_give_its_mask(on: &TestDevice) {
        let stats = crate::counted(&crate::model(on), 60, 12);
        let path = crate::shipped("03-language-neurons-pud", "tinylm_counts.safetensors");
        let reference = crate::ArrayFile::open(&path).unwrap();
        let counts = reference.get("over_zero").unwrap().to_i64().unwrap();
        let counts = counts.into_dimensionality::<crate::Ix3>().unwrap();
        let tokens = reference.read_i64_1("n_tokens").unwrap();
        crate::close_counts(&stats, &crate::ActivationStats::new(counts, tokens).unwrap());

        let mut wanted: Vec<[usize; 3]> = reference.get("lape_top10_bar90_mask").unwrap().to_i64().unwrap()
            .outer_iter().map(|r| std::array::from_fn(|i| usize::try_from(r[i]).unwrap())).collect();
        wanted.sort_unstable();
        assert_eq!(crate::lape(&stats, &crate::LAPE).unwrap().mask.triplets(), wanted);
    }

    fn ablations_equal_the_reference_and_hurt_their_own_language_most(on: &TestDevice) {
        let model = crate::model(on);
        let mask = crate::lape(&crate::counted(&model, 60, 60), &crate::LAPE).unwrap().mask;
        let wanted = crate::json("03-language-neurons-pud", "tinylm_expected.json");
        let evaluation =
            crate::LanguageEvaluation::new(&model, crate::held_out(), crate::BATCH_TOKENS).unwrap();
        for (got, want) in evaluation.intact().iter().zip(wanted["base_nll"].as_array().unwrap()) {
            assert!((got - want.as_f64().unwrap()).abs() <= crate::ABLATION, "{got} against {want}");
        }
        let found = evaluation.matrix(&mask).unwrap();
        let rows = wanted["delta_nll_rows_ablated_cols_eval"].as_array().unwrap();
        for ((k, j), got) in found.delta().indexed_iter() {
            let want = rows[k][j].as_f64().unwrap();
            assert!((got - want).abs() <= crate::ABLATION, "{k} off, {j} evaluated: {got} against {want}");
        }
        for (k, n) in wanted["counts_per_language"].as_array().unwrap().iter().enumerate() {
            assert_eq!(mask.neurons(k).len() as u64, n.as_u64().unwrap());
        }
        assert!(found.own() >= 2.0 * found.others(), "own {}, others {}", found.own(), found.others());
        // A device's sums were compared above; more draws of the control cost a software adapter minutes.
        let draws = if on.backend() == tensor_backend::Backend::Cpu { 5 } else { 1 };
        let random = evaluation.random_controls(&mask, 1, draws).unwrap();
        let random = random.iter().map(crate::AblationMatrix::overall).sum::<f64>() / random.len() as f64;
        assert!(found.own() >= 3.0 * random, "own {}, random {random}", found.own());

        let mut all: Vec<usize> = (0..5).flat_map(|k| mask.neurons(k).to_vec()).collect();
        all.sort_unstable();
        let profile = crate::layer_profile(&all, mask.layers(), mask.width());
        assert!((profile[0] + profile[3]) as f64 >= 0.8 * all.len() as f64, "layers {profile:?}");
    }

    fn counts_are_those_of_the_activations_however_text_is_batched(on: &TestDevice) {
        use crate::{ActivationCounter, HookSet, Read, Site, Tokens};
        let (model, text) = (crate::model(on), crate::file("pud_token_ids.safetensors"));
        let whole = crate::counted(&model, 6, 6);
        crate::close_counts(&crate::counted(&model, 6, 4), &whole);
        // Shards: the first half of the windows, the second half, merged.
        let mut merged = crate::counted(&model, 3, 2);
        let mut second = ActivationCounter::new(&model, 5).unwrap();
        for (k, language) in crate::LANGUAGES.iter().enumerate() {
            let tokens = crate::stream(&text, language, "train_index", 6 * 64 + 63).split_off(3 * 64);
            assert_eq!(second.observe_stream(k, tokens, 64, 100).unwrap(), 3, "a part of a window is left out");
        }
        merged.merge(&second.stats().unwrap()).unwrap();
        crate::close_counts(&merged, &whole);
        // Sentences of several lengths: what the whole activations say, without the padding.
        let sentences = crate::sentences(&text, "hi", "val_index");
        let batch: Vec<&[u32]> = sentences.iter().take(4).map(Vec::as_slice).collect();
        assert!(batch.iter().any(|s| s.len() != batch[0].len()));
        let mut counter = ActivationCounter::new(&model, 2).unwrap();
        counter.observe(1, &Tokens::padded(&batch, false)).unwrap();
        let found = counter.stats().unwrap();
        assert_eq!(found.tokens().to_vec(), [0, batch.iter().map(|s| s.len() as i64).sum()]);
        let mut hooks = HookSet::new();
        let reads: Vec<_> = (0..4).map(|l| hooks.read(Site::Act(l), Read::Full).unwrap()).collect();
        model.forward(&Tokens::padded(&batch, false), crate::Forward::default(), &mut hooks).unwrap();
        for (l, read) in reads.into_iter().enumerate() {
            let acts = crate::float_array::<f64, 3>(hooks.full(read).unwrap()).unwrap();
            for i in 0..256 {
                let of = |(b, s): (usize, &&[u32])| (0..s.len()).filter(|t| acts[[b, *t, i]] > 0.0).count();
                let want: usize = batch.iter().enumerate().map(of).sum();
                assert_eq!((found.n_pos()[[l, i, 0]], found.n_pos()[[l, i, 1]]), (0, want as i64));
            }
        }
    }

    fn log_probabilities_are_those_of_the_logits_however_texts_are_batched(on: &TestDevice) {
        use crate::{NoTaps, Tokens, token_logprobs};
        let (model, text) = (crate::model(on), crate::file("pud_token_ids.safetensors"));
        let texts: Vec<Vec<u32>> = crate::sentences(&text, "de", "val_index").into_iter().take(9).collect();
        let got = token_logprobs(&model, &texts, 150, &mut NoTaps).unwrap();
        for (text, got) in texts.iter().zip(&got) {
            let logits = crate::float_array::<f64, 3>(model.logits(&Tokens::one(text)).unwrap()).unwrap();
            assert_eq!(got.len() + 1, text.len());
            for (t, got) in got.iter().enumerate() {
                let row = logits.index_axis(crate::Axis(0), 0).row(t).to_owned();
                let top = row.fold(f64::MIN, |a, b| a.max(*b));
                let want = row[text[t + 1] as usize] - top - row.mapv(|x| (x - top).exp()).sum().ln();
                assert!((got - want).abs() <= crate::BATCHING, "{got} against {want}");
            }
        }
        for batch in [1, 40, 10_000] {
            let other = token_logprobs(&model, &texts, batch, &mut NoTaps).unwrap();
            for (a, b) in got.iter().flatten().zip(other.iter().flatten()) {
                assert!((a - b).abs() <= crate::BATCHING);
            }
        }
        let nll = crate::Nll::of(&got).unwrap();
        assert_eq!(nll.tokens, texts.iter().map(|t| t.len() - 1).sum::<usize>());
    }
}

#[test]
fn wrong_input_is_refused() {
    tensor_backend::harness::run(tensor_backend::Backend::Cpu, |on| {
        let model = model(on);
        let mut counter = ActivationCounter::new(&model, 2).unwrap();
        assert!(matches!(ActivationCounter::new(&model, 1), Err(Error::TooFew { .. })));
        assert!(matches!(counter.observe(2, &Tokens::one(&[3])), Err(Error::Parameter { .. })));
        assert!(matches!(counter.observe_stream(0, [1, 2], 0, 1), Err(Error::Parameter { .. })));
        assert!(matches!(counter.observe_stream(0, [1, 2], 1, 0), Err(Error::Parameter { .. })));
        assert!(matches!(counter.observe_stream(0, vec![5; 300], 300, 1), Err(Error::Prompt { .. })));
        assert!(matches!(counter.observe(0, &Tokens::one(&[1024])), Err(Error::TokenOutOfVocabulary { .. })));
        assert_eq!(counter.stats().unwrap().tokens().to_vec(), [0, 0], "what was refused is not counted");

        let score = |text: &[u32]| token_logprobs(&model, &[text], 64, &mut NoTaps);
        assert!(matches!(score(&[5]), Err(Error::Prompt { .. })));
        assert!(matches!(score(&[]), Err(Error::Prompt { .. })));
        assert!(matches!(score(&[5; 258]), Err(Error::Prompt { .. })));
        assert_eq!(score(&[5; 257]).unwrap()[0].len(), 256, "the last token is not read");
        assert!(matches!(score(&[5, 1024]), Err(Error::TokenOutOfVocabulary { position: 1, .. })));
        assert!(matches!(
            token_logprobs(&model, &[[1, 2]], 0, &mut NoTaps),
            Err(Error::Parameter { name: "batch_tokens", .. })
        ));
        assert!(matches!(mean_nll::<[u32; 2], _>(&model, &[], 64, &mut NoTaps), Err(Error::TooFew { .. })));
        let mut stopped = HookSet::new();
        stopped.stop_after(1);
        assert!(matches!(token_logprobs(&model, &[[1, 2]], 64, &mut stopped), Err(Error::Missing { .. })));

        let texts = vec![vec![vec![0, 5, 9]]; 3];
        assert!(matches!(
            LanguageEvaluation::new(&model, texts[..1].to_vec(), 64),
            Err(Error::TooFew { .. })
        ));
        assert!(matches!(
            LanguageEvaluation::new(&model, vec![texts[0].clone(), vec![]], 64),
            Err(Error::TooFew { .. })
        ));
        let five = lape(&counted(&model, 1, 1), &LAPE).unwrap().mask;
        assert!(matches!(ablation_matrix(&model, &five, texts, 64), Err(Error::Shape { .. })));
    });
}
