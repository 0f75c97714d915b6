//! Training: models that are written and read back, batches, loss, optimiser, freezing, and what is refused.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{FloatDType, Tensor};
use llm_neurons::model::{HookedLm, LlamaShape, LmConfig, Tokens, WeightFiles};
use llm_neurons::score::{BATCH_TOKENS, mean_nll};
use llm_neurons::training::{ByteTokenizer, LmBatch, LmTrainer, LmTraining, next_token_loss, train};
use llm_neurons::{Error, TextTokenizer};
use ndarray::{Array2, Array3};
use probes::{HookSet, NoTaps};
use recordings::{Intervention, Site};
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::{float_array, scalar};

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];
/// Loss of a batch against the log-probabilities of the texts one by one, in 32-bit floats.
const NATS: f64 = 1e-5;
/// Losses of one device against another's: differences of rounding that eight steps have made larger.
const DEVICES: f64 = 1e-3;
/// AdamW against the equations in f64: one part in 10^4 of a step of the learning rate.
const STEP: f64 = 1e-4;

fn device() -> burn::tensor::Device {
    DeviceSpec::Cpu.open().unwrap().device
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers")
}

fn model(name: &str) -> HookedLm {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.config.json"))).unwrap();
    let files = WeightFiles::open_file(&fixtures().join(format!("{name}.model.safetensors"))).unwrap();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, &device()).unwrap()
}

fn tiny(seed: u64) -> HookedLm {
    let shape = LlamaShape {
        hidden: 16,
        layers: 2,
        heads: 2,
        kv_heads: 1,
        mlp: 32,
        context: 24,
        ..LlamaShape::default()
    };
    HookedLm::initialise(LmConfig::llama(shape, None).unwrap(), seed, &device()).unwrap()
}

fn logits(model: &HookedLm, ids: &[u32]) -> Array3<f64> {
    float_array::<f64, 3>(model.logits(&Tokens::one(ids)).unwrap()).unwrap()
}

/// Every parameter's path and values.
fn parameters(model: &HookedLm) -> Vec<(String, Vec<f32>)> {
    struct All(Vec<String>, Vec<(String, Vec<f32>)>);
    impl ModuleVisitor for All {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push((self.0.join("."), param.val().inner().into_data().iter::<f32>().collect()));
        }
    }
    let mut all = All(Vec::new(), Vec::new());
    model.visit(&mut all);
    all.1
}

fn rose() -> Vec<u32> {
    ByteTokenizer::encode(&"a rose is a rose is a rose. ".repeat(30))
}

#[test]
fn every_family_comes_back_from_its_folder_with_equal_logits_and_weights() {
    let folder = tempfile::tempdir().unwrap();
    let ids = [5, 9, 40, 7, 22, 61, 3];
    for name in FAMILIES {
        let before = model(name);
        let to = folder.path().join(name);
        before.save(&to, None).unwrap();
        let after = HookedLm::load(&to, FloatDType::F32, &device()).unwrap();
        assert_eq!(after.config(), before.config(), "{name}");
        assert_eq!(parameters(&after), parameters(&before), "{name}");
        assert_eq!(logits(&after, &ids), logits(&before, &ids), "{name}");
        // The file is the reference's own, tensor for tensor, but for a tied head that it may hold twice.
        let original = WeightFiles::open_file(&fixtures().join(format!("{name}.model.safetensors"))).unwrap();
        let written = WeightFiles::open(&to).unwrap();
        for tensor in written.names() {
            let shape = written.shape(tensor).unwrap();
            assert_eq!(
                written.read(tensor, shape).unwrap(),
                original.read(tensor, shape).unwrap(),
                "{tensor}"
            );
        }
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        FAMILIES.len(),
        "nothing temporary is left"
    );
}

#[test]
fn a_trained_model_is_written_whole_and_read_with_its_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("nested/rose");
    let plan = LmTraining { steps: 3, batch: 2, window: 12, ..LmTraining::default() };
    let trained = train(tiny(1), &rose(), plan, &mut |_| true).unwrap();
    trained.model.save(&to, Some(ByteTokenizer::json().as_bytes())).unwrap();
    let again = HookedLm::load(&to, FloatDType::F32, &device()).unwrap();
    let ids = ByteTokenizer::encode("a rose");
    assert_eq!(logits(&again, &ids), logits(&trained.model, &ids));
    let tokenizer = TextTokenizer::load(&to, again.config()).unwrap();
    assert_eq!(tokenizer.encode("a rose", true).unwrap(), ids);
    // What is there is not overwritten, and stays as it was.
    assert!(matches!(tiny(2).save(&to, None), Err(Error::File { .. })));
    assert_eq!(logits(&HookedLm::load(&to, FloatDType::F32, &device()).unwrap(), &ids), logits(&again, &ids));
    std::fs::write(folder.path().join("file"), "x").unwrap();
    assert!(matches!(tiny(2).save(&folder.path().join("file"), None), Err(Error::File { .. })));
}

#[test]
fn initial_weights_depend_on_the_seed_alone_and_have_the_stated_spread() {
    assert_eq!(parameters(&tiny(3)), parameters(&tiny(3)));
    assert_ne!(parameters(&tiny(3)), parameters(&tiny(4)));
    for name in FAMILIES {
        let config = model(name).config().clone();
        let fresh = HookedLm::initialise(config, 0, &device()).unwrap();
        for (path, values) in parameters(&fresh) {
            let n = values.len() as f64;
            let square = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n;
            let want: f64 = match path.as_str() {
                p if p.ends_with("bias") => 0.0,
                p if p.contains("norm") => 1.0,
                p if p.contains("out.") || p.contains("down.") => 0.02 / 2.0,
                _ => 0.02,
            };
            // Five standard errors of a mean square.
            let slack = if want == 0.02 || want == 0.01 { 5.0 * (2.0 / n).sqrt() } else { 0.0 };
            assert!((square - want * want).abs() <= slack * want * want, "{name} {path}: {square} {want}");
        }
        assert!(logits(&fresh, &[1, 2, 3]).iter().all(|x| x.is_finite()));
    }
}

#[test]
fn the_loss_is_the_mean_of_what_the_texts_score_one_by_one() {
    let model = model("llama_gqa");
    let texts = [vec![5, 9, 40, 7, 22], vec![61, 3, 8], vec![11, 80]];
    let want = mean_nll(&model, &texts, BATCH_TOKENS, &mut NoTaps).unwrap();
    let loss = |batch: &LmBatch| scalar(next_token_loss(&model, batch, &mut NoTaps).unwrap()).unwrap();
    let got = loss(&LmBatch::texts(&texts).unwrap());
    assert!((got - want.by_token).abs() < NATS, "{got} {want:?}");
    // The answer alone: the whole less what the prompt costs.
    let prompt = mean_nll(&model, &[&texts[0][..4]], BATCH_TOKENS, &mut NoTaps).unwrap();
    let whole = mean_nll(&model, &texts[..1], BATCH_TOKENS, &mut NoTaps).unwrap();
    let got = loss(&LmBatch::endings(&texts[..1], &[4]).unwrap());
    let want = whole.by_token * 4.0 - prompt.by_token * 3.0;
    assert!((got - want).abs() < 10.0 * NATS, "{got} {want}");
    let windows = Array2::from_shape_fn((2, 4), |(b, t)| texts[0][b + t]);
    let both: Vec<Vec<u32>> = windows.outer_iter().map(|w| w.to_vec()).collect();
    let got = loss(&LmBatch::windows(&windows).unwrap());
    let want = mean_nll(&model, &both, BATCH_TOKENS, &mut NoTaps).unwrap();
    assert!((got - want.by_token).abs() < NATS, "{got} {want:?}");
}

#[test]
fn training_learns_and_the_same_seed_gives_the_same_run() {
    let plan = LmTraining { steps: 40, batch: 4, window: 16, rate: 1e-2, ..LmTraining::default() };
    let run = |plan: &LmTraining| train(tiny(5), &rose(), plan.clone(), &mut |_| true).unwrap();
    let (one, two) = (run(&plan), run(&plan));
    assert_eq!(one.losses, two.losses);
    assert_eq!(parameters(&one.model), parameters(&two.model));
    let uniform = 257.0_f64.ln();
    assert!((one.losses[0] - uniform).abs() < 0.1, "it begins knowing nothing: {}", one.losses[0]);
    let end = one.losses[35..].iter().sum::<f64>() / 5.0;
    assert!(end < 2.0, "{:?}", one.losses);
    assert_ne!(run(&LmTraining { seed: 1, ..plan.clone() }).losses, one.losses);
    // The callback ends it.
    let mut seen = Vec::new();
    let stopped = train(tiny(5), &rose(), plan, &mut |r| {
        seen.push((r.step, r.tokens));
        r.step < 2
    });
    assert_eq!(stopped.unwrap().losses, one.losses[..3]);
    assert_eq!(seen, [(0, 60), (1, 60), (2, 60)]);
}

tensor_backend::cross_backend_tests! {
    fn every_device_learns_the_same(on: &TestDevice) {
        let config = crate::tiny(5).config().clone();
        let model = crate::HookedLm::initialise(config, 5, on.device()).unwrap();
        let plan = crate::LmTraining { steps: 8, batch: 4, window: 16, rate: 3e-3, clip_norm: Some(0.5), ..Default::default() };
        let there = crate::train(model, &crate::rose(), plan.clone(), &mut |_| true).unwrap();
        let here = crate::train(crate::tiny(5), &crate::rose(), plan, &mut |_| true).unwrap();
        for (t, (a, b)) in there.losses.iter().zip(&here.losses).enumerate() {
            assert!((a - b).abs() < crate::DEVICES, "step {t}: {a} {b}");
        }
        assert!(there.losses[7] < there.losses[0] - 0.1, "{:?}", there.losses);
    }
}

#[test]
fn one_step_is_adamws() {
    // The first step of AdamW is w (1 - rate decay) - rate g / (|g| + eps): about the sign of the gradient.
    let plan = LmTraining { rate: 1e-3, weight_decay: 0.1, ..LmTraining::default() };
    let before = parameters(&tiny(6));
    let mut trainer = LmTrainer::new(tiny(6), plan).unwrap();
    let batch = LmBatch::draw(&rose(), 4, 16, 0, 0).unwrap();
    trainer.step(&batch, &mut NoTaps).unwrap();
    let after = parameters(&trainer.model());
    let (mut full, mut all) = (0, 0);
    for ((path, b), (_, a)) in before.iter().zip(&after) {
        for (b, a) in b.iter().zip(a) {
            let moved = f64::from(*a) - f64::from(*b) * (1.0 - 1e-4);
            assert!(moved.abs() <= 1e-3 * (1.0 + STEP) + 1e-7, "{path}: {moved}");
            all += 1;
            full += usize::from((moved.abs() - 1e-3).abs() < 1e-5);
        }
    }
    assert!(full * 2 > all, "most gradients are far above epsilon: {full} of {all}");
    // Two further steps at rate zero change nothing.
    let plan = LmTraining { steps: 1, decay_share: 1.0, ..LmTraining::default() };
    let mut trainer = LmTrainer::new(tiny(6), plan).unwrap();
    trainer.step(&batch, &mut NoTaps).unwrap();
    let there = parameters(&trainer.model());
    let report = trainer.step(&batch, &mut NoTaps).unwrap();
    assert_eq!((report.rate, report.step), (0.0, 1));
    assert_eq!(parameters(&trainer.model()), there);
}

#[test]
fn frozen_blocks_stay_and_the_others_learn() {
    let before = parameters(&tiny(7));
    let plan = LmTraining { steps: 2, batch: 2, window: 12, frozen_blocks: 1, ..LmTraining::default() };
    let after = parameters(&train(tiny(7), &rose(), plan.clone(), &mut |_| true).unwrap().model);
    for ((path, b), (_, a)) in before.iter().zip(&after) {
        assert_eq!(a == b, path.starts_with("blocks.0."), "{path}");
    }
    let all = LmTraining { frozen_blocks: 3, ..plan };
    assert!(matches!(LmTrainer::new(tiny(7), all), Err(Error::Parameter { name: "frozen_blocks", .. })));
}

#[test]
fn a_hook_is_in_the_backward_pass() {
    // With every neuron of block 0 at zero, its gate, up and down have no gradient; the rest learns.
    let mut hooks = HookSet::new();
    hooks.edit(Intervention::drop_units(Site::DownIn(0), (0..32).collect())).unwrap();
    let before = parameters(&tiny(8));
    let plan = LmTraining { weight_decay: 0.0, ..LmTraining::default() };
    let mut trainer = LmTrainer::new(tiny(8), plan).unwrap();
    trainer.step(&LmBatch::draw(&rose(), 2, 12, 0, 0).unwrap(), &mut hooks).unwrap();
    for ((path, b), (_, a)) in before.iter().zip(&parameters(&trainer.model())) {
        let still = path.starts_with("blocks.0.mlp.") || path.starts_with("blocks.0.norm2");
        assert_eq!(a == b, still, "{path}");
    }
}

#[test]
fn a_run_that_diverges_ends_at_once() {
    let plan = LmTraining { steps: 60, rate: 1e30, batch: 2, window: 12, ..LmTraining::default() };
    let failed = train(tiny(9), &rose(), plan, &mut |_| true);
    match failed {
        Err(Error::Diverged { what, step, value }) => {
            assert!(what == "loss" && step > 0 && step < 5 && !value.is_finite(), "{what} {step} {value}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_input_is_an_error() {
    let plan = LmTraining { batch: 2, window: 12, ..LmTraining::default() };
    assert!(matches!(train(tiny(0), &[1, 2, 3], plan.clone(), &mut |_| true), Err(Error::TooFew { .. })));
    assert!(matches!(train(tiny(0), &[], plan.clone(), &mut |_| true), Err(Error::TooFew { .. })));
    let far = LmTraining { window: 26, ..plan.clone() };
    assert!(matches!(train(tiny(0), &rose(), far, &mut |_| true), Err(Error::Prompt { found: 26, .. })));
    let most = LmTraining { window: 25, steps: 1, ..plan.clone() };
    assert!(train(tiny(0), &rose(), most, &mut |_| true).is_ok());
    let strange = vec![300; 40];
    assert!(matches!(
        train(tiny(0), &strange, plan.clone(), &mut |_| true),
        Err(Error::TokenOutOfVocabulary { token: 300, vocabulary: 257, .. })
    ));
    // A token that is predicted and never read is checked too.
    let mut trainer = LmTrainer::new(tiny(0), plan).unwrap();
    let batch = LmBatch::texts(&[vec![1, 2, 257]]).unwrap();
    assert!(matches!(
        trainer.step(&batch, &mut NoTaps),
        Err(Error::TokenOutOfVocabulary { token: 257, position: 2, .. })
    ));
    let mut stopped = HookSet::new();
    stopped.stop_after(0);
    let batch = LmBatch::texts(&[vec![1, 2, 3]]).unwrap();
    assert!(matches!(trainer.step(&batch, &mut stopped), Err(Error::Missing { .. })));
}
