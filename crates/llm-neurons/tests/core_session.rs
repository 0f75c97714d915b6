//! Decoding with core neurons: a trained OPT's stored counts, and equality with the whole model whose other neurons are
//! set to zero, on every backend.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType, Tensor};
use llm_neurons::Error;
use llm_neurons::core_neurons::{
    ClusterBank, ClusterConfig, CoreConfig, CoreInferSession, CoreSource, Strategy, core_neurons,
};
use llm_neurons::model::{Forward, Head, HookedLm, KvCache, LmConfig, Tokens, WeightFiles};
use ndarray::{Array2, Axis};
use numerics::rng::{stream, subset};
use probes::{HookSet, NoTaps, Read};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use rand::RngExt;
use recordings::arrays::ArrayFile;
use recordings::{Edit, Intervention, Positions, Site};
use tensor_backend::DeviceSpec;
use tensor_backend::bridge::float_array;

/// The trained model's logits (sheet 00-A, line 4).
const REFERENCE: f32 = 2e-3;
/// All neurons, gathered, against the model's own MLPs (sheet 04, line 3).
const WHOLE: f32 = 1e-5;
/// Gathered weights against a mask of the activations (sheet 04, line 3).
const MASKED: f32 = 1e-4;

/// Six architectures with random weights, two of them gated.
const FAMILIES: [&str; 6] =
    ["gpt_neox_parallel", "gpt_neox_sequential", "llama_gqa", "opt_relu", "gpt2", "qwen2"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn load(config: &str, weights: &str, device: &Device) -> HookedLm {
    let config = LmConfig::parse(&std::fs::read_to_string(fixture(config)).unwrap()).unwrap();
    let files = WeightFiles::open_file(&fixture(weights)).unwrap();
    HookedLm::from_files(config, &files, FloatDType::F32, device).unwrap()
}

fn trained(device: &Device) -> HookedLm {
    load("04-coreinfer-pud/opt.config.json", "04-coreinfer-pud/opt.model.f16.safetensors", device)
}

fn tiny(name: &str, device: &Device) -> HookedLm {
    let file = |end: &str| format!("00-tiny-transformers/{name}.{end}");
    load(&file("config.json"), &file("model.safetensors"), device)
}

fn stored(name: &str) -> ArrayFile {
    ArrayFile::open(&fixture("04-coreinfer-pud").join(name)).unwrap()
}

fn ids(file: &ArrayFile, key: &str) -> Vec<u32> {
    file.read_i64_1(key).unwrap().iter().map(|x| u32::try_from(*x).unwrap()).collect()
}

fn usizes(file: &ArrayFile, key: &str) -> Vec<usize> {
    file.read_i64_1(key).unwrap().iter().map(|x| usize::try_from(*x).unwrap()).collect()
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    let total: usize = x.dims().iter().product();
    float_array::<f32, 1>(x.reshape([total])).unwrap().to_vec()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|x| x.is_finite()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Every layer sparse, with the sheet's alpha.
fn everywhere(model: &HookedLm, beta: f64) -> CoreConfig {
    let shape = model.config();
    CoreConfig { alpha: 0.4, beta, ..CoreConfig::for_model(shape) }.in_all_layers(shape.layers)
}

fn text(seed: u64, tokens: usize, vocab: usize) -> Vec<u32> {
    let mut draws = stream(seed, "core-session/text", 0);
    (0..tokens).map(|_| draws.random_range(0..u32::try_from(vocab).unwrap())).collect()
}

/// The whole model's step-by-step logits after a prompt, with the other neurons of the sets at zero while it decodes.
fn masked_steps(
    model: &HookedLm,
    prompt: &[u32],
    answer: &[u32],
    sets: &[Option<Vec<usize>>],
) -> Vec<Vec<f32>> {
    let mut cache = KvCache::new(model.config(), prompt.len() + answer.len()).unwrap();
    let with = Forward { cache: Some(&mut cache), head: Head::None, mlps: None };
    model.forward(&Tokens::one(prompt), with, &mut NoTaps).unwrap();
    let mut hooks = HookSet::new();
    for (layer, set) in sets.iter().enumerate() {
        if let Some(units) = set.clone() {
            let edit = Edit::RestrictTo { units };
            hooks.edit(Intervention { site: Site::DownIn(layer), edit, positions: Positions::All }).unwrap();
        }
    }
    let mut step = |id: &u32| {
        let with = Forward { cache: Some(&mut cache), head: Head::Last, mlps: None };
        host(model.forward(&Tokens::one(&[*id]), with, &mut hooks).unwrap().unwrap())
    };
    answer.iter().map(&mut step).collect()
}

/// How far a session's steps are from the masked model's.
fn off_mask(session: &CoreInferSession<'_>, model: &HookedLm, prompt: &[u32], answer: &[u32]) -> f32 {
    let mut session = session.clone();
    let want = masked_steps(model, prompt, answer, session.sets());
    let steps = answer.iter().zip(&want);
    steps.map(|(id, want)| apart(&host(session.decode_step(*id).unwrap()), want)).fold(0.0, f32::max)
}

fn bank(model: &HookedLm, beta: f64) -> ClusterBank {
    let texts: Vec<Vec<u32>> = (0..12).map(|i| text(100 + i, 9, model.config().vocab)).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let config = ClusterConfig { beta, clusters: Some(3), ..ClusterConfig::new(1, 6, 5) };
    ClusterBank::of_model(model, &texts, CoreConfig::for_model(model.config()).source, &config).unwrap()
}

tensor_backend::cross_backend_tests! {
    fn the_trained_model_gives_its_stored_logits_and_text(on: &TestDevice) {
        let (model, file) = (crate::trained(on.device()), crate::stored("opt.expected.safetensors"));
        let ids = file.read_i64_2("input_ids").unwrap().mapv(|x| u32::try_from(x).unwrap());
        let with = crate::Forward { cache: None, head: crate::Head::Last, mlps: None };
        let got = model.forward(&crate::Tokens::new(ids), with, &mut crate::NoTaps).unwrap().unwrap();
        let want: Vec<f32> = file.read_f64_2("logits_last").unwrap().iter().map(|x| *x as f32).collect();
        let worst = crate::apart(&crate::host(got), &want);
        assert!(worst <= crate::REFERENCE, "{worst:e}");

        // With all neurons a session writes what the model writes.
        let greedy: Vec<u32> =
            file.read_i64_2("greedy_ids").unwrap().iter().map(|x| u32::try_from(*x).unwrap()).collect();
        let config = crate::everywhere(&model, 0.4);
        let session = crate::CoreInferSession::prefill(&model, &greedy[..8], 32, config, crate::Strategy::Stable);
        let all = vec![Some((0..384).collect()); 4];
        let mut session = session.unwrap().with_sets(&all).unwrap();
        let best = |logits: &[f32]| (0..logits.len()).fold(0, |b, i| if logits[i] > logits[b] { i } else { b });
        let mut next = crate::host(session.next_logits());
        for want in &greedy[8..] {
            assert_eq!(best(&next), *want as usize, "token {}", session.tokens());
            next = crate::host(session.decode_step(*want).unwrap());
        }
        assert!(matches!(session.decode_step(5), Err(crate::Error::Prompt { found: 33, .. })), "no room");
    }

    fn three_prompts_have_the_stored_core_neurons(on: &TestDevice) {
        let (model, file) = (crate::trained(on.device()), crate::stored("core_tinyopt.safetensors"));
        for prompt in 0..3 {
            let ids = crate::ids(&file, &format!("s{prompt}.ids"));
            let config = crate::everywhere(&model, 0.4);
            let session =
                crate::CoreInferSession::prefill(&model, &ids, ids.len(), config, crate::Strategy::Stable).unwrap();
            for layer in 0..4 {
                let key = format!("s{prompt}.layer{layer}");
                let found = session.ranking(layer).unwrap();
                let want = crate::usizes(&file, &format!("{key}.count"));
                let off: Vec<usize> = (0..384).map(|i| (found.count[i] as usize).abs_diff(want[i])).collect();
                assert!(off.iter().all(|d| *d <= 1), "{key}");
                let moved = off.iter().filter(|d| **d == 1).count();
                assert!(moved <= 3, "{key}: {moved} of 384 counts are off by one");
                // The stored selection fills up with neurons of count 0 where too few fired; ours never does.
                let want: Vec<usize> = crate::usizes(&file, &format!("{key}.core40"))
                    .into_iter()
                    .filter(|i| want[*i] > 0)
                    .collect();
                assert_eq!(want.len(), found.units.len(), "{key}");
                if moved == 0 {
                    assert_eq!(found.units, want, "{key}");
                }
                let strange = found.units.iter().filter(|u| !want.contains(u)).count();
                assert!(strange <= moved, "{key}: {strange} neurons of another selection");
                assert_eq!(session.sets()[layer].as_ref().unwrap(), &found.sorted());
            }
        }
    }

    fn all_neurons_gathered_are_the_whole_model(on: &TestDevice) {
        for name in crate::FAMILIES {
            let model = crate::tiny(name, on.device());
            let (prompt, answer) = (crate::text(1, 14, model.config().vocab), crate::text(2, 6, model.config().vocab));
            let config = crate::everywhere(&model, 1.0);
            let all: Vec<usize> = (0..model.config().mlp).collect();
            let every = crate::CoreInferSession::prefill(&model, &prompt, 20, config, crate::Strategy::Stable)
                .unwrap()
                .with_sets(&[Some(all.iter().rev().copied().collect()), Some(all.clone())])
                .unwrap();
            // A bank that keeps all neurons, by way of beta 1.
            let centres = ndarray::Array2::from_elem((1, all.len()), 0.5);
            let bank = crate::ClusterBank::new(0, 0.4, 5, centres, vec![vec![all.clone(); 2]]).unwrap();
            let similar =
                crate::CoreInferSession::prefill(&model, &prompt, 20, config, crate::Strategy::Similar(&bank)).unwrap();
            assert_eq!(similar.sets(), every.sets());
            let dense = crate::masked_steps(&model, &prompt, &answer, &[None, None]);
            for mut session in [every, similar] {
                assert_eq!(session.active_fraction(), 1.0);
                for (id, want) in answer.iter().zip(&dense) {
                    let worst = crate::apart(&crate::host(session.decode_step(*id).unwrap()), want);
                    assert!(worst <= crate::WHOLE, "{name}: {worst:e}");
                }
            }
        }
    }

    fn gathered_neurons_are_those_that_a_mask_leaves(on: &TestDevice) {
        for name in crate::FAMILIES {
            let model = crate::tiny(name, on.device());
            let (prompt, answer) = (crate::text(3, 17, model.config().vocab), crate::text(4, 7, model.config().vocab));
            let bank = crate::bank(&model, 1.0);
            for beta in [0.1, 0.4, 0.8] {
                for strategy in [crate::Strategy::Stable, crate::Strategy::Similar(&bank)] {
                    let config = crate::everywhere(&model, beta);
                    let session = crate::CoreInferSession::prefill(&model, &prompt, 24, config, strategy).unwrap();
                    let worst = crate::off_mask(&session, &model, &prompt, &answer);
                    assert!(worst <= crate::MASKED, "{name} {beta} {strategy:?}: {worst:e}");
                    // Which is not the whole model's answer.
                    let dense = crate::masked_steps(&model, &prompt, &answer, &[None, None]);
                    let sparse = crate::host(session.clone().decode_step(answer[0]).unwrap());
                    assert!(crate::apart(&sparse, &dense[0]) > 100.0 * crate::MASKED, "{name} {beta}");
                }
            }
        }
        let (model, file) = (crate::trained(on.device()), crate::stored("core_tinyopt.safetensors"));
        let ids = crate::ids(&file, "s1.ids");
        let (prompt, answer) = ids.split_at(30);
        let session = crate::CoreInferSession::prefill(
            &model, prompt, 60, crate::everywhere(&model, 0.4), crate::Strategy::Stable,
        );
        let worst = crate::off_mask(&session.unwrap(), &model, prompt, answer);
        assert!(worst <= crate::MASKED, "{worst:e}");
    }
}

fn cpu() -> Device {
    DeviceSpec::Cpu.open().unwrap().device
}

/// What ranks neurons, read by the hooks that everyone uses.
fn activations(model: &HookedLm, prompt: &[u32], layer: usize) -> Array2<f32> {
    let site = if model.config().gated { Site::DownIn(layer) } else { Site::UpOut(layer) };
    let mut hooks = HookSet::new();
    let read = hooks.read(site, Read::Full).unwrap();
    model.forward(&Tokens::one(prompt), Forward::default(), &mut hooks).unwrap();
    float_array::<f32, 3>(hooks.full(read).unwrap()).unwrap().index_axis_move(Axis(0), 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_session_keeps_the_prompts_core_and_decodes_in_any_portions(
        seed in 0_u64..10_000, tokens in 1_usize..20, beta in 0.05..1.0_f64, family in 0..6_usize, cut in 0_usize..8
    ) {
        let on = cpu();
        let model = tiny(FAMILIES[family], &on);
        let shape = model.config();
        let (prompt, answer) = (text(seed, tokens, shape.vocab), text(seed + 1, 8, shape.vocab));
        let config = everywhere(&model, beta);
        let new = || CoreInferSession::prefill(&model, &prompt, tokens + 8, config, Strategy::Stable).unwrap();
        let session = new();
        let mut read = 0;
        for layer in 0..shape.layers {
            let found = core_neurons(&activations(&model, &prompt, layer).view(), 0.4, config.keep(shape.mlp));
            let found = found.unwrap();
            prop_assert_eq!(session.ranking(layer), Some(&found));
            prop_assert_eq!(session.sets()[layer].as_ref(), Some(&found.sorted()));
            prop_assert!(found.units.len() <= config.keep(shape.mlp));
            prop_assert_eq!(found.count.iter().sum::<u32>() as usize, tokens * found.limit);
            read += found.units.len();
        }
        let share = read as f64 / (shape.layers * shape.mlp) as f64;
        prop_assert!((session.active_fraction() - share).abs() < 1e-12 && share <= beta);

        // The prompt is dense.
        let dense = host(model.logits(&Tokens::one(&prompt)).unwrap());
        prop_assert!(apart(&host(session.next_logits()), &dense[(tokens - 1) * shape.vocab..]) <= MASKED);
        // One by one, all at once, in two portions; and the choice stays while it decodes.
        let (mut steps, mut whole, mut portions) = (new(), new(), new());
        let one: Vec<f32> =
            answer.iter().flat_map(|id| host(steps.decode_step(*id).unwrap())).collect();
        prop_assert!(apart(&one, &host(whole.decode(&answer).unwrap())) <= MASKED);
        let (first, rest) = answer.split_at(cut);
        let mut parts = Vec::new();
        for part in [first, rest].into_iter().filter(|p| !p.is_empty()) {
            parts.extend(host(portions.decode(part).unwrap()));
        }
        prop_assert!(apart(&one, &parts) <= MASKED);
        prop_assert_eq!(steps.sets(), session.sets());
        prop_assert_eq!((steps.tokens(), session.tokens()), (tokens + 8, tokens));

        // Other neurons after the same prompt.
        let other: Vec<Option<Vec<usize>>> = (0..shape.layers)
            .map(|l| Some(subset(&mut stream(seed, "core-session/control", l as u64), shape.mlp, 1 + cut)))
            .collect();
        let control = session.with_sets(&other).unwrap();
        prop_assert!(off_mask(&control, &model, &prompt, &answer) <= MASKED);
    }
}

#[test]
fn only_the_layers_between_the_ends_are_sparse() {
    let on = cpu();
    let model = trained(&on);
    let config = CoreConfig::for_model(model.config());
    assert_eq!((config.start, config.end, config.source), (0, 3, CoreSource::PreActivation));
    let prompt = ids(&stored("core_tinyopt.safetensors"), "s0.ids");
    let session = CoreInferSession::prefill(&model, &prompt, 64, config, Strategy::Stable).unwrap();
    let sparse: Vec<bool> = session.sets().iter().map(Option::is_some).collect();
    assert_eq!(sparse, [false, true, true, false]);
    assert!(session.ranking(0).is_none() && session.ranking(4).is_none() && session.cluster().is_none());
    let kept: usize = session.sets().iter().flatten().map(Vec::len).sum();
    assert_eq!(session.active_fraction(), (768 + kept) as f64 / 1536.0);
    assert!(off_mask(&session, &model, &prompt, &[7, 300]) <= MASKED);
    assert!(model.mlp(1).unwrap().bytes() == (2 * 96 * 384 + 384 + 96) * 4);
}

#[test]
fn a_further_prompt_chooses_anew() {
    let on = cpu();
    let model = trained(&on);
    let file = stored("core_tinyopt.safetensors");
    let (first, second) = (ids(&file, "s0.ids"), ids(&file, "s2.ids"));
    let config = everywhere(&model, 0.3);
    let mut session = CoreInferSession::prefill(&model, &first, 130, config, Strategy::Stable).unwrap();
    let before = session.sets().to_vec();
    session.decode_step(9).unwrap();
    assert_eq!(session.sets(), before);
    session.read(&second).unwrap();
    assert_ne!(session.sets(), before);
    assert_eq!(session.tokens(), 121);
    // The sparse step that came before is in the cache; the prompt itself passes all neurons.
    let mut cache = KvCache::new(model.config(), 130).unwrap();
    let none = Forward { cache: Some(&mut cache), head: Head::None, mlps: None };
    model.forward(&Tokens::one(&first), none, &mut NoTaps).unwrap();
    let mut hooks = HookSet::new();
    for (layer, units) in before.into_iter().enumerate() {
        let edit = Edit::RestrictTo { units: units.unwrap() };
        hooks.edit(Intervention { site: Site::DownIn(layer), edit, positions: Positions::All }).unwrap();
    }
    let none = Forward { cache: Some(&mut cache), head: Head::None, mlps: None };
    model.forward(&Tokens::one(&[9]), none, &mut hooks).unwrap();
    let mut hooks = HookSet::new();
    let reads: Vec<_> = (0..4).map(|l| hooks.read(Site::UpOut(l), Read::Full).unwrap()).collect();
    let with = Forward { cache: Some(&mut cache), head: Head::Last, mlps: None };
    let want = model.forward(&Tokens::one(&second), with, &mut hooks).unwrap().unwrap();
    assert!(apart(&host(session.next_logits()), &host(want)) <= MASKED);
    for (layer, read) in reads.into_iter().enumerate() {
        let a = float_array::<f32, 3>(hooks.full(read).unwrap()).unwrap();
        let found = core_neurons(&a.index_axis(Axis(0), 0), 0.4, config.keep(384)).unwrap();
        let alike = found.jaccard(session.ranking(layer).unwrap());
        assert!(alike > 0.97, "layer {layer}: {alike}");
    }
    // A prompt without room leaves all as it was.
    let (sets, next) = (session.sets().to_vec(), host(session.next_logits()));
    assert!(matches!(session.read(&first), Err(Error::Prompt { .. })));
    assert!(matches!(session.read(&[5000]), Err(Error::TokenOutOfVocabulary { token: 5000, .. })));
    assert_eq!((session.sets(), host(session.next_logits()), session.tokens()), (&sets[..], next, 121));
    session.decode_step(3).unwrap();
}

#[test]
fn clusters_choose_for_short_prompts() {
    let on = cpu();
    let model = tiny("llama_gqa", &on);
    let bank = bank(&model, 1.0);
    assert_eq!((bank.clusters(), bank.layers(), bank.width()), (3, 2, model.config().mlp));
    // The same as of texts that are in memory.
    let texts: Vec<Vec<Array2<f32>>> = (0..12)
        .map(|i| (0..2).map(|l| activations(&model, &text(100 + i, 9, model.config().vocab), l)).collect())
        .collect();
    let views: Vec<Vec<_>> = texts.iter().map(|t| t.iter().map(|a| a.view()).collect()).collect();
    let config = ClusterConfig { beta: 1.0, clusters: Some(3), ..ClusterConfig::new(1, 6, 5) };
    assert_eq!(bank, ClusterBank::build(&views, &config).unwrap());

    let config = everywhere(&model, 0.25);
    let mut seen = Vec::new();
    for seed in 100..112 {
        let prompt = text(seed, 9, model.config().vocab);
        let session =
            CoreInferSession::prefill(&model, &prompt, 12, config, Strategy::Similar(&bank)).unwrap();
        let pattern = session.ranking(1).unwrap();
        assert_eq!(pattern, &bank.pattern(&activations(&model, &prompt, 1).view()).unwrap());
        assert!(session.ranking(0).is_none());
        let cluster = session.cluster().unwrap();
        assert_eq!(cluster, bank.assign(pattern).unwrap());
        for layer in 0..2 {
            let mut want = bank.units(cluster, layer, config.keep(model.config().mlp)).unwrap().to_vec();
            want.sort_unstable();
            assert_eq!(session.sets()[layer].as_ref().unwrap(), &want);
        }
        seen.push(cluster);
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 1, "texts of a bank lie in its clusters");
}

#[test]
fn what_does_not_fit_is_refused() {
    let on = cpu();
    let (opt, llama) = (trained(&on), tiny("llama_gqa", &on));
    let config = everywhere(&opt, 0.4);
    let start = |model, ids: &[u32], capacity, config, strategy| {
        CoreInferSession::prefill(model, ids, capacity, config, strategy).map(|s| s.tokens())
    };
    assert_eq!(start(&opt, &[0, 5], 4, config, Strategy::Stable), Ok(2));
    assert!(matches!(start(&opt, &[], 4, config, Strategy::Stable), Err(Error::Prompt { .. })));
    assert!(matches!(start(&opt, &[0; 5], 4, config, Strategy::Stable), Err(Error::Prompt { .. })));
    assert!(matches!(start(&opt, &[0], 0, config, Strategy::Stable), Err(Error::Prompt { .. })));
    assert!(matches!(start(&opt, &[0], 257, config, Strategy::Stable), Err(Error::Prompt { .. })));
    let refused = start(&opt, &[0, 1024], 4, config, Strategy::Stable);
    assert!(matches!(refused, Err(Error::TokenOutOfVocabulary { token: 1024, position: 1, .. })));
    for bad in [
        CoreConfig { alpha: 0.0, ..config },
        CoreConfig { beta: 1.5, ..config },
        CoreConfig { beta: f64::NAN, ..config },
        CoreConfig { end: 5, ..config },
        CoreConfig { start: 4, ..config },
    ] {
        let refused = start(&opt, &[0, 5], 4, bad, Strategy::Stable);
        assert!(matches!(refused, Err(Error::Parameter { .. })), "{bad:?}");
    }
    // A gate has no pre-activation of its own; the down projection's input ranks any MLP.
    let pre = CoreConfig { source: CoreSource::PreActivation, ..everywhere(&llama, 0.4) };
    assert!(matches!(start(&llama, &[1, 2], 4, pre, Strategy::Stable), Err(Error::Mismatch { .. })));
    let down = CoreConfig { source: CoreSource::DownInput, ..config };
    assert_eq!(start(&opt, &[0, 5], 4, down, Strategy::Stable), Ok(2));
    // A bank of another model.
    let bank = bank(&llama, 0.5);
    let refused = start(&opt, &[0, 5], 4, config, Strategy::Similar(&bank));
    assert!(matches!(refused, Err(Error::Mismatch { .. })));
    let source = CoreSource::DownInput;
    let layer = ClusterBank::of_model(&llama, &[&[1, 2]], source, &ClusterConfig::new(2, 4, 0));
    assert!(matches!(layer, Err(Error::Parameter { .. })));
    let empty = ClusterBank::of_model(&llama, &[], source, &ClusterConfig::new(1, 4, 0));
    assert!(matches!(empty, Err(Error::TooFew { .. })));
    let odd = ClusterBank::of_model(&llama, &[&[1, 9999]], source, &ClusterConfig::new(1, 4, 0));
    assert!(matches!(odd, Err(Error::TokenOutOfVocabulary { .. })));

    let session = CoreInferSession::prefill(&opt, &[0, 5, 9], 4, config, Strategy::Stable).unwrap();
    let sets = |set: &[usize]| vec![Some(set.to_vec()), None, None, None];
    assert!(matches!(session.with_sets(&sets(&[])).err(), Some(Error::TooFew { .. })));
    assert!(matches!(session.with_sets(&sets(&[3, 384])).err(), Some(Error::Parameter { .. })));
    assert!(matches!(session.with_sets(&sets(&[3, 7, 3])).err(), Some(Error::Shape { .. })));
    assert!(matches!(session.with_sets(&sets(&[3])[..3]).err(), Some(Error::Shape { .. })));
    assert_eq!(session.with_sets(&sets(&[3])).unwrap().active_fraction(), (1.0 + 3.0 * 384.0) / 1536.0);
    let mut session = session;
    assert!(matches!(session.decode(&[]), Err(Error::Prompt { .. })));
    assert!(matches!(session.decode(&[1, 2]), Err(Error::Prompt { .. })));
    assert!(matches!(session.decode_step(1024), Err(Error::TokenOutOfVocabulary { .. })));
    assert_eq!(session.tokens(), 3, "a refused step is no step");
    session.decode_step(1023).unwrap();

    // A model that records gradients.
    let recording = load(
        "00-tiny-transformers/opt_relu.config.json",
        "00-tiny-transformers/opt_relu.model.safetensors",
        &on.clone().autodiff(),
    );
    let config = everywhere(&recording, 0.4);
    let said = start(&recording, &[0, 5], 4, config, Strategy::Stable).err();
    assert!(matches!(said, Some(Error::Tensor { .. })), "{said:?}");
}
