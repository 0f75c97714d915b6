//! Language neurons: the published programs' masks from the published counts, an oracle that sorts, and what must hold
//! for any counts.

use std::path::{Path, PathBuf};

use llm_neurons::language::{
    ActivationStats, Bisection, Kind, LapeConfig, TernaryConfig, TernaryResult, bisect_lambda,
    general_neurons, lape, layer_profile, mask_overlap, ternary,
};
use llm_neurons::{Error, SetOverlap};
use ndarray::{Array1, Array3, Axis, Ix3, arr1};
use numerics::rng::{permutation, stream};
use proptest::prelude::*;
use rand::RngExt;
use recordings::arrays::ArrayFile;
use recordings::{ModelIdentity, NeuronSet};
use serde_json::Value;

/// The bisection's weight, a sum of halves of 0.2.
const LAMBDA: f64 = 1e-12;
/// Scores of the oracle, which sums over languages in another order, and scores that went through a file.
const SCORE: f64 = 1e-12;

fn shipped(folder: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder).join(name)
}

/// The authors' counts, which are not ours to ship; `None`, said aloud, where they are not at hand.
#[allow(clippy::print_stderr, reason = "a test says aloud what it skips")]
fn published_counts() -> Option<ArrayFile> {
    let root = std::env::var_os("NEUROPIL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join("../fixtures/03-language-neurons/identify_subset.safetensors");
    if path.is_file() {
        return Some(ArrayFile::open(&path).unwrap());
    }
    assert!(
        std::env::var_os("NEUROPIL_REQUIRE_DATA").is_none_or(|v| v != "1"),
        "{} is missing and NEUROPIL_REQUIRE_DATA=1",
        path.display()
    );
    eprintln!("skipped: {} is missing", path.display());
    None
}

fn expected() -> Value {
    let path = shipped("03-language-neurons", "identify_expected.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn stats(file: &ArrayFile, counts: &str, tokens: &str) -> ActivationStats {
    let counts = file.get(counts).unwrap().to_i64().unwrap().into_dimensionality::<Ix3>().unwrap();
    ActivationStats::new(counts, file.read_i64_1(tokens).unwrap()).unwrap()
}

fn answers_only(file: &ArrayFile) -> ActivationStats {
    let full = stats(file, "over_zero_full", "tokens_full");
    full.subtract_prefix(&stats(file, "over_zero_prefix", "tokens_prefix")).unwrap()
}

/// Rows (language, layer, neuron), sorted.
fn triplets(file: &ArrayFile, key: &str) -> Vec<[usize; 3]> {
    let rows = file.get(key).unwrap().to_i64().unwrap();
    let mut rows: Vec<[usize; 3]> =
        rows.outer_iter().map(|r| std::array::from_fn(|i| usize::try_from(r[i]).unwrap())).collect();
    rows.sort_unstable();
    rows
}

fn counts(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

/// Number of neurons of each language.
fn sizes(mask: &llm_neurons::language::LanguageMask) -> Vec<usize> {
    (0..mask.languages()).map(|k| mask.neurons(k).len()).collect()
}

#[test]
fn masks_equal_those_of_the_published_program() {
    let Some(file) = published_counts() else { return };
    let (stats, wanted) = (answers_only(&file), expected());
    let names: Vec<&str> =
        wanted["languages"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    for lambda in ["0.0", "0.05", "0.1", "0.15"] {
        let config = TernaryConfig { lambda: lambda.parse().unwrap(), ..TernaryConfig::default() };
        let found = ternary(&stats, &config).unwrap();
        assert_eq!(
            found.mask.triplets(),
            triplets(&file, &format!("mask_lambda_{lambda}")),
            "lambda {lambda}"
        );
        // The published histogram counts the mask's entries, so it has no unassigned neurons.
        assert_eq!(found.appear[1..], counts(&wanted[lambda]["appear"])[1..], "lambda {lambda}");
        assert_eq!(found.appear.iter().sum::<usize>(), 82);
        for (k, name) in names.iter().enumerate() {
            let n = wanted[lambda]["per_lang"][name].as_u64().unwrap() as usize;
            assert_eq!(found.mask.neurons(k).len(), n, "lambda {lambda}, {name}");
        }
    }
}

#[test]
fn bisection_ends_where_the_published_sweep_does() {
    let Some(file) = published_counts() else { return };
    let (stats, wanted) = (answers_only(&file), expected());
    let lambda = bisect_lambda(&stats, &Bisection::default()).unwrap().unwrap();
    assert!((lambda - wanted["autosweep"]["best_lambda"].as_f64().unwrap()).abs() < LAMBDA, "{lambda}");
    assert!((lambda - 0.103125).abs() < LAMBDA);
    let found = ternary(&stats, &TernaryConfig { lambda, ..TernaryConfig::default() }).unwrap();
    assert_eq!(found.appear[1..], counts(&wanted["autosweep"]["appear_at_best"])[1..]);
}

#[test]
fn lape_equals_the_published_program() {
    let Some(file) = published_counts() else { return };
    let columns: Vec<usize> =
        file.read_i64_1("lape_columns").unwrap().iter().map(|c| usize::try_from(*c).unwrap()).collect();
    let all = answers_only(&file);
    let tokens: Array1<i64> = columns.iter().map(|c| all.tokens()[*c]).collect();
    let stats = ActivationStats::new(all.n_pos().select(Axis(2), &columns), tokens).unwrap();
    let found = lape(&stats, &LapeConfig::default()).unwrap();
    assert_eq!(found.mask.triplets(), triplets(&file, "lape_mask"));
    assert_eq!(sizes(&found.mask), counts(&expected()["lape_per_lang"]));
}

#[test]
fn lape_of_the_tiny_models_counts_gives_its_mask() {
    let file = ArrayFile::open(&shipped("03-language-neurons-pud", "tinylm_counts.safetensors")).unwrap();
    let stats = stats(&file, "over_zero", "n_tokens");
    let config = LapeConfig { top_rate: 0.1, filter: 0.9, bar: 0.9 };
    let found = lape(&stats, &config).unwrap();
    assert_eq!(found.mask.triplets(), triplets(&file, "lape_top10_bar90_mask"));
    assert_eq!(sizes(&found.mask), [12, 14, 19, 30, 58]);
    // First and last layer hold most of the neurons.
    let all: Vec<usize> = (0..5).flat_map(|k| found.mask.neurons(k).to_vec()).collect();
    let profile = layer_profile(&all, 4, 256);
    assert!(profile[0] + profile[3] >= 133 * 8 / 10, "{profile:?}");
}

/// 2 layers of 40 neurons and 4 languages; neurons 0 to 9 fire for language 0, 10 to 19 for 1 and 2, 20 to 29 of the
/// second layer for all, the others hardly ever.
fn planted() -> ActivationStats {
    let n = Array3::from_shape_fn((2, 40, 4), |(l, i, k)| {
        let fires = match (l, i / 10, k) {
            (0, 0, 0) | (0, 1, 1 | 2) | (1, 2, _) => 800,
            _ => 0,
        };
        fires + ((7 * l + 3 * i + 5 * k) % 11) as i64
    });
    ActivationStats::new(n, arr1(&[1000, 1000, 1000, 1000])).unwrap()
}

#[test]
fn planted_counts_are_found_for_any_weight() {
    let stats = planted();
    // 20 specific and related neurons of 80; 70 of 320 frequencies are high.
    for lambda in [0.02, 0.05, 0.1] {
        let found = ternary(&stats, &TernaryConfig { top_rate: 0.25, lambda, bar: 0.75 }).unwrap();
        let of = |kind: Kind| {
            let mut list: Vec<usize> =
                found.selected.iter().filter(|s| s.kind == kind).map(|s| s.neuron).collect();
            list.sort_unstable();
            list
        };
        assert_eq!(of(Kind::Specific), (0..10).collect::<Vec<_>>(), "lambda {lambda}");
        assert_eq!(of(Kind::Related), (10..20).collect::<Vec<_>>(), "lambda {lambda}");
        assert_eq!(found.appear, [0, 10, 10, 0, 0]);
        assert_eq!(found.mask.neurons(0), (0..10).collect::<Vec<_>>());
        assert_eq!(found.mask.neurons(2), (10..20).collect::<Vec<_>>());
        assert!(found.mask.neurons(3).is_empty());
        let related = found.mask_of(&[Kind::Related]);
        assert!(related.neurons(0).is_empty() && related.neurons(1).len() == 10);
        let general = general_neurons(&stats, 0.75).unwrap();
        assert_eq!(general, (60..70).collect::<Vec<_>>());
        let profile = found.layer_profile(&general);
        assert_eq!(
            (profile.specific, profile.related, profile.general),
            (vec![10, 0], vec![10, 0], vec![0, 10])
        );
    }
    // Rewarded enough, the general neurons come in, and the bisection stops before.
    let general = |lambda| {
        let config = TernaryConfig { top_rate: 0.375, lambda, bar: 0.75 };
        ternary(&stats, &config).unwrap().appear[4]
    };
    let search = Bisection { top_rate: 0.375, bar: 0.75, high: 4.0, ..Bisection::default() };
    let lambda = bisect_lambda(&stats, &search).unwrap().unwrap();
    assert!((0.1..4.0).contains(&lambda), "{lambda}");
    assert_eq!(general(lambda), 0);
    assert!(general(lambda + search.precision) > 0 && general(4.0) == 10);
    assert_eq!(bisect_lambda(&stats, &Bisection { low: 3.0, ..search }).unwrap(), None);
}

/// The rule as the sheet states it, by sorting everything.
fn oracle(stats: &ActivationStats, config: &TernaryConfig) -> (Vec<[usize; 3]>, Vec<usize>) {
    let (layers, width, k) = stats.n_pos().dim();
    let p = |l: usize, i: usize, c: usize| stats.n_pos()[(l, i, c)] as f32 / stats.tokens()[c] as f32;
    let mut all: Vec<f32> = (0..layers * width * k).map(|f| p(f / k / width, f / k % width, f % k)).collect();
    all.sort_by(f32::total_cmp);
    let threshold = all[(all.len() as f64 * config.bar).round_ties_even() as usize - 1];
    let nu = (1..=k).map(|j| 1.0 / j as f64).sum::<f64>() / k as f64;
    let mut scores: Vec<(f64, usize)> = (0..layers * width)
        .map(|f| {
            let row: Vec<f64> = (0..k).map(|c| f64::from(p(f / width, f % width, c))).collect();
            let sum: f64 = row.iter().sum();
            let q: Vec<f64> = row.iter().map(|x| if sum > 0.0 { x / sum } else { 1.0 / k as f64 }).collect();
            let q: Vec<f64> = q.iter().map(|x| x.max(1e-12)).collect();
            let total: f64 = q.iter().sum();
            let h: f64 = q.iter().map(|x| -(x / total) * (x / total).ln()).sum();
            let peak = row.iter().copied().fold(0.0, f64::max);
            // Equal to rounding counts as equal, so that ties go to the lower index here too.
            let score = h / (k as f64).ln() - config.lambda * peak / nu;
            ((score / SCORE).round() * SCORE, f)
        })
        .collect();
    scores.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    scores.truncate(((layers * width) as f64 * config.top_rate).round_ties_even() as usize);
    let mut rows: Vec<[usize; 3]> = scores
        .iter()
        .flat_map(|(_, f)| (0..k).map(move |c| (*f, c)))
        .filter(|(f, c)| p(f / width, f % width, *c) > threshold)
        .map(|(f, c)| [c, f / width, f % width])
        .collect();
    rows.sort_unstable();
    let mut appear = vec![0; k + 1];
    for (_, f) in &scores {
        appear[(0..k).filter(|c| p(f / width, f % width, *c) > threshold).count()] += 1;
    }
    (rows, appear)
}

/// Counts with many rare and some frequent neurons.
fn random_stats(seed: u64, languages: usize, tokens: i64) -> ActivationStats {
    let mut rng = stream(seed, "language/test", 0);
    let mut n = Array3::zeros((3, 50, languages));
    for mut row in n.rows_mut() {
        let share = rng.random::<f64>();
        row.iter_mut().for_each(|n| *n = (tokens as f64 * share * rng.random::<f64>().powi(3)) as i64);
    }
    ActivationStats::new(n, Array1::from_elem(languages, tokens)).unwrap()
}

fn mask_rows(result: &TernaryResult) -> Vec<[usize; 3]> {
    result.mask.triplets()
}

proptest! {
    #[test]
    fn selection_equals_the_oracle_that_sorts(
        seed in 0_u64..1000, languages in 2_usize..8, lambda in 0.0..0.3_f64, top in 0.05..0.6_f64, bar in 0.5..1.0_f64
    ) {
        let stats = random_stats(seed, languages, 100_000);
        let config = TernaryConfig { top_rate: top, lambda, bar };
        let (rows, appear) = oracle(&stats, &config);
        let found = ternary(&stats, &config).unwrap();
        prop_assert_eq!(mask_rows(&found), rows);
        prop_assert_eq!(&found.appear, &appear);
        prop_assert!(found.selected.windows(2).all(|w| w[0].score <= w[1].score));
    }

    #[test]
    fn permuting_languages_permutes_masks(seed in 0_u64..1000, languages in 2_usize..8, tokens in 5_i64..2000) {
        let stats = random_stats(seed, languages, tokens);
        let order = permutation(&mut stream(seed, "language/order", 0), languages);
        let turned = stats.reorder(&order).unwrap();
        let config = TernaryConfig { top_rate: 0.2, lambda: 0.07, bar: 0.8 };
        let (a, b) = (ternary(&stats, &config).unwrap(), ternary(&turned, &config).unwrap());
        prop_assert_eq!(&a.selected, &b.selected);
        let lape_config = LapeConfig { top_rate: 0.1, filter: 0.8, bar: 0.9 };
        let (c, d) = (lape(&stats, &lape_config).unwrap(), lape(&turned, &lape_config).unwrap());
        for (to, from) in order.iter().enumerate() {
            prop_assert_eq!(a.mask.neurons(*from), b.mask.neurons(to));
            prop_assert_eq!(c.mask.neurons(*from), d.mask.neurons(to));
        }
    }

    #[test]
    fn scaling_all_tokens_leaves_the_order(seed in 0_u64..1000, languages in 2_usize..8, factor in 2_i64..50) {
        // Ties of rounding apart: the selection may change only among scores that are equal to single precision.
        let stats = random_stats(seed, languages, 10_000);
        let scaled = ActivationStats::new(stats.n_pos().to_owned(), &stats.tokens() * factor).unwrap();
        let config = LapeConfig { top_rate: 0.1, filter: 0.8, bar: 0.9 };
        let (a, b) = (lape(&stats, &config).unwrap(), lape(&scaled, &config).unwrap());
        for (x, y) in a.selected.iter().zip(&b.selected) {
            prop_assert!(x.0 == y.0 || (x.1 - y.1).abs() < 1e-6, "{x:?} {y:?}");
        }
        if factor.count_ones() == 1 {
            prop_assert_eq!(a.mask, b.mask); // a power of two is exact
        }
    }

    #[test]
    fn an_empty_prefix_changes_nothing(seed in 0_u64..1000, languages in 2_usize..6) {
        let stats = random_stats(seed, languages, 500);
        let nothing = ActivationStats::empty(3, 50, languages).unwrap();
        prop_assert_eq!(stats.subtract_prefix(&nothing).unwrap(), stats.clone());
        // The whole taken off leaves no activation, over one token.
        let rest = stats.subtract_prefix(&stats).unwrap();
        prop_assert!(rest.n_pos().iter().all(|n| *n == 0) && rest.tokens().iter().all(|n| *n == 1));
    }

    #[test]
    fn shards_merge_to_the_whole(seed in 0_u64..1000, languages in 2_usize..6, a in 10_i64..500, b in 10_i64..500) {
        let (x, y) = (random_stats(seed, languages, a), random_stats(seed + 1, languages, b));
        let (mut xy, mut yx) = (x.clone(), y.clone());
        xy.merge(&y).unwrap();
        yx.merge(&x).unwrap();
        prop_assert_eq!(&xy, &yx);
        prop_assert_eq!(xy.subtract_prefix(&y).unwrap(), x);
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let stats = random_stats(3, 6, 777);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let config = TernaryConfig { top_rate: 0.3, lambda: 0.1, bar: 0.7 };
            (ternary(&stats, &config).unwrap(), lape(&stats, &LapeConfig::default()).unwrap())
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn sets_compare_and_go_into_files() {
    let stats = planted();
    let config = TernaryConfig { top_rate: 0.25, lambda: 0.05, bar: 0.75 };
    let found = ternary(&stats, &config).unwrap();
    let model = ModelIdentity { tensors_sha256: "ab".to_owned(), source: "planted".to_owned() };
    let set = found.mask.neuron_set(&["en", "de", "es", "hi"], model, "finer", 3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.json");
    set.write(&path).unwrap();
    let back = NeuronSet::read(&path).unwrap();
    let en = &back.sets["en"];
    assert_eq!((en[0].site.as_str(), en[0].layer.as_str()), ("Act", "0"));
    assert_eq!(en[0].units, (0..10).collect::<Vec<_>>());
    let values = en[0].values.as_ref().unwrap();
    assert!(found.selected.iter().all(|s| s.neuron >= 10 || (values[s.neuron] - s.score).abs() < SCORE));
    assert!(back.sets["hi"].is_empty());
    for names in [vec!["en"], vec!["en", "en", "de", "es"]] {
        let refused = found.mask.neuron_set(&names, ModelIdentity::default(), "finer", 0);
        assert!(matches!(refused, Err(Error::Shape { .. })), "{names:?}");
    }
    assert_eq!(found.mask.by_layer(1)[0], (10..20).collect::<Vec<_>>());

    let fewer = ternary(&stats, &TernaryConfig { top_rate: 0.125, ..config }).unwrap();
    let overlap = mask_overlap(&found.mask, &fewer.mask).unwrap();
    assert_eq!(overlap[0], SetOverlap { kept: 10, lost: 0, gained: 0 });
    assert_eq!(overlap[1], SetOverlap { kept: 0, lost: 10, gained: 0 });
    let similarity = found.mask.similarity();
    assert_eq!((similarity[(1, 2)], similarity[(0, 1)]), (1.0, 0.0));
    let control = found.mask.random_control(1, 0);
    assert_eq!(sizes(&control), sizes(&found.mask));
    assert!(control.neurons(0).windows(2).all(|w| w[0] < w[1]) && control.neurons(0)[9] < 80);
    assert_ne!(control, found.mask.random_control(1, 1));
}

#[test]
fn nonsense_is_refused() {
    let n = |v: i64| Array3::from_elem((1, 4, 3), v);
    let ok = arr1(&[9, 9, 9]);
    assert!(ActivationStats::new(n(9), ok.clone()).is_ok());
    assert!(matches!(ActivationStats::new(n(10), ok.clone()), Err(Error::Parameter { .. })));
    assert!(matches!(ActivationStats::new(n(-1), ok.clone()), Err(Error::Parameter { .. })));
    assert!(matches!(ActivationStats::new(n(0), arr1(&[9, -1, 9])), Err(Error::Parameter { .. })));
    let silent = ActivationStats::new(n(0), arr1(&[9, 0, 9])).unwrap();
    for refused in [
        ternary(&silent, &TernaryConfig { top_rate: 1.0, ..TernaryConfig::default() }).err(),
        lape(&silent, &LapeConfig { top_rate: 1.0, ..LapeConfig::default() }).err(),
        bisect_lambda(&silent, &Bisection { top_rate: 1.0, ..Bisection::default() }).err(),
        general_neurons(&silent, 0.95).err(),
    ] {
        assert!(
            matches!(refused, Some(Error::Parameter { name: "tokens of a language", .. })),
            "{refused:?}"
        );
    }
    assert!(matches!(ActivationStats::new(n(0), arr1(&[9, 9])), Err(Error::Shape { .. })));
    assert!(matches!(ActivationStats::new(Array3::zeros((1, 4, 1)), arr1(&[9])), Err(Error::TooFew { .. })));
    assert!(matches!(ActivationStats::new(Array3::zeros((0, 4, 3)), ok.clone()), Err(Error::TooFew { .. })));
    let stats = ActivationStats::new(n(3), ok.clone()).unwrap();
    let other = ActivationStats::new(Array3::zeros((2, 4, 3)), ok).unwrap();
    assert!(matches!(stats.subtract_prefix(&other), Err(Error::Shape { .. })));
    assert!(matches!(stats.clone().merge(&other), Err(Error::Shape { .. })));
    let longer = ActivationStats::new(n(3), arr1(&[10, 10, 10])).unwrap();
    assert!(matches!(stats.subtract_prefix(&longer), Err(Error::Parameter { .. })));
    let endless = ActivationStats::new(n(3), arr1(&[i64::MAX, 9, 9])).unwrap();
    let mut sum = stats.clone();
    assert!(matches!(sum.merge(&endless), Err(Error::Parameter { .. })));
    assert_eq!(sum, stats);
    assert!(stats.reorder(&[0, 0, 1]).is_err() && stats.reorder(&[0, 1]).is_err());
    for bad in [0.0, -0.1, 1.01, f64::NAN, 1e-9] {
        assert!(ternary(&stats, &TernaryConfig { top_rate: bad, ..TernaryConfig::default() }).is_err());
        assert!(ternary(&stats, &TernaryConfig { top_rate: 1.0, bar: bad, lambda: 0.0 }).is_err());
        assert!(lape(&stats, &LapeConfig { top_rate: 1.0, filter: bad, bar: 0.5 }).is_err());
        assert!(general_neurons(&stats, bad).is_err());
    }
    for bad in [f64::NAN, -0.1, f64::INFINITY] {
        assert!(ternary(&stats, &TernaryConfig { top_rate: 1.0, lambda: bad, bar: 0.5 }).is_err());
    }
    let whole = Bisection { top_rate: 1.0, ..Bisection::default() };
    for bad in [
        Bisection { precision: 0.0, ..whole },
        Bisection { precision: f64::NAN, ..whole },
        Bisection { low: 0.3, ..whole },
        Bisection { high: f64::NAN, ..whole },
    ] {
        assert!(bisect_lambda(&stats, &bad).is_err(), "{bad:?}");
    }
    // All frequencies are equal, so none exceeds the filter.
    let config = LapeConfig { top_rate: 0.5, filter: 0.5, bar: 0.5 };
    assert!(matches!(lape(&stats, &config), Err(Error::TooFew { found: 0, .. })));
}
