//! What must hold of every document, model and table.

use std::sync::Mutex;

use llm_neurons::membership::{
    Attack, AttackConfig, BigramModel, ClassifierConfig, Features, FittedFeatures, ForestConfig,
    LogisticConfig, NormTable, Normalizer, NormalizerKind, QueryConfig, RandomForest, ScoredDocument,
    TokenFrequencies, TokenScorer, TokenScores, TokenTable, TokenWindow, WindowScores, cross_validate,
    score_document, shuffled_labels, stratified_folds,
};
use ndarray::Array2;
use numerics::rng::{normals, stream};
use proptest::prelude::*;
use rand::RngExt;

/// Says of each token which token it was, as its loss, and remembers what it was asked.
struct Echo {
    vocabulary: usize,
    context: usize,
    calls: Mutex<Vec<usize>>,
}

impl TokenScorer for Echo {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn longest_context(&self) -> usize {
        self.context
    }

    fn score(
        &self,
        windows: &[TokenWindow<'_>],
        probability_sum: Option<&mut [f64]>,
    ) -> llm_neurons::Result<Vec<WindowScores>> {
        self.calls.lock().unwrap().push(windows.len());
        let mut answers = Vec::new();
        let mut sum = vec![0.0; self.vocabulary];
        for window in windows {
            assert!(window.ids.len() >= 2 && window.ids.len() <= self.context && window.from >= 1);
            let scored = &window.ids[window.from..];
            scored.iter().for_each(|id| sum[*id as usize] += 1.0);
            // How much context the token had, as its largest probability.
            let seen = (window.from..window.ids.len()).map(|n| 1.0 / n as f32).collect();
            answers.push(WindowScores { nll: scored.iter().map(|id| *id as f32).collect(), pmax: seen });
        }
        if let Some(out) = probability_sum {
            out.iter_mut().zip(sum).for_each(|(o, s)| *o += s);
        }
        Ok(answers)
    }
}

/// A table of members and others of a bigram model, and its labels.
fn table(seed: u64, documents: usize) -> (TokenTable, Vec<bool>) {
    let v = 12;
    let mut draws = stream(seed, "membership/test", 0);
    let texts: Vec<Vec<u32>> =
        (0..documents).map(|_| (0..60).map(|_| draws.random_range(0..v as u32)).collect()).collect();
    let members: Vec<bool> = (0..documents).map(|i| i % 2 == 0).collect();
    let seen: Vec<&[u32]> = texts.iter().zip(&members).filter(|p| *p.1).map(|p| p.0.as_slice()).collect();
    let uniform = Array2::from_elem((v, v), 1.0 / v as f64);
    let model = BigramModel::fit(&uniform.view(), 3.0, &seen).unwrap();
    let named: Vec<(String, Vec<u32>)> =
        texts.into_iter().enumerate().map(|(i, ids)| (format!("document {i}"), ids)).collect();
    let (table, discarded) = TokenTable::score(&model, "bigram", &named, &QueryConfig::default(), 2).unwrap();
    assert!(discarded.is_empty());
    (table.with_labels(members.clone()).unwrap(), members)
}

fn small(normalizer: NormalizerKind) -> AttackConfig {
    let forest = ForestConfig { trees: 20, ..ForestConfig::default() };
    AttackConfig {
        normalizer,
        features: Features::Histogram { bins: 10 },
        classifier: ClassifierConfig::Forest(forest),
    }
}

proptest! {
    #[test]
    fn each_token_is_scored_exactly_once(
        n in 2..400_usize,
        context in 2..70_usize,
        stride in 1..69_usize,
        batch in 1..9_usize,
        most in prop::option::of(2..500_usize),
        default_stride in any::<bool>(),
    ) {
        prop_assume!(default_stride || stride < context);
        let ids: Vec<u32> = (0..n as u32).collect();
        let config = QueryConfig {
            context,
            stride: (!default_stride).then_some(stride),
            max_tokens: most,
            batch,
            mean_probability: true,
        };
        let echo = Echo { vocabulary: n, context, calls: Mutex::default() };
        let found = score_document(&echo, &ids, &config).unwrap();
        let n = most.unwrap_or(n).min(n);
        let once: Vec<f32> = (1..n).map(|i| i as f32).collect();
        prop_assert_eq!(found.scores.nll(), once.as_slice());
        // The same of the predictions: their mean is 1/(n - 1) for each token but the first.
        let mean = found.mean_probability.unwrap();
        for (id, p) in mean.iter().enumerate() {
            let wanted = if (1..n).contains(&id) { 1.0 / (n - 1) as f32 } else { 0.0 };
            prop_assert!((p - wanted).abs() < 1e-6);
        }
        prop_assert!(echo.calls.lock().unwrap().iter().all(|windows| *windows <= batch));
        // Tokens see what the settings promise: the last context - stride at least, where there are so many.
        let stride = config.effective_stride();
        for (i, p) in found.scores.pmax().iter().enumerate() {
            let seen = (1.0 / p).round() as usize;
            prop_assert!(seen >= (i + 1).min(context - stride) && seen < context, "token {}: {seen}", i + 1);
        }
    }

    #[test]
    fn densities_of_training_documents_integrate_to_one(
        documents in prop::collection::vec(prop::collection::vec(-1e3..1e3_f64, 1..50), 1..8),
        bins in 1..200_usize,
    ) {
        let fitted = Features::Histogram { bins }.fit(&documents).unwrap();
        let FittedFeatures::Histogram { edges } = &fitted else { panic!("{fitted:?}") };
        let x = fitted.transform(&documents).unwrap();
        for row in x.outer_iter() {
            let area: f64 = row.iter().zip(edges.windows(2)).map(|(d, e)| d * (e[1] - e[0])).sum();
            prop_assert!((area - 1.0).abs() < 1e-9, "{area}");
        }
    }

    #[test]
    fn values_outside_the_training_range_are_left_out(
        inside in prop::collection::vec(0.0..1.0_f64, 1..20),
        outside in prop::collection::vec(1.5..9.0_f64, 0..20),
        bins in 1..50_usize,
    ) {
        let fitted = Features::Histogram { bins }.fit(&[&[0.0, 1.0]]).unwrap();
        let both = [inside.clone(), outside.clone(), outside.iter().map(|x| -x).collect()].concat();
        prop_assert_eq!(fitted.transform(&[&both]).unwrap(), fitted.transform(&[&inside]).unwrap());
        if !outside.is_empty() {
            prop_assert!(fitted.transform(&[&outside]).unwrap().iter().all(|d| *d == 0.0));
        }
    }

    #[test]
    fn values_fall_where_the_edges_say(values in prop::collection::vec(-3..3_i8, 2..40), bins in 1..30_usize) {
        // Few distinct values, so that many lie on an edge.
        let values: Vec<f64> = values.iter().map(|v| f64::from(*v) / 3.0).collect();
        let fitted = Features::Histogram { bins }.fit(&[&values]).unwrap();
        let FittedFeatures::Histogram { edges } = &fitted else { panic!("{fitted:?}") };
        let x = fitted.transform(&[&values]).unwrap();
        for bin in 0..bins {
            let (low, high) = (edges[bin], edges[bin + 1]);
            let inside = |v: &&f64| **v >= low && (**v < high || (bin + 1 == bins && **v == high));
            let count = values.iter().filter(inside).count() as f64;
            prop_assert!((x[[0, bin]] * values.len() as f64 * (high - low) - count).abs() < 1e-9);
        }
    }

    #[test]
    fn merged_tables_are_those_of_all_documents(
        first in prop::collection::vec(0..20_u32, 1..60),
        second in prop::collection::vec(0..20_u32, 1..60),
    ) {
        let one = |ids: &[u32]| NormTable::from_documents(20, [ids]).unwrap();
        let merged = NormTable::merge_weighted(&[&one(&first), &one(&second)]).unwrap();
        let all = one(&[first.clone(), second.clone()].concat());
        let least = (0..20).map(|t| all.get(t).unwrap()).fold(f64::INFINITY, f64::min);
        for token in 0..20 {
            prop_assert!((merged.get(token).unwrap() - all.get(token).unwrap()).abs() < 1e-12);
            // What neither saw has half the smallest frequency.
            if !first.contains(&token) && !second.contains(&token) {
                prop_assert_eq!(all.get(token).unwrap(), least);
            }
        }
    }

    #[test]
    fn no_normalisation_changes_order_within_a_token(nll in prop::collection::vec(0.0..30.0_f32, 2..40)) {
        let n = nll.len();
        let scores = TokenScores::new(vec![1; n + 1], nll.clone(), vec![1.0; n]).unwrap();
        let table = NormTable::from_counts(&[3, 1]).unwrap();
        for normalizer in [Normalizer::None, Normalizer::Ratio(table.clone()), Normalizer::Max(table)] {
            let found = normalizer.apply(&scores).unwrap();
            prop_assert_eq!(found.replaced, 0);
            for (a, v) in nll.iter().zip(&found.values) {
                for (b, w) in nll.iter().zip(&found.values) {
                    prop_assert!(a >= b || v <= w);
                }
            }
        }
    }

    #[test]
    fn folds_are_disjoint_and_stratified(members in prop::collection::vec(any::<bool>(), 8..60), seed in any::<u64>()) {
        let (k, hits) = (3, members.iter().filter(|m| **m).count());
        prop_assume!(hits >= k && members.len() - hits >= k);
        let folds = stratified_folds(&members, k, seed).unwrap();
        let shuffled = shuffled_labels(&members, &folds, seed).unwrap();
        for fold in 0..k {
            let count = |labels: &[bool], class| (0..labels.len()).filter(|i| folds[*i] == fold && labels[*i] == class).count();
            prop_assert!(count(&members, true).abs_diff(hits / k) <= 1);
            prop_assert!(count(&members, false).abs_diff((members.len() - hits) / k) <= 1);
            prop_assert_eq!(count(&members, true), count(&shuffled, true));
        }
    }
}

#[test]
fn infinite_losses_are_replaced_and_counted() {
    let scores = TokenScores::new(vec![0, 1, 0], vec![f32::INFINITY, 1.0], vec![0.5, 1.0]).unwrap();
    let table = NormTable::from_counts(&[1, 1]).unwrap();
    for normalizer in [Normalizer::None, Normalizer::Ratio(table.clone())] {
        let found = normalizer.apply(&scores).unwrap();
        assert_eq!((found.values[0], found.replaced), (1e-5, 1));
    }
    // A probability of 0 beside a largest one of 0.5 is half way.
    let found = Normalizer::Max(table.clone()).apply(&scores).unwrap();
    assert!((found.values[0] - 0.0).abs() < 1e-12 && found.replaced == 0);
    // A largest probability of 1 that is not the true token leaves nothing.
    let scores = TokenScores::new(vec![0, 1], vec![f32::INFINITY], vec![1.0]).unwrap();
    assert_eq!(Normalizer::Max(table).apply(&scores).unwrap().replaced, 1);
}

#[test]
fn general_probability_is_the_mean_of_means() {
    let table =
        NormTable::from_general_probability([&[0.5_f32, 0.5, 0.0][..], &[0.0, 1.0, 0.0][..]]).unwrap();
    let found: Vec<f64> = (0..3).map(|t| table.get(t).unwrap()).collect();
    assert_eq!(found, [0.25, 0.75, 0.125]);
    assert_eq!(table.weight(), 2.0);
}

#[test]
fn the_bigram_model_is_a_distribution_and_sums_what_it_predicts() {
    let (table, _) = table(3, 4);
    for document in table.documents() {
        let mean = document.mean_probability.as_ref().unwrap();
        assert!((mean.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let background = Array2::from_elem((2, 2), 0.5);
    let model = BigramModel::fit(&background.view(), 2.0, &[&[0, 1, 0, 0]]).unwrap();
    // Row 0 was seen twice, once before each: (1 + 1) / (2 + 2); row 1 once, before 0.
    assert_eq!(model.probabilities(), ndarray::arr2(&[[0.5, 0.5], [2.0 / 3.0, 1.0 / 3.0]]));
    let found = score_document(&model, &[1, 0, 1], &QueryConfig::default()).unwrap();
    assert!((found.scores.nll()[0] - 1.5_f32.ln()).abs() < 1e-6 && found.scores.pmax()[0] == 2.0_f32 / 3.0);
    let mean = found.mean_probability.unwrap();
    assert!((f64::from(mean[0]) - (2.0 / 3.0 + 0.5) / 2.0).abs() < 1e-7);
}

#[test]
fn forests_are_the_same_for_any_number_of_threads_and_do_not_see_the_order_of_features() {
    let x = Array2::from_shape_vec((60, 30), normals(&mut stream(1, "membership/test", 1), 1800)).unwrap();
    let members: Vec<bool> = (0..60).map(|i| x[[i, 3]] + x[[i, 7]] > 0.0).collect();
    let config = ForestConfig { trees: 60, ..ForestConfig::default() };
    let grow = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| RandomForest::fit(&x.view(), &members, &config).unwrap())
    };
    let forest = grow(1);
    assert_eq!(forest, grow(3));
    assert_eq!((forest.trees(), forest.features()), (60, 30));
    // What it was grown on it tells apart; any monotone map of a feature leaves the training documents where they are.
    let p = forest.predict_proba(&x.view()).unwrap();
    assert!(llm_neurons::membership::roc(&p, &members).unwrap().auc > 0.95);
    let other = RandomForest::fit(&x.view(), &members, &ForestConfig { seed: 1, ..config.clone() }).unwrap();
    assert_ne!(forest, other);
    let all = ForestConfig {
        trees: 1,
        bootstrap: false,
        max_depth: None,
        min_samples_leaf: 1,
        split_features: llm_neurons::membership::SplitFeatures::All,
        seed: 0,
    };
    // A single tree without limits knows its documents by heart.
    let tree = RandomForest::fit(&x.view(), &members, &all).unwrap();
    let p = tree.predict_proba(&x.view()).unwrap();
    assert!(p.iter().zip(&members).all(|(p, m)| *p == f64::from(u8::from(*m))));
    // With leaves of at least 25 documents, at most two leaves: two values.
    let stump =
        RandomForest::fit(&x.view(), &members, &ForestConfig { min_samples_leaf: 25, ..all }).unwrap();
    let mut p = stump.predict_proba(&x.view()).unwrap();
    p.sort_by(f64::total_cmp);
    p.dedup();
    assert_eq!(p.len(), 2);
}

#[test]
fn an_attack_comes_back_from_its_file_to_the_last_bit() {
    let (table, _) = table(5, 24);
    let folder = tempfile::tempdir().unwrap();
    let kinds = [
        NormalizerKind::None,
        NormalizerKind::RatioTf,
        NormalizerKind::RatioGp,
        NormalizerKind::MaxTf,
        NormalizerKind::MaxGp,
    ];
    for kind in kinds {
        let logistic = ClassifierConfig::Logistic(LogisticConfig::default());
        for config in [
            small(kind),
            AttackConfig {
                classifier: logistic,
                features: Features::Aggregate { count: false },
                ..small(kind)
            },
        ] {
            let attack = Attack::train(&table, &config).unwrap();
            let path = folder.path().join("attack.json");
            attack.write(&path).unwrap();
            let back = Attack::read(&path).unwrap();
            assert_eq!(back, attack);
            let (scores, replaced) = back.score(&table).unwrap();
            assert_eq!((scores.clone(), replaced), attack.score(&table).unwrap());
            assert!(scores.iter().all(|p| (0.0..=1.0).contains(p)));
            assert_eq!((back.training().documents, back.training().members), (24, 12));
            assert_eq!(back.config(), &config);
        }
    }
}

#[test]
fn a_table_comes_back_from_its_file() {
    let (table, _) = table(6, 5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.npz");
    table.write(&path).unwrap();
    let back = TokenTable::read(&path).unwrap();
    assert_eq!(
        (back.names(), back.documents(), back.labels()),
        (table.names(), table.documents(), table.labels())
    );
    assert_eq!(back.query().effective_stride(), table.query().effective_stride());
    let query = QueryConfig { mean_probability: false, max_tokens: Some(9), ..QueryConfig::default() };
    let documents = table
        .documents()
        .iter()
        .map(|d| ScoredDocument { scores: d.scores.clone(), mean_probability: None })
        .collect();
    let bare = TokenTable::new("m", 12, query, table.names().to_vec(), documents).unwrap();
    bare.write(&path).unwrap();
    let back = TokenTable::read(&path).unwrap();
    assert_eq!((back.labels(), back.query().max_tokens, back.model()), (None, Some(9), "m"));
    assert_eq!(back.documents(), bare.documents());
}

#[test]
fn folds_are_judged_by_what_the_other_folds_taught() {
    let (table, members) = table(7, 40);
    let folds = stratified_folds(&members, 4, 0).unwrap();
    let config = small(NormalizerKind::RatioTf);
    let report = cross_validate(&table, &members, &folds, &config).unwrap();
    assert_eq!(report.folds.len(), 4);
    // The same by hand for one fold: a table of the other folds alone, so nothing of this one can leak.
    let part = |inside: bool| -> TokenTable {
        let chosen: Vec<usize> = (0..40).filter(|i| (folds[*i] == 2) == inside).collect();
        let names = chosen.iter().map(|i| table.names()[*i].clone()).collect();
        let documents = chosen.iter().map(|i| table.documents()[*i].clone()).collect();
        TokenTable::new("bigram", 12, table.query().clone(), names, documents)
            .unwrap()
            .with_labels(chosen.iter().map(|i| members[*i]).collect())
            .unwrap()
    };
    let (scores, _) = Attack::train(&part(false), &config).unwrap().score(&part(true)).unwrap();
    let judged: Vec<f64> = (0..40).filter(|i| folds[*i] == 2).map(|i| report.scores[i]).collect();
    assert_eq!(scores, judged);
    let mean = report.folds.iter().map(|f| f.roc.auc).sum::<f64>() / 4.0;
    assert!((report.auc.mean - mean).abs() < 1e-12 && report.auc.standard_deviation >= 0.0);
    // The control that does not ask the model sees no more than there is: documents of one distribution.
    let control = TokenFrequencies::cross_validate(&table, &members, &folds, 8, &config.classifier).unwrap();
    assert!(control.auc.mean > 0.1 && control.auc.mean < 0.9, "{:?}", control.auc);
}

#[test]
fn frequencies_are_of_the_most_frequent_training_tokens() {
    let fitted = TokenFrequencies::fit([&[5_u32, 5, 5, 2, 2, 9][..], &[2, 7][..]], 3).unwrap();
    // Three times 2 and 5; of 7 and 9, once each, the smaller id.
    assert_eq!(fitted.tokens(), [2, 5, 7]);
    let x = fitted.transform(&[&[2, 2, 7, 1], &[9]]).unwrap();
    assert_eq!(x, ndarray::arr2(&[[0.5, 0.0, 0.25], [0.0, 0.0, 0.0]]));
}
