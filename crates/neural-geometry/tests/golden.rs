//! Numbers that the published code printed (fixtures/26-trsa/README.md says which).

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Axis, s};
use neural_geometry::{
    GeoTopological, Geodesic, Metric, Neighbours, Rdm, Region, ZeroEdges, agtic, geo_topological, geodesic,
    identify, rank_min_max,
};
use proptest::prelude::*;
use recordings::arrays::ArrayFile;

/// Largest difference from the reference's ramps and sigmoids.
const TRANSFORM: f64 = 1e-12;
/// Largest difference of the ratios printed for the four curves.
const RATIO: f64 = 1e-9;
/// Largest difference of the adaptive test's statistic.
const STATISTIC: f64 = 1e-10;
/// RDM entries against their definition, relative.
const DISTANCE: f64 = 1e-10;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/26-trsa").join(name)
}

fn ramp(lower: f64, upper: f64) -> GeoTopological {
    GeoTopological::Ramp { lower, upper }
}

#[test]
fn transforms_match_the_reference() {
    let file = ArrayFile::open(&fixture("transforms.npz")).unwrap();
    let mut checked = 0;
    for source in ["a", "ties"] {
        let rdm = file.read_f64_1(&format!("rdm_{source}")).unwrap().to_vec();
        for key in file.keys().into_iter().filter(|k| k.starts_with(&format!("gt_{source}_"))) {
            let kind = match key.split('_').skip(2).collect::<Vec<_>>().as_slice() {
                ["sigmoid"] => GeoTopological::Sigmoid { alpha: 10.0, beta: 0.5 },
                [l, u] => ramp(l.parse().unwrap(), u.parse().unwrap()),
                other => panic!("{other:?}"),
            };
            let got = geo_topological(&rdm, kind).unwrap();
            let expected = file.read_f64_1(key).unwrap();
            let worst = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst <= TRANSFORM, "{key}: {worst:e}");
            checked += 1;
        }
    }
    assert_eq!(checked, 12);
}

#[test]
fn geodesics_match_the_reference() {
    let file = ArrayFile::open(&fixture("transforms.npz")).unwrap();
    let rdm = file.read_f64_1("rdm_a").unwrap().to_vec();
    let two = geo_topological(&rdm, ramp(0.0, 0.3)).unwrap();
    // "two" applies the two-step geodesic to a ramp that was applied before: its own ramp is then the identity.
    let again = Geodesic::TwoStep { lower: 0.0, upper: 0.3 };
    assert!(two.iter().all(|x| (0.0..=1.0).contains(x)));
    let cases = [
        ("gd_pshort", Geodesic::ShortestFraction(0.3)),
        ("gd_knear", Geodesic::Nearest(3)),
        ("gd_pnear", Geodesic::NearestFraction(0.25)),
        ("gd_two", again),
    ];
    for (name, kind) in cases {
        for (suffix, rank_after) in [("raw", false), ("rank", true)] {
            let key = format!("{name}_{suffix}");
            let got =
                geodesic(&rdm, kind, Neighbours::Reference, ZeroEdges::DropAsReference, rank_after).unwrap();
            compare(&key, &got, &file.read_f64_1(&key).unwrap());
        }
    }
    let kept = geodesic(&rdm, again, Neighbours::Reference, ZeroEdges::Keep, false).unwrap();
    compare("gd_two_keepzero_raw", &kept, &file.read_f64_1("gd_two_keepzero_raw").unwrap());
}

fn compare(key: &str, got: &[f64], expected: &Array1<f64>) {
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!(a == b || (a - b).abs() <= TRANSFORM, "{key}[{i}]: {a} against {b}");
    }
}

#[test]
fn four_curves_give_the_reference_ratios() {
    let file = ArrayFile::open(&fixture("transforms.npz")).unwrap();
    let curves = ["pat_flat_8", "pat_twist_8", "pat_untouched_flat_8", "pat_untouched_twist_8"].map(|key| {
        let patterns = file.read_f64_2(key).unwrap();
        Rdm::from_patterns(&patterns.view(), Metric::Euclidean).unwrap().condensed().to_vec()
    });
    let ratio = |describe: &dyn Fn(&[f64]) -> Vec<f64>| {
        let d: Vec<Vec<f64>> = curves.iter().map(|c| describe(c)).collect();
        let gap =
            |a: usize, b: usize| d[a].iter().zip(&d[b]).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
        (gap(0, 1) + gap(2, 3)) / (gap(0, 2) + gap(1, 3))
    };
    let text = std::fs::read_to_string(fixture("pattern_ratios.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let two = Geodesic::TwoStep { lower: 0.0, upper: 0.075 };
    let path = |zero| move |c: &[f64]| geodesic(c, two, Neighbours::Reference, zero, true).unwrap();
    let mut got = vec![
        ("RDM_minmaxrank".to_owned(), ratio(&|c| rank_min_max(c).unwrap())),
        ("RGDM_two_0_0.075_official".to_owned(), ratio(&path(ZeroEdges::DropAsReference))),
        ("RGDM_two_0_0.075_keepzero".to_owned(), ratio(&path(ZeroEdges::Keep))),
    ];
    for (l, u) in [("0", "0.075"), ("0", "0.1"), ("0", "0.25"), ("0", "0.5"), ("0.2", "0.8"), ("0.4", "0.6")]
    {
        let kind = ramp(l.parse().unwrap(), u.parse().unwrap());
        got.push((format!("RGTM_{l}_{u}"), ratio(&|c| geo_topological(c, kind).unwrap())));
    }
    for (key, value) in &got {
        let target = expected[key].as_f64().unwrap();
        assert!((value - target).abs() <= RATIO, "{key}: {value} against {target}");
    }
    assert!(got[1].1 < 1.0 && got[3].1 > 1.0 && got[0].1 > got[3].1);
}

#[test]
fn layers_are_identified_exactly_as_by_the_reference() {
    let file = ArrayFile::open(&fixture("layer_rdms.npz")).unwrap();
    let text = std::fs::read_to_string(fixture("layer_id_accuracy.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let subjects = file.read_i64_1("subj").unwrap().to_vec();
    let labels = file.read_i64_1("roi").unwrap().to_vec();
    let mut checked = 0;
    for level in ["noise0", "noise4", "noise8"] {
        let rdms = file.read_f64_2(&format!("rdms_{level}")).unwrap();
        for (method, values) in expected[level].as_object().unwrap() {
            let Some(target) = values[0].as_f64() else { continue };
            let describe = |row: &[f64]| match method.split('_').collect::<Vec<_>>().as_slice() {
                ["RDM"] => row.to_vec(),
                ["RDM", "rank"] => rank_min_max(row).unwrap(),
                ["RGTM", l, u] => geo_topological(row, ramp(l.parse().unwrap(), u.parse().unwrap())).unwrap(),
                other => panic!("{other:?}"),
            };
            let mut vectors = Array2::zeros(rdms.dim());
            for (row, mut out) in rdms.axis_iter(Axis(0)).zip(vectors.axis_iter_mut(Axis(0))) {
                out.assign(&Array1::from(describe(&row.to_vec())));
            }
            let got = identify(&vectors.view(), &subjects, &labels).unwrap();
            assert_eq!(got.accuracy, target, "{level} {method}");
            assert_eq!(got.confusion.sum(), 50);
            checked += 1;
        }
    }
    assert_eq!(checked, 20);
}

#[test]
fn the_adaptive_test_matches_its_deterministic_case() {
    let text = std::fs::read_to_string(fixture("agtic_own.json")).unwrap();
    let case: serde_json::Value = serde_json::from_str(&text).unwrap();
    let matrix = |key: &str| {
        let rows: Vec<Vec<f64>> = serde_json::from_value(case[key].clone()).unwrap();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    };
    let k = case["K"].as_u64().unwrap() as usize;
    let got = agtic(&matrix("x").view(), &matrix("y").view(), k, 19, 0).unwrap();
    assert!((got.statistic - case["stat"].as_f64().unwrap()).abs() <= STATISTIC, "{}", got.statistic);
    assert!((got.distance_correlation - case["dcor"].as_f64().unwrap()).abs() <= STATISTIC);
    assert_eq!(serde_json::json!([got.thresholds_x.0, got.thresholds_x.1]), case["lx"]);
    assert_eq!(serde_json::json!([got.thresholds_y.0, got.thresholds_y.1]), case["ly"]);
    assert!(agtic(&matrix("x").view(), &matrix("y").view(), 1, 9, 0).is_err());
    let flat = agtic(&Array2::zeros((5, 1)).view(), &Array2::zeros((5, 1)).view(), 3, 9, 0).unwrap();
    assert_eq!((flat.statistic, flat.p), (0.0, 1.0));
}

#[test]
fn bad_input_is_refused() {
    let nan = Array2::from_elem((3, 2), f64::NAN);
    assert!(Rdm::from_patterns(&nan.view(), Metric::Euclidean).is_err());
    let constant = Array2::from_elem((3, 2), 0.1);
    assert!(Rdm::from_patterns(&constant.view(), Metric::Correlation).is_err());
    assert!(Rdm::from_patterns(&Array2::zeros((3, 2)).view(), Metric::Cosine).is_err());
    assert!(Rdm::from_patterns(&constant.slice(s![..2, ..]), Metric::Euclidean).is_err());
    assert!(Rdm::from_patterns(&Array2::zeros((3, 0)).view(), Metric::Euclidean).is_err());
    assert!(Rdm::from_condensed(vec![0.0; 4]).is_err() && Rdm::from_condensed(vec![]).is_err());
    assert!(geo_topological(&[1.0, 1.0, 1.0], ramp(0.2, 0.8)).is_err());
    assert!(geo_topological(&[1.0, 2.0, 3.0], ramp(0.8, 0.2)).is_err());
    assert!(
        geo_topological(&[1.0, 2.0, 3.0], GeoTopological::Sigmoid { alpha: f64::NAN, beta: 0.5 }).is_err()
    );
    let none = geodesic(&[1.0, 2.0, 3.0], Geodesic::Nearest(0), Neighbours::Reference, ZeroEdges::Keep, true);
    assert!(none.is_err());
    assert!(identify(&Array2::zeros((2, 3)).view(), &[0, 0], &[0, 1]).is_err());
    assert!(identify(&Array2::zeros((2, 3)).view(), &[0], &[0, 1]).is_err());
}

#[test]
fn thresholds_have_named_regions() {
    let cases = [
        (0.0, 0.4, Region::LocalExtractor),
        (0.7, 0.9, Region::GlobalExtractor),
        (0.0, 1.0, Region::GeometrySensitive),
        (0.4, 0.6, Region::TopologySensitive),
        (0.2, 0.7, Region::Intermediate),
    ];
    for (l, u, expected) in cases {
        assert_eq!(Region::classify(l, u), expected, "{l} {u}");
    }
}

proptest! {
    #[test]
    fn matrices_follow_their_definition(values in prop::collection::vec(-10.0..10.0_f64, 28), offset in -1e6..1e6_f64) {
        let x = Array2::from_shape_vec((7, 4), values).unwrap() + offset;
        for metric in [Metric::Euclidean, Metric::SquaredEuclidean, Metric::Correlation, Metric::Cosine] {
            let Ok(rdm) = Rdm::from_patterns(&x.view(), metric) else { continue };
            let square = rdm.square();
            for i in 0..7 {
                for j in 0..7 {
                    let (a, b) = (x.row(i).to_owned(), x.row(j).to_owned());
                    let cosine = |a: &Array1<f64>, b: &Array1<f64>| 1.0 - a.dot(b) / (a.dot(a) * b.dot(b)).sqrt();
                    let gap = (&a - &b).mapv(|v| v * v).sum();
                    let (expected, slack) = match metric {
                        Metric::Euclidean => (gap.sqrt(), DISTANCE * gap.sqrt()),
                        Metric::SquaredEuclidean => (gap, DISTANCE * gap),
                        Metric::Correlation => {
                            // Taking off a large offset costs the digits that it holds.
                            let spread = |v: &Array1<f64>| (v - v.mean().unwrap()).mapv(|u| u * u).sum().sqrt();
                            let lost = 1e-15 * offset.abs() / spread(&a).min(spread(&b));
                            (cosine(&(&a - a.mean().unwrap()), &(&b - b.mean().unwrap())), 1e-12 + 100.0 * lost)
                        }
                        _ => (cosine(&a, &b), 1e-12),
                    };
                    if i == j {
                        prop_assert_eq!(square[[i, j]], 0.0);
                    } else {
                        prop_assert!((square[[i, j]] - expected).abs() <= slack + 1e-300, "{metric:?} {} {expected}", square[[i, j]]);
                    }
                    prop_assert_eq!(square[[i, j]], square[[j, i]]);
                }
            }
        }
    }

    #[test]
    fn transforms_depend_on_ranks_alone(x in prop::collection::vec(0.01..10.0_f64, 15)) {
        let stretched: Vec<f64> = x.iter().map(|v| 3.0 * v * v * v).collect();
        let kind = GeoTopological::default();
        prop_assert_eq!(geo_topological(&x, kind).unwrap(), geo_topological(&stretched, kind).unwrap());
    }

    #[test]
    fn shortest_paths_obey_the_triangle_inequality(x in prop::collection::vec(0.01..10.0_f64, 28), p in 0.2..1.0_f64) {
        let paths = geodesic(&x, Geodesic::ShortestFraction(p), Neighbours::Symmetric, ZeroEdges::Keep, false).unwrap();
        let n = 8;
        let at = |i: usize, j: usize| {
            let (i, j) = (i.min(j), i.max(j));
            if i == j { 0.0 } else { paths[n * i - i * (i + 1) / 2 + j - i - 1] }
        };
        for i in 0..n {
            for j in 0..n {
                for k in 0..n {
                    prop_assert!(at(i, j) <= at(i, k) + at(k, j) + 1e-12);
                }
            }
        }
    }
}
