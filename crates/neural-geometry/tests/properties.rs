//! What holds for any input: invariances, agreement of quick forms with slow ones, refusals.

use ndarray::{Array2, Axis};
use neural_geometry::{
    BootstrapPlan, Comparison, Draw, Duplicates, GeoTopological, Metric, Ranked, Rdm, RsaPlan, Thresholds,
    agtic, agtic_with, align, betti_curve, bootstrap_stimuli, classical_mds, compare, compare_vectors,
    crossnobis, geo_topological, grid_search, identify, identify_draw, persistence, rsa, sample_thresholds,
    single_linkage_heights, smacof, threshold_grid,
};
use numerics::bootstrap::{IntervalKind, interval};
use numerics::rng::{normals, permutation, stream};
use proptest::prelude::*;

fn draw(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let values = normals(&mut stream(seed, "properties", 0), rows * columns);
    Array2::from_shape_vec((rows, columns), values).unwrap()
}

fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// The statistic as it is defined: every pair of ramps, centred, one inner product each.
fn slow_statistic(x: &Array2<f64>, y: &Array2<f64>, k: usize) -> f64 {
    let bank = |x: &Array2<f64>| -> Vec<Array2<f64>> {
        let n = x.nrows();
        let d = Array2::from_shape_fn((n, n), |(i, j)| (&x.row(i) - &x.row(j)).mapv(|v| v * v).sum().sqrt());
        let top = d.iter().copied().fold(0.0, f64::max);
        let mut out = Vec::new();
        for i in 0..k {
            for j in i + 1..k {
                let (l, u) = (top * i as f64 / (k - 1) as f64, top * j as f64 / (k - 1) as f64);
                let a = d.mapv(|v| top * ((v - l) / (u - l)).clamp(0.0, 1.0));
                let (rows, all) = (a.mean_axis(Axis(1)).unwrap(), a.mean().unwrap());
                out.push(Array2::from_shape_fn((n, n), |(i, j)| a[[i, j]] - rows[i] - rows[j] + all));
            }
        }
        out
    };
    let (a, b) = (bank(x), bank(y));
    let dot = |p: &Array2<f64>, q: &Array2<f64>| (p * q).sum();
    let mut best = 0.0_f64;
    for p in &a {
        for q in &b {
            let scale = (dot(p, p) * dot(q, q)).sqrt();
            if scale > 0.0 {
                best = best.max((dot(p, q).abs() / scale).sqrt());
            }
        }
    }
    best
}

#[test]
fn hinges_give_the_statistic_of_all_ramps() {
    for seed in 0..6 {
        let (x, y) = (draw(14, 2, seed), draw(14, 3, seed + 50));
        for k in [2, 3, 7] {
            let got = agtic(&x.view(), &y.view(), k, 0, 0).unwrap().statistic;
            let expected = slow_statistic(&x, &y, k);
            assert!((got - expected).abs() < 1e-11, "k {k}: {got} against {expected}");
        }
    }
}

#[test]
fn the_adaptive_test_does_not_depend_on_threads_scale_or_order() {
    let x = draw(30, 1, 3);
    let y = x.mapv(|v| v * v) + draw(30, 1, 4) * 0.1;
    let run = |threads| on(threads, || agtic(&x.view(), &y.view(), 6, 50, 9).unwrap());
    let got = run(1);
    assert_eq!(got, run(3));
    let scaled = agtic(&(&x * 8.0).view(), &y.view(), 6, 50, 9).unwrap();
    assert!((scaled.statistic - got.statistic).abs() < 1e-12 && scaled.p == got.p);
    let order = permutation(&mut stream(1, "order", 0), 30);
    let turned =
        agtic(&x.select(Axis(0), &order).view(), &y.select(Axis(0), &order).view(), 6, 0, 9).unwrap();
    assert!((turned.statistic - got.statistic).abs() < 1e-12);
    assert_eq!(turned.thresholds_x, got.thresholds_x);
    // Two values only: many quantiles coincide and ramps become steps.
    let two = Array2::from_shape_fn((20, 1), |(i, _)| f64::from(u8::from(i % 3 == 0)));
    let same = agtic_with(&two.view(), &two.view(), 8, Thresholds::Quantile, 99, 0).unwrap();
    assert!((same.statistic - 1.0).abs() < 1e-12 && same.p <= 0.02, "{same:?}");
    let quantiles = agtic_with(&x.view(), &y.view(), 6, Thresholds::Quantile, 99, 0).unwrap();
    assert!(quantiles.p <= 0.05 && quantiles.statistic <= 1.0);
}

#[test]
fn expanded_and_weighted_draws_agree_on_every_row() {
    let vectors = draw(12, 15, 8).mapv(f64::abs);
    let subjects: Vec<i64> = (0..12).map(|i| i / 3).collect();
    let labels: Vec<i64> = (0..12).map(|i| i % 3).collect();
    let whole = Draw { matrices: (0..12).collect(), stimuli: (0..6).collect() };
    let plain = identify(&vectors.view(), &subjects, &labels).unwrap().accuracy;
    for duplicates in [Duplicates::Drop, Duplicates::Mean] {
        assert_eq!(identify_draw(&vectors.view(), &subjects, &labels, &whole, duplicates).unwrap(), plain);
    }
    let plan = BootstrapPlan { draws: 60, ..BootstrapPlan::new(2) };
    let methods = [vectors.view(), vectors.view()];
    let run = |threads| on(threads, || plan.identify(&methods, &subjects, &labels).unwrap());
    let found = run(1);
    assert_eq!(found, run(3));
    // The same method twice: the same draws, so no difference at all.
    let none = found.compare(0, 1, 10.0).unwrap();
    assert_eq!((none.difference, none.t, none.p), (0.0, 0.0, 1.0));
    let better = Array2::from_shape_fn((12, 15), |(i, j)| (i % 3 * 40 + j) as f64);
    let pair = plan.identify(&[better.view(), vectors.view()], &subjects, &labels).unwrap();
    let gap = pair.compare(0, 1, 10.0).unwrap();
    let by_hand = pair.mean(0).unwrap() - pair.mean(1).unwrap();
    assert!((gap.difference - by_hand).abs() < 1e-12 && gap.p < 0.05 && gap.t > 0.0, "{gap:?}");
    assert!(pair.error_bar(1).unwrap() > 0.0 && pair.ci95(1).unwrap().0 <= pair.mean(1).unwrap());
    assert!(pair.mean(2).is_err() && pair.compare(0, 1, 0.0).is_err());
    let fixed = BootstrapPlan { matrices: false, ..plan };
    assert_eq!(fixed.draw(0, &subjects, &labels, 6).unwrap().matrices, whole.matrices);
    assert!(plan.draw(0, &[1, 1], &[0, 1], 6).is_err());
    let outside = Draw { matrices: vec![12], stimuli: vec![0] };
    assert!(identify_draw(&vectors.view(), &subjects, &labels, &outside, Duplicates::Drop).is_err());
}

#[test]
fn thresholds_are_chosen_without_the_tested_subject() {
    let (people, names, pairs) = (5_i64, 3_i64, 45);
    let noise = draw(15, pairs, 21);
    let shapes = draw(3, pairs, 22);
    let rdms = Array2::from_shape_fn((15, pairs), |(i, j)| shapes[[i % 3, j]] + 1.4 * noise[[i, j]]);
    let subjects: Vec<i64> = (0..people).flat_map(|s| (0..names).map(move |_| s)).collect();
    let labels: Vec<i64> = (0..people).flat_map(|_| 0..names).collect();
    let grid: Vec<(f64, f64)> = threshold_grid().into_iter().step_by(9).collect();
    let found = grid_search(&rdms.view(), &subjects, &labels, &grid).unwrap();
    let ramps = |(l, u): (f64, f64)| {
        let mut out = Array2::zeros(rdms.dim());
        for (row, mut to) in rdms.outer_iter().zip(out.outer_iter_mut()) {
            to.assign(&ndarray::Array1::from(Ranked::new(&row.to_vec()).unwrap().ramp(l, u).unwrap()));
        }
        out
    };
    for (pair, accuracy) in grid.iter().zip(&found.accuracies) {
        assert_eq!(identify(&ramps(*pair).view(), &subjects, &labels).unwrap().accuracy, *accuracy);
    }
    // The long way round: drop the subject, search among the others, test on the one.
    let mut right = 0.0;
    for (subject, chosen) in &found.chosen {
        let rest: Vec<usize> = (0..15).filter(|i| subjects[*i] != *subject).collect();
        let pick = |v: &[i64]| rest.iter().map(|i| v[*i]).collect::<Vec<_>>();
        let scores: Vec<f64> = grid
            .iter()
            .map(|p| {
                let train = ramps(*p).select(Axis(0), &rest);
                identify(&train.view(), &pick(&subjects), &pick(&labels)).unwrap().accuracy
            })
            .collect();
        let best = scores.iter().enumerate().fold(0, |b, (i, s)| if *s > scores[b] { i } else { b });
        assert_eq!(best, *chosen, "subject {subject}: {scores:?}");
        let all = ramps(grid[best]);
        let own: Vec<i64> = subjects.iter().map(|s| i64::from(s == subject)).collect();
        let one =
            Array2::from_shape_fn((names as usize, pairs), |(i, j)| all[[*subject as usize * 3 + i, j]]);
        for i in 0..names as usize {
            let distance = |label: i64| {
                let rows: Vec<usize> = (0..15).filter(|r| own[*r] == 0 && labels[*r] == label).collect();
                let centre = all.select(Axis(0), &rows).mean_axis(Axis(0)).unwrap();
                (&one.row(i) - &centre).mapv(|v| v * v).sum()
            };
            let guess = (0..names).fold(0, |b, l| if distance(l) < distance(b) { l } else { b });
            right += f64::from(u8::from(guess == i as i64));
        }
    }
    assert_eq!(found.nested_accuracy, right / 15.0);
    assert_eq!(found, on(1, || grid_search(&rdms.view(), &subjects, &labels, &grid).unwrap()));
    assert!(grid_search(&rdms.view(), &subjects, &labels, &[]).is_err());
    assert!(grid_search(&rdms.view(), &subjects, &labels, &[(0.9, 0.1)]).is_err());
}

#[test]
fn grids_and_samples_follow_the_paper() {
    let grid = threshold_grid();
    assert_eq!(grid.len(), 210);
    assert_eq!((grid[0], grid[1], grid[209]), ((0.0, 1.0), (0.0, 0.95), (0.95, 1.0)));
    let sampled = sample_thresholds(3, 500);
    assert_eq!(sampled[..20], sample_thresholds(3, 20)[..]);
    for (l, u) in sampled {
        assert!(l >= 0.0 && l < u && u <= 1.0 && l + u > 0.01 && l + u < 1.99, "{l} {u}");
        assert!((l * 100.0 - (l * 100.0).round()).abs() < 1e-9);
    }
}

#[test]
fn chance_similarities_get_chance_p_values() {
    let small = (0..60)
        .filter(|seed| {
            let rdm = |s| Rdm::from_patterns(&draw(10, 6, s).view(), Metric::Euclidean).unwrap();
            let plan = RsaPlan { bootstraps: 0, permutations: 99, seed: *seed };
            let found = rsa(&rdm(*seed), &rdm(seed + 1000), Comparison::Spearman, &plan).unwrap();
            found.p.unwrap() <= 0.1
        })
        .count();
    assert!((1..=14).contains(&small), "{small} of 60 at 0.1");
}

#[test]
fn drawn_stimuli_give_the_intervals_of_rsa_and_of_differences() {
    let rdm = |s| Rdm::from_patterns(&draw(9, 4, s).view(), Metric::Euclidean).unwrap();
    let (a, b, small) = (rdm(1), rdm(2), Rdm::from_condensed(vec![1.0, 2.0, 3.0]).unwrap());
    let plan = RsaPlan { bootstraps: 50, permutations: 0, seed: 5 };
    let (low, high) = rsa(&a, &b, Comparison::Spearman, &plan).unwrap().ci95.unwrap();
    let alike = |of: &[Vec<f64>]| compare_vectors(&of[0], &of[1], Comparison::Spearman).ok();
    let draws = bootstrap_stimuli(&[&a, &b], 50, 5, "rsa/stimuli", alike).unwrap();
    assert_eq!(interval(0.0, &draws, 0.95, IntervalKind::Percentile).unwrap(), (low, high));
    // The draws are the same for all RDMs, so a difference of equal ones is none.
    let gap = bootstrap_stimuli(&[&a, &a], 50, 5, "x", |of| {
        Some(of[0].iter().sum::<f64>() - of[1].iter().sum::<f64>())
    });
    assert!(gap.unwrap().iter().all(|d| *d == 0.0));
    assert!(bootstrap_stimuli(&[], 5, 0, "x", |_| Some(0.0)).is_err());
    assert!(bootstrap_stimuli(&[&a, &small], 5, 0, "x", |_| Some(0.0)).is_err());
}

#[test]
fn permuted_comparisons_are_comparisons_of_permuted_rdms() {
    let (a, b) = (draw(9, 4, 1), draw(9, 4, 2));
    let rdm = |x: &Array2<f64>| Rdm::from_patterns(&x.view(), Metric::Euclidean).unwrap();
    let (first, second) = (rdm(&a), rdm(&b));
    for measure in [
        Comparison::Spearman,
        Comparison::Pearson,
        Comparison::Kendall,
        Comparison::KendallA,
        Comparison::Cosine,
        Comparison::WhitenedCosine,
        Comparison::WhitenedPearson,
    ] {
        let plan = RsaPlan { bootstraps: 40, permutations: 60, seed: 5 };
        let got = rsa(&first, &second, measure, &plan).unwrap();
        let observed = compare(&first, &second, measure).unwrap();
        let hits = (0..60)
            .filter(|i| {
                let order = permutation(&mut stream(5, "rsa/permutation", *i), 9);
                compare(&first, &second.subset(&order).unwrap(), measure).unwrap() >= observed - 1e-12
            })
            .count();
        assert_eq!(got.p, Some((1 + hits) as f64 / 61.0), "{measure:?}");
        assert_eq!(got, on(1, || rsa(&first, &second, measure, &plan).unwrap()));
        let itself = rsa(&first, &first, measure, &plan).unwrap();
        assert!((itself.similarity - 1.0).abs() < 1e-12 && itself.p.unwrap() <= 2.0 / 61.0, "{measure:?}");
        let (low, high) = itself.ci95.unwrap();
        // Stimuli drawn twice tie some pairs, and tau-a counts ties as disagreement.
        let least = if measure == Comparison::KendallA { 0.5 } else { 0.999 };
        assert!(low > least && high <= 1.0, "{measure:?}: {low} {high}");
    }
}

#[test]
fn bad_input_is_refused() {
    let three = Rdm::from_condensed(vec![1.0, 2.0, 3.0]).unwrap();
    let six = Rdm::from_condensed(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let flat = Rdm::from_condensed(vec![1.0; 3]).unwrap();
    assert!(compare(&three, &six, Comparison::Cosine).is_err());
    for measure in
        [Comparison::Spearman, Comparison::Pearson, Comparison::Kendall, Comparison::WhitenedPearson]
    {
        assert!(compare(&three, &flat, measure).is_err(), "{measure:?}");
    }
    assert!(
        three.subset(&[0, 1]).is_err()
            && three.subset(&[0, 1, 3]).is_err()
            && three.subset(&[0, 1, 1]).is_err()
    );
    assert!(persistence(&[1.0, f64::NAN, 1.0], None).is_err() && persistence(&[1.0; 4], None).is_err());
    assert!(persistence(&[1.0, -1.0, 1.0], None).is_err() && persistence(&[1.0; 3], Some(-1.0)).is_err());
    assert!(single_linkage_heights(&[1.0, 2.0]).is_err());
    let apart = persistence(&[1.0, f64::INFINITY, f64::INFINITY], None).unwrap();
    assert_eq!(apart.h0.iter().filter(|b| b.death.is_infinite()).count(), 2);
    assert!(classical_mds(&three, 0).is_err() && classical_mds(&three, 3).is_err());
    assert!(smacof(&three, &Array2::zeros((2, 1)).view(), 9, 0.0).is_err());
    let x = draw(6, 2, 1);
    let folds = [0, 0, 0, 1, 1, 1];
    assert!(crossnobis(&x.view(), &[0, 1, 2, 0, 1, 2], &folds, None).is_ok());
    assert!(crossnobis(&x.view(), &[0, 1, 2, 0, 1, 1], &folds, None).is_err());
    assert!(crossnobis(&x.view(), &[0, 1, 2, 0, 1, 2], &[0; 6], None).is_err());
    assert!(crossnobis(&x.view(), &[0, 1, 2], &folds, None).is_err());
    let skewed = ndarray::arr2(&[[1.0, 0.5], [0.0, 1.0]]);
    assert!(crossnobis(&x.view(), &[0, 1, 2, 0, 1, 2], &folds, Some(&skewed.view())).is_err());
    assert!(crossnobis(&x.view(), &[0, 1, 2, 0, 1, 2], &folds, Some(&Array2::eye(3).view())).is_err());
    let names = |t: &[&str]| t.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(align(&names(&["a", "b", "c"]), &names(&["c", "a", "b"])).unwrap(), [1, 2, 0]);
    assert_eq!(align(&names(&["a", "a"]), &names(&["a", "a"])).unwrap(), [0, 1]);
    assert!(align(&names(&["a", "b"]), &names(&["b", "b"])).is_err());
    assert!(align(&names(&["a", "a"]), &names(&["a", "b"])).is_err());
    assert!(align(&names(&["a", "b"]), &names(&["a"])).is_err());
}

proptest! {
    #[test]
    fn linkage_bounds_every_path(values in prop::collection::vec(0.01..5.0_f64, 28)) {
        let found = persistence(&values, None).unwrap();
        let heights = single_linkage_heights(&values).unwrap();
        prop_assert_eq!(found.h0[..7].iter().map(|b| b.death).collect::<Vec<_>>(), heights);
        prop_assert!(found.h1.iter().all(|b| b.birth < b.death && b.death.is_finite()));
        // The Euler characteristic of the full flag complex at a threshold bounds nothing above dimension 1, but
        // components and loops are never fewer than vertices minus edges demand.
        for t in [0.5, 1.5, 3.0] {
            let edges = values.iter().filter(|d| **d <= t).count() as i64;
            let triangles = triples(8).filter(|(i, j, k)| [at(*i, *j), at(*i, *k), at(*j, *k)].iter().all(|p| values[*p] <= t)).count() as i64;
            let b0 = betti_curve(&found.h0, &[t])[0] as i64;
            let b1 = betti_curve(&found.h1, &[t])[0] as i64;
            prop_assert!(b0 - b1 <= 8 - edges + triangles);
            prop_assert!(b1 <= edges - 8 + b0);
        }
    }

    #[test]
    fn relabelling_moves_nothing(values in prop::collection::vec(0.01..5.0_f64, 28), seed in 0..999_u64) {
        let rdm = Rdm::from_condensed(values).unwrap();
        let turned = rdm.subset(&permutation(&mut stream(seed, "relabel", 0), 8)).unwrap();
        prop_assert_eq!(persistence(rdm.condensed(), None).unwrap(), persistence(turned.condensed(), None).unwrap());
        let (a, b) = (classical_mds(&rdm, 2).unwrap(), classical_mds(&turned, 2).unwrap());
        prop_assert!((a.stress - b.stress).abs() < 1e-9);
    }

    #[test]
    fn scaling_gives_euclidean_distances_back(values in prop::collection::vec(-3.0..3.0_f64, 18)) {
        let x = Array2::from_shape_vec((6, 3), values).unwrap();
        let rdm = Rdm::from_patterns(&x.view(), Metric::Euclidean).unwrap();
        let found = classical_mds(&rdm, 3).unwrap();
        let back = Rdm::from_patterns(&found.points.view(), Metric::Euclidean).unwrap();
        for (a, b) in rdm.condensed().iter().zip(back.condensed()) {
            prop_assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn one_sorting_serves_every_ramp(values in prop::collection::vec(-5..5_i32, 15), l in 0.0..1.0_f64, w in 0.0..1.0_f64) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let (lower, upper) = (l, l + (1.0 - l) * w);
        if let Ok(ranked) = Ranked::new(&values) {
            let got = ranked.ramp(lower, upper).unwrap();
            prop_assert_eq!(&got, &geo_topological(&values, GeoTopological::Ramp { lower, upper }).unwrap());
            prop_assert!(got.iter().all(|y| (0.0..=1.0).contains(y)));
        }
    }

    #[test]
    fn noise_that_folds_do_not_share_cancels(seed in 0..500_u64) {
        // Distances are linear in each fold's noise: adding noise to one fold of two and its opposite to none averages out.
        let truth = draw(4, 5, 7);
        let noise = draw(4, 5, seed + 100);
        let both = |sign: f64| {
            let mut x = Array2::zeros((8, 5));
            for i in 0..4 {
                x.row_mut(i).assign(&(&truth.row(i) + &(&noise.row(i) * sign)));
                x.row_mut(i + 4).assign(&truth.row(i));
            }
            crossnobis(&x.view(), &[0, 1, 2, 3, 0, 1, 2, 3], &[0, 0, 0, 0, 1, 1, 1, 1], None).unwrap().rdm
        };
        let (plus, minus) = (both(1.0), both(-1.0));
        let plain = Rdm::from_patterns(&truth.view(), Metric::SquaredEuclidean).unwrap();
        for ((p, m), d) in plus.condensed().iter().zip(minus.condensed()).zip(plain.condensed()) {
            prop_assert!(((p + m) / 2.0 - d).abs() < 1e-9);
        }
    }
}

fn at(i: usize, j: usize) -> usize {
    8 * i - i * (i + 1) / 2 + j - i - 1
}

fn triples(n: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n).flat_map(move |i| (i + 1..n).flat_map(move |j| (j + 1..n).map(move |k| (i, j, k))))
}
