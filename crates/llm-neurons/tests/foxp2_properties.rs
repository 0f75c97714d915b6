//! What must hold of steering whatever the numbers, its files, and a language that was planted in a toy model.
#![cfg(feature = "flex")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::FloatDType;
use llm_neurons::Error;
use llm_neurons::foxp2::{
    Grid, LayerFit, LayerSteer, Measured, Scale, SteeringPlan, Strength, TargetLanguage, TokenSets,
    WindowRule, best_window, bootstrap_stability, candidates, defaultness, fit_layer, grid_search,
    language_neurons, lift_vector, mean_defaultness, median_lift, restricted_difference, selectivity,
    selectivity_floor, steering_subspace, trace_units, unit_rows,
};
use ndarray::{Array1, Array2, Axis};
use numerics::linalg::svd;
use probes::{SparseAutoencoder, SparseAutoencoderConfig, SparseTraining, train};
use proptest::prelude::*;
use recordings::ModelIdentity;
use tensor_backend::DeviceSpec;
use tensor_backend::training::Schedule;

#[path = "cases/foxp2.rs"]
#[allow(dead_code, reason = "the bodies for devices are not used here")]
mod cases;

use cases::draw;

/// Differences on four of nine features.
fn differences(seed: u64, rows: usize) -> Array2<f64> {
    let mut dz = Array2::zeros((rows, 9));
    let values = draw(seed, "properties.dz", rows, 4);
    for (i, j) in [1, 4, 5, 8].into_iter().enumerate() {
        dz.column_mut(j).assign(&(&values.column(i) * (i + 1) as f64));
    }
    dz
}

fn gap(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    (a - b).iter().fold(0.0, |m, x| m.max(x.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_gram_route_is_the_singular_value_decomposition(seed in 0_u64..1000, rows in 5_usize..40) {
        let dz = differences(seed, rows);
        let found = steering_subspace(&dz.view(), 12).unwrap();
        let whole = svd(&dz.view()).unwrap();
        prop_assert!((&found.singular_values - &whole.s).iter().all(|d| d.abs() < 1e-6));
        let v = whole.v.slice_axis(Axis(1), (0..found.rank).into()).to_owned();
        prop_assert!(gap(&found.basis.dot(&found.basis.t()), &v.dot(&v.t())) < 1e-6);
        prop_assert!(gap(&found.basis.t().dot(&found.basis), &Array2::eye(found.rank)) < 1e-9);
        prop_assert!((0.0..=1.0 + 1e-12).contains(&found.mass));
        prop_assert!(found.effective_rank >= 1.0 - 1e-9 && found.effective_rank <= 4.0 + 1e-9);
        prop_assert!(found.rank >= 1 && found.rank <= found.eigengap && found.rank <= 4);
        // Only features that differ take part.
        prop_assert!([0, 2, 3, 6, 7].iter().all(|j| found.basis.row(*j).iter().all(|x| *x == 0.0)));
    }

    #[test]
    fn order_of_pairs_and_scale_do_not_matter(seed in 0_u64..1000, rows in 5_usize..30, scale in 0.01_f64..100.0) {
        let dz = differences(seed, rows);
        let order = numerics::rng::permutation(&mut numerics::rng::stream(seed, "order", 0), rows);
        let other = dz.select(Axis(0), &order) * scale;
        let (a, b) =
            (steering_subspace(&dz.view(), 12).unwrap(), steering_subspace(&other.view(), 12).unwrap());
        prop_assert_eq!((a.rank, a.eigengap), (b.rank, b.eigengap));
        prop_assert!((a.mass - b.mass).abs() < 1e-9 && (a.effective_rank - b.effective_rank).abs() < 1e-7);
        prop_assert!(gap(&a.basis.dot(&a.basis.t()), &b.basis.dot(&b.basis.t())) < 1e-6);
    }

    #[test]
    fn stability_is_a_share_and_one_where_only_one_line_is(seed in 0_u64..500, rows in 5_usize..30) {
        let dz = differences(seed, rows);
        let found = bootstrap_stability(&dz.view(), 2, 8, seed).unwrap();
        prop_assert!((0.0..=1.0 + 1e-9).contains(&found));
        prop_assert_eq!(found, bootstrap_stability(&dz.view(), 2, 8, seed).unwrap());
        let line = Array2::from_shape_fn((rows, 3), |(i, j)| (i + 1) as f64 * (j as f64 - 0.5));
        prop_assert!((bootstrap_stability(&line.view(), 1, 5, seed).unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_best_window_is_the_best_of_all(scores in proptest::collection::vec(-1.0_f64..1.0, 1..14), min in 1_usize..5, extra in 0_usize..4, mean: bool) {
        let rule = if mean { WindowRule::Mean } else { WindowRule::Sum };
        // Layer 7 is missing: it has no language neurons.
        let layers: Vec<(usize, f64)> = scores.iter().copied().enumerate().filter(|(l, _)| *l != 7).collect();
        let known: BTreeMap<usize, f64> = layers.iter().copied().collect();
        let mut best: Option<f64> = None;
        for start in 0..scores.len() {
            for length in min..=min + extra {
                let window: Option<Vec<f64>> = (start..start + length).map(|l| known.get(&l).copied()).collect();
                let Some(window) = window else { continue };
                let sum: f64 = window.iter().sum();
                let value = if mean { sum / length as f64 } else { sum };
                best = Some(best.map_or(value, |b| b.max(value)));
            }
        }
        match (best, best_window(&layers, min, min + extra, rule)) {
            (Some(best), Ok(found)) => {
                prop_assert!((found.score - best).abs() < 1e-12);
                prop_assert!(found.layers.iter().zip(found.layers.iter().skip(1)).all(|(a, b)| a + 1 == *b));
                prop_assert!((min..=min + extra).contains(&found.layers.len()));
            }
            (None, Err(Error::TooFew { .. })) => {}
            (best, found) => prop_assert!(false, "{:?} {:?}", best, found),
        }
    }

    #[test]
    fn edits_add_up_and_rows_do_not_see_one_another(seed in 0_u64..200, lambda in -3.0_f64..3.0, beta in -3.0_f64..3.0) {
        let config = &cases::kinds()[usize::try_from(seed % 4).unwrap()];
        let steer = cases::steer(seed, config);
        let rows = draw(seed, "properties.rows", 4, config.inputs) * 5.0;
        let change = |rows: &Array2<f64>, lambda, beta, scale| {
            steer.apply(&rows.view(), Strength { lambda, beta }, scale).unwrap() - rows
        };
        for scale in [Scale::Relative, Scale::Absolute, Scale::OfficialQuirks] {
            let both = change(&rows, lambda, beta, scale);
            let sum = change(&rows, lambda, 0.0, scale) + change(&rows, 0.0, beta, scale);
            prop_assert!(gap(&both, &sum) < 1e-9);
            prop_assert!(gap(&change(&rows, 2.0 * lambda, 2.0 * beta, scale), &(&both * 2.0)) < 1e-9);
        }
        let relative = change(&rows, lambda, beta, Scale::Relative);
        prop_assert!(gap(&relative, &(change(&rows, lambda, beta, Scale::Absolute) * steer.mean_norm)) < 1e-9);
        for i in 0..4 {
            let alone = change(&rows.select(Axis(0), &[i]), lambda, beta, Scale::Relative);
            prop_assert!(gap(&alone, &relative.select(Axis(0), &[i])) < 1e-9);
        }
        // The published code lets the first row speak for all.
        let quirk = change(&rows, lambda, beta, Scale::OfficialQuirks);
        prop_assert!((1..4).all(|i| (&quirk.row(i) - &quirk.row(0)).iter().all(|d| d.abs() < 1e-9)));
        prop_assert_eq!(steer.apply(&rows.view(), Strength::default(), Scale::Relative).unwrap(), rows);
    }

    #[test]
    fn damaged_plans_never_panic(at in 0..6000_usize, value in any::<u8>(), cut in 0..6000_usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        plan().save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] = value;
        if cut % 2 == 0 {
            bytes.truncate(bytes.len() - cut % bytes.len());
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(read) = SteeringPlan::load(&path) {
            prop_assert!(read.validate().is_ok());
        }
    }
}

/// The edit written out feature by feature, as the sheet has it.
#[test]
fn the_edit_is_the_equation() {
    let steer = cases::steer(3, &cases::kinds()[0]);
    let rows = draw(3, "equation.rows", 3, 10) * 5.0;
    let (lambda, beta) = (1.5, 0.75);
    let codes = steer.weights.encode(&unit_rows(&rows.view()).view()).unwrap();
    let projector = steer.basis.dot(&steer.basis.t());
    let pull = projector.dot(&steer.mu_english);
    let mut wanted = rows.clone();
    for (i, mut row) in wanted.outer_iter_mut().enumerate() {
        let along = codes.row(i).dot(&steer.mu_english);
        for &j in &steer.features {
            let dz = lambda * steer.mu_target[j] - beta * along * pull[j];
            for (d, x) in row.iter_mut().enumerate() {
                *x += steer.mean_norm * dz * steer.weights.encoder[[d, j]];
            }
        }
    }
    let found = steer.apply(&rows.view(), Strength { lambda, beta }, Scale::Relative).unwrap();
    assert!(gap(&found, &wanted) < 1e-9);
}

fn plan() -> SteeringPlan {
    let layers: Vec<LayerSteer> = cases::kinds()
        .iter()
        .enumerate()
        .map(|(i, config)| LayerSteer { layer: 3 + i, ..cases::steer(i as u64, config) })
        .collect();
    SteeringPlan {
        model: ModelIdentity { tensors_sha256: "ab12".into(), source: "tiny".into() },
        source: "en".into(),
        target: "hi".into(),
        scale: Scale::Relative,
        strength: Strength { lambda: 1.0, beta: 0.1 + 0.2 },
        layers,
        seed: 9,
    }
}

#[test]
fn plans_are_read_back_and_another_models_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.safetensors");
    let plan = plan();
    plan.save(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    let read = SteeringPlan::load(&path).unwrap();
    assert_eq!(read, plan);
    read.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first, "the same plan, the same bytes");
    assert!(read.check_model("ab12", 7, 10).is_ok());
    for (sha, layers, hidden) in [("ab13", 7, 10), ("ab12", 6, 10), ("ab12", 7, 11)] {
        assert!(
            matches!(read.check_model(sha, layers, hidden), Err(Error::Plan { .. })),
            "{sha} {layers} {hidden}"
        );
    }
    assert_eq!(read.layer(4).map(|l| l.layer), Some(4));
    assert!(read.layer(9).is_none());
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let steps = read.on_device(FloatDType::F32, &device).unwrap();
    assert_eq!(steps.iter().map(|s| s.layer()).collect::<Vec<_>>(), [3, 4, 5, 6]);
    plan.layers[0].weights.save(&path).unwrap();
    let other = SteeringPlan::load(&path);
    assert!(matches!(&other, Err(Error::Plan { why }) if why.contains("format")), "{other:?}");
    let mut bad = plan.clone();
    bad.layers.swap(0, 1);
    assert!(bad.save(&path).is_err());
    let mut bad = plan.clone();
    bad.layers[1].mu_target[0] = f64::NAN;
    assert!(matches!(bad.save(&path), Err(Error::NotFinite { .. })));
    let mut bad = plan.clone();
    bad.layers.clear();
    assert!(matches!(bad.save(&path), Err(Error::TooFew { .. })));
    let mut bad = plan;
    bad.layers[1].features.clear();
    assert!(matches!(bad.save(&path), Err(Error::TooFew { .. })));
}

#[test]
fn bad_input_is_a_typed_error() {
    let codes = draw(1, "bad", 5, 9);
    let fewer = codes.slice_axis(Axis(0), (0..4).into());
    assert!(matches!(restricted_difference(&codes.view(), &fewer, &[1]), Err(Error::Shape { .. })));
    assert!(restricted_difference(&codes.view(), &codes.view(), &[9]).is_err());
    assert!(restricted_difference(&codes.view(), &codes.view(), &[1, 1]).is_err());
    let mut broken = codes.clone();
    broken[[2, 3]] = f64::NAN;
    assert!(matches!(selectivity(&broken.view(), &fewer), Err(Error::NotFinite { row: 2, column: 3, .. })));
    assert!(matches!(steering_subspace(&broken.view(), 12), Err(Error::NotFinite { .. })));
    assert!(matches!(steering_subspace(&Array2::zeros((5, 9)).view(), 12), Err(Error::TooFew { .. })));
    assert!(matches!(steering_subspace(&Array2::zeros((0, 9)).view(), 12), Err(Error::TooFew { .. })));
    assert!(steering_subspace(&codes.view(), 0).is_err());
    assert!(bootstrap_stability(&codes.view(), 0, 20, 0).is_err());
    assert!(bootstrap_stability(&codes.view(), 10, 20, 0).is_err());
    assert!(bootstrap_stability(&codes.view(), 2, 1, 0).is_err());
    assert!(selectivity(&codes.slice_axis(Axis(0), (0..0).into()), &fewer).is_err());
    let sets = TokenSets::new(vec![0], vec![1], 9).unwrap();
    assert!(matches!(defaultness(&broken.view(), &sets), Err(Error::NotFinite { row: 2, column: 3, .. })));
    assert!(defaultness(&codes.view(), &TokenSets::new(vec![0], vec![1], 8).unwrap()).is_err());
    assert!(defaultness(&Array2::from_elem((1, 9), f64::NEG_INFINITY).view(), &sets).is_err());
    assert!(mean_defaultness(&[]).is_err());
    assert!(median_lift(&[], &[(1.0, vec![])]).is_err() && median_lift(&[0.0], &[]).is_err());
    assert!(median_lift(&[0.0], &[(0.0, vec![0.0])]).is_err());
    assert!(median_lift(&[0.0], &[(1.0, vec![0.0, 1.0])]).is_err());
    let steer = cases::steer(0, &cases::kinds()[0]);
    let none = fit_layer(
        0,
        steer.weights.clone(),
        &[],
        &Array2::zeros((3, 14)).view(),
        &Array2::zeros((3, 14)).view(),
        &Array2::zeros((3, 14)).view(),
        1.0,
        LayerFit::default(),
    );
    assert!(matches!(none, Err(Error::TooFew { what: "language neurons", .. })));
    assert!(lift_vector(&steer.weights, 14, 1.0, Scale::Absolute, 1.0).is_err());
    assert!(lift_vector(&steer.weights, 0, 1.0, Scale::Relative, 0.0).is_err());
    assert!(trace_units(&steer.weights, 14, 3).is_err());
    assert!(selectivity_floor(1, 5, 0.05).is_err() && selectivity_floor(9, 0, 0.05).is_err());
    assert!(selectivity_floor(9, 5, f64::NAN).is_err() && selectivity_floor(9, 5, 9.0).is_err());
    assert!(best_window(&[(0, 1.0), (0, 2.0)], 1, 1, WindowRule::Sum).is_err());
    assert!(best_window(&[(0, f64::NAN)], 1, 1, WindowRule::Sum).is_err());
    assert!(best_window(&[(0, 1.0)], 2, 1, WindowRule::Sum).is_err());
    let empty = Grid { lambdas: vec![], ..Grid::default() };
    assert!(grid_search(&empty, |_| Err(Error::TooFew { what: "x", needed: 1, found: 0 })).is_err());
}

#[test]
fn units_are_traced_by_magnitude() {
    let steer = cases::steer(0, &cases::kinds()[0]);
    let units = trace_units(&steer.weights, 5, 4).unwrap();
    let column = steer.weights.encoder.column(5).to_owned();
    assert!(units.iter().all(|(unit, weight)| column[*unit] == *weight));
    let least = units.iter().map(|(_, w)| w.abs()).fold(f64::INFINITY, f64::min);
    assert_eq!(column.iter().filter(|w| w.abs() >= least).count(), 4);
}

/// The folder of the small multilingual model, whose ids are a derivative of CC BY-SA text and stay outside.
fn multilingual() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("NEUROPIL_DATA").map_or(beside, PathBuf::from);
    let folder = data.join("../fixtures/00-tiny-multilingual-lm");
    if folder.join("vocab.json").is_file() {
        return Some(folder);
    }
    let required = std::env::var("NEUROPIL_REQUIRE_DATA").is_ok_and(|v| v == "1");
    assert!(!required, "NEUROPIL_REQUIRE_DATA=1, but {} is not there", folder.display());
    None
}

#[test]
fn sets_of_a_byte_level_vocabulary_are_those_that_ship_with_it() {
    let Some(folder) = multilingual() else {
        eprintln!("SKIPPED: fixtures/00-tiny-multilingual-lm is not beside NEUROPIL_DATA");
        return;
    };
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let (vocabulary, sets) = (read("vocab.json"), read("token_sets.json"));
    let vocabulary = vocabulary.as_array().unwrap();
    let byte = |v: &serde_json::Value| u8::try_from(v.as_u64().unwrap()).unwrap();
    let tokens: Vec<Vec<u8>> = vocabulary
        .iter()
        .map(|t| t["bytes"].as_array().map(|b| b.iter().map(byte).collect()).unwrap_or_default())
        .collect();
    let special: Vec<usize> = (0..tokens.len()).filter(|i| vocabulary[*i].get("special").is_some()).collect();
    let set = |name: &str| -> Vec<usize> {
        sets[name].as_array().unwrap().iter().map(|v| usize::try_from(v.as_u64().unwrap()).unwrap()).collect()
    };
    // Its Hindi set counts the bytes that Devanagari letters start with, but not after a space; its Chinese set has
    // ideographs alone.
    let hindi = TokenSets::from_ranges(&tokens, TargetLanguage::Hindi.ranges(), &special, true).unwrap();
    let (shipped, ours) = (set("hindi"), hindi.target());
    assert!(shipped.iter().all(|t| ours.contains(t)));
    let more: Vec<&[u8]> = ours.iter().filter(|t| !shipped.contains(t)).map(|t| &tokens[*t][..]).collect();
    assert_eq!(more, [b" \xe0\xa4"]);
    assert_eq!(hindi.english(), set("ascii_alpha"));
    let whole = TokenSets::from_ranges(&tokens, TargetLanguage::Hindi.ranges(), &special, false).unwrap();
    assert_eq!(whole.target().len() + 4, ours.len());
    let han = TokenSets::from_ranges(&tokens, &['\u{4e00}'..='\u{9fff}'], &special, false).unwrap();
    assert_eq!(han.target(), set("han"));
}

const UNITS: usize = 24;
const VOCABULARY: usize = 30;
const FEATURES: usize = 64;

/// A toy model: residuals of English and target text, and a readout of the next token.
struct Toy {
    target: Array2<f64>,
    english: Array2<f64>,
    weak: Array2<f64>,
    readout: Array2<f64>,
    sets: TokenSets,
}

fn toy(seed: u64) -> Toy {
    let directions = draw(seed, "toy.directions", 2, UNITS);
    let unit = |i: usize| {
        let row = directions.row(i).to_owned();
        let length = row.dot(&row).sqrt();
        row / length
    };
    let (english, target) = (unit(0), unit(1));
    // What a sentence is about is shared by a pair; the language is added to it.
    let text = |purpose: &str, language: &Array1<f64>, rows: usize| {
        let meaning = draw(seed, purpose, rows, UNITS) * 0.5;
        meaning + &(language * 4.0).insert_axis(Axis(0))
    };
    let mut readout = draw(seed, "toy.readout", UNITS, VOCABULARY) * 0.1;
    for token in 0..VOCABULARY {
        let language = if token < 10 { &target } else { &english };
        readout.column_mut(token).scaled_add(1.0, language);
    }
    Toy {
        target: text("toy.pairs", &target, 200),
        english: text("toy.pairs", &english, 200),
        weak: text("toy.weak", &english, 40),
        readout,
        sets: TokenSets::new((0..10).collect(), (10..VOCABULARY).collect(), VOCABULARY).unwrap(),
    }
}

impl Toy {
    fn difference(&self, rows: &Array2<f64>) -> f64 {
        let all = defaultness(&rows.dot(&self.readout).view(), &self.sets).unwrap();
        mean_defaultness(&all).unwrap().difference
    }
}

/// The whole method on the toy: the target becomes the default, a random direction of the same length does not make it so,
/// and neither do pairs whose languages were shuffled.
#[test]
fn a_planted_language_becomes_the_default() {
    for seed in 0..2 {
        let toy = toy(seed);
        let floor = selectivity_floor(200, FEATURES, 0.05).unwrap();
        let published = f64::NEG_INFINITY;
        let (steered, random) = gains(&toy, &toy.target, &toy.english, floor, seed);
        let mixed = |a: &Array2<f64>, b: &Array2<f64>| {
            Array2::from_shape_fn(a.dim(), |(i, j)| if i % 2 == 0 { a[[i, j]] } else { b[[i, j]] })
        };
        let shuffled = (mixed(&toy.target, &toy.english), mixed(&toy.english, &toy.target));
        let (without, _) = gains(&toy, &shuffled.0, &shuffled.1, floor, seed);
        let (chance, _) = gains(&toy, &shuffled.0, &shuffled.1, published, seed);
        println!(
            "seed {seed}: gain {steered:.3}, random {random:.3}, shuffled {without:.3} ({chance:.3} without floor)"
        );
        assert!(steered > 1.0 && random < 0.3 && without <= random + 0.1, "{steered} {random} {without}");
        assert!(chance > 0.5, "{chance}: the floor would not be needed");
    }
}

/// dM gained by the fitted direction and by random ones of the same length.
fn gains(toy: &Toy, target: &Array2<f64>, english: &Array2<f64>, floor: f64, seed: u64) -> (f64, f64) {
    let device = DeviceSpec::Cpu.open().unwrap().device;
    let config = SparseAutoencoderConfig::foxp2(UNITS, FEATURES, 5e-4);
    let all = ndarray::concatenate(Axis(0), &[target.view(), english.view()]).unwrap();
    let rows = unit_rows(&all.view()).mapv(|x| x as f32);
    let model = SparseAutoencoder::new(&config, seed, FloatDType::F32, &device).unwrap();
    let rate = Schedule::Constant { rate: 2e-3 };
    let schedule = SparseTraining { epochs: 60, batch_size: 100, rate, seed, ..SparseTraining::default() };
    let weights = train(model, &rows.view(), &schedule, &mut |_| true).unwrap().model.weights().unwrap();
    let encode = |rows: &Array2<f64>| weights.encode(&unit_rows(&rows.view()).view()).unwrap();
    let (z_target, z_english, z_weak) = (encode(target), encode(english), encode(&toy.weak));
    let mean_norm = all.map_axis(Axis(1), |r| r.dot(&r).sqrt()).mean().unwrap();
    let sel = selectivity(&z_target.view(), &z_english.view()).unwrap();
    let chosen = candidates(&sel.view(), 20, floor);
    let base = [toy.difference(&toy.weak)];
    let lift = |j: &usize| {
        let edited: Vec<(f64, Vec<f64>)> = [0.25, 0.5, 1.0]
            .map(|alpha| {
                let vector = lift_vector(&weights, *j, alpha, Scale::Relative, mean_norm).unwrap();
                (alpha, vec![toy.difference(&(&toy.weak + &vector))])
            })
            .to_vec();
        median_lift(&base, &edited).unwrap().lift
    };
    let lifts: Vec<f64> = chosen.iter().map(lift).collect();
    let neurons = language_neurons(&chosen, &sel.view(), &lifts).unwrap();
    // A layer without language neurons is not steered.
    if neurons.is_empty() {
        return (0.0, 0.0);
    }
    assert!(neurons.scores.iter().zip(neurons.scores.iter().skip(1)).all(|(a, b)| a >= b && *b > 0.0));
    let (t, e, w) = (z_target.view(), z_english.view(), z_weak.view());
    let steer = fit_layer(0, weights, &neurons.features, &t, &e, &w, mean_norm, LayerFit::default()).unwrap();
    assert!((steer.mu_target.dot(&steer.mu_target) - 1.0).abs() < 1e-6);
    let found = grid_search(&Grid::default(), |strength| {
        let rows = steer.apply(&toy.weak.view(), strength, Scale::Relative)?;
        let all = defaultness(&rows.dot(&toy.readout).view(), &toy.sets)?;
        Ok(Measured { defaultness: mean_defaultness(&all)?, guard: 0.0 })
    })
    .unwrap();
    assert_eq!((found.points.len(), found.base.defaultness.difference), (12, base[0]));
    let strength = Strength { lambda: 1.0, beta: 0.0 };
    let edited = steer.apply(&toy.weak.view(), strength, Scale::Relative).unwrap();
    let change = (&edited - &toy.weak).row(0).to_owned();
    let random: f64 = (0..5)
        .map(|i| {
            let other = draw(100 + i, "toy.random", 1, UNITS).row(0).to_owned();
            let length = (change.dot(&change) / other.dot(&other)).sqrt();
            toy.difference(&(&toy.weak + &(other * length))) - base[0]
        })
        .sum();
    (toy.difference(&edited) - base[0], random / 5.0)
}

/// Selectivities of equal distributions stay under the floor about as often as it says.
#[test]
fn chance_rarely_reaches_the_floor() {
    let (rows, features, trials) = (60, 40, 200);
    let floor = selectivity_floor(rows, features, 0.05).unwrap();
    let reached = (0..trials)
        .filter(|trial| {
            let a = draw(*trial, "floor.a", rows, features);
            let b = draw(*trial, "floor.b", rows, features);
            selectivity(&a.view(), &b.view()).unwrap().iter().any(|s| *s >= floor)
        })
        .count();
    println!("floor {floor:.3}: reached by chance in {reached} of {trials}");
    assert!(reached as f64 / trials as f64 <= 0.05, "{reached}");
}
