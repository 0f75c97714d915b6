//! Proof lines 1 and 2.

use std::path::Path;

use llm_neurons::membership::{
    Features, ForestConfig, MinMax, NormKind, NormTable, Normalizer, RandomForest, TokenScores, roc,
};
use ndarray::Array2;
use recordings::arrays::ArrayFile;

/// Normalised values, relative to them or to the loss, whichever is larger. The published code subtracts logarithms in 32
/// bits: where a loss and its norm nearly cancel (4 of 2058 values, all below 0.02) its own rounding is larger than 1e-6 of
/// the difference.
const VALUES: f64 = 1e-6;
/// Features of given values, absolute and relative.
const FEATURES: f64 = 1e-9;
/// The area under a curve.
const AUC: f64 = 1e-12;
/// What scikit-learn's own ten seeds give, and how far a forest with other draws may be.
const FOREST_AUC: (f64, f64) = (0.796, 0.02);
/// Mean distance of two forests' probabilities.
const FOREST_SCORES: f64 = 0.03;
/// The documents that features are fitted on.
const TRAIN: usize = 4;

fn fixture() -> ArrayFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/02-document-membership");
    ArrayFile::open(&path.join("features.safetensors")).unwrap()
}

fn close(what: &str, got: f64, wanted: f64, tolerance: f64) {
    let gap = (got - wanted).abs() / wanted.abs().max(1.0);
    assert!(gap <= tolerance, "{what}: {got} against {wanted}, off by {gap:e}");
}

fn matrices(what: &str, got: &Array2<f64>, wanted: &Array2<f64>) {
    assert_eq!(got.dim(), wanted.dim(), "{what}");
    for (at, wanted) in wanted.indexed_iter() {
        close(&format!("{what} {at:?}"), got[at], *wanted, FEATURES);
    }
}

/// The six documents, and the normalisation table.
fn documents(file: &ArrayFile) -> (Vec<TokenScores>, NormTable) {
    let single = |key: &str| file.read_f64_1(key).unwrap().mapv(|x| x as f32).to_vec();
    let ids: Vec<u32> = file.read_i64_1("token_ids").unwrap().iter().map(|t| *t as u32).collect();
    let (mut nll, mut pmax) = (single("nll").into_iter(), single("max_prob").into_iter());
    let mut ids = ids.into_iter();
    let documents = file
        .read_i64_1("doc_lens")
        .unwrap()
        .iter()
        .map(|n| {
            let n = *n as usize;
            let (nll, pmax) = (nll.by_ref().take(n - 1).collect(), pmax.by_ref().take(n - 1).collect());
            TokenScores::new(ids.by_ref().take(n).collect(), nll, pmax).unwrap()
        })
        .collect();
    // The fixture writes -1 for a token that never occurred.
    let values = file.read_f64_1("norm_values").unwrap().mapv(|p| p.max(0.0)).to_vec();
    (documents, NormTable::new(NormKind::TokenFrequency, values, 1.0).unwrap())
}

#[test]
fn normalised_values_and_features_are_those_of_the_published_code() {
    let file = fixture();
    let (documents, table) = documents(&file);
    assert_eq!(documents.len(), 6);
    let cases = [
        ("none", Normalizer::None),
        ("ratio", Normalizer::Ratio(table.clone())),
        ("diff_max_token_proba", Normalizer::Max(table)),
    ];
    for (name, normalizer) in cases {
        let wanted = file.read_f64_1(&format!("normed_{name}")).unwrap().to_vec();
        let found: Vec<_> = documents.iter().map(|d| normalizer.apply(d).unwrap()).collect();
        assert_eq!(found.iter().map(|f| f.replaced).sum::<usize>(), 0);
        let values: Vec<f64> = found.into_iter().flat_map(|f| f.values).collect();
        assert_eq!(values.len(), wanted.len());
        let losses = documents.iter().flat_map(|d| d.nll());
        for (i, ((got, wanted), loss)) in values.iter().zip(&wanted).zip(losses).enumerate() {
            let gap = (got - wanted).abs() / wanted.abs().max(f64::from(*loss));
            assert!(gap <= VALUES, "{name} {i}: {got} against {wanted}, off by {gap:e}");
        }
        // Features of the reference's own values.
        let mut rest = wanted.as_slice();
        let values: Vec<Vec<f64>> = documents
            .iter()
            .map(|d| {
                let (own, others) = rest.split_at(d.nll().len());
                rest = others;
                own.to_vec()
            })
            .collect();
        for (kind, features) in
            [("agg", Features::Aggregate { count: true }), ("hist20", Features::Histogram { bins: 20 })]
        {
            let fitted = features.fit(&values[..TRAIN]).unwrap();
            let train = fitted.transform(&values[..TRAIN]).unwrap();
            let test = fitted.transform(&values[TRAIN..]).unwrap();
            assert_eq!(fitted.names().len(), train.ncols());
            let wanted = |part: &str| file.read_f64_2(&format!("{kind}_{part}_{name}")).unwrap();
            matrices(&format!("{kind} train {name}"), &train, &wanted("train"));
            matrices(&format!("{kind} test {name}"), &test, &wanted("test"));
            if kind == "hist20" {
                let scaler = MinMax::fit(&train.view()).unwrap();
                let scaled = scaler.transform(&train.view()).unwrap();
                matrices(&format!("scaled train {name}"), &scaled, &wanted("train_scaled"));
                let scaled = scaler.transform(&test.view()).unwrap();
                matrices(&format!("scaled test {name}"), &scaled, &wanted("test_scaled"));
            }
        }
    }
}

#[test]
fn ties_count_half_in_the_area() {
    let file = fixture();
    let scores = file.read_f64_1("auc_scores_with_ties").unwrap().to_vec();
    let members: Vec<bool> = file.read_i64_1("auc_labels").unwrap().iter().map(|l| *l == 1).collect();
    let curve = roc(&scores, &members).unwrap();
    close("AUC", curve.auc, file.read_f64_1("auc_value").unwrap()[0], AUC);
    close("AUC", curve.auc, 0.404_411_76, 5e-9);
}

#[test]
fn the_forest_is_as_good_as_scikit_learns() {
    let file = fixture();
    let x = file.read_f64_2("rf_X").unwrap();
    let y: Vec<bool> = file.read_i64_1("rf_y").unwrap().iter().map(|l| *l == 1).collect();
    let (train, test) = x.view().split_at(ndarray::Axis(0), 300);
    let theirs = file.read_f64_1("rf_auc_10seeds").unwrap();
    let reference = file.read_f64_1("rf_test_scores_seed0").unwrap();
    let mut sum = 0.0;
    for seed in 0..10 {
        let forest =
            RandomForest::fit(&train, &y[..300], &ForestConfig { seed, ..ForestConfig::default() }).unwrap();
        let scores = forest.predict_proba(&test).unwrap();
        let auc = roc(&scores, &y[300..]).unwrap().auc;
        sum += auc;
        let (wanted, tolerance) = FOREST_AUC;
        assert!(
            (auc - wanted).abs() <= tolerance,
            "seed {seed}: AUC {auc}, scikit-learn {}",
            theirs[seed as usize]
        );
        let gap = scores.iter().zip(&reference).map(|(a, b)| (a - b).abs()).sum::<f64>() / 100.0;
        println!("seed {seed}: AUC {auc:.4}, mean distance to scikit-learn's scores {gap:.4}");
        assert!(gap <= FOREST_SCORES, "seed {seed}: mean distance {gap}");
    }
    println!("mean AUC {:.5}, scikit-learn {:.5}", sum / 10.0, theirs.mean().unwrap());
}
