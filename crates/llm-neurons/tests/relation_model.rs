//! Relation neurons of a small trained model: expertise and ablations against scikit-learn and PyTorch.

use std::path::{Path, PathBuf};

use burn::tensor::FloatDType;
use llm_neurons::Error;
use llm_neurons::model::{Forward, HookedLm, LmConfig, Tokens, WeightFiles};
use llm_neurons::relation::{
    Expert, MlpSite, NeuronId, Pick, Question, Recall, collect_responses, deactivate, expertise, mlp_sites,
    neurons_of, random_neurons, top_neurons,
};
use llm_neurons::score::BATCH_TOKENS;
use ndarray::{Array2, Axis};
use numerics::rng::{permutation, stream};
use numerics::summary::mean;
use probes::{HookSet, Read};
use recordings::arrays::ArrayFile;
use serde_json::Value;
use tensor_backend::bridge::float_array;
use tensor_backend::harness::TestDevice;

const RELATIONS: [&str; 6] = ["r0", "r1", "r2", "r3", "r4", "r5"];
/// Sheet 06: average precision, and nats of answers.
const PRECISION: f64 = 2e-3;
const NATS: f64 = 0.02;
/// Means over tokens, on the device and on the host.
const MEAN: f64 = 1e-5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/06-relation-neurons")
}

fn model(on: &TestDevice) -> HookedLm {
    let text = std::fs::read_to_string(folder().join("kb_llama.config.json")).unwrap();
    let files = WeightFiles::open_file(&folder().join("kb_llama.model.f16.safetensors")).unwrap();
    HookedLm::from_files(LmConfig::parse(&text).unwrap(), &files, FloatDType::F32, on.device()).unwrap()
}

fn reference() -> ArrayFile {
    ArrayFile::open(&folder().join("kb_llama.expected.safetensors")).unwrap()
}

fn figures() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("kb_llama.expected.json")).unwrap()).unwrap()
}

fn row(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The facts, and the subject of each.
fn facts(file: &ArrayFile) -> (Vec<Question>, Vec<i64>) {
    let ids: Array2<u32> = file.read_i64_2("ids").unwrap().mapv(|x| u32::try_from(x).unwrap());
    let relations = file.read_i64_1("relation").unwrap();
    let question = |(ids, relation): (ndarray::ArrayView1<'_, u32>, &i64)| Question {
        relation: usize::try_from(*relation).unwrap(),
        prompt: ids.iter().take(6).copied().collect(),
        answer: vec![ids[6]],
    };
    let questions = ids.outer_iter().zip(&relations).map(question).collect();
    (questions, file.read_i64_1("subject").unwrap().to_vec())
}

/// The stored examples of a relation.
fn examples_of(file: &ArrayFile, r: usize) -> (Vec<usize>, Vec<bool>) {
    let index = file.read_i64_1(&format!("r{r}.example_index")).unwrap();
    let positives = file.read_i64_1(&format!("r{r}.n_pos")).unwrap()[0] as usize;
    (
        index.iter().map(|i| usize::try_from(*i).unwrap()).collect(),
        (0..index.len()).map(|i| i < positives).collect(),
    )
}

/// The expertise of every neuron for every relation.
fn experts(model: &HookedLm, file: &ArrayFile) -> Vec<Vec<Expert>> {
    let prompts: Vec<Vec<u32>> = facts(file).0.into_iter().map(|q| q.prompt).collect();
    let responses = collect_responses(model, &prompts, &mlp_sites(model), BATCH_TOKENS).unwrap();
    (0..RELATIONS.len())
        .map(|r| {
            let (index, labels) = examples_of(file, r);
            expertise(&responses.of_examples(&index).unwrap(), &labels).unwrap()
        })
        .collect()
}

tensor_backend::cross_backend_tests! {
    fn expertise_of_a_trained_model_equals_the_reference(on: &TestDevice) {
        let (model, file) = (crate::model(on), crate::reference());
        let (_, subjects) = crate::facts(&file);
        for (r, experts) in crate::experts(&model, &file).iter().enumerate() {
            let (index, _) = crate::examples_of(&file, r);
            assert!(index.iter().all(|i| subjects[*i] < 180), "evaluation subjects are not looked at");
            let wanted = file.read_f64_1(&format!("r{r}.ap")).unwrap();
            assert_eq!(experts.len(), wanted.len());
            for (e, want) in experts.iter().zip(&wanted) {
                assert!((e.ap - want).abs() <= crate::PRECISION, "r{r} {}: {} against {want}", e.id, e.ap);
            }
        }
    }

    fn ablations_equal_the_reference_and_hurt_their_own_relation(on: &TestDevice) {
        let (model, file, wanted) = (crate::model(on), crate::reference(), crate::figures());
        let (questions, subjects) = crate::facts(&file);
        let everything = crate::Recall::new(&model, questions.clone(), crate::BATCH_TOKENS).unwrap();
        let recalled = everything.with_off(&[]).unwrap();
        assert!(recalled.iter().all(|r| r.right), "every fact is known");
        let held_out: Vec<_> =
            questions.into_iter().zip(&subjects).filter(|(_, s)| **s >= 180).map(|(q, _)| q).collect();
        assert_eq!(held_out.len(), 420);
        let recall = crate::Recall::new(&model, held_out, crate::BATCH_TOKENS).unwrap();
        let k = wanted["k"].as_u64().unwrap() as usize;
        let sets: Vec<Vec<crate::NeuronId>> = crate::experts(&model, &file).iter()
            .map(|experts| crate::top_neurons(experts, k, crate::Pick::Top).unwrap())
            .map(|top| top.iter().map(|e| e.id).collect())
            .collect();
        let drops = recall.drops(&crate::RELATIONS, &sets, 1, 5).unwrap();
        let base = drops.intact().nll.mean().unwrap();
        assert!((base - wanted["base_eval_nll"].as_f64().unwrap()).abs() <= crate::NATS);
        assert!(drops.intact().accuracy.iter().all(|a| *a == 1.0));
        let (nll, accuracy) = (drops.nll().unwrap(), drops.accuracy().unwrap());
        for (off, want) in wanted["delta_nll_rows_ablated_cols_eval"].as_array().unwrap().iter().enumerate() {
            for (evaluated, want) in crate::row(want).into_iter().enumerate() {
                let got = nll.drop[[evaluated, off]];
                assert!((got - want).abs() <= crate::NATS, "{off} off, {evaluated}: {got} against {want}");
            }
        }
        // One fact of 70 may sit on the edge.
        for (off, want) in wanted["acc_drop"].as_array().unwrap().iter().enumerate() {
            for (evaluated, want) in crate::row(want).into_iter().enumerate() {
                let got = accuracy.drop[[evaluated, off]];
                assert!((got - want).abs() <= 1.0 / 70.0 + 1e-9, "{off} off, {evaluated}: {got} against {want}");
            }
        }
        let (intra, inter, random) = (nll.intra(), nll.inter(), nll.random_mean());
        assert!(intra >= 5.0 * inter && intra >= 4.0 * random, "intra {intra} inter {inter} random {random}");
    }

    fn neurons_of_shuffled_labels_are_no_better_than_random_ones(on: &TestDevice) {
        use crate::{Expert, NeuronId, mean, random_neurons};
        let (model, file) = (crate::model(on), crate::reference());
        let (questions, subjects) = crate::facts(&file);
        let prompts: Vec<Vec<u32>> = questions.iter().map(|q| q.prompt.clone()).collect();
        let sites = crate::mlp_sites(&model);
        let responses = crate::collect_responses(&model, &prompts, &sites, crate::BATCH_TOKENS).unwrap();
        let held_out: Vec<_> =
            questions.into_iter().zip(&subjects).filter(|(_, s)| **s >= 180).map(|(q, _)| q).collect();
        let recall = crate::Recall::new(&model, held_out, crate::BATCH_TOKENS).unwrap();
        let intact = recall.means(&recall.with_off(&[]).unwrap()).unwrap().nll;
        let cost = |r: usize, set: &[NeuronId]| {
            recall.means(&recall.with_off(set).unwrap()).unwrap().nll[r] - intact[r]
        };
        let top = |experts: &[Expert]| -> Vec<NeuronId> {
            crate::top_neurons(experts, 48, crate::Pick::Top).unwrap().iter().map(|e| e.id).collect()
        };
        let best = |experts: &[Expert]| experts.iter().map(|e| e.ap).fold(0.0, f64::max);
        let (mut own, mut shuffled, mut random) = (Vec::new(), vec![Vec::new(); 8], vec![Vec::new(); 16]);
        for r in 0..crate::RELATIONS.len() {
            let (index, labels) = crate::examples_of(&file, r);
            let responses = responses.of_examples(&index).unwrap();
            let experts = crate::expertise(&responses, &labels).unwrap();
            assert!(best(&experts) > 0.6, "{r}: {}", best(&experts));
            own.push(cost(r, &top(&experts)));
            for (draw, costs) in shuffled.iter_mut().enumerate() {
                let mut draws = crate::stream(7, "test/relation/shuffled", (8 * r + draw) as u64);
                let order = crate::permutation(&mut draws, labels.len());
                let labels: Vec<bool> = order.into_iter().map(|i| labels[i]).collect();
                let experts = crate::expertise(&responses, &labels).unwrap();
                // A fifth of the examples are positive.
                let level = mean(&experts.iter().map(|e| e.ap).collect::<Vec<f64>>());
                assert!((level - 0.2).abs() < 0.02 && best(&experts) < 0.3, "{level}, {}", best(&experts));
                costs.push(cost(r, &top(&experts)));
            }
            let all: Vec<NeuronId> = experts.iter().map(|e| e.id).collect();
            for (draw, costs) in random.iter_mut().enumerate() {
                costs.push(cost(r, &random_neurons(&all, 48, 1, (16 * r + draw) as u64).unwrap()));
            }
        }
        // Means over relations, draw by draw.
        let means = |draws: &[Vec<f64>]| draws.iter().map(|d| mean(d)).collect::<Vec<f64>>();
        let (own, shuffled, random) = (mean(&own), means(&shuffled), means(&random));
        // Sets found on shuffled labels hold no silent neuron and may cost a little more than any; not what true ones do.
        let excess = (mean(&shuffled) - mean(&random)) / (own - mean(&random));
        assert!(excess.abs() <= 0.25, "own {own}, shuffled {shuffled:?}, random {random:?}");
    }

    fn responses_are_means_over_the_prompt_however_prompts_are_batched(on: &TestDevice) {
        use crate::{HookSet, MlpSite, Read, Tokens, collect_responses};
        let model = crate::model(on);
        let prompts: [&[u32]; 4] = [&[0, 260, 261, 40, 1], &[0, 7], &[0, 254, 9, 88, 100, 1], &[3]];
        let sites = [(1, MlpSite::DownOut), (0, MlpSite::GateOut)];
        let found = collect_responses(&model, &prompts, &sites, 1000).unwrap();
        assert_eq!(found.values().dim(), (4, 48 + 96));
        assert_eq!(found.index(), crate::neurons_of(&model, &sites).unwrap());
        for (p, prompt) in prompts.iter().enumerate() {
            let mut hooks = HookSet::new();
            let reads = sites.map(|(layer, site)| hooks.read(site.at(layer), Read::Full).unwrap());
            model.forward(&Tokens::one(prompt), crate::Forward::default(), &mut hooks).unwrap();
            let whole = reads.map(|r| crate::float_array::<f64, 3>(hooks.full(r).unwrap()).unwrap());
            let want = whole.iter().flat_map(|x| x.index_axis(crate::Axis(0), 0).mean_axis(crate::Axis(0)).unwrap());
            for (got, want) in found.values().row(p).iter().zip(want) {
                assert!((f64::from(*got) - want).abs() <= crate::MEAN, "prompt {p}: {got} against {want}");
            }
        }
        for batch in [1, 7] {
            let other = collect_responses(&model, &prompts, &sites, batch).unwrap();
            for (a, b) in other.values().iter().zip(found.values()) {
                assert!(f64::from((a - b).abs()) <= crate::MEAN);
            }
        }
    }
}

#[test]
fn wrong_input_is_refused() {
    tensor_backend::harness::run(tensor_backend::Backend::Cpu, |on| {
        let model = model(on);
        let sites = mlp_sites(&model);
        assert_eq!(neurons_of(&model, &sites).unwrap().len(), 480);
        let collect = |prompts: &[&[u32]], sites: &[(usize, MlpSite)], batch| {
            collect_responses(&model, prompts, sites, batch)
        };
        assert!(matches!(collect(&[], &sites, 9), Err(Error::TooFew { .. })));
        assert!(matches!(collect(&[&[1]], &[], 9), Err(Error::TooFew { .. })));
        assert!(matches!(collect(&[&[1], &[]], &sites, 9), Err(Error::Prompt { .. })));
        assert!(matches!(collect(&[&[1; 17]], &sites, 9), Err(Error::Prompt { .. })));
        assert!(matches!(collect(&[&[330]], &sites, 9), Err(Error::TokenOutOfVocabulary { .. })));
        assert!(matches!(collect(&[&[1]], &sites, 0), Err(Error::Parameter { .. })));
        assert!(matches!(collect(&[&[1]], &[(2, MlpSite::UpOut)], 9), Err(Error::Mismatch { .. })));
        let mut hooks = HookSet::new();
        let id = |layer, site, unit| NeuronId { layer, site, unit };
        let good = id(0, MlpSite::UpOut, 95);
        for bad in [id(0, MlpSite::UpOut, 96), id(1, MlpSite::DownOut, 48), id(2, MlpSite::GateOut, 0)] {
            assert!(matches!(deactivate(&model, &mut hooks, &[good, bad]), Err(Error::Mismatch { .. })));
            assert!(hooks.is_empty(), "nothing is switched off by half");
        }
        deactivate(&model, &mut hooks, &[good, good]).unwrap();
        assert_eq!(hooks.sites().count(), 1);

        let question = |relation: usize| Question { relation, prompt: vec![0, 5], answer: vec![9] };
        let new = |questions: Vec<Question>| Recall::new(&model, questions, 64);
        assert!(matches!(new(vec![]), Err(Error::TooFew { .. })));
        assert!(matches!(new(vec![question(0), question(2)]), Err(Error::TooFew { .. })));
        assert!(matches!(new(vec![Question { answer: vec![], ..question(0) }]), Err(Error::Prompt { .. })));
        assert!(matches!(new(vec![Question { prompt: vec![], ..question(0) }]), Err(Error::Prompt { .. })));
        let recall = new(vec![question(0), question(1)]).unwrap();
        assert_eq!(recall.relations(), 2);
        assert!(matches!(recall.means(&[]), Err(Error::Shape { .. })));
        let sets = vec![vec![good]; 2];
        assert!(matches!(recall.drops(&["a"], &sets, 1, 1), Err(Error::Shape { .. })));
        assert!(matches!(recall.drops(&["a", "b"], &sets[..1], 1, 1), Err(Error::Shape { .. })));
        assert!(matches!(recall.drops(&["a", "b"], &sets, 1, 0), Err(Error::Parameter { .. })));
        assert!(matches!(
            recall.drops(&["a", "b"], &[vec![good], vec![]], 1, 1),
            Err(Error::Parameter { .. })
        ));
    });
}
