//! Generating and scoring with core neurons, against the whole model and against single steps.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType, Tensor};
use llm_neurons::Error;
use llm_neurons::core_neurons::{
    ClusterBank, ClusterConfig, CoreConfig, CoreInferSession, Strategy, generate as core_generate,
    second_halves,
};
use llm_neurons::generate::{GenerateConfig, generate};
use llm_neurons::model::{HookedLm, LmConfig, WeightFiles};
use llm_neurons::score::{BATCH_TOKENS, token_logprobs};
use ndarray::Array2;
use numerics::rng::stream;
use probes::{HookSet, NoTaps};
use rand::RngExt;
use recordings::{Edit, Intervention, Positions, Site};
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::float_array;

const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];
/// Gathered against masked, and one pass against single steps (sheet 04, line 3), in nats.
const SPARSE: f64 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/00-tiny-transformers").join(name)
}

fn cpu() -> Device {
    DeviceSpec::Cpu.open().unwrap().device
}

fn tiny(name: &str) -> HookedLm {
    let text = std::fs::read_to_string(fixture(&format!("{name}.config.json"))).unwrap();
    let files = WeightFiles::open_file(&fixture(&format!("{name}.model.safetensors"))).unwrap();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, &cpu()).unwrap()
}

fn text(seed: u64, tokens: usize, model: &HookedLm) -> Vec<u32> {
    let mut draws = stream(seed, "core-generation/text", 0);
    let vocab = u32::try_from(model.config().vocab).unwrap();
    (0..tokens).map(|_| draws.random_range(0..vocab)).collect()
}

fn everywhere(model: &HookedLm, beta: f64) -> CoreConfig {
    let shape = model.config();
    CoreConfig { alpha: 0.4, beta, ..CoreConfig::for_model(shape) }.in_all_layers(shape.layers)
}

/// A bank that chooses every neuron, or the given ones, whatever the prompt.
fn bank_of(model: &HookedLm, units: &[usize]) -> ClusterBank {
    let shape = model.config();
    let centres = Array2::from_elem((1, shape.mlp), 0.5);
    ClusterBank::new(0, 0.4, 5, centres, vec![vec![units.to_vec(); shape.layers]]).unwrap()
}

fn every(model: &HookedLm) -> ClusterBank {
    bank_of(model, &(0..model.config().mlp).collect::<Vec<_>>())
}

#[test]
fn all_neurons_write_what_the_model_writes() {
    for name in FAMILIES {
        let model = tiny(name);
        let (prompt, bank, core) = (text(1, 13, &model), every(&model), everywhere(&model, 1.0));
        let greedy = GenerateConfig { max_new_tokens: 12, ..GenerateConfig::default() };
        let sampled = GenerateConfig { temperature: 1.3, top_k: Some(40), seed: 5, ..greedy.clone() };
        for config in [greedy, sampled] {
            let whole = generate(&model, &[&prompt], &config, &mut NoTaps).unwrap();
            let found = core_generate(&model, &prompt, core, Strategy::Similar(&bank), &config).unwrap();
            assert_eq!(found.generation.tokens, whole.tokens, "{name}");
            assert_eq!((found.generation.steps, whole.steps), (11, 11));
            assert_eq!((found.active_fraction, found.cluster), (1.0, Some(0)));
            // It ends where the model does.
            let stop = vec![whole.tokens[0][4]];
            let first = whole.tokens[0].iter().position(|t| stop.contains(t)).unwrap();
            let config = GenerateConfig { stop, ..config };
            let found = core_generate(&model, &prompt, core, Strategy::Similar(&bank), &config).unwrap();
            assert_eq!(found.generation.tokens[0], whole.tokens[0][..=first]);
        }
    }
}

#[test]
fn core_neurons_write_step_by_step() {
    for name in FAMILIES {
        let model = tiny(name);
        let (prompt, core) = (text(2, 15, &model), everywhere(&model, 0.3));
        let config = GenerateConfig { max_new_tokens: 10, ..GenerateConfig::default() };
        let found = core_generate(&model, &prompt, core, Strategy::Stable, &config).unwrap();
        let mut session = CoreInferSession::prefill(&model, &prompt, 30, core, Strategy::Stable).unwrap();
        assert_eq!(found.active_fraction, session.active_fraction());
        assert!(found.active_fraction > 0.0 && found.active_fraction <= 0.3);
        let best = |logits: Tensor<1>| {
            let logits = float_array::<f32, 1>(logits).unwrap();
            (0..logits.len()).fold(0, |b, i| if logits[i] > logits[b] { i } else { b })
        };
        let mut next = session.next_logits();
        for token in &found.generation.tokens[0] {
            assert_eq!(best(next), *token as usize, "{name}");
            next = session.decode_step(*token).unwrap();
        }
    }
}

#[test]
fn second_halves_are_scored_by_the_first_ones_neurons() {
    for name in FAMILIES {
        let model = tiny(name);
        let texts: Vec<Vec<u32>> = [2, 9, 24, 31].map(|n| text(n as u64, n, &model)).to_vec();
        let halves: Vec<usize> = texts.iter().map(|t| t.len() / 2).collect();
        // By every neuron: what the model says of the second halves.
        let whole = second_halves(&model, &texts, everywhere(&model, 1.0), Strategy::Similar(&every(&model)))
            .unwrap();
        let dense = |hooks: Option<&[usize]>| -> Vec<f64> {
            texts
                .iter()
                .zip(&halves)
                .flat_map(|(text, half)| match hooks {
                    None => {
                        let all = token_logprobs(&model, &[text], BATCH_TOKENS, &mut NoTaps).unwrap();
                        all[0][half - 1..].to_vec()
                    }
                    Some(units) => masked(&model, text, *half, units),
                })
                .collect()
        };
        let mean = |values: Vec<f64>| -values.iter().sum::<f64>() / values.len() as f64;
        assert_eq!(whole.nll.tokens, texts.iter().zip(&halves).map(|(t, h)| t.len() - h).sum::<usize>());
        assert!((whole.nll.by_token - mean(dense(None))).abs() <= SPARSE, "{name}");
        assert_eq!(whole.active_fraction, 1.0);

        // By some: what it says with the others at zero in the second halves.
        let units: Vec<usize> = (0..model.config().mlp).step_by(3).collect();
        let some = second_halves(
            &model,
            &texts,
            everywhere(&model, 1.0),
            Strategy::Similar(&bank_of(&model, &units)),
        );
        let some = some.unwrap();
        assert!((some.nll.by_token - mean(dense(Some(&units)))).abs() <= SPARSE, "{name}");
        assert!(
            (some.nll.by_token - whole.nll.by_token).abs() > 10.0 * SPARSE,
            "{name}: not the whole model"
        );
        assert!((some.active_fraction - units.len() as f64 / model.config().mlp as f64).abs() < 1e-12);
    }
}

#[test]
fn long_texts_are_scored_in_windows_each_token_once() {
    for name in ["llama_gqa", "gpt2"] {
        let model = tiny(name);
        let (bank, core, half) = (every(&model), everywhere(&model, 1.0), model.config().context / 2);
        for tokens in [2 * half + 2, 3 * half, 3 * half + 1, 5 * half - 3] {
            let long = text(tokens as u64, tokens, &model);
            let found = second_halves(&model, &[&long], core, Strategy::Similar(&bank)).unwrap();
            assert_eq!(found.nll.tokens, tokens - half, "{name} {tokens}");
            // With every neuron: each token as the model sees it from its window's beginning.
            let mut want = 0.0;
            for begin in (0..tokens - half).step_by(half) {
                let end = tokens.min(begin + 2 * half);
                let all = token_logprobs(&model, &[&long[begin..end]], BATCH_TOKENS, &mut NoTaps).unwrap();
                want -= all[0][half - 1..].iter().sum::<f64>();
            }
            assert!((found.nll.by_token - want / (tokens - half) as f64).abs() <= SPARSE, "{name} {tokens}");
        }
    }
}

/// Log-probabilities of a second half where other neurons are at zero while it is read.
fn masked(model: &HookedLm, text: &[u32], half: usize, units: &[usize]) -> Vec<f64> {
    use llm_neurons::model::{Forward, Head, KvCache, Tokens};
    let mut cache = KvCache::new(model.config(), text.len()).unwrap();
    let mut hooks = HookSet::new();
    let mut rows = Vec::new();
    for (part, masked) in [(&text[..half], false), (&text[half..], true)] {
        if masked {
            for layer in 0..model.config().layers {
                let edit = Edit::RestrictTo { units: units.to_vec() };
                hooks
                    .edit(Intervention { site: Site::DownIn(layer), edit, positions: Positions::All })
                    .unwrap();
            }
        }
        let with = Forward { cache: Some(&mut cache), head: Head::All, mlps: None };
        let logits = model.forward(&Tokens::one(part), with, &mut hooks).unwrap().unwrap();
        let [_, time, vocab] = logits.dims();
        let logits = float_array::<f64, 2>(logits.reshape([time, vocab])).unwrap();
        rows.extend(logits.outer_iter().map(|row| row.to_owned()));
    }
    let logprob = |row: &ndarray::Array1<f64>, token: u32| {
        row[token as usize] - row.iter().map(|x| x.exp()).sum::<f64>().ln()
    };
    (half..text.len()).map(|t| logprob(&rows[t - 1], text[t])).collect()
}

#[test]
fn what_cannot_be_written_or_scored_is_refused() {
    let model = tiny("llama_gqa");
    let (core, context) = (everywhere(&model, 0.5), model.config().context);
    let write = |prompt: &[u32], core: CoreConfig, config: &GenerateConfig| {
        core_generate(&model, prompt, core, Strategy::Stable, config).map(|g| g.generation.tokens[0].len())
    };
    let config = GenerateConfig { max_new_tokens: 5, ..GenerateConfig::default() };
    assert_eq!(write(&[1, 2], core, &config), Ok(5));
    assert_eq!(write(&vec![1; context - 2], core, &config), Ok(2), "the context ends it");
    assert_eq!(write(&[1], core, &GenerateConfig { max_new_tokens: 0, ..config.clone() }), Ok(0));
    assert!(matches!(write(&[], core, &config), Err(Error::Prompt { .. })));
    assert!(matches!(write(&vec![1; context], core, &config), Err(Error::Prompt { .. })));
    assert!(matches!(write(&[9999], core, &config), Err(Error::TokenOutOfVocabulary { .. })));
    assert!(matches!(write(&[1], CoreConfig { beta: 0.0, ..core }, &config), Err(Error::Parameter { .. })));
    let hot = GenerateConfig { temperature: f64::NAN, ..config };
    assert!(matches!(write(&[1], core, &hot), Err(Error::Parameter { .. })));

    let score =
        |texts: &[Vec<u32>]| second_halves(&model, texts, core, Strategy::Stable).map(|n| n.nll.tokens);
    assert_eq!(score(&[vec![1, 2], vec![1; context + 1]]), Ok(1 + context + 1 - context.div_ceil(2)));
    assert!(matches!(score(&[]), Err(Error::TooFew { .. })));
    assert!(matches!(score(&[vec![1]]), Err(Error::Prompt { found: 1, .. })));
    assert!(matches!(score(&[vec![1, 2], vec![]]), Err(Error::Prompt { found: 0, .. })));
    let odd = score(&[vec![1, 2, 9999]]);
    assert!(matches!(odd, Err(Error::TokenOutOfVocabulary { position: 2, token: 9999, .. })), "{odd:?}");
}

#[test]
fn a_bank_knows_its_model() {
    let model = tiny("opt_relu");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.safetensors");
    let (layers, width) = (model.config().layers, model.config().mlp);
    let bank = every(&model);
    bank.save(&path).unwrap();
    let unsaid = ClusterBank::load(&path, layers, width).unwrap();
    assert_eq!(unsaid, bank);
    unsaid.check_model("any").unwrap();
    let bank = bank.of("0123abcd");
    bank.save(&path).unwrap();
    let read = ClusterBank::load(&path, layers, width).unwrap();
    assert_eq!(read, bank);
    read.check_model("0123abcd").unwrap();
    assert!(matches!(read.check_model("0123abce"), Err(Error::Mismatch { .. })));
    assert!(matches!(ClusterBank::load(&path, layers, width + 1), Err(Error::File { .. })));
    let scaled = ClusterConfig::for_shape(32, 11_008, 3);
    assert_eq!(scaled, ClusterConfig::new(25, 3000, 3));
    let small = ClusterConfig::for_shape(2, 3, 0);
    assert_eq!((small.layer, small.pattern), (1, 1));
    let two = CoreConfig::for_depth(2, CoreConfig::for_model(model.config()).source);
    assert_eq!((two.start, two.end), (-1, 2), "no layer lies between the ends of two");
    let three = CoreConfig { ..CoreConfig::for_depth(3, two.source) };
    assert_eq!((three.start, three.end), (0, 2));
}
