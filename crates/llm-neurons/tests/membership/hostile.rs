//! Input that must be refused, with an error that says why.

use llm_neurons::Error;
use llm_neurons::membership::{
    Attack, AttackConfig, BigramModel, ClassifierConfig, Features, ForestConfig, LogisticConfig,
    LogisticRegression, MinMax, NormKind, NormTable, NormalizerKind, QueryConfig, RandomForest,
    SplitFeatures, TokenFrequencies, TokenScorer, TokenScores, TokenTable, TokenWindow, WindowScores,
    cross_validate, cross_validate_with, score_document, stratified_folds,
};
use ndarray::{Array2, arr2};
use proptest::prelude::*;
use recordings::arrays::Npz;

fn model() -> BigramModel {
    let ids: Vec<u32> = (0..40).map(|i| i * i % 7 % 4).collect();
    BigramModel::fit(&Array2::from_elem((4, 4), 0.25).view(), 2.0, &[&ids]).unwrap()
}

fn table() -> TokenTable {
    let documents: Vec<(String, Vec<u32>)> = (0..12_u32)
        .map(|d| (format!("d{d}"), (0..30).map(|i| (i * i * (d + 1) + d) % 4).collect()))
        .collect();
    TokenTable::score(&model(), "m", &documents, &QueryConfig::default(), 2).unwrap().0
}

fn labels() -> Vec<bool> {
    (0..12).map(|i| i % 2 == 0).collect()
}

fn attack() -> Attack {
    let forest =
        ClassifierConfig::Forest(ForestConfig { trees: 3, min_samples_leaf: 1, ..ForestConfig::default() });
    let config = AttackConfig {
        features: Features::Histogram { bins: 4 },
        classifier: forest,
        ..AttackConfig::default()
    };
    let (table, wanted) = (table(), labels());
    let same: Vec<bool> = (0..12).map(|i| wanted[first_equal(&table, i)]).collect();
    Attack::train(&table.with_labels(same).unwrap(), &config).unwrap()
}

/// The first document with the same tokens.
fn first_equal(table: &TokenTable, i: usize) -> usize {
    let ids = table.documents()[i].scores.ids();
    table.documents().iter().position(|d| d.scores.ids() == ids).unwrap()
}

/// Answers as it is told.
struct Liar(Vec<WindowScores>, f64);

impl TokenScorer for Liar {
    fn vocabulary(&self) -> usize {
        4
    }

    fn longest_context(&self) -> usize {
        8
    }

    fn score(
        &self,
        _: &[TokenWindow<'_>],
        sum: Option<&mut [f64]>,
    ) -> llm_neurons::Result<Vec<WindowScores>> {
        if let Some(sum) = sum {
            sum[0] += self.1;
        }
        Ok(self.0.clone())
    }
}

#[test]
fn questions_without_sense_are_refused() {
    let model = model();
    let good = QueryConfig::default();
    assert!(matches!(score_document(&model, &[], &good), Err(Error::TooFew { .. })));
    assert!(matches!(score_document(&model, &[1], &good), Err(Error::TooFew { .. })));
    let wrong = score_document(&model, &[0, 1, 4], &good);
    assert_eq!(wrong, Err(Error::TokenOutOfVocabulary { token: 4, position: 2, vocabulary: 4 }));
    for config in [
        QueryConfig { context: 1, ..good.clone() },
        QueryConfig { stride: Some(0), ..good.clone() },
        QueryConfig { stride: Some(128), ..good.clone() },
        QueryConfig { max_tokens: Some(1), ..good.clone() },
        QueryConfig { batch: 0, ..good.clone() },
    ] {
        assert!(
            matches!(score_document(&model, &[0, 1, 2], &config), Err(Error::Parameter { .. })),
            "{config:?}"
        );
    }
    let short = Liar(Vec::new(), 0.0);
    let long: Vec<u32> = vec![0; 9];
    assert!(matches!(score_document(&short, &long, &good), Err(Error::Parameter { name: "context", .. })));
}

#[test]
fn models_that_answer_wrongly_are_caught() {
    let answer = |nll: &[f32], pmax: &[f32]| WindowScores { nll: nll.to_vec(), pmax: pmax.to_vec() };
    let ask = |answers: Vec<WindowScores>, sum| {
        score_document(&Liar(answers, sum), &[0, 1, 2], &QueryConfig::default())
    };
    let good = answer(&[1.0, 1.0], &[0.5, 0.5]);
    assert!(ask(vec![good.clone()], 2.0).is_ok());
    assert!(matches!(ask(vec![], 2.0), Err(Error::Shape { .. })));
    assert!(matches!(ask(vec![good.clone(), good.clone()], 2.0), Err(Error::Shape { .. })));
    assert!(matches!(ask(vec![answer(&[1.0], &[0.5, 0.5])], 2.0), Err(Error::Shape { .. })));
    for bad in [f32::NAN, -0.1, f32::NEG_INFINITY] {
        let found = ask(vec![answer(&[1.0, bad], &[0.5, 0.5])], 2.0);
        assert!(matches!(found, Err(Error::Probability { position: 2, .. })), "{bad}: {found:?}");
    }
    for bad in [f32::NAN, -0.1, 1.1, f32::INFINITY] {
        let found = ask(vec![answer(&[1.0, 1.0], &[bad, 0.5])], 2.0);
        assert!(matches!(found, Err(Error::Probability { position: 1, .. })), "{bad}: {found:?}");
    }
    for sum in [0.0, 1.5, f64::NAN, 4.0] {
        assert!(matches!(ask(vec![good.clone()], sum), Err(Error::Probability { .. })), "{sum}");
    }
}

#[test]
fn tables_of_norms_need_probabilities() {
    let new = |values: &[f64], weight| NormTable::new(NormKind::TokenFrequency, values.to_vec(), weight);
    assert!(
        new(&[0.5, f64::NAN], 1.0).is_err() && new(&[-0.1, 0.5], 1.0).is_err() && new(&[1.5], 1.0).is_err()
    );
    assert!(new(&[], 1.0).is_err() && new(&[0.0, 0.0], 1.0).is_err());
    assert!(new(&[0.5], 0.0).is_err() && new(&[0.5], f64::INFINITY).is_err());
    assert!(NormTable::from_counts(&[0, 0]).is_err() && NormTable::merge_weighted(&[]).is_err());
    assert!(NormTable::from_documents(2, [&[2_u32][..]]).is_err());
    assert!(NormTable::from_general_probability([&[0.5_f32, 0.5][..], &[1.0][..]]).is_err());
    assert!(NormTable::from_general_probability(std::iter::empty()).is_err());
    let frequency = new(&[0.5, 0.5], 1.0).unwrap();
    let general = NormTable::from_general_probability([&[0.5_f32, 0.5][..]]).unwrap();
    assert!(matches!(NormTable::merge_weighted(&[&frequency, &general]), Err(Error::Mismatch { .. })));
    assert!(matches!(
        NormTable::merge_weighted(&[&frequency, &new(&[1.0], 1.0).unwrap()]),
        Err(Error::Shape { .. })
    ));
    assert!(frequency.get(2).is_err());
    assert!("ratio".parse::<NormalizerKind>().is_err());
    assert_eq!("max-gp".parse::<NormalizerKind>().unwrap(), NormalizerKind::MaxGp);
}

#[test]
fn features_and_classifiers_need_numbers_of_both_classes() {
    let bins = |bins| Features::Histogram { bins };
    assert!(bins(0).fit(&[[1.0]]).is_err() && bins(usize::MAX).fit(&[[1.0]]).is_err());
    assert!(bins(4).fit::<Vec<f64>>(&[]).is_err() && bins(4).fit(&[Vec::<f64>::new()]).is_err());
    assert!(bins(4).fit(&[[f64::NAN]]).is_err() && bins(4).fit(&[[1e308, -1e308]]).is_err());
    // Bins do not fit between neighbouring numbers; one value has room around it.
    assert!(bins(4).fit(&[[1.0, 1.0 + f64::EPSILON]]).is_err() && bins(4).fit(&[[1.0]]).is_ok());
    // Nothing inside the training range: zeros.
    let x = bins(2).fit(&[[0.0, 1.0]]).unwrap().transform(&[[7.0, -7.0]]).unwrap();
    assert_eq!(x, arr2(&[[0.0, 0.0]]));
    let x = arr2(&[[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]);
    let y = [false, false, true, true];
    let scaler = MinMax::fit(&x.view()).unwrap();
    // Constant columns are 0, others may leave the training range.
    assert_eq!(scaler.transform(&arr2(&[[6.0, 9.0]]).view()).unwrap(), arr2(&[[2.0, 0.0]]));
    assert!(
        scaler.transform(&arr2(&[[6.0]]).view()).is_err()
            && MinMax::fit(&Array2::zeros((0, 2)).view()).is_err()
    );
    assert!(scaler.transform(&arr2(&[[f64::NAN, 1.0]]).view()).is_err());
    let forest = ForestConfig { min_samples_leaf: 1, ..ForestConfig::default() };
    for wrong in [
        ForestConfig { trees: 0, ..forest.clone() },
        ForestConfig { trees: usize::MAX, ..forest.clone() },
        ForestConfig { min_samples_leaf: 0, ..forest.clone() },
        ForestConfig { split_features: SplitFeatures::Exactly(3), ..forest.clone() },
        ForestConfig { split_features: SplitFeatures::Exactly(0), ..forest.clone() },
    ] {
        assert!(
            matches!(RandomForest::fit(&x.view(), &y, &wrong), Err(Error::Parameter { .. })),
            "{wrong:?}"
        );
    }
    for classifier in
        [ClassifierConfig::Forest(forest), ClassifierConfig::Logistic(LogisticConfig::default())]
    {
        assert!(matches!(classifier.fit(&x.view(), &[true; 4]), Err(Error::SingleClass { .. })));
        assert!(matches!(classifier.fit(&x.view(), &y[..3]), Err(Error::Shape { .. })));
        assert!(matches!(classifier.fit(&Array2::zeros((4, 0)).view(), &y), Err(Error::TooFew { .. })));
        let mut bad = x.clone();
        bad[[1, 1]] = f64::INFINITY;
        assert!(matches!(classifier.fit(&bad.view(), &y), Err(Error::NotFinite { row: 1, column: 1, .. })));
        let trained = classifier.fit(&x.view(), &y).unwrap();
        assert!(trained.predict_proba(&arr2(&[[1.0]]).view()).is_err());
        assert!(matches!(
            trained.predict_proba(&bad.view()),
            Err(Error::NotFinite { row: 1, column: 1, .. })
        ));
    }
    // What 32 bits do not hold would be infinite in a forest.
    let huge = arr2(&[[1e300, 1.0], [0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]);
    assert!(matches!(
        RandomForest::fit(&huge.view(), &y, &ForestConfig::default()),
        Err(Error::NotFinite { .. })
    ));
    for config in [
        LogisticConfig { c: 0.0, ..LogisticConfig::default() },
        LogisticConfig { c: f64::NAN, ..LogisticConfig::default() },
        LogisticConfig { tolerance: -1.0, ..LogisticConfig::default() },
    ] {
        assert!(matches!(LogisticRegression::fit(&x.view(), &y, &config), Err(Error::Parameter { .. })));
    }
    let hasty = LogisticConfig { max_iterations: 1, ..LogisticConfig::default() };
    assert!(matches!(LogisticRegression::fit(&x.view(), &y, &hasty), Err(Error::Convergence { .. })));
}

#[test]
fn overlapping_documents_and_folds_of_one_class_are_refused() {
    let scores = |ids: &[u32]| score_document(&model(), ids, &QueryConfig::default()).unwrap();
    let two = |first: &[u32], second: &[u32], names: [&str; 2]| {
        let names = names.map(str::to_owned).to_vec();
        TokenTable::new("m", 4, QueryConfig::default(), names, vec![scores(first), scores(second)])
    };
    assert!(matches!(two(&[0, 1], &[1, 0], ["a", "a"]), Err(Error::Overlap { .. })));
    assert!(matches!(two(&[0, 1], &[1, 0], ["a", ""]), Err(Error::Mismatch { .. })));
    let same = two(&[0, 1], &[0, 1], ["a", "b"]).unwrap();
    let error = same.clone().with_labels(vec![true, false]).unwrap_err();
    assert_eq!(error, Error::Overlap { first: "a".to_owned(), second: "b".to_owned() });
    assert!(same.clone().with_labels(vec![true, true]).is_ok() && same.with_labels(vec![true]).is_err());
    assert!(TokenTable::new("m", 4, QueryConfig::default(), vec![], vec![]).is_err());
    assert!(
        TokenTable::new("m", 3, QueryConfig::default(), vec!["a".to_owned()], vec![scores(&[0, 1])]).is_err()
    );
    let without = QueryConfig { mean_probability: false, ..QueryConfig::default() };
    assert!(TokenTable::new("m", 4, without, vec!["a".to_owned()], vec![scores(&[0, 1])]).is_err());
    assert!(matches!(Attack::train(&table(), &AttackConfig::default()), Err(Error::Missing { .. })));

    let y = labels();
    let flat = |_: &[usize], judged: &[usize]| Ok(vec![0.5; judged.len()]);
    assert!(matches!(cross_validate_with(&y, &[0; 12], flat), Err(Error::TooFew { .. })));
    assert!(matches!(cross_validate_with(&y, &[0; 3], flat), Err(Error::Shape { .. })));
    let by_class: Vec<usize> = y.iter().map(|m| usize::from(*m)).collect();
    assert!(matches!(cross_validate_with(&y, &by_class, flat), Err(Error::SingleClass { .. })));
    let halves: Vec<usize> = (0..12).map(|i| i / 6).collect();
    assert!(matches!(cross_validate_with(&y, &halves, |_, _| Ok(vec![])), Err(Error::Shape { .. })));
    assert_eq!(cross_validate_with(&y, &halves, flat).unwrap().auc.mean, 0.5);
    assert!(matches!(
        cross_validate(&table(), &y[..3], &halves, &AttackConfig::default()),
        Err(Error::Shape { .. })
    ));
    assert!(stratified_folds(&y, 1, 0).is_err() && stratified_folds(&y, 7, 0).is_err());
    assert!(TokenFrequencies::fit([&[1_u32][..]], 0).is_err() && TokenFrequencies::fit([], 3).is_err());
}

#[test]
fn an_attack_refuses_tables_of_another_model() {
    let attack = attack();
    let documents: Vec<(String, Vec<u32>)> = vec![("x".to_owned(), (0..30).map(|i| i % 4).collect())];
    let score = |name: &str, query: &QueryConfig| {
        let table = TokenTable::score(&model(), name, &documents, query, 2).unwrap().0;
        attack.score(&table)
    };
    let query = QueryConfig::default();
    assert!(score("m", &query).is_ok());
    assert!(matches!(score("n", &query), Err(Error::Mismatch { what: "model", .. })));
    let context = QueryConfig { context: 64, ..query.clone() };
    assert!(matches!(score("m", &context), Err(Error::Mismatch { what: "context", .. })));
    let stride = QueryConfig { stride: Some(64), ..query.clone() };
    assert!(matches!(score("m", &stride), Err(Error::Mismatch { what: "stride", .. })));
    // Seeing less of a document is a question one may ask.
    assert!(score("m", &QueryConfig { max_tokens: Some(9), ..query }).is_ok());
    let (table, discarded) = TokenTable::score(
        &model(),
        "m",
        &[("a", vec![0; 9]), ("b", vec![1; 10])],
        &QueryConfig::default(),
        10,
    )
    .unwrap();
    assert_eq!(
        (table.names(), discarded[0].name.as_str(), discarded[0].tokens),
        (&["b".to_owned()][..], "a", 9)
    );
}

#[test]
fn damaged_attacks_are_refused() {
    let good = attack().to_json().unwrap();
    assert!(Attack::from_json(&good).is_ok());
    let value: serde_json::Value = serde_json::from_str(&good).unwrap();
    let tree = "/classifier/forest/trees/0";
    let changes: [(&str, serde_json::Value); 12] = [
        ("/format", "neuropil.membership-attack/2".into()),
        ("/training/query/context", 1.into()),
        ("/training/vocabulary", 5.into()),
        ("/normalizer/ratio/values/0", (-0.5).into()),
        ("/normalizer/ratio/weight", 0.into()),
        ("/features/histogram/edges/1", 1e9.into()),
        ("/features/histogram/edges", serde_json::json!([])),
        ("/scaler/low/0", 1e9.into()),
        ("/classifier/forest/features", 5.into()),
        // A child that is its own parent would never end.
        (&format!("{tree}/left/0"), 0.into()),
        (&format!("{tree}/right/0"), 4_000_000_000_u32.into()),
        (&format!("{tree}/value/0"), 2.into()),
    ];
    for (place, wrong) in changes {
        let mut value = value.clone();
        *value.pointer_mut(place).unwrap_or_else(|| panic!("{place}: {good}")) = wrong;
        assert!(Attack::from_json(&value.to_string()).is_err(), "{place}");
    }
    for text in ["", "{}", "null", "[1]", &good[..good.len() / 2]] {
        assert!(matches!(Attack::from_json(text), Err(Error::File { .. })), "{text}");
    }
    let nowhere = std::path::Path::new("no such folder/attack.json");
    assert!(matches!(Attack::read(nowhere), Err(Error::File { .. })) && attack().write(nowhere).is_err());
}

#[test]
fn files_that_are_no_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.npz");
    table().write(&path).unwrap();
    assert!(TokenTable::read(&path).is_ok());
    let i64s = |v: &[i64]| ndarray::ArrayD::from_shape_vec(vec![v.len()], v.to_vec()).unwrap();
    let f32s = |v: &[f32]| ndarray::ArrayD::from_shape_vec(vec![v.len()], v.to_vec()).unwrap();
    let write = |offsets: &[i64], ids: &[i64], losses: usize, format: &str, labels: &[i64]| {
        let one = |n: i64| i64s(&[n]);
        Npz::new()
            .text("format", &[format.to_owned()])
            .text("model", &["m".to_owned()])
            .text("names", &["a".to_owned(), "b".to_owned()])
            .i64("vocabulary", one(4).view())
            .i64("context", one(8).view())
            .i64("stride", one(7).view())
            .i64("max_tokens", one(-1).view())
            .i64("batch", one(1).view())
            .i64("offsets", i64s(offsets).view())
            .i64("ids", i64s(ids).view())
            .f32("nll", f32s(&vec![1.0; losses]).view())
            .f32("pmax", f32s(&vec![0.5; losses]).view())
            .i64("labels", i64s(labels).view())
            .write(&path)
            .unwrap();
        TokenTable::read(&path)
    };
    let name = "neuropil.membership-tokens/1";
    let (offsets, ids) = ([0, 2, 5], [0, 1, 2, 3, 0]);
    assert!(write(&offsets, &ids, 3, name, &[0, 1]).is_ok());
    assert!(matches!(write(&offsets, &ids, 3, "other/1", &[0, 1]), Err(Error::Mismatch { .. })));
    for (offsets, ids, losses) in [
        (&[0, 2, 6][..], &ids[..], 3),
        (&[0, 2, 2, 5], &ids, 2),
        (&[1, 2, 5], &ids, 3),
        (&[0, -2, 5], &ids, 3),
        (&[0, 5], &ids, 3),
        (&[0], &ids, 4),
        (&[], &ids, 5),
        (&[0, 1, 5], &ids, 3),
        (&offsets, &ids, 2),
        (&offsets, &[0, 1, 2, 3, -1], 3),
        (&offsets, &[0, 1, 2, 3, 4], 3),
    ] {
        assert!(write(offsets, ids, losses, name, &[0, 1]).is_err(), "{offsets:?} {ids:?} {losses}");
    }
    assert!(
        write(&offsets, &ids, 3, name, &[0, 2]).is_err() && write(&offsets, &ids, 3, name, &[0]).is_err()
    );
    assert!(TokenTable::read(&folder.path().join("none.npz")).is_err());
}

proptest! {
    #[test]
    fn damaged_files_never_panic(at in 0..1_000_000_usize, value in any::<u8>(), cut in 0..1_000_000_usize) {
        let folder = tempfile::tempdir().unwrap();
        let (npz, json) = (folder.path().join("t.npz"), folder.path().join("a.json"));
        table().write(&npz).unwrap();
        attack().write(&json).unwrap();
        for path in [&npz, &json] {
            let mut bytes = std::fs::read(path).unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            if cut % 3 == 0 {
                bytes.truncate(bytes.len() - cut % bytes.len());
            }
            std::fs::write(path, &bytes).unwrap();
        }
        let _ = TokenTable::read(&npz);
        if let Ok(attack) = Attack::read(&json) {
            let _ = attack.score(&table());
        }
    }

    #[test]
    fn scores_of_any_bits_are_taken_or_refused(nll in prop::collection::vec(any::<f32>(), 1..9), pmax in prop::collection::vec(any::<f32>(), 1..9)) {
        let n = nll.len();
        if let Ok(scores) = TokenScores::new(vec![0; n + 1], nll, pmax) {
            prop_assert!(scores.nll().iter().all(|x| !x.is_nan()) && scores.pmax().iter().all(|p| *p >= 0.0));
        }
    }

    #[test]
    fn backgrounds_of_any_numbers_are_taken_or_refused(values in prop::collection::vec(-0.5..1.5_f64, 4..5), kappa in any::<f64>()) {
        let background = Array2::from_shape_vec((2, 2), values).unwrap();
        if let Ok(model) = BigramModel::fit(&background.view(), kappa, &[&[0, 1]]) {
            prop_assert!(model.probabilities().rows().into_iter().all(|r| (r.sum() - 1.0).abs() < 1e-5));
        }
    }
}
