//! Sensitivity dropout: embeddings and variability against the reference, sampled answers, masks in training, the stop rule.

use std::path::Path;

use burn::tensor::Tensor;
use llm_neurons::generate::GenerateConfig;
use llm_neurons::model::{HookedLm, LlamaShape, LmConfig, Tokens};
use llm_neurons::send::{
    EmbeddingLayer, SampleConfig, SendConfig, SendMask, SendMaskSite, SendTrainer, SensitivityConfig,
    SensitivityTracker, SentenceEmbedding, StopRule, answers_eigenscore, sample_answers, sentence_embeddings,
};
use llm_neurons::training::{ByteTokenizer, LmBatch, LmTrainer, LmTraining};
use llm_neurons::{Ees, EigenScoreConvention, Error, eigenscore};
use ndarray::{Array1, Array2, Axis, arr1};
use probes::{HookSet, NoTaps, Read, Taps};
use proptest::prelude::*;
use recordings::arrays::ArrayFile;
use recordings::{Intervention, Site};
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::float_array;

/// Sheet 01, line 1: fixtures in f64.
const FIXTURE: f64 = 1e-9;
/// Sums of tokens on the device against those on the host, in 32-bit floats.
const SUMS: f64 = 1e-5;
/// A batch of several prompts against prompts one by one.
const BATCHING: f64 = 1e-3;

fn fixture() -> ArrayFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/01-send-ees");
    ArrayFile::open(&folder.join("ees.safetensors")).unwrap()
}

fn model(layers: usize, seed: u64) -> HookedLm {
    let shape = LlamaShape {
        hidden: 20,
        layers,
        heads: 2,
        kv_heads: 1,
        mlp: 32,
        context: 32,
        ..LlamaShape::default()
    };
    let device = DeviceSpec::Cpu.open().unwrap().device;
    HookedLm::initialise(LmConfig::llama(shape, None).unwrap(), seed, &device).unwrap()
}

fn text() -> Vec<u32> {
    ByteTokenizer::encode(&"the cat sat on the mat and the dog sat on the log. ".repeat(20))
}

fn tracking() -> Vec<Vec<u32>> {
    [
        "the cat sat on the mat",
        "a dog and a cat on a mat",
        "the log, the dog",
        "on the mat the cat sat, sat, sat",
    ]
    .iter()
    .map(|t| ByteTokenizer::encode(t))
    .collect()
}

fn quick() -> SendConfig {
    SendConfig {
        prompt_tokens: 5,
        answers: SampleConfig {
            samples: 4,
            max_new_tokens: 4,
            temperature: 1.0,
            top_k: None,
            top_p: 1.0,
            ..SampleConfig::default()
        },
        ..SendConfig::default()
    }
}

fn trainer(layers: usize, config: SendConfig) -> SendTrainer {
    let plan = LmTraining { batch: 2, window: 16, rate: 3e-3, ..LmTraining::default() };
    // What is beyond the context is cut.
    let mut texts = tracking();
    texts[3].extend(text());
    SendTrainer::new(LmTrainer::new(model(layers, 1), plan).unwrap(), texts, config).unwrap()
}

fn close(got: impl IntoIterator<Item = f64>, want: impl IntoIterator<Item = f64>, within: f64) {
    let (got, want): (Vec<f64>, Vec<f64>) = (got.into_iter().collect(), want.into_iter().collect());
    assert_eq!(got.len(), want.len());
    let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= within, "off by {worst:e}");
}

/// The residual stream that the last block reads, `[tokens, units]`, of one text.
fn penultimate<T: Taps>(model: &HookedLm, text: &[u32], site: Site, taps: &mut T) -> Array2<f64> {
    struct Both<'a, T>(&'a mut T, HookSet);
    impl<T: Taps> Taps for Both<'_, T> {
        fn tap(&mut self, site: Site, x: Tensor<3>, span: &probes::Span) -> probes::Result<Tensor<3>> {
            let x = self.0.tap(site.clone(), x, span)?;
            self.1.tap(site, x, span)
        }
        fn wants(&self, site: &Site) -> bool {
            self.0.wants(site) || self.1.wants(site)
        }
    }
    let mut hooks = HookSet::new();
    let read = hooks.read(site, Read::Full).unwrap();
    let mut both = Both(taps, hooks);
    model.forward(&Tokens::one(text), llm_neurons::model::Forward::default(), &mut both).unwrap();
    float_array::<f64, 3>(both.1.full(read).unwrap()).unwrap().index_axis_move(Axis(0), 0)
}

#[test]
fn embeddings_and_variability_match_the_reference() {
    let file = fixture();
    let hidden = file.read_f64_2("hidden_seq").unwrap();
    let want = file.read_f64_1("sentence_embedding").unwrap();
    let got = SentenceEmbedding::MeanLast.of(&hidden.view()).unwrap();
    close(got, want, FIXTURE);

    let checkpoints = file.read_f64_3("ckpt_embeddings").unwrap();
    let mut tracker = SensitivityTracker::new(SensitivityConfig::default()).unwrap();
    for (t, texts) in checkpoints.outer_iter().enumerate() {
        assert_eq!(tracker.sei().is_some(), t >= 4, "none before four checkpoints");
        tracker.push(&texts.mean_axis(Axis(0)).unwrap().view()).unwrap();
    }
    close(tracker.variability().unwrap(), file.read_f64_1("V_paper_C3").unwrap(), FIXTURE);
    let want: Vec<usize> =
        file.read_i64_1("sei_top20pct_desc").unwrap().iter().map(|i| usize::try_from(*i).unwrap()).collect();
    assert_eq!(tracker.sei().unwrap(), want);
}

#[test]
fn variability_by_hand() {
    let config = SensitivityConfig { window: 2, fraction: 0.5 };
    let mut tracker = SensitivityTracker::new(config).unwrap();
    for e in [[0.0, 5.0, 1.0, 1.0], [9.0, 5.0, 0.0, 2.0], [1.0, 5.0, 2.0, 4.0], [2.0, 5.0, -1.0, 1.0]] {
        tracker.push(&arr1(&e).view()).unwrap();
    }
    // Over the last two of (9, 1, 2), (5, 5, 5), (0, 2, -1), (2, 4, 1): variance times travel.
    assert_eq!(tracker.variability().unwrap().to_vec(), [0.25 * 9.0, 0.0, 2.25 * 5.0, 2.25 * 5.0]);
    assert_eq!(tracker.sei().unwrap(), [2, 3], "of equals the lower index first");
    assert_eq!(tracker.checkpoints(), 4);
}

proptest! {
    #[test]
    fn variability_is_shift_free_cubic_in_scale_and_follows_permutations(
        values in prop::collection::vec(-2.0_f64..2.0, 4 * 10),
        shift in -3.0_f64..3.0,
        scale in 0.2_f64..3.0,
        turn in 0_usize..10,
    ) {
        let run = |f: &dyn Fn(usize, usize) -> f64| {
            let mut tracker = SensitivityTracker::new(SensitivityConfig::default()).unwrap();
            for t in 0..4 {
                tracker.push(&Array1::from_shape_fn(10, |i| f(t, i)).view()).unwrap();
            }
            (tracker.variability().unwrap(), tracker.sei().unwrap())
        };
        let at = |t: usize, i: usize| values[10 * t + i];
        let (v, sei) = run(&at);
        let (moved, _) = run(&|t, i| at(t, i) + shift);
        let (scaled, same) = run(&|t, i| at(t, i) * scale);
        let (turned, there) = run(&|t, i| at(t, (i + turn) % 10));
        for i in 0..10 {
            prop_assert!((v[i] - moved[i]).abs() < 1e-9);
            prop_assert!((scaled[i] - v[i] * scale.powi(3)).abs() < 1e-9);
            prop_assert_eq!(turned[i], v[(i + turn) % 10]);
        }
        prop_assert_eq!(sei.len(), 2);
        prop_assert!(v[sei[0]] >= v[sei[1]] && (0..10).all(|i| sei.contains(&i) || v[i] <= v[sei[1]]));
        prop_assert_eq!(&sei, &same);
        let back: Vec<usize> = there.iter().map(|i| (i + turn) % 10).collect();
        prop_assert_eq!(back, sei);
    }
}

#[test]
fn trackers_refuse_what_makes_no_sense() {
    for (window, fraction) in [(1, 0.2), (0, 0.2), (3, 0.0), (3, 1.0), (3, f64::NAN), (3, -0.1)] {
        let config = SensitivityConfig { window, fraction };
        assert!(matches!(SensitivityTracker::new(config), Err(Error::Parameter { .. })), "{config:?}");
    }
    let mut tracker = SensitivityTracker::new(SensitivityConfig::default()).unwrap();
    assert!(tracker.variability().is_none());
    tracker.push(&arr1(&[1.0, 2.0]).view()).unwrap();
    assert!(matches!(tracker.push(&arr1(&[1.0]).view()), Err(Error::Shape { .. })));
    assert!(matches!(tracker.push(&arr1(&[1.0, f64::NAN]).view()), Err(Error::NotFinite { .. })));
    assert_eq!(tracker.checkpoints(), 1, "what is refused is not counted");
    let counts: Vec<usize> = [0.2, 0.29, 0.3, 0.001]
        .iter()
        .map(|fraction| SensitivityConfig { window: 3, fraction: *fraction }.count(100))
        .collect();
    assert_eq!(counts, [20, 29, 30, 1]);
}

#[test]
fn embeddings_of_a_batch_are_the_weighted_sums_of_each_texts_states() {
    let model = model(3, 2);
    let mut mask = HookSet::new();
    mask.edit(Intervention::drop_units(Site::ResidPost(1), vec![0, 3])).unwrap();
    for embedding in [
        SentenceEmbedding::MeanLast,
        SentenceEmbedding::LastToken,
        SentenceEmbedding::SecondToLast,
        SentenceEmbedding::Mean,
    ] {
        for (layer, site) in
            [(EmbeddingLayer::Penultimate, Site::ResidPost(1)), (EmbeddingLayer::Middle, Site::ResidPost(1))]
        {
            // A small budget, so that there are several batches with padding in them.
            let got = sentence_embeddings(&model, &tracking(), embedding, layer, 60, &mut NoTaps).unwrap();
            let masked = sentence_embeddings(&model, &tracking(), embedding, layer, 60, &mut mask).unwrap();
            for (i, text) in tracking().iter().enumerate() {
                let states = penultimate(&model, text, site.clone(), &mut NoTaps);
                close(got.row(i).to_vec(), embedding.of(&states.view()).unwrap(), SUMS);
                assert_eq!((masked[[i, 0]], masked[[i, 3]]), (0.0, 0.0), "the mask is seen");
            }
        }
    }
    // One block: the last entry but one is the embedding, the middle one is after the final norm.
    let one = model_of_one_block();
    for (layer, site) in
        [(EmbeddingLayer::Penultimate, Site::Embed), (EmbeddingLayer::Middle, Site::FinalNorm)]
    {
        let got =
            sentence_embeddings(&one, &tracking()[..1], SentenceEmbedding::Mean, layer, 60, &mut NoTaps)
                .unwrap();
        let states = penultimate(&one, &tracking()[0], site, &mut NoTaps);
        close(got.row(0).to_vec(), SentenceEmbedding::Mean.of(&states.view()).unwrap(), SUMS);
    }
    let embed = |texts: &[Vec<u32>], e| {
        sentence_embeddings(&model, texts, e, EmbeddingLayer::Penultimate, 60, &mut NoTaps)
    };
    assert!(matches!(embed(&[], SentenceEmbedding::Mean), Err(Error::TooFew { .. })));
    assert!(matches!(embed(&[vec![]], SentenceEmbedding::Mean), Err(Error::TooFew { .. })));
    assert!(matches!(embed(&[vec![1]], SentenceEmbedding::SecondToLast), Err(Error::TooFew { .. })));
    assert!(matches!(embed(&[vec![999]], SentenceEmbedding::Mean), Err(Error::TokenOutOfVocabulary { .. })));
    let mut stopped = HookSet::new();
    HookSet::stop_after(&mut stopped, 0);
    let found = sentence_embeddings(
        &model,
        &tracking(),
        SentenceEmbedding::Mean,
        EmbeddingLayer::Penultimate,
        60,
        &mut stopped,
    );
    assert!(matches!(found, Err(Error::Missing { .. })));
}

fn model_of_one_block() -> HookedLm {
    model(1, 3)
}

#[test]
fn answers_are_sampled_embedded_and_scored() {
    let model = model(2, 4);
    let config = SampleConfig {
        samples: 5,
        max_new_tokens: 6,
        temperature: 1.0,
        top_k: None,
        top_p: 1.0,
        alpha: 1e-8,
        ..SampleConfig::default()
    };
    let prompts = [ByteTokenizer::encode("the cat"), ByteTokenizer::encode("a dog and")];
    let both = sample_answers(&model, &prompts, &config, &mut NoTaps).unwrap();
    assert_eq!(both.len(), 2);
    for (answers, prompt) in both.iter().zip(&prompts) {
        assert!(answers.tokens.len() == 5 && answers.tokens.iter().all(|t| t.len() == 6));
        let whole: Vec<Vec<u32>> = answers.tokens.iter().map(|t| [prompt.as_slice(), t].concat()).collect();
        let (embedding, layer) = (config.embedding, config.layer);
        let want = sentence_embeddings(&model, &whole, embedding, layer, 2048, &mut NoTaps).unwrap();
        close(answers.embeddings.iter().copied(), want, SUMS);
    }
    // The first prompt's draws are those it has alone.
    let alone = sample_answers(&model, &prompts[..1], &config, &mut NoTaps).unwrap();
    assert_eq!(alone[0].tokens, both[0].tokens);
    let score = answers_eigenscore(&model, &prompts[0], &config, &mut NoTaps).unwrap();
    let want = eigenscore(&both[0].embeddings.view(), config.convention, config.alpha).unwrap();
    assert!((score - want).abs() < BATCHING, "{score} {want}");
    let again = answers_eigenscore(&model, &prompts[0], &config, &mut NoTaps).unwrap();
    assert_eq!(score, again);
    let cold = SampleConfig { temperature: 1e-6, ..config.clone() };
    let agreed = answers_eigenscore(&model, &prompts[0], &cold, &mut NoTaps).unwrap();
    assert!(agreed < score, "answers that agree score lower: {agreed} {score}");
    assert!((agreed - llm_floor(&model, &prompts[0], &cold)).abs() < 0.05);

    for bad in [
        SampleConfig { samples: 1, ..config.clone() },
        SampleConfig { max_new_tokens: 0, ..config.clone() },
        SampleConfig { temperature: 0.0, ..config.clone() },
        SampleConfig { temperature: f64::NAN, ..config.clone() },
        SampleConfig { alpha: 0.0, ..config.clone() },
        SampleConfig { top_p: 0.0, ..config.clone() },
    ] {
        assert!(answers_eigenscore(&model, &prompts[0], &bad, &mut NoTaps).is_err(), "{bad:?}");
    }
    let long = vec![1; 32];
    assert!(matches!(answers_eigenscore(&model, &long, &config, &mut NoTaps), Err(Error::Prompt { .. })));
    assert!(matches!(answers_eigenscore(&model, &[], &config, &mut NoTaps), Err(Error::Prompt { .. })));
}

/// EigenScore of equal answers: one eigenvalue, K times that of the greedy answer, and alpha for the rest.
fn llm_floor(model: &HookedLm, prompt: &[u32], config: &SampleConfig) -> f64 {
    let greedy = GenerateConfig { max_new_tokens: config.max_new_tokens, ..GenerateConfig::default() };
    let new =
        llm_neurons::generate::generate(model, &[prompt], &greedy, &mut NoTaps).unwrap().tokens.remove(0);
    let text = [prompt, &new].concat();
    let e = sentence_embeddings(model, &[text], config.embedding, config.layer, 2048, &mut NoTaps).unwrap();
    let same = e.broadcast((config.samples, e.ncols())).unwrap().to_owned();
    eigenscore(&same.view(), EigenScoreConvention::InsideCodeLn, config.alpha).unwrap()
}

#[test]
fn masks_come_after_four_checkpoints_stay_for_three_and_are_chosen_anew() {
    // Whatever answers are measured with, the tracker reads the model without a mask.
    masks_are_chosen_by_the_model_as_it_is(&quick());
    masks_are_chosen_by_the_model_as_it_is(&SendConfig { measure_masked: true, ..quick() });
}

fn masks_are_chosen_by_the_model_as_it_is(config: &SendConfig) {
    let mut send = trainer(2, config.clone());
    assert_eq!(send.checkpoints().len(), 1);
    assert!(send.checkpoints()[0].loss.is_none());
    assert!(matches!(send.checkpoint(), Err(Error::TooFew { .. })), "nothing was learned since");
    // What the tracker sees, to choose by hand.
    let mut tracker = SensitivityTracker::new(SensitivityConfig::default()).unwrap();
    let look = |send: &SendTrainer| {
        let c = quick().answers;
        let rows =
            sentence_embeddings(&send.model(), &tracking(), c.embedding, c.layer, 2048, &mut NoTaps).unwrap();
        rows.mean_axis(Axis(0)).unwrap()
    };
    tracker.push(&look(&send).view()).unwrap();
    let mut masks = Vec::new();
    for index in 1..=7 {
        send.step_on(&text()).unwrap();
        send.step_on(&text()).unwrap();
        let found = send.checkpoint().unwrap().clone();
        tracker.push(&look(&send).view()).unwrap();
        assert_eq!((found.index, found.steps), (index, 2 * index as u64));
        assert!(found.loss.is_some_and(f64::is_finite) && found.eigenscore.is_finite() && !found.stop);
        // EES with its defaults on four answers.
        assert!((found.ees - found.eigenscore).abs() < 0.05, "{found:?}");
        if index == 3 || index == 6 {
            assert_eq!(send.masked(), tracker.sei().unwrap(), "checkpoint {index}");
        }
        masks.push((found.masked, send.masked().to_vec()));
    }
    let lengths: Vec<(usize, usize)> = masks.iter().map(|(a, b)| (a.len(), b.len())).collect();
    assert_eq!(lengths, [(0, 0), (0, 0), (0, 4), (4, 4), (4, 4), (4, 4), (4, 4)]);
    assert!(masks[2].1 == masks[3].1 && masks[3].1 == masks[4].1, "it stays for three checkpoints");
    assert_eq!(masks[5].0, masks[2].1);
}

#[test]
fn masked_units_neither_feed_the_last_block_nor_learn_from_it() {
    // One step under the mask equals one step of the same model under a hook that drops the same units.
    let mut send = trainer(2, SendConfig { mask: SendMask::Random, ..quick() });
    let plan = LmTraining { batch: 2, window: 16, rate: 3e-3, ..LmTraining::default() };
    let mut plain = LmTrainer::new(model(2, 1), plan).unwrap();
    let mut hooks = HookSet::new();
    for _ in 0..3 {
        send.step_on(&text()).unwrap();
        plain.step_on(&text(), &mut NoTaps).unwrap();
        send.checkpoint().unwrap();
    }
    assert_eq!(send.masked().len(), 4);
    hooks.edit(Intervention::drop_units(Site::ResidPost(0), send.masked().to_vec())).unwrap();
    let (a, b) = (send.step_on(&text()).unwrap(), plain.step_on(&text(), &mut hooks).unwrap());
    assert_eq!(a, b);
    let ids = Tokens::one(&text()[..9]);
    let logits = |m: HookedLm| float_array::<f64, 3>(m.logits(&ids).unwrap()).unwrap();
    assert_eq!(logits(send.model()), logits(plain.model()));
    assert_ne!(plain.step_on(&text(), &mut NoTaps).unwrap().loss, send.step_on(&text()).unwrap().loss);
}

#[test]
fn normal_training_is_that_of_the_trainer_and_is_measured_alike() {
    let mut send = trainer(2, SendConfig { mask: SendMask::None, ..quick() });
    let plan = LmTraining { batch: 2, window: 16, rate: 3e-3, ..LmTraining::default() };
    let mut plain = LmTrainer::new(model(2, 1), plan).unwrap();
    for step in 0..5 {
        let batch = LmBatch::draw(&text(), 2, 16, 0, step).unwrap();
        assert_eq!(send.step(&batch).unwrap(), plain.step_on(&text(), &mut NoTaps).unwrap());
        assert!(send.checkpoint().unwrap().masked.is_empty());
    }
    let last = send.checkpoints().last().unwrap().clone();
    assert_eq!(send.unmasked_scores().unwrap(), (last.eigenscore, last.ees));
}

#[test]
fn masks_are_seen_in_measurement_only_where_asked_for() {
    let run = |measure_masked| {
        let mut send = trainer(2, SendConfig { mask: SendMask::Random, measure_masked, ..quick() });
        for _ in 0..4 {
            send.step_on(&text()).unwrap();
            send.checkpoint().unwrap();
        }
        let seen = send.checkpoints()[4].eigenscore;
        (seen, send.unmasked_scores().unwrap().0)
    };
    let (seen, unmasked) = run(false);
    assert_eq!(seen, unmasked);
    let (seen, unmasked) = run(true);
    assert!(seen < unmasked, "a fifth of the units is zero: {seen} {unmasked}");
}

#[test]
fn the_published_mask_zeroes_weights_which_may_come_back() {
    let config = SendConfig { site: SendMaskSite::OfficialMlpWeights, ..quick() };
    let mut send = trainer(3, config.clone());
    for _ in 0..3 {
        send.step_on(&text()).unwrap();
        send.checkpoint().unwrap();
    }
    let units = send.masked().to_vec();
    assert_eq!(units.len(), 4);
    let written = |m: &HookedLm| penultimate(m, &text()[..9], Site::DownOut(1), &mut NoTaps);
    let before = written(&send.model());
    for i in 0..20 {
        let silent = before.column(i).iter().all(|x| *x == 0.0);
        assert_eq!(silent, units.contains(&i), "unit {i}");
    }
    send.step_on(&text()).unwrap();
    assert!(units.iter().any(|i| written(&send.model()).column(*i).iter().any(|x| *x != 0.0)));
    let plan = LmTraining { batch: 2, window: 16, ..LmTraining::default() };
    let one = LmTrainer::new(model_of_one_block(), plan).unwrap();
    assert!(matches!(SendTrainer::new(one, tracking(), config), Err(Error::Config { .. })));
}

#[test]
fn it_may_stop_when_loss_and_ees_are_both_at_rest() {
    let stops = |loss, ees| {
        let mut send = trainer(2, SendConfig { stop: Some(StopRule { loss, ees }), ..quick() });
        (0..6)
            .map(|_| {
                send.step_on(&text()).unwrap();
                send.checkpoint().unwrap().stop
            })
            .collect::<Vec<bool>>()
    };
    // Four checkpoints with a loss are needed.
    assert_eq!(stops(1e9, 1e9), [false, false, false, true, true, true]);
    assert_eq!(stops(1e-12, 1e9), [false; 6]);
    assert_eq!(stops(1e9, 1e-12), [false; 6]);
}

#[test]
fn bad_configurations_and_tracking_texts_are_refused() {
    let make = |texts: Vec<Vec<u32>>, config: SendConfig| {
        let plan = LmTraining { batch: 2, window: 16, ..LmTraining::default() };
        SendTrainer::new(LmTrainer::new(model(2, 1), plan).unwrap(), texts, config)
    };
    assert!(matches!(make(Vec::new(), quick()), Err(Error::TooFew { what: "tracking texts", .. })));
    assert!(matches!(make(vec![vec![1, 2]], quick()), Err(Error::Prompt { found: 2, .. })));
    let long = SendConfig { prompt_tokens: 32, ..quick() };
    assert!(matches!(make(vec![vec![1; 40]], long), Err(Error::Prompt { .. })));
    for bad in [
        SendConfig { hold: 0, ..quick() },
        SendConfig { prompts: 0, ..quick() },
        SendConfig { prompt_tokens: 0, ..quick() },
        SendConfig { sensitivity: SensitivityConfig { window: 3, fraction: 1.0 }, ..quick() },
        SendConfig { ees: Ees { moments: 0, ..Ees::default() }, ..quick() },
        SendConfig { stop: Some(StopRule { loss: 0.0, ees: 1.0 }), ..quick() },
        SendConfig { answers: SampleConfig { samples: 1, ..quick().answers }, ..quick() },
    ] {
        assert!(make(tracking(), bad.clone()).is_err(), "{bad:?}");
    }
}
