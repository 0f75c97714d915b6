//! Models set by hand, in which it is known which neurons are to be found.

use llm_neurons::language::{
    ActivationCounter, ActivationStats, Kind, TernaryConfig, general_neurons, ternary,
};
use llm_neurons::planted::{HandSet, PlantedLanguages};
use llm_neurons::relation::{
    NeuronId, Pick, Recall, collect_responses, examples, expertise, mlp_sites, top_neurons,
};
use llm_neurons::score::BATCH_TOKENS;
use llm_neurons::{Error, planted};
use ndarray::Array2;

const SEED: u64 = 3;

/// Counts over 32 windows of 64 tokens of each language.
fn counts(planted: &PlantedLanguages) -> ActivationStats {
    let mut counter = ActivationCounter::new(&planted.model, planted.languages()).unwrap();
    for k in 0..planted.languages() {
        assert_eq!(counter.observe_stream(k, planted.text(k, 2048), 64, 8).unwrap(), 32);
    }
    counter.stats().unwrap()
}

tensor_backend::cross_backend_tests! {
    fn planted_language_neurons_are_found_for_any_weight(on: &TestDevice) {
        use crate::{Kind, TernaryConfig};
        let planted = crate::planted::languages(on.device(), crate::SEED).unwrap();
        let (neurons, languages) = (&planted.neurons, planted.languages());
        let stats = crate::counts(&planted);
        assert_eq!((planted.of(1).len(), planted.of(2).len(), planted.of(4).len()), (40, 12, 10));
        // Above the bar are the entries of the planted neurons in their languages, and no others.
        let entries = (neurons.len() * languages) as f64;
        let fires: usize = neurons.iter().flatten().map(Vec::len).sum();
        let bar = (entries - fires as f64) / entries;
        let wanted = planted.of(1).len() + planted.of(2).len();
        for lambda in [0.02, 0.04, 0.06, 0.08, 0.1] {
            let config = TernaryConfig { top_rate: wanted as f64 / neurons.len() as f64, lambda, bar };
            let found = crate::ternary(&stats, &config).unwrap();
            for (kind, n) in [(Kind::Specific, 1), (Kind::Related, 2)] {
                let mut got: Vec<usize> =
                    found.selected.iter().filter(|s| s.kind == kind).map(|s| s.neuron).collect();
                got.sort_unstable();
                assert_eq!(got, planted.of(n), "lambda {lambda}, {kind:?}");
            }
            for k in 0..languages {
                let has = |i: &usize| neurons[*i].as_ref().is_some_and(|s| s.len() <= 2 && s.contains(&k));
                assert_eq!(found.mask.neurons(k), (0..neurons.len()).filter(has).collect::<Vec<usize>>());
            }
            assert_eq!(crate::general_neurons(&stats, bar).unwrap(), planted.of(languages));
        }
    }

    fn planted_relation_neurons_are_found_and_take_their_facts_with_them(on: &TestDevice) {
        use crate::{NeuronId, Pick};
        let planted = crate::planted::relations(on.device(), crate::SEED).unwrap();
        let (model, questions) = (&planted.model, planted.questions.clone());
        let names = planted.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(names.len(), 6);
        let about: Vec<&str> = questions.iter().map(|q| names[q.relation]).collect();
        let prompts: Vec<&[u32]> = questions.iter().map(|q| q.prompt.as_slice()).collect();
        let sites = crate::mlp_sites(model);
        let responses = crate::collect_responses(model, &prompts, &sites, crate::BATCH_TOKENS).unwrap();
        let mut sets: Vec<Vec<NeuronId>> = Vec::new();
        for (r, name) in names.iter().enumerate() {
            let chosen = crate::examples(&about, name, 5).unwrap();
            let responses = responses.of_examples(&chosen.index()).unwrap();
            let experts = crate::expertise(&responses, &chosen.labels()).unwrap();
            let perfect: Vec<NeuronId> = experts.iter().filter(|e| e.ap == 1.0).map(|e| e.id).collect();
            assert_eq!(perfect, planted.neurons[r]);
            let top = crate::top_neurons(&experts, 3, Pick::Top).unwrap();
            sets.push(top.iter().map(|e| e.id).collect());
            assert_eq!(sets[r], perfect);
        }
        let recall = crate::Recall::new(model, questions, crate::BATCH_TOKENS).unwrap();
        let drops = recall.drops(&names, &sets, 1, 1).unwrap();
        assert!(drops.intact().accuracy.iter().all(|a| *a == 1.0), "{:?}", drops.intact());
        for ((evaluated, off), lost) in drops.accuracy().unwrap().drop.indexed_iter() {
            assert_eq!(*lost, f64::from(u8::from(evaluated == off)), "{off} off, {evaluated} evaluated");
        }
    }
}

#[test]
fn matrices_that_do_not_fit_are_refused() {
    tensor_backend::harness::run(tensor_backend::Backend::Cpu, |on| {
        let zeros = |rows, columns| Array2::zeros((rows, columns));
        let good = HandSet {
            embed: zeros(5, 4),
            layers: vec![[zeros(3, 4), zeros(3, 4), zeros(4, 3)]],
            head: zeros(5, 4),
            context: 8,
        };
        assert!(good.build(on.device()).is_ok());
        let none = HandSet { layers: Vec::new(), ..good.clone() };
        assert!(matches!(none.build(on.device()), Err(Error::TooFew { .. })));
        let head = HandSet { head: zeros(4, 5), ..good.clone() };
        assert!(matches!(head.build(on.device()), Err(Error::Shape { .. })));
        let down = HandSet { layers: vec![[zeros(3, 4), zeros(3, 4), zeros(3, 4)]], ..good.clone() };
        assert!(matches!(down.build(on.device()), Err(Error::Shape { .. })));
        // Rotations need an even number of units.
        let odd = HandSet {
            embed: zeros(5, 3),
            layers: vec![[zeros(3, 3), zeros(3, 3), zeros(3, 3)]],
            head: zeros(5, 3),
            context: 8,
        };
        assert!(matches!(odd.build(on.device()), Err(Error::Config { .. })));
    });
}
