//! Steering inside a model: what is cached is what is read anew, strength zero is off, only the newest token is edited.

use std::path::{Path, PathBuf};

use burn::tensor::FloatDType;
use llm_neurons::Error;
use llm_neurons::foxp2::{
    FitConfig, FitTexts, Grid, LayerAutoencoder, PairResiduals, Scale, Steered, SteeringPlan, Strength,
    TokenSets, WeakPrompts, WindowChoice, WindowRule, last_residuals, search,
};
use llm_neurons::generate::{GenerateConfig, generate};
use llm_neurons::model::{Forward, Head, HookedLm, KvCache, LmConfig, Tokens, WeightFiles};
use ndarray::{Array2, Array3, Axis};
use probes::{HookSet, NoTaps, Read, SparseTraining};
use recordings::{Edit, Intervention, ModelIdentity, Positions, Site};
use tensor_backend::bridge::{float_array, float_tensor};
use tensor_backend::harness::TestDevice;
use tensor_backend::training::Schedule;

/// A cached token against the same token read with all before it.
const CACHED: f64 = 1e-4;
/// Residuals of batches of other shapes.
const BATCHED: f64 = 1e-4;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers").join(name)
}

/// A random Llama of 96 tokens, 32 units and two blocks.
fn model(on: &TestDevice) -> HookedLm {
    let text = std::fs::read_to_string(shipped("llama_gqa.config.json")).unwrap();
    let files = WeightFiles::open_file(&shipped("llama_gqa.model.safetensors")).unwrap();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, on.device()).unwrap()
}

/// Sentences of 3 to 9 tokens, of three words each: two languages that share no word.
fn sentences(from: u32, count: u32) -> Vec<Vec<u32>> {
    (0..count).map(|i| (0..3 + i % 7).map(|t| from + (i * 5 + t * t + t) % 3).collect()).collect()
}

fn sets() -> TokenSets {
    TokenSets::new((44..84).collect(), (4..44).collect(), 96).unwrap()
}

fn config() -> FitConfig {
    FitConfig {
        features: 48,
        coefficient: 5e-4,
        training: SparseTraining {
            epochs: 30,
            batch_size: 40,
            rate: Schedule::Constant { rate: 4e-3 },
            ..SparseTraining::default()
        },
        candidates: 20,
        window: WindowChoice::Search { shortest: 1, longest: 2, rule: WindowRule::Sum },
        seed: 3,
        ..FitConfig::default()
    }
}

fn fitted(model: &HookedLm) -> Steered {
    let (source, target, weak) = (sentences(4, 40), sentences(44, 40), sentences(4, 12));
    let texts = FitTexts { source: &source, target: &target, weak: &weak, guard: &target[..4] };
    config().run(model, texts, &sets(), &Grid::default(), identity(), ["en", "xx"]).unwrap()
}

fn identity() -> ModelIdentity {
    ModelIdentity { tensors_sha256: "ab12".into(), source: "tiny".into() }
}

fn logits(model: &HookedLm, tokens: &Tokens, hooks: &mut HookSet) -> Array3<f64> {
    float_array(model.forward(tokens, Forward::default(), hooks).unwrap().unwrap()).unwrap()
}

fn gap<D: ndarray::Dimension>(a: &ndarray::Array<f64, D>, b: &ndarray::Array<f64, D>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs()))
}

/// What a stream looks like after each block, and the logits.
fn streams(model: &HookedLm, tokens: &Tokens, hooks: &mut HookSet) -> (Vec<Array3<f64>>, Array3<f64>) {
    let reads: Vec<_> = (0..2).map(|l| hooks.read(Site::ResidPost(l), Read::Full).unwrap()).collect();
    let out = logits(model, tokens, hooks);
    let full = |r| float_array::<f64, 3>(hooks.full(r).unwrap()).unwrap();
    (reads.into_iter().map(full).collect(), out)
}

tensor_backend::cross_backend_tests! {
    fn strength_zero_gives_the_unsteered_logits_bit_for_bit(on: &TestDevice) {
        use crate::{HookSet, Strength, Tokens};
        let model = crate::model(on);
        let plan = crate::fitted(&model).plan;
        let all = crate::sentences(4, 5);
        let rows: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
        for tokens in [Tokens::one(rows[3]), Tokens::padded(&rows, true), Tokens::padded(&rows, false)] {
            let plain = crate::logits(&model, &tokens, &mut HookSet::new());
            let mut off = HookSet::new();
            plan.attach(&mut off, &model, Strength::default()).unwrap();
            assert!(plain == crate::logits(&model, &tokens, &mut off), "off");
            let mut on = HookSet::new();
            plan.attach(&mut on, &model, Strength { lambda: 1.0, beta: 1.0 }).unwrap();
            assert!(plain != crate::logits(&model, &tokens, &mut on), "on");
        }
    }

    fn positions_before_the_last_are_untouched_bit_for_bit(on: &TestDevice) {
        use crate::{Axis, HookSet, Tokens};
        let model = crate::model(on);
        let plan = crate::fitted(&model).plan;
        let all = crate::sentences(4, 5);
        let rows: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
        for left in [true, false] {
            let tokens = Tokens::padded(&rows, left);
            let mut hooks = HookSet::new();
            plan.attach(&mut hooks, &model, crate::Strength { lambda: 2.0, beta: 1.0 }).unwrap();
            let (before, plain) = crate::streams(&model, &tokens, &mut HookSet::new());
            let (after, steered) = crate::streams(&model, &tokens, &mut hooks);
            let time = plain.len_of(Axis(1));
            for (b, row) in rows.iter().enumerate() {
                let newest = if left { time - 1 } else { row.len() - 1 };
                let real = if left { time - row.len()..time } else { 0..row.len() };
                for t in real {
                    let at = |x: &ndarray::Array3<f64>| x.index_axis(Axis(0), b).row(t).to_owned();
                    let same = at(&plain) == at(&steered)
                        && before.iter().zip(&after).all(|(x, y)| at(x) == at(y));
                    assert_eq!(same, t != newest, "left {left}, sequence {b}, token {t}");
                }
            }
        }
        // What is added at the newest token is the edit of the host's oracle.
        let layer = &plan.layers[0];
        let strength = crate::Strength { lambda: 2.0, beta: 1.0 };
        let tokens = Tokens::one(rows[4]);
        let mut hooks = HookSet::new();
        plan.attach(&mut hooks, &model, strength).unwrap();
        let (before, _) = crate::streams(&model, &tokens, &mut HookSet::new());
        let (after, _) = crate::streams(&model, &tokens, &mut hooks);
        let newest = |all: &[ndarray::Array3<f64>]| {
            let stream = all[layer.layer].index_axis(Axis(0), 0).to_owned();
            stream.select(Axis(0), &[rows[4].len() - 1])
        };
        let wanted = layer.apply(&newest(&before).view(), strength, plan.scale).unwrap();
        assert!(crate::gap(&newest(&after), &wanted) < crate::CACHED);
    }

    fn steering_while_generating_is_reading_the_text_with_its_tokens_edited(on: &TestDevice) {
        use crate::{HookSet, Positions, Tokens};
        let model = crate::model(on);
        let plan = crate::fitted(&model).plan;
        let strength = crate::Strength { lambda: 0.5, beta: 0.25 };
        let prompt = crate::sentences(4, 5).remove(4);
        let mut hooks = HookSet::new();
        plan.attach(&mut hooks, &model, strength).unwrap();
        let how = crate::GenerateConfig { max_new_tokens: 5, ..crate::GenerateConfig::default() };
        let found = crate::generate(&model, &[&prompt], &how, &mut hooks).unwrap();
        let text = [&prompt[..], &found.tokens[0]].concat();
        // The same text at once: each token from the prompt's newest on is edited by the oracle.
        let mut whole = HookSet::new();
        for layer in plan.layers.clone() {
            let (from, scale, device) = (prompt.len() - 1, plan.scale, model.device());
            whole.map(crate::Site::ResidPost(layer.layer), Positions::From(from), move |x, _| {
                let [b, t, d] = x.dims();
                let rows = crate::float_array::<f64, 2>(x.reshape([b * t, d])).unwrap();
                let rows = layer.apply(&rows.view(), strength, scale).unwrap();
                let rows: burn::tensor::Tensor<2> =
                    crate::float_tensor(rows.view(), crate::FloatDType::F32, &device).unwrap();
                Ok(rows.reshape([b, t, d]))
            });
        }
        let all = crate::logits(&model, &Tokens::one(&text), &mut whole);
        for (i, token) in found.tokens[0].iter().enumerate() {
            let row = all.index_axis(crate::Axis(0), 0).row(prompt.len() - 1 + i).to_owned();
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            assert!(best.1 - row[*token as usize] <= 10.0 * crate::CACHED, "token {i}");
        }
    }

    fn edits_from_the_cache_are_those_of_the_whole_prompt(on: &TestDevice) {
        use crate::{Edit, HookSet, Intervention, Positions, Site, Tokens};
        let model = crate::model(on);
        let mut prompts = crate::sentences(4, 9);
        prompts.push(vec![7]);
        let sets = crate::sets();
        let vectors = crate::Array2::from_shape_fn((5, 32), |(i, j)| ((i * 7 + j * 3) % 11) as f64 * 0.1 - 0.5);
        let whole = |prompt: &[u32], hooks: &mut HookSet| {
            let all = crate::logits(&model, &Tokens::one(prompt), hooks);
            let row = all.index_axis(crate::Axis(0), 0).select(crate::Axis(0), &[prompt.len() - 1]);
            llm_neurons::foxp2::defaultness(&row.view(), &sets).unwrap()[0]
        };
        for batch in [1, 30, 100_000] {
            let weak = crate::WeakPrompts::new(&model, &prompts, &sets, &[0, 1], batch).unwrap();
            for (base, prompt) in weak.base().iter().zip(&prompts) {
                let wanted = whole(prompt, &mut HookSet::new());
                assert!((base.target - wanted.target).abs() < crate::CACHED);
                assert!((base.english - wanted.english).abs() < crate::CACHED);
            }
            for layer in 0..2 {
                let found = weak.with_vectors(layer, &vectors.view()).unwrap();
                let rows = crate::last_residuals(&model, &prompts, &[layer], 50).unwrap();
                assert!(crate::gap(&rows[0], &weak.residuals(layer).to_owned()) < crate::BATCHED);
                for (k, vector) in vectors.outer_iter().enumerate() {
                    for (i, prompt) in prompts.iter().enumerate() {
                        let mut hooks = HookSet::new();
                        let edit = Edit::AddVector { vector: vector.to_vec() };
                        let (site, positions) = (Site::ResidPost(layer), Positions::Last);
                        hooks.edit(Intervention { site, edit, positions }).unwrap();
                        let wanted = whole(prompt, &mut hooks);
                        let found = found[k][i];
                        assert!((found.target - wanted.target).abs() < crate::CACHED, "{batch} {layer} {k} {i}");
                        assert!((found.difference - wanted.difference).abs() < 2.0 * crate::CACHED);
                    }
                }
            }
        }
    }

    fn a_language_without_a_shared_token_is_found_and_steered_to(on: &TestDevice) {
        let model = crate::model(on);
        let found = crate::fitted(&model);
        let best = &found.grid.points[found.grid.best.unwrap()];
        assert!(best.gain > 0.02 && best.target_gain > 0.0, "{best:?}");
        assert_eq!(found.plan.strength, best.strength);
        assert_eq!(found.plan.layers.iter().map(|l| l.layer).collect::<Vec<_>>(), found.window.layers);
        // Twice the same, and through its file.
        assert_eq!(crate::fitted(&model).plan, found.plan);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.safetensors");
        found.plan.save(&path).unwrap();
        assert_eq!(crate::SteeringPlan::load(&path).unwrap(), found.plan);
    }

    fn a_cache_that_was_gone_on_from_can_be_gone_on_from_again(on: &TestDevice) {
        use crate::{Forward, Head, KvCache, NoTaps, Tokens};
        let model = crate::model(on);
        let text = crate::sentences(4, 7).remove(6);
        let (earlier, newest) = text.split_at(text.len() - 1);
        let mut cache = KvCache::new(model.config(), text.len()).unwrap();
        let with = Forward { cache: Some(&mut cache), head: Head::None, mlps: None };
        model.forward(&Tokens::one(earlier), with, &mut NoTaps).unwrap();
        let mut hooks = crate::HookSet::new();
        let read = hooks.read(crate::Site::ResidPost(0), crate::Read::Full).unwrap();
        let want = crate::logits(&model, &Tokens::one(&text), &mut hooks);
        let want = want.index_axis(crate::Axis(0), 0).row(earlier.len()).to_owned();
        let x = hooks.full(read).unwrap().narrow(1, earlier.len(), 1);
        let mut go = |x| {
            let newest = Tokens::one(newest);
            let out = model.resume(0, x, &newest, &mut cache, Head::Last, &mut NoTaps).unwrap().unwrap();
            crate::float_array::<f64, 3>(out).unwrap().index_axis(crate::Axis(0), 0).row(0).to_owned()
        };
        assert!(crate::gap(&go(x.clone()), &want) < crate::CACHED);
        assert!(crate::gap(&go(x.clone().mul_scalar(3.0)), &want) > 0.01);
        assert!(crate::gap(&go(x.clone()), &want) < crate::CACHED);
        assert!(model.resume(2, x, &Tokens::one(newest), &mut cache, Head::Last, &mut NoTaps).is_err());
    }
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    tensor_backend::harness::run(tensor_backend::Backend::Cpu, |on| {
        let model = model(on);
        let (source, target, weak) = (sentences(4, 12), sentences(44, 12), sentences(4, 3));
        let run = |source: &[Vec<u32>], target: &[Vec<u32>], weak: &[Vec<u32>], config: &FitConfig| {
            let texts = FitTexts { source, target, weak, guard: &[] };
            config.run(&model, texts, &sets(), &Grid::default(), identity(), ["en", "xx"])
        };
        let good = config();
        let refused = |source: &[Vec<u32>], target: &[Vec<u32>], weak: &[Vec<u32>]| {
            run(source, target, weak, &good).unwrap_err()
        };
        let unpaired = refused(&source, &target[..11], &weak);
        assert!(matches!(unpaired, Error::Mismatch { what: "pairs of sentences", .. }), "{unpaired}");
        assert!(matches!(refused(&[], &[], &weak), Error::TooFew { .. }));
        assert!(matches!(refused(&source, &target, &[]), Error::TooFew { .. }));
        assert!(matches!(refused(&source[..1], &target[..1], &weak), Error::TooFew { .. }));
        assert!(matches!(refused(&source, &target, &[vec![]]), Error::Prompt { .. }));
        assert!(matches!(refused(&source, &target, &[vec![5; 500]]), Error::Prompt { .. }));
        assert!(matches!(refused(&source, &target, &[vec![96]]), Error::TokenOutOfVocabulary { .. }));
        // Nothing tells a language from itself: no layer has language neurons.
        assert!(matches!(refused(&source, &source, &weak), Error::TooFew { .. }));

        let bad = |config: FitConfig| run(&source, &target, &weak, &config).unwrap_err();
        assert!(matches!(bad(FitConfig { layers: Some(vec![2]), ..config() }), Error::Parameter { .. }));
        assert!(matches!(bad(FitConfig { layers: Some(vec![]), ..config() }), Error::TooFew { .. }));
        let window = |layers: &[usize]| WindowChoice::Layers(layers.to_vec());
        assert!(matches!(bad(FitConfig { window: window(&[2]), ..config() }), Error::Parameter { .. }));
        assert!(matches!(bad(FitConfig { window: window(&[]), ..config() }), Error::TooFew { .. }));
        let only = FitConfig { layers: Some(vec![0]), window: window(&[1]), ..config() };
        assert!(matches!(bad(only), Error::Parameter { .. }));
        let longer = WindowChoice::Search { shortest: 3, longest: 6, rule: WindowRule::Sum };
        assert!(matches!(bad(FitConfig { window: longer, ..config() }), Error::TooFew { .. }));
        for alphas in [vec![], vec![0.0], vec![f64::NAN], vec![-1.0]] {
            assert!(matches!(
                bad(FitConfig { alphas, ..config() }),
                Error::TooFew { .. } | Error::Parameter { .. }
            ));
        }
        for chance in [0.0, 1.0, f64::NAN] {
            assert!(matches!(bad(FitConfig { chance: Some(chance), ..config() }), Error::Parameter { .. }));
        }
        for zero in [
            FitConfig { features: 0, ..config() },
            FitConfig { coefficient: f64::NAN, ..config() },
            FitConfig { candidates: 0, ..config() },
            FitConfig { r_max: 0, ..config() },
            FitConfig { resamples: 1, ..config() },
            FitConfig { batch_tokens: 0, ..config() },
            FitConfig { training: SparseTraining { epochs: 0, ..SparseTraining::default() }, ..config() },
        ] {
            assert!(matches!(bad(zero), Error::Probes(_) | Error::TooFew { .. } | Error::Parameter { .. }));
        }
        // A loss that becomes NaN.
        let rate = Schedule::Constant { rate: 1e30 };
        let wild = SparseTraining { rate, epochs: 20, batch_size: 5, ..SparseTraining::default() };
        let diverged = bad(FitConfig { training: wild, ..config() });
        assert!(matches!(diverged, Error::Probes(probes::Error::Diverged { .. })), "{diverged}");
        // A guard that allows nothing, on what the model itself says: whatever moves it makes that less likely.
        let prompts: Vec<&[u32]> = source.iter().map(Vec::as_slice).collect();
        let greedy = GenerateConfig { max_new_tokens: 12, ..GenerateConfig::default() };
        let said = generate(&model, &prompts, &greedy, &mut NoTaps).unwrap().tokens;
        let said: Vec<Vec<u32>> = source.iter().zip(said).map(|(a, b)| [&a[..], &b[..]].concat()).collect();
        let (source, target) = (sentences(4, 40), sentences(44, 40));
        let texts = FitTexts { source: &source, target: &target, weak: &weak, guard: &said };
        let none = Grid { tolerance: Some(0.0), lambdas: vec![8.0], ..Grid::default() };
        let found = good.run(&model, texts, &sets(), &none, identity(), ["en", "xx"]);
        assert!(matches!(found, Err(Error::Plan { .. })), "{found:?}");

        let pairs = |layers: &[usize], a: &[Array2<f64>], b: &[Array2<f64>]| {
            PairResiduals::new(layers.to_vec(), a.to_vec(), b.to_vec())
        };
        let (rows, fewer) = (Array2::<f64>::ones((4, 3)), Array2::<f64>::ones((3, 3)));
        let nan = Array2::from_elem((4, 3), f64::NAN);
        assert!(pairs(&[1, 0], &[rows.clone(), rows.clone()], &[rows.clone(), rows.clone()]).is_err());
        assert!(matches!(pairs(&[0], &[rows.clone()], &[fewer]), Err(Error::Mismatch { .. })));
        assert!(matches!(pairs(&[0], &[rows.clone()], &[nan]), Err(Error::NotFinite { .. })));
        assert!(matches!(pairs(&[0], &[rows.clone()], &[]), Err(Error::Shape { .. })));
        let prompts = WeakPrompts::new(&model, &weak, &sets(), &[0], 64).unwrap();
        assert!(prompts.with_vectors(1, &Array2::zeros((1, 32)).view()).is_err());
        assert!(matches!(prompts.with_vectors(0, &Array2::zeros((1, 31)).view()), Err(Error::Shape { .. })));
        assert!(prompts.with_vectors(0, &Array2::from_elem((1, 32), f64::INFINITY).view()).is_err());
        let plan = fitted(&model).plan;
        assert!(search(&prompts, &plan.layers[..1], Scale::Relative, &Grid::default(), &[]).is_ok());
        let mut beyond = plan.clone();
        beyond.layers.last_mut().unwrap().layer = 2;
        let mut hooks = HookSet::new();
        let strength = Strength { lambda: 1.0, beta: 0.0 };
        assert!(matches!(beyond.attach(&mut hooks, &model, strength), Err(Error::Plan { .. })));
        let nan = Strength { lambda: f64::NAN, beta: 0.0 };
        assert!(matches!(plan.attach(&mut hooks, &model, nan), Err(Error::Parameter { .. })));
        assert!(hooks.is_empty(), "what was refused leaves no hook");
    });
}

#[test]
fn shuffled_pairs_are_the_same_sentences() {
    let rows = |k: f64| Array2::from_shape_fn((50, 3), |(i, j)| k * (1 + i * 3 + j) as f64);
    let pairs =
        PairResiduals::new(vec![0, 3], vec![rows(1.0), rows(2.0)], vec![rows(-1.0), rows(-2.0)]).unwrap();
    let mixed = pairs.shuffled(4);
    assert_eq!(mixed, pairs.shuffled(4));
    assert_ne!(mixed, pairs.shuffled(5));
    let swapped: Vec<bool> = (0..50).map(|i| mixed.source(0)[[i, 0]] < 0.0).collect();
    assert!((10..40).contains(&swapped.iter().filter(|s| **s).count()));
    for (i, swapped) in swapped.into_iter().enumerate() {
        for layer in 0..2 {
            let (s, t) = if swapped {
                (pairs.target(layer), pairs.source(layer))
            } else {
                (pairs.source(layer), pairs.target(layer))
            };
            assert_eq!((mixed.source(layer).row(i), mixed.target(layer).row(i)), (s.row(i), t.row(i)));
        }
    }
}

#[test]
fn random_directions_have_the_length_of_the_edit() {
    tensor_backend::harness::run(tensor_backend::Backend::Cpu, |on| {
        let plan = fitted(&model(on)).plan;
        let length = |v: &ndarray::Array1<f64>| v.dot(v).sqrt();
        for layer in &plan.layers {
            for scale in [Scale::Relative, Scale::Absolute] {
                let edit = layer.towards(2.0, scale).unwrap();
                let other = layer.random_vector(2.0, scale, 1, 0).unwrap();
                assert!((length(&edit) / length(&other) - 1.0).abs() < 1e-9);
                assert_eq!(other, layer.random_vector(2.0, scale, 1, 0).unwrap());
                assert_ne!(other, layer.random_vector(2.0, scale, 1, 1).unwrap());
                let row = Array2::from_elem((1, 32), 0.5);
                let strength = Strength { lambda: 2.0, beta: 0.0 };
                let after = layer.apply(&row.view(), strength, scale).unwrap() - &row;
                assert!(gap(&after.row(0).to_owned(), &edit) < 1e-9);
            }
        }
        let reports: Vec<LayerAutoencoder> = fitted(&model(on)).autoencoders;
        assert!(reports.iter().all(|r| r.unexplained.is_some_and(|u| u < 0.5) && r.l0 > 1.0));
    });
}
