//! Core neurons: the published program's selections, an oracle that sorts, clusters, files, and what must hold for any
//! activations.

use std::path::{Path, PathBuf};

use llm_neurons::Error;
use llm_neurons::core_neurons::{
    ClusterBank, ClusterConfig, Clustering, CoreConfig, CoreSource, PoolSizes, Ranked, agreement,
    core_neurons, elbow_k,
};
use ndarray::{Array2, ArrayView2, Axis, Ix3, arr2};
use numerics::rng::{normals, permutation, stream};
use proptest::prelude::*;
use recordings::arrays::{ArrayFile, Tensors};
use serde_json::Value;

/// The fixture's first linear map in single precision.
const LINEAR: f32 = 1e-5;

fn shipped(folder: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder).join(name)
}

fn selection() -> (ArrayFile, Value) {
    let file = ArrayFile::open(&shipped("04-coreinfer", "selection.safetensors")).unwrap();
    let text = std::fs::read_to_string(shipped("04-coreinfer", "selection_expected.json")).unwrap();
    (file, serde_json::from_str(&text).unwrap())
}

fn f32s(file: &ArrayFile, key: &str) -> Array2<f32> {
    file.read_f64_2(key).unwrap().mapv(|x| x as f32)
}

fn list(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

fn counts(value: &Value, width: usize) -> Vec<u32> {
    let map = value.as_object().unwrap();
    (0..width).map(|i| map.get(&i.to_string()).map_or(0, |n| n.as_u64().unwrap() as u32)).collect()
}

/// Whether a list is a right one for these counts, up to ties.
fn is_a_top_set(chosen: &[usize], count: &[u32]) -> bool {
    let least = chosen.iter().map(|i| count[*i]).min().unwrap_or(0);
    let most = (0..count.len()).filter(|i| !chosen.contains(i)).map(|i| count[i]).max().unwrap_or(0);
    let mut distinct = chosen.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() == chosen.len() && least > 0 && least >= most
}

#[test]
fn opt_selections_equal_the_published_layers() {
    let (file, wanted) = selection();
    let a = f32s(&file, "opt_pre_f32");
    let b1 = file.read_f64_1("b1").unwrap().mapv(|x| x as f32);
    let pre = f32s(&file, "x").dot(&f32s(&file, "W1").t()) + b1;
    assert!((&pre - &a).iter().all(|d| d.abs() < LINEAR), "the pre-activation is what ranks");
    let cases = wanted["opt"].as_object().unwrap();
    assert_eq!(cases.len(), 4);
    for (name, case) in cases {
        let (beta, alpha) = name.strip_prefix("beta").unwrap().split_once("_alpha").unwrap();
        let config = CoreConfig {
            alpha: alpha.parse().unwrap(),
            beta: beta.parse().unwrap(),
            ..CoreConfig::for_depth(32, CoreSource::PreActivation)
        };
        let keep = config.keep(64);
        assert_eq!(keep as u64, case["n_keep_requested"].as_u64().unwrap());
        let found = core_neurons(&a.view(), config.alpha, keep).unwrap();
        assert_eq!(found.limit as u64, case["limit"].as_u64().unwrap(), "{name}");
        assert_eq!(found.count, counts(&case["count_by_neuron"], 64), "{name}");
        assert_eq!(found.units.len(), keep);
        assert!(is_a_top_set(&found.units, &found.count), "{name}");
        let published = list(&case["official_fp16_indices"]);
        assert_eq!(published.len(), keep);
        assert!(is_a_top_set(&published, &found.count), "{name}");
    }
}

#[test]
fn llama_selection_equals_the_published_layer() {
    let (file, wanted) = selection();
    let a = file.get("llama_down_in").unwrap().to_f64().unwrap().into_dimensionality::<Ix3>().unwrap();
    let a = a.index_axis(Axis(0), 0).mapv(|x| x as f32);
    let found = core_neurons(&a.view(), 0.2, 25).unwrap();
    assert_eq!(found.count, counts(&wanted["llama_counts"], 64));
    let published = list(&wanted["llama_beta0.4_alpha0.2_indices"]);
    assert_eq!((found.units.len(), published.len()), (25, 25));
    assert!(is_a_top_set(&found.units, &found.count) && is_a_top_set(&published, &found.count));
}

#[test]
fn the_tiny_models_counts_give_its_core_neurons() {
    let file = ArrayFile::open(&shipped("04-coreinfer-pud", "core_tinyopt.safetensors")).unwrap();
    for prompt in 0..3 {
        for layer in 0..4 {
            let key = format!("s{prompt}.layer{layer}");
            let count: Vec<u32> = file
                .read_i64_1(&format!("{key}.count"))
                .unwrap()
                .iter()
                .map(|n| u32::try_from(*n).unwrap())
                .collect();
            let wanted: Vec<usize> = file
                .read_i64_1(&format!("{key}.core40"))
                .unwrap()
                .iter()
                .map(|n| usize::try_from(*n).unwrap())
                .collect();
            let total: u32 = count.iter().sum();
            assert_eq!(total % 60, 0, "each of 60 tokens has a core of one length");
            let found = Ranked::from_counts(count, total as usize / 60, 153);
            // The reference also takes neurons of count 0 where there are too few others; ours never does.
            let appearing: Vec<usize> = wanted.iter().copied().filter(|i| found.count[*i] > 0).collect();
            assert_eq!(found.units, appearing, "{key}");
        }
    }
}

/// The rule as the sheet states it, by sorting everything.
fn oracle(a: &ArrayView2<'_, f32>, alpha: f64, keep: usize) -> Ranked {
    let positive = a.iter().filter(|x| **x > 0.0).count();
    let limit = ((alpha * positive as f64 / a.nrows() as f64) as usize).clamp(1, a.ncols());
    let mut count = vec![0; a.ncols()];
    for row in a.outer_iter() {
        let mut order: Vec<usize> = (0..a.ncols()).collect();
        order.sort_by(|i, j| row[*j].partial_cmp(&row[*i]).unwrap()); // stable
        order[..limit].iter().for_each(|i| count[*i] += 1);
    }
    let mut units: Vec<usize> = (0..a.ncols()).filter(|i| count[*i] > 0).collect();
    units.sort_by_key(|i| std::cmp::Reverse(count[*i])); // stable
    units.truncate(keep);
    Ranked { units, count, limit }
}

/// Activations on a coarse grid, so that there are ties, and zeros of both signs.
fn activations(seed: u64, tokens: usize, width: usize) -> Array2<f32> {
    let x = normals(&mut stream(seed, "core-neurons/test", 0), tokens * width);
    Array2::from_shape_fn((tokens, width), |(t, i)| (x[t * width + i] * 3.0).round() as f32 / 3.0)
}

proptest! {
    #[test]
    fn selection_equals_the_oracle_that_sorts(
        seed in 0_u64..1000, tokens in 1_usize..40, width in 1_usize..60, alpha in 0.01..1.0_f64, keep in 1_usize..70
    ) {
        let a = activations(seed, tokens, width);
        let found = core_neurons(&a.view(), alpha, keep).unwrap();
        prop_assert_eq!(&found, &oracle(&a.view(), alpha, keep));
        // Any order of memory.
        let turned = a.t().as_standard_layout().into_owned();
        prop_assert_eq!(&found, &core_neurons(&turned.t(), alpha, keep).unwrap());
        prop_assert!(found.units.len() <= keep.min(width));
        prop_assert_eq!(found.multi_hot().sum() as usize, found.units.len());
        prop_assert_eq!(found.jaccard(&found), 1.0);
        prop_assert!(found.sorted().windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn the_order_of_tokens_makes_no_difference(seed in 0_u64..1000, tokens in 1_usize..40, alpha in 0.05..0.9_f64) {
        let a = activations(seed, tokens, 50);
        let order = permutation(&mut stream(seed, "core-neurons/order", 0), tokens);
        let found = core_neurons(&a.view(), alpha, 20).unwrap();
        prop_assert_eq!(&found, &core_neurons(&a.select(Axis(0), &order).view(), alpha, 20).unwrap());
        // A positive factor neither.
        prop_assert_eq!(found, core_neurons(&a.mapv(|x| x * 8.0).view(), alpha, 20).unwrap());
    }
}

#[test]
fn a_silent_layer_still_gives_a_core() {
    let a = arr2(&[[-1.0, -0.5, -2.0], [-3.0, -0.5, -0.5]]);
    let found = core_neurons(&a.view(), 0.4, 3).unwrap();
    assert_eq!((found.limit, found.units, found.count), (1, vec![1], vec![0, 2, 0]));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| core_neurons(&activations(4, 100, 300).view(), 0.3, 90).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn layers_between_the_ends_are_sparse() {
    let config = CoreConfig::for_depth(32, CoreSource::DownInput);
    assert_eq!((config.start, config.end, config.alpha, config.beta), (5, 27, 0.2, 0.4));
    let sparse: Vec<usize> = (0..32).filter(|l| config.is_sparse(*l)).collect();
    assert_eq!(sparse, (6..27).collect::<Vec<_>>());
    assert_eq!((config.keep(11_008), config.keep(384)), (4403, 153));
    config.validate(32, 11_008).unwrap();
    let small = CoreConfig::for_depth(4, CoreSource::PreActivation);
    assert_eq!((0..4).filter(|l| small.is_sparse(*l)).collect::<Vec<_>>(), [1, 2]);
    let all = small.in_all_layers(4);
    all.validate(4, 384).unwrap();
    assert!((0..4).all(|l| all.is_sparse(l)));
    for bad in [
        CoreConfig { alpha: 0.0, ..config },
        CoreConfig { alpha: f64::NAN, ..config },
        CoreConfig { beta: 1.1, ..config },
        CoreConfig { beta: 1e-6, ..config },
        CoreConfig { start: -2, ..config },
        CoreConfig { start: 32, ..config },
        CoreConfig { end: 33, ..config },
        CoreConfig { start: 5, end: 6, ..config },
    ] {
        assert!(matches!(bad.validate(32, 11_008), Err(Error::Parameter { .. })), "{bad:?}");
    }
    let unknown = r#"{"alpha":0.2,"beta":0.4,"start":5,"end":27,"source":"down-input","gamma":1}"#;
    assert!(serde_json::from_str::<CoreConfig>(unknown).is_err());
    assert_eq!(serde_json::from_str::<CoreConfig>(&unknown.replace(r#","gamma":1"#, "")).unwrap(), config);
}

/// Texts of `topics` topics: neurons of the topic's block are active, in 3 layers of 40 neurons.
fn texts(topics: usize, each: usize) -> (Vec<Vec<Array2<f32>>>, Vec<usize>) {
    let labels: Vec<usize> = (0..topics * each).map(|t| t % topics).collect();
    let texts = labels
        .iter()
        .enumerate()
        .map(|(t, topic)| {
            (0..3)
                .map(|layer| {
                    let noise = normals(&mut stream(t as u64, "core-neurons/texts", layer), 12 * 40);
                    Array2::from_shape_fn((12, 40), |(s, i)| {
                        let on = if i / 8 == (*topic + layer as usize) % 5 { 2.0 } else { -0.5 };
                        (on + 0.6 * noise[s * 40 + i]) as f32
                    })
                })
                .collect()
        })
        .collect();
    (texts, labels)
}

fn views(texts: &[Vec<Array2<f32>>]) -> Vec<Vec<ArrayView2<'_, f32>>> {
    texts.iter().map(|t| t.iter().map(|a| a.view()).collect()).collect()
}

#[test]
fn topics_become_clusters_with_their_neurons() {
    let (texts, labels) = texts(5, 8);
    let config = ClusterConfig { beta: 1.0, ..ClusterConfig::new(1, 8, 3) };
    let bank = ClusterBank::build(&views(&texts), &config).unwrap();
    assert_eq!((bank.clusters(), bank.layers(), bank.width(), bank.layer()), (5, 3, 40, 1));
    let assigned: Vec<usize> =
        texts.iter().map(|t| bank.assign(&bank.pattern(&t[1].view()).unwrap()).unwrap()).collect();
    for (t, cluster) in assigned.iter().enumerate() {
        assert_eq!(*cluster, assigned[labels[t]], "text {t}");
        for layer in 0..3 {
            let mut units = bank.units(*cluster, layer, 5).unwrap().to_vec();
            units.sort_unstable();
            let block = (labels[t] + layer) % 5;
            assert!(units.iter().all(|u| u / 8 == block), "text {t}, layer {layer}: {units:?}");
        }
    }
    let mut distinct = assigned[..5].to_vec();
    distinct.sort_unstable();
    assert_eq!(distinct, [0, 1, 2, 3, 4]);
    assert!(bank.units(0, 0, 1000).unwrap().len() <= 40);
    assert!(bank.units(5, 0, 1).is_err() && bank.units(0, 3, 1).is_err());
    // Half of what appears.
    let half = ClusterBank::build(&views(&texts), &ClusterConfig { beta: 0.5, ..config.clone() }).unwrap();
    assert_eq!(half.units(0, 0, 99).unwrap().len(), bank.units(0, 0, 99).unwrap().len() / 2);
    assert_eq!(bank, ClusterBank::build(&views(&texts), &config).unwrap());
}

#[test]
fn the_nearest_centroid_is_that_of_all_distances() {
    let (texts, _) = texts(5, 6);
    let bank = ClusterBank::build(&views(&texts), &ClusterConfig::new(2, 10, 1)).unwrap();
    let patterns: Vec<Vec<usize>> = texts.iter().map(|t| bank.pattern(&t[2].view()).unwrap().units).collect();
    let clusters = Clustering::fit(&patterns, 40, None, 1).unwrap();
    assert_eq!(clusters.centres.nrows(), elbow_k(&clusters.inertias).unwrap());
    for (t, label) in texts.iter().zip(&clusters.labels) {
        let pattern = bank.pattern(&t[2].view()).unwrap();
        let hot = pattern.multi_hot();
        let distances: Vec<f64> =
            clusters.centres.outer_iter().map(|c| (&hot - &c).mapv(|d| d * d).sum()).collect();
        let nearest = (0..distances.len()).fold(0, |b, i| if distances[i] < distances[b] { i } else { b });
        assert_eq!(bank.assign(&pattern).unwrap(), nearest);
        assert_eq!(*label, nearest);
    }
}

#[test]
fn pools_equal_one_long_text_and_accumulate_on_demand() {
    let (texts, labels) = texts(2, 3);
    let pooled = |accumulate: bool| {
        let mut sizes = PoolSizes::new(2, 3, 40);
        let all = || {
            texts.iter().zip(&labels).flat_map(|(t, c)| t.iter().enumerate().map(move |(l, a)| (*c, l, a)))
        };
        all().for_each(|(c, l, a)| sizes.add(c, l, &a.view()).unwrap());
        let mut counts = sizes.counting(0.4, accumulate).unwrap();
        all().for_each(|(c, l, a)| counts.add(c, l, &a.view()).unwrap());
        counts.ranked(1.0).unwrap()
    };
    let join = |clusters: &[usize], layer: usize| {
        let parts: Vec<ArrayView2<'_, f32>> = texts
            .iter()
            .zip(&labels)
            .filter(|(_, c)| clusters.contains(c))
            .map(|(t, _)| t[layer].view())
            .collect();
        ndarray::concatenate(Axis(0), &parts).unwrap()
    };
    let (own, official) = (pooled(false), pooled(true));
    for layer in 0..3 {
        for (pool, members) in
            [(&own[0], &[0][..]), (&own[1], &[1]), (&official[0], &[0]), (&official[1], &[0, 1])]
        {
            assert_eq!(pool[layer], core_neurons(&join(members, layer).view(), 0.4, 40).unwrap());
        }
    }
    assert_ne!(own[1], official[1]);
    let mut sizes = PoolSizes::new(2, 3, 40);
    assert!(sizes.add(2, 0, &texts[0][0].view()).is_err() && sizes.add(0, 3, &texts[0][0].view()).is_err());
    assert!(sizes.add(0, 0, &Array2::zeros((3, 39)).view()).is_err());
    assert!(matches!(sizes.counting(0.4, false), Err(Error::TooFew { .. })));
}

#[test]
fn elbows_are_where_the_curve_bends_most() {
    assert_eq!(elbow_k(&[100.0, 80.0, 60.0, 40.0, 20.0, 19.0, 18.0, 17.0, 16.0, 15.0]).unwrap(), 5);
    assert_eq!(elbow_k(&[100.0, 10.0, 9.0, 8.0]).unwrap(), 4, "never below four");
    assert_eq!(elbow_k(&[9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 5.0, 3.0, 2.0]).unwrap(), 8);
    assert!(elbow_k(&[1.0, 2.0]).is_err() && elbow_k(&[1.0, f64::NAN, 2.0]).is_err());
}

#[test]
fn banks_round_trip_and_refuse_other_models() {
    let (texts, _) = texts(5, 4);
    let bank = ClusterBank::build(&views(&texts), &ClusterConfig::new(1, 8, 3)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.safetensors");
    bank.save(&path).unwrap();
    assert_eq!(ClusterBank::load(&path, 3, 40).unwrap(), bank);
    for (layers, width) in [(4, 40), (3, 41), (0, 40)] {
        let refused = ClusterBank::load(&path, layers, width);
        assert!(matches!(refused, Err(Error::File { .. })), "{layers} {width}");
    }
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(ClusterBank::load(&path, 3, 40), Err(Error::File { .. })));
    assert!(matches!(
        ClusterBank::load(&folder.path().join("no.safetensors"), 3, 40),
        Err(Error::File { .. })
    ));

    // Damage that the container does not see.
    let about = r#"{"format": "neuropil.cluster-bank/1"}"#;
    let write_as = |about: &str, units: &[i64], offsets: &[i64], shape: &[i64], centre: f64, alpha: f64| {
        let centres = Array2::from_elem((1, 4), centre);
        Tensors::new()
            .about(about)
            .f64("centres", centres.view().into_dyn())
            .f64("alpha", ndarray::arr1(&[alpha]).view().into_dyn())
            .i64("units", ndarray::arr1(units).view().into_dyn())
            .i64("offsets", ndarray::arr1(offsets).view().into_dyn())
            .i64("shape", ndarray::arr1(shape).view().into_dyn())
            .write(&path)
            .unwrap();
        ClusterBank::load(&path, 2, 4)
    };
    let write = |units: &[i64], offsets: &[i64], shape: &[i64], centre: f64, alpha: f64| {
        write_as(about, units, offsets, shape, centre, alpha)
    };
    let shape = [2, 4, 1, 2];
    for other in ["{}", "no JSON", r#"{"format": "neuropil.cluster-bank/2"}"#] {
        let refused = write_as(other, &[3, 0, 1], &[0, 2, 3], &shape, 0.5, 0.4);
        assert!(matches!(refused, Err(Error::File { .. })), "{other}: {refused:?}");
    }
    assert!(write(&[3, 0, 1], &[0, 2, 3], &shape, 0.5, 0.4).is_ok());
    for bad in [
        write(&[3, 4, 1], &[0, 2, 3], &shape, 0.5, 0.4),
        write(&[3, 3, 1], &[0, 2, 3], &shape, 0.5, 0.4),
        write(&[3, -1, 1], &[0, 2, 3], &shape, 0.5, 0.4),
        write(&[3, 0, 1], &[0, 2, 4], &shape, 0.5, 0.4),
        write(&[3, 0, 1], &[0, 4, 3], &shape, 0.5, 0.4),
        write(&[3, 0, 1], &[0, 3], &shape, 0.5, 0.4),
        write(&[3, 0, 1], &[0, 3, 3], &shape, 0.5, 0.4),
        write(&[3, 0, 1], &[0, 2, 3], &[2, 4, 2, 2], 0.5, 0.4),
        write(&[3, 0, 1], &[0, 2, 3], &[2, 4, 1], 0.5, 0.4),
        write(&[3, 0, 1], &[0, 2, 3], &[2, 4, 1, 5], 0.5, 0.4),
        write(&[3, 0, 1], &[0, 2, 3], &shape, f64::NAN, 0.4),
        write(&[3, 0, 1], &[0, 2, 3], &shape, 0.5, 1.4),
    ] {
        assert!(matches!(bad, Err(Error::File { .. })), "{bad:?}");
    }
}

#[test]
fn agreement_is_that_of_the_softmax() {
    let dense = arr2(&[[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 3.0, 3.0]]);
    let same = agreement(&dense.view(), &dense.view(), &[0, 1, 2]).unwrap();
    assert_eq!((same.top1, same.delta_nll), (1.0, 0.0));
    let sparse = arr2(&[[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 3.0, 2.0]]);
    let found = agreement(&dense.view(), &sparse.view(), &[0, 1, 2]).unwrap();
    assert!((found.top1 - 2.0 / 3.0).abs() < 1e-12);
    let e = std::f64::consts::E;
    let second = (2.0 + e).ln() - 1.0 - 3_f64.ln();
    let third =
        ((-1_f64).exp() + e.powi(3) + e.powi(2)).ln() - 2.0 - (((-1_f64).exp() + 2.0 * e.powi(3)).ln() - 3.0);
    assert!((found.delta_nll - (second + third) / 3.0).abs() < 1e-12);
    // A shift of a row's logits changes nothing, however large.
    let far = agreement(&dense.view(), &(&sparse + 3e4).view(), &[0, 1, 2]).unwrap();
    assert!((far.delta_nll - found.delta_nll).abs() < 1e-3);
    assert!(agreement(&dense.view(), &arr2(&[[0.0_f32]]).view(), &[0, 1, 2]).is_err());
    assert!(agreement(&dense.view(), &sparse.view(), &[0, 1]).is_err());
    assert!(agreement(&dense.view(), &sparse.view(), &[0, 1, 3]).is_err());
    let mut broken = sparse.clone();
    broken[(1, 2)] = f32::NAN;
    let refused = agreement(&dense.view(), &broken.view(), &[0, 1, 2]);
    assert!(matches!(refused, Err(Error::NotFinite { row: 1, column: 2, .. })));
    let none = Array2::<f32>::zeros((0, 3));
    assert!(matches!(agreement(&none.view(), &none.view(), &[]), Err(Error::TooFew { .. })));
}

#[test]
fn nonsense_is_refused() {
    let a = activations(1, 5, 6);
    for alpha in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(matches!(core_neurons(&a.view(), alpha, 3), Err(Error::Parameter { .. })));
    }
    assert!(matches!(core_neurons(&a.view(), 0.5, 0), Err(Error::Parameter { .. })));
    assert!(matches!(core_neurons(&Array2::zeros((0, 6)).view(), 0.5, 3), Err(Error::TooFew { .. })));
    assert!(matches!(core_neurons(&Array2::zeros((5, 0)).view(), 0.5, 3), Err(Error::TooFew { .. })));
    for bad in [f32::NAN, f32::INFINITY] {
        let mut a = a.clone();
        a[(3, 2)] = bad;
        let refused = core_neurons(&a.view(), 0.5, 3);
        assert!(matches!(refused, Err(Error::NotFinite { row: 3, column: 2, .. })));
    }
    assert!(matches!(Clustering::fit(&[vec![0], vec![9]], 5, Some(2), 0), Err(Error::Shape { .. })));
    assert!(matches!(Clustering::fit(&[vec![0, 0], vec![1]], 5, Some(2), 0), Err(Error::Shape { .. })));
    assert!(matches!(Clustering::fit(&[vec![0], vec![1]], 5, Some(3), 0), Err(Error::TooFew { .. })));
    assert!(matches!(Clustering::fit(&[vec![0], vec![1]], 5, None, 0), Err(Error::TooFew { .. })));
    assert!(Clustering::fit(&[vec![0], vec![1]], 5, Some(0), 0).is_err());
    let (texts, _) = texts(4, 3);
    let views = views(&texts);
    assert!(ClusterBank::build(&views, &ClusterConfig::new(3, 8, 0)).is_err(), "no such layer");
    assert!(ClusterBank::build(&[], &ClusterConfig::new(0, 8, 0)).is_err());
    let mut ragged = views.clone();
    ragged[2].pop();
    assert!(ClusterBank::build(&ragged, &ClusterConfig::new(0, 8, 0)).is_err());
    let bank = ClusterBank::build(&views, &ClusterConfig::new(0, 8, 0)).unwrap();
    assert!(bank.pattern(&a.view()).is_err());
    assert!(bank.assign(&core_neurons(&a.view(), 0.5, 3).unwrap()).is_err());
}
