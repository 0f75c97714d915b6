//! Models set by hand, in which it is known which neurons are to be found.

use burn::tensor::FloatDType;
use llm_neurons::language::{
    ActivationCounter, ActivationStats, Kind, TernaryConfig, general_neurons, ternary,
};
use llm_neurons::model::{HookedLm, LmConfig, WeightFiles};
use llm_neurons::relation::{
    MlpSite, NeuronId, Pick, Question, Recall, collect_responses, examples, expertise, mlp_sites, top_neurons,
};
use llm_neurons::score::BATCH_TOKENS;
use ndarray::{Array1, Array2};
use numerics::rng::{normals, permutation, stream};
use rand::RngExt;
use recordings::arrays::Tensors;
use tensor_backend::harness::TestDevice;

/// A Llama whose attention adds nothing.
struct HandSet {
    /// `[vocab, hidden]`
    embed: Array2<f32>,
    /// Gate and up `[mlp, hidden]` and down `[hidden, mlp]` of each layer.
    layers: Vec<[Array2<f32>; 3]>,
    /// `[vocab, hidden]`
    head: Array2<f32>,
}

impl HandSet {
    fn build(&self, on: &TestDevice) -> HookedLm {
        let (vocab, hidden) = self.embed.dim();
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": vocab, "hidden_size": hidden, "hidden_act": "silu",
            "num_hidden_layers": self.layers.len(), "num_attention_heads": 1, "num_key_value_heads": 1,
            "intermediate_size": self.layers[0][0].nrows(), "max_position_embeddings": 64,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false
        });
        let (ones, nothing) = (Array1::<f32>::ones(hidden), Array2::<f32>::zeros((hidden, hidden)));
        let matrix = |file: Tensors, name: &str, x: &Array2<f32>| file.f32(name, x.view().into_dyn());
        let mut file = Tensors::new().f32("model.norm.weight", ones.view().into_dyn());
        file = matrix(file, "model.embed_tokens.weight", &self.embed);
        file = matrix(file, "lm_head.weight", &self.head);
        for (l, [gate, up, down]) in self.layers.iter().enumerate() {
            let name = |part: &str| format!("model.layers.{l}.{part}.weight");
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                file = file.f32(&name(norm), ones.view().into_dyn());
            }
            for part in ["q", "k", "v", "o"] {
                file = matrix(file, &name(&format!("self_attn.{part}_proj")), &nothing);
            }
            for (part, x) in [("gate", gate), ("up", up), ("down", down)] {
                file = matrix(file, &name(&format!("mlp.{part}_proj")), x);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        file.write(&path).unwrap();
        let config = LmConfig::parse(&config.to_string()).unwrap();
        HookedLm::from_files(config, &WeightFiles::open_file(&path).unwrap(), FloatDType::F32, on.device())
            .unwrap()
    }
}

/// Languages, tokens of each, layers, neurons a layer, and units that tell tokens of a language apart.
const LANGUAGES: usize = 4;
const TOKENS: usize = 100;
const LAYERS: usize = 2;
const WIDTH: usize = 256;
const NOISE: usize = 10;

/// In which languages each neuron fires, by flat index; none for those that fire here and there in all.
fn planted() -> Vec<Option<Vec<usize>>> {
    let mut sets: Vec<Vec<usize>> = (0..40).map(|i| vec![i % LANGUAGES]).collect();
    for a in 0..LANGUAGES {
        (0..a).for_each(|b| sets.extend([vec![b, a], vec![b, a]]));
    }
    sets.extend(vec![(0..LANGUAGES).collect::<Vec<usize>>(); 10]);
    let places = permutation(&mut stream(3, "test/planted/places", 0), LAYERS * WIDTH);
    let mut neurons = vec![None; LAYERS * WIDTH];
    places.into_iter().zip(sets).for_each(|(place, set)| neurons[place] = Some(set));
    neurons
}

fn languages(on: &TestDevice, neurons: &[Option<Vec<usize>>]) -> HookedLm {
    let hidden = LANGUAGES + NOISE;
    let noise = normals(&mut stream(3, "test/planted/tokens", 0), LANGUAGES * TOKENS * NOISE);
    let embed =
        Array2::from_shape_fn((LANGUAGES * TOKENS, hidden), |(token, d)| match d.checked_sub(LANGUAGES) {
            None => f32::from(u8::from(token / TOKENS == d)),
            Some(n) => noise[token * NOISE + n] as f32,
        });
    let weights = normals(&mut stream(3, "test/planted/neurons", 0), LAYERS * WIDTH * NOISE);
    let layer = |l: usize| {
        let gate = Array2::from_shape_fn((WIDTH, hidden), |(i, d)| {
            let flat = l * WIDTH + i;
            match (&neurons[flat], d.checked_sub(LANGUAGES)) {
                (Some(set), None) => {
                    if set.contains(&d) {
                        1.0
                    } else {
                        -1.0
                    }
                }
                (Some(_), Some(_)) => 0.0,
                (None, None) => -1.5,
                (None, Some(n)) => weights[flat * NOISE + n] as f32,
            }
        });
        [gate, Array2::zeros((WIDTH, hidden)), Array2::zeros((hidden, WIDTH))]
    };
    let head = Array2::zeros(embed.dim());
    HandSet { embed, layers: (0..LAYERS).map(layer).collect(), head }.build(on)
}

fn counts(model: &HookedLm) -> ActivationStats {
    let mut counter = ActivationCounter::new(model, LANGUAGES).unwrap();
    for k in 0..LANGUAGES {
        let mut draws = stream(3, "test/planted/text", k as u64);
        let text = (0..2048).map(|_| (k * TOKENS + draws.random_range(0..TOKENS)) as u32);
        assert_eq!(counter.observe_stream(k, text.collect::<Vec<u32>>(), 64, 8).unwrap(), 32);
    }
    counter.stats().unwrap()
}

/// Relations, facts of each, and units of the code of an answer.
const RELATIONS: usize = 6;
const FACTS: usize = 40;
const CODE: usize = 3;
/// Where in the residual stream code, constant and readout lie; relations come first.
const CODE_AT: usize = RELATIONS;
const CONSTANT: usize = CODE_AT + CODE;
const READOUT: usize = CONSTANT + 1;
const HIDDEN: usize = 14;
/// Tokens: 0 begins, 1 says nothing, then 8 answers, then one for each question.
const ANSWERS: usize = 2;
const QUESTIONS: usize = ANSWERS + (1 << CODE);

fn sign(answer: usize, j: usize) -> f32 {
    if answer >> j & 1 == 1 { 1.0 } else { -1.0 }
}

/// Units `3 r` to `3 r + 2` of the gate pass the code of the answers of relation r to the readout; the rest read the code.
fn relations(on: &TestDevice) -> (HookedLm, Vec<Question>) {
    let mut draws = stream(4, "test/planted/facts", 0);
    let answers: Vec<usize> = (0..RELATIONS * FACTS).map(|_| draws.random_range(0..1 << CODE)).collect();
    let vocab = QUESTIONS + answers.len();
    let mut embed = Array2::<f32>::zeros((vocab, HIDDEN));
    let mut head = Array2::<f32>::zeros((vocab, HIDDEN));
    embed.column_mut(CONSTANT).fill(1.0);
    head[[1, CONSTANT]] = 0.5;
    for (fact, answer) in answers.iter().enumerate() {
        embed[[QUESTIONS + fact, fact / FACTS]] = 1.0;
        (0..CODE).for_each(|j| embed[[QUESTIONS + fact, CODE_AT + j]] = sign(*answer, j));
    }
    for answer in 0..1 << CODE {
        (0..CODE).for_each(|j| head[[ANSWERS + answer, READOUT + j]] = sign(answer, j));
    }
    let width = 32;
    let idle = normals(&mut draws, width * CODE);
    let (mut gate, mut up) = (Array2::<f32>::zeros((width, HIDDEN)), Array2::<f32>::zeros((width, HIDDEN)));
    let mut down = Array2::<f32>::zeros((HIDDEN, width));
    for unit in 0..width {
        let (r, j) = (unit / CODE, unit % CODE);
        if r < RELATIONS {
            (0..RELATIONS).for_each(|d| gate[[unit, d]] = if d == r { 6.0 } else { -6.0 });
            up[[unit, CODE_AT + j]] = 1.0;
            down[[READOUT + j, unit]] = 1.0;
        } else {
            (0..CODE).for_each(|d| gate[[unit, CODE_AT + d]] = idle[unit * CODE + d] as f32);
        }
    }
    let question = |(fact, answer): (usize, &usize)| Question {
        relation: fact / FACTS,
        prompt: vec![0, (QUESTIONS + fact) as u32],
        answer: vec![(ANSWERS + answer) as u32],
    };
    let questions = answers.iter().enumerate().map(question).collect();
    (HandSet { embed, layers: vec![[gate, up, down]], head }.build(on), questions)
}

tensor_backend::cross_backend_tests! {
    fn planted_language_neurons_are_found_for_any_weight(on: &TestDevice) {
        use crate::{Kind, LANGUAGES, TernaryConfig};
        let neurons = crate::planted();
        let stats = crate::counts(&crate::languages(on, &neurons));
        let of = |n: usize| -> Vec<usize> {
            (0..neurons.len()).filter(|i| neurons[*i].as_ref().is_some_and(|s| s.len() == n)).collect()
        };
        let entries = (neurons.len() * LANGUAGES) as f64;
        let fires: usize = neurons.iter().flatten().map(Vec::len).sum();
        let bar = (entries - fires as f64) / entries;
        let wanted = of(1).len() + of(2).len();
        for lambda in [0.02, 0.04, 0.06, 0.08, 0.1] {
            let config = TernaryConfig { top_rate: wanted as f64 / neurons.len() as f64, lambda, bar };
            let found = crate::ternary(&stats, &config).unwrap();
            for (kind, n) in [(Kind::Specific, 1), (Kind::Related, 2)] {
                let mut got: Vec<usize> =
                    found.selected.iter().filter(|s| s.kind == kind).map(|s| s.neuron).collect();
                got.sort_unstable();
                assert_eq!(got, of(n), "lambda {lambda}, {kind:?}");
            }
            for k in 0..LANGUAGES {
                let has = |i: &usize| neurons[*i].as_ref().is_some_and(|s| s.len() <= 2 && s.contains(&k));
                assert_eq!(found.mask.neurons(k), (0..neurons.len()).filter(has).collect::<Vec<usize>>());
            }
            assert_eq!(crate::general_neurons(&stats, bar).unwrap(), of(LANGUAGES));
        }
    }

    fn planted_relation_neurons_are_found_and_take_their_facts_with_them(on: &TestDevice) {
        use crate::{MlpSite, NeuronId, RELATIONS};
        let (model, questions) = crate::relations(on);
        let names: Vec<String> = (0..RELATIONS).map(|r| format!("relation {r}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let about: Vec<&str> = questions.iter().map(|q| names[q.relation]).collect();
        let prompts: Vec<&[u32]> = questions.iter().map(|q| q.prompt.as_slice()).collect();
        let sites = crate::mlp_sites(&model);
        let responses = crate::collect_responses(&model, &prompts, &sites, crate::BATCH_TOKENS).unwrap();
        let mut sets: Vec<Vec<NeuronId>> = Vec::new();
        for (r, name) in names.iter().enumerate() {
            let chosen = crate::examples(&about, name, 5).unwrap();
            let responses = responses.of_examples(&chosen.index()).unwrap();
            let experts = crate::expertise(&responses, &chosen.labels()).unwrap();
            let planted = |j: usize| NeuronId { layer: 0, site: MlpSite::GateOut, unit: 3 * r + j };
            let perfect: Vec<NeuronId> = experts.iter().filter(|e| e.ap == 1.0).map(|e| e.id).collect();
            assert_eq!(perfect, [planted(0), planted(1), planted(2)]);
            let top = crate::top_neurons(&experts, 3, crate::Pick::Top).unwrap();
            sets.push(top.iter().map(|e| e.id).collect());
            assert_eq!(sets[r], perfect);
        }
        let recall = crate::Recall::new(&model, questions, crate::BATCH_TOKENS).unwrap();
        let drops = recall.drops(&names, &sets, 1, 1).unwrap();
        assert!(drops.intact().accuracy.iter().all(|a| *a == 1.0), "{:?}", drops.intact());
        for ((evaluated, off), lost) in drops.accuracy().unwrap().drop.indexed_iter() {
            assert_eq!(*lost, f64::from(u8::from(evaluated == off)), "{off} off, {evaluated} evaluated");
        }
    }
}
